/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A frame of a local port -> its flow key.  The same rules, in the same order, as packet/packet.h:
 * pkt_parse(); a differential test compares both on every input.
 */
#pragma once

#include "bpf/ctx.h"

#define WINDOW 128 /* bytes that are read in place if they are linear: Ethernet, VLAN, IPv4 with options or IPv6, TCP */
#define EXT_MAX	  6 /* IPv6 extension headers */
#define IP4_MIN	  20
#define IP6_SIZE  40
#define ARP_SIZE  28
#define TCP_SIZE  20
#define UDP_SIZE  8
#define SCTP_SIZE 12
#define ICMP_SIZE 8
#define ND_RS	  133 /* ICMPv6: router and neighbour solicitation and advertisement, 133 to 136; a \
			 redirect (137) is an ordinary flow */
#define ND_NA	  136

struct ip4 {
	__u8 ver_ihl, tos;
	__be16 tot_len, id, frag;
	__u8 ttl, proto;
	__u16 check;
	__be32 src, dst;
};

struct ip6 {
	__be32 ver_tc_flow;
	__be16 len;
	__u8 next, hops;
	__be32 src[4], dst[4];
};

struct parsed {
	union { /* both begin with in_key, MACs, eth_type and vlan */
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
		__u64 words[8];
		__u32 w[16]; /* what is written here in the width in which the map's hash reads it need not wait for the store */
	};
	__u32 l3_off;
	__u32 l4_off;  /* 0 = no L4 header that we know */
	__u32 hdr_len; /* up to the end of the L4 header that was read, or of the IP header */
	__u8 ttl, tos;
	__u8 tcp_flags;
	__u8 is_ip, is_v6;
	__u8 always_up; /* ARP, RS, RA, NS, NA: never decided from a flow */
	__u8 injected;	/* by skepd or a relay: skb->protocol is IP whatever the frame is, and a
			   VLAN tag is in the frame */
};

/* What is needed of it to change or copy the frame.  Apart, for it is handed around by address: a
 * struct parsed that were would no longer be kept in registers. */
struct where {
	__u32 in_key;
	__u32 l3_off, l4_off, hdr_len;
	__u8 proto, is_ip, is_v6, injected;
	__u8 later; /* a fragment without L4 header */
};

static __always_inline struct where where_is(const struct parsed *p)
{
	return (struct where){
		.in_key = p->k4.in_key,
		.l3_off = p->l3_off,
		.l4_off = p->l4_off,
		.hdr_len = p->hdr_len,
		.proto = p->is_v6 ? p->k6.proto : p->k4.proto,
		.is_ip = p->is_ip,
		.is_v6 = p->is_v6,
		.injected = p->injected,
		.later = (p->is_v6 ? p->k6.frag : p->k4.frag) == SKEP_FRAG_LATER,
	};
}

/* The part of the frame that can be read in place. */
static __always_inline void *frame_data(void *ctx, enum hook hook)
{
	return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data
				: (void *)(long)((struct __sk_buff *)ctx)->data;
}

static __always_inline void *frame_end(void *ctx, enum hook hook)
{
	return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data_end
				: (void *)(long)((struct __sk_buff *)ctx)->data_end;
}

/* XDP: of the first piece, which all but jumbo frames have only (the helper that knows all costs as much as a third of parsing). */
static __always_inline __u32 frame_len(void *ctx, enum hook hook)
{
	__u64 len;

	if (hook == HOOK_TC)
		return ((struct __sk_buff *)ctx)->len;
	len = (__u64)frame_end(ctx, hook) - (__u64)frame_data(ctx, hook);
	asm volatile("" : "+r"(len)); /* or both pointers are taken for numbers of 32 bits */
	return len;
}

static __always_inline long load_at(void *ctx, enum hook hook, __u32 off, void *to, __u32 size)
{
	return hook == HOOK_XDP ? bpf_xdp_load_bytes(ctx, off, to, size)
				: bpf_skb_load_bytes(ctx, off, to, size);
}

/* Bytes of the frame at 'off', or NULL.  'off' is at most WINDOW. */
static __always_inline void *at_in(void *ctx, enum hook hook, __u64 off, __u32 size)
{
	void *p;

	if (off > WINDOW)
		return NULL;
	p = frame_data(ctx, hook) + off;
	return p + size <= frame_end(ctx, hook) ? p : NULL;
}

static __always_inline void *at(struct __sk_buff *skb, __u64 off, __u32 size)
{
	return at_in(skb, HOOK_TC, off, size);
}

