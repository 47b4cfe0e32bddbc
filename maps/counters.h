/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datapath counters, in one per-CPU entry.  Drops are counted apart, by reason (drops.h). */
#pragma once

#include "types.h"

/* X(ID, "name", "explanation").  Append only. */
#define SKEP_COUNTERS(X)                                                                           \
	X(RX_PORT, "rx_port", "packets from local ports")                                          \
	X(RX_TUNNEL, "rx_tunnel", "packets decapsulated from other hosts")                         \
	X(TX_PORT, "tx_port", "packets delivered to local ports")                                  \
	X(TX_TUNNEL, "tx_tunnel", "packets encapsulated to other hosts")                           \
	X(FLOW_HIT, "flow_hit", "packets that met a flow")                                         \
	X(UPCALL, "upcall", "packets sent up to skepd")                                            \
	X(INJECT, "inject", "packets that skepd sent on")                                          \
	X(EVENT_LOST, "event_lost", "drop events not sent: ring full or over the rate")            \
	X(KERNEL_DECAP, "kernel_decap", "packets decapsulated by the kernel's tunnel device")      \
	X(XDP_DECAP, "xdp_decap", "packets decapsulated by XDP")                                   \
	X(WILD_HIT, "wild_hit", "packets without a flow of their own that met a wildcard flow")    \
	X(CONN_MADE, "conn_made", "records of connections made in the kernel")                     \
	X(NEWCONN_LOST, "newconn_lost", "records of which skepd was not told at once: ring full")   \
	X(XDP_PORT, "xdp_port", "packets of ports that are network cards, dealt with by XDP")      \
	X(XDP_DELIVER, "xdp_deliver", "packets from tunnels that XDP sent on to network cards") \
	X(ANSWER, "answer", "ARP requests and neighbour solicitations answered in the kernel: skepd was away")

enum skep_counter {
#define X(id, name, help) SKEP_CNT_##id,
	SKEP_COUNTERS(X)
#undef X
	SKEP_CNT_MAX
};

/* skep_counters: per-CPU array of one.  Of use as __u64[SKEP_CNT_MAX]; the members are names for those who dump it. */
struct skep_counts {
#define X(id, name, help) __u64 id;
	SKEP_COUNTERS(X)
#undef X
};
SKEP_ASSERT(sizeof(struct skep_counts) == 8 * SKEP_CNT_MAX);
