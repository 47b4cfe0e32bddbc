// SPDX-License-Identifier: Apache-2.0
/* Are two generations of an object the same to a flow?  Objects of different snapshots: compared by names, never by pointers. */
#include "topology/same.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Which mirrors hang there; what they are is their own tag's business. */
static bool same_mirrors(struct topo_mirror_at *const *a, struct topo_mirror_at *const *b, int n)
{
	for (int i = 0; i < n; i++) {
		const struct topo_mirror_at *x = a[i], *y = b[i];

		for (; x && y && same_text(x->mirror->o.name, y->mirror->o.name);
		     x = x->next, y = y->next)
			;
		if (x || y)
			return false;
	}
	return true;
}

static bool same_vlans(const struct topo_port_more *a, const struct topo_port_more *b)
{
	return a->vlan == b->vlan && a->hairpin == b->hairpin && !a->trunk == !b->trunk &&
	       (!a->trunk || !memcmp(a->trunk, b->trunk, 4096 / 8));
}

static bool same_port_ref(const struct topo_port *a, const struct topo_port *b)
{
	return same_text(a ? a->o.name : NULL, b ? b->o.name : NULL);
}

bool topo_same_chain(const struct topo_chain *a, const struct topo_chain *b)
{
	return a->o.sum == b->o.sum;
}

/* What the subnets on it say, and what they take from the routers on it. */
static bool same_subnets(const struct topo_bridge *a, const struct topo_bridge *b)
{
	if (a->n_subnets != b->n_subnets)
		return false;
	for (uint32_t i = 0; i < a->n_subnets; i++) {
		const struct topo_subnet *x = a->subnets[i], *y = b->subnets[i];

		if (x->o.sum != y->o.sum || !ip_eq(&x->gateway, &y->gateway) ||
		    !ip_eq(&x->server, &y->server) || !same_port_ref(x->router_port, y->router_port))
			return false;
	}
	return true;
}

bool topo_same_bridge(const struct topo_bridge *a, const struct topo_bridge *b)
{
	return a->o.sum == b->o.sum && same_mirrors(a->mirrors, b->mirrors, 2) &&
	       same_subnets(a, b) && !a->vlans == !b->vlans && (!a->vlans || !memcmp(a->vlans, b->vlans, 4096 / 8));
}

static bool same_addresses(const struct topo_port *a, const struct topo_port *b)
{
	if (a->has_mac != b->has_mac || !mac_eq(&a->mac, &b->mac) || a->n_addrs != b->n_addrs)
		return false;
	for (uint32_t i = 0; i < a->n_addrs; i++)
		if (!ip_eq(&a->addrs[i].ip, &b->addrs[i].ip) || a->addrs[i].len != b->addrs[i].len)
			return false;
	return true;
}

static bool has_nat(const struct topo_router *r)
{
	return r->n_nats || r->n_fips || r->n_vips;
}

/* Packets through a router without any NAT carry no tags of NAT, and without any VIP none of VIPs. */
bool topo_same_router(const struct topo_router *a, const struct topo_router *b)
{
	if (has_nat(a) != has_nat(b) || !a->n_vips != !b->n_vips)
		return false;
	if (a->o.sum != b->o.sum || a->n_ports != b->n_ports || a->n_nat_addrs != b->n_nat_addrs ||
	    !same_mirrors(a->mirrors, b->mirrors, 2))
		return false;
	if (a->n_nat_addrs &&
	    memcmp(a->nat_addrs, b->nat_addrs, a->n_nat_addrs * sizeof(*a->nat_addrs)) != 0)
		return false;
	for (uint32_t i = 0; i < a->n_ports; i++)
		if (!same_port_ref(a->ports[i], b->ports[i]) ||
		    !same_addresses(a->ports[i], b->ports[i]))
			return false;
	return true;
}

bool topo_same_member(const struct topo_port *a, const struct topo_port *b)
{
	return !strcmp(a->o.name, b->o.name) && !strcmp(a->o.id, b->o.id) &&
	       a->admin_up == b->admin_up && same_port_ref(a->peer, b->peer) &&
	       same_vlans(a->more, b->more) && same_addresses(a, b) && same_text(a->live_host, b->live_host) &&
	       a->live_key == b->live_key && a->live_flood_key == b->live_flood_key;
}

bool topo_same_port(const struct topo_port *a, const struct topo_port *b)
{
	return a->o.sum == b->o.sum && topo_same_member(a, b) &&
	       same_mirrors((void *)a->more->mirrors, (void *)b->more->mirrors, 4);
}

bool topo_same_route(const struct topo_route *a, const struct topo_route *b)
{
	return a->type == b->type && ip_eq(&a->src, &b->src) && a->src_len == b->src_len &&
	       same_port_ref(a->port, b->port) && ip_eq(&a->gateway, &b->gateway) &&
	       a->weight == b->weight && topo_route_usable(a) == topo_route_usable(b);
}
