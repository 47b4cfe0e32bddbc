/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Carries out a verdict: rewrite, then one output or a set of them. */
#pragma once

#include "bpf/conn.h"
#include "bpf/decap.h"
#include "bpf/encap.h"
#include "bpf/police.h"
#include "bpf/rewrite.h"
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
				 __u32 in_key, __u32 mark)
{
	struct skep_config *cfg = config();
	__u16 magic = mark ? MAGIC_MARKED : MAGIC_ENCAP;

	if (!cfg || vlan_in_band(skb) || push_meta(skb, magic, key, mark, peer, eth_type))
		return drop(skb, SKEP_DROP_REWRITE, in_key, 0);
	return bpf_redirect(cfg->upcall_ifindex, BPF_F_INGRESS);
}

struct copies { /* one pass over a set */
	struct __sk_buff *skb;
	struct where *p;
	__u32 set, n, tap;
	__u32 remote; /* pass 1: outputs left to pass 2 */
	__u32 broken; /* pass 1: a rewrite failed half-way */
	struct skep_upcall up;
};

static long copy_local(__u32 i, void *arg)
{
	struct copies *c = arg;
	struct skep_set *set = bpf_map_lookup_elem(&skep_sets, &c->set);
	struct skep_out *out;

	if (!set || i >= c->n || i >= SKEP_SET_OUTS)
		return 1;
	out = &set->outs[i];
	if (out->action == SKEP_ACT_DROP) {
		count_drop(out->out);
		return 0;
	}
	if (out->action != SKEP_ACT_LOCAL) {
		c->remote = 1;
		return 0;
	}
	if (out->rewrite && rewrite_by(c->skb, out->rewrite, c->p, 0)) {
		c->broken = 1;
		return 1;
	}
	if (out->police && policed(c->skb, out->police, c->p->hdr_len))
		count_drop(SKEP_DROP_POLICED);
	else if (bpf_clone_redirect(c->skb, out->out, 0))
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
	c->up.slot = bpf_htons(set->outs[i].peer);
	__builtin_memcpy(c->up.pad, &set->outs[i].rewrite, 4);
	if (bpf_skb_store_bytes(c->skb, 0, &c->up, sizeof(c->up), 0) ||
	    bpf_clone_redirect(c->skb, c->tap, BPF_F_INGRESS))
		count_drop(SKEP_DROP_OVERLOAD);
	return 0;
}

/*
 * A copy to each output.  Local ones first, each rewritten further; then the frame gets a relay
 * header, which is written anew for each remote one, and at the end for the set that continues this
 * one.  A remote copy's own rewrite is carried out where the header comes off.
 */
__noinline int to_set(struct __sk_buff *skb, __u32 index, struct where *p)
{
	struct skep_set *set = bpf_map_lookup_elem(&skep_sets, &index);
	struct copies c = { .skb = skb, .set = index };
	enum skep_drop lost = SKEP_DROP_NO_OUTPUT;
	struct skep_config *cfg = config();
	__u32 next;

	if (!p)
		return TC_ACT_SHOT;
	c.p = p;
	if (!set || !cfg)
		goto lost;
	c.n = set->n;
	next = set->next;
	if (!c.n && !next)
		goto lost;
	c.tap = cfg->upcall_ifindex;
	c.up.magic = bpf_htons(MAGIC_ENCAP);
	c.up.eth_type = p->is_v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	bpf_loop(SKEP_SET_OUTS, copy_local, &c, 0);
	lost = SKEP_DROP_REWRITE;
	if (c.broken)
		goto lost;
	if (!c.remote && !next)
		return DONE;
	if (vlan_in_band(skb) || bpf_skb_change_head(skb, sizeof(c.up), 0))
		goto lost;
	if (c.remote)
		bpf_loop(SKEP_SET_OUTS, copy_remote, &c, 0);
	if (!next)
		return DONE;
	c.up.magic = bpf_htons(MAGIC_SET);
	c.up.key = bpf_htonl(next);
	if (bpf_skb_store_bytes(skb, 0, &c.up, sizeof(c.up), 0))
		goto lost;
	return bpf_redirect(c.tap, BPF_F_INGRESS);
lost:
	return drop(skb, lost, p->in_key, 0);
}

