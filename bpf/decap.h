/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What came in by the underlay: is it a tunnel packet for us, from whom, for which port (both
 * hooks), and its header stripped (TC; XDP does that itself).  All kinds of tunnel are understood
 * whatever this host asked for, for a change of that takes effect at other hosts some time later.
 */
#pragma once

#include "bpf/tunnel.h"

#define OUTER6	      (IP6_SIZE + UDP_SIZE + 8)
#define OPTIONS_MAX   63	   /* of Geneve: 252 bytes */

/* The outer header of a frame that came in by the underlay. */
struct outer {
	__u32 ours;   /* it is a tunnel packet for us; the rest is filled */
	__u32 reason; /* enum skep_drop */
	__u32 key;
	__u32 mark;
	__u32 binding; /* where the option's data begins; 0 = there is none */
	__u32 size; /* of all that precedes the inner Ethernet header */
	__u8 kind;  /* enum skep_encap */
	__u8 by_us; /* the kernel's device would refuse it */
	__u8 ecn;
	__u8 inner_proto; /* of inner IPv4 behind VXLAN */
	__be16 inner_type;
	__u32 peer; /* index in skep_peers */
	struct skep_ip remote;
};

/* --- options of Geneve --- */

struct options {
	void *ctx;
	__u32 off, left;
	__u32 mark, binding;
	__u32 bad;
};

static __always_inline long option(struct options *o, enum hook hook)
{
	__be32 raw[2];
	__u32 head, size;

	if (!o->left)
		return 1;
	if (load_at(o->ctx, hook, o->off, raw, sizeof(raw[0])))
		goto bad;
	head = bpf_ntohl(raw[0]);
	size = sizeof(raw[0]) + OPTION_SIZE(head);
	if (size > o->left)
		goto bad;
	if ((head & ~0xe0) == OPTION_MARK) { /* three bits are reserved */
		if (load_at(o->ctx, hook, o->off, raw, sizeof(raw)))
			goto bad;
		o->mark = bpf_ntohl(raw[1]);
	} else if ((head & ~0xe0) == OPTION_BINDING) {
		o->binding = o->off + sizeof(raw[0]);
	} else if (head & OPTION_CRITICAL) {
		goto bad;
	}
	o->off += size;
	o->left -= size;
	return 0;
bad:
	o->bad = 1;
	return 1;
}

static long option_tc(__u32 i, void *arg)
{
	return option(arg, HOOK_TC);
}

static long option_xdp(__u32 i, void *arg)
{
	return option(arg, HOOK_XDP);
}

/* Those of 'size' bytes behind the header; what follows them may lie behind data_end. */
static __always_inline int read_options(void *ctx, enum hook hook, struct outer *o, __u32 size)
{
	struct options all = { .ctx = ctx, .off = o->size, .left = size };
	__be16 type;

	if (hook == HOOK_XDP)
		bpf_loop(OPTIONS_MAX, option_xdp, &all, 0);
	else
		bpf_loop(OPTIONS_MAX, option_tc, &all, 0);
	o->mark = all.mark;
	o->binding = all.binding;
	o->size += size;
	if (all.bad || load_at(ctx, hook, o->size + 2 * ETH_ALEN, &type, sizeof(type)))
		return -1;
	o->inner_type = type;
	return 0;
}

/* --- the outer header --- */

/* Which kind of tunnel packet begins at 'l4'; -1 = none. */
static __always_inline int kind_of(const struct skep_config *cfg, __u8 proto, const void *l4,
				   const void *data_end)
{
	const struct tunnel_hdr *gre = l4;
	const struct udp *udp = l4;

	if (l4 + sizeof(*udp) > data_end)
		return -1;
	if (proto == IPPROTO_GRE)
		return (bpf_ntohl(gre->what) & GRE_PROTO) == ETH_P_TEB ? SKEP_ENCAP_NVGRE : -1;
	if (proto != IPPROTO_UDP)
		return -1;
	if (udp->dest == cfg->tunnel_port)
		return SKEP_ENCAP_VXLAN;
	return udp->dest == bpf_htons(SKEP_GENEVE_PORT) ? SKEP_ENCAP_GENEVE : -1;
}

