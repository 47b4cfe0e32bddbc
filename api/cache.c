// SPDX-License-Identifier: Apache-2.0
/*
 * One entry a tenant: its records, their order and ids.  statedb tells of changes; what this process wrote itself is put in at once (cache_wrote), and told
 * a second time by statedb, which then changes nothing: a record never gives way to one of an older revision.
 */
#include "api/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cache_private.h"
#include "api/events.h"
#include "api/write.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/json.h"
#include "util/log.h"

#define TICK_MS	  100
#define WAIT_MS	  5000	/* for a tenant's records */
#define KEEP_MS	  300000 /* a tenant that nobody asks for */
#define TENANTS_MAX 4096
#define MEMORY_PART 2	   /* of memory_max */
#define TOO_LARGE_MS 10000 /* one that does not fit is not read again before that */

struct wait {
	struct wait *next;
	cache_ready *ready;
	void *arg;
	uint64_t until_ns;
};

/* --- waiting --- */

static void answer_waits(struct cache_tenant *t, const struct err *err)
{
	struct wait *w = t->waits, *next;

	t->waits = NULL;
	cache_hold(t);
	for (; w; w = next) {
		next = w->next;
		w->ready(w->arg, err ? NULL : t, err);
		free(w);
	}
	cache_release(t);
}

static void late(struct cache_tenant *t, uint64_t now)
{
	struct wait **at = &t->waits, *over = NULL, *w;
	struct err err = { 0 };

	while ((w = *at)) {
		if (w->until_ns > now) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = over;
		over = w;
	}
	err_tag(&err, -ETIMEDOUT, "unavailable", "the state DB does not answer");
	while ((w = over)) {
		over = w->next;
		w->ready(w->arg, NULL, &err);
		free(w);
	}
}

static void too_large(const struct cache_tenant *t, struct err *err)
{
	err_tag(err, -ENOMEM, "overloaded", "the network of tenant '%s' is too large for this server's memory ('memory_max')", t->name);
}

/* --- what statedb tells --- */

static bool make_place(struct cache *c);

static size_t bytes_of_all(const struct cache *c)
{
	const struct hmap_node *node;
	struct hmap_node *tmp;
	size_t n = 0;

	hmap_for_each (node, tmp, (struct hmap *)&c->tenants)
		n += cache_tenant_size(container_of(node, struct cache_tenant, node));
	return n;
}

/* Others go first: those that nobody asks for. */
static bool fits(struct cache_tenant *t, size_t bytes)
{
	struct cache *c = t->cache;

	while (bytes_of_all(c) - cache_tenant_size(t) + bytes > c->bytes_max)
		if (!make_place(c))
			return false;
	return true;
}

static void refuse(struct cache_tenant *t, size_t bytes)
{
	struct err err = { 0 };

	log_warn("tenant '%s': its records take about %zu MB of memory, more than there is left of 'memory_max'", t->name, bytes >> 20);
	t->cache->stats.refused++;
	t->is_ready = false;
	t->too_large_ns = clock_mono_ns();
	db_unfollow(t->follow);
	t->follow = NULL;
	cache_unload(t);
	json_object_clear(t->records);
	t->bytes = 0;
	too_large(t, &err);
	answer_waits(t, &err);
}

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct cache_tenant *t = arg;
	size_t bytes;

	if (t->is_ready && json_equal(t->records, records)) { /* read again, and the same: nobody need be told */
		t->rev = rev;
		t->crev = crev;
		return;
	}
	bytes = cache_records_size(records);
	if (!t->is_ready && !fits(t, bytes)) {
		refuse(t, bytes);
		return;
	}
	if (cache_load(t, records)) {
		struct err err = { 0 };

		err_set(&err, -ENOMEM, "out of memory");
		answer_waits(t, &err);
		return;
	}
	t->rev = rev;
	t->crev = crev;
	t->is_ready = true;
	cache_tell(t, NULL, NULL, rev);
	answer_waits(t, NULL);
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	struct cache_tenant *t = arg;

	cache_apply(t, changes, rev, crev);
}

static bool is_watched(const struct cache_tenant *t)
{
	for (const struct cache_watch *w = t->watches; w; w = w->next)
		if (!w->quiet)
			return true;
	return false;
}

static void drop(struct cache *c, struct cache_tenant *t)
{
	hmap_remove(&c->tenants, &t->node);
	db_unfollow(t->follow);
	t->follow = NULL;
	t->cache = NULL;
	cache_release(t);
}

static void on_tick(void *arg)
{
	struct cache *c = arg;
	uint64_t now = clock_mono_ns();
	struct hmap_node *node, *tmp;
	json_t *status = db_status(c->api->db);

	if (json_is_true(json_object_get(status, "connected")))
		c->down_ns = 0;
	else if (!c->down_ns)
		c->down_ns = now;
	json_decref(status);
	hmap_for_each(node, tmp, &c->tenants)
	{
		struct cache_tenant *t = container_of(node, struct cache_tenant, node);

		late(t, now);
		if (t->too_large_ns && t->too_large_ns + TOO_LARGE_MS * NSEC_PER_MSEC < now && t->refs == 1)
			drop(c, t);
		else if (t->refs == 1 && !t->waits && !is_watched(t) && t->used_ns + KEEP_MS * NSEC_PER_MSEC < now)
			drop(c, t);
	}
	/* those that are here have grown */
	while (bytes_of_all(c) > c->bytes_max && make_place(c))
		;
}

