// SPDX-License-Identifier: Apache-2.0
/*
 * The miss path: a packet comes up, is simulated once, goes on at once with its verdict, and the flow is installed when all packets that were
 * waiting have gone on (that order keeps a flow's first packets in order, and loses none).  Later packets of a burst find the flow in the index.
 * Nothing here waits: what is missing is asked for, and the packet parked.
 */
#include "loader/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/replay.h"
#include "packet/packet.h"
#include "util/clock.h"
#include "util/log.h"

#define SET_FROM 4	/* copies: fewer are injected one by one, when no flow is installed */
#define NAMED_OUTPUTS 32 /* of a flow, kept for reports */

/* One packet on its way through this file. */
struct work {
	struct agent *a;
	struct tenant *t;
	const struct topo_port *in;
	uint32_t in_key;
	struct dp_frame *frame;
	uint64_t deadline_ns;
	struct pkt pkt;
	struct dp_flow_key key;
};

/* --- drops --- */

void upcall_drop(struct agent *a, enum skep_drop reason, uint32_t in_key, const struct dp_frame *frame,
		 const char *culprit)
{
	dp_count_drop(a->dp, reason);
	if (a->control && control_watched(a->control))
		control_drop(a->control, report_drop(a, clock_mono_ns(), reason, in_key, culprit, frame->data, frame->len,
						     frame->len, NULL));
}

void upcall_event(struct agent *a, const struct skep_event *e)
{
	struct index_flow *f = index_find_cookie(a->index, e->cookie);
	uint32_t have = e->head_len < sizeof(e->head) ? e->head_len : sizeof(e->head);

	if (e->type == SKEP_EV_DROP && a->control && control_watched(a->control))
		control_drop(a->control, report_drop(a, e->time_ns, e->reason, e->key, f ? f->culprit : NULL, e->head, have,
						     e->len, &e->remote));
}

/* --- flows --- */

void upcall_flush(struct agent *a)
{
	if (!a->flows_queued)
		return;
	a->flows_queued = false;
	(void)dp_flows_flush(a->dp); /* a flow that was not written is simulated again */
}

static int simulate(struct agent *a, const struct tenant *t, const struct topo_port *in, const struct pkt *pkt,
		    struct sim_result *res)
{
	uint64_t now = clock_mono_ns();
	struct sim_tables_view view;
	struct err err = { 0 };

	a->stats.simulations++;
	sim_tables_view_init(&view, t->tables, t->snap, now);
	return sim_run(&a->sim, t->snap, &view.view, in, pkt, now, AGENT_SEED, 0, res, &err);
}

/* "port\0host\0..." of a result, for reports. */
static char *name_outputs(const struct sim_result *res)
{
	uint32_t n = res->n_outputs < NAMED_OUTPUTS ? res->n_outputs : NAMED_OUTPUTS;
	size_t size = 1;
	char *buf, *p;

	for (uint32_t i = 0; i < n; i++)
		size += strlen(res->outputs[i].port->o.name) + strlen(res->outputs[i].port->live_host ?: "") + 2;
	p = buf = n ? calloc(1, size) : NULL;
	for (uint32_t i = 0; buf && i < n; i++) {
		p = stpcpy(p, res->outputs[i].port->o.name) + 1;
		p = stpcpy(p, res->outputs[i].port->live_host ?: "") + 1;
	}
	return buf;
}

/* What the flow depends on: what the simulation consulted, and where the senders that it learnt are. */
static const struct topo_tag *all_tags(struct agent *a, const struct sim_result *res, uint32_t *n)
{
	struct topo_tag *tags;

	*n = res->n_tags;
	if (!res->n_learns)
		return res->tags;
	tags = arena_alloc(&a->arena, (res->n_tags + res->n_learns) * sizeof(*tags));
	if (!tags)
		return NULL;
	if (res->n_tags)
		memcpy(tags, res->tags, res->n_tags * sizeof(*tags));
	for (uint32_t i = 0; i < res->n_learns; i++)
		tags[(*n)++] = (struct topo_tag){ .kind = TOPO_TAG_MAC, .name = res->learns[i].bridge->o.name,
						  .mac = res->learns[i].mac };
	return tags;
}

