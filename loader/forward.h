/* SPDX-License-Identifier: Apache-2.0 */
/* What upcall.c hands to forward.c: a packet and what its simulation said.  Private to the two. */
#pragma once

#include "loader/agent.h"
#include "packet/packet.h"

/* One packet on its way through upcall.c and forward.c. */
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

/* Sends the packet on as the result says, and installs the flow if it may be. */
void forward_result(struct work *w, const struct sim_result *res);
/* Drops it, with the answers that the network gives, and installs that. */
void forward_refuse(struct work *w, const struct sim_result *res);
/* Sends the frames that the network itself makes. */
void forward_frames(struct agent *a, uint32_t in_key, const struct sim_result *res);
void forward_inject(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		    const struct skep_flow *verdict);
/* Puts the flow into the index; writing it to the kernel is the caller's.  'set' is taken, on
 * failure too.  NULL: no room. */
struct index_flow *forward_index(struct work *w, const struct skep_flow *verdict,
				 const struct sim_result *res, const struct install_plan *plan,
				 struct set *set);
