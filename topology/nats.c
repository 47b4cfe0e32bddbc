// SPDX-License-Identifier: Apache-2.0
/*
 * What a router translates, in the order in which it looks: NAT rules, floating IPs, VIPs, and the addresses that are the router's because of them.
 * Made with each snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/near.h"
#include "topology/snapshot.h"

static int by_position(const void *a, const void *b)
{
	const struct topo_nat *x = *(struct topo_nat *const *)a, *y = *(struct topo_nat *const *)b;

	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return strcmp(x->o.name, y->o.name);
}

static int by_address(const void *a, const void *b)
{
	const struct topo_floating_ip *x = *(struct topo_floating_ip *const *)a;
	const struct topo_floating_ip *y = *(struct topo_floating_ip *const *)b;
	int c = memcmp(&x->address, &y->address, sizeof(x->address));

	return c ? c : strcmp(x->o.name, y->o.name);
}

static int by_fixed(const void *a, const void *b)
{
	const struct topo_floating_ip *x = *(struct topo_floating_ip *const *)a;
	const struct topo_floating_ip *y = *(struct topo_floating_ip *const *)b;
	int c = memcmp(&x->fixed, &y->fixed, sizeof(x->fixed));

	return c ? c : strcmp(x->o.name, y->o.name);
}

static int by_service(const void *a, const void *b)
{
	const struct topo_vip *x = *(struct topo_vip *const *)a, *y = *(struct topo_vip *const *)b;
	int c = memcmp(&x->address, &y->address, sizeof(x->address));

	if (c)
		return c;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port ? 1 : strcmp(x->o.name, y->o.name);
}

static int by_lo(const void *a, const void *b)
{
	return memcmp(&((const struct topo_ip_range *)a)->lo, &((const struct topo_ip_range *)b)->lo,
		      sizeof(struct skep_ip));
}

static bool is_own(const struct topo_router *r, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < r->n_ports; i++)
		for (uint32_t k = 0; k < r->ports[i]->n_addrs; k++)
			if (ip_eq(&r->ports[i]->addrs[k].ip, ip))
				return true;
	return false;
}

static void add_range(struct topo_router *r, const struct skep_ip *lo, const struct skep_ip *hi)
{
	if (!ip_eq(lo, hi) || !is_own(r, lo))
		r->nat_addrs[r->n_nat_addrs++] = (struct topo_ip_range){ *lo, *hi };
}

/* Sorts, and joins what overlaps. */
static void join_ranges(struct topo_router *r)
{
	uint32_t n = 0;

	qsort(r->nat_addrs, r->n_nat_addrs, sizeof(*r->nat_addrs), by_lo);
	for (uint32_t i = 0; i < r->n_nat_addrs; i++) {
		struct topo_ip_range *last = n ? &r->nat_addrs[n - 1] : NULL;

		if (last && memcmp(&r->nat_addrs[i].lo, &last->hi, sizeof(last->hi)) <= 0) {
			if (memcmp(&r->nat_addrs[i].hi, &last->hi, sizeof(last->hi)) > 0)
				last->hi = r->nat_addrs[i].hi;
		} else {
			r->nat_addrs[n++] = r->nat_addrs[i];
		}
	}
	r->n_nat_addrs = n;
}

/* Destinations of dnat rules that are single addresses are the router's too. */
static void collect_addresses(struct topo_router *r)
{
	for (uint32_t i = 0; i < r->n_fips; i++)
		add_range(r, &r->fips[i]->address, &r->fips[i]->address);
	for (uint32_t i = 0; i < r->n_vips; i++)
		if (r->vips[i]->admin_up && r->vips[i]->lb->admin_up)
			add_range(r, &r->vips[i]->address, &r->vips[i]->address);
	for (uint32_t i = 0; i < r->n_nats; i++) {
		const struct topo_nat *n = r->nats[i];
		const struct topo_rule *m = &n->match;

		if (n->type == TOPO_SNAT)
			add_range(r, &n->to.lo, &n->to.hi);
		if (n->type == TOPO_DNAT && (m->match & TOPO_M_IP_DST) &&
		    m->ip_dst_len == ip_bits(&m->ip_dst))
			add_range(r, &m->ip_dst, &m->ip_dst);
	}
	join_ranges(r);
}

/* Where a floating IP lives: the port in whose subnet it is. */
static void find_uplink(struct topo_floating_ip *f)
{
	for (uint32_t i = 0; !f->uplink && i < f->router->n_ports; i++) {
		struct topo_port *p = f->router->ports[i];

		for (uint32_t k = 0; k < p->n_addrs; k++)
			if (ip_in_prefix(&f->address, &p->addrs[k].ip, p->addrs[k].len))
				f->uplink = p;
	}
}

