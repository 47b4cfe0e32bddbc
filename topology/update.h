/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to topology/: a change in place.  Planned first (what each port becomes, which places in tables it gets and gives up), so that whatever may fail
 * fails while nothing has changed; then done; then told.
 */
#pragma once

#include "topology/change.h"
#include "topology/decode.h"
#include "topology/diff.h"

enum topo_place { TOPO_IN_LIST, TOPO_IN_MACS, TOPO_IN_IPS, TOPO_IN_MEMBERS };

/* A place in a table, to be taken or to be given up. */
struct topo_entry {
	enum topo_place place;
	struct topo_port *port;
	struct topo_ports *list; /* not MEMBERS */
	union {
		struct topo_bridge *bridge;	   /* MACS, IPS */
		struct topo_security_group *group; /* MEMBERS */
	};
	struct topo_key key;	 /* MACS, IPS */
	struct topo_prefix prefix; /* MEMBERS, masked */
	uint64_t run;	/* MACS, IPS: who had the key before: topo_update_run() */
	bool was, outer; /* MEMBERS: there before; and not within another one */
};

struct topo_entries {
	struct topo_entry *v;
	uint32_t n, max;
};

struct port_op {
	struct hmap_node node; /* by name */
	const char *name;      /* borrowed from a path */
	struct topo_port *port; /* that is in the tables, or will be */
	struct topo_port was, now; /* its contents; of 'was' what is its own is freed in the end */
	bool before, after;	   /* is there such a port? */
	bool light;		   /* only binding, whereabouts, revision */
};

struct route_op {
	struct topo_route *was, *now; /* NULL: there is none */
	bool same; /* but for its revision: 'now' is 'was' */
	uint64_t rev;
};

struct fip_op {
	struct topo_floating_ip *was, *now; /* NULL: there is none */
	bool same;			    /* but for its revision: 'now' is 'was' */
	bool nat_was[2];		    /* did their routers have their addresses before? */
	bool any_was[2];		    /* ... and any NAT at all? */
	uint64_t rev;
};

struct health_op {
	struct topo_member *member;
	bool was, now;
};

struct pool_op {
	struct topo_pool *pool;
	const struct topo_maglev *maglev; /* the one of before */
};

struct vlans_op { /* a VLAN-aware bridge whose VLANs may change */
	struct vlans_op *next;
	struct topo_bridge *bridge;
	uint64_t was[4096 / 64];
};

struct update {
	struct topo_snapshot *snap;
	const struct topo_source *source;
	struct arena arena; /* until the update is over */
	struct hmap by_name;
	struct port_op **ports;
	struct route_op *routes;
	struct fip_op *fips;
	struct health_op *health;
	struct pool_op *pools;
	struct vlans_op *vlans;
	uint32_t n_ports, n_routes, n_fips, n_health, n_pools;
	struct topo_entries adds, dels;
	struct topo_bridge **floods; /* that flood in another way */
	struct topo_entry **changed; /* of members */
	uint32_t n_floods, n_changed;
};

/* The record at "<kind>/<name>": a new reference, or NULL. */
json_t *topo_update_get(const struct update *u, const char *kind, const char *name);
/* What becomes of the port.  -EOPNOTSUPP, -ENOMEM: nothing is left behind.  update_port.c */
int topo_update_plan(struct update *u, struct port_op *op);
void topo_update_drop(struct update *u, struct port_op *op); /* what was planned is not done */
int topo_update_entries(struct update *u, const struct port_op *op);
/* Contents: to what is planned.  Does not fail. */
void topo_update_commit(struct update *u, struct port_op *op);
/* Who has a MAC or an address, as a number. */
uint64_t topo_update_run(const struct topo_entry *e);
/* Routes and floating IPs: what becomes of them; new ones into their tables, all or none; those take back; old ones out of them; freed.
 * update_route.c */
int topo_update_route(struct update *u, const char *name);
int topo_update_fip(struct update *u, const char *name);
void topo_update_free_new(struct update *u);
int topo_update_link(struct update *u);
void topo_update_unlink_new(struct update *u);
void topo_update_unlink_old(struct update *u);
void topo_update_free_old(struct update *u);
/* Before anything has changed: what the tags will be compared with.  After it: the tags.  update_tags.c */
int topo_update_note(struct update *u);
void topo_update_tell(struct update *u, const struct diff *d);
