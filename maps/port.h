/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Local ports, other hosts, and the datapath's settings.  All written by skepd, read by BPF, unless a member says otherwise.
 * A local port is known by its tunnel key: the 24 bits that other hosts put into the VNI to reach it.
 */
#pragma once

#include "limits.h"
#include "state.h"
#include "types.h"

/* skep_ifaces: hash, __u32 ifindex -> struct skep_iface.  A VM's or container's interface. */
struct skep_iface {
	__u32 key;		  /* tunnel key of the port it is bound to; never 0 */
	__u32 lport;		  /* index into skep_lports */
	__u64 upcall_tat_ns;	  /* written by BPF: GCRA's theoretical arrival time, CLOCK_MONOTONIC */
	__u32 upcall_interval_ns; /* 1 s / rate; 0 = unlimited */
	__u32 police;		  /* index into skep_policers: what the port may send; 0 = none */
	__u64 upcall_burst_ns;	  /* burst * interval */
	__u64 upcalls;		  /* atomic add by BPF: sent up */
	__u64 upcall_drops;	  /* atomic add by BPF: over the budget */
};
SKEP_ASSERT(sizeof(struct skep_iface) == 48);

/*
 * skep_iface_at: array, ifindex % SKEP_IFACE_SLOTS -> struct skep_iface_at.  What most packets need of skep_ifaces, for a tenth of a hash table's cost;
 * of interfaces that share a slot the last one bound has it.  Written and read in one piece.
 */
struct skep_iface_at {
	__u32 ifindex; /* 0 = nobody's */
	__u16 police;
	__u16 lport;
} __attribute__((aligned(8)));
SKEP_ASSERT(sizeof(struct skep_iface_at) == 8);
SKEP_ASSERT(SKEP_LPORTS_MAX <= 0x10000 && SKEP_POLICERS_MAX <= 0x10000);

/*
 * skep_cards: array, ifindex % SKEP_CARDS_MAX -> struct skep_card.  What XDP has to know of an interface that is a port, without a hash.  Only
 * network cards with skep_xdp_port are here; of two that share an index one is not, and works in TC.
 */
struct skep_card {
	__u32 ifindex; /* 0 = the entry is not in use */
	__u32 key;     /* as in skep_iface */
	__u32 lport;
	__u32 police;
	__u32 mtu; /* of the interface: XDP may send it frames whose payload is no longer; 0 = none, its driver takes no frames */
};
SKEP_ASSERT(sizeof(struct skep_card) == 20);

enum skep_lport_flags {
	SKEP_LPORT_CT = 1 << 0, /* a wildcard flow of the port asks for the state of connections */
	SKEP_LPORT_VIP = 1 << 1, /* skep_vips has some of the port */
};

/*
 * skep_lports: array, index -> struct skep_lport.  What skepd (mmap) and BPF both write of a local port while packets pass.  Index 0 is
 * no port: its 'queued' is the sum of all, its 'conns' the messages of other hosts in the queue.
 */
struct skep_lport {
	__u32 gen;   /* by skepd, never 0: raised when a wildcard flow of the port goes; older promoted flows no longer hold */
	__u32 flags; /* enum skep_lport_flags */
	__u8 masks4[SKEP_PORT_MASKS]; /* by skepd: indices into skep_masks, the busiest first; the first 0 ends the list */
	__u8 masks6[SKEP_PORT_MASKS];
	__u32 key;	     /* tunnel key; 0 = the entry is not in use */
	__u32 conns;	     /* atomic by both: records in skep_conns of connections that the port began ... */
	__u32 conns_max;     /* ... and how many there may be */
	__u32 replies;	     /* the same of those that it was sent */
	__u32 replies_max;
	__u32 queued;	     /* atomic by both: its frames in the upcall queue */
	__u64 promote_tat_ns; /* by BPF: GCRA */
	__u64 refused;	     /* atomic by both: connections over the limits */
	__u64 pad[4];
};
SKEP_ASSERT(sizeof(struct skep_lport) == 112);

enum skep_port_kind {
	SKEP_PORT_NONE,
	SKEP_PORT_LOCAL, /* one interface */
	SKEP_PORT_FLOOD, /* the members of a bridge on this host: 'set' */
	SKEP_PORT_AGENT, /* skepd itself (SKEP_KEY_CONTROL): goes up, SKEP_UP_STATE */
};

enum skep_port_flags {
	SKEP_PORT_PEER = 1 << 0, /* veth whose other end is in another namespace: bpf_redirect_peer */
	SKEP_PORT_XDP = 1 << 1,	 /* a network card: it is in skep_cards, packets from tunnels may be redirected to it by XDP */
};

/* skep_ports: hash, __u32 tunnel key -> struct skep_port.  Where a tunnel packet goes. */
struct skep_port {
	enum skep_port_kind kind;
	__u32 ifindex; /* LOCAL */
	__u16 flags;   /* enum skep_port_flags */
	__u16 police;  /* LOCAL: index into skep_policers: what the port may be sent; 0 = none */
	__u32 set;     /* FLOOD: index into skep_sets.  LOCAL: index into skep_lports */
	__u64 rx_packets; /* atomic add by BPF: delivered to the port from tunnels */
	__u64 rx_bytes;
};
SKEP_ASSERT(sizeof(struct skep_port) == 32);