/* Arrays of so many as the router has. */
static int make_room(struct topo_snapshot *snap, struct topo_router *r)
{
	struct arena *arena = &snap->memory->arena;

	r->nats = arena_alloc(arena, (r->n_nats + 1) * sizeof(*r->nats));
	r->vips = arena_alloc(arena, (r->n_vips + 1) * sizeof(*r->vips));
	r->max_fips = r->n_fips;
	r->max_nat_addrs = r->n_nats + r->n_fips + r->n_vips;
	r->fips = pool_alloc(&snap->memory->pool, r->max_fips * sizeof(*r->fips));
	r->fips_by_fixed = pool_alloc(&snap->memory->pool, r->max_fips * sizeof(*r->fips));
	r->nat_addrs = pool_alloc(&snap->memory->pool, r->max_nat_addrs * sizeof(*r->nat_addrs));
	r->n_nats = r->n_fips = r->n_vips = 0;
	return r->fips && r->fips_by_fixed && r->nat_addrs && !arena_failed(arena) ? 0 : -ENOMEM;
}

static void fill(struct topo_snapshot *snap, struct topo_floating_ip **fips, uint32_t n)
{
	for (uint32_t i = 0; i < snap->n_nats; i++) {
		struct topo_router *r = snap->nats[i].router;

		r->nats[r->n_nats++] = &snap->nats[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		struct topo_router *r = fips[i]->router;

		find_uplink(fips[i]);
		r->fips[r->n_fips] = r->fips_by_fixed[r->n_fips] = fips[i];
		r->n_fips++;
	}
	for (uint32_t i = 0; i < snap->n_vips; i++) {
		struct topo_router *r = snap->vips[i].lb->router;

		r->vips[r->n_vips++] = &snap->vips[i];
	}
}

int topo_derive_nats(struct topo_snapshot *snap, struct topo_floating_ip **fips, uint32_t n,
		     struct err *err)
{
	for (uint32_t i = 0; i < snap->n_nats; i++)
		snap->nats[i].router->n_nats++;
	for (uint32_t i = 0; i < n; i++)
		fips[i]->router->n_fips++;
	for (uint32_t i = 0; i < snap->n_vips; i++)
		snap->vips[i].lb->router->n_vips++;
	for (uint32_t i = 0; i < snap->n_routers; i++)
		if (make_room(snap, &snap->routers[i]))
			return err_set(err, -ENOMEM, "out of memory");
	fill(snap, fips, n);
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		qsort(r->nats, r->n_nats, sizeof(*r->nats), by_position);
		qsort(r->fips, r->n_fips, sizeof(*r->fips), by_address);
		qsort(r->fips_by_fixed, r->n_fips, sizeof(*r->fips), by_fixed);
		qsort(r->vips, r->n_vips, sizeof(*r->vips), by_service);
		collect_addresses(r);
	}
	return 0;
}

/* --- floating IPs that come and go --- */

static void *more_room(struct pool *pool, void *old, uint32_t n, uint32_t max, uint32_t wanted, size_t size)
{
	void *p = pool_alloc(pool, wanted * size);

	if (!p)
		return NULL;
	if (n)
		memcpy(p, old, n * size);
	pool_free(pool, old, max * size);
	return p;
}

int topo_fip_room(struct topo_snapshot *snap, struct topo_router *r, uint32_t more)
{
	struct pool *pool = &snap->memory->pool;
	const uint32_t fips = r->n_fips + more, addrs = r->n_nat_addrs + more;
	const size_t size = sizeof(struct topo_floating_ip *);
	void *a, *b;

	if (fips > r->max_fips) {
		a = pool_alloc(pool, 2 * fips * size);
		b = a ? more_room(pool, r->fips_by_fixed, r->n_fips, r->max_fips, 2 * fips, size) : NULL;
		if (!b) {
			pool_free(pool, a, 2 * fips * size);
			return -ENOMEM;
		}
		r->fips_by_fixed = b;
		if (r->n_fips)
			memcpy(a, r->fips, r->n_fips * size);
		pool_free(pool, r->fips, r->max_fips * size);
		r->fips = a;
		r->max_fips = 2 * fips;
	}
	if (addrs > r->max_nat_addrs) {
		a = more_room(pool, r->nat_addrs, r->n_nat_addrs, r->max_nat_addrs, 2 * addrs,
			      sizeof(*r->nat_addrs));
		if (!a)
			return -ENOMEM;
		r->nat_addrs = a;
		r->max_nat_addrs = 2 * addrs;
	}
	return 0;
}

