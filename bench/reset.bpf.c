// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In front of an XDP program that is measured in a loop: makes the frame again what it was before the program changed it, as one of 'flows'
 * flows in random order, and goes on to the program.  With 'idle' in its place, what this costs is measured too.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/reset.h"
#include "maps/maps.h"

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, 1);
} next SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct bench_reset);
	__uint(max_entries, 1);
} state SEC(".maps");

struct { /* skep's own */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct skep_flow_key4);
	__type(value, struct skep_flow);
	__uint(max_entries, SKEP_FLOWS_MAX);
} skep_flows4 SEC(".maps");

struct words {
	__u32 w[BENCH_WORDS];
};

SEC("xdp.frags")
int reset(struct xdp_md *xdp)
{
	__u32 zero = 0, flow;
	struct bench_reset *r = bpf_map_lookup_elem(&state, &zero);
	struct words *to;
	__u8 *data;

	if (!r || bpf_xdp_adjust_head(xdp, (int)bpf_xdp_get_buff_len(xdp) - (int)r->len))
		return XDP_ABORTED;
	data = (void *)(long)xdp->data;
	to = (void *)data;
	if ((void *)(to + 1) > (void *)(long)xdp->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < BENCH_WORDS; i++)
		to->w[i] = r->head[i];
	r->rnd = r->rnd * 6364136223846793005ULL + 1442695040888963407ULL;
	flow = (r->rnd >> 32) * r->flows >> 32;
	data[BENCH_NET] = flow >> 10;
	*(__u16 *)(data + BENCH_PORT) = bpf_htons(1024 + (flow & 1023));
	bpf_tail_call(xdp, &next, 0);
	return XDP_ABORTED;
}

/* No more than the lookup: what no program that finds a flow can be faster than. */
SEC("xdp.frags")
int lookup(struct xdp_md *xdp)
{
	struct words *from = (void *)(long)xdp->data;
	union {
		struct skep_flow_key4 k;
		__u32 w[sizeof(struct skep_flow_key4) / 4];
	} key = { .k.in_key = BENCH_KEY, .k.eth_type = bpf_htons(0x0800), .k.proto = IPPROTO_UDP };
	struct skep_flow *f;

	if ((void *)(from + 1) > (void *)(long)xdp->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < 3; i++)
		key.w[1 + i] = from->w[i];
	for (int i = 0; i < 3; i++) /* addresses and ports: bytes 26 to 37 */
		key.w[5 + i] = *(__u32 *)((__u8 *)from + 26 + 4 * i);
	f = bpf_map_lookup_elem(&skep_flows4, &key.k);
	return f && f->action ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp.frags")
int idle(struct xdp_md *xdp)
{
	return XDP_PASS;
}
