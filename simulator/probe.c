// SPDX-License-Identifier: Apache-2.0
/* The frame that a machine behind a port would send (probe.h): finds the Ethernet addresses that people leave out. */
#include "simulator/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "maps/maps.h"
#include "packet/short.h"
#include "simulator/run.h"

/* Ethernet destination of a multicast or broadcast address (RFC 1112 6.4, RFC 2464 7). */
static bool group_mac(const struct skep_ip *ip, struct skep_mac *mac)
{
	const uint8_t *b = (const uint8_t *)ip->w;

	if (ip_is_broadcast(ip)) {
		memset(mac->b, 0xff, sizeof(mac->b));
		return true;
	}
	if (!ip_is_multicast(ip))
		return false;
	if (ip_is_v4(ip))
		*mac = (struct skep_mac){ { 0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15] } };
	else
		*mac = (struct skep_mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } };
	return true;
}

/* The router port behind the bridge port 'p', or NULL. */
static const struct topo_port *router_side(const struct topo_port *p)
{
	return p->peer && p->peer->router ? p->peer : NULL;
}

/* Is 'p', a port of a bridge, one that the router behind it has in this VLAN? */
static const struct topo_port *router_in(const struct topo_port *p, uint16_t vlan)
{
	return !p->bridge->vlan_aware || p->more->vlan == vlan ? router_side(p) : NULL;
}

/* MAC of 'ip' on the bridge, when the question, the topology or the agents know it. */
static bool find_on_bridge(const struct topo_bridge *bridge, uint16_t vlan,
			   const struct sim_view *view, const struct sim_end *ends,
			   const struct skep_ip *ip, struct skep_mac *mac)
{
	const struct topo_port *owner;

	for (int i = 0; ends && i < 2; i++)
		if (ends[i].told && ends[i].port->bridge == bridge && ip_eq(&ends[i].ip, ip)) {
			*mac = ends[i].mac;
			return true;
		}
	if (sim_bridge_owner(bridge, vlan, ip, &owner, mac))
		return true;
	for (uint32_t i = 0; i < bridge->n_links; i++) {
		const struct topo_port *r = router_in(bridge->links[i], vlan);

		if (r && topo_router_nat_addr(r->router, ip)) {
			*mac = r->mac;
			return true;
		}
		if (r && view->neigh(view->arg, r, ip, mac) == SIM_NEIGH_KNOWN)
			return true;
	}
	return false;
}

static bool has_subnet(const struct topo_port *router_port, const struct skep_ip *src,
		       const struct skep_ip *dst, bool *on_link)
{
	for (uint32_t a = 0; a < router_port->n_addrs; a++)
		if (ip_in_prefix(src, &router_port->addrs[a].ip, router_port->addrs[a].len)) {
			*on_link = ip_in_prefix(dst, &router_port->addrs[a].ip,
						router_port->addrs[a].len);
			return true;
		}
	return false;
}

/* The gateway of 'src' on the bridge; *on_link: 'dst' is in the same subnet as 'src'. */
static const struct topo_port *find_gateway(const struct topo_bridge *bridge, uint16_t vlan,
					    const struct skep_ip *src, const struct skep_ip *dst,
					    bool *on_link)
{
	for (uint32_t i = 0; i < bridge->n_links; i++) {
		const struct topo_port *r = router_in(bridge->links[i], vlan);

		if (r && has_subnet(r, src, dst, on_link))
			return r;
	}
	*on_link = true;
	return NULL;
}

/* The VLAN of a packet that enters by 'in': the one that was given; else the port's; else, at a
 * trunk, one in which the destination is, or the gateway of the source. */
static uint16_t find_vlan(const struct topo_port *in, const struct pkt_short *p)
{
	const struct topo_bridge *b = in->bridge;
	struct topo_ports_at at;
	const struct skep_mac *mac;
	bool on_link;

	if (!b->vlan_aware || p->vlan)
		return b->vlan_aware ? (uint16_t)p->vlan : 0;
	for (int pass = 0; pass < 2 && sim_vlan_trunk(in); pass++)
		for (const struct topo_port *q = topo_ports_first(&b->ports, &at); q; q = topo_ports_next(&at)) {
			const struct topo_port *r = router_side(q);
			uint16_t vlan = q->more->vlan;

			if (vlan && sim_vlan_has(in, vlan) &&
			    (pass ? r && has_subnet(r, &p->src, &p->dst, &on_link) :
				    !!topo_bridge_find_ip_in(b, vlan, &p->dst, &mac)))
				return vlan;
		}
	return in->more->vlan;
}

