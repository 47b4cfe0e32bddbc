// SPDX-License-Identifier: Apache-2.0
/*
 * After a change: flows that depended on what has changed are simulated again, and only those whose outcome is another go; and when
 * policy has changed, connections are shown to it again, and those that it would not admit any more end.  Both in turns of 2 ms, so that
 * packets do not wait; what is marked stays marked until it is done.
 */
#include "loader/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "loader/classes.h"
#include "loader/replay.h"
#include "util/clock.h"
#include "util/log.h"

#define TURN_NS (2 * NSEC_PER_MSEC)
#define LOOK    16 /* items between two looks at the clock */
#define VLANS_ASKED 32 /* about one connection; whose packets would get somewhere in more stays */

/* A connection whose original direction enters by a port of this host. */
struct candidate {
	struct sim_tuple tuple;
	char port[TOPO_NAME_MAX + 1];
};

struct sweep {
	struct sweep *next;
	struct tenant *t;
	struct candidate *v;
	uint32_t n, max, at;
	uint32_t round; /* tenant.policy_asked when the present one began */
	bool wanted; /* from the beginning, when the present round is over */
};

struct recheck {
	struct agent *a;
	struct loop_timer *timer;
	struct sweep *sweeps;
};

int recheck_init(struct agent *a)
{
	a->recheck = calloc(1, sizeof(*a->recheck));
	if (!a->recheck)
		return -ENOMEM;
	a->recheck->a = a;
	return 0;
}

static void free_sweep(struct recheck *r, struct sweep *s)
{
	struct sweep **p = &r->sweeps;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	free(s->v);
	free(s);
}

void recheck_fini(struct agent *a)
{
	struct recheck *r = TAKE_PTR(a->recheck);

	if (!r)
		return;
	while (r->sweeps)
		free_sweep(r, r->sweeps);
	loop_timer_del(r->timer);
	free(r);
}

void recheck_forget(struct tenant *t)
{
	struct recheck *r = t->agent->recheck;

	for (struct sweep *s = r->sweeps, *next; s; s = next) {
		next = s->next;
		if (s->t == t)
			free_sweep(r, s);
	}
}

static void turn(void *arg);

static void schedule(struct recheck *r)
{
	if (!r->timer)
		r->timer = loop_timer_add(r->a->loop, 0, 0, turn, r);
}

/* --- flows --- */

static void on_tagged(void *arg, struct index_flow *f)
{
	index_mark(arg, f);
}

void recheck_tag(struct tenant *t, const struct topo_tag *tag)
{
	struct agent *a = t->agent;

	index_tagged(a->index, t, tag, on_tagged, a->index);
	if (index_marked(a->index))
		schedule(a->recheck);
}

static int simulate(struct tenant *t, const struct topo_port *in, const struct pkt *pkt,
		    unsigned int flags, struct sim_result *res)
{
	struct agent *a = t->agent;
	uint64_t now = clock_mono_ns();
	struct conns_view view;
	struct err err = { 0 };

	a->stats.simulations++;
	conns_view(t, &view, now);
	view.in = in;
	return sim_run(&a->sim, t->snap, &view.s.view, in, pkt, now, AGENT_SEED, flags, res, &err);
}

/* A frame of the flow, parsed; NULL: it cannot be had. */
static const struct topo_port *replay(struct agent *a, const struct index_flow *f,
				      uint8_t buf[static REPLAY_MAX], struct pkt *pkt)
{
	const struct dp_flow_key *key = dp_flow_mask(&f->key) ? &f->sample : &f->key;
	uint32_t len = replay_flow(key, &f->verdict, buf);
	struct lport *p = ports_find(a, index_in_key(f));
	struct dp_flow_key again = { 0 };

	if (!len || !p || p->tenant != f->scope || !p->tenant->snap || pkt_parse(buf, len, pkt))
		return NULL;
	again.v6 = pkt_flow_key(&pkt->f, p->key, &again.k4, &again.k6);
	if (!dp_flow_key_eq(&again, key))
		return NULL;
	return topo_find_port(p->tenant->snap, p->name);
}

json_t *recheck_trace(struct agent *a, const struct index_flow *f)
{
	struct tenant *t = (struct tenant *)f->scope;
	struct sim_result res = { 0 };
	uint8_t buf[REPLAY_MAX];
	const struct topo_port *in;
	struct pkt pkt;
	int rc;

	arena_reset(&a->arena);
	in = replay(a, f, buf, &pkt);
	if (!in)
		return NULL;
	rc = dp_flow_mask(&f->key) ? class_simulate(t, in, &pkt, &f->key, f->other_port, SIM_TRACE, &res) : simulate(t, in, &pkt, SIM_TRACE, &res);
	return rc ? NULL : sim_trace_json(&a->sim, &pkt, &res);
}

