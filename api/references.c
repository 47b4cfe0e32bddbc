// SPDX-License-Identifier: Apache-2.0
/* Who names an object: in fields, in lists, within rules and the like.  Deleting is refused as long as somebody does. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cache.h"
#include "api/object.h"
#include "api/request.h"
#include "api/row.h"
#include "topology/schema.h"
#include "util/cleanup.h"

#define NAMES_MAX 8  /* shown of each kind and field; the list of that kind has all */
#define WAYS_MAX  64 /* kinds and fields; schema.c has fewer */

struct way {
	enum topo_kind kind;
	const struct topo_field *outer, *inner; /* "rules", "remote_group"; the same, if it is a field of the object itself */
	const struct cache_object *last;	 /* that was counted: once, however often it names what is asked for */
	json_int_t total;
	json_t *names;
};

struct asking {
	enum topo_kind kind;
	const char *name;
	const struct cache_object *in;
	const struct topo_field *outer;
	struct way ways[WAYS_MAX];
	unsigned int n;
};

static void count(struct asking *a, const struct topo_field *inner)
{
	struct way *w = a->ways;

	while (w < a->ways + a->n && (w->kind != a->in->kind || w->outer != a->outer || w->inner != inner))
		w++;
	if (w == a->ways + a->n) {
		if (a->n == WAYS_MAX)
			return;
		*w = (struct way){ .kind = a->in->kind, .outer = a->outer, .inner = inner, .names = json_array() };
		a->n++;
	}
	if (w->last == a->in)
		return;
	w->last = a->in;
	if (w->total++ < NAMES_MAX)
		json_array_append_new(w->names, json_string(a->in->name));
}

static int on_ref(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in, const char *field, int at, const char *name)
{
	struct asking *a = arg;

	(void)in;
	(void)field;
	(void)at;
	if (kind == a->kind && !strcmp(name, a->name))
		count(a, f);
	return 0;
}

static bool may_name(const struct topo_field *f, enum topo_kind kind)
{
	if (f->type == TOPO_T_DEVICE)
		return kind == TOPO_BRIDGE || kind == TOPO_ROUTER;
	if (f->type != TOPO_T_OBJECTS)
		return f->type == TOPO_T_REF && f->ref == kind;
	for (unsigned int i = 0; i < f->shape->n; i++)
		if (may_name(&f->shape->fields[i], kind))
			return true;
	return false;
}

static bool is_named(const json_t *v, const char *name)
{
	const json_t *item;
	size_t i;

	if (json_is_string(v))
		return !strcmp(json_string_value(v), name);
	json_array_foreach ((json_t *)v, i, item)
		if (json_is_string(item) && !strcmp(json_string_value(item), name))
			return true;
	return false;
}

/* Objects of a kind that name it in their 'field': most often they do not have it, or it is one name. */
static void look(struct asking *a, const struct topo_shape *shape, unsigned int field, const struct cache_object *const *rows, uint32_t n)
{
	const struct topo_shape one = { .fields = &shape->fields[field], .n = 1 };

	a->outer = one.fields;
	for (uint32_t i = 0; i < n; i++) {
		row_fetch(rows, i, n, field);
		a->in = rows[i];
		if (!rows[i]->values[field])
			continue;
		if (a->outer->type != TOPO_T_REF)
			(void)topo_each_ref(&one, rows[i]->record, on_ref, a);
		else if (is_named(rows[i]->values[field], a->name))
			count(a, a->outer);
	}
}

static void look_at_kind(struct asking *a, struct cache_tenant *t, enum topo_kind kind)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	const struct cache_object *const *rows;
	uint32_t n;

	for (unsigned int i = 0; i < shape->n; i++) {
		if (!may_name(&shape->fields[i], a->kind))
			continue;
		rows = cache_rows(t, kind, &n);
		if (strcmp(shape->fields[i].name, shape->key) != 0) {
			look(a, shape, i, rows, n);
			continue;
		}
		a->in = cache_find(t, kind, a->name); /* bindings are called by their port */
		a->outer = &shape->fields[i];
		if (a->in && !strcmp(a->in->name, a->name))
			count(a, a->outer);
	}
}

static json_t *answer_of(const struct asking *a)
{
	json_t *items = json_array();

	for (unsigned int i = 0; i < a->n; i++) {
		const struct way *w = &a->ways[i];
		char field[128];

		if (w->outer == w->inner)
			snprintf(field, sizeof(field), "%s", w->outer->name);
		else
			snprintf(field, sizeof(field), "%s.%s", w->outer->name, w->inner->name);
		json_array_append_new(items, json_pack("{s:s, s:s, s:I, s:o}", "kind", topo_kind_plural(w->kind), "field", field, "total",
						       w->total, "names", w->names));
	}
	return json_pack("{s:o}", "items", items);
}

static void get_references(struct api_request *r, struct cache_tenant *t)
{
	const struct cache_object *o = cache_find(t, object_kind(r), api_param(r, "name"));
	const char *seen = api_request_header(r, "If-None-Match");
	struct asking a = { .kind = object_kind(r) };
	char tag[40];

	if (!o) {
		api_problemf(r, 404, "not_found", "%s '%.63s' does not exist in tenant '%s'", topo_kind_name(a.kind), api_param(r, "name"),
			     cache_name(t));
		return;
	}
	snprintf(tag, sizeof(tag), "W/\"%" PRIu64 "\"", cache_crev(t));
	api_header(r, "ETag", tag);
	api_header(r, "Cache-Control", "private, no-cache");
	if (seen && object_matches(seen, cache_crev(t), false)) {
		api_answer(r, 304, NULL);
		return;
	}
	a.name = o->name;
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		look_at_kind(&a, t, (enum topo_kind)k);
	api_answer(r, 200, answer_of(&a));
}

static void on_references(struct api_request *r)
{
	api_with_tenant(r, get_references);
}

const struct api_route references_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/{kind}/{name}/references", on_references, API_READER, 0, NULL, "who names the object" },
};
const unsigned int n_references_routes = ARRAY_SIZE(references_routes);
