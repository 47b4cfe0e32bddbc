// SPDX-License-Identifier: Apache-2.0
/*
 * A flood leaves once per remote host when the outputs there are all that the bridge has there: the
 * receiver fans it out by its flood key. When policy took some of them out, or the host has
 * published no flood key, each port gets its own copy.
 */
#include "loader/install.h"

#include <errno.h>
#include <string.h>

#include "util/hash.h"

/* Outputs of one flooded bridge on one remote host. */
struct group {
	struct hmap_node node;
	const char *host;
	const struct topo_bridge *bridge; /* NULL = unicast: never one copy */
	const struct sim_output *first;
	uint32_t outputs;   /* of the result */
	uint32_t live;	    /* ports of the bridge that are live on the host */
	uint32_t flood_key; /* 0 = none, or they disagree */
	uint32_t peer;
	bool same; /* all outputs carry the same headers */
	bool sent;
};

static uint64_t group_hash(const char *host, const struct topo_bridge *bridge)
{
	return hash_str(host, (uintptr_t)bridge);
}

static struct group *find_group(struct hmap *groups, const char *host,
				const struct topo_bridge *bridge)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, groups, group_hash(host, bridge)) {
		struct group *g = container_of(n, struct group, node);

		if (g->bridge == bridge && !strcmp(g->host, host))
			return g;
	}
	return NULL;
}

static bool same_headers(const struct pkt_fields *a, const struct pkt_fields *b)
{
	return mac_eq(&a->eth_dst, &b->eth_dst) && mac_eq(&a->eth_src, &b->eth_src) &&
	       a->ip_ttl == b->ip_ttl;
}

/* Counts the ports of the bridge that live on the hosts of its groups. */
static void count_live(struct hmap *groups, const struct topo_bridge *bridge)
{
	for (uint32_t i = 0; i < bridge->n_ports; i++) {
		const struct topo_port *p = bridge->ports[i];
		struct group *g =
			!p->peer && p->live_host ? find_group(groups, p->live_host, bridge) : NULL;

		if (!g)
			continue;
		if (!g->live++)
			g->flood_key = p->live_flood_key;
		else if (g->flood_key != p->live_flood_key)
			g->flood_key = 0;
	}
}

/* 0, or -ENOMEM.  Groups live in the arena, the table's buckets do not. */
static int make_groups(struct hmap *groups, const struct install_env *env,
		       const struct sim_output *outputs, uint32_t n, struct arena *arena,
		       struct install_plan *plan)
{
	const struct topo_bridge *counted = NULL;

	plan->hosts = arena_alloc(arena, n * sizeof(plan->hosts[0]));
	if (!plan->hosts)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct sim_output *o = &outputs[i];
		const char *host = o->port->live_host;
		struct group *g;

		if (!host || !strcmp(host, env->host))
			continue;
		g = find_group(groups, host, o->flooded);
		if (!g) {
			g = arena_alloc(arena, sizeof(*g));
			if (!g)
				return -ENOMEM;
			*g = (struct group){ .host = host,
					     .bridge = o->flooded,
					     .first = o,
					     .same = true,
					     .peer = env->peer(env->arg, host) };
			if (hmap_insert(groups, &g->node, group_hash(host, o->flooded)))
				return -ENOMEM;
			plan->hosts[plan->n_hosts++] = host;
		}
		g->outputs++;
		g->same = g->same && same_headers(&g->first->f, &o->f);
	}
	for (uint32_t i = 0; i < n; i++)
		if (outputs[i].flooded && outputs[i].flooded != counted) {
			struct hmap_node *node, *tmp;
			bool done = false;

			counted = outputs[i].flooded;
			hmap_for_each (node, tmp, groups) {
				const struct group *g = container_of(node, struct group, node);

				done = done || (g->bridge == counted && g->live);
			}
			if (!done)
				count_live(groups, counted);
		}
	return 0;
}

/* What must be written into the frame; false if the datapath cannot. */
static bool make_rewrite(const struct pkt_fields *in, const struct pkt_fields *out,
			 struct skep_flow *v)
{
	struct pkt_fields rest = *out;

