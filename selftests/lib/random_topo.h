/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random virtual networks with some of everything, changes to them, and packets that mean something in them.  All of it follows from one number.
 * Used by the tests of masks and tags, by the comparison with BPF, and by the fuzzer of the simulator.
 *
 * The names are always the same: bridges b0 and b1, VLAN-aware bridge v, routers r0 (behind the bridges) and r1 (edge, behind r0);
 * what they have is random.
 */
#pragma once

#include <stdint.h>

#include "simulator/conns.h"

#define RANDOM_LINE 512

struct random_topo {
	uint64_t random;
	json_t *records; /* always valid */
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_conns *conns;
	uint64_t now_ns;
	unsigned int n_uuids;
	unsigned int refused; /* changes that were none: the document was refused */
	char text[1024];      /* of the last change */
};

/* Aborts with a message when the network cannot be built: then the generator is wrong. */
void random_topo_init(struct random_topo *t, uint64_t seed);
void random_topo_fini(struct random_topo *t);
void random_topo_view(struct random_topo *t, struct sim_state_view *view);

/* One change of configuration, whereabouts or health: t->text says which.  The snapshot from before is the caller's to unref. */
struct topo_snapshot *random_topo_change(struct random_topo *t);

/* One change of a table (MACs, neighbours), with its tag (name: static). */
void random_topo_learn(struct random_topo *t, struct topo_tag *tag);

/* A packet as a line of the packet language, and where it enters. */
const struct topo_port *random_topo_packet(struct random_topo *t, char line[static RANDOM_LINE]);

/* What the result means for tables and connections, as skepd does it. */
void random_topo_effects(struct random_topo *t, const struct sim_result *res, const struct pkt *pkt);
