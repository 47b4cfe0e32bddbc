/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as lists look at them: where the fields of a record are is found once, when it comes, not by each who asks. */
#pragma once

#include "api/cache.h"
#include "topology/schema.h"

/* 'shape': as documents have it.  NULL: no memory. */
struct cache_object *row_new(const struct topo_shape *shape, const char *name, json_t *record);
void row_free(struct cache_object *o); /* takes NULL */
size_t row_size(const struct topo_shape *shape); /* bytes, about */

/* The field's number, which cache_object.values has; "name" is whatever objects are called by.  -1: there is none. */
int row_field(const struct topo_shape *shape, const char *name);

#define ROW_AHEAD 16

/* What a text is looked for in first. */
static inline const json_t *row_first(const json_t *v)
{
	return json_is_array(v) ? json_array_get(v, 0) : v;
}

/* Many objects do not fit into the processor's cache: of those that come next, what their values[field] is is on its way. */
static inline void row_fetch(const struct cache_object *const *rows, uint32_t at, uint32_t n, unsigned int field)
{
	if (at + 4 * ROW_AHEAD >= n)
		return;
	__builtin_prefetch(&rows[at + 4 * ROW_AHEAD]->values[field]);
	__builtin_prefetch(rows[at + 3 * ROW_AHEAD]->values[field]);
	__builtin_prefetch(row_first(rows[at + 2 * ROW_AHEAD]->values[field]));
	__builtin_prefetch(json_string_value(row_first(rows[at + ROW_AHEAD]->values[field])));
}
