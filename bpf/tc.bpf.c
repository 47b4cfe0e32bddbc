// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TC programs, one per kind of interface.  Each reads top-down: parse, look up, act.  skepd
 * loads, attaches and pins them. Kernel 6.1 and newer.
 */
#include "bpf/action.h"
#include "bpf/holds.h"
#include "bpf/pmtu.h"
#include "bpf/wild.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Bytes of IP; of a super-packet: of its longest segment. */
static __always_inline __u32 ip_bytes(const struct __sk_buff *skb, const struct parsed *p)
{
	return skb->gso_size ? p->hdr_len - p->l3_off + skb->gso_size : skb->len - p->l3_off;
}

struct ingress {
	struct skep_lport *lp;
	__u32 key, police;
};

union slot {
	struct skep_iface_at at;
	__u64 all;
};

/* Of an interface whose slot is another's; 0: it is nobody's.  A global function: whichever way it was found, the verifier sees numbers only. */
__noinline __u64 slot_of(__u32 ifindex)
{
	struct skep_iface *iface = bpf_map_lookup_elem(&skep_ifaces, &ifindex);
	union slot v = {};

	if (iface) {
		v.at.ifindex = ifindex;
		v.at.police = iface->police;
		v.at.lport = iface->lport;
	}
	return v.all;
}

/* Whose interface is it?  Negative: nobody's. */
static __always_inline int find_ingress(__u32 ifindex, struct ingress *in)
{
	__u32 slot = ifindex % SKEP_IFACE_SLOTS, index;
	void *at = bpf_map_lookup_elem(&skep_iface_at, &slot);
	union slot v = { .all = at ? *(volatile __u64 *)at : 0 };

	if (v.at.ifindex != ifindex)
		v.all = slot_of(ifindex);
	index = v.at.lport;
	in->lp = bpf_map_lookup_elem(&skep_lports, &index);
	if (!in->lp)
		return -1;
	in->key = in->lp->key;
	in->police = v.at.police;
	return in->key ? 0 : -1;
}

/* Not inlined: the few that go up look for the rest of what is known of their interface. */
static __noinline int go_up(struct __sk_buff *skb, __be16 eth_type, enum skep_upcall_why why)
{
	struct parsed p = { .k4.eth_type = eth_type };
	__u32 ifindex = skb->ifindex;
	struct skep_iface *iface = bpf_map_lookup_elem(&skep_ifaces, &ifindex);

	return iface ? upcall(skb, iface, &p, why) : drop(skb, SKEP_DROP_UNKNOWN_IFACE, 0, 0);
}

/* A global function, which the verifier looks at once: inlined it would not fit on the stack. */
__noinline int parse_again(struct __sk_buff *skb, struct parsed *p)
{
	return p ? parse(skb, p) : 0;
}

