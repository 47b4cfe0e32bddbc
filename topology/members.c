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

static void count_ports(struct topo_snapshot *snap)
{
	for (uint32_t i = 0; i < snap->n_ports; i++) {
		const struct topo_port_more *m = snap->ports[i].more;

		for (uint32_t k = 0; k < m->n_groups; k++)
			m->groups[k]->n_ports++;
		for (uint32_t k = 0; k < m->n_sgs; k++)
			m->sgs[k]->n_ports++;
	}
}

static int list_ports(struct topo_snapshot *snap, struct arena *arena)
{
	count_ports(snap);
	for (uint32_t i = 0; i < snap->n_port_groups; i++) {
		struct topo_port_group *g = &snap->port_groups[i];

		g->ports = arena_alloc(arena, (g->n_ports + 1) * sizeof(struct topo_port *));
		g->n_ports = 0;
	}
	for (uint32_t i = 0; i < snap->n_security_groups; i++) {
		struct topo_security_group *g = &snap->security_groups[i];

		g->ports = arena_alloc(arena, (g->n_ports + 1) * sizeof(struct topo_port *));
		g->n_ports = 0;
	}
	if (arena_failed(arena))
		return -ENOMEM;
	for (uint32_t i = 0; i < snap->n_ports; i++) {
		struct topo_port *p = &snap->ports[i];

		for (uint32_t k = 0; k < p->more->n_groups; k++)
			p->more->groups[k]->ports[p->more->groups[k]->n_ports++] = p;
		for (uint32_t k = 0; k < p->more->n_sgs; k++)
			p->more->sgs[k]->ports[p->more->sgs[k]->n_ports++] = p;
	}
	return 0;
}

/* The addresses that a group's machines have, or may have. */
static int collect_addresses(struct topo_security_group *g, struct arena *arena)
{
	struct topo_prefix *all;
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_ports; i++)
		n += g->ports[i]->n_addrs + g->ports[i]->more->n_allowed;
	all = malloc((n + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < g->n_ports; i++) {
		const struct topo_port *p = g->ports[i];

		for (uint32_t k = 0; k < p->n_addrs; k++)
			all[n++] = (struct topo_prefix){ p->addrs[k].ip,
							 (uint8_t)ip_bits(&p->addrs[k].ip) };
		for (uint32_t k = 0; k < p->more->n_allowed; k++)
			all[n++] = (struct topo_prefix){ p->more->allowed[k].ip,
							 p->more->allowed[k].len };
	}
	g->members = topo_ipset_build(all, n, arena);
	free(all);
	return g->members ? 0 : -ENOMEM;
}

/* --- bridges --- */

static int collect_vlans(struct topo_bridge *b, struct arena *arena)
{
	uint64_t *map;

	if (!b->vlan_aware)
		return 0;
	map = arena_alloc(arena, 4096 / 8);
	if (!map)
		return -ENOMEM;
	memset(map, 0, 4096 / 8);
	for (uint32_t i = 0; i < b->n_ports; i++) {
		const struct topo_port_more *m = b->ports[i]->more;

		if (m->vlan)
			map[m->vlan / 64] |= 1ULL << (m->vlan % 64);
		for (unsigned int k = 0; m->trunk && k < 4096 / 64; k++)
			map[k] |= m->trunk[k];
	}
	map[0] &= ~1ULL;
	map[63] &= ~(1ULL << 63);
	b->vlans = map;
	return 0;
}

static struct topo_port *router_port_in(const struct topo_bridge *b, const struct topo_subnet *s,
					struct skep_ip *ip)
{
	for (uint32_t i = 0; i < b->n_ports; i++) {
		struct topo_port *r = b->ports[i]->peer;

		for (uint32_t k = 0; r && r->router && k < r->n_addrs; k++)
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

		p->maglev = topo_maglev_build(p->members, p->n_members, arena, &none);
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
		if (collect_addresses(&snap->security_groups[i], arena))
			return no_memory(err);
	return 0;
}
