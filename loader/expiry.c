// SPDX-License-Identifier: Apache-2.0
/*
 * Walks the kernel's flow caches: idle flows are deleted, flows that the kernel evicted leave the
 * index, and flows that an earlier skepd left are simulated again: kept if the answer is the same,
 * else deleted.  Their packets move all the time.  A walk is made in turns of a millisecond: promoted flows are met too, and there may be
 * a million of them.
 */
#include "loader/agent.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"

#define TURN_NS NSEC_PER_MSEC

struct walk { /* agent.walking */
	struct agent *a;
	struct dp_flows_at at;
	struct dp_cursor answers;
	bool flows_done;
	bool all; /* no tenant was missing when it began: what it leaves is right */
	uint64_t now_jiffies, idle_jiffies;
	uint64_t gap_ns; /* since rates were taken; 0 = they are not taken now */
	uint64_t took_ns;
	uint32_t kept, deleted;
};

static void expiry_go_on(struct agent *a);

/* What the flow has carried since the last walk: for rules, and to keep its connection. */
static void carried(struct agent *a, struct index_flow *f, const struct skep_flow *now)
{
	struct lport *p;

	if (!rules_carried(f, now))
		return;
	p = f->conn ? ports_find(a, index_in_key(f)) : NULL;
	if (p)
		conns_flow_seen(p->tenant, p, f, now->tcp_seen);
}

static bool is_idle(const struct walk *w, const struct skep_flow *flow)
{
	return (int64_t)(int32_t)((uint32_t)w->now_jiffies - flow->last_seen) > (int64_t)w->idle_jiffies;
}

static void on_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct walk *w = arg;
	struct agent *a = w->a;
	struct index_flow *f = index_find(a->index, key);
	struct lport *p;

	if (f) {
		f->walk = a->walk;
		carried(a, f, flow);
		top_flow(f, flow, w->gap_ns);
		if (is_idle(w, flow)) {
			index_del(a->index, f);
			a->stats.expired++;
		}
		return;
	}
	/* not ours, or left by an earlier process: to be judged when the tenant of its port is
	 * known */
	p = ports_find(a, key->v6 ? key->k6.in_key : key->k4.in_key);
	if ((!p || !p->tenant->snap || p->tenant->dirty) && !a->adoption_done)
		return;
	if (upcall_readopt(a, key, flow)) {
		f = index_find(a->index, key);
		if (f) { /* what it carried before is nobody's */
			f->packets = flow->packets;
			f->bytes = flow->bytes;
			top_flow_adopted(f, flow);
			if (f->conn && !is_idle(w, flow))
				conns_flow_adopted(p->tenant, p, f, flow->tcp_seen);
		}
		w->kept++;
	} else {
		dp_flow_del(a->dp, key);
		w->deleted++;
	}
}

struct evicted {
	struct agent *a;
	uint64_t before_ns;
};

static void on_indexed(void *arg, struct index_flow *f)
{
	struct evicted *e = arg;

	/* a flow that was added while the walk was under way may have been missed by it */
	if (!f->answer && f->walk != e->a->walk && f->added_ns < e->before_ns)
		index_del(e->a->index, f);
}

static void end(struct agent *a, struct walk *w, bool complete)
{
	struct evicted e = { .a = a, .before_ns = a->walk_at_ns };

	if (complete)
		index_walk(a->index, NULL, on_indexed, &e);
	dp_wilds_order(a->dp);
	state_flush(a);
	a->stats.reconciled += w->kept + w->deleted;
	if (w->kept || w->deleted)
		log_info("flows of an earlier skepd: %u kept, %u deleted", w->kept, w->deleted);
	a->walk_took_ns = w->took_ns;
	a->walking = NULL;
	free(w);
}

/* As dp_flows_step(): flows, then the answers of an earlier skepd, once. */
static int step(struct agent *a, struct walk *w)
{
	int rc = w->flows_done ? 1 : dp_flows_step(a->dp, &w->at, on_flow, w);

	if (rc <= 0 || a->answers_adopted)
		return rc;
	if (!w->flows_done) {
		w->flows_done = true;
		return 0;
	}
	rc = answers_adopt_step(a, &w->answers);
	a->answers_adopted = rc > 0 && w->all;
	return rc;
}

/* Until 'until_ns', or the end. */
static void some(struct agent *a, uint64_t until_ns)
{
	struct walk *w = a->walking;
	uint64_t begun = clock_mono_ns();
	int rc;

	upcall_flush(a);
	do {
		rc = step(a, w);
	} while (!rc && clock_mono_ns() < until_ns);
	w->took_ns += clock_mono_ns() - begun;
	if (rc) {
		end(a, w, rc > 0);
		if (a->control)
			control_walked(a->control);
	}
}

static void turn(void *arg)
{
	struct agent *a = arg;

	a->walk_timer = NULL;
	if (a->walking)
		some(a, clock_mono_ns() + TURN_NS);
	expiry_go_on(a);
}

static void expiry_go_on(struct agent *a)
{
	if (a->walking && !a->walk_timer)
		a->walk_timer = loop_timer_add(a->loop, 0, 0, turn, a);
	if (a->walking && !a->walk_timer) /* no memory: all of it now */
		some(a, UINT64_MAX);
}

static void begin(struct agent *a)
{
	struct walk *w = calloc(1, sizeof(*w));
	uint64_t now = clock_mono_ns();

	if (!w)
		return;
	w->a = a;
	w->all = a->adoption_done;
	a->walk_soon = false;
	w->gap_ns = top_walk(a, now);
	a->walk_at_ns = now;
	a->walk++;
	w->now_jiffies = dp_jiffies(a->dp);
	w->idle_jiffies = (uint64_t)a->config->flows_idle_s * dp_hz(a->dp);
	a->walking = w;
}

void expiry_walk(struct agent *a)
{
	if (!a->walking)
		begin(a);
	if (a->walking)
		some(a, clock_mono_ns() + TURN_NS);
	expiry_go_on(a);
}

void expiry_walk_all(struct agent *a)
{
	if (!a->walking)
		begin(a);
	if (a->walking)
		some(a, UINT64_MAX);
}

void expiry_fini(struct agent *a)
{
	loop_timer_del(a->walk_timer);
	free(a->walking);
}
