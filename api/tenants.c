// SPDX-License-Identifier: Apache-2.0
/* Tenants themselves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache.h"
#include "api/exchange.h"
#include "api/list.h"
#include "api/request.h"
#include "api/row.h"
#include "api/tenant_delete.h"
#include "topology/schema.h"
#include "util/clock.h"

#define DESCRIPTION_MAX 1000
#define AGAIN_MS	20 /* what others have written is known by then */
#define TRIES		100

/* --- which there are --- */

static const struct topo_field tenant_fields[] = { { .name = "name" } };
static const struct topo_shape tenants_shape = { .what = "tenant", .key = "name", .fields = tenant_fields, .n = ARRAY_SIZE(tenant_fields) };

/* 'names': an array of them. */
static void answer_list(struct api_request *r, const json_t *names)
{
	struct cache_object **rows = calloc(json_array_size(names) + 1, sizeof(*rows));
	uint32_t n = 0;
	bool ok = rows;
	json_t *name;
	size_t i;

	json_array_foreach ((json_t *)names, i, name) {
		_json_ json_t *record = NULL;

		/* the API's own space is nobody's tenant */
		if (!ok || !topo_name_valid(json_string_value(name)))
			continue;
		record = json_pack("{s:O}", "name", name);
		rows[n] = record ? row_new(&tenants_shape, json_string_value(name), record) : NULL;
		ok = rows[n];
		n += ok;
	}
	if (ok)
		list_answer_rows(r, "tenants", &tenants_shape, rows, n);
	else
		api_problemf(r, 503, "overloaded", "out of memory");
	while (n)
		row_free(rows[--n]);
	free(rows);
}

static void on_names(void *arg, const struct err *err, const json_t *reply)
{
	if (err)
		api_fail(arg, err);
	else
		answer_list(arg, json_object_get(reply, "tenants"));
}

static void on_own(void *arg, struct cache_tenant *t, const struct err *err)
{
	_json_ json_t *names = json_array();

	if (err) {
		api_fail(arg, err);
		return;
	}
	if (cache_exists(t))
		json_array_append_new(names, json_string(cache_name(t)));
	answer_list(arg, names);
}

/* Who is of one tenant makes nobody read the names of all. */
static void on_list(struct api_request *r)
{
	const char *own = api_caller_of(r)->tenant;

	if (*own) {
		cache_get(api_of(r)->cache, own, on_own, r);
		return;
	}
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
	bool created, told; /* the audit has it */
	unsigned int tries;
};

static void make(void *arg, struct cache_tenant *t, const struct err *err);

static void making_free(void *data)
{
	struct making *m = data;

	json_decref(m->info);
	cache_release(m->t);
	free(m);
}

/* Another one has described it, or deletes it: once more, on what that leaves. */
static void on_again(void *arg)
{
	struct making *m = arg;

	cache_release(m->t);
	m->t = NULL;
	cache_get(api_of(m->r)->cache, api_param(m->r, "tenant"), make, m);
}

static void again(struct making *m)
{
	if (m->tries++ == TRIES)
		api_problemf(m->r, 409, "conflict", tenant_is_closing(m->t) ? "tenant '%s' is being deleted (if that does not end, delete it again)" :
									      "tenant '%s' is written by others again and again", cache_name(m->t));
	else if (!loop_timer_add(api_of(m->r)->loop, AGAIN_MS * NSEC_PER_MSEC, 0, on_again, m))
		api_problemf(m->r, 503, "overloaded", "out of memory");
}

/* On the list: also if whoever has deleted the one before takes that off only now. */
static void on_listed(void *arg, const struct err *err, const json_t *reply)
{
	struct making *m = arg;

	(void)reply;
	if (err)
		api_fail(m->r, err);
	else
		api_answer(m->r, m->created ? 201 : 200, view(m->t));
}

static void on_made(void *arg, const struct err *err, const json_t *reply)
{
	struct making *m = arg;
	_json_ json_t *changes = json_pack("{s:O}", CACHE_TENANT, m->info);

	if (err && err->code == -EEXIST) {
		again(m);
	} else if (err) {
		api_fail(m->r, err);
	} else {
		cache_wrote(m->t, changes, (uint64_t)json_integer_value(json_object_get(reply, "rev")), cache_crev(m->t));
		db_remember(api_of(m->r)->db, cache_name(m->t), on_listed, m);
	}
}

/* Only what is known is written over: one that is deleted meanwhile does not come back by its description. */
static void claim(struct making *m)
{
	const json_t *was = cache_record(m->t, CACHE_TENANT);

	db_claim(api_of(m->r)->db, cache_name(m->t), CACHE_TENANT, (uint64_t)json_integer_value(json_object_get(was, "rev")), m->info, on_made, m);
}

/* The audit has it. */
static void on_told(void *arg, const struct err *err, uint64_t rev)
{
	struct making *m = arg;

	(void)rev;
	m->told = true;
	if (err)
		api_fail(m->r, err);
	else
		claim(m);
}

static bool is_over(const struct making *m)
{
	const struct store_life *life = store_life(auth_store(api_of(m->r)->auth), cache_name(m->t));

	return life && life->is_over;
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
	if (m->created ? !!r->if_match : !!r->if_none_match) {
		api_problemf(r, 412, "precondition_failed", "tenant '%s' %s", cache_name(t),
			     m->created ? "does not exist" : "exists already");
		return;
	}
	dry = api_query_bool(r, "dry_run");
	if (dry < 0)
		return;
	if (dry) {
		api_answer(r, 200, json_pack("{s:s, s:b, s:b}", "name", cache_name(t), "created", m->created, "dry_run", 1));
		return;
	}
	if (cache_since(t))
		json_object_set_new(m->info, "since", json_integer((json_int_t)cache_since(t)));
	if (tenant_is_closing(t))
		again(m);
	else if (m->told && !is_over(m)) /* one that was told of, and deleted since, is told of again */
		claim(m);
	else
		auth_tenant_made(r, m->info, m->created, on_told, m);
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
	if ((r->if_match && strcmp(r->if_match, "*")) || (r->if_none_match && strcmp(r->if_none_match, "*"))) {
		api_problemf(r, 400, "malformed", "a tenant has no ETag (want If-Match: * or If-None-Match: *)");
		return;
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

#define TENANT "/api/v1/tenants/{tenant}"
const struct api_route tenants_routes[] = {
	{ "GET", "/api/v1/tenants", on_list, API_READER, API_LISTS, NULL, "tenants that the caller sees" },
	{ "GET", TENANT, on_get, API_READER, 0, NULL, "a tenant: how much it has" },
	{ "PUT", TENANT, on_put, API_OPERATOR, API_WRITES | API_MATCHES, NULL, "make a tenant, or describe it" },
	{ "DELETE", TENANT, tenant_delete, API_OPERATOR, API_WRITES, "recursive", "delete a tenant" },
};
const unsigned int n_tenants_routes = ARRAY_SIZE(tenants_routes);