/* Into the index; the caller writes it to the kernel.  'set' is taken, on failure too. */
static struct index_flow *index_result(struct work *w, const struct skep_flow *verdict, const struct sim_result *res,
				       const struct install_plan *plan, struct set *set)
{
	struct agent *a = w->a;
	struct index_flow *f;
	uint32_t n_tags;
	const struct topo_tag *tags = all_tags(a, res, &n_tags);
	char culprit[192] = "";

	f = tags || !n_tags ? index_add(a->index, &w->key, verdict, w->t, tags, n_tags, plan->hosts, plan->n_hosts) : NULL;
	if (!f) {
		sets_put(set, clock_mono_ns());
		return NULL;
	}
	f->set = set;
	f->added_ns = clock_mono_ns();
	f->walk = a->walk;
	f->outputs = name_outputs(res);
	if (verdict->action == SKEP_ACT_DROP && *sim_culprit_text(&res->culprit, culprit))
		f->culprit = strdup(culprit);
	return f;
}

static void install(struct work *w, struct skep_flow *verdict, const struct sim_result *res, const struct install_plan *plan,
		    struct set *set)
{
	struct agent *a = w->a;
	struct index_flow *f = index_result(w, verdict, res, plan, set);
	struct skep_flow flow;

	if (!f)
		return;
	flow = f->verdict;
	flow.last_seen = dp_jiffies(a->dp);
	if (flow.action != SKEP_ACT_DROP) { /* the packet in hand */
		flow.packets = 1;
		flow.bytes = w->frame->len;
	}
	dp_flow_put(a->dp, &w->key, &flow);
	a->flows_queued = true;
	a->stats.installed++;
}

/* --- packets out --- */

static void inject(struct agent *a, uint32_t in_key, const struct dp_frame *frame, const struct skep_flow *verdict)
{
	if (!dp_inject(a->dp, in_key, frame, verdict))
		a->stats.injected++;
}

/* dp_inject() overwrites nothing but the headroom, so that each copy starts from the same bytes. */
static void inject_copies(struct agent *a, uint32_t in_key, const struct dp_frame *frame, const struct install_plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++)
		inject(a, in_key, frame, &plan->copies[i].verdict);
}

/* A set for the plan's copies, with one reference, and the verdict that executes it. */
static struct set *make_set(struct agent *a, const struct install_plan *plan, struct skep_flow *verdict)
{
	struct skep_out *outs = install_outs(plan, &a->arena);
	struct set *set = outs ? sets_get(&a->sets, outs, plan->n) : NULL;

	if (set)
		install_set_verdict(&plan->copies[0], set->index, verdict);
	return set;
}

/* Sends without installing anything. */
static void send_plan(struct agent *a, uint32_t in_key, const struct dp_frame *frame, const struct install_plan *plan)
{
	struct skep_flow verdict;
	struct set *set = plan->uniform && plan->n >= SET_FROM ? make_set(a, plan, &verdict) : NULL;

	if (set)
		inject(a, in_key, frame, &verdict);
	else
		inject_copies(a, in_key, frame, plan);
	sets_put(set, clock_mono_ns());
}

/* Frames that the network itself sends. */
static void send_frames(struct agent *a, uint32_t in_key, const struct sim_result *res)
{
	for (uint32_t i = 0; i < res->n_frames; i++) {
		const struct sim_frame *sf = &res->frames[i];
		struct dp_frame frame = { .data = a->txbuf + DP_HEADROOM, .len = sf->len };
		struct install_plan plan;
		struct pkt pkt;

		if (sf->len > PKT_MAX)
			continue;
		memcpy(frame.data, sf->data, sf->len);
		if (pkt_parse(frame.data, frame.len, &pkt) || install_plan(&a->env, &pkt.f, sf->outputs, sf->n_outputs, &a->arena, &plan)) {
			dp_count_drop(a->dp, SKEP_DROP_OVERLOAD);
			continue;
		}
		send_plan(a, in_key, &frame, &plan);
		a->stats.answered++;
	}
}

/* --- verdicts --- */

static void drop(struct work *w, enum skep_drop reason, const struct sim_result *res)
{
	char culprit[192] = "";

	if (res)
		sim_culprit_text(&res->culprit, culprit);
	upcall_drop(w->a, reason, w->in_key, w->frame, culprit);
}

