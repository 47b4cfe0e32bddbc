// SPDX-License-Identifier: Apache-2.0
/* Groups, security groups, QoS, mirrors: record -> struct.  Called by snapshot.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"

int topo_decode_address_group(struct topo_snapshot *snap, struct topo_address_group *group,
			      const json_t *rec, struct err *err)
{
	const json_t *list = json_object_get(rec, "addresses");
	size_t n = json_array_size(list);
	struct topo_prefix *all = malloc((n + 1) * sizeof(*all));
	unsigned int len;

	for (size_t i = 0; all && i < n; i++) {
		(void)prefix_parse(json_string_value(json_array_get(list, i)), &all[i].ip, &len);
		all[i].len = (uint8_t)len;
	}
	group->set = all ? topo_ipset_build(all, (uint32_t)n, &snap->memory->arena) : NULL;
	free(all);
	if (!group->set)
		return err_set(err, -ENOMEM, "out of memory");
	group->n_addresses = topo_ipset_count(group->set);
	return 0;
}

int topo_decode_port_group(struct topo_snapshot *snap, struct topo_port_group *group,
			   const json_t *rec, struct err *err)
{
	group->stateful = topo_get_bool(rec, "stateful", false);
	return 0;
}

/* --- security groups --- */

static int get_remote(struct topo_snapshot *snap, const json_t *rec, struct topo_sg_rule *r,
		      struct err *err)
{
	bool in = r->direction == TOPO_INGRESS;
	const char *prefix = topo_str(rec, "remote");
	struct topo_address_group *group;
	struct topo_rule_more *m;
	unsigned int len;

	if (GET_REF(snap, rec, "remote_group", TOPO_SECURITY_GROUP, struct topo_security_group,
		    &r->remote, err) ||
	    GET_REF(snap, rec, "remote_addresses", TOPO_ADDRESS_GROUP, struct topo_address_group,
		    &group, err))
		return err->code;
	if (prefix && prefix_parse(prefix, in ? &r->rule.ip_src : &r->rule.ip_dst, &len)) {
		*(in ? &r->rule.ip_src_len : &r->rule.ip_dst_len) = (uint8_t)len;
		r->rule.match |= in ? TOPO_M_IP_SRC : TOPO_M_IP_DST;
	}
	if (!group)
		return 0;
	m = arena_alloc(&snap->memory->arena, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	memset(m, 0, sizeof(*m));
	*(in ? &m->src_group : &m->dst_group) = group;
	r->rule.more = m;
	r->rule.match |= in ? TOPO_M_SRC_GROUP : TOPO_M_DST_GROUP;
	return 0;
}

/* "icmp" follows the family of the remote end. */
static void get_proto(const json_t *rec, struct topo_rule *rule)
{
	const struct skep_ip *ip = rule->match & TOPO_M_IP_SRC ? &rule->ip_src : &rule->ip_dst;
	bool v6 = rule->match & (TOPO_M_IP_SRC | TOPO_M_IP_DST) ?
			  !ip_is_v4(ip) :
			  rule->match & TOPO_M_ETH_TYPE && rule->eth_type == htons(0x86dd);
	const char *name = topo_str(rec, "proto");

	if (v6 && name && !strcmp(name, "icmp"))
		rule->proto = IPPROTO_ICMPV6;
}

static int get_sg_rule(struct topo_snapshot *snap, const json_t *rec, struct topo_sg_rule *r,
		       struct topo_chain *chain, uint32_t index, struct err *err)
{
	struct arena *arena = &snap->memory->arena;
	const char *name = topo_str(rec, "name");

	r->rule.name = name ? arena_printf(arena, "%s", name) : arena_printf(arena, "rule%u", index + 1);
	r->rule.chain = chain;
	r->rule.action = TOPO_ACCEPT;
	r->direction = !strcmp(topo_str(rec, "direction"), "ingress") ? TOPO_INGRESS : TOPO_EGRESS;
	if (!r->rule.name)
		return err_set(err, -ENOMEM, "out of memory");
	if (topo_decode_match(snap, rec, &r->rule, false, err) || get_remote(snap, rec, r, err))
		return err_prefix(err, "rule '%s'", r->rule.name);
	get_proto(rec, &r->rule);
	return 0;
}

/* The group's rules of one direction as a chain that the simulator walks. */
static int make_chain(struct topo_snapshot *snap, struct topo_security_group *sg,
		      struct topo_chain *chain, struct topo_sg_rule *rules, uint32_t n, struct err *err)
{
	chain->o = sg->o;
	chain->n_rules = n;
	chain->rules = arena_alloc(&snap->memory->arena, (n + 1) * sizeof(*chain->rules));
	if (!chain->rules)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		rules[i].rule.index = i;
		rules[i].rule.chain = chain;
		chain->rules[i] = rules[i].rule;
	}
	if (n >= TOPO_CLASSIFIER_FROM)
		chain->classifier = topo_classifier_build(chain->rules, n, &snap->memory->arena);
	return 0;
}