/* The tunnel's own header, and what is behind it.  'left' bytes of the frame from 'l4' on. */
static __always_inline int parse_tunnel(void *ctx, enum hook hook, void *l4, void *data_end,
					__u32 left, struct outer *o)
{
	__u32 udp_len = left, least = UDP_SIZE + sizeof(struct tunnel_hdr) + ETH_SIZE, what;
	__u32 options = 0;
	struct tunnel_hdr *tun = l4;
	struct ethhdr *in;

	if (o->kind == SKEP_ENCAP_NVGRE) {
		least -= UDP_SIZE;
	} else {
		udp_len = bpf_ntohs(((struct udp *)l4)->len);
		tun = l4 + UDP_SIZE;
	}
	if ((void *)(tun + 1) > data_end)
		return -1;
	what = bpf_ntohl(tun->what);
	o->key = bpf_ntohl(tun->key) >> 8;
	switch (o->kind) {
	case SKEP_ENCAP_VXLAN:
		if ((what & VXLAN_FLAGS & ~VXLAN_G) != VXLAN_I)
			return -1;
		if (what & VXLAN_G) {
			o->by_us = 1;
			o->mark = what & VXLAN_ID;
		}
		break;
	case SKEP_ENCAP_GENEVE:
		if ((what & (GENEVE_VERSION | GENEVE_OAM)) || (what & GRE_PROTO) != ETH_P_TEB)
			return -1;
		options = GENEVE_OPTIONS(what);
		break;
	default:
		if ((what & GRE_FLAGS) != GRE_K)
			return -1;
	}
	if (udp_len < least + options || udp_len > left)
		return -1;
	in = (void *)(tun + 1);
	if (options)
		return read_options(ctx, hook, o, options);
	if ((void *)(in + 1) > data_end)
		return -1;
	o->inner_type = in->h_proto;
	if (in->h_proto == bpf_htons(ETH_P_IP) && (void *)(in + 1) + IP4_MIN <= data_end)
		o->inner_proto = *((__u8 *)(in + 1) + 9);
	return 0;
}

/* 'left' = length of the whole frame, which may be longer than data..data_end.  Fills '*o', which
 * is zero. */
static __always_inline void outer_parse(void *ctx, enum hook hook, void *data, void *data_end,
					__u32 left, struct outer *o)
{
	struct skep_config *cfg = config();
	struct ethhdr *eth = data;
	__u32 l3, bad = 0, *peer;
	void *l4;
	int kind;

	if (!cfg || (void *)(eth + 1) > data_end)
		return;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct ip4 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || ip->dst != cfg->local.w[3] ||
		    cfg->local.w[2] != bpf_htonl(0xffff))
			return;
		o->remote.w[2] = bpf_htonl(0xffff);
		o->remote.w[3] = ip->src;
		o->ecn = ip->tos & ECN;
		l3 = IP4_MIN;
		l4 = (void *)(ip + 1);
		if (ip->ver_ihl != 0x45) { /* options, which no host of ours sends */
			if (ip->ver_ihl >> 4 != 4 || (ip->ver_ihl & 0xf) < 5)
				return;
			l4 = (void *)ip + (ip->ver_ihl & 0xf) * 4;
			bad = 1;
		}
		if (ip->frag & bpf_htons(0x1fff)) /* a later fragment */
			return;
		if ((ip->frag & bpf_htons(0x2000)) || bpf_ntohs(ip->tot_len) > left - ETH_SIZE)
			bad = 1;
		kind = kind_of(cfg, ip->proto, l4, data_end);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ip6 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || ip->dst[0] != cfg->local.w[0] ||
		    ip->dst[1] != cfg->local.w[1] || ip->dst[2] != cfg->local.w[2] ||
		    ip->dst[3] != cfg->local.w[3])
			return;
		__builtin_memcpy(&o->remote, ip->src, 16);
		o->ecn = bpf_ntohl(ip->ver_tc_flow) >> 20 & ECN;
		l3 = IP6_SIZE;
		l4 = (void *)(ip + 1);
		if (bpf_ntohs(ip->len) > left - ETH_SIZE - IP6_SIZE)
			bad = 1;
		kind = kind_of(cfg, ip->next, l4, data_end);
	} else {
		return;
	}
	if (kind < 0)
		return;
	peer = bpf_map_lookup_elem(&skep_remotes, &o->remote);
	if (!peer) {
		/* another tunnel of this machine's, unless it is of the kind we ask for */
		o->ours = kind == SKEP_ENCAP_VXLAN || kind == cfg->encap;
		o->reason = SKEP_DROP_UNKNOWN_PEER;
		return;
	}
	o->ours = 1;
	o->peer = *peer;
	o->kind = kind;
	o->size = ETH_SIZE + l3 + sizeof(struct tunnel_hdr) +
		  (kind == SKEP_ENCAP_NVGRE ? 0 : UDP_SIZE);
	if (bad || parse_tunnel(ctx, hook, l4, data_end, left - ETH_SIZE - l3, o))
		o->reason = SKEP_DROP_BAD_TUNNEL;
}

