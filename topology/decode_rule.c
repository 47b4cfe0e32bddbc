// SPDX-License-Identifier: Apache-2.0
/* Rules and their conditions: record -> struct.  Called by decode.c, decode_policy.c, decode_nat.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"

static void get_mac_match(const json_t *rec, const char *key, uint32_t bit, struct topo_rule *rule,
			  struct skep_mac *mac, struct skep_mac *mask)
{
	const char *s = topo_str(rec, key);

	if (!s || !topo_parse_mac_mask(s, mac, mask))
		return;
	for (int i = 0; i < 6; i++)
		mac->b[i] &= mask->b[i];
	rule->match |= bit;
}

static void get_prefix_match(const json_t *rec, const char *key, uint32_t bit,
			     struct topo_rule *rule, struct skep_ip *ip, uint8_t *len)
{
	const char *s = topo_str(rec, key);
	unsigned int n;

	if (!s || !prefix_parse(s, ip, &n))
		return;
	*len = (uint8_t)n;
	rule->match |= bit;
}

static void get_proto(const json_t *rec, struct topo_rule *rule)
{
	const json_t *v = json_object_get(rec, "proto");
	const struct skep_ip *ip = rule->match & TOPO_M_IP_SRC ? &rule->ip_src : &rule->ip_dst;
	bool v6 = rule->match & (TOPO_M_IP_SRC | TOPO_M_IP_DST)
			  ? !ip_is_v4(ip)
			  : rule->match & TOPO_M_ETH_TYPE && rule->eth_type == htons(0x86dd);

	if (!v || !topo_parse_proto(v, &rule->proto))
		return;
	if (v6 && json_is_string(v) && !strcmp(json_string_value(v), "icmp"))
		rule->proto = IPPROTO_ICMPV6;
	rule->match |= TOPO_M_PROTO;
}

static void get_plain(const json_t *rec, struct topo_rule *rule)
{
	uint16_t type;

	if (topo_parse_ethertype(json_object_get(rec, "ethertype"), &type)) {
		rule->eth_type = htons(type);
		rule->match |= TOPO_M_ETH_TYPE;
	}
	get_mac_match(rec, "eth_src", TOPO_M_ETH_SRC, rule, &rule->eth_src, &rule->eth_src_mask);
	get_mac_match(rec, "eth_dst", TOPO_M_ETH_DST, rule, &rule->eth_dst, &rule->eth_dst_mask);
	get_prefix_match(rec, "src", TOPO_M_IP_SRC, rule, &rule->ip_src, &rule->ip_src_len);
	get_prefix_match(rec, "dst", TOPO_M_IP_DST, rule, &rule->ip_dst, &rule->ip_dst_len);
	get_proto(rec, rule);
	if (topo_parse_ports(json_object_get(rec, "src_ports"), rule->l4_src))
		rule->match |= TOPO_M_L4_SRC;
	if (topo_parse_ports(json_object_get(rec, "dst_ports"), rule->l4_dst))
		rule->match |= TOPO_M_L4_DST;
	if (json_object_get(rec, "icmp_type")) {
		rule->icmp_type = (uint8_t)topo_get_int(rec, "icmp_type", 0);
		rule->match |= TOPO_M_ICMP_TYPE;
	}
	if (json_object_get(rec, "icmp_code")) {
		rule->icmp_code = (uint8_t)topo_get_int(rec, "icmp_code", 0);
		rule->match |= TOPO_M_ICMP_CODE;
	}
}


static void get_words(const json_t *rec, struct topo_rule *rule)
{
	static const char *const fragments[] = { [TOPO_FRAG_HEADER] = "header",
						 [TOPO_FRAG_LATER] = "later",
						 [TOPO_FRAG_UNFRAGMENTED] = "unfragmented",
						 [TOPO_FRAG_ANY_FRAGMENT] = "any_fragment" };
	static const char *const states[] = { "new", "established", "reply", "related", "invalid" };
	const char *fragment = topo_str(rec, "fragment"), *flags = topo_str(rec, "tcp_flags");
	const json_t *list = json_object_get(rec, "ct_state"), *item;
	size_t i;

	for (i = 0; fragment && i < ARRAY_SIZE(fragments); i++)
		if (!strcmp(fragment, fragments[i])) {
			rule->fragment = (uint8_t)i;
			rule->match |= TOPO_M_FRAGMENT;
		}
	json_array_foreach(list, i, item)
	{
		for (unsigned int k = 0; k < ARRAY_SIZE(states); k++)
			if (!strcmp(json_string_value(item), states[k]))
				rule->ct |= (uint8_t)(1u << k); /* enum topo_ct */
		rule->match |= TOPO_M_CT;
	}
	if (flags && topo_parse_tcp_flags(flags, &rule->tcp_mask, &rule->tcp_value))
		rule->match |= TOPO_M_TCP_FLAGS;
}

