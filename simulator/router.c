// SPDX-License-Identifier: Apache-2.0
/*
 * The router: takes what is addressed to its port, answers for itself, and sends the rest one hop on.  Entered from port.c only.
 */
#include "simulator/run.h"

const struct topo_addr *sim_port_subnet(const struct topo_port *port, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_in_prefix(ip, &port->addrs[i].ip, port->addrs[i].len))
			return &port->addrs[i];
	return NULL;
}

static const struct topo_addr *of_family(const struct topo_port *port, bool v4)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_is_v4(&port->addrs[i].ip) == v4)
			return &port->addrs[i];
	return NULL;
}

const struct topo_addr *sim_port_addr(const struct topo_port *port, const struct skep_ip *peer)
{
	const struct topo_addr *a = sim_port_subnet(port, peer);

	if (!a)
		a = of_family(port, ip_is_v4(peer));
	for (uint32_t i = 0; !a && i < port->router->n_ports; i++)
		a = of_family(port->router->ports[i], ip_is_v4(peer));
	return a;
}

bool sim_port_owns(const struct topo_port *port, const struct skep_ip *ip)
{
	struct skep_ip own;

	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_eq(&port->addrs[i].ip, ip))
			return true;
	if (ip_is_v4(ip) || !ip_is_link_local(ip))
		return false;
	own = sim_link_local(&port->mac);
	return ip_eq(&own, ip);
}

bool sim_port_is_end(struct walk *w, const struct topo_port *port, bool src)
{
	struct skep_ip own;

	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (see_ip_is(w, src, &port->addrs[i].ip))
			return true;
	if (ip_width(w) == 32 || !see_ip_top(w, src, 0xfe80, 0xfebf))
		return false;
	own = sim_link_local(&port->mac);
	return see_ip_is(w, src, &own);
}

/* 0/8, 127/8, 224/3: between them are blocks of addresses that are like any other. */
static bool is_special4(struct walk *w, bool src, uint8_t b)
{
	const uint8_t off = b < 64 ? b : (uint8_t)(127 - b); /* from the nearer of the first two */
	unsigned int bits = b < 192 ? 2 : 3;

	if (b < 128)
		bits = off ? (unsigned int)__builtin_clz(off) - 24 + 1 : 8;
	see_ip_bits(w, src, bits);
	return b == 0 || b == 127 || b >= 224;
}

/* ::/32, ff00::/8 */
static bool is_special6(struct walk *w, bool src, uint32_t first)
{
	const unsigned int zero = near32(first, 0), group = near32(first, 0xff000000);

	see_ip_bits(w, src, first >> 24 == 0xff ? 8 : zero > group ? zero : group);
	return !first || first >> 24 == 0xff;
}

bool sim_ip_special(struct walk *w, bool src)
{
	const struct skep_ip *ip = src ? &w->f.ip_src : &w->f.ip_dst;

	return ip_width(w) == 32 ? is_special4(w, src, (uint8_t)(ntohl(ip->w[3]) >> 24)) :
				   is_special6(w, src, ntohl(ip->w[0]));
}

/* Destinations that no unicast route may match: this network, loopback, multicast, class E and broadcast; ::/32, ff00::/8. */
static bool is_unroutable(struct walk *w)
{
	return sim_ip_special(w, false);
}

/* Sources that nobody may answer to: RFC 1812 5.3.7, RFC 4291 2.5 and 2.7. */
static bool is_nobody(struct walk *w)
{
	return sim_ip_special(w, true);
}

static bool is_subnet_broadcast(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_addr *a = sim_port_subnet(port, ip);
	uint32_t host;

	if (!a || !ip_is_v4(ip) || a->len > 30)
		return false;
	host = ntohl(ip_v4(ip)) & (0xffffffffu >> a->len);
	return !host || host == 0xffffffffu >> a->len;
}

/* Addressed to one of the router's own addresses. */
static void deliver(struct walk *w, const struct topo_port *port)
{
	uint8_t proto = see_proto(w);
	bool echo;

	if (see_frag(w) != SKEP_FRAG_NONE || !see_has_l4(w)) {
		sim_drop(w, SKEP_DROP_CONSUMED, &port->router->o, NULL);
		return;
	}
	echo = (proto == IPPROTO_ICMP && see_icmp_is(w, SIM_ICMP_ECHO)) ||
	       (proto == IPPROTO_ICMPV6 && see_icmp_is(w, SIM_ICMP6_ECHO));
	if (echo) {
		sim_icmp_echo(w, port);
		sim_consume(w, &port->router->o, "echo request answered");
		return;
	}
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		sim_icmp_error(w, SIM_ERR_PORT);
	sim_drop(w, SKEP_DROP_CONSUMED, &port->router->o, NULL);
}

