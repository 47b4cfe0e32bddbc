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
#include "api/order.h"
#include "api/parse.h"
#include "api/row.h"
#include "topology/schema.h"
#include "util/addr.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define FILTERS_MAX   16
#define FIELDS_MAX    64
#define PAGE_LENGTH   5000 /* values of one page; a longer object is a page by itself */
#define TEXT_PIECE    64   /* bytes of text that count as one value */

struct filter {
	unsigned int field;
	const char *inner; /* "remote_group" of "rules.remote_group"; "" = the field itself */
	const char *pattern;
	enum { SAME, HAS, LIKE, WITHIN } how;
	char text[64]; /* what 'inner' points into; HAS: what is looked for */
	char value[ADDR_TEXT]; /* an address as records have it */
	struct skep_ip net; /* WITHIN: of addresses */
	unsigned int net_len;
};

struct list {
	struct api_request *r;
	const struct list_of *of;
	uint64_t limit;
	struct order_keys sort;
	struct filter filters[FILTERS_MAX];
	unsigned int n_filters;
	struct {
		char name[64];
		unsigned int field;
	} fields[FIELDS_MAX];
	unsigned int n_fields;
	json_t *after; /* [key, ..., name]; NULL = from the beginning */
};

/* --- the query --- */

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

/* The number of the field that 'name' begins with; it ends with it, or 'inner' is what is behind the dot. */
static int find_field(const struct topo_shape *shape, char *name, const char **inner)
{
	char *dot = inner ? strchr(name, '.') : NULL;
	int field;

	if (dot)
		*dot = 0;
	field = row_field(shape, name);
	if (inner)
		*inner = dot ? dot + 1 : name + strlen(name);
	if (field < 0 || !dot)
		return field;
	return shape->fields[field].shape && has_inner(shape->fields[field].shape, dot + 1) ? field : -1;
}

/* "name, id, mac": those that row_field() knows. */
static void list_fields(const struct topo_shape *shape, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "name");

	for (unsigned int i = 0; i < shape->n && n < size; i++)
		if (strcmp(shape->fields[i].name, "name"))
			n += (size_t)snprintf(text + n, size - n, ", %s", shape->fields[i].name);
}

/* 'text' is where its name is kept, and 'inner' as above. */
static bool take_field(struct list *l, const char *param, const char *from, size_t len, char text[static 64], unsigned int *field, const char **inner)
{
	char known[400];
	int found = -1;

	if (len < 64) {
		memcpy(text, from, len);
		text[len] = 0;
		found = find_field(l->of->shape, text, inner);
	}
	if (found >= 0) {
		*field = (unsigned int)found;
		return true;
	}
	list_fields(l->of->shape, known, sizeof(known));
	api_problemf(l->r, 400, "malformed", "query parameter '%s': '%.*s' is not a field of %s (want %s)", param, (int)(len > 60 ? 60 : len), from, l->of->plural, known);
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
	char name[64];

	while (p && *p) {
		size_t n = strcspn(p, ",");
		bool down = *p == '-';

		if (l->sort.n == ORDER_KEYS_MAX)
			return too_many(l, "sort", ORDER_KEYS_MAX);
		if (!take_field(l, "sort", p + down, n - down, name, &l->sort.keys[l->sort.n].field, NULL))
			return false;
		l->sort.keys[l->sort.n++].down = down;
		p += n + !!p[n];
	}
	if (l->sort.n && !l->sort.keys[0].down && (int)l->sort.keys[0].field == row_field(l->of->shape, "name"))
		l->sort.n = 0; /* as they are; there are no two of one name */
	return true;
}

static enum topo_type type_of(const struct topo_shape *shape, const struct filter *f)
{
	const struct topo_field *field = &shape->fields[f->field];
	char name[64];

	for (const char *p = f->inner; *p; p += strcspn(p, ".") + (p[strcspn(p, ".")] == '.')) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "."), p);
		field = topo_field_find(field->shape, name);
	}
	return field->type;
}

