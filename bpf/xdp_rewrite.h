/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes headers in XDP, in place: the same bytes as rewrite.h, which is simpler here, for checksums are always complete and a frame is
 * one packet.  What it cannot do (tags, protocols that are not parsed) is asked before anything is changed, and left to TC.
 */
#pragma once

#include "bpf/csum.h"
#include "bpf/parse.h"

#define XDP_VLANS (SKEP_RW_VLAN_PUSH | SKEP_RW_VLAN_POP | SKEP_RW_VLAN_SET)
#define XDP_ADDRS (SKEP_RW_SRC | SKEP_RW_DST)
#define XDP_PORTS (SKEP_RW_SPORT | SKEP_RW_DPORT | SKEP_RW_ECHO_ID)
#define L4_READ	  20 /* bytes of an L4 header that are looked at */
#define MANGLED_0 0xffff

static __always_inline void *in_place(struct xdp_md *xdp, __u64 off, __u32 size)
{
	return at_in(xdp, HOOK_XDP, off, size);
}

/* Can it be carried out here? */
static __always_inline int xdp_can_rewrite(const struct parsed *p, const struct skep_rewrite *rw)
{
	__u8 proto = p->is_v6 ? p->k6.proto : p->k4.proto;

	if (rw->what & XDP_VLANS)
		return 0;
	if (!p->l4_off) /* UDP-Lite and DCCP have checksums that cover the addresses */
		return !(rw->what & XDP_ADDRS) || (proto != 33 && proto != 136);
	return p->l4_off <= WINDOW - L4_READ;
}

static __always_inline void write_macs(void *eth, const struct skep_mac *macs, int dst, int src)
{
	if (dst)
		__builtin_memcpy(eth, &macs[0], 6);
	if (src)
		__builtin_memcpy(eth + 6, &macs[1], 6);
}

