/* SPDX-License-Identifier: Apache-2.0 */
/* Private to write.c (the queue), plan.c (what a write changes), apart.c (in a child), prepare.c (the index of what there is). */
#pragma once

#include "api/write.h"
#include "statedb/statedb.h"
#include "topology/step.h"

struct writer {
	struct cache_tenant *t;
	struct api *api;
	struct cache_watch *watch;
	json_t *records; /* the cache's, and what was planned since */
	json_t *overlay; /* planned: {path: record | null}; what the next commit says */
	struct topo_step *step; /* of 'records'; NULL: made when it is worth it */
	struct topo_step *making; /* prepare.c: the same, as far as it is; NULL: none */
	struct loop_timer *making_timer;
	struct write *queue, **last, *flight;
	struct loop_timer *timer;
	struct quota_use use; /* of 'records' */
	uint64_t base;	     /* crev that the flight was planned on */
	unsigned int attempts;
	bool busy, own, dirty; /* a commit is on its way; the change being told is ours; 'records' must be taken anew */
	bool whole;  /* all of 'records' were judged together, since they were taken */
	bool judged; /* the plan under way has done so, with its changes */
};

/* write.c: 'records' are the cache's; -ENOMEM */
int writer_refresh(struct writer *writer);
/* Makes w->changes and w->before, or w->err; 'records' and 'overlay' with them, unless it is a dry run. */
void writer_plan(struct writer *writer, struct write *w);
/* The entries of the audit of what is in flight, and their reservations; NULL: no memory. */
json_t *writer_entries(const struct writer *writer, json_t *marks);
void writer_traces(const struct writer *writer, char text[static DB_TRACES_MAX]);
/* What was planned in a child is to be committed, or w->err says why not. */
void writer_planned(struct writer *writer, struct write *w);

/* apart.c: 'w' is no member of the queue any more; writer_planned() is called. */
void apart_plan(struct writer *writer, struct write *w);

/* plan.c: the changes are part of 'records' and 'overlay' from now on.  -ENOMEM. */
int writer_take(struct writer *writer, const json_t *changes, json_t **before);
/* The records have changed: so does the step of them. */
void writer_step(struct writer *writer, const json_t *changes);
/* prepare.c: begins to make the step, if 'whole'; between other things to do. */
void writer_prepare(struct writer *writer);
/* The step is needed now: false, there is none, for lack of memory or because 'records' are not valid. */
bool writer_has_step(struct writer *writer);
void writer_no_step(struct writer *writer);
/* What the tenant would have with the changes; 0, or -EDQUOT with 'err'. */
int writer_quota(const struct writer *writer, const json_t *changes, struct quota_use *use, struct err *err);
/* State records that go with what the overlay deletes; -ENOMEM. */
int writer_cascade(struct writer *writer);
