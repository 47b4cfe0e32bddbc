/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: what the two halves of diff share. */
#pragma once

#include "topology/topology.h"

struct diff {
	void (*cb)(void *arg, const struct topo_tag *tag);
	void *arg;
	const struct topo_bridge
		*bridge; /* the one being walked: its new generation, or its last */
	const uint8_t *key; /* of the pair of ports */
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
void topo_emit_fip(const struct diff *d, const struct topo_floating_ip *f);
void topo_emit_route(const struct diff *d, const struct topo_route *r);
void topo_emit_mac(const struct diff *d, const struct topo_bridge *bridge, const uint8_t *key);
void topo_emit_neigh(const struct diff *d, const struct topo_bridge *bridge, const struct skep_ip *ip);
/* A change of 'ip' in the set; ones within it that come right after it are not told of: their flows have addresses within it. */
struct topo_told {
	struct skep_ip ip;
	uint8_t len;
	bool any;
};
void topo_emit_prefix(const struct diff *d, enum topo_tag_kind kind, const char *name,
		      const struct skep_ip *ip, uint8_t len, struct topo_told *told);
int topo_by_name(const void *a, const void *b); /* of objects */

/* Groups, QoS, NAT, load balancers, mirrors.  diff_policy.c */
void topo_diff_policy(struct diff *d, const struct topo_snapshot *old,
		      const struct topo_snapshot *new_);
