// SPDX-License-Identifier: Apache-2.0
/*
 * What a write changes.  Small changes of large networks are judged by what they touch (topology/step.h), all others by all there is: the answer is the same, the
 * price is not.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "api/auth.h"
#include "api/exchange.h"
#include "api/object.h"
#include "api/writer.h"
#include "topology/doc.h"
#include "util/log.h"
#include "util/uuid.h"

/* Ids of new objects. */
static void new_id(void *arg, char out[static 37])
{
	uint8_t random[10];
	struct timespec ts;

	(void)arg;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0x5a, sizeof(random)); /* cannot be: so few bytes always come whole */
	clock_gettime(CLOCK_REALTIME, &ts);
	uuid_v7((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000, random, out);
}

const json_t *write_records(const struct writer *wr)
{
	return wr->records;
}

const char *write_find(const struct writer *wr, enum topo_kind kind, const char *key)
{
	const struct cache_object *o;
	char path[TOPO_PATH];

	if (!topo_name_valid(key))
		return NULL;
	if (json_object_get(wr->records, topo_path(kind, key, path)))
		return key;
	o = cache_find(wr->t, kind, key);
	return o && json_object_get(wr->records, topo_path(kind, o->name, path)) ? o->name : NULL;
}

static const char *by_id(void *arg, enum topo_kind kind, const char *id)
{
	return write_find(arg, kind, id);
}

bool write_is_pending(const struct writer *wr, const char *path)
{
	return json_object_get(wr->overlay, path);
}

int write_precondition(const struct writer *wr, const struct write *w, enum topo_kind kind, const char *name,
		       struct err *err)
{
	const char *match = w->r->if_match, *none = w->r->if_none_match; /* the client may have gone */
	char path[TOPO_PATH];
	const json_t *rec = name ? json_object_get(wr->records, topo_path(kind, name, path)) : NULL;
	/* one of the same commit has no revision that anybody could know */
	uint64_t rev = rec && !write_is_pending(wr, path) ? (uint64_t)json_integer_value(json_object_get(rec, "rev")) : 0;

	if (match && (!rec || !object_matches(match, rev)))
		return err_tag(err, -ESTALE, "precondition_failed", "%s '%s' is not the one of If-Match any more%s",
			       topo_kind_name(kind), name ? name : "", rec ? " (get it again)" : ": it does not exist");
	if (none && rec && object_matches(none, rev))
		return err_tag(err, -ESTALE, "precondition_failed", "%s '%s' exists already", topo_kind_name(kind), name);
	return 0;
}

/* --- one step --- */

static json_t *get_record(void *arg, const char *path)
{
	const struct writer *wr = arg;

	return json_incref(json_object_get(wr->records, path));
}

static bool has_step(struct writer *wr)
{
	struct err err = { 0 };

	if (wr->step)
		return true;
	wr->step = topo_step_new(cache_name(wr->t), wr->records, &err);
	if (!wr->step)
		log_debug("tenant '%s': %s", cache_name(wr->t), err.text);
	return wr->step;
}

static void no_step(struct writer *wr)
{
	topo_step_free(wr->step);
	wr->step = NULL;
}

/* 'records' as they would be; the caller puts back what was there, if the answer is false. */
static bool set_record(struct writer *wr, const char *path, json_t *rec)
{
	if (rec)
		return !json_object_set(wr->records, path, rec);
	(void)json_object_del(wr->records, path);
	return true;
}

/* 0; -EOPNOTSUPP: all must be looked at; -EINVAL and 'err'. */
static int step_put(struct writer *wr, const char *path, json_t *rec, struct err *err)
{
	const struct topo_source source = { get_record, wr };
	_json_ json_t *was = json_incref(json_object_get(wr->records, path));

	int rc;

	if (!has_step(wr))
		return -EOPNOTSUPP;
	rc = set_record(wr, path, rec) ? topo_step_try(wr->step, path, was, rec, &source, err) : -EOPNOTSUPP;
	if (rc && !set_record(wr, path, was))
		wr->dirty = true;
	return rc == -EINVAL ? rc : rc ? -EOPNOTSUPP : 0;
}

int writer_take(struct writer *wr, const json_t *changes, json_t **before)
{
	const struct topo_source source = { get_record, wr };
	const char *path;
	json_t *rec;

	*before = json_object();
	json_object_foreach ((json_t *)changes, path, rec) {
		json_t *now = json_is_null(rec) ? NULL : rec, *was = json_object_get(wr->records, path);
		bool stepped = json_object_get(wr->stepped, path);

		if (stepped)
			was = json_object_get(wr->stepped, path);
		if (json_is_null(was))
			was = NULL;
		if (was && json_object_set(*before, path, was))
			return -ENOMEM;
		json_incref(was);
		if (!set_record(wr, path, now) || json_object_set(wr->overlay, path, rec)) {
			json_decref(was);
			return -ENOMEM;
		}
		if (!stepped && wr->step && topo_step_take(wr->step, path, was, now, &source))
			no_step(wr);
		json_decref(was);
	}
	json_object_clear(wr->stepped);
	return 0;
}

