// SPDX-License-Identifier: Apache-2.0
/*
 * From header fields to rewrites (maps/flow.h), and from copies with different headers to a set: local copies are made on one frame, one
 * after the other, so each says what differs from the one before, in absolute values; the TTL alone is counted, modulo 256.  All remote
 * copies are made from the last local one.
 */
#include "loader/install_rewrite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define DSCP 0xfc /* of the TOS octet */

bool install_same_headers(const struct pkt_fields *a, const struct pkt_fields *b)
{
	return mac_eq(&a->eth_dst, &b->eth_dst) && mac_eq(&a->eth_src, &b->eth_src) &&
	       a->ip_ttl == b->ip_ttl && a->vlan == b->vlan && a->ip_tos == b->ip_tos &&
	       ip_eq(&a->ip_src, &b->ip_src) && ip_eq(&a->ip_dst, &b->ip_dst) &&
	       a->l4_src == b->l4_src && a->l4_dst == b->l4_dst;
}

bool install_rewrites(const struct skep_rewrite *rw)
{
	return rw->what || rw->ttl_dec;
}

static bool is_ip(const struct pkt_fields *f)
{
	return f->eth_type == htons(ETH_P_IP) || f->eth_type == htons(ETH_P_IPV6);
}

static bool has_ports(const struct pkt_fields *f)
{
	return f->has_l4 && (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP);
}

static bool is_echo(const struct pkt_fields *f)
{
	uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	if (!f->has_l4)
		return false;
	return f->ip_proto == IPPROTO_ICMP     ? type == 8 || type == 0 :
	       f->ip_proto == IPPROTO_ICMPV6 ? type == 128 || type == 129 :
						 false;
}

/* Are all differences between the two such that the datapath can write them? */
static bool can_write(const struct pkt_fields *a, const struct pkt_fields *b)
{
	if (a->eth_type != b->eth_type || a->ip_proto != b->ip_proto || a->ip_frag != b->ip_frag)
		return false;
	if (!is_ip(a) && (!ip_eq(&a->ip_src, &b->ip_src) || !ip_eq(&a->ip_dst, &b->ip_dst) ||
			  a->ip_tos != b->ip_tos || a->ip_ttl != b->ip_ttl))
		return false;
	if ((a->ip_tos ^ b->ip_tos) & ~DSCP)
		return false;
	/* of two tags, the inner one would take the place of the outer one */
	if ((a->eth_type == htons(ETH_P_8021Q) || a->eth_type == htons(ETH_P_8021AD)) &&
	    !a->vlan != !b->vlan)
		return false;
	if (is_ip(a) && (ip_is_v4(&a->ip_src) != ip_is_v4(&b->ip_src) ||
			 ip_is_v4(&a->ip_dst) != ip_is_v4(&b->ip_dst)))
		return false;
	if (a->l4_src != b->l4_src && !has_ports(a))
		return false;
	return a->l4_dst == b->l4_dst || has_ports(a) || is_echo(a);
}

static void write_vlan(__be16 from, __be16 to, struct skep_rewrite *rw)
{
	if (from == to)
		return;
	rw->what |= !to ? SKEP_RW_VLAN_POP : !from ? SKEP_RW_VLAN_PUSH : SKEP_RW_VLAN_SET;
	rw->vlan = to & ~htons(PKT_VLAN_PRESENT);
}