/* Words of a key: W_..4, W_..6 where the families differ. */
enum {
	W_MACS = __builtin_offsetof(struct skep_flow_key4, eth_dst) / 4,
	W_TYPE = __builtin_offsetof(struct skep_flow_key4, eth_type) / 4,
	W_ADDRS = __builtin_offsetof(struct skep_flow_key4, src) / 4,
	W_PORTS4 = __builtin_offsetof(struct skep_flow_key4, sport) / 4,
	W_PORTS6 = __builtin_offsetof(struct skep_flow_key6, sport) / 4,
	W_PROTO4 = __builtin_offsetof(struct skep_flow_key4, proto) / 4,
	W_PROTO6 = __builtin_offsetof(struct skep_flow_key6, proto) / 4,
};

struct l4 {
	__be16 src, dst;
};

/* Two or four members of a key that are one word of it. */
union word {
	struct l4 l4;
	struct {
		__be16 type, vlan;
	};
	__u8 b[4];
	__u32 w;
};

/* The same for any 'off', copied; the helper costs as much as the rest of parsing, so it is for
 * what lies behind the window. */
static __always_inline int load_in(void *ctx, enum hook hook, __u32 off, void *to, __u32 size)
{
	void *p = at_in(ctx, hook, off, size);

	if (!p)
		return load_at(ctx, hook, off, to, size);
	__builtin_memcpy(to, __builtin_assume_aligned(p, 4), size); /* or it would be copied byte by byte */
	return 0;
}

static __always_inline int load(struct __sk_buff *skb, __u32 off, void *to, __u32 size)
{
	return load_in(skb, HOOK_TC, off, to, size);
}

/* 'left' bytes of the packet are at 'off'.  Reads ports into *l4, the header's size into *size. */
static __always_inline enum skep_drop parse_l4(void *ctx, enum hook hook, struct parsed *p,
					       __u32 off, __u32 left, __u8 proto, struct l4 *l4)
{
	union {
		__u8 b[8];
		__be16 h[4];
		__u32 w[2];
	} h;
	__u8 tcp[2];
	__u32 size;

	switch (proto) {
	case IPPROTO_TCP:
		size = TCP_SIZE;
		break;
	case IPPROTO_UDP:
		size = UDP_SIZE;
		break;
	case IPPROTO_SCTP:
		size = SCTP_SIZE;
		break;
	case IPPROTO_ICMP:
		if (p->is_v6)
			return SKEP_DROP_NONE;
		size = ICMP_SIZE;
		break;
	case IPPROTO_ICMPV6:
		if (!p->is_v6)
			return SKEP_DROP_NONE;
		size = ICMP_SIZE;
		break;
	default:
		return SKEP_DROP_NONE;
	}
	if (left < size || load_in(ctx, hook, off, &h, sizeof(h)))
		return SKEP_DROP_TRUNCATED;
	if (proto == IPPROTO_TCP) {
		if (load_in(ctx, hook, off + 12, tcp, sizeof(tcp)))
			return SKEP_DROP_TRUNCATED;
		size = (tcp[0] >> 4) * 4;
		if (size < TCP_SIZE)
			return SKEP_DROP_BAD_HEADER;
		if (size > left)
			return SKEP_DROP_TRUNCATED;
		p->tcp_flags = tcp[1];
	}
	p->l4_off = off;
	p->hdr_len = off + size;
	l4->src = h.h[0]; /* ICMP: type and code */
	if (proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6)
		l4->dst = h.h[1];
	else if (p->is_v6 ? h.b[0] == 128 || h.b[0] == 129 : h.b[0] == 8 || h.b[0] == 0)
		l4->dst = h.h[2];
	if (p->is_v6 && proto == IPPROTO_ICMPV6 && h.b[0] >= ND_RS && h.b[0] <= ND_NA)
		p->always_up = 1;
	return SKEP_DROP_NONE;
}

static __always_inline enum skep_drop parse_arp(struct parsed *p, __u32 left)
{
	p->always_up = 1;
	return left < ARP_SIZE ? SKEP_DROP_TRUNCATED : SKEP_DROP_NONE;
}

