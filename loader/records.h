/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of flows and connections for collectors: as IPFIX (ipfix.h) and as JSON lines, of one flow in 'sample', from counters that skepd reads anyway
 * (docs/monitoring.md).  A flow is told when it ends and every 'active_s', what it has carried since it was told last; a connection when it ends, by the host
 * of the port that has begun it.  So many a second at most; what is more is counted, and lost.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "maps/flow.h"
#include "maps/types.h"
#include "util/err.h"

struct agent;
struct index_flow;
struct sim_conn;
struct sim_tuple;
struct tenant;

enum record_end { /* flowEndReason of IPFIX */
	RECORD_IDLE = 1,
	RECORD_ACTIVE = 2, /* it goes on */
	RECORD_ENDED = 3,
	RECORD_FORCED = 4, /* a change, or want of room */
};

struct flow_record {
	bool v6, conn; /* conn: no counters, but what it is translated to */
	struct skep_ip src, dst, post_src, post_dst;
	uint8_t src_len, dst_len; /* bits of the addresses that a wildcard flow looks at */
	uint16_t sport, dport, post_sport, post_dport; /* host order; 0 = any, or none */
	uint8_t proto;		  /* 0 = any */
	enum record_end end;
	uint8_t status;	  /* forwardingStatus of IPFIX */
	uint32_t ifindex; /* of the port that sends */
	uint64_t start_ms, end_ms; /* Unix time */
	uint64_t packets, bytes, ip_bytes; /* bytes: Ethernet included */
	const char *tenant, *port, *out_port, *out_host; /* "": none, or many */
	const char *reason, *culprit, *match;		 /* drops; wildcard flows; "" = none */
};

struct records_stats {
	uint64_t observed, selected; /* flows and connections */
	uint64_t told, lost, failed; /* records: put, over the rate, could not be sent or written */
};

struct records; /* of the agent */
struct record_state; /* of a flow */

/* As the configuration says.  0, also when it says nothing (a->records is NULL then); -errno with 'err'. */
int records_start(struct agent *a, struct err *err);
void records_stop(struct agent *a);
void records_tick(struct agent *a, uint64_t now_ns); /* four times a second */
const struct records_stats *records_stats(const struct records *r);
/* A walk has met the flow, with these counters. */
void records_flow(struct agent *a, struct index_flow *f, const struct skep_flow *now);
/* The same of one that an earlier skepd has left: what it has carried up to now is nobody's. */
void records_adopted(struct agent *a, struct index_flow *f, const struct skep_flow *now);
/* It goes: first, while its mask is known; then ... */
void records_flow_ends(struct agent *a, struct index_flow *f);
/* ... with 'now', its last counters, NULL = not known. */
void records_flow_over(struct agent *a, struct index_flow *f, const struct skep_flow *now);
/* The connection is over; CLOCK_MONOTONIC.  'begun_ns' 0: not known; 'last_ns' 0: it has been idle for as long as it may be, else it was ended. */
void records_conn_over(struct tenant *t, const struct sim_conn *c, uint64_t begun_ns, uint64_t last_ns);
/* The same of a record that is about to be deleted, if there is one. */
void records_conn_gone(struct tenant *t, const char *port, const struct sim_tuple *tuple, uint64_t begun_ns, uint64_t last_ns);
