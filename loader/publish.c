// SPDX-License-Identifier: Apache-2.0
#include "loader/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash.h"

enum state { CLEAN, DIRTY, SENT };

struct entry {
	struct hmap_node node;
	struct entry *next; /* queue of the dirty */
	json_t *value;	    /* NULL = to be deleted */
	enum state state;
	bool queued;
	bool differs; /* what the feed last said of it is not what we want */
	uint64_t sent_ns;
	char path[];
};

struct publisher {
	struct loop *loop;
	struct db *db;
	const bool *enabled;
	struct hmap entries;
	struct entry *head, **tail; /* dirty, oldest first */
	struct request *request;    /* under way */
	struct loop_timer *timer;   /* pending flush */
	char *space, *owner;
};

/* Outlives its publisher when the answer comes late. */
struct request {
	struct publisher *p; /* NULL = gone */
	json_t *changes;
};

static void flush(void *arg);

struct publisher *publisher_new(struct loop *loop, struct db *db, const char *space,
				const char *owner, const bool *enabled)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct publisher){ .loop = loop,
				 .db = db,
				 .enabled = enabled,
				 .space = strdup(space),
				 .owner = strdup(owner) };
	p->tail = &p->head;
	if (!p->space || !p->owner) {
		publisher_free(p);
		return NULL;
	}
	return p;
}

static void free_entry(struct publisher *p, struct entry *e)
{
	hmap_remove(&p->entries, &e->node);
	for (struct entry **q = &p->head; e->queued && *q; q = &(*q)->next)
		if (*q == e) {
			*q = e->next;
			if (!*q)
				p->tail = q;
			break;
		}
	json_decref(e->value);
	free(e);
}

void publisher_free(struct publisher *p)
{
	struct hmap_node *n, *tmp;

	if (!p)
		return;
	p->head = NULL;
	hmap_for_each (n, tmp, &p->entries) {
		struct entry *e = container_of(n, struct entry, node);

		e->queued = false;
		free_entry(p, e);
	}
	hmap_fini(&p->entries);
	loop_timer_del(p->timer);
	if (p->request)
		p->request->p = NULL;
	free(p->space);
	free(p->owner);
	free(p);
}

static struct entry *find(const struct publisher *p, const char *path)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &p->entries, hash_str(path, 0)) {
		struct entry *e = container_of(n, struct entry, node);

		if (!strcmp(e->path, path))
			return e;
	}
	return NULL;
}

static struct entry *get(struct publisher *p, const char *path)
{
	struct entry *e = find(p, path);
	size_t n = strlen(path) + 1;

	if (e)
		return e;
	if (p->entries.n >= PUBLISH_MAX)
		return NULL;
	e = calloc(1, sizeof(*e) + n);
	if (!e)
		return NULL;
	memcpy(e->path, path, n);
	if (hmap_insert(&p->entries, &e->node, hash_str(path, 0))) {
		free(e);
		return NULL;
	}
	return e;
}

static void schedule(struct publisher *p)
{
	if (!p->timer && !p->request && p->head && *p->enabled)
		p->timer = loop_timer_add(p->loop, 0, 0, flush, p);
}

static void mark_dirty(struct publisher *p, struct entry *e)
{
	e->state = DIRTY;
	e->differs = false;
	if (!e->queued) {
		e->queued = true;
		e->next = NULL;
		*p->tail = e;
		p->tail = &e->next;
	}
	schedule(p);
}

static void on_done(void *arg, const struct err *err, const json_t *reply)
{
	struct request *r = arg;
	struct publisher *p = r->p;
	const char *path;
	json_t *v;

	(void)reply;
	if (p) {
		p->request = NULL;
		json_object_foreach (r->changes, path, v) {
			struct entry *e = find(p, path);

			if (!e || e->state != SENT)
				continue;
			if (err) { /* again by the next tick: not at once, for the DB is in trouble
				    */
				e->differs = true;
				e->state = CLEAN;
			} else if (!e->value) {
				free_entry(p, e);
			} else if (json_is_object(v)) {
				e->state = CLEAN;
			}
		}
		schedule(p);
	}
	json_decref(r->changes);
	free(r);
}

