/* SPDX-License-Identifier: Apache-2.0 */
/* What a network does with a packet, in a form in which OVN's answer and skep's can be compared.  ovn_compare.c asks both, ovn_trace.c speaks OVN. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "packet/packet.h"

#define OVN_FRAMES_MAX 64
#define OVN_LINE	512

/* A frame that leaves.  'own': made by the network; its TTL is its own business. */
struct ovn_frame {
	char port[64];
	struct pkt_fields f;
	bool own;
};

struct ovn_outcome {
	struct ovn_frame frames[OVN_FRAMES_MAX];
	unsigned int n;
	char trouble[OVN_LINE]; /* not empty: ovn-trace failed, or said something that nobody here understands */
};

/* One question: options of ovn-trace, and the member that the load balancer is to choose ("ADDRESS:PORT", or empty). */
struct ovn_ask {
	const char *db, *datapath, *port;
	char ct[OVN_LINE], lb[96];
	const struct pkt_fields *f;
};

void ovn_add(struct ovn_outcome *o, const char *port, const struct pkt_fields *f, bool own);
void ovn_trace(const struct ovn_ask *ask, struct ovn_outcome *o);
