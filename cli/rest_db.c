// SPDX-License-Identifier: Apache-2.0
/* What the state DB would have answered, put together from what the API answers. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/rest.h"
#include "topology/doc.h"
#include "topology/topology.h"
#include "util/json.h"

/* The page behind 'cursor'; "" = the first one. */
static json_t *page_of(struct cli *cli, const char *path, const char *cursor, struct err *err)
{
	char *escaped = curl_easy_escape(NULL, cursor, 0);
	_free_ char *where = NULL;

	if (!escaped || asprintf(&where, "%s%climit=1000%s%s", path, strchr(path, '?') ? '&' : '?', *cursor ? "&cursor=" : "", escaped) < 0)
		where = NULL;
	curl_free(escaped);
	if (where)
		return rest_call(cli, "GET", where, NULL, err);
	err_set(err, -ENOMEM, "out of memory");
	return NULL;
}

int rest_each(struct cli *cli, const char *path, int (*cb)(void *arg, json_t *item), void *arg, struct err *err)
{
	_free_ char *cursor = strdup("");

	while (cursor) {
		_json_ json_t *page = page_of(cli, path, cursor, err);
		const char *next = json_str(page, "next");
		json_t *item;
		size_t i;
		int rc;

		if (!page)
			return err->code;
		json_array_foreach(json_object_get(page, "items"), i, item)
			if ((rc = cb(arg, item)))
				return rc > 0 ? 0 : err_set(err, -ENOMEM, "out of memory");
		if (!next)
			return 0;
		if (!strcmp(next, cursor))
			return err_set(err, -EPROTO, "'%s' has no end: a page leads to itself", path);
		free(cursor);
		cursor = strdup(next);
	}
	return err_set(err, -ENOMEM, "out of memory");
}

static int add_name(void *arg, json_t *item)
{
	return json_array_append(arg, json_object_get(item, "name"));
}

json_t *rest_tenants(struct cli *cli, struct err *err)
{
	_json_ json_t *names = json_array();

	return rest_each(cli, "/api/v1/tenants", add_name, names, err) ? NULL : TAKE_PTR(names);
}

struct reading {
	json_t *records;
	enum topo_kind kind;
};

/* In the order of records. */
static int add_record(void *arg, json_t *item)
{
	const struct reading *in = arg;
	const char *name = json_str(item, "name");
	char path[TOPO_NAME_MAX + 40];
	json_t *record;

	if (!name)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", topo_kind_name(in->kind), name);
	record = json_pack("{s:O*}", "rev", json_object_get(item, "rev"));
	if (json_object_update(record, item)) {
		json_decref(record);
		return -ENOMEM;
	}
	if (in->kind == TOPO_BIND) /* records are named by the port, and say it once */
		(void)json_object_del(record, "port");
	return json_object_set_new(in->records, path, record);
}

/* One kind's objects; the one of that name, if it may be one. */
static int read_kind(struct cli *cli, const char *tenant, enum topo_kind kind, const char *name, json_t *records, struct err *err)
{
	struct reading in = { records, kind };
	char path[REST_URL_MAX], rest[64 + TOPO_NAME_MAX];
	const bool one = name && topo_name_valid(name);

	snprintf(rest, sizeof(rest), "/%s%s%.*s", topo_kind_plural(kind), one ? "?filter=name:" : "", TOPO_NAME_MAX, one ? name : "");
	return rest_each(cli, rest_of_tenant(path, tenant, rest), add_record, &in, err);
}

json_t *rest_read(struct cli *cli, const char *tenant, int kind, const char *name, struct err *err)
{
	_json_ json_t *records = json_object(), *about = NULL;
	const json_t *counts;
	char path[REST_URL_MAX];

	about = rest_call(cli, "GET", rest_of_tenant(path, tenant, ""), NULL, err);
	if (!about) {
		if (err->code == -ENOENT)
			cli_no_tenant(tenant, err);
		return NULL;
	}
	counts = json_object_get(about, "objects");
	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		const json_t *n = json_object_get(counts, topo_kind_plural((enum topo_kind)k));

		if ((kind >= 0 && k != kind) || (n && !json_integer_value(n)))
			continue;
		if (read_kind(cli, tenant, (enum topo_kind)k, name, records, err))
			return NULL;
	}
	json_object_set(about, "records", records);
	json_object_set(about, "rev", json_object_get(about, "revision"));
	return TAKE_PTR(about);
}

