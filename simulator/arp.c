// SPDX-License-Identifier: Apache-2.0
/*
 * ARP (RFC 826, RFC 5227): suppression on bridges, the responder and the table of router ports, questions of router ports.
 */
#include "simulator/run.h"

#define ARP_REQUEST 1
#define ARP_REPLY   2
#define ARP_FRAME   64

static const struct skep_mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/* Marks nothing, and so does sim_is_nd(): such packets never meet a flow (sim_always_up), so no flow has to tell them apart. */
bool sim_is_arp(const struct walk *w)
{
	return w->f.eth_type == htons(ETH_P_ARP);
}

static const struct topo_floating_ip *find_fip(const struct topo_router *r, const struct skep_ip *ip)
{
	uint32_t lo = 0, hi = r->n_fips;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&r->fips[mid]->address, ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_fips && ip_eq(&r->fips[lo]->address, ip) ? r->fips[lo] : NULL;
}

/* On the links where the address is at home: a port's subnet holds it, or it is a floating IP's way out. */
bool sim_port_nat(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_floating_ip *fip;

	if (!topo_router_nat_addr(port->router, ip))
		return false;
	if (sim_port_subnet(port, ip))
		return true;
	fip = find_fip(port->router, ip);
	if (!fip)
		return false;
	return fip->uplink ? fip->uplink == port : !sim_port_subnet(port, &fip->fixed);
}

/* Answers the request in w->f: 'ip' is at 'mac'. */
static void answer(struct walk *w, const struct topo_port *out, const struct topo_object *device,
		   const struct topo_chain *chain, const struct skep_ip *ip,
		   const struct skep_mac *mac)
{
	const struct pkt_fields *f = &w->f;
	uint8_t *buf = arena_alloc(w->run->arena, ARP_FRAME);
	uint32_t len;

	if (!buf)
		return;
	len = pkt_build_arp(buf, ARP_FRAME, ARP_REPLY, &f->eth_src, mac, ip, &f->arp_sha,
			    &f->ip_src);
	sim_emit(w, "ARP reply", buf, len, out, chain, device, mac, &f->eth_src, false);
}

/*
 * A broadcast request for an address that the bridge knows, by its ports or as a static neighbour: true = answered.  A router's address, NAT's
 * among them, is answered by the router: *to is the port to it.  Announcements, and requests for the asker's own address, go to all.  Tags are
 * understood on VLAN-aware bridges only.
 */
bool sim_arp_suppress(struct walk *w, const struct topo_port *in, const struct topo_port **to)
{
	const struct topo_bridge *b = in->bridge;
	const struct topo_port *owner;
	struct skep_mac mac;
	const struct pkt_fields *f;
	char a[ADDR_TEXT], m[ADDR_TEXT];

	if (!sim_is_arp(w) || (!w->vlan && see_vlan(w)) || !mac_is_broadcast(see_eth_dst(w)))
		return false;
	see(w, SIM_FIELD_PROTO);
	f = see_arp(w);
	if (f->ip_proto != ARP_REQUEST || ip_is_zero(&f->ip_dst) || ip_eq(&f->ip_src, &f->ip_dst))
		return false;
	sim_tag_owner(w, b, &f->ip_dst);
	if (!sim_bridge_owner(b, w->vlan, &f->ip_dst, &owner, &mac)) {
		owner = sim_bridge_nat(b, w->vlan, &f->ip_dst);
		*to = owner == in ? NULL : owner;
		return false;
	}
	if (owner == in)
		return false;
	if (owner && owner->peer) {
		*to = owner;
		return false;
	}
	if (w->generation) /* the router peeks before it asks; the owner may answer itself */
		return false;
	STEP(w, 1, "suppress", b->o.name, "%s is at %s, %s%s", ip_format(&f->ip_dst, a),
	     mac_format(&mac, m), owner ? "port " : "a static neighbour",
	     owner ? owner->o.name : "");
	answer(w, in, &b->o, b->out_chain, &f->ip_dst, &mac);
	sim_consume(w, &b->o, "answered for the owner of the address");
	return true;
}

