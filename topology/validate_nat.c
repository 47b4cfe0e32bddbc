// SPDX-License-Identifier: Apache-2.0
/*
 * Each address that a router translates has one meaning: floating IPs, VIPs, source ranges and ports' own addresses lie apart.  Part of
 * topo_validate().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/validate.h"

#define SNAT_MAX 65536 /* addresses of one range */

/* In the order in which they are looked at when they begin at one address: ranges first. */
enum use { USE_SNAT, USE_OWN, USE_FIP, USE_VIP, USE_DNAT };

struct used {
	enum use use;
	struct topo_ip_range range; /* SNAT; the others: one address */
	const struct topo_object *o; /* the port, floating IP, VIP or NAT rule */
	uint32_t reach;		     /* of this one and those before it, the one whose range ends last */
};

static int by_range(const void *a, const void *b)
{
	const struct used *x = a, *y = b;
	int c = memcmp(&x->range.lo, &y->range.lo, sizeof(x->range.lo));

	if (c || x->use != y->use)
		return c ? c : (int)x->use - (int)y->use;
	return strcmp(x->o->name, y->o->name);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static bool exact_dst(const struct topo_nat *n)
{
	return n->type == TOPO_DNAT && (n->match.match & TOPO_M_IP_DST) &&
	       !(n->match.negate & TOPO_M_IP_DST) && n->match.ip_dst_len == ip_bits(&n->match.ip_dst);
}

static uint32_t collect(const struct topo_router *r, struct used *all)
{
	uint32_t n = 0;

#define ADD(what, from, to, object) \
	all[n++] = (struct used){ .use = what, .range = { from, to }, .o = &(object)->o }
	for (uint32_t i = 0; i < r->n_ports; i++)
		for (uint32_t k = 0; k < r->ports[i]->n_addrs; k++)
			ADD(USE_OWN, r->ports[i]->addrs[k].ip, r->ports[i]->addrs[k].ip, r->ports[i]);
	for (uint32_t i = 0; i < r->n_fips; i++)
		ADD(USE_FIP, r->fips[i]->address, r->fips[i]->address, r->fips[i]);
	for (uint32_t i = 0; i < r->n_vips; i++)
		ADD(USE_VIP, r->vips[i]->address, r->vips[i]->address, r->vips[i]);
	for (uint32_t i = 0; i < r->n_nats; i++) {
		const struct topo_nat *nat = r->nats[i];

		if (nat->type == TOPO_SNAT)
			ADD(USE_SNAT, nat->to.lo, nat->to.hi, nat);
		if (exact_dst(nat))
			ADD(USE_DNAT, nat->match.ip_dst, nat->match.ip_dst, nat);
	}
#undef ADD
	return n;
}

/* May two uses share an address?  'x' began earlier, or is the earlier kind. */
static bool may_share(const struct used *x, const struct used *y)
{
	if (x->use == USE_SNAT && y->use == USE_OWN) /* its own address, alone */
		return ip_eq(&x->range.lo, &x->range.hi);
	if (x->use == USE_SNAT || x->use == USE_OWN)
		return y->use == USE_DNAT;
	if (x->use == USE_VIP) /* other services of the address may go elsewhere */
		return true;
	return x->use == USE_DNAT;
}

static const char *field_of(const struct used *u)
{
	return u->use == USE_SNAT ? "to" : u->use == USE_DNAT ? "dst" : u->use == USE_OWN ? "addresses" : "address";
}

static int refuse(const struct topo_router *r, const struct used *x, const struct used *y, struct err *err)
{
	char text[ADDR_TEXT], mine[96], other[96];

	/* a port's own address is the one to stay */
	if (y->use == USE_OWN) {
		const struct used *swap = x;

		x = y;
		y = swap;
	}
	return err_set(err, -EINVAL,
		       "%s: field '%s': '%s' is in use by %s of the same router '%s' (want an address of its own)",
		       topo_object_text(y->o, mine), field_of(y),
		       ip_format(y->use == USE_SNAT ? &x->range.lo : &y->range.lo, text),
		       topo_object_text(x->o, other), r->o.name);
}

/* Ranges that reach farthest so far, alone and of several addresses; whoever is at the present address. */
struct sweep {
	const struct used *one, *wide, *here[USE_DNAT + 1];
};

static int check_against(const struct topo_router *r, const struct used *x, const struct used *y,
			 struct err *err)
{
	if (!x || memcmp(&y->range.lo, &x->range.hi, sizeof(x->range.hi)) > 0 || may_share(x, y))
		return 0;
	return refuse(r, x, y, err);
}

static int check_used(const struct topo_router *r, const struct used *all, uint32_t n, struct err *err)
{
	struct sweep s = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct used *u = &all[i];
		const struct used **last;

		if (i && !ip_eq(&all[i - 1].range.lo, &u->range.lo))
			memset(s.here, 0, sizeof(s.here));
		if (u->use == USE_SNAT) {
			last = ip_eq(&u->range.lo, &u->range.hi) ? &s.one : &s.wide;
			if (!*last || memcmp(&u->range.hi, &(*last)->range.hi, sizeof(u->range.hi)) > 0)
				*last = u;
			continue;
		}
		if (check_against(r, s.one, u, err) || check_against(r, s.wide, u, err))
			return err->code;
		for (int k = USE_OWN; k <= (int)u->use; k++)
			if (check_against(r, s.here[k], u, err))
				return err->code;
		if (!s.here[u->use])
			s.here[u->use] = u;
	}
	return 0;
}

