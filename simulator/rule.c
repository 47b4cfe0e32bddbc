// SPDX-License-Identifier: Apache-2.0
/*
 * The conditions of one rule.  Tested in a fixed order, coarsest first, and the first that fails
 * ends the test, so that the mask stays small: the path (ports, groups, devices), ethertype, VLAN,
 * protocol, fragment, DSCP, addresses, ports, TCP flags, MACs, connection, quoted packet. A
 * condition needs its field to exist, negated or not; 'invert' turns the whole around.  Called by
 * chain.c, secgroup.c, mirror.c, nat.c.
 */
#include "simulator/run.h"
#include "topology/ipset.h"

#define MATCH_PORTS   (TOPO_M_IN_PORTS | TOPO_M_OUT_PORTS)
#define MATCH_PGROUPS (TOPO_M_IN_GROUP | TOPO_M_OUT_GROUP | TOPO_M_ENTRY_GROUP)
#define MATCH_PATH    (MATCH_PORTS | MATCH_PGROUPS | TOPO_M_TRAVERSED | TOPO_M_DST_REWRITTEN)
#define MATCH_L4      (TOPO_M_L4_SRC | TOPO_M_L4_DST | TOPO_M_ICMP_TYPE | TOPO_M_ICMP_CODE)
#define MATCH_ADDR    (TOPO_M_IP_SRC | TOPO_M_IP_DST | TOPO_M_SRC_GROUP | TOPO_M_DST_GROUP)
#define MATCH_INNER   (TOPO_M_INNER_SRC | TOPO_M_INNER_DST)
#define MATCH_IP                                                                            \
	(TOPO_M_PROTO | TOPO_M_FRAGMENT | TOPO_M_DSCP | MATCH_ADDR | MATCH_L4 | TOPO_M_CT | \
	 TOPO_M_TCP_FLAGS | MATCH_INNER)

/* Whether the condition of the rule fails, of a field that is there. */
static bool fails(const struct topo_rule *r, uint32_t bit, bool agrees)
{
	return agrees == !!(r->negate & bit);
}

/* --- the path so far --- */

static bool in_list(struct topo_port *const *v, uint32_t n, const struct topo_port *port)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid] == port)
			return true;
		if ((uintptr_t)v[mid] < (uintptr_t)port)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool in_group(struct walk *w, const struct topo_port_group *g, const struct topo_port *port)
{
	sim_tag_object(w, TOPO_TAG_PGROUP, &g->o);
	for (uint32_t i = 0; i < port->more->n_groups; i++)
		if (port->more->groups[i] == g)
			return true;
	return false;
}

static bool has_passed(const struct walk *w, const struct topo_object *device)
{
	for (unsigned int i = 0; i < w->n_devices; i++)
		if (w->devices[i] == device)
			return true;
	return false;
}

static uint32_t ports_mismatch(const struct walk *w, const struct topo_rule *r)
{
	const struct topo_rule_more *m = r->more;

	if ((r->match & TOPO_M_IN_PORTS) &&
	    (!w->in_port ||
	     fails(r, TOPO_M_IN_PORTS, in_list(m->in_ports, m->n_in_ports, w->in_port))))
		return TOPO_M_IN_PORTS;
	if ((r->match & TOPO_M_OUT_PORTS) &&
	    (!w->out_port ||
	     fails(r, TOPO_M_OUT_PORTS, in_list(m->out_ports, m->n_out_ports, w->out_port))))
		return TOPO_M_OUT_PORTS;
	return 0;
}

static bool pgroup_fails(struct walk *w, const struct topo_rule *r, uint32_t bit,
			 const struct topo_port_group *g, const struct topo_port *port)
{
	return (r->match & bit) && (!port || fails(r, bit, in_group(w, g, port)));
}

