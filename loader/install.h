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
	void *arg;
};

/* One copy of the packet: a verdict of its own (LOCAL or ENCAP, with the rewrite). */
struct install_copy {
	struct skep_flow verdict;
	const struct sim_output *output; /* one of those it serves */
};

struct install_plan {
	struct install_copy *copies;
	uint32_t n;
	uint32_t dead;	    /* outputs that cannot be reached now */
	bool uniform;	    /* all copies carry the same headers: one flow can say it */
	bool unsupported;   /* a copy needs a rewrite that the datapath does not have (it is not in
			       copies) */
	const char **hosts; /* whose whereabouts the plan depends on */
	uint32_t n_hosts;
};

/* Plans the copies of a frame with headers 'in'.  All memory from 'arena'.  0 or -ENOMEM. */
int install_plan(const struct install_env *env, const struct pkt_fields *in,
		 const struct sim_output *outputs, uint32_t n, struct arena *arena,
		 struct install_plan *plan);
/* The copies' outputs as members of a set. */
struct skep_out *install_outs(const struct install_plan *plan, struct arena *arena);
/* The rewrite of 'copy', to be combined with ACT_SET. */
void install_set_verdict(const struct install_copy *copy, uint32_t set, struct skep_flow *verdict);
/* Do two verdicts do the same to a packet?  Counters and cookies do not count. */
bool install_same(const struct skep_flow *a, const struct skep_flow *b);