/* 'nat': what a mark tells besides (skep_found); 0 = nothing. */
static __always_inline int execute(struct __sk_buff *skb, const struct skep_flow *f,
				   const struct parsed *p, enum from from, __u32 nat)
{
	__u32 in_key = p->k4.in_key, tagged = p->k4.vlan, mark;
	struct where w;

	if (f->action == SKEP_ACT_DROP)
		return drop(skb, f->out, in_key, f->cookie);
	if (f->rewrite) {
		w = where_is(p);
		if (rewrite_macs(skb, f) || rewrite_by(skb, f->rewrite, &w, f->ttl_dec))
			return drop(skb, SKEP_DROP_REWRITE, in_key, f->cookie);
		tagged = w.l3_off != ETH_SIZE || skb->vlan_present;
	} else if ((f->flags & (SKEP_F_ETH_DST | SKEP_F_ETH_SRC)) || f->ttl_dec) {
		if (rewrite_macs(skb, f) ||
		    (f->ttl_dec && p->is_ip && dec_ttl(skb, p->l3_off, p->is_v6, f->ttl_dec)))
			return drop(skb, SKEP_DROP_REWRITE, in_key, f->cookie);
	}
	switch (f->action) {
	case SKEP_ACT_LOCAL:
		if (f->police && policed(skb, f->police, p->hdr_len))
			return drop(skb, SKEP_DROP_POLICED, in_key, f->cookie);
		return to_port(skb, f->out, from == FROM_PORT && (f->flags & SKEP_F_PEER));
	case SKEP_ACT_ENCAP:
		mark = f->flags & SKEP_F_MARK ? in_key : 0;
		if (from == FROM_PORT && (!p->is_ip || tagged))
			return nat ? drop(skb, SKEP_DROP_REWRITE, in_key, f->cookie) : /* no room for it */
			       relay(skb, f->peer, f->out, p->k4.eth_type, in_key, mark);
		return encap(skb, f->peer, f->out, p, tagged, mark, nat);
	case SKEP_ACT_SET:
		if (!f->rewrite)
			w = where_is(p);
		return to_set(skb, f->out, &w);
	default:
		return drop(skb, SKEP_DROP_NO_OUTPUT, in_key, f->cookie);
	}
}

/* What a copy to the members of a bridge needs to know of the frame. */
static __always_inline int to_members(struct __sk_buff *skb, __u32 set, __u32 key)
{
	struct where w = { .in_key = key,
			   .l3_off = ETH_SIZE,
			   .hdr_len = typical_headers(skb),
			   .is_v6 = skb->protocol == bpf_htons(ETH_P_IPV6) };

	return to_set(skb, set, &w);
}

static __always_inline int to_stage(struct __sk_buff *skb, enum skep_stage stage, __u32 key)
{
	bpf_tail_call(skb, &skep_stages, stage);
	return drop(skb, SKEP_DROP_NO_AGENT, key, 0); /* skepd has not finished starting */
}

/* Where a tunnel packet comes from. */
struct origin {
	__u32 peer; /* index in skep_peers */
	__u32 mark; /* key of the port that it entered by there, if it may begin a connection; else 0 */
	__u32 has_nat; /* its translation is in skep_found */
};

static __always_inline int to_local(struct __sk_buff *skb, __u32 key, const struct skep_port *port, int peer_ok)
{
	if (port->police && policed(skb, port->police, typical_headers(skb)))
		return drop(skb, SKEP_DROP_POLICED, key, 0);
	return to_port(skb, port->ifindex, peer_ok && (port->flags & SKEP_PORT_PEER));
}

/* A port with records: those come first, in a program of its own, for the stack is short. */
static __always_inline int to_records(struct __sk_buff *skb, __u32 key, const struct origin *from, int peer_ok)
{
	__u32 zero = 0;
	struct skep_found *found = bpf_map_lookup_elem(&skep_found, &zero);

	if (!found)
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	found->key = key;
	found->peer = from->peer;
	found->mark = from->mark;
	found->has_nat = from->has_nat;
	found->peer_ok = peer_ok;
	return to_stage(skb, SKEP_STAGE_ARRIVE, key);
}

/* From a tunnel to the local port 'key', or to the members of a bridge.  'peer_ok':
 * bpf_redirect_peer may be used. */
static __always_inline int deliver(struct __sk_buff *skb, __u32 key, struct skep_port *port,
				   const struct origin *from, int peer_ok)
{
	count(SKEP_CNT_RX_TUNNEL);
	__sync_fetch_and_add(&port->rx_packets, 1);
	__sync_fetch_and_add(&port->rx_bytes, skb->len);
	switch (port->kind) {
	case SKEP_PORT_LOCAL:
		if (from->mark || has_conns(port->set))
			return to_records(skb, key, from, peer_ok);
		return to_local(skb, key, port, peer_ok);
	case SKEP_PORT_FLOOD:
		return to_members(skb, port->set, key);
	case SKEP_PORT_AGENT:
		return upcall_state(skb, key);
	default:
		return drop(skb, SKEP_DROP_UNKNOWN_KEY, key, 0);
	}
}
