// SPDX-License-Identifier: Apache-2.0
/*
 * Record -> struct, one function per kind.  Called by snapshot.c once all objects of a snapshot exist by name.  The records' shape was
 * checked (object.c), so values have their types; references may still dangle, and records written by other hands may be sparse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"

static int get_chains(struct topo_snapshot *snap, const json_t *rec, struct topo_chain **in,
		      struct topo_chain **out, struct err *err)
{
	if (GET_REF(snap, rec, "in_chain", TOPO_CHAIN, struct topo_chain, in, err))
		return -EINVAL;
	return GET_REF(snap, rec, "out_chain", TOPO_CHAIN, struct topo_chain, out, err);
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
		rc = topo_decode_rule(snap, json_array_get(rules, i), &chain->rules[i], err);
	}
	if (!rc && n >= TOPO_CLASSIFIER_FROM)
		chain->classifier = topo_classifier_build(chain->rules, chain->n_rules,
							  &snap->memory->arena);
	return rc;
}

static int get_static_macs(struct topo_snapshot *snap, struct topo_bridge *bridge, const json_t *rec,
			   struct err *err)
{
	const json_t *list = json_object_get(rec, "static_macs"), *item;
	size_t i;

	bridge->static_macs = arena_alloc(&snap->memory->arena, (json_array_size(list) + 1) *
									sizeof(*bridge->static_macs));
	if (!bridge->static_macs)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		struct topo_static_mac *m = &bridge->static_macs[bridge->n_static_macs++];

		(void)mac_parse(topo_str(item, "mac"), &m->mac); /* checked: it parses */
		m->vlan = (uint16_t)topo_get_int(item, "vlan", 0);
		if (GET_REF(snap, item, "port", TOPO_PORT, struct topo_port, &m->port, err))
			return err_prefix(err, "field 'static_macs' element %zu", i + 1);
	}
	return 0;
}

static int by_ip(const void *a, const void *b)
{
	return memcmp(&((const struct topo_static_neigh *)a)->ip,
		      &((const struct topo_static_neigh *)b)->ip, sizeof(struct skep_ip));
}

static int get_neighbours(struct topo_snapshot *snap, struct topo_bridge *bridge, const json_t *rec,
			  struct err *err)
{
	const json_t *list = json_object_get(rec, "neighbours"), *item;
	size_t i;

	bridge->static_neighs = arena_alloc(&snap->memory->arena, (json_array_size(list) + 1) *
									  sizeof(*bridge->static_neighs));
	if (!bridge->static_neighs)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		struct topo_static_neigh *n = &bridge->static_neighs[bridge->n_static_neighs++];

		(void)ip_parse(topo_str(item, "address"), &n->ip); /* checked: they parse */
		(void)mac_parse(topo_str(item, "mac"), &n->mac);
	}
	qsort(bridge->static_neighs, bridge->n_static_neighs, sizeof(*bridge->static_neighs), by_ip);
	return 0;
}

int topo_decode_bridge(struct topo_snapshot *snap, struct topo_bridge *bridge, const json_t *rec,
		       struct err *err)
{
	bridge->admin_up = topo_get_bool(rec, "admin_up", true);
	bridge->vlan_aware = topo_get_bool(rec, "vlan_aware", false);
	if (get_static_macs(snap, bridge, rec, err) || get_neighbours(snap, bridge, rec, err))
		return err->code;
	return get_chains(snap, rec, &bridge->in_chain, &bridge->out_chain, err);
}

int topo_decode_router(struct topo_snapshot *snap, struct topo_router *router, const json_t *rec,
		       struct err *err)
{
	router->admin_up = topo_get_bool(rec, "admin_up", true);
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

static const uint64_t *get_vlans(struct topo_snapshot *snap, const json_t *list)
{
	uint64_t *map = arena_alloc(&snap->memory->arena, 4096 / 8);
	const json_t *item;
	uint16_t range[2];
	size_t i;

	if (!map)
		return NULL;
	if (json_is_string(list)) { /* all: 0 and 4095 are none */
		memset(map, 0xff, 4096 / 8);
		map[0] &= ~1ULL;
		map[63] &= ~(1ULL << 63);
		return map;
	}
	memset(map, 0, 4096 / 8);
	json_array_foreach(list, i, item)
		if (topo_parse_vlan_range(item, range))
			for (unsigned int v = range[0]; v <= range[1]; v++)
				map[v / 64] |= 1ULL << (v % 64);
	return map;
}

static int get_allowed(struct topo_snapshot *snap, const json_t *rec, struct topo_port_more *more,
		       struct err *err)
{
	const json_t *list = json_object_get(rec, "allowed_addresses"), *item;
	unsigned int len;
	size_t i;

	more->allowed = arena_alloc(&snap->memory->arena,
				    (json_array_size(list) + 1) * sizeof(*more->allowed));
	if (!more->allowed)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		struct topo_allowed *a = &more->allowed[more->n_allowed++];

