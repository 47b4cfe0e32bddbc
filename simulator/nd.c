// SPDX-License-Identifier: Apache-2.0
/*
 * Neighbour discovery (RFC 4861, RFC 4862 for probes): the IPv6 twin of arp.c.
 */
#include "simulator/run.h"

#define ND_FRAME     128
#define NA_ROUTER    0x80
#define NA_SOLICITED 0x40
#define NA_OVERRIDE  0x20

static const struct skep_mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

static struct skep_ip all_nodes(void)
{
	struct skep_ip ip = { { htonl(0xff020000), 0, 0, htonl(1) } };

	return ip;
}

struct skep_ip sim_link_local(const struct skep_mac *mac)
{
	struct skep_ip ip = { 0 };
	uint8_t *b = (uint8_t *)&ip;

	b[0] = 0xfe;
	b[1] = 0x80;
	memcpy(b + 8, mac->b, 3);
	b[8] ^= 2;
	b[11] = 0xff;
	b[12] = 0xfe;
	memcpy(b + 13, mac->b + 3, 3);
	return ip;
}

bool sim_is_nd(const struct walk *w)
{
	uint8_t type = (uint8_t)(ntohs(w->f.l4_src) >> 8);

	return !sim_is_arp(w) && sim_always_up(&w->f) && type >= SIM_ND_NS; /* not RS, RA */
}

/* RFC 4861 7.1.1 and 7.1.2, as far as the parser does not check it. */
static bool is_valid(const struct pkt_fields *f)
{
	return f->ip_ttl == SIM_ND_HOPS && !(ntohs(f->l4_src) & 0xff) &&
	       f->ip_frag == SKEP_FRAG_NONE && !ip_is_zero(&f->nd_target) &&
	       !ip_is_multicast(&f->nd_target);
}

static void answer(struct walk *w, const struct topo_port *out, const struct topo_object *device,
		   const struct topo_chain *chain, const struct skep_ip *target,
		   const struct skep_mac *mac, uint8_t flags)
{
	const struct pkt_fields *f = &w->f;
	bool probe = ip_is_unspecified(&f->ip_src);
	const struct skep_mac *to = probe ? &all_nodes_mac : &f->eth_src;
	struct skep_ip dst = probe ? all_nodes() : f->ip_src;
	uint8_t *buf = arena_alloc(w->run->arena, ND_FRAME);
	uint32_t len;

	if (!buf)
		return;
	if (!probe)
		flags |= NA_SOLICITED;
	len = pkt_build_na(buf, ND_FRAME, to, mac, target, &dst, target, flags | NA_OVERRIDE);
	sim_emit(w, "neighbour advertisement", buf, len, out, chain, device, mac, to, false);
}

/* As sim_arp_suppress(). */
bool sim_nd_suppress(struct walk *w, const struct topo_port *in, const struct topo_port **to)
{
	const struct topo_bridge *b = in->bridge;
	const struct topo_port *owner;
	struct skep_mac mac;
	const struct pkt_fields *f;
	char a[ADDR_TEXT], m[ADDR_TEXT];

	if (!sim_is_nd(w) || (!w->vlan && see_vlan(w)) || see_icmp_type(w) != SIM_ND_NS)
		return false;
	f = see_nd(w);
	if (!is_valid(f))
		return false;
	sim_tag_owner(w, b, &f->nd_target);
	if (!sim_bridge_owner(b, w->vlan, &f->nd_target, &owner, &mac)) {
		owner = sim_bridge_nat(b, w->vlan, &f->nd_target);
		*to = owner == in ? NULL : owner;
		return false;
	}
	if (owner == in)
		return false;
	if (owner && owner->peer) {
		*to = owner;
		return false;
	}
	if (w->generation)
		return false;
	STEP(w, 1, "suppress", b->o.name, "%s is at %s, %s%s", ip_format(&f->nd_target, a),
	     mac_format(&mac, m), owner ? "port " : "a static neighbour",
	     owner ? owner->o.name : "");
	answer(w, in, &b->o, b->out_chain, &f->nd_target, &mac, 0);
	sim_consume(w, &b->o, "answered for the owner of the address");
	return true;
}

static bool acceptable(const struct topo_port *port, const struct skep_ip *ip,
		       const struct skep_mac *mac)
{
	if (mac_is_multicast(mac) || mac_is_zero(mac) || sim_port_owns(port, ip) ||
	    sim_port_nat(port, ip))
		return false;
	return (!ip_is_v4(ip) && ip_is_link_local(ip)) || sim_port_subnet(port, ip);
}

static void solicitation(struct walk *w, const struct topo_port *port, const struct pkt_fields *f)
{
	bool probe = ip_is_unspecified(&f->ip_src);
	const struct skep_mac *lla = mac_is_zero(&f->nd_lla) ? &f->eth_src : &f->nd_lla;
	bool own = sim_port_owns(port, &f->nd_target);

	if (!own)
		sim_tag_nat(w, port, &f->nd_target);
	if ((!own && !sim_port_nat(port, &f->nd_target)) || (!probe && !acceptable(port, &f->ip_src, lla))) {
		sim_consume(
			w, &port->o,
			"neighbour solicitation ignored: not for this port, or not from its subnet");
		return;
	}
	if (!probe && !mac_is_zero(&f->nd_lla))
		sim_learn_neigh(w, port, &f->ip_src, lla);
	answer(w, port, &port->o, NULL, &f->nd_target, &port->mac, NA_ROUTER);
	sim_consume(w, &port->o,
		    own ? "neighbour solicitation for the port's own address answered" :
			  "neighbour solicitation for an address of the router's NAT answered");
}

static void advertisement(struct walk *w, const struct topo_port *port, const struct pkt_fields *f)
{
	const struct sim_view *view = w->run->view;
	bool asked = (f->nd_flags & NA_SOLICITED) && mac_eq(&f->eth_dst, &port->mac) &&
		     sim_port_owns(port, &f->ip_dst);
	struct skep_mac old;

	/* unsolicited: moves an address that is known already (7.2.6), and adds none */
	if (acceptable(port, &f->nd_target, &f->nd_lla) &&
	    (asked || (mac_is_multicast(&f->eth_dst) &&
		       view->neigh(view->arg, port, &f->nd_target, &old) == SIM_NEIGH_KNOWN)))
		sim_learn_neigh(w, port, &f->nd_target, &f->nd_lla);
	sim_consume(w, &port->o, "neighbour advertisement");
}

/* Called for ND that is multicast or addressed to the port. */
void sim_nd_router(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_nd(w);

	see_ip_dst(w, 128);
	if (!is_valid(f))
		sim_drop(w, SKEP_DROP_BAD_HEADER, &port->o, NULL);
	else if (see_icmp_type(w) == SIM_ND_NS)
		solicitation(w, port, f);
	else
		advertisement(w, port, f);
}

void sim_nd_ask(struct walk *w, const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_addr *addr = sim_port_addr(port, ip);
	struct skep_ip from = addr && !ip_is_link_local(ip) ? addr->ip : sim_link_local(&port->mac);
	struct skep_mac to = { { 0x33, 0x33, 0xff } }; /* solicited-node group, RFC 4291 2.7.1 */
	uint8_t *buf = arena_alloc(w->run->arena, ND_FRAME);
	uint32_t len;

	if (!buf)
		return;
	memcpy(to.b + 3, (const uint8_t *)ip + 13, 3);
	len = pkt_build_ns(buf, ND_FRAME, &port->mac, &from, ip);
	sim_emit(w, "neighbour solicitation", buf, len, port, NULL, &port->o, &port->mac, &to,
		 true);
}
