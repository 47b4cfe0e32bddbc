// SPDX-License-Identifier: Apache-2.0
/*
 * Services for the machines on a bridge's subnets: decides which of them a packet is for, and has
 * what they share.  Asked by port.c for all that enters by an exterior port of a bridge, before
 * anti-spoofing and chains.  Nothing that is answered here is ever decided from a flow.
 */
#include "simulator/subnet.h"

#define DHCP4_SERVER 67
#define DHCP4_CLIENT 68
#define DHCP6_SERVER 547
#define DHCP6_CLIENT 546
#define LABEL_MAX    63
#define UDP_HEAD     8

/* --- writing --- */

uint8_t *sim_put(struct bytes *b, uint32_t len)
{
	uint8_t *p = b->p + b->n;

	if (len > b->max - b->n) {
		b->full = true;
		return NULL;
	}
	b->n += len;
	memset(p, 0, len);
	return p;
}

void sim_put_bytes(struct bytes *b, const void *p, uint32_t len)
{
	uint8_t *to = len ? sim_put(b, len) : NULL;

	if (to)
		memcpy(to, p, len);
}

void sim_put8(struct bytes *b, uint8_t v)
{
	sim_put_bytes(b, &v, 1);
}

void sim_put16(struct bytes *b, uint16_t v)
{
	v = htons(v);
	sim_put_bytes(b, &v, 2);
}

void sim_put32(struct bytes *b, uint32_t v)
{
	v = htonl(v);
	sim_put_bytes(b, &v, 4);
}

uint32_t sim_put_addrs(struct bytes *b, const struct skep_ip *ips, uint32_t n, bool v4)
{
	uint32_t put = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (ip_is_v4(&ips[i]) != v4)
			continue;
		sim_put_bytes(b, v4 ? &ips[i].w[3] : ips[i].w, v4 ? 4 : 16);
		put++;
	}
	return put;
}

bool sim_put_domain(struct bytes *b, const char *domain)
{
	struct bytes before = *b;

	while (*domain) {
		size_t n = strcspn(domain, ".");

		if (!n || n > LABEL_MAX)
			break;
		sim_put8(b, (uint8_t)n);
		sim_put_bytes(b, domain, (uint32_t)n);
		domain += n;
		if (*domain == '.')
			domain++;
	}
	sim_put8(b, 0);
	if (!*domain && !b->full && b->n - before.n <= 255 && b->n - before.n > 1)
		return true;
	*b = before;
	return false;
}

/* --- reading --- */

struct in sim_datagram(const struct walk *w)
{
	const struct pkt *pkt = w->pkt;
	uint32_t end = pkt->l3_off + pkt->l3_len, len;

	if (!pkt->l4_off || pkt->payload_off > end)
		return (struct in){ 0 };
	len = in16(pkt->data + pkt->l4_off + 4);
	if (len < UDP_HEAD || len > end - pkt->l4_off)
		return (struct in){ 0 };
	return (struct in){ .p = pkt->data + pkt->payload_off, .len = len - UDP_HEAD };
}

/* --- whose addresses --- */

bool sim_subnet_in_vlan(const struct topo_subnet *s, uint16_t vlan)
{
	const struct topo_port *r = s->router_port;

	if (!s->bridge->vlan_aware)
		return true;
	return vlan && (!r || (r->peer && r->peer->more->vlan == vlan));
}

bool sim_subnet_serves(const struct topo_subnet *s, const struct topo_port *port)
{
	return sim_subnet_in_vlan(s, port->more->vlan);
}

static const struct topo_subnet *subnet_of(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_bridge *b = port->bridge;

	for (uint32_t i = 0; i < b->n_subnets; i++)
		if (b->subnets[i]->dhcp && sim_subnet_serves(b->subnets[i], port) &&
		    ip_in_prefix(ip, &b->subnets[i]->prefix, b->subnets[i]->len))
			return b->subnets[i];
	return NULL;
}

static uint32_t add(struct lease *out, uint32_t n, const struct topo_subnet *s,
		    const struct skep_ip *ip, const char *hostname)
{
	if (n < SIM_ADDRS_MAX)
		out[n++] = (struct lease){ .subnet = s, .ip = *ip, .hostname = hostname };
	return n;
}

uint32_t sim_leases(const struct topo_port *port, const struct skep_mac *mac, bool v4,
		    struct lease out[static SIM_ADDRS_MAX])
{
	const struct topo_bridge *b = port->bridge;
	const struct topo_subnet *s;
	uint32_t n = 0;

