/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's network as the state DB has it: topology, and what the agents have learnt.  For questions that no agent of this host can answer.
 */
#pragma once

#include "cli/cli.h"
#include "simulator/simulator.h"
#include "topology/topology.h"

struct world {
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
};

int world_read(struct cli *cli, struct world *world, struct err *err);
void world_fini(struct world *world);
