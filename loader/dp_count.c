// SPDX-License-Identifier: Apache-2.0
/* Counters: BPF's per-CPU arrays summed, plus what skepd itself dropped, plus what the full queue
 * of the upcall tap dropped. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>

static void sum(struct dp *dp, enum dp_map map, uint64_t *out, uint32_t n)
{
	int cpus = libbpf_num_possible_cpus();
	_free_ __u64 *values = cpus > 0 ? calloc((size_t)cpus * n, sizeof(*values)) : NULL;
	__u32 zero = 0;

	if (!values || bpf_map_lookup_elem(dp->map_fd[map], &zero, values))
		return;
	for (uint32_t i = 0; i < (uint32_t)cpus * n; i++)
		out[i % n] += values[i];
}

void dp_drops(struct dp *dp, uint64_t out[SKEP_DROP_MAX])
{
	struct nl_link tap;

	memcpy(out, dp->own_drops, sizeof(dp->own_drops));
	sum(dp, DP_MAP_DROPS, out, SKEP_DROP_MAX);
	if (dp->tap.ifindex && nl_link_get(&dp->nl, dp->tap.ifindex, NULL, &tap) == 0)
		dp->tap_dropped = tap.tx_dropped;
	out[SKEP_DROP_UPCALL_QUEUE] += dp->tap_dropped;
}

void dp_own_drops(const struct dp *dp, uint64_t out[SKEP_DROP_MAX])
{
	memcpy(out, dp->own_drops, sizeof(dp->own_drops));
}

void dp_counters(struct dp *dp, uint64_t out[SKEP_CNT_MAX])
{
	memset(out, 0, SKEP_CNT_MAX * sizeof(*out));
	sum(dp, DP_MAP_COUNTERS, out, SKEP_CNT_MAX);
	out[SKEP_CNT_RX_PORT] += out[SKEP_CNT_XDP_PORT]; /* counted once, for speed */
	out[SKEP_CNT_FLOW_HIT] += out[SKEP_CNT_XDP_PORT];
}

void dp_count_drop(struct dp *dp, enum skep_drop reason)
{
	if ((unsigned int)reason < SKEP_DROP_MAX)
		dp->own_drops[reason]++;
}
