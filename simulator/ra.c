// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements (RFC 4861 6.2; RFC 4191 routes, RFC 8106 DNS) of a bridge's IPv6 subnets,
 * as answers to machines' solicitations (called by subnet.c) and unasked (skepd, from time to
 * time).  One router, one advertisement: the first of its subnets, by name, speaks for all of them.
 */
#include "simulator/subnet.h"

#define RA_HEAD	     16
#define RA_MAX	     1232 /* 1280 bytes of IP: the least that every link carries */
#define HOP_LIMIT    64
#define LIFETIME_MAX 9000 /* s, RFC 4861 6.2.1 */
#define MTU_MIN	     1280
#define MANAGED	     0x80
#define OTHER	     0x40
#define ON_LINK	     0x80
#define AUTONOMOUS   0x40

enum {
	OPT_SOURCE = 1,
	OPT_PREFIX = 3,
	OPT_MTU = 5,
	OPT_ROUTE = 24,
	OPT_RDNSS = 25,
	OPT_DNSSL = 31
};

static bool advertises(const struct topo_subnet *s)
{
	return !ip_is_v4(&s->prefix) && s->ra != TOPO_RA_NONE;
}

/* Is 's' advertised together with 'first'?  Subnets without a router speak for themselves. */
static bool is_with(const struct topo_subnet *s, const struct topo_subnet *first)
{
	return s == first ||
	       (advertises(s) && s->router_port && s->router_port == first->router_port);
}

static bool speaks(const struct topo_subnet *s)
{
	for (uint32_t i = 0; i < s->bridge->n_subnets; i++)
		if (is_with(s->bridge->subnets[i], s))
			return s->bridge->subnets[i] == s;
	return true;
}

/* Type and length in units of 8 bytes; the option's 'len' bytes, zeroed.  NULL: no room. */
static uint8_t *put_option(struct bytes *b, uint8_t type, uint32_t len)
{
	uint8_t *p = sim_put(b, len);

	if (!p)
		return NULL;
	p[0] = type;
	p[1] = (uint8_t)(len / 8);
	return p;
}

static void set32(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

static void put_prefix(struct bytes *b, const struct topo_subnet *s)
{
	uint8_t *p = put_option(b, OPT_PREFIX, 32);
	struct skep_ip prefix = ip_mask(&s->prefix, s->len);

	if (!p)
		return;
	p[2] = s->len;
	p[3] = ON_LINK;
	if (s->len == 64 &&
	    (s->ra == TOPO_RA_SLAAC || s->ra == TOPO_RA_STATELESS)) /* RFC 4862 5.5.3 d */
		p[3] |= AUTONOMOUS;
	set32(p + 4, s->lease_s);
	set32(p + 8, s->lease_s);
	memcpy(p + 16, &prefix, 16);
}

static bool by_router(const struct topo_subnet *s, const struct skep_ip *via)
{
	return ip_is_unspecified(via) || ip_eq(via, &s->gateway) ||
	       (s->router_port && sim_port_owns(s->router_port, via));
}

/* A route by whoever advertises it: others cannot be said. */
static void put_routes(struct bytes *b, const struct topo_subnet *s)
{
	for (uint32_t i = 0; i < s->n_routes; i++) {
		const struct topo_dhcp_route *r = &s->routes[i];
		uint32_t bytes = r->len > 64 ? 16 : r->len ? 8 : 0;
		struct skep_ip dst = ip_mask(&r->dst, r->len);
		uint8_t *p;

		if (ip_is_v4(&r->dst) || !by_router(s, &r->via))
			continue;
		p = put_option(b, OPT_ROUTE, 8 + bytes);
		if (!p)
			return;
		p[2] = r->len;
		set32(p + 4, s->lease_s);
		memcpy(p + 8, &dst, bytes);
	}
}

static void put_dns(struct bytes *b, const struct topo_subnet *s)
{
	struct bytes before = *b;
	uint8_t *p = s->n_dns ? put_option(b, OPT_RDNSS, 8) : NULL;
	uint32_t n;

	if (!p)
		return;
	n = sim_put_addrs(b, s->dns, s->n_dns, false);
	if (!n || n > 127 || b->full) {
		*b = before;
		return;
	}
	p[1] = (uint8_t)(1 + 2 * n);
	set32(p + 4, s->lease_s);
}

static void put_domain(struct bytes *b, const struct topo_subnet *s)
{
	struct bytes before = *b;
	uint8_t *p = s->domain ? put_option(b, OPT_DNSSL, 8) : NULL;

	if (!p)
		return;
	if (!sim_put_domain(b, s->domain)) {
		*b = before;
		return;
	}
	while ((b->n - before.n) % 8 && !b->full)
		sim_put8(b, 0);
	if (b->full) {
		*b = before;
		return;
	}
	p[1] = (uint8_t)((b->n - before.n) / 8);
	set32(p + 4, s->lease_s);
}

static uint8_t flags(const struct topo_subnet *s)
{
	if (s->ra == TOPO_RA_STATEFUL && s->dhcp)
		return MANAGED | OTHER;
	return s->ra == TOPO_RA_STATELESS && s->dhcp ? OTHER : 0;
}

static void put_head(struct bytes *b, const struct topo_subnet *s, const struct skep_mac *mac)
{
	uint8_t *p = sim_put(b, RA_HEAD), *source;
	uint32_t lifetime = s->router_port ? s->lease_s : 0;

	if (!p)
		return;
	p[0] = SIM_ND_RA;
	p[4] = HOP_LIMIT;
	if (lifetime > LIFETIME_MAX)
		lifetime = LIFETIME_MAX;
	p[6] = (uint8_t)(lifetime >> 8);
	p[7] = (uint8_t)lifetime;
	source = put_option(b, OPT_SOURCE, 8);
	if (source)
		memcpy(source + 2, mac, 6);
}

/* All of it: what matters most first, the rest as far as there is room. */
static void put_message(struct bytes *b, const struct topo_subnet *s, const struct skep_mac *mac,
			uint32_t port_mtu)
{
	const struct topo_bridge *br = s->bridge;
	uint32_t mtu = 0;
	uint8_t *p;

	put_head(b, s, mac);
	for (uint32_t i = 0; i < br->n_subnets; i++) {
		uint32_t own = sim_subnet_mtu(br->subnets[i], port_mtu);

		if (!is_with(br->subnets[i], s))
			continue;
		b->p[5] |= flags(br->subnets[i]);
		put_prefix(b, br->subnets[i]);
		if (own >= MTU_MIN && (!mtu || own < mtu))
			mtu = own;
	}
	p = mtu ? put_option(b, OPT_MTU, 8) : NULL;
	if (p)
		set32(p + 4, mtu);
	for (uint32_t i = 0; i < br->n_subnets; i++)
		if (is_with(br->subnets[i], s)) {
			put_dns(b, br->subnets[i]);
			put_domain(b, br->subnets[i]);
			put_routes(b, br->subnets[i]);
		}
}

/* To one machine, or to all nodes ('dst' NULL). */
static void address_message(struct pkt_fields *f, const struct skep_mac *mac,
			    const struct skep_mac *eth_dst, const struct skep_ip *dst)
{
	static const struct skep_mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };
	struct skep_ip all_nodes = { { htonl(0xff020000), 0, 0, htonl(1) } };

	*f = (struct pkt_fields){
		.eth_src = *mac,
		.eth_dst = dst ? *eth_dst : all_nodes_mac,
		.ip_src = sim_link_local(mac),
		.ip_dst = dst ? *dst : all_nodes,
		.ip_proto = IPPROTO_ICMPV6,
		.ip_ttl = SIM_ND_HOPS,
	};
}

