// SPDX-License-Identifier: Apache-2.0
/* Output sets: chains of array entries.  Flows quote the head's index, so a head keeps it while its
 * contents change. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

static uint32_t sets_max(const struct dp *dp)
{
	return dp->map_max[DP_MAP_SETS] < SKEP_SETS_MAX ? dp->map_max[DP_MAP_SETS] : SKEP_SETS_MAX;
}

static uint32_t take(struct dp *dp)
{
	uint32_t max = sets_max(dp);

	for (uint32_t n = 1; n < max; n++) {
		uint32_t i = 1 + (dp->set_hint + n - 1) % (max - 1);

		if (dp->set_state[i] == DP_SET_FREE) {
			dp->set_state[i] = DP_SET_USED;
			dp->set_next[i] = 0;
			dp->set_hint = i;
			return i;
		}
	}
	return 0;
}

static void release(struct dp *dp, uint32_t set)
{
	struct skep_set none = { 0 };

	for (uint32_t hops = 0; set && set < sets_max(dp) && hops < SKEP_SET_CHAIN; hops++) {
		uint32_t next = dp->set_next[set];

		(void)bpf_map_update_elem(dp->map_fd[DP_MAP_SETS], &set, &none, BPF_ANY);
		dp->set_state[set] = DP_SET_FREE;
		dp->set_next[set] = 0;
		set = next;
	}
}

int dp_set_put(struct dp *dp, const struct skep_out *outs, uint32_t n, uint32_t *set)
{
	uint32_t chain[SKEP_SET_CHAIN], want = n ? (n + SKEP_SET_OUTS - 1) / SKEP_SET_OUTS : 1,
					have = 0, surplus;
	uint32_t kept;

	if (want > SKEP_SET_CHAIN)
		return -ENOSPC;
	if (*set && (*set >= sets_max(dp) || dp->set_state[*set] == DP_SET_FREE))
		return -EINVAL;
	for (uint32_t i = *set; i && have < want; i = dp->set_next[i])
		chain[have++] = i;
	kept = have;
	surplus = have ? dp->set_next[chain[have - 1]] : 0;
	while (have < want) {
		uint32_t fresh = take(dp);

		if (!fresh) {
			while (have > kept)
				release(dp, chain[--have]);
			return -ENOSPC;
		}
		chain[have++] = fresh;
	}
	/* The tail first: the chain that a packet walks is complete at any time. */
	for (uint32_t c = want; c-- > 0;) {
		struct skep_set value = { .next = c + 1 < want ? chain[c + 1] : 0 };
		uint32_t first = c * SKEP_SET_OUTS;

		value.n = n - first < SKEP_SET_OUTS ? n - first : SKEP_SET_OUTS;
		if (n)
			memcpy(value.outs, outs + first, value.n * sizeof(*outs));
		if (bpf_map_update_elem(dp->map_fd[DP_MAP_SETS], &chain[c], &value, BPF_ANY))
			return -errno;
		dp->set_next[chain[c]] = value.next;
		dp->set_state[chain[c]] = DP_SET_USED;
	}
	release(dp, surplus);
	*set = chain[0];
	return 0;
}

void dp_set_free(struct dp *dp, uint32_t set)
{
	if (set && set < sets_max(dp) && dp->set_state[set] != DP_SET_FREE)
		release(dp, set);
}

bool dp_set_walk(struct dp *dp, uint32_t index, struct skep_set *set)
{
	return index < sets_max(dp) && dp->set_state[index] != DP_SET_FREE &&
	       bpf_map_lookup_elem(dp->map_fd[DP_MAP_SETS], &index, set) == 0;
}

int dp_sets_adopt(struct dp *dp, struct err *err)
{
	for (uint32_t i = 1; i < sets_max(dp); i++) {
		struct skep_set value;

		if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_SETS], &i, &value) ||
		    (!value.n && !value.next))
			continue;
		dp->set_state[i] = DP_SET_ADOPTED;
		dp->set_next[i] = value.next < sets_max(dp) ? value.next : 0;
	}
	return 0;
}

/* --- sweep: adopted sets that nothing leads to --- */

struct reach {
	struct dp *dp;
	uint8_t *reached;
};

static void reach(struct reach *r, uint32_t set)
{
	for (uint32_t hops = 0; set && set < sets_max(r->dp) && hops < SKEP_SET_CHAIN; hops++) {
		r->reached[set] = 1;
		set = r->dp->set_next[set];
	}
}

static void reach_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	if (flow->action == SKEP_ACT_SET)
		reach(arg, flow->out);
}

void dp_sets_sweep(struct dp *dp)
{
	_free_ uint8_t *reached = calloc(1, SKEP_SETS_MAX);
	struct reach r = { dp, reached };
	struct hmap_node *node, *tmp;

	if (!reached || dp_flows_walk(dp, reach_flow, &r))
		return; /* no harm: they stay */
	hmap_for_each (node, tmp, &dp->floods) {
		struct dp_flood *flood = container_of(node, struct dp_flood, node);
		struct skep_port value;

		if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &flood->key, &value) == 0 &&
		    value.kind == SKEP_PORT_FLOOD)
			reach(&r, value.set);
	}
	for (uint32_t i = 1; i < sets_max(dp); i++) {
		struct skep_set none = { 0 };

		if (dp->set_state[i] != DP_SET_ADOPTED || reached[i])
			continue;
		(void)bpf_map_update_elem(dp->map_fd[DP_MAP_SETS], &i, &none, BPF_ANY);
		dp->set_state[i] = DP_SET_FREE;
		dp->set_next[i] = 0;
	}
}
