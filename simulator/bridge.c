// SPDX-License-Identifier: Apache-2.0
/*
 * The bridge: learns who is where, answers ARP and ND for addresses it knows by configuration,
 * sends a frame to the one port of its destination, or to all of its VLAN.  vlan.c has what
 * VLAN-aware ones do.  Entered from port.c only.
 */
#include "simulator/subnet.h"

#include <stdio.h>

static void tag_mac(struct walk *w, const struct topo_bridge *b, const struct skep_mac *mac)
{
	sim_tag(w, &(struct topo_tag){
			   .kind = TOPO_TAG_MAC, .name = b->o.name, .mac = *mac, .vlan = w->vlan });
}

static bool in_vlan(const struct walk *w, const struct topo_port *port)
{
	return !port->bridge->vlan_aware || sim_vlan_has(port, w->vlan);
}

/* Where configuration puts the MAC: a port that has it, or one that was told to. */
static const struct topo_port *configured(const struct walk *w, const struct topo_bridge *b,
					  const struct skep_mac *mac)
{
	const struct topo_port *p = topo_bridge_find_mac(b, w->vlan, mac);

	if (p && in_vlan(w, p))
		return p;
	for (uint32_t i = 0; i < b->n_static_macs; i++) {
		const struct topo_static_mac *s = &b->static_macs[i];

		if (mac_eq(&s->mac, mac) && (!s->vlan || s->vlan == w->vlan) && in_vlan(w, s->port))
			return s->port;
	}
	return NULL;
}

/* A MAC that configuration places is not learnt: nobody takes it over by sending from it. */
static void learn(struct walk *w, const struct topo_bridge *b, const struct topo_port *in)
{
	const struct skep_mac *src = see_eth_src(w);
	char m[ADDR_TEXT], vlan[16] = "";

	if (configured(w, b, src))
		return;
	tag_mac(w, b, src);
	if (w->vlan)
		snprintf(vlan, sizeof(vlan), " in VLAN %u", w->vlan);
	STEP(w, 1, "learn", b->o.name, "%s is at port %s%s", mac_format(src, m), in->o.name, vlan);
	sim_learn_mac(w, b, src, in);
}

/* Is 'p' one of those that a flooded frame goes to? */
static bool floods_to(const struct walk *w, const struct topo_port *p, const struct topo_port *in,
		      bool bpdu)
{
	if (p == in && (bpdu || !p->more->hairpin))
		return false;
	return bpdu ? sim_vlan_trunk(p) : in_vlan(w, p);
}

/* 'bpdu': to the other trunks, as it is. */
static void flood(struct walk *w, const struct topo_bridge *b, const struct topo_port *in,
		  bool bpdu)
{
	struct topo_ports_at at;

	sim_tag_object(w, TOPO_TAG_FLOOD, &b->o);
	if (!sim_hook(w, b->out_chain))
		return;
	sim_mirror(w, b->mirrors[1]);
	for (const struct topo_port *p = topo_ports_first(&b->ports, &at);
	     p && !w->run->looped && !sim_waits(w);
	     p = topo_ports_next(&at)) { /* a loop spoils all copies */
		struct walk copy;

		/* nobody is there, or in another VLAN; will be known by this tag */
		if (!floods_to(w, p, in, bpdu) || (!p->peer && !p->live_host)) {
			sim_tag_object(w, TOPO_TAG_PORT, &p->o);
			continue;
		}
		copy = *w;
		copy.quiet = true;
		copy.flooded = b;
		copy.depth++;
		if (b->vlan_aware && !bpdu && !sim_vlan_out(&copy, p))
			continue;
		sim_port_out(&copy, p);
	}
}

static void unicast(struct walk *w, const struct topo_bridge *b, const struct topo_port *in,
		    const struct topo_port *to)
{
	if (to == in && !in->more->hairpin) {
		sim_drop(w, SKEP_DROP_HAIRPIN, &in->o, NULL);
		return;
	}
	w->out_port = to;
	if (!sim_hook(w, b->out_chain))
		return;
	sim_mirror(w, b->mirrors[1]);
	if (sim_waits(w) || (b->vlan_aware && !sim_vlan_out(w, to)))
		return;
	w->depth++;
	sim_port_out(w, to);
}

/* Where is the MAC?  Known by configuration, seen in this very run, or learnt before. */
static const struct topo_port *find_mac(struct walk *w, const struct topo_bridge *b,
					const struct skep_mac *mac, const char **how)
{
	const struct run *run = w->run;
	const struct topo_port *p;

	tag_mac(w, b, mac);
	*how = "configured";
	p = configured(w, b, mac);
	if (p)
		return p;
	*how = "learnt";
	for (uint32_t i = 0; i < run->n_learns; i++)
		if (run->learns[i].bridge == b && run->learns[i].vlan == w->vlan &&
		    mac_eq(&run->learns[i].mac, mac))
			return run->learns[i].port;
	p = run->view->mac(run->view->arg, b, w->vlan, mac);
	return p && p->bridge == b && in_vlan(w, p) ? p : NULL;
}