/* --- addresses of others on the links of the router --- */

/* Whose address it is; NULL: nobody's. */
static const struct topo_port *first_in(const struct topo_bridge *b, const struct topo_ip_range *range,
					struct skep_ip *ip)
{
	struct topo_ports_at at;
	struct topo_port *p = topo_ports_from(&b->ips, &range->lo, sizeof(range->lo), &at);

	if (!p || memcmp(topo_ports_key(&at), &range->hi, sizeof(range->hi)) > 0)
		return NULL;
	memcpy(ip, topo_ports_key(&at), sizeof(*ip));
	return topo_owner(p);
}

/* Does a machine on a bridge have the address already? */
static int check_links(const struct topo_router *r, const struct used *u, struct err *err)
{
	const struct topo_port *k;
	struct skep_ip ip;
	char text[ADDR_TEXT], mine[96];

	for (uint32_t i = 0; i < r->n_ports; i++) {
		const struct topo_port *p = r->ports[i];

		if (!p->peer || !p->peer->bridge)
			continue;
		k = first_in(p->peer->bridge, &u->range, &ip);
		if (!k || k->router == r)
			continue;
		return err_set(err, -EINVAL,
			       "%s: field '%s': '%s' is the address of port '%s' on bridge '%s' (want an address of its own)",
			       topo_object_text(u->o, mine), field_of(u), ip_format(&ip, text),
			       k->o.name, p->peer->bridge->o.name);
	}
	return 0;
}

/* Two routers on one bridge must not both answer for an address. */
struct link {
	const struct topo_bridge *bridge;
	struct topo_ip_range range;
	const struct topo_router *router;
};

static int by_link(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	int c = memcmp(&x->range.lo, &y->range.lo, sizeof(x->range.lo));

	if (x->bridge != y->bridge)
		return x->bridge < y->bridge ? -1 : 1;
	return c ? c : (x->router > y->router) - (x->router < y->router);
}

static uint32_t add_links(const struct topo_router *r, struct link *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n_ports; i++) {
		const struct topo_port *p = r->ports[i];

		for (uint32_t k = 0; p->peer && p->peer->bridge && k < p->n_addrs; k++)
			for (uint32_t j = 0; j < r->n_nat_addrs; j++) {
				if (!ip_in_prefix(&r->nat_addrs[j].lo, &p->addrs[k].ip, p->addrs[k].len))
					continue;
				if (out)
					out[n] = (struct link){ p->peer->bridge, r->nat_addrs[j], r };
				n++;
			}
	}
	return n;
}