static __always_inline int xdp_macs(struct xdp_md *xdp, const struct skep_flow *f)
{
	__u32 *eth = in_place(xdp, 0, ETH_SIZE);
	const __u32 *macs = (const void *)&f->eth_dst;

	if (!eth)
		return -1;
	if ((f->flags & (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) == (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) {
		eth[0] = macs[0];
		eth[1] = macs[1];
		eth[2] = macs[2];
	} else {
		write_macs(eth, &f->eth_dst, f->flags & SKEP_F_ETH_DST, f->flags & SKEP_F_ETH_SRC);
	}
	return 0;
}

/* TTL - n alone; the caller has made sure that TTL > n. */
static __always_inline int xdp_ttl(struct xdp_md *xdp, const struct parsed *p, __u32 n)
{
	union {
		__u16 w;
		__u8 b[2];
	} ttl; /* and protocol */
	struct ip4 *ip;
	__u8 *hops;
	__u16 old;

	if (p->is_v6) {
		hops = in_place(xdp, p->l3_off + 7, 1);
		if (!hops)
			return -1;
		*hops -= n;
		return 0;
	}
	ip = in_place(xdp, p->l3_off, sizeof(*ip));
	if (!ip)
		return -1;
	ttl.b[0] = ip->ttl;
	ttl.b[1] = ip->proto;
	old = ttl.w;
	ip->ttl = ttl.b[0] = ttl.b[0] - n;
	ip->check = ~fold16(csum_change(0, old, ttl.w) + (__u16)~ip->check);
	return 0;
}

static __always_inline int xdp_ipv4(struct xdp_md *xdp, const struct where *p, const struct skep_rewrite *rw, __u32 ttl_dec, __u64 *diff)
{
	struct ip4 *ip = in_place(xdp, p->l3_off, sizeof(*ip));
	union {
		__u16 w;
		__u8 b[2];
	} tos, ttl; /* the words that hold them */
	__u64 sum = 0;
	__u16 old;

	if (!ip)
		return -1;
	if (rw->what & SKEP_RW_SRC) {
		sum = csum_change(sum, ip->src, rw->src.w[3]);
		ip->src = rw->src.w[3];
	}
	if (rw->what & SKEP_RW_DST) {
		sum = csum_change(sum, ip->dst, rw->dst.w[3]);
		ip->dst = rw->dst.w[3];
	}
	*diff = sum;
	tos.b[0] = ip->ver_ihl;
	tos.b[1] = ip->tos;
	old = tos.w;
	if (rw->what & SKEP_RW_DSCP)
		ip->tos = tos.b[1] = (tos.b[1] & 3) | rw->dscp << 2;
	sum = csum_change(sum, old, tos.w);
	ttl.b[0] = ip->ttl;
	ttl.b[1] = ip->proto;
	old = ttl.w;
	ip->ttl = ttl.b[0] = ttl.b[0] - ttl_dec;
	sum = csum_change(sum, old, ttl.w);
	ip->check = ~fold16(sum + (__u16)~ip->check);
	return 0;
}

static __always_inline int xdp_ipv6(struct xdp_md *xdp, const struct where *p, const struct skep_rewrite *rw, __u32 ttl_dec, __u64 *diff)
{
	struct ip6 *ip = in_place(xdp, p->l3_off, sizeof(*ip));
	__u64 sum = 0;

	if (!ip)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (rw->what & SKEP_RW_SRC) {
			sum = csum_change(sum, ip->src[i], rw->src.w[i]);
			ip->src[i] = rw->src.w[i];
		}
		if (rw->what & SKEP_RW_DST) {
			sum = csum_change(sum, ip->dst[i], rw->dst.w[i]);
			ip->dst[i] = rw->dst.w[i];
		}
	}
	*diff = sum;
	ip->hops -= ttl_dec;
	if (rw->what & SKEP_RW_DSCP)
		ip->ver_tc_flow = (ip->ver_tc_flow & bpf_htonl(0xf03fffff)) | bpf_htonl((__u32)rw->dscp << 22);
	return 0;
}

/* Ports and ids, and the checksum that covers them and the addresses ('diff'). */
static __always_inline int xdp_l4(struct xdp_md *xdp, const struct where *p, const struct skep_rewrite *rw, __u64 diff)
{
	__u32 csum_at, id = rw->what & SKEP_RW_ECHO_ID ? 4 : 0;
	__u32 *ports = in_place(xdp, p->l4_off + id, sizeof(*ports)), old;
	union {
		__u32 w;
		struct l4 l4;
	} now;
	__u16 *csum, sum;

	switch (p->proto) {
	case IPPROTO_TCP:
		csum_at = 16;
		break;
	case IPPROTO_UDP:
		csum_at = 6;
		break;
	case IPPROTO_ICMP:
		diff = 0;
		csum_at = 2;
		break;
	case IPPROTO_ICMPV6:
		csum_at = 2;
		break;
	default: /* SCTP: its checksum covers no address, and its ports are never written */
		return 0;
	}
	csum = in_place(xdp, p->l4_off + csum_at, sizeof(*csum));
	if (!ports || !csum)
		return -1;
	if (rw->what & XDP_PORTS) {
		old = now.w = *ports;
		if (rw->what & (SKEP_RW_SPORT | SKEP_RW_ECHO_ID))
			now.l4.src = rw->sport;
		if (rw->what & SKEP_RW_DPORT)
			now.l4.dst = rw->dport;
		*ports = now.w;
		diff = csum_change(diff, old, now.w);
	}
	sum = *csum;
	if (!diff || (!sum && p->proto == IPPROTO_UDP)) /* UDP without a checksum stays so */
		return 0;
	sum = ~fold16(diff + (__u16)~sum);
	*csum = !sum && p->proto == IPPROTO_UDP ? MANGLED_0 : sum;
	return 0;
}

/* Carries out entry 'index' of skep_rewrites, of which xdp_can_rewrite() has said yes, and takes 'ttl_dec' off the TTL. */
__noinline int xdp_rewrite(struct xdp_md *xdp, __u32 index, const struct where *p, __u32 ttl_dec)
{
	const struct skep_rewrite *rw = bpf_map_lookup_elem(&skep_rewrites, &index);
	void *eth = in_place(xdp, 0, ETH_SIZE);
	__u64 diff = 0;
	int rc = 0;

	if (!eth || !p || !rw)
		return -1;
	write_macs(eth, &rw->eth_dst, rw->what & SKEP_RW_ETH_DST, rw->what & SKEP_RW_ETH_SRC);
	ttl_dec = (ttl_dec + rw->ttl_dec) & 0xff;
	if (p->is_ip && (ttl_dec || (rw->what & (XDP_ADDRS | SKEP_RW_DSCP))))
		rc = p->is_v6 ? xdp_ipv6(xdp, p, rw, ttl_dec, &diff) : xdp_ipv4(xdp, p, rw, ttl_dec, &diff);
	if (!rc && p->l4_off && (rw->what & (XDP_ADDRS | XDP_PORTS)))
		rc = xdp_l4(xdp, p, rw, diff);
	return rc;
}