/* Ingress of a virtual machine's or container's interface. */
SEC("tc")
int skep_tc_port(struct __sk_buff *skb)
{
	struct parsed p = {};
	__u32 len = skb->len;
	struct ingress in;
	struct skep_flow *f;
	enum skep_drop bad;

	if (find_ingress(skb->ifindex, &in))
		return drop(skb, SKEP_DROP_UNKNOWN_IFACE, 0, 0);
	count(SKEP_CNT_RX_PORT);
	p.k4.in_key = in.key;
	bad = parse(skb, &p);
	if (bad)
		return drop(skb, bad, p.k4.in_key, 0);
	if (bad_macs(&p))
		return drop(skb, SKEP_DROP_BAD_MAC, p.k4.in_key, 0);
	if (in.police && policed(skb, in.police, p.hdr_len))
		return drop(skb, SKEP_DROP_POLICED, p.k4.in_key, 0);
	if (p.always_up) {
		if (!agent_lives(config(), bpf_ktime_get_ns()))
			bpf_tail_call(skb, &skep_stages, SKEP_STAGE_ANSWER); /* does not return, unless skepd has never finished starting */
		return go_up(skb, p.k4.eth_type, SKEP_UP_MISS);
	}

	if (p.is_v6)
		f = bpf_map_lookup_elem(&skep_flows6, &p.k6);
	else
		f = bpf_map_lookup_elem(&skep_flows4, &p.k4);
	if (!f || f->action == SKEP_ACT_NONE || (f->gen && in.lp->gen != f->gen))
		return to_stage(skb, SKEP_STAGE_MISS, p.k4.in_key);
	if (f->ttl_dec && p.ttl <= f->ttl_dec)
		return go_up(skb, p.k4.eth_type, SKEP_UP_TTL);
	if ((f->mtu || (f->flags & (SKEP_F_TOS | SKEP_F_TCP | SKEP_F_CONN))) &&
	    is_another_case(f, &p, ip_bytes(skb, &p))) {
		if (f->gen)
			return to_stage(skb, SKEP_STAGE_MISS, p.k4.in_key);
		return go_up(skb, p.k4.eth_type, SKEP_UP_FIELD);
	}
	if (f->action == SKEP_ACT_AGENT)
		return go_up(skb, p.k4.eth_type, SKEP_UP_AGENT);

	if (f->flags & SKEP_F_LIVE) {
		if (is_due(f, &p))
			return to_stage(skb, SKEP_STAGE_MISS, p.k4.in_key);
	} else if (f->last_seen != jiffies()) {
		f->last_seen = jiffies();
	}
	count(SKEP_CNT_FLOW_HIT);
	if (f->gen) {
		count_stat(f->stat, len);
	} else {
		__sync_fetch_and_add(&f->packets, 1);
		__sync_fetch_and_add(&f->bytes, len);
	}
	return execute(skb, f, &p, FROM_PORT, 0);
}

/* Fills in what wildcard flows may ask for besides the exact key.  Returns the record of the packet's connection, also one that is over. */
static __always_inline struct skep_conn *consult(struct skep_lport *lp, struct parsed *p, struct skep_conn_key *k)
{
	struct skep_conn *c = NULL;
	__u8 ct = SKEP_CT_NONE;
	__u32 nat = 0;

	if ((lp->flags & SKEP_LPORT_CT) && conn_key(p, p->k4.in_key, k)) {
		c = bpf_map_lookup_elem(&skep_conns, k);
		if (!c || conn_over(c, k->proto, jiffies()) || (begins(p) && conn_ended(c))) {
			ct = SKEP_CT_NEW;
			if (lp->flags & SKEP_LPORT_VIP)
				nat = nat_choose(k);
		} else {
			ct = c->flags & SKEP_CONN_REPLY ? SKEP_CT_REPLY : SKEP_CT_ORIG;
			nat = c->nat;
		}
	}
	if (p->is_v6) {
		p->k6.ct = ct;
		p->k6.tcp_flags = p->tcp_flags;
		p->k6.tos = p->tos & 0xfc;
		p->k6.nat = nat;
	} else {
		p->k4.ct = ct;
		p->k4.tcp_flags = p->tcp_flags;
		p->k4.tos = p->tos & 0xfc;
		p->k4.nat = nat;
	}
	return c;
}

/* The other end is a port of this host: its record.  *k, the packet's tuple, becomes that one's.  -1: no room for it. */
static __always_inline int arrive_here(struct skep_conn_key *k, const struct parsed *p, const struct skep_wild *w, int reply, int make)
{
	struct arrival a = { .key = w->other_key, .lport = lport_of(w->other_key), .from_key = k->port, .make = make, .nat = w->nat };

	if (w->nat && nat_apply(k, w->nat, reply))
		return -1;
	conn_reverse(k, a.key);
	return conn_arrive(k, p, &a);
}

