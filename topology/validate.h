/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: the parts of topo_validate().  Each looks at a decoded snapshot; scratch memory comes from 'arena'. */
#pragma once

#include "topology/snapshot.h"

/* topo_validate() of records that 'changes' ({path: record}; NULL = none are known) are part of: of two that are at odds, it is the changed one that is told. */
int topo_validate_changes(const json_t *records, const json_t *changes, struct err *err);
/* Is it 'first' that is to be told of, and not 'last', which has the same? */
static inline bool topo_blames_first(const struct topo_object *first, const struct topo_object *last)
{
	return first->changed && !last->changed;
}

/* Things that only one may have: (scope, bytes, text) -> owner. */
struct claims {
	struct hmap map;
	struct arena *arena;
};
/* NULL: ours now.  Else the owner that was first; '*failed' on lack of memory. */
const void *topo_claim(struct claims *c, const void *scope, const struct skep_ip *key, const char *text,
		       const void *owner, bool *failed);
/* Why no machine can have this address, in a subnet of 'len' bits; NULL = it can. */
const char *topo_useless(const struct skep_ip *ip, unsigned int len);

/* Is its gateway within reach? */
int topo_validate_route(const struct topo_route *r, struct err *err);

/* VLANs, static MACs and neighbours.  validate_bridge.c */
int topo_validate_bridges(const struct topo_snapshot *snap, struct arena *arena, struct err *err);
/* Names of rules, mirrors.  validate_policy.c */
int topo_validate_policy(const struct topo_snapshot *snap, struct arena *arena, struct err *err);
/* validate_subnet.c */
int topo_validate_subnets(const struct topo_snapshot *snap, struct arena *arena, struct err *err);
/* NAT rules, floating IPs, VIPs: each address has one meaning.  validate_nat.c */
int topo_validate_nats(const struct topo_snapshot *snap, struct arena *arena, struct err *err);
/* VIPs, pools, members.  validate_lb.c */
int topo_validate_lbs(const struct topo_snapshot *snap, struct arena *arena, struct err *err);
