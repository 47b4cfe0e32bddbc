/* SPDX-License-Identifier: Apache-2.0 */
/* Private to topology/: the steps from records to a snapshot. */
#pragma once

#include "topology/prefixes.h"
#include "topology/schema.h"
#include "util/arena.h"
#include "util/pool.h"

struct topo_memory {
	struct arena
		arena; /* everything of the snapshot but the snapshot itself and the buckets of by_name */
	struct pool pool; /* what grows and shrinks: prefixes */
};

#define TOPO_WEIGHT_DERIVED 0 /* of connected and local routes: before all configured ones */

/* A snapshot with references resolved and derived routes, checked no further than what a reader needs not to crash. */
struct topo_snapshot *topo_decode(const char *tenant, uint64_t rev, const json_t *records,
				  struct err *err);
/* Fills an object's fields from its record, which was checked; other objects exist already (by name).  decode.c */
int topo_decode_chain(struct topo_snapshot *snap, struct topo_chain *chain, const json_t *rec,
		      struct err *err);
int topo_decode_bridge(struct topo_snapshot *snap, struct topo_bridge *bridge, const json_t *rec,
		       struct err *err);
int topo_decode_router(struct topo_snapshot *snap, struct topo_router *router, const json_t *rec,
		       struct err *err);
int topo_decode_port(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		     struct err *err);
int topo_decode_route(struct topo_snapshot *snap, struct topo_route *route, const json_t *rec,
		      struct err *err);
#define DECODER(kind)                                                                              \
	int topo_decode_##kind(struct topo_snapshot *snap, struct topo_##kind *object,            \
			       const json_t *rec, struct err *err)
DECODER(address_group);
DECODER(port_group);
DECODER(security_group);
DECODER(qos);
DECODER(subnet);
DECODER(nat);
DECODER(floating_ip);
DECODER(load_balancer);
DECODER(pool);
DECODER(member);
DECODER(vip);
DECODER(mirror);
#undef DECODER
/* The port's struct topo_port_more, its own one: NULL = no memory. */
struct topo_port_more *topo_port_more_own(struct topo_snapshot *snap, struct topo_port *port);
/* Record "health/<member>". */
int topo_decode_health(struct topo_snapshot *snap, const char *member, const json_t *rec);
int topo_decode_bind(struct topo_snapshot *snap, const char *port, const json_t *rec,
		     struct err *err);
/* Live state: records that make no sense are not seen. */
int topo_decode_live(struct topo_snapshot *snap, const char *port, const json_t *rec);
/* Connected and local routes, and every router's sorted list.  derive.c */
int topo_derive_routes(struct topo_snapshot *snap, struct err *err);
/* Families apart, then longest prefix, then address, then weight, then name: what topo_route_lookup() bisects. */
int topo_route_order(const struct topo_route *x, const struct topo_route *y);
/* Into and out of its router's by_dst.  -ENOMEM.  routes.c */
int topo_route_link(struct topo_route *route);
void topo_route_unlink(struct topo_route *route);
struct skep_mac topo_derive_mac(const char *id);
/* Who belongs to whom: members of groups, what hangs on bridges and routers, pools' tables.  members.c, nats.c */
int topo_derive_members(struct topo_snapshot *snap, struct err *err);
int topo_derive_nats(struct topo_snapshot *snap, struct err *err);
/* Whom each bridge knows.  known.c */
int topo_derive_known(struct topo_snapshot *snap);
/* No chain reaches itself, jumps are not too deep, peers point at each other.  check.c */
int topo_check_structure(const struct topo_snapshot *snap, struct err *err);

uint64_t topo_object_hash(enum topo_kind kind, const char *name);