/* All but MACs and TTL. */
static void write_fields(const struct pkt_fields *from, const struct pkt_fields *to,
			 struct skep_rewrite *rw)
{
	write_vlan(from->vlan, to->vlan, rw);
	if (!is_ip(from))
		return;
	if (!ip_eq(&from->ip_src, &to->ip_src)) {
		rw->what |= SKEP_RW_SRC;
		rw->src = to->ip_src;
	}
	if (!ip_eq(&from->ip_dst, &to->ip_dst)) {
		rw->what |= SKEP_RW_DST;
		rw->dst = to->ip_dst;
	}
	if ((from->ip_tos ^ to->ip_tos) & DSCP) {
		rw->what |= SKEP_RW_DSCP;
		rw->dscp = to->ip_tos >> 2;
	}
	if (is_echo(from) && from->l4_dst != to->l4_dst) {
		rw->what |= SKEP_RW_ECHO_ID;
		rw->sport = to->l4_dst;
	}
	if (!has_ports(from))
		return;
	if (from->l4_src != to->l4_src) {
		rw->what |= SKEP_RW_SPORT;
		rw->sport = to->l4_src;
	}
	if (from->l4_dst != to->l4_dst) {
		rw->what |= SKEP_RW_DPORT;
		rw->dport = to->l4_dst;
	}
}

bool install_rewrite(const struct pkt_fields *in, const struct pkt_fields *out, struct skep_flow *v,
		     struct skep_rewrite *rw)
{
	if (out->ip_ttl > in->ip_ttl || !can_write(in, out))
		return false;
	v->ttl_dec = in->ip_ttl - out->ip_ttl;
	if (!mac_eq(&in->eth_dst, &out->eth_dst)) {
		v->flags |= SKEP_F_ETH_DST;
		v->eth_dst = out->eth_dst;
	}
	if (!mac_eq(&in->eth_src, &out->eth_src)) {
		v->flags |= SKEP_F_ETH_SRC;
		v->eth_src = out->eth_src;
	}
	write_fields(in, out, rw);
	return true;
}

/* For a copy of a set: everything from one copy's headers to another's. */
static struct skep_rewrite step(const struct pkt_fields *from, const struct pkt_fields *to)
{
	struct skep_rewrite rw = { .ttl_dec = is_ip(from) ? from->ip_ttl - to->ip_ttl : 0 };

	if (!mac_eq(&from->eth_dst, &to->eth_dst)) {
		rw.what |= SKEP_RW_ETH_DST;
		rw.eth_dst = to->eth_dst;
	}
	if (!mac_eq(&from->eth_src, &to->eth_src)) {
		rw.what |= SKEP_RW_ETH_SRC;
		rw.eth_src = to->eth_src;
	}
	write_fields(from, to, &rw);
	return rw;
}

/* --- sets --- */

static void add_out(struct install_set *set, const struct install_copy *c,
		    const struct pkt_fields *from)
{
	const struct skep_flow *v = &c->verdict;

	set->outs[set->n] = (struct skep_out){ .action = v->action,
					       .flags = (uint8_t)(v->flags & SKEP_F_PEER),
					       .police = v->police,
					       .out = v->out,
					       .peer = v->peer };
	set->copies[set->n] = c;
	set->rewrites[set->n++] = step(from, &c->output->f);
}

/* Local copies in order: those that keep the frame's tag first, for one that is pushed again would be a plain one. */
static void add_locals(struct install_set *set, const struct install_plan *plan,
		       const struct pkt_fields *in, struct pkt_fields *now)
{
	for (int retagged = 0; retagged < 2; retagged++)
		for (uint32_t i = 0; i < plan->n; i++) {
			const struct install_copy *c = &plan->copies[i];

			if (c->verdict.action != SKEP_ACT_LOCAL ||
			    (c->output->f.vlan != in->vlan) != retagged)
				continue;
			add_out(set, c, now);
			*now = c->output->f;
		}
}

int install_set(const struct install_plan *plan, const struct pkt_fields *in, enum skep_drop lost,
		struct arena *arena, struct install_set *set)
{
	struct pkt_fields now = *in;
	uint8_t ttl_dec = plan->least_ttl;

