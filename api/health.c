// SPDX-License-Identifier: Apache-2.0
/*
 * What health checks have found of the members of pools: records of state beside the configuration ("health/NAME"), in no document, no revision of it and no
 * audit.  Who says nothing of a member leaves it up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/cache.h"
#include "api/request.h"
#include "util/cleanup.h"
#include "util/json.h"

struct telling {
	struct api_request *r;
	struct cache_tenant *t;
	json_t *changes, *answer;
};

static void health_path(char path[static TOPO_NAME_MAX + 16], const char *member)
{
	snprintf(path, TOPO_NAME_MAX + 16, "health/%.*s", TOPO_NAME_MAX, member);
}

/* "up", "down", or null. */
static json_t *state_of(const json_t *record)
{
	return record ? json_string(json_is_true(json_object_get(record, "up")) ? "up" : "down") : json_null();
}

/* --- what was told --- */

static void get_all(struct api_request *r, struct cache_tenant *t)
{
	json_t *all = json_object();
	const char *path;
	json_t *record;

	json_object_foreach ((json_t *)cache_records(t), path, record)
		if (!strncmp(path, "health/", 7))
			json_object_set_new(all, path + 7, state_of(record));
	api_answer(r, 200, json_pack("{s:o}", "members", all));
}

static const struct cache_object *find_member(struct api_request *r, const struct cache_tenant *t)
{
	const struct cache_object *o = cache_find(t, TOPO_MEMBER, api_param(r, "name"));

	if (!o)
		api_problemf(r, 404, "not_found", "member '%.63s' does not exist in tenant '%s'", api_param(r, "name"), cache_name(t));
	return o;
}

static void get_one(struct api_request *r, struct cache_tenant *t)
{
	const struct cache_object *o = find_member(r, t);
	char path[TOPO_NAME_MAX + 16];

	if (!o)
		return;
	health_path(path, o->name);
	api_answer(r, 200, json_pack("{s:s, s:o}", "name", o->name, "state", state_of(cache_record(t, path))));
}

/* --- telling --- */

static void on_told(void *arg, const struct err *err, const json_t *reply)
{
	struct telling *tell = arg;

	if (err) {
		api_fail(tell->r, err);
	} else {
		cache_wrote(tell->t, tell->changes, (uint64_t)json_integer_value(json_object_get(reply, "rev")), cache_crev(tell->t));
		api_answer(tell->r, 200, json_incref(tell->answer));
	}
	cache_release(tell->t);
	json_decref(tell->changes);
	json_decref(tell->answer);
	free(tell);
}

/* {"state": "up" | "down" | null} -> the record, JSON null where there is to be none; NULL: 'err'. */
static json_t *record_of(const json_t *body, struct err *err)
{
	const json_t *state = json_object_get(body, "state");
	const char *word = json_string_value(state), *key;
	json_t *value;

	json_object_foreach ((json_t *)body, key, value)
		if (strcmp(key, "state")) {
			err_set(err, -EINVAL, "field '%.60s' is not known (want state)", key);
			return NULL;
		}
	if (json_is_null(state))
		return json_null();
	if (word && (!strcmp(word, "up") || !strcmp(word, "down")))
		return json_pack("{s:b}", "up", !strcmp(word, "up"));
	err_set(err, -EINVAL, "field 'state': '%.60s' is not known (want up, down or null)", word ? word : state ? "a value that is no text" : "");
	return NULL;
}

static void put_one(struct api_request *r, struct cache_tenant *t)
{
	const struct cache_object *o = find_member(r, t);
	struct err err = { 0 };
	struct telling *tell;
	char path[TOPO_NAME_MAX + 16];
	json_t *record;

	if (!o)
		return;
	record = record_of(api_body(r), &err);
	if (!record) {
		api_problem(r, 422, "invalid", &err);
		return;
	}
	health_path(path, o->name);
	tell = calloc(1, sizeof(*tell));
	if (!tell) {
		json_decref(record);
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	*tell = (struct telling){ .r = r,
				  .t = cache_hold(t),
				  .changes = json_pack("{s:O}", path, record),
				  .answer = json_pack("{s:s, s:o}", "name", o->name, "state", state_of(json_is_null(record) ? NULL : record)) };
	json_decref(record);
	db_put(api_of(r)->db, cache_name(t), NULL, tell->changes, on_told, tell);
}

static void on_all(struct api_request *r)
{
	api_with_tenant(r, get_all);
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, get_one);
}

static void on_put(struct api_request *r)
{
	api_with_tenant(r, put_one);
}

#define PATH "/api/v1/tenants/{tenant}/members/{name}/health"
const struct api_route health_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/health", on_all, API_READER, 0, NULL, "what health checks have told of members" },
	{ "GET", PATH, on_get, API_READER, 0, NULL, "what a health check has told of the member" },
	{ "PUT", PATH, on_put, API_ADMIN, 0, NULL, "tell what a health check has found" },
};
const unsigned int n_health_routes = ARRAY_SIZE(health_routes);