static uint32_t path_mismatch(struct walk *w, const struct topo_rule *r)
{
	const struct topo_rule_more *m = r->more;
	uint32_t bad;

	if ((r->match & MATCH_PORTS) && (bad = ports_mismatch(w, r)))
		return bad;
	if (r->match & MATCH_PGROUPS) {
		if (pgroup_fails(w, r, TOPO_M_IN_GROUP, m->in_group, w->in_port))
			return TOPO_M_IN_GROUP;
		if (pgroup_fails(w, r, TOPO_M_OUT_GROUP, m->out_group, w->out_port))
			return TOPO_M_OUT_GROUP;
		/* what the network made has entered nowhere */
		if (pgroup_fails(w, r, TOPO_M_ENTRY_GROUP, m->entry_group,
				 w->generation ? NULL : w->run->in))
			return TOPO_M_ENTRY_GROUP;
	}
	if ((r->match & TOPO_M_TRAVERSED) &&
	    fails(r, TOPO_M_TRAVERSED, has_passed(w, m->traversed)))
		return TOPO_M_TRAVERSED;
	if ((r->match & TOPO_M_DST_REWRITTEN) && fails(r, TOPO_M_DST_REWRITTEN, w->dst_rewritten))
		return TOPO_M_DST_REWRITTEN;
	return 0;
}

/* --- L2 --- */

/* On a VLAN-aware bridge: of the frame as it is in the bridge, also at an access port, where it has
 * no tag. */
static uint16_t vlan_of(struct walk *w)
{
	uint16_t vlan;

	if (w->vlan)
		return w->vlan;
	vlan = ntohs(see_vlan(w)) & 0xfff;
	if (!vlan && w->in_port && w->in_port->bridge && w->in_port->bridge->vlan_aware)
		vlan = w->in_port->more->vlan;
	return vlan;
}

static uint32_t mac_mismatch(struct walk *w, const struct topo_rule *r)
{
	if ((r->match & TOPO_M_ETH_SRC) &&
	    fails(r, TOPO_M_ETH_SRC, see_eth_in(w, true, &r->eth_src, near_mac_number(&r->eth_src_mask))))
		return TOPO_M_ETH_SRC;
	if ((r->match & TOPO_M_ETH_DST) &&
	    fails(r, TOPO_M_ETH_DST, see_eth_in(w, false, &r->eth_dst, near_mac_number(&r->eth_dst_mask))))
		return TOPO_M_ETH_DST;
	return 0;
}

/* --- addresses --- */

/* Of the other family: neither in the prefix nor outside of it. */
static bool prefix_fails(struct walk *w, const struct topo_rule *r, bool src)
{
	const struct skep_ip *net = src ? &r->ip_src : &r->ip_dst;

	if ((ip_width(w) == 32) != near_is_v4(net))
		return true;
	return fails(r, src ? TOPO_M_IP_SRC : TOPO_M_IP_DST,
		     see_ip_in(w, src, net, src ? r->ip_src_len : r->ip_dst_len));
}

static bool agroup_fails(struct walk *w, const struct topo_rule *r, bool src)
{
	const struct topo_address_group *g = src ? r->more->src_group : r->more->dst_group;
	const struct skep_ip *ip = src ? &w->f.ip_src : &w->f.ip_dst;
	unsigned int bits = 0;
	bool has;

	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_GROUP,
				       .name = g->o.name,
				       .ip = *ip,
				       .len = (uint8_t)ip_width(w) });
	has = topo_ipset_has(g->set, ip, &bits);
	see_ip_bits(w, src, bits);
	return fails(r, src ? TOPO_M_SRC_GROUP : TOPO_M_DST_GROUP, has);
}

static uint32_t addr_mismatch(struct walk *w, const struct topo_rule *r)
{
	if ((r->match & TOPO_M_IP_SRC) && prefix_fails(w, r, true))
		return TOPO_M_IP_SRC;
	if ((r->match & TOPO_M_IP_DST) && prefix_fails(w, r, false))
		return TOPO_M_IP_DST;
	if ((r->match & TOPO_M_SRC_GROUP) && agroup_fails(w, r, true))
		return TOPO_M_SRC_GROUP;
	if ((r->match & TOPO_M_DST_GROUP) && agroup_fails(w, r, false))
		return TOPO_M_DST_GROUP;
	return 0;
}

