// SPDX-License-Identifier: Apache-2.0
/* Tenants themselves. */
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache.h"
#include "api/request.h"
#include "api/write.h"
#include "topology/schema.h"

#define DESCRIPTION_MAX 1000

/* --- which there are --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static void on_names(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	const json_t *names = json_object_get(reply, "tenants");
	const char *own = api_caller_of(r)->tenant;
	size_t n = json_array_size(names), i;
	_free_ json_t **sorted = calloc(n + 1, sizeof(*sorted));
	json_t *items = json_array(), *name;

	if (err || !sorted) {
		json_decref(items);
		if (err)
			api_fail(r, err);
		else
			api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	json_array_foreach (names, i, name)
		sorted[i] = name;
	qsort(sorted, n, sizeof(*sorted), by_text);
	for (i = 0; i < n; i++) {
		const char *text = json_string_value(sorted[i]);

		/* the API's own space is nobody's tenant */
		if (topo_name_valid(text) && (!*own || !strcmp(own, text)))
			json_array_append_new(items, json_pack("{s:s}", "name", text));
	}
	n = json_array_size(items);
	api_answer(r, 200, json_pack("{s:o, s:n, s:I}", "items", items, "next", "total", (json_int_t)n));
}

static void on_list(struct api_request *r)
{
	db_tenants(api_of(r)->db, on_names, r);
}

/* --- one --- */

static json_t *view(const struct cache_tenant *t)
{
	const json_t *info = cache_record(t, CACHE_TENANT);
	json_t *counts = json_object();

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		uint32_t n;

		cache_rows(t, (enum topo_kind)k, &n);
		json_object_set_new(counts, topo_kind_plural((enum topo_kind)k), json_integer(n));
	}
	return json_pack("{s:s, s:s, s:I, s:o}", "name", cache_name(t), "description",
			 json_str(info, "description") ? json_str(info, "description") : "", "revision", (json_int_t)cache_crev(t),
			 "objects", counts);
}

static void describe(struct api_request *r, struct cache_tenant *t)
{
	api_answer(r, 200, view(t));
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, describe);
}

/* --- making one --- */

struct making {
	struct api_request *r;
	struct cache_tenant *t;
	json_t *info;
	bool created;
};

static void making_free(void *data)
{
	struct making *m = data;

	json_decref(m->info);
	cache_release(m->t);
	free(m);
}

static void on_made(void *arg, const struct err *err, const json_t *reply)
{
	struct making *m = arg;
	struct api_request *r = m->r;
	_json_ json_t *changes = json_pack("{s:O}", CACHE_TENANT, m->info);

	if (err) {
		api_fail(r, err);
		return;
	}
	cache_wrote(m->t, changes, (uint64_t)json_integer_value(json_object_get(reply, "rev")), cache_crev(m->t));
	api_answer(r, m->created ? 201 : 200, view(m->t));
}

/* The audit has it. */
static void on_told(void *arg, const struct err *err, uint64_t rev)
{
	struct making *m = arg;
	_json_ json_t *changes = json_pack("{s:O}", CACHE_TENANT, m->info);

	(void)rev;
	if (err)
		api_fail(m->r, err);
	else
		db_put(api_of(m->r)->db, cache_name(m->t), NULL, changes, on_made, m);
}

static void make(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct making *m = arg;
	struct api_request *r = m->r;
	int dry;

	if (err) {
		api_fail(r, err);
		return;
	}
	m->t = cache_hold(t);
	m->created = !cache_exists(t);
	dry = api_query_bool(r, "dry_run");
	if (dry < 0)
		return;
	if (dry) {
		api_answer(r, 200, json_pack("{s:s, s:b, s:b}", "name", cache_name(t), "created", m->created, "dry_run", 1));
		return;
	}
	auth_tenant_made(r, m->info, on_told, m);
}

