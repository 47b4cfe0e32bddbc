/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections: what is kept of each, and when it is over.  One record at the port that emits the original direction, one at the port that
 * emits replies.  Today skepd alone reads and writes skep_conns, so that a restart loses none.
 */
#pragma once

#include "limits.h"
#include "types.h"

/* skep_conns: hash, struct skep_conn_key -> struct skep_conn.  The tuple is as the port emits it; echo: simulator/simulator.h. */
struct skep_conn_key {
	__u32 port; /* tunnel key of the local port */
	__u8 proto;
	__u8 pad[3];
	struct skep_ip src;
	struct skep_ip dst;
	__be16 sport;
	__be16 dport;
	__u32 pad2;
};
SKEP_ASSERT(sizeof(struct skep_conn_key) == 48);

struct skep_binding { /* simulator/simulator.h: struct sim_binding */
	__u64 router;
	__u64 member;
	struct skep_ip from;
	struct skep_ip to;
	__be16 from_port;
	__be16 to_port;
	__u8 dst;
	__u8 pad[3];
};
SKEP_ASSERT(sizeof(struct skep_binding) == 56);

struct skep_conn {
	__u8 reply;	 /* the port emits the reply direction */
	__u8 orig_seen;	 /* TCP flags seen in the original direction, or'ed; others: 0x80 = seen */
	__u8 reply_seen;
	__u8 n_bindings;
	__u32 pad;
	__u64 last_seen_ns; /* CLOCK_BOOTTIME */
	struct skep_ip other_src; /* the other direction, as its port emits it */
	struct skep_ip other_dst;
	__be16 other_sport;
	__be16 other_dport;
	__u32 pad2;
	char other_port[64]; /* name */
	struct skep_binding bindings[4];
};
SKEP_ASSERT(sizeof(struct skep_conn) == 344);

/* Idle times in seconds (config).  RFC 5382: established TCP at least 2 h 4 min; RFC 4787: UDP at least 2 min. */
struct skep_timeouts {
	__u32 tcp_syn;		/* no answer yet */
	__u32 tcp_established;
	__u32 tcp_fin;		/* one side has ended */
	__u32 tcp_closed;	/* both have, or a reset */
	__u32 udp_new;		/* one direction seen */
	__u32 udp_replied;
	__u32 icmp;
	__u32 other;
};
#define SKEP_TIMEOUTS                                                                              \
	{ .tcp_syn = 60, .tcp_established = 7440, .tcp_fin = 240, .tcp_closed = 10,                \
	  .udp_new = 30, .udp_replied = 180, .icmp = 30, .other = 600 }

#define SKEP_TCP_FIN 0x01
#define SKEP_TCP_SYN 0x02
#define SKEP_TCP_RST 0x04
#define SKEP_TCP_ACK 0x10

/* The idle time after which a connection is over.  'orig', 'reply': TCP flags seen in each direction, or'ed; other protocols: not 0 = seen. */
static inline __u32 skep_conn_timeout(const struct skep_timeouts *t, __u8 proto, __u8 orig, __u8 reply)
{
	switch (proto) {
	case 6:
		if ((orig | reply) & SKEP_TCP_RST)
			return t->tcp_closed;
		if (orig & reply & SKEP_TCP_FIN)
			return t->tcp_closed;
		if ((orig | reply) & SKEP_TCP_FIN)
			return t->tcp_fin;
		/* picked up in the middle: no SYN was seen, both sides were */
		return reply && (orig & SKEP_TCP_ACK) ? t->tcp_established : t->tcp_syn;
	case 17:
	case 136: /* UDP-Lite */
		return reply ? t->udp_replied : t->udp_new;
	case 1:
	case 58:
		return t->icmp;
	default:
		return t->other;
	}
}
