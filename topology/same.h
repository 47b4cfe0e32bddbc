/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: comparing objects of two snapshots; for diff.c. */
#pragma once

#include "topology/topology.h"

bool topo_same_chain(const struct topo_chain *a, const struct topo_chain *b);
bool topo_same_bridge(const struct topo_bridge *a,
		      const struct topo_bridge *b); /* without its ports */
/* Its own configuration, and the names, MACs and addresses of its ports; not its routes. */
bool topo_same_router(const struct topo_router *a, const struct topo_router *b);
/* All but the binding: nothing that a flow does depends on where a port should be, only on where it is. */
bool topo_same_port(const struct topo_port *a, const struct topo_port *b);
bool topo_same_member(const struct topo_port *a,
		      const struct topo_port *b); /* what flooding a bridge depends on */
bool topo_same_route(const struct topo_route *a, const struct topo_route *b);
