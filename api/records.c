// SPDX-License-Identifier: Apache-2.0
/* The records of one tenant: by path, by kind and name in order, by id. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cache_private.h"
#include "api/row.h"
#include "topology/doc.h"
#include "util/hash.h"
#include "util/json.h"

static uint64_t id_hash(enum topo_kind kind, const char *id)
{
	return hash_str(id, (uint64_t)kind);
}

/* --- rows --- */

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct cache_object *const *)a)->name, (*(struct cache_object *const *)b)->name);
}

/* Where a name is, or would be. */
static uint32_t place(const struct rows *rows, const char *name, bool *is_there)
{
	uint32_t lo = 0, hi = rows->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = strcmp(rows->v[mid]->name, name);

		if (!c) {
			*is_there = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*is_there = false;
	return lo;
}

static bool grow(struct rows *rows)
{
	uint32_t max = rows->max ? 2 * rows->max : 16;
	struct cache_object **v;

	if (rows->n < rows->max)
		return true;
	v = realloc(rows->v, max * sizeof(*v));
	if (!v)
		return false;
	rows->v = v;
	rows->max = max;
	return true;
}

static void object_free(struct cache_tenant *t, struct cache_object *o)
{
	if (json_str(o->record, "id"))
		hmap_remove(&t->ids, &o->by_id);
	row_free(o);
}

static struct cache_object *object_new(struct cache_tenant *t, enum topo_kind kind, const char *name, json_t *record)
{
	struct cache_object *o = row_new(&topo_shapes[kind], name, record);
	const char *id = json_str(record, "id");

	if (!o)
		return NULL;
	o->kind = kind;
	if (id && hmap_insert(&t->ids, &o->by_id, id_hash(kind, id))) {
		row_free(o);
		return NULL;
	}
	return o;
}

static void put_row(struct cache_tenant *t, enum topo_kind kind, const char *name, json_t *record)
{
	struct rows *rows = &t->rows[kind];
	struct cache_object *o = object_new(t, kind, name, record);
	bool is_there;
	uint32_t at = place(rows, name, &is_there);

	if (!o || (!is_there && !grow(rows))) {
		if (o)
			object_free(t, o);
		t->is_ready = false; /* no memory: nothing is better than something wrong */
		return;
	}
	if (is_there) {
		orders_remove(&t->orders[kind], rows->v[at]);
		object_free(t, rows->v[at]);
	} else {
		memmove(&rows->v[at + 1], &rows->v[at], (rows->n - at) * sizeof(*rows->v));
		rows->n++;
	}
	rows->v[at] = o;
	orders_add(&t->orders[kind], o);
}

static void del_row(struct cache_tenant *t, enum topo_kind kind, const char *name)
{
	struct rows *rows = &t->rows[kind];
	bool is_there;
	uint32_t at = place(rows, name, &is_there);

	if (!is_there)
		return;
	orders_remove(&t->orders[kind], rows->v[at]);
	object_free(t, rows->v[at]);
	rows->n--;
	memmove(&rows->v[at], &rows->v[at + 1], (rows->n - at) * sizeof(*rows->v));
}

/* --- all of them --- */

void cache_unload(struct cache_tenant *t)
{
	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		orders_drop(&t->orders[k]);
		for (uint32_t i = 0; i < t->rows[k].n; i++)
			object_free(t, t->rows[k].v[i]);
		free(t->rows[k].v);
		t->rows[k] = (struct rows){ 0 };
	}
	hmap_fini(&t->ids);
	hmap_init(&t->ids);
	topo_unref(t->snap);
	t->snap = NULL;
	free(t->doc);
	t->doc = NULL;
}

int cache_load(struct cache_tenant *t, const json_t *records)
{
	json_t *copy = topo_json_copy(records), *record;
	enum topo_kind kind;
	const char *path, *name;

	if (!copy)
		return -ENOMEM;
	cache_unload(t);
	json_decref(t->records);
	t->records = copy;
	t->bytes = cache_records_size(copy);
	quota_count(copy, &t->use);
	json_object_foreach (copy, path, record) {
		struct cache_object *o;

		if (!topo_path_parse(path, &kind, &name))
			continue;
		o = grow(&t->rows[kind]) ? object_new(t, kind, name, record) : NULL;
		if (!o) {
			t->is_ready = false;
			return -ENOMEM;
		}
		t->rows[kind].v[t->rows[kind].n++] = o;
	}
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		if (t->rows[k].n)
			qsort(t->rows[k].v, t->rows[k].n, sizeof(*t->rows[k].v), by_name);
	return 0;
}

static uint64_t rev_of(const json_t *record)
{
	return (uint64_t)json_integer_value(json_object_get(record, "rev"));
}

/* False: it is known already, or by a newer one. */
static bool apply_one(struct cache_tenant *t, const char *path, json_t *record, uint64_t rev)
{
	json_t *was = json_object_get(t->records, path);
	enum topo_kind kind;
	const char *name;
	bool is_object = topo_path_parse(path, &kind, &name);

	if (json_is_null(record)) {
		if (!was || rev_of(was) > rev)
			return false;
		quota_count_change(&t->use, path, was, NULL);
		t->bytes -= cache_record_size(path, was);
		(void)json_object_del(t->records, path);
		if (is_object)
			del_row(t, kind, name);
		return true;
	}
	if (was && rev_of(was) >= rev_of(record))
		return false;
	quota_count_change(&t->use, path, was, record);
	t->bytes += cache_record_size(path, record) - cache_record_size(path, was);
	if (json_object_set(t->records, path, record))
		t->is_ready = false;
	else if (is_object)
		put_row(t, kind, name, record);
	return true;
}

