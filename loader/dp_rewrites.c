// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of skep_rewrites: shared by content and counted.  One without references lingers, for
 * packets may be under way through it, and is then used again in the order in which they fell idle.
 */
#include "loader/dp_private.h"

#include <errno.h>

#include "util/clock.h"
#include "util/hash.h"

static uint32_t rewrites_max(const struct dp *dp)
{
	return dp->map_max[DP_MAP_REWRITES];
}

static bool is_empty(const struct skep_rewrite *rw)
{
	return !rw->what && !rw->ttl_dec;
}

static uint64_t hash_rewrite(const struct skep_rewrite *rw)
{
	return hash_bytes(rw, sizeof(*rw), 0);
}

static uint32_t find(const struct dp *dp, const struct skep_rewrite *rw)
{
	struct hmap_node *node;

	hmap_for_each_with_hash (node, &dp->rewrites_by_content, hash_rewrite(rw)) {
		uint32_t i = (uint32_t)(container_of(node, struct dp_rewrite, node) -
					dp->rewrite_at);

		if (!memcmp(&dp->rewrites[i], rw, sizeof(*rw)))
			return i;
	}
	return 0;
}

static void enqueue(struct dp *dp, uint32_t index)
{
	dp->rewrite_at[index].queued = true;
	dp->rewrite_at[index].next = 0;
	if (dp->rewrite_tail)
		dp->rewrite_at[dp->rewrite_tail].next = index;
	else
		dp->rewrite_head = index;
	dp->rewrite_tail = index;
}

/* The entry that fell idle first, if that is long enough ago; 0 = none. */
static uint32_t dequeue(struct dp *dp, uint64_t now)
{
	uint32_t index;

	for (int tries = 0; (index = dp->rewrite_head) && tries < 8;) {
		struct dp_rewrite *e = &dp->rewrite_at[index];

		dp->rewrite_head = e->next;
		if (!dp->rewrite_head)
			dp->rewrite_tail = 0;
		e->queued = false;
		if (e->refs)
			continue; /* asked for again meanwhile */
		if (now >= e->idle_ns + DP_REWRITE_LINGER_NS)
			return index;
		enqueue(dp, index); /* to the end: it may be one that comes and goes all the time */
		tries++;
	}
	return 0;
}

static uint32_t take(struct dp *dp)
{
	uint32_t index = dequeue(dp, clock_mono_ns());

	if (index)
		return index;
	while (dp->rewrite_fresh < rewrites_max(dp) && dp->rewrite_at[dp->rewrite_fresh].known)
		dp->rewrite_fresh++;
	return dp->rewrite_fresh < rewrites_max(dp) ? dp->rewrite_fresh++ : 0;
}

int dp_rewrite_get(struct dp *dp, const struct skep_rewrite *rw, uint32_t *index)
{
	uint32_t i = is_empty(rw) ? 0 : find(dp, rw);
	struct dp_rewrite *e;

	*index = 0;
	if (is_empty(rw))
		return 0;
	if (!i) {
		i = take(dp);
		if (!i)
			return -ENOSPC;
		e = &dp->rewrite_at[i];
		if (e->known)
			hmap_remove(&dp->rewrites_by_content, &e->node);
		*e = (struct dp_rewrite){ 0 };
		dp->rewrites[i] = *rw;
		if (hmap_insert(&dp->rewrites_by_content, &e->node, hash_rewrite(rw))) {
			enqueue(dp, i);
			return -ENOMEM;
		}
		e->known = true;
	}
	e = &dp->rewrite_at[i];
	e->refs++;
	e->adopted = false;
	*index = i;
	return 0;
}

void dp_rewrite_put(struct dp *dp, uint32_t index)
{
	struct dp_rewrite *e;

	if (!index || index >= rewrites_max(dp) || !dp->rewrite_at[index].refs)
		return;
	e = &dp->rewrite_at[index];
	if (--e->refs)
		return;
	e->idle_ns = clock_mono_ns();
	if (!e->queued)
		enqueue(dp, index);
}

bool dp_rewrite_adopt(struct dp *dp, uint32_t index, struct skep_rewrite *rw)
{
	if (!index || index >= rewrites_max(dp) || !dp->rewrite_at[index].known)
		return false;
	dp->rewrite_at[index].refs++;
	dp->rewrite_at[index].adopted = false;
	*rw = dp->rewrites[index];
	return true;
}

int dp_rewrites_adopt(struct dp *dp, struct err *err)
{
	uint32_t max = rewrites_max(dp);

	dp->rewrite_fresh = 1;
	dp->rewrite_at = calloc(max, sizeof(*dp->rewrite_at));
	if (!dp->rewrite_at)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 1; i < max; i++) {
		struct dp_rewrite *e = &dp->rewrite_at[i];

		if (is_empty(&dp->rewrites[i]))
			continue;
		if (hmap_insert(&dp->rewrites_by_content, &e->node,
				hash_rewrite(&dp->rewrites[i])))
			return err_set(err, -ENOMEM, "out of memory");
		e->known = e->adopted = true;
	}
	return 0;
}

void dp_rewrites_close(struct dp *dp)
{
	hmap_fini(&dp->rewrites_by_content);
	free(dp->rewrite_at);
	dp->rewrite_at = NULL;
}

/* --- sweep: adopted entries that nothing leads to --- */

struct reach {
	struct dp *dp;
	uint8_t *reached;
};

static void reach(const struct reach *r, uint32_t index)
{
	if (index < rewrites_max(r->dp))
		r->reached[index] = 1;
}

static void reach_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	reach(arg, flow->rewrite);
}

void dp_rewrites_sweep(struct dp *dp)
{
	_free_ uint8_t *reached = calloc(1, rewrites_max(dp));
	struct reach r = { dp, reached };
	uint64_t now = clock_mono_ns();
	struct skep_set set;

	if (!reached || dp_flows_walk(dp, reach_flow, &r))
		return; /* no harm: they stay */
	for (uint32_t i = 1; i < SKEP_SETS_MAX; i++) {
		if (!dp_set_walk(dp, i, &set))
			continue;
		for (uint32_t n = 0; n < set.n && n < SKEP_SET_OUTS; n++)
			reach(&r, set.outs[n].rewrite);
	}
	for (uint32_t i = 1; i < rewrites_max(dp); i++) {
		struct dp_rewrite *e = &dp->rewrite_at[i];

		if (!e->adopted || e->refs || reached[i])
			continue;
		e->adopted = false;
		e->idle_ns = now;
		if (!e->queued)
			enqueue(dp, i);
	}
}