static __always_inline enum skep_drop parse_ipv4(void *ctx, enum hook hook, struct parsed *p,
						 __u32 left)
{
	union word ports = {}, proto = {};
	__u32 ihl, total, frag;
	enum skep_drop bad;
	struct ip4 *ip;

	if (left < IP4_MIN)
		return SKEP_DROP_TRUNCATED;
	ip = at_in(ctx, hook, p->l3_off, IP4_MIN);
	if (!ip)
		return SKEP_DROP_TRUNCATED;
	ihl = (ip->ver_ihl & 0xf) * 4;
	if (ip->ver_ihl >> 4 != 4 || ihl < IP4_MIN)
		return SKEP_DROP_BAD_HEADER;
	if (ihl > left)
		return SKEP_DROP_TRUNCATED;
	total = bpf_ntohs(ip->tot_len);
	if (total < ihl)
		return SKEP_DROP_BAD_HEADER;
	if (total > left)
		return SKEP_DROP_TRUNCATED;
	frag = bpf_ntohs(ip->frag);
	proto.b[0] = ip->proto;
	proto.b[1] = frag & 0x1fff   ? SKEP_FRAG_LATER
		     : frag & 0x2000 ? SKEP_FRAG_FIRST
				     : SKEP_FRAG_NONE;
	p->w[W_PROTO4] = proto.w;
	p->w[W_ADDRS] = ip->src;
	p->w[W_ADDRS + 1] = ip->dst;
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	p->is_ip = 1;
	p->hdr_len = p->l3_off + ihl;
	if (proto.b[1] == SKEP_FRAG_LATER)
		return SKEP_DROP_NONE;
	bad = parse_l4(ctx, hook, p, p->l3_off + ihl, total - ihl, proto.b[0], &ports.l4);
	p->w[W_PORTS4] = ports.w;
	return bad;
}

static __always_inline int is_ext(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_AH || next == IPPROTO_DSTOPTS;
}

static __always_inline int is_v4_mapped(const struct skep_ip *ip)
{
	return !ip->w[0] && !ip->w[1] && ip->w[2] == bpf_htonl(0xffff);
}

/* Where the walk over IPv6 extension headers is. */
struct ext {
	__u32 off, left;
	__u8 next, frag;
};

/* Walks the extension headers; few packets have any.  Unrolled: kernel 6.1 refuses the shape that clang gives the loop. */
static __always_inline int walk(void *ctx, enum hook hook, struct ext *e)
{
	__u32 off, left, size, frag;
	__u8 h[8], next;

	if (!e)
		return SKEP_DROP_TRUNCATED;
	off = e->off;
	left = e->left;
	next = e->next;
#pragma clang loop unroll(full)
	for (int n = 0; n <= EXT_MAX; n++) {
		if (!is_ext(next))
			break;
		if (n == EXT_MAX)
			return SKEP_DROP_BAD_HEADER;
		if (left < 8 || load_at(ctx, hook, off, h, sizeof(h)))
			return SKEP_DROP_TRUNCATED;
		size = next == IPPROTO_FRAGMENT ? 8
		       : next == IPPROTO_AH	? (h[1] + 2) * 4
						: (h[1] + 1) * 8;
		if (size > left)
			return SKEP_DROP_TRUNCATED;
		left -= size;
		off += size;
		frag = next == IPPROTO_FRAGMENT ? h[2] << 8 | h[3] : 0;
		next = h[0];
		if (frag & 0xfff8) {
			e->frag = SKEP_FRAG_LATER;
			break;
		}
		if (frag & 1)
			e->frag = SKEP_FRAG_FIRST;
	}
	e->off = off;
	e->left = left;
	e->next = next;
	return SKEP_DROP_NONE;
}

/*
 * Global functions, so that the verifier looks at them once, and not at all that follows for each number of headers.  Weak, for the objects
 * that include this are linked into one.
 */
__weak __noinline int walk_ext(struct __sk_buff *skb, struct ext *e)
{
	return walk(skb, HOOK_TC, e);
}

__weak __noinline int walk_ext_xdp(struct xdp_md *xdp, struct ext *e)
{
	return walk(xdp, HOOK_XDP, e);
}

