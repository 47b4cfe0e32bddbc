// SPDX-License-Identifier: Apache-2.0
/*
 * Changes in place: the tags that topo_diff() would call back with between the snapshot of before and that of after.  The answers to the
 * questions that a table is asked are noted before it changes, and compared afterwards: what changes there and back is no change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/same.h"
#include "topology/update.h"
#include "util/hash.h"

/* --- before --- */

uint64_t topo_update_run(const struct topo_entry *e)
{
	const uint32_t size = e->list->key_size;
	struct topo_ports_at at;
	struct topo_port *p = topo_ports_find(e->list, e->key.b, size, &at);
	uint64_t h = 0;

	for (; p && !memcmp(topo_ports_key(&at), e->key.b, size); p = topo_ports_next(&at)) {
		h = hash_u64(h ^ (uintptr_t)p);
		if (e->place == TOPO_IN_IPS)
			h = hash_bytes(&topo_owner(p)->mac, sizeof(struct skep_mac), h);
	}
	return h;
}

/* Is the prefix there?  '*outer': and not within another one. */
static bool is_member(const struct topo_entry *e, bool *outer)
{
	struct topo_prefix_at at;

	*outer = topo_prefixes_find(e->group->members, &e->prefix.ip, e->prefix.len, &at);
	if (!*outer)
		return false;
	*outer = !topo_prefix_nested(&at);
	return true;
}

static void note(struct topo_entries *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct topo_entry *e = &all->v[i];

		if (e->place == TOPO_IN_MACS || e->place == TOPO_IN_IPS)
			e->run = topo_update_run(e);
		else if (e->place == TOPO_IN_MEMBERS)
			e->was = is_member(e, &e->outer);
	}
}

