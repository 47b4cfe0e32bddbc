/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes headers: what a flow or one output of a set says (struct skep_rewrite), with right
 * checksums whatever state the kernel has them in.
 *
 *   none, verified   the packet's checksums are complete: they follow (RFC 1624)
 *   partial          the L4 checksum is left to the card and holds the sum of the pseudo header
 *                    only: it follows the addresses, not the ports (BPF_F_PSEUDO_HDR tells the two
 *                    apart)
 *   complete         skb->csum sums up all behind the Ethernet header: an IPv4 header sums to zero
 *                    before and after; IPv6's does not, so it is stored with BPF_F_RECOMPUTE_CSUM,
 *                    and BPF_F_PSEUDO_HDR takes the L4 checksum's part out again
 *
 * The result is the same, byte for byte, as packet/packet.h: pkt_rewrite(); a differential test
 * compares them.
 */
#pragma once

#include "bpf/account.h"
#include "bpf/csum.h"
#include "bpf/parse.h"

#define ADDRS  (SKEP_RW_SRC | SKEP_RW_DST)
#define PORTS  (SKEP_RW_SPORT | SKEP_RW_DPORT | SKEP_RW_ECHO_ID)
#define VLANS  (SKEP_RW_VLAN_PUSH | SKEP_RW_VLAN_POP | SKEP_RW_VLAN_SET)
#define MACS   (SKEP_RW_ETH_DST | SKEP_RW_ETH_SRC)
#define VLAN_DEI 0x1000
#define PROTO_DCCP    33
#define PROTO_UDPLITE 136

/* TTL, DSCP and addresses at once; *diff = what the pseudo header's sum changes by. */
static __always_inline int rewrite_ipv4(struct __sk_buff *skb, const struct where *p,
					const struct skep_rewrite *rw, __u32 ttl_dec, __u64 *diff)
{
	__u16 tos, ttl; /* the words that hold them */
	__be32 src, dst;
	__u64 sum = 0;
	union {
		struct ip4 h;
		__u16 w[10];
	} ip;

	if (load(skb, p->l3_off, &ip, sizeof(ip)))
		return -1;
	tos = ip.w[0];
	ttl = ip.w[4];
	src = ip.h.src;
	dst = ip.h.dst;
	ip.h.ttl -= ttl_dec;
	if (rw->what & SKEP_RW_DSCP)
		ip.h.tos = (ip.h.tos & 3) | rw->dscp << 2;
	if (rw->what & SKEP_RW_SRC)
		ip.h.src = rw->src.w[3];
	if (rw->what & SKEP_RW_DST)
		ip.h.dst = rw->dst.w[3];
	sum = csum_change(csum_change(0, src, ip.h.src), dst, ip.h.dst);
	*diff = sum;
	sum = csum_change(csum_change(sum, tos, ip.w[0]), ttl, ip.w[4]);
	ip.h.check = ~fold16(sum + (__u16)~ip.h.check);
	return bpf_skb_store_bytes(skb, p->l3_off, &ip, sizeof(ip), 0);
}

/* The addresses are stored from where they are: the stack is short. */
static __always_inline int rewrite_ipv6(struct __sk_buff *skb, const struct where *p,
					const struct skep_rewrite *rw, __u32 ttl_dec, __u64 *diff)
{
	const struct ip6 *ip = at(skb, p->l3_off, sizeof(*ip));
	__u32 what = rw->what, off = p->l3_off;
	__be32 head[2];
	__u64 sum = 0;

	if (!ip)
		return -1;
	__builtin_memcpy(head, ip, sizeof(head));
	((__u8 *)head)[7] -= ttl_dec;
	if (what & SKEP_RW_DSCP)
		head[0] = (head[0] & bpf_htonl(0xf03fffff)) | bpf_htonl((__u32)rw->dscp << 22);
	if (what & SKEP_RW_SRC)
		for (int i = 0; i < 4; i++)
			sum = csum_change(sum, ip->src[i], rw->src.w[i]);
	if (what & SKEP_RW_DST)
		for (int i = 0; i < 4; i++)
			sum = csum_change(sum, ip->dst[i], rw->dst.w[i]);
	*diff = sum;
	if ((ttl_dec || (what & SKEP_RW_DSCP)) &&
	    bpf_skb_store_bytes(skb, off, head, sizeof(head), BPF_F_RECOMPUTE_CSUM))
		return -1;
	if ((what & ADDRS) == ADDRS)
		return bpf_skb_store_bytes(skb, off + 8, &rw->src, 32, BPF_F_RECOMPUTE_CSUM);
	if (what & SKEP_RW_SRC)
		return bpf_skb_store_bytes(skb, off + 8, &rw->src, 16, BPF_F_RECOMPUTE_CSUM);
	if (what & SKEP_RW_DST)
		return bpf_skb_store_bytes(skb, off + 24, &rw->dst, 16, BPF_F_RECOMPUTE_CSUM);
	return 0;
}

