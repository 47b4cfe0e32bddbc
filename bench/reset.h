/* SPDX-License-Identifier: Apache-2.0 */
/* What bench/reset.bpf.c and bench/xdp_bench.c share. */
#pragma once

#include <linux/types.h>

#define BENCH_KEY   0x777 /* BPFRUN_KEY */
#define BENCH_WORDS 11 /* Ethernet, IPv4, the ports */
#define BENCH_NET   27 /* second byte of the source address */
#define BENCH_PORT  34 /* source port */

struct bench_reset {
	__u32 len; /* of the frame */
	__u32 flows;
	__u64 rnd;
	__u32 head[BENCH_WORDS]; /* the frame's first bytes */
	__u32 pad;
};