void sim_tag_owner(struct walk *w, const struct topo_bridge *b, const struct skep_ip *ip)
{
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = b->o.name, .ip = *ip });
}

bool sim_bridge_owner(const struct topo_bridge *b, uint16_t vlan, const struct skep_ip *ip,
		      const struct topo_port **owner, struct skep_mac *mac)
{
	const struct skep_mac *known;

	*owner = topo_bridge_find_ip_in(b, b->vlan_aware ? vlan : 0, ip, &known);
	if (*owner) {
		*mac = *known;
		return true;
	}
	for (uint32_t i = 0; i < b->n_static_neighs; i++)
		if (ip_eq(&b->static_neighs[i].ip, ip)) {
			*mac = b->static_neighs[i].mac;
			return true;
		}
	for (uint32_t i = 0; i < b->n_subnets && ip_is_v4(ip); i++) {
		const struct topo_subnet *s = b->subnets[i];

		/* DHCP's own address, for renewals; a gateway has somebody who answers */
		if (s->dhcp && sim_subnet_in_vlan(s, vlan) && ip_eq(&s->server, ip) &&
		    !ip_eq(&s->gateway, ip)) {
			*mac = sim_subnet_mac(s);
			return true;
		}
	}
	return false;
}

const struct topo_port *sim_bridge_nat(const struct topo_bridge *b, uint16_t vlan,
				       const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < b->n_links; i++) {
		const struct topo_port *p = b->links[i];

		if (p->peer->router && sim_port_nat(p->peer, ip) &&
		    (!b->vlan_aware || p->more->vlan == vlan))
			return p;
	}
	return NULL;
}

static bool from_nobody(struct walk *w, const struct topo_port *in)
{
	if (!see_eth_multicast(w, true) && !see_eth_same(w))
		return false;
	sim_drop(w, SKEP_DROP_BAD_MAC, &in->o, NULL);
	return true;
}

/* Spanning tree and its like pass from trunk to trunk: the bridges at both ends see one another. */
static void bpdu_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_bridge *b = in->bridge;

	sim_mirror(w, b->mirrors[0]);
	if (!sim_hook(w, b->in_chain))
		return;
	STEP(w, 1, "flood", b->o.name, "untagged, between bridges: to the other trunks");
	flood(w, b, in, true);
}

/* Held to a MAC: no bridge, and with no say in the protocols that bridges and switches outside have among them. */
static bool is_machine(const struct topo_port *port)
{
	return !port->peer && port->has_mac && port->port_security;
}

void sim_bridge_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_bridge *b = in->bridge;
	const struct topo_port *to = NULL;
	const struct skep_mac *dst = &w->f.eth_dst;
	const char *how = "";
	char m[ADDR_TEXT];

	sim_tag_object(w, TOPO_TAG_BRIDGE, &b->o);
	if (from_nobody(w, in))
		return;
	if (!b->admin_up) {
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &b->o, NULL);
		return;
	}
	if (b->vlan_aware) {
		if (sim_vlan_bpdu(w, in)) {
			bpdu_in(w, in);
			return;
		}
		if (!sim_vlan_in(w, in))
			return;
	} else if (is_machine(in) && sim_vlan_reserved(w)) {
		sim_drop(w, SKEP_DROP_PROTOCOL, &b->o, NULL);
		return;
	}
	sim_mirror(w, b->mirrors[0]);
	/* also what the chain drops: that says nothing about where the sender is */
	learn(w, b, in);
	if (w->vlan)
		STEP(w, 0, "bridge", b->o.name, "to %s in VLAN %u", mac_format(dst, m), w->vlan);
	else
		STEP(w, 0, "bridge", b->o.name, "to %s", mac_format(dst, m));
	if (!sim_hook(w, b->in_chain))
		return;
	if (see_eth_multicast(w, false)) {
		if (sim_arp_suppress(w, in, &to) || sim_nd_suppress(w, in, &to))
			return;
		how = "owner of the address";
	} else {
		to = find_mac(w, b, see_eth_dst(w), &how);
	}
	if (to) {
		STEP(w, 1, "unicast", to->o.name, "%s", how);
		unicast(w, b, in, to);
		return;
	}
	STEP(w, 1, "flood", b->o.name, "%s", mac_is_multicast(dst) ? "multicast" : "unknown MAC");
	flood(w, b, in, false);
}