/* The connection begins: its record here, and at the other end if that is on this host; else the packet is marked, and makes it there. */
static __always_inline int begin(const struct parsed *p, struct skep_conn_key *k, struct skep_conn *old, const struct skep_wild *w, __u32 lport)
{
	struct skep_conn c = { .last_seen = jiffies(),
			       .other_key = w->other_key,
			       .other_peer = w->other_peer,
			       .flags = w->nat ? SKEP_CONN_NAT : 0,
			       .orig_seen = seen_of(p),
			       .nat = w->nat };

	if (conn_make(k, &c, old, lport, NULL))
		return -1;
	if (w->other_peer)
		return 0;
	return arrive_here(k, p, w, 0, 1);
}

/* It goes on: refreshes its record here and, on this host, at the other end.  Until somebody answers, the record there may be missing yet.
 * Negative: the flow is not for this connection.  1: there is no room for that one yet. */
static __always_inline int go_on(const struct parsed *p, struct skep_conn_key *k, struct skep_conn *c, const struct skep_wild *w)
{
	int reply = c->flags & SKEP_CONN_REPLY, unanswered = !reply && !c->reply_seen;

	if (((c->flags & SKEP_CONN_NAT) && !c->nat) || c->nat != w->nat || c->other_key != w->other_key ||
	    c->other_peer != w->other_peer)
		return -1;
	conn_touch(c, 0, seen_of(p), jiffies());
	return !c->other_peer && arrive_here(k, p, w, reply, unanswered) && unanswered;
}

/* Does the host at the other end know of the connection?  When somebody has answered; of one that is translated, when skepd has told it. */
static __always_inline int is_told(const struct skep_conn *c, const struct skep_wild *w)
{
	return c->reply_seen || (w->nat && (c->flags & SKEP_CONN_SKEPD));
}

/* Behind skep_tc_port, for a packet without an exact flow: its class of packets may have one, else it goes up. */
SEC("tc")
int skep_tc_miss(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, index, zero = 0, len = skb->len;
	struct skep_iface *iface = bpf_map_lookup_elem(&skep_ifaces, &ifindex);
	struct skep_found *found = bpf_map_lookup_elem(&skep_found, &zero);
	struct skep_flow *flow;
	struct parsed p = {};
	struct skep_conn_key k;
	struct skep_lport *lp;
	struct skep_wild *w;
	struct skep_conn *c;
	__u32 gen;

	if (!iface || !found)
		return drop(skb, SKEP_DROP_UNKNOWN_IFACE, 0, 0);
	p.k4.in_key = iface->key;
	(void)parse_again(skb, &p); /* was good before */
	index = iface->lport;
	lp = bpf_map_lookup_elem(&skep_lports, &index);
	if (!lp)
		return upcall(skb, iface, &p, SKEP_UP_MISS);
	gen = *(volatile __u32 *)&lp->gen; /* before the flow is read: it may go meanwhile */
	c = consult(lp, &p, &k);
	w = p.is_v6 ? wild_find6(lp, &p) : wild_find4(lp, &p);
	if (!w)
		return upcall(skb, iface, &p, SKEP_UP_MISS);
	flow = &found->flow;
	*flow = w->flow;
	if (flow->ttl_dec && p.ttl <= flow->ttl_dec)
		return upcall(skb, iface, &p, SKEP_UP_TTL);
	if (c && (flow->flags & SKEP_F_LIVE) && is_told(c, w))
		flow->flags &= ~SKEP_F_MARK;
	if (flow->mtu && p.is_ip && ip_bytes(skb, &p) + (w->nat && (flow->flags & SKEP_F_MARK) ? BINDING_SIZE : 0) > flow->mtu)
		return upcall(skb, iface, &p, SKEP_UP_FIELD);
	found->nat = 0;
	if (flow->flags & SKEP_F_RECORD) {
		if (begin(&p, &k, c, w, index))
			return drop(skb, SKEP_DROP_CONN_LIMIT, p.k4.in_key, flow->cookie);
	} else if (flow->flags & SKEP_F_LIVE) {
		int rc = c ? go_on(&p, &k, c, w) : -1;

		if (rc > 0)
			return drop(skb, SKEP_DROP_CONN_LIMIT, p.k4.in_key, flow->cookie);
		if (rc)
			return upcall(skb, iface, &p, SKEP_UP_MISS);
		flow->tcp_seen = c->flags & SKEP_CONN_REPLY ? c->reply_seen : c->orig_seen;
	}
	if (w->nat && (flow->flags & SKEP_F_MARK)) { /* no exact flow knows it */
		found->nat = w->nat;
		flow->flags |= SKEP_F_STAY;
	}
	count(SKEP_CNT_WILD_HIT);
	count_stat(flow->stat, len);
	if (flow->action != SKEP_ACT_DROP && !(flow->flags & SKEP_F_STAY)) {
		flow->gen = gen;
		flow->last_seen = jiffies();
		promote(lp, &p, flow);
	}
	return to_stage(skb, SKEP_STAGE_ACT, p.k4.in_key);
}

