// SPDX-License-Identifier: Apache-2.0
#include "api/write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/cache_private.h"
#include "api/heavy.h"
#include "api/idempotency.h"
#include "api/turns.h"
#include "api/wait.h"
#include "api/writer.h"
#include "topology/doc.h"
#include "util/clock.h"

#define ATTEMPTS   8
#define FLIGHT_MAX 2000			 /* writes of one commit */
#define PLAN_NS	   (20 * NSEC_PER_MSEC) /* planning of one commit, but for the first write of it: then others have their turn */
#define CHANGES_AT 50000		 /* paths of one commit; a single write may have more */
#define AGAIN_MS   20

static void run(struct writer *wr);
static void soon(struct writer *wr, uint64_t ms);

static void write_free(struct write *w)
{
	struct cache_tenant *t = w->t;

	heavy_end(w->job);
	free(w->report);
	free(w->prepared);
	json_decref(w->body);
	json_decref(w->changes);
	json_decref(w->before);
	free(w);
	cache_release(t); /* last: it may be the writer's end */
}

static void end(struct writer *wr, struct write *w, const struct err *err)
{
	w->done(w, wr->t, err);
	write_free(w);
}

/* --- what others changed --- */

static bool same_but_rev(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;
	size_t n = json_object_size(b) - (json_object_get(b, "rev") ? 1 : 0);

	if (json_is_null(a) || json_is_null(b))
		return json_is_null(a) && json_is_null(b);
	json_object_foreach ((json_t *)a, key, v) {
		if (!strcmp(key, "rev"))
			continue;
		if (!n-- || !json_equal(v, json_object_get(b, key)))
			return false;
	}
	return !n;
}

/* statedb may tell of our commit before it answers it. */
static bool is_ours(const struct writer *wr, const char *path, const json_t *record)
{
	const json_t *planned = json_object_get(wr->overlay, path);

	return wr->own || (wr->busy && planned && same_but_rev(planned, record));
}

static void on_changed(void *arg, struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev)
{
	struct writer *wr = arg;
	enum topo_kind kind;
	const char *path, *name;
	json_t *record;
	bool theirs = false;

	(void)t;
	(void)before;
	(void)rev;
	if (!changes) {
		wr->dirty = true;
		return;
	}
	json_object_foreach ((json_t *)changes, path, record) {
		bool ours = is_ours(wr, path, record);

		/* a stranger's configuration: a commit of ours that is on its way will not be taken */
		if (!ours && topo_path_parse(path, &kind, &name)) {
			theirs = true;
			wr->dirty = wr->dirty || wr->busy;
		}
		if (wr->dirty || (!ours && json_object_get(wr->overlay, path)))
			continue;
		if (json_is_null(record))
			(void)json_object_del(wr->records, path);
		else if (json_object_set(wr->records, path, record))
			wr->dirty = true;
	}
	if (theirs && !wr->dirty)
		writer_step(wr, changes);
}

int writer_refresh(struct writer *wr)
{
	if (!wr->dirty)
		return 0;
	writer_no_step(wr);
	wr->whole = false;
	json_decref(wr->records);
	wr->records = topo_json_copy(cache_records(wr->t));
	wr->dirty = !wr->records;
	if (!wr->records)
		wr->records = json_object();
	return wr->dirty ? -ENOMEM : 0;
}

/* --- a commit --- */

static void answer_flight(struct writer *wr, const struct err *err, const json_t *reply)
{
	const char *warning = json_str(reply, "warning");
	struct write *w;

	while ((w = wr->flight)) {
		wr->flight = w->next;
		if (!w->err.code && !w->dry_run && json_object_size(w->changes)) {
			w->rev = (uint64_t)json_integer_value(json_object_get(reply, "rev"));
			w->replicas = (unsigned int)json_integer_value(json_object_get(reply, "replicas"));
			snprintf(w->warning, sizeof(w->warning), "%s", warning ? warning : "");
			if (err)
				w->err = *err;
		}
		w->crev = cache_crev(wr->t);
		end(wr, w, w->err.code ? &w->err : NULL);
	}
	json_object_clear(wr->overlay);
}

/* Back to the head of the queue, in order. */
static void requeue(struct writer *wr)
{
	struct write **last = &wr->flight;

	while (*last) {
		(*last)->err = (struct err){ 0 };
		last = &(*last)->next;
	}
	*last = wr->queue;
	if (!wr->queue)
		wr->last = last;
	wr->queue = wr->flight;
	wr->flight = NULL;
	json_object_clear(wr->overlay);
}

