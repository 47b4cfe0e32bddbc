/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot changed in its place: what happens all day long costs the same in a network of any size.  Called by the agent, which builds anew when this
 * says that it does not know the change.
 */
#pragma once

#include "topology/topology.h"

struct topo_source {
	json_t *(*get)(void *arg, const char *path); /* the record as it is now: a new reference; NULL = there is none */
	void *arg;
};
/*
 * The records at 'paths' (each once) have changed, or come, or gone, since 'snap' was made: makes it what topo_build() would make of all records, and calls back as
 * topo_diff() would between the two, once it is.  Tags' names live until the callback returns.  A change costs what it changes, whatever the size.
 * Knows ports of machines (on a bridge, without peer) whatever changes of them, also when they come and go; of other ports what is neither address,
 * MAC, VLAN nor link; routes; floating IPs; all bindings, whereabouts ("live/"), members' health.
 * 0; or nothing has changed: -EOPNOTSUPP: another kind of change, one that names or is named by something that is not there, records that
 * topo_build() would refuse, or 'snap' has several holders; -ENOMEM.  Then topo_build() and topo_diff() say what there is to say.
 */
int topo_update(struct topo_snapshot *snap, uint64_t rev, const char *const *paths, uint32_t n,
		const struct topo_source *source, void (*cb)(void *arg, const struct topo_tag *tag),
		void *arg);
