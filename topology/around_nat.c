// SPDX-License-Identifier: Apache-2.0
/* Whom a change of what a router translates may be at odds with, and of addresses that it translates.  Called by around.c. */
#include "topology/around.h"

#include <string.h>

static void all_wide(struct around *a, const struct step_entry *router)
{
	for (const struct step_wide *w = router->wide; w; w = w->next)
		around_add(a, w->by, AROUND_ALL);
}

/* Ranges that overlap are one to those who look at two routers on a bridge. */
static struct topo_ip_range run_of(const struct step_entry *router, struct topo_ip_range run)
{
	bool more = true;

	while (more) {
		more = false;
		for (const struct step_wide *w = router->wide; w; w = w->next) {
			if (!step_overlap(&w->range, &run))
				continue;
			if (memcmp(&w->range.lo, &run.lo, sizeof(run.lo)) < 0) {
				run.lo = w->range.lo;
				more = true;
			}
			if (memcmp(&w->range.hi, &run.hi, sizeof(run.hi)) > 0) {
				run.hi = w->range.hi;
				more = true;
			}
		}
	}
	return run;
}

/* Who else has addresses of the range on a bridge that the router is linked to.  False: nobody. */
static bool others_on(struct around *a, const struct step_entry *bridge, const struct step_entry *router,
		      const struct topo_ip_range *range)
{
	const uint32_t all = a->found;

	around_addresses(a, bridge, range);
	for (const struct step_use *u = bridge->users[STEP_LINKS]; u; u = u->next) {
		const struct step_entry *other = around_behind(a, u->by->rec, TOPO_ROUTER);
		const uint32_t before = a->found;
		bool wide = false;

		if (!other || other == router)
			continue;
		around_addresses(a, other, range);
		for (const struct step_wide *w = other->wide; w; w = w->next)
			wide = wide || step_overlap(&w->range, range);
		if (wide)
			all_wide(a, other);
		a->found += wide;
		if (a->found != before)
			around_add(a, u->by, AROUND_ALL);
	}
	return a->found != all;
}

/* Members of the router's pools must not be the router. */
static void members_at(struct around *a, const struct step_entry *router, const struct topo_ip_range *range)
{
	for (const struct step_use *lb = router->users[STEP_BALANCERS]; lb; lb = lb->next)
		for (const struct step_use *v = lb->by->users[STEP_OTHERS]; v; v = v->next) {
			const struct step_entry *pool = step_ref(a->x, v->by->rec, "pool", TOPO_POOL);
			const uint32_t before = a->found;

			if (!pool || v->by->kind != TOPO_VIP)
				continue;
			around_addresses(a, pool, range);
			if (a->found != before)
				around_add(a, v->by, AROUND_ALL);
		}
}

void around_router_address(struct around *a, struct step_entry *router, const struct topo_ip_range *range)
{
	const struct topo_ip_range run = run_of(router, *range);

	around_addresses(a, router, range);
	all_wide(a, router);
	members_at(a, router, range);
	for (const struct step_use *u = router->users[STEP_LINKS]; u; u = u->next) {
		const struct step_entry *bridge = around_behind(a, u->by->rec, TOPO_BRIDGE);

		if (bridge && others_on(a, bridge, router, &run)) {
			around_addresses(a, router, &run);
			around_add(a, u->by, AROUND_ALL);
		}
	}
}

/* --- all that a router translates --- */

static void translated(struct around *a, struct step_entry *e, const struct step_entry *router,
		       const struct step_entry *bridge)
{
	struct topo_ip_range range;
	struct skep_ip ip;

	around_add(a, e, AROUND_ALL);
	if (e->kind != TOPO_NAT && around_text(topo_str(e->rec, "address"), &range))
		(void)others_on(a, bridge, router, &range);
	if (e->kind == TOPO_NAT && step_nat_to(e->rec, &range))
		(void)others_on(a, bridge, router, &range);
	if (e->kind == TOPO_NAT && step_nat_dst(e->rec, &ip)) {
		range = (struct topo_ip_range){ ip, ip };
		(void)others_on(a, bridge, router, &range);
	}
}

