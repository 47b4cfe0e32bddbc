/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rates of ports: what one may send (skep_iface.police), and is sent (of flows, outputs of sets and
 * tunnel keys).  In bytes as on the wire: the headers of each segment of a super-packet count.
 */
#pragma once

#include "bpf/account.h"

#define TYPICAL4 66 /* Ethernet, IPv4, TCP with timestamps */
#define TYPICAL6 86

/* Where nobody has parsed the frame. */
static __always_inline __u32 typical_headers(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IPV6) ? TYPICAL6 : TYPICAL4;
}

/* Are so many bytes over the rate of policer 'index'? */
static __always_inline int over_rate(__u32 index, __u64 bytes)
{
	struct skep_policer *pol = bpf_map_lookup_elem(&skep_policers, &index);

	if (!pol)
		return 0;
	if (rate_ok(&pol->tat_ns, bpf_ktime_get_ns(), bytes * pol->ps_per_byte / 1000,
		    pol->burst_ns))
		return 0;
	__sync_fetch_and_add(&pol->drops, 1);
	return 1;
}

/* Is the packet?  'headers' = bytes of its headers. */
__weak __noinline int policed(struct __sk_buff *skb, __u32 index, __u32 headers)
{
	__u64 bytes = skb->len;
	__u32 size = skb->gso_size, segments;

	if (size && bytes > headers) {
		segments = (skb->len - headers + size - 1) / size;
		bytes += (__u64)(segments - 1) * headers;
	}
	return over_rate(index, bytes);
}
