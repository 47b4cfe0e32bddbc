/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP's "fragmentation needed" and ICMPv6's "packet too big" for tunnel packets of ours: told to
 * skepd, which knows what to do with a smaller path.  The kernel's own table of path MTUs does not
 * learn of them, for no socket has sent what they answer.
 */
#pragma once

#include "bpf/tunnel.h"

struct too_big4 {
	__u8 type, code;
	__be16 check, unused, mtu;
	struct ip4 in; /* the packet that was too big */
};

struct too_big6 {
	__u8 type, code;
	__be16 check;
	__be32 mtu;
	struct ip6 in;
};

static __always_inline int is_icmp(const struct __sk_buff *skb)
{
	const __u8 *b = (void *)(long)skb->data;

	if ((void *)(b + ETH_SIZE + IP4_MIN) > (void *)(long)skb->data_end)
		return 0;
	return skb->protocol == bpf_htons(ETH_P_IP)
		       ? b[ETH_SIZE + 9] == IPPROTO_ICMP
		       : skb->protocol == bpf_htons(ETH_P_IPV6) && b[ETH_SIZE + 6] == IPPROTO_ICMPV6;
}

static __always_inline int is_tunnel(__u8 proto)
{
	return proto == IPPROTO_UDP || proto == IPPROTO_GRE;
}

/* The path's MTU, and the host it leads to; 0 = it is something else. */
static __always_inline __u32 too_big(struct __sk_buff *skb, const struct skep_config *cfg,
				     struct skep_ip *remote)
{
	union {
		struct too_big4 v4;
		struct too_big6 v6;
	} m;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_SIZE + IP4_MIN, &m.v4, sizeof(m.v4)) ||
		    m.v4.type != 3 || m.v4.code != 4 || m.v4.in.src != cfg->local.w[3] ||
		    !is_tunnel(m.v4.in.proto))
			return 0;
		remote->w[2] = bpf_htonl(0xffff);
		remote->w[3] = m.v4.in.dst;
		return bpf_ntohs(m.v4.mtu);
	}
	if (bpf_skb_load_bytes(skb, ETH_SIZE + IP6_SIZE, &m.v6, sizeof(m.v6)) || m.v6.type != 2 ||
	    !is_tunnel(m.v6.in.next))
		return 0;
	for (int i = 0; i < 4; i++) {
		if (m.v6.in.src[i] != cfg->local.w[i])
			return 0;
		remote->w[i] = m.v6.in.dst[i];
	}
	return bpf_ntohl(m.v6.mtu);
}

static __noinline int note_too_big(struct __sk_buff *skb)
{
	struct skep_config *cfg = config();
	struct skep_ip remote = {};
	struct skep_event *ev;
	__u64 now;
	__u32 mtu;

	if (!cfg || !cfg->event_interval_ns)
		return 0;
	mtu = too_big(skb, cfg, &remote);
	if (!mtu || !bpf_map_lookup_elem(&skep_remotes, &remote))
		return 0;
	now = bpf_ktime_get_ns();
	ev = rate_ok(&cfg->event_tat_ns, now, cfg->event_interval_ns, cfg->event_burst_ns)
		     ? bpf_ringbuf_reserve(&skep_events, sizeof(*ev), 0)
		     : NULL;
	if (!ev) {
		count(SKEP_CNT_EVENT_LOST); /* the next packet that is too big brings another one */
		return 0;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->type = SKEP_EV_PMTU;
	ev->len = mtu;
	ev->time_ns = now;
	ev->remote = remote;
	bpf_ringbuf_submit(ev, 0);
	return 0;
}
