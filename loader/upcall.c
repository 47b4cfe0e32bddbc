// SPDX-License-Identifier: Apache-2.0
/*
 * The miss path: a packet comes up, is simulated once, goes on at once with its verdict, and the
 * flow is installed when all packets that were waiting have gone on (that order keeps a flow's
 * first packets in order, and loses none).  Later packets of a burst find the flow in the index.
 * Nothing here waits: what is missing is asked for, and the packet parked.
 */
#include "loader/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/classes.h"
#include "loader/frag.h"
#include "loader/hold.h"
#include "loader/replay.h"
#include "packet/packet.h"
#include "util/clock.h"
#include "util/log.h"

/* --- drops --- */

void upcall_drop(struct agent *a, enum skep_drop reason, uint32_t in_key,
		 const struct dp_frame *frame, const char *culprit)
{
	struct lport *p = ports_find(a, in_key);

	dp_count_drop(a->dp, reason);
	if (reason == SKEP_DROP_CONN_LIMIT)
		dp_port_refused(a->dp, in_key);
	if (p)
		p->load.dropped++;
	top_dropped(a, reason, clock_mono_ns(), in_key, culprit, frame->data, frame->len, frame->len,
		    NULL);
	if (a->control && control_watched(a->control))
		control_drop(a->control, report_drop(a, clock_mono_ns(), reason, in_key, culprit,
						     frame->data, frame->len, frame->len, NULL));
}

void upcall_event(struct agent *a, const struct skep_event *e)
{
	struct index_flow *f = index_find_cookie(a->index, e->cookie);
	uint32_t have = e->head_len < sizeof(e->head) ? e->head_len : sizeof(e->head);

	if (e->type != SKEP_EV_DROP)
		return;
	top_dropped(a, e->reason, e->time_ns, e->key, f ? f->culprit : NULL, e->head, have, e->len,
		    &e->remote);
	if (a->control && control_watched(a->control))
		control_drop(a->control,
			     report_drop(a, e->time_ns, e->reason, e->key, f ? f->culprit : NULL,
					 e->head, have, e->len, &e->remote));
}

static int simulate(struct agent *a, struct tenant *t, const struct topo_port *in,
		    const struct pkt *pkt, struct sim_result *res)
{
	uint64_t now = clock_mono_ns();
	struct conns_view view;
	struct err err = { 0 };

	a->stats.simulations++;
	conns_view(t, &view, now);
	view.in = in;
	view.fresh = pkt->f.tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_FIN | SKEP_TCP_RST);
	return sim_run(&a->sim, t->snap, &view.s.view, in, pkt, now, AGENT_SEED, 0, res, &err);
}

static void park(struct work *w, const struct park_what *what, const struct sim_result *res)
{
	bool fresh;
	int rc = park_put(w->a->park, what, w->in_key, w->frame, clock_mono_ns(), w->deadline_ns,
			  &fresh);

	w->waits = !rc;
	if (rc)
		upcall_drop(w->a, rc == -ENOSPC ? SKEP_DROP_UPCALL_QUEUE : SKEP_DROP_OVERLOAD,
			    w->in_key, w->frame, NULL);
	else if (fresh && res)
		forward_frames(w->a, w->in_key, res);
}

/* What the packet waits for; 'name' holds a fragment's. */
static struct park_what what_needed(const struct work *w, const struct sim_need *need,
				    char name[static FRAG_NAME])
{
	struct tenant *t = w->t;

	switch (need->kind) {
	case SIM_NEED_NEIGH:
		return (struct park_what){
			.kind = PARK_NEIGH, .scope = t, .name = need->port->o.name, .ip = need->ip
		};
	case SIM_NEED_SNAT:
		return natblock_ask(t, &need->snat);
	case SIM_NEED_FRAGMENT:
		return (struct park_what){
			.kind = PARK_FRAGMENT, .key = w->in_key, .name = frags_name(&w->pkt, name)
		};
	default:
		return (struct park_what){ .kind = PARK_RECORD, .scope = t, .name = need->path };
	}
}

