// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's table of connection records, which BPF and skepd share.  What skepd makes is written through by conns.c; what BPF makes is
 * taken over when it says so (a ring), when a simulation asks for it, and by a slow walk over the table, which also brings what packets
 * have changed, and deletes what is over.  A skepd that was killed has all of them again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/conn_record.h"
#include "loader/vips.h"
#include "packet/packet.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define GRACE_S	 15 /* for adopted connections of flows that BPF does not refresh, until these have told of their packets */
#define CYCLE	 40 /* ticks for a walk over the table */
#define STEP_MIN 2048
#define REST	 4  /* ticks between two walks: of a large table with few records each looks at all of it */
#define TURN_NS	 NSEC_PER_MSEC
#define PAUSE_NS (2 * NSEC_PER_MSEC)

struct adopted_conn {
	struct hmap_node node; /* agent.adopted_conns */
	struct skep_conn_key key;
	struct skep_conn conn;
};

void conns_persist(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	const struct lport *p = ports_find_name(t, c->port);
	struct agent *a = t->agent;
	struct skep_conn v = { .flags = SKEP_CONN_SKEPD,
			       .orig_seen = c->orig_seen,
			       .reply_seen = c->reply_seen },
			 old;
	const struct skep_detail d = conn_detail(c);
	struct skep_conn_key key;

	if (!p)
		return;
	v.last_seen = conn_jiffies(a, last_ns);
	v.flags |= (c->reply ? SKEP_CONN_REPLY : 0) | (sim_conn_translated(c) ? SKEP_CONN_NAT : 0);
	v.nat = vips_conn_number(a, c);
	conn_find_other(t, c->other_port, &v);
	key = conn_key(p->key, &c->tuple);
	if (dp_conn_get(a->dp, &key, &old) && !conn_over(p, &key, &old) && old.other_key == v.other_key &&
	    old.other_peer == v.other_peer && old.nat == v.nat && (old.flags | SKEP_CONN_SKEPD) == v.flags) {
		/* the same one; BPF may know more of it, and needs no details */
		v.flags = old.flags;
		v.orig_seen |= old.orig_seen;
		v.reply_seen |= old.reply_seen;
		if ((int32_t)(old.last_seen - v.last_seen) > 0)
			v.last_seen = old.last_seen;
	}
	(void)dp_conn_put(a->dp, &key, &v, v.flags & SKEP_CONN_SKEPD ? &d : NULL); /* full: a restart will not find it */
}

void conns_place(struct tenant *t, const struct sim_result *res)
{
	const struct lport *p = res->conn && res->class_out ? ports_find_name(t, res->conn->port) : NULL;
	struct skep_conn v, now = { 0 };
	struct skep_conn_key key;

	if (!p)
		return;
	key = conn_key(p->key, &res->conn->tuple);
	conn_find_other(t, res->conn->other_port, &now);
	now.nat = vips_conn_number(t->agent, res->conn);
	if (!dp_conn_get(t->agent->dp, &key, &v) ||
	    (v.other_key == now.other_key && v.other_peer == now.other_peer && v.nat == now.nat))
		return;
	v.other_key = now.other_key;
	v.other_peer = now.other_peer;
	v.nat = now.nat;
	(void)dp_conn_put(t->agent->dp, &key, &v, NULL);
}

void conns_settle(struct tenant *t, const struct sim_conn *c)
{
	const struct lport *p = ports_find_name(t, c->port);
	const struct skep_detail d = conn_detail(c);
	struct skep_conn_key key;
	struct skep_conn v;

	if (!p)
		return;
	key = conn_key(p->key, &c->tuple);
	if (!dp_conn_get(t->agent->dp, &key, &v) || (v.flags & SKEP_CONN_SKEPD))
		return;
	v.flags |= SKEP_CONN_SKEPD;
	(void)dp_conn_put(t->agent->dp, &key, &v, &d);
}

void conns_unpersist(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	const struct lport *p = ports_find_name(t, port);
	struct skep_conn_key key;

	if (!p)
		return;
	key = conn_key(p->key, tuple);
	dp_conn_del(t->agent->dp, &key);
}

/* --- what BPF has made or changed --- */

/* The port at the other end is no longer where the kernel's record says: skepd may know which one it was, and where it is now. */
static void follow(struct tenant *t, const struct skep_conn_key *key, const struct skep_conn *v, struct sim_conn *c)
{
	const struct sim_conn *known = sim_conns_find(t->conns, c->port, &c->tuple, clock_mono_ns());
	struct skep_conn now = { 0 };

	if (!known || known->reply != c->reply || !known->other_port[0])
		return;
	snprintf(c->other_port, sizeof(c->other_port), "%s", known->other_port);
	conn_find_other(t, c->other_port, &now);
	if (!now.other_key || (now.other_key == v->other_key && now.other_peer == v->other_peer) ||
	    !dp_conn_get(t->agent->dp, key, &now))
		return;
	conn_find_other(t, c->other_port, &now);
	(void)dp_conn_put(t->agent->dp, key, &now, NULL);
}

