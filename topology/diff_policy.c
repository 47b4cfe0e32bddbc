// SPDX-License-Identifier: Apache-2.0
/* The tags of groups, QoS policies, NAT, load balancers and mirrors whose meaning changed.  Called by diff.c. */
#include <string.h>

#include "topology/diff.h"
#include "topology/ipset.h"
#include "topology/snapshot.h"

#define SUM(x) (((const struct topo_object *)(x))->sum)

/* --- sets of addresses --- */

static int by_prefix(const void *a, const void *b)
{
	const struct topo_prefix *x = a, *y = b;
	int v4 = ip_is_v4(&y->ip) - ip_is_v4(&x->ip), c;

	if (v4)
		return v4;
	c = memcmp(&x->ip, &y->ip, sizeof(x->ip));
	return c ? c : (int)x->len - (int)y->len;
}

struct set_diff {
	struct diff d; /* first: what topo_merge() hands on */
	enum topo_tag_kind kind;
	const char *name;
	struct topo_told told;
};

void topo_emit_prefix(const struct diff *d, enum topo_tag_kind kind, const char *name,
		      const struct skep_ip *ip, uint8_t len, struct topo_told *told)
{
	if (told->any && ip_is_v4(&told->ip) == ip_is_v4(ip) && told->len <= len &&
	    ip_in_prefix(ip, &told->ip, told->len))
		return;
	*told = (struct topo_told){ *ip, len, true };
	d->cb(d->arg, &(struct topo_tag){ .kind = kind, .name = name, .ip = *ip, .len = len });
}

static void prefix_pair(struct diff *d, const void *a, const void *b)
{
	struct set_diff *s = (struct set_diff *)d;
	const struct topo_prefix *p = a ? a : b;

	if (!a || !b)
		topo_emit_prefix(d, s->kind, s->name, &p->ip, p->len, &s->told);
}

static struct side prefixes(const struct topo_ipset *set)
{
	return set ? (struct side){ topo_ipset_prefixes(set), topo_ipset_count(set) } :
		     (struct side){ NULL, 0 };
}

static void set_changed(struct diff *d, enum topo_tag_kind kind, const char *name,
			const struct topo_ipset *a, const struct topo_ipset *b)
{
	struct set_diff s = { .d = *d, .kind = kind, .name = name };

	topo_merge(&s.d, prefixes(a), prefixes(b), sizeof(struct topo_prefix), by_prefix, prefix_pair);
}

/* Members of a group: the next prefix that is not within another one. */
static bool next_member(const struct topo_security_group *g, struct topo_prefix_at *at,
			struct topo_prefix *p)
{
	unsigned int len;

	if (!g || !g->members)
		return false;
	do {
		if (!topo_prefixes_next(g->members, at))
			return false;
	} while (topo_prefix_nested(at));
	p->ip = topo_prefix_ip(at, &len);
	p->len = (uint8_t)len;
	return true;
}

static void members_changed(struct diff *d, const struct topo_security_group *a,
			    const struct topo_security_group *b)
{
	struct set_diff s = { .d = *d, .kind = TOPO_TAG_MEMBER, .name = b ? b->o.name : a->o.name };
	struct topo_prefix_at i = { 0 }, k = { 0 };
	struct topo_prefix x, y;
	bool any_x = next_member(a, &i, &x), any_y = next_member(b, &k, &y);

	while (any_x || any_y) {
		int c = !any_x ? 1 : !any_y ? -1 : by_prefix(&x, &y);

		prefix_pair(&s.d, c <= 0 ? &x : NULL, c >= 0 ? &y : NULL);
		any_x = c <= 0 ? next_member(a, &i, &x) : any_x;
		any_y = c >= 0 ? next_member(b, &k, &y) : any_y;
	}
}

static void address_group_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_address_group *x = a, *y = b;

	if (!x || !y || SUM(x) != SUM(y))
		set_changed(d, TOPO_TAG_GROUP, x ? x->o.name : y->o.name, x ? x->set : NULL,
			    y ? y->set : NULL);
}

static void security_group_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_security_group *x = a, *y = b;

	if (!x || !y || SUM(x) != SUM(y))
		topo_emit(d, TOPO_TAG_SGROUP, x ? x->o.name : y->o.name);
	members_changed(d, x, y);
}

/* --- groups of ports, QoS, mirrors --- */

static void port_group_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_port_group *x = a, *y = b;
	struct topo_ports_at i, k;
	bool same = x && y && SUM(x) == SUM(y) && x->ports.n == y->ports.n;
	const struct topo_port *p = same ? topo_ports_first(&x->ports, &i) : NULL;
	const struct topo_port *q = same ? topo_ports_first(&y->ports, &k) : NULL;

	for (; same && p; p = topo_ports_next(&i), q = topo_ports_next(&k))
		same = !strcmp(p->o.name, q->o.name);
	if (!same)
		topo_emit(d, TOPO_TAG_PGROUP, x ? x->o.name : y->o.name);
}

