// SPDX-License-Identifier: Apache-2.0
/*
 * A flood leaves once per remote host when the outputs there are all that the bridge has there: the
 * receiver fans it out by its flood key. When policy took some of them out, or the host has
 * published no flood key, each port gets its own copy.
 */
#include "loader/install.h"

#include <errno.h>
#include <string.h>

#include "loader/install_rewrite.h"
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

/* A mirror's copy is none of the flood. */
static const struct topo_bridge *flooded(const struct sim_output *o)
{
	return o->mirror ? NULL : o->flooded;
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

/* Counts the ports of the bridge that live on the hosts of its groups. */
static void count_live(struct hmap *groups, const struct topo_bridge *bridge)
{
	struct topo_ports_at at;

	for (const struct topo_port *p = topo_ports_first(&bridge->ports, &at); p;
	     p = topo_ports_next(&at)) {
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
		g = find_group(groups, host, flooded(o));
		if (!g) {
			g = arena_alloc(arena, sizeof(*g));
			if (!g)
				return -ENOMEM;
			*g = (struct group){ .host = host,
					     .bridge = flooded(o),
					     .first = o,
					     .same = true,
					     .peer = env->peer(env->arg, host) };
			if (hmap_insert(groups, &g->node, group_hash(host, flooded(o))))
				return -ENOMEM;
			plan->hosts[plan->n_hosts++] = host;
		}
		g->outputs++;
		g->same = g->same && install_same_headers(&g->first->f, &o->f);
	}
	for (uint32_t i = 0; i < n; i++)
		if (flooded(&outputs[i]) && outputs[i].flooded != counted) {
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
		v->police = env->police ? (uint16_t)env->police(env->arg, p->live_key) : 0;
		return true;
	}
	g = find_group(groups, p->live_host, flooded(o));
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
	uint32_t set_dscp = 0;
	int rc;

	*plan = (struct install_plan){ .uniform = true };
	if (!n)
		return 0;
	rc = make_groups(&groups, env, outputs, n, arena, plan);
	plan->copies = arena_alloc(arena, n * sizeof(plan->copies[0]));
	if (!plan->copies)
		rc = -ENOMEM;
	for (uint32_t i = 0; !rc && i < n; i++) {
		struct install_copy *c = &plan->copies[plan->n], *first = &plan->copies[0];

		*c = (struct install_copy){ .output = &outputs[i] };
		if (!make_target(env, &groups, &outputs[i], &c->verdict, plan))
			continue;
		if (!install_rewrite(in, &outputs[i].f, &c->verdict, &c->rewrite)) {
			plan->unsupported = true;
			continue;
		}
		if (outputs[i].set_dscp) { /* of other packets of this flow too, whatever they have */
			c->rewrite.what |= SKEP_RW_DSCP;
			c->rewrite.dscp = outputs[i].f.ip_tos >> 2;
			set_dscp++;
		}
		plan->uniform = plan->uniform && install_same_headers(&first->output->f, &c->output->f);
		plan->one_dscp = plan->one_dscp ||
				 (first->output->f.ip_tos ^ c->output->f.ip_tos) & 0xfc;
		plan->n++;
	}
	/* from one copy to the next only differences are written */
	if (set_dscp && (set_dscp != plan->n || !plan->uniform))
		plan->one_dscp = true;
	hmap_fini(&groups);
	return rc;
}
