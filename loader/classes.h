/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a simulation's mask to a wildcard flow (maps/flow.h), and from a wildcard flow back to a packet that it holds for, to be simulated
 * again.  Private to what installs flows: forward.c, recheck.c, upcall.c.
 */
#pragma once

#include "loader/class_key.h"
#include "loader/forward.h"
#include "loader/vips.h"

struct class {
	struct dp_flow_key key; /* masked, with the number of the mask */
	struct skep_wild wild;
};

/* The class of packets that the result of 'w' is for.  'flow': what would be installed for its exact key.  False: there is none, or the port has
 * no room for another mask. */
bool class_make(struct work *w, const struct sim_result *res, const struct install_plan *plan, const struct skep_flow *flow,
		struct class *c);
/* What the kernel needs besides it: true = is there, in '*vp' (to be given back; NULL = nothing). */
bool class_hold(struct work *w, const struct sim_result *res, struct vip_port **vp);
bool class_same(const struct class *c, const struct index_flow *f);
/* Fills in what else decided: the port at the other end, and the packet it was made of; and what it holds: 'vp' is taken. */
void class_note(struct index_flow *f, const struct work *w, const struct sim_result *res, const struct class *c, struct vip_port *vp);

/* The wildcard flow that holds for the packet of 'w', whose connection is in state 'ct' and is translated by 'nat' (maps/nat.h); NULL: none. */
struct index_flow *class_find(struct work *w, enum skep_ct ct, uint16_t nat);

/* Simulates as if the packet's connection were in the state that the key of a wildcard flow says, with its other end at 'other_port'.  'flags': of sim_run(). */
int class_simulate(struct tenant *t, const struct topo_port *in, const struct pkt *pkt, const struct dp_flow_key *key, const char *other_port,
		   unsigned int flags, struct sim_result *res);
