// SPDX-License-Identifier: Apache-2.0
/*
 * Chains: rules in order.  accept, drop and reject end the evaluation at this hook, return goes back behind the jump (at top level:
 * accept), the end of the top chain is accept.  A chain reached by two jumps is evaluated twice; recursion was refused when written.
 * Conditions on addresses, protocol and ports match IP packets only; on ports and ICMP types, none of later fragments.
 * Conditions are tested coarsest first and the first mismatch ends the test, so that the mask stays small.
 */
#include "simulator/run.h"

enum outcome { NEXT, ACCEPT, DROP, REJECT };

static bool mac_matches(const struct skep_mac *a, const struct skep_mac *want,
			const struct skep_mac *mask)
{
	for (int i = 0; i < 6; i++)
		if ((a->b[i] ^ want->b[i]) & mask->b[i])
			return false;
	return true;
}

static bool in_range(uint16_t v, const uint16_t range[2])
{
	return v >= range[0] && v <= range[1];
}

/* As ip_in_prefix(), inline: this is where a long chain spends its time.  An IPv4 address has its 32 bits in w[3]. */
static bool prefix_matches(struct walk *w, bool src, const struct skep_ip *net, unsigned int len)
{
	bool v4 = !(net->w[0] | net->w[1]) && net->w[2] == htonl(0xffff);
	const struct skep_ip *ip;
	unsigned int i = v4 ? 3 : 0;

	if ((ip_width(w) == 32) != v4)
		return false;
	ip = src ? see_ip_src(w, len) : see_ip_dst(w, len);
	for (; len >= 32; len -= 32, i++)
		if (ip->w[i] != net->w[i])
			return false;
	return !len || !((ip->w[i] ^ net->w[i]) & htonl(0xffffffffu << (32 - len)));
}

#define MATCH_L4 (TOPO_M_L4_SRC | TOPO_M_L4_DST | TOPO_M_ICMP_TYPE | TOPO_M_ICMP_CODE)
#define MATCH_IP (TOPO_M_PROTO | TOPO_M_IP_SRC | TOPO_M_IP_DST | MATCH_L4)

static bool matches_l4(struct walk *w, const struct topo_rule *r)
{
	if (!see_has_l4(w))
		return false;
	if ((r->match & TOPO_M_ICMP_TYPE) && see_icmp_type(w) != r->icmp_type)
		return false;
	if ((r->match & TOPO_M_ICMP_CODE) && (see_l4_src(w) & 0xff) != r->icmp_code)
		return false;
	if ((r->match & TOPO_M_L4_DST) && !in_range(see_l4_dst(w), r->l4_dst))
		return false;
	return !(r->match & TOPO_M_L4_SRC) || in_range(see_l4_src(w), r->l4_src);
}

static bool matches(struct walk *w, const struct topo_rule *r)
{
	if ((r->match & TOPO_M_ETH_TYPE) && see_eth_type(w) != ntohs(r->eth_type))
		return false;
	if (r->match & MATCH_IP) {
		if (!see_is_ip(w))
			return false;
		if ((r->match & TOPO_M_PROTO) && see_proto(w) != r->proto)
			return false;
		if ((r->match & TOPO_M_IP_SRC) &&
		    !prefix_matches(w, true, &r->ip_src, r->ip_src_len))
			return false;
		if ((r->match & TOPO_M_IP_DST) &&
		    !prefix_matches(w, false, &r->ip_dst, r->ip_dst_len))
			return false;
		if ((r->match & MATCH_L4) && !matches_l4(w, r))
			return false;
	}
	if ((r->match & TOPO_M_ETH_SRC) &&
	    !mac_matches(see_eth_src(w), &r->eth_src, &r->eth_src_mask))
		return false;
	return !(r->match & TOPO_M_ETH_DST) ||
	       mac_matches(see_eth_dst(w), &r->eth_dst, &r->eth_dst_mask);
}

static const char *action_name(enum topo_action action)
{
	static const char *const names[] = { "accept", "drop", "reject", "jump", "return" };

	return names[action];
}

static enum outcome evaluate(struct walk *w, const struct topo_chain *chain, unsigned int jumps,
			     const struct topo_rule **by)
{
	enum outcome outcome;

	sim_tag_object(w, TOPO_TAG_CHAIN, &chain->o);
	STEP(w, 1 + jumps, "chain", chain->o.name, "%u rule%s", chain->n_rules,
	     chain->n_rules == 1 ? "" : "s");
	for (uint32_t i = 0; i < chain->n_rules; i++) {
		const struct topo_rule *r = &chain->rules[i];

		*by = r;
		if (++w->run->n_rules > SIM_RULES_MAX)
			return DROP; /* policy fails closed */
		if (!matches(w, r)) {
			STEP(w, 2 + jumps, "rule", r->name, "no match");
			continue;
		}
		STEP(w, 2 + jumps, "rule", r->name, "match: %s%s%s", action_name(r->action),
		     r->action == TOPO_JUMP ? " to " : "",
		     r->action == TOPO_JUMP ? r->jump->o.name : "");
		switch (r->action) {
		case TOPO_ACCEPT:
			return ACCEPT;
		case TOPO_DROP:
			return DROP;
		case TOPO_REJECT:
			return REJECT;
		case TOPO_RETURN:
			return NEXT;
		case TOPO_CONTINUE:
			break;
		case TOPO_JUMP:
			if (jumps >= SIM_JUMPS_MAX)
				return DROP;
			outcome = evaluate(w, r->jump, jumps + 1, by);
			if (outcome != NEXT)
				return outcome;
		}
	}
	return NEXT;
}

bool sim_hook(struct walk *w, const struct topo_chain *chain)
{
	const struct topo_rule *by = NULL;

	if (!chain)
		return true;
	switch (evaluate(w, chain, 0, &by)) {
	case NEXT:
	case ACCEPT:
		return true;
	case DROP:
		sim_drop(w, w->run->n_rules > SIM_RULES_MAX ? SKEP_DROP_OVERLOAD : SKEP_DROP_POLICY,
			 &by->chain->o, by);
		return false;
	case REJECT:
		sim_reject(w);
		sim_drop(w, SKEP_DROP_REJECT, &by->chain->o, by);
		return false;
	}
	return false;
}
