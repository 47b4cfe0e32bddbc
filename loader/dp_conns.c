// SPDX-License-Identifier: Apache-2.0
/*
 * Records of connections: those that BPF and skepd share (skep_conns), and what skepd alone knows of them (skep_details), for the next
 * skepd.  Each record is counted for its port, also while that has no interface: it may have another in a moment.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "util/clock.h"
#include "util/hash.h"

#define WALK_BATCH 1024
/* A step over a part of the table: batches of so many that one takes about this long.  Of a table with few records the kernel looks at many
 * buckets for each; where many are over, each costs a call. */
#define STEP_BATCH_MIN 16
#define STEP_SHORT_NS  60000
#define STEP_LONG_NS   250000

struct away { /* records of a port that is not attached; dp.away */
	struct hmap_node node;
	uint32_t key, conns, replies;
};

static struct away *find_away(const struct dp *dp, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&dp->away, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct away, node) : NULL;
}

static struct away *get_away(struct dp *dp, uint32_t key)
{
	struct away *w = find_away(dp, key);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (w && hmap_insert(&dp->away, &w->node, hash_u64(key))) {
		free(w);
		return NULL;
	}
	if (w)
		w->key = key;
	return w;
}

static void forget_away(struct dp *dp, struct away *w)
{
	hmap_remove(&dp->away, &w->node);
	free(w);
}

static void add(uint32_t *n, int by)
{
	if (by > 0 || __atomic_load_n(n, __ATOMIC_RELAXED))
		__atomic_add_fetch(n, (uint32_t)by, __ATOMIC_RELAXED);
}

static void count(struct dp *dp, const struct skep_conn_key *key, const struct skep_conn *conn, int by)
{
	const struct dp_port_entry *port = dp_port_find(dp, key->port);
	struct skep_lport *lp = port && port->lport ? &dp->lports[port->lport] : NULL;
	const bool reply = conn->flags & SKEP_CONN_REPLY;
	struct away *w;

	if (lp) {
		add(reply ? &lp->replies : &lp->conns, by);
		return;
	}
	w = by > 0 ? get_away(dp, key->port) : find_away(dp, key->port);
	if (!w)
		return;
	add(reply ? &w->replies : &w->conns, by);
	if (!w->conns && !w->replies)
		forget_away(dp, w);
}

void dp_conns_leave(struct dp *dp, const struct dp_port_entry *port)
{
	const struct skep_lport *lp = &dp->lports[port->lport];
	struct away *w;

	if (!port->lport || (!lp->conns && !lp->replies))
		return;
	w = get_away(dp, port->key);
	if (!w)
		return;
	w->conns += lp->conns;
	w->replies += lp->replies;
}

void dp_conns_return(struct dp *dp, const struct dp_port_entry *port)
{
	struct away *w = port->lport ? find_away(dp, port->key) : NULL;
	struct skep_lport *lp = &dp->lports[port->lport];

	if (!w)
		return;
	__atomic_add_fetch(&lp->conns, w->conns, __ATOMIC_RELAXED);
	__atomic_add_fetch(&lp->replies, w->replies, __ATOMIC_RELAXED);
	forget_away(dp, w);
}

/* Records that an earlier process left of ports that are not attached. */
static void on_left(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	struct dp *dp = arg;

	if (!dp_port_find(dp, key->port))
		count(dp, key, conn, 1);
}

int dp_conns_open(struct dp *dp, struct err *err)
{
	int rc = dp_conns_walk(dp, on_left, dp);

	return rc ? err_set(err, rc, "cannot count the connections: %s", strerror(-rc)) : 0;
}

void dp_conns_close(struct dp *dp)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &dp->away)
		forget_away(dp, container_of(n, struct away, node));
	hmap_fini(&dp->away);
}

int dp_conn_put(struct dp *dp, const struct skep_conn_key *key, const struct skep_conn *conn,
		const struct skep_detail *detail)
{
	const int fd = dp->map_fd[DP_MAP_CONNS], details = dp->map_fd[DP_MAP_DETAILS];
	struct skep_conn old;

	/* first: what has a record has its detail */
	if (detail && bpf_map_update_elem(details, key, detail, BPF_ANY))
		return -errno;
	if (bpf_map_update_elem(fd, key, conn, BPF_NOEXIST) == 0) {
		count(dp, key, conn, 1);
		return 0;
	}
	if (errno == EEXIST && bpf_map_lookup_elem(fd, key, &old) == 0 &&
	    bpf_map_update_elem(fd, key, conn, BPF_EXIST | BPF_F_LOCK) == 0) {
		count(dp, key, &old, -1);
		count(dp, key, conn, 1);
		return 0;
	}
	(void)bpf_map_delete_elem(details, key);
	return -errno;
}

