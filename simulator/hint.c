// SPDX-License-Identifier: Apache-2.0
/*
 * For a packet that is about to be dropped: what would let it pass, as one sentence for the
 * operator.  Called by sim_drop() for who wants to know.  Reads the walk and marks nothing.
 */
#include "simulator/run.h"

#include <stdio.h>


/* "tcp/443", "udp/53", "icmp type 8", "protocol 47", "ethertype 0x88b5" */
static const char *service_text(const struct walk *w, char buf[static 48])
{
	const struct pkt_fields *f = &w->f;
	const char *name = f->ip_proto == IPPROTO_TCP	 ? "tcp"
			   : f->ip_proto == IPPROTO_UDP	 ? "udp"
			   : f->ip_proto == IPPROTO_SCTP ? "sctp"
							 : NULL;

	if (f->eth_type != htons(ETH_P_IP) && f->eth_type != htons(ETH_P_IPV6))
		snprintf(buf, 48, "ethertype 0x%04x", ntohs(f->eth_type));
	else if (name && f->has_l4)
		snprintf(buf, 48, "%s/%u", name, ntohs(f->l4_dst));
	else if (name)
		snprintf(buf, 48, "%s", name);
	else if (f->ip_proto == IPPROTO_ICMP || f->ip_proto == IPPROTO_ICMPV6)
		snprintf(buf, 48, "%s type %u", f->ip_proto == IPPROTO_ICMP ? "icmp" : "icmp6",
			 ntohs(f->l4_src) >> 8);
	else
		snprintf(buf, 48, "protocol %u", f->ip_proto);
	return buf;
}

static const char *of_rule(struct walk *w, enum skep_drop reason, const struct topo_rule *rule)
{
	char service[48], a[ADDR_TEXT], b[ADDR_TEXT];
	const char *verb = reason == SKEP_DROP_REJECT ? "rejects" : "drops";

	service_text(w, service);
	if (!rule->chain)
		return NULL;
	if (ip_is_zero(&w->f.ip_src))
		return arena_printf(
			w->run->arena,
			"rule '%s' of chain '%s' %s it; an accept rule for %s before it",
			rule->name, rule->chain->o.name, verb, service);
	return arena_printf(
		w->run->arena,
		"rule '%s' of chain '%s' %s it; an accept rule for %s from %s to %s before it",
		rule->name, rule->chain->o.name, verb, service, ip_format(&w->f.ip_src, a),
		ip_format(&w->f.ip_dst, b));
}

static const char *of_security_group(struct walk *w, const struct topo_port *port)
{
	const bool to_vm = w->out_port == port;
	char service[48], a[ADDR_TEXT];

	if (w->f.eth_type != htons(ETH_P_IP) && w->f.eth_type != htons(ETH_P_IPV6))
		return arena_printf(
			w->run->arena,
			"security groups let ARP and IP pass only; port_security: false of port '%s'",
			port->o.name);
	if (!port->more->n_sgs)
		return NULL;
	if (!to_vm && port->more->sgs[0]->egress_any)
		return arena_printf(
			w->run->arena,
			"'egress: any' of security group '%s' makes nobody a router: egress: rules, and one for %s",
			port->more->sgs[0]->o.name, service_text(w, service));
	return arena_printf(
		w->run->arena, "add an %s rule for %s %s %s to security group '%s'",
		to_vm ? "ingress" : "egress", service_text(w, service), to_vm ? "from" : "to",
		ip_format(to_vm ? &w->f.ip_src : &w->f.ip_dst, a), port->more->sgs[0]->o.name);
}

static const char *of_spoof(struct walk *w, const struct topo_port *port)
{
	char a[ADDR_TEXT], m[ADDR_TEXT];
	struct walk dry = *w;

	dry.generation = dry.generation ? dry.generation : 1; /* marks nothing */
	mac_format(&w->f.eth_src, m);
	if (sim_poses_as_server(&dry, port))
		return arena_printf(
			w->run->arena,
			"the network itself gives addresses and routers on bridge '%s'; port_security: false of port '%s', if the machine is to",
			port->bridge->o.name, port->o.name);
	if (ip_is_zero(&w->f.ip_src))
		return arena_printf(
			w->run->arena,
			"port '%s' has another MAC than %s: allowed_addresses with this MAC, or port_security: false",
			port->o.name, m);
	return arena_printf(w->run->arena,
			    "add {address: %s, mac: \"%s\"} to allowed_addresses of port '%s'",
			    ip_format(&w->f.ip_src, a), m, port->o.name);
}

static const char *of_not_live(struct walk *w, const struct topo_port *port)
{
	if (!port->interface)
		return arena_printf(w->run->arena, "port '%s' is bound to no interface: bind it",
				    port->o.name);
	return arena_printf(w->run->arena,
			    "port '%s' is bound to no running interface: start '%s' on host '%s'",
			    port->o.name, port->interface, port->host ? port->host : "?");
}