/* --- packets in --- */

/* The flow that decides this packet already: one that was installed while it waited in the queue.
 */
static struct index_flow *known_flow(struct work *w, enum skep_upcall_why why)
{
	struct index_flow *f;
	struct skep_flow in_kernel;

	if (why != SKEP_UP_MISS || sim_always_up(&w->pkt.f))
		return NULL;
	f = index_find(w->a->index, &w->key);
	if (!f)
		f = class_find(w, SKEP_CT_NONE, 0); /* others make or refresh records */
	if (!f || f->marked || !install_holds(&f->verdict, &w->pkt))
		return NULL;
	/* what begins or ends a connection has to be noted */
	if ((f->verdict.flags & SKEP_F_CONN) &&
	    (w->pkt.f.tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_FIN | SKEP_TCP_RST)))
		return NULL;
	if (!dp_flow_get(w->a->dp, &f->key, &in_kernel)) { /* evicted */
		index_del(w->a->index, f);
		return NULL;
	}
	return f;
}

/* Finds the port's tenant; false = the packet has been dealt with. */
static bool find_port(struct work *w)
{
	struct agent *a = w->a;
	struct lport *p = ports_find(a, w->in_key);

	if (!p || !p->tenant->snap) {
		/* until all tenants are known, the port may be somebody's */
		if (p || !a->adoption_done)
			park(w, &(struct park_what){ .kind = PARK_PORT, .key = w->in_key }, NULL);
		else
			upcall_drop(a, SKEP_DROP_UNKNOWN_IFACE, w->in_key, w->frame, NULL);
		return false;
	}
	w->t = p->tenant;
	w->in = topo_find_port(w->t->snap, p->name);
	if (!w->in)
		upcall_drop(a, SKEP_DROP_NOT_READY, w->in_key, w->frame, NULL);
	return w->in;
}

/* Gives a later fragment the ports of its packet, and lets those go on that waited for a first one.  false: dropped. */
static bool fragment(struct work *w)
{
	struct agent *a = w->a;
	uint64_t now = clock_mono_ns();
	bool first = w->pkt.f.ip_frag == SKEP_FRAG_FIRST, fresh = false;
	char name[FRAG_NAME];
	__be16 src, dst;

	if (w->pkt.f.ip_frag == SKEP_FRAG_NONE)
		return true;
	if (!w->again && !frags_arrived(a->frags, w->in_key, &w->pkt, now, &fresh)) {
		upcall_drop(a, SKEP_DROP_FRAGMENT, w->in_key, w->frame, NULL);
		return false;
	}
	if (fresh)
		park_ready(a->park, &(struct park_what){ .kind = PARK_FRAGMENT,
							 .key = w->in_key,
							 .name = frags_name(&w->pkt, name) });
	if (!first && frags_ports(a->frags, w->in_key, &w->pkt, now, &src, &dst))
		pkt_set_ports(&w->pkt, src, dst);
	return true;
}

/* Records of the connection were made: the flow is that of the next packet, for which they exist. */
static void install_next(struct work *w)
{
	struct sim_result next = { 0 };

	if (simulate(w->a, w->t, w->in, &w->pkt, &next))
		return;
	if (next.verdict == SIM_FORWARD && !next.n_new_conns)
		forward_result(w, &next, FORWARD_INSTALL);
}

/* A packet of a connection; how: what of it is sent and installed.  While others are told of the connection, its packets wait (forward_inject()), and
 * there is no flow of its own, by which the next ones would overtake them; that of its class is for connections that tell others by themselves. */
static void send_on(struct work *w, const struct sim_result *res, unsigned int how)
{
	const struct sim_conn *c = res->n_new_conns ? &res->new_conns[0] : res->conn;

	w->a->hold = hold_of(w->t, c);
	w->waits = w->a->hold;
	if (w->a->hold)
		how &= FORWARD_SEND | FORWARD_CLASS;
	else if (c && tell_marks(w->t, c, res, &w->pkt))
		how |= FORWARD_MARK;
	forward_result(w, res, how);
	w->a->hold = 0;
}

