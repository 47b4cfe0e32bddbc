/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of mask exactness: is every field of a mask there for a reason?  Each is given many other values, random ones and those
 * of other packets of the same network; one of them should change the decision, or what it depends on (tags, counted rules).  Fields for
 * which none was found are counted: the excess.  Of a prefix (addresses, ports, MACs) the last bit is asked the same.
 */
#pragma once

#include "simulator/simulator.h"

#define EXCESS_DONORS 256
#define EXCESS_FIELDS 14

struct excess {
	struct pkt_fields donors[EXCESS_DONORS];
	unsigned int n_donors;
	uint64_t random;
	/* by field: in masks; of these without a reason; prefixes whose last bit has none; without a reason but tags or counters */
	unsigned int read[EXCESS_FIELDS], idle[EXCESS_FIELDS], long_[EXCESS_FIELDS], tags_only[EXCESS_FIELDS];
};

/* A packet of the network, whose values may make a difference to others; when there are too many, it takes the place of one. */
void excess_donor(struct excess *e, const struct pkt_fields *f);
void excess_forget_donors(struct excess *e);

/* 'res' was decided for 'pkt', cacheable.  0, or -1 with 'err'. */
int excess_try(struct excess *e, struct sim *sim, const struct topo_snapshot *snap,
	       const struct sim_view *view, const struct topo_port *in, const struct pkt *pkt,
	       uint64_t now_ns, uint64_t seed, const struct sim_result *res, struct err *err);

/* Prints a table, "# "; the share of fields in masks that have no reason, in percent. */
double excess_report(const struct excess *e, const char *title);