/* Into skepd's table; true: it is there now. */
static bool import(struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v)
{
	struct tenant *t = p->tenant;
	uint64_t last = conn_ns(t->agent, v->last_seen);
	struct sim_conn c;
	int rc;

	if (!t->conns || !conn_read(p, key, v, &c))
		return false;
	if (!c.other_port[0] && v->other_key)
		follow(t, key, v, &c);
	rc = sim_conns_put(t->conns, &c, last);
	if (rc >= 0)
		conns_imported(t, &c, last, rc == 1);
	return rc >= 0;
}

/* A record whose translation had no number on this host.  All are in use: skepd keeps it with the record, and sees to its replies. */
static void number(struct agent *a, const struct lport *p, const struct skep_conn_key *key, struct skep_conn *v, const struct skep_nat *unknown)
{
	struct skep_detail d;
	struct sim_conn c;

	v->nat = dp_nat_number(a->dp, unknown);
	if (v->nat) {
		(void)dp_conn_put(a->dp, key, v, NULL);
		return;
	}
	if (!p)
		return;
	c = conn_basics(p, key, v);
	c.n_bindings = 1;
	c.bindings[0] = vips_unpack(unknown);
	conn_set_other(p, v, &c);
	d = conn_detail(&c);
	v->flags |= SKEP_CONN_SKEPD;
	if (dp_conn_put(a->dp, key, v, &d))
		dp_conn_del(a->dp, key);
}

void conns_newconn(struct agent *a, const struct skep_conn_key *key, const struct skep_nat *unknown)
{
	struct lport *p = ports_find(a, key->port);
	struct skep_conn now;

	/* as it is now: it may have been ended since it was made */
	if (!dp_conn_get(a->dp, key, &now))
		return;
	if (unknown && (now.flags & (SKEP_CONN_NAT | SKEP_CONN_SKEPD)) == SKEP_CONN_NAT && !now.nat)
		number(a, p, key, &now, unknown);
	if (p)
		(void)import(p, key, &now);
}

bool conns_pull(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	struct lport *p = ports_find_name(t, port);
	struct skep_conn_key key;
	struct skep_conn conn;

	if (!p)
		return false;
	key = conn_key(p->key, tuple);
	if (!dp_conn_get(t->agent->dp, &key, &conn))
		return false;
	if ((conn.flags & (SKEP_CONN_NAT | SKEP_CONN_SKEPD)) == SKEP_CONN_NAT && !conn.nat) { /* what it is translated by is told there only */
		(void)dp_conns_new(t->agent->dp, UINT64_MAX);
		if (!dp_conn_get(t->agent->dp, &key, &conn))
			return false;
	}
	return !conn_over(p, &key, &conn) && import(p, &key, &conn);
}

bool conns_now(struct tenant *t, struct sim_conn *c, uint64_t *last_ns)
{
	const struct lport *p = ports_find_name(t, c->port);
	struct skep_conn_key key;
	struct skep_conn now;

	if (!p)
		return true;
	key = conn_key(p->key, &c->tuple);
	if (!dp_conn_get(t->agent->dp, &key, &now))
		return true;
	c->orig_seen |= now.orig_seen;
	c->reply_seen |= now.reply_seen;
	if (conn_ns(t->agent, now.last_seen) > *last_ns)
		*last_ns = conn_ns(t->agent, now.last_seen);
	return !conn_over(p, &key, &now);
}

/* The kernel's record is over.  Our copy goes too if it does not know how it has ended; else it may know better: flows that skepd has installed
 * refresh it alone. */
static void note_end(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	const struct sim_tuple tuple = { .src = key->src,
					 .dst = key->dst,
					 .sport = key->sport,
					 .dport = key->dport,
					 .proto = key->proto };
	const struct sim_conn *c = sim_conns_find(p->tenant->conns, p->name, &tuple, clock_mono_ns());
	struct sim_conn last;

	if (!c || (!(conn->orig_seen & ~c->orig_seen) && !(conn->reply_seen & ~c->reply_seen)))
		return;
	last = *c; /* how it has ended is told (records.c) */
	last.orig_seen |= conn->orig_seen;
	last.reply_seen |= conn->reply_seen;
	(void)sim_conns_put(p->tenant->conns, &last, conn_ns(p->tenant->agent, conn->last_seen));
	conns_over(p->tenant, p->name, &tuple);
}