int topo_decode_security_group(struct topo_snapshot *snap, struct topo_security_group *sg,
			       const json_t *rec, struct err *err)
{
	const json_t *list = json_object_get(rec, "rules"), *item;
	const char *egress = topo_str(rec, "egress");
	size_t i;

	sg->stateful = topo_get_bool(rec, "stateful", true);
	sg->egress_any = !egress || !strcmp(egress, "any");
	sg->rules = arena_alloc(&snap->memory->arena,
				(json_array_size(list) + 1) * sizeof(*sg->rules));
	if (!sg->rules)
		return err_set(err, -ENOMEM, "out of memory");
	memset(sg->rules, 0, (json_array_size(list) + 1) * sizeof(*sg->rules));
	for (int in = 1; in >= 0; in--)
		json_array_foreach(list, i, item)
		{
			if ((strcmp(topo_str(item, "direction"), "ingress") == 0) != in)
				continue;
			if (get_sg_rule(snap, item, &sg->rules[sg->n_ingress + sg->n_egress],
					in ? &sg->ingress : &sg->egress, (uint32_t)i, err))
				return err->code;
			(*(in ? &sg->n_ingress : &sg->n_egress))++;
		}
	if (make_chain(snap, sg, &sg->ingress, sg->rules, sg->n_ingress, err))
		return err->code;
	return make_chain(snap, sg, &sg->egress, sg->rules + sg->n_ingress, sg->n_egress, err);
}

/* --- QoS, mirrors --- */

/*
 * Dropping above a rate is hard on TCP: what it loses it finds out after its least timeout, 200 ms.  Measured with one stream of 64 kB segments: a
 * burst of 50 ms lets a quarter of the rate pass, 200 ms all of it.
 */
static uint64_t burst_of(const json_t *rec, const char *key, uint64_t rate)
{
	uint64_t bytes;

	if (topo_parse_bytes(json_object_get(rec, key), &bytes))
		return bytes;
	bytes = rate / 8 / 4; /* 250 ms */
	return bytes < 256000 ? 256000 : bytes;
}

int topo_decode_qos(struct topo_snapshot *snap, struct topo_qos *qos, const json_t *rec,
		    struct err *err)
{
	(void)topo_parse_rate(json_object_get(rec, "rate_in"), &qos->rate_in);
	(void)topo_parse_rate(json_object_get(rec, "rate_out"), &qos->rate_out);
	qos->burst_in = burst_of(rec, "burst_in", qos->rate_in);
	qos->burst_out = burst_of(rec, "burst_out", qos->rate_out);
	qos->dscp = (int16_t)topo_get_int(rec, "dscp", -1);
	return 0;
}

static int get_place(struct topo_snapshot *snap, const json_t *at, struct topo_mirror_place *place,
		     struct err *err)
{
	static const enum topo_kind kinds[] = { TOPO_PORT, TOPO_BRIDGE, TOPO_ROUTER };
	static const struct {
		const char *name;
		enum topo_hook hook;
	} hooks[] = { { "pre_in", TOPO_HOOK_PRE_IN },	{ "in", TOPO_HOOK_PRE_IN },
		      { "post_in", TOPO_HOOK_POST_IN }, { "pre_out", TOPO_HOOK_PRE_OUT },
		      { "post_out", TOPO_HOOK_POST_OUT }, { "out", TOPO_HOOK_POST_OUT } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !place->object; i++)
		if (topo_get_ref(snap, at, topo_kind_name(kinds[i]), kinds[i], &place->object, err))
			return err->code;
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!strcmp(topo_str(at, "hook"), hooks[i].name))
			place->hook = hooks[i].hook;
	return 0;
}

int topo_decode_mirror(struct topo_snapshot *snap, struct topo_mirror *m, const json_t *rec,
		       struct err *err)
{
	const json_t *match = json_object_get(rec, "match"), *at = json_object_get(rec, "at"), *item;
	struct arena *arena = &snap->memory->arena;
	size_t i;

	m->admin_up = topo_get_bool(rec, "admin_up", true);
	m->match = arena_alloc(arena, (json_array_size(match) + 1) * sizeof(*m->match));
	m->at = arena_alloc(arena, (json_array_size(at) + 1) * sizeof(*m->at));
	if (!m->match || !m->at)
		return err_set(err, -ENOMEM, "out of memory");
	if (GET_REF(snap, rec, "to", TOPO_PORT, struct topo_port, &m->to, err))
		return err->code;
	json_array_foreach(match, i, item)
	{
		struct topo_rule *r = &m->match[m->n_match++];

		r->name = arena_printf(arena, "condition%zu", i + 1);
		r->index = (uint32_t)i;
		if (!r->name || topo_decode_match(snap, item, r, true, err))
			return err_prefix(err, "condition %zu", i + 1);
	}
	json_array_foreach(at, i, item) if (get_place(snap, item, &m->at[m->n_at++], err))
		return err_prefix(err, "field 'at' element %zu", i + 1);
	return 0;
}
