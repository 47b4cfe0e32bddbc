// SPDX-License-Identifier: Apache-2.0
/*
 * The audit of a space: what entries look like in the database, and reading them.  An entry has the revisions of its write, "meta" as the writer
 * gave it, the paths of its objects (one a line, with a line's end around each, so that one can be looked for), and the changes as JSON, compressed
 * when that pays.  "sum" counts bytes from the beginning of time: the difference of two entries is what lies between them.  Implements part of statedb.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "statedb/request.h"
#include "util/base64.h"

#define ENTRIES_MAX   10000 /* of one write */
#define LIST_MAX      1000
#define COMPRESS_FROM 2048
#define PATH_MAX_     256
#define RAW_HEAD      20 /* "z<length>:" */

/* --- texts of an entry --- */

static char *objects_text(const json_t *after)
{
	size_t len = 2, at = 1;
	const char *path;
	char *text;
	json_t *v;

	json_object_foreach((json_t *)after, path, v) len += strlen(path) + 1;
	text = malloc(len);
	if (!text)
		return NULL;
	text[0] = '\n';
	json_object_foreach((json_t *)after, path, v)
	{
		size_t n = strlen(path);

		memcpy(text + at, path, n);
		text[at + n] = '\n';
		at += n + 1;
	}
	text[at] = 0;
	return text;
}

/* "z<length>:<base64>"; NULL: no memory. */
static char *compressed(const char *raw, size_t len)
{
	uLong bound = compressBound(len);
	_free_ uint8_t *z = malloc(bound);
	char *text;
	int n;

	if (!z || compress2(z, &bound, (const uint8_t *)raw, len, Z_BEST_SPEED) != Z_OK)
		return NULL;
	text = malloc(RAW_HEAD + 4 + BASE64_LEN(bound));
	if (!text)
		return NULL;
	n = snprintf(text, RAW_HEAD + 4, "z%zu:", len);
	base64_encode(z, bound, text + n);
	return text;
}

static json_t *changes_of(const json_t *before, const json_t *after)
{
	json_t *changes = json_object(), *v, *was;
	const char *path;

	json_object_foreach((json_t *)after, path, v)
	{
		was = json_object_get(before, path);
		if (json_object_set_new(changes, path,
					json_pack("[O, O]", was ? was : json_null(), v))) {
			json_decref(changes);
			return NULL;
		}
	}
	return changes;
}

static char *changes_text(const json_t *before, const json_t *after)
{
	json_t *changes = changes_of(before, after);
	_free_ char *raw = changes ? json_dumps(changes, JSON_COMPACT) : NULL;
	size_t len = raw ? strlen(raw) : 0;

	json_decref(changes);
	if (!raw)
		return NULL;
	if (len > DB_AUDIT_ENTRY_MAX)
		return strdup("");
	return len < COMPRESS_FROM ? TAKE_PTR(raw) : compressed(raw, len);
}

size_t audit_args_max(const struct db_audit *audit)
{
	return 5 + 4 * json_array_size(audit ? audit->entries : NULL);
}

static char *number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return strdup(text);
}

static const char *whose(const json_t *meta)
{
	const char *tenant = json_string_value(json_object_get(meta, "caller_tenant"));

	return tenant ? tenant : "";
}

bool audit_args(struct request *rq, const struct db_audit *audit)
{
	size_t n = json_array_size(audit ? audit->entries : NULL), i;
	const json_t *entry;
	bool ok = request_arg(rq, number(n));

	rq->audited = n > 0;

	if (n > ENTRIES_MAX)
		return !err_set(&rq->err, -E2BIG, "a write has %zu audit entries (at most %d)", n,
				ENTRIES_MAX);
	if (n)
		ok = ok && request_arg(rq, number(audit->keep ? audit->keep : DB_AUDIT_KEEP)) &&
		     request_arg(rq, number(audit->keep_bytes ? audit->keep_bytes : DB_AUDIT_BYTES)) &&
		     request_arg(rq, number(audit->keep_ms ? audit->keep_ms : DB_AUDIT_MS)) &&
		     request_arg(rq, strndup(audit->traces ? audit->traces : "", DB_TRACES_MAX - 1));
	json_array_foreach(audit ? audit->entries : NULL, i, entry)
	{
		const json_t *meta = json_object_get(entry, "meta"),
			     *before = json_object_get(entry, "before"),
			     *after = json_object_get(entry, "after");

		if (!json_is_object(meta) || !json_is_object(after))
			return !err_set(&rq->err, -EINVAL,
					"an audit entry must have 'meta', 'before' and 'after'");
		ok = ok && request_arg(rq, json_dumps(meta, JSON_COMPACT)) &&
		     request_arg(rq, objects_text(after)) &&
		     request_arg(rq, changes_text(before, after)) && request_arg(rq, strdup(whose(meta)));
	}
	return ok || !err_set(&rq->err, -ENOMEM, "out of memory");
}

/* --- reading --- */

static json_t *paths_of(const redisReply *r)
{
	json_t *paths = json_array();
	const char *s = r->str, *end;

	/* the last one may be cut off: it is not one then */
	while (*s == '\n' && (end = strchr(s + 1, '\n'))) {
		json_array_append_new(paths, json_stringn(s + 1, (size_t)(end - s - 1)));
		s = end;
	}
	return paths;
}

