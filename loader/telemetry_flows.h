/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flows that somebody watches from elsewhere (statedb/flow_wish.h): the busiest of a port's, and the way of one of them, simulated with what its packets have
 * in their headers.  Bounded in number of wishes, flows that are looked at, and flows that are told.  Used by telemetry.c.
 */
#pragma once

#include <jansson.h>

#include "statedb/flow_wish.h"

struct tenant;

struct flow_watch { /* of a tenant; zeroed: nobody watches */
	struct flow_wish wishes[FLOW_WISHES_MAX];
	unsigned int n;
	json_t *said; /* {wish's text: what is said}; NULL = nothing yet */
};

void flow_watch_wish(struct flow_watch *v, const json_t *wish); /* the record DB_WISH: what is wished from now on */
void flow_watch_look(struct flow_watch *v, const struct tenant *t, uint64_t unix_ms);
void flow_watch_stop(struct flow_watch *v);