static void forward(struct work *w, const struct sim_result *res)
{
	struct agent *a = w->a;
	struct skep_flow verdict = { 0 };
	struct install_plan plan;
	struct set *set = NULL;

	if (install_plan(&a->env, &w->pkt.f, res->outputs, res->n_outputs, &a->arena, &plan)) {
		drop(w, SKEP_DROP_OVERLOAD, NULL);
		return;
	}
	if (!plan.n) {
		enum skep_drop reason = plan.unsupported ? SKEP_DROP_REWRITE : SKEP_DROP_NOT_LIVE;

		drop(w, reason, res);
		verdict.action = SKEP_ACT_DROP;
		verdict.out = reason;
		if (res->cacheable)
			install(w, &verdict, res, &plan, NULL);
		return;
	}
	if (!res->cacheable || !plan.uniform || plan.unsupported) {
		send_plan(a, w->in_key, w->frame, &plan);
		return;
	}
	if (plan.n == 1) {
		verdict = plan.copies[0].verdict;
	} else {
		set = make_set(a, &plan, &verdict);
		if (!set) { /* no room for a set: each packet comes up again */
			inject_copies(a, w->in_key, w->frame, &plan);
			return;
		}
	}
	inject(a, w->in_key, w->frame, &verdict);
	install(w, &verdict, res, &plan, set);
}

static void refuse(struct work *w, const struct sim_result *res)
{
	struct skep_flow verdict = { .action = SKEP_ACT_DROP, .out = res->reason };
	struct install_plan none = { .uniform = true };

	send_frames(w->a, w->in_key, res);
	drop(w, res->reason, res);
	/* "no answer" is believed for a while only, and no tag says when that is over */
	if (res->cacheable && res->reason != SKEP_DROP_NO_NEIGHBOUR)
		install(w, &verdict, res, &none, NULL);
}

static void park(struct work *w, const struct park_what *what, const struct sim_result *res)
{
	bool fresh;
	int rc = park_put(w->a->park, what, w->in_key, w->frame, clock_mono_ns(), w->deadline_ns, &fresh);

	if (rc)
		upcall_drop(w->a, rc == -ENOSPC ? SKEP_DROP_UPCALL_QUEUE : SKEP_DROP_OVERLOAD, w->in_key, w->frame, NULL);
	else if (fresh && res)
		send_frames(w->a, w->in_key, res);
}

static struct park_what what_needed(struct tenant *t, const struct sim_need *need)
{
	if (need->kind == SIM_NEED_NEIGH)
		return (struct park_what){ .kind = PARK_NEIGH, .scope = t, .name = need->port->o.name, .ip = need->ip };
	return (struct park_what){ .kind = PARK_RECORD, .scope = t, .name = need->path };
}

/* --- packets in --- */

/* The flow that decides this packet already: one that was installed while it waited in the queue. */
static struct index_flow *known_flow(struct work *w, enum skep_upcall_why why)
{
	struct index_flow *f;
	struct skep_flow in_kernel;