/* Addresses may be written in several ways; of a prefix it is those within. */
static void take_address(struct filter *f, enum topo_type type)
{
	char text[ADDR_TEXT];
	struct skep_mac mac;
	struct skep_ip masked;

	snprintf(text, sizeof(text), "%s", f->pattern);
	for (char *p = text; type == TOPO_T_MAC && *p; p++)
		*p = *p == '-' ? ':' : *p;
	if (type == TOPO_T_MAC && mac_parse(text, &mac)) {
		f->pattern = mac_format(&mac, f->value);
	} else if ((type == TOPO_T_IP || type == TOPO_T_ADDRESSES || type == TOPO_T_PREFIX) && prefix_parse(f->pattern, &f->net, &f->net_len)) {
		masked = ip_mask(&f->net, f->net_len);
		if (type != TOPO_T_PREFIX && ip_eq(&masked, &f->net))
			f->how = WITHIN;
		else if (strchr(f->pattern, '/'))
			f->pattern = prefix_format(&f->net, f->net_len, f->value);
		else
			f->pattern = ip_format(&f->net, f->value);
	}
}

/* Most patterns need not be tried at each place of the text. */
static void understand(const struct topo_shape *shape, struct filter *f)
{
	const size_t len = strlen(f->pattern), stars = strspn(f->pattern, "*");

	f->how = LIKE;
	if (!strchr(f->pattern, '*')) {
		f->how = SAME;
		take_address(f, type_of(shape, f));
	} else if (!*f->inner && len >= 2 && stars == 1 && strcspn(f->pattern + 1, "*") == len - 2 && len - 2 < sizeof(f->text)) {
		f->how = HAS;
		snprintf(f->text, sizeof(f->text), "%.*s", (int)(len - 2), f->pattern + 1);
		f->inner = "";
	}
}