/* The L4 checksum follows the addresses ('diff'); ports and ids, which it covers, are written. */
static __always_inline int rewrite_l4(struct __sk_buff *skb, const struct where *p,
				      const struct skep_rewrite *rw, __u64 diff)
{
	__u32 at = p->l4_off, csum, what = rw->what, pseudo = 1;
	__u64 flags = 0;
	union {
		struct l4 ports;
		__u32 w;
	} now;
	__u32 old;

	switch (p->proto) {
	case IPPROTO_TCP:
		csum = at + 16;
		break;
	case IPPROTO_UDP:
		csum = at + 6;
		flags = BPF_F_MARK_MANGLED_0;
		break;
	case IPPROTO_ICMP:
		pseudo = 0;
		csum = at + 2;
		break;
	case IPPROTO_ICMPV6:
		csum = at + 2;
		break;
	default: /* SCTP: its checksum covers no address, and its ports are never written */
		return 0;
	}
	if ((what & ADDRS) && pseudo &&
	    bpf_l4_csum_replace(skb, csum, 0, fold32(diff), flags | BPF_F_PSEUDO_HDR))
		return -1;
	if (!(what & PORTS))
		return 0;
	if (what & SKEP_RW_ECHO_ID)
		at += 4; /* id and sequence number */
	if (load(skb, at, &now, sizeof(now)))
		return -1;
	old = now.w;
	if (what & (SKEP_RW_SPORT | SKEP_RW_ECHO_ID))
		now.ports.src = rw->sport;
	if (what & SKEP_RW_DPORT)
		now.ports.dst = rw->dport;
	if (bpf_l4_csum_replace(skb, csum, 0, fold32(csum_change(0, old, now.w)), flags))
		return -1;
	return bpf_skb_store_bytes(skb, at, &now, sizeof(now), 0);
}

/* Protocols that are not parsed, but whose checksum covers the addresses, at byte 6: UDP-Lite, DCCP. */
static __always_inline int rewrite_unparsed(struct __sk_buff *skb, const struct where *p, __u64 diff)
{
	__u64 flags = p->proto == PROTO_UDPLITE ? BPF_F_MARK_MANGLED_0 : 0;
	__u8 h[8];

	if (p->later || (p->proto != PROTO_UDPLITE && p->proto != PROTO_DCCP) ||
	    bpf_skb_load_bytes(skb, p->hdr_len, h, sizeof(h)))
		return 0;
	return bpf_l4_csum_replace(skb, p->hdr_len + 6, 0, fold32(diff), flags | BPF_F_PSEUDO_HDR);
}

/* --- VLAN tags --- */

static __always_inline void moved(struct where *p, int by)
{
	p->l3_off += by;
	p->hdr_len += by;
	if (p->l4_off)
		p->l4_off += by;
}

/* The type at byte 12 lies in the Ethernet header, which skb->csum does not cover; what is behind
 * it does. */
static __always_inline int vlan_pop(struct __sk_buff *skb, struct where *p)
{
	int beside = skb->vlan_present;
	__be16 type;

	if (beside || !p->injected) {
		if (bpf_skb_vlan_pop(skb))
			return -1;
	} else if (bpf_skb_load_bytes(skb, 16, &type, sizeof(type)) ||
		   shrink(skb, VLAN_SIZE, BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
		   bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0)) {
		return -1;
	}
	if (!beside)
		moved(p, -VLAN_SIZE);
	return 0;
}

static __always_inline int vlan_push(struct __sk_buff *skb, struct where *p, __u16 tci)
{
	__be16 head[3] = { bpf_htons(ETH_P_8021Q), bpf_htons(tci) };

	if (!p->injected)
		return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tci);
	if (bpf_skb_load_bytes(skb, 12, &head[2], 2) ||
	    bpf_skb_adjust_room(skb, VLAN_SIZE, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
	    bpf_skb_store_bytes(skb, 12, head, 2, 0) ||
	    bpf_skb_store_bytes(skb, 14, head + 1, 4, BPF_F_RECOMPUTE_CSUM))
		return -1;
	moved(p, VLAN_SIZE);
	return 0;
}