static void flush(void *arg)
{
	struct publisher *p = arg;
	struct request *r = calloc(1, sizeof(*r));
	uint64_t now = clock_mono_ns();

	p->timer = NULL;
	if (!r)
		return; /* the next tick tries again */
	r->changes = json_object();
	for (int i = 0; i < PUBLISH_BATCH && p->head; i++) {
		struct entry *e = p->head;

		p->head = e->next;
		if (!p->head)
			p->tail = &p->head;
		e->queued = false;
		e->state = SENT;
		e->sent_ns = now;
		json_object_set_new(r->changes, e->path,
				    e->value ? json_incref(e->value) : json_null());
	}
	r->p = p;
	p->request = r;
	db_put(p->db, p->space, p->owner, r->changes, on_done, r);
}

int publish_set(struct publisher *p, const char *path, json_t *value)
{
	struct entry *e;

	if (!value)
		return -ENOMEM;
	e = get(p, path);
	if (!e) {
		json_decref(value);
		return -ENOSPC;
	}
	if (e->value && json_equal(e->value, value)) {
		json_decref(value);
		return 0;
	}
	json_decref(e->value);
	e->value = value;
	mark_dirty(p, e);
	return 0;
}

int publish_adopt(struct publisher *p, const char *path, json_t *value)
{
	struct entry *e = value ? get(p, path) : NULL;

	if (!e || e->state != CLEAN) {
		json_decref(value);
		return !value ? -ENOMEM : e ? 0 : -ENOSPC;
	}
	json_decref(e->value);
	e->value = value;
	e->differs = false;
	return 0;
}

void publish_del(struct publisher *p, const char *path)
{
	struct entry *e = get(p, path);

	if (!e || (!e->value && (e->state != CLEAN || e->queued)))
		return;
	json_decref(TAKE_PTR(e->value));
	mark_dirty(p, e);
}

void publish_forget(struct publisher *p, const char *path)
{
	struct entry *e = find(p, path);

	if (e)
		free_entry(p, e);
}

const json_t *publish_wanted(const struct publisher *p, const char *path)
{
	struct entry *e = find(p, path);

	return e ? e->value : NULL;
}

/* The DB may add members of its own (a revision). */
static bool holds(const json_t *record, const json_t *value)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)value, key, v)
		if (!json_equal(json_object_get(record, key), v))
			return false;
	return record != NULL;
}

static void see(struct publisher *p, struct entry *e, const json_t *record)
{
	const char *host = json_string_value(json_object_get(record, "host"));

	if (e->value)
		e->differs = !holds(record, e->value);
	else
		e->differs = host && !strcmp(host, p->owner);
}

void publish_seen(struct publisher *p, const char *path, const json_t *record)
{
	struct entry *e = find(p, path);

	if (e)
		see(p, e, record);
}

void publish_snapshot(struct publisher *p, const json_t *records)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->entries) {
		struct entry *e = container_of(n, struct entry, node);

		see(p, e, json_object_get(records, e->path));
	}
}

void publish_tick(struct publisher *p, uint64_t now_ns)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->entries) {
		struct entry *e = container_of(n, struct entry, node);

		if (e->state == CLEAN && e->differs && now_ns >= e->sent_ns + PUBLISH_RETRY_NS)
			mark_dirty(p, e);
	}
	schedule(p);
}

bool publish_pending(const struct publisher *p)
{
	return p->head || p->request;
}

void publish_all_del(struct publisher *p)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->entries) {
		struct entry *e = container_of(n, struct entry, node);

		if (e->value) {
			json_decref(TAKE_PTR(e->value));
			mark_dirty(p, e);
		}
	}
}
