// SPDX-License-Identifier: Apache-2.0
/*
 * What follows from the configuration without being written down: connected and local routes, MACs of router ports.  Link-local fe80
 * addresses of router ports are not derived here: no route and no address stands for them; the simulator answers for the one
 * that follows from the port's MAC.
 */
#include <errno.h>
#include <stdio.h>
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
	c = memcmp(&x->dst, &y->dst, sizeof(x->dst));
	if (c)
		return c;
	if (x->dst_len != y->dst_len)
		return x->dst_len - y->dst_len;
	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return strcmp(x->o.name, y->o.name);
}

static int by_order(const void *a, const void *b)
{
	return topo_route_order(*(const struct topo_route *const *)a,
				*(const struct topo_route *const *)b);
}

static int derive(struct topo_snapshot *snap, struct topo_port *port, const struct topo_addr *addr,
		  bool local)
{
	const uint8_t len = local ? (uint8_t)ip_bits(&addr->ip) : addr->len;
	char name[TOPO_NAME_MAX + 16];
	struct topo_route *r;

	snprintf(name, sizeof(name), "%s:%s", port->o.name, local ? "local" : "connected");
	r = topo_route_new(snap, name, "");
	if (!r)
		return -ENOMEM;
	r->router = port->router;
	r->type = local ? TOPO_ROUTE_LOCAL : TOPO_ROUTE_PORT;
	r->dst = ip_mask(&addr->ip, len);
	r->dst_len = len;
	r->port = port;
	r->weight = TOPO_WEIGHT_DERIVED;
	return topo_route_link(r);
}

static int derive_port(struct topo_snapshot *snap, struct topo_port *p)
{
	int rc = 0;

	for (uint32_t k = 0; !rc && k < p->n_addrs; k++) {
		rc = derive(snap, p, &p->addrs[k], true);
		if (!rc && p->addrs[k].len < ip_bits(&p->addrs[k].ip))
			rc = derive(snap, p, &p->addrs[k], false);
	}
	return rc;
}

int topo_derive_routes(struct topo_snapshot *snap, struct topo_route **configured, uint32_t n, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		r->by_dst = arena_alloc(&snap->memory->arena, sizeof(*r->by_dst));
		if (!r->by_dst)
			return err_set(err, -ENOMEM, "out of memory");
		topo_prefixes_init(r->by_dst, &snap->memory->pool);
	}
	qsort(configured, n, sizeof(struct topo_route *), by_order); /* what comes in order fills pieces */
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = topo_route_link(configured[i]);
	for (uint32_t i = 0; i < snap->n_routers; i++)
		for (uint32_t k = 0; !rc && k < snap->routers[i].n_ports; k++)
			rc = derive_port(snap, snap->routers[i].ports[k]);
	return rc ? err_set(err, rc, "out of memory") : 0;
}