/* May 'ip' at 'mac' go into the port's table?  Not from outside its subnets, not what is ours. */
static bool acceptable(const struct topo_port *port, const struct skep_ip *ip,
		       const struct skep_mac *mac)
{
	return !mac_is_multicast(mac) && !mac_is_zero(mac) && sim_port_subnet(port, ip) &&
	       !sim_port_owns(port, ip) && !sim_port_nat(port, ip) && !ip_is_unspecified(ip);
}

/* Which of the router's ports answers for an address of its NAT is a matter of the floating IP. */
void sim_tag_nat(struct walk *w, const struct topo_port *port, const struct skep_ip *ip)
{
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_FIP, .name = port->router->o.name, .ip = *ip, .len = (uint8_t)ip_bits(ip) });
}

static void request(struct walk *w, const struct topo_port *port, const struct pkt_fields *f)
{
	bool probe = ip_is_unspecified(&f->ip_src), own = sim_port_owns(port, &f->ip_dst);

	if (!own)
		sim_tag_nat(w, port, &f->ip_dst);
	if ((!own && !sim_port_nat(port, &f->ip_dst)) ||
	    (!probe && !acceptable(port, &f->ip_src, &f->arp_sha))) {
		sim_consume(w, &port->o,
			    "ARP request ignored: not for this port, or not from its subnet");
		return;
	}
	if (!probe)
		sim_learn_neigh(w, port, &f->ip_src, &f->arp_sha);
	answer(w, port, &port->o, NULL, &f->ip_dst, &port->mac);
	sim_consume(w, &port->o,
		    own ? "ARP request for the port's own address answered" :
			  "ARP request for an address of the router's NAT answered");
}

/* An announcement moves an address that is known already (RFC 826: the merge), and adds none. */
static void announcement(struct walk *w, const struct topo_port *port, const struct pkt_fields *f)
{
	const struct sim_view *view = w->run->view;
	struct skep_mac old;

	if (acceptable(port, &f->ip_src, &f->arp_sha) &&
	    view->neigh(view->arg, port, &f->ip_src, &old) == SIM_NEIGH_KNOWN)
		sim_learn_neigh(w, port, &f->ip_src, &f->arp_sha);
	sim_consume(w, &port->o, "ARP announcement");
}

static void reply(struct walk *w, const struct topo_port *port, const struct pkt_fields *f)
{
	if (!mac_eq(&f->eth_dst, &port->mac) || !mac_eq(&f->arp_tha, &port->mac) ||
	    !sim_port_owns(port, &f->ip_dst) || !acceptable(port, &f->ip_src, &f->arp_sha)) {
		sim_consume(w, &port->o,
			    "ARP reply ignored: not for this port, or not from its subnet");
		return;
	}
	sim_learn_neigh(w, port, &f->ip_src, &f->arp_sha);
	sim_consume(w, &port->o, "ARP reply");
}

/* Called for ARP that is broadcast or addressed to the port. */
void sim_arp_router(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_arp(w);

	see(w, SIM_FIELD_PROTO);
	if (ip_is_zero(&f->ip_src)) /* not Ethernet and IPv4 */
		sim_drop(w, SKEP_DROP_PROTOCOL, &port->router->o, NULL);
	else if (ip_eq(&f->ip_src, &f->ip_dst))
		announcement(w, port, f);
	else if (f->ip_proto == ARP_REQUEST)
		request(w, port, f);
	else if (f->ip_proto == ARP_REPLY)
		reply(w, port, f);
	else
		sim_drop(w, SKEP_DROP_PROTOCOL, &port->router->o, NULL);
}

void sim_arp_ask(struct walk *w, const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_addr *from = sim_port_addr(port, ip);
	uint8_t *buf = arena_alloc(w->run->arena, ARP_FRAME);
	const struct skep_mac none = { 0 };
	uint32_t len;

	if (!buf || !from)
		return;
	len = pkt_build_arp(buf, ARP_FRAME, ARP_REQUEST, &broadcast, &port->mac, &from->ip, &none,
			    ip);
	sim_emit(w, "ARP request", buf, len, port, NULL, &port->o, &port->mac, &broadcast, true);
}
