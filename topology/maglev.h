/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maglev (Eisenbud et al., NSDI 2016, 3.4): a table from hash to member.  A member that comes or goes moves little more than its own share.
 * The same on all hosts: depends on members' names and weights only.
 */
#pragma once

#include "topology/topology.h"
#include "util/pool.h"

struct topo_maglev {
	uint32_t size; /* prime, at least 100 times the members, whether they are healthy or not */
	const uint16_t *slots; /* index into pool->members */
};
/* Over members with weight > 0 that are TOPO_MEMBER_UP and healthy; NULL with *none = true: there is none. */
const struct topo_maglev *topo_maglev_build(struct topo_member *const *members, uint32_t n,
					    struct pool *pool, bool *none);
void topo_maglev_free(const struct topo_maglev *maglev, struct pool *pool); /* takes NULL */
struct topo_member *topo_maglev_pick(const struct topo_pool *pool, uint64_t hash); /* NULL: none */