/* Behind skep_tc_miss: a program of its own, for the stack is short. */
SEC("tc")
int skep_tc_act(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, zero = 0;
	struct skep_iface *iface = bpf_map_lookup_elem(&skep_ifaces, &ifindex);
	struct skep_found *found = bpf_map_lookup_elem(&skep_found, &zero);
	struct parsed p = {};
	struct skep_flow flow;

	if (!iface || !found)
		return drop(skb, SKEP_DROP_UNKNOWN_IFACE, 0, 0);
	p.k4.in_key = iface->key;
	flow = found->flow; /* copies to local ports may come by here again */
	(void)parse_again(skb, &p);
	return execute(skb, &flow, &p, FROM_PORT, found->nat);
}

/* Behind what delivers tunnel packets, for a port that has, or shall have, a record of the packet's connection. */
SEC("tc")
int skep_tc_arrive(struct __sk_buff *skb)
{
	__u32 zero = 0, key, *id;
	struct skep_found *found = bpf_map_lookup_elem(&skep_found, &zero);
	struct skep_conn_key *k;
	struct parsed p = {};
	struct skep_port *port;
	struct arrival a = {};

	if (!found)
		return drop(skb, SKEP_DROP_UNKNOWN_KEY, 0, 0);
	key = found->key;
	port = bpf_map_lookup_elem(&skep_ports, &key);
	if (!port || port->kind != SKEP_PORT_LOCAL)
		return drop(skb, SKEP_DROP_UNKNOWN_KEY, key, 0);
	k = &found->conn;
	if (!parse_again(skb, &p) && conn_key(&p, 0, k)) {
		a.key = key;
		a.lport = port->set;
		a.from_key = a.make = found->mark;
		a.from_peer = found->peer;
		if (found->has_nat && found->mark) {
			found->binding.to = k->dst;
			id = bpf_map_lookup_elem(&skep_nat_ids, &found->binding);
			if (id)
				a.nat = *id;
			else
				a.unknown = &found->binding;
		}
		conn_reverse(k, key);
		if (conn_arrive(k, &p, &a) < 0)
			return drop(skb, SKEP_DROP_CONN_LIMIT, key, 0);
	}
	return to_local(skb, key, port, found->peer_ok);
}