static __always_inline int vlan_set(struct __sk_buff *skb, __u16 tci)
{
	__be16 proto, in_frame;

	if (skb->vlan_present) {
		proto = skb->vlan_proto;
		tci |= skb->vlan_tci & VLAN_DEI;
		return bpf_skb_vlan_pop(skb) || bpf_skb_vlan_push(skb, proto, tci) ? -1 : 0;
	}
	if (bpf_skb_load_bytes(skb, 14, &in_frame, sizeof(in_frame)))
		return -1;
	in_frame = (in_frame & bpf_htons(VLAN_DEI)) | bpf_htons(tci);
	return bpf_skb_store_bytes(skb, 14, &in_frame, sizeof(in_frame), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int rewrite_vlan(struct __sk_buff *skb, struct where *p,
					const struct skep_rewrite *rw)
{
	__u16 tci = bpf_ntohs(rw->vlan) & ~VLAN_DEI;

	if ((rw->what & SKEP_RW_VLAN_POP) && vlan_pop(skb, p))
		return -1;
	if ((rw->what & SKEP_RW_VLAN_PUSH) && vlan_push(skb, p, tci))
		return -1;
	if ((rw->what & SKEP_RW_VLAN_SET) && vlan_set(skb, tci))
		return -1;
	return 0;
}

/* --- all of it --- */

static __always_inline int store_macs(struct __sk_buff *skb, const struct skep_mac *macs, int dst,
				      int src)
{
	if (dst && src)
		return bpf_skb_store_bytes(skb, 0, macs, 12, 0);
	if (dst)
		return bpf_skb_store_bytes(skb, 0, macs, 6, 0);
	return src ? bpf_skb_store_bytes(skb, 6, macs + 1, 6, 0) : 0;
}

static __always_inline int rewrite_macs(struct __sk_buff *skb, const struct skep_flow *f)
{
	return store_macs(skb, &f->eth_dst, f->flags & SKEP_F_ETH_DST, f->flags & SKEP_F_ETH_SRC);
}

/*
 * Carries out entry 'index' of skep_rewrites, and takes 'ttl_dec' off the TTL (the caller has made
 * sure that it is larger).  A global function, which the verifier looks at once; flows without a
 * rewrite do not come here.
 */
__noinline int rewrite_by(struct __sk_buff *skb, __u32 index, struct where *p, __u32 ttl_dec)
{
	struct skep_rewrite *rw = bpf_map_lookup_elem(&skep_rewrites, &index);
	__u64 diff = 0;
	int rc = 0;

	if (!rw || !p)
		return -1;
	ttl_dec = (ttl_dec + rw->ttl_dec) & 0xff;
	if (store_macs(skb, &rw->eth_dst, rw->what & SKEP_RW_ETH_DST, rw->what & SKEP_RW_ETH_SRC))
		return -1;
	if (p->is_ip && (ttl_dec || (rw->what & (ADDRS | SKEP_RW_DSCP))))
		rc = p->is_v6 ? rewrite_ipv6(skb, p, rw, ttl_dec, &diff)
			      : rewrite_ipv4(skb, p, rw, ttl_dec, &diff);
	if (!rc && p->l4_off && (rw->what & (ADDRS | PORTS)))
		rc = rewrite_l4(skb, p, rw, diff);
	else if (!rc && p->is_ip && (rw->what & ADDRS))
		rc = rewrite_unparsed(skb, p, diff);
	if (!rc && (rw->what & VLANS))
		rc = rewrite_vlan(skb, p, rw);
	return rc;
}

/* TTL - n alone, with the checksum by RFC 1624; the caller has made sure that TTL > n. */
static __always_inline int dec_ttl(struct __sk_buff *skb, __u32 l3_off, int is_v6, __u32 n)
{
	__u8 h[4]; /* IPv4: TTL, protocol, checksum */
	__u32 sum;

	if (is_v6) {
		if (bpf_skb_load_bytes(skb, l3_off + 7, h, 1))
			return -1;
		h[0] -= n;
		return bpf_skb_store_bytes(skb, l3_off + 7, h, 1, BPF_F_RECOMPUTE_CSUM);
	}
	if (bpf_skb_load_bytes(skb, l3_off + 8, h, 4))
		return -1;
	sum = (__u16) ~(h[2] << 8 | h[3]);
	sum += (__u16) ~(h[0] << 8);
	h[0] -= n;
	sum += h[0] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	h[2] = sum >> 8;
	h[3] = sum;
	return bpf_skb_store_bytes(skb, l3_off + 8, h, 4,
				   0); /* header and its checksum: the sum over both stays */
}
