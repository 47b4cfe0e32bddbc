/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows: exact keys, wildcards, verdicts, output sets, and the header of the upcall path.
 *
 * A packet is looked up in the exact caches first.  A miss is looked up in the wildcard flows of its ingress port: for each of the port's
 * masks (skep_lport) the key, with the fields behind 'frag' filled in, is masked and looked up in skep_wilds4/6.  All that match say the
 * same (a mask holds every field that the decision depended on), so the first one is as good as any.  What was found is copied into the
 * exact cache by BPF itself ("promoted").  Promoted flows hold while their 'gen' is that of their ingress port.
 */
#pragma once

#include "limits.h"
#include "nat.h"
#include "state.h"
#include "types.h"

enum skep_frag {
	SKEP_FRAG_NONE,
	SKEP_FRAG_FIRST, /* offset 0, more follow: has L4 ports */
	SKEP_FRAG_LATER, /* no L4 ports: sport = dport = 0 */
} SKEP_SMALL;

/* What the ingress port's record (state.h) says of a packet's connection. */
enum skep_ct {
	SKEP_CT_NONE,  /* nothing can be said: fragments, ICMP errors */
	SKEP_CT_NEW,   /* no record, or one that is over */
	SKEP_CT_ORIG,  /* of the direction in which it began */
	SKEP_CT_REPLY, /* of the other one */
} SKEP_SMALL;

/*
 * skep_flows4: LRU hash, struct skep_flow_key4 -> struct skep_flow.  skep_wilds4: hash, the same, masked -> struct skep_wild.
 * IPv4 and every ethertype but IPv6.  ARP: src = sender, dst = target protocol address, proto = low byte of the operation.
 * Other ethertypes: addresses, proto and ports are zero.  ICMP: sport = htons(type << 8 | code), dport = id of an
 * echo or zero.  Zero where a field does not exist; pads are zero, they are hashed.  The fields behind 'frag' are of wildcard flows only.
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
	enum skep_frag frag;
	enum skep_ct ct;
	__u8 tcp_flags;
	__u8 tos;  /* DSCP << 2 */
	__u8 mask; /* index into skep_masks; 0 = an exact key */
	__u16 nat; /* of a connection that begins: the translation that its VIP chooses; else the record's (nat.h).  0 = none */
};
SKEP_ASSERT(sizeof(struct skep_flow_key4) == 40);

/* skep_flows6, skep_wilds6: the same for IPv6.  'proto' is the upper layer behind extension headers. */
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
	enum skep_frag frag;
	enum skep_ct ct;
	__u8 tcp_flags;
	__u8 tos;
	__u8 mask;
	__u16 nat;
};
SKEP_ASSERT(sizeof(struct skep_flow_key6) == 64);

/* skep_masks: array, index -> struct skep_mask.  Index 0 is never used.  Bits that count; in_key and 'mask' always do. */
struct skep_mask {
	union {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
	};
};

enum skep_action {
	SKEP_ACT_NONE,	/* entry not in use */
	SKEP_ACT_DROP,	/* out = enum skep_drop */
	SKEP_ACT_LOCAL, /* out = ifindex of a local port */
	SKEP_ACT_ENCAP, /* out = tunnel key, peer = index into skep_peers */
	SKEP_ACT_SET,	/* out = index into skep_sets, after the rewrite */
	SKEP_ACT_AGENT, /* to skepd, each packet */
} SKEP_SMALL;

enum skep_flow_flags {
	SKEP_F_ETH_DST = 1 << 0, /* write eth_dst */
	SKEP_F_ETH_SRC = 1 << 1, /* write eth_src */
	SKEP_F_PEER = 1 << 2,	 /* LOCAL: bpf_redirect_peer will do */
	SKEP_F_TOS = 1 << 3,	 /* holds for packets with the DSCP of 'tos' only; others go up */
	SKEP_F_TCP = 1 << 4,	 /* holds for packets whose TCP flags & tcp_mask == tcp_value; others go up */
	SKEP_F_CONN = 1 << 5,	 /* of a connection: flags are noted in tcp_seen; a SYN behind a FIN or RST goes up (a new connection) */
	SKEP_F_MARK = 1 << 6,	 /* ENCAP: the ingress port's key rides along (tunnel.h): the receiver makes the record of the reply */
	SKEP_F_RECORD = 1 << 7,	 /* wildcard: a packet begins a connection; BPF makes its records.  Not promoted */
	SKEP_F_STAY = 1 << 9,	 /* wildcard: never promoted */
	SKEP_F_LIVE = 1 << 8,	 /* of a connection whose record in skep_conns BPF refreshes; it has to be there, and end where the flow leads */
};

/* Value of the flow caches, of skep_slots, and all that the action code needs.  One cache line. */
struct skep_flow {
	enum skep_action action;
	__u8 ttl_dec; /* routers passed; a packet whose TTL is not larger goes up instead */
	__u16 flags;  /* enum skep_flow_flags */
	__u32 out;
	__u16 peer;
	__u16 stat;   /* promoted, and wildcard: index into skep_stats, where its packets are counted */
	__u32 cookie; /* skepd's number of this flow, quoted in drop events; 0 = none.  Promoted: of the wildcard flow */
	struct skep_mac eth_dst;
	struct skep_mac eth_src;
	__u32 rewrite; /* index into skep_rewrites: VLAN, addresses, ports, DSCP; 0 = none.  ACT_SET: outputs have their own */
	__u64 packets; /* atomic add by BPF; promoted: not used */
	__u64 bytes;   /* atomic add by BPF; lengths of inner frames, Ethernet included */
	__u32 last_seen; /* written by BPF: bpf_jiffies64() of the last packet, low 32 bits (F_LIVE: of the last refresh); by skepd at install */
	__u32 gen;	 /* promoted: the port's skep_lport.gen then; 0 = put there by skepd, holds until it is deleted */
	__u16 mtu;	 /* bytes of IP; larger packets (of super-packets: segments) go up; 0 = no limit */
	__u8 tos;	 /* with SKEP_F_TOS: DSCP << 2 */
	__u8 tcp_mask, tcp_value; /* with SKEP_F_TCP */
	__u8 tcp_seen;	 /* with SKEP_F_CONN, SKEP_F_LIVE: written by BPF (plain or): TCP flags of all packets so far */
	__u16 police;	 /* index into skep_policers: of the output port; 0 = none */
};
SKEP_ASSERT(sizeof(struct skep_flow) == 64);

