// SPDX-License-Identifier: Apache-2.0
/*
 * What follows from a simulation's result: copies of the packet go out at once, a flow goes into
 * the index and is queued for the kernel. Called by upcall.c.
 */
#include "loader/forward.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define SET_FROM      4	 /* copies: fewer are injected one by one, when no flow is installed */
#define NAMED_OUTPUTS 32 /* of a flow, kept for reports */

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

/* What the flow depends on: what the simulation consulted, and where the senders that it learnt
 * are. */
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
		tags[(*n)++] = (struct topo_tag){ .kind = TOPO_TAG_MAC,
						  .name = res->learns[i].bridge->o.name,
						  .mac = res->learns[i].mac };
	return tags;
}

/* Into the index; the caller writes it to the kernel.  'set' is taken, on failure too. */
struct index_flow *forward_index(struct work *w, const struct skep_flow *verdict,
				 const struct sim_result *res, const struct install_plan *plan,
				 struct set *set)
{
	struct agent *a = w->a;
	struct index_flow *f;
	uint32_t n_tags;
	const struct topo_tag *tags = all_tags(a, res, &n_tags);
	char culprit[192] = "";

	f = tags || !n_tags ? index_add(a->index, &w->key, verdict, w->t, tags, n_tags, plan->hosts,
					plan->n_hosts)
			    : NULL;
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

static void install(struct work *w, struct skep_flow *verdict, const struct sim_result *res,
		    const struct install_plan *plan, struct set *set)
{
	struct agent *a = w->a;
	struct index_flow *f = forward_index(w, verdict, res, plan, set);
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

void forward_inject(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		    const struct skep_flow *verdict)
{
	if (!dp_inject(a->dp, in_key, frame, verdict))
		a->stats.injected++;
}

/* dp_inject() overwrites nothing but the headroom, so that each copy starts from the same bytes. */
static void inject_copies(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
			  const struct install_plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++)
		forward_inject(a, in_key, frame, &plan->copies[i].verdict);
}

/* A set for the plan's copies, with one reference, and the verdict that executes it. */
static struct set *make_set(struct agent *a, const struct install_plan *plan,
			    struct skep_flow *verdict)
{
	struct skep_out *outs = install_outs(plan, &a->arena);
	struct set *set = outs ? sets_get(&a->sets, outs, plan->n) : NULL;

	if (set)
		install_set_verdict(&plan->copies[0], set->index, verdict);
	return set;
}

/* Sends without installing anything. */
static void send_plan(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		      const struct install_plan *plan)
{
	struct skep_flow verdict;
	struct set *set = plan->uniform && plan->n >= SET_FROM ? make_set(a, plan, &verdict) : NULL;

	if (set)
		forward_inject(a, in_key, frame, &verdict);
	else
		inject_copies(a, in_key, frame, plan);
	sets_put(set, clock_mono_ns());
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
		memcpy(frame.data, sf->data, sf->len);
		if (pkt_parse(frame.data, frame.len, &pkt) ||
		    install_plan(&a->env, &pkt.f, sf->outputs, sf->n_outputs, &a->arena, &plan)) {
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

void forward_result(struct work *w, const struct sim_result *res)
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
		verdict.ttl_dec = res->ttl_dec;
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
	forward_inject(a, w->in_key, w->frame, &verdict);
	install(w, &verdict, res, &plan, set);
}

void forward_refuse(struct work *w, const struct sim_result *res)
{
	struct skep_flow verdict = { .action = SKEP_ACT_DROP,
				     .ttl_dec = res->ttl_dec,
				     .out = res->reason };
	struct install_plan none = { .uniform = true };

	forward_frames(w->a, w->in_key, res);
	drop(w, res->reason, res);
	/* "no answer" is believed for a while only, and no tag says when that is over */
	if (res->cacheable && res->reason != SKEP_DROP_NO_NEIGHBOUR)
		install(w, &verdict, res, &none, NULL);
}
