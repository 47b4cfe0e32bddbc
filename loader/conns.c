// SPDX-License-Identifier: Apache-2.0
/*
 * Connections of the packets that enter by ports of this host.  A connection has a record at each end (simulator/conns.h), and at each
 * member of an end's stateful port groups; each lives on its port's host.  Whoever sees a packet that changes the connection tells the
 * other places: at once when it begins, ends or changes state, else every third of its timeout, so that it is kept alive everywhere by
 * traffic at any of them.  A record that was refreshed by another host is told to nobody: else two ends would keep a dead connection.
 */
#include "loader/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/conn_sides.h"
#include "loader/hold.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define EXPIRE_BATCH  8192	    /* looked at in a second, in turns (conns_kernel.c) ... */
#define EXPIRE_STEP   32	    /* ... of so many and more */
#define REFRESH_MIN_S 20	    /* shorter timeouts run out */
#define RETOLD_NS     NSEC_PER_SEC /* longer than messages are repeated (state.c) */

const struct skep_timeouts *conns_timeouts(const struct tenant *t)
{
	return &t->agent->config->timeouts;
}

int conns_init(struct tenant *t)
{
	const struct config *c = t->agent->config;
	struct sim_conns_limits limits = { .records = c->conns_max,
					   .records_port = c->conns_port_max,
					   .affinities = AGENT_AFFINITIES_MAX,
					   .timeouts = c->timeouts };

	t->conns = sim_conns_new(&limits);
	return t->conns ? 0 : -ENOMEM;
}

void conns_fini(struct tenant *t)
{
	sides_fini(&t->conn_sides);
	hold_forget(t);
	sim_conns_free(TAKE_PTR(t->conns));
}

/* --- the view --- */

uint32_t conns_underlay_mtu(const struct agent *a)
{
	uint32_t encap = hosts_encap_size(a);

	return a->mtu > encap ? a->mtu - encap : 0;
}

/* Ports elsewhere are reached through the underlay.  The ingress port is asked about when its machine wants to know how large its packets
 * may be: those to other hosts. */
static uint32_t port_mtu(void *arg, const struct topo_port *port)
{
	const struct conns_view *v = container_of(arg, struct conns_view, s);
	const struct agent *a = v->tenant->agent;
	uint32_t mtu = 0;

	if (port->live_host && strcmp(port->live_host, a->config->host) != 0) {
		mtu = hosts_mtu(a, port->live_host);
		return mtu ? mtu : conns_underlay_mtu(a);
	}
	return port == v->in ? conns_underlay_mtu(a) : 0;
}

/* The record, also one that BPF has made since skepd last looked. */
static const struct sim_conn *find_conn(void *arg, const struct topo_port *port, const struct sim_tuple *tuple)
{
	const struct conns_view *v = container_of(arg, struct conns_view, s);
	struct tenant *t = v->tenant;
	const struct sim_conn *c = sim_conns_find(t->conns, port->o.name, tuple, v->s.now_ns);

	if ((!c || v->fresh) && conns_pull(t, port->o.name, tuple))
		c = sim_conns_find(t->conns, port->o.name, tuple, v->s.now_ns);
	return c;
}

void conns_view(struct tenant *t, struct conns_view *v, uint64_t now_ns)
{
	sim_state_view_init(&v->s, t->tables, t->conns, t->snap, now_ns);
	v->tenant = t;
	v->in = NULL;
	v->fresh = false;
	if (v->s.view.arg == &v->s) {
		v->s.view.mtu = port_mtu;
		v->s.view.conn = find_conn;
	}
}

bool conns_port_here(void *tenant, const char *port)
{
	return ports_find_name(tenant, port) != NULL;
}

/* --- sides --- */

static void told(struct tenant *t, const struct sim_conn *c, uint64_t now_ns)
{
	struct side *side = side_get(&t->conn_sides, c);

	if (side)
		side->told_ns = now_ns;
}

static bool is_due(const struct tenant *t, const struct sim_conn *c, uint64_t now_ns)
{
	const struct side *side = side_find(&t->conn_sides, c->port, &c->tuple);
	uint64_t timeout = skep_conn_timeout(conns_timeouts(t), c->tuple.proto, c->orig_seen,
					     c->reply_seen);

	if (timeout < REFRESH_MIN_S)
		return false;
	return !side || now_ns >= side->told_ns + timeout * NSEC_PER_SEC / 3;
}

/* --- records here --- */

static void invalidate(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	tenant_invalidate(t, &(struct topo_tag){ .kind = TOPO_TAG_CONN,
						 .name = port,
						 .hash = sim_tuple_hash(tuple) });
}

static void keep(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	if (!hold_of(t, c))
		conns_persist(t, c, last_ns);
	mirror_put(t, c, last_ns);
}

