/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ports and flows carry, for those who watch (report_top.c): counters that only grow, and rates by which the agent chooses whom to
 * show.  Ports are asked about when somebody watches, flows are seen by the walks anyway (expiry.c).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "loader/dp.h"

struct agent;
struct index_flow;

enum load_what { /* of a port; 'rx' is what its machine sent */
	LOAD_RX_PACKETS,
	LOAD_RX_BYTES,
	LOAD_TX_PACKETS,
	LOAD_TX_BYTES,
	LOAD_DROPS,
	LOAD_UPCALLS,
	LOAD_MAX
};

enum load_walked { LOAD_PACKETS, LOAD_BYTES, LOAD_DROPPED, LOAD_WALKED_MAX };

struct port_load {
	uint64_t at_ns; /* of the sample; 0 = none yet */
	uint64_t count[LOAD_MAX], rate[LOAD_MAX]; /* rate: per second, between the last two samples */
	uint64_t of_link[LOAD_MAX];	/* of these, those of the interface's counters, which begin at 0 with another one */
	uint64_t carried[LOAD_MAX];	/* since the first sample: this never goes backwards */
	/* What flows have handed to the port past its interface's counters, and what flows of its packets have dropped, as walks saw it; before: up to
	 * the last walk but one. */
	uint64_t walked[LOAD_WALKED_MAX], before[LOAD_WALKED_MAX];
	uint64_t walk;	  /* number of the walk that last added */
	uint64_t dropped; /* by skepd */
	bool named;	  /* metrics.c: has series of its own */
};

struct flow_load {
	uint64_t packets, bytes; /* at the last walk that took rates */
	uint64_t pps, bps;	 /* packets, bits per second between the last two of these */
};

#define TOP_HEAD 96

struct top_drop { /* the last one of a reason that we saw; not all are shown to us */
	uint64_t time_ns; /* 0 = none */
	uint32_t key, have, len;
	struct skep_ip remote;
	uint8_t head[TOP_HEAD];
	char culprit[192];
};

struct top {
	bool asked;		  /* a sample of the ports is under way */
	uint64_t at_ns;		  /* when the last one was complete; 0 = never */
	uint64_t total[LOAD_MAX]; /* what all ports have carried since they were first sampled, also those that have gone */
	uint64_t others[LOAD_MAX]; /* the same of those that metrics.c does not name */
	uint64_t rates_at_ns;	  /* of flows */
	uint64_t walk_gap_ns;	  /* between the last two walks */
	struct top_drop drops[SKEP_DROP_MAX];
};

/* Samples the ports, but for what was sampled a moment ago, then calls control_topped(). */
void top_ask(struct agent *a);
/* expiry.c: a walk begins; how long ago rates were taken, 0 = too short a time to take them again. */
uint64_t top_walk(struct agent *a, uint64_t now_ns);
void top_flow(struct index_flow *f, const struct skep_flow *now, uint64_t gap_ns);
void top_flow_adopted(struct index_flow *f, const struct skep_flow *now); /* what it carried before is nobody's */
/* rules.c: the flow has carried so much more. */
void top_carried(struct index_flow *f, uint64_t packets, uint64_t bytes);
/* "rx_bytes", "rx_bps"; how many of the rate's units one of what is counted is: bits. */
const char *top_load_name(enum load_what what, bool rate);
unsigned int top_load_unit(enum load_what what);
void top_drop_note(struct top_drop *d, uint64_t time_ns, uint32_t key, const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		   const struct skep_ip *remote);
/* upcall.c: a dropped packet was seen. */
void top_dropped(struct agent *a, enum skep_drop reason, uint64_t time_ns, uint32_t key,
		 const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		 const struct skep_ip *remote);
