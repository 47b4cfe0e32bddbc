// SPDX-License-Identifier: Apache-2.0
/* Whom a bridge knows by configuration.  Made with each snapshot; asked by the simulator for every frame, and compared by diff.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/snapshot.h"

/* Whose MAC and addresses are behind a bridge's port; NULL = nobody's that configuration knows. */
static struct topo_port *owner_of(struct topo_port *port)
{
	if (port->peer)
		return port->peer->router ? port->peer : NULL;
	return port->has_mac ? port : NULL;
}

static int by_mac(const void *a, const void *b)
{
	const struct topo_known *x = a, *y = b;
	int c = memcmp(&x->mac, &y->mac, sizeof(x->mac));

	if (!c && x->vlan != y->vlan)
		return (int)x->vlan - (int)y->vlan;
	return c ? c : strcmp(x->port->o.name, y->port->o.name);
}

static int by_ip(const void *a, const void *b)
{
	const struct topo_known *x = a, *y = b;
	int c = memcmp(&x->ip, &y->ip, sizeof(x->ip));

	if (!c && x->vlan != y->vlan)
		return (int)x->vlan - (int)y->vlan;
	return c ? c : strcmp(x->port->o.name, y->port->o.name);
}

static int know(struct topo_bridge *b, struct arena *arena)
{
	struct topo_port *o;
	size_t macs = 0, ips = 0;
	uint16_t vlan;

	for (uint32_t i = 0; i < b->n_ports; i++) {
		o = owner_of(b->ports[i]);
		macs += !!o;
		ips += o ? o->n_addrs : 0;
	}
	macs += b->n_static_macs;

	b->macs = arena_alloc(arena, (macs + 1) * sizeof(*b->macs));
	b->ips = arena_alloc(arena, (ips + 1) * sizeof(*b->ips));
	if (!b->macs || !b->ips)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n_ports; i++) {
		struct topo_port *p = b->ports[i];

		o = owner_of(p);
		if (!o)
			continue;
		vlan = b->vlan_aware ? p->more->vlan : 0;
		b->macs[b->n_macs++] =
			(struct topo_known){ .mac = o->mac, .vlan = vlan, .port = p, .owner = o };
		for (uint32_t k = 0; k < o->n_addrs; k++)
			b->ips[b->n_ips++] = (struct topo_known){
				.ip = o->addrs[k].ip, .vlan = vlan, .port = p, .owner = o
			};
	}
	for (uint32_t i = 0; i < b->n_static_macs; i++) {
		const struct topo_static_mac *m = &b->static_macs[i];

		b->macs[b->n_macs++] = (struct topo_known){
			.mac = m->mac, .vlan = m->vlan, .port = m->port, .owner = m->port
		};
	}
	qsort(b->macs, b->n_macs, sizeof(*b->macs), by_mac);
	qsort(b->ips, b->n_ips, sizeof(*b->ips), by_ip);
	return 0;
}

int topo_derive_known(struct topo_snapshot *snap)
{
	for (uint32_t i = 0; i < snap->n_bridges; i++)
		if (know(&snap->bridges[i], &snap->memory->arena))
			return -ENOMEM;
	return 0;
}

/* First of those whose key is 'key'. */
static const struct topo_known *find(const struct topo_known *known, uint32_t n, const void *key,
				     size_t size)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&known[mid].ip, key, size) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && !memcmp(&known[lo].ip, key, size) ? &known[lo] : NULL;
}

struct topo_port *topo_bridge_find_mac(const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac)
{
	const struct topo_known *k = find(bridge->macs, bridge->n_macs, mac, sizeof(*mac));
	const struct topo_known *end = bridge->macs + bridge->n_macs;

	for (; k && k < end && mac_eq(&k->mac, mac); k++)
		if (k->vlan == vlan)
			return k->port;
	return NULL;
}

struct topo_port *topo_bridge_find_ip_in(const struct topo_bridge *bridge, uint16_t vlan,
					 const struct skep_ip *ip, const struct skep_mac **mac)
{
	const struct topo_known *k = find(bridge->ips, bridge->n_ips, ip, sizeof(*ip));
	const struct topo_known *end = bridge->ips + bridge->n_ips;

	for (; k && k < end && ip_eq(&k->ip, ip); k++)
		if (k->vlan == vlan) {
			*mac = &k->owner->mac;
			return k->port;
		}
	return NULL;
}

struct topo_port *topo_bridge_find_ip(const struct topo_bridge *bridge, const struct skep_ip *ip,
				      const struct skep_mac **mac)
{
	const struct topo_known *k = find(bridge->ips, bridge->n_ips, ip, sizeof(*ip));

	if (!k)
		return NULL;
	*mac = &k->owner->mac;
	return k->port;
}
