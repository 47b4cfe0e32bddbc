// SPDX-License-Identifier: Apache-2.0
/* What follows from a simulation's result: copies of the packet go out at once, a flow goes into the index and is queued for the kernel.  Called by
 * upcall.c. */
#include "loader/forward.h"

#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "loader/classes.h"
#include "loader/hold.h"
#include "util/clock.h"

#define SET_FROM      4	 /* copies: fewer are injected one by one, when no flow is installed */
#define NAMED_OUTPUTS 32 /* of a flow, kept for reports */
#define INSTALL_ANY (FORWARD_INSTALL | FORWARD_CLASS)

#define ERROR_NS      (NSEC_PER_SEC / 100) /* ICMP errors and resets that a port may cause: 100/s ... */
#define ERROR_BURST   50		    /* ... after so many at once */

/* --- verdicts and what they refer to --- */

static void unmake(struct agent *a, const struct made *m)
{
	dp_rewrite_put(a->dp, m->flow.rewrite);
	sets_put(m->set, clock_mono_ns());
}

static bool make_set(struct agent *a, const struct pkt_fields *in, const struct install_plan *plan,
		     enum skep_drop lost, struct made *m)
{
	struct install_set s;
	uint32_t n = 0;

	if (install_set(plan, in, lost, &a->arena, &s) ||
	    dp_rewrite_get(a->dp, &s.rewrite, &s.flow.rewrite))
		return false;
	while (n < s.n && !dp_rewrite_get(a->dp, &s.rewrites[n], &s.outs[n].rewrite))
		n++;
	if (n == s.n) {
		m->set = sets_get(&a->sets, s.outs, s.n);
	} else {
		while (n)
			dp_rewrite_put(a->dp, s.outs[--n].rewrite);
	}
	if (!m->set) {
		dp_rewrite_put(a->dp, s.flow.rewrite);
		return false;
	}
	m->flow = s.flow;
	m->flow.out = m->set->index;
	return true;
}

/* One verdict that does all that the plan says, and counts a drop for 'lost'.  false: no room. */
static bool make(struct agent *a, const struct pkt_fields *in, const struct install_plan *plan,
		 enum skep_drop lost, struct made *m)
{
	*m = (struct made){ 0 };
	if (plan->n != 1 || lost || plan->least_ttl > plan->copies[0].verdict.ttl_dec)
		return make_set(a, in, plan, lost, m);
	m->flow = plan->copies[0].verdict;
	return !dp_rewrite_get(a->dp, &plan->copies[0].rewrite, &m->flow.rewrite);
}

/* --- flows --- */

void upcall_flush(struct agent *a)
{
	if (!a->flows_queued)
		return;
	a->flows_queued = false;
	(void)dp_flows_flush(a->dp); /* a flow that was not written is simulated again */
}

/* "port\0host\0..." of a result, for reports. */
static char *name_outputs(const struct sim_result *res)
{
	uint32_t n = res->n_outputs < NAMED_OUTPUTS ? res->n_outputs : NAMED_OUTPUTS;
	size_t size = 1;
	char *buf, *p;

	for (uint32_t i = 0; i < n; i++)
		size += strlen(res->outputs[i].port->o.name) +
			strlen(res->outputs[i].port->live_host ?: "") + 2;
	p = buf = n ? calloc(1, size) : NULL;
	for (uint32_t i = 0; buf && i < n; i++) {
		p = stpcpy(p, res->outputs[i].port->o.name) + 1;
		p = stpcpy(p, res->outputs[i].port->live_host ?: "") + 1;
	}
	return buf;
}

/* Of an address that is the packet's own, only so many bits are the same for all packets of the flow. */
static void widen(struct topo_tag *tag, const struct dp_flow_key *sample, const struct skep_mask *mask)
{
	const struct skep_ip own[2] = { sample->v6 ? sample->k6.src : ip_from_v4(sample->k4.src),
					sample->v6 ? sample->k6.dst : ip_from_v4(sample->k4.dst) };
	const uint8_t *bits[2] = { sample->v6 ? (const uint8_t *)&mask->k6.src : (const uint8_t *)&mask->k4.src,
				   sample->v6 ? (const uint8_t *)&mask->k6.dst : (const uint8_t *)&mask->k4.dst };
	const unsigned int bytes = sample->v6 ? 16 : 4, skip = 16 - bytes;
	uint8_t *to = (uint8_t *)&tag->ip;

	for (int i = 0; i < 2; i++) {
		if (!ip_eq(&own[i], &tag->ip) || ip_is_v4(&tag->ip) == sample->v6)
			continue;
		tag->len = 0;
		for (unsigned int b = 0; b < bytes; b++) {
			tag->len += (uint8_t)__builtin_popcount(bits[i][b]);
			to[skip + b] &= bits[i][b];
		}
		return;
	}
}