	*set = (struct install_set){
		.outs = arena_alloc(arena, (plan->n + 1) * sizeof(set->outs[0])),
		.rewrites = arena_alloc(arena, (plan->n + 1) * sizeof(set->rewrites[0])),
		.copies = arena_alloc(arena, (plan->n + 1) * sizeof(set->copies[0])),
	};
	if (!set->outs || !set->rewrites || !set->copies)
		return -ENOMEM;
	if (plan->uniform && plan->n && plan->copies[0].verdict.ttl_dec >= ttl_dec) {
		set->flow = plan->copies[0].verdict;
		set->rewrite = plan->copies[0].rewrite;
		now = plan->copies[0].output->f;
	} else {
		/* the flow's own TTL decides who goes up instead: as much as any copy takes */
		for (uint32_t i = 0; i < plan->n; i++)
			if (plan->copies[i].verdict.ttl_dec > ttl_dec)
				ttl_dec = plan->copies[i].verdict.ttl_dec;
		set->flow.ttl_dec = ttl_dec;
		now.ip_ttl -= ttl_dec;
	}
	set->flow.action = SKEP_ACT_SET;
	set->flow.flags &= ~SKEP_F_PEER;
	set->flow.police = 0;
	set->flow.out = set->flow.peer = 0;
	add_locals(set, plan, in, &now);
	if (lost)
		set->outs[set->n++] = (struct skep_out){ .action = SKEP_ACT_DROP, .out = lost };
	for (uint32_t i = 0; i < plan->n; i++)
		if (plan->copies[i].verdict.action == SKEP_ACT_ENCAP)
			add_out(set, &plan->copies[i], &now);
	return 0;
}

/* --- conditions --- */

void install_conditions(struct skep_flow *flow, const struct install_plan *plan,
			const struct pkt_fields *in, const struct sim_result *res)
{
	bool tcp = is_ip(in) && in->ip_proto == IPPROTO_TCP && in->ip_frag != SKEP_FRAG_LATER;

	flow->mtu = is_ip(in) && res->mtu <= UINT16_MAX ? (uint16_t)res->mtu : 0;
	if (is_ip(in) && ((res->mask.fields & SIM_FIELD_DSCP) || plan->one_dscp)) {
		flow->flags |= SKEP_F_TOS;
		flow->tos = in->ip_tos & DSCP;
	}
	if (tcp && (res->mask.fields & SIM_FIELD_TCP_FLAGS) && res->mask.tcp_mask) {
		flow->flags |= SKEP_F_TCP;
		flow->tcp_mask = res->mask.tcp_mask;
		flow->tcp_value = in->tcp_flags & res->mask.tcp_mask;
	}
	if (tcp && res->ct) {
		flow->flags |= SKEP_F_CONN;
		flow->tcp_seen = in->tcp_flags;
	}
}

bool install_holds(const struct skep_flow *flow, const struct pkt *pkt)
{
	const struct pkt_fields *f = &pkt->f;
	uint32_t bytes = pkt->seg_len ?: pkt->l3_len;

	if (flow->ttl_dec && f->ip_ttl <= flow->ttl_dec)
		return false;
	if (flow->mtu && is_ip(f) && bytes > flow->mtu)
		return false;
	if ((flow->flags & SKEP_F_TOS) && (f->ip_tos & DSCP) != flow->tos)
		return false;
	if ((flow->flags & SKEP_F_TCP) && (f->tcp_flags & flow->tcp_mask) != flow->tcp_value)
		return false;
	return !(flow->flags & SKEP_F_CONN) ||
	       (f->tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_ACK)) != SKEP_TCP_SYN ||
	       !(flow->tcp_seen & (SKEP_TCP_FIN | SKEP_TCP_RST));
}

bool install_same(const struct skep_flow *a, const struct skep_flow *b)
{
	return a->action == b->action && a->ttl_dec == b->ttl_dec && a->flags == b->flags &&
	       a->out == b->out && a->peer == b->peer && mac_eq(&a->eth_dst, &b->eth_dst) &&
	       mac_eq(&a->eth_src, &b->eth_src) && a->rewrite == b->rewrite && a->mtu == b->mtu &&
	       a->tos == b->tos && a->tcp_mask == b->tcp_mask && a->tcp_value == b->tcp_value &&
	       a->police == b->police;
}
