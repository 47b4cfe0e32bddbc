// SPDX-License-Identifier: Apache-2.0
/*
 * A tenant's end.  One commit takes all of its configuration and says that it is being deleted: others' writes, at whatever instance, are either before it and go with
 * the rest, or lose against it and find no tenant when they are planned again.  Then go tokens and quota, what agents have told of, Idempotency-Keys; then the
 * record says that it is over, and the name is free.  Whoever finds one that was left in between (its server died) goes on there.
 */
#include "api/tenant_delete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/write.h"
#include "topology/doc.h"
#include "topology/schema.h"

struct ending {
	struct api_request *r;
	struct cache_tenant *t;
	uint64_t rev; /* of the record that says so */
};

static void ending_free(void *data)
{
	struct ending *e = data;

	cache_release(e->t);
	free(e);
}

bool tenant_is_closing(const struct cache_tenant *t)
{
	return json_is_true(json_object_get(cache_record(t, CACHE_TENANT), "closing")) && !cache_exists(t);
}

static struct db *db_of(const struct ending *e)
{
	return api_of(e->r)->db;
}

static bool failed(const struct ending *e, const struct err *err)
{
	if (err)
		api_fail(e->r, err);
	return err;
}

/* --- the last steps --- */

static void on_listed(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;

	(void)reply;
	if (!failed(e, err))
		api_answer(e->r, 204, NULL);
}

/* It may have been made again before it was off the list. */
static void on_looked(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;
	const json_t *info = json_object_get(json_object_get(reply, "records"), CACHE_TENANT);

	if (failed(e, err))
		return;
	if (json_is_true(json_object_get(info, "deleted")))
		api_answer(e->r, 204, NULL);
	else
		db_remember(db_of(e), cache_name(e->t), on_listed, e);
}

static void on_forgotten(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;

	(void)reply;
	if (!failed(e, err))
		db_read(db_of(e), cache_name(e->t), on_looked, e);
}

static void on_over(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;
	_json_ json_t *gone = json_pack("{s:{s:b}}", CACHE_TENANT, "deleted", 1);

	if (err && err->code == -EEXIST) { /* another one has been here */
		api_answer(e->r, 204, NULL);
	} else if (!failed(e, err)) {
		cache_wrote(e->t, gone, (uint64_t)json_integer_value(json_object_get(reply, "rev")), cache_crev(e->t));
		db_forget(db_of(e), cache_name(e->t), on_forgotten, e);
	}
}

static void on_unreserved(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;
	_json_ json_t *gone = json_pack("{s:b}", "deleted", 1);

	(void)reply;
	if (!failed(e, err))
		db_claim(db_of(e), cache_name(e->t), CACHE_TENANT, e->rev, gone, on_over, e);
}

static void on_emptied(void *arg, const struct err *err, const json_t *reply)
{
	static const char *const reserved[] = { DB_RESERVED };
	struct ending *e = arg;

	(void)reply;
	if (!failed(e, err))
		db_unstash_all(db_of(e), cache_name(e->t), reserved, 1, on_unreserved, e);
}

/* Nobody has its tokens any more: what agents have told of it goes. */
static void on_locked(void *arg, const struct err *err, uint64_t rev)
{
	struct ending *e = arg;
	_json_ json_t *changes = json_object();
	enum topo_kind kind;
	const char *path, *name;
	json_t *unused;

	(void)rev;
	if (failed(e, err))
		return;
	json_object_foreach ((json_t *)cache_records(e->t), path, unused)
		if (strcmp(path, CACHE_TENANT) && !topo_path_parse(path, &kind, &name))
			json_object_set_new(changes, path, json_null());
	if (json_object_size(changes))
		db_put(db_of(e), cache_name(e->t), NULL, changes, on_emptied, e);
	else
		on_emptied(e, NULL, NULL);
}

static void finish(struct api_request *r, struct cache_tenant *t, uint64_t rev)
{
	struct ending *e = calloc(1, sizeof(*e));

	if (!e) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	*e = (struct ending){ r, cache_hold(t), rev };
	api_keep(r, e, ending_free);
	auth_tenant_gone(r, on_locked, e);
}

/* --- the first one --- */

static uint32_t count_objects(const json_t *records)
{
	enum topo_kind kind;
	const char *path, *name;
	json_t *unused;
	uint32_t n = 0;

	json_object_foreach ((json_t *)records, path, unused)
		n += topo_path_parse(path, &kind, &name);
	return n;
}

/* 'prune': with all it has. */
static json_t *plan(struct write *w, struct writer *wr, struct err *err)
{
	uint32_t all = count_objects(write_records(wr));
	json_t *changes;

	if (all && !w->prune) {
		err_tag(err, -EBUSY, "in_use", "tenant '%s' has %u objects (delete them first, or say ?recursive=true)",
			json_string_value(json_object_get(w->body, "tenant")), all);
		return NULL;
	}
	changes = write_apply(wr, write_records(wr), w->body, true, err);
	if (changes && !w->dry_run)
		json_object_set_new(changes, CACHE_TENANT, json_pack("{s:b, s:b}", "deleted", 1, "closing", 1));
	return changes;
}

static void on_done(struct write *w, struct cache_tenant *t, const struct err *err)
{
	if (err || w->dry_run)
		write_done_report(w, t, err);
	else
		finish(w->r, t, w->rev);
}

static void submit(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct api_request *r = arg;
	int recursive = api_query_bool(r, "recursive");
	struct write *w;

	if (recursive < 0)
		return;
	if (err) {
		api_fail(r, err);
		return;
	}
	if (tenant_is_closing(t)) {
		finish(r, t, (uint64_t)json_integer_value(json_object_get(cache_record(t, CACHE_TENANT), "rev")));
		return;
	}
	if (!cache_exists(t)) {
		api_problemf(r, 404, "not_found", "tenant '%s' does not exist", cache_name(t));
		return;
	}
	w = write_new(r, plan, on_done);
	if (!w)
		return;
	w->prune = recursive;
	w->first = true;
	w->body = json_pack("{s:s}", "tenant", cache_name(t));
	write_submit(t, w);
}

void tenant_delete(struct api_request *r)
{
	const char *tenant = api_param(r, "tenant");

	if (topo_name_valid(tenant))
		cache_get(api_of(r)->cache, tenant, submit, r);
	else
		api_problemf(r, 404, "not_found", "tenant '%.63s' does not exist", tenant);
}
