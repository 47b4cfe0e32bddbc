// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's table of connection records, which BPF and skepd share.  What skepd makes is written through by conns.c; what BPF makes is
 * taken over when it says so (a ring), when a simulation asks for it, and by a slow walk over the table, which also brings what packets
 * have changed, and deletes what is over.  A skepd that was killed has all of them again.  The kernel's times are jiffies, ours
 * CLOCK_MONOTONIC.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

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

/* --- time --- */

static uint32_t to_jiffies(struct agent *a, uint64_t ns)
{
	uint64_t now = clock_mono_ns(), ago = now > ns ? now - ns : 0;

	return (uint32_t)(dp_jiffies(a->dp) - ago / (NSEC_PER_SEC / dp_hz(a->dp)));
}

static uint64_t from_jiffies(struct agent *a, uint32_t jiffies)
{
	uint64_t now = clock_mono_ns();
	int32_t ago = (int32_t)((uint32_t)dp_jiffies(a->dp) - jiffies);
	uint64_t ns = ago > 0 ? (uint64_t)ago * (NSEC_PER_SEC / dp_hz(a->dp)) : 0;

	return now > ns ? now - ns : 0;
}

static bool is_over(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	uint64_t timeout = skep_conn_timeout(conns_timeouts(p->tenant), key->proto, conn->orig_seen,
					     conn->reply_seen);

	return clock_mono_ns() > from_jiffies(p->tenant->agent, conn->last_seen) + timeout * NSEC_PER_SEC;
}

/* --- a record as the kernel has it, and as skepd has it --- */

static struct skep_conn_key make_key(uint32_t port, const struct sim_tuple *t)
{
	return (struct skep_conn_key){ .port = port,
				       .proto = t->proto,
				       .src = t->src,
				       .dst = t->dst,
				       .sport = t->sport,
				       .dport = t->dport };
}

bool conns_translated(const struct sim_conn *c)
{
	struct sim_tuple t;

	sim_tuple_reverse(&c->tuple, &t);
	return c->n_bindings || !sim_tuple_eq(&t, &c->other);
}

static struct skep_detail make_detail(const struct sim_conn *c)
{
	struct skep_detail d = { .other_src = c->other.src,
				 .other_dst = c->other.dst,
				 .other_sport = c->other.sport,
				 .other_dport = c->other.dport,
				 .n_bindings = c->n_bindings };

	memcpy(d.other_port, c->other_port, sizeof(d.other_port));
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct sim_binding *b = &c->bindings[i];

		d.bindings[i] = (struct skep_binding){ .router = b->router,
						       .member = b->member,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port,
						       .dst = b->dst };
	}
	return d;
}

/* The whereabouts of the port at the other end, as the kernel knows ports. */
static void find_other(struct tenant *t, const char *name, struct skep_conn *v)
{
	const struct topo_port *port = name[0] && t->snap ? topo_find_port(t->snap, name) : NULL;
	const struct lport *p = ports_find_name(t, name);

	if (p) {
		v->other_key = p->key;
		v->other_peer = 0;
	} else if (port && port->live_host && port->live_key) {
		v->other_peer = (uint16_t)hosts_peer(t->agent, port->live_host);
		v->other_key = v->other_peer ? port->live_key : 0;
	}
}

void conns_persist(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	const struct lport *p = ports_find_name(t, c->port);
	struct agent *a = t->agent;
	struct skep_conn v = { .flags = SKEP_CONN_SKEPD,
			       .orig_seen = c->orig_seen,
			       .reply_seen = c->reply_seen },
			 old;
	const struct skep_detail d = make_detail(c);
	struct skep_conn_key key;

	if (!p)
		return;
	v.last_seen = to_jiffies(a, last_ns);
	v.flags |= (c->reply ? SKEP_CONN_REPLY : 0) | (conns_translated(c) ? SKEP_CONN_NAT : 0);
	v.nat = vips_conn_number(a, c);
	find_other(t, c->other_port, &v);
	key = make_key(p->key, &c->tuple);
	if (dp_conn_get(a->dp, &key, &old) && !is_over(p, &key, &old) && old.other_key == v.other_key &&
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
	key = make_key(p->key, &res->conn->tuple);
	find_other(t, res->conn->other_port, &now);
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
	const struct skep_detail d = make_detail(c);
	struct skep_conn_key key;
	struct skep_conn v;

	if (!p)
		return;
	key = make_key(p->key, &c->tuple);
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
	key = make_key(p->key, tuple);
	dp_conn_del(t->agent->dp, &key);
}

/* The name of the port at the other end; "" = not known. */
static const char *other_name(const struct lport *p, const struct skep_conn *v)
{
	struct tenant *t = p->tenant;
	const struct lport *other;
	const char *host;

	if (!v->other_key)
		return "";
	if (v->other_peer) {
		host = hosts_name(t->agent, v->other_peer);
		return host ? tenant_port_at(t, host, v->other_key) : "";
	}
	other = ports_find(t->agent, v->other_key);
	return other && other->tenant == t ? other->name : "";
}

static void set_detail(struct sim_conn *c, const struct skep_detail *d)
{
	c->other = (struct sim_tuple){ .src = d->other_src,
				       .dst = d->other_dst,
				       .sport = d->other_sport,
				       .dport = d->other_dport,
				       .proto = c->tuple.proto };
	c->n_bindings = d->n_bindings > SIM_BINDINGS_MAX ? SIM_BINDINGS_MAX : (uint8_t)d->n_bindings;
	snprintf(c->other_port, sizeof(c->other_port), "%.*s", TOPO_NAME_MAX, d->other_port);
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct skep_binding *b = &d->bindings[i];

		c->bindings[i] = (struct sim_binding){ .router = b->router,
						       .member = b->member,
						       .dst = b->dst,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port };
	}
}

