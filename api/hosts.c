// SPDX-License-Identifier: Apache-2.0
/* Hosts: what their agents have registered, and whether these live. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/list.h"
#include "api/request.h"
#include "api/row.h"
#include "util/cleanup.h"
#include "util/json.h"

struct asking {
	struct api_request *r;
	struct cache_tenant *registry;
};

static void asking_free(void *data)
{
	struct asking *a = data;

	cache_release(a->registry);
	free(a);
}

/* What a list of hosts may be sorted and filtered by: what agents say of themselves (loader/hosts.c), and what is known here. */
static const struct topo_field host_fields[] = {
	{ .name = "name" },	{ .name = "address" },	    { .name = "port" },	   { .name = "mtu" },	 { .name = "version" }, { .name = "encap" },
	{ .name = "marks" },	{ .name = "translations" }, { .name = "host" },	   { .name = "rev" },	 { .name = "live" },	{ .name = "tenants" },
};
static const struct topo_shape hosts_shape = { .what = "host", .key = "name", .fields = host_fields, .n = ARRAY_SIZE(host_fields) };

/* "use/<host>/<tenant>": {host: [tenant]}; of one host only, if 'host' is not NULL. */
static json_t *tenants_of_hosts(const json_t *records, const char *host)
{
	json_t *all = json_object(), *list, *unused;
	const char *path;

	json_object_foreach ((json_t *)records, path, unused) {
		const char *of = path + 4, *slash = strncmp(path, "use/", 4) ? NULL : strchr(of, '/');
		const size_t n = slash ? (size_t)(slash - of) : 0;

		if (!slash || (host && (strlen(host) != n || memcmp(host, of, n) != 0)))
			continue;
		list = json_object_getn(all, of, n);
		if (!list) {
			list = json_array();
			json_object_setn_new(all, of, n, list);
		}
		json_array_append_new(list, json_string(slash + 1));
	}
	return all;
}

/* A monitor is told of none. */
static json_t *tenants_for(struct api_request *r, const json_t *records, const char *host)
{
	return api_caller_of(r)->role == API_MONITOR ? json_object() : tenants_of_hosts(records, host);
}

static json_t *view(const char *host, const json_t *record, const json_t *leases, const json_t *tenants)
{
	json_t *v = json_object(), *list = json_object_get(tenants, host);
	char lease[TOPO_NAME_MAX + 8];

	snprintf(lease, sizeof(lease), "host/%.63s", host);
	json_object_set_new(v, "name", json_string(host));
	json_object_update_missing(v, (json_t *)record);
	json_object_set_new(v, "live", json_boolean(json_object_get(leases, lease)));
	json_object_set_new(v, "tenants", list ? json_incref(list) : json_array());
	return v;
}

static void answer_list(struct api_request *r, const json_t *records, const json_t *leases)
{
	struct cache_object **rows = calloc(json_object_size(records) + 1, sizeof(*rows));
	_json_ json_t *tenants = tenants_for(r, records, NULL);
	json_t *record;
	const char *path;
	uint32_t n = 0;
	bool ok = rows;

	json_object_foreach ((json_t *)records, path, record) {
		_json_ json_t *v = NULL;

		if (!ok || strncmp(path, "host/", 5))
			continue;
		v = view(path + 5, record, leases, tenants);
		rows[n] = row_new(&hosts_shape, path + 5, v);
		ok = rows[n];
		n += ok;
	}
	if (ok)
		list_answer_rows(r, "hosts", &hosts_shape, rows, n);
	else
		api_problemf(r, 503, "overloaded", "out of memory");
	while (n)
		row_free(rows[--n]);
	free(rows);
}

static void answer_one(struct api_request *r, const char *name, const json_t *records, const json_t *leases)
{
	_json_ json_t *tenants = tenants_for(r, records, name);
	char path[TOPO_NAME_MAX + 8];
	const json_t *record;

	snprintf(path, sizeof(path), "host/%.63s", name);
	record = json_object_get(records, path);
	if (record)
		api_answer(r, 200, view(path + 5, record, leases, tenants));
	else
		api_problemf(r, 404, "not_found", "host '%.63s' does not exist", name);
}

static void on_leases(void *arg, const struct err *err, const json_t *leases)
{
	const struct asking *a = arg;
	const char *name = api_param(a->r, "name");

	if (err)
		api_fail(a->r, err);
	else if (name)
		answer_one(a->r, name, cache_records(a->registry), leases);
	else
		answer_list(a->r, cache_records(a->registry), leases);
}

static void on_registry(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct asking *a = arg;

	if (err) {
		api_fail(a->r, err);
		return;
	}
	a->registry = cache_hold(t);
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
	{ "GET", "/api/v1/hosts", on_hosts, API_OPERATOR, API_MONITORS | API_LISTS, NULL, "hosts, and whether their agents live" },
	{ "GET", "/api/v1/hosts/{name}", on_hosts, API_OPERATOR, API_MONITORS, NULL, "one host" },
};
const unsigned int n_hosts_routes = ARRAY_SIZE(hosts_routes);
