/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* VXLAN (RFC 7348) over IPv4 and IPv6: push in TC, pop in TC, and the outer header's checks for
 * both hooks. */
#pragma once

#include "bpf/account.h"
#include "bpf/parse.h"

#define VXLAN_I	      0x08 /* flags: VNI is valid; no other may be set */
#define SPORT_FIRST   49152
#define OUTER4	      (IP4_MIN + UDP_SIZE + 8) /* IPv4 + UDP + VXLAN */
#define OUTER6	      (IP6_SIZE + UDP_SIZE + 8)
#define IP_DF	      0x4000
#define AF_INET	      2
#define AF_INET6      10
#define DECAP_L3_IPV4 (1ULL << 7) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV4, _IPV6: kernel 6.3 */
#define DECAP_L3_IPV6 (1ULL << 8)

#define PUSH_FLAGS                                                                               \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | \
	 BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_SIZE))

struct vxlan {
	__u8 flags, reserved[3];
	__be32 vni; /* << 8 */
};

struct udp {
	__be16 source, dest, len, check;
};

/* What is written in one go: all headers up to the inner Ethernet header, which is the old one. */
struct push4 {
	struct ethhdr outer;
	struct ip4 ip;
	struct udp udp;
	struct vxlan vx;
	struct ethhdr eth;
} __attribute__((packed));
SKEP_ASSERT(sizeof(struct push4) == ETH_SIZE + SKEP_ENCAP_V4);

struct push6 {
	struct ethhdr outer;
	struct ip6 ip;
	struct udp udp;
	struct vxlan vx;
	struct ethhdr eth;
} __attribute__((packed));
SKEP_ASSERT(sizeof(struct push6) == ETH_SIZE + SKEP_ENCAP_V6);

