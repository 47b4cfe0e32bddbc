// SPDX-License-Identifier: Apache-2.0
/* Implements store.h: follows the space, writes to it one write behind the other, and keeps it tidy.  Called by auth.c and the routes of tokens, sessions, quotas. */
#include "api/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/role.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define WRITE_S	   5  /* a write that others get in the way of is tried again for so long */
#define BEAT_S	   5  /* how often it is asked whether the state DB is there */
#define TIDY_S	   60 /* what was used is written down; what has ended goes */
#define USED_S	   300 /* to the nearest of this is it known when a token was used */
#define TIDY_MAX   1000 /* records in one go */
#define JOBS_MAX   10000

struct job {
	struct job *next;
	struct store *store;
	store_make *make;
	json_t *meta;
	store_done *done;
	void *arg;
	uint64_t deadline_ns;
	json_t *changes, *entries; /* while they are written */
};

struct store_tenant {
	struct hmap_node by_name;
	bool has_quota, has_life;
	struct quota quota;
	uint64_t rev; /* of the quota */
	struct store_life life;
	char name[TOPO_NAME_MAX + 1];
};

struct store {
	struct loop *loop;
	struct db *db;
	struct db_follow *follow;
	struct loop_timer *beat, *tidy, *again;
	struct tokens tokens;
	struct hmap tenants;
	struct quota fallback;
	uint64_t crev, heard_ns;
	bool ready, stopped, writing, running;
	struct job *jobs, **last; /* the first one is being written */
	unsigned int n_jobs;
	void (*changed)(void *arg);
	void *changed_arg;
};

static int64_t now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- what there is --- */

static struct store_tenant *find_tenant(const struct store *s, const char *name)
{
	struct hmap_node *node;

	hmap_for_each_with_hash (node, &s->tenants, hash_str(name, 0)) {
		struct store_tenant *t = container_of(node, struct store_tenant, by_name);

		if (strcmp(t->name, name) == 0)
			return t;
	}
	return NULL;
}

static void drop_tenant(struct store *s, struct store_tenant *t)
{
	hmap_remove(&s->tenants, &t->by_name);
	json_decref(t->life.open);
	free(t);
}

static struct store_tenant *add_tenant(struct store *s, const char *name)
{
	struct store_tenant *t = find_tenant(s, name);

	if (t || !role_tenant_ok(name))
		return t;
	t = calloc(1, sizeof(*t));
	if (!t || hmap_insert(&s->tenants, &t->by_name, hash_str(name, 0))) {
		free(t);
		return NULL;
	}
	quota_defaults(&t->quota);
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

static void take_quota(struct store *s, const char *name, const json_t *record)
{
	struct store_tenant *t = json_is_object(record) ? add_tenant(s, name) : find_tenant(s, name);
	struct err err;

	if (!t)
		return;
	t->has_quota = json_is_object(record);
	t->rev = (uint64_t)json_integer_value(json_object_get(record, "rev"));
	if (!t->has_quota) {
		quota_defaults(&t->quota);
		if (!t->has_life)
			drop_tenant(s, t);
	} else if (quota_parse(record, &t->quota, &err)) {
		log_warn("quota of tenant '%s' in the state DB: %s", name, err.text);
	}
}

/* One that was born with this record has nothing older than it. */
static void take_life(struct store *s, const char *name, const json_t *record)
{
	struct store_tenant *t = json_is_object(record) ? add_tenant(s, name) : find_tenant(s, name);
	const json_t *rev = json_object_get(record, "rev"), *since = json_object_get(record, "since");

	if (!t)
		return;
	json_decref(t->life.open);
	t->has_life = json_is_object(record);
	t->life = (struct store_life){ .is_over = json_object_get(record, "deleted"),
				       .born_s = json_integer_value(json_object_get(record, "born")),
				       .rev = (uint64_t)json_integer_value(rev),
				       .open_ns = clock_mono_ns(),
				       .open = json_is_true(json_object_get(record, "open")) ? json_incref((json_t *)record) : NULL };
	if (t->life.is_over || (t->life.born_s && !since))
		t->life.since = (uint64_t)json_integer_value(rev);
	else
		t->life.since = (uint64_t)json_integer_value(since);
	if (!t->has_life && !t->has_quota)
		drop_tenant(s, t);
}

static void take_used(struct store *s, const char *id, const json_t *record)
{
	struct token *token = tokens_find(&s->tokens, TOKEN_BEARER, id), *t = token ? token : tokens_find(&s->tokens, TOKEN_SESSION, id);
	int64_t at = json_integer_value(json_object_get(record, "at"));

	if (t && at > t->used_s)
		t->used_s = at;
}

static void take_record(struct store *s, const char *path, const json_t *record)
{
	enum token_kind kind = strncmp(path, "session/", 8) ? TOKEN_BEARER : TOKEN_SESSION;
	const char *slash = strchr(path, '/');
	struct token t;

	if (strncmp(path, "quota/", 6) == 0)
		take_quota(s, path + 6, record);
	else if (strncmp(path, "used/", 5) == 0)
		take_used(s, path + 5, record);
	else if (strncmp(path, "tenant/", 7) == 0)
		take_life(s, path + 7, record);
	else if (slash && !json_is_object(record))
		tokens_remove(&s->tokens, kind, slash + 1);
	else if (!token_of_record(path, record, &t) || tokens_put(&s->tokens, &t))
		log_warn("record '%.60s' of the state DB is no token", path);
}

static void tell(struct store *s)
{
	s->heard_ns = clock_mono_ns();
	if (s->changed)
		s->changed(s->changed_arg);
}

/* What is not in the snapshot has gone. */
static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct store *s = arg;
	struct hmap_node *node, *tmp;
	char path[TOPO_NAME_MAX + 16];
	const char *p;
	json_t *v;

