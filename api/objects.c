// SPDX-License-Identifier: Apache-2.0
/* Reading objects, one or a list of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cache.h"
#include "api/list.h"
#include "api/object.h"
#include "api/request.h"
#include "topology/schema.h"

/* The route says {kind}, so it is a plural. */
enum topo_kind object_kind(const struct api_request *r)
{
	return (enum topo_kind)topo_kind_find(api_param(r, "kind"));
}

/* Whoever has written it, and wherever it was read: "rev" is the last one. */
json_t *object_view(enum topo_kind kind, const struct cache_object *o)
{
	const char *key = topo_shapes[kind].key, *first = json_object_iter_key(json_object_iter(o->record));
	json_t *view, *rev;

	if (!strcmp(key, "name") && first && strcmp(first, "rev"))
		return json_incref(o->record); /* it is what is shown */
	view = json_copy(o->record);
	if (strcmp(key, "name"))
		json_object_set_new(view, key, json_string(o->name)); /* bindings: called by their port */
	rev = json_incref(json_object_get(view, "rev"));
	json_object_del(view, "rev");
	json_object_set_new(view, "rev", rev);
	return view;
}

uint64_t object_rev(const struct cache_object *o)
{
	return (uint64_t)json_integer_value(json_object_get(o->record, "rev"));
}

static bool is_asterisk(const char *header)
{
	const char *p = header + strspn(header, " \t");

	return *p == '*' && !p[1 + strspn(p + 1, " \t")];
}

/* RFC 9110, 8.8.3, and blanks.  NULL: what is at 'p' is no tag; else behind it. */
static const char *skip_tag(const char *p)
{
	p += strncmp(p, "W/", 2) ? 0 : 2;
	if (*p++ != '"')
		return NULL;
	p += strcspn(p, "\"");
	return *p == '"' ? p + 1 : NULL;
}

bool object_tags_ok(const char *header)
{
	const char *p = header + strspn(header, " ,\t");

	if (is_asterisk(header))
		return true;
	if (!*p)
		return false;
	while (*p) {
		p = skip_tag(p);
		if (!p)
			return false;
		p += strspn(p, " \t");
		if (*p && *p != ',')
			return false;
		p += strspn(p, " ,\t");
	}
	return true;
}

/* A list of "tags", W/"weak" ones among them, or an asterisk and nothing else. */
bool object_matches(const char *header, uint64_t rev, bool strong)
{
	char tag[32];
	size_t len = (size_t)snprintf(tag, sizeof(tag), "%" PRIu64, rev), n;
	const char *p = header + strspn(header, " \t");

	if (*p == '*')
		return !p[1 + strspn(p + 1, " \t")];
	for (; *p; p += strspn(p, " ,\t")) {
		bool weak = !strncmp(p, "W/", 2);

		p += weak ? 2 : 0;
		n = *p == '"' ? strcspn(p + 1, "\"") : 0;
		if (*p != '"' || !p[n + 1])
			return false; /* not a list of them */
		if (n == len && !memcmp(p + 1, tag, len) && !(weak && strong))
			return true;
		p += n + 2;
	}
	return false;
}

static void get_one(struct api_request *r, struct cache_tenant *t)
{
	enum topo_kind kind = object_kind(r);
	const struct cache_object *o = cache_find(t, kind, api_param(r, "name"));
	const char *seen = api_request_header(r, "If-None-Match");
	char tag[32];

	if (!o) {
		api_problemf(r, 404, "not_found", "%s '%.63s' does not exist in tenant '%s'", topo_kind_name(kind),
			     api_param(r, "name"), cache_name(t));
		return;
	}
	snprintf(tag, sizeof(tag), "\"%" PRIu64 "\"", object_rev(o));
	api_header(r, "ETag", tag);
	api_header(r, "Cache-Control", "private, no-cache");
	if (seen && object_matches(seen, object_rev(o), false))
		api_answer(r, 304, NULL);
	else
		api_answer(r, 200, object_view(kind, o));
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, get_one);
}

struct listing {
	struct cache_tenant *t;
	enum topo_kind kind;
};

static json_t *view(const struct cache_object *o)
{
	return object_view(o->kind, o);
}

static const struct cache_object *const *rows(void *arg, const struct order_keys *keys, uint32_t *n)
{
	const struct listing *l = arg;

	return keys->n ? cache_ordered(l->t, l->kind, keys, n) : cache_rows(l->t, l->kind, n);
}

static void get_list(struct api_request *r, struct cache_tenant *t)
{
	struct listing l = { t, object_kind(r) };
	const struct list_of of = { topo_kind_plural(l.kind), &topo_shapes[l.kind], view, rows, &l };
	const char *seen = api_request_header(r, "If-None-Match");
	char tag[40];

	snprintf(tag, sizeof(tag), "W/\"%" PRIu64 "\"", cache_crev(t));
	api_header(r, "ETag", tag);
	api_header(r, "Cache-Control", "private, no-cache");
	if (seen && object_matches(seen, cache_crev(t), false))
		api_answer(r, 304, NULL);
	else
		list_answer(r, &of);
}

static void on_list(struct api_request *r)
{
	api_with_tenant(r, get_list);
}

const struct api_route objects_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/{kind}", on_list, API_READER, API_LISTS, NULL, "list objects" },
	{ "GET", "/api/v1/tenants/{tenant}/{kind}/{name}", on_get, API_READER, 0, NULL, "one object, by name or id" },
};
const unsigned int n_objects_routes = ARRAY_SIZE(objects_routes);