/* What a child has judged, together with all there was, is written: that is what there is now. */
static void take_judged(struct writer *wr)
{
	if (wr->flight && wr->flight->judged && !writer_refresh(wr))
		wr->whole = true;
}

static void on_committed(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *wr = arg;

	wr->busy = false;
	if (err)
		wr->dirty = true;
	if (err && err->code == -EAGAIN && wr->attempts++ < ATTEMPTS) {
		requeue(wr);
		soon(wr, AGAIN_MS); /* by then statedb has told what the others have written */
	} else {
		if (!err) {
			wr->own = true;
			cache_wrote(wr->t, wr->overlay, (uint64_t)json_integer_value(json_object_get(reply, "rev")),
				    (uint64_t)json_integer_value(json_object_get(reply, "crev")));
			wr->own = false;
			take_judged(wr);
			writer_prepare(wr);
		}
		wr->attempts = 0;
		answer_flight(wr, err, reply);
		if (wr->queue)
			soon(wr, 0);
	}
	cache_release(wr->t); /* last: it may be the writer's end */
}

/* An entry of the audit for each write. */
json_t *writer_entries(const struct writer *wr, json_t *marks)
{
	json_t *entries = json_array(), *entry;

	for (const struct write *w = wr->flight; w; w = w->next) {
		if (w->err.code || w->dry_run)
			continue;
		entry = audit_entry(w->r, w->before, w->changes);
		if (json_is_null(entry)) {
			json_decref(entry);
		} else if (!entry || json_array_append_new(entries, entry) ||
			   idempotency_mark(w->r, cache_name(wr->t), w->created, marks)) {
			json_decref(entries);
			return NULL;
		}
	}
	return entries;
}

/* For agents, which say when it is in force; the first ones, if there are many. */
void writer_traces(const struct writer *wr, char text[static DB_TRACES_MAX])
{
	size_t n = 0, len;

	text[0] = 0;
	for (const struct write *w = wr->flight; w; w = w->next) {
		const char *trace = w->err.code || w->dry_run ? "" : api_traceparent(w->r);

		len = strlen(trace);
		if (len && n + 1 + len < DB_TRACES_MAX)
			n += (size_t)snprintf(text + n, DB_TRACES_MAX - n, "%s%s", n ? " " : "", trace);
	}
}

/* Nothing is written that the audit does not tell of. */
static void send_commit(struct writer *wr)
{
	_json_ json_t *marks = json_array(), *entries = NULL;
	const struct write *w = wr->flight;
	struct db_audit audit = { .marks_keep_s = IDEMPOTENCY_KEEP_S };
	char traces[DB_TRACES_MAX];
	struct err err = { 0 };

	if (w->prepared) {
		db_commit_prepared(wr->api->db, cache_name(wr->t), wr->base, w->prepared, w->prepared_len, on_committed, wr);
		return;
	}
	writer_traces(wr, traces);
	audit.entries = entries = writer_entries(wr, marks);
	audit.marks = marks;
	audit.traces = traces;
	if (entries) {
		db_commit_audited(wr->api->db, cache_name(wr->t), wr->base, wr->overlay, &audit, on_committed, wr);
		return;
	}
	err_set(&err, -ENOMEM, "out of memory");
	on_committed(wr, &err, NULL);
}

static void commit(struct writer *wr)
{
	cache_hold(wr->t);
	wr->busy = true;
	send_commit(wr);
}

static void on_announced(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *wr = arg;

	(void)reply;
	if (err)
		on_committed(wr, err, NULL);
	else
		send_commit(wr);
}

/* A host reads the tenants that the registry says have bindings there: said before the binding is written, never after. */
static void announce(struct writer *wr)
{
	_json_ json_t *uses = json_object();
	const char *path;
	json_t *record;

	json_object_foreach (wr->overlay, path, record) {
		const char *host = json_str(record, "host");
		char use[2 * TOPO_NAME_MAX + 8];

		if (strncmp(path, "bind/", 5) || !host)
			continue;
		snprintf(use, sizeof(use), "use/%s/%s", host, cache_name(wr->t));
		json_object_set_new(uses, use, json_object());
	}
	if (!json_object_size(uses)) {
		commit(wr);
		return;
	}
	cache_hold(wr->t);
	wr->busy = true;
	db_put(wr->api->db, DB_HOSTS, NULL, uses, on_announced, wr);
}

/* --- the queue --- */

