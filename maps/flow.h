/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flow caches: exact keys, verdicts, output sets, and the header of the upcall path. */
#pragma once

#include "limits.h"
#include "types.h"

enum skep_frag {
	SKEP_FRAG_NONE,
	SKEP_FRAG_FIRST, /* offset 0, more follow: has L4 ports */
	SKEP_FRAG_LATER, /* no L4 ports: sport = dport = 0 */
};

/*
 * skep_flows4: LRU hash, struct skep_flow_key4 -> struct skep_flow.
 * IPv4 and every ethertype but IPv6.  ARP: src = sender, dst = target protocol address, proto = low byte of the operation.
 * Other ethertypes: addresses, proto and ports are zero.  ICMP: sport = htons(type << 8 | code), dport = id of an
 * echo or zero.  Zero where a field does not exist; pads are zero, they are hashed.
 */
struct skep_flow_key4 {
	__u32 in_key; /* ingress port (its tunnel key) */
	struct skep_mac eth_dst;
	struct skep_mac eth_src;
	__be16 eth_type; /* of the payload, behind a VLAN tag; 802.3 frames: 0 */
	__be16 vlan;	 /* 0 = untagged, else TCI | 0x1000 (DEI bit reused as "present") */
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 frag; /* enum skep_frag */
	__u8 pad[6];
};
SKEP_ASSERT(sizeof(struct skep_flow_key4) == 40);

/* skep_flows6: LRU hash, struct skep_flow_key6 -> struct skep_flow.  'proto' is the upper layer behind extension headers. */
struct skep_flow_key6 {
	__u32 in_key;
	struct skep_mac eth_dst;
	struct skep_mac eth_src;
	__be16 eth_type;
	__be16 vlan;
	struct skep_ip src;
	struct skep_ip dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 frag;
	__u8 pad[6];
};
SKEP_ASSERT(sizeof(struct skep_flow_key6) == 64);

enum skep_action {
	SKEP_ACT_NONE,	/* entry not in use */
	SKEP_ACT_DROP,	/* out = enum skep_drop */
	SKEP_ACT_LOCAL, /* out = ifindex of a local port */
	SKEP_ACT_ENCAP, /* out = tunnel key, peer = index into skep_peers */
	SKEP_ACT_SET,	/* out = index into skep_sets, after the rewrite */
	SKEP_ACT_AGENT, /* to skepd, each packet */
};

enum skep_flow_flags {
	SKEP_F_ETH_DST = 1 << 0, /* write eth_dst */
	SKEP_F_ETH_SRC = 1 << 1, /* write eth_src */
	SKEP_F_PEER = 1 << 2,	 /* LOCAL: bpf_redirect_peer will do */
};

/* Value of the flow caches, of skep_slots, and all that the action code needs.  One cache line. */
struct skep_flow {
	__u8 action;  /* enum skep_action */
	__u8 ttl_dec; /* routers passed; a packet whose TTL is not larger goes up instead */
	__u16 flags;  /* enum skep_flow_flags */
	__u32 out;
	__u32 peer;
	__u32 cookie; /* skepd's number of this flow, quoted in drop events; 0 = none */
	struct skep_mac eth_dst;
	struct skep_mac eth_src;
	__u32 rewrite; /* reserved: index of a rarer rewrite (addresses, ports); 0 = none */
	__u64 packets; /* atomic add by BPF */
	__u64 bytes;   /* atomic add by BPF; lengths of inner frames, Ethernet included */
	__u64 last_seen; /* written by BPF: bpf_jiffies64() of the last packet; by skepd at install */
	__u64 pad;
};
SKEP_ASSERT(sizeof(struct skep_flow) == 64);

struct skep_out {
	__u8 action; /* LOCAL or ENCAP */
	__u8 pad;
	__u16 flags; /* SKEP_F_PEER */
	__u32 out;
	__u32 peer;
};

/* skep_sets: array, index -> struct skep_set.  A frame is copied to each output. */
struct skep_set {
	__u32 n;    /* outputs used, <= SKEP_SET_OUTS */
	__u32 next; /* set that continues this one; 0 = none */
	struct skep_out outs[SKEP_SET_OUTS];
};
SKEP_ASSERT(sizeof(struct skep_set) == 8 + 12 * SKEP_SET_OUTS);

/*
 * In front of each frame on the upcall tap, in both directions; shaped as an Ethernet header so that the kernel accepts it.
 * Up: BPF -> skepd, 'key' = ingress port, 'slot' = enum skep_upcall_why.  Down: skepd -> BPF, 'slot' = index into skep_slots
 * whose verdict is executed on the frame behind this header, 'key' = the port that the packet came from.
 * A VLAN tag that the kernel held beside the frame shows up between 'pad' and 'eth_type' (tun inserts it at byte 12).
 */
struct skep_upcall {
	__be16 magic; /* SKEP_UPCALL_MAGIC; its first octet is a unicast, locally administered address */
	__be32 key;
	__be16 slot;
	__u8 pad[4];
	__be16 eth_type; /* ETH_P_IPV6 for IPv6 frames, else ETH_P_IP: adjust_room refuses others */
} __attribute__((packed));
SKEP_ASSERT(sizeof(struct skep_upcall) == 14);
#define SKEP_UPCALL_MAGIC 0x5a53

enum skep_upcall_why {
	SKEP_UP_MISS,
	SKEP_UP_TTL,   /* a flow exists, but the TTL runs out */
	SKEP_UP_AGENT, /* a flow exists and says so */
};
