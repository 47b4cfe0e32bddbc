// SPDX-License-Identifier: Apache-2.0
/*
 * Security groups of a bridge's exterior port: what its machine may send (egress), and be sent
 * (ingress).  A port without groups has no such policy.  Several groups allow what any of them
 * allows.  Stateful ones also allow replies and related errors, for which each packet asks for the
 * state of its connection: so it is recorded.  ARP, neighbour discovery, the machine's DHCP and
 * frames of the network itself pass; other frames that are not IP do not.  Called by port.c.
 */
#include "simulator/run.h"
#include "topology/ipset.h"

static bool is_stateful(struct walk *w, const struct topo_port *port)
{
	bool stateful = false;

	for (uint32_t i = 0; i < port->more->n_sgs; i++) {
		sim_tag_object(w, TOPO_TAG_SGROUP, &port->more->sgs[i]->o);
		stateful = stateful || port->more->sgs[i]->stateful;
	}
	return stateful;
}

/* The machine's questions to a DHCP server; never in fragments. */
static bool is_dhcp(struct walk *w, bool in, uint16_t from, uint16_t to)
{
	return in && see_proto(w) == IPPROTO_UDP && see_frag(w) == SKEP_FRAG_NONE &&
	       see_has_l4(w) && see_l4_ports(w, from, to);
}

/* The message of neighbour discovery that the frame is, RS and RA among them; 0 = none.  It is never in fragments (RFC 6980).  No flow ever has to
 * tell these apart (sim_is_arp()). */
static uint8_t nd_type(const struct walk *w)
{
	if (sim_is_arp(w) || !sim_always_up(&w->f) || w->f.ip_frag != SKEP_FRAG_NONE)
		return 0;
	return (uint8_t)(ntohs(w->f.l4_src) >> 8);
}

/* Advertisements of routers pass to machines, but not those that a machine sends: it needs a rule to be a router. */
static bool is_exempt_link(const struct walk *w, bool in)
{
	const struct topo_port *from = w->run->in;
	const uint8_t type = nd_type(w);

	if (type == SIM_ND_RA)
		return !in && !(from->bridge && from->has_mac && from->port_security);
	return type || sim_is_arp(w);
}

/* The remote end: who sends (ingress), or is sent to (egress). */
static bool is_member(struct walk *w, const struct topo_security_group *remote,
		      enum topo_direction dir)
{
	const struct skep_ip *ip = dir == TOPO_INGRESS ? &w->f.ip_src : &w->f.ip_dst;
	unsigned int bits = 0;
	bool has;

	if (!see_is_ip(w))
		return false;
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_MEMBER,
				       .name = remote->o.name,
				       .ip = *ip,
				       .len = (uint8_t)ip_width(w) });
	has = topo_member(remote, ip, &bits);
	see_ip_bits(w, dir == TOPO_INGRESS, bits);
	return has;
}

/* The rule of one group that allows the packet; NULL: none. */
static const struct topo_rule *allowing(struct walk *w, const struct topo_security_group *sg,
					enum topo_direction dir)
{
	const struct topo_chain *chain = dir == TOPO_INGRESS ? &sg->ingress : &sg->egress;
	const struct topo_sg_rule *rules =
		dir == TOPO_INGRESS ? sg->rules : sg->rules + sg->n_ingress;
	const uint32_t *candidates;
	uint32_t n;

	candidates = sim_candidates(w, chain, &n);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t pos = candidates ? candidates[i] : i;

		if (++w->run->n_rules > SIM_RULES_MAX)
			return NULL; /* policy fails closed */
		if (sim_rule_matches(w, &chain->rules[pos]) &&
		    (!rules[pos].remote || is_member(w, rules[pos].remote, dir)))
			return &chain->rules[pos];
		if (sim_waits(w))
			return NULL;
	}
	return NULL;
}

static bool rules_allow(struct walk *w, const struct topo_port *port, enum topo_direction dir)
{
	static const char *const names[] = { "ingress", "egress" };
	char text[320];

	for (uint32_t i = 0; i < port->more->n_sgs && !sim_waits(w); i++) {
		const struct topo_security_group *sg = port->more->sgs[i];
		const struct topo_rule *r = allowing(w, sg, dir);

		if (r) {
			sim_rule_hit(w, r);
			STEP(w, 1, "security_group", sg->o.name, "%s rule %s allows it (%s)",
			     names[dir], r->name, sim_rule_text(r, text, sizeof(text)));
			return true;
		}
		STEP(w, 1, "security_group", sg->o.name, "no %s rule allows it", names[dir]);
	}
	return false;
}

static bool any_may_leave(struct walk *w, const struct topo_port *port)
{
	for (uint32_t i = 0; i < port->more->n_sgs; i++) {
		const struct topo_security_group *sg = port->more->sgs[i];

		if (sg->egress_any) {
			STEP(w, 1, "security_group", sg->o.name, "everything may leave");
			return true;
		}
	}
	return false;
}

/* true: it passes. */
static bool check(struct walk *w, const struct topo_port *port, enum topo_direction dir)
{
	const bool in = dir == TOPO_EGRESS; /* into the network */
	bool stateful, any;
	uint8_t ct = 0;

	if (is_exempt_link(w, in))
		return true;
	if (!see_is_ip(w))
		return false;
	stateful = is_stateful(w, port);
	any = in && nd_type(w) != SIM_ND_RA && any_may_leave(w, port);
	if (any && !stateful)
		return true;
	if (ip_width(w) == 32 ? is_dhcp(w, in, 68, 67) : is_dhcp(w, in, 546, 547))
		return true;
	if (stateful) {
		ct = sim_ct_ask(w);
		if (sim_waits(w))
			return false;
	}
	if (any)
		return true;
	/* a frame that was sent to another machine's MAC is no answer to this one */
	if ((ct & (TOPO_CT_REPLY | TOPO_CT_RELATED)) && (in || sim_conn_is_with(w, port))) {
		STEP(w, 1, "security_group", port->o.name, "%s: allowed",
		     ct & TOPO_CT_REPLY ? "reply of a connection" : "error of a connection");
		return true;
	}
	return rules_allow(w, port, dir);
}

static bool passes(struct walk *w, const struct topo_port *port, enum topo_direction dir)
{
	if (!port->more->n_sgs || !port->port_security || port->peer || !port->bridge ||
	    w->generation)
		return true;
	if (check(w, port, dir))
		return true;
	if (!sim_waits(w))
		sim_drop(w,
			 w->run->n_rules > SIM_RULES_MAX ? SKEP_DROP_OVERLOAD
							 : SKEP_DROP_SECURITY_GROUP,
			 &port->o, NULL);
	return false;
}

bool sim_sg_in(struct walk *w, const struct topo_port *port)
{
	return passes(w, port, TOPO_EGRESS);
}

bool sim_sg_out(struct walk *w, const struct topo_port *port)
{
	return passes(w, port, TOPO_INGRESS);
}
