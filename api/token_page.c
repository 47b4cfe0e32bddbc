// SPDX-License-Identifier: Apache-2.0
/* Implements token_page.h.  Called by token_routes.c, session_routes.c. */
#include "api/token_page.h"

#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/page.h"
#include "util/cleanup.h"

static int by_id(const void *a, const void *b)
{
	return strcmp((*(const struct token *const *)a)->id, (*(const struct token *const *)b)->id);
}

static const struct token **seen(const struct api_request *r, enum token_kind kind, token_sees *sees, size_t *n)
{
	const struct tokens *all = store_tokens(auth_store(api_of(r)->auth));
	const struct token **list = calloc(all->n[kind] + 1, sizeof(*list));
	struct hmap_node *node, *tmp;

	*n = 0;
	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		if (list && t->kind == kind && sees(r, t))
			list[(*n)++] = t;
	}
	if (list)
		qsort(list, *n, sizeof(*list), by_id);
	return list;
}

void token_page(struct api_request *r, enum token_kind kind, token_sees *sees, json_t *(*view)(const struct token *t))
{
	unsigned int limit = page_limit(r);
	const char *after = api_query(r, "cursor");
	_free_ const struct token **list = NULL;
	json_t *items;
	size_t n, i = 0;

	if (!limit)
		return;
	list = seen(r, kind, sees, &n);
	items = json_array();
	while (after && i < n && strcmp(list[i]->id, after) <= 0)
		i++;
	for (; i < n && json_array_size(items) < limit; i++)
		json_array_append_new(items, view(list[i]));
	api_answer(r, 200, json_pack("{s:o, s:s?, s:I}", "items", items, "next", i < n ? list[i - 1]->id : NULL, "total", (json_int_t)n));
}

struct token *token_of_path(struct api_request *r, enum token_kind kind, token_sees *sees)
{
	struct token *t = tokens_find(store_tokens(auth_store(api_of(r)->auth)), kind, api_param(r, "id"));

	if (t && sees(r, t))
		return t;
	api_problemf(r, 404, "not_found", "%s '%.63s' does not exist", kind == TOKEN_SESSION ? "session" : "token", api_param(r, "id"));
	return NULL;
}