		if (prefix_parse(topo_str(item, "address"), &a->ip, &len))
			a->len = (uint8_t)len;
		if (topo_str(item, "mac"))
			(void)mac_parse(topo_str(item, "mac"), &a->mac);
	}
	return 0;
}

#define GET_LIST(snap, rec, key, KIND, type, out, n, err)                                           \
	({                                                                                          \
		const json_t *_list = json_object_get(rec, key), *_item;                            \
		int _rc = 0;                                                                        \
		size_t _i;                                                                          \
		*(out) = arena_alloc(&(snap)->memory->arena, (json_array_size(_list) + 1) *         \
								     sizeof(type *));               \
		if (!*(out))                                                                        \
			_rc = err_set(err, -ENOMEM, "out of memory");                               \
		json_array_foreach(_list, _i, _item) if (!_rc)                                      \
		{                                                                                   \
			const char *_name = json_string_value(_item);                               \
			struct topo_object *_o = topo_find(snap, KIND, _name);                      \
			if (_o)                                                                     \
				(*(out))[(*(n))++] = container_of(_o, type, o);                     \
			else                                                                        \
				_rc = err_tag(err, -EINVAL, "no_such_object",                       \
					      "field '%s': %s '%s' does not exist", key,            \
					      topo_kind_name(KIND), _name);                         \
		}                                                                                   \
		_rc;                                                                                \
	})

static int get_more(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		    struct err *err)
{
	static const char *const rare[] = { "vlan",	  "trunk",	      "hairpin", "mtu",
					    "hostname",	  "allowed_addresses", "qos",
					    "security_groups", "port_groups" };
	static const struct topo_port_more none;
	struct topo_port_more *more;
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(rare); i++) {
		const json_t *v = json_object_get(rec, rare[i]);

		any = any || (v && !json_is_false(v) && !(json_is_array(v) && !json_array_size(v)));
	}
	port->more = &none;
	if (!any)
		return 0;
	more = arena_alloc(&snap->memory->arena, sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	memset(more, 0, sizeof(*more));
	port->more = more;
	port->own_more = true;
	more->vlan = (uint16_t)topo_get_int(rec, "vlan", 0);
	more->hairpin = topo_get_bool(rec, "hairpin", false);
	more->mtu = (uint16_t)topo_get_int(rec, "mtu", 0);
	if (json_object_get(rec, "trunk"))
		more->trunk = get_vlans(snap, json_object_get(rec, "trunk"));
	if (topo_str(rec, "hostname"))
		more->hostname = arena_printf(&snap->memory->arena, "%s", topo_str(rec, "hostname"));
	if (GET_REF(snap, rec, "qos", TOPO_QOS, struct topo_qos, &more->qos, err) ||
	    GET_LIST(snap, rec, "security_groups", TOPO_SECURITY_GROUP, struct topo_security_group,
		     &more->sgs, &more->n_sgs, err) ||
	    GET_LIST(snap, rec, "port_groups", TOPO_PORT_GROUP, struct topo_port_group,
		     &more->groups, &more->n_groups, err))
		return err->code;
	return get_allowed(snap, rec, more, err);
}

struct topo_port_more *topo_port_more_own(struct topo_snapshot *snap, struct topo_port *port)
{
	struct topo_port_more *own;

	if (port->own_more)
		return (struct topo_port_more *)port->more;
	own = arena_alloc(&snap->memory->arena, sizeof(*own));
	if (!own)
		return NULL;
	*own = *port->more;
	port->more = own;
	port->own_more = true;
	return own;
}

int topo_decode_port(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		     struct err *err)
{
	const char *mac = topo_str(rec, "mac");

	port->admin_up = topo_get_bool(rec, "admin_up", true);
	port->port_security = topo_get_bool(rec, "port_security", true);
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
	if (get_more(snap, port, rec, err))
		return err->code;
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
	route->weight = (uint32_t)topo_get_int(rec, "weight", 100);
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

int topo_decode_health(struct topo_snapshot *snap, const char *name, const json_t *rec)
{
	struct topo_object *o = topo_find(snap, TOPO_MEMBER, name);

	if (o && json_is_false(json_object_get(rec, "up")))
		container_of(o, struct topo_member, o)->healthy = false;
	return 0;
}

int topo_decode_live(struct topo_snapshot *snap, const char *name, const json_t *rec)
{
	struct topo_port *port = topo_find_port(snap, name);
	json_int_t key = topo_get_int(rec, "key", 0), flood = topo_get_int(rec, "flood", 0);
	const char *host = topo_str(rec, "host");

	if (!port || port->peer || !host || !topo_name_valid(host) || key < 1 || key > 0xffffff ||
	    flood < 0 || flood > 0xffffff)
		return 0;
	port->live_host = arena_printf(&snap->memory->arena, "%s", host);
	port->live_key = (uint32_t)key;
	port->live_flood_key = port->bridge ? (uint32_t)flood : 0;
	return port->live_host ? 0 : -ENOMEM;
}
