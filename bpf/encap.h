/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pushes a tunnel header in TC, of the kind that the receiving host asked for, and hands the frame
 * to the kernel's neighbour table.
 */
#pragma once

#include "bpf/tunnel.h"

#define AF_INET  2
#define AF_INET6 10
#define SPORT_FIRST 49152
#define IP_DF	    0x4000

#define PUSH_FLAGS                                                                             \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_SIZE))

/* What is written in one go: all headers up to the inner Ethernet header, which is the old one.
 * NVGRE leaves UDP out, a mark of Geneve's comes between the last two.  Padded so that the IP header
 * is aligned, and written in whole words. */
struct push_tail {
	struct udp udp;
	struct tunnel_hdr tun;
	struct ethhdr eth;
} __attribute__((packed));

struct push4 {
	__u8 pad[2];
	struct ethhdr outer;
	struct ip4 ip;
	struct push_tail t;
} __attribute__((packed));
SKEP_ASSERT(sizeof(struct push4) == 2 + ETH_SIZE + SKEP_ENCAP_V4);

struct push6 {
	__u8 pad[2];
	struct ethhdr outer;
	struct ip6 ip;
	struct push_tail t;
} __attribute__((packed));
SKEP_ASSERT(sizeof(struct push6) == 2 + ETH_SIZE + SKEP_ENCAP_V6);