const struct topo_tag *forward_tags(struct agent *a, const struct dp_flow_key *key, const struct dp_flow_key *sample,
				    const struct sim_result *res, uint32_t *n)
{
	const bool class = dp_flow_mask(key);
	struct topo_tag *tags;
	struct skep_mask mask;

	*n = res->n_tags;
	if (!res->n_learns && !class)
		return res->tags;
	tags = arena_alloc(&a->arena, (res->n_tags + res->n_learns + 1) * sizeof(*tags));
	if (!tags)
		return NULL;
	if (class)
		(void)dp_wild_mask(a->dp, dp_flow_mask(key), &mask);
	*n = 0;
	for (uint32_t i = 0; i < res->n_tags; i++) {
		if (class && res->tags[i].kind == TOPO_TAG_CONN)
			continue;
		tags[*n] = res->tags[i];
		if (class && topo_tag_has_prefix(tags[*n].kind))
			widen(&tags[*n], sample, &mask);
		++*n;
	}
	for (uint32_t i = 0; i < res->n_learns; i++)
		tags[(*n)++] = (struct topo_tag){ .kind = TOPO_TAG_MAC,
						  .name = res->learns[i].bridge->o.name,
						  .mac = res->learns[i].mac };
	return tags;
}

/* Into the index; the caller writes it to the kernel.  'set' is taken, on failure too. */
struct index_flow *forward_index(struct work *w, const struct dp_flow_key *key, const struct skep_flow *verdict,
				 const struct sim_result *res, const struct install_plan *plan,
				 struct set *set)
{
	struct agent *a = w->a;
	struct index_flow *f;
	uint32_t n_tags;
	const struct topo_tag *tags = forward_tags(a, key, &w->key, res, &n_tags);
	char culprit[192] = "";

	f = tags || !n_tags ? index_add(a->index, key, verdict, w->t, tags, n_tags, plan->hosts,
					plan->n_hosts)
			    : NULL;
	if (!f) {
		sets_put(set, clock_mono_ns());
		dp_rewrite_put(a->dp, verdict->rewrite);
		return NULL;
	}
	f->set = set;
	f->added_ns = clock_mono_ns();
	f->walk = a->walk;
	f->outputs = name_outputs(res);
	if (verdict->action == SKEP_ACT_DROP && *sim_culprit_text(&res->culprit, culprit))
		f->culprit = strdup(culprit);
	rules_flow(w->t, f, res);
	return f;
}

/* The packet in hand, if it is of the flow: one that begins a connection is of the class that makes it. */
static void count_up(const struct work *w, struct index_flow *f, unsigned int how)
{
	f->up_packets += !!(how & FORWARD_SEND);
	f->up_bytes += how & FORWARD_SEND ? w->frame->len : 0;
}

/* For all packets of the class; false: there is none, and nothing was taken. */
static bool install_class(struct work *w, const struct made *m, const struct skep_flow *flow, const struct sim_result *res,
			  const struct install_plan *plan, unsigned int how)
{
	struct agent *a = w->a;
	struct index_flow *f;
	struct vip_port *vp;
	struct class c;

	if (!class_make(w, res, plan, flow, &c))
		return false;
	f = index_find(a->index, &c.key);
	if (f && class_same(&c, f)) { /* there already: its packet came up for another reason */
		(void)vips_renew(w, res, f->vip);
		unmake(a, m);
		count_up(w, f, how);
		return true;
	}
	if (!class_hold(w, res, &vp))
		return false;
	f = forward_index(w, &c.key, &c.wild.flow, res, plan, m->set);
	if (!f) {
		vips_put(a, vp);
		return true;
	}
	class_note(f, w, res, &c, vp);
	count_up(w, f, how);
	c.wild.flow = f->verdict;
	if (dp_wild_put(a->dp, &c.key, &c.wild)) {
		index_del(a->index, f);
		return true;
	}
	a->flows_queued = true;
	a->stats.installed++;
	return true;
}

