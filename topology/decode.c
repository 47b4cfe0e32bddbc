// SPDX-License-Identifier: Apache-2.0
/*
 * Record -> struct, one function per kind.  Called by snapshot.c once all objects of a snapshot exist by name.  The records' shape was
 * checked (object.c), so values have their types; references may still dangle, and records written by other hands may be sparse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "topology/snapshot.h"

static bool get_bool(const json_t *rec, const char *key, bool def)
{
	const json_t *v = json_object_get(rec, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

static json_int_t get_int(const json_t *rec, const char *key, json_int_t def)
{
	const json_t *v = json_object_get(rec, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

/* NULL and 0: not set.  -ENOENT: dangling. */
static int get_ref(const struct topo_snapshot *snap, const json_t *rec, const char *key,
		   enum topo_kind kind, struct topo_object **out, struct err *err)
{
	const char *name = topo_str(rec, key);

	*out = name ? topo_find(snap, kind, name) : NULL;
	if (name && !*out)
		return err_tag(err, -EINVAL, "no_such_object", "field '%s': %s '%s' does not exist",
			       key, topo_kind_name(kind), name);
	return 0;
}

#define GET_REF(snap, rec, key, KIND, type, out, err)              \
	({                                                         \
		struct topo_object *_o;                            \
		int _rc = get_ref(snap, rec, key, KIND, &_o, err); \
		*(out) = _o ? container_of(_o, type, o) : NULL;    \
		_rc;                                               \
	})

static int get_chains(struct topo_snapshot *snap, const json_t *rec, struct topo_chain **in,
		      struct topo_chain **out, struct err *err)
{
	if (GET_REF(snap, rec, "in_chain", TOPO_CHAIN, struct topo_chain, in, err))
		return -EINVAL;
	return GET_REF(snap, rec, "out_chain", TOPO_CHAIN, struct topo_chain, out, err);
}

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

static void get_matches(const json_t *rec, struct topo_rule *rule)
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
		rule->icmp_type = (uint8_t)get_int(rec, "icmp_type", 0);
		rule->match |= TOPO_M_ICMP_TYPE;
	}
	if (json_object_get(rec, "icmp_code")) {
		rule->icmp_code = (uint8_t)get_int(rec, "icmp_code", 0);
		rule->match |= TOPO_M_ICMP_CODE;
	}
}

static int get_rule(struct topo_snapshot *snap, const json_t *rec, struct topo_rule *rule,
		    struct err *err)
{
	static const char *const actions[] = { [TOPO_ACCEPT] = "accept",
					       [TOPO_DROP] = "drop",
					       [TOPO_REJECT] = "reject",
					       [TOPO_JUMP] = "jump",
					       [TOPO_RETURN] = "return" };
	struct arena *arena = &snap->memory->arena;
	const char *name = topo_str(rec, "name"), *action = topo_str(rec, "action");

	rule->name = name ? arena_printf(arena, "%s", name)
			  : arena_printf(arena, "rule%u", rule->index + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(action, actions[i]))
			rule->action = (enum topo_action)i;
	get_matches(rec, rule);
	if (!rule->name)
		return err_set(err, -ENOMEM, "out of memory");
	if (GET_REF(snap, rec, "jump", TOPO_CHAIN, struct topo_chain, &rule->jump, err))
		return err_prefix(err, "rule '%s'", rule->name);
	return 0;
}

int topo_decode_chain(struct topo_snapshot *snap, struct topo_chain *chain, const json_t *rec,
		      struct err *err)
{
	const json_t *rules = json_object_get(rec, "rules");
	size_t n = json_array_size(rules);
	int rc = 0;

	chain->rules = arena_alloc(&snap->memory->arena, (n + 1) * sizeof(struct topo_rule));
	if (!chain->rules)
		return err_set(err, -ENOMEM, "out of memory");
	chain->n_rules = (uint32_t)n;
	for (uint32_t i = 0; !rc && i < n; i++) {
		chain->rules[i].chain = chain;
		chain->rules[i].index = i;
		rc = get_rule(snap, json_array_get(rules, i), &chain->rules[i], err);
	}
	return rc;
}

int topo_decode_bridge(struct topo_snapshot *snap, struct topo_bridge *bridge, const json_t *rec,
		       struct err *err)
{
	bridge->admin_up = get_bool(rec, "admin_up", true);
	return get_chains(snap, rec, &bridge->in_chain, &bridge->out_chain, err);
}

int topo_decode_router(struct topo_snapshot *snap, struct topo_router *router, const json_t *rec,
		       struct err *err)
{
	router->admin_up = get_bool(rec, "admin_up", true);
	return get_chains(snap, rec, &router->in_chain, &router->out_chain, err);
}

