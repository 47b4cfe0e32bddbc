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
	struct pool pool; /* what comes and goes: ports and what is theirs, prefixes, lists */
	struct hmap texts, mores; /* that many ports have: decode_port.c */
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
#define DECODER(kind)                                                                              \
	int topo_decode_##kind(struct topo_snapshot *snap, struct topo_##kind *object,            \
			       const json_t *rec, struct err *err)
DECODER(address_group);
DECODER(port_group);
DECODER(security_group);
DECODER(qos);
DECODER(subnet);
DECODER(nat);
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
int topo_decode_bind(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		     struct err *err);
/* Live state: records that make no sense are not seen.  -ENOMEM. */
int topo_decode_live(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec);
struct topo_port *topo_port_new(struct topo_snapshot *snap, const char *name); /* has nothing else yet */
int topo_port_object(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec); /* id, revision, sum */
/* Memory of its binding and whereabouts; of all that it has but its name; of itself, when no table has it any more. */
void topo_port_clear_place(struct topo_snapshot *snap, struct topo_port *port);
void topo_port_clear(struct topo_snapshot *snap, struct topo_port *port);
void topo_port_free(struct topo_snapshot *snap, struct topo_port *port);
const char *topo_text_dup(struct topo_memory *m, const char *s); /* in the pool */
void topo_text_free(struct topo_memory *m, const char *s);	 /* takes NULL */
/* Routes: in no table yet; in none any more. */
struct topo_route *topo_route_new(struct topo_snapshot *snap, const char *name, const char *id);
/* With all that its good record says; NULL: 'err'. */
struct topo_route *topo_route_make(struct topo_snapshot *snap, const char *name, const json_t *rec, struct err *err);
void topo_route_free(struct topo_snapshot *snap, struct topo_route *route);
/* Is the record of that kind right by itself, and called 'name'? */
int topo_check_record(enum topo_kind kind, const char *name, const json_t *rec, struct err *err);
/* Of all that a record says but its revision: two of the same sum are the same. */
uint64_t topo_record_sum(const json_t *rec);
/* The table of every router: 'n' configured routes, sorted here, and connected and local ones.  derive.c */
int topo_derive_routes(struct topo_snapshot *snap, struct topo_route **configured, uint32_t n, struct err *err);
/* The order of topo_routes_next(). */
int topo_route_order(const struct topo_route *x, const struct topo_route *y);
/* Into and out of its router's by_dst.  -ENOMEM.  routes.c */
int topo_route_link(struct topo_route *route);
void topo_route_unlink(struct topo_route *route);
struct skep_mac topo_derive_mac(const char *id);
/* Who belongs to whom: members of groups, what hangs on bridges and routers, pools' tables.  members.c, nats.c */
int topo_derive_members(struct topo_snapshot *snap, struct err *err);
int topo_derive_nats(struct topo_snapshot *snap, struct topo_floating_ip **fips, uint32_t n, struct err *err);
/* Floating IPs: in no table yet, with all that a good record says (NULL: 'err'); in none any more. */
struct topo_floating_ip *topo_fip_make(struct topo_snapshot *snap, const char *name, const json_t *rec,
				       struct err *err);
void topo_fip_free(struct topo_snapshot *snap, struct topo_floating_ip *fip);
/* Into its router's tables, and out of them.  'router' has room for so many more: -ENOMEM. */
int topo_fip_room(struct topo_snapshot *snap, struct topo_router *router, uint32_t more);
void topo_fip_link(struct topo_floating_ip *fip);
void topo_fip_unlink(struct topo_floating_ip *fip);
/* A port's VLANs, of its VLAN-aware bridge: one more port names them, or one less.  Its addresses as those of a member of a security group; -ENOMEM. */
void topo_vlans_count(const struct topo_port *port, int more);
int topo_member_add(struct topo_security_group *group, const struct skep_ip *ip, uint8_t len);
void topo_member_del(struct topo_security_group *group, const struct skep_ip *ip, uint8_t len);
/* Whom each bridge knows.  known.c */
int topo_derive_known(struct topo_snapshot *snap);
#define TOPO_MAC_KEY 8 /* bytes: MAC, VLAN */
#define TOPO_IP_KEY 18 /* address, VLAN */
struct topo_key {
	uint8_t b[TOPO_IP_KEY];
};
void topo_mac_key(const struct skep_mac *mac, uint16_t vlan, struct topo_key *key);
void topo_ip_key(const struct skep_ip *ip, uint16_t vlan, struct topo_key *key);
uint16_t topo_known_vlan(const struct topo_port *port);
/* Whose MAC and addresses are behind a bridge's port: itself, or its peer on a router; NULL = nobody's that configuration knows. */
const struct topo_port *topo_owner(const struct topo_port *port);
/* No chain reaches itself, jumps are not too deep, peers point at each other.  check.c */
int topo_check_structure(const struct topo_snapshot *snap, struct err *err);

uint64_t topo_object_hash(enum topo_kind kind, const char *name);