	(void)rev;
	hmap_for_each (node, tmp, &s->tokens.by_id) {
		struct token *t = container_of(node, struct token, by_id);

		if (!json_object_get(records, token_path(t->kind, t->id, path)))
			tokens_remove(&s->tokens, t->kind, t->id);
	}
	hmap_for_each (node, tmp, &s->tenants) {
		struct store_tenant *t = container_of(node, struct store_tenant, by_name);

		drop_tenant(s, t);
	}
	json_object_foreach((json_t *)records, p, v)
		if (strncmp(p, "used/", 5) != 0)
			take_record(s, p, v);
	json_object_foreach((json_t *)records, p, v)
		if (strncmp(p, "used/", 5) == 0)
			take_record(s, p, v);
	s->crev = crev;
	s->ready = true;
	tell(s);
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	struct store *s = arg;
	const char *path;
	json_t *v;

	(void)rev;
	json_object_foreach((json_t *)changes, path, v) take_record(s, path, v);
	s->crev = crev;
	tell(s);
}

static void on_beat(void *arg, const struct err *err, const json_t *reply)
{
	struct store *s = arg;

	(void)reply;
	if (!err)
		s->heard_ns = clock_mono_ns();
}

/* A question that costs nothing: only whether there is an answer matters. */
static void beat(void *arg)
{
	struct store *s = arg;

	db_audit_list(s->db, DB_API, NULL, 1, "-", NULL, on_beat, s);
}

bool store_ready(const struct store *s)
{
	return s->ready;
}

bool store_fresh(const struct store *s)
{
	return clock_mono_ns() - s->heard_ns < STORE_STALE_S * NSEC_PER_SEC;
}

const struct tokens *store_tokens(const struct store *s)
{
	return &s->tokens;
}

const struct quota *store_quota(const struct store *s, const char *tenant, uint64_t *rev)
{
	const struct store_tenant *t = find_tenant(s, tenant);

	if (rev)
		*rev = t ? t->rev : 0;
	return t ? &t->quota : &s->fallback;
}

const struct store_life *store_life(const struct store *s, const char *tenant)
{
	const struct store_tenant *t = find_tenant(s, tenant);

	return t && t->has_life ? &t->life : NULL;
}

void store_each_open(const struct store *s, bool (*fn)(void *arg, const char *tenant, const struct store_life *life), void *arg)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &s->tenants) {
		const struct store_tenant *t = container_of(node, struct store_tenant, by_name);

		if (t->life.open && !fn(arg, t->name, &t->life))
			return;
	}
}

bool store_admits(const struct store *s, const struct token *t)
{
	const struct store_life *life = *t->tenant ? store_life(s, t->tenant) : NULL;

	return !life || (!life->is_over && t->rev > life->since);
}

void store_watch(struct store *s, void (*changed)(void *arg), void *arg)
{
	s->changed = changed;
	s->changed_arg = arg;
}

void store_used(struct store *s, struct token *t, int64_t at)
{
	(void)s;
	t->seen_s = at;
}

/* --- writing --- */

static void run_first(struct store *s);

