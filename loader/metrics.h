/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What skepd measures for Prometheus (docs/monitoring.md), beside what it counts anyway; the text that it is told as; and the HTTP responder that tells it
 * (metrics_server.c): GET only, on the agent's loop.
 */
#pragma once

#include <jansson.h>

#include "util/err.h"
#include "util/metrics.h"

struct agent;
struct metrics_server;

struct agent_metrics {
	struct histogram upcall[2];	      /* from reading a packet to its verdict; [1]: those that waited for something */
	struct histogram in_force, delivery; /* inforce.h */
	unsigned int unforced;		      /* changes that are not in force yet */
	uint32_t named;			      /* ports that have series of their own */
	uint64_t scrapes;
	uint64_t trace_tat_ns; /* GCRA of what is logged of traced changes */
	bool deaf; /* it is known that we cannot listen */
};

/* --- metrics.c --- */
/* All of it, as ports were sampled last. */
void metrics_write(struct agent *a, struct metrics *m);

/* --- metrics_server.c --- */
/* Listens where the configuration says, if it says so and we do not yet.  Forwarding does not depend on it: what is wrong is logged, once, and tried again. */
void metrics_server_try(struct agent *a);
void metrics_server_free(struct metrics_server *s);   /* takes NULL */
void metrics_server_topped(struct metrics_server *s); /* takes NULL: the ports have been sampled */
void metrics_server_tick(struct metrics_server *s);   /* takes NULL: now and then: connections that wait for nothing end */
