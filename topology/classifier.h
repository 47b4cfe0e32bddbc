/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rules of a long chain are worth testing for a packet: a decision tree over ethertype, protocol, addresses and ports.  Cost grows with the
 * log of the number of rules, unless most of them overlap.  Whatever it reads of the packet goes through the caller, who marks it in the mask.
 */
#pragma once

#include "topology/topology.h"
#include "util/arena.h"

#define TOPO_CLASSIFIER_FROM 16 /* rules; shorter chains have none */

enum topo_dim {
	TOPO_DIM_ETH_TYPE, /* host order */
	TOPO_DIM_PROTO,	   /* IP only, as those below */
	TOPO_DIM_SRC,	   /* word 0..3 of the address, host order; IPv4: word 3 */
	TOPO_DIM_DST,
	TOPO_DIM_L4_SRC, /* host order; TCP, UDP, SCTP only */
	TOPO_DIM_L4_DST,
	TOPO_DIM_ICMP,	/* type << 8 | code; ICMP and ICMPv6 only */
};

/* NULL: no memory, or not worth it (every rule would be tested anyway). */
struct topo_classifier *topo_classifier_build(const struct topo_rule *rules, uint32_t n, struct arena *arena);
/*
 * Positions of rules that may match, ascending: '*n' of them.  Never leaves out one that matches (inverted rules, and conditions that are no dimension,
 * are always worth testing).  'read' gives the value of a dimension of the packet; of addresses, of 'word', of which the first 'bits' bits
 * matter.  Asked only for what the packet has (by ethertype, then protocol); later fragments: 'has_l4' false = do not ask for ports.
 */
const uint32_t *topo_classify(const struct topo_classifier *c,
			      uint32_t (*read)(void *arg, enum topo_dim dim, unsigned int word,
					       unsigned int bits),
			      bool (*has_l4)(void *arg), void *arg, uint32_t *n);
