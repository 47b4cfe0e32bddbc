/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* skep_events: ring buffer, BPF -> skepd.  Events carry no packets that must go on, only samples. */
#pragma once

#include "limits.h"
#include "types.h"

enum skep_event_type {
	SKEP_EV_DROP = 1,
	SKEP_EV_PMTU, /* a router on the way to host 'remote' takes packets of up to 'len' bytes */
};

struct skep_event {
	__u8 type;   /* enum skep_event_type */
	__u8 reason; /* enum skep_drop */
	__u8 head_len; /* bytes used of 'head' */
	__u8 pad;
	__u32 key;    /* port: ingress port, or the unknown tunnel key; 0 = none */
	__u32 cookie; /* of the drop flow; 0 = none */
	__u32 len;    /* of the frame; PMTU: what fits */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct skep_ip remote; /* outer source of a tunnel packet, PMTU: destination; zero = none */
	__u8 head[SKEP_EVENT_HEAD]; /* from the Ethernet header on; zero beyond head_len */
};
SKEP_ASSERT(sizeof(struct skep_event) == 40 + SKEP_EVENT_HEAD);
