/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of prefixes, IPv4 and IPv6, compiled: members of address groups and security groups.  Pure data; lives in an arena.
 */
#pragma once

#include "topology/topology.h"
#include "util/arena.h"

struct topo_prefix {
	struct skep_ip ip;
	uint8_t len; /* in the family's own bits */
};
/* 'prefixes' is sorted in place; duplicates and prefixes within others do no harm.  NULL: no memory. */
struct topo_ipset *topo_ipset_build(struct topo_prefix *prefixes, uint32_t n, struct arena *arena);
/* Is the address in it?  '*bits': so many leading bits of 'ip' (of its family) decided. */
bool topo_ipset_has(const struct topo_ipset *set, const struct skep_ip *ip, unsigned int *bits);
uint32_t topo_ipset_count(const struct topo_ipset *set); /* prefixes, none within another */
/* In order of addresses. */
const struct topo_prefix *topo_ipset_prefixes(const struct topo_ipset *set);