/* The route is chosen and leads out of a port. */
static void forward(struct walk *w, const struct topo_router *r, const struct topo_route *route)
{
	const struct topo_port *out = route->port;
	const struct skep_ip *hop = &route->gateway;
	char d[ADDR_TEXT], h[ADDR_TEXT], m[ADDR_TEXT];
	struct skep_mac mac;

	STEP(w, 1, "route", route->o.name, "%s by port %s%s%s",
	     prefix_format(&route->dst, route->dst_len, d), out->o.name,
	     ip_is_zero(hop) ? "" : " and gateway ", ip_is_zero(hop) ? "" : ip_format(hop, h));
	if (see_ttl(w) <= 1) {
		w->run->cacheable = false; /* other packets of this flow key have a larger one */
		sim_icmp_error(w, SIM_ERR_TTL);
		sim_drop(w, SKEP_DROP_TTL, &r->o, NULL);
		return;
	}
	w->f.ip_ttl--;
	w->ttl_dec++;
	if (!w->generation && w->run->ttl_max < w->ttl_dec)
		w->run->ttl_max = w->ttl_dec;
	w->out_port = out;
	if (!sim_vip_reply(w, r) && !sim_hook(w, r->out_chain))
		return;
	if (sim_waits(w) || !sim_nat_out(w, w->in_port, out) ||
	    !sim_mtu_ok(w, out->more->mtu, out))
		return;
	if (ip_is_zero(hop)) {
		hop = see_ip_dst(w, ip_width(w));
		if (is_subnet_broadcast(out, hop)) {
			sim_drop(w, SKEP_DROP_NO_OUTPUT, &out->o, NULL);
			return;
		}
	}
	if (!sim_resolve(w, out, hop, &mac))
		return;
	STEP(w, 1, "neighbour", out->o.name, "%s is at %s", ip_format(hop, h), mac_format(&mac, m));
	set_macs(w, &out->mac, &mac);
	sim_mirror(w, r->mirrors[1]);
	w->depth++;
	sim_port_out(w, out);
}

static void route(struct walk *w, const struct topo_port *in)
{
	const struct topo_router *r = in->router;
	const struct topo_route *routes[SIM_ECMP_MAX], *best;
	unsigned int n, dst_len = 0, src_len = 0, width = ip_width(w);
	bool link_local = false;

	if (is_unroutable(w)) {
		sim_drop(w, SKEP_DROP_PROTOCOL, &r->o, NULL);
		return;
	}
	if (width == 128) {
		link_local = see_ip_top(w, false, 0xfe80, 0xfebf);
		if (link_local && sim_port_is_end(w, in, false)) {
			deliver(w, in);
			return;
		}
	}
	n = link_local ? 0
		       : topo_route_lookup(r, &w->f.ip_src, &w->f.ip_dst, routes, SIM_ECMP_MAX,
					   &dst_len, &src_len);
	see_ip_dst(w, dst_len);
	see_ip_src(w, src_len);
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_DST,
				       .name = r->o.name,
				       .ip = w->f.ip_dst,
				       .len = (uint8_t)width });
	best = n ? sim_choose_route(w, r, routes, n) : NULL;
	if (best && best->type == TOPO_ROUTE_LOCAL) {
		STEP(w, 1, "route", best->o.name, "the router's own address");
		deliver(w, in);
		return;
	}
	/* RFC 4291 2.5.6: neither from nor to a link-local address */
	if (link_local || (width == 128 && see_ip_top(w, true, 0xfe80, 0xfebf))) {
		sim_drop(w, SKEP_DROP_NO_ROUTE, &r->o, NULL);
		return;
	}
	if (!best) {
		sim_icmp_error(w, SIM_ERR_NET);
		sim_drop(w, SKEP_DROP_NO_ROUTE, &r->o, NULL);
	} else if (best->type == TOPO_ROUTE_BLACKHOLE) {
		sim_drop(w, SKEP_DROP_BLACKHOLE, &best->o, NULL);
	} else if (best->type == TOPO_ROUTE_REJECT) {
		sim_icmp_error(w, SIM_ERR_ADMIN);
		sim_drop(w, SKEP_DROP_REJECT_ROUTE, &best->o, NULL);
	} else if (is_nobody(w)) {
		sim_drop(w, SKEP_DROP_PROTOCOL, &r->o, NULL);
	} else {
		forward(w, r, best);
	}
}

void sim_router_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_router *r = in->router;
	char d[ADDR_TEXT];

	sim_tag_object(w, TOPO_TAG_ROUTER, &r->o);
	if (!see_eth_is(w, false, &in->mac) &&
	    ((!sim_is_arp(w) && !sim_is_nd(w)) || !see_eth_multicast(w, false))) {
		sim_drop(w, SKEP_DROP_L2_MISMATCH, &in->o, NULL);
		return;
	}
	if (see_eth_multicast(w, true) || see_eth_same(w)) {
		sim_drop(w, SKEP_DROP_BAD_MAC, &in->o, NULL);
		return;
	}
	if (ntohs(see_vlan(w)) & 0xfff) { /* VLAN 0 carries a priority only, 802.1Q 9.6 */
		sim_drop(w, SKEP_DROP_PROTOCOL, &r->o, NULL);
		return;
	}
	if (!r->admin_up) {
		sim_icmp_error(w, SIM_ERR_ADMIN);
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &r->o, NULL);
		return;
	}
	sim_mirror(w, r->mirrors[0]);
	if (sim_is_arp(w)) {
		sim_arp_router(w, in);
		return;
	}
	if (!see_is_ip(w)) {
		sim_drop(w, SKEP_DROP_PROTOCOL, &r->o, NULL);
		return;
	}
	if (sim_is_nd(w)) {
		sim_nd_router(w, in);
		return;
	}
	STEP(w, 0, "router", r->o.name, "to %s", ip_format(&w->f.ip_dst, d));
	if (!sim_vip_in(w, in))
		return;
	if (!w->via_vip && !sim_vip_reply(w, r) && !sim_hook(w, r->in_chain))
		return;
	if (sim_waits(w) || !sim_nat_in(w, in))
		return;
	if (sim_nat_owns(w, r)) {
		sim_drop(w, SKEP_DROP_NAT_NONE, &r->o, NULL);
		return;
	}
	route(w, in);
}
