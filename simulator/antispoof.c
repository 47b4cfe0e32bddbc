// SPDX-License-Identifier: Apache-2.0
/*
 * Anti-spoofing at exterior bridge ports with a MAC: frames must come from the port's MAC and, if
 * it has addresses, from one of them; or from one of its allowed addresses (with the MAC that
 * belongs to it).  What ARP and neighbour discovery claim is held to the same.  Called by port.c.
 */
#include "simulator/subnet.h"

#define ICMP6_REDIRECT 137

static bool is_own(const struct topo_port *port, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_eq(&port->addrs[i].ip, ip))
			return true;
	return false;
}

static const struct skep_mac *allowed_mac(const struct topo_port *port,
					  const struct topo_allowed *a)
{
	return mac_is_zero(&a->mac) ? &port->mac : &a->mac;
}

static bool may_use_mac(const struct topo_port *port, const struct skep_mac *mac)
{
	if (mac_eq(mac, &port->mac))
		return true;
	for (uint32_t i = 0; i < port->more->n_allowed; i++)
		if (mac_eq(mac, allowed_mac(port, &port->more->allowed[i])))
			return true;
	return false;
}

/* A link-local address that is made of a MAC (EUI-64) is that MAC's. */
static bool is_of_other_mac(const struct topo_port *port, const struct skep_ip *ip)
{
	const uint8_t *b = (const uint8_t *)ip;
	const struct skep_mac mac = { { b[8] ^ 2, b[9], b[10], b[13], b[14], b[15] } };
	const struct skep_ip made = sim_link_local(&mac);

	return ip_eq(&made, ip) && !may_use_mac(port, &mac);
}

/* None yet (DHCP, probes), and what the machine derives itself on the link (IPv6). */
static bool is_of_nobody(const struct topo_port *port, const struct skep_ip *ip)
{
	if (ip_is_unspecified(ip))
		return true;
	return !ip_is_v4(ip) && ip_is_link_local(ip) && !is_of_other_mac(port, ip);
}

/* 'mac' is one that the port may use. */
static bool may_use(const struct topo_port *port, const struct skep_mac *mac,
		    const struct skep_ip *ip)
{
	if (is_of_nobody(port, ip))
		return true;
	if (mac_eq(mac, &port->mac) && (!port->n_addrs || is_own(port, ip)))
		return true;
	for (uint32_t i = 0; i < port->more->n_allowed; i++) {
		const struct topo_allowed *a = &port->more->allowed[i];

		if (mac_eq(mac, allowed_mac(port, a)) && ip_in_prefix(ip, &a->ip, a->len))
			return true;
	}
	return false;
}

static bool is_spoofed_arp(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_arp(w);

	return !may_use_mac(port, &f->arp_sha) || !may_use(port, &f->arp_sha, see_ip_src(w, 32));
}

/* A link-local address that configuration gives to somebody else, a router for one. */
static bool is_taken(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_port *owner;
	const struct skep_mac *mac;

	if (!port->n_addrs || ip_is_v4(ip) || !ip_is_link_local(ip) || is_own(port, ip))
		return false;
	owner = topo_bridge_find_ip(port->bridge, ip, &mac);
	return owner && owner != port;
}

/* The link-layer address that is claimed, and in advertisements whose it is said to be.  What is not valid, in fragments (RFC 6980) for one, was
 * not read: nobody knows what it claims. */
static bool is_spoofed_nd(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_nd(w);
	const struct skep_mac *mac = mac_is_zero(&f->nd_lla) ? &f->eth_src : &f->nd_lla;

	if (!may_use_mac(port, mac) || is_taken(port, &f->ip_src))
		return true;
	if (!sim_is_nd(w))
		return false;
	if (ip_is_zero(&f->nd_target))
		return true;
	return see_icmp_type(w) == SIM_ND_NA &&
	       (!may_use(port, mac, &f->nd_target) || is_taken(port, &f->nd_target));
}

/* RFC 4861 8.1: who redirects is the router, by its link-local address. */
static bool is_spoofed_redirect(struct walk *w, const struct topo_port *port)
{
	if (ip_width(w) == 32 || !ip_is_link_local(&w->f.ip_src) || see_proto(w) != IPPROTO_ICMPV6 ||
	    !see_has_l4(w) || see_icmp_type(w) != ICMP6_REDIRECT)
		return false;
	w->run->cacheable = false; /* no tag says whose the address is */
	return is_taken(port, see_ip_src(w, 128));
}

/* Does the network itself give addresses (or IPv6: advertise routers) to machines in the frame's VLAN? */
static bool is_served(struct walk *w, const struct topo_port *port, bool v4)
{
	const struct topo_bridge *b = port->bridge;

	for (uint32_t i = 0; i < b->n_subnets; i++) {
		const struct topo_subnet *s = b->subnets[i];
		uint16_t tag;

		if (ip_is_v4(&s->prefix) != v4 || !(v4 ? s->dhcp : s->ra != TOPO_RA_NONE))
			continue;
		tag = ntohs(see_vlan(w)) & 0xfff;
		if (tag && !b->vlan_aware) /* subnets are untagged */
			return false;
		if (sim_subnet_in_vlan(s, tag ? tag : port->more->vlan))
			return true;
	}
	return false;
}

static bool is_udp(struct walk *w, uint16_t from, uint16_t to)
{
	if (see_proto(w) != IPPROTO_UDP || !see_has_l4(w))
		return false;
	if (see_frag(w) != SKEP_FRAG_NONE && !w->generation)
		w->run->cacheable = false; /* the next one in fragments has other ports */
	return see_l4_dst(w) == to && see_l4_src(w) == from;
}

/* A DHCP server, or a router that advertises itself, where the network is that already. */
bool sim_poses_as_server(struct walk *w, const struct topo_port *port)
{
	const bool v4 = ip_width(w) == 32;

	if (!see_is_ip(w) || !is_served(w, port, v4))
		return false;
	if (v4)
		return is_udp(w, 67, 68);
	if (sim_always_up(&w->f))
		return see_icmp_type(w) == SIM_ND_RA;
	return is_udp(w, 547, 546);
}

bool sim_is_spoofed(struct walk *w, const struct topo_port *port)
{
	const struct skep_mac *mac = see_eth_src(w);

	if (!may_use_mac(port, mac))
		return true;
	switch (see_eth_type(w)) {
	case ETH_P_ARP:
		return is_spoofed_arp(w, port);
	case ETH_P_IP:
	case ETH_P_IPV6:
		if ((port->n_addrs || !mac_eq(mac, &port->mac)) &&
		    !may_use(port, mac, see_ip_src(w, ip_width(w))))
			return true;
		if (sim_poses_as_server(w, port))
			return true;
		if (sim_always_up(&w->f))
			return is_spoofed_nd(w, port);
		return port->n_addrs && is_spoofed_redirect(w, port);
	default:
		return false;
	}
}
