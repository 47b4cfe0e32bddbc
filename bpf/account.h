/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters, drop events, and the only ways to lose a packet: drop_skb() and drop_xdp(),
 * count_drop() for a copy. */
#pragma once

#include "bpf/ctx.h"

static __always_inline void count(enum skep_counter which)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&skep_counters, &zero);

	if (n && which < SKEP_CNT_MAX)
		n[which]++; /* per CPU */
}

/* A copy of a frame was lost; the frame itself goes on, so there is no event. */
static __always_inline void count_drop(enum skep_drop reason)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&skep_drops, &zero);

	if (n && reason < SKEP_DROP_MAX)
		n[reason]++; /* per CPU */
}

/* What an event tells besides the packet. */
struct drop_info {
	__u32 reason; /* enum skep_drop */
	__u32 key;    /* port or unknown tunnel key */
	__u32 cookie;
	struct skep_ip remote;
};

/* Counts the drop; returns an event to be filled and submitted if one is due. */
static __always_inline struct skep_event *drop_begin(const struct drop_info *info, __u32 len)
{
	struct skep_config *cfg = config();
	struct skep_event *ev;
	__u64 now;

	count_drop(info->reason);
	if (!cfg || !cfg->event_interval_ns)
		return NULL;
	now = bpf_ktime_get_ns();
	if (!rate_ok(&cfg->event_tat_ns, now, cfg->event_interval_ns, cfg->event_burst_ns)) {
		count(SKEP_CNT_EVENT_LOST);
		return NULL;
	}
	ev = bpf_ringbuf_reserve(&skep_events, sizeof(*ev), 0);
	if (!ev) {
		count(SKEP_CNT_EVENT_LOST);
		return NULL;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->type = SKEP_EV_DROP;
	ev->reason = info->reason;
	ev->key = info->key;
	ev->cookie = info->cookie;
	ev->len = len;
	ev->time_ns = now;
	ev->remote = info->remote;
	return ev;
}

/*
 * How much of a frame goes into an event.  64 bits, hidden from the compiler on both sides: it would
 * test a copy in 32 bits, and the verifier would know no bounds of the one that is passed on.
 */
static __always_inline __u64 head_len(__u64 len)
{
	asm volatile("" : "+r"(len));
	if (len > SKEP_EVENT_HEAD)
		len = SKEP_EVENT_HEAD;
	asm volatile("" : "+r"(len));
	return len;
}

static __noinline int drop_skb(struct __sk_buff *skb, const struct drop_info *info)
{
	struct skep_event *ev;

	if (!info)
		return TC_ACT_SHOT;
	ev = drop_begin(info, skb->len);
	if (ev) {
		__u64 n = head_len(skb->len);

		/* not 'n > 0', which the verifier of 6.1 does not see through */
		if (n >= ETH_SIZE && bpf_skb_load_bytes(skb, 0, ev->head, n) == 0)
			ev->head_len = n;
		bpf_ringbuf_submit(ev, 0);
	}
	return TC_ACT_SHOT;
}

/* Not inlined: the caller's stack is short. */
static __attribute__((unused)) __noinline int drop(struct __sk_buff *skb, enum skep_drop reason, __u32 key, __u32 cookie)
{
	struct drop_info info = { .reason = reason, .key = key, .cookie = cookie };

	return drop_skb(skb, &info);
}

static __always_inline int drop_xdp(struct xdp_md *xdp, const struct drop_info *info)
{
	__u32 len = bpf_xdp_get_buff_len(xdp);
	struct skep_event *ev = drop_begin(info, len);

	if (ev) {
		__u64 n = head_len(len);

		if (n >= ETH_SIZE && bpf_xdp_load_bytes(xdp, 0, ev->head, n) == 0)
			ev->head_len = n;
		bpf_ringbuf_submit(ev, 0);
	}
	return XDP_DROP;
}
