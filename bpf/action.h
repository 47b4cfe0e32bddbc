/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Carries out a verdict: rewrite, then one output or a set of them. */
#pragma once

#include "bpf/tunnel.h"
#include "bpf/upcall.h"

enum from {		 /* who asks; decides which short cuts the kernel allows */
	    FROM_PORT,	 /* skb->protocol is true */
	    FROM_INJECT, /* skb->protocol is IPv4 or IPv6, whatever the frame is */
};

static __always_inline int to_port(struct __sk_buff *skb, __u32 ifindex, int peer)
{
	count(SKEP_CNT_TX_PORT);
	if (!peer)
		return bpf_redirect(ifindex, 0);
	if (skb->pkt_type ==
	    TYPE_OTHERHOST) /* than this machine; the one behind the veth takes it for its own */
		bpf_skb_change_type(skb, TYPE_HOST);
	return bpf_redirect_peer(ifindex, 0);
}

/* One turn through the tap's ingress, see upcall.h; the frame is encapsulated there. */
static __always_inline int relay(struct __sk_buff *skb, __u32 peer, __u32 key, __be16 eth_type,
				 __u32 in_key)
{
	struct skep_config *cfg = config();

	if (!cfg || vlan_in_band(skb) || push_meta(skb, MAGIC_ENCAP, key, peer, 0, eth_type))
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	return bpf_redirect(cfg->upcall_ifindex, BPF_F_INGRESS);
}

struct copies { /* one pass over a set */
	struct __sk_buff *skb;
	__u32 set, n, tap;
	__u32 remote; /* pass 1: outputs left to pass 2 */
	struct skep_upcall up;
};

static long copy_local(__u32 i, void *arg)
{
	struct copies *c = arg;
	struct skep_set *set = bpf_map_lookup_elem(&skep_sets, &c->set);

	if (!set || i >= c->n || i >= SKEP_SET_OUTS)
		return 1;
	if (set->outs[i].action != SKEP_ACT_LOCAL) {
		c->remote = 1;
		return 0;
	}
	if (bpf_clone_redirect(c->skb, set->outs[i].out, 0))
		count_drop(SKEP_DROP_NOT_LIVE);
	else
		count(SKEP_CNT_TX_PORT);
	return 0;
}

static long copy_remote(__u32 i, void *arg)
{
	struct copies *c = arg;
	struct skep_set *set = bpf_map_lookup_elem(&skep_sets, &c->set);

	if (!set || i >= c->n || i >= SKEP_SET_OUTS)
		return 1;
	if (set->outs[i].action != SKEP_ACT_ENCAP)
		return 0;
	c->up.key = bpf_htonl(set->outs[i].out);
	__builtin_memcpy(c->up.pad, &set->outs[i].peer, 4);
	if (bpf_skb_store_bytes(c->skb, 0, &c->up, sizeof(c->up), 0) ||
	    bpf_clone_redirect(c->skb, c->tap, BPF_F_INGRESS))
		count_drop(SKEP_DROP_OVERLOAD);
	return 0;
}

/*
 * A copy to each output.  Local ones first; then the frame gets a relay header, which is rewritten
 * for each remote one, and at the end for the set that continues this one.
 */
__noinline int to_set(struct __sk_buff *skb, __u32 index, __u32 in_key, __u32 is_v6)
{
	struct skep_set *set = bpf_map_lookup_elem(&skep_sets, &index);
	struct skep_config *cfg = config();
	struct copies c = { .skb = skb, .set = index };
	__u32 next;

	if (!set || !cfg)
		return drop(skb, SKEP_DROP_NO_OUTPUT, in_key, 0);
	c.n = set->n;
	next = set->next;
	if (!c.n && !next)
		return drop(skb, SKEP_DROP_NO_OUTPUT, in_key, 0);
	c.tap = cfg->upcall_ifindex;
	c.up.magic = bpf_htons(MAGIC_ENCAP);
	c.up.eth_type = is_v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	bpf_loop(SKEP_SET_OUTS, copy_local, &c, 0);
	if (!c.remote && !next)
		return DONE;
	if (vlan_in_band(skb) || bpf_skb_change_head(skb, sizeof(c.up), 0))
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	if (c.remote)
		bpf_loop(SKEP_SET_OUTS, copy_remote, &c, 0);
	if (!next)
		return DONE;
	c.up.magic = bpf_htons(MAGIC_SET);
	c.up.key = bpf_htonl(next);
	if (bpf_skb_store_bytes(skb, 0, &c.up, sizeof(c.up), 0))
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	return bpf_redirect(c.tap, BPF_F_INGRESS);
}

/* TTL - n, with the checksum by RFC 1624; the caller has made sure that TTL > n. */
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

static __always_inline int rewrite(struct __sk_buff *skb, const struct skep_flow *f,
				   const struct parsed *p)
{
	if ((f->flags & (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) == (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) {
		if (bpf_skb_store_bytes(skb, 0, &f->eth_dst, 12, 0))
			return -1;
	} else if (f->flags & SKEP_F_ETH_DST) {
		if (bpf_skb_store_bytes(skb, 0, &f->eth_dst, 6, 0))
			return -1;
	} else if (f->flags & SKEP_F_ETH_SRC) {
		if (bpf_skb_store_bytes(skb, 6, &f->eth_src, 6, 0))
			return -1;
	}
	if (f->ttl_dec && p->is_ip)
		return dec_ttl(skb, p->l3_off, p->is_v6, f->ttl_dec);
	return 0;
}

static __always_inline int execute(struct __sk_buff *skb, const struct skep_flow *f,
				   const struct parsed *p, enum from from)
{
	__u32 in_key = p->k4.in_key;

	if (f->action == SKEP_ACT_DROP)
		return drop(skb, f->out, in_key, f->cookie);
	if ((f->flags & (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) || f->ttl_dec)
		if (rewrite(skb, f, p))
			return drop(skb, SKEP_DROP_REWRITE, in_key, f->cookie);
	switch (f->action) {
	case SKEP_ACT_LOCAL:
		return to_port(skb, f->out, from == FROM_PORT && (f->flags & SKEP_F_PEER));
	case SKEP_ACT_ENCAP:
		if (from == FROM_PORT && (!p->is_ip || p->vlan_in_meta || p->k4.vlan))
			return relay(skb, f->peer, f->out, p->k4.eth_type, in_key);
		return encap(skb, f->peer, f->out, p);
	case SKEP_ACT_SET:
		return to_set(skb, f->out, in_key, p->is_v6);
	default:
		return drop(skb, SKEP_DROP_NO_OUTPUT, in_key, f->cookie);
	}
}

/* From a tunnel to the local port 'key', or to the members of a bridge.  'peer_ok':
 * bpf_redirect_peer may be used. */
static __always_inline int deliver(struct __sk_buff *skb, __u32 key, struct skep_port *port,
				   int peer_ok)
{
	count(SKEP_CNT_RX_TUNNEL);
	__sync_fetch_and_add(&port->rx_packets, 1);
	__sync_fetch_and_add(&port->rx_bytes, skb->len);
	if (port->kind == SKEP_PORT_FLOOD)
		return to_set(skb, port->set, key, skb->protocol == bpf_htons(ETH_P_IPV6));
	if (port->kind != SKEP_PORT_LOCAL)
		return drop(skb, SKEP_DROP_UNKNOWN_KEY, key, 0);
	return to_port(skb, port->ifindex, peer_ok && (port->flags & SKEP_PORT_PEER));
}