/* --- tenants --- */

static struct cache_tenant *find(struct cache *c, const char *name)
{
	struct hmap_node *node;
	uint64_t h = hash_str(name, 0);

	hmap_for_each_with_hash(node, &c->tenants, h)
	{
		struct cache_tenant *t = container_of(node, struct cache_tenant, node);

		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

/* The one that was not asked for the longest makes place; false: all are in use. */
static bool make_place(struct cache *c)
{
	struct cache_tenant *oldest = NULL;
	struct hmap_node *node, *tmp;

	hmap_for_each(node, tmp, &c->tenants)
	{
		struct cache_tenant *t = container_of(node, struct cache_tenant, node);

		if (t->refs == 1 && !t->waits && !is_watched(t) && !t->too_large_ns && (!oldest || t->used_ns < oldest->used_ns))
			oldest = t;
	}
	if (!oldest)
		return false;
	c->stats.dropped++;
	drop(c, oldest);
	return true;
}

static struct cache_tenant *add(struct cache *c, const char *name)
{
	static const struct db_follow_ops ops = { on_snapshot, on_change };
	struct cache_tenant *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (c->tenants.n >= TENANTS_MAX)
		(void)make_place(c); /* or one more */
	t->cache = c;
	t->refs = 1;
	t->name = strdup(name);
	t->records = json_object();
	t->follow = t->name && t->records ? db_follow(c->api->db, name, &ops, t) : NULL;
	if (!t->follow || hmap_insert(&c->tenants, &t->node, hash_str(name, 0))) {
		db_unfollow(t->follow);
		t->cache = NULL;
		cache_release(t);
		return NULL;
	}
	return t;
}

static bool is_down(const struct cache *c)
{
	return db_is_silent(c->api->db) || (c->down_ns && c->down_ns + CACHE_STALE_MS * NSEC_PER_MSEC < clock_mono_ns());
}

bool cache_is_current(const struct cache_tenant *t)
{
	return t->cache && !is_down(t->cache);
}

void cache_get(struct cache *c, const char *tenant, cache_ready *ready, void *arg)
{
	struct cache_tenant *t = find(c, tenant);
	struct err err = { 0 };
	struct wait *w;

	if (!t)
		t = add(c, tenant);
	w = t ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		err_set(&err, -ENOMEM, "out of memory");
		ready(arg, NULL, &err);
		return;
	}
	t->used_ns = clock_mono_ns();
	if (t->too_large_ns) {
		free(w);
		too_large(t, &err);
		ready(arg, NULL, &err);
		return;
	}
	if (t->is_ready) {
		free(w);
		if (is_down(c)) {
			err_tag(&err, -ETIMEDOUT, "unavailable", "the state DB does not answer");
			ready(arg, NULL, &err);
			return;
		}
		cache_hold(t);
		ready(arg, t, NULL);
		cache_release(t);
		return;
	}
	*w = (struct wait){ t->waits, ready, arg, t->used_ns + WAIT_MS * NSEC_PER_MSEC };
	t->waits = w;
}

struct cache_tenant *cache_hold(struct cache_tenant *t)
{
	t->refs++;
	return t;
}

void cache_release(struct cache_tenant *t)
{
	struct cache_watch *w;

	if (!t || --t->refs)
		return;
	cache_unload(t);
	writer_free(t->writer);
	events_free(t->events);
	while ((w = t->watches)) {
		t->watches = w->next;
		free(w);
	}
	json_decref(t->records);
	free(t->name);
	free(t);
}

struct cache *cache_new(struct api *api)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->api = api;
	hmap_init(&c->tenants);
	c->bytes_max = api->config->memory_max / MEMORY_PART;
	c->down_ns = clock_mono_ns(); /* until it is connected */
	c->tick = loop_timer_add(api->loop, 0, TICK_MS * NSEC_PER_MSEC, on_tick, c);
	if (!c->tick) {
		free(c);
		return NULL;
	}
	return c;
}

struct cache_stats cache_stats(const struct cache *c)
{
	struct cache_stats stats = c->stats;

	stats.bytes = bytes_of_all(c);
	stats.tenants = (uint32_t)c->tenants.n;
	return stats;
}

void cache_free(struct cache *c)
{
	struct hmap_node *node, *tmp;
	struct err err = { 0 };

	if (!c)
		return;
	err_tag(&err, -ECANCELED, "unavailable", "the server stops");
	loop_timer_del(c->tick);
	hmap_for_each(node, tmp, &c->tenants)
	{
		struct cache_tenant *t = container_of(node, struct cache_tenant, node);

		answer_waits(t, &err);
		drop(c, t);
	}
	hmap_fini(&c->tenants);
	free(c);
}