static int check_routers(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	const struct link *widest = NULL;
	struct link *all;
	uint32_t n = 0;
	char text[ADDR_TEXT];

	for (uint32_t i = 0; i < snap->n_routers; i++)
		n += snap->routers[i].n_nat_addrs ? add_links(&snap->routers[i], NULL) : 0;
	all = arena_alloc(arena, (n + 1) * sizeof(*all));
	if (!all)
		return no_memory(err);
	n = 0;
	for (uint32_t i = 0; i < snap->n_routers; i++)
		n += snap->routers[i].n_nat_addrs ? add_links(&snap->routers[i], all + n) : 0;
	qsort(all, n, sizeof(*all), by_link);
	for (uint32_t i = 0; i < n; i++) {
		const struct link *l = &all[i];

		if (widest && widest->bridge == l->bridge && widest->router != l->router &&
		    memcmp(&l->range.lo, &widest->range.hi, sizeof(l->range.lo)) <= 0)
			return err_set(
				err, -EINVAL,
				"router '%s': its NAT or VIP address '%s' is also one of router '%s' on the same bridge '%s' (want each on one router)",
				l->router->o.name, ip_format(&l->range.lo, text),
				widest->router->o.name, l->bridge->o.name);
		if (!widest || widest->bridge != l->bridge ||
		    memcmp(&l->range.hi, &widest->range.hi, sizeof(l->range.hi)) > 0)
			widest = l;
	}
	return 0;
}

/* --- single objects --- */

/* Anything that lies between the two. */
static const struct used *find_used(const struct used *all, uint32_t n, const struct skep_ip *lo,
				    const struct skep_ip *hi)
{
	uint32_t from = 0, to = n;

	while (from < to) { /* behind the last that begins before 'hi' ends */
		uint32_t mid = from + (to - from) / 2;

		if (memcmp(&all[mid].range.lo, hi, sizeof(*hi)) <= 0)
			from = mid + 1;
		else
			to = mid;
	}
	if (!from || memcmp(&all[all[from - 1].reach].range.hi, lo, sizeof(*lo)) < 0)
		return NULL;
	return &all[all[from - 1].reach];
}

static int check_fip(const struct topo_floating_ip *f, struct err *err)
{
	const struct topo_port *p = f->port;
	char text[ADDR_TEXT];
	bool has = !p;

	if (topo_useless(&f->address, ip_bits(&f->address)))
		return err_set(err, -EINVAL, "field 'address': '%s' is %s (want the address of a machine)",
			       ip_format(&f->address, text),
			       topo_useless(&f->address, ip_bits(&f->address)));
	if (topo_useless(&f->fixed, ip_bits(&f->fixed)))
		return err_set(err, -EINVAL, "field 'fixed': '%s' is %s (want the address of a machine)",
			       ip_format(&f->fixed, text), topo_useless(&f->fixed, ip_bits(&f->fixed)));
	if (p && (!p->bridge || p->peer))
		return err_set(err, -EINVAL,
			       "field 'port': '%s' is not a machine's port (want a bridge's port without peer)",
			       p->o.name);
	for (uint32_t i = 0; p && i < p->n_addrs; i++)
		has = has || ip_eq(&p->addrs[i].ip, &f->fixed);
	for (uint32_t i = 0; p && i < p->more->n_allowed; i++)
		has = has || ip_in_prefix(&f->fixed, &p->more->allowed[i].ip, p->more->allowed[i].len);
	if (!has)
		return err_set(err, -EINVAL, "field 'fixed': '%s' is not an address of port '%s'",
			       ip_format(&f->fixed, text), p->o.name);
	return 0;
}

static bool too_many(const struct topo_ip_range *range)
{
	if (memcmp(range->lo.w, range->hi.w, 12) != 0)
		return true;
	return __builtin_bswap32(range->hi.w[3]) - __builtin_bswap32(range->lo.w[3]) >= SNAT_MAX;
}

static int check_nat(const struct topo_nat *nat, struct err *err)
{
	const char *why;
	char text[ADDR_TEXT];

	if (nat->type != TOPO_SNAT && nat->type != TOPO_DNAT)
		return 0;
	why = topo_useless(&nat->to.lo, ip_bits(&nat->to.lo));
	why = why ? why : topo_useless(&nat->to.hi, ip_bits(&nat->to.hi));
	if (why)
		return err_set(err, -EINVAL, "field 'to': '%s' is %s (want addresses of machines)",
			       ip_format(&nat->to.lo, text), why);
	if (too_many(&nat->to))
		return err_set(err, -EINVAL, "field 'to': the range has more than %d addresses", SNAT_MAX);
	return 0;
}

/* --- a router --- */