static void qos_pair(struct diff *d, const void *a, const void *b)
{
	if (!a || !b || SUM(a) != SUM(b))
		topo_emit(d, TOPO_TAG_QOS, ((const struct topo_object *)(a ? a : b))->name);
}

static void mirror_pair(struct diff *d, const void *a, const void *b)
{
	if (!a || !b || SUM(a) != SUM(b))
		topo_emit(d, TOPO_TAG_MIRROR, ((const struct topo_object *)(a ? a : b))->name);
}

/* --- NAT: a router's tags --- */

static void nat_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_nat *x = a, *y = b;

	if (x && y && SUM(x) == SUM(y))
		return;
	if (x)
		topo_emit(d, TOPO_TAG_NAT, x->router->o.name);
	if (y && (!x || strcmp(x->router->o.name, y->router->o.name) != 0))
		topo_emit(d, TOPO_TAG_NAT, y->router->o.name);
}

static void address_tag(const struct diff *d, enum topo_tag_kind kind, const struct topo_router *r,
			const struct skep_ip *ip)
{
	d->cb(d->arg, &(struct topo_tag){ .kind = kind,
					  .name = r->o.name,
					  .ip = *ip,
					  .len = (uint8_t)ip_bits(ip) });
}

static const char *name_of(const struct topo_port *p)
{
	return p ? p->o.name : "";
}

void topo_emit_fip(const struct diff *d, const struct topo_floating_ip *f)
{
	address_tag(d, TOPO_TAG_FIP, f->router, &f->address);
	address_tag(d, TOPO_TAG_FIP, f->router, &f->fixed);
}

static int by_address(const void *a, const void *b)
{
	const struct topo_floating_ip *x = *(struct topo_floating_ip *const *)a;
	const struct topo_floating_ip *y = *(struct topo_floating_ip *const *)b;
	int c = memcmp(&x->address, &y->address, sizeof(x->address));

	return c ? c : strcmp(x->o.name, y->o.name);
}

static void fip_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_floating_ip *x = a ? *(struct topo_floating_ip *const *)a : NULL;
	const struct topo_floating_ip *y = b ? *(struct topo_floating_ip *const *)b : NULL;

	if (x && y && SUM(x) == SUM(y) && ip_eq(&x->fixed, &y->fixed) &&
	    !strcmp(name_of(x->uplink), name_of(y->uplink)))
		return;
	if (x)
		topo_emit_fip(d, x);
	if (y)
		topo_emit_fip(d, y);
}

static void router_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_router *x = a, *y = b;

	topo_merge(d, (struct side){ x ? x->fips : NULL, x ? x->n_fips : 0 },
		   (struct side){ y ? y->fips : NULL, y ? y->n_fips : 0 },
		   sizeof(struct topo_floating_ip *), by_address, fip_pair);
}

/* --- load balancers --- */

static void vip_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_vip *v[] = { a, b };

	if (a && b && SUM(a) == SUM(b) && v[0]->lb->o.sum == v[1]->lb->o.sum)
		return;
	for (int i = 0; i < 2; i++)
		if (v[i])
			address_tag(d, TOPO_TAG_VIP, v[i]->lb->router, &v[i]->address);
}

static void pool_pair(struct diff *d, const void *a, const void *b)
{
	const struct topo_pool *x = a, *y = b;
	bool same = x && y && SUM(x) == SUM(y) && x->n_members == y->n_members;

	for (uint32_t i = 0; same && i < x->n_members; i++)
		same = SUM(x->members[i]) == SUM(y->members[i]) &&
		       x->members[i]->healthy == y->members[i]->healthy;
	if (!same)
		topo_emit(d, TOPO_TAG_POOL, x ? x->o.name : y->o.name);
}

void topo_diff_policy(struct diff *d, const struct topo_snapshot *old,
		      const struct topo_snapshot *new_)
{
#define MERGE(array, pair)                                                                       \
	topo_merge(d, (struct side){ old->array, old->n_##array },                               \
		   (struct side){ new_->array, new_->n_##array }, sizeof(*old->array), topo_by_name, \
		   pair)
	MERGE(address_groups, address_group_pair);
	MERGE(security_groups, security_group_pair);
	MERGE(port_groups, port_group_pair);
	MERGE(qos_policies, qos_pair);
	MERGE(mirrors, mirror_pair);
	MERGE(nats, nat_pair);
	MERGE(routers, router_pair);
	MERGE(vips, vip_pair);
	MERGE(pools, pool_pair);
#undef MERGE
}
