// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XDP on the underlay interface, in front of skep_tc_under: refuses what is not for us before the
 * kernel spends anything on it, strips the tunnel header of the rest and leaves the key in front of
 * the frame, so that GRO merges inner packets and the TC program only has to deliver.
 */
#include "bpf/decap.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags") /* or jumbo frames would keep it off the interface */
int skep_xdp_under(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	struct skep_xdp_meta *meta;
	struct drop_info info = {};
	struct outer o = {};

	outer_parse(xdp, HOOK_XDP, data, data_end, bpf_xdp_get_buff_len(xdp), &o);
	if (!o.ours || (o.binding && !o.reason)) /* more than fits in front of the frame */
		return XDP_PASS;
	info.key = o.key;
	info.remote = o.remote;
	info.reason = o.reason;
	if (!o.reason && !bpf_map_lookup_elem(&skep_ports, &o.key))
		info.reason = SKEP_DROP_UNKNOWN_KEY;
	if (!info.reason)
		info.reason = carry_ecn(xdp, HOOK_XDP, &o);
	if (info.reason)
		return drop_xdp(xdp, &info);
	if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(*meta)))
		return XDP_PASS; /* a driver that cannot: the TC program does it all */
	if (bpf_xdp_adjust_head(xdp, o.size)) {
		info.reason = SKEP_DROP_REWRITE;
		return drop_xdp(xdp, &info);
	}
	meta = (void *)(long)xdp->data_meta;
	if ((void *)(meta + 1) > (void *)(long)xdp->data) {
		info.reason = SKEP_DROP_REWRITE;
		return drop_xdp(xdp, &info);
	}
	meta->magic = SKEP_XDP_MAGIC;
	meta->key = o.key;
	meta->peer = o.peer;
	meta->mark = o.mark;
	count(SKEP_CNT_XDP_DECAP);
	return XDP_PASS;
}
