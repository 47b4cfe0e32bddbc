// SPDX-License-Identifier: Apache-2.0
/*
 * Two snapshots -> the tags whose meaning changed.  All lists are sorted, so everything is a walk over two of them side by side.
 * Called by the agent at each new generation; a tag too few leaves a wrong flow, a tag too many costs a simulation.
 */
#include <string.h>

#include "topology/diff.h"
#include "topology/same.h"
#include "topology/snapshot.h"

/* Calls 'pair' for each element of either side: with both when 'order' says they are the same thing, else with one and NULL. */
void topo_merge(struct diff *d, struct side a, struct side b, size_t size,
		  int (*order)(const void *a, const void *b),
		  void (*pair)(struct diff *d, const void *a, const void *b))
{
	uint32_t i = 0, k = 0;

	while (i < a.n || k < b.n) {
		const void *x = i < a.n ? (const char *)a.base + i * size : NULL;
		const void *y = k < b.n ? (const char *)b.base + k * size : NULL;
		int c = x && y ? order(x, y) : x ? -1 : 1;

		i += c <= 0;
		k += c >= 0;
		pair(d, c <= 0 ? x : NULL, c >= 0 ? y : NULL);
	}
}

void topo_emit(const struct diff *d, enum topo_tag_kind kind, const char *name)
{
	d->cb(d->arg, &(struct topo_tag){ .kind = kind, .name = name });
}

/* All objects begin with their struct topo_object. */
int topo_by_name(const void *a, const void *b)
{
	return strcmp(((const struct topo_object *)a)->name, ((const struct topo_object *)b)->name);
}

static void chain_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_chain *x = a, *y = b;

	if (!x || !y || !topo_same_chain(x, y))
		topo_emit(d, TOPO_TAG_CHAIN, y ? y->o.name : x->o.name);
}

static void port_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_port *x = a, *y = b;

	if (!x || !y || !topo_same_port(x, y))
		topo_emit(d, TOPO_TAG_PORT, y ? y->o.name : x->o.name);
}

/* --- bridges --- */

static bool same_members(const struct topo_bridge *a, const struct topo_bridge *b)
{
	struct topo_ports_at i, k;
	const struct topo_port *y = topo_ports_first(&b->ports, &k);

	if (a->ports.n != b->ports.n)
		return false;
	for (const struct topo_port *x = topo_ports_first(&a->ports, &i); x; x = topo_ports_next(&i)) {
		if (!topo_same_member(x, y))
			return false;
		y = topo_ports_next(&k);
	}
	return true;
}

/* As topo_merge(), of lists of ports: those of one key are the same thing; d->key is it. */
static void merge_ports(struct diff *d, const struct topo_ports *a, const struct topo_ports *b,
			void (*pair)(struct diff *d, const void *a, const void *b))
{
	struct topo_ports_at i, k;
	const struct topo_port *x = topo_ports_first(a, &i), *y = topo_ports_first(b, &k);
	const uint32_t size = a->key_size ? a->key_size : b->key_size;

	while (x || y) {
		int c = !x ? 1 : !y ? -1 : size ? memcmp(topo_ports_key(&i), topo_ports_key(&k), size) :
						    strcmp(x->o.name, y->o.name);

		d->key = size ? topo_ports_key(c <= 0 ? &i : &k) : NULL;
		pair(d, c <= 0 ? x : NULL, c >= 0 ? y : NULL);
		x = c <= 0 ? topo_ports_next(&i) : x;
		y = c >= 0 ? topo_ports_next(&k) : y;
	}
}

void topo_emit_mac(const struct diff *d, const struct topo_bridge *bridge, const uint8_t *key)
{
	struct topo_tag tag = { .kind = TOPO_TAG_MAC, .name = bridge->o.name };

	memcpy(&tag.mac, key, sizeof(tag.mac));
	tag.vlan = (uint16_t)(key[6] << 8 | key[7]);
	d->cb(d->arg, &tag);
}

static void mac_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_port *x = a, *y = b;

	if (!x || !y || strcmp(x->o.name, y->o.name) != 0)
		topo_emit_mac(d, d->bridge, d->key);
}