/* How a host wants to be sent to (RFC 7348, 8926, 7637).  What it receives may be of any kind. */
enum skep_encap {
	SKEP_ENCAP_VXLAN,
	SKEP_ENCAP_GENEVE,
	SKEP_ENCAP_NVGRE,
	SKEP_ENCAPS
} SKEP_SMALL;

/* Bytes that an IP packet of a machine grows by on its way to a host, at most: outer IP header to inner Ethernet header. */
static inline __u32 skep_encap_size(__u32 encap, int v6)
{
	__u32 size = encap == SKEP_ENCAP_NVGRE ? 42 : encap == SKEP_ENCAP_GENEVE ? 58 : 50; /* Geneve: with a mark */

	return v6 ? size + 20 : size;
}

enum skep_peer_flags {
	SKEP_PEER_MARKS = 1 << 0,     /* understands marks: VXLAN of 16 bits, Geneve of 24, NVGRE none */
	SKEP_PEER_DSCP_COPY = 1 << 1, /* outer DSCP = inner one; else 'tos' */
	SKEP_PEER_ON_LINK = 1 << 2,   /* no router in between: the next hop is 'remote' itself, and no route need be looked up */
};

/* skep_peers: array, index -> struct skep_peer.  Outer header of a host; zero family = free entry. */
struct skep_peer {
	struct skep_ip local;  /* outer source */
	struct skep_ip remote; /* outer destination */
	__u32 ifindex;	       /* underlay interface to leave by */
	__u8 family;	       /* 4 or 6; 0 = entry not in use */
	__u8 tos;	       /* outer DSCP << 2 */
	__u8 ttl;	       /* outer TTL or hop limit */
	enum skep_encap encap; /* what that host asked for */
	__be16 dport;	       /* UDP port of the tunnel on that host; not NVGRE */
	__u16 mtu;	       /* of the underlay interface and the path, outer IP header included */
	__u16 flags;	       /* enum skep_peer_flags */
	__u16 pad;
};
SKEP_ASSERT(sizeof(struct skep_peer) == 48);

/*
 * skep_hops: per-CPU array, index as in skep_peers -> struct skep_hop.  XDP's own memory of what the kernel's routes and neighbours say of a
 * host: a lookup costs more than all else that a packet needs.
 */
struct skep_hop {
	union {
		__u8 eth[14]; /* in front of tunnel packets: MACs and type */
		__u16 h[8];
		__u32 w[4];
	};
	struct skep_ip remote; /* of which host this was said */
	__u32 looked; /* bpf_jiffies64(), low 32 bits: asked then (SKEP_HOP_LOOKS) */
	__u32 told;   /* ... and when a packet last took the kernel's way, which keeps the neighbour alive */
	__u32 ok;     /* it is known, and leads out by the underlay interface */
};
SKEP_ASSERT(sizeof(struct skep_hop) == 44);

/* skep_remotes: hash, struct skep_ip (outer source) -> __u32 index into skep_peers.  Who may send us tunnel packets. */

/* skep_config: array of one.  May change at any time while programs run. */
struct skep_config {
	__u32 abi;	     /* SKEP_ABI */
	__u32 upcall_ifindex; /* the agent's tap */
	__u32 tunnel_ifindex; /* collect-metadata vxlan device; 0 = none: all packets are popped by us */
	__u32 under_ifindex; /* underlay interface */
	__be16 tunnel_port;  /* UDP */
	__u16 flags;	     /* enum skep_config_flags */
	enum skep_encap encap; /* what we ask for; that of strangers is refused, not passed to the stack */
	__u8 pad[3];
	__u64 agent_seen_ns; /* CLOCK_MONOTONIC heartbeat of skepd; 0 = stopped on purpose */
	__u64 event_tat_ns;  /* written by BPF: GCRA of drop events */
	__u32 event_interval_ns; /* 0 = no events */
	__u32 hz; /* jiffies per second */
	__u64 event_burst_ns;
	struct skep_ip local; /* our tunnel address; outer destination must equal it */
	struct skep_timeouts timeouts; /* in jiffies here */
};
SKEP_ASSERT(sizeof(struct skep_config) == 104);

enum skep_config_flags {
	SKEP_CFG_XDP_DECAP = 1 << 0,	  /* XDP on the underlay interface strips and leaves struct skep_xdp_meta */
	SKEP_CFG_XDP_SEND = 1 << 2,	  /* XDP may redirect to the underlay interface */
	SKEP_CFG_DECAP_L3_FLAGS = 1 << 1, /* adjust_room knows DECAP_L3_IPV6 (6.3+): inner IPv6 may be popped by us */
};

/* skep_stages: program array. */
enum skep_stage {
	SKEP_STAGE_MISS, /* skep_tc_miss: behind skep_tc_port, for a packet without an exact flow */
	SKEP_STAGE_ACT,	 /* skep_tc_act: behind skep_tc_miss, carries out what it found */
	SKEP_STAGE_ARRIVE, /* skep_tc_arrive: behind the programs of the underlay, for a port that has records of connections */
	SKEP_STAGE_ANSWER, /* skep_tc_answer: behind skep_tc_port, for ARP and neighbour discovery while skepd is away */
	SKEP_STAGE_MAX,
};

/* In front of a packet that XDP decapsulated (data_meta), for the TC program behind it. */
struct skep_xdp_meta {
	__u32 magic; /* SKEP_XDP_MAGIC */
	__u32 key;   /* tunnel key */
	__u32 peer;  /* index in skep_peers */
	__u32 mark;  /* 0 = none */
};
#define SKEP_XDP_MAGIC 0x736b6570
