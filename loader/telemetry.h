/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant's ports here carry, what was dropped and what happened, for those who watch from elsewhere (docs/monitoring.md).  Said in the state DB's stash,
 * every other second, while somebody wishes it: the record DB_WISH of the tenant, which comes with the records that are followed anyway, so nothing is
 * asked and nothing is kept while nobody watches, but for the last events.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "maps/drops.h"
#include "maps/types.h"
#include "statedb/telemetry.h"

struct agent;
struct loop_timer;
struct telemetry; /* of a tenant */
struct telemetry_say;
struct tenant;

struct telemetry_round {
	unsigned int wished;	/* tenants */
	unsigned int under_way; /* writes */
	bool due;		/* as soon as ports have been sampled */
	struct loop_timer *turn; /* there is more to be said than one turn has time for */
	struct telemetry_say *say; /* NULL = nothing is begun */
	uint64_t at_ns;		/* of the last one */
	unsigned int round;	/* whose flows are looked at */
};

/* The wish, the record DB_WISH, has been made, or renewed. */
void telemetry_wish(struct tenant *t, const json_t *wish);
/* Something has happened: "port_up", "port_down", "port_failed", "changed", "trouble", "usable".  'port': "" = none. */
void telemetry_event(struct tenant *t, const char *what, const char *port, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void telemetry_dropped(struct tenant *t, enum skep_drop reason, uint64_t time_ns, uint32_t key, const char *culprit, const uint8_t *data,
		       uint32_t have, uint32_t len, const struct skep_ip *remote);
void telemetry_tick(struct agent *a, uint64_t now_ns); /* each second */
void telemetry_topped(struct agent *a);		       /* the ports have been sampled */
void telemetry_fini(struct tenant *t);