/* Value of skep_wilds4 and skep_wilds6. */
struct skep_wild {
	struct skep_flow flow; /* flow.gen and the counters are not used: skep_stats */
	/* With a 'ct' in the key, of a packet that goes to one port: which. */
	__u32 other_key;  /* its tunnel key; 0 = none */
	__u16 other_peer; /* of the host that has it: index into skep_peers; 0 = this one */
	__u16 nat;	  /* that its connections are translated by: index into skep_nats; 0 = none */
};
SKEP_ASSERT(sizeof(struct skep_wild) == 72);

/* skep_found: per-CPU array of one, __u32 0 -> struct skep_found.  From one program to the one that continues it, and what does not fit on
 * their stacks. */
struct skep_found {
	struct skep_flow flow; /* of skep_tc_act */
	__u32 nat; /* that rides along with the packet; 0 = none */
	/* of skep_tc_arrive: a tunnel packet ... */
	__u32 key;	/* ... for this port ... */
	__u32 peer;	/* ... from that host ... */
	__u32 mark;	/* ... and that port of it, if it may begin a connection */
	__u32 peer_ok;	/* bpf_redirect_peer will do */
	__u32 has_nat;	/* it came with 'binding' */
	struct skep_nat binding;
	struct skep_conn_key conn; /* of a record to be looked up */
	__u32 pad;
};

/* skep_stats: per-CPU array, index -> struct skep_stat.  Index 0 is never used.  Never reset: skepd takes differences. */
struct skep_stat {
	__u64 packets;
	__u64 bytes; /* inner frames, Ethernet included */
};

/*
 * Local copies are made in order, on one frame: the rewrite of each is relative to the copy before it.  Behind them the frame is copied
 * to the remote ones: their rewrites are relative to the last local copy, whatever their order, for each is carried out on a copy.
 */
struct skep_out {
	enum skep_action action; /* LOCAL, ENCAP, or DROP: counted only */
	__u8 flags;  /* SKEP_F_PEER */
	__u16 police; /* LOCAL: index into skep_policers: of the output port; 0 = none */
	__u32 out;
	__u32 peer;
	__u32 rewrite; /* index into skep_rewrites; 0 = none */
};

enum skep_rewrite_what {
	SKEP_RW_ETH_DST = 1 << 0,
	SKEP_RW_ETH_SRC = 1 << 1,
	SKEP_RW_SRC = 1 << 2,
	SKEP_RW_DST = 1 << 3,
	SKEP_RW_SPORT = 1 << 4, /* TCP, UDP; not of later fragments */
	SKEP_RW_DPORT = 1 << 5,
	SKEP_RW_ECHO_ID = 1 << 6, /* 'sport' is the new id of an ICMP or ICMPv6 echo */
	SKEP_RW_DSCP = 1 << 7,	  /* ECN stays */
	SKEP_RW_VLAN_PUSH = 1 << 8, /* TPID 0x8100 */
	SKEP_RW_VLAN_POP = 1 << 9,
	SKEP_RW_VLAN_SET = 1 << 10, /* TPID and DEI stay */
};

/* skep_rewrites: array, index -> struct skep_rewrite.  Index 0 is never used.  TCP, UDP and ICMP checksums follow (RFC 1624). */
struct skep_rewrite {
	__u32 what; /* enum skep_rewrite_what */
	__be16 sport;
	__be16 dport;
	__be16 vlan; /* TCI without the "present" bit */
	__u8 dscp;   /* 0..63 */
	__u8 ttl_dec; /* sets only: further routers passed, modulo 256: 255 gives one back */
	struct skep_ip src; /* IPv4 as ::ffff:a.b.c.d */
	struct skep_ip dst;
	struct skep_mac eth_dst;
	struct skep_mac eth_src;
	__u32 pad[2];
};
SKEP_ASSERT(sizeof(struct skep_rewrite) == 64);

/* skep_policers: array, index -> struct skep_policer.  Index 0 is never used.  GCRA in bytes. */
struct skep_policer {
	__u64 tat_ns;	    /* written by BPF */
	__u64 ps_per_byte;  /* 8e12 / (bit/s) */
	__u64 burst_ns;
	__u64 drops;	    /* packets, atomic add by BPF */
};
SKEP_ASSERT(sizeof(struct skep_policer) == 32);

/* skep_sets: array, index -> struct skep_set.  A frame is copied to each output. */
struct skep_set {
	__u32 n;    /* outputs used, <= SKEP_SET_OUTS */
	__u32 next; /* set that continues this one; 0 = none */
	struct skep_out outs[SKEP_SET_OUTS];
};
SKEP_ASSERT(sizeof(struct skep_set) == 8 + 16 * SKEP_SET_OUTS);

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
	SKEP_UP_FIELD, /* a flow exists, but not for this DSCP, these TCP flags, this length, or for a new connection */
	SKEP_UP_STATE, /* from another host, for skepd: tunnel key SKEP_KEY_CONTROL */
};
