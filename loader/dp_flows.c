// SPDX-License-Identifier: Apache-2.0
/*
 * The flow caches.  Installs are queued and written in one batch per address family; deletes and
 * lookups act at once, and see the queue too.  Kernels or maps that refuse batches get one call per
 * element.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

static enum dp_map map_of(bool v6)
{
	return v6 ? DP_MAP_FLOWS6 : DP_MAP_FLOWS4;
}

static size_t key_size(bool v6)
{
	return v6 ? sizeof(struct skep_flow_key6) : sizeof(struct skep_flow_key4);
}

static uint8_t *queue_keys(struct dp_queue *q, bool v6)
{
	return v6 ? (uint8_t *)q->k6 : (uint8_t *)q->k4;
}

static const void *key_bytes(const struct dp_flow_key *key)
{
	return key->v6 ? (const void *)&key->k6 : (const void *)&key->k4;
}

static bool no_batches(int error)
{
	return error == EINVAL || error == ENOTSUP || error == 524 /* the kernel's ENOTSUPP */;
}

static int flush(struct dp *dp, bool v6)
{
	struct dp_queue *q = v6 ? &dp->q6 : &dp->q4;
	int fd = dp->map_fd[map_of(v6)], rc = 0;
	uint8_t *keys = queue_keys(q, v6);
	uint32_t n = q->n, done = 0;

	q->n = 0;
	if (n && !dp->no_batch) {
		done = n;
		if (bpf_map_update_batch(fd, keys, q->flows, &done, NULL) == 0)
			return 0;
		if (no_batches(errno)) { /* and 'done' says nothing */
			dp->no_batch = true;
			done = 0;
		}
	}
	for (uint32_t i = done; i < n; i++) /* from the one that failed on, each on its own */
		if (bpf_map_update_elem(fd, keys + i * key_size(v6), &q->flows[i], BPF_ANY))
			rc = -errno;
	return rc;
}

void dp_flow_put(struct dp *dp, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct dp_queue *q = key->v6 ? &dp->q6 : &dp->q4;
	size_t size = key_size(key->v6);

	if (q->n == DP_BATCH)
		(void)flush(dp,
			    key->v6); /* flows are a cache: one not written is simulated again */
	memcpy(queue_keys(q, key->v6) + q->n * size, key_bytes(key), size);
	q->flows[q->n++] = *flow;
}

int dp_flows_flush(struct dp *dp)
{
	int rc4 = flush(dp, false), rc6 = flush(dp, true);

	dp_wilds_flush(dp);
	return rc4 ? rc4 : rc6;
}

/* Index of the last queued put of this key; -1 = none. */
static int find_queued(struct dp *dp, const struct dp_flow_key *key)
{
	struct dp_queue *q = key->v6 ? &dp->q6 : &dp->q4;
	size_t size = key_size(key->v6);

	for (int i = (int)q->n - 1; i >= 0; i--)
		if (memcmp(queue_keys(q, key->v6) + (size_t)i * size, key_bytes(key), size) == 0)
			return i;
	return -1;
}

static void unqueue(struct dp *dp, const struct dp_flow_key *key)
{
	struct dp_queue *q = key->v6 ? &dp->q6 : &dp->q4;
	size_t size = key_size(key->v6);
	int i;

	while ((i = find_queued(dp, key)) >= 0) {
		uint8_t *keys = queue_keys(q, key->v6);

		q->n--;
		memmove(keys + (size_t)i * size, keys + (size_t)(i + 1) * size,
			(q->n - (uint32_t)i) * size);
		memmove(&q->flows[i], &q->flows[i + 1], (q->n - (uint32_t)i) * sizeof(q->flows[0]));
	}
}

void dp_flow_del(struct dp *dp, const struct dp_flow_key *key)
{
	struct skep_flow gone;

	if (dp_flow_mask(key)) {
		(void)dp_wild_take(dp, key, &gone);
		return;
	}
	unqueue(dp, key);
	(void)bpf_map_delete_elem(dp->map_fd[map_of(key->v6)], key_bytes(key));
}

bool dp_flow_take(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow)
{
	if (dp_flow_mask(key))
		return dp_wild_take(dp, key, flow);
	unqueue(dp, key);
	return bpf_map_lookup_and_delete_elem(dp->map_fd[map_of(key->v6)], key_bytes(key), flow) == 0;
}

bool dp_flow_get(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow)
{
	struct dp_queue *q = key->v6 ? &dp->q6 : &dp->q4;
	int i;

	if (dp_flow_mask(key))
		return dp_wild_get(dp, key, flow);
	i = find_queued(dp, key);
	if (i >= 0) {
		*flow = q->flows[i];
		return true;
	}
	return bpf_map_lookup_elem(dp->map_fd[map_of(key->v6)], key_bytes(key), flow) == 0;
}

/* --- walk --- */

struct shown {
	struct dp *dp;
	bool v6;
	void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow);
	void *arg;
};

static void show(void *arg, const void *key, const void *value)
{
	const struct skep_flow *flow = value;
	const struct shown *w = arg;
	struct dp_flow_key k;

	w->dp->flows_met[w->v6]++;
	if (flow->gen) /* promoted: the kernel's own */
		return;
	k = (struct dp_flow_key){ .v6 = w->v6 };
	if (w->v6)
		memcpy(&k.k6, key, sizeof(k.k6));
	else
		memcpy(&k.k4, key, sizeof(k.k4));
	w->cb(w->arg, &k, flow);
}

int dp_flows_step(struct dp *dp, struct dp_flows_at *at,
		  void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow), void *arg)
{
	const bool v6 = at->table & 1;
	const struct dp_table t = { map_of(v6), key_size(v6), sizeof(struct skep_flow) };
	struct shown w = { dp, v6, cb, arg };
	int rc;

	if (at->table < DP_FAMILIES && !at->cursor.size)
		dp->flows_met[v6] = 0;
	rc = at->table < 2 ? dp_table_step(dp, &t, &at->cursor, show, &w) : dp_wilds_step(dp, v6, &at->cursor, cb, arg);
	if (rc <= 0)
		return rc;
	if (at->table < DP_FAMILIES)
		dp->flows_counted[v6] = dp->flows_met[v6];
	at->cursor = (struct dp_cursor){ 0 };
	return ++at->table == 4;
}

void dp_flows_count(const struct dp *dp, uint32_t exact[2], uint32_t wilds[2])
{
	for (int v6 = 0; v6 < DP_FAMILIES; v6++) {
		exact[v6] = dp->flows_counted[v6];
		wilds[v6] = dp->n_wilds[v6];
	}
}

int dp_flows_walk(struct dp *dp,
		  void (*cb)(void *arg, const struct dp_flow_key *key,
			     const struct skep_flow *flow),
		  void *arg)
{
	struct dp_flows_at at = { 0 };
	int rc;

	while (!(rc = dp_flows_step(dp, &at, cb, arg)))
		;
	return rc < 0 ? rc : 0;
}