static void decided(struct work *w, const struct sim_result *res)
{
	struct agent *a = w->a;
	/* messages to other hosts leave before the packet that makes them necessary */
	unsigned int changes = conns_commit(w->t, res, &w->pkt);

	if (changes & SIM_CONNS_FULL) {
		upcall_drop(a, SKEP_DROP_CONN_LIMIT, w->in_key, w->frame, w->in->o.name);
		return;
	}
	if (changes & CONNS_UNTOLD) {
		upcall_drop(a, SKEP_DROP_UNTOLD, w->in_key, w->frame, w->in->o.name);
		return;
	}
	rules_packet(w->t, w->in, res, &w->pkt);
	forward_frames(a, w->in_key, res);
	switch (res->verdict) {
	case SIM_FORWARD:
		if (!res->n_new_conns && !(changes & SIM_CONNS_NEW)) {
			conns_place(w->t, res);
			if (w->field && res->class_nat && res->conn)
				conns_retell(w->t, res->conn);
			send_on(w, res, FORWARD_SEND | FORWARD_INSTALL);
			break;
		}
		send_on(w, res, FORWARD_SEND | FORWARD_CLASS);
		if ((changes & SIM_CONNS_NEW) && !(changes & CONNS_HELD))
			install_next(w);
		break;
	case SIM_DROP:
		forward_refuse(w, res);
		break;
	default:
		forward_consume(w, res);
	}
}

static void process(struct work *w, enum skep_upcall_why why)
{
	struct dp_frame *frame = w->frame;
	struct agent *a = w->a;
	struct sim_result res = { 0 };
	char name[FRAG_NAME];
	struct park_what what;
	struct index_flow *f;
	enum skep_drop bad;

	arena_reset(&a->arena);
	if (!find_port(w))
		return;
	bad = pkt_parse(frame->data, frame->len, &w->pkt);
	if (bad) {
		upcall_drop(a, bad, w->in_key, frame, NULL);
		return;
	}
	w->pkt.seg_len = dp_frame_seg_len(frame, w->pkt.l3_off, w->pkt.payload_off);
	w->key.v6 = pkt_flow_key(&w->pkt.f, w->in_key, &w->key.k4, &w->key.k6);
	f = known_flow(w, why);
	if (f) {
		rules_count(f, 1, frame->len);
		f->up_packets++;
		f->up_bytes += frame->len;
		if (f->verdict.action == SKEP_ACT_DROP)
			upcall_drop(a, f->verdict.out, w->in_key, frame, f->culprit);
		else
			forward_inject(a, w->in_key, frame, &f->verdict);
		return;
	}
	if (!fragment(w))
		return;
	if (simulate(a, w->t, w->in, &w->pkt, &res)) {
		upcall_drop(a, SKEP_DROP_OVERLOAD, w->in_key, frame, NULL);
		return;
	}
	learn_result(w->t, &res);
	if (res.verdict == SIM_NEED) {
		what = what_needed(w, &res.need, name);
		park(w, &what, &res);
	} else {
		decided(w, &res);
		answers_asked(w, &res);
	}
}

/* The frame has got its verdict. */
static void measure(struct agent *a, const struct dp_frame *frame, bool waited)
{
	const uint64_t now = clock_mono_ns();

	if (frame->read_ns && now > frame->read_ns)
		histogram_add(&a->metrics.upcall[waited], now - frame->read_ns);
}

