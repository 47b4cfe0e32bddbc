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

int topo_get_chains(struct topo_snapshot *snap, const json_t *rec, struct topo_chain **in,
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
	return topo_get_chains(snap, rec, &bridge->in_chain, &bridge->out_chain, err);
}

int topo_decode_router(struct topo_snapshot *snap, struct topo_router *router, const json_t *rec,
		       struct err *err)
{
	router->admin_up = topo_get_bool(rec, "admin_up", true);
	return topo_get_chains(snap, rec, &router->in_chain, &router->out_chain, err);
}

static int decode_route(struct topo_snapshot *snap, struct topo_route *route, const json_t *rec,
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

struct topo_route *topo_route_make(struct topo_snapshot *snap, const char *name, const json_t *rec,
				   struct err *err)
{
	struct topo_route *r = topo_route_new(snap, name, topo_str(rec, "id"));

	if (!r) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	r->o.rev = (uint64_t)json_integer_value(json_object_get(rec, "rev"));
	r->o.sum = topo_record_sum(rec);
	if (!decode_route(snap, r, rec, err))
		return r;
	topo_route_free(snap, r);
	return NULL;
}

int topo_decode_health(struct topo_snapshot *snap, const char *name, const json_t *rec)
{
	struct topo_object *o = topo_find(snap, TOPO_MEMBER, name);

	if (o && json_is_false(json_object_get(rec, "up")))
		container_of(o, struct topo_member, o)->healthy = false;
	return 0;
}