void around_link(struct around *a, struct step_entry *router, const struct step_entry *bridge)
{
	for (const struct step_use *u = router->users[STEP_OTHERS]; u; u = u->next)
		if (u->by->kind == TOPO_NAT || u->by->kind == TOPO_FLOATING_IP)
			translated(a, u->by, router, bridge);
	for (const struct step_use *lb = router->users[STEP_BALANCERS]; lb; lb = lb->next)
		for (const struct step_use *v = lb->by->users[STEP_OTHERS]; v; v = v->next)
			if (v->by->kind == TOPO_VIP)
				translated(a, v->by, router, bridge);
}

/* --- one of it --- */

void around_nat(struct around *a, const json_t *rec)
{
	struct step_entry *router = step_router(a->x, TOPO_NAT, rec);
	const char *type = topo_str(rec, "type");
	struct topo_ip_range range;
	struct skep_ip ip;

	if (!router)
		return;
	if (step_nat_dst(rec, &ip)) {
		range = (struct topo_ip_range){ ip, ip };
		around_router_address(a, router, &range);
	}
	if (!step_nat_to(rec, &range))
		return;
	if (type && !strcmp(type, "snat")) {
		around_router_address(a, router, &range);
	} else {
		around_addresses(a, router, &range);
		all_wide(a, router);
	}
}

void around_fip(struct around *a, const json_t *rec)
{
	struct step_entry *router = step_router(a->x, TOPO_FLOATING_IP, rec);
	struct topo_ip_range range;

	if (!router)
		return;
	if (around_text(topo_str(rec, "address"), &range))
		around_router_address(a, router, &range);
	if (!step_fixed(a->x, rec, &range.lo))
		return;
	range.hi = range.lo;
	around_addresses(a, router, &range);
	all_wide(a, router);
}

static void members_of(struct around *a, const struct step_entry *pool, const struct step_entry *router)
{
	struct topo_ip_range range;

	for (const struct step_use *m = pool->users[STEP_OTHERS]; m; m = m->next) {
		if (m->by->kind != TOPO_MEMBER)
			continue;
		around_add(a, m->by, AROUND_ALL);
		if (around_text(topo_str(m->by->rec, "address"), &range))
			around_addresses(a, router, &range);
	}
}

void around_vip(struct around *a, const json_t *rec)
{
	struct step_entry *router = step_router(a->x, TOPO_VIP, rec), *pool = step_ref(a->x, rec, "pool", TOPO_POOL);
	struct topo_ip_range range;

	if (!router)
		return;
	if (around_text(topo_str(rec, "address"), &range))
		around_router_address(a, router, &range);
	all_wide(a, router);
	if (pool)
		members_of(a, pool, router);
}

void around_balancer(struct around *a, struct step_entry *e, const json_t *was)
{
	if (!was || (json_equal(json_object_get(was, "router"), json_object_get(e->rec, "router")) &&
		     json_equal(json_object_get(was, "admin_up"), json_object_get(e->rec, "admin_up"))))
		return;
	for (const struct step_use *v = e->users[STEP_OTHERS]; v; v = v->next) {
		if (v->by->kind != TOPO_VIP)
			continue;
		around_add(a, v->by, AROUND_ALL);
		around_vip(a, v->by->rec);
	}
}

void around_member(struct around *a, const json_t *rec)
{
	const struct step_entry *pool = step_ref(a->x, rec, "pool", TOPO_POOL);
	struct topo_ip_range range;
	uint32_t n = 1;

	if (!pool || !around_text(topo_str(rec, "address"), &range))
		return;
	around_addresses(a, pool, &range);
	for (const struct step_use *u = pool->users[STEP_OTHERS]; u; u = u->next) {
		const struct step_entry *router = step_router(a->x, TOPO_VIP, u->by->rec);

		n += u->by->kind == TOPO_MEMBER;
		if (u->by->kind != TOPO_VIP)
			continue;
		around_add(a, u->by, AROUND_ALL);
		if (!router)
			continue;
		around_addresses(a, router, &range);
		all_wide(a, router);
	}
	a->unknown = a->unknown || n > TOPO_MEMBERS_MAX; /* how many they are is not for a part of them to say */
}