/* The same of a wildcard flow: the packet that it was made of stands for its class. */
static bool class_still_right(struct agent *a, struct index_flow *f)
{
	struct work w = { .a = a, .t = (struct tenant *)f->scope, .in_key = index_in_key(f), .key = f->sample };
	struct sim_result res = { 0 };
	struct install_plan plan;
	const struct topo_tag *tags;
	uint8_t buf[REPLAY_MAX];
	uint32_t n_tags;
	struct class c;
	struct made m;
	bool same;

	arena_reset(&a->arena);
	w.in = replay(a, f, buf, &w.pkt);
	if (!w.in || class_simulate(w.t, w.in, &w.pkt, &f->key, f->other_port, 0, &res) || res.n_learns ||
	    res.n_neighs || res.end_conn || !forward_make(a, &w.pkt, &res, &plan, &m))
		return false;
	tags = forward_tags(a, &f->key, &f->sample, &res, &n_tags);
	same = class_make(&w, &res, &plan, &m.flow, &c) && class_same(&c, f) && vips_renew(&w, &res, f->vip) && (tags || !n_tags) &&
	       !index_retag(a->index, f, tags, n_tags, plan.hosts, plan.n_hosts);
	forward_unmake(a, &m);
	if (same)
		rules_again(w.t, f, &res);
	return same;
}

/* True: it does what would be installed today, and has the tags of today. */
static bool still_right(struct agent *a, struct index_flow *f)
{
	struct tenant *t = (struct tenant *)f->scope;
	struct sim_result res = { 0 };
	struct install_plan plan;
	uint8_t buf[REPLAY_MAX];
	const struct topo_port *in;
	struct made m;
	struct pkt pkt;
	bool same;

	arena_reset(&a->arena);
	in = replay(a, f, buf, &pkt);
	/* what the next packet would teach us, it has to come up for */
	if (!in || simulate(t, in, &pkt, 0, &res) || res.n_learns || res.n_neighs ||
	    res.n_new_conns || res.end_conn || !forward_make(a, &pkt, &res, &plan, &m))
		return false;
	same = install_same(&m.flow, &f->verdict) &&
	       !index_retag(a->index, f, res.tags, res.n_tags, plan.hosts, plan.n_hosts);
	forward_unmake(a, &m);
	if (same)
		rules_again(t, f, &res);
	return same;
}

static void recheck_flow(struct agent *a, struct index_flow *f)
{
	a->stats.revalidated++;
	if (f->answer		    ? answers_still_right(a, f)
	    : dp_flow_mask(&f->key) ? class_still_right(a, f)
				    : still_right(a, f)) {
		a->stats.kept++;
		return;
	}
	a->stats.invalidated++;
	index_del(a->index, f);
}

/* --- connections --- */

static void on_conn(void *arg, const struct sim_conn *conn, uint64_t last_ns)
{
	struct sweep *s = arg;
	struct candidate *c;

	(void)last_ns;
	if (conn->reply)
		return;
	if (s->n == s->max) {
		uint32_t max = s->max ? 2 * s->max : 256;

		c = realloc(s->v, max * sizeof(*c));
		if (!c)
			return; /* it ends when it is idle */
		s->v = c;
		s->max = max;
	}
	c = &s->v[s->n++];
	c->tuple = conn->tuple;
	memcpy(c->port, conn->port, sizeof(c->port));
}

static void begin(struct sweep *s)
{
	s->wanted = false;
	s->round = s->t->policy_asked;
	conns_pull_all(s->t->agent); /* those that BPF has made just now too */
	s->n = s->at = 0;
	sim_conns_walk(s->t->conns, on_conn, s);
}

void recheck_policy(struct tenant *t)
{
	struct recheck *r = t->agent->recheck;
	struct sweep *s;

	for (s = r->sweeps; s && s->t != t; s = s->next)
		;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		s->t = t;
		s->round = t->policy_done;
		s->next = r->sweeps;
		r->sweeps = s;
	}
	t->policy_asked++;
	s->wanted = true;
	schedule(r);
}

struct find_flow {
	const struct candidate *c;
	uint32_t key;
	const struct index_flow *found;
};

