// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that write: commit, put, claim, and the stash's.  Makes their scripts' arguments; space.c
 * runs them.  Implements part of statedb.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/request.h"
#include "util/json.h"

#define CHANGES_MAX 200000 /* paths in one write */
#define STASH_MAX   4096   /* names in one write of the stash */

/* The record as text without its "rev", which the script puts in front. */
static char *record_text(const json_t *record)
{
	json_t *o;
	char *text;

	if (!json_object_get(record, "rev"))
		return json_dumps(record, JSON_COMPACT);
	o = json_copy((json_t *)record);
	if (!o)
		return NULL;
	json_object_del(o, "rev");
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

bool request_arg(struct request *rq, char *text)
{
	if (!text)
		return false;
	rq->argv[rq->argc++] = text;
	return true;
}

#define ID_TEXT 64
static void write_id(struct db *db, char id[static ID_TEXT])
{
	snprintf(id, ID_TEXT, "%016" PRIx64 ".%" PRIu64, db->write_id, ++db->write_seq);
}

static bool mark_names(struct request *rq, const json_t *marks)
{
	const json_t *mark;
	size_t i;

	json_array_foreach((json_t *)marks, i, mark)
		if (!request_arg(rq, strdup(json_str(mark, "name"))))
			return false;
	rq->n_names = rq->argc;
	return true;
}

static bool mark_args(struct request *rq, const json_t *marks, unsigned int keep_s)
{
	const json_t *mark;
	char keep[16];
	size_t i;

	snprintf(keep, sizeof(keep), "%u", keep_s);
	json_array_foreach((json_t *)marks, i, mark)
		if (!request_arg(rq, strdup(json_str(mark, "owner"))) || !request_arg(rq, strdup(json_str(mark, "status"))) ||
		    !request_arg(rq, strdup(keep)))
			return false;
	return true;
}

/* Fills argv with what the write script wants; rq->err otherwise. */
static void write_args(struct request *rq, const char *crev, const char *owner,
		       const json_t *changes, const struct db_audit *audit)
{
	const char *path;
	const json_t *marks = audit ? audit->marks : NULL;
	char id[ID_TEXT], max[16];
	json_t *v;
	bool ok;

	if (!json_is_object(changes)) {
		err_set(&rq->err, -EINVAL, "changes must be an object {path: object or null}");
		return;
	}
	if (json_object_size(changes) > CHANGES_MAX) {
		err_set(&rq->err, -E2BIG, "a write changes %zu records (at most %d)",
			json_object_size(changes), CHANGES_MAX);
		return;
	}
	rq->argv = calloc(4 + audit_args_max(audit) + 2 * json_object_size(changes) + 4 * json_array_size(marks),
			  sizeof(*rq->argv));
	id[0] = 0; /* a commit that is prepared gets it later */
	if (rq->db)
		write_id(rq->db, id);
	snprintf(max, sizeof(max), "%d", DB_LOG_MAX);
	ok = rq->argv && mark_names(rq, marks) && request_arg(rq, strdup(crev)) && request_arg(rq, strdup(id)) &&
	     request_arg(rq, strdup(owner ? owner : "")) && request_arg(rq, strdup(max));
	if (ok && !audit_args(rq, audit))
		return;
	json_object_foreach((json_t *)changes, path, v)
	{
		if (!json_is_object(v) && !json_is_null(v)) {
			err_set(&rq->err, -EINVAL,
				"record '%.100s' must be an object, or null to delete it", path);
			return;
		}
		ok = ok && request_arg(rq, strdup(path)) &&
		     request_arg(rq, json_is_null(v) ? strdup("") : record_text(v));
	}
	if (!ok || !mark_args(rq, marks, audit ? audit->marks_keep_s : 0))
		err_set(&rq->err, -ENOMEM, "out of memory");
}

void db_commit_audited(struct db *db, const char *space, uint64_t crev, const json_t *changes,
		       const struct db_audit *audit, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_COMMIT, done, arg);
	char text[24];

	if (!rq)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, crev);
	write_args(rq, text, NULL, changes, audit);
	request_submit(rq, space);
}

/* --- prepared --- */

/* What a prepared commit begins with; then its arguments, each with its NUL. */
struct prepared {
	int argc, n_names;
	bool audited;
};

int db_prepare(const json_t *changes, const struct db_audit *audit, FILE *out, struct err *err)
{
	struct request rq = { 0 };
	struct prepared head;

	write_args(&rq, "", NULL, changes, audit);
	if (rq.err.code) {
		*err = rq.err;
	} else {
		memset(&head, 0, sizeof(head));
		head.argc = rq.argc;
		head.n_names = rq.n_names;
		head.audited = rq.audited;
		fwrite(&head, sizeof(head), 1, out);
		for (int i = 0; i < rq.argc; i++)
			fwrite(rq.argv[i], strlen(rq.argv[i]) + 1, 1, out);
		if (ferror(out))
			err_set(err, -ENOMEM, "out of memory");
	}
	for (int i = 0; i < rq.argc; i++)
		free(rq.argv[i]);
	free(rq.argv);
	return err->code;
}