void writer_drop(struct writer *wr)
{
	const struct topo_source source = { get_record, wr };
	const char *path;
	json_t *was;

	json_object_foreach (wr->stepped, path, was) { /* in the order of before: a port, then its binding */
		_json_ json_t *now = json_incref(json_object_get(wr->records, path));
		json_t *old = json_is_null(was) ? NULL : was;

		if (!set_record(wr, path, old))
			wr->dirty = true;
		if (wr->step && topo_step_take(wr->step, path, now, old, &source))
			no_step(wr);
	}
	json_object_clear(wr->stepped);
}

int writer_quota(const struct writer *wr, const json_t *changes, struct quota_use *use, struct err *err)
{
	const char *path;
	json_t *rec;

	*use = wr->use;
	json_object_foreach ((json_t *)changes, path, rec) {
		json_t *was = json_object_get(wr->stepped, path);

		quota_count_change(use, path, was ? was : json_object_get(wr->records, path), rec);
	}
	return quota_check(auth_quota(wr->api->auth, cache_name(wr->t)), &wr->use, use, err);
}

/* A record that the step has already; what was there before is remembered for writer_take(). */
static json_t *one_change(struct writer *wr, const char *path, json_t *was, json_t *now)
{
	if (json_object_set_new(wr->stepped, path, was ? json_incref(was) : json_null()))
		return NULL;
	return json_pack("{s:O}", path, now ? now : json_null());
}

/* --- puts --- */

json_t *write_apply(struct writer *wr, const json_t *records, const json_t *doc, bool prune, struct err *err)
{
	(void)wr;
	return topo_doc_apply(records, doc, prune, new_id, NULL, err);
}

json_t *write_put(struct writer *wr, const struct write *w, enum topo_kind kind, const json_t *object, struct err *err)
{
	_json_ json_t *rec = topo_doc_record(wr->records, kind, object, by_id, new_id, wr, err), *doc = NULL, *was = NULL;
	char path[TOPO_PATH];

	if (!rec)
		return NULL;
	topo_path(kind, json_str(rec, "name"), path);
	was = json_incref(json_object_get(wr->records, path));
	if (was && json_equal(was, rec))
		return json_object();
	/* an id that somebody chose may be anybody's */
	if (!w->dry_run && (was || !json_object_get(object, "id"))) {
		int rc = step_put(wr, path, rec, err);

		if (rc != -EOPNOTSUPP)
			return rc ? NULL : one_change(wr, path, was, rec);
	}
	doc = json_pack("{s:s, s:[O]}", "tenant", cache_name(wr->t), topo_kind_plural(kind), object);
	return doc ? topo_doc_apply(wr->records, doc, false, new_id, NULL, err) : NULL;
}

/* --- deletes --- */

/* A machine's port, and its binding. */
static json_t *step_delete_port(struct writer *wr, const char *name)
{
	const struct topo_source source = { get_record, wr };
	char port[TOPO_PATH], bind[TOPO_PATH];
	_json_ json_t *was = json_incref(json_object_get(wr->records, topo_path(TOPO_PORT, name, port)));
	_json_ json_t *bound = json_incref(json_object_get(wr->records, topo_path(TOPO_BIND, name, bind)));
	struct err unused = { 0 };
	json_t *changes;

	if (bound && step_put(wr, bind, NULL, &unused))
		return NULL;
	if (step_put(wr, port, NULL, &unused)) {
		if (bound && (!set_record(wr, bind, bound) || topo_step_take(wr->step, bind, NULL, bound, &source)))
			no_step(wr);
		return NULL;
	}
	changes = one_change(wr, port, was, NULL);
	if (bound) {
		json_object_set(wr->stepped, bind, bound);
		json_object_set_new(changes, bind, json_null());
	}
	return changes;
}

json_t *write_delete(struct writer *wr, const struct write *w, enum topo_kind kind, const char *name, struct err *err)
{
	_json_ json_t *doc = NULL, *was = NULL;
	json_t *changes = NULL;
	char path[TOPO_PATH];

	was = json_incref(json_object_get(wr->records, topo_path(kind, name, path)));
	if (!w->dry_run && kind == TOPO_PORT)
		changes = has_step(wr) ? step_delete_port(wr, name) : NULL;
	else if (!w->dry_run && (kind == TOPO_BIND || kind == TOPO_ROUTE) && !step_put(wr, path, NULL, err))
		changes = one_change(wr, path, was, NULL);
	if (changes)
		return changes;
	doc = json_pack("{s:s, s:[{s:s}]}", "tenant", cache_name(wr->t), topo_kind_plural(kind), topo_shapes[kind].key, name);
	return doc ? topo_doc_delete(wr->records, doc, err) : NULL;
}

int writer_cascade(struct writer *wr)
{
	return topo_cascade(wr->records, wr->overlay);
}
