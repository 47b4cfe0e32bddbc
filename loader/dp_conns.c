// SPDX-License-Identifier: Apache-2.0
/* skep_conns: records of connections, which skepd alone reads and writes: its memory across
 * restarts. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#define WALK_BATCH 1024

int dp_conn_put(struct dp *dp, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	return bpf_map_update_elem(dp->map_fd[DP_MAP_CONNS], key, conn, BPF_ANY) ? -errno : 0;
}

void dp_conn_del(struct dp *dp, const struct skep_conn_key *key)
{
	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_CONNS], key);
}

/* Where the kernel has no batches.  All keys first: the callback may delete. */
static int walk_each(struct dp *dp,
		     void (*cb)(void *arg, const struct skep_conn_key *key,
				const struct skep_conn *conn),
		     void *arg)
{
	size_t n = 0, max = dp->map_max[DP_MAP_CONNS];
	_free_ struct skep_conn_key *keys = malloc((max + 1) * sizeof(*keys));
	int fd = dp->map_fd[DP_MAP_CONNS];
	struct skep_conn conn;

	if (!keys)
		return -ENOMEM;
	while (n < max && !bpf_map_get_next_key(fd, n ? &keys[n - 1] : NULL, &keys[n]))
		n++;
	for (size_t i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, &keys[i], &conn))
			cb(arg, &keys[i], &conn);
	return 0;
}

int dp_conns_walk(struct dp *dp,
		  void (*cb)(void *arg, const struct skep_conn_key *key,
			     const struct skep_conn *conn),
		  void *arg)
{
	_free_ struct skep_conn_key *keys = malloc(WALK_BATCH * sizeof(*keys));
	_free_ struct skep_conn *conns = malloc(WALK_BATCH * sizeof(*conns));
	uint32_t tokens[2] = { 0 }, *in = NULL, *out = &tokens[0]; /* the number of a bucket */
	/* records that appear meanwhile do not keep us for ever */
	uint64_t left = (uint64_t)dp->map_max[DP_MAP_CONNS] + WALK_BATCH;

	if (!keys || !conns)
		return -ENOMEM;
	while (left) {
		__u32 n = WALK_BATCH;
		int error = bpf_map_lookup_batch(dp->map_fd[DP_MAP_CONNS], in, out, keys, conns, &n,
						 NULL)
				    ? errno
				    : 0;

		if (error && error != ENOENT)
			return in ? -error : walk_each(dp, cb, arg);
		for (uint32_t i = 0; i < n && i < WALK_BATCH; i++)
			cb(arg, &keys[i], &conns[i]);
		if (error == ENOENT || n == 0)
			return 0;
		left = left > n ? left - n : 0;
		in = out;
		out = in == &tokens[0] ? &tokens[1] : &tokens[0];
	}
	return 0;
}
