/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Load balancers in the kernel.  A packet that begins a connection to a VIP gets its member here: BPF computes what the simulator does
 * (simulator/lb.c) and puts the number of the translation into the key of the wildcard lookup, where there is a flow for each.
 * The record of the connection keeps the number, so that packets of both directions find theirs.  Numbers are those of one
 * host; to another one goes the translation itself (bpf/tunnel.h).
 */
#pragma once

#include "limits.h"
#include "types.h"

/*
 * skep_nats: array, number -> struct skep_nat: what was sent to 'from' goes to 'to', and replies come from 'from'.  Number 0 is never used.
 * skep_nat_ids: hash, struct skep_nat -> __u32 number.  Written by skepd; a number that records may have is not given anew.
 * The members before 'to' travel in front of packets; 'to' is where these go.
 */
struct skep_nat {
	__be64 router; /* sim_name_hash() of the names of the router that translates ... */
	__be64 member; /* ... and of the pool's member */
	struct skep_ip from;
	__be16 from_port;
	__be16 to_port;
	struct skep_ip to;
	__u8 pad[4];
};
SKEP_ASSERT(sizeof(struct skep_nat) == 56);
#define SKEP_NAT_WIRE 36 /* bytes of it that travel */

/* skep_vips: hash, struct skep_vip_key -> struct skep_vip.  VIPs as packets of a port meet them. */
struct skep_vip_key {
	__u32 port; /* tunnel key of the ingress port */
	struct skep_ip dst;
	__be16 dport;
	__u8 proto;
	__u8 pad;
};
SKEP_ASSERT(sizeof(struct skep_vip_key) == 24);

struct skep_vip {
	__u64 seed; /* of the choice */
	__u32 first; /* slot of skep_maglev at which the table begins */
	__u32 size;  /* its slots */
};
SKEP_ASSERT(sizeof(struct skep_vip) == 16);

/* skep_maglev: array, slot / SKEP_MAGLEV_ROW -> struct skep_maglev_row.  Maglev's tables, one behind the other; mmapable. */
#define SKEP_MAGLEV_ROW 4
struct skep_maglev_row {
	__u16 nat[SKEP_MAGLEV_ROW]; /* numbers in skep_nats; 0 = a member that the kernel leaves to skepd */
};
SKEP_ASSERT(sizeof(struct skep_maglev_row) == 8);
