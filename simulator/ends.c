// SPDX-License-Identifier: Apache-2.0
/*
 * The two ends of a question (probe.h), as people name them: a port, an address, or a port and the address that its machine uses.  Called by
 * why.c.
 */
#include "simulator/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "simulator/run.h"

#define OUTSIDE_TRIED 256 /* addresses of the uplink's subnet */

static bool port_has(const struct topo_port *p, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < p->n_addrs; i++)
		if (ip_eq(&p->addrs[i].ip, ip))
			return true;
	return false;
}

/* The exterior port of a bridge whose machine has the address. */
static const struct topo_port *find_owner(const struct topo_snapshot *snap, const struct skep_ip *ip)
{
	const struct skep_mac *mac;

	for (uint32_t i = 0; i < snap->n_bridges; i++) {
		const struct topo_port *p = topo_bridge_find_ip(&snap->bridges[i], ip, &mac);

		if (p && !p->peer)
			return p;
	}
	return NULL;
}

/* "vm1/10.0.1.5" */
static int find_pair(const struct topo_snapshot *snap, const char *text, const char *slash,
		     struct sim_end *end, struct err *err)
{
	char name[TOPO_NAME_MAX + 1];

	if (slash - text > TOPO_NAME_MAX || !ip_parse(slash + 1, &end->ip))
		return err_tag(err, -EINVAL, "usage",
			       "'%.200s' is not a port and an address (want PORT/ADDRESS)", text);
	snprintf(name, sizeof(name), "%.*s", (int)(slash - text), text);
	end->port = topo_find_port(snap, name);
	if (!end->port)
		return err_tag(err, -ENOENT, "no_such_port", "tenant '%s' has no port '%s'",
			       snap->tenant, name);
	end->named = true;
	end->told = end->port->bridge && !end->port->peer && !port_has(end->port, &end->ip);
	return 0;
}

static int find_end(const struct topo_snapshot *snap, const char *text, struct sim_end *end,
		    struct err *err)
{
	const char *slash = strchr(text, '/');

	*end = (struct sim_end){ .port = NULL };
	if (slash)
		return find_pair(snap, text, slash, end, err);
	end->port = topo_find_port(snap, text);
	if (end->port) {
		end->named = true;
		return 0;
	}
	if (!ip_parse(text, &end->ip))
		return err_tag(err, -ENOENT, "no_such_port",
			       "'%.200s' is neither a port of tenant '%s' nor an address", text,
			       snap->tenant);
	end->port = find_owner(snap, &end->ip);
	return 0;
}

/* --- addresses of ends that were given by name --- */

static const struct skep_ip *first_of(const struct topo_port *p, bool v4)
{
	for (uint32_t i = 0; i < p->n_addrs; i++)
		if (ip_is_v4(&p->addrs[i].ip) == v4 && !ip_is_link_local(&p->addrs[i].ip))
			return &p->addrs[i].ip;
	return NULL;
}

/* The next hop of the default route by this port, or of any other route. */
static bool gateway_of(const struct topo_port *p, bool v4, struct skep_ip *ip)
{
	struct topo_routes_at at;
	bool found = false;

	for (const struct topo_route *t = topo_routes_first(p->router, &at); t; t = topo_routes_next(&at)) {
		if (t->port != p || ip_is_zero(&t->gateway) || ip_is_v4(&t->gateway) != v4 ||
		    ip_is_link_local(&t->gateway) || (found && t->dst_len))
			continue;
		*ip = t->gateway;
		found = true;
		if (!t->dst_len)
			return true;
	}
	return found;
}

static void next_ip(struct skep_ip *ip)
{
	uint8_t *b = (uint8_t *)ip->w;

	for (int i = 15; i >= 0 && !++b[i]; i--)
		;
}

/* An address in one of the port's subnets that is none of the router's own. */
static bool neighbour_of(const struct topo_port *p, bool v4, struct skep_ip *ip)
{
	for (uint32_t i = 0; i < p->n_addrs; i++) {
		const struct topo_addr *a = &p->addrs[i];
		struct skep_ip at;

		if (ip_is_v4(&a->ip) != v4 || ip_is_link_local(&a->ip))
			continue;
		at = ip_mask(&a->ip, a->len);
		if (a->len + 1U < ip_bits(&a->ip))
			next_ip(&at); /* the first is the subnet's own, but in RFC 3021's of two */
		for (int n = 0; n < OUTSIDE_TRIED && ip_in_prefix(&at, &a->ip, a->len);
		     n++, next_ip(&at))
			if (!sim_port_owns(p, &at) && !topo_router_nat_addr(p->router, &at)) {
				*ip = at;
				return true;
			}
	}
	return false;
}