static void install(struct work *w, const struct made *m, const struct sim_result *res,
		    const struct install_plan *plan, unsigned int how)
{
	struct agent *a = w->a;
	struct index_flow *f;
	struct skep_flow flow = m->flow;

	install_conditions(&flow, plan, &w->pkt.f, res);
	if (install_class(w, m, &flow, res, plan, how))
		return;
	if (how & FORWARD_CLASS) {
		unmake(a, m);
		return;
	}
	f = forward_index(w, &w->key, &flow, res, plan, m->set);
	if (!f)
		return;
	flow = f->verdict;
	flow.last_seen = (uint32_t)dp_jiffies(a->dp);
	if (flow.action != SKEP_ACT_DROP) { /* the packet in hand */
		flow.packets = 1;
		flow.bytes = w->frame->len;
	} else {
		count_up(w, f, how);
	}
	f->packets = flow.packets;
	f->bytes = flow.bytes;
	dp_flow_put(a->dp, &w->key, &flow);
	a->flows_queued = true;
	a->stats.installed++;
}

/* --- packets out --- */

void forward_inject(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		    const struct skep_flow *verdict)
{
	if (a->hold) {
		if (!hold_packet(a, a->hold, in_key, frame, verdict))
			upcall_drop(a, SKEP_DROP_UPCALL_QUEUE, in_key, frame, NULL);
		return;
	}
	if (!dp_inject(a->dp, in_key, frame, verdict))
		a->stats.injected++;
}

/* dp_inject() overwrites nothing but the headroom, so that each copy starts from the same bytes. */
static void inject_copies(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
			  const struct install_plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++) {
		struct skep_flow verdict = plan->copies[i].verdict;

		if (dp_rewrite_get(a->dp, &plan->copies[i].rewrite, &verdict.rewrite)) {
			dp_count_drop(a->dp, SKEP_DROP_OVERLOAD);
			continue;
		}
		forward_inject(a, in_key, frame, &verdict);
		dp_rewrite_put(a->dp, verdict.rewrite);
	}
}

/* Sends without installing anything; 'in': the frame's headers. */
static void send_plan(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		      const struct pkt_fields *in, const struct install_plan *plan)
{
	struct made m;

	if (plan->n < SET_FROM || !make(a, in, plan, SKEP_DROP_NONE, &m)) {
		inject_copies(a, in_key, frame, plan);
		return;
	}
	forward_inject(a, in_key, frame, &m.flow);
	unmake(a, &m);
}

/* RFC 1812 4.3.2.8, RFC 4443 2.4f: errors are limited, by who causes them. */
static bool may_answer(struct agent *a, uint32_t in_key)
{
	struct lport *p = ports_find(a, in_key);
	uint64_t now = clock_mono_ns(), *tat = p ? &p->errors_tat_ns : NULL;

	if (!tat)
		return true;
	if (*tat > now + ERROR_BURST * ERROR_NS)
		return false;
	*tat = (*tat > now ? *tat : now) + ERROR_NS;
	return true;
}

