// SPDX-License-Identifier: Apache-2.0
/*
 * A page of a list.  The cursor is where the last page ended: the sort keys and the name of its last object; so what comes and goes in between neither repeats nor
 * hides others.
 */
#include "api/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/object.h"
#include "api/order.h"
#include "api/parse.h"
#include "topology/schema.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define FILTERS_MAX   16
#define FIELDS_MAX    64

struct list {
	struct api_request *r;
	enum topo_kind kind;
	uint64_t limit;
	struct order_keys sort;
	struct {
		char field[64];
		const char *pattern;
	} filters[FILTERS_MAX];
	unsigned int n_filters;
	char fields[FIELDS_MAX][64];
	unsigned int n_fields;
	json_t *after; /* [key, ..., name]; NULL = from the beginning */
};

/* "rules.remote_group": a field of what is in a list, for filters. */
static bool has_inner(const struct topo_shape *shape, const char *path)
{
	const char *dot = strchr(path, '.');
	const struct topo_field *f;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)(dot ? dot - path : 63), path);
	f = topo_field_find(shape, name);
	return f && (!dot || (f->type == TOPO_T_OBJECTS && f->shape && has_inner(f->shape, dot + 1)));
}

static bool has_field(enum topo_kind kind, const char *name, bool inner)
{
	return !strcmp(name, "id") || !strcmp(name, "rev") || !strcmp(name, "name") ||
	       (inner ? has_inner(&topo_shapes[kind], name) : !!topo_field_find(&topo_shapes[kind], name));
}

/* --- the query --- */

static bool take_field(struct list *l, const char *param, const char *from, size_t len, bool inner, char out[static 64])
{
	if (len < 64) {
		memcpy(out, from, len);
		out[len] = 0;
		if (has_field(l->kind, out, inner))
			return true;
	}
	api_problemf(l->r, 400, "malformed", "query parameter '%s': '%.*s' is not a field of %s", param, (int)(len > 60 ? 60 : len),
		     from, topo_kind_plural(l->kind));
	return false;
}

static bool too_many(struct list *l, const char *param, unsigned int max)
{
	api_problemf(l->r, 400, "malformed", "query parameter '%s': more than %u", param, max);
	return false;
}

static bool take_sort(struct list *l)
{
	const char *p = api_query(l->r, "sort");

	while (p && *p) {
		size_t n = strcspn(p, ",");
		bool down = *p == '-';

		if (l->sort.n == ORDER_KEYS_MAX)
			return too_many(l, "sort", ORDER_KEYS_MAX);
		if (!take_field(l, "sort", p + down, n - down, false, l->sort.keys[l->sort.n].field))
			return false;
		l->sort.keys[l->sort.n++].down = down;
		p += n + !!p[n];
	}
	return true;
}

static bool take_filters(struct list *l)
{
	const char *text;

	for (unsigned int i = 0; (text = api_query_at(l->r, "filter", i)); i++) {
		const char *colon = strchr(text, ':');

		if (!colon) {
			api_problemf(l->r, 400, "malformed", "query parameter 'filter': '%.80s' has no colon (want field:value)", text);
			return false;
		}
		if (l->n_filters == FILTERS_MAX)
			return too_many(l, "filter", FILTERS_MAX);
		if (!take_field(l, "filter", text, (size_t)(colon - text), true, l->filters[l->n_filters].field))
			return false;
		l->filters[l->n_filters++].pattern = colon + 1;
	}
	return true;
}

static bool take_fields(struct list *l)
{
	const char *p = api_query(l->r, "fields");

	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (l->n_fields == FIELDS_MAX)
			return too_many(l, "fields", FIELDS_MAX);
		if (!take_field(l, "fields", p, n, false, l->fields[l->n_fields++]))
			return false;
		p += n + !!p[n];
	}
	return true;
}

static bool take_cursor(struct list *l)
{
	const char *text = api_query(l->r, "cursor");
	char *json;
	size_t len;

	if (!text)
		return true;
	json = cursor_decode(text, &len);
	l->after = json ? json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	free(json);
	if (json_is_array(l->after) && json_array_size(l->after) == l->sort.n + 1u &&
	    json_is_string(json_array_get(l->after, l->sort.n)))
		return true;
	api_problemf(l->r, 400, "malformed", "query parameter 'cursor' is not one of this list (want 'next' of its last page)");
	return false;
}

static bool take_limit(struct list *l)
{
	const char *text = api_query(l->r, "limit");

	l->limit = LIMIT_DEFAULT;
	if (!text || (parse_u64(text, &l->limit) && l->limit && l->limit <= LIMIT_MAX))
		return true;
	api_problemf(l->r, 400, "malformed", "query parameter 'limit': '%.40s' is not allowed (want 1 to %d)", text, LIMIT_MAX);
	return false;
}

/* --- which --- */

