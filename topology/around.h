/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to topology/: the records that changes may be at odds with.  What topo_validate() finds wrong in all records after a change, it finds in these few, in the same
 * words: all that have a part in it are among them, and whatever it looks at beside.
 */
#pragma once

#include "topology/step_index.h"

enum around_level {
	AROUND_NAMED = 1, /* that it is there, on which device; a router's port also its addresses */
	AROUND_PART,	  /* a bridge without its lists, a subnet without its hosts, a chain's jumps; but for what was picked */
	AROUND_ALL,
};

struct around_pick { /* an element of a list of one that is there in part */
	struct around_pick *next;
	struct step_entry *e;
	uint32_t index;
};

struct around {
	struct step_index *x;
	struct step_entry *list, **last; /* what was added */
	struct around_pick *picks;
	bool unknown;	 /* all must be looked at */
	bool failed;	 /* no memory */
	uint32_t found;	 /* by around_addresses() and its like, in all */
};

void around_init(struct around *a, struct step_index *x);
void around_fini(struct around *a);
/* 'e' had record 'was' (NULL: none); the index has the present one already. */
void around_change(struct around *a, struct step_entry *e, const json_t *was);
/* {path: record}, with what those that were added rely on; NULL: no memory. */
json_t *around_records(struct around *a);

/* --- between around.c, around_nat.c --- */

void around_add(struct around *a, struct step_entry *e, enum around_level level); /* takes NULL */
void around_users(struct around *a, const struct step_entry *e, enum topo_kind kind, enum around_level level);
/* Who has an address of a device or pool; a MAC; may there be anybody on the bridge, also behind the routers that are linked to it. */
void around_addresses(struct around *a, const struct step_entry *scope, const struct topo_ip_range *range);
void around_on_bridge(struct around *a, const struct step_entry *bridge, const struct topo_ip_range *range);
void around_macs(struct around *a, const struct step_entry *bridge, const struct skep_mac *mac);
/* The other end of a port that is linked, and that one's device; NULL. */
struct step_entry *around_peer(const struct around *a, const json_t *port);
struct step_entry *around_behind(const struct around *a, const json_t *port, enum topo_kind kind);

/* An address that means something to a router: as a port's own, or translated. */
void around_router_address(struct around *a, struct step_entry *router, const struct topo_ip_range *range);
/* A router that is linked to a bridge anew, or with other addresses. */
void around_link(struct around *a, struct step_entry *router, const struct step_entry *bridge);
void around_nat(struct around *a, const json_t *rec);
void around_fip(struct around *a, const json_t *rec);
void around_vip(struct around *a, const json_t *rec);
void around_balancer(struct around *a, struct step_entry *e, const json_t *was);
void around_member(struct around *a, const json_t *rec);

static inline bool around_text(const char *text, struct topo_ip_range *range)
{
	unsigned int len;

	if (!text || !prefix_parse(text, &range->lo, &len))
		return false;
	range->hi = range->lo;
	return true;
}
