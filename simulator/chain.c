// SPDX-License-Identifier: Apache-2.0
/*
 * Chains: rules in order.  accept, drop and reject end the evaluation at this hook, return goes
 * back behind the jump (at top level: accept), continue counts and logs only, the end of the top
 * chain is accept.  A chain reached by two jumps is evaluated twice; recursion was refused when
 * written.  Of a long chain only the rules that its classifier names are tested.  rule.c has the
 * conditions.
 */
#include "simulator/run.h"
#include "topology/classifier.h"

#include <stdio.h>

#define RULES_SHOWN 32 /* a trace shows why each rule of a chain did not match, up to so many */

enum outcome { NEXT, ACCEPT, DROP, REJECT, WAIT };

/* --- which rules to test --- */

static uint32_t read_value(void *arg, enum topo_dim dim)
{
	return dim == TOPO_DIM_ETH_TYPE ? see_eth_type(arg) : see_proto(arg);
}

static bool is_below(void *arg, enum topo_dim dim, uint32_t limit)
{
	struct walk *w = arg;
	const bool src = dim != TOPO_DIM_DST && dim != TOPO_DIM_L4_DST;
	uint32_t x;

	if (dim >= TOPO_DIM_L4_SRC)
		return !sim_l4_known(w) || see_l4_in(w, src, 0, (uint16_t)(limit - 1));
	x = ntohl(ip_v4(src ? &w->f.ip_src : &w->f.ip_dst));
	see_ip_bits(w, src, near32_less(x, limit));
	return x < limit;
}

static bool is_below6(void *arg, enum topo_dim dim, const struct skep_ip *limit)
{
	struct walk *w = arg;
	const bool src = dim == TOPO_DIM_SRC;
	const near_u128 x = near_number(src ? &w->f.ip_src : &w->f.ip_dst), y = near_number(limit);

	see_ip_bits(w, src, near128_less(x, y));
	return x < y;
}

static bool read_has_l4(void *arg)
{
	return see_has_l4(arg);
}

static const struct topo_reader reader = {
	.value = read_value,
	.below = is_below,
	.below6 = is_below6,
	.has_l4 = read_has_l4,
};

const uint32_t *sim_candidates(struct walk *w, const struct topo_chain *chain, uint32_t *n)
{
	*n = chain->n_rules;
	if (!chain->classifier)
		return NULL;
	return topo_classify(chain->classifier, &reader, w, n);
}

/* --- trace --- */

static const char *action_text(const struct topo_rule *r, char *buf, size_t size)
{
	static const char *const names[] = { "accept", "drop",	 "reject",
					     "jump",   "return", "continue" };

	snprintf(buf, size, "%s%s%s%s", names[r->action], r->action == TOPO_JUMP ? " to " : "",
		 r->action == TOPO_JUMP ? r->jump->o.name : "", r->log ? ", logged" : "");
	return buf;
}

/* Rules [from, to) did not match.  Those that were not even tested are now, without a mark on the
 * mask. */
static void step_mismatches(const struct walk *w, unsigned int jumps,
			    const struct topo_chain *chain, uint32_t from, uint32_t to)
{
	struct walk dry = *w;
	char text[256];

	if (from >= to)
		return;
	if (chain->n_rules > RULES_SHOWN) {
		STEP(w, 2 + jumps, "rules", "", "%u rule%s did not match", to - from,
		     to - from == 1 ? "" : "s");
		return;
	}
	dry.generation = dry.generation ? dry.generation : 1; /* marks and tags nothing */
	for (; from < to; from++) {
		const struct topo_rule *r = &chain->rules[from];
		uint32_t bit = r->invert ? 0 : sim_rule_mismatch(&dry, r);

		STEP(w, 2 + jumps, "rule", r->name, "no match%s%s", bit ? ": " : "",
		     bit ? sim_mismatch_text(&dry, r, bit, text, sizeof(text)) : "");
	}
}

static void step_match(const struct walk *w, unsigned int jumps, const struct topo_rule *r)
{
	char action[128], text[320];

	sim_rule_text(r, text, sizeof(text));
	STEP(w, 2 + jumps, "rule", r->name, "match: %s%s%s%s",
	     action_text(r, action, sizeof(action)), text[0] ? " (" : "", text, text[0] ? ")" : "");
}

/* --- evaluation --- */

static enum outcome evaluate(struct walk *w, const struct topo_chain *chain, unsigned int jumps,
			     const struct topo_rule **by);

static enum outcome act(struct walk *w, const struct topo_rule *r, unsigned int jumps,
			const struct topo_rule **by, bool *done)
{
	enum outcome outcome;

	*done = true;
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
		break;
	}
	*done = false;
	return NEXT;
}

static enum outcome evaluate(struct walk *w, const struct topo_chain *chain, unsigned int jumps,
			     const struct topo_rule **by)
{
	const bool tracing = w->run->tracing;
	uint32_t n, told = 0;
	const uint32_t *candidates;
	enum outcome outcome;
	bool done;

	sim_tag_object(w, TOPO_TAG_CHAIN, &chain->o);
	STEP(w, 1 + jumps, "chain", chain->o.name, "%u rule%s", chain->n_rules,
	     chain->n_rules == 1 ? "" : "s");
	candidates = sim_candidates(w, chain, &n);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t pos = candidates ? candidates[i] : i;
		const struct topo_rule *r = &chain->rules[pos];

		*by = r;
		if (++w->run->n_rules > SIM_RULES_MAX)
			return DROP; /* policy fails closed */
		if (!sim_rule_matches(w, r)) {
			if (sim_waits(w))
				return WAIT;
			continue;
		}
		if (sim_waits(w))
			return WAIT;
		sim_rule_hit(w, r);
		if (tracing) {
			step_mismatches(w, jumps, chain, told, pos);
			step_match(w, jumps, r);
			told = pos + 1;
		}
		outcome = act(w, r, jumps, by, &done);
		if (done)
			return outcome;
	}
	if (tracing)
		step_mismatches(w, jumps, chain, told, chain->n_rules);
	return NEXT;
}

/* A router's own chain that drops the first fragment of a packet says so: the sender may try
 * smaller packets, and no rule on ports will be in their way.  Bridges never speak. */
static void tell_fragment(struct walk *w, const struct topo_chain *chain)
{
	const struct topo_router *r = w->in_port ? w->in_port->router : NULL;

	if (!r || (chain != r->in_chain && chain != r->out_chain))
		return;
	if (see_eth_type(w) == ETH_P_IP && see_frag(w) == SKEP_FRAG_FIRST)
		sim_icmp_error(w, SIM_ERR_FRAG);
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
		tell_fragment(w, chain);
		sim_drop(w, w->run->n_rules > SIM_RULES_MAX ? SKEP_DROP_OVERLOAD : SKEP_DROP_POLICY,
			 &by->chain->o, by);
		return false;
	case REJECT:
		sim_reject(w);
		sim_drop(w, SKEP_DROP_REJECT, &by->chain->o, by);
		return false;
	case WAIT:
		STEP(w, 1, "need", "", "the ports of this packet's first fragment");
		return false;
	}
	return false;
}
