/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Local ports, other hosts, and the datapath's settings.  All written by skepd, read by BPF, unless a member says otherwise.
 * A local port is known by its tunnel key: the 24 bits that other hosts put into the VNI to reach it.
 */
#pragma once

#include "types.h"

/* skep_ifaces: hash, __u32 ifindex -> struct skep_iface.  A VM's or container's interface. */
struct skep_iface {
	__u32 key;		  /* tunnel key of the port it is bound to; never 0 */
	__u32 flags;		  /* 0 */
	__u64 upcall_tat_ns;	  /* written by BPF: GCRA's theoretical arrival time, CLOCK_MONOTONIC */
	__u32 upcall_interval_ns; /* 1 s / rate; 0 = unlimited */
	__u32 police;		  /* index into skep_policers: what the port may send; 0 = none */
	__u64 upcall_burst_ns;	  /* burst * interval */
	__u64 upcalls;		  /* atomic add by BPF: sent up */
	__u64 upcall_drops;	  /* atomic add by BPF: over the budget */
};
SKEP_ASSERT(sizeof(struct skep_iface) == 48);

enum skep_port_kind {
	SKEP_PORT_NONE,
	SKEP_PORT_LOCAL, /* one interface */
	SKEP_PORT_FLOOD, /* the members of a bridge on this host: 'set' */
	SKEP_PORT_AGENT, /* skepd itself (SKEP_KEY_CONTROL): goes up, SKEP_UP_STATE */
};

enum skep_port_flags {
	SKEP_PORT_PEER = 1 << 0, /* veth whose other end is in another namespace: bpf_redirect_peer */
};

/* skep_ports: hash, __u32 tunnel key -> struct skep_port.  Where a tunnel packet goes. */
struct skep_port {
	__u32 kind;    /* enum skep_port_kind */
	__u32 ifindex; /* LOCAL */
	__u16 flags;   /* enum skep_port_flags */
	__u16 police;  /* LOCAL: index into skep_policers: what the port may be sent; 0 = none */
	__u32 set;     /* FLOOD: index into skep_sets */
	__u64 rx_packets; /* atomic add by BPF: delivered to the port from tunnels */
	__u64 rx_bytes;
};
SKEP_ASSERT(sizeof(struct skep_port) == 32);

enum skep_peer_flags {
	SKEP_PEER_ON_LINK = 1 << 0, /* no router in between: the next hop is 'remote' itself, and no route need be looked up */
};

/* skep_peers: array, index -> struct skep_peer.  Outer header of a host; zero family = free entry. */
struct skep_peer {
	struct skep_ip local;  /* outer source */
	struct skep_ip remote; /* outer destination */
	__u32 ifindex;	       /* underlay interface to leave by */
	__u8 family;	       /* 4 or 6; 0 = entry not in use */
	__u8 tos;	       /* outer DSCP << 2 */
	__u8 ttl;	       /* outer TTL or hop limit */
	__u8 flags;	       /* enum skep_peer_flags */
	__be16 dport;	       /* UDP port of the tunnel on that host */
	__u16 mtu;	       /* of the underlay interface, outer IP header included */
	__u32 pad1;
};
SKEP_ASSERT(sizeof(struct skep_peer) == 48);

/* skep_remotes: hash, struct skep_ip (outer source) -> __u32 index into skep_peers.  Who may send us tunnel packets. */

/* skep_config: array of one.  May change at any time while programs run. */
struct skep_config {
	__u32 abi;	     /* SKEP_ABI */
	__u32 upcall_ifindex; /* the agent's tap */
	__u32 tunnel_ifindex; /* collect-metadata vxlan device; 0 = none: all packets are popped by us */
	__u32 under_ifindex; /* underlay interface */
	__be16 tunnel_port;  /* UDP */
	__u16 flags;	     /* enum skep_config_flags */
	__u32 pad;
	__u64 agent_seen_ns; /* CLOCK_MONOTONIC heartbeat of skepd; 0 = stopped on purpose */
	__u64 event_tat_ns;  /* written by BPF: GCRA of drop events */
	__u32 event_interval_ns; /* 0 = no events */
	__u32 pad2;
	__u64 event_burst_ns;
	struct skep_ip local; /* our tunnel address; outer destination must equal it */
};
SKEP_ASSERT(sizeof(struct skep_config) == 72);

enum skep_config_flags {
	SKEP_CFG_XDP_DECAP = 1 << 0,	  /* XDP on the underlay interface strips and leaves struct skep_xdp_meta */
	SKEP_CFG_DECAP_L3_FLAGS = 1 << 1, /* adjust_room knows DECAP_L3_IPV6 (6.3+): inner IPv6 may be popped by us */
};

/* In front of a packet that XDP decapsulated (data_meta), for the TC program behind it. */
struct skep_xdp_meta {
	__u32 magic; /* SKEP_XDP_MAGIC */
	__u32 key;   /* tunnel key */
};
#define SKEP_XDP_MAGIC 0x736b6570
