// SPDX-License-Identifier: Apache-2.0
/*
 * In front of an XDP program that is measured in a loop: makes the frame again what it was before the program changed it, as one of 'flows'
 * flows in random order, and goes on to the program.  With 'idle' in its place, what this costs is measured too.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/reset.h"

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

SEC("xdp.frags")
int idle(struct xdp_md *xdp)
{
	return XDP_PASS;
}
