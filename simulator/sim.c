// SPDX-License-Identifier: Apache-2.0
/*
 * One run: walk the packet, walk the frames that the network made on the way, put the result together.  Called by skepd's upcall
 * workers, the trace tool and tests.
 */
#include "simulator/run.h"

#include <errno.h>

#define ARENA_MAX \
	(8u << 20) /* bytes of one run: 1024 outputs, tags of as many ports, and a trace */

void sim_init(struct sim *sim)
{
	arena_init(&sim->arena, ARENA_MAX);
}

void sim_fini(struct sim *sim)
{
	arena_fini(&sim->arena);
}

bool sim_always_up(const struct pkt_fields *f)
{
	uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	if (f->eth_type == htons(ETH_P_ARP))
		return true;
	return f->eth_type == htons(ETH_P_IPV6) && f->ip_proto == IPPROTO_ICMPV6 && f->has_l4 &&
	       type >= SIM_ND_RS && type <= SIM_ND_NA;
}

static void walk_packet(struct run *run)
{
	struct walk w = {
		.run = run,
		.pkt = run->pkt,
		.outputs = &run->outputs,
		.f = run->pkt->f,
	};

	sim_port_in(&w, run->in);
}

/* The frame's own way out. */
static void walk_emit(struct run *run, struct emit *e)
{
	struct walk w = {
		.run = run,
		.pkt = &e->pkt,
		.outputs = &e->outputs,
		.exempt = e->port,
		.f = e->f,
		.generation = e->generation,
		.quiet = true,
		.depth = 1,
	};

	STEP(&w, -1, e->solicits ? "ask" : "answer", e->device->name, "%s", e->what);
	w.out_port = e->port;
	if (e->port->router || e->port->bridge)
		sim_enter_device(&w, e->port->router ? &e->port->router->o : &e->port->bridge->o);
	if (e->bare)
		sim_port_bare(&w, e->port);
	else if (sim_hook(&w, e->chain))
		sim_port_out(&w, e->port);
}

/* Did a frame of this run bring the answer that the run lacks? */
static bool need_met(const struct run *run)
{
	if (run->need.kind != SIM_NEED_NEIGH)
		return false;
	for (uint32_t i = 0; i < run->n_neighs; i++)
		if (run->neighs[i].port == run->need.port &&
		    ip_eq(&run->neighs[i].ip, &run->need.ip))
			return true;
	return false;
}

/* The network's frames that got anywhere.  While the packet waits, questions only: the rest is made again when it runs again. */
static void collect_frames(const struct run *run, struct sim_result *res)
{
	struct sim_frame *v;

	if (!run->n_emits)
		return;
	v = arena_alloc(run->arena, run->n_emits * sizeof(*v));
	if (!v)
		return;
	res->frames = v;
	for (const struct emit *e = run->queue; e; e = e->next) {
		if (!e->outputs.n || (run->need.kind != SIM_NEED_NONE && !e->solicits))
			continue;
		v[res->n_frames++] = (struct sim_frame){
			.data = e->pkt.data,
			.len = e->pkt.len,
			.outputs = e->outputs.v,
			.n_outputs = e->outputs.n,
			.error = e->error,
		};
	}
}

static void finish(struct run *run, struct sim_result *res)
{
	*res = (struct sim_result){
		.cacheable = run->cacheable && !sim_always_up(&run->pkt->f),
		.truncated = run->truncated,
		.learns = run->learns,
		.n_learns = run->n_learns,
		.neighs = run->neighs,
		.n_neighs = run->n_neighs,
		.rules = run->rules,
		.n_rules = run->n_rules_hit,
		.logs = run->logs,
		.n_logs = run->n_logs,
		.mtu = run->mtu,
		.fragment = run->fragment,
		.tags = run->tags,
		.n_tags = run->n_tags,
		.steps = run->steps,
		.n_steps = run->n_steps,
	};
	sim_conn_masks(run, res);
	res->mask = sim_mask_settle(&res->mask);
	res->class_mask = sim_mask_settle(&res->class_mask);
	if (run->need.kind != SIM_NEED_NONE) {
		res->verdict = SIM_NEED;
		res->need = run->need;
		res->cacheable = false;
		collect_frames(run, res);
		return;
	}
	if (run->looped) /* one path that loops spoils the whole: the copies are part of the same storm */
		sim_keep_copies(run);
	res->outputs = run->outputs.v;
	res->n_outputs = run->outputs.n;
	if (run->outputs.n > run->n_copies) {
		res->verdict = SIM_FORWARD;
		res->ttl_dec = run->ttl_dec;
	} else if (run->looped || !run->consumed) {
		res->verdict = SIM_DROP;
		res->reason = run->drop_rank ? run->reason : SKEP_DROP_NO_OUTPUT;
		res->culprit = run->culprit;
		res->ttl_dec = run->ttl_max;
		res->hint = run->hint;
	} else {
		res->verdict = SIM_CONSUMED;
		res->reason = SKEP_DROP_CONSUMED;
	}
	sim_conn_finish(run, res);
	collect_frames(run, res);
}

/* The decision depends on what the walk before has read too. */
static void inherit(struct run *run, const struct run *before)
{
	run->elsewhere = true;
	run->cacheable = before->cacheable;
	run->mask = before->mask;
	run->tuple_read = before->tuple_read;
	run->mtu = before->mtu;
	run->ttl_max = before->ttl_max;
	run->tags = before->tags;
	run->n_tags = before->n_tags;
	run->max_tags = before->max_tags;
	run->tag_index = before->tag_index;
	run->tag_slots = before->tag_slots;
	memcpy(run->tag_bloom, before->tag_bloom, sizeof(run->tag_bloom));
}

int sim_run(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const struct topo_port *in, const struct pkt *pkt, uint64_t now_ns, uint64_t seed,
	    unsigned int flags, struct sim_result *res, struct err *err)
{
	struct sim_neigh_learn *neighs = NULL;
	uint32_t n_neighs = 0;
	struct run *run = NULL, *before = NULL; /* 'before': it went elsewhere than its connection's record says */

	(void)now_ns; /* what depends on time is the view's business */
	if (in->peer)
		return err_set(err, -EINVAL,
			       "port '%s' is linked to port '%s' (want one without a peer)",
			       in->o.name, in->peer->o.name);
	arena_reset(&sim->arena);
	for (unsigned int i = 0; i < SIM_RESTARTS_MAX + !!before; i++) {
		run = arena_alloc(&sim->arena, sizeof(*run));
		if (!run)
			break;
		run->arena = &sim->arena;
		run->snap = snap;
		run->view = view;
		run->in = in;
		run->pkt = pkt;
		run->seed = seed;
		run->tracing = flags & SIM_TRACE;
		run->hinting = flags & (SIM_TRACE | SIM_HINT);
		run->recheck = flags & SIM_RECHECK;
		run->cacheable = true;
		run->queue_tail = &run->queue;
		run->neighs = neighs;
		run->n_neighs = run->max_neighs = n_neighs;
		if (before)
			inherit(run, before);
		walk_packet(run);
		for (struct emit *e = run->queue; e; e = e->next)
			walk_emit(run, e);
		if (sim_conn_elsewhere(run))
			before = run;
		else if (!need_met(run))
			break;
		neighs = run->neighs;
		n_neighs = run->n_neighs;
	}
	if (arena_failed(&sim->arena))
		return err_set(err, -ENOMEM, "the simulation needs more than %u bytes", ARENA_MAX);
	finish(run, res);
	return 0;
}