static void get_numbers(const json_t *rec, struct topo_rule *rule)
{
	if (json_object_get(rec, "dscp")) {
		rule->dscp = (uint8_t)topo_get_int(rec, "dscp", 0);
		rule->match |= TOPO_M_DSCP;
	}
	if (json_object_get(rec, "vlan")) {
		rule->vlan = (uint16_t)topo_get_int(rec, "vlan", 0);
		rule->match |= TOPO_M_VLAN;
	}
	if (json_object_get(rec, "dst_rewritten")) {
		rule->match |= TOPO_M_DST_REWRITTEN;
		if (!topo_get_bool(rec, "dst_rewritten", true))
			rule->negate |= TOPO_M_DST_REWRITTEN;
	}
}

static void get_negations(const json_t *rec, struct topo_rule *rule)
{
	const json_t *list = json_object_get(rec, "not"), *item;
	size_t i;

	rule->invert = topo_get_bool(rec, "invert", false);
	json_array_foreach(list, i, item)
	{
		uint32_t bit = topo_match_bit(json_string_value(item));

		rule->negate ^= bit & rule->match;
	}
}

/* --- conditions that name objects, or are rare --- */

static int by_pointer(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (struct topo_port *const *)a;
	uintptr_t y = (uintptr_t) * (struct topo_port *const *)b;

	return x < y ? -1 : x > y;
}

static int get_ports(struct topo_snapshot *snap, const json_t *rec, const char *key, uint32_t bit,
		     struct topo_rule *rule, struct topo_port ***out, uint32_t *n, struct err *err)
{
	const json_t *list = json_object_get(rec, key), *item;
	size_t i;

	if (!list)
		return 0;
	rule->match |= bit;
	*out = arena_alloc(&snap->memory->arena, (json_array_size(list) + 1) * sizeof(**out));
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		struct topo_port *p = topo_find_port(snap, json_string_value(item));

		if (!p)
			return err_tag(err, -EINVAL, "no_such_object",
				       "field '%s': port '%s' does not exist", key,
				       json_string_value(item));
		p->refs++;
		(*out)[(*n)++] = p;
	}
	qsort(*out, *n, sizeof(**out), by_pointer);
	return 0;
}

static int get_groups(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		      struct topo_rule_more *m, struct err *err)
{
	if (GET_REF(snap, rec, "src_group", TOPO_ADDRESS_GROUP, struct topo_address_group,
		    &m->src_group, err) ||
	    GET_REF(snap, rec, "dst_group", TOPO_ADDRESS_GROUP, struct topo_address_group,
		    &m->dst_group, err) ||
	    GET_REF(snap, rec, "in_port_group", TOPO_PORT_GROUP, struct topo_port_group,
		    &m->in_group, err) ||
	    GET_REF(snap, rec, "out_port_group", TOPO_PORT_GROUP, struct topo_port_group,
		    &m->out_group, err) ||
	    GET_REF(snap, rec, "entry_port_group", TOPO_PORT_GROUP, struct topo_port_group,
		    &m->entry_group, err))
		return err->code;
	rule->match |= (m->src_group ? TOPO_M_SRC_GROUP : 0u) | (m->dst_group ? TOPO_M_DST_GROUP : 0u) |
		       (m->in_group ? TOPO_M_IN_GROUP : 0u) | (m->out_group ? TOPO_M_OUT_GROUP : 0u) |
		       (m->entry_group ? TOPO_M_ENTRY_GROUP : 0u);
	return 0;
}