static __always_inline __u16 ip4_csum(const void *ip)
{
	const __u16 *w = ip;
	__u32 sum = 0;

	asm volatile("" ::: "memory"); /* or the words are kept twice, and the stack is short */
	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * By the kernel's own tunnel device: slower, but it takes what adjust_room() refuses, above all
 * packets that are in a tunnel of the container's own already and whose checksum is left to the
 * card.  It is VXLAN, which all hosts understand, whatever they ask for; it carries no mark, and sees
 * to ECN itself.  -1: not even that; it drops nothing itself, for the stack is short.
 */
static __noinline int encap_by_kernel(struct __sk_buff *skb, __u32 peer_index, __u32 key,
				      __u32 tos)
{
	struct skep_peer *peer = bpf_map_lookup_elem(&skep_peers, &peer_index);
	struct bpf_tunnel_key tk = { .tunnel_id = key };
	__u64 flags = BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT;
	struct skep_config *cfg = config();

	if (!peer || !cfg || !cfg->tunnel_ifindex)
		return -1;
	tk.tunnel_tos = tos & ~ECN;
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
		return -1;
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

/* What encapsulation needs to know of the frame. */
struct inner {
	__u32 in_key, hash, hdr_len;
	__u32 mark, nat;
	__u8 tos, has_tos;
};

/*
 * DSCP by the host's policy, ECN from the inner header (RFC 6040, normal mode).  The inner header
 * that ECN and a copied DSCP come from is an untagged frame's: behind a tag the kernel's device at
 * the other end would not carry a congestion mark back to it.
 */
static __always_inline __u32 outer_tos(struct __sk_buff *skb, const struct skep_peer *peer,
				       const struct inner *in)
{
	__u8 b[2];

	if (!in->has_tos)
		return peer->tos;
	if (!(peer->flags & SKEP_PEER_DSCP_COPY))
		return peer->tos | (in->tos & ECN);
	if (bpf_skb_load_bytes(skb, ETH_SIZE, b, sizeof(b))) /* a rewrite may have changed it */
		return in->tos & ECN;
	return b[0] >> 4 == 4 ? b[1] : (__u8)(b[0] << 4 | b[1] >> 4);
}

/* What the receiver can be told by this kind of tunnel; 0 = nothing. */
static __always_inline __u32 mark_for(const struct skep_peer *peer, __u32 kind, __u32 mark)
{
	if (!mark || !(peer->flags & SKEP_PEER_MARKS))
		return 0;
	if (kind == SKEP_ENCAP_GENEVE)
		return mark;
	return kind == SKEP_ENCAP_VXLAN && mark <= VXLAN_ID ? mark : 0;
}

static __always_inline void fill_tunnel(struct push_tail *t, __u32 kind, __be16 port, __u32 key,
					__u32 mark, __u32 nat, __u32 hash, __u32 size)
{
	__u32 what, options;

	t->udp.source = bpf_htons(SPORT_FIRST + (hash & 0x3fff));
	t->udp.dest = port;
	t->udp.len = bpf_htons(size);
	t->udp.check = 0; /* over IPv6 too: RFC 6935 */
	key <<= 8;
	if (kind == SKEP_ENCAP_VXLAN) {
		what = mark ? VXLAN_I | VXLAN_G | mark : VXLAN_I;
	} else if (kind == SKEP_ENCAP_GENEVE) {
		options = (mark ? MARK_SIZE : 0) + (nat ? BINDING_SIZE : 0);
		what = ETH_P_TEB | (options / 4) << 24 | (nat ? GENEVE_CRITICAL : 0);
	} else {
		what = ETH_P_TEB | GRE_K;
		key |= hash & 0xff;
	}
	t->tun.what = bpf_htonl(what);
	t->tun.key = bpf_htonl(key);
}

/* The option that tells the receiver what the packet was translated by. */
static __noinline int store_binding(struct __sk_buff *skb, __u32 off, __u32 nat)
{
	struct skep_nat *n = bpf_map_lookup_elem(&skep_nats, &nat);
	__be32 head = bpf_htonl(OPTION_BINDING);

	if (!n)
		return -1;
	return bpf_skb_store_bytes(skb, off, &head, sizeof(head), 0) ||
	       bpf_skb_store_bytes(skb, off + sizeof(head), n, SKEP_NAT_WIRE, 0);
}

/* Writes the headers ('h', of which the first 'head' bytes end with IP's) into the room made. */
static __always_inline int store(struct __sk_buff *skb, void *h, const __u32 head,
				 struct push_tail *t, __u32 kind, __u32 mark, __u32 nat)
{
	const __u32 upto = head + sizeof(t->udp) + sizeof(t->tun);

	if (kind == SKEP_ENCAP_NVGRE)
		return bpf_skb_store_bytes(skb, 0, h, head, 0) ||
		       bpf_skb_store_bytes(skb, head, &t->tun, sizeof(t->tun) + ETH_SIZE, 0);
	if (kind != SKEP_ENCAP_GENEVE || !mark)
		return bpf_skb_store_bytes(skb, 0, h, head + sizeof(*t), 0);
	if (bpf_skb_store_bytes(skb, 0, h, upto, 0))
		return -1;
	t->tun.what = bpf_htonl(OPTION_MARK);
	t->tun.key = bpf_htonl(mark);
	if (!nat)
		return bpf_skb_store_bytes(skb, upto, &t->tun, MARK_SIZE + ETH_SIZE, 0);
	return bpf_skb_store_bytes(skb, upto, &t->tun, MARK_SIZE, 0) ||
	       store_binding(skb, upto + MARK_SIZE, nat) ||
	       bpf_skb_store_bytes(skb, upto + MARK_SIZE + BINDING_SIZE, &t->eth, ETH_SIZE, 0);
}

/* Bytes between the outer IP header and the inner Ethernet header. */
static __always_inline __u32 body_size(__u32 kind, __u32 mark, __u32 nat)
{
	if (kind == SKEP_ENCAP_NVGRE)
		return sizeof(struct tunnel_hdr);
	return UDP_SIZE + sizeof(struct tunnel_hdr) +
	       (kind == SKEP_ENCAP_GENEVE && mark ? MARK_SIZE : 0) + (nat ? BINDING_SIZE : 0);
}

/* By the neighbour table: of the route's next hop, or of the other host itself. */
static __always_inline int to_peer(const struct skep_peer *peer, struct bpf_redir_neigh *hop)
{
	if (!(peer->flags & SKEP_PEER_ON_LINK))
		return bpf_redirect_neigh(peer->ifindex, NULL, 0, 0);
	__builtin_memset(hop, 0, sizeof(*hop));
	if (peer->family == 4) {
		hop->nh_family = AF_INET;
		hop->ipv4_nh = peer->remote.w[3];
	} else {
		hop->nh_family = AF_INET6;
		__builtin_memcpy(hop->ipv6_nh, &peer->remote, sizeof(hop->ipv6_nh));
	}
	return bpf_redirect_neigh(peer->ifindex, hop, sizeof(*hop), 0);
}

/* Not inlined, and 'in' read again and again: the stack is short. */
static __noinline int push(struct __sk_buff *skb, __u32 peer_index, __u32 key,
			   const struct inner *in)
{
	struct skep_peer *peer = bpf_map_lookup_elem(&skep_peers, &peer_index);
	enum skep_drop lost = SKEP_DROP_REWRITE;
	__u32 kind, body, mark, nat, tos, len;
	__u64 flags = PUSH_FLAGS;
	int verdict;
	union {
		struct push4 v4;
		struct push6 v6;
		struct bpf_redir_neigh hop; /* behind the headers: the stack is short */
	} h __attribute__((aligned(8)));

	if (!peer || !peer->family) {
		lost = SKEP_DROP_NO_ROUTE_UNDERLAY;
		goto lost;
	}
	tos = outer_tos(skb, peer, in);
	if (load(skb, 0, peer->family == 4 ? &h.v4.t.eth : &h.v6.t.eth, ETH_SIZE))
		goto lost;
	kind = *(volatile __u8 *)&peer->encap; /* once: skepd may change it */
	mark = mark_for(peer, kind, in->mark);
	nat = in->nat;
	if (nat && (kind != SKEP_ENCAP_GENEVE || !mark)) /* it has to be told; the next packet is for other flows */
		goto lost;
	body = body_size(kind, mark, nat);
	len = skb->gso_size ? in->hdr_len + skb->gso_size : skb->len; /* of its segments */
	/* A super-packet may be too long for the outer header's length fields: it is segmented
	 * before it leaves, which sets them. */
	if (len + body + (peer->family == 4 ? IP4_MIN : IP6_SIZE) > peer->mtu) {
		lost = SKEP_DROP_TOO_BIG;
		goto lost;
	}
	len = skb->len + body;
	flags |= kind == SKEP_ENCAP_NVGRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE
					  : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (peer->family == 4) {
		__builtin_memset(&h.v4, 0, 2 + ETH_SIZE + IP4_MIN);
		/* MACs are redirect_neigh's; it refuses a multicast one */
		h.v4.outer.h_proto = bpf_htons(ETH_P_IP);
		h.v4.ip.ver_ihl = 0x45;
		h.v4.ip.tos = tos;
		h.v4.ip.tot_len = bpf_htons(len + IP4_MIN);
		h.v4.ip.frag = bpf_htons(IP_DF);
		h.v4.ip.ttl = peer->ttl;
		h.v4.ip.proto = kind == SKEP_ENCAP_NVGRE ? IPPROTO_GRE : IPPROTO_UDP;
		h.v4.ip.src = peer->local.w[3];
		h.v4.ip.dst = peer->remote.w[3];
		h.v4.ip.check = ip4_csum((void *)&h.v4.ip);
		fill_tunnel(&h.v4.t, kind, peer->dport, key, mark, nat, in->hash, len);
		if (bpf_skb_adjust_room(skb, IP4_MIN + body + ETH_SIZE, BPF_ADJ_ROOM_MAC,
					flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4))
			goto by_kernel;
		if (store(skb, &h.v4.outer, ETH_SIZE + IP4_MIN, &h.v4.t, kind, mark, nat))
			goto lost;
	} else {
		__builtin_memset(&h.v6, 0, 2 + ETH_SIZE + IP6_SIZE);
		h.v6.outer.h_proto = bpf_htons(ETH_P_IPV6);
		h.v6.ip.ver_tc_flow = bpf_htonl(0x60000000 | tos << 20 | (in->hash & 0xfffff));
		h.v6.ip.len = bpf_htons(len);
		h.v6.ip.next = kind == SKEP_ENCAP_NVGRE ? IPPROTO_GRE : IPPROTO_UDP;
		h.v6.ip.hops = peer->ttl;
		for (int i = 0; i < 4; i++) {
			h.v6.ip.src[i] = peer->local.w[i];
			h.v6.ip.dst[i] = peer->remote.w[i];
		}
		fill_tunnel(&h.v6.t, kind, peer->dport, key, mark, nat, in->hash, len);
		if (bpf_skb_adjust_room(skb, IP6_SIZE + body + ETH_SIZE, BPF_ADJ_ROOM_MAC,
					flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6))
			goto by_kernel;
		if (store(skb, &h.v6.outer, ETH_SIZE + IP6_SIZE, &h.v6.t, kind, mark, nat))
			goto lost;
	}
	count(SKEP_CNT_TX_TUNNEL);
	return to_peer(peer, &h.hop);
by_kernel:
	if (nat)
		goto lost;
	verdict = encap_by_kernel(skb, peer_index, key, tos);
	if (verdict >= 0)
		return verdict;
lost:
	return drop(skb, lost, in->in_key, 0);
}

/*
 * Encapsulates and hands to the kernel's neighbour table.  skb->protocol must be IPv4 or IPv6,
 * whatever 'p' says of the frame.  'mark': rides along if the peer understands it; 0 = none.
 */
static __always_inline int encap(struct __sk_buff *skb, __u32 peer, __u32 key,
				 const struct parsed *p, int tagged, __u32 mark, __u32 nat)
{
	struct inner in = { .in_key = p->k4.in_key,
			    .hash = flow_hash(p),
			    .hdr_len = p->hdr_len,
			    .mark = mark,
			    .nat = nat,
			    .tos = p->tos,
			    .has_tos = p->is_ip && !tagged };

	return push(skb, peer, key, &in);
}
