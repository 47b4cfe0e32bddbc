// SPDX-License-Identifier: Apache-2.0
/* Entries of skep_policers: one for each rate of a port and direction; BPF keeps their state. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "util/clock.h"

#define PS_BITS 8000000000000ULL /* picoseconds that a byte takes at 1 bit/s */

static uint32_t policers_max(const struct dp *dp)
{
	uint32_t max = dp->map_max[DP_MAP_POLICERS];

	return max < SKEP_POLICERS_MAX ? max : SKEP_POLICERS_MAX;
}

static void release(struct dp *dp, uint32_t index)
{
	dp->policers[index] = (struct skep_policer){ 0 };
	dp->policer_state[index] = DP_SET_FREE;
}

static uint32_t take(struct dp *dp)
{
	for (uint32_t i = 1; i < policers_max(dp); i++)
		if (dp->policer_state[i] == DP_SET_FREE) {
			dp->policer_state[i] = DP_SET_USED;
			return i;
		}
	return 0;
}

int dp_policer_set(struct dp *dp, uint64_t rate, uint64_t burst, uint32_t *index)
{
	struct skep_policer *p;
	uint64_t ps, now;

	if (*index >= policers_max(dp) || (*index && dp->policer_state[*index] == DP_SET_FREE))
		return -EINVAL;
	if (!rate) {
		if (*index)
			release(dp, *index);
		*index = 0;
		return 0;
	}
	if (!*index && !(*index = take(dp)))
		return -ENOSPC;
	dp->policer_state[*index] = DP_SET_USED;
	p = &dp->policers[*index];
	ps = PS_BITS / rate ?: 1;
	p->burst_ns = (uint64_t)((__uint128_t)burst * ps / 1000);
	p->ps_per_byte = ps;
	/* a rate that changes opens no second burst, and what was sent too much is not paid for at an earlier, lower rate */
	now = clock_mono_ns();
	if (p->tat_ns > now + p->burst_ns)
		p->tat_ns = now + p->burst_ns;
	return 0;
}

uint64_t dp_policer_drops(struct dp *dp, uint32_t index)
{
	return index && index < policers_max(dp) ?
		       __atomic_load_n(&dp->policers[index].drops, __ATOMIC_RELAXED) :
		       0;
}

void dp_policers_adopt(struct dp *dp)
{
	for (uint32_t i = 1; i < policers_max(dp); i++)
		if (dp->policers[i].ps_per_byte)
			dp->policer_state[i] = DP_SET_ADOPTED;
}

/* Adopted ones that no port names. */
void dp_policers_sweep(struct dp *dp)
{
	bool used[SKEP_POLICERS_MAX] = { false };
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->ports_by_key) {
		const struct dp_port_entry *port = container_of(node, struct dp_port_entry, by_key);
		struct skep_iface iface;
		struct skep_port value;

		if (!bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface) &&
		    iface.police < SKEP_POLICERS_MAX)
			used[iface.police] = true;
		if (!bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &port->key, &value) &&
		    value.police < SKEP_POLICERS_MAX)
			used[value.police] = true;
	}
	for (uint32_t i = 1; i < policers_max(dp); i++)
		if (dp->policer_state[i] == DP_SET_ADOPTED && !used[i])
			release(dp, i);
}
