// SPDX-License-Identifier: Apache-2.0
/*
 * Tables read a batch at a time: what skepd does between two packets.  A kernel or a map that refuses batches is read in one go, element by
 * element.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#define BATCH 512 /* more gain nothing, and keep packets waiting */

static bool no_batches(int error)
{
	return error == EINVAL || error == ENOTSUP || error == 524 /* the kernel's ENOTSUPP */;
}

/* All keys first: the callback may delete. */
static int each(struct dp *dp, const struct dp_table *t, dp_entry_fn *cb, void *arg)
{
	const size_t max = dp->map_max[t->map];
	const int fd = dp->map_fd[t->map];
	_free_ uint8_t *keys = malloc((max + 1) * t->key_size);
	_free_ uint8_t *value = malloc(t->value_size);
	size_t n = 0;

	if (!keys || !value)
		return -ENOMEM;
	while (n < max && !bpf_map_get_next_key(fd, n ? keys + (n - 1) * t->key_size : NULL, keys + n * t->key_size))
		n++;
	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, keys + i * t->key_size, value))
			cb(arg, keys + i * t->key_size, value);
	return 1;
}

int dp_table_step(struct dp *dp, const struct dp_table *t, struct dp_cursor *c, dp_entry_fn *cb, void *arg)
{
	const uint64_t max = dp->map_max[t->map];
	_free_ uint8_t *keys = NULL, *values = NULL;
	int error;
	__u32 n;

	if (!c->size) {
		c->size = BATCH;
		c->left = max + BATCH; /* entries that appear meanwhile do not keep us for ever */
	}
	if (dp->no_batch && !c->going)
		return each(dp, t, cb, arg);
	keys = malloc(c->size * t->key_size);
	values = malloc(c->size * t->value_size);
	if (!keys || !values)
		return -ENOMEM;
	n = c->size;
	error = bpf_map_lookup_batch(dp->map_fd[t->map], c->going ? c->token : NULL, c->next, keys, values, &n, NULL) ?
			errno :
			0;
	if (error == ENOSPC && n == 0) { /* a hash bucket with more entries than our buffer */
		if (c->size > max + BATCH)
			return -ENOSPC;
		c->size *= 2;
		return 0;
	}
	if (error && error != ENOENT && error != ENOSPC)
		return !c->going && no_batches(error) ? each(dp, t, cb, arg) : -error;
	for (uint32_t i = 0; i < n && i < c->size; i++)
		cb(arg, keys + i * t->key_size, values + i * t->value_size);
	c->left = c->left > n ? c->left - n : 0;
	c->going = true;
	memcpy(c->token, c->next, sizeof(c->token));
	return error == ENOENT || n == 0 || !c->left;
}

struct wild_entry {
	bool v6;
	dp_wild_fn *cb;
	void *arg;
};

static void on_wild(void *arg, const void *key, const void *value)
{
	const struct wild_entry *e = arg;
	struct dp_flow_key k = { .v6 = e->v6 };

	if (e->v6)
		memcpy(&k.k6, key, sizeof(k.k6));
	else
		memcpy(&k.k4, key, sizeof(k.k4));
	e->cb(e->arg, &k, value);
}

int dp_wild_table_step(struct dp *dp, bool v6, struct dp_cursor *c, dp_wild_fn *cb, void *arg)
{
	const struct dp_table t = { v6 ? DP_MAP_WILDS6 : DP_MAP_WILDS4,
				    v6 ? sizeof(struct skep_flow_key6) : sizeof(struct skep_flow_key4), sizeof(struct skep_wild) };
	struct wild_entry e = { v6, cb, arg };

	return dp_table_step(dp, &t, c, on_wild, &e);
}