static void job_end(struct job *j, const struct err *err, uint64_t rev)
{
	struct store *s = j->store;

	s->jobs = j->next;
	if (!s->jobs)
		s->last = &s->jobs;
	s->n_jobs--;
	s->writing = false;
	j->done(j->arg, err, rev);
	json_decref(j->meta);
	json_decref(j->changes);
	json_decref(j->entries);
	free(j);
	run_first(s);
}

static void on_again(void *arg)
{
	struct store *s = arg;

	s->again = NULL;
	run_first(s);
}

static void on_written(void *arg, const struct err *err, const json_t *reply)
{
	struct job *j = arg;
	struct store *s = j->store;

	if (err && err->code == -EAGAIN && !s->stopped && clock_mono_ns() < j->deadline_ns) {
		s->writing = false; /* what was faster is on its way to us */
		s->again = loop_timer_add(s->loop, 5 * NSEC_PER_MSEC, 0, on_again, s);
		if (s->again)
			return;
	}
	if (!err)
		s->heard_ns = clock_mono_ns();
	job_end(j, err, (uint64_t)json_integer_value(json_object_get(reply, "rev")));
}

/* What is there now, as the audit's "before": without what nobody should see twice. */
static json_t *before_of(const struct store *s, const char *path)
{
	const struct store_tenant *tenant;
	const struct token *t;

	if (strncmp(path, "quota/", 6) == 0) {
		tenant = find_tenant(s, path + 6);
		return tenant && tenant->has_quota ? quota_json(&tenant->quota) : json_null();
	}
	if (strncmp(path, "session/", 8) == 0) {
		t = tokens_find(&s->tokens, TOKEN_SESSION, path + 8);
		return t ? session_public(t) : json_null();
	}
	t = strncmp(path, "token/", 6) ? NULL : tokens_find(&s->tokens, TOKEN_BEARER, path + 6);
	return t ? token_public(t) : json_null();
}

static json_t *after_of(const char *path, const json_t *record)
{
	struct token t;

	if (json_is_object(record) && token_of_record(path, record, &t))
		return token_public(&t);
	if (strncmp(path, "tenant/", 7) == 0) { /* how far it is concerns nobody */
		record = json_copy((json_t *)record);
		json_object_del((json_t *)record, "open");
		return (json_t *)record;
	}
	return json_incref((json_t *)record);
}

/* The entry names the tenant as an object too, so that one may ask for what concerns it. */
static json_t *entries_of(const struct store *s, json_t *meta, const json_t *changes)
{
	json_t *before = json_object(), *after = json_object(), *record;
	const char *tenant = json_string_value(json_object_get(meta, "tenant"));
	const char *path;
	char about[TOPO_NAME_MAX + 16];

	json_object_foreach((json_t *)changes, path, record)
	{
		if (strncmp(path, "used/", 5) == 0)
			continue;
		json_object_set_new(before, path, before_of(s, path));
		json_object_set_new(after, path, after_of(path, record));
	}
	if (tenant) {
		snprintf(about, sizeof(about), "about/%s", tenant);
		json_object_set_new(before, about, json_null());
		json_object_set_new(after, about, json_null());
	}
	return json_pack("[{s:O, s:o, s:o}]", "meta", meta, "before", before, "after", after);
}

static void start(struct job *j)
{
	struct store *s = j->store;
	struct db_audit audit = { 0 };
	struct err err = { 0 };

	s->writing = true;
	json_decref(j->changes);
	json_decref(j->entries);
	j->entries = NULL;
	j->changes = NULL;
	if (s->stopped)
		err_set(&err, -ECANCELED, "the server is being stopped");
	else if (!s->ready)
		err_set(&err, -ETIMEDOUT, "the state DB has not answered yet");
	else
		j->changes = j->make(j->arg, s, &err);
	if (!j->changes) {
		job_end(j, &err, 0);
	} else if (!json_object_size(j->changes)) {
		job_end(j, NULL, 0);
	} else if (!j->meta) {
		db_put(s->db, DB_API, NULL, j->changes, on_written, j);
	} else {
		j->entries = entries_of(s, j->meta, j->changes);
		audit.entries = j->entries;
		db_commit_audited(s->db, DB_API, s->crev, j->changes, &audit, on_written, j);
	}
}

/* Those that are refused at once do not pile up on the stack. */
static void run_first(struct store *s)
{
	if (s->running)
		return;
	s->running = true;
	while (s->jobs && !s->writing && !s->again)
		start(s->jobs);
	s->running = false;
}