static __always_inline enum skep_drop parse_ipv6(void *ctx, enum hook hook, struct parsed *p,
						 __u32 left)
{
	__u32 off = p->l3_off + IP6_SIZE, size, head;
	union word ports = {}, proto = {};
	enum skep_drop bad;
	struct ip6 *ip;
	__u8 next;

	if (left < IP6_SIZE)
		return SKEP_DROP_TRUNCATED;
	ip = at_in(ctx, hook, p->l3_off, IP6_SIZE);
	if (!ip)
		return SKEP_DROP_TRUNCATED;
	head = bpf_ntohl(ip->ver_tc_flow);
	if (head >> 28 != 6)
		return SKEP_DROP_BAD_HEADER;
	size = bpf_ntohs(ip->len);
	if (size > left - IP6_SIZE)
		return SKEP_DROP_TRUNCATED;
	left = size;
	next = ip->next;
	p->ttl = ip->hops;
	p->tos = head >> 20;
	for (int i = 0; i < 4; i++) {
		p->w[W_ADDRS + i] = ip->src[i];
		p->w[W_ADDRS + 4 + i] = ip->dst[i];
	}
	if (is_v4_mapped(&p->k6.src) || is_v4_mapped(&p->k6.dst))
		return SKEP_DROP_BAD_HEADER;
	p->is_ip = 1;
	if (is_ext(next)) {
		struct ext e = { .off = off, .left = left, .next = next };

		bad = hook == HOOK_XDP ? walk_ext_xdp(ctx, &e) : walk_ext(ctx, &e);
		if (bad)
			return bad;
		off = e.off;
		left = e.left;
		next = e.next;
		proto.b[1] = e.frag;
	}
	proto.b[0] = next;
	p->w[W_PROTO6] = proto.w;
	p->hdr_len = off;
	if (proto.b[1] == SKEP_FRAG_LATER)
		return SKEP_DROP_NONE;
	bad = parse_l4(ctx, hook, p, off, left, next, &ports.l4);
	p->w[W_PORTS6] = ports.w;
	return bad;
}

/*
 * Bytes that parse() wants linear; load() finds the others.  No more than needed: a super-packet of a container has its
 * headers and nothing else in its linear part, which it shares with the sender's queue, and to pull one byte
 * of payload costs a copy of that part and a reference to each page.
 */
static __always_inline __u32 wanted(const struct __sk_buff *skb)
{
	__u32 want = WINDOW;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		want = ETH_SIZE + VLAN_SIZE + IP4_MIN;
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		want = ETH_SIZE + VLAN_SIZE + IP6_SIZE;
	return skb->len < want ? skb->len : want;
}

/* What both hooks do: the frame has its first bytes in place, 'tci' is the tag beside it (0 = none) as it is in a key. */
static __always_inline enum skep_drop parse_frame(void *ctx, enum hook hook, struct parsed *p, __be16 tci)
{
	const __u32 *macs = at_in(ctx, hook, 0, ETH_SIZE);
	const __be16 *h = (const __be16 *)macs; /* 6: the type; behind it a tag */
	union word word = {};
	__u32 left;
	__u16 type;

	if (!macs)
		return SKEP_DROP_TRUNCATED;
	for (int i = 0; i < 3; i++)
		p->w[W_MACS + i] = macs[i];
	type = bpf_ntohs(h[6]);
	p->l3_off = ETH_SIZE;
	if (tci) {
		word.vlan = tci;
	} else if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		h = at_in(ctx, hook, 0, ETH_SIZE + VLAN_SIZE);
		if (!h)
			return SKEP_DROP_TRUNCATED;
		word.vlan = h[7] | bpf_htons(VLAN_PRESENT);
		type = bpf_ntohs(h[8]);
		p->l3_off += VLAN_SIZE;
	}
	p->hdr_len = p->l3_off;
	word.type = type < ETH_P_802_3_MIN ? 0 : bpf_htons(type);
	p->w[W_TYPE] = word.w;
	left = frame_len(ctx, hook) - p->l3_off;
	if (type == ETH_P_IP)
		return parse_ipv4(ctx, hook, p, left);
	if (type == ETH_P_IPV6) {
		p->is_v6 = 1;
		return parse_ipv6(ctx, hook, p, left);
	}
	if (type == ETH_P_ARP)
		return parse_arp(p, left);
	return SKEP_DROP_NONE;
}

/* Fills *p, which is zero but for k4.in_key and injected. */
static __always_inline enum skep_drop parse(struct __sk_buff *skb, struct parsed *p)
{
	__u32 want = wanted(skb);

	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end &&
	    bpf_skb_pull_data(skb, want))
		return SKEP_DROP_TRUNCATED;
	return parse_frame(skb, HOOK_TC, p, skb->vlan_present ? bpf_htons(skb->vlan_tci | VLAN_PRESENT) : 0);
}

/* The same.  A tag that the card has taken out of the frame is not seen: the program is not on such a card. */
static __always_inline enum skep_drop parse_xdp(struct xdp_md *xdp, struct parsed *p)
{
	return parse_frame(xdp, HOOK_XDP, p, 0);
}
