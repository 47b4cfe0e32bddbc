// SPDX-License-Identifier: Apache-2.0
/*
 * Who belongs to whom, where the member says so: ports of groups, addresses of security groups, VLANs and subnets of bridges, members of
 * pools.  Made with each snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/ipset.h"
#include "topology/maglev.h"
#include "topology/snapshot.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* --- groups of ports --- */

/* Ports come by name. */
static int join_groups(struct topo_port *p)
{
	for (uint32_t k = 0; k < p->more->n_groups; k++)
		if (topo_ports_put(&p->more->groups[k]->ports, p, NULL))
			return -ENOMEM;
	for (uint32_t k = 0; k < p->more->n_sgs; k++)
		if (topo_ports_put(&p->more->sgs[k]->ports, p, NULL))
			return -ENOMEM;
	return 0;
}

static int list_ports(struct topo_snapshot *snap, struct arena *arena)
{
	struct pool *pool = &snap->memory->pool;
	struct topo_ports_at at;

	for (uint32_t i = 0; i < snap->n_port_groups; i++)
		topo_ports_init(&snap->port_groups[i].ports, pool, 0);
	for (uint32_t i = 0; i < snap->n_security_groups; i++) {
		struct topo_security_group *g = &snap->security_groups[i];

		topo_ports_init(&g->ports, pool, 0);
		g->members = arena_alloc(arena, sizeof(*g->members));
		if (!g->members)
			return -ENOMEM;
		topo_prefixes_init(g->members, pool);
	}
	for (struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at))
		if (join_groups(p))
			return -ENOMEM;
	return 0;
}

/* The value of a prefix is how many ports have it. */
int topo_member_add(struct topo_security_group *g, const struct skep_ip *ip, uint8_t len)
{
	const struct skep_ip net = ip_mask(ip, len);
	bool made;
	void **value = topo_prefixes_put(g->members, &net, len, &made);

	if (!value)
		return -ENOMEM;
	*value = (void *)((uintptr_t)*value + 1);
	return 0;
}

void topo_member_del(struct topo_security_group *g, const struct skep_ip *ip, uint8_t len)
{
	const struct skep_ip net = ip_mask(ip, len);
	void **value = topo_prefixes_get(g->members, &net, len);

	if (!value)
		return;
	*value = (void *)((uintptr_t)*value - 1);
	if (!*value)
		topo_prefixes_del(g->members, &net, len);
}

bool topo_member(const struct topo_security_group *group, const struct skep_ip *ip, unsigned int *bits)
{
	struct topo_prefix_at at;

	if (!topo_prefixes_match(group->members, ip, &at, bits))
		return false;
	while (topo_prefixes_up(&at))
		; /* the widest one needs the fewest bits */
	(void)topo_prefix_ip(&at, bits);
	return true;
}

/* The addresses that a group's machines have, or may have. */
static int collect_addresses(struct topo_security_group *g)
{
	struct topo_ports_at at;

	for (const struct topo_port *p = topo_ports_first(&g->ports, &at); p; p = topo_ports_next(&at)) {
		for (uint32_t k = 0; k < p->n_addrs; k++)
			if (topo_member_add(g, &p->addrs[k].ip, (uint8_t)ip_bits(&p->addrs[k].ip)))
				return -ENOMEM;
		for (uint32_t k = 0; k < p->more->n_allowed; k++)
			if (topo_member_add(g, &p->more->allowed[k].ip, p->more->allowed[k].len))
				return -ENOMEM;
	}
	return 0;
}

/* --- bridges --- */

static void count_vlan(struct topo_bridge *b, unsigned int vlan, int more)
{
	const uint64_t bit = 1ULL << (vlan % 64);

	b->vlan_ports[vlan] += (uint32_t)more;
	if (b->vlan_ports[vlan] && vlan && vlan < 4095)
		b->vlans[vlan / 64] |= bit;
	else
		b->vlans[vlan / 64] &= ~bit;
}

void topo_vlans_count(const struct topo_port *port, int more)
{
	const struct topo_port_more *m = port->more;

	if (!port->bridge->vlans)
		return;
	if (m->vlan)
		count_vlan(port->bridge, m->vlan, more);
	for (unsigned int v = 0; m->trunk && v < 4096; v++)
		if (m->trunk[v / 64] >> (v % 64) & 1)
			count_vlan(port->bridge, v, more);
}

static int collect_vlans(struct topo_bridge *b, struct arena *arena)
{
	struct topo_ports_at at;

	if (!b->vlan_aware)
		return 0;
	b->vlans = arena_alloc(arena, 4096 / 8);
	b->vlan_ports = arena_alloc(arena, 4096 * sizeof(b->vlan_ports[0]));
	if (!b->vlans || !b->vlan_ports)
		return -ENOMEM;
	for (const struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at))
		topo_vlans_count(p, 1);
	return 0;
}

