/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes of configuration.  A tenant's writes wait in one queue; those that have come while a commit was on its way are planned one behind the other, each on
 * what the ones before it leave, and go to the state DB as one commit.  A commit that lost against another writer is planned again.
 */
#pragma once

#include "api/cache.h"
#include "api/request.h"
#include "util/json.h"

struct heavy_job;
struct writer; /* a tenant's */
struct write;

/*
 * What the write changes: {path: record | null}, new reference, {} = nothing; NULL: 'err', whose tag is the problem's slug.  Called again when others were
 * faster.  Reads records by write_records() only.
 */
typedef json_t *write_plan(struct write *w, struct writer *writer, struct err *err);
/* What became of it: answers the request.  'err' NULL = success, w->rev and so on are set. */
typedef void write_done(struct write *w, struct cache_tenant *t, const struct err *err);

struct write {
	struct write *next;
	struct api_request *r;
	write_plan *plan;
	write_done *done;
	enum topo_kind kind;	     /* of one object: the path's; */
	const char *name;	     /* its name in the end, kept by the plan; NULL = several objects */
	char name_buf[TOPO_NAME_MAX + 1];
	json_t *body;		     /* what the plan makes of the request; owned */
	bool dry_run, prune, created;
	bool judged; /* 'apart': with all there is */
	bool apart; /* its plan looks at all there is, or reads much: in a child (heavy.h).  Its 'done' is write_done_report() */
	bool first; /* of its commit: what was asked for before it is done, and answered, before it */
	/* filled by the queue */
	struct cache_tenant *t;
	struct heavy_job *job;	     /* 'apart': its turn */
	char *report, *prepared;     /* 'apart': the answer's text, and what db_commit_prepared() takes; NULL = not yet */
	size_t report_len, prepared_len;
	json_t *changes;	     /* {path: record | null} */
	json_t *before;		     /* {path: record} of those that were there */
	struct err err;
	uint64_t rev, crev;
	unsigned int replicas;
	char warning[160];	     /* "" = none */
};

/* Takes 'w' (malloc()ed): freed behind 'done'. */
void write_submit(struct cache_tenant *t, struct write *w);
struct write *write_new(struct api_request *r, write_plan *plan, write_done *done); /* NULL: answered */

/* --- for plans --- */

const json_t *write_records(const struct writer *writer);
/* The object's name, of a name or an id; NULL: there is none. */
const char *write_find(const struct writer *writer, enum topo_kind kind, const char *key);
/* If-Match and If-None-Match of the request, or of an operation of a batch ("if_match"): 0, or 'err'. */
int write_precondition(const struct writer *writer, const struct write *w, enum topo_kind kind, const char *name,
		       struct err *err);
/* The same of the whole network: its revision is the tag. */
int write_precondition_all(const struct writer *writer, const struct write *w, struct err *err);
bool write_is_pending(const struct writer *writer, const char *path); /* was changed by a write before it in the same commit */
/* One object, put or deleted. */
json_t *write_put(struct writer *writer, enum topo_kind kind, const json_t *object, struct err *err);
json_t *write_delete(struct writer *writer, enum topo_kind kind, const char *name, struct err *err);
/* A document's objects; WRITE_STEP of them are judged by what they touch, more by all there is. */
#define WRITE_STEP 100
size_t write_objects(const json_t *doc);
json_t *write_apply(struct writer *writer, const json_t *records, const json_t *doc, bool prune, struct err *err);

/* --- for answers --- */

/* {"changes": [{"path", "op", "before", "after"}], "dry_run", "revision"}: new reference */
json_t *write_report(const struct write *w);
/* Skep-Revision, Skep-Durability; then the answer, at once or when ?wait is over (wait.c). */
void write_answer(struct write *w, struct cache_tenant *t, int status, json_t *body);
/* The usual 'done': problem, dry run's report, or 200 with the report. */
void write_done_report(struct write *w, struct cache_tenant *t, const struct err *err);

void writer_free(struct writer *writer); /* takes NULL */