/* Frames that the network itself sends. */
void forward_frames(struct agent *a, uint32_t in_key, const struct sim_result *res)
{
	for (uint32_t i = 0; i < res->n_frames; i++) {
		const struct sim_frame *sf = &res->frames[i];
		struct dp_frame frame = { .data = a->txbuf + DP_HEADROOM, .len = sf->len };
		struct install_plan plan;
		struct pkt pkt;

		if (sf->len > PKT_MAX)
			continue;
		if (sf->error && !may_answer(a, in_key)) {
			dp_count_drop(a->dp, SKEP_DROP_ICMP_RATE);
			continue;
		}
		memcpy(frame.data, sf->data, sf->len);
		if (pkt_parse(frame.data, frame.len, &pkt) ||
		    install_plan(&a->env, &pkt.f, sf->outputs, sf->n_outputs, &a->arena, &plan)) {
			dp_count_drop(a->dp, SKEP_DROP_OVERLOAD);
			continue;
		}
		send_plan(a, in_key, &frame, &pkt.f, &plan);
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

/* The bytes of the packet were changed beyond its headers. */
static void send_changed(struct work *w, const struct sim_result *res)
{
	struct agent *a = w->a;
	struct dp_frame frame = { .data = a->txbuf + DP_HEADROOM, .len = res->len };
	struct install_plan plan;
	struct pkt pkt;

	if (res->len > PKT_MAX)
		return;
	memcpy(frame.data, res->data, res->len);
	if (pkt_parse(frame.data, frame.len, &pkt) ||
	    install_plan(&a->env, &pkt.f, res->outputs, res->n_outputs, &a->arena, &plan)) {
		drop(w, SKEP_DROP_OVERLOAD, NULL);
		return;
	}
	if (!plan.n)
		drop(w, plan.unsupported ? SKEP_DROP_REWRITE : SKEP_DROP_NOT_LIVE, res);
	send_plan(a, w->in_key, &frame, &pkt.f, &plan);
}

struct pieces {
	struct work *w;
	const struct install_plan *plan;
};

/* A fragment has the headers of its packet, so the same rewrite does. */
static void send_piece(void *arg, const uint8_t *data, uint32_t len)
{
	struct pieces *p = arg;
	struct agent *a = p->w->a;
	struct dp_frame frame = { .data = a->txbuf + DP_HEADROOM, .len = len };

	if (len > PKT_MAX)
		return;
	memcpy(frame.data, data, len);
	inject_copies(a, p->w->in_key, &frame, p->plan);
}

/* Finishes a checksum that the machine left to its card: fragments have none of their own. */
static bool finish_csum(struct dp_frame *frame)
{
	struct virtio_net_hdr vnet;
	uint32_t start, at;
	uint16_t sum;

	memcpy(&vnet, frame->vnet, sizeof(vnet));
	if (vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return false; /* segments first, which only the kernel can make */
	if (!(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	start = vnet.csum_start;
	at = start + vnet.csum_offset;
	if (start > frame->len || at + 2 > frame->len)
		return false;
	sum = pkt_csum(frame->data + start, frame->len - start, 0);
	if (!sum && vnet.csum_offset == 6) /* UDP: zero means "none" */
		sum = 0xffff;
	memcpy(frame->data + at, &sum, 2);
	memset(frame->vnet, 0, sizeof(frame->vnet));
	return true;
}

static void send_fragments(struct work *w, const struct sim_result *res,
			   const struct install_plan *plan)
{
	struct pieces pieces = { w, plan };

	if (!finish_csum(w->frame) ||
	    pkt_fragment(&w->pkt, res->fragment, &w->a->arena, send_piece, &pieces))
		drop(w, SKEP_DROP_TOO_BIG, res);
}

/* Does the result hold for all packets of the flow key?  A fragment's has no ports: if they decided, each fragment comes up, the first for the
 * others' sake. */
static bool is_cacheable(const struct pkt_fields *f, const struct sim_result *res)
{
	bool ports = res->mask.fields & (SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST);

	return res->cacheable && !res->data && !res->fragment &&
	       (f->ip_frag == SKEP_FRAG_NONE || !ports);
}

/* Nothing of the packet arrives anywhere. */
static void undelivered(struct work *w, const struct sim_result *res,
			const struct install_plan *plan, unsigned int how)
{
	enum skep_drop reason = plan->unsupported ? SKEP_DROP_REWRITE : SKEP_DROP_NOT_LIVE;
	struct made m = {
		.flow = { .action = SKEP_ACT_DROP, .ttl_dec = res->ttl_dec, .out = reason }
	};

	if (how & FORWARD_SEND)
		drop(w, reason, res);
	if (is_cacheable(&w->pkt.f, res) && (how & INSTALL_ANY))
		install(w, &m, res, plan, how);
}

void forward_result(struct work *w, const struct sim_result *res, unsigned int how)
{
	bool cacheable = is_cacheable(&w->pkt.f, res) && (how & INSTALL_ANY);
	struct agent *a = w->a;
	struct install_plan plan;
	struct made m;

	if (res->data) {
		if (how & FORWARD_SEND)
			send_changed(w, res);
		return;
	}
	if (install_plan(&a->env, &w->pkt.f, res->outputs, res->n_outputs, &a->arena, &plan)) {
		drop(w, SKEP_DROP_OVERLOAD, NULL);
		return;
	}
	plan.least_ttl = res->ttl_dec;
	if (!plan.n) {
		undelivered(w, res, &plan, how);
		return;
	}
	if (plan.unsupported)
		dp_count_drop(a->dp, SKEP_DROP_REWRITE); /* of a copy */
	if (res->fragment) {
		if (how & FORWARD_SEND)
			send_fragments(w, res, &plan);
		return;
	}
	/* no room for a set or a rewrite: each packet comes up again */
	if ((!cacheable && !(how & FORWARD_MARK)) || plan.unsupported || !make(a, &w->pkt.f, &plan, SKEP_DROP_NONE, &m)) {
		if (how & FORWARD_SEND)
			send_plan(a, w->in_key, w->frame, &w->pkt.f, &plan);
		return;
	}
	if (how & FORWARD_SEND) {
		struct skep_flow verdict = m.flow;

		if (how & FORWARD_MARK)
			verdict.flags |= SKEP_F_MARK;
		forward_inject(a, w->in_key, w->frame, &verdict);
	}
	if (cacheable)
		install(w, &m, res, &plan, how);
	else
		unmake(a, &m);
}

/* May it be believed that packets like this one are dropped?  No tag says when a missing neighbour is there after all; and how long a
 * packet may be is no part of a flow that drops. */
static bool is_lasting(const struct pkt_fields *f, const struct sim_result *res)
{
	return is_cacheable(f, res) && res->reason != SKEP_DROP_NO_NEIGHBOUR &&
	       res->reason != SKEP_DROP_TOO_BIG;
}

/* What becomes of a dropped packet; false: no flow can say it. */
static bool make_refusal(struct agent *a, const struct pkt_fields *in, const struct sim_result *res,
			 struct install_plan *plan, struct made *m)
{
	*m = (struct made){ .flow = { .action = SKEP_ACT_DROP, .out = res->reason } };
	*plan = (struct install_plan){ .uniform = true };
	if (res->n_outputs &&
	    install_plan(&a->env, in, res->outputs, res->n_outputs, &a->arena, plan)) {
		plan->n = 0;
		return false;
	}
	plan->least_ttl = m->flow.ttl_dec = res->ttl_dec;
	if (plan->n && (plan->unsupported || !make(a, in, plan, res->reason, m)))
		return false;
	return true;
}

void forward_refuse(struct work *w, const struct sim_result *res)
{
	struct agent *a = w->a;
	struct install_plan plan;
	struct made m;
	bool made;

	drop(w, res->reason, res);
	made = make_refusal(a, &w->pkt.f, res, &plan, &m);
	if (plan.n)
		send_plan(a, w->in_key, w->frame, &w->pkt.f, &plan);
	if (!made)
		return;
	if (is_lasting(&w->pkt.f, res))
		install(w, &m, res, &plan, FORWARD_SEND | FORWARD_INSTALL);
	else
		unmake(a, &m);
}

void forward_consume(struct work *w, const struct sim_result *res)
{
	struct agent *a = w->a;
	struct install_plan plan;

	dp_count_drop(a->dp, SKEP_DROP_CONSUMED);
	if (res->n_outputs &&
	    !install_plan(&a->env, &w->pkt.f, res->outputs, res->n_outputs, &a->arena, &plan))
		send_plan(a, w->in_key, w->frame, &w->pkt.f, &plan);
}

/* --- would it be the same today? --- */

bool forward_make(struct agent *a, const struct pkt *pkt, const struct sim_result *res,
		  struct install_plan *plan, struct made *m)
{
	const struct pkt_fields *in = &pkt->f;

	*plan = (struct install_plan){ .uniform = true };
	if (!is_cacheable(in, res))
		return false;
	if (res->verdict == SIM_DROP) {
		if (!is_lasting(in, res) || !make_refusal(a, in, res, plan, m))
			return false;
	} else if (res->verdict != SIM_FORWARD ||
		   install_plan(&a->env, in, res->outputs, res->n_outputs, &a->arena, plan) ||
		   plan->unsupported) {
		return false;
	} else if (plan->least_ttl = res->ttl_dec, !plan->n) {
		*m = (struct made){ .flow = { .action = SKEP_ACT_DROP,
					      .ttl_dec = res->ttl_dec,
					      .out = SKEP_DROP_NOT_LIVE } };
	} else if (!make(a, in, plan, SKEP_DROP_NONE, m)) {
		return false;
	}
	install_conditions(&m->flow, plan, in, res);
	return true;
}

void forward_unmake(struct agent *a, const struct made *m)
{
	unmake(a, m);
}

bool forward_same(struct agent *a, const struct pkt *pkt, const struct sim_result *res,
		  const struct skep_flow *now)
{
	struct skep_flow flow = *now;
	struct install_plan plan;
	struct made m;
	bool same;

	if (!forward_make(a, pkt, res, &plan, &m))
		return false;
	/* While a connection ends, the simulation reads TCP flags, to see a new one begin.  The flow, made before, sees that without
	 * (SKEP_F_CONN). */
	if (m.flow.flags & now->flags & SKEP_F_CONN) {
		flow.flags = (uint16_t)((now->flags & ~SKEP_F_TCP) | (m.flow.flags & SKEP_F_TCP));
		flow.tcp_mask = m.flow.tcp_mask;
		flow.tcp_value = m.flow.tcp_value;
	}
	same = install_same(&m.flow, &flow);
	unmake(a, &m);
	return same;
}
