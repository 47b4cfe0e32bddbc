/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of connections (maps/state.h): found by the tuple that a port emits, made where a connection begins and where its first packet
 * is delivered, refreshed by packets of both directions.  Deleted by skepd alone, but for one just made that skepd could not be told of.
 */
#pragma once

#include "bpf/account.h"
#include "bpf/nat.h"
#include "bpf/parse.h"

#define SEEN_ANY 0x80 /* of protocols without flags */
#define ECHO	 8
#define ECHO6	 128

static __always_inline __u32 jiffies(void)
{
	return bpf_jiffies64();
}

/* Ports of the tuple, as simulator/simulator.h has them; false: the packet belongs to no connection that could be known here. */
static __always_inline int tuple_ports(struct skep_conn_key *k, int is_v6)
{
	__u16 type = bpf_ntohs(k->sport) >> 8;
	__be16 id = k->dport, request;

	if (k->proto != IPPROTO_ICMP && k->proto != IPPROTO_ICMPV6)
		return 1;
	if ((k->proto == IPPROTO_ICMPV6) != is_v6)
		return 0;
	request = bpf_htons((is_v6 ? ECHO6 : ECHO) << 8);
	if (type == (is_v6 ? ECHO6 : ECHO)) {
		k->sport = id;
		k->dport = request;
		return 1;
	}
	if (type != (is_v6 ? ECHO6 + 1 : 0))
		return 0;
	k->sport = request;
	return 1;
}

/* The tuple of the packet as it is, at port 'port'. */
static __always_inline int conn_key(const struct parsed *p, __u32 port, struct skep_conn_key *k)
{
	__builtin_memset(k, 0, sizeof(*k));
	k->port = port;
	if (!p->is_ip)
		return 0;
	if (p->is_v6) {
		if (p->k6.frag)
			return 0;
		k->src = p->k6.src;
		k->dst = p->k6.dst;
		k->sport = p->k6.sport;
		k->dport = p->k6.dport;
		k->proto = p->k6.proto;
	} else {
		if (p->k4.frag)
			return 0;
		k->src.w[2] = k->dst.w[2] = bpf_htonl(0xffff);
		k->src.w[3] = p->k4.src;
		k->dst.w[3] = p->k4.dst;
		k->sport = p->k4.sport;
		k->dport = p->k4.dport;
		k->proto = p->k4.proto;
	}
	return tuple_ports(k, p->is_v6);
}

/* The tuple of the opposite direction, at 'port'.  In place: two keys are too much of kernel 6.1's stack. */
static __always_inline void conn_reverse(struct skep_conn_key *k, __u32 port)
{
	struct skep_ip src = k->src;
	__be16 sport = k->sport;

	k->port = port;
	k->src = k->dst;
	k->dst = src;
	k->sport = k->dport;
	k->dport = sport;
}

static __always_inline __u8 seen_of(const struct parsed *p)
{
	return p->tcp_flags ? p->tcp_flags : SEEN_ANY;
}

/* Has it come to its end, so that a SYN begins the next one of the same ports? */
static __always_inline int conn_ended(const struct skep_conn *c)
{
	return (c->orig_seen | c->reply_seen) & (SKEP_TCP_FIN | SKEP_TCP_RST);
}

static __always_inline int begins(const struct parsed *p)
{
	return (p->tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_ACK)) == SKEP_TCP_SYN;
}

static __always_inline int conn_over(const struct skep_conn *c, __u8 proto, __u32 now)
{
	struct skep_config *cfg = config();

	return cfg && skep_conn_over(c, &cfg->timeouts, proto, now);
}

/* A packet of the record's own direction, or of the opposite one.  Lines are written only when something changes. */
static __always_inline void conn_touch(struct skep_conn *c, int opposite, __u8 seen, __u32 now)
{
	int reply = !!(c->flags & SKEP_CONN_REPLY) != opposite;

	if (c->last_seen != now)
		c->last_seen = now;
	if (reply && (seen & ~c->reply_seen))
		c->reply_seen |= seen;
	if (!reply && (seen & ~c->orig_seen))
		c->orig_seen |= seen;
}

/* One more for the port; false: it has as many as it may have. */
static __always_inline int conn_quota(struct skep_lport *lp, int reply)
{
	__u32 *n = reply ? &lp->replies : &lp->conns, max = reply ? lp->replies_max : lp->conns_max;

	if (__sync_fetch_and_add(n, 1) < max)
		return 1;
	__sync_fetch_and_add(n, -1);
	__sync_fetch_and_add(&lp->refused, 1);
	return 0;
}