static bool take_prepared(struct request *rq, const char *crev, const char *p, const char *end)
{
	struct prepared head;
	char id[ID_TEXT];

	if ((size_t)(end - p) < sizeof(head))
		return false;
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	rq->argv = calloc((size_t)head.argc, sizeof(*rq->argv));
	rq->n_names = head.n_names;
	rq->audited = head.audited;
	write_id(rq->db, id);
	while (rq->argv && rq->argc < head.argc) {
		const char *nul = memchr(p, 0, (size_t)(end - p));

		if (!nul || !request_arg(rq, strdup(rq->argc == head.n_names ? crev : rq->argc == head.n_names + 1 ? id : p)))
			return false;
		p = nul + 1;
	}
	return rq->argv;
}

void db_commit_prepared(struct db *db, const char *space, uint64_t crev, const void *prepared, size_t len, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_COMMIT, done, arg);
	char text[24];

	if (!rq)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, crev);
	if (!take_prepared(rq, text, prepared, (const char *)prepared + len))
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

void db_commit(struct db *db, const char *space, uint64_t crev, const json_t *changes,
	       db_done *done, void *arg)
{
	db_commit_audited(db, space, crev, changes, NULL, done, arg);
}

void db_put(struct db *db, const char *space, const char *owner, const json_t *changes,
	    db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_PUT, done, arg);

	if (!rq)
		return;
	write_args(rq, "", owner, changes, NULL);
	request_submit(rq, space);
}

void db_claim(struct db *db, const char *space, const char *path, uint64_t was,
	      const json_t *record, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_CLAIM, done, arg);
	char id[ID_TEXT], max[16], rev[24];

	if (!rq)
		return;
	write_id(db, id);
	snprintf(max, sizeof(max), "%d", DB_LOG_MAX);
	snprintf(rev, sizeof(rev), "%" PRIu64, was);
	rq->argv = calloc(5, sizeof(*rq->argv));
	if (!json_is_object(record) || !*path)
		err_set(&rq->err, -EINVAL, "record '%.100s' must be an object", path);
	else if (!rq->argv || !request_arg(rq, strdup(rev)) || !request_arg(rq, strdup(id)) ||
		 !request_arg(rq, strdup(max)) || !request_arg(rq, strdup(path)) ||
		 !request_arg(rq, record_text(record)))
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

/* --- the stash --- */

static size_t count_fields(const json_t *changes)
{
	const char *name;
	size_t n = 0;
	json_t *v;

	json_object_foreach((json_t *)changes, name, v) n += json_object_size(v);
	return n;
}

/* Names, which become keys; then the time to live, and for each field the number of its key. */
static bool stash_args(struct request *rq, const json_t *changes, unsigned int ttl_s)
{
	const char *name, *field;
	char number[16];
	json_t *fields, *v;
	int i = 0;

	rq->argv = calloc(json_object_size(changes) + 1 + 3 * count_fields(changes),
			  sizeof(*rq->argv));
	if (!rq->argv)
		return false;
	json_object_foreach((json_t *)changes, name, fields)
	{
		if (!schema_name_ok(name) || !json_is_object(fields))
			return !err_set(&rq->err, -EINVAL,
					"stash: '%.130s' is not a name with an object", name);
		if (!request_arg(rq, strdup(name)))
			return false;
	}
	rq->n_names = rq->argc;
	snprintf(number, sizeof(number), "%u", ttl_s);
	if (!request_arg(rq, strdup(number)))
		return false;
	json_object_foreach((json_t *)changes, name, fields)
	{
		snprintf(number, sizeof(number), "%d", ++i);
		json_object_foreach(fields, field, v)
			if (!request_arg(rq, strdup(number)) || !request_arg(rq, strdup(field)) ||
			    !request_arg(rq, strdup(json_is_string(v) ? json_string_value(v) : "")))
				return false;
	}
	return true;
}

void db_stash(struct db *db, const char *space, const json_t *changes, unsigned int ttl_s,
	      db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_STASH, done, arg);

	if (!rq)
		return;
	if (!json_object_size(changes) || json_object_size(changes) > STASH_MAX || !ttl_s)
		err_set(&rq->err, -EINVAL, "stash: want 1 to %d names, and a time to live",
			STASH_MAX);
	else if (!stash_args(rq, changes, ttl_s) && !rq->err.code)
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

void db_unstash(struct db *db, const char *space, const char *name, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_UNSTASH, done, arg);

	if (!rq)
		return;
	rq->argv = calloc(1, sizeof(*rq->argv));
	if (!schema_name_ok(name))
		err_set(&rq->err, -EINVAL, "stash: '%.130s' is not a name", name);
	else if (!rq->argv || !request_arg(rq, strdup(name)))
		err_set(&rq->err, -ENOMEM, "out of memory");
	rq->n_names = rq->argc;
	request_submit(rq, space);
}

void db_unstash_all(struct db *db, const char *space, const char *const *names, unsigned int n, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_DROP, done, arg);

	if (!rq)
		return;
	rq->argv = calloc(n, sizeof(*rq->argv));
	for (unsigned int i = 0; i < n && !rq->err.code; i++)
		if (!schema_name_ok(names[i]))
			err_set(&rq->err, -EINVAL, "stash: '%.130s' is not a name", names[i]);
		else if (!rq->argv || !request_arg(rq, strdup(names[i])))
			err_set(&rq->err, -ENOMEM, "out of memory");
	rq->n_names = rq->argc;
	request_submit(rq, space);
}