static json_t *entry_new(const redisReply *id, const redisReply *rev, const redisReply *crev,
			 const redisReply *meta)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:o?}", "id", id->str, "ms",
			 (json_int_t)strtoull(id->str, NULL, 10), "rev",
			 (json_int_t)reply_u64(rev), "crev", (json_int_t)reply_u64(crev), "meta",
			 json_loadb(meta->str, meta->len, 0, NULL));
}

static bool all_texts(const redisReply *r, size_t n)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (r->element[i]->type != REDIS_REPLY_STRING)
			return false;
	return true;
}

static json_t *malformed(struct err *err)
{
	err_set(err, -EBADMSG, "the state DB's answer about the audit is malformed");
	return NULL;
}

json_t *audit_list_reply(const redisReply *r, struct err *err)
{
	json_t *entries;
	const redisReply *at, *list;

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
	    r->element[0]->type != REDIS_REPLY_STRING || r->element[1]->type != REDIS_REPLY_ARRAY)
		return malformed(err);
	at = r->element[0];
	list = r->element[1];
	entries = json_array();
	for (size_t i = 0; i < list->elements; i++) {
		redisReply *const *e = list->element[i]->element;
		json_t *entry;

		if (!all_texts(list->element[i], 5)) {
			json_decref(entries);
			return malformed(err);
		}
		entry = entry_new(e[0], e[1], e[2], e[3]);
		json_object_set_new(entry, "objects", paths_of(e[4]));
		json_array_append_new(entries, entry);
	}
	/* "(<id>": the mark of "not this one" is ours */
	return json_pack("{s:o, s:s?}", "entries", entries, "next",
			 at->len > 1 ? at->str + 1 : NULL);
}

static json_t *changes_read(const redisReply *r)
{
	_free_ uint8_t *z = NULL;
	_free_ char *raw = NULL;
	char *end;
	uLong len;
	int n;

	if (r->str[0] != 'z')
		return json_loadb(r->str, r->len, 0, NULL);
	len = strtoul(r->str + 1, &end, 10);
	if (*end != ':' || len > DB_AUDIT_ENTRY_MAX)
		return NULL;
	z = malloc(r->len);
	raw = malloc(len + 1);
	n = z && raw ? base64_decode(end + 1, z, r->len) : -1;
	if (n < 0 || uncompress((uint8_t *)raw, &len, z, (uLong)n) != Z_OK)
		return NULL;
	return json_loadb(raw, len, 0, NULL);
}

json_t *audit_get_reply(const redisReply *r, const char *id, struct err *err)
{
	redisReply *const *f;
	const redisReply *e;
	json_t *entry;

	if (r->type != REDIS_REPLY_ARRAY)
		return malformed(err);
	if (r->elements == 0) {
		err_set(err, -ENOENT, "no audit entry '%.60s'", id);
		return NULL;
	}
	e = r->element[0];
	if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 || !all_texts(e->element[1], 12) ||
	    e->element[0]->type != REDIS_REPLY_STRING)
		return malformed(err);
	f = e->element[1]->element;
	entry = entry_new(e->element[0], f[1], f[3], f[5]);
	json_object_set_new(entry, "changes",
			    f[9]->len ? changes_read(f[9]) : json_null());
	if (!json_object_get(entry, "changes")) {
		json_decref(entry);
		return malformed(err);
	}
	return entry;
}

/* --- the public requests --- */

/* "1700000000000-0": what XADD makes; nothing else reaches the server. */
static bool id_ok(const char *id)
{
	size_t ms = strspn(id, "0123456789"), seq;

	if (ms == 0 || ms > 18 || id[ms] != '-')
		return false;
	seq = strspn(id + ms + 1, "0123456789");
	return seq > 0 && seq <= 18 && !id[ms + 1 + seq];
}

void db_audit_list(struct db *db, const char *space, const char *before, unsigned int count,
		   const char *path, const char *meta, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_AUDIT, done, arg);
	char begin[64] = "+", line[PATH_MAX_ + 3] = "";

	if (!rq)
		return;
	if (before)
		snprintf(begin, sizeof(begin), "(%s", before);
	if (path)
		snprintf(line, sizeof(line), "\n%s\n", path);
	if (before && !id_ok(before))
		err_set(&rq->err, -EINVAL, "'%.60s' is not the id of an audit entry", before);
	else if (count == 0 || count > LIST_MAX)
		err_set(&rq->err, -EINVAL, "audit: want 1 to %d entries", LIST_MAX);
	else if (path && strlen(path) > PATH_MAX_)
		err_set(&rq->err, -EINVAL, "'%.60s' is too long for an object", path);
	rq->argv = calloc(4, sizeof(*rq->argv));
	if (!rq->err.code &&
	    (!rq->argv || !request_arg(rq, strdup(begin)) || !request_arg(rq, number(count)) ||
	     !request_arg(rq, strdup(line)) || !request_arg(rq, strdup(meta ? meta : ""))))
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

void db_audit_get(struct db *db, const char *space, const char *id, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_AUDIT_GET, done, arg);

	if (!rq)
		return;
	rq->argv = calloc(1, sizeof(*rq->argv));
	if (!id_ok(id))
		err_set(&rq->err, -ENOENT, "no audit entry '%.60s'", id);
	else if (!rq->argv || !request_arg(rq, strdup(id)))
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}