/* The bridge answers for its addresses, and router ports on it take them for neighbours.  Those that left it have their PORT tag. */
void topo_emit_neigh(const struct diff *d, const struct topo_bridge *bridge, const struct skep_ip *ip)
{
	struct topo_tag tag = { .kind = TOPO_TAG_NEIGH, .name = bridge->o.name, .ip = *ip };

	d->cb(d->arg, &tag);
	for (uint32_t i = 0; i < bridge->n_links; i++) {
		const struct topo_port *peer = bridge->links[i]->peer;

		if (!peer->router)
			continue;
		tag.name = peer->o.name;
		d->cb(d->arg, &tag);
	}
}

static void ip_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_port *x = a, *y = b;
	struct skep_ip ip;

	if (x && y && !strcmp(x->o.name, y->o.name) && mac_eq(&topo_owner(x)->mac, &topo_owner(y)->mac))
		return;
	memcpy(&ip, d->key, sizeof(ip));
	topo_emit_neigh(d, d->bridge, &ip);
}

static int by_neigh(const void *a, const void *b)
{
	return memcmp(&((const struct topo_static_neigh *)a)->ip,
		      &((const struct topo_static_neigh *)b)->ip, sizeof(struct skep_ip));
}

static void neigh_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_static_neigh *x = a, *y = b;

	if (!x || !y || !mac_eq(&x->mac, &y->mac))
		topo_emit_neigh(d, d->bridge, y ? &y->ip : &x->ip);
}

static void bridge_pair(struct diff *d, const void *a, const void *b)
{
	static const struct topo_bridge none;
	const struct topo_bridge *x = a ? a : &none, *y = b ? b : &none;

	d->bridge = b ? b : a;
	if (!a || !b || !topo_same_bridge(x, y))
		topo_emit(d, TOPO_TAG_BRIDGE, d->bridge->o.name);
	if (!same_members(x, y))
		topo_emit(d, TOPO_TAG_FLOOD, d->bridge->o.name);
	merge_ports(d, &x->macs, &y->macs, mac_pair);
	merge_ports(d, &x->ips, &y->ips, ip_pair);
	topo_merge(d, (struct side){ x->static_neighs, x->n_static_neighs },
		   (struct side){ y->static_neighs, y->n_static_neighs },
		   sizeof(struct topo_static_neigh), by_neigh, neigh_pair);
}

/* --- routers --- */

void topo_emit_route(const struct diff *d, const struct topo_route *r)
{
	d->cb(d->arg, &(struct topo_tag){ .kind = TOPO_TAG_DST,
					  .name = r->router->o.name,
					  .ip = r->dst,
					  .len = r->dst_len });
}

static void merge_routes(struct diff *d, const struct topo_router *a, const struct topo_router *b)
{
	struct topo_routes_at i, k;
	const struct topo_route *x = topo_routes_first(a, &i), *y = topo_routes_first(b, &k);

	while (x || y) {
		int c = !x ? 1 : !y ? -1 : topo_route_order(x, y);

		if (c || !topo_same_route(x, y))
			topo_emit_route(d, c <= 0 ? x : y);
		x = c <= 0 ? topo_routes_next(&i) : x;
		y = c >= 0 ? topo_routes_next(&k) : y;
	}
}

static void router_pair(struct diff *d, const void *a, const void *b)
{
	static const struct topo_router none;
	const struct topo_router *x = a ? a : &none, *y = b ? b : &none;

	if (!a || !b || !topo_same_router(x, y))
		topo_emit(d, TOPO_TAG_ROUTER, b ? y->o.name : x->o.name);
	merge_routes(d, x, y);
}

void topo_diff(const struct topo_snapshot *old, const struct topo_snapshot *new_,
	       void (*cb)(void *arg, const struct topo_tag *tag), void *arg)
{
	static const struct topo_snapshot empty;
	struct diff d = { .cb = cb, .arg = arg };

	old = old ? old : &empty;
	new_ = new_ ? new_ : &empty;
#define SIDES(array) \
	(struct side){ old->array, old->n_##array }, (struct side){ new_->array, new_->n_##array }
	topo_diff_policy(&d, old, new_);
	topo_merge(&d, SIDES(chains), sizeof(struct topo_chain), topo_by_name, chain_pair);
	topo_merge(&d, SIDES(bridges), sizeof(struct topo_bridge), topo_by_name, bridge_pair);
	topo_merge(&d, SIDES(routers), sizeof(struct topo_router), topo_by_name, router_pair);
	merge_ports(&d, &old->ports, &new_->ports, port_pair);
#undef SIDES
}