int rest_add_live(struct cli *cli, const char *tenant, json_t *records, json_t *leases, struct err *err)
{
	_json_ json_t *live = NULL;
	char path[REST_URL_MAX];
	const char *name;
	json_t *port;

	live = rest_call(cli, "GET", rest_of_tenant(path, tenant, "/live?places=true"), NULL, err);
	if (!live)
		return err->code;
	json_object_foreach(json_object_get(live, "ports"), name, port) {
		snprintf(path, sizeof(path), "live/%.*s", TOPO_NAME_MAX, name);
		if (json_is_true(json_object_get(port, "up")) || json_is_true(json_object_get(port, "was_up")))
			json_object_set_new(records, path, json_pack("{s:O?}", "host", json_object_get(port, "host")));
		if (!json_str(port, "host") || !strcmp(json_str(port, "state") ? json_str(port, "state") : "", "no agent"))
			continue;
		snprintf(path, sizeof(path), "host/%.*s", TOPO_NAME_MAX, json_str(port, "host"));
		json_object_set_new(leases, path, json_object());
	}
	return 0;
}

int rest_add_health(struct cli *cli, const char *tenant, json_t *records, struct err *err)
{
	_json_ json_t *told = NULL;
	char path[REST_URL_MAX];
	const char *name;
	json_t *state;

	told = rest_call(cli, "GET", rest_of_tenant(path, tenant, "/health"), NULL, err);
	if (!told)
		return err->code;
	json_object_foreach(json_object_get(told, "members"), name, state) {
		snprintf(path, sizeof(path), "health/%.*s", TOPO_NAME_MAX, name);
		json_object_set_new(records, path, json_pack("{s:b}", "up", !strcmp(json_is_string(state) ? json_string_value(state) : "", "up")));
	}
	return 0;
}

json_t *rest_set_health(struct cli *cli, const char *tenant, const char *member, bool up, struct err *err)
{
	_json_ json_t *body = json_pack("{s:s}", "state", up ? "up" : "down");
	char path[REST_URL_MAX], rest[TOPO_NAME_MAX + 32];

	snprintf(rest, sizeof(rest), "/members/%.*s/health", TOPO_NAME_MAX, member);
	return rest_call(cli, "PUT", rest_of_tenant(path, tenant, rest), body, err);
}

static int add_lease(void *arg, json_t *host)
{
	char path[TOPO_NAME_MAX + 8];

	snprintf(path, sizeof(path), "host/%.63s", json_str(host, "name") ? json_str(host, "name") : "");
	return json_is_true(json_object_get(host, "live")) ? json_object_set_new(arg, path, json_object()) : 0;
}

json_t *rest_leases(struct cli *cli, struct err *err)
{
	_json_ json_t *leases = json_object();

	if (!rest_each(cli, "/api/v1/hosts", add_lease, leases, err))
		return TAKE_PTR(leases);
	if (err->code == -EPERM)
		*err = (struct err){ 0 };
	return NULL;
}

static int add_host(void *arg, json_t *host)
{
	const char *name = json_str(host, "name") ? json_str(host, "name") : "";
	char path[2 * TOPO_NAME_MAX + 8];
	json_t *tenant;
	size_t i;

	json_array_foreach(json_object_get(host, "tenants"), i, tenant) {
		snprintf(path, sizeof(path), "use/%.*s/%.*s", TOPO_NAME_MAX, name, TOPO_NAME_MAX,
			 json_is_string(tenant) ? json_string_value(tenant) : "");
		if (json_object_set_new(arg, path, json_object()))
			return -ENOMEM;
	}
	snprintf(path, sizeof(path), "host/%.*s", TOPO_NAME_MAX, name);
	return json_object_set(arg, path, host);
}

json_t *rest_registry(struct cli *cli, struct err *err)
{
	_json_ json_t *records = json_object();

	return rest_each(cli, "/api/v1/hosts", add_host, records, err) ? NULL : json_pack("{s:O}", "records", records);
}

json_t *rest_bindings(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *records = json_object();
	struct reading in = { records, TOPO_BIND };
	char path[TOPO_NAME_MAX + 64];

	snprintf(path, sizeof(path), "/api/v1/tenants/%.*s/%s", TOPO_NAME_MAX, tenant, topo_kind_plural(TOPO_BIND));
	return rest_each(cli, path, add_record, &in, err) ? NULL : json_pack("{s:O}", "records", records);
}

static int add_item(void *arg, json_t *item)
{
	return json_array_append(arg, item);
}

json_t *rest_tokens(struct cli *cli, struct err *err)
{
	_json_ json_t *list = json_array();

	return rest_each(cli, "/api/v1/tokens", add_item, list, err) ? NULL : TAKE_PTR(list);
}
