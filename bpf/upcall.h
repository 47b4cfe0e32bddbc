/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to skepd and back: frames travel behind a struct skep_upcall.  More kinds of that
 * header never leave the kernel: a copy that must be encapsulated takes one turn through the tap's
 * ingress (relay), where it looks like IP to the kernel even if it is ARP: adjust_room and
 * redirect_neigh refuse anything else.
 */
#pragma once

#include "bpf/account.h"
#include "bpf/parse.h"

#define MAGIC_ENCAP 0x5a54 /* key = tunnel key, slot = index of the peer, pad = of the rewrite */
#define MAGIC_SET   0x5a55 /* key = set that continues another */
#define MAGIC_MARKED 0x5a56 /* MAGIC_ENCAP, rewritten already; pad = mark, the key of the ingress port */

static __always_inline int push_meta(struct __sk_buff *skb, __u16 magic, __u32 key, __u32 extra,
				     __u16 slot, __be16 eth_type)
{
	struct skep_upcall up = {
		.magic = bpf_htons(magic),
		.key = bpf_htonl(key),
		.slot = bpf_htons(slot),
		.eth_type = eth_type == bpf_htons(ETH_P_IPV6) ? eth_type : bpf_htons(ETH_P_IP),
	};

	__builtin_memcpy(up.pad, &extra, sizeof(extra));
	if (bpf_skb_change_head(skb, sizeof(up), 0))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &up, sizeof(up), 0);
}

/*
 * Puts a VLAN tag that the kernel holds beside the frame (all that a VM sent) into it: beside the
 * frame it would become the outer header's.  The kernel does that only to make room for another
 * tag, which pop_meta() throws away.
 */
static __always_inline int vlan_in_band(struct __sk_buff *skb)
{
	return skb->vlan_present ? bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 1) : 0;
}

/* Takes the header off again: adjust_room removes bytes behind the first 14, so the real Ethernet
 * header is moved by hand. */
static __always_inline int pop_meta(struct __sk_buff *skb)
{
	struct ethhdr eth;

	if (bpf_skb_load_bytes(skb, sizeof(struct skep_upcall), &eth, sizeof(eth)) ||
	    shrink(skb, sizeof(struct skep_upcall), BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return -1;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb)) /* of vlan_in_band() */
		return -1;
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/* Is there somebody to read what goes up? */
static __always_inline int agent_lives(const struct skep_config *cfg, __u64 now)
{
	return cfg && cfg->upcall_ifindex && cfg->agent_seen_ns &&
	       (now <= cfg->agent_seen_ns || now - cfg->agent_seen_ns <= SKEP_AGENT_DEAD_NS);
}

/*
 * A port may have half as many frames in the queue as there is room left: one that floods gets a third of it, n of them leave two parts in
 * n + 2 to all others, and whoever comes new finds room.  The index 0 of skep_lports holds the sum.
 */
static __always_inline int queue_ok(const struct skep_lport *all, const struct skep_lport *lp)
{
	__u32 used = all->queued;

	return used < SKEP_UPCALL_PORTS && 2 * lp->queued < SKEP_UPCALL_PORTS - used;
}

static __always_inline struct skep_lport *lport_at(__u32 index)
{
	return bpf_map_lookup_elem(&skep_lports, &index);
}

/* To skepd, as far as the queue has room for the port, and its budget goes. */
static __always_inline int upcall(struct __sk_buff *skb, struct skep_iface *iface,
				  const struct parsed *p, enum skep_upcall_why why)
{
	struct skep_lport *all = lport_at(0), *lp = lport_at(iface->lport);
	struct skep_config *cfg = config();
	__u64 now = bpf_ktime_get_ns();
	__u32 key = iface->key;

	if (!cfg || !all || !lp || !agent_lives(cfg, now))
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	if (!queue_ok(all, lp)) { /* first: what is refused here costs no budget */
		__sync_fetch_and_add(&iface->upcall_drops, 1);
		return drop(skb, SKEP_DROP_UPCALL_QUEUE, key, 0);
	}
	if (iface->upcall_interval_ns &&
	    !rate_ok(&iface->upcall_tat_ns, now, iface->upcall_interval_ns,
		     iface->upcall_burst_ns)) {
		__sync_fetch_and_add(&iface->upcall_drops, 1);
		return drop(skb, SKEP_DROP_UPCALL_RATE, key, 0);
	}
	if (push_meta(skb, SKEP_UPCALL_MAGIC, key, 0, why, p->k4.eth_type))
		return drop(skb, SKEP_DROP_REWRITE, key, 0);
	__sync_fetch_and_add(&iface->upcalls, 1);
	__sync_fetch_and_add(&all->queued, 1);
	if (lp != all)
		__sync_fetch_and_add(&lp->queued, 1);
	count(SKEP_CNT_UPCALL);
	return bpf_redirect(cfg->upcall_ifindex, 0);
}

/* A message of another host's skepd for ours.  The sender is a known host: no budget, and a part of the queue apart. */
static __always_inline int upcall_state(struct __sk_buff *skb, __u32 key)
{
	struct skep_lport *all = lport_at(0);
	struct skep_config *cfg = config();

	if (!cfg || !all || !agent_lives(cfg, bpf_ktime_get_ns()))
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	if (all->conns >= SKEP_UPCALL_QUEUE - SKEP_UPCALL_PORTS) /* is sent again */
		return drop(skb, SKEP_DROP_UPCALL_QUEUE, key, 0);
	if (push_meta(skb, SKEP_UPCALL_MAGIC, key, 0, SKEP_UP_STATE, skb->protocol))
		return drop(skb, SKEP_DROP_REWRITE, key, 0);
	__sync_fetch_and_add(&all->conns, 1);
	count(SKEP_CNT_UPCALL);
	return bpf_redirect(cfg->upcall_ifindex, 0);
}
