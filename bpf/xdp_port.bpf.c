// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XDP on a network card that is a port (the virtual network's border), in front of skep_tc_port: what has an exact flow, and is for another
 * card or another host, needs no skb.  It only saves work: whatever it does not deal with goes on to TC as it came, and what it does
 * deal with ends as it would have there (selftests/bpf/border_test.c holds one against the other).
 */
#include "bpf/holds.h"
#include "bpf/police.h"
#include "bpf/xdp_out.h"
#include "bpf/xdp_rewrite.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Global functions are looked at once by the verifier, whatever leads to them. */
__noinline int drop_port(struct xdp_md *xdp, __u32 reason, __u32 key, __u32 cookie)
{
	struct drop_info info = { .reason = reason, .key = key, .cookie = cookie };

	return drop_xdp(xdp, &info);
}

/* What it makes of a frame is forgotten by the verifier: inlined, all that follows would be looked at for each kind of packet. */
__noinline int parse_card(struct xdp_md *xdp, struct parsed *p)
{
	return p ? parse_xdp(xdp, p) : SKEP_DROP_TRUNCATED;
}

/* The exact flow that holds for the packet; NULL: for TC to say. */
static __always_inline struct skep_flow *flow_find(const struct skep_card *card, struct parsed *p, __u32 len)
{
	struct skep_flow *f = p->is_v6 ? bpf_map_lookup_elem(&skep_flows6, &p->k6) : bpf_map_lookup_elem(&skep_flows4, &p->k4);

	if (!f || (f->gen && is_outdated(f, card->lport)) || (f->ttl_dec && p->ttl <= f->ttl_dec))
		return NULL;
	if ((f->mtu || (f->flags & (SKEP_F_TOS | SKEP_F_TCP | SKEP_F_CONN))) && is_another_case(f, p, len - p->l3_off))
		return NULL;
	if ((f->flags & SKEP_F_LIVE) && is_due(f, p))
		return NULL;
	return f;
}

static __always_inline void count_flow(struct skep_flow *f, __u32 len)
{
	struct skep_stat *s;
	__u32 index = f->stat;

	if (!(f->flags & SKEP_F_LIVE) && f->last_seen != jiffies())
		f->last_seen = jiffies();
	if (!f->gen) {
		__sync_fetch_and_add(&f->packets, 1);
		__sync_fetch_and_add(&f->bytes, len);
		return;
	}
	s = bpf_map_lookup_elem(&skep_stats, &index);
	if (s) {
		s->packets++; /* per CPU */
		s->bytes += len;
	}
}

static __always_inline int change(struct xdp_md *xdp, const struct skep_flow *f, const struct parsed *p, __u32 rewrite)
{
	struct where w;

	if ((f->flags & (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) && xdp_macs(xdp, f))
		return -1;
	if (rewrite) {
		w = where_is(p);
		return xdp_rewrite(xdp, rewrite, &w, f->ttl_dec);
	}
	return f->ttl_dec && p->is_ip ? xdp_ttl(xdp, p, f->ttl_dec) : 0;
}

SEC("xdp.frags") /* or jumbo frames would keep it off the interface */
int skep_xdp_port(struct xdp_md *xdp)
{
	__u32 ifindex = xdp->ingress_ifindex, len, out, rewrite;
	const struct skep_card *card = card_find(ifindex);
	struct parsed p = {};
	struct push w = {};
	struct skep_flow *f;
	enum skep_drop bad;
	__u8 action;

	if (!card)
		return XDP_PASS;
	len = frame_len(xdp, HOOK_XDP);
	p.k4.in_key = card->key;
	bad = parse_card(xdp, &p);
	if (!bad && bad_macs(&p))
		bad = SKEP_DROP_BAD_MAC;
	if ((bad || !p.is_ip) && !is_linear(xdp, bpf_xdp_get_buff_len(xdp)))
		return XDP_PASS; /* in several pieces: an IP packet is cut then */
	if (bad) {
		count(SKEP_CNT_RX_PORT);
		return drop_port(xdp, bad, card->key, 0);
	}
	if (p.always_up)
		return XDP_PASS;
	f = flow_find(card, &p, len);
	if (!f)
		return XDP_PASS;
	rewrite = *(volatile __u32 *)&f->rewrite; /* once: the cache is others' too */
	if (rewrite) {
		const struct skep_rewrite *rw = bpf_map_lookup_elem(&skep_rewrites, &rewrite);

		if (!rw || !xdp_can_rewrite(&p, rw))
			return XDP_PASS;
	}
	action = *(volatile __u8 *)&f->action;
	out = f->out;
	switch (action) {
	case SKEP_ACT_DROP:
		break;
	case SKEP_ACT_LOCAL:
		if (!takes(card_find(out), len))
			return XDP_PASS;
		break;
	case SKEP_ACT_ENCAP:
		if (!can_push(xdp, f, &p, len, &w))
			return XDP_PASS;
		break;
	default:
		return XDP_PASS;
	}

	if (card->police && over_rate(card->police, len)) { /* from here on it is ours */
		count(SKEP_CNT_RX_PORT);
		return drop_port(xdp, SKEP_DROP_POLICED, card->key, 0);
	}
	count(SKEP_CNT_XDP_PORT); /* dp_counters() adds them to RX_PORT and FLOW_HIT */
	count_flow(f, len);
	if (action == SKEP_ACT_DROP)
		return drop_port(xdp, out, card->key, f->cookie);
	if (change(xdp, f, &p, rewrite))
		return drop_port(xdp, SKEP_DROP_REWRITE, card->key, f->cookie);
	if (action == SKEP_ACT_LOCAL) {
		if (f->police && over_rate(f->police, len))
			return drop_port(xdp, SKEP_DROP_POLICED, card->key, f->cookie);
		count(SKEP_CNT_TX_PORT);
		return bpf_redirect(out, 0);
	}
	if (push_xdp(xdp, &w, out, &p, len))
		return drop_port(xdp, SKEP_DROP_REWRITE, card->key, 0);
	count(SKEP_CNT_TX_TUNNEL);
	return bpf_redirect(w.peer->ifindex, 0);
}
