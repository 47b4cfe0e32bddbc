/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's network as the state DB has it: topology, and what the agents have learnt.  For questions that no agent of this host can answer.
 */
#pragma once

#include "cli/cli.h"
#include "simulator/probe.h"
#include "topology/topology.h"

struct world {
	json_t *state; /* what the state DB has of the tenant */
	struct topo_snapshot *snap;
	struct sim_records_view view;
};

int world_read(struct cli *cli, struct world *world, struct err *err);
void world_fini(struct world *world);