	if (port->has_mac && mac_eq(&port->mac, mac))
		for (uint32_t i = 0; i < port->n_addrs; i++) {
			const struct skep_ip *ip = &port->addrs[i].ip;

			s = ip_is_v4(ip) == v4 ? subnet_of(port, ip) : NULL;
			if (s)
				n = add(out, n, s, ip, port->more->hostname);
		}
	for (uint32_t i = 0; i < b->n_subnets; i++) {
		s = b->subnets[i];
		if (!s->dhcp || ip_is_v4(&s->prefix) != v4 || !sim_subnet_serves(s, port))
			continue;
		for (uint32_t k = 0; k < s->n_hosts; k++)
			if (mac_eq(&s->hosts[k].mac, mac))
				n = add(out, n, s, &s->hosts[k].ip, s->hosts[k].hostname);
	}
	return n;
}

struct skep_mac sim_subnet_mac(const struct topo_subnet *s)
{
	struct skep_mac mac = { { 0x02 } };
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a of the name: the same on all hosts */

	if (s->router_port)
		return s->router_port->mac;
	for (const char *c = s->o.name; *c; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3ULL;
	memcpy(mac.b + 1,
	       (const uint8_t[5]){ 0xd4, (uint8_t)(h >> 40), (uint8_t)(h >> 24), (uint8_t)(h >> 8),
				   (uint8_t)h },
	       5);
	return mac;
}

uint32_t sim_subnet_mtu(const struct topo_subnet *s, uint32_t port_mtu)
{
	if (!s->mtu || !port_mtu)
		return s->mtu ? s->mtu : port_mtu > UINT16_MAX ? UINT16_MAX : port_mtu;
	return s->mtu < port_mtu ? s->mtu : port_mtu;
}

uint32_t sim_port_mtu(const struct walk *w, const struct topo_port *port)
{
	const struct sim_view *view = w->run->view;

	return view->mtu ? view->mtu(view->arg, port) : 0;
}

struct emit *sim_answer(struct walk *w, const struct topo_port *port, const struct topo_subnet *s,
			const char *what, const struct pkt_fields *f, const struct bytes *payload)
{
	uint8_t *buf = arena_alloc(w->run->arena, payload->n + 64);
	struct emit *e;
	uint32_t len;

	if (!buf)
		return NULL;
	len = pkt_build_ip(buf, payload->n + 64, f, payload->p, payload->n);
	e = sim_emit(w, what, buf, len, port, NULL, &s->o, &f->eth_src, &f->eth_dst, false);
	if (e)
		e->bare = true;
	return e;
}

/* --- which service --- */

/* Untagged, or with a priority only: machines of other VLANs are of no subnet. */
static bool is_plain(struct walk *w)
{
	return !(ntohs(see_vlan(w)) & 0xfff);
}

static bool from_spoofer(struct walk *w, const struct topo_port *port)
{
	return port->has_mac && port->port_security && sim_is_spoofed(w, port);
}

static bool udp(struct walk *w, uint16_t from, uint16_t to)
{
	return see_proto(w) == IPPROTO_UDP && see_frag(w) == SKEP_FRAG_NONE && see_has_l4(w) &&
	       see_l4_ports(w, from, to);
}

/* What a packet like this one is depends on what is in it: none of them shall meet a flow. */
static bool look_inside(struct walk *w)
{
	see(w, SIM_FIELD_PAYLOAD);
	w->run->cacheable = false;
	return true;
}

static bool has_family(const struct topo_bridge *b, bool v4)
{
	for (uint32_t i = 0; i < b->n_subnets; i++)
		if (ip_is_v4(&b->subnets[i]->prefix) == v4)
			return true;
	return false;
}

bool sim_subnet_in(struct walk *w, const struct topo_port *port)
{
	const struct topo_bridge *b = port->bridge;
	uint16_t type;

	sim_tag_object(w, TOPO_TAG_BRIDGE,
		       &b->o); /* its subnets; also of what the port itself drops */
	if (!b->n_subnets || !b->admin_up)
		return false;
	type = see_eth_type(w);
	if (type == ETH_P_IP && has_family(b, true))
		return udp(w, DHCP4_CLIENT, DHCP4_SERVER) && is_plain(w) && look_inside(w) &&
		       !from_spoofer(w, port) && sim_dhcp4(w, port);
	if (type != ETH_P_IPV6 || !has_family(b, false))
		return false;
	if (see_proto(w) == IPPROTO_ICMPV6)
		return see_has_l4(w) && see_icmp_is(w, SIM_ND_RS) && is_plain(w) &&
		       !from_spoofer(w, port) && sim_ra(w, port);
	return udp(w, DHCP6_CLIENT, DHCP6_SERVER) && is_plain(w) && look_inside(w) &&
	       !from_spoofer(w, port) && sim_dhcp6(w, port);
}