void cache_apply(struct cache_tenant *t, const json_t *changes, uint64_t rev, uint64_t crev)
{
	_json_ json_t *before = json_object(), *after = json_object();
	const char *path;
	json_t *record;

	json_object_foreach ((json_t *)changes, path, record) {
		json_t *was = json_incref(json_object_get(t->records, path));

		if (apply_one(t, path, record, rev)) {
			if (was)
				json_object_set(before, path, was);
			json_object_set(after, path, record);
		}
		json_decref(was);
	}
	if (rev > t->rev)
		t->rev = rev;
	if (crev > t->crev)
		t->crev = crev;
	if (json_object_size(after))
		cache_tell(t, after, before, rev);
}

void cache_wrote(struct cache_tenant *t, const json_t *changes, uint64_t rev, uint64_t crev)
{
	_json_ json_t *fresh = json_object();
	const char *path;
	json_t *record;

	json_object_foreach ((json_t *)changes, path, record) {
		json_t *copy = json_is_null(record) ? json_null() : json_copy(record);

		if (json_is_object(copy))
			json_object_set_new(copy, "rev", json_integer((json_int_t)rev));
		json_object_set_new(fresh, path, copy);
	}
	cache_apply(t, fresh, rev, crev);
}

/* --- questions --- */

const char *cache_name(const struct cache_tenant *t)
{
	return t->name;
}

bool cache_exists(const struct cache_tenant *t)
{
	if (!t->rev || !json_is_true(json_object_get(json_object_get(t->records, CACHE_TENANT), "deleted")))
		return t->rev != 0;
	for (int k = 0; k < TOPO_KIND_MAX; k++) /* made again beside this server */
		if (t->rows[k].n)
			return true;
	return false;
}

uint64_t cache_since(const struct cache_tenant *t)
{
	const json_t *info = json_object_get(t->records, CACHE_TENANT);
	bool gone = json_is_true(json_object_get(info, "deleted"));

	return (uint64_t)json_integer_value(json_object_get(info, gone ? "rev" : "since"));
}

uint64_t cache_rev(const struct cache_tenant *t)
{
	return t->rev;
}

uint64_t cache_crev(const struct cache_tenant *t)
{
	return t->crev;
}

const struct quota_use *cache_use(const struct cache_tenant *t)
{
	return &t->use;
}

const json_t *cache_records(const struct cache_tenant *t)
{
	return t->records;
}

json_t *cache_record(const struct cache_tenant *t, const char *path)
{
	return json_object_get(t->records, path);
}

const struct cache_object *cache_find(const struct cache_tenant *t, enum topo_kind kind, const char *key)
{
	struct hmap_node *node;
	bool is_there;
	uint32_t at = place(&t->rows[kind], key, &is_there);

	if (is_there)
		return t->rows[kind].v[at];
	hmap_for_each_with_hash(node, &t->ids, id_hash(kind, key))
	{
		const struct cache_object *o = container_of(node, struct cache_object, by_id);

		if (o->kind == kind && !strcmp(json_str(o->record, "id"), key))
			return o;
	}
	return NULL;
}

const struct cache_object *const *cache_rows(const struct cache_tenant *t, enum topo_kind kind, uint32_t *n)
{
	*n = t->rows[kind].n;
	return (const struct cache_object *const *)t->rows[kind].v;
}

const struct cache_object *const *cache_ordered(struct cache_tenant *t, enum topo_kind kind, const struct order_keys *keys, uint32_t *n)
{
	*n = t->rows[kind].n;
	return orders_get(&t->orders[kind], keys, t->rows[kind].v, *n);
}

struct topo_snapshot *cache_snapshot(struct cache_tenant *t, struct err *err)
{
	if (t->snap && t->snap_rev == t->rev)
		return topo_ref(t->snap);
	topo_unref(t->snap);
	t->snap = topo_build(t->name, t->rev, t->records, err);
	t->snap_rev = t->rev;
	return t->snap ? topo_ref(t->snap) : NULL;
}

/* --- watches --- */

struct cache_watch *cache_watch(struct cache_tenant *t, cache_changed *changed, void *arg)
{
	struct cache_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct cache_watch){ .next = t->watches, .t = t, .changed = changed, .arg = arg };
	t->watches = w;
	return w;
}

static void sweep(struct cache_tenant *t)
{
	struct cache_watch **at = &t->watches, *w;

	while ((w = *at)) {
		if (!w->dead) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
}

void cache_unwatch(struct cache_watch *w)
{
	if (!w)
		return;
	w->dead = true;
	if (!w->t->telling)
		sweep(w->t);
}

void cache_tell(struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev)
{
	t->telling = true;
	for (struct cache_watch *w = t->watches; w; w = w->next)
		if (!w->dead)
			w->changed(w->arg, t, changes, before, rev);
	t->telling = false;
	sweep(t);
}
