// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XDP on the underlay interface, in front of skep_tc_under: refuses what is not for us before the kernel spends anything on it, strips the
 * tunnel header of the rest and leaves the key in front of the frame, so that GRO merges inner packets and the TC program only has
 * to deliver.  What is for a network card of this host goes straight out by it: nobody behind a card gains by merged packets.
 */
#include "bpf/conn.h"
#include "bpf/decap.h"
#include "bpf/police.h"
#include "bpf/xdp_out.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Not inlined: it makes the program's paths few. */
static __noinline int drop_under(struct xdp_md *xdp, struct drop_info *info, __u32 reason)
{
	info->reason = reason;
	return drop_xdp(xdp, info);
}

/*
 * Would TC write into the port's record of the packet's connection?  Once a second, and when the packet changes its state.  A global
 * function, with a stack of its own.
 */
__noinline int asks_for_record(struct xdp_md *xdp, __u32 key)
{
	struct skep_config *cfg = config();
	__u32 now = jiffies();
	struct parsed p = {};
	struct skep_conn_key k;
	struct skep_conn *c;
	__u8 seen;

	if (parse_xdp(xdp, &p) || !conn_key(&p, 0, &k))
		return 0;
	conn_reverse(&k, key);
	c = bpf_map_lookup_elem(&skep_conns, &k);
	if (!cfg || !c || conn_over(c, k.proto, now))
		return 0;
	seen = c->flags & SKEP_CONN_REPLY ? c->orig_seen : c->reply_seen;
	return (seen_of(&p) & ~seen) || now - c->last_seen >= cfg->hz;
}

/* To a network card, as deliver() would; the frame is stripped.  XDP_PASS: TC has to. */
static __always_inline int to_card(struct xdp_md *xdp, struct skep_port *port, struct drop_info *info, __u32 mark)
{
	__u32 len = bpf_xdp_get_buff_len(xdp);

	if (port->kind != SKEP_PORT_LOCAL || mark || !is_linear(xdp, len) || !takes(card_find(port->ifindex), len))
		return XDP_PASS;
	if (has_conns(port->set) && asks_for_record(xdp, info->key))
		return XDP_PASS;
	if (bpf_xdp_adjust_meta(xdp, sizeof(struct skep_xdp_meta))) /* nobody reads it */
		return XDP_PASS;
	count(SKEP_CNT_RX_TUNNEL);
	__sync_fetch_and_add(&port->rx_packets, 1);
	__sync_fetch_and_add(&port->rx_bytes, len);
	if (port->police && over_rate(port->police, len))
		return drop_under(xdp, info, SKEP_DROP_POLICED);
	count(SKEP_CNT_TX_PORT);
	count(SKEP_CNT_XDP_DELIVER);
	return bpf_redirect(port->ifindex, 0);
}

SEC("xdp.frags") /* or jumbo frames would keep it off the interface */
int skep_xdp_under(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	struct skep_xdp_meta *meta;
	struct skep_port *port;
	struct drop_info info = {};
	struct outer o = {};

	outer_parse(xdp, HOOK_XDP, data, data_end, bpf_xdp_get_buff_len(xdp), &o);
	if (!o.ours || (o.binding && !o.reason)) /* more than fits in front of the frame */
		return XDP_PASS;
	info.key = o.key;
	info.remote = o.remote;
	if (o.reason)
		return drop_under(xdp, &info, o.reason);
	port = bpf_map_lookup_elem(&skep_ports, &info.key);
	if (!port)
		return drop_under(xdp, &info, SKEP_DROP_UNKNOWN_KEY);
	o.reason = carry_ecn(xdp, HOOK_XDP, &o);
	if (o.reason)
		return drop_under(xdp, &info, o.reason);
	if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(*meta)))
		return XDP_PASS; /* a driver that cannot: the TC program does it all */
	if (bpf_xdp_adjust_head(xdp, o.size))
		return drop_under(xdp, &info, SKEP_DROP_REWRITE);
	meta = (void *)(long)xdp->data_meta;
	if ((void *)(meta + 1) > (void *)(long)xdp->data)
		return drop_under(xdp, &info, SKEP_DROP_REWRITE);
	meta->magic = SKEP_XDP_MAGIC;
	meta->key = o.key;
	meta->peer = o.peer;
	meta->mark = o.mark;
	count(SKEP_CNT_XDP_DECAP);
	return port->flags & SKEP_PORT_XDP ? to_card(xdp, port, &info, o.mark) : XDP_PASS;
}