/* Others know of the packet's connection now, or do not: it goes on as it was decided.  The flow of the next ones is installed behind it. */
static void told(struct agent *a, struct parked *p)
{
	struct work w = { .a = a, .in_key = p->in_key, .frame = &p->frame };
	struct lport *port = ports_find(a, p->in_key);

	if (!hold_is_told(a, p)) {
		upcall_drop(a, SKEP_DROP_UNTOLD, p->in_key, &p->frame, port ? port->name : NULL);
		return;
	}
	forward_inject(a, p->in_key, &p->frame, &p->verdict);
	measure(a, &p->frame, true);
	if (!port || !port->tenant->snap || pkt_parse(p->frame.data, p->frame.len, &w.pkt))
		return;
	arena_reset(&a->arena);
	w.t = port->tenant;
	w.in = topo_find_port(w.t->snap, port->name);
	w.pkt.seg_len = dp_frame_seg_len(&p->frame, w.pkt.l3_off, w.pkt.payload_off);
	w.key.v6 = pkt_flow_key(&w.pkt.f, w.in_key, &w.key.k4, &w.key.k6);
	if (w.in && w.pkt.f.ip_frag == SKEP_FRAG_NONE && !index_find(a->index, &w.key))
		install_next(&w);
}

/* Those whose wait is over. */
static void process_ready(struct agent *a)
{
	struct parked *p;

	while ((p = park_take(a->park))) {
		/* without its port, nobody has looked at it yet */
		struct work w = {
			.a = a, .in_key = p->in_key, .frame = &p->frame, .deadline_ns = p->deadline_ns, .again = p->kind != PARK_PORT
		};

		if (p->kind == PARK_STATE) {
			told(a, p);
		} else {
			process(&w, SKEP_UP_MISS);
			if (!w.waits)
				measure(a, &p->frame, true);
		}
		free(p);
	}
}

void upcall_drain(struct agent *a)
{
	process_ready(a);
	upcall_flush(a);
}

void upcall_packet(struct agent *a, uint32_t in_key, enum skep_upcall_why why,
		   struct dp_frame *frame)
{
	struct work w = {
		.a = a, .in_key = in_key, .frame = frame, .deadline_ns = clock_mono_ns() + PARK_DEADLINE_NS, .field = why == SKEP_UP_FIELD
	};

	a->stats.upcalls++;
	process(&w, why);
	if (!w.waits)
		measure(a, frame, false);
	process_ready(a); /* before the next packet of the queue: what has waited longer goes first */
}

void upcall_done(struct agent *a)
{
	upcall_flush(a);
}

/* --- waiting --- */

static void on_retry(void *arg, const struct park_what *what, const struct parked *packet,
		     uint32_t tries)
{
	struct agent *a = arg;
	struct tenant *t = (struct tenant *)what->scope;
	struct lport *p = ports_find(a, packet->in_key);
	const struct topo_port *in = p && p->tenant == t ? topo_find_port(t->snap, p->name) : NULL;
	struct sim_result res = { 0 };
	struct pkt pkt;

	if (tries >= AGENT_NEIGH_TRIES) {
		(void)sim_tables_fail_neigh(t->tables, what->name, &what->ip,
					    clock_mono_ns() + AGENT_NEIGH_FAIL_NS);
		tenant_invalidate(t, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH,
							 .name = what->name,
							 .ip = what->ip });
		park_ready(a->park, what);
		return;
	}
	arena_reset(&a->arena);
	if (in && !pkt_parse(packet->frame.data, packet->frame.len, &pkt) &&
	    !simulate(a, t, in, &pkt, &res) && res.verdict == SIM_NEED)
		forward_frames(a, packet->in_key, &res);
	else
		park_ready(a->park, what);
}

static void on_expired(void *arg, const struct parked *p)
{
	static const enum skep_drop reasons[] = { [PARK_NEIGH] = SKEP_DROP_NO_NEIGHBOUR,
						  [PARK_RECORD] = SKEP_DROP_NOT_READY,
						  [PARK_PORT] = SKEP_DROP_NOT_READY,
						  [PARK_SNAT] = SKEP_DROP_NAT_FULL,
						  [PARK_FRAGMENT] = SKEP_DROP_FRAGMENT,
						  [PARK_STATE] = SKEP_DROP_UNTOLD };

	upcall_drop(arg, reasons[p->kind], p->in_key, &p->frame, NULL);
}

