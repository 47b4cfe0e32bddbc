/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What skepd has answered for others: ARP requests and neighbour solicitations of machines.  Written by skepd, which alone decides what is
 * answered; BPF answers the same questions of the same machines while skepd is away, and reads nothing of this while it is there.
 */
#pragma once

#include "types.h"

/* skep_answers: hash, struct skep_answer_key -> struct skep_answer.  Who asks for what; broadcast or unicast does not matter. */
struct skep_answer_key {
	__u32 in_key; /* ingress port (its tunnel key) */
	struct skep_mac eth_src; /* of the asker, in the Ethernet header and in ARP or the option of the solicitation */
	__be16 vlan; /* as in flow keys: 0 = untagged, else TCI | 0x1000 */
	struct skep_ip src;    /* the asker's address; IPv4 (ARP) as ::ffff:a.b.c.d */
	struct skep_ip target; /* that is asked for */
};
SKEP_ASSERT(sizeof(struct skep_answer_key) == 44);

struct skep_answer {
	struct skep_mac mac; /* where the target is */
	__u8 flags; /* of a neighbour advertisement: R S O as on the wire (0x80 0x40 0x20); ARP: 0 */
	__u8 pad;
};
SKEP_ASSERT(sizeof(struct skep_answer) == 8);
