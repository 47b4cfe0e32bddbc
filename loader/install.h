/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a simulation's outputs to what the datapath executes: where each copy goes and how it is
 * rewritten.  Called by upcall.c for packets and for frames that the network itself sends.  Touches
 * neither the kernel nor the index: those are reached through 'env'.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/dp.h"
#include "simulator/simulator.h"
#include "util/arena.h"

struct install_env {
	const char *host; /* our own name */
	/* a local port's interface; false = not attached */
	bool (*local)(void *arg, uint32_t key, uint32_t *ifindex, bool *peer);
	/* index of another host in skep_peers; 0 = unknown */
	uint32_t (*peer)(void *arg, const char *host);
	/* index in skep_policers of what the local port may be sent; 0 = no limit.  May be NULL */
	uint32_t (*police)(void *arg, uint32_t key);
	void *arg;
};

/* One copy of the packet: a verdict of its own (LOCAL or ENCAP), relative to the packet as it came. */
struct install_copy {
	struct skep_flow verdict;	 /* with MACs and TTL; its 'rewrite' is 0 */
	struct skep_rewrite rewrite;	 /* all else; zero = nothing */
	const struct sim_output *output; /* one of those it serves */
};

struct install_plan {
	struct install_copy *copies;
	uint32_t n;
	uint32_t dead;	    /* outputs that cannot be reached now */
	bool uniform;	    /* all copies carry the same headers */
	bool unsupported;   /* a copy needs a rewrite that the datapath does not have (it is not in
			       copies) */
	bool one_dscp;	    /* copies differ in DSCP: what is made of them holds for the packet's own only */
	uint8_t least_ttl;  /* a packet with no larger TTL is another case, whatever the copies say;
			       the caller's to set */
	const char **hosts; /* whose whereabouts the plan depends on */
	uint32_t n_hosts;
};

/* Plans the copies of a frame with headers 'in'.  All memory from 'arena'.  0 or -ENOMEM. */
int install_plan(const struct install_env *env, const struct pkt_fields *in,
		 const struct sim_output *outputs, uint32_t n, struct arena *arena,
		 struct install_plan *plan);
/* The plan as one flow and a set: 'flow' and 'rewrite' first, then copies in the order of outs[], each with rewrites[i] (maps/flow.h says
 * relative to what).  Indices (flow.out, flow.rewrite, outs[].rewrite) are the caller's to fill in. */
struct install_set {
	struct skep_flow flow; /* ACT_SET */
	struct skep_rewrite rewrite;
	struct skep_out *outs;
	struct skep_rewrite *rewrites;
	const struct install_copy **copies; /* NULL: the drop */
	uint32_t n;
};
/* 'lost': a drop that is to be counted with each packet; SKEP_DROP_NONE = none.  0 or -ENOMEM. */
int install_set(const struct install_plan *plan, const struct pkt_fields *in, enum skep_drop lost,
		struct arena *arena, struct install_set *set);
/* For which packets of its key a flow of this result holds: MTU, DSCP, TCP flags. */
void install_conditions(struct skep_flow *flow, const struct install_plan *plan,
			const struct pkt_fields *in, const struct sim_result *res);
/* Does the flow hold for this packet, which has its key? */
bool install_holds(const struct skep_flow *flow, const struct pkt *pkt);
bool install_rewrites(const struct skep_rewrite *rw); /* is there anything in it? */
/* Do two verdicts do the same to the same packets?  Counters and cookies do not count. */
bool install_same(const struct skep_flow *a, const struct skep_flow *b);