static const char *of_no_route(struct walk *w, const struct topo_object *object)
{
	const struct topo_router *r = container_of(object, struct topo_router, o);
	const struct topo_route *route = topo_route_unusable(r, &w->f.ip_dst);
	char a[ADDR_TEXT], d[ADDR_TEXT];

	ip_format(&w->f.ip_dst, a);
	if (route)
		return arena_printf(
			w->run->arena,
			"the route %s of router '%s' leads to port '%s', which is not up",
			prefix_format(&route->dst, route->dst_len, d), r->o.name,
			route->port->o.name);
	return arena_printf(w->run->arena, "no route: add one for %s to router '%s'", a, r->o.name);
}

static const char *of_route(struct walk *w, const struct topo_object *object)
{
	const struct topo_route *route = container_of(object, struct topo_route, o);
	char a[ADDR_TEXT];

	return arena_printf(w->run->arena,
			    "remove route '%s' of router '%s', or add a more specific one for %s",
			    route->o.name, route->router->o.name, ip_format(&w->f.ip_dst, a));
}

static const char *of_l2_mismatch(struct walk *w, const struct topo_port *port)
{
	char m[ADDR_TEXT];

	return arena_printf(w->run->arena, "send it to %s, the MAC of port '%s'",
			    mac_format(&port->mac, m), port->o.name);
}

static const char *of_vlan(struct walk *w, const struct topo_object *object)
{
	unsigned int vlan = w->vlan ? w->vlan : ntohs(w->f.vlan) & 0xfff;
	char text[96];

	topo_object_text(object, text);
	if (!vlan)
		return arena_printf(w->run->arena, "%s takes no untagged frames: a vlan for it",
				    text);
	return arena_printf(w->run->arena, "VLAN %u is not of %s: its vlan or trunk", vlan, text);
}

static const char *of_port(struct walk *w, enum skep_drop reason, const struct topo_port *port)
{
	struct arena *arena = w->run->arena;

	switch (reason) {
	case SKEP_DROP_SECURITY_GROUP:
		return of_security_group(w, port);
	case SKEP_DROP_SPOOF:
		return of_spoof(w, port);
	case SKEP_DROP_NOT_LIVE:
		return of_not_live(w, port);
	case SKEP_DROP_L2_MISMATCH:
		return of_l2_mismatch(w, port);
	case SKEP_DROP_HAIRPIN:
		return arena_printf(arena, "hairpin: true of port '%s', if that is meant to be",
				    port->o.name);
	case SKEP_DROP_NO_NEIGHBOUR:
		return arena_printf(
			arena,
			"the next hop behind port '%s' does not answer: start it, or correct the route",
			port->o.name);
	case SKEP_DROP_CONN_LIMIT:
		return arena_printf(arena,
				    "connections of port '%s' have to end, or its limit to rise",
				    port->o.name);
	default:
		return NULL;
	}
}

static const char *of_reason(struct walk *w, enum skep_drop reason,
			     const struct topo_object *object)
{
	struct arena *arena = w->run->arena;
	char text[96], a[ADDR_TEXT];

	topo_object_text(object, text);
	ip_format(&w->f.ip_dst, a);
	switch (reason) {
	case SKEP_DROP_ADMIN_DOWN:
		return arena_printf(arena, "admin_up: true of %s", text);
	case SKEP_DROP_TTL:
		return "a larger TTL at the sender";
	case SKEP_DROP_BUDGET:
		return "the devices form a loop: remove one of the links";
	case SKEP_DROP_VLAN:
		return of_vlan(w, object);
	case SKEP_DROP_NO_MEMBER:
		return arena_printf(arena, "%s: no member takes connections: bring one up", text);
	case SKEP_DROP_NAT_FULL:
		return arena_printf(arena, "%s: more addresses or ports to translate to", text);
	case SKEP_DROP_NAT_NONE:
		return arena_printf(arena,
				    "a dnat rule or floating IP for %s, or its connection anew", a);
	case SKEP_DROP_TOO_BIG:
		return arena_printf(arena, "a larger mtu of %s, or smaller packets", text);
	case SKEP_DROP_BAD_MAC:
		return "a unicast source MAC that is not the destination";
	default:
		return NULL;
	}
}

static bool is_plain_ip(const struct walk *w)
{
	return (w->f.eth_type == htons(ETH_P_IP) || w->f.eth_type == htons(ETH_P_IPV6)) &&
	       !(ntohs(w->f.vlan) & 0xfff);
}

const char *sim_hint(struct walk *w, enum skep_drop reason, const struct topo_object *object,
		     const struct topo_rule *rule)
{
	const char *hint = NULL;

	if (rule)
		return of_rule(w, reason, rule);
	if (!object)
		return NULL;
	if (object->kind == TOPO_PORT)
		hint = of_port(w, reason, container_of(object, struct topo_port, o));
	else if (object->kind == TOPO_ROUTER && reason == SKEP_DROP_NO_ROUTE)
		hint = of_no_route(w, object);
	else if (object->kind == TOPO_ROUTER && reason == SKEP_DROP_PROTOCOL)
		hint = is_plain_ip(w) ? "routers forward packets between addresses of machines only"
				      : "routers carry untagged IPv4 and IPv6 only";
	else if (object->kind == TOPO_ROUTE)
		hint = of_route(w, object);
	return hint ? hint : of_reason(w, reason, object);
}