static int note_vlans(struct update *u, const struct topo_port *c)
{
	struct vlans_op *v;

	if (!c->bridge || !c->bridge->vlans)
		return 0;
	for (v = u->vlans; v; v = v->next)
		if (v->bridge == c->bridge)
			return 0;
	v = arena_alloc(&u->arena, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->bridge = c->bridge;
	memcpy(v->was, c->bridge->vlans, sizeof(v->was));
	v->next = u->vlans;
	u->vlans = v;
	return 0;
}

static bool any_nat(const struct topo_router *r)
{
	return r->n_nats || r->n_fips || r->n_vips;
}

static void note_fip(struct fip_op *op)
{
	const struct topo_floating_ip *f[] = { op->was, op->now };

	for (int i = 0; i < 2; i++) {
		op->nat_was[i] = f[i] && topo_router_nat_addr(f[i]->router, &f[i]->address);
		op->any_was[i] = f[i] && any_nat(f[i]->router);
	}
}

int topo_update_note(struct update *u)
{
	for (uint32_t i = 0; i < u->n_fips; i++)
		note_fip(&u->fips[i]);
	note(&u->adds);
	note(&u->dels);
	for (uint32_t i = 0; i < u->n_ports; i++) {
		const struct port_op *op = u->ports[i];

		if (op->light)
			continue;
		if ((op->before && note_vlans(u, &op->was)) || (op->after && note_vlans(u, &op->now)))
			return -ENOMEM;
	}
	u->floods = arena_alloc(&u->arena, (2 * u->n_ports + 1) * sizeof(u->floods[0]));
	u->changed = arena_alloc(&u->arena, (u->adds.n + u->dels.n + 1) * sizeof(u->changed[0]));
	return u->floods && u->changed ? 0 : -ENOMEM;
}

/* --- after --- */

static bool has_group(const struct port_op *op, bool after, const struct topo_port_group *g)
{
	const struct topo_port_more *m = after ? op->now.more : op->was.more;

	for (uint32_t i = 0; (after ? op->after : op->before) && i < m->n_groups; i++)
		if (m->groups[i] == g)
			return true;
	return false;
}

static void tell_groups(const struct port_op *op, const struct diff *d)
{
	if (op->light)
		return;
	for (int after = 0; after < 2; after++) {
		const struct topo_port_more *m = after ? op->now.more : op->was.more;

		for (uint32_t i = 0; (after ? op->after : op->before) && i < m->n_groups; i++)
			if (!has_group(op, !after, m->groups[i]))
				topo_emit(d, TOPO_TAG_PGROUP, m->groups[i]->o.name);
	}
}

/* Routes through a router's port that can be used, or cannot any more. */
static void tell_routes(const struct port_op *op, const struct diff *d)
{
	const struct topo_route was = { .port = (struct topo_port *)&op->was };
	const struct topo_route now = { .port = (struct topo_port *)&op->now };
	const struct topo_router *router = op->now.router;
	struct topo_routes_at at;

	if (!op->after || !router || topo_route_usable(&was) == topo_route_usable(&now))
		return;
	for (const struct topo_route *r = topo_routes_first(router, &at); r; r = topo_routes_next(&at))
		if (r->port == op->port && r->type == TOPO_ROUTE_PORT)
			topo_emit_route(d, r);
}

static bool floods_differ(const struct port_op *op)
{
	return !op->before || !op->after || op->was.bridge != op->now.bridge ||
	       !topo_same_member(&op->was, &op->now);
}

static void tell_port(struct update *u, const struct port_op *op, const struct diff *d)
{
	if (!op->before && !op->after)
		return;
	if (!op->before || !op->after || !topo_same_port(&op->was, &op->now))
		topo_emit(d, TOPO_TAG_PORT, op->port->o.name);
	if (floods_differ(op)) {
		if (op->before && op->was.bridge)
			u->floods[u->n_floods++] = op->was.bridge;
		if (op->after && op->now.bridge)
			u->floods[u->n_floods++] = op->now.bridge;
	}
	tell_groups(op, d);
	tell_routes(op, d);
}

static int by_pointer(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (struct topo_bridge *const *)a;
	uintptr_t y = (uintptr_t) * (struct topo_bridge *const *)b;

	return x < y ? -1 : x > y;
}

static void tell_floods(struct update *u, const struct diff *d)
{
	qsort(u->floods, u->n_floods, sizeof(u->floods[0]), by_pointer);
	for (uint32_t i = 0; i < u->n_floods; i++)
		if (!i || u->floods[i] != u->floods[i - 1])
			topo_emit(d, TOPO_TAG_FLOOD, u->floods[i]->o.name);
}

/* By group, then in the order of prefixes: IPv4 first, wider ones before those within them. */
static int by_member(const void *a, const void *b)
{
	const struct topo_entry *x = *(struct topo_entry *const *)a, *y = *(struct topo_entry *const *)b;
	int c;

	if (x->group != y->group)
		return (uintptr_t)x->group < (uintptr_t)y->group ? -1 : 1;
	if (ip_is_v4(&x->prefix.ip) != ip_is_v4(&y->prefix.ip))
		return ip_is_v4(&x->prefix.ip) ? -1 : 1;
	c = memcmp(&x->prefix.ip, &y->prefix.ip, sizeof(x->prefix.ip));
	return c ? c : (int)x->prefix.len - (int)y->prefix.len;
}

static void tell_entry(struct update *u, struct topo_entry *e, const struct diff *d)
{
	struct skep_ip ip;
	bool outer;

	switch (e->place) {
	case TOPO_IN_LIST:
		return;
	case TOPO_IN_MACS:
		if (topo_update_run(e) != e->run)
			topo_emit_mac(d, e->bridge, e->key.b);
		return;
	case TOPO_IN_IPS:
		memcpy(&ip, e->key.b, sizeof(ip));
		if (topo_update_run(e) != e->run)
			topo_emit_neigh(d, e->bridge, &ip);
		return;
	case TOPO_IN_MEMBERS:
		if (is_member(e, &outer) != e->was && (e->was ? e->outer : outer))
			u->changed[u->n_changed++] = e;
	}
}

static void tell_members(struct update *u, const struct diff *d)
{
	struct topo_told told = { 0 };

	qsort(u->changed, u->n_changed, sizeof(u->changed[0]), by_member);
	for (uint32_t i = 0; i < u->n_changed; i++) {
		const struct topo_entry *e = u->changed[i];

		if (i && u->changed[i - 1]->group != e->group)
			told.any = false;
		topo_emit_prefix(d, TOPO_TAG_MEMBER, e->group->o.name, &e->prefix.ip, e->prefix.len,
				 &told);
	}
}

/* Is one in the place of the other, and no different?  A port's being usable or not is told with the port. */
static bool same_place(const struct route_op *op)
{
	return op->was && op->now && op->was->router == op->now->router &&
	       !topo_route_order(op->was, op->now) && topo_same_route(op->was, op->now);
}

static void tell_route(const struct route_op *op, const struct diff *d)
{
	if (op->same || same_place(op))
		return;
	if (op->was)
		topo_emit_route(d, op->was);
	if (op->now)
		topo_emit_route(d, op->now);
}

/* The router answers for another address, or one less; it has NAT for the first time, or none any more. */
static void tell_fip(const struct fip_op *op, const struct diff *d)
{
	const struct topo_floating_ip *f[] = { op->was, op->now };

	for (int i = 0; i < 2 && !op->same; i++) {
		if (!f[i])
			continue;
		topo_emit_fip(d, f[i]);
		if (op->nat_was[i] != topo_router_nat_addr(f[i]->router, &f[i]->address) ||
		    op->any_was[i] != any_nat(f[i]->router))
			topo_emit(d, TOPO_TAG_ROUTER, f[i]->router->o.name);
	}
}

void topo_update_tell(struct update *u, const struct diff *d)
{
	for (uint32_t i = 0; i < u->n_ports; i++)
		tell_port(u, u->ports[i], d);
	for (uint32_t i = 0; i < u->n_routes; i++)
		tell_route(&u->routes[i], d);
	for (uint32_t i = 0; i < u->n_fips; i++)
		tell_fip(&u->fips[i], d);
	for (uint32_t i = 0; i < u->adds.n; i++)
		tell_entry(u, &u->adds.v[i], d);
	for (uint32_t i = 0; i < u->dels.n; i++)
		tell_entry(u, &u->dels.v[i], d);
	tell_floods(u, d);
	tell_members(u, d);
	for (const struct vlans_op *v = u->vlans; v; v = v->next)
		if (memcmp(v->was, v->bridge->vlans, sizeof(v->was)) != 0)
			topo_emit(d, TOPO_TAG_BRIDGE, v->bridge->o.name);
	for (uint32_t i = 0; i < u->n_pools; i++)
		topo_emit(d, TOPO_TAG_POOL, u->pools[i].pool->o.name);
}
