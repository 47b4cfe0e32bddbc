// SPDX-License-Identifier: Apache-2.0
/* The frame that a machine behind a port would send (probe.h): finds the Ethernet addresses that people leave out. */
#include "simulator/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "packet/short.h"

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

/* MAC of 'ip' on the bridge, when the topology or the agents know it. */
static bool find_on_bridge(const struct topo_bridge *bridge, const struct sim_view *view,
			   const struct skep_ip *ip, struct skep_mac *mac)
{
	const struct skep_mac *known;

	if (topo_bridge_find_ip(bridge, ip, &known)) {
		*mac = *known;
		return true;
	}
	for (uint32_t i = 0; i < bridge->n_links; i++) {
		const struct topo_port *r = router_side(bridge->links[i]);

		if (r && topo_router_nat_addr(r->router, ip)) {
			*mac = r->mac;
			return true;
		}
		if (r && view->neigh(view->arg, r, ip, mac) == SIM_NEIGH_KNOWN)
			return true;
	}
	return false;
}

/* The gateway of 'src' on the bridge; *on_link: 'dst' is in the same subnet as 'src'. */
static const struct topo_port *find_gateway(const struct topo_bridge *bridge,
					    const struct skep_ip *src, const struct skep_ip *dst,
					    bool *on_link)
{
	for (uint32_t i = 0; i < bridge->n_links; i++) {
		const struct topo_port *r = router_side(bridge->links[i]);

		for (uint32_t a = 0; r && a < r->n_addrs; a++)
			if (ip_in_prefix(src, &r->addrs[a].ip, r->addrs[a].len)) {
				*on_link = ip_in_prefix(dst, &r->addrs[a].ip, r->addrs[a].len);
				return r;
			}
	}
	*on_link = true;
	return NULL;
}

static int find_macs(const struct topo_port *in, const struct sim_view *view,
		     const struct pkt_short *p, struct skep_mac *src, struct skep_mac *dst,
		     struct err *err)
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
	else if (!find_on_bridge(in->bridge, view, &p->src, src))
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
	gateway = find_gateway(in->bridge, &p->src, &p->dst, &on_link);
	if (!on_link) {
		*dst = gateway->mac;
		return 0;
	}
	if (find_on_bridge(in->bridge, view, &p->dst, dst))
		return 0;
	return err_tag(
		err, -EINVAL, "usage",
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

int sim_probe(const struct sim_view *view, const struct topo_port *in, const char *text,
	      const char *eth, uint8_t *buf, uint32_t cap, struct err *err)
{
	struct skep_mac src, dst;
	struct pkt_short p;
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
	if (eth ? parse_eth(eth, &src, &dst, err) : find_macs(in, view, &p, &src, &dst, err))
		return err->code;
	if (pkt_short_dsl(&p, &src, &dst, dsl, sizeof(dsl), err))
		return err->code;
	return pkt_dsl_parse(dsl, NULL, buf, cap, err);
}