/* --- L4 --- */

static bool is_icmp(struct walk *w)
{
	return see_proto(w) == (ip_width(w) == 32 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static bool has_ports(struct walk *w)
{
	uint8_t proto = see_proto(w);

	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

bool sim_l4_known(struct walk *w)
{
	struct run *run = w->run;

	if (!see_has_l4(w)) {
		if (w->f.ip_frag == SKEP_FRAG_LATER && !w->generation &&
		    (has_ports(w) || is_icmp(w))) {
			run->cacheable = false;
			if (run->need.kind == SIM_NEED_NONE)
				run->need.kind = SIM_NEED_FRAGMENT;
		}
		return false;
	}
	/* the next packet in fragments has the same flow key, and other ports */
	if (w->f.ip_frag != SKEP_FRAG_NONE && !w->generation)
		run->cacheable = false;
	return true;
}

/* Of the type that it has. */
static bool has_code(struct walk *w, uint8_t code)
{
	const uint16_t want = (ntohs(w->f.l4_src) & 0xff00) | code;

	return see_l4_in(w, true, want, want);
}

static uint32_t l4_mismatch(struct walk *w, const struct topo_rule *r)
{
	uint32_t want = r->match & MATCH_L4;

	if ((want & (TOPO_M_ICMP_TYPE | TOPO_M_ICMP_CODE)) ? !is_icmp(w) : !has_ports(w))
		return want & -want;
	if (!sim_l4_known(w))
		return want & -want;
	if ((want & TOPO_M_ICMP_TYPE) &&
	    fails(r, TOPO_M_ICMP_TYPE, see_icmp_is(w, r->icmp_type)))
		return TOPO_M_ICMP_TYPE;
	if ((want & TOPO_M_ICMP_CODE) && fails(r, TOPO_M_ICMP_CODE, has_code(w, r->icmp_code)))
		return TOPO_M_ICMP_CODE;
	if ((want & TOPO_M_L4_DST) &&
	    fails(r, TOPO_M_L4_DST, see_l4_in(w, false, r->l4_dst[0], r->l4_dst[1])))
		return TOPO_M_L4_DST;
	if ((want & TOPO_M_L4_SRC) &&
	    fails(r, TOPO_M_L4_SRC, see_l4_in(w, true, r->l4_src[0], r->l4_src[1])))
		return TOPO_M_L4_SRC;
	return 0;
}

/* Later fragments have no flags, and their first one's say nothing about them. */
static bool flags_fail(struct walk *w, const struct topo_rule *r)
{
	if (see_proto(w) != IPPROTO_TCP || see_frag(w) == SKEP_FRAG_LATER)
		return true;
	return fails(r, TOPO_M_TCP_FLAGS, see_tcp_flags(w, r->tcp_mask) == r->tcp_value);
}

static bool fragment_agrees(struct walk *w, enum topo_fragment want)
{
	uint8_t frag = see_frag(w);

	switch (want) {
	case TOPO_FRAG_HEADER:
		return frag != SKEP_FRAG_LATER;
	case TOPO_FRAG_LATER:
		return frag == SKEP_FRAG_LATER;
	case TOPO_FRAG_UNFRAGMENTED:
		return frag == SKEP_FRAG_NONE;
	case TOPO_FRAG_ANY_FRAGMENT:
		return frag != SKEP_FRAG_NONE;
	}
	return false;
}

/* --- what an ICMP error quotes --- */

static bool is_error_type(const struct walk *w, uint8_t type)
{
	if (ip_width(w) == 128)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* Addresses of the quoted packet as they are now; false: there is none. */
static bool quoted(struct walk *w, struct skep_ip *src, struct skep_ip *dst)
{
	struct run *run = w->run;
	struct pkt_quote quote;

	if (!is_icmp(w) || !see_has_l4(w) || see_frag(w) == SKEP_FRAG_LATER ||
	    !is_error_type(w, see_icmp_type(w)))
		return false;
	if (!w->generation) {
		run->mask.fields |= SIM_FIELD_PAYLOAD;
		run->cacheable = false;
	}
	if (!w->generation && run->quoting) {
		*src = run->inner.ip_src;
		*dst = run->inner.ip_dst;
		return true;
	}
	if (!pkt_quoted(w->pkt, &quote))
		return false;
	*src = quote.f.ip_src;
	*dst = quote.f.ip_dst;
	return true;
}

static uint32_t inner_mismatch(struct walk *w, const struct topo_rule *r)
{
	const struct topo_rule_more *m = r->more;
	struct skep_ip src, dst;

	if (!quoted(w, &src, &dst))
		return r->match & MATCH_INNER & -(r->match & MATCH_INNER);
	if ((r->match & TOPO_M_INNER_SRC) &&
	    (ip_is_v4(&src) != ip_is_v4(&m->inner_src) ||
	     fails(r, TOPO_M_INNER_SRC, ip_in_prefix(&src, &m->inner_src, m->inner_src_len))))
		return TOPO_M_INNER_SRC;
	if ((r->match & TOPO_M_INNER_DST) &&
	    (ip_is_v4(&dst) != ip_is_v4(&m->inner_dst) ||
	     fails(r, TOPO_M_INNER_DST, ip_in_prefix(&dst, &m->inner_dst, m->inner_dst_len))))
		return TOPO_M_INNER_DST;
	return 0;
}

/* --- all of them --- */

/* Conditions on IP packets but for those that are tested last. */
static uint32_t ip_mismatch(struct walk *w, const struct topo_rule *r)
{
	uint32_t m = r->match, bad;

	if (!see_is_ip(w))
		return m & MATCH_IP & -(m & MATCH_IP);
	if ((m & TOPO_M_PROTO) && fails(r, TOPO_M_PROTO, see_proto(w) == r->proto))
		return TOPO_M_PROTO;
	if ((m & TOPO_M_FRAGMENT) && fails(r, TOPO_M_FRAGMENT, fragment_agrees(w, r->fragment)))
		return TOPO_M_FRAGMENT;
	if ((m & TOPO_M_DSCP) && fails(r, TOPO_M_DSCP, see_dscp(w) == r->dscp))
		return TOPO_M_DSCP;
	if ((m & MATCH_ADDR) && (bad = addr_mismatch(w, r)))
		return bad;
	if ((m & MATCH_L4) && (bad = l4_mismatch(w, r)))
		return bad;
	if ((m & TOPO_M_TCP_FLAGS) && flags_fail(w, r))
		return TOPO_M_TCP_FLAGS;
	return 0;
}

/* Only IP has connections; but what the network itself says is an answer, ARP too. */
static uint32_t needs_ip(const struct walk *w)
{
	return w->generation && w->pkt != w->run->pkt ? MATCH_IP & ~TOPO_M_CT : MATCH_IP;
}

uint32_t sim_rule_mismatch(struct walk *w, const struct topo_rule *r)
{
	uint32_t m = r->match, bad;

	if ((m & MATCH_PATH) && (bad = path_mismatch(w, r)))
		return bad;
	if ((m & TOPO_M_ETH_TYPE) &&
	    fails(r, TOPO_M_ETH_TYPE, see_eth_type(w) == ntohs(r->eth_type)))
		return TOPO_M_ETH_TYPE;
	if ((m & TOPO_M_VLAN) && fails(r, TOPO_M_VLAN, vlan_of(w) == r->vlan))
		return TOPO_M_VLAN;
	if ((m & needs_ip(w)) && (bad = ip_mismatch(w, r)))
		return bad;
	if ((m & (TOPO_M_ETH_SRC | TOPO_M_ETH_DST)) && (bad = mac_mismatch(w, r)))
		return bad;
	if ((m & TOPO_M_CT) && fails(r, TOPO_M_CT, sim_ct_ask(w) & r->ct))
		return TOPO_M_CT;
	return m & MATCH_INNER ? inner_mismatch(w, r) : 0;
}

bool sim_rule_matches(struct walk *w, const struct topo_rule *r)
{
	return !sim_rule_mismatch(w, r) != r->invert;
}
