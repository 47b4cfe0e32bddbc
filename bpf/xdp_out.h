/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ways out of XDP: by the underlay, behind a tunnel header, and to a network card that is a port.  Only where the driver takes
 * frames (skepd has found out), and where TC would do the same; all else goes on to TC, untouched.
 */
#pragma once

#include "bpf/csum.h"
#include "bpf/encap.h"

/* All of the frame is in one piece: no driver need be able to send pieces. */
static __always_inline int is_linear(struct xdp_md *xdp, __u32 len)
{
	return (__u64)(long)xdp->data_end - (__u64)(long)xdp->data == (__u64)len;
}

/* --- to a port --- */

static __always_inline const struct skep_card *card_find(__u32 ifindex)
{
	__u32 index = ifindex % SKEP_CARDS_MAX;
	const struct skep_card *card = bpf_map_lookup_elem(&skep_cards, &index);

	return card && card->ifindex == ifindex ? card : NULL;
}

static __always_inline int takes(const struct skep_card *card, __u32 len)
{
	return card && card->mtu && len <= card->mtu + ETH_SIZE;
}

/* --- the next hop --- */

static __always_inline int same_ip(const struct skep_ip *a, const struct skep_ip *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

/* Asks the kernel's routes and neighbours, as if the packet had come in by the upcall tap: the one interface that skepd may let forward. */
__weak __noinline int hop_look(struct xdp_md *xdp, __u32 index)
{
	struct skep_peer *peer = bpf_map_lookup_elem(&skep_peers, &index);
	struct skep_hop *hop = bpf_map_lookup_elem(&skep_hops, &index);
	struct bpf_fib_lookup fib = { .l4_protocol = IPPROTO_UDP };
	struct skep_config *cfg = config();
	struct ethhdr eth;

	if (!peer || !hop || !cfg)
		return 0;
	fib.ifindex = cfg->upcall_ifindex;
	if (peer->family == 4) {
		fib.family = AF_INET;
		fib.ipv4_src = peer->local.w[3];
		fib.ipv4_dst = peer->remote.w[3];
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &peer->local, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, &peer->remote, sizeof(fib.ipv6_dst));
	}
	hop->remote = peer->remote;
	hop->ok = bpf_fib_lookup(xdp, &fib, sizeof(fib), 0) == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == peer->ifindex;
	if (!hop->ok)
		return 0;
	__builtin_memcpy(eth.h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(eth.h_source, fib.smac, ETH_ALEN);
	eth.h_proto = peer->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	__builtin_memcpy(hop->eth, &eth, sizeof(hop->eth));
	return 0;
}

/*
 * The way to a host; NULL: by TC.  Once a second a packet goes that way in any case: the kernel's neighbour table does not see what
 * XDP sends, and would neither notice that the neighbour has another address now, nor keep it.
 */
static __always_inline const struct skep_hop *hop_find(struct xdp_md *xdp, const struct skep_config *cfg, __u32 index,
						       const struct skep_peer *peer)
{
	struct skep_hop *hop = bpf_map_lookup_elem(&skep_hops, &index);
	__u32 now = jiffies();

	if (!hop)
		return NULL;
	if (now - hop->looked >= cfg->hz / SKEP_HOP_LOOKS || !same_ip(&hop->remote, &peer->remote)) {
		hop->looked = now;
		(void)hop_look(xdp, index);
	}
	if (now - hop->told >= cfg->hz) {
		hop->told = now;
		return NULL;
	}
	return hop->ok ? hop : NULL;
}

/* --- behind a tunnel header --- */

struct push { /* all that is known of it before anything is changed */
	const struct skep_peer *peer;
	const struct skep_hop *hop;
	__u32 kind, mark, body;
	__u32 head; /* IP header */
};

/* Can the packet, 'len' bytes, be sent to the host from here?  Fills *w. */
static __always_inline int can_push(struct xdp_md *xdp, const struct skep_flow *f, const struct parsed *p, __u32 len, struct push *w)
{
	struct skep_config *cfg = config();
	__u32 index = f->peer;

	w->peer = bpf_map_lookup_elem(&skep_peers, &index);
	if (!cfg || !(cfg->flags & SKEP_CFG_XDP_SEND) || !w->peer || !w->peer->family || !p->is_ip || p->k4.vlan ||
	    w->peer->ifindex != cfg->under_ifindex)
		return 0;
	w->kind = *(volatile __u8 *)&w->peer->encap; /* once: skepd may change it */
	w->mark = mark_for(w->peer, w->kind, f->flags & SKEP_F_MARK ? p->k4.in_key : 0);
	w->head = w->peer->family == 4 ? IP4_MIN : IP6_SIZE;
	w->body = UDP_SIZE + sizeof(struct tunnel_hdr);
	if (w->kind == SKEP_ENCAP_NVGRE)
		w->body = sizeof(struct tunnel_hdr);
	else if (w->kind == SKEP_ENCAP_GENEVE && w->mark)
		w->body += MARK_SIZE;
	if (len + w->body + w->head > w->peer->mtu)
		return 0;
	w->hop = hop_find(xdp, cfg, index, w->peer);
	return w->hop != NULL;
}

static __always_inline __u32 xdp_tos(struct xdp_md *xdp, const struct skep_peer *peer, const struct parsed *p)
{
	const __u8 *b;

	if (!(peer->flags & SKEP_PEER_DSCP_COPY))
		return peer->tos | (p->tos & ECN);
	b = at_in(xdp, HOOK_XDP, ETH_SIZE, 2); /* a rewrite may have changed it */
	if (!b)
		return p->tos & ECN;
	return p->is_v6 ? (__u8)(b[0] << 4 | b[1] >> 4) : b[1];
}

/* The headers behind IP, word by word: frames are aligned such that IP headers are. */
static __always_inline int put_tunnel(__be32 *h, const void *end, const struct push *w, __u32 key, __u32 hash, __u32 size)
{
	if (w->kind == SKEP_ENCAP_NVGRE) {
		if ((void *)(h + 2) > end)
			return -1;
		h[0] = bpf_htonl(ETH_P_TEB | GRE_K);
		h[1] = bpf_htonl(key << 8 | (hash & 0xff));
		return 0;
	}
	if ((void *)(h + 4) > end)
		return -1;
	h[0] = bpf_htonl((SPORT_FIRST + (hash & 0x3fff)) << 16 | bpf_ntohs(w->peer->dport));
	h[1] = bpf_htonl(size << 16); /* the checksum is zero */
	h[3] = bpf_htonl(key << 8);
	if (w->kind == SKEP_ENCAP_VXLAN) {
		h[2] = bpf_htonl(w->mark ? VXLAN_I | VXLAN_G | w->mark : VXLAN_I);
		return 0;
	}
	h[2] = bpf_htonl(w->mark ? ETH_P_TEB | (MARK_SIZE / 4) << 24 : ETH_P_TEB);
	if (!w->mark)
		return 0;
	if ((void *)(h + 6) > end)
		return -1;
	h[4] = bpf_htonl(OPTION_MARK);
	h[5] = bpf_htonl(w->mark);
	return 0;
}

/* 'len' = of the frame before.  The same bytes as encap.h. */
static __always_inline int push_xdp(struct xdp_md *xdp, const struct push *w, __u32 key, const struct parsed *p, __u32 len)
{
	__u32 tos = xdp_tos(xdp, w->peer, p), size = len + w->body, hash = flow_hash(p);
	__u8 proto = w->kind == SKEP_ENCAP_NVGRE ? IPPROTO_GRE : IPPROTO_UDP;
	void *data, *end;
	__u32 *eth;
	__be32 *ip, first, third;
	__u64 sum;

	if (bpf_xdp_adjust_head(xdp, -(int)(ETH_SIZE + w->head + w->body)))
		return -1;
	data = (void *)(long)xdp->data;
	end = (void *)(long)xdp->data_end;
	eth = data;
	ip = data + ETH_SIZE;
	if (data + ETH_SIZE + IP4_MIN > end)
		return -1;
	eth[0] = w->hop->w[0];
	eth[1] = w->hop->w[1];
	eth[2] = w->hop->w[2];
	*(__u16 *)&eth[3] = w->hop->h[6];
	if (w->peer->family == 4) {
		first = bpf_htonl(0x45000000 | tos << 16 | (size + IP4_MIN));
		third = bpf_htonl(w->peer->ttl << 24 | proto << 16);
		sum = (__u64)first + bpf_htonl(IP_DF) + third + w->peer->local.w[3] + w->peer->remote.w[3];
		ip[0] = first;
		ip[1] = bpf_htonl(IP_DF);
		ip[2] = third | bpf_htonl(bpf_ntohs((__u16)~fold16(sum)));
		ip[3] = w->peer->local.w[3];
		ip[4] = w->peer->remote.w[3];
		return put_tunnel(ip + 5, end, w, key, hash, size);
	}
	if (data + ETH_SIZE + IP6_SIZE > end)
		return -1;
	ip[0] = bpf_htonl(0x60000000 | tos << 20 | (hash & 0xfffff));
	ip[1] = bpf_htonl(size << 16 | proto << 8 | w->peer->ttl);
	for (int i = 0; i < 4; i++) {
		ip[2 + i] = w->peer->local.w[i];
		ip[6 + i] = w->peer->remote.w[i];
	}
	return put_tunnel(ip + 10, end, w, key, hash, size);
}