	if (out->ip_ttl > in->ip_ttl)
		return false;
	v->ttl_dec = in->ip_ttl - out->ip_ttl;
	if (!mac_eq(&in->eth_dst, &out->eth_dst)) {
		v->flags |= SKEP_F_ETH_DST;
		v->eth_dst = out->eth_dst;
	}
	if (!mac_eq(&in->eth_src, &out->eth_src)) {
		v->flags |= SKEP_F_ETH_SRC;
		v->eth_src = out->eth_src;
	}
	rest.eth_dst = in->eth_dst;
	rest.eth_src = in->eth_src;
	rest.ip_ttl = in->ip_ttl;
	return rest.eth_type == in->eth_type && rest.vlan == in->vlan &&
	       ip_eq(&rest.ip_src, &in->ip_src) && ip_eq(&rest.ip_dst, &in->ip_dst) &&
	       rest.ip_proto == in->ip_proto && rest.ip_tos == in->ip_tos &&
	       rest.l4_src == in->l4_src && rest.l4_dst == in->l4_dst;
}

static bool same_rewrite(const struct skep_flow *a, const struct skep_flow *b)
{
	const uint16_t mask = SKEP_F_ETH_DST | SKEP_F_ETH_SRC;

	return a->ttl_dec == b->ttl_dec && (a->flags & mask) == (b->flags & mask) &&
	       mac_eq(&a->eth_dst, &b->eth_dst) && mac_eq(&a->eth_src, &b->eth_src) &&
	       a->rewrite == b->rewrite;
}

/* Where the output goes; false if it has no copy of its own (unreachable, or in a flood that was
 * sent already). */
static bool make_target(const struct install_env *env, struct hmap *groups,
			const struct sim_output *o, struct skep_flow *v, struct install_plan *plan)
{
	const struct topo_port *p = o->port;
	struct group *g;
	bool peer;

	if (!p->live_host || !p->live_key) {
		plan->dead++;
		return false;
	}
	if (!strcmp(p->live_host, env->host)) {
		v->action = SKEP_ACT_LOCAL;
		if (!env->local(env->arg, p->live_key, &v->out, &peer)) {
			plan->dead++;
			return false;
		}
		v->flags |= peer ? SKEP_F_PEER : 0;
		return true;
	}
	g = find_group(groups, p->live_host, o->flooded);
	if (!g || !g->peer) {
		plan->dead++;
		return false;
	}
	v->action = SKEP_ACT_ENCAP;
	v->peer = g->peer;
	v->out = p->live_key;
	if (g->bridge && g->flood_key && g->same && g->outputs == g->live && g->live > 1) {
		v->out = g->flood_key;
		if (g->sent)
			return false;
		g->sent = true;
	}
	return true;
}

int install_plan(const struct install_env *env, const struct pkt_fields *in,
		 const struct sim_output *outputs, uint32_t n, struct arena *arena,
		 struct install_plan *plan)
{
	struct hmap groups = { 0 };
	int rc;

	*plan = (struct install_plan){ .uniform = true };
	if (!n)
		return 0;
	rc = make_groups(&groups, env, outputs, n, arena, plan);
	plan->copies = arena_alloc(arena, n * sizeof(plan->copies[0]));
	if (!plan->copies)
		rc = -ENOMEM;
	for (uint32_t i = 0; !rc && i < n; i++) {
		struct install_copy *c = &plan->copies[plan->n];

		*c = (struct install_copy){ .output = &outputs[i] };
		if (!make_target(env, &groups, &outputs[i], &c->verdict, plan))
			continue;
		if (!make_rewrite(in, &outputs[i].f, &c->verdict)) {
			plan->unsupported = true;
			continue;
		}
		plan->uniform =
			plan->uniform && same_rewrite(&plan->copies[0].verdict, &c->verdict);
		plan->n++;
	}
	hmap_fini(&groups);
	return rc;
}

struct skep_out *install_outs(const struct install_plan *plan, struct arena *arena)
{
	struct skep_out *outs = arena_alloc(arena, plan->n * sizeof(outs[0]));

	for (uint32_t i = 0; outs && i < plan->n; i++) {
		const struct skep_flow *v = &plan->copies[i].verdict;

		outs[i] = (struct skep_out){ .action = v->action,
					     .flags = v->flags & SKEP_F_PEER,
					     .out = v->out,
					     .peer = v->peer };
	}
	return outs;
}

void install_set_verdict(const struct install_copy *copy, uint32_t set, struct skep_flow *verdict)
{
	*verdict = copy->verdict;
	verdict->action = SKEP_ACT_SET;
	verdict->flags &= ~SKEP_F_PEER;
	verdict->out = set;
	verdict->peer = 0;
}

bool install_same(const struct skep_flow *a, const struct skep_flow *b)
{
	return a->action == b->action && a->ttl_dec == b->ttl_dec && a->flags == b->flags &&
	       a->out == b->out && a->peer == b->peer && mac_eq(&a->eth_dst, &b->eth_dst) &&
	       mac_eq(&a->eth_src, &b->eth_src) && a->rewrite == b->rewrite;
}
