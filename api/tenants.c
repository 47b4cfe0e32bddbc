// SPDX-License-Identifier: Apache-2.0
/* Tenants themselves. */
#include <stdlib.h>
#include <string.h>

#include "api/cache.h"
#include "api/request.h"
#include "topology/schema.h"

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

static void describe(struct api_request *r, struct cache_tenant *t)
{
	json_t *counts = json_object();

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		uint32_t n;

		cache_rows(t, (enum topo_kind)k, &n);
		json_object_set_new(counts, topo_kind_plural((enum topo_kind)k), json_integer(n));
	}
	api_answer(r, 200, json_pack("{s:s, s:I, s:o}", "name", cache_name(t), "revision", (json_int_t)cache_crev(t), "objects",
				     counts));
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, describe);
}

const struct api_route tenants_routes[] = {
	{ "GET", "/api/v1/tenants", on_list, API_READER, 0, NULL, "tenants that the caller sees" },
	{ "GET", "/api/v1/tenants/{tenant}", on_get, API_READER, 0, NULL, "a tenant: how much it has" },
};
const unsigned int n_tenants_routes = ARRAY_SIZE(tenants_routes);