void upcall_tick(struct agent *a)
{
	uint64_t now = clock_mono_ns();

	if (!park_count(a->park))
		return;
	park_retry(a->park, now, AGENT_NEIGH_RETRY_NS, on_retry, a);
	upcall_drain(a);
	park_expire(a->park, now, on_expired, a);
}

/* --- adopted flows --- */

/* The port at the other end of the connections that an adopted wildcard flow is for. */
static const char *adopted_other(struct tenant *t, const struct skep_wild *wild)
{
	const struct lport *p;
	const char *host;

	if (!wild->other_key)
		return "";
	if (wild->other_peer) {
		host = hosts_name(t->agent, wild->other_peer);
		return host ? tenant_port_at(t, host, wild->other_key) : "";
	}
	p = ports_find(t->agent, wild->other_key);
	return p && p->tenant == t ? p->name : "";
}

static bool readopt_class(struct work *w, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct agent *a = w->a;
	struct sim_result res = { 0 };
	struct install_plan plan;
	struct index_flow *f;
	struct vip_port *vp = NULL;
	struct skep_wild wild;
	struct class c;
	struct made m;
	bool same;

	if (!dp_wild_read(a->dp, key, &wild) ||
	    class_simulate(w->t, w->in, &w->pkt, key, adopted_other(w->t, &wild), 0, &res) ||
	    !forward_make(a, &w->pkt, &res, &plan, &m))
		return false;
	w->key.v6 = pkt_flow_key(&w->pkt.f, w->in_key, &w->key.k4, &w->key.k6);
	same = class_make(w, &res, &plan, &m.flow, &c) && dp_flow_key_eq(&c.key, key) &&
	       install_same(&c.wild.flow, flow) && c.wild.other_key == wild.other_key &&
	       c.wild.other_peer == wild.other_peer && c.wild.nat == wild.nat && class_hold(w, &res, &vp);
	if (!same) {
		forward_unmake(a, &m);
		return false;
	}
	c.wild.flow.cookie = flow->cookie;
	f = forward_index(w, key, &c.wild.flow, &res, &plan, m.set);
	if (f)
		class_note(f, w, &res, &c, vp);
	else
		vips_put(a, vp);
	return f;
}

/* Does the flow do what a simulation would say now?  Output sets are never kept: their members are
 * not compared. */
bool upcall_readopt(struct agent *a, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	uint8_t buf[REPLAY_MAX];
	struct dp_frame frame = { .data = buf, .len = replay_flow(key, flow, buf) };
	struct work w = { .a = a,
			  .in_key = key->v6 ? key->k6.in_key : key->k4.in_key,
			  .frame = &frame,
			  .key = *key };
	struct install_plan plan;
	struct made m;
	struct lport *p = ports_find(a, w.in_key);
	struct dp_flow_key again = { 0 };
	struct sim_result res = { 0 };

	if (!p || !p->tenant->snap || flow->action == SKEP_ACT_SET || !frame.len)
		return false;
	w.t = p->tenant;
	w.in = topo_find_port(w.t->snap, p->name);
	arena_reset(&a->arena);
	if (!w.in || pkt_parse(frame.data, frame.len, &w.pkt))
		return false;
	if (dp_flow_mask(key))
		return readopt_class(&w, key, flow);
	again.v6 = pkt_flow_key(&w.pkt.f, w.in_key, &again.k4, &again.k6);
	if (!dp_flow_key_eq(&again, key))
		return false;
	if (simulate(a, w.t, w.in, &w.pkt, &res) || res.n_new_conns || !forward_make(a, &w.pkt, &res, &plan, &m))
		return false;
	if (!install_same(&m.flow, flow)) {
		forward_unmake(a, &m);
		return false;
	}
	m.flow.cookie = flow->cookie;
	return forward_index(&w, key, &m.flow, &res, &plan, m.set);
}
