/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What travels between hosts, on the wire: VXLAN (RFC 7348) with the flag of Group Based Policy,
 * Geneve (RFC 8926), NVGRE (RFC 7637).  In all three, eight bytes of one shape precede the inner
 * Ethernet header; in the first two UDP precedes them.  encap.h pushes them, decap.h strips them.
 */
#pragma once

#include "bpf/account.h"
#include "bpf/parse.h"

struct udp {
	__be16 source, dest, len, check;
};

struct tunnel_hdr {
	__be32 what; /* flags, protocol: below */
	__be32 key;  /* << 8; NVGRE: the low byte tells flows apart */
};

#define VXLAN_FLAGS 0xff000000
#define VXLAN_I	    0x08000000 /* the key is valid; but for it and the next no flag may be set */
#define VXLAN_G	    0x80000000 /* the low 16 bits are a group policy id: our mark */
#define VXLAN_ID    0x0000ffff

#define GENEVE_VERSION 0xc0000000
#define GENEVE_OAM     0x00800000 /* for the host itself: carries no frame to deliver */
#define GENEVE_CRITICAL 0x00400000 /* one of the options is */
#define GENEVE_OPTIONS(what) (((what) >> 24 & 0x3f) * 4) /* bytes of options behind the header */

/* Head of an option.  Ours is of a class for experiments, and not critical: others skip it. */
#define OPTION_SIZE(head) (((head) & 0x1f) * 4) /* of its data */
#define OPTION_CRITICAL	  0x00008000
#define OPTION_MARK	  0xff730101 /* class, type, length 1: four bytes of data, the mark */
#define MARK_SIZE	  8
#define OPTION_BINDING	  0xff738209 /* type 2, critical, length 9: behind a mark, the translation (struct skep_nat, without 'to') */
#define BINDING_SIZE	  (4 + SKEP_NAT_WIRE)

#define GRE_FLAGS 0xffff0000
#define GRE_K	  0x20000000 /* there is a key; no other flag may be set */
#define GRE_PROTO 0x0000ffff

#define ECN	0x03
#define ECN_CE	0x03 /* congestion was experienced */
#define ECN_1	0x01 /* ECT(1) */
#define ECN_0	0x02 /* ECT(0) */
