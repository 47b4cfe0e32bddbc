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

	if (match && (!rec || !object_matches(match, rev, true)))
		return err_tag(err, -ESTALE, "precondition_failed", "%s '%s' is not the one of If-Match any more%s",
			       topo_kind_name(kind), name ? name : "", rec ? " (get it again)" : ": it does not exist");
	if (none && rec && object_matches(none, rev, false))
		return err_tag(err, -ESTALE, "precondition_failed", "%s '%s' exists already", topo_kind_name(kind), name);
	return 0;
}

int write_precondition_all(const struct writer *wr, const struct write *w, struct err *err)
{
	const char *match = w->r->if_match, *none = w->r->if_none_match;
	bool is_known = !json_object_size(wr->overlay); /* with what is on its way nobody can know the revision */
	uint64_t rev = cache_crev(wr->t);

	if (match && !object_matches(match, is_known ? rev : UINT64_MAX, true))
		return err_tag(err, -ESTALE, "precondition_failed", "the network is not the one of If-Match any more (get it again)");
	if (none && object_matches(none, is_known ? rev : UINT64_MAX, false))
		return err_tag(err, -ESTALE, "precondition_failed", "the network is the one of If-None-Match");
	return 0;
}

/* --- one step --- */

/* 0; -EOPNOTSUPP: all must be looked at; else 'err'. */
static int judge(struct writer *wr, const json_t *changes, struct err *err)
{
	int rc = writer_has_step(wr) ? topo_step_judge(wr->step, changes, err) : -EOPNOTSUPP;

	if (rc == -ENOMEM)
		writer_no_step(wr);
	return rc;
}

static bool set_record(struct writer *wr, const char *path, json_t *rec)
{
	if (rec)
		return !json_object_set(wr->records, path, rec);
	(void)json_object_del(wr->records, path);
	return true;
}

int writer_take(struct writer *wr, const json_t *changes, json_t **before)
{
	const char *path;
	json_t *rec;

	*before = json_object();
	json_object_foreach ((json_t *)changes, path, rec) {
		json_t *was = json_object_get(wr->records, path);

		if ((was && json_object_set(*before, path, was)) || !set_record(wr, path, json_is_null(rec) ? NULL : rec) ||
		    json_object_set(wr->overlay, path, rec))
			return -ENOMEM;
	}
	writer_step(wr, changes);
	return 0;
}

void writer_step(struct writer *wr, const json_t *changes)
{
	if (wr->making || (wr->step && topo_step_take(wr->step, changes)))
		writer_no_step(wr);
}

int writer_quota(const struct writer *wr, const json_t *changes, struct quota_use *use, struct err *err)
{
	const char *path;
	json_t *rec;

	*use = wr->use;
	json_object_foreach ((json_t *)changes, path, rec)
		quota_count_change(use, path, json_object_get(wr->records, path), rec);
	return quota_check(auth_quota(wr->api->auth, cache_name(wr->t)), &wr->use, use, err);
}

/* --- puts --- */

size_t write_objects(const json_t *doc)
{
	size_t n = 0;

	for (int k = 0; k < TOPO_KIND_MAX; k++)
		n += json_array_size(json_object_get(doc, topo_kind_plural((enum topo_kind)k)));
	return n;
}

/* All of the network, as it will be. */
static json_t *apply_whole(struct writer *wr, const json_t *records, const json_t *doc, bool prune, struct err *err)
{
	json_t *changes = topo_doc_apply(records, doc, prune, new_id, NULL, err);

	wr->judged = changes;
	return changes;
}

json_t *write_apply(struct writer *wr, const json_t *records, const json_t *doc, bool prune, struct err *err)
{
	_json_ json_t *changes = NULL;
	int rc;

	/* many are judged sooner together */
	if (prune || records != wr->records || write_objects(doc) > WRITE_STEP)
		return apply_whole(wr, records, doc, prune, err);
	changes = topo_doc_changes(records, doc, by_id, new_id, wr, err);
	if (!changes)
		return NULL;
	if (!json_object_size(changes))
		return TAKE_PTR(changes);
	rc = judge(wr, changes, err);
	if (!rc)
		return TAKE_PTR(changes);
	return rc == -EOPNOTSUPP ? apply_whole(wr, records, doc, false, err) : NULL;
}

/* "port 1: ...": there is but one, and its number in a document that nobody has written says nothing. */
static void unnumber(enum topo_kind kind, struct err *err)
{
	char label[64];
	int n = snprintf(label, sizeof(label), "%s 1: ", topo_shapes[kind].what);
	char *rest = err->text + n - 2;

	if (!strncmp(err->text, label, (size_t)n))
		memmove(rest - 2, rest, strlen(rest) + 1);
}

json_t *write_put(struct writer *wr, enum topo_kind kind, const json_t *object, struct err *err)
{
	_json_ json_t *doc = json_pack("{s:s, s:[O]}", "tenant", cache_name(wr->t), topo_kind_plural(kind), object);
	json_t *changes = doc ? write_apply(wr, wr->records, doc, false, err) : NULL;

	if (doc && !changes)
		unnumber(kind, err);
	return changes;
}

/* --- deletes --- */

json_t *write_delete(struct writer *wr, enum topo_kind kind, const char *name, struct err *err)
{
	_json_ json_t *doc = NULL;

	if (writer_has_step(wr))
		return topo_step_delete(wr->step, kind, name, err);
	doc = json_pack("{s:s, s:[{s:s}]}", "tenant", cache_name(wr->t), topo_kind_plural(kind), topo_shapes[kind].key, name);
	return doc ? topo_doc_delete(wr->records, doc, err) : NULL;
}

int writer_cascade(struct writer *wr)
{
	return topo_cascade(wr->records, wr->overlay);
}