static struct topo_port *router_port_in(const struct topo_bridge *b, const struct topo_subnet *s,
					struct skep_ip *ip)
{
	for (uint32_t i = 0; i < b->n_links; i++) {
		struct topo_port *r = b->links[i]->peer;

		for (uint32_t k = 0; r->router && k < r->n_addrs; k++)
			if (ip_in_prefix(&r->addrs[k].ip, &s->prefix, s->len)) {
				*ip = r->addrs[k].ip;
				return r;
			}
	}
	return NULL;
}

/* What a subnet leaves to the topology around it. */
static void complete_subnet(struct topo_subnet *s)
{
	struct skep_ip ip = { 0 };

	s->router_port = router_port_in(s->bridge, s, &ip);
	if (ip_is_zero(&s->gateway))
		s->gateway = ip;
	if (ip_is_zero(&s->server))
		s->server = s->gateway;
	if (ip_is_zero(&s->server)) {
		s->server = s->prefix;
		s->server.w[3] |= __builtin_bswap32(1);
	}
}

static int list_subnets(struct topo_snapshot *snap, struct arena *arena)
{
	for (uint32_t i = 0; i < snap->n_subnets; i++)
		snap->subnets[i].bridge->n_subnets++;
	for (uint32_t i = 0; i < snap->n_bridges; i++) {
		struct topo_bridge *b = &snap->bridges[i];

		b->subnets = arena_alloc(arena, (b->n_subnets + 1) * sizeof(struct topo_subnet *));
		b->n_subnets = 0;
		if (!b->subnets || collect_vlans(b, arena))
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < snap->n_subnets; i++) {
		struct topo_subnet *s = &snap->subnets[i];

		s->bridge->subnets[s->bridge->n_subnets++] = s;
		complete_subnet(s);
	}
	return 0;
}

/* --- pools --- */

static int check_sizes(const struct topo_snapshot *snap, struct err *err)
{
	for (uint32_t i = 0; i < snap->n_pools; i++)
		if (snap->pools[i].n_members > TOPO_MEMBERS_MAX)
			return err_set(err, -EINVAL, "pool '%s': %u members are too many (at most %d)",
				       snap->pools[i].o.name, snap->pools[i].n_members,
				       TOPO_MEMBERS_MAX);
	return 0;
}

static int list_members(struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	bool none;

	for (uint32_t i = 0; i < snap->n_members; i++)
		snap->members[i].pool->n_members++;
	if (check_sizes(snap, err))
		return err->code;
	for (uint32_t i = 0; i < snap->n_pools; i++) {
		struct topo_pool *p = &snap->pools[i];

		p->members = arena_alloc(arena, (p->n_members + 1) * sizeof(struct topo_member *));
		p->n_members = 0;
		if (!p->members)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < snap->n_members; i++) {
		struct topo_pool *p = snap->members[i].pool;

		p->members[p->n_members++] = &snap->members[i];
	}
	for (uint32_t i = 0; i < snap->n_pools; i++) {
		struct topo_pool *p = &snap->pools[i];

		p->maglev = topo_maglev_build(p->members, p->n_members, &snap->memory->pool, &none);
		if (!p->maglev && !none)
			return -ENOMEM;
	}
	return 0;
}

/* --- mirrors --- */

static struct topo_mirror_at **list_of(struct topo_snapshot *snap, const struct topo_mirror_place *place)
{
	struct topo_object *o = place->object;
	bool out = place->hook == TOPO_HOOK_POST_OUT;
	struct topo_port_more *more;

	if (o->kind == TOPO_BRIDGE)
		return &container_of(o, struct topo_bridge, o)->mirrors[out];
	if (o->kind == TOPO_ROUTER)
		return &container_of(o, struct topo_router, o)->mirrors[out];
	more = topo_port_more_own(snap, container_of(o, struct topo_port, o));
	return more ? &more->mirrors[place->hook] : NULL;
}

/* From the last to the first, so that each list is by name. */
static int hang_mirrors(struct topo_snapshot *snap, struct arena *arena)
{
	for (uint32_t i = snap->n_mirrors; i--;) {
		struct topo_mirror *m = &snap->mirrors[i];

		for (uint32_t k = 0; k < m->n_at; k++) {
			struct topo_mirror_at **list = list_of(snap, &m->at[k]);
			struct topo_mirror_at *at = arena_alloc(arena, sizeof(*at));

			if (!list || !at)
				return -ENOMEM;
			*at = (struct topo_mirror_at){ .mirror = m, .next = *list };
			*list = at;
		}
	}
	return 0;
}

int topo_derive_members(struct topo_snapshot *snap, struct err *err)
{
	struct arena *arena = &snap->memory->arena;
	int rc;

	if (list_ports(snap, arena) || list_subnets(snap, arena) || hang_mirrors(snap, arena))
		return no_memory(err);
	rc = list_members(snap, arena, err);
	if (rc)
		return rc == -ENOMEM ? no_memory(err) : rc;
	for (uint32_t i = 0; i < snap->n_security_groups; i++)
		if (collect_addresses(&snap->security_groups[i]))
			return no_memory(err);
	return 0;
}
