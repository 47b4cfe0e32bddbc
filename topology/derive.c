// SPDX-License-Identifier: Apache-2.0
/*
 * What follows from the configuration without being written down: connected and local routes, MACs of router ports.  Link-local fe80
 * addresses of router ports are not derived here: no route and no address stands for them; the simulator answers for the one
 * that follows from the port's MAC.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/snapshot.h"
#include "util/hash.h"

struct skep_mac topo_derive_mac(const char *id)
{
	uint64_t h = hash_str(id, 0x6d6163);
	struct skep_mac mac = { { 0x02 } }; /* locally administered, unicast */

	for (int i = 1; i < 6; i++)
		mac.b[i] = (uint8_t)(h >> (8 * i));
	return mac;
}

int topo_route_order(const struct topo_route *x, const struct topo_route *y)
{
	int v4 = ip_is_v4(&y->dst) - ip_is_v4(&x->dst), c;

	if (v4)
		return v4;
	if (x->dst_len != y->dst_len)
		return y->dst_len - x->dst_len;
	c = memcmp(&x->dst, &y->dst, sizeof(x->dst));
	if (c)
		return c;
	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return strcmp(x->o.name, y->o.name);
}

static int by_order(const void *a, const void *b)
{
	return topo_route_order(*(const struct topo_route *const *)a,
				*(const struct topo_route *const *)b);
}

static void derive(struct topo_snapshot *snap, struct topo_route *r, const struct topo_port *port,
		   const struct topo_addr *addr, bool local)
{
	uint8_t len = local ? (uint8_t)ip_bits(&addr->ip) : addr->len;

	*r = (struct topo_route){
		.o = { .kind = TOPO_ROUTE, .id = "" },
		.router = port->router,
		.type = local ? TOPO_ROUTE_LOCAL : TOPO_ROUTE_PORT,
		.dst = ip_mask(&addr->ip, len),
		.dst_len = len,
		.port = (struct topo_port *)port,
		.weight = TOPO_WEIGHT_DERIVED,
	};
	r->o.name = arena_printf(&snap->memory->arena, "%s:%s", port->o.name,
				 local ? "local" : "connected");
}

static void derive_port(struct topo_snapshot *snap, const struct topo_port *p, struct topo_route *all)
{
	for (uint32_t k = 0; k < p->n_addrs; k++) {
		derive(snap, &all[snap->n_routes++], p, &p->addrs[k], true);
		if (p->addrs[k].len < ip_bits(&p->addrs[k].ip))
			derive(snap, &all[snap->n_routes++], p, &p->addrs[k], false);
	}
}

/* Makes the array of routes anew, with room for the derived ones. */
static int add_derived(struct topo_snapshot *snap)
{
	struct topo_route *all;
	uint32_t n = snap->n_routes;

	for (uint32_t i = 0; i < snap->n_routers; i++)
		for (uint32_t k = 0; k < snap->routers[i].n_ports; k++)
			n += 2 * snap->routers[i].ports[k]->n_addrs;
	all = arena_alloc(&snap->memory->arena, (n + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < snap->n_routes; i++) {
		struct topo_object *old = &snap->routes[i].o;

		hmap_remove(&snap->by_name, &old->by_name);
		all[i] = snap->routes[i];
		if (hmap_insert(&snap->by_name, &all[i].o.by_name,
				topo_object_hash(TOPO_ROUTE, old->name)))
			return -ENOMEM;
	}
	snap->routes = all;
	for (uint32_t i = 0; i < snap->n_routers; i++)
		for (uint32_t k = 0; k < snap->routers[i].n_ports; k++)
			derive_port(snap, snap->routers[i].ports[k], all);
	return 0;
}

int topo_derive_routes(struct topo_snapshot *snap, struct err *err)
{
	struct arena *arena = &snap->memory->arena;

	if (add_derived(snap))
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < snap->n_routes; i++)
		snap->routes[i].router->n_routes++;
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		r->routes = arena_alloc(arena, (r->n_routes + 1) * sizeof(struct topo_route *));
		r->by_dst = arena_alloc(arena, sizeof(*r->by_dst));
		if (r->by_dst)
			topo_prefixes_init(r->by_dst, &snap->memory->pool);
		r->n_routes = 0;
	}
	if (arena_failed(arena))
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < snap->n_routes; i++) {
		struct topo_router *r = snap->routes[i].router;

		r->routes[r->n_routes++] = &snap->routes[i];
	}
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		qsort(r->routes, r->n_routes, sizeof(struct topo_route *), by_order);
		for (uint32_t k = 0; k < r->n_routes; k++)
			if (topo_route_link(r->routes[k]))
				return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}