static __always_inline __u16 ip4_csum(const void *ip)
{
	const __u16 *w = ip;
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * By the kernel's own tunnel device: slower, but it takes what adjust_room() refuses, above all
 * packets that are in a tunnel of the container's own already and whose checksum is left to the
 * card.
 */
static __noinline int encap_by_kernel(struct __sk_buff *skb, __u32 peer_index, __u32 key,
				      __u32 in_key)
{
	struct skep_peer *peer = bpf_map_lookup_elem(&skep_peers, &peer_index);
	struct bpf_tunnel_key tk = { .tunnel_id = key };
	__u64 flags = BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT;
	struct skep_config *cfg = config();

	if (!peer || !cfg || !cfg->tunnel_ifindex || peer->dport != cfg->tunnel_port)
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	tk.tunnel_tos = peer->tos;
	tk.tunnel_ttl = peer->ttl;
	if (peer->family == 4) {
		tk.remote_ipv4 = bpf_ntohl(peer->remote.w[3]);
		tk.local_ipv4 = bpf_ntohl(peer->local.w[3]);
	} else {
		__builtin_memcpy(tk.remote_ipv6, &peer->remote, 16);
		__builtin_memcpy(tk.local_ipv6, &peer->local, 16);
		flags |= BPF_F_TUNINFO_IPV6;
	}
	if (bpf_skb_set_tunnel_key(skb, &tk, sizeof(tk), flags))
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	count(SKEP_CNT_TX_TUNNEL);
	return bpf_redirect(cfg->tunnel_ifindex, 0);
}

static __always_inline __u64 mix(__u64 h, __u64 x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

/*
 * By which the queues of the other host's card and the paths between tell flows apart.  Not the
 * kernel's hash: that one costs more than all of parsing, and differs for a packet that was with
 * skepd, which would then be overtaken by its successors.  All fragments of a packet go together.
 */
static __always_inline __u32 flow_hash(const struct parsed *p)
{
	const struct skep_flow_key4 *k4 = &p->k4;
	const struct skep_flow_key6 *k6 = &p->k6;
	__u64 h = 0;

	if (p->is_v6) {
		for (int i = 0; i < 4; i++)
			h = mix(h, (__u64)k6->src.w[i] << 32 | k6->dst.w[i]);
		return mix(h,
			   k6->frag ? 0
				    : (__u64)k6->proto << 32 | (__u32)k6->sport << 16 | k6->dport);
	}
	if (p->is_ip) {
		h = mix(h, (__u64)k4->src << 32 | k4->dst);
		return mix(h,
			   k4->frag ? 0
				    : (__u64)k4->proto << 32 | (__u32)k4->sport << 16 | k4->dport);
	}
	for (int i = 0; i < 6; i++)
		h = mix(h, (__u64)k4->eth_dst.b[i] << 8 | k4->eth_src.b[i]);
	return h;
}

/* By the neighbour table: of the route's next hop, or of the other host itself. */
static __always_inline int to_peer(const struct skep_peer *peer)
{
	struct bpf_redir_neigh hop = { .nh_family = AF_INET };

	if (!(peer->flags & SKEP_PEER_ON_LINK))
		return bpf_redirect_neigh(peer->ifindex, NULL, 0, 0);
	if (peer->family == 4) {
		hop.ipv4_nh = peer->remote.w[3];
	} else {
		hop.nh_family = AF_INET6;
		__builtin_memcpy(hop.ipv6_nh, &peer->remote, sizeof(hop.ipv6_nh));
	}
	return bpf_redirect_neigh(peer->ifindex, &hop, sizeof(hop), 0);
}

/*
 * Encapsulates and hands to the kernel's neighbour table.  skb->protocol must be IPv4 or IPv6,
 * whatever 'p' says of the frame.
 */
static __always_inline int encap(struct __sk_buff *skb, __u32 peer_index, __u32 key,
				 const struct parsed *p)
{
	struct skep_peer *peer = bpf_map_lookup_elem(&skep_peers, &peer_index);
	__u32 len = skb->len, inner = len, hash = flow_hash(p), over, in_key = p->k4.in_key;
	__u16 sport = SPORT_FIRST + (hash & 0x3fff);
	union { /* the stack is short */
		struct push4 v4;
		struct push6 v6;
	} h;

	if (!peer || !peer->family)
		return drop(skb, SKEP_DROP_NO_ROUTE_UNDERLAY, in_key, 0);
	over = (peer->family == 4 ? OUTER4 : OUTER6);
	if (skb->gso_size) /* the length of its segments */
		inner = p->hdr_len + skb->gso_size;
	/* A super-packet may be too long for the outer header's length fields: it is segmented
	 * before it leaves, which sets them. */
	if (inner + over > peer->mtu)
		return drop(skb, SKEP_DROP_TOO_BIG, in_key, 0);
	if (peer->family == 4) {
		__builtin_memset(&h.v4, 0, sizeof(h.v4));
		/* MACs are redirect_neigh's; it refuses a multicast one */
		h.v4.outer.h_proto = bpf_htons(ETH_P_IP);
		h.v4.ip.ver_ihl = 0x45;
		h.v4.ip.tos = peer->tos;
		h.v4.ip.tot_len = bpf_htons(len + OUTER4);
		h.v4.ip.frag = bpf_htons(IP_DF);
		h.v4.ip.ttl = peer->ttl;
		h.v4.ip.proto = IPPROTO_UDP;
		h.v4.ip.src = peer->local.w[3];
		h.v4.ip.dst = peer->remote.w[3];
		h.v4.udp.source = bpf_htons(sport);
		h.v4.udp.dest = peer->dport;
		h.v4.udp.len = bpf_htons(len + UDP_SIZE + 8);
		h.v4.vx.flags = VXLAN_I;
		h.v4.vx.vni = bpf_htonl(key << 8);
		h.v4.ip.check = ip4_csum((void *)&h + ETH_SIZE);
		if (load(skb, 0, &h.v4.eth, sizeof(h.v4.eth)))
			return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
		if (bpf_skb_adjust_room(skb, SKEP_ENCAP_V4, BPF_ADJ_ROOM_MAC,
					PUSH_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
			return encap_by_kernel(skb, peer_index, key, in_key);
		if (bpf_skb_store_bytes(skb, 0, &h, sizeof(h.v4), 0))
			return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	} else {
		__builtin_memset(&h.v6, 0, sizeof(h.v6));
		h.v6.outer.h_proto = bpf_htons(ETH_P_IPV6);
		h.v6.ip.ver_tc_flow =
			bpf_htonl(0x60000000 | (__u32)peer->tos << 20 | (hash & 0xfffff));
		h.v6.ip.len = bpf_htons(len + UDP_SIZE + 8);
		h.v6.ip.next = IPPROTO_UDP;
		h.v6.ip.hops = peer->ttl;
		h.v6.udp.source = bpf_htons(sport);
		h.v6.udp.dest = peer->dport;
		h.v6.udp.len = bpf_htons(len + UDP_SIZE + 8);
		h.v6.vx.flags = VXLAN_I;
		h.v6.vx.vni = bpf_htonl(key << 8);
		__builtin_memcpy(h.v6.ip.src, &peer->local, 16);
		__builtin_memcpy(h.v6.ip.dst, &peer->remote, 16);
		if (load(skb, 0, &h.v6.eth, sizeof(h.v6.eth)))
			return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
		if (bpf_skb_adjust_room(skb, SKEP_ENCAP_V6, BPF_ADJ_ROOM_MAC,
					PUSH_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
			return encap_by_kernel(skb, peer_index, key, in_key);
		if (bpf_skb_store_bytes(skb, 0, &h, sizeof(h.v6), 0))
			return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	}
	count(SKEP_CNT_TX_TUNNEL);
	return to_peer(peer);
}

/* The outer header of a frame that came in by the underlay. */
struct outer {
	__u32 ours;   /* it is a tunnel packet for us; the rest is filled */
	__u32 reason; /* enum skep_drop */
	__u32 key;
	__u32 size; /* of all that precedes the inner Ethernet header */
	__be16 inner_type;
	__u8 inner_proto; /* of inner IPv4 */
	struct skep_ip remote;
};

/* 'left' = length of the whole frame, which may be longer than data..data_end in TC.  Reads only in
 * data..data_end. */
static __always_inline void outer_parse(void *data, void *data_end, __u32 left, struct outer *o)
{
	struct skep_config *cfg = config();
	struct ethhdr *eth = data, *in;
	struct vxlan *vx;
	struct udp *udp;
	__u32 l3;

	if (!cfg || (void *)(eth + 1) > data_end)
		return;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct ip4 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || ip->proto != IPPROTO_UDP ||
		    ip->dst != cfg->local.w[3] || cfg->local.w[2] != bpf_htonl(0xffff))
			return;
		o->remote.w[2] = bpf_htonl(0xffff);
		o->remote.w[3] = ip->src;
		if (ip->ver_ihl !=
		    0x45) { /* options: behind them may be our port, which no skep host sends */
			udp = (void *)(ip + 1);
			if (ip->ver_ihl >> 4 != 4 || (ip->ver_ihl & 0xf) < 5)
				return;
			udp = (void *)ip + (ip->ver_ihl & 0xf) * 4;
			if ((void *)(udp + 1) > data_end || udp->dest != cfg->tunnel_port)
				return;
			o->ours = 1;
			o->reason = SKEP_DROP_BAD_TUNNEL;
			return;
		}
		udp = (void *)(ip + 1);
		l3 = IP4_MIN;
		if ((void *)(udp + 1) > data_end || (ip->frag & bpf_htons(0x1fff)) ||
		    udp->dest != cfg->tunnel_port)
			return;
		if ((ip->frag & bpf_htons(0x2000)) || bpf_ntohs(ip->tot_len) > left - ETH_SIZE)
			o->reason = SKEP_DROP_BAD_TUNNEL;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ip6 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > data_end || ip->next != IPPROTO_UDP ||
		    ip->dst[0] != cfg->local.w[0] || ip->dst[1] != cfg->local.w[1] ||
		    ip->dst[2] != cfg->local.w[2] || ip->dst[3] != cfg->local.w[3])
			return;
		__builtin_memcpy(&o->remote, ip->src, 16);
		udp = (void *)(ip + 1);
		l3 = IP6_SIZE;
		if ((void *)(udp + 1) > data_end || udp->dest != cfg->tunnel_port)
			return;
		if (bpf_ntohs(ip->len) > left - ETH_SIZE - IP6_SIZE)
			o->reason = SKEP_DROP_BAD_TUNNEL;
	} else {
		return;
	}
	o->ours = 1;
	o->size = ETH_SIZE + l3 + UDP_SIZE + sizeof(*vx);
	vx = (void *)(udp + 1);
	in = (void *)(vx + 1);
	if (o->reason)
		return;
	if (!bpf_map_lookup_elem(&skep_remotes, &o->remote)) {
		o->reason = SKEP_DROP_UNKNOWN_PEER;
		return;
	}
	if ((void *)(in + 1) > data_end ||
	    bpf_ntohs(udp->len) < UDP_SIZE + sizeof(*vx) + ETH_SIZE || vx->flags != VXLAN_I ||
	    bpf_ntohs(udp->len) > left - ETH_SIZE - l3) {
		o->reason = SKEP_DROP_BAD_TUNNEL;
		return;
	}
	o->key = bpf_ntohl(vx->vni) >> 8;
	o->inner_type = in->h_proto;
	if (in->h_proto == bpf_htons(ETH_P_IP) && (void *)(in + 1) + IP4_MIN <= data_end)
		o->inner_proto = *((__u8 *)(in + 1) + 9);
}

static __always_inline int is_broadcast(const __u8 *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

/* Strips the outer header in TC.  'flags': what adjust_room has to be told of the inner protocol.
 */
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
