// SPDX-License-Identifier: Apache-2.0
/*
 * A tenant's end.  One commit takes all of its configuration and says that it is being deleted: others' writes, at whatever instance, are either before it and go with
 * the rest, or lose against it and find no tenant when they are planned again.  Then go tokens and quota, what agents have told of, Idempotency-Keys; then the
 * record says that it is over, and the name is free.  Before all that the space of skep-api says who is about to do it: so whoever finds one that was left in
 * between (its server died) goes on there, asked to or not (tenant_settle.c).
 */
#include "api/tenant_delete.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/write.h"
#include "topology/doc.h"
#include "topology/schema.h"
#include "util/clock.h"

#define AGAIN_MS 20 /* what others have written is known by then */
#define TRIES	 100

struct ending {
	struct api *api;
	struct api_request *r; /* NULL: nobody asks */
	tenant_ended *ended;   /* then */
	void *arg;
	struct cache_tenant *t;
	uint64_t rev; /* of the record that says so */
	unsigned int tries;
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
	return e->api->db;
}

/* Answered; nothing is to be done with it behind this. */
static void answer(struct ending *e, const struct err *err)
{
	if (!e->r) {
		e->ended(e->arg, err);
		ending_free(e);
	} else if (err) {
		api_fail(e->r, err);
	} else {
		api_answer(e->r, 204, NULL);
	}
}

static bool failed(struct ending *e, const struct err *err)
{
	if (err)
		answer(e, err);
	return err;
}

/* --- the last steps --- */

static void on_listed(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;

	(void)reply;
	answer(e, err);
}

/* It may have been made again before it was off the list. */
static void on_looked(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;
	const json_t *info = json_object_get(json_object_get(reply, "records"), CACHE_TENANT);

	if (failed(e, err))
		return;
	if (json_is_true(json_object_get(info, "deleted")))
		answer(e, NULL);
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
		answer(e, NULL);
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

/* What lets people in may have gone already. */
static void finish(struct ending *e, json_t *meta)
{
	const struct store_life *life = store_life(auth_store(e->api->auth), cache_name(e->t));

	if (life && life->is_over && life->open) {
		json_decref(meta);
		on_locked(e, NULL, 0);
	} else {
		auth_tenant_gone(e->api, cache_name(e->t), meta, on_locked, e);
	}
}

static uint64_t closing_rev(const struct cache_tenant *t)
{
	return (uint64_t)json_integer_value(json_object_get(cache_record(t, CACHE_TENANT), "rev"));
}

void tenant_finish(struct api *api, struct cache_tenant *t, json_t *meta, tenant_ended *ended, void *arg)
{
	struct ending *e = calloc(1, sizeof(*e));
	struct err err = { 0 };

	if (!e) {
		json_decref(meta);
		err_set(&err, -ENOMEM, "out of memory");
		ended(arg, &err);
		return;
	}
	*e = (struct ending){ .api = api, .ended = ended, .arg = arg, .t = cache_hold(t), .rev = closing_rev(t) };
	finish(e, meta);
}

/* --- the first ones --- */

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
	struct ending *e = api_kept(w->r);

	if (err || w->dry_run) {
		write_done_report(w, t, err);
		return;
	}
	e->rev = w->rev;
	finish(e, audit_meta(w->r, cache_name(t)));
}

static void commit(struct ending *e)
{
	struct write *w = write_new(e->r, plan, on_done);

	if (!w)
		return;
	w->prune = api_query_bool(e->r, "recursive") == 1;
	w->first = true;
	w->body = json_pack("{s:s}", "tenant", cache_name(e->t));
	write_submit(e->t, w);
}

static void submit(void *arg, struct cache_tenant *t, const struct err *err);

/* Others have written of it: once more, on what that leaves. */
static void on_again(void *arg)
{
	struct ending *e = arg;

	cache_get(e->api->cache, api_param(e->r, "tenant"), submit, e);
}

static void on_marked(void *arg, const struct err *err, const json_t *reply)
{
	struct ending *e = arg;

	(void)reply;
	if (!err)
		commit(e);
	else if (err->code != -EEXIST)
		api_fail(e->r, err);
	else if (e->tries++ == TRIES)
		api_problemf(e->r, 409, "conflict", "tenant '%s' is written by others again and again", cache_name(e->t));
	else if (!loop_timer_add(e->api->loop, AGAIN_MS * NSEC_PER_MSEC, 0, on_again, e))
		api_problemf(e->r, 503, "overloaded", "out of memory");
}

/* Who is about to delete it: told of where every server sees it. */
static void mark(struct ending *e)
{
	const struct store_life *life = store_life(auth_store(e->api->auth), cache_name(e->t));
	const char *description = json_str(cache_record(e->t, CACHE_TENANT), "description");
	_json_ json_t *record = json_pack("{s:s, s:b, s:I, s:I, s:o}", "description", description ? description : "", "open", 1, "born",
					  (json_int_t)(life ? life->born_s : 0), "since", (json_int_t)(life ? life->since : 0), "ending",
					  audit_meta(e->r, cache_name(e->t)));
	char path[TOPO_NAME_MAX + 16];

	snprintf(path, sizeof(path), "tenant/%s", cache_name(e->t));
	db_claim(e->api->db, DB_API, path, life ? life->rev : 0, record, on_marked, e);
}

static void submit(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct ending *e = arg;
	int recursive = api_query_bool(e->r, "recursive"), dry = recursive < 0 ? -1 : api_query_bool(e->r, "dry_run");

	if (dry < 0)
		return;
	if (err) {
		api_fail(e->r, err);
		return;
	}
	cache_release(e->t);
	e->t = cache_hold(t);
	if (tenant_is_closing(t)) {
		e->rev = closing_rev(t);
		finish(e, audit_meta(e->r, cache_name(t)));
	} else if (!cache_exists(t)) {
		api_problemf(e->r, 404, "not_found", "tenant '%s' does not exist", cache_name(t));
	} else if (dry || (!recursive && count_objects(cache_records(t)))) { /* nothing will be done */
		commit(e);
	} else {
		mark(e);
	}
}

void tenant_delete(struct api_request *r)
{
	const char *tenant = api_param(r, "tenant");
	struct ending *e;

	if (!topo_name_valid(tenant)) {
		api_problemf(r, 404, "not_found", "tenant '%.63s' does not exist", tenant);
		return;
	}
	e = calloc(1, sizeof(*e));
	if (!e) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	*e = (struct ending){ .api = api_of(r), .r = r };
	api_keep(r, e, ending_free);
	cache_get(e->api->cache, tenant, submit, e);
}