static struct sim_conn basics(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v)
{
	struct sim_conn c = { .tuple = { .src = key->src,
					 .dst = key->dst,
					 .sport = key->sport,
					 .dport = key->dport,
					 .proto = key->proto },
			      .reply = v->flags & SKEP_CONN_REPLY,
			      .orig_seen = v->orig_seen,
			      .reply_seen = v->reply_seen };

	snprintf(c.port, sizeof(c.port), "%s", p->name);
	return c;
}

/* What follows from the translation, if there is one, and from where the kernel says that the other end is. */
static void set_other(const struct lport *p, const struct skep_conn *v, struct sim_conn *c)
{
	struct sim_tuple out = c->tuple;

	if (c->n_bindings)
		sim_tuple_translate(&c->tuple, &c->bindings[0], c->reply, &out);
	sim_tuple_reverse(&out, &c->other);
	snprintf(c->other_port, sizeof(c->other_port), "%s", other_name(p, v));
}

/* False: its details are lost, which it cannot do without. */
static bool to_sim(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v, struct sim_conn *c)
{
	struct skep_detail d;

	*c = basics(p, key, v);
	if (v->flags & SKEP_CONN_SKEPD) {
		if (!dp_conn_detail(p->tenant->agent->dp, key, &d))
			return false;
		set_detail(c, &d);
		return true;
	}
	if ((v->flags & SKEP_CONN_NAT) && !vips_binding(p->tenant->agent, v->nat, &c->bindings[0]))
		return false;
	c->n_bindings = v->flags & SKEP_CONN_NAT ? 1 : 0;
	set_other(p, v, c);
	return true;
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
	find_other(t, c->other_port, &now);
	if (!now.other_key || (now.other_key == v->other_key && now.other_peer == v->other_peer) ||
	    !dp_conn_get(t->agent->dp, key, &now))
		return;
	find_other(t, c->other_port, &now);
	(void)dp_conn_put(t->agent->dp, key, &now, NULL);
}

/* Into skepd's table; true: it is there now. */
static bool import(struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v)
{
	struct tenant *t = p->tenant;
	uint64_t last = from_jiffies(t->agent, v->last_seen);
	struct sim_conn c;
	int rc;

	if (!t->conns || !to_sim(p, key, v, &c))
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
	c = basics(p, key, v);
	c.n_bindings = 1;
	c.bindings[0] = vips_unpack(unknown);
	set_other(p, v, &c);
	d = make_detail(&c);
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
	key = make_key(p->key, tuple);
	if (!dp_conn_get(t->agent->dp, &key, &conn))
		return false;
	if ((conn.flags & (SKEP_CONN_NAT | SKEP_CONN_SKEPD)) == SKEP_CONN_NAT && !conn.nat) { /* what it is translated by is told there only */
		(void)dp_conns_new(t->agent->dp, UINT64_MAX);
		if (!dp_conn_get(t->agent->dp, &key, &conn))
			return false;
	}
	return !is_over(p, &key, &conn) && import(p, &key, &conn);
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
	(void)sim_conns_put(p->tenant->conns, &last, from_jiffies(p->tenant->agent, conn->last_seen));
	conns_over(p->tenant, p->name, &tuple);
}

static void on_record(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	struct agent *a = arg;
	struct lport *p = ports_find(a, key->port);
	struct skep_conn now;

	dp_nat_met(a->dp, conn->nat);
	if (p && !is_over(p, key, conn)) {
		(void)import(p, key, conn);
		return;
	}
	if (p && (!dp_conn_get(a->dp, key, &now) || !is_over(p, key, &now)))
		return; /* begun anew since the batch was read */
	if (p && p->tenant->conns)
		note_end(p, key, conn);
	if (p || a->adoption_done)
		dp_conn_del(a->dp, key);
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
	last = from_jiffies(a, conn.last_seen);
	if (!to_sim(p, &ad->key, &conn, &c))
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

/* --- tuples --- */

static bool is_echo(uint8_t proto, __be16 type_code, uint8_t *request, bool *reply)
{
	uint8_t type = (uint8_t)(ntohs(type_code) >> 8);

	if (proto == IPPROTO_ICMP && (type == 8 || type == 0)) {
		*request = 8;
		*reply = type == 0;
		return true;
	}
	if (proto == IPPROTO_ICMPV6 && (type == 128 || type == 129)) {
		*request = 128;
		*reply = type == 129;
		return true;
	}
	return false;
}

bool conns_tuple(const struct dp_flow_key *key, struct sim_tuple *t)
{
	uint8_t request;
	bool reply;

	memset(t, 0, sizeof(*t));
	if (key->v6) {
		t->src = key->k6.src;
		t->dst = key->k6.dst;
		t->sport = key->k6.sport;
		t->dport = key->k6.dport;
		t->proto = key->k6.proto;
	} else {
		if (key->k4.eth_type != htons(ETH_P_IP))
			return false;
		t->src = ip_from_v4(key->k4.src);
		t->dst = ip_from_v4(key->k4.dst);
		t->sport = key->k4.sport;
		t->dport = key->k4.dport;
		t->proto = key->k4.proto;
	}
	if ((key->v6 ? key->k6.frag : key->k4.frag) != SKEP_FRAG_NONE)
		return false;
	if (t->proto != IPPROTO_ICMP && t->proto != IPPROTO_ICMPV6)
		return true;
	if (!is_echo(t->proto, t->sport, &request, &reply))
		return false;
	if (reply) {
		t->sport = htons((uint16_t)(request << 8));
	} else {
		t->sport = t->dport; /* the id */
		t->dport = htons((uint16_t)(request << 8));
	}
	return true;
}
