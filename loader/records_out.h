/* SPDX-License-Identifier: Apache-2.0 */
/* Where records go (records_out.c): a UDP socket, and a file.  Private to records*.c. */
#pragma once

#include <time.h>

#include "loader/agent.h"
#include "loader/ipfix.h"
#include "loader/reached.h"
#include "loader/records.h"
#include "loader/records_file.h"

#define RECORDS_MATCH 256

struct records {
	struct agent *a;
	uint32_t sample;
	uint64_t seed;
	struct records_stats stats;
	uint64_t tat_ns; /* GCRA of all records */
	char match[RECORDS_MATCH]; /* of the flow that is being told */
	int udp;	 /* -1 = none, or no way yet */
	uint64_t tried_ns; /* when a way was looked for last; 0 = never */
	struct ipfix ipfix;
	uint64_t templates_ns; /* when they were sent last; 0 = never */
	struct reached reached; /* the collector */
	struct records_file *file; /* NULL = none */
};

/* False: there are too many just now; it was not told. */
bool records_out(struct records *r, const struct flow_record *record);
