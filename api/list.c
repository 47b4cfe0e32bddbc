// SPDX-License-Identifier: Apache-2.0
#include "api/list.h"

#include "api/object.h"
#include "api/parse.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

void list_answer(struct api_request *r, struct cache_tenant *t, enum topo_kind kind)
{
	const char *text = api_query(r, "limit");
	uint64_t limit = LIMIT_DEFAULT;
	json_t *items = json_array();
	const struct cache_object *const *rows;
	uint32_t n;

	if (text && (!parse_u64(text, &limit) || !limit || limit > LIMIT_MAX)) {
		json_decref(items);
		api_problemf(r, 400, "malformed", "query parameter 'limit': '%.40s' is not allowed (want 1 to %d)", text,
			     LIMIT_MAX);
		return;
	}
	rows = cache_rows(t, kind, &n);
	for (uint32_t i = 0; i < n && i < limit; i++)
		json_array_append_new(items, object_view(kind, rows[i]));
	api_answer(r, 200, json_pack("{s:o, s:n, s:i}", "items", items, "next", "total", (int)n));
}