static bool take_filters(struct list *l)
{
	const char *text;

	for (unsigned int i = 0; (text = api_query_at(l->r, "filter", i)); i++) {
		const char *colon = strchr(text, ':');
		struct filter *f = &l->filters[l->n_filters];

		if (!colon) {
			api_problemf(l->r, 400, "malformed", "query parameter 'filter': '%.80s' has no colon (want field:value)", text);
			return false;
		}
		if (l->n_filters == FILTERS_MAX)
			return too_many(l, "filter", FILTERS_MAX);
		if (!take_field(l, "filter", text, (size_t)(colon - text), f->text, &f->field, &f->inner))
			return false;
		f->pattern = colon + 1;
		understand(l->of->shape, f);
		l->n_filters++;
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
		if (!take_field(l, "fields", p, n, l->fields[l->n_fields].name, &l->fields[l->n_fields].field, NULL))
			return false;
		l->n_fields++;
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

static bool is_like(const char *pattern, const char *text)
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

static bool matches_text(const struct filter *f, const char *text)
{
	struct skep_ip ip;
	unsigned int len;

	if (f->how == WITHIN)
		return prefix_parse(text, &ip, &len) && ip_in_prefix(&ip, &f->net, f->net_len);
	if (f->how == LIKE)
		return is_like(f->pattern, text);
	return f->how == HAS ? !!strstr(text, f->text) : !strcmp(f->pattern, text);
}

static bool matches_value(const struct filter *f, const json_t *v)
{
	char number[32];
	json_t *item;
	size_t i;

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return matches_text(f, json_string_value(v));
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return matches_text(f, number);
	case JSON_TRUE:
		return matches_text(f, "true");
	case JSON_FALSE:
		return matches_text(f, "false");
	case JSON_ARRAY:
		json_array_foreach (v, i, item)
			if (matches_value(f, item))
				return true;
		return false;
	case JSON_NULL:
		return !strcmp(f->pattern, "null");
	default:
		return false;
	}
}

/* 'path': fields of 'v', or of any of its elements. */
static bool matches_inner(const struct filter *f, const json_t *v, const char *path)
{
	const size_t n = strcspn(path, ".");
	json_t *item;
	size_t i;

	if (!*path)
		return matches_value(f, v);
	if (json_is_object(v))
		return matches_inner(f, json_object_getn(v, path, n), path + n + !!path[n]);
	json_array_foreach (v, i, item)
		if (matches_inner(f, item, path))
			return true;
	return false;
}

static bool matches(const struct list *l, const struct cache_object *o)
{
	for (unsigned int i = 0; i < l->n_filters; i++)
		if (!matches_inner(&l->filters[i], o->values[l->filters[i].field], l->filters[i].inner))
			return false;
	return true;
}

/* Those that match, in the same order: the caller's to free.  NULL: no memory. */
static const struct cache_object **choose(const struct list *l, const struct cache_object *const *rows, uint32_t n, uint32_t *chosen)
{
	const struct cache_object **v = malloc((n + 1) * sizeof(*v));

	*chosen = 0;
	for (uint32_t i = 0; v && i < n; i++) {
		row_fetch(rows, i, n, l->filters[0].field);
		if (matches(l, rows[i]))
			v[(*chosen)++] = rows[i];
	}
	return v;
}

/* --- the page --- */

/* Is the object behind the one that the cursor names? */
static bool is_after(const struct list *l, const struct cache_object *o)
{
	for (unsigned int i = 0; l->after && i < l->sort.n; i++) {
		const json_t *key = json_array_get(l->after, i);
		int c = order_compare(o->values[l->sort.keys[i].field], json_is_null(key) ? NULL : key);

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
		json_t *v = o->values[l->sort.keys[i].field];

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
		return l->of->view(o);
	item = json_object();
	for (unsigned int i = 0; i < l->n_fields; i++) {
		json_t *v = o->values[l->fields[i].field];

		if (v)
			json_object_set(item, l->fields[i].name, v);
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

/* How long it is, in values or pieces of text; once that is more than 'most', by how much is not looked at. */
static size_t length(const json_t *v, size_t most)
{
	size_t n = 1 + json_string_length(v) / TEXT_PIECE, i;
	json_t *part;
	const char *key;

	json_array_foreach ((json_t *)v, i, part)
		if (n > most || (n += length(part, most - n)) > most)
			break;
	json_object_foreach ((json_t *)v, key, part)
		if (n > most || (n += length(part, most - n)) > most)
			break;
	return n;
}

/* It ends early when it is long: whoever follows "next" gets the rest. */
static void answer_page(const struct list *l, const struct cache_object *const *rows, uint32_t n)
{
	uint32_t at = start_of(l, rows, n), end = at;
	json_t *items = json_array();
	size_t room = PAGE_LENGTH;

	for (; end < n && end - at < l->limit; end++) {
		json_t *item = item_of(l, rows[end]);
		size_t len = length(item, room);

		if (len > room && end > at) {
			json_decref(item);
			break;
		}
		room -= len < room ? len : room;
		json_array_append_new(items, item);
	}
	api_answer(l->r, 200, json_pack("{s:o, s:o?, s:I}", "items", items, "next", end < n ? cursor_of(l, rows[end - 1]) : NULL,
					"total", (json_int_t)n));
}

void list_answer(struct api_request *r, const struct list_of *of)
{
	struct list l = { .r = r, .of = of };
	const struct cache_object *const *rows, **chosen;
	uint32_t n, k;

	if (!take_limit(&l) || !take_sort(&l) || !take_filters(&l) || !take_fields(&l) || !take_cursor(&l)) {
		json_decref(l.after);
		return;
	}
	rows = of->rows(of->arg, &l.sort, &n);
	chosen = l.n_filters && rows ? choose(&l, rows, n, &k) : NULL;
	if ((!rows && n) || (l.n_filters && rows && !chosen))
		api_problemf(r, 503, "overloaded", "out of memory");
	else if (chosen)
		answer_page(&l, chosen, k);
	else
		answer_page(&l, rows, n);
	free(chosen);
	json_decref(l.after);
}

/* --- of what is no object of a tenant --- */

struct plain {
	struct cache_object **rows; /* by name */
	uint32_t n;
	struct orders orders;
};

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct cache_object *const *)a)->name, (*(struct cache_object *const *)b)->name);
}

static json_t *plain_view(const struct cache_object *o)
{
	return json_incref(o->record);
}

static const struct cache_object *const *plain_rows(void *arg, const struct order_keys *keys, uint32_t *n)
{
	struct plain *p = arg;

	*n = p->n;
	return keys->n ? orders_get(&p->orders, keys, p->rows, p->n) : (const struct cache_object *const *)p->rows;
}

void list_answer_rows(struct api_request *r, const char *plural, const struct topo_shape *shape, struct cache_object **rows, uint32_t n)
{
	struct plain p = { .rows = rows, .n = n };
	const struct list_of of = { plural, shape, plain_view, plain_rows, &p };

	if (n)
		qsort(rows, n, sizeof(*rows), by_name);
	list_answer(r, &of);
	orders_drop(&p.orders);
}