void store_write(struct store *s, store_make *make, json_t *meta, store_done *done, void *arg)
{
	struct job *j = s->n_jobs < JOBS_MAX ? calloc(1, sizeof(*j)) : NULL;
	struct err err = { 0 };

	if (!j) {
		err_set(&err, -ENOMEM, "too many writes wait");
		json_decref(meta);
		done(arg, &err, 0);
		return;
	}
	*j = (struct job){ .store = s, .make = make, .meta = meta, .done = done, .arg = arg };
	j->deadline_ns = clock_mono_ns() + WRITE_S * NSEC_PER_SEC;
	*s->last = j;
	s->last = &j->next;
	s->n_jobs++;
	run_first(s);
}

/* --- tidying up --- */

static void ignore(void *arg, const struct err *err, uint64_t rev)
{
	(void)arg;
	(void)rev;
	if (err && err->code != -ECANCELED)
		log_warn("tidying up tokens and sessions: %s", err->text);
}

static json_t *state_to_tidy(void *arg, const struct store *s, struct err *err)
{
	json_t *changes = json_object();
	struct hmap_node *node, *tmp;
	char path[TOKEN_PATH];

	(void)arg;
	(void)err;
	hmap_for_each (node, tmp, &s->tokens.by_id) {
		struct token *t = container_of(node, struct token, by_id);

		if (json_object_size(changes) >= TIDY_MAX)
			break;
		if (t->kind == TOKEN_SESSION &&
		    (token_expired(t, now_s()) || (*t->parent && !tokens_find(&s->tokens, TOKEN_BEARER, t->parent)))) {
			token_gone(t, changes);
		} else if (t->seen_s - t->used_s >= USED_S) {
			snprintf(path, sizeof(path), "used/%s", t->id);
			json_object_set_new(changes, path, json_pack("{s:I}", "at", (json_int_t)t->seen_s));
		}
	}
	return changes;
}

static json_t *tokens_to_tidy(void *arg, const struct store *s, struct err *err)
{
	json_t *changes = json_object();
	struct hmap_node *node, *tmp;

	(void)arg;
	(void)err;
	hmap_for_each (node, tmp, &s->tokens.by_id) {
		struct token *t = container_of(node, struct token, by_id);

		if (t->kind == TOKEN_BEARER && json_object_size(changes) < TIDY_MAX &&
		    t->expires_s && now_s() - t->expires_s > STORE_KEEP_EXPIRED_S)
			token_gone(t, changes);
	}
	return changes;
}

static void tidy(void *arg)
{
	struct store *s = arg;

	if (!s->ready)
		return;
	store_write(s, state_to_tidy, NULL, ignore, NULL);
	store_write(s, tokens_to_tidy, json_pack("{s:s, s:s}", "by", "skep-api", "action", "tokens expired long ago"),
		    ignore, NULL);
}

/* --- life --- */

struct store *store_new(struct loop *loop, struct db *db)
{
	static const struct db_follow_ops ops = { on_snapshot, on_change };
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->db = db;
	s->last = &s->jobs;
	s->heard_ns = clock_mono_ns();
	tokens_init(&s->tokens);
	hmap_init(&s->tenants);
	quota_defaults(&s->fallback);
	s->follow = db_follow(db, DB_API, &ops, s);
	s->beat = loop_timer_add(loop, BEAT_S * NSEC_PER_SEC, BEAT_S * NSEC_PER_SEC, beat, s);
	s->tidy = loop_timer_add(loop, TIDY_S * NSEC_PER_SEC, TIDY_S * NSEC_PER_SEC, tidy, s);
	if (!s->follow || !s->beat || !s->tidy) {
		store_stop(s);
		store_free(s);
		return NULL;
	}
	return s;
}

void store_stop(struct store *s)
{
	if (!s || s->stopped)
		return;
	s->stopped = true;
	s->changed = NULL;
	loop_timer_del(s->beat);
	loop_timer_del(s->tidy);
	if (s->again) {
		loop_timer_del(s->again);
		s->again = NULL;
		run_first(s);
	}
	db_unfollow(s->follow);
	s->follow = NULL;
}

void store_free(struct store *s)
{
	struct hmap_node *node, *tmp;

	if (!s)
		return;
	hmap_for_each (node, tmp, &s->tenants)
		drop_tenant(s, container_of(node, struct store_tenant, by_name));
	hmap_fini(&s->tenants);
	tokens_fini(&s->tokens);
	free(s);
}