/* --- congestion on the way: RFC 6040, figure 4 --- */

#define DSCP_ECN_V6 20 /* the octet begins at the fifth bit of the header */

/* The inner header's ECN behind a decapsulation; -1 = the packet must not go on. */
static __always_inline int ecn_behind(__u32 outer, __u32 inner)
{
	if (outer == ECN_CE)
		return inner ? ECN_CE : -1;
	return outer == ECN_1 && inner == ECN_0 ? ECN_1 : inner;
}

/* Writes it.  Before the outer header is stripped; not for what the kernel's device strips. */
static __always_inline int carry_ecn(void *ctx, enum hook hook, const struct outer *o)
{
	__u32 at = o->size + ETH_SIZE, inner, size, sum;
	__u64 flags = 0;
	int ecn;
	union {
		__u8 b[12];
		__u16 w[6];
		__be32 first;
	} h;

	if (o->ecn == 0 || o->ecn == ECN_0)
		return 0;
	if (o->inner_type == bpf_htons(ETH_P_IP)) {
		if (load_at(ctx, hook, at, &h, sizeof(h)))
			return 0; /* cut: whoever it is for will see */
		inner = h.b[1] & ECN;
	} else if (o->inner_type == bpf_htons(ETH_P_IPV6)) {
		if (load_at(ctx, hook, at, &h, sizeof(h.first)))
			return 0;
		inner = bpf_ntohl(h.first) >> DSCP_ECN_V6 & ECN;
	} else {
		return 0;
	}
	ecn = ecn_behind(o->ecn, inner);
	if (ecn < 0)
		return SKEP_DROP_ECN;
	if ((__u32)ecn == inner)
		return 0;
	if (o->inner_type == bpf_htons(ETH_P_IP)) {
		sum = (__u16)~h.w[5] + (__u16)~h.w[0];
		h.b[1] = (h.b[1] & ~ECN) | ecn;
		sum += h.w[0];
		sum = (sum & 0xffff) + (sum >> 16);
		h.w[5] = ~((sum & 0xffff) + (sum >> 16));
		size = sizeof(h);
	} else {
		h.first = (h.first & ~bpf_htonl(ECN << DSCP_ECN_V6)) | bpf_htonl(ecn << DSCP_ECN_V6);
		size = sizeof(h.first);
		flags = BPF_F_RECOMPUTE_CSUM; /* an IPv4 header sums to zero before and after */
	}
	if (hook == HOOK_XDP ? bpf_xdp_store_bytes(ctx, at, &h, size)
			     : bpf_skb_store_bytes(ctx, at, &h, size, flags))
		return SKEP_DROP_REWRITE;
	return 0;
}

/* --- strip, in TC --- */

static __always_inline int is_broadcast(const __u8 *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

/* 'flags': what adjust_room has to be told of the inner protocol. */
static __always_inline int pop(struct __sk_buff *skb, __u32 size, __u64 flags)
{
	struct ethhdr eth;

	if (load(skb, size, &eth, sizeof(eth)) || shrink(skb, size, flags))
		return -1;
	if (eth.h_dest[0] & 1) /* the type is the outer frame's: ours */
		bpf_skb_change_type(skb,
				    is_broadcast(eth.h_dest) ? TYPE_BROADCAST : TYPE_MULTICAST);
	return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth),
				   0); /* skb->csum covers what is behind the Ethernet header */
}