uint32_t sim_ra_build(const struct topo_subnet *subnet, uint32_t mtu, uint8_t *buf, uint32_t cap)
{
	struct skep_mac mac = sim_subnet_mac(subnet);
	uint8_t room[RA_MAX];
	struct bytes b = { .p = room, .max = RA_MAX };
	struct pkt_fields f;

	if (!advertises(subnet) || !speaks(subnet))
		return 0;
	put_message(&b, subnet, &mac, mtu);
	address_message(&f, &mac, NULL, NULL);
	return pkt_build_ip(buf, cap, &f, b.p, b.n);
}

/* RFC 4861 6.1.1; the checksum may be left to a card. */
static bool is_valid(const struct walk *w)
{
	const struct pkt *pkt = w->pkt;
	struct in rest = { .p = pkt->data + pkt->l4_off + 8,
			   .len = pkt->l3_off + pkt->l3_len - pkt->l4_off - 8U };
	bool from_none = ip_is_unspecified(&w->f.ip_src);

	if (w->f.ip_ttl != SIM_ND_HOPS || (ntohs(w->f.l4_src) & 0xff) ||
	    w->f.ip_frag != SKEP_FRAG_NONE)
		return false;
	while (rest.len) {
		uint32_t size = rest.len < 8 ? 0 : rest.p[1] * 8U;

		if (!size || size > rest.len || (rest.p[0] == OPT_SOURCE && from_none))
			return false;
		rest.p += size;
		rest.len -= size;
	}
	return true;
}

static void answer(struct walk *w, const struct topo_port *port, const struct topo_subnet *s)
{
	bool from_none = ip_is_unspecified(see_ip_src(w, 128));
	struct skep_mac mac = sim_subnet_mac(s);
	struct bytes b = { .p = arena_alloc(w->run->arena, RA_MAX), .max = RA_MAX };
	struct pkt_fields f;
	struct emit *e;

	if (!b.p)
		return;
	put_message(&b, s, &mac, sim_port_mtu(w, port));
	address_message(&f, &mac, see_eth_src(w), from_none ? NULL : &w->f.ip_src);
	e = sim_answer(w, port, s, "router advertisement", &f, &b);
	if (e)
		e->error = true; /* as rarely as errors: nobody needs many */
}

bool sim_ra(struct walk *w, const struct topo_port *port)
{
	const struct topo_bridge *b = port->bridge;
	const struct topo_subnet *by = NULL;

	if (!is_valid(w) || mac_is_multicast(see_eth_src(w)))
		return false;
	for (uint32_t i = 0; i < b->n_subnets; i++) {
		const struct topo_subnet *s = b->subnets[i];

		if (!advertises(s) || !speaks(s) || !sim_subnet_serves(s, port))
			continue;
		answer(w, port, s);
		by = s;
	}
	if (by)
		sim_consume(w, &by->o, "router solicitation answered");
	return by;
}