static int get_device(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		      struct topo_rule_more *m, struct err *err)
{
	const char *text = topo_str(rec, "traversed"), *name;
	enum topo_kind kind;

	if (!text || !topo_parse_device(text, &kind, &name))
		return 0;
	m->traversed = topo_find(snap, kind, name);
	if (!m->traversed)
		return err_tag(err, -EINVAL, "no_such_object",
			       "field 'traversed': %s '%s' does not exist", topo_kind_name(kind),
			       name);
	rule->match |= TOPO_M_TRAVERSED;
	return 0;
}

static bool has_more(const json_t *rec)
{
	static const char *const rare[] = { "src_group",      "dst_group",	  "in_ports",
					    "out_ports",      "in_port_group",	  "out_port_group",
					    "entry_port_group", "traversed",	  "inner_src",
					    "inner_dst" };

	for (size_t i = 0; i < ARRAY_SIZE(rare); i++)
		if (json_object_get(rec, rare[i]))
			return true;
	return false;
}

static int get_more(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		    struct err *err)
{
	struct topo_rule_more *m;

	if (!has_more(rec))
		return 0;
	m = arena_alloc(&snap->memory->arena, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	memset(m, 0, sizeof(*m));
	rule->more = m;
	get_prefix_match(rec, "inner_src", TOPO_M_INNER_SRC, rule, &m->inner_src, &m->inner_src_len);
	get_prefix_match(rec, "inner_dst", TOPO_M_INNER_DST, rule, &m->inner_dst, &m->inner_dst_len);
	if (get_groups(snap, rec, rule, m, err) || get_device(snap, rec, rule, m, err) ||
	    get_ports(snap, rec, "in_ports", TOPO_M_IN_PORTS, rule, &m->in_ports, &m->n_in_ports,
		      err) ||
	    get_ports(snap, rec, "out_ports", TOPO_M_OUT_PORTS, rule, &m->out_ports, &m->n_out_ports,
		      err))
		return err->code;
	return 0;
}

int topo_decode_match(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		      bool references, struct err *err)
{
	get_plain(rec, rule);
	get_words(rec, rule);
	get_numbers(rec, rule);
	if (references && get_more(snap, rec, rule, err))
		return err->code;
	get_negations(rec, rule);
	return 0;
}

int topo_decode_rule(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		    struct err *err)
{
	static const char *const actions[] = { [TOPO_ACCEPT] = "accept",
					       [TOPO_DROP] = "drop",
					       [TOPO_REJECT] = "reject",
					       [TOPO_JUMP] = "jump",
					       [TOPO_RETURN] = "return",
					       [TOPO_CONTINUE] = "continue" };
	struct arena *arena = &snap->memory->arena;
	const char *name = topo_str(rec, "name"), *action = topo_str(rec, "action");

	rule->name = name ? arena_printf(arena, "%s", name)
			  : arena_printf(arena, "rule%u", rule->index + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(action, actions[i]))
			rule->action = (enum topo_action)i;
	rule->log = topo_get_bool(rec, "log", false);
	if (!rule->name)
		return err_set(err, -ENOMEM, "out of memory");
	if (GET_REF(snap, rec, "jump", TOPO_CHAIN, struct topo_chain, &rule->jump, err))
		return err_prefix(err, "rule '%s'", rule->name);
	if (topo_decode_match(snap, rec, rule, true, err))
		return err_prefix(err, "rule '%s'", rule->name);
	return 0;
}

