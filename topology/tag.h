/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: what a flow's decision depended on, absences included.  A change of the object removes exactly the flows that carry its
 * tag.  Names are unique within a tenant, so a tag means something only within one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"
#include "util/addr.h"

/* X(ID, "name", what a flow with this tag depends on) */
#define TOPO_TAGS(X)                                                                               \
	X(PORT, "port", "the port's configuration, link or whereabouts")                  \
	X(BRIDGE, "bridge", "the bridge's configuration")                                          \
	X(ROUTER, "router", "the router's configuration and its ports' addresses")                 \
	X(CHAIN, "chain", "the rules of the chain")                                                \
	X(FLOOD, "flood", "which ports the bridge has")                                            \
	X(MAC, "mac", "where the bridge believes the MAC to be; or that it does not know")         \
	X(NEIGH, "neigh", "the MAC of the address behind the router port, or on the bridge; or that it is unknown") \
	X(DST, "dst", "the router's routes towards the address")                                   \
	X(GROUP, "group", "whether the address is in the address group")                           \
	X(MEMBER, "member", "whether the address is a member of the security group")               \
	X(PGROUP, "pgroup", "which ports the port group has")                                      \
	X(SGROUP, "sgroup", "the rules of the security group")                                     \
	X(QOS, "qos", "the QoS policy")                                                            \
	X(NAT, "nat", "the router's NAT rules and floating IPs")                                   \
	X(FIP, "fip", "the router's floating IP of, or for, the address; or that there is none")   \
	X(VIP, "vip", "the router's VIPs at the address; or that there are none")                  \
	X(POOL, "pool", "the pool's members and their state")                                      \
	X(MIRROR, "mirror", "the mirror")                                                          \
	X(CONN, "conn", "the port's record of the connection; or that there is none")

enum topo_tag_kind {
#define X(id, name, help) TOPO_TAG_##id,
	TOPO_TAGS(X)
#undef X
	TOPO_TAG_MAX
};

struct topo_tag {
	enum topo_tag_kind kind;
	const char *name;    /* of the object; MAC: bridge; NEIGH: router port or bridge; CONN: port; DST, NAT, FIP, VIP: router */
	struct skep_mac mac; /* MAC */
	struct skep_ip ip;   /* NEIGH, DST, GROUP, MEMBER, FIP, VIP */
	uint8_t len;	     /* topo_tag_has_prefix(): prefix length; 32 or 128: one address.  Flows of many packets, and changes, name prefixes */
	uint16_t vlan;	     /* MAC: of VLAN-aware bridges */
	uint64_t hash;	     /* CONN: of the tuple; two with one hash cost a simulation, nothing else */
};

static inline bool topo_tag_has_prefix(enum topo_tag_kind kind)
{
	return kind == TOPO_TAG_DST || kind == TOPO_TAG_GROUP || kind == TOPO_TAG_MEMBER || kind == TOPO_TAG_FIP ||
	       kind == TOPO_TAG_VIP;
}
uint64_t topo_tag_hash(const struct topo_tag *tag);
bool topo_tag_eq(const struct topo_tag *a, const struct topo_tag *b);
/* "port:web1", "mac:b1/02:00:00:00:00:01", "neigh:r1-web/10.0.1.5", "dst:r1/10.0.2.0/24" (without length when full) */
const char *topo_tag_format(const struct topo_tag *tag, char *buf, size_t size);