static void on_conn_flow(void *arg, struct index_flow *f)
{
	struct find_flow *find = arg;
	struct sim_tuple tuple;

	if (index_in_key(f) == find->key && conns_tuple(&f->key, &tuple) &&
	    sim_tuple_eq(&tuple, &find->c->tuple))
		find->found = f;
}

static bool in_vlan(const struct topo_port *port, uint16_t vlan)
{
	const uint64_t *trunk = port->more->trunk;

	return port->more->vlan == vlan || (trunk ? trunk[vlan / 64] >> vlan % 64 & 1 : !port->more->vlan);
}

/* Whom the machine behind a port sends its packets to, in that VLAN (0 = the bridge knows none): the neighbour itself, else its router. */
static bool next_hop(const struct topo_port *port, uint16_t vlan, const struct skep_ip *dst, struct skep_mac *mac)
{
	const struct topo_bridge *b = port->bridge;
	const struct skep_mac *m = NULL;

	if (!b) { /* a router's neighbour */
		*mac = port->mac;
		return true;
	}
	if ((vlan ? topo_bridge_find_ip_in(b, vlan, dst, &m) : topo_bridge_find_ip(b, dst, &m)) && m) {
		*mac = *m;
		return true;
	}
	for (uint32_t i = 0; i < b->n_links; i++)
		if (b->links[i]->peer->router && (!vlan || in_vlan(b->links[i], vlan))) {
			*mac = b->links[i]->peer->mac;
			return true;
		}
	return false;
}

/* The key that a flow of the connection has, if there is one: nothing has to be guessed. */
static bool key_of_flow(struct tenant *t, const struct lport *lp, const struct candidate *c, struct dp_flow_key *key,
			struct skep_flow *as)
{
	struct topo_tag tag = { .kind = TOPO_TAG_CONN, .name = c->port, .hash = sim_tuple_hash(&c->tuple) };
	struct find_flow find = { .c = c, .key = lp->key };

	index_tagged(t->agent->index, t, &tag, on_conn_flow, &find);
	if (!find.found)
		return false;
	*key = find.found->key;
	as->flags = find.found->verdict.flags & SKEP_F_TOS;
	as->tos = find.found->verdict.tos;
	return true;
}

/* The connection's packets as they enter by its port in that VLAN, by what the topology says; false: they have nowhere to go there. */
static bool make_key(const struct topo_port *port, const struct lport *lp, const struct candidate *c, uint16_t vlan,
		     struct dp_flow_key *key)
{
	struct pkt_fields f = { .eth_src = port->has_mac && port->bridge
						   ? port->mac
						   : (struct skep_mac){ { 2, 0, 0, 0, 0, 1 } },
				.ip_src = c->tuple.src,
				.ip_dst = c->tuple.dst,
				.ip_proto = c->tuple.proto,
				.l4_src = c->tuple.sport,
				.l4_dst = c->tuple.dport,
				.ip_ttl = REPLAY_TTL };

	f.eth_type = htons(ip_is_v4(&c->tuple.src) ? ETH_P_IP : ETH_P_IPV6);
	if (vlan && vlan != port->more->vlan)
		f.vlan = htons(vlan | 0x1000);
	if (f.ip_proto == 1 || f.ip_proto == 58) { /* the tuple has the id first (simulator.h) */
		f.l4_src = c->tuple.dport;
		f.l4_dst = c->tuple.sport;
	}
	f.has_l4 = f.l4_src || f.l4_dst;
	if (!next_hop(port, vlan, &f.ip_dst, &f.eth_dst))
		return false;
	memset(key, 0, sizeof(*key));
	key->v6 = pkt_flow_key(&f, lp->key, &key->k4, &key->k6);
	return true;
}

/* Would it be admitted today?  What began it is asked about, not what it sends now: a rule may let SYNs alone begin connections. */
static void as_it_began(const struct sim_conn *conn, struct skep_flow *as)
{
	if (conn->tuple.proto != 6 || !(conn->orig_seen & SKEP_TCP_SYN))
		return;
	as->flags |= SKEP_F_TCP;
	as->tcp_mask = 0xff;
	as->tcp_value = SKEP_TCP_SYN;
}

static bool is_policy(enum skep_drop reason)
{
	return reason == SKEP_DROP_POLICY || reason == SKEP_DROP_REJECT ||
	       reason == SKEP_DROP_SECURITY_GROUP || reason == SKEP_DROP_SPOOF;
}

enum answer { NOT_ASKED, ADMITTED, REFUSED };

static bool gets_to(const struct sim_result *res, const char *port)
{
	for (uint32_t i = 0; i < res->n_outputs; i++)
		if (!res->outputs[i].mirror && !strcmp(res->outputs[i].port->o.name, port))
			return true;
	return false;
}