bool dp_conn_get(struct dp *dp, const struct skep_conn_key *key, struct skep_conn *conn)
{
	return bpf_map_lookup_elem(dp->map_fd[DP_MAP_CONNS], key, conn) == 0;
}

bool dp_conn_detail(struct dp *dp, const struct skep_conn_key *key, struct skep_detail *detail)
{
	return bpf_map_lookup_elem(dp->map_fd[DP_MAP_DETAILS], key, detail) == 0;
}

void dp_conn_del(struct dp *dp, const struct skep_conn_key *key)
{
	struct skep_conn old;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_CONNS], key, &old) == 0 &&
	    bpf_map_delete_elem(dp->map_fd[DP_MAP_CONNS], key) == 0) {
		count(dp, key, &old, -1);
		if (!(old.flags & (SKEP_CONN_SKEPD | SKEP_CONN_STALE)))
			return;
	}
	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_DETAILS], key);
}

bool dp_conns_new(struct dp *dp, uint64_t until_ns)
{
	dp->newconns_until_ns = until_ns;
	return ring_buffer__consume(dp->newconns) == -EAGAIN;
}

struct walk {
	void (*cb)(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn);
	void *arg;
	uint32_t size; /* of a batch */
	struct skep_conn_key keys[WALK_BATCH];
	struct skep_conn conns[WALK_BATCH];
};

/* One batch from bucket '*at' on, or from the start.  Their number; -ENOENT behind the last, *n is valid all the same. */
static int batch(struct dp *dp, struct walk *w, bool going, uint32_t *at, uint32_t *n)
{
	uint32_t in = *at;
	int rc;

	*n = w->size;
	rc = bpf_map_lookup_batch(dp->map_fd[DP_MAP_CONNS], going ? &in : NULL, at, w->keys, w->conns, n, NULL) ?
		     -errno :
		     0;
	if (rc && rc != -ENOENT)
		return rc;
	for (uint32_t i = 0; i < *n && i < w->size; i++)
		w->cb(w->arg, &w->keys[i], &w->conns[i]);
	return *n ? rc : -ENOENT;
}

/* Where the kernel has no batches.  All keys first: the callback may delete. */
static int walk_each(struct dp *dp, const struct walk *w)
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
			w->cb(w->arg, &keys[i], &conn);
	return 0;
}

int dp_conns_walk(struct dp *dp,
		  void (*cb)(void *arg, const struct skep_conn_key *key,
			     const struct skep_conn *conn),
		  void *arg)
{
	_free_ struct walk *w = malloc(sizeof(*w));
	/* records that appear meanwhile do not keep us for ever */
	int64_t left = (int64_t)dp->map_max[DP_MAP_CONNS] + WALK_BATCH;
	uint32_t at = 0, n;
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->cb = cb;
	w->arg = arg;
	w->size = WALK_BATCH;
	for (bool going = false; left > 0 && !rc; going = true) {
		rc = batch(dp, w, going, &at, &n);
		if (rc && rc != -ENOENT && !going)
			return walk_each(dp, w);
		left -= n;
	}
	return rc == -ENOENT ? 0 : rc;
}

static uint32_t next_size(uint32_t size, uint64_t took_ns)
{
	if (took_ns > STEP_LONG_NS)
		return size / 2 > STEP_BATCH_MIN ? size / 2 : STEP_BATCH_MIN;
	if (took_ns < STEP_SHORT_NS)
		return size * 2 < WALK_BATCH ? size * 2 : WALK_BATCH;
	return size;
}

uint32_t dp_conns_step(struct dp *dp, void (*cb)(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn), void *arg, bool *wrapped)
{
	_free_ struct walk *w = malloc(sizeof(*w));
	uint64_t begun = clock_mono_ns();
	uint32_t n;
	int rc;

	*wrapped = false;
	if (!w)
		return 0;
	w->cb = cb;
	w->arg = arg;
	w->size = dp->conns_batch ? dp->conns_batch : STEP_BATCH_MIN;
	rc = batch(dp, w, dp->conns_going, &dp->conns_at, &n);
	dp->conns_going = !rc;
	if (rc == -ENOSPC && w->size < WALK_BATCH) { /* a bucket with more than fit */
		dp->conns_batch = w->size * 2;
		dp->conns_going = true; /* 'conns_at' is still where it was */
		return 0;
	}
	*wrapped = rc == -ENOENT; /* one that failed has not met all */
	dp->conns_batch = next_size(w->size, clock_mono_ns() - begun);
	return rc && rc != -ENOENT ? 0 : n;
}