/* Deleted since the request was let in, maybe by the write before it. */
static bool is_gone(const struct writer *wr)
{
	const json_t *planned = json_object_get(wr->overlay, CACHE_TENANT);

	return planned ? json_is_true(json_object_get(planned, "deleted")) : !cache_exists(wr->t);
}

void writer_plan(struct writer *wr, struct write *w)
{
	struct quota_use use;

	json_decref(w->changes);
	json_decref(w->before);
	w->before = NULL;
	w->changes = NULL;
	wr->judged = false;
	if (!w->dry_run && is_gone(wr))
		err_set(&w->err, -ENOENT, "tenant '%s' does not exist", cache_name(wr->t));
	else if (!auth_still(wr->api->auth, api_caller_of(w->r))) /* shut out while it waited */
		err_tag(&w->err, -EPERM, "forbidden", "the token that asks is not valid any more");
	else
		w->changes = w->plan(w, wr, &w->err);
	if (!w->changes || writer_quota(wr, w->changes, &use, &w->err)) {
		if (!w->err.code)
			err_set(&w->err, -ENOMEM, "out of memory");
		return;
	}
	if (w->dry_run) {
		const char *path;
		json_t *unused;

		w->before = json_object();
		json_object_foreach (w->changes, path, unused)
			if (json_object_get(wr->records, path))
				json_object_set(w->before, path, json_object_get(wr->records, path));
	} else if (writer_take(wr, w->changes, &w->before)) {
		err_set(&w->err, -ENOMEM, "out of memory");
	} else {
		wr->use = use;
		wr->whole = wr->whole || wr->judged;
	}
}

static struct write *take_first(struct writer *wr)
{
	struct write *w = wr->queue;

	wr->queue = w->next;
	if (!wr->queue)
		wr->last = &wr->queue;
	w->next = NULL;
	return w;
}

static void run(struct writer *wr)
{
	struct write **last = &wr->flight;
	uint64_t until = clock_mono_ns() + PLAN_NS, began;
	unsigned int n = 0;
	struct err err = { 0 };

	while (!wr->busy && wr->queue && wr->queue->apart)
		apart_plan(wr, take_first(wr));
	if (wr->busy || !wr->queue)
		return;
	if (writer_refresh(wr) || !wr->t->is_ready) {
		err_set(&err, -ENOMEM, "out of memory");
		requeue(wr);
	}
	wr->base = cache_crev(wr->t);
	wr->use = *cache_use(wr->t);
	while (wr->queue && !err.code && n < FLIGHT_MAX && (!n || !(wr->queue->first || wr->queue->apart)) && (!n || clock_mono_ns() < until) &&
	       json_object_size(wr->overlay) < CHANGES_AT) {
		struct write *w = take_first(wr);

		*last = w;
		last = &w->next;
		began = clock_mono_ns();
		writer_plan(wr, w);
		turns_spend(wr->api->budget, &w->r->caller, clock_mono_ns() - began);
		n++;
	}
	if (!err.code && writer_cascade(wr))
		err_set(&err, -ENOMEM, "out of memory");
	cache_hold(wr->t);
	if (err.code) {
		wr->dirty = true;
		answer_flight(wr, &err, NULL);
	} else if (json_object_size(wr->overlay)) {
		announce(wr);
	} else {
		answer_flight(wr, NULL, NULL);
		if (wr->queue)
			soon(wr, 0);
	}
	cache_release(wr->t);
}

void writer_planned(struct writer *wr, struct write *w)
{
	struct cache_tenant *t = cache_hold(wr->t);

	if (!w->dry_run && !w->err.code && json_object_size(wr->overlay)) {
		wr->flight = w;
		announce(wr);
	} else {
		end(wr, w, w->err.code ? &w->err : NULL);
		if (!wr->busy && wr->queue)
			soon(wr, 0);
	}
	cache_release(t);
}

static void on_timer(void *arg)
{
	struct writer *wr = arg;

	wr->timer = NULL;
	run(wr);
	cache_release(wr->t);
}

/* At the end of this round of the loop: what came together goes together. */
static void soon(struct writer *wr, uint64_t ms)
{
	if (wr->timer)
		return;
	wr->timer = loop_timer_add(wr->api->loop, ms * NSEC_PER_MSEC, 0, on_timer, wr);
	if (wr->timer)
		cache_hold(wr->t);
}

static struct writer *writer_of(struct cache_tenant *t)
{
	struct writer *wr = t->writer;