	if (why != SKEP_UP_MISS || sim_always_up(&w->pkt.f))
		return NULL;
	f = index_find(w->a->index, &w->key);
	if (!f || (f->verdict.ttl_dec && w->pkt.f.ip_ttl <= f->verdict.ttl_dec))
		return NULL;
	if (!dp_flow_get(w->a->dp, &w->key, &in_kernel)) { /* evicted */
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

static void process(struct agent *a, uint32_t in_key, enum skep_upcall_why why, struct dp_frame *frame, uint64_t deadline_ns)
{
	struct work w = { .a = a, .in_key = in_key, .frame = frame, .deadline_ns = deadline_ns };
	struct sim_result res = { 0 };
	struct park_what what;
	struct index_flow *f;
	enum skep_drop bad;

	arena_reset(&a->arena);
	if (!find_port(&w))
		return;
	bad = pkt_parse(frame->data, frame->len, &w.pkt);
	if (bad) {
		upcall_drop(a, bad, in_key, frame, NULL);
		return;
	}
	w.key.v6 = pkt_flow_key(&w.pkt.f, in_key, &w.key.k4, &w.key.k6);
	f = known_flow(&w, why);
	if (f) {
		if (f->verdict.action == SKEP_ACT_DROP)
			upcall_drop(a, f->verdict.out, in_key, frame, f->culprit);
		else
			inject(a, in_key, frame, &f->verdict);
		return;
	}
	if (simulate(a, w.t, w.in, &w.pkt, &res)) {
		upcall_drop(a, SKEP_DROP_OVERLOAD, in_key, frame, NULL);
		return;
	}
	learn_result(w.t, &res);
	switch (res.verdict) {
	case SIM_FORWARD:
		send_frames(a, in_key, &res);
		forward(&w, &res);
		break;
	case SIM_DROP:
		refuse(&w, &res);
		break;
	case SIM_CONSUMED:
		send_frames(a, in_key, &res);
		dp_count_drop(a->dp, SKEP_DROP_CONSUMED);
		break;
	case SIM_NEED:
		what = what_needed(w.t, &res.need);
		park(&w, &what, &res);
		break;
	}
}

void upcall_drain(struct agent *a)
{
	struct parked *p;

	while ((p = park_take(a->park))) {
		process(a, p->in_key, SKEP_UP_MISS, &p->frame, p->deadline_ns);
		free(p);
	}
	upcall_flush(a);
}

void upcall_packet(struct agent *a, uint32_t in_key, enum skep_upcall_why why, struct dp_frame *frame)
{
	struct parked *p;

	a->stats.upcalls++;
	process(a, in_key, why, frame, clock_mono_ns() + PARK_DEADLINE_NS);
	/* before the next packet of the queue: what has waited longer goes first */
	while ((p = park_take(a->park))) {
		process(a, p->in_key, SKEP_UP_MISS, &p->frame, p->deadline_ns);
		free(p);
	}
}

void upcall_done(struct agent *a)
{
	upcall_flush(a);
}

/* --- waiting --- */

static void on_retry(void *arg, const struct park_what *what, const struct parked *packet, uint32_t tries)
{
	struct agent *a = arg;
	struct tenant *t = (struct tenant *)what->scope;
	struct lport *p = ports_find(a, packet->in_key);
	const struct topo_port *in = p && p->tenant == t ? topo_find_port(t->snap, p->name) : NULL;
	struct sim_result res = { 0 };
	struct pkt pkt;

	if (tries >= AGENT_NEIGH_TRIES) {
		(void)sim_tables_fail_neigh(t->tables, what->name, &what->ip, clock_mono_ns() + AGENT_NEIGH_FAIL_NS);
		tenant_invalidate(t, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = what->name, .ip = what->ip });
		park_ready(a->park, what);
		return;
	}
	arena_reset(&a->arena);
	if (in && !pkt_parse(packet->frame.data, packet->frame.len, &pkt) && !simulate(a, t, in, &pkt, &res) &&
	    res.verdict == SIM_NEED)
		send_frames(a, packet->in_key, &res);
	else
		park_ready(a->park, what);
}

static void on_expired(void *arg, const struct parked *p)
{
	upcall_drop(arg, p->kind == PARK_NEIGH ? SKEP_DROP_NO_NEIGHBOUR : SKEP_DROP_NOT_READY, p->in_key, &p->frame, NULL);
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

/* Does the flow do what a simulation would say now?  Output sets are never kept: their members are not compared. */
bool upcall_readopt(struct agent *a, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	uint8_t buf[REPLAY_MAX];
	struct dp_frame frame = { .data = buf, .len = replay_frame(key, buf) };
	struct work w = { .a = a, .in_key = key->v6 ? key->k6.in_key : key->k4.in_key, .frame = &frame, .key = *key };
	struct install_plan plan = { .uniform = true };
	struct skep_flow want = { 0 };
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
	again.v6 = pkt_flow_key(&w.pkt.f, w.in_key, &again.k4, &again.k6);
	if (again.v6 != key->v6 || memcmp(&again.k6, &key->k6, key->v6 ? sizeof(key->k6) : sizeof(key->k4)))
		return false;
	if (simulate(a, w.t, w.in, &w.pkt, &res) || !res.cacheable)
		return false;
	if (res.verdict == SIM_DROP) {
		want.action = SKEP_ACT_DROP;
		want.out = res.reason;
	} else if (res.verdict == SIM_FORWARD) {
		if (install_plan(&a->env, &w.pkt.f, res.outputs, res.n_outputs, &a->arena, &plan) || plan.n != 1 || plan.unsupported)
			return false;
		want = plan.copies[0].verdict;
	} else {
		return false;
	}
	if (!install_same(&want, flow))
		return false;
	want.cookie = flow->cookie;
	return index_result(&w, &want, &res, &plan, NULL);
}
