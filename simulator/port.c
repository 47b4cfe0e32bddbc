// SPDX-License-Identifier: Apache-2.0
/*
 * Ports: a frame enters a device by one and leaves it by one.  In: admin state, anti-spoofing, inbound chain, device.  Out: admin
 * state, outbound chain, then the linked port's in, or out of the virtual network.
 */
#include "simulator/run.h"

static bool owns(const struct topo_port *port, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < port->n_addrs; i++)
		if (ip_eq(&port->addrs[i].ip, ip))
			return true;
	return false;
}

/* A VM may use its own addresses, none yet (DHCP, probes), and what it derives itself on the link (IPv6). */
static bool may_send_from(const struct topo_port *port, const struct skep_ip *ip)
{
	if (!port->n_addrs || ip_is_unspecified(ip) || owns(port, ip))
		return true;
	return !ip_is_v4(ip) && ip_is_link_local(ip);
}

static bool is_spoofed_nd(struct walk *w, const struct topo_port *port)
{
	const struct pkt_fields *f = see_nd(w);

	if (!mac_is_zero(&f->nd_lla) && !mac_eq(&f->nd_lla, &port->mac))
		return true;
	return see_icmp_type(w) == SIM_ND_NA && !may_send_from(port, &f->nd_target);
}

static bool is_spoofed(struct walk *w, const struct topo_port *port)
{
	if (!mac_eq(see_eth_src(w), &port->mac))
		return true;
	switch (see_eth_type(w)) {
	case ETH_P_ARP:
		return !mac_eq(&see_arp(w)->arp_sha, &port->mac) ||
		       !may_send_from(port, see_ip_src(w, 32));
	case ETH_P_IP:
		return port->n_addrs && !may_send_from(port, see_ip_src(w, 32));
	case ETH_P_IPV6:
		if (port->n_addrs && !may_send_from(port, see_ip_src(w, 128)))
			return true;
		return sim_is_nd(w) && is_spoofed_nd(w, port);
	default:
		return false;
	}
}

void sim_port_in(struct walk *w, const struct topo_port *port)
{
	struct run *run = w->run;
	bool spoofable = port->bridge && !port->peer && port->has_mac && port->port_security;

	if (++w->entered > SIM_DEVICES_MAX) {
		sim_drop(w, SKEP_DROP_BUDGET, &port->o, NULL);
		return;
	}
	if (++run->n_entries > SIM_ENTRIES_MAX) {
		run->truncated = true;
		sim_drop(w, SKEP_DROP_OVERLOAD, &port->o, NULL);
		return;
	}
	sim_tag_object(w, TOPO_TAG_PORT, &port->o);
	STEP(w, 0, "port", port->o.name, "in%s", port->admin_up ? "" : ", administratively down");
	if (!port->bridge && !port->router) {
		sim_need_object(w, port);
		return;
	}
	if (port->router) {
		w->l3_in = port;
		w->l3_from = w->f.eth_src;
		w->quiet = !mac_eq(&w->f.eth_dst, &port->mac); /* who answers marks the field */
	}
	w->flooded = NULL;
	if (!port->admin_up) {
		if (port->router)
			sim_icmp_error(w, SIM_ERR_ADMIN);
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &port->o, NULL);
		return;
	}
	if (spoofable && is_spoofed(w, port)) {
		sim_drop(w, SKEP_DROP_SPOOF, &port->o, NULL);
		return;
	}
	if (!sim_hook(w, port->in_chain))
		return;
	if (port->bridge)
		sim_bridge_in(w, port);
	else
		sim_router_in(w, port);
}

void sim_port_out(struct walk *w, const struct topo_port *port)
{
	sim_tag_object(w, TOPO_TAG_PORT, &port->o);
	STEP(w, 0, "port", port->o.name, "out%s", port->admin_up ? "" : ", administratively down");
	if (!port->admin_up && port != w->exempt) {
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &port->o, NULL);
		return;
	}
	if (!sim_hook(w, port->out_chain))
		return;
	if (port->peer) {
		sim_port_in(w, port->peer);
		return;
	}
	if (!port->live_host) {
		sim_drop(w, SKEP_DROP_NOT_LIVE, &port->o, NULL);
		return;
	}
	sim_output(w, port);
}