static bool matches_text(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) { /* the last star takes one more when what follows it does not fit */
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

static bool matches_value(const char *pattern, const json_t *v)
{
	char number[32];
	json_t *item;
	size_t i;

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return matches_text(pattern, json_string_value(v));
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return matches_text(pattern, number);
	case JSON_TRUE:
		return matches_text(pattern, "true");
	case JSON_FALSE:
		return matches_text(pattern, "false");
	case JSON_ARRAY:
		json_array_foreach (v, i, item)
			if (matches_value(pattern, item))
				return true;
		return false;
	case JSON_NULL:
		return !strcmp(pattern, "null");
	default:
		return false;
	}
}

/* 'path': fields of 'v', or of any of its elements. */
static bool matches_inner(const char *pattern, const json_t *v, const char *path)
{
	const size_t n = strcspn(path, ".");
	json_t *item;
	size_t i;

	if (!*path)
		return matches_value(pattern, v);
	if (json_is_object(v))
		return matches_inner(pattern, json_object_getn(v, path, n), path + n + !!path[n]);
	json_array_foreach (v, i, item)
		if (matches_inner(pattern, item, path))
			return true;
	return false;
}

static bool matches(const struct list *l, const struct cache_object *o)
{
	for (unsigned int i = 0; i < l->n_filters; i++) {
		const char *field = l->filters[i].field, *dot = strchr(field, '.');
		bool found;

		if (dot) {
			found = matches_inner(l->filters[i].pattern, json_object_getn(o->record, field, (size_t)(dot - field)), dot + 1);
		} else {
			found = matches_value(l->filters[i].pattern, order_value(o, field));
		}
		if (!found)
			return false;
	}
	return true;
}

/* --- the page --- */

/* Is the object behind the one that the cursor names? */
static bool is_after(const struct list *l, const struct cache_object *o)
{
	for (unsigned int i = 0; l->after && i < l->sort.n; i++) {
		const json_t *key = json_array_get(l->after, i);
		int c = order_compare(order_value(o, l->sort.keys[i].field), json_is_null(key) ? NULL : key);

		if (c)
			return (l->sort.keys[i].down ? -c : c) > 0;
	}
	return !l->after || strcmp(o->name, json_string_value(json_array_get(l->after, l->sort.n))) > 0;
}

static json_t *cursor_of(const struct list *l, const struct cache_object *o)
{
	_json_ json_t *at = json_array();
	_free_ char *json = NULL, *text = NULL;

	for (unsigned int i = 0; i < l->sort.n; i++) {
		json_t *v = order_value(o, l->sort.keys[i].field);

		json_array_append_new(at, v ? json_incref(v) : json_null());
	}
	json_array_append_new(at, json_string(o->name));
	json = json_dumps(at, JSON_COMPACT);
	text = json ? cursor_encode(json, strlen(json)) : NULL;
	return text ? json_string(text) : NULL;
}

static json_t *item_of(const struct list *l, const struct cache_object *o)
{
	json_t *item;

	if (!l->n_fields)
		return object_view(l->kind, o);
	item = json_object();
	for (unsigned int i = 0; i < l->n_fields; i++) {
		json_t *v = order_value(o, l->fields[i]);

		if (v)
			json_object_set(item, l->fields[i], v);
	}
	return item;
}

/* The first that is behind the cursor, of a sorted array. */
static uint32_t start_of(const struct list *l, const struct cache_object *const *rows, uint32_t n)
{
	uint32_t lo = 0, hi = n;

	while (l->after && lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (is_after(l, rows[mid]))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static void answer_page(const struct list *l, const struct cache_object *const *rows, uint32_t n)
{
	uint32_t at = start_of(l, rows, n), end = n - at > l->limit ? at + (uint32_t)l->limit : n;
	json_t *items = json_array();

	for (uint32_t i = at; i < end; i++)
		json_array_append_new(items, item_of(l, rows[i]));
	api_answer(l->r, 200, json_pack("{s:o, s:o?, s:I}", "items", items, "next", end < n ? cursor_of(l, rows[end - 1]) : NULL,
					"total", (json_int_t)n));
}

void list_answer(struct api_request *r, struct cache_tenant *t, enum topo_kind kind)
{
	struct list l = { .r = r, .kind = kind };
	const struct cache_object *const *rows, **chosen;
	uint32_t n, k = 0;

	if (!take_limit(&l) || !take_sort(&l) || !take_filters(&l) || !take_fields(&l) || !take_cursor(&l)) {
		json_decref(l.after);
		return;
	}
	rows = l.sort.n ? cache_ordered(t, kind, &l.sort, &n) : cache_rows(t, kind, &n);
	if ((rows || !n) && !l.n_filters) {
		answer_page(&l, rows, n);
		json_decref(l.after);
		return;
	}
	chosen = rows || !n ? calloc(n + 1, sizeof(*chosen)) : NULL;
	for (uint32_t i = 0; chosen && i < n; i++)
		if (matches(&l, rows[i]))
			chosen[k++] = rows[i];
	if (chosen)
		answer_page(&l, chosen, k);
	else
		api_problemf(r, 503, "overloaded", "out of memory");
	free(chosen);
	json_decref(l.after);
}
