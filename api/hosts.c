// SPDX-License-Identifier: Apache-2.0
/* Hosts: what their agents have registered, and whether these live. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cache.h"
#include "api/request.h"
#include "util/json.h"

struct asking {
	struct api_request *r;
	json_t *records; /* of the registry */
};

static void asking_free(void *data)
{
	struct asking *a = data;

	json_decref(a->records);
	free(a);
}

/* "use/<host>/<tenant>" */
static json_t *tenants_of(const json_t *records, const char *host)
{
	json_t *list = json_array(), *unused;
	size_t n = strlen(host);
	const char *path;

	json_object_foreach ((json_t *)records, path, unused)
		if (!strncmp(path, "use/", 4) && !strncmp(path + 4, host, n) && path[4 + n] == '/')
			json_array_append_new(list, json_string(path + 5 + n));
	return list;
}

static json_t *view(const json_t *records, const char *host, const json_t *record, const json_t *leases)
{
	json_t *v = json_object();
	char lease[TOPO_NAME_MAX + 8];

	snprintf(lease, sizeof(lease), "host/%s", host);
	json_object_set_new(v, "name", json_string(host));
	json_object_update_missing(v, (json_t *)record);
	json_object_set_new(v, "live", json_boolean(json_object_get(leases, lease)));
	json_object_set_new(v, "tenants", tenants_of(records, host));
	return v;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *views(const json_t *records, const json_t *leases)
{
	const char **names = calloc(json_object_size(records) + 1, sizeof(*names)), *path;
	json_t *list = json_array(), *unused;
	char key[TOPO_NAME_MAX + 8];
	size_t n = 0;

	json_object_foreach ((json_t *)records, path, unused)
		if (names && !strncmp(path, "host/", 5))
			names[n++] = path + 5;
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "host/%s", names[i]);
		json_array_append_new(list, view(records, names[i], json_object_get(records, key), leases));
	}
	free(names);
	return list;
}

static void on_leases(void *arg, const struct err *err, const json_t *leases)
{
	const struct asking *a = arg;
	struct api_request *r = a->r;
	const char *name = api_param(r, "name");
	char key[TOPO_NAME_MAX + 8];
	const json_t *record;
	json_t *list;

	if (err) {
		api_fail(r, err);
		return;
	}
	if (!name) {
		size_t n;

		list = views(a->records, leases);
		n = json_array_size(list);
		api_answer(r, 200, json_pack("{s:o, s:n, s:I}", "items", list, "next", "total", (json_int_t)n));
		return;
	}
	snprintf(key, sizeof(key), "host/%.63s", name);
	record = json_object_get(a->records, key);
	if (record)
		api_answer(r, 200, view(a->records, name, record, leases));
	else
		api_problemf(r, 404, "not_found", "host '%.63s' does not exist", name);
}

/* A monitor is told of none. */
static void forget_tenants(json_t *records)
{
	const char *path;
	json_t *unused;
	void *next;

	json_object_foreach_safe (records, next, path, unused)
		if (!strncmp(path, "use/", 4))
			json_object_del(records, path);
}

static void on_registry(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct asking *a = arg;

	if (err) {
		api_fail(a->r, err);
		return;
	}
	a->records = json_copy((json_t *)cache_records(t));
	if (api_caller_of(a->r)->role == API_MONITOR)
		forget_tenants(a->records);
	db_leases(api_of(a->r)->db, "host/", on_leases, a);
}

static void on_hosts(struct api_request *r)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	a->r = r;
	api_keep(r, a, asking_free);
	cache_get(api_of(r)->cache, DB_HOSTS, on_registry, a);
}

const struct api_route hosts_routes[] = {
	{ "GET", "/api/v1/hosts", on_hosts, API_OPERATOR, API_MONITORS, NULL, "hosts, and whether their agents live" },
	{ "GET", "/api/v1/hosts/{name}", on_hosts, API_OPERATOR, API_MONITORS, NULL, "one host" },
};
const unsigned int n_hosts_routes = ARRAY_SIZE(hosts_routes);