/* The address that packets of this end have.  What enters by a router's port comes from outside, and not from the router. */
static bool address_of(const struct sim_end *end, bool from, bool v4, struct skep_ip *ip)
{
	const struct skep_ip *first;

	if (!ip_is_zero(&end->ip)) {
		*ip = end->ip;
		return ip_is_v4(ip) == v4;
	}
	if (from && end->port->router)
		return gateway_of(end->port, v4, ip) || neighbour_of(end->port, v4, ip);
	first = first_of(end->port, v4);
	if (first)
		*ip = *first;
	return first;
}

static int no_address(const struct sim_end *from, const struct sim_end *to, struct err *err)
{
	const struct sim_end *ends[] = { from, to };

	for (int i = 0; i < 2; i++)
		if (ends[i]->port && ip_is_zero(&ends[i]->ip) && !ends[i]->port->n_addrs)
			return err_tag(
				err, -EINVAL, "usage",
				"port '%s' has no field 'addresses': say which address its machine uses (want %s/ADDRESS)",
				ends[i]->port->o.name, ends[i]->port->o.name);
	return err_tag(
		err, -EINVAL, "usage",
		"the two ends have no addresses of the same family (field 'addresses' of ports; or PORT/ADDRESS)");
}

static int choose_addresses(struct sim_end *from, struct sim_end *to, bool v6_only, struct err *err)
{
	struct skep_ip a, b;

	for (int v4 = !v6_only; v4 >= 0; v4--)
		if (address_of(from, true, v4, &a) && address_of(to, false, v4, &b)) {
			from->ip = a;
			to->ip = b;
			return 0;
		}
	return no_address(from, to, err);
}

static int check_from(const struct topo_snapshot *snap, const char *text, const struct sim_end *a,
		      struct err *err)
{
	if (!a->port)
		return err_tag(
			err, -ENOENT, "no_such_port",
			"no port of tenant '%s' has the address %s: where does it enter? (want PORT/%s)",
			snap->tenant, text, text);
	if (a->port->peer)
		return err_tag(err, -EINVAL, "usage",
			       "port '%s' is linked to port '%s': packets enter by exterior ports",
			       a->port->o.name, a->port->peer->o.name);
	return 0;
}

int sim_check_from(const struct topo_snapshot *snap, const char *from, struct err *err)
{
	struct sim_end end;

	return find_end(snap, from, &end, err) || check_from(snap, from, &end, err) ? err->code : 0;
}

/* Where nothing tells the MAC of an end. */
static void assume_mac(struct sim_end *end, uint8_t last)
{
	end->mac = (struct skep_mac){ { 0x02, 0, 0, 0, 0, last } };
	if (end->port && end->port->has_mac)
		end->mac = end->port->mac;
}

int sim_find_ends(const struct topo_snapshot *snap, const char *from, const char *to, bool v6_only,
		  struct sim_end *a, struct sim_end *b, struct err *err)
{
	if (find_end(snap, from, a, err) || check_from(snap, from, a, err) ||
	    find_end(snap, to, b, err))
		return err->code;
	if (b->told == false && b->named && b->port->peer && b->port->bridge)
		return err_tag(err, -EINVAL, "usage",
			       "port '%s' is linked to port '%s': no machine is there",
			       b->port->o.name, b->port->peer->o.name);
	if (choose_addresses(a, b, v6_only, err))
		return err->code;
	if (ip_eq(&a->ip, &b->ip) || (a->port == b->port && a->port->bridge))
		return err_tag(
			err, -EINVAL, "usage",
			"FROM and TO are the same machine, at port '%s': it reaches itself without the network",
			a->port->o.name);
	assume_mac(a, 0xfd);
	assume_mac(b, 0xfe);
	/* a machine whose addresses nobody wrote down uses the one that was asked for */
	a->told = a->told || (a->port->bridge && !port_has(a->port, &a->ip));
	return 0;
}
