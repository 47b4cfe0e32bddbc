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
	bool again; /* it was here before, and waited */
	bool field; /* SKEP_UP_FIELD */
	bool waits; /* parked, or held */
	struct pkt pkt;
	struct dp_flow_key key;
};

/* A verdict, with a reference to its rewrite, and to its set if it has one. */
struct made {
	struct skep_flow flow;
	struct set *set;
};

enum forward_how {
	FORWARD_SEND = 1 << 0,	  /* the packet in hand */
	FORWARD_INSTALL = 1 << 1, /* a flow, if the result allows one */
	FORWARD_CLASS = 1 << 2,	  /* the same, but only for the whole class: the next packet of this connection is another case */
	FORWARD_MARK = 1 << 3,	  /* the packet in hand is marked: SKEP_F_MARK */
};
/* Sends the packet on as the result says, and installs the flow. */
void forward_result(struct work *w, const struct sim_result *res, unsigned int how);
/* Drops it, with copies for mirrors, and installs that. */
void forward_refuse(struct work *w, const struct sim_result *res);
/* Sends what is left of a packet that the network consumed: copies for mirrors. */
void forward_consume(struct work *w, const struct sim_result *res);
/* Sends the frames that the network itself makes. */
void forward_frames(struct agent *a, uint32_t in_key, const struct sim_result *res);
void forward_inject(struct agent *a, uint32_t in_key, const struct dp_frame *frame,
		    const struct skep_flow *verdict);
/* Puts the flow into the index; writing it to the kernel is the caller's.  'set' and the reference
 * to the verdict's rewrite are taken, on failure too.  NULL: no room. */
struct index_flow *forward_index(struct work *w, const struct dp_flow_key *key, const struct skep_flow *verdict,
				 const struct sim_result *res, const struct install_plan *plan,
				 struct set *set);
/* What the flow depends on: what the simulation consulted, and where the senders that it learnt are.  A wildcard flow's packets ('sample': the one
 * that was simulated) each have a connection of their own, and addresses of which as much is the same as the mask has.  Arena; NULL: no memory. */
const struct topo_tag *forward_tags(struct agent *a, const struct dp_flow_key *key, const struct dp_flow_key *sample,
				    const struct sim_result *res, uint32_t *n);
/* The flow that would be installed for this result of 'pkt'; false: none.  To be handed to forward_index(), or given back. */
bool forward_make(struct agent *a, const struct pkt *pkt, const struct sim_result *res,
		  struct install_plan *plan, struct made *m);
void forward_unmake(struct agent *a, const struct made *m);