/* 'to': the port that it has to get to; "" = any. */
static enum answer ask(struct tenant *t, const struct topo_port *port, const struct dp_flow_key *key, const struct skep_flow *as,
		       const char *to)
{
	struct sim_result res = { 0 };
	uint8_t buf[REPLAY_MAX];
	struct pkt pkt;
	uint32_t len;

	arena_reset(&t->agent->arena);
	len = replay_flow(key, as, buf);
	if (!len || pkt_parse(buf, len, &pkt) || simulate(t, port, &pkt, SIM_RECHECK, &res))
		return NOT_ASKED;
	if (res.end_conn || (res.verdict == SIM_DROP && is_policy(res.reason)))
		return REFUSED;
	return res.verdict == SIM_DROP || (*to && !gets_to(&res, to)) ? NOT_ASKED : ADMITTED;
}

/* A record does not say in which VLAN of a trunk its connection is: in each in which its packets would get anywhere.  It is refused if one of them
 * refuses it and none in which it gets to the port at its other end admits it. */
static enum answer ask_vlans(struct tenant *t, const struct topo_port *port, const struct lport *lp, const struct candidate *c,
			     const struct skep_flow *as, const char *to)
{
	const struct topo_bridge *b = port->bridge;
	enum answer all = NOT_ASKED, one;
	struct dp_flow_key key;
	unsigned int asked = 0;

	if (!b || !b->vlan_aware)
		return make_key(port, lp, c, 0, &key) ? ask(t, port, &key, as, "") : NOT_ASKED;
	for (uint16_t vlan = 1; vlan < 4095; vlan++) {
		if (!(b->vlans[vlan / 64] >> vlan % 64 & 1) || !in_vlan(port, vlan) || !make_key(port, lp, c, vlan, &key))
			continue;
		one = ++asked > VLANS_ASKED ? ADMITTED : ask(t, port, &key, as, to);
		if (one == ADMITTED)
			return one;
		if (one == REFUSED)
			all = one;
	}
	return all;
}

static void recheck_conn(struct tenant *t, const struct candidate *c)
{
	const struct topo_port *port = topo_find_port(t->snap, c->port);
	const struct lport *lp = ports_find_name(t, c->port);
	struct skep_flow as = { 0 };
	struct agent *a = t->agent;
	const struct sim_conn *conn;
	struct dp_flow_key key;
	struct sim_conn copy;
	enum answer answer;

	conn = sim_conns_find(t->conns, c->port, &c->tuple, clock_mono_ns());
	if (!port || !lp || !conn)
		return;
	copy = *conn;
	as_it_began(&copy, &as);
	answer = key_of_flow(t, lp, c, &key, &as) ? ask(t, port, &key, &as, "") : ask_vlans(t, port, lp, c, &as, copy.other_port);
	a->stats.rechecked += answer != NOT_ASKED;
	if (answer != REFUSED)
		return;
	a->stats.recheck_ended++;
	conns_end(t, &copy);
}

/* --- turns --- */

static bool sweep_some(struct recheck *r, uint64_t until)
{
	while (r->sweeps) {
		struct sweep *s = r->sweeps;

		if (s->at >= s->n) {
			s->t->policy_done = s->round;
			if (s->wanted)
				begin(s);
		}
		if (s->at >= s->n) {
			s->t->policy_done = s->round;
			free_sweep(r, s);
			continue;
		}
		for (int i = 0; i < LOOK && s->at < s->n; i++)
			recheck_conn(s->t, &s->v[s->at++]);
		if (clock_mono_ns() >= until)
			return true;
	}
	return false;
}

static void turn(void *arg)
{
	struct recheck *r = arg;
	struct agent *a = r->a;
	uint64_t begun = clock_mono_ns(), until = begun + TURN_NS;
	struct index_flow *f;
	unsigned int n = 0;
	bool more;

	r->timer = NULL;
	upcall_flush(a); /* a flow that is queued would be written after its deletion */
	while ((f = index_next_marked(a->index))) {
		recheck_flow(a, f);
		if (++n % LOOK == 0 && clock_mono_ns() >= until)
			break;
	}
	if (n)
		a->stats.revalidation_us += (clock_mono_ns() - begun) / 1000;
	/* connections take their turn too: flows may be marked without end, by machines that move all the time */
	more = sweep_some(r, n ? clock_mono_ns() + TURN_NS / 2 : until);
	inforce_check(a);
	if (more || index_marked(a->index))
		schedule(r);
}