static void on_put(struct api_request *r)
{
	const char *tenant = api_param(r, "tenant"), *key, *description;
	json_t *body = api_body(r), *unused;
	struct making *m;

	if (!topo_name_valid(tenant)) {
		api_problemf(r, 422, "invalid", "field 'name': '%.80s' is not a name (want 1 to %d letters, digits, '.', '_', '-')",
			     tenant, TOPO_NAME_MAX);
		return;
	}
	json_object_foreach (body, key, unused) {
		if (strcmp(key, "description") && strcmp(key, "name")) {
			api_problemf(r, 422, "invalid", "field '%.40s' is unknown (want name, description; 'quota' has a path of its own)",
				     key);
			return;
		}
	}
	description = json_str(body, "description");
	if ((body && !json_is_object(body)) || (json_object_get(body, "description") && !description) ||
	    (description && strlen(description) > DESCRIPTION_MAX) ||
	    (json_object_get(body, "name") && (!json_str(body, "name") || strcmp(json_str(body, "name"), tenant)))) {
		api_problemf(r, 422, "invalid", "want {\"description\": text of at most %d bytes}", DESCRIPTION_MAX);
		return;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	m->r = r;
	m->info = json_pack("{s:s}", "description", description ? description : "");
	api_keep(r, m, making_free);
	cache_get(api_of(r)->cache, tenant, make, m);
}

/* --- deleting one --- */

static void on_forgotten(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;

	(void)reply;
	if (err)
		api_fail(r, err);
	else
		api_answer(r, 204, NULL);
}

/* Nobody has its tokens any more. */
static void on_locked(void *arg, const struct err *err, uint64_t rev)
{
	struct making *m = arg;

	(void)rev;
	if (err)
		api_fail(m->r, err);
	else
		db_forget(api_of(m->r)->db, cache_name(m->t), on_forgotten, m->r);
}

static void on_emptied(void *arg, const struct err *err, const json_t *reply)
{
	struct making *m = arg;
	struct api_request *r = m->r;
	_json_ json_t *gone = json_pack("{s:{s:b}}", CACHE_TENANT, "deleted", 1);

	if (err) {
		api_fail(r, err);
		return;
	}
	cache_wrote(m->t, gone, (uint64_t)json_integer_value(json_object_get(reply, "rev")), cache_crev(m->t));
	auth_tenant_gone(r, on_locked, m);
}

static uint32_t count_objects(struct cache_tenant *t)
{
	uint32_t n, all = 0;

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		cache_rows(t, (enum topo_kind)k, &n);
		all += n;
	}
	return all;
}

/* Its configuration is gone; what agents have told of it goes, too.  A record stays that says so.  What somebody has begun meanwhile stays as well. */
static void empty(struct api_request *r, struct cache_tenant *t)
{
	_json_ json_t *changes = json_object();
	struct making *m = calloc(1, sizeof(*m));
	const char *path;
	json_t *unused;

	if (!m) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	m->r = r;
	m->t = cache_hold(t);
	api_keep(r, m, making_free);
	if (count_objects(t)) {
		api_problemf(r, 409, "conflict", "somebody has made an object in tenant '%s' meanwhile: it stays", cache_name(t));
		return;
	}
	json_object_foreach ((json_t *)cache_records(t), path, unused)
		json_object_set_new(changes, path, json_null());
	json_object_set_new(changes, CACHE_TENANT, json_pack("{s:b}", "deleted", 1));
	db_put(api_of(r)->db, cache_name(t), NULL, changes, on_emptied, m);
}

static json_t *plan_prune(struct write *w, struct writer *wr, struct err *err)
{
	return write_apply(wr, write_records(wr), w->body, true, err);
}

static void on_pruned(struct write *w, struct cache_tenant *t, const struct err *err)
{
	if (err || w->dry_run)
		write_done_report(w, t, err);
	else
		empty(w->r, t);
}

static void delete(struct api_request *r, struct cache_tenant *t)
{
	int recursive = api_query_bool(r, "recursive");
	struct write *w;
	uint32_t all;

	if (recursive < 0)
		return;
	all = count_objects(t);
	if (all && !recursive) {
		api_problemf(r, 409, "in_use", "tenant '%s' has %u objects (delete them first, or say ?recursive=true)", cache_name(t),
			     all);
		return;
	}
	w = write_new(r, plan_prune, on_pruned);
	if (!w)
		return;
	w->body = json_pack("{s:s}", "tenant", cache_name(t));
	write_submit(t, w);
}

static void on_delete(struct api_request *r)
{
	api_with_tenant(r, delete);
}

#define TENANT "/api/v1/tenants/{tenant}"
const struct api_route tenants_routes[] = {
	{ "GET", "/api/v1/tenants", on_list, API_READER, 0, NULL, "tenants that the caller sees" },
	{ "GET", TENANT, on_get, API_READER, 0, NULL, "a tenant: how much it has" },
	{ "PUT", TENANT, on_put, API_OPERATOR, API_WRITES, NULL, "make a tenant, or describe it" },
	{ "DELETE", TENANT, on_delete, API_OPERATOR, API_WRITES, "recursive", "delete a tenant" },
};
const unsigned int n_tenants_routes = ARRAY_SIZE(tenants_routes);