/* 'unknown': its translation, if that has no number on this host.  Negative: the ring is full. */
static __always_inline int tell_newconn(const struct skep_conn_key *k, const struct skep_nat *unknown)
{
	struct skep_newconn *ev = bpf_ringbuf_reserve(&skep_newconns, sizeof(*ev), 0);

	if (!ev) {
		count(SKEP_CNT_NEWCONN_LOST);
		return -1;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->key = *k;
	if (unknown) {
		ev->unknown = 1;
		ev->nat = *unknown;
	}
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
	return 0;
}

/* All of a record that two CPUs must not mix: what follows other_key. */
static __always_inline __u64 *conn_state(struct skep_conn *c)
{
	return (__u64 *)(void *)&c->other_peer;
}

/*
 * Begins the record anew.  In place: an element that BPF replaces is another connection's at once, while other CPUs still look at it.  Of two CPUs
 * one is the first, and counts.
 */
static __always_inline int conn_restart(struct skep_conn *c, struct skep_conn *fresh, struct skep_lport *lp)
{
	const int reply = fresh->flags & SKEP_CONN_REPLY;
	__u64 was = *(volatile __u64 *)conn_state(c);
	struct skep_conn old = {};
	int turned;

	*conn_state(&old) = was;
	turned = (old.flags & SKEP_CONN_REPLY) != reply;
	if (turned && !conn_quota(lp, reply))
		return -1;
	if (old.flags & (SKEP_CONN_SKEPD | SKEP_CONN_STALE))
		fresh->flags |= SKEP_CONN_STALE;
	if (__sync_val_compare_and_swap(conn_state(c), was, *conn_state(fresh)) != was) {
		if (turned)
			__sync_fetch_and_add(reply ? &lp->replies : &lp->conns, -1);
		return 1;
	}
	if (turned)
		__sync_fetch_and_add(reply ? &lp->conns : &lp->replies, -1);
	c->other_key = fresh->other_key;
	c->last_seen = fresh->last_seen;
	return 0;
}

static __always_inline int conn_add(const struct skep_conn_key *k, const struct skep_conn *fresh, struct skep_lport *lp)
{
	const int reply = fresh->flags & SKEP_CONN_REPLY;
	int rc;

	if (!conn_quota(lp, reply))
		return -1;
	rc = bpf_map_update_elem(&skep_conns, k, fresh, BPF_NOEXIST);
	if (!rc)
		return 0;
	__sync_fetch_and_add(reply ? &lp->replies : &lp->conns, -1);
	if (rc == -17) /* EEXIST: another CPU was faster */
		return 1;
	__sync_fetch_and_add(&lp->refused, 1);
	return -1;
}

/*
 * Makes the record, or begins the one that is there anew ('c', over or ended; NULL = none).  'unknown': of tell_newconn(), which then
 * has to be told: without, skepd could not know what replies become.  Negative: the port's limit, the table or the ring leaves no room.
 * Not a global function: kernel 6.1 takes no key from the memory that one is handed.
 */
static __attribute__((unused)) __noinline int conn_make(const struct skep_conn_key *k, struct skep_conn *fresh, struct skep_conn *c, __u32 lport,
							const struct skep_nat *unknown)
{
	struct skep_lport *lp = bpf_map_lookup_elem(&skep_lports, &lport);
	int rc;

	if (!lp || !k || !fresh)
		return -1;
	rc = c ? conn_restart(c, fresh, lp) : conn_add(k, fresh, lp);
	if (rc)
		return rc < 0 ? -1 : 0;
	count(SKEP_CNT_CONN_MADE);
	if (tell_newconn(k, unknown) && unknown && !bpf_map_delete_elem(&skep_conns, k)) {
		__sync_fetch_and_add(fresh->flags & SKEP_CONN_REPLY ? &lp->replies : &lp->conns, -1);
		return -1;
	}
	return 0;
}

/* The record of a connection's opposite direction at a port of this host: its index in skep_lports, 0 = no such port. */
static __always_inline __u32 lport_of(__u32 key)
{
	struct skep_port *port = bpf_map_lookup_elem(&skep_ports, &key);

	return port && port->kind == SKEP_PORT_LOCAL ? port->set : 0;
}

/* Has the port any records? */
static __always_inline int has_conns(__u32 lport)
{
	struct skep_lport *lp = bpf_map_lookup_elem(&skep_lports, &lport);

	return lp && (lp->conns || lp->replies);
}

struct arrival {
	__u32 key;	 /* of the port that it is for ... */
	__u32 lport;	 /* ... and its index in skep_lports */
	__u32 from_key;	 /* of the port that it is from ... */
	__u32 from_peer; /* ... on that host; 0 = this one */
	__u32 make;	 /* it may begin a connection */
	__u32 nat;	 /* that it is translated by; 0 = none, or see 'unknown' */
	const struct skep_nat *unknown; /* the same, of which this host has no number */
};

/* Is the record that of a connection that a load balancer has translated otherwise, or not at all? */
static __always_inline int is_anothers(const struct skep_conn *c, const struct arrival *a)
{
	if (!(c->flags & SKEP_CONN_NAT) != !(a->nat || a->unknown))
		return 1;
	return c->nat && a->nat && c->nat != a->nat;
}

/* A packet of the tuple *k, which is at the port that it is for, reversed: the record that the port has of the connection is refreshed, or made.
 * Negative: there is no room for it. */
static __always_inline int conn_arrive(struct skep_conn_key *k, const struct parsed *p, const struct arrival *a)
{
	struct skep_conn *c = bpf_map_lookup_elem(&skep_conns, k), fresh = { .flags = SKEP_CONN_REPLY };
	__u32 now = jiffies();

	if (c && !(a->make && begins(p) && conn_ended(c)) && !conn_over(c, k->proto, now)) {
		if (a->make && is_anothers(c, a)) /* its replies could not be told from that one's */
			return -1;
		conn_touch(c, 1, seen_of(p), now);
		return 0;
	}
	if (!a->make)
		return 0;
	if (a->nat || a->unknown)
		fresh.flags |= SKEP_CONN_NAT;
	fresh.last_seen = now;
	fresh.other_key = a->from_key;
	fresh.other_peer = a->from_peer;
	fresh.orig_seen = seen_of(p);
	fresh.nat = a->nat;
	return conn_make(k, &fresh, c, a->lport, a->unknown);
}
