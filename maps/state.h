/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections: what is kept of each, and when it is over.  One record at the port that emits the original direction, one at the port that
 * emits replies; each lives on its port's host.  Made by BPF (skep_wild with SKEP_F_RECORD, and where a marked packet is delivered) or by
 * skepd, refreshed by both; never evicted: skepd deletes those that are over.
 */
#pragma once

#include <linux/bpf.h>

#include "limits.h"
#include "nat.h"
#include "types.h"

/* skep_conns: hash, struct skep_conn_key -> struct skep_conn.  The tuple is as the port emits it; echo: simulator/simulator.h. */
struct skep_conn_key {
	__u32 port; /* tunnel key of the local port */
	struct skep_ip src;
	struct skep_ip dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};
SKEP_ASSERT(sizeof(struct skep_conn_key) == 44);

enum skep_conn_flags {
	SKEP_CONN_REPLY = 1 << 0, /* the port emits the reply direction */
	SKEP_CONN_NAT = 1 << 1,	  /* translated: as 'nat' says; else skep_details has more, and wildcard flows are not for it */
	SKEP_CONN_SKEPD = 1 << 2, /* made by skepd: skep_details has more */
	SKEP_CONN_STALE = 1 << 3, /* made by BPF in place of one of skepd's, which was over: skep_details has that one's, to be deleted with it */
};

struct skep_conn {
	__u32 last_seen; /* bpf_jiffies64() of the last packet of either direction, low 32 bits */
	__u32 other_key; /* the port at the other end: its tunnel key; 0 = not known ... */
	__u16 other_peer; /* ... on that host: index into skep_peers; 0 = this one */
	__u8 flags;	 /* enum skep_conn_flags */
	__u8 orig_seen;	 /* TCP flags seen in the original direction, or'ed; others: 0x80 = seen */
	__u8 reply_seen;
	__u8 pad;
	__u16 nat; /* index into skep_nats; 0 = none, or not known here */
	struct bpf_spin_lock lock; /* so that skepd writes in place (BPF_F_LOCK): an element that is replaced is another's at once, while BPF looks at it */
	__u32 pad2;
} __attribute__((aligned(8))); /* BPF writes the second eight octets at once */
SKEP_ASSERT(sizeof(struct skep_conn) == 24);

/* skep_newconns: ring buffer, BPF -> skepd: a record that was made.  Lost when full: skepd finds it in skep_conns all the same, later. */
struct skep_newconn {
	struct skep_conn_key key;
	__u32 unknown; /* its translation has no number here: it is 'nat'.  Such a record is not made when the ring is full */
	struct skep_nat nat;
};
SKEP_ASSERT(sizeof(struct skep_newconn) == 104);

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

/* skep_details: hash, struct skep_conn_key -> struct skep_detail.  What skepd, and only skepd, knows of a record besides: so that a restart loses none. */
struct skep_detail {
	struct skep_ip other_src; /* the other direction, as its port emits it */
	struct skep_ip other_dst;
	__be16 other_sport;
	__be16 other_dport;
	__u32 n_bindings;
	char other_port[64]; /* name */
	struct skep_binding bindings[4];
};
SKEP_ASSERT(sizeof(struct skep_detail) == 328);

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

/* Is a record over?  Times in jiffies, low 32 bits. */
static inline int skep_conn_over(const struct skep_conn *c, const struct skep_timeouts *t, __u8 proto, __u32 now)
{
	return (__s32)(now - c->last_seen) > (__s32)skep_conn_timeout(t, proto, c->orig_seen, c->reply_seen);
}
