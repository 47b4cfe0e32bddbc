/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet was dropped: one list.  The enum, the name, the metric's help and the table in docs/ all come from it. */
#pragma once

#include "types.h"

/* X(ID, "name", "explanation").  Append only: the numbers are ABI. */
#define SKEP_DROPS(X)                                                                              \
	X(NONE, "none", "not dropped")                                                             \
	X(TRUNCATED, "truncated", "a header ends before its length")                               \
	X(BAD_HEADER, "bad_header", "a length, version or checksum field contradicts the packet")  \
	X(BAD_MAC, "bad_mac", "multicast source address, or source equal to destination")          \
	X(UNKNOWN_IFACE, "unknown_iface", "the interface is bound to no port")                     \
	X(UNKNOWN_PEER, "unknown_peer", "tunnel packet from an address that is no known host")     \
	X(UNKNOWN_KEY, "unknown_key", "tunnel key of no local port")                               \
	X(BAD_TUNNEL, "bad_tunnel", "tunnel header with unsupported flags or a lying length")      \
	X(UPCALL_RATE, "upcall_rate", "the port's budget for new flows is used up")                \
	X(NO_AGENT, "no_agent", "no flow, and skepd is not running")                               \
	X(UPCALL_QUEUE, "upcall_queue", "the queue to skepd, or its park for missing data, is full") \
	X(NO_ROUTE_UNDERLAY, "no_route_underlay", "the kernel has no route or neighbour to the host") \
	X(TOO_BIG, "too_big", "larger than the path's MTU")                                        \
	X(REWRITE, "rewrite", "the kernel refused to change the packet")                           \
	X(POLICY, "policy", "a rule drops it")                                                     \
	X(REJECT, "reject", "a rule rejects it")                                                   \
	X(SPOOF, "spoof", "a source address that is not the port's")                               \
	X(ADMIN_DOWN, "admin_down", "a port or device on the way is administratively down")        \
	X(NO_ROUTE, "no_route", "the router has no route")                                         \
	X(BLACKHOLE, "blackhole", "a blackhole route")                                             \
	X(REJECT_ROUTE, "reject_route", "a reject route")                                          \
	X(TTL, "ttl", "TTL or hop limit reached zero")                                             \
	X(NO_NEIGHBOUR, "no_neighbour", "the next hop did not answer ARP or ND")                   \
	X(HAIRPIN, "hairpin", "the destination is where the frame came from")                      \
	X(NO_OUTPUT, "no_output", "no port to send it to")                                         \
	X(NOT_LIVE, "not_live", "the output port is bound to no running interface")                \
	X(BUDGET, "budget", "too many devices on the way: a loop")                                 \
	X(L2_MISMATCH, "l2_mismatch", "frame for a router that is not addressed to its port")      \
	X(PROTOCOL, "protocol", "a protocol that the device does not handle")                      \
	X(CONSUMED, "consumed", "addressed to the network itself and handled there")               \
	X(NOT_READY, "not_ready", "the topology needed did not arrive in time")                    \
	X(OVERLOAD, "overload", "a table or budget of the agent is full")                          \
	X(SECURITY_GROUP, "security_group", "no rule of the port's security groups allows it")     \
	X(VLAN, "vlan", "a VLAN that the port or the bridge does not carry")                       \
	X(NO_MEMBER, "no_member", "the VIP's pool has no member to take it")                       \
	X(NAT_FULL, "nat_full", "all source ports of the NAT rule are in use, or none could be leased") \
	X(NAT_NONE, "nat_none", "for an address that only NAT uses, and no connection has it")     \
	X(CONN_LIMIT, "conn_limit", "the port has as many connections as it may have, or another one of the same ends") \
	X(FRAGMENT, "fragment", "a fragment whose first one never came, or that overlaps another") \
	X(POLICED, "policed", "over the rate of the port's QoS policy")                            \
	X(ICMP_RATE, "icmp_rate", "an answer of the network over the rate of such answers")        \
	X(ECN, "ecn", "congested on its way between hosts, and no ECN inside to tell it (RFC 6040)") \
	X(UNTOLD, "untold", "a host that must know of the new connection does not acknowledge it")

enum skep_drop {
#define X(id, name, help) SKEP_DROP_##id,
	SKEP_DROPS(X)
#undef X
	SKEP_DROP_MAX
};

/* skep_drops: per-CPU array of one: packets.  Of use as __u64[SKEP_DROP_MAX]; the members are names for those who dump it. */
struct skep_drop_counts {
#define X(id, name, help) __u64 id;
	SKEP_DROPS(X)
#undef X
};
SKEP_ASSERT(sizeof(struct skep_drop_counts) == 8 * SKEP_DROP_MAX);
