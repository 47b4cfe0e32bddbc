/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both hooks share: the settings, bounded access to packet bytes, and the few kernel numbers
 * that older headers lack. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps/maps.bpf.h"

#define PASS TC_ACT_UNSPEC /* not ours: the next program, then the stack */
#define DONE TC_ACT_SHOT   /* consumed, all copies have been sent: no loss, not counted as one */

enum hook { /* of the program that code shared by both is inlined into; always a constant */
	HOOK_TC,
	HOOK_XDP,
};

/* skb->pkt_type, from linux/if_packet.h */
#define TYPE_HOST      0
#define TYPE_BROADCAST 1
#define TYPE_MULTICAST 2
#define TYPE_OTHERHOST 3

#define VLAN_PRESENT 0x1000 /* in key.vlan, see maps/flow.h */
#define ETH_SIZE     14
#define VLAN_SIZE    4

#define DECAP_L3_IPV4 (1ULL << 7) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV4, _IPV6: kernel 6.3 */
#define DECAP_L3_IPV6 (1ULL << 8)

/* Takes 'n' bytes off the frame's head, but for the Ethernet header, which the caller moves by
 * hand.  adjust_room() wants an IP header's length behind it, which frames of other protocols may
 * not have: those are padded, as Ethernet does, unless they come from a tunnel in this same kernel:
 * then it refuses. */
static __always_inline int shrink(struct __sk_buff *skb, __u32 n, __u64 flags)
{
	int v6 = skb->protocol == bpf_htons(ETH_P_IPV6) && !(flags & DECAP_L3_IPV4);
	__u32 least = n + ETH_SIZE + (v6 ? 40 : 20);

	if (skb->len < least && bpf_skb_change_tail(skb, least, 0))
		return -1;
	return bpf_skb_adjust_room(skb, -(int)n, BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO | flags);
}

static __always_inline struct skep_config *config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&skep_config, &zero);
}

/* GCRA: may one more pass now?  'tat' is shared by all CPUs; a lost race is tried once more, then
 * let through. */
static __always_inline int rate_ok(__u64 *tat, __u64 now, __u64 interval, __u64 burst)
{
	for (int i = 0; i < 2; i++) {
		__u64 old = *(volatile __u64 *)tat, base = old > now ? old : now;

		if (old > now + burst)
			return 0;
		if (__sync_val_compare_and_swap(tat, old, base + interval) == old)
			break;
	}
	return 1;
}
