// SPDX-License-Identifier: Apache-2.0
/*
 * Which spaces are followed, by whom, and on which feed: a space's feed follows from its tenant's
 * shard, which is looked up first.  A tenant that does not exist yet is followed where it will be
 * created.  Follows and watches that ended are freed by the tick, when nobody can speak of them any
 * more.  Implements part of statedb.h; uses feed.c and cluster.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/private.h"

#define RETRY_MS       500
#define SHARD_RETRY_MS 2000

static void detach(struct watch *w)
{
	struct feed *f = w->feed;
	struct watch **p = f ? &f->watches : &w->db->orphans;

	if (f)
		feed_forget_answers(f); /* they belong to this watch, perhaps */
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	w->feed = NULL;
	w->next = NULL;
}

static void attach(struct watch *w, int shard)
{
	struct feed *f = feed_get(w->db, shard);

	detach(w);
	w->shard = shard;
	schema_space_key(w->log_key, (unsigned int)shard, w->space, SPACE_LOG);
	watch_want_snapshot(w, 0);
	if (!f) { /* no memory: the tick looks it up again */
		w->shard = -1;
		w->next = w->db->orphans;
		w->db->orphans = w;
		return;
	}
	w->feed = f;
	w->next = f->watches;
	f->watches = w;
	feed_hurry(f);
}

static void on_shard(void *arg, struct op *op, struct node *n, const redisReply *r,
		     const struct err *err)
{
	struct watch *w = arg;
	uint64_t shard = err ? 0 : reply_u64(r);

	(void)op;
	(void)n;
	w->lookup = NULL;
	if (err || shard >= DB_SHARDS) {
		w->lookup_at_ns = clock_mono_ns() + RETRY_MS * NSEC_PER_MSEC;
		snprintf(w->db->feed_why, sizeof(w->db->feed_why), "%.300s",
			 err ? err->text : "a tenant's shard is not valid");
		return;
	}
	w->assumed = r->type != REDIS_REPLY_STRING;
	if (w->assumed)
		shard = schema_new_shard(w->space);
	w->lookup_at_ns = clock_mono_ns() + SHARD_RETRY_MS * NSEC_PER_MSEC;
	if ((int)shard != w->shard)
		attach(w, (int)shard);
}

static void look_up(struct watch *w)
{
	const char *argv[] = { "HGET", KEY_TENANTS, w->space };
	struct op_spec spec = { .key = KEY_TENANTS,
				.script = SCRIPT_MAX,
				.argc = 3,
				.argv = argv,
				.done = on_shard,
				.arg = w };

	spec.deadline_ns = clock_mono_ns() + w->db->timeout_ms * NSEC_PER_MSEC;
	w->lookup = op_start(w->db, &spec);
}

static struct watch *watch_find(struct db *db, const char *space)
{
	struct watch *w;

	for (w = db->orphans; w; w = w->next)
		if (strcmp(w->space, space) == 0)
			return w;
	for (struct feed *f = db->feeds; f; f = f->next)
		for (w = f->watches; w; w = w->next)
			if (strcmp(w->space, space) == 0)
				return w;
	return NULL;
}

static struct watch *watch_new(struct db *db, const char *space)
{
	struct watch *w = calloc(1, sizeof(*w) + strlen(space) + 1);

	if (!w)
		return NULL;
	w->db = db;
	w->shard = -1;
	memcpy(w->space, space, strlen(space) + 1);
	w->next = db->orphans;
	db->orphans = w;
	if (strcmp(space, DB_HOSTS) == 0)
		attach(w, DB_SHARD_HOSTS);
	else
		look_up(w);
	return w;
}

static void watch_free(struct watch *w)
{
	struct db_follow *s;

	op_cancel(w->lookup);
	while ((s = w->follows)) {
		w->follows = s->next;
		free(s);
	}
	free(w);
}

/* Frees follows that ended, and a watch without any once nobody may speak of it any more. */
static void sweep(struct watch **list, bool quiet, uint64_t now)
{
	struct watch **p = list, *w;
	struct db_follow **s, *dead;

	while ((w = *p)) {
		for (s = &w->follows; *s;)
			if ((*s)->dead) {
				dead = *s;
				*s = dead->next;
				free(dead);
			} else {
				s = &(*s)->next;
			}
		if (!w->follows && quiet) {
			*p = w->next;
			watch_free(w);
			continue;
		}
		p = &w->next;
		if ((w->shard < 0 || w->assumed) && !w->lookup && now >= w->lookup_at_ns)
			look_up(w);
	}
}

void watch_tick(struct db *db, uint64_t now)
{
	struct feed **p = &db->feeds, *f;

	sweep(&db->orphans, true, now);
	while ((f = *p)) {
		sweep(&f->watches, !f->asked, now);
		if (!f->watches) {
			*p = f->next;
			feed_free(f);
			continue;
		}
		p = &f->next;
		feed_tick(f, now);
	}
}

void watch_fini(struct db *db)
{
	struct watch *w;
	struct feed *f;

	while ((f = db->feeds)) {
		node_free(TAKE_PTR(
			f->conn)); /* while its watches live: answers on their way end here */
		while ((w = f->watches)) {
			f->watches = w->next;
			watch_free(w);
		}
		db->feeds = f->next;
		feed_free(f);
	}
	while ((w = db->orphans)) {
		db->orphans = w->next;
		watch_free(w);
	}
}

/* --- the public part --- */

/* The stream's ids begin with the time. */
uint64_t db_follow_ms(const struct db_follow *f)
{
	return strtoull(f->watch->last_id, NULL, 10);
}

uint32_t db_follow_epoch(const struct db_follow *f)
{
	return f->watch->epoch;
}

const char *db_follow_traces(const struct db_follow *f)
{
	return f->watch->traces;
}

struct db_follow *db_follow(struct db *db, const char *space, const struct db_follow_ops *ops,
			    void *arg)
{
	struct watch *w;
	struct db_follow *s;

	if (!schema_name_ok(space))
		return NULL;
	w = watch_find(db, space);
	if (!w)
		w = watch_new(db, space);
	s = w ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return NULL;
	*s = (struct db_follow){ .next = w->follows, .watch = w, .ops = *ops, .arg = arg };
	w->follows = s;
	watch_want_snapshot(w, 0);
	if (w->feed)
		feed_hurry(w->feed);
	return s;
}

void db_unfollow(struct db_follow *s)
{
	if (s)
		s->dead = true;
}