bool conns_remote_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns)
{
	const struct sim_conn *now;
	int rc = sim_conns_put(t->conns, conn, last_ns);

	if (rc < 0) {
		t->agent->stats.conns_refused++;
		return false;
	}
	now = sim_conns_find(t->conns, conn->port, &conn->tuple, last_ns);
	if (now)
		keep(t, now, last_ns);
	if (rc == 1)
		invalidate(t, conn->port, &conn->tuple);
	return true;
}

static void forget(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	conns_unpersist(t, port, tuple);
	mirror_del(t, port, tuple);
	side_forget(&t->conn_sides, port, tuple);
}

void conns_remote_end(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	struct sim_tuple copy = *tuple; /* may be the record's own */
	const struct lport *p = ports_find_name(t, port);
	char name[TOPO_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s", port);
	records_conn_gone(t, name, &copy, side_begun_ns(&t->conn_sides, name, &copy), clock_mono_ns());
	if (sim_conns_del(t->conns, name, &copy))
		t->agent->stats.conns_ended++;
	forget(t, name, &copy); /* in any case: sim_conns_apply() may have ended it already */
	invalidate(t, name, &copy);
	if (p) /* flows that BPF has made for it */
		dp_port_renew(t->agent->dp, p->key);
}

void conns_imported(struct tenant *t, const struct sim_conn *c, uint64_t last_ns, bool fresh)
{
	const uint64_t now = clock_mono_ns();
	const uint32_t timeout = skep_conn_timeout(conns_timeouts(t), c->tuple.proto, c->orig_seen, c->reply_seen);
	struct side *side = side_get(&t->conn_sides, c);

	if (fresh) {
		t->agent->stats.conns_made++;
		invalidate(t, c->port, &c->tuple); /* exact flows of when there was none */
	} else if (side && !side->unwritten && side->timeout_s == timeout &&
		   (last_ns <= side->mirrored_ns || now < side->mirrored_ns + timeout * NSEC_PER_SEC / 3)) {
		return; /* as the DB has it, or nearly */
	}
	if (side) {
		side->timeout_s = timeout;
		side->mirrored_ns = now;
	}
	mirror_put(t, c, last_ns);
}

/* --- all places of a connection --- */

static void put_at(struct tenant *t, const struct topo_port *port, const struct sim_conn *c,
		   uint64_t now_ns)
{
	struct sim_conn copy = *c;

	snprintf(copy.port, sizeof(copy.port), "%s", port->o.name);
	if (conns_port_here(t, port->o.name))
		(void)conns_remote_put(t, &copy, now_ns);
	else if (port->live_host)
		state_put(t, port->live_host, &copy);
}

static void end_at(struct tenant *t, const struct topo_port *port, const struct sim_conn *c,
		   uint64_t now_ns)
{
	if (conns_port_here(t, port->o.name))
		conns_remote_end(t, port->o.name, &c->tuple);
	else if (port->live_host)
		state_end(t, port->live_host, port->o.name, &c->tuple);
}

typedef void at_fn(struct tenant *t, const struct topo_port *port, const struct sim_conn *c,
		   uint64_t now_ns);

/* The ports that share connections with the record's; 'itself': that one too. */
static void for_group(struct tenant *t, const struct sim_conn *c, bool itself, uint64_t now_ns,
		      at_fn *fn)
{
	const struct topo_port *port = c->port[0] && t->snap ? topo_find_port(t->snap, c->port)
							     : NULL;

	if (!port)
		return;
	if (itself)
		fn(t, port, c, now_ns);
	for (uint32_t i = 0; i < port->more->n_groups; i++) {
		const struct topo_port_group *g = port->more->groups[i];
		struct topo_ports_at at;

		for (const struct topo_port *p = topo_ports_first(&g->ports, &at); g->stateful && p;
		     p = topo_ports_next(&at))
			if (p != port)
				fn(t, p, c, now_ns);
	}
}

static void tell(struct tenant *t, const struct sim_conn *c, uint64_t now_ns)
{
	struct sim_conn other;

	told(t, c, now_ns);
	for_group(t, c, false, now_ns, put_at);
	peers_reverse(c, &other);
	for_group(t, &other, true, now_ns, put_at);
}

/* 'c' is a copy of a record of this host: everybody else who should have it gets it. */
static void spread(struct tenant *t, const struct sim_conn *c, uint64_t now_ns)
{
	keep(t, c, now_ns);
	tell(t, c, now_ns);
}

void conns_end(struct tenant *t, const struct sim_conn *conn)
{
	struct sim_conn c = *conn, other;
	uint64_t now = clock_mono_ns();

	peers_reverse(&c, &other);
	for_group(t, &c, true, now, end_at);
	for_group(t, &other, true, now, end_at);
	conns_remote_end(t, c.port, &c.tuple); /* also of a port that the snapshot has lost */
	state_ended(t, &c);
	if (other.port[0] && conns_port_here(t, other.port))
		state_ended(t, &other);
	state_flush(t->agent);
}

/* --- packets --- */

static void publish_affinities(struct tenant *t, const struct sim_result *res)
{
	for (uint32_t i = 0; i < res->n_affinities; i++)
		learn_affinity(t, &res->affinities[i]);
}

/* The record as it is now. */
static bool look_up(struct tenant *t, const struct sim_conn *of, uint64_t now_ns,
		    struct sim_conn *out)
{
	const struct sim_conn *c = sim_conns_find(t->conns, of->port, &of->tuple, now_ns);

	if (c)
		*out = *c;
	return c;
}

static void touched(struct tenant *t, const struct sim_conn *before, bool state, uint64_t now_ns)
{
	struct lport *p = ports_find_name(t, before->port);
	struct side *side;
	struct sim_conn c;

	if (!look_up(t, before, now_ns, &c) || (!state && !is_due(t, &c, now_ns)))
		return;
	if (tell_may(p, now_ns)) {
		spread(t, &c, now_ns);
		if (tell_needed(t, &c))
			tell_charge(p, 1, now_ns);
		return;
	}
	keep(t, &c, now_ns);
	side = side_find(&t->conn_sides, c.port, &c.tuple);
	if (side) /* as soon as it may */
		side->told_ns = 0;
}

/* Its packets do not fit with what they should tell.  Told by a message instead; when that has been acknowledged, or given up, they need not any more. */
void conns_retell(struct tenant *t, const struct sim_conn *conn)
{
	const uint64_t now = clock_mono_ns();
	struct side *side = side_get(&t->conn_sides, conn);

	if (!side)
		return;
	if (side->retold_ns) {
		if (now > side->retold_ns + RETOLD_NS)
			conns_settle(t, conn);
		return;
	}
	if (!tell_may(ports_find_name(t, conn->port), now)) /* a later packet will try again */
		return;
	side->retold_ns = now;
	touched(t, conn, true, now);
	state_flush(t->agent);
}

/* --- connections that begin --- */

/* Nobody else knows of it. */
static void undo(struct tenant *t, const struct sim_conn *c)
{
	const struct sim_conn copy = *c;

	conns_remote_end(t, copy.port, &copy.tuple);
	if (copy.other_port[0] && conns_port_here(t, copy.other_port))
		conns_remote_end(t, copy.other_port, &copy.other);
}

/* All that have to know of the new connection are told.  The kernel is not, before they know: it would not wait with further packets. */
static unsigned int begin(struct tenant *t, const struct sim_conn *c, bool marked, uint64_t now_ns)
{
	struct lport *p = ports_find_name(t, c->port);
	const uint64_t sent = t->agent->stats.state_sent;
	struct agent *a = t->agent;
	enum hold_state state;
	uint32_t hold;

	if (!tell_needed(t, c)) {
		spread(t, c, now_ns);
		return SIM_CONNS_NEW;
	}
	hold = tell_may(p, now_ns) ? hold_open(t, c, tell_host(t, c), marked) : 0;
	if (!hold) {
		undo(t, c);
		return CONNS_UNTOLD;
	}
	state_flush(a); /* what is said of others is not waited for */
	state_hold(a, hold);
	tell(t, c, now_ns);
	state_flush(a);
	state_hold(a, 0);
	tell_charge(p, a->stats.state_sent - sent, now_ns);
	state = hold_close(a, hold);
	if (state == HOLD_LOST) {
		conns_end(t, c);
		return CONNS_UNTOLD;
	}
	if (state == HOLD_NONE)
		conns_persist(t, c, now_ns);
	mirror_put(t, c, now_ns);
	return SIM_CONNS_NEW | (state == HOLD_WAITS ? CONNS_HELD : 0);
}

/* The kernel makes records too, of which skepd hears a moment later: a port has as many as its kernel says. */
static bool has_room(const struct tenant *t, const struct sim_conn *c)
{
	const struct agent *a = t->agent;
	const struct lport *p = ports_find_name(t, c->port);
	uint32_t begun;

	return !p || !dp_port_conns(a->dp, p->key, &begun, NULL, NULL) || begun < a->config->conns_port_max;
}

unsigned int conns_commit(struct tenant *t, const struct sim_result *res, const struct pkt *pkt)
{
	uint64_t now = clock_mono_ns();
	struct sim_conn before, made;
	unsigned int changed;

	if (!res->conn && !res->n_new_conns && !res->n_affinities)
		return 0;
	if (res->n_new_conns && !has_room(t, &res->new_conns[0])) {
		t->agent->stats.conns_refused++;
		return SIM_CONNS_FULL;
	}
	if (res->conn)
		before = *res->conn;
	changed = sim_conns_apply(t->conns, res, pkt, conns_port_here, t, now);
	publish_affinities(t, res);
	if (changed & SIM_CONNS_FULL)
		t->agent->stats.conns_refused++;
	if (changed & SIM_CONNS_ENDED && res->conn)
		conns_end(t, &before);
	else if (changed & SIM_CONNS_NEW && look_up(t, &res->new_conns[0], now, &made)) {
		t->agent->stats.conns_made++;
		changed |= begin(t, &made, tell_marks(t, &made, res, pkt), now);
		invalidate(t, made.port, &made.tuple);
		if (made.other_port[0] && conns_port_here(t, made.other_port))
			invalidate(t, made.other_port, &made.other);
	} else if (res->conn) {
		touched(t, &before, changed & SIM_CONNS_STATE, now);
	}
	state_flush(t->agent);
	return changed;
}

static void flow_seen(struct tenant *t, struct lport *p, const struct index_flow *f,
		      uint8_t tcp_seen, bool tell)
{
	uint64_t now = clock_mono_ns();
	const struct sim_conn *c;
	struct sim_tuple tuple;
	struct sim_conn before;
	bool state;

	if (!conns_tuple(&f->key, &tuple))
		return;
	c = sim_conns_find(t->conns, p->name, &tuple, now);
	if (!c)
		return;
	before = *c;
	state = sim_conns_touch(t->conns, p->name, &tuple, false,
				tuple.proto == 6 ? tcp_seen : SIM_SEEN_ANY, now);
	if (tell || state)
		touched(t, &before, state, now);
}

void conns_flow_seen(struct tenant *t, struct lport *p, const struct index_flow *f,
		     uint8_t tcp_seen)
{
	flow_seen(t, p, f, tcp_seen, true);
}

void conns_flow_adopted(struct tenant *t, struct lport *p, const struct index_flow *f,
			uint8_t tcp_seen)
{
	flow_seen(t, p, f, tcp_seen, false);
}

/* --- time --- */

struct over {
	struct tenant *t;
	struct sim_conn *v; /* idle as far as we know: the kernel may know better */
	uint32_t n;
};

static void on_over(void *arg, const struct sim_conn *conn)
{
	struct over *o = arg;

	o->v[o->n++] = *conn;
}

void conns_over(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	records_conn_gone(t, port, tuple, side_begun_ns(&t->conn_sides, port, tuple), 0);
	if (!sim_conns_del(t->conns, port, tuple))
		return;
	t->agent->stats.conns_over++;
	forget(t, port, tuple);
	invalidate(t, port, tuple);
}

static void expire(struct tenant *t, uint64_t now_ns)
{
	struct sim_conn idle[EXPIRE_STEP];
	struct over o = { .t = t, .v = idle };

	sim_conns_expire(t->conns, now_ns, EXPIRE_STEP, on_over, &o);
	for (uint32_t i = 0; i < o.n; i++) {
		struct sim_conn *c = &o.v[i];

		if (conns_pull(t, c->port, &c->tuple))
			continue;
		records_conn_over(t, c, side_begun_ns(&t->conn_sides, c->port, &c->tuple), 0);
		t->agent->stats.conns_over++;
		forget(t, c->port, &c->tuple);
		invalidate(t, c->port, &c->tuple);
	}
}

bool conns_expire_some(struct agent *a, uint64_t until_ns)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		for (uint64_t now; t->expire_due; t->expire_due -= EXPIRE_STEP) {
			now = clock_mono_ns();
			if (now >= until_ns)
				return true;
			expire(t, now);
		}
	}
	return false;
}

void conns_tick(struct tenant *t, uint64_t now_ns)
{
	const uint32_t n = sim_conns_count(t->conns, NULL);

	t->expire_due = ((n < EXPIRE_BATCH ? n : EXPIRE_BATCH) + EXPIRE_STEP - 1) / EXPIRE_STEP * EXPIRE_STEP;
	learn_age_affinities(t, now_ns);
}

/* --- ports --- */

void conns_port_up(struct lport *p)
{
	if (!conns_adopt_port(p))
		mirror_fetch(p->tenant, p->name);
}

static void on_gone(void *arg, const struct sim_conn *conn, uint64_t last_ns)
{
	const struct lport *p = arg;

	(void)last_ns;
	if (strcmp(conn->port, p->name) != 0)
		return;
	side_forget(&p->tenant->conn_sides, conn->port, &conn->tuple);
	conns_unpersist(p->tenant, conn->port, &conn->tuple);
}

/* The copy in the DB stays: it is for the port's next host. */
void conns_port_gone(struct lport *p)
{
	sim_conns_walk(p->tenant->conns, on_gone, p);
	sim_conns_drop_port(p->tenant->conns, p->name);
}
