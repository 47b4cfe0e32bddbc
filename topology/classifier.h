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
	TOPO_DIM_ETH_TYPE,
	TOPO_DIM_PROTO, /* IP only, as those below */
	TOPO_DIM_SRC,
	TOPO_DIM_DST,
	TOPO_DIM_L4_SRC, /* TCP, UDP, SCTP only */
	TOPO_DIM_L4_DST,
	TOPO_DIM_ICMP,	/* type << 8 | code; ICMP and ICMPv6 only */
};

/* How the tree asks about a packet; only for what it has (by ethertype, then protocol).  Numbers are in host order. */
struct topo_reader {
	uint32_t (*value)(void *arg, enum topo_dim dim); /* ETH_TYPE, PROTO */
	/* Is it less than a limit that is not 0?  Ports, ICMP, IPv4 addresses; IPv6 addresses. */
	bool (*below)(void *arg, enum topo_dim dim, uint32_t limit);
	bool (*below6)(void *arg, enum topo_dim dim, const struct skep_ip *limit);
	bool (*has_l4)(void *arg); /* later fragments: false = do not ask for ports */
};

/* NULL: no memory, or not worth it (every rule would be tested anyway). */
struct topo_classifier *topo_classifier_build(const struct topo_rule *rules, uint32_t n, struct arena *arena);
/*
 * Positions of rules that may match, ascending: '*n' of them.  Never leaves out one that matches (inverted rules, and conditions that are no dimension,
 * are always worth testing).  NULL: all, 0..n-1.
 */
const uint32_t *topo_classify(const struct topo_classifier *c, const struct topo_reader *reader,
			      void *arg, uint32_t *n);
