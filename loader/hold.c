// SPDX-License-Identifier: Apache-2.0
/*
 * Packets that wait until the hosts that must know of their connection have said that they do.  A connection that begins with a
 * translation, or for which the kernels cannot make both records, is told to the host of its other end, and to those of ports that share
 * it; its packets are decided at once, and go on when all of these have acknowledged.  So no answer can come to a host that would take it
 * for something else, whatever happens to the message.
 */
#include "loader/hold.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash.h"

/* Less than rewrites and sets keep their content when nobody refers to them any more. */
#define HOLD_NS (1500 * NSEC_PER_MSEC)
_Static_assert(HOLD_NS < DP_REWRITE_LINGER_NS && HOLD_NS < SETS_LINGER_NS, "verdicts of packets that wait");

struct hold {
	struct hmap_node by_id, by_conn;
	uint32_t id, waits; /* messages that are not acknowledged */
	bool lost;	    /* one that must be will not be */
	bool marked;	    /* the packets themselves tell the host of the other end */
	struct tenant *tenant;
	struct sim_conn conn;
	char end[TOPO_NAME_MAX + 1]; /* host of the other end; "" = this one */
};

static uint64_t conn_hash(const struct tenant *t, const struct sim_conn *c)
{
	return hash_str(c->port, sim_tuple_hash(&c->tuple) ^ hash_u64((uintptr_t)t));
}

static struct hold *find(const struct agent *a, uint32_t id)
{
	struct hmap_node *n = id ? hmap_first_with_hash(&a->holds, hash_u64(id)) : NULL; /* a bijection */

	return n ? container_of(n, struct hold, by_id) : NULL;
}

uint32_t hold_of(const struct tenant *t, const struct sim_conn *c)
{
	const struct agent *a = t->agent;
	struct hmap_node *n;

	if (!c || !a->held_conns.n)
		return 0;
	hmap_for_each_with_hash (n, &a->held_conns, conn_hash(t, c)) {
		const struct hold *h = container_of(n, struct hold, by_conn);

		if (h->tenant == t && !strcmp(h->conn.port, c->port) && sim_tuple_eq(&h->conn.tuple, &c->tuple))
			return h->id;
	}
	return 0;
}

uint32_t hold_open(struct tenant *t, const struct sim_conn *c, const char *end, bool marked)
{
	struct agent *a = t->agent;
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		return 0;
	h->id = ++a->last_hold ? a->last_hold : ++a->last_hold;
	h->tenant = t;
	h->conn = *c;
	h->marked = marked;
	snprintf(h->end, sizeof(h->end), "%s", end ? end : "");
	if (find(a, h->id) || hmap_insert(&a->holds, &h->by_id, hash_u64(h->id)))
		goto fail;
	if (!hmap_insert(&a->held_conns, &h->by_conn, conn_hash(t, c)))
		return h->id;
	hmap_remove(&a->holds, &h->by_id);
fail:
	free(h);
	return 0;
}

static void close_conn(struct agent *a, struct hold *h)
{
	hmap_remove(&a->held_conns, &h->by_conn);
}

static void release(struct agent *a, struct hold *h)
{
	hmap_remove(&a->holds, &h->by_id);
	free(h);
}

enum hold_state hold_close(struct agent *a, uint32_t id)
{
	struct hold *h = find(a, id);
	enum hold_state state;

	if (!h)
		return HOLD_LOST;
	state = h->lost ? HOLD_LOST : h->waits ? HOLD_WAITS : HOLD_NONE;
	if (state == HOLD_WAITS) {
		a->stats.held++;
		return state;
	}
	close_conn(a, h);
	release(a, h);
	return state;
}

/* --- messages --- */

/* The host of the other end has to know, or no answer is understood.  Others are not waited for when they did not answer lately: they may be gone. */
bool hold_awaits(struct agent *a, uint32_t id, const char *host)
{
	const struct hold *h = find(a, id);

	if (!h)
		return false;
	return strcmp(h->end, host) ? !hosts_silent(a, host) : !h->marked;
}

void hold_sent(struct agent *a, uint32_t id, bool sure)
{
	struct hold *h = find(a, id);

	if (h && sure)
		h->waits++;
	else if (h)
		h->lost = true;
}

/* All that had to be told has been, or will not be. */
static void finish(struct agent *a, struct hold *h)
{
	const struct sim_conn *now;
	struct tenant *t = h->tenant;
	uint64_t at = clock_mono_ns();

	close_conn(a, h);
	now = sim_conns_find(t->conns, h->conn.port, &h->conn.tuple, at);
	if (now && h->lost)
		conns_end(t, &h->conn);
	else if (now)
		conns_persist(t, now, at);
	park_ready(a->park, &(struct park_what){ .kind = PARK_STATE, .key = h->id });
	upcall_drain(a);
	release(a, h);
}

void hold_answered(struct agent *a, uint32_t id, const char *host, bool acked)
{
	struct hold *h = find(a, id);

	if (!h || h->lost || !h->waits)
		return; /* it is over */
	if (!acked && !strcmp(h->end, host))
		h->lost = true;
	if (!--h->waits || h->lost)
		finish(a, h);
}

/* --- packets --- */

bool hold_packet(struct agent *a, uint32_t id, uint32_t in_key, const struct dp_frame *frame, const struct skep_flow *verdict)
{
	const struct park_what what = { .kind = PARK_STATE, .key = id };
	const uint64_t now = clock_mono_ns();
	bool fresh;

	return !park_put_verdict(a->park, &what, in_key, frame, verdict, now, now + HOLD_NS, &fresh);
}

bool hold_is_told(const struct agent *a, const struct parked *p)
{
	const struct hold *h = find(a, p->key);

	return h && !h->lost && clock_mono_ns() < p->deadline_ns;
}

void hold_forget(struct tenant *t)
{
	struct agent *a = t->agent;
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->holds) {
		struct hold *h = container_of(n, struct hold, by_id);

		if (h->tenant != t)
			continue;
		close_conn(a, h);
		release(a, h);
	}
	if (a->holds.n)
		return;
	hmap_fini(&a->holds);
	hmap_fini(&a->held_conns);
}
