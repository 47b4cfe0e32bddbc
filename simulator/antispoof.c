// SPDX-License-Identifier: Apache-2.0
/*
 * Anti-spoofing at exterior bridge ports with a MAC: frames must come from the port's MAC and, if
 * it has addresses, from one of them; or from one of its allowed addresses (with the MAC that
 * belongs to it).  What ARP and neighbour discovery claim is held to the same.  Called by port.c.
 */
#include "simulator/subnet.h"

#define ICMP6_REDIRECT 137

/* What is asked of an address or a MAC needs so many of its leading bits. */
static void need(unsigned int *bits, unsigned int n)
{
	*bits = *bits < n ? n : *bits;
}

static bool is_ip(const struct skep_ip *ip, const struct skep_ip *want, unsigned int *bits)
{
	const bool v4 = ip_is_v4(ip);

	if (v4 != ip_is_v4(want))
		return false;
	need(bits, near_ip(ip, want, v4));
	return ip_eq(ip, want);
}

static bool is_own(const struct topo_port *port, const struct skep_ip *ip, unsigned int *bits)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (is_ip(ip, &port->addrs[i].ip, bits))
			return true;
	return false;
}

static const struct skep_mac *allowed_mac(const struct topo_port *port,
					  const struct topo_allowed *a)
{
	return mac_is_zero(&a->mac) ? &port->mac : &a->mac;
}

static bool is_mac(const struct skep_mac *mac, const struct skep_mac *want, unsigned int *bits)
{
	need(bits, near_mac(mac, want, SEE_MAC_ALL));
	return mac_eq(mac, want);
}

static bool may_use_mac(const struct topo_port *port, const struct skep_mac *mac, unsigned int *bits)
{
	if (is_mac(mac, &port->mac, bits))
		return true;
	for (uint32_t i = 0; i < port->more->n_allowed; i++)
		if (is_mac(mac, allowed_mac(port, &port->more->allowed[i]), bits))
			return true;
	return false;
}

/* A link-local address that is made of a MAC (EUI-64) is that MAC's. */
static bool is_of_other_mac(const struct topo_port *port, const struct skep_ip *ip)
{
	const uint8_t *b = (const uint8_t *)ip;
	const struct skep_mac mac = { { b[8] ^ 2, b[9], b[10], b[13], b[14], b[15] } };
	const struct skep_ip made = sim_link_local(&mac);
	unsigned int all = 0;

	return ip_eq(&made, ip) && !may_use_mac(port, &mac, &all);
}

/* None yet (DHCP, probes), and what the machine derives itself on the link (IPv6). */
static bool is_of_nobody(const struct topo_port *port, const struct skep_ip *ip, unsigned int *bits)
{
	static const struct skep_ip none;
	const bool v4 = ip_is_v4(ip);

	need(bits, near_ip(ip, &none, v4)); /* IPv4: of the last word */
	if (ip_is_unspecified(ip))
		return true;
	if (v4)
		return false;
	need(bits, near16_range((uint16_t)(ntohl(ip->w[0]) >> 16), 0xfe80, 0xfebf));
	if (!ip_is_link_local(ip))
		return false;
	need(bits, 128);
	return !is_of_other_mac(port, ip);
}

/* 'mac' is one that the port may use. */
static bool may_use(const struct topo_port *port, const struct skep_mac *mac,
		    const struct skep_ip *ip, unsigned int *bits)
{
	const bool v4 = ip_is_v4(ip);

	if (is_of_nobody(port, ip, bits))
		return true;
	if (mac_eq(mac, &port->mac) && (!port->n_addrs || is_own(port, ip, bits)))
		return true;
	for (uint32_t i = 0; i < port->more->n_allowed; i++) {
		const struct topo_allowed *a = &port->more->allowed[i];

		if (!mac_eq(mac, allowed_mac(port, a)) || v4 != ip_is_v4(&a->ip))
			continue;
		need(bits, near_prefix(ip, &a->ip, a->len, v4));
		if (ip_in_prefix(ip, &a->ip, a->len))
			return true;
	}
	return false;
}

/* Of the packet itself: its source MAC; then, when that is known, its address.  The usual case first: its own. */
static bool uses_mac(struct walk *w, const struct topo_port *port)
{
	unsigned int bits = 48;
	bool may = true;

	if (!mac_eq(&w->f.eth_src, &port->mac)) {
		bits = 0;
		may = may_use_mac(port, &w->f.eth_src, &bits);
	}
	see_eth_bits(w, true, bits);
	return may;
}

static bool uses_ip(struct walk *w, const struct topo_port *port)
{
	unsigned int bits = 0;
	bool may;

	if (port->n_addrs && ip_eq(&w->f.ip_src, &port->addrs[0].ip) &&
	    mac_eq(&w->f.eth_src, &port->mac)) {
		see_ip_bits(w, true, ip_width(w));
		return true;
	}
	may = may_use(port, &w->f.eth_src, &w->f.ip_src, &bits);
	see_ip_bits(w, true, bits);
	return may;
}

static bool is_spoofed_arp(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_arp(w); /* all of it */
	unsigned int bits = 0;

	return !may_use_mac(port, &f->arp_sha, &bits) || !may_use(port, &f->arp_sha, &f->ip_src, &bits);
}

/* A link-local address that configuration gives to somebody else, a router for one. */
static bool is_taken(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_port *owner;
	const struct skep_mac *mac;
	unsigned int bits = 0;

	if (!port->n_addrs || ip_is_v4(ip) || !ip_is_link_local(ip) || is_own(port, ip, &bits))
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
	unsigned int bits = 0;

	if (!may_use_mac(port, mac, &bits) || is_taken(port, &f->ip_src))
		return true;
	if (!sim_is_nd(w))
		return false;
	if (ip_is_zero(&f->nd_target))
		return true;
	return see_icmp_is(w, SIM_ND_NA) &&
	       (!may_use(port, mac, &f->nd_target, &bits) || is_taken(port, &f->nd_target));
}

/* RFC 4861 8.1: who redirects is the router, by its link-local address. */
static bool is_spoofed_redirect(struct walk *w, const struct topo_port *port)
{
	if (ip_width(w) == 32 || !see_ip_top(w, true, 0xfe80, 0xfebf) ||
	    see_proto(w) != IPPROTO_ICMPV6 || !see_has_l4(w) || !see_icmp_is(w, ICMP6_REDIRECT))
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
	return see_l4_ports(w, from, to);
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
		return see_icmp_is(w, SIM_ND_RA);
	return is_udp(w, 547, 546);
}

bool sim_is_spoofed(struct walk *w, const struct topo_port *port)
{
	if (!uses_mac(w, port))
		return true;
	switch (see_eth_type(w)) {
	case ETH_P_ARP:
		return is_spoofed_arp(w, port);
	case ETH_P_IP:
	case ETH_P_IPV6:
		if ((port->n_addrs || !mac_eq(&w->f.eth_src, &port->mac)) && !uses_ip(w, port))
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
