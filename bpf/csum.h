/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checksums by difference (RFC 1624). */
#pragma once

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* Sums of 32-bit words in ones' complement, in the order of the wire; 64 bits hold many. */
static __always_inline __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline __u16 fold16(__u64 sum)
{
	__u32 s = fold32(sum);

	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

static __always_inline __u64 csum_change(__u64 sum, __u32 from, __u32 to)
{
	return sum + (__u32)~from + to;
}
