/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For which packets an exact flow holds (docs/datapath.md): the same in both hooks. */
#pragma once

#include "bpf/conn.h"

static __always_inline int bad_macs(const struct parsed *p)
{
	const __u16 *d = (const __u16 *)&p->k4.eth_dst, *s = (const __u16 *)&p->k4.eth_src;

	return (p->k4.eth_src.b[0] & 1) || (d[0] == s[0] && d[1] == s[1] && d[2] == s[2]);
}

/* The flow was made for packets with the same key, but not for this one; notes what has been seen
 * of a connection.  'ip_bytes': of its longest segment. */
static __always_inline int is_another_case(struct skep_flow *f, const struct parsed *p, __u32 ip_bytes)
{
	__u8 seen = f->tcp_seen;

	if (f->mtu && p->is_ip && ip_bytes > f->mtu)
		return 1;
	if ((f->flags & SKEP_F_TOS) && (p->tos & 0xfc) != f->tos)
		return 1;
	if ((f->flags & SKEP_F_TCP) && (p->tcp_flags & f->tcp_mask) != f->tcp_value)
		return 1;
	if (!(f->flags & SKEP_F_CONN))
		return 0;
	if ((p->tcp_flags & (SKEP_TCP_SYN | SKEP_TCP_ACK)) == SKEP_TCP_SYN &&
	    (seen & (SKEP_TCP_FIN | SKEP_TCP_RST)))
		return 1;
	if (p->tcp_flags & ~seen)
		f->tcp_seen = seen | p->tcp_flags;
	return 0;
}

/* A promoted flow holds as long as the wildcard flows of its port are those that it was made from. */
static __always_inline int is_outdated(const struct skep_flow *f, __u32 lport)
{
	struct skep_lport *lp = bpf_map_lookup_elem(&skep_lports, &lport);

	return !lp || lp->gen != f->gen;
}

#define STATE_FLAGS (SKEP_TCP_SYN | SKEP_TCP_ACK | SKEP_TCP_FIN | SKEP_TCP_RST)

/* Is it time to look at the connection's record?  Once a second, and when the packet changes its state. */
static __always_inline int is_due(const struct skep_flow *f, const struct parsed *p)
{
	struct skep_config *cfg = config();

	return (p->tcp_flags & ~f->tcp_seen & STATE_FLAGS) || begins(p) || !cfg || jiffies() - f->last_seen >= cfg->hz;
}