static void on_record(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	struct agent *a = arg;
	struct lport *p = ports_find(a, key->port);
	struct skep_conn now;

	dp_nat_met(a->dp, conn->nat);
	if (p && !conn_over(p, key, conn)) {
		(void)import(p, key, conn);
		return;
	}
	if (p && (!dp_conn_get(a->dp, key, &now) || !conn_over(p, key, &now)))
		return; /* begun anew since the batch was read */
	if (p && p->tenant->conns)
		note_end(p, key, conn);
	if (p || a->adoption_done)
		dp_conn_del(a->dp, key);
}

void conns_pull_new(struct agent *a)
{
	(void)dp_conns_new(a->dp, clock_mono_ns() + TURN_NS);
}

void conns_pull_all(struct agent *a)
{
	(void)dp_conns_new(a->dp, UINT64_MAX);
	(void)dp_conns_walk(a->dp, on_record, a);
}

static void on_turn(void *arg);

/* Some of the walk over the table. */
static void step(struct agent *a)
{
	uint32_t n = dp_conns_step(a->dp, on_record, a, &a->conns_wrapped);

	a->conns_due -= n < a->conns_due ? n : a->conns_due;
	a->conns_step += n;
	if (!a->conns_wrapped)
		return;
	dp_nats_round(a->dp); /* once round */
	a->conns_walked = a->conns_step;
	a->conns_step = a->conns_due = 0;
	a->conns_rest = REST;
}

/* A millisecond of it, then packets have theirs: a flood of new connections must not keep others' first packets waiting. */
static void turn(struct agent *a)
{
	const uint64_t until = clock_mono_ns() + TURN_NS;
	bool more = dp_conns_new(a->dp, until);

	while (!more && a->conns_due && clock_mono_ns() < until)
		step(a);
	more = conns_expire_some(a, until) || more || a->conns_due;
	if (more && !a->conns_turn)
		a->conns_turn = loop_timer_add(a->loop, PAUSE_NS, 0, on_turn, a);
}

static void on_turn(void *arg)
{
	struct agent *a = arg;

	a->conns_turn = NULL;
	if (!a->leaving)
		turn(a);
}

void conns_kernel_tick(struct agent *a)
{
	const uint32_t due = a->conns_walked / CYCLE;

	if (a->conns_rest)
		a->conns_rest--;
	else if (a->adoption_done)
		a->conns_due = due > STEP_MIN ? due : STEP_MIN;
	turn(a);
}

/* --- adoption --- */

static void on_adopted(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	struct agent *a = arg;
	struct adopted_conn *ad = calloc(1, sizeof(*ad));

	if (!ad || hmap_insert(&a->adopted_conns, &ad->node, hash_u64(key->port))) {
		free(ad);
		return;
	}
	ad->key = *key;
	ad->conn = *conn;
}

void conns_adopt(struct agent *a)
{
	(void)dp_conns_walk(a->dp, on_adopted, a);
	if (a->adopted_conns.n)
		log_info("%zu connections of an earlier skepd", a->adopted_conns.n);
}

/* False: it was over already.  One that does not seem to have been in use may have been: its flows went on while no skepd was there to
 * note it.  What has ended is not waited for. */
static bool adopt(struct lport *p, const struct adopted_conn *ad)
{
	struct agent *a = p->tenant->agent;
	uint64_t now = clock_mono_ns(), last, timeout, least;
	struct skep_conn conn;
	struct sim_conn c;

	if (!dp_conn_get(a->dp, &ad->key, &conn))
		conn = ad->conn;
	last = conn_ns(a, conn.last_seen);
	if (!conn_read(p, &ad->key, &conn, &c))
		return false;
	timeout = skep_conn_timeout(conns_timeouts(p->tenant), c.tuple.proto, c.orig_seen,
				    c.reply_seen);
	least = timeout > GRACE_S ? (timeout - GRACE_S) * NSEC_PER_SEC : now;
	if (now > last + least)
		last = now - least;
	return now < last + timeout * NSEC_PER_SEC &&
	       sim_conns_put(p->tenant->conns, &c, last) >= 0;
}

unsigned int conns_adopt_port(struct lport *p)
{
	struct agent *a = p->tenant->agent;
	struct hmap_node *n = hmap_first_with_hash(&a->adopted_conns, hash_u64(p->key)), *next;
	unsigned int count = 0;

	for (; n; n = next) { /* hash_u64 is a bijection */
		struct adopted_conn *ad = container_of(n, struct adopted_conn, node);

		next = hmap_next_with_hash(n);
		if (!adopt(p, ad))
			dp_conn_del(a->dp, &ad->key);
		hmap_remove(&a->adopted_conns, n);
		free(ad);
		count++;
	}
	return count;
}

void conns_adopt_end(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->adopted_conns) {
		struct adopted_conn *ad = container_of(n, struct adopted_conn, node);

		if (a->adoption_done)
			dp_conn_del(a->dp, &ad->key);
		hmap_remove(&a->adopted_conns, n);
		free(ad);
	}
	hmap_fini(&a->adopted_conns);
}
