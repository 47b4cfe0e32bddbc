/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to topology/: the records of a network by what they have in common: who names whom, who has an address, a MAC, an id.  Kept with each change; asked by
 * around.c for those that a change may be at odds with.
 */
#pragma once

#include "topology/doc.h"
#include "util/addr.h"
#include "util/hmap.h"
#include "util/pool.h"

struct step_entry;

/* Who names an object, by what for. */
enum step_users {
	STEP_PORTS,	/* of a bridge, a router: its ports without peer */
	STEP_LINKS,	/* ... those with one */
	STEP_BALANCERS, /* of a router */
	STEP_OTHERS,
	STEP_USERS
};

struct step_use {
	struct step_use *next_of; /* of the same who names */
	struct step_use *next, **at; /* of the same who is named */
	struct step_entry *by, *to;
};

/* An address of a record, among those of its bridge, router or pool: a treap. */
struct step_mark {
	struct step_mark *next_of, *child[2];
	struct step_entry *by, *scope;
	uint64_t weight;
	struct skep_ip ip;
	uint32_t index; /* of a subnet's host, a bridge's neighbour in its list */
};

/* Addresses of a router's NAT rule that are more than one. */
struct step_wide {
	struct step_wide *next_of;
	struct step_wide *next, **at;
	struct step_entry *by;
	struct topo_ip_range range;
};

/* An id, a MAC on a bridge or router, an interface: by its hash only, so that one too many may be found. */
struct step_claim {
	struct hmap_node node;
	struct step_claim *next_of;
	struct step_entry *by;
};

struct step_entry {
	struct hmap_node node; /* by path */
	json_t *rec;	       /* NULL: it is only named */
	uint64_t order;	       /* in which the records came */
	struct step_use *uses, *users[STEP_USERS];
	struct step_mark *marks, *tree;
	struct step_wide *wides, *wide;
	struct step_claim *claims;
	struct step_entry *next; /* around.c, while a change is judged: whom it has, and how much of each */
	enum topo_kind kind;
	uint8_t level;
	bool done;
	uint16_t path_size;
	char path[];
};

struct step_index {
	struct pool pool;
	struct hmap entries, claims;
	uint64_t order, weight;
	uint32_t n; /* records */
};

void step_index_init(struct step_index *x);
void step_index_fini(struct step_index *x);

struct step_entry *step_find(const struct step_index *x, enum topo_kind kind, const char *name); /* NULL */
struct step_entry *step_get(struct step_index *x, enum topo_kind kind, const char *name); /* made if need be; NULL: no memory */
void step_forget(struct step_index *x, struct step_entry *e); /* one that nobody has a use for goes; takes NULL */
/* The record is 'rec' from now on; NULL: there is none.  -ENOMEM: the index is of no use any more. */
int step_index_put(struct step_index *x, struct step_entry *e, json_t *rec);

/* --- what a record says: of 'rec', which may not be in the index yet --- */

/* The object that a field names; NULL: none, or unknown. */
struct step_entry *step_ref(const struct step_index *x, const json_t *rec, const char *field, enum topo_kind kind);
bool step_mac(const json_t *port, struct skep_mac *mac); /* of a port: false = none */
/* What a NAT rule translates to; a dnat rule's single destination. */
bool step_nat_to(const json_t *nat, struct topo_ip_range *range);
bool step_nat_dst(const json_t *nat, struct skep_ip *ip);
/* Where a floating IP leads; 'x' has its port. */
bool step_fixed(const struct step_index *x, const json_t *fip, struct skep_ip *ip);
/* The router of a VIP, NAT rule or floating IP; NULL. */
struct step_entry *step_router(const struct step_index *x, enum topo_kind kind, const json_t *rec);

/* --- questions --- */

uint64_t step_id_hash(const char *id);
uint64_t step_mac_hash(const struct step_entry *scope, const struct skep_mac *mac);
uint64_t step_bind_hash(const json_t *bind);
/* All addresses of the scope from 'lo' to 'hi', in order. */
void step_each_mark(const struct step_entry *scope, const struct topo_ip_range *range,
		    void (*cb)(void *arg, const struct step_mark *mark), void *arg);

static inline const char *step_name(const struct step_entry *e)
{
	return strchr(e->path, '/') + 1;
}

static inline bool step_overlap(const struct topo_ip_range *a, const struct topo_ip_range *b)
{
	return memcmp(&a->lo, &b->hi, sizeof(a->lo)) <= 0 && memcmp(&b->lo, &a->hi, sizeof(a->lo)) <= 0;
}
