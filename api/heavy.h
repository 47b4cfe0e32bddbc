/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes long is worked out in a child: a fork of this process has all that is known of the tenant, at the price of its page tables, and this one goes on with
 * everybody else.  The child asks nothing of anybody: no connection is its own, it has closed them all.  It writes its result to memory that both have, and is
 * gone.  What the result says is done is done here, on revisions as always, so a child that dies has done nothing.
 *
 * HEAVY_RUNNING at a time, one of an account (turns.h); the others wait for their turn.
 */
#pragma once

#include <stdio.h>

#include "api/api.h"
#include "api/request.h"

#define HEAVY_RUNNING 3
#define HEAVY_WAITING 16 /* of one account */
#define HEAVY_WAIT_S  30 /* for a turn */
#define HEAVY_RECORDS 1000 /* a network with more of them is large: to look at all of it is heavy */
#define HEAVY_BODY    (16u << 10) /* so is to read one */

struct heavy;
struct heavy_job;

struct heavy *heavy_new(struct api *api); /* NULL: no memory */
/* All children end; who waits is told -ECANCELED.  Before cache_free(). */
void heavy_stop(struct heavy *h); /* takes NULL */
void heavy_free(struct heavy *h); /* takes NULL */

/* Its turn ('err' NULL), which it has until heavy_end(); or it will not come, and the job is over: too many wait, it took too long, the client has gone. */
typedef void heavy_turn(void *arg, struct heavy_job *job, const struct err *err);
/* 'r' is not answered before the job is over. */
void heavy_ask(struct api_request *r, heavy_turn *turn, void *arg);
void heavy_end(struct heavy_job *job); /* takes NULL */

/* In the child: writes its result.  Returns: to nothing. */
typedef void heavy_work(void *arg, FILE *out);
/* What it wrote, until the callback returns; or NULL with 'err': the child has died, was too late, or its client has gone. */
typedef void heavy_done(void *arg, const void *result, size_t len, const struct err *err);
/* Once, or once more when it is done; 0, or 'err'. */
int heavy_run(struct heavy_job *job, heavy_work *work, heavy_done *done, void *arg, struct err *err);

struct heavy_stats {
	uint64_t done, died, late, left, refused; /* children that have ended so; left: by their clients; refused: had no turn */
	uint64_t cpu_ns;		    /* of children that have ended */
	uint32_t running, waiting;	    /* now */
};
struct heavy_stats heavy_stats(const struct heavy *h);
