// SPDX-License-Identifier: Apache-2.0
/*
 * What a router translates, in the order in which it looks: NAT rules, floating IPs, VIPs, and the addresses that are the router's because of them.
 * Made with each snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static void count(struct topo_snapshot *snap)
{
	for (uint32_t i = 0; i < snap->n_nats; i++)
		snap->nats[i].router->n_nats++;
	for (uint32_t i = 0; i < snap->n_floating_ips; i++)
		snap->floating_ips[i].router->n_fips++;
	for (uint32_t i = 0; i < snap->n_vips; i++)
		snap->vips[i].lb->router->n_vips++;
}

static void fill(struct topo_snapshot *snap)
{
	for (uint32_t i = 0; i < snap->n_nats; i++) {
		struct topo_router *r = snap->nats[i].router;

		r->nats[r->n_nats++] = &snap->nats[i];
	}
	for (uint32_t i = 0; i < snap->n_floating_ips; i++) {
		struct topo_router *r = snap->floating_ips[i].router;

		r->fips[r->n_fips] = r->fips_by_fixed[r->n_fips] = &snap->floating_ips[i];
		r->n_fips++;
	}
	for (uint32_t i = 0; i < snap->n_vips; i++) {
		struct topo_router *r = snap->vips[i].lb->router;

		r->vips[r->n_vips++] = &snap->vips[i];
	}
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

int topo_derive_nats(struct topo_snapshot *snap, struct err *err)
{
	struct arena *arena = &snap->memory->arena;

	count(snap);
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		r->nats = arena_alloc(arena, (r->n_nats + 1) * sizeof(*r->nats));
		r->fips = arena_alloc(arena, (r->n_fips + 1) * sizeof(*r->fips));
		r->fips_by_fixed = arena_alloc(arena, (r->n_fips + 1) * sizeof(*r->fips));
		r->vips = arena_alloc(arena, (r->n_vips + 1) * sizeof(*r->vips));
		r->nat_addrs = arena_alloc(arena, (r->n_nats + r->n_fips + r->n_vips + 1) *
							  sizeof(*r->nat_addrs));
		r->n_nats = r->n_fips = r->n_vips = 0;
	}
	if (arena_failed(arena))
		return err_set(err, -ENOMEM, "out of memory");
	fill(snap);
	for (uint32_t i = 0; i < snap->n_floating_ips; i++)
		find_uplink(&snap->floating_ips[i]);
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

bool topo_router_nat_addr(const struct topo_router *router, const struct skep_ip *ip)
{
	uint32_t lo = 0, hi = router->n_nat_addrs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&router->nat_addrs[mid].hi, ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < router->n_nat_addrs &&
	       memcmp(&router->nat_addrs[lo].lo, ip, sizeof(*ip)) <= 0;
}
