/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Small types of the ABI between the BPF programs and user space.  Leaf: includes the kernel's types only. */
#pragma once

#include <linux/types.h>

#define SKEP_ABI 4 /* of everything in maps/; part of the pin path, so two versions never share a map */

#define SKEP_ASSERT(cond) _Static_assert(cond, #cond)

/* Behind an enum: as small as its values allow.  So a member of one byte has the enum's type, and bpftool shows names. */
#define SKEP_SMALL __attribute__((packed))

/* Ethernet address as on the wire. */
struct skep_mac {
	__u8 b[6];
};

/* IPv6 address, or IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2); network order; all zero = none. */
struct skep_ip {
	__be32 w[4];
};

SKEP_ASSERT(sizeof(struct skep_mac) == 6);
SKEP_ASSERT(sizeof(struct skep_ip) == 16);