static int get_addresses(struct topo_snapshot *snap, const json_t *rec, struct topo_port *port,
			 struct err *err)
{
	const json_t *list = json_object_get(rec, "addresses");
	size_t n = json_array_size(list);
	unsigned int len;

	port->addrs = arena_alloc(&snap->memory->arena, (n + 1) * sizeof(struct topo_addr));
	if (!port->addrs)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));
		struct topo_addr *a = &port->addrs[port->n_addrs++];

		if (!prefix_parse(s, &a->ip, &len))
			return err_set(err, -EINVAL, "field 'addresses': '%s' is not an IP address",
				       s);
		if (port->router && !strchr(s, '/'))
			return err_set(
				err, -EINVAL,
				"field 'addresses': '%s' has no prefix length (a router port's subnet is part of it, want %s/%d)",
				s, s, ip_is_v4(&a->ip) ? 24 : 64);
		if (port->bridge && len != ip_bits(&a->ip))
			return err_set(
				err, -EINVAL,
				"field 'addresses': '%s' has a prefix length (a bridge port has single addresses, want it without '/%u')",
				s, len);
		a->len = (uint8_t)len;
	}
	return 0;
}

int topo_decode_port(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		     struct err *err)
{
	static const struct topo_port_more none;
	const char *mac = topo_str(rec, "mac");

	port->more = &none;
	port->admin_up = get_bool(rec, "admin_up", true);
	port->port_security = get_bool(rec, "port_security", true);
	if (GET_REF(snap, rec, "bridge", TOPO_BRIDGE, struct topo_bridge, &port->bridge, err) ||
	    GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &port->router, err) ||
	    GET_REF(snap, rec, "peer", TOPO_PORT, struct topo_port, &port->peer, err) ||
	    get_chains(snap, rec, &port->in_chain, &port->out_chain, err))
		return -EINVAL;
	port->has_mac = mac && mac_parse(mac, &port->mac);
	if (!port->has_mac && port->router) {
		port->mac = topo_derive_mac(port->o.id);
		port->has_mac = true;
	}
	return get_addresses(snap, rec, port, err);
}

int topo_decode_route(struct topo_snapshot *snap, struct topo_route *route, const json_t *rec,
		      struct err *err)
{
	static const char *const types[] = { [TOPO_ROUTE_PORT] = "port",
					     [TOPO_ROUTE_LOCAL] = "local",
					     [TOPO_ROUTE_BLACKHOLE] = "blackhole",
					     [TOPO_ROUTE_REJECT] = "reject" };
	const char *type = topo_str(rec, "type"), *src = topo_str(rec, "src");
	const char *gateway = topo_str(rec, "gateway");
	unsigned int len;

	for (unsigned int i = 0; type && i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			route->type = (enum topo_route_type)i;
	if (prefix_parse(topo_str(rec, "dst"), &route->dst, &len))
		route->dst_len = (uint8_t)len;
	if (src && prefix_parse(src, &route->src, &len))
		route->src_len = (uint8_t)len;
	if (gateway)
		(void)ip_parse(gateway, &route->gateway); /* checked: it parses */
	route->weight = (uint32_t)get_int(rec, "weight", 100);
	if (GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &route->router, err) ||
	    GET_REF(snap, rec, "port", TOPO_PORT, struct topo_port, &route->port, err))
		return -EINVAL;
	if (route->port && route->port->router != route->router)
		return err_set(
			err, -EINVAL,
			"field 'port': '%s' is not a port of router '%s' (want one of its own)",
			route->port->o.name, route->router->o.name);
	return 0;
}

int topo_decode_bind(struct topo_snapshot *snap, const char *name, const json_t *rec,
		     struct err *err)
{
	struct topo_port *port = topo_find_port(snap, name);
	struct arena *arena = &snap->memory->arena;

	if (!port)
		return err_tag(err, -EINVAL, "no_such_object",
			       "field 'port': port '%s' does not exist", name);
	port->host = arena_printf(arena, "%s", topo_str(rec, "host"));
	port->interface = arena_printf(arena, "%s", topo_str(rec, "interface"));
	return port->host && port->interface ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int topo_decode_live(struct topo_snapshot *snap, const char *name, const json_t *rec)
{
	struct topo_port *port = topo_find_port(snap, name);
	json_int_t key = get_int(rec, "key", 0), flood = get_int(rec, "flood", 0);
	const char *host = topo_str(rec, "host");

	if (!port || port->peer || !host || !topo_name_valid(host) || key < 1 || key > 0xffffff ||
	    flood < 0 || flood > 0xffffff)
		return 0;
	port->live_host = arena_printf(&snap->memory->arena, "%s", host);
	port->live_key = (uint32_t)key;
	port->live_flood_key = port->bridge ? (uint32_t)flood : 0;
	return port->live_host ? 0 : -ENOMEM;
}