/* Ingress of the upcall tap: what skepd sends on, and copies that were relayed by upcall.h. */
SEC("tc")
int skep_tc_inject(struct __sk_buff *skb)
{
	struct skep_flow verdict = {}, *slot;
	struct parsed p = { .injected = 1 };
	struct skep_upcall up;
	__u32 index, key;

	if (bpf_skb_load_bytes(skb, 0, &up, sizeof(up)))
		return drop(skb, SKEP_DROP_TRUNCATED, 0, 0);
	key = bpf_ntohl(up.key);
	if (pop_meta(skb))
		return drop(skb, SKEP_DROP_REWRITE, key, 0);
	switch (bpf_ntohs(up.magic)) {
	case SKEP_UPCALL_MAGIC:
		index = bpf_ntohs(up.slot);
		slot = bpf_map_lookup_elem(&skep_slots, &index);
		if (!slot)
			return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
		verdict = *slot; /* the next packet may use the slot while this one is copied */
		p.k4.in_key = key;
		count(SKEP_CNT_INJECT);
		break;
	case MAGIC_ENCAP: /* a copy of something that passed before: all that is left is the way out
			   */
		verdict.action = SKEP_ACT_ENCAP;
		verdict.out = key;
		verdict.peer = bpf_ntohs(up.slot);
		__builtin_memcpy(&verdict.rewrite, up.pad, sizeof(verdict.rewrite));
		break;
	case MAGIC_MARKED:
		verdict.action = SKEP_ACT_ENCAP;
		verdict.out = key;
		verdict.peer = bpf_ntohs(up.slot);
		verdict.flags = SKEP_F_MARK;
		__builtin_memcpy(&p.k4.in_key, up.pad, sizeof(p.k4.in_key));
		break;
	case MAGIC_SET:
		verdict.action = SKEP_ACT_SET;
		verdict.out = key;
		break;
	default:
		return drop(skb, SKEP_DROP_BAD_HEADER, key, 0);
	}
	(void)parse_again(skb, &p); /* refused frames do not come here; one of skepd's own goes on
				       with what is known of it */
	return execute(skb, &verdict, &p, FROM_INJECT, 0);
}

/*
 * Who strips: what a veth gets, and what is neither TCP nor a super-packet, we do.  A super-packet that we strip keeps a mark of the
 * tunnel, which a tap pays for with segmentation in software; TCP in general must not be overtaken by its own super-packets.
 * The kernel's device knows how to undo all of that (docs/datapath.md).
 */
static __always_inline int left_to_kernel(const struct __sk_buff *skb, const struct skep_config *cfg,
					  const struct skep_port *port, const struct outer *o)
{
	int veth = port->kind == SKEP_PORT_LOCAL && (port->flags & SKEP_PORT_PEER);

	if (!cfg->tunnel_ifindex || o->kind != SKEP_ENCAP_VXLAN || o->by_us)
		return 0;
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return 1;
	if (o->inner_type == bpf_htons(ETH_P_IP))
		return !veth && (o->inner_proto == IPPROTO_TCP || skb->gso_size);
	if (o->inner_type == bpf_htons(ETH_P_IPV6))
		return !veth || !(cfg->flags & SKEP_CFG_DECAP_L3_FLAGS);
	return 1;
}

/* Before the header goes: the translation that came with the packet, for skep_tc_arrive. */
static __noinline int keep_binding(struct __sk_buff *skb, __u32 off)
{
	__u32 zero = 0;
	struct skep_found *found = bpf_map_lookup_elem(&skep_found, &zero);

	if (!found)
		return -1;
	__builtin_memset(&found->binding, 0, sizeof(found->binding));
	return bpf_skb_load_bytes(skb, off, &found->binding, SKEP_NAT_WIRE);
}

/* Ingress of the underlay interface: tunnel packets of other hosts; all else is none of our
 * business. */