/* Of a sorted array, those of some kinds of use; says how far they reach. */
static uint32_t keep(struct used *all, uint32_t n, unsigned int uses)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t last = kept ? all[kept - 1].reach : 0;

		if (!(uses & 1u << all[i].use))
			continue;
		all[kept] = all[i];
		all[kept].reach = kept && memcmp(&all[i].range.hi, &all[last].range.hi,
						 sizeof(struct skep_ip)) <= 0 ?
					  last :
					  kept;
		kept++;
	}
	return kept;
}

/* A floating IP leads to a machine, and to one that has no other. */
static int check_fixed(const struct topo_router *r, const struct used *all, uint32_t n, struct err *err)
{
	char text[ADDR_TEXT], other[96];

	for (uint32_t i = 0; i < r->n_fips; i++) {
		const struct topo_floating_ip *f = r->fips_by_fixed[i];
		const struct used *u = find_used(all, n, &f->fixed, &f->fixed);

		if (i && ip_eq(&r->fips_by_fixed[i - 1]->fixed, &f->fixed)) {
			const struct topo_floating_ip *g = r->fips_by_fixed[i - 1];
			bool first = topo_blames_first(&g->o, &f->o);

			return err_set(err, -EINVAL,
				       "floating_ip '%s': field 'fixed': '%s' is also that of floating_ip '%s' of the same router '%s' (want one for each)",
				       first ? g->o.name : f->o.name, ip_format(&f->fixed, text), first ? f->o.name : g->o.name, r->o.name);
		}
		if (u)
			return err_set(err, -EINVAL,
				       "floating_ip '%s': field 'fixed': '%s' is that of %s of router '%s' (want a machine's)",
				       f->o.name, ip_format(&f->fixed, text),
				       topo_object_text(u->o, other), r->o.name);
	}
	return 0;
}

/* What is rewritten to an address that is itself translated goes nowhere. */
static int check_targets(const struct topo_router *r, const struct used *all, uint32_t n, struct err *err)
{
	char text[ADDR_TEXT], other[96];

	for (uint32_t i = 0; i < r->n_nats; i++) {
		const struct topo_nat *nat = r->nats[i];
		const struct used *u = nat->type == TOPO_DNAT ?
					       find_used(all, n, &nat->to.lo, &nat->to.hi) :
					       NULL;

		if (u)
			return err_set(err, -EINVAL,
				       "nat '%s': field 'to': '%s' is that of %s of router '%s' (want an address that is not translated again)",
				       nat->o.name, ip_format(&nat->to.lo, text),
				       topo_object_text(u->o, other), r->o.name);
	}
	return 0;
}

static int check_router(const struct topo_router *r, struct arena *arena, struct err *err)
{
	struct used *all;
	uint32_t n = r->n_fips + r->n_vips + 2 * r->n_nats;
	int rc;

	for (uint32_t i = 0; i < r->n_ports; i++)
		n += r->ports[i]->n_addrs;
	all = arena_alloc(arena, (n + 1) * sizeof(*all));
	if (!all)
		return no_memory(err);
	n = collect(r, all);
	qsort(all, n, sizeof(*all), by_range);
	rc = check_used(r, all, n, err);
	for (uint32_t i = 0; !rc && i < n; i++)
		if (all[i].use != USE_OWN)
			rc = check_links(r, &all[i], err);
	if (rc)
		return rc;
	n = keep(all, n, 1u << USE_OWN | 1u << USE_SNAT | 1u << USE_FIP | 1u << USE_VIP);
	rc = check_fixed(r, all, n, err);
	if (rc)
		return rc;
	n = keep(all, n, 1u << USE_SNAT | 1u << USE_FIP | 1u << USE_VIP);
	return check_targets(r, all, n, err);
}

int topo_validate_nats(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	for (uint32_t i = 0; i < snap->n_routers; i++)
		for (uint32_t k = 0; k < snap->routers[i].n_fips; k++)
			if (check_fip(snap->routers[i].fips[k], err))
				return err_prefix(err, "floating_ip '%s'", snap->routers[i].fips[k]->o.name);
	for (uint32_t i = 0; i < snap->n_nats; i++)
		if (check_nat(&snap->nats[i], err))
			return err_prefix(err, "nat '%s'", snap->nats[i].o.name);
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		const struct topo_router *r = &snap->routers[i];

		if (r->n_fips + r->n_vips + r->n_nats && check_router(r, arena, err))
			return err->code;
	}
	return check_routers(snap, arena, err);
}
