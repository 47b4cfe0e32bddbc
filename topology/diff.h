/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: what the two halves of diff share. */
#pragma once

#include "topology/topology.h"

struct diff {
	void (*cb)(void *arg, const struct topo_tag *tag);
	void *arg;
	const struct topo_bridge
		*bridge; /* the one being walked: its new generation, or its last */
};

struct side {
	const void *base; /* sorted array */
	uint32_t n;
};

/* Calls 'pair' for each element of either side: with both when 'order' says they are the same thing, else with one and NULL. */
void topo_merge(struct diff *d, struct side a, struct side b, size_t size,
		int (*order)(const void *a, const void *b),
		void (*pair)(struct diff *d, const void *a, const void *b));
void topo_emit(const struct diff *d, enum topo_tag_kind kind, const char *name);
int topo_by_name(const void *a, const void *b); /* of objects */

/* Groups, QoS, NAT, load balancers, mirrors.  diff_policy.c */
void topo_diff_policy(struct diff *d, const struct topo_snapshot *old,
		      const struct topo_snapshot *new_);