static int find_macs(const struct topo_port *in, const struct sim_view *view,
		     const struct sim_end *ends, const struct pkt_short *p, uint16_t vlan,
		     struct skep_mac *src, struct skep_mac *dst, struct err *err)
{
	const struct topo_port *gateway;
	char text[ADDR_TEXT];
	bool on_link;

	if (in->router) { /* a packet from outside, by the port's own address; who sent it does not
			     matter to a router */
		*src = (struct skep_mac){ { 0x02, 0, 0, 0, 0, 0xfe } };
		(void)view->neigh(view->arg, in, &p->src, src);
		*dst = in->mac;
		if (p->what == PKT_SHORT_ARP)
			memset(dst->b, 0xff, sizeof(dst->b));
		return 0;
	}
	if (in->has_mac)
		*src = in->mac;
	else if (!find_on_bridge(in->bridge, vlan, view, ends, &p->src, src))
		return err_tag(
			err, -EINVAL, "usage",
			"port '%s' has no field 'mac', and the MAC of %s is not known: give one with --eth 'SRC>DST'",
			in->o.name, ip_format(&p->src, text));
	if (p->what == PKT_SHORT_ARP) {
		memset(dst->b, 0xff, sizeof(dst->b));
		return 0;
	}
	if (group_mac(&p->dst, dst))
		return 0;
	gateway = find_gateway(in->bridge, vlan, &p->src, &p->dst, &on_link);
	if (!on_link) {
		*dst = gateway->mac;
		return 0;
	}
	if (find_on_bridge(in->bridge, vlan, view, ends, &p->dst, dst))
		return 0;
	return err_tag(
		err, -EHOSTUNREACH, "usage",
		"the MAC of %s is not known on bridge '%s', and no router port there has the subnet of the source: give one with "
		"--eth 'SRC>DST'",
		ip_format(&p->dst, text), in->bridge->o.name);
}

static int parse_eth(const char *text, struct skep_mac *src, struct skep_mac *dst, struct err *err)
{
	const char *gt = strchr(text, '>');
	char one[ADDR_TEXT];

	if (gt && gt - text < ADDR_TEXT) {
		snprintf(one, sizeof(one), "%.*s", (int)(gt - text), text);
		if (mac_parse(one, src) && mac_parse(gt + 1, dst))
			return 0;
	}
	return err_tag(
		err, -EINVAL, "usage",
		"option '--eth': '%s' is not two Ethernet addresses (want 02:00:00:00:00:01>02:00:00:00:00:02)",
		text);
}

int sim_probe_ends(const struct sim_view *view, const struct topo_port *in, const char *text,
		   const char *eth, const struct sim_end *ends, uint8_t *buf, uint32_t cap,
		   struct err *err)
{
	struct skep_mac src, dst;
	struct pkt_short p;
	uint16_t vlan = 0;
	char dsl[512];
	int len;

	if (!strncmp(text, "eth ", 4)) { /* the full language */
		len = pkt_dsl_parse(text, NULL, buf, cap, err);
		if (len < 0)
			err->tag = "usage";
		return len;
	}
	if (pkt_short_parse(text, &p, err))
		return err->code;
	if (in->bridge)
		vlan = find_vlan(in, &p);
	if (eth ? parse_eth(eth, &src, &dst, err) : find_macs(in, view, ends, &p, vlan, &src, &dst, err))
		return err->code;
	if (vlan && vlan != in->more->vlan)
		p.vlan = vlan;
	if (pkt_short_dsl(&p, &src, &dst, dsl, sizeof(dsl), err))
		return err->code;
	len = pkt_dsl_parse(dsl, NULL, buf, cap, err);
	if (len < 0)
		err->tag = "usage";
	return len;
}

int sim_probe(const struct sim_view *view, const struct topo_port *in, const char *text,
	      const char *eth, uint8_t *buf, uint32_t cap, struct err *err)
{
	return sim_probe_ends(view, in, text, eth, NULL, buf, cap, err);
}

int sim_trace(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	      const struct topo_port *in, const uint8_t *frame, uint32_t len, uint64_t now_ns,
	      uint64_t seed, struct pkt *pkt, struct sim_result *res, struct err *err)
{
	enum skep_drop bad = pkt_parse(frame, len, pkt);

	if (bad != SKEP_DROP_NONE)
		return err_set(err, -EINVAL, "every host drops this packet at once: %s (%s)",
			       skep_drop_name(bad), skep_drop_help(bad));
	return sim_run(sim, snap, view, in, pkt, now_ns, seed, SIM_TRACE, res, err);
}