	if (wr)
		return wr;
	wr = calloc(1, sizeof(*wr));
	if (!wr)
		return NULL;
	wr->t = t;
	wr->api = t->cache->api;
	wr->last = &wr->queue;
	wr->dirty = true;
	wr->overlay = json_object();
	wr->watch = cache_watch(t, on_changed, wr);
	if (!wr->overlay || !wr->watch) {
		cache_unwatch(wr->watch);
		writer_free(wr);
		return NULL;
	}
	wr->watch->quiet = true;
	t->writer = wr;
	return wr;
}

void writer_free(struct writer *wr)
{
	if (!wr)
		return;
	writer_no_step(wr);
	json_decref(wr->records);
	json_decref(wr->overlay);
	free(wr); /* the watch is the tenant's, and ends with it */
}

static void enqueue(struct writer *wr, struct write *w)
{
	w->next = NULL;
	*wr->last = w;
	wr->last = &w->next;
	if (!wr->busy)
		soon(wr, 0);
}

static void on_turn(void *arg, struct heavy_job *job, const struct err *err)
{
	struct write *w = arg;
	struct writer *wr = w->t->writer;

	w->job = job;
	if (err)
		end(wr, w, err);
	else
		enqueue(wr, w);
}

void write_submit(struct cache_tenant *t, struct write *w)
{
	struct writer *wr = writer_of(t);
	struct err err = { 0 };

	w->t = cache_hold(t);
	if (!wr) {
		err_set(&err, -ENOMEM, "out of memory");
		w->done(w, t, &err);
		write_free(w);
	} else if (w->apart) {
		heavy_ask(w->r, on_turn, w);
	} else {
		enqueue(wr, w);
	}
}

struct write *write_new(struct api_request *r, write_plan *plan, write_done *done)
{
	struct write *w = calloc(1, sizeof(*w));
	int dry = api_query_bool(r, "dry_run");
	uint32_t ms;

	if (dry < 0 || !w || !wait_parse(r, &ms)) {
		if (!w && dry >= 0)
			api_problemf(r, 503, "overloaded", "out of memory");
		free(w);
		return NULL;
	}
	w->r = r;
	w->plan = plan;
	w->done = done;
	w->dry_run = dry;
	return w;
}

/* --- answers --- */

/* A record as it is now: with the revision that the commit gave it, which those that were planned do not know. */
static json_t *as_written(const struct write *w, const json_t *record)
{
	json_t *o = json_copy((json_t *)record);

	if (w->rev)
		json_object_set_new(o, "rev", json_integer((json_int_t)w->rev));
	return o;
}

json_t *write_report(const struct write *w)
{
	json_t *list = json_array(), *after;
	const char *path;

	json_object_foreach (w->changes, path, after) {
		json_t *before = json_object_get(w->before, path);
		const char *op = json_is_null(after) ? "deleted" : before ? "changed" : "created";

		json_array_append_new(list, json_pack("{s:s, s:s, s:O?, s:o?}", "path", path, "op", op, "before", before,
						      "after", json_is_null(after) ? NULL : as_written(w, after)));
	}
	return json_pack("{s:o, s:b, s:I}", "changes", list, "dry_run", w->dry_run, "revision", (json_int_t)w->crev);
}

static void answer_text(struct write *w, struct cache_tenant *t, int status, char *report, size_t len)
{
	char text[200];

	snprintf(text, sizeof(text), "%" PRIu64, w->crev);
	api_header(w->r, "Skep-Revision", text);
	snprintf(text, sizeof(text), "replicas=%u%s%s", w->replicas, w->warning[0] ? "; warning=" : "", w->warning);
	if (w->rev)
		api_header(w->r, "Skep-Durability", text);
	if (w->dry_run || !api_query(w->r, "wait"))
		api_answer_text(w->r, status, report ? "application/json" : NULL, report, len);
	else
		wait_answer(w->r, t, w->crev, status, report, len);
}

void write_answer(struct write *w, struct cache_tenant *t, int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	if (body && !text)
		api_problemf(w->r, 503, "overloaded", "out of memory");
	else
		answer_text(w, t, status, text, text ? strlen(text) : 0);
	json_decref(body);
}

void write_done_report(struct write *w, struct cache_tenant *t, const struct err *err)
{
	if (err)
		api_fail(w->r, err);
	else if (w->report)
		answer_text(w, t, 200, TAKE_PTR(w->report), w->report_len);
	else
		write_answer(w, t, 200, write_report(w));
}