/* The first of 'v' that 'f' is not behind. */
static uint32_t place_of(struct topo_floating_ip *const *v, uint32_t n, struct topo_floating_ip *f,
			 int (*order)(const void *a, const void *b))
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (order(&v[mid], &f) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void put_in(struct topo_floating_ip **v, uint32_t n, struct topo_floating_ip *f,
		   int (*order)(const void *a, const void *b))
{
	uint32_t i = place_of(v, n, f, order);

	memmove(v + i + 1, v + i, (n - i) * sizeof(v[0]));
	v[i] = f;
}

static void take_out(struct topo_floating_ip **v, uint32_t n, struct topo_floating_ip *f,
		     int (*order)(const void *a, const void *b))
{
	uint32_t i = place_of(v, n, f, order);

	while (v[i] != f) /* another one of its name, for the moment */
		i++;
	memmove(v + i, v + i + 1, (n - i - 1) * sizeof(v[0]));
}

/* The first range that does not end before 'ip'. */
static uint32_t range_of(const struct topo_router *r, const struct skep_ip *ip)
{
	uint32_t lo = 0, hi = r->n_nat_addrs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&r->nat_addrs[mid].hi, ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void topo_fip_link(struct topo_floating_ip *f)
{
	struct topo_router *r = f->router;
	uint32_t i;

	find_uplink(f);
	put_in(r->fips, r->n_fips, f, by_address);
	put_in(r->fips_by_fixed, r->n_fips, f, by_fixed);
	r->n_fips++;
	if (topo_router_nat_addr(r, &f->address) || is_own(r, &f->address))
		return;
	i = range_of(r, &f->address);
	memmove(r->nat_addrs + i + 1, r->nat_addrs + i, (r->n_nat_addrs - i) * sizeof(*r->nat_addrs));
	r->nat_addrs[i] = (struct topo_ip_range){ f->address, f->address };
	r->n_nat_addrs++;
}

/* Is the single address the router's for another reason, too? */
static bool still_nat(const struct topo_router *r, const struct skep_ip *ip)
{
	struct topo_floating_ip key = { .address = *ip, .o.name = "" };
	uint32_t i = place_of(r->fips, r->n_fips, &key, by_address);

	if (i < r->n_fips && ip_eq(&r->fips[i]->address, ip))
		return true;
	for (i = 0; i < r->n_vips; i++)
		if (r->vips[i]->admin_up && r->vips[i]->lb->admin_up && ip_eq(&r->vips[i]->address, ip))
			return true;
	for (i = 0; i < r->n_nats; i++) {
		const struct topo_nat *n = r->nats[i];
		const struct topo_rule *m = &n->match;

		if (n->type == TOPO_SNAT && ip_eq(&n->to.lo, ip) && ip_eq(&n->to.hi, ip))
			return true;
		if (n->type == TOPO_DNAT && (m->match & TOPO_M_IP_DST) &&
		    m->ip_dst_len == ip_bits(&m->ip_dst) && ip_eq(&m->ip_dst, ip))
			return true;
	}
	return false;
}

void topo_fip_unlink(struct topo_floating_ip *f)
{
	struct topo_router *r = f->router;
	uint32_t i;

	take_out(r->fips, r->n_fips, f, by_address);
	take_out(r->fips_by_fixed, r->n_fips, f, by_fixed);
	r->n_fips--;
	i = range_of(r, &f->address);
	if (i == r->n_nat_addrs || !ip_eq(&r->nat_addrs[i].lo, &f->address) ||
	    !ip_eq(&r->nat_addrs[i].hi, &f->address) || still_nat(r, &f->address))
		return;
	r->n_nat_addrs--;
	memmove(r->nat_addrs + i, r->nat_addrs + i + 1, (r->n_nat_addrs - i) * sizeof(*r->nat_addrs));
}

bool topo_router_nat_addr(const struct topo_router *router, const struct skep_ip *ip)
{
	const uint32_t i = range_of(router, ip);

	return i < router->n_nat_addrs && memcmp(&router->nat_addrs[i].lo, ip, sizeof(*ip)) <= 0;
}

bool topo_router_nat_near(const struct topo_router *router, const struct skep_ip *ip,
			  unsigned int *bits)
{
	const struct topo_ip_range *v = router->nat_addrs;
	const uint32_t i = range_of(router, ip);
	unsigned int before;

	*bits = 0;
	if (i < router->n_nat_addrs) {
		*bits = near_range(ip, &v[i].lo, &v[i].hi);
		if (memcmp(&v[i].lo, ip, sizeof(*ip)) <= 0)
			return true;
	}
	if (i) {
		before = near_range(ip, &v[i - 1].lo, &v[i - 1].hi);
		*bits = before > *bits ? before : *bits;
	}
	return false;
}
