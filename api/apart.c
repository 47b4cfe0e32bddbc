// SPDX-License-Identifier: Apache-2.0
/*
 * A write that is planned in a child (heavy.h): all that can be made of it beforehand is made there, down to the texts of the commit, and the answer's.  Called by
 * write.c, which is told by writer_planned().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache_private.h"
#include "api/heavy.h"
#include "api/idempotency.h"
#include "api/writer.h"

/* What the child writes: this; what is to be written as JSON, and the report, each with a NUL; then what statedb has prepared. */
struct planned {
	struct err err; /* its tag is static: in the same place in parent and child */
	size_t overlay_len, report_len;
	bool judged; /* as writer.judged */
};

/* --- in the child --- */

static int prepare(struct writer *wr, FILE *out, struct err *err)
{
	_json_ json_t *marks = json_array(), *entries = writer_entries(wr, marks);
	char traces[DB_TRACES_MAX];
	const struct db_audit audit = { .entries = entries, .marks = marks, .marks_keep_s = IDEMPOTENCY_KEEP_S, .traces = traces };

	writer_traces(wr, traces);
	return entries ? db_prepare(wr->overlay, &audit, out, err) : err_set(err, -ENOMEM, "out of memory");
}

static void plan(struct writer *wr, struct write *w)
{
	if (writer_refresh(wr)) {
		err_set(&w->err, -ENOMEM, "out of memory");
		return;
	}
	wr->use = *cache_use(wr->t);
	wr->flight = w;
	writer_plan(wr, w);
	if (!w->err.code && !w->dry_run && writer_cascade(wr))
		err_set(&w->err, -ENOMEM, "out of memory");
}

static void work(void *arg, FILE *out)
{
	struct write *w = arg;
	struct writer *wr = w->t->writer;
	struct planned head = { 0 };
	char *overlay = NULL, *report = NULL;
	json_t *o;

	plan(wr, w);
	if (!w->err.code) {
		overlay = json_dumps(wr->overlay, JSON_COMPACT);
		o = write_report(w);
		report = o ? json_dumps(o, JSON_COMPACT) : NULL;
		if (!overlay || !report)
			err_set(&w->err, -ENOMEM, "out of memory");
	}
	head.err = w->err;
	if (!w->err.code) {
		head.overlay_len = strlen(overlay);
		head.report_len = strlen(report);
		head.judged = wr->judged;
	}
	fwrite(&head, sizeof(head), 1, out);
	if (w->err.code)
		return;
	fwrite(overlay, head.overlay_len + 1, 1, out);
	fwrite(report, head.report_len + 1, 1, out);
	if (!w->dry_run && json_object_size(wr->overlay) && prepare(wr, out, &w->err)) {
		rewind(out); /* what is behind it is not looked at */
		head.err = w->err;
		fwrite(&head, sizeof(head), 1, out);
	}
}

/* --- here --- */

static bool keep(const char *from, size_t len, char **text, size_t *text_len)
{
	*text = malloc(len + 1);
	if (!*text)
		return false;
	memcpy(*text, from, len);
	(*text)[len] = 0;
	*text_len = len;
	return true;
}

/* -ENOMEM */
static int take(struct writer *wr, struct write *w, const struct planned *head, const char *p, const char *end)
{
	const char *report = p + head->overlay_len + 1, *prepared = report + head->report_len + 1;

	free(w->report);
	free(w->prepared);
	w->report = w->prepared = NULL;
	w->judged = head->judged;
	if (!keep(report, head->report_len, &w->report, &w->report_len))
		return -ENOMEM;
	if (w->dry_run)
		return 0;
	if (end > prepared && !keep(prepared, (size_t)(end - prepared), &w->prepared, &w->prepared_len))
		return -ENOMEM;
	json_decref(wr->overlay);
	wr->overlay = json_loadb(p, head->overlay_len, 0, NULL);
	json_decref(w->changes);
	w->changes = json_incref(wr->overlay);
	if (wr->overlay)
		return 0;
	wr->overlay = json_object();
	return -ENOMEM;
}

static void on_planned(void *arg, const void *result, size_t len, const struct err *err)
{
	const struct planned *head = result;
	struct write *w = arg;
	struct writer *wr = w->t->writer;

	if (!w->dry_run) {
		wr->busy = false;
		wr->dirty = true; /* what the child has planned, 'records' here do not have */
	}
	if (err)
		w->err = *err;
	else if (head->err.code)
		w->err = head->err;
	else if (!w->dry_run && !auth_still(wr->api->auth, api_caller_of(w->r)))
		err_tag(&w->err, -EPERM, "forbidden", "the token that asks is not valid any more");
	else if (take(wr, w, head, (const char *)(head + 1), (const char *)result + len))
		err_set(&w->err, -ENOMEM, "out of memory");
	writer_planned(wr, w);
}

void apart_plan(struct writer *wr, struct write *w)
{
	w->err = (struct err){ 0 };
	wr->base = w->crev = cache_crev(wr->t);
	if (!wr->t->is_ready) /* its records are not there any more */
		err_set(&w->err, -ENOMEM, "out of memory");
	if (w->err.code || heavy_run(w->job, work, on_planned, w, &w->err))
		writer_planned(wr, w);
	else
		wr->busy = !w->dry_run; /* who tries only keeps nobody waiting */
}