SEC("tc")
int skep_tc_under(struct __sk_buff *skb)
{
	__u32 want = ETH_SIZE + OUTER6 + ETH_SIZE + IP4_MIN;
	struct skep_config *cfg = config();
	struct skep_xdp_meta *meta = (void *)(long)skb->data_meta;
	struct origin from = {};
	struct skep_port *port;
	struct outer o = {};
	__u64 flags = 0;
	int is_ip, lost, has_nat = 0;

	if (!cfg)
		return PASS;
	if ((cfg->flags & SKEP_CFG_XDP_DECAP) && (void *)(meta + 1) <= (void *)(long)skb->data &&
	    meta->magic == SKEP_XDP_MAGIC) {
		__u32 key = meta->key;

		from.peer = meta->peer;
		from.mark = meta->mark;
		port = bpf_map_lookup_elem(&skep_ports, &key);
		return port ? deliver(skb, key, port, &from, 1) : drop(skb, SKEP_DROP_UNKNOWN_KEY, key, 0);
	}
	if (skb->vlan_present) /* another network on the same wire */
		return PASS;
	if (want > skb->len)
		want = skb->len;
	if ((void *)(long)skb->data + want > (void *)(long)skb->data_end)
		bpf_skb_pull_data(skb, want); /* what cannot be pulled is not ours */
	outer_parse(skb, HOOK_TC, (void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &o);
	if (!o.ours) {
		if (is_icmp(skb))
			(void)note_too_big(skb);
		return PASS;
	}
	if (!o.reason) {
		port = bpf_map_lookup_elem(&skep_ports, &o.key);
		if (!port)
			o.reason = SKEP_DROP_UNKNOWN_KEY;
	}
	if (o.reason) {
		struct drop_info info = { .reason = o.reason, .key = o.key, .remote = o.remote };

		return drop_skb(skb, &info);
	}
	if (left_to_kernel(skb, cfg, port, &o))
		return PASS;
	if (o.binding)
		has_nat = !keep_binding(skb, o.binding);
	lost = carry_ecn(skb, HOOK_TC, &o);
	if (lost)
		return drop(skb, lost, o.key, 0);
	is_ip = o.inner_type == bpf_htons(ETH_P_IP) || o.inner_type == bpf_htons(ETH_P_IPV6);
	if (o.inner_type == bpf_htons(ETH_P_IPV6))
		flags = DECAP_L3_IPV6;
	else if (skb->protocol != bpf_htons(ETH_P_IP) &&
		 (is_ip || (cfg->flags & SKEP_CFG_DECAP_L3_FLAGS)))
		flags = DECAP_L3_IPV4; /* for what is no IP too: it may be shorter */
	if ((flags && !(cfg->flags & SKEP_CFG_DECAP_L3_FLAGS)) || pop(skb, o.size, flags))
		return drop(skb, SKEP_DROP_REWRITE, o.key, 0);
	from.peer = o.peer;
	from.mark = o.mark;
	from.has_nat = has_nat;
	return deliver(skb, o.key, port, &from, is_ip);
}

/* Ingress of the collect-metadata vxlan device: what skep_tc_under left to the kernel. */
SEC("tc")
int skep_tc_tunnel(struct __sk_buff *skb)
{
	struct bpf_tunnel_key tk = {};
	struct drop_info info = {};
	struct origin from = {};
	struct skep_port *port;
	__u32 *peer;

	if (bpf_skb_get_tunnel_key(skb, &tk, sizeof(tk), 0) == 0) {
		info.remote.w[2] = bpf_htonl(0xffff);
		info.remote.w[3] = bpf_htonl(tk.remote_ipv4);
	} else if (bpf_skb_get_tunnel_key(skb, &tk, sizeof(tk), BPF_F_TUNINFO_IPV6) == 0) {
		__builtin_memcpy(&info.remote, tk.remote_ipv6, 16);
	} else {
		return drop(skb, SKEP_DROP_BAD_TUNNEL, 0, 0);
	}
	info.key = tk.tunnel_id;
	peer = bpf_map_lookup_elem(&skep_remotes, &info.remote);
	if (!peer) {
		info.reason = SKEP_DROP_UNKNOWN_PEER;
		return drop_skb(skb, &info);
	}
	from.peer = *peer;
	port = bpf_map_lookup_elem(&skep_ports, &info.key);
	if (!port) {
		info.reason = SKEP_DROP_UNKNOWN_KEY;
		return drop_skb(skb, &info);
	}
	count(SKEP_CNT_KERNEL_DECAP);
	return deliver(skb, info.key, port, &from, 1);
}

/* Attached nowhere: skepd runs it to learn the datapath's clock. */
SEC("tc")
int skep_clock(struct __sk_buff *skb)
{
	__u64 now[2] = { bpf_jiffies64(), bpf_ktime_get_ns() };

	return bpf_skb_store_bytes(skb, 0, now, sizeof(now), 0);
}
