/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: limit, cursor, sort, filter, fields. */
#pragma once

#include "api/cache.h"
#include "api/order.h"
#include "api/request.h"
#include "topology/schema.h"

struct list_of {
	const char *plural; /* for messages */
	const struct topo_shape *shape;
	json_t *(*view)(const struct cache_object *o); /* new reference; not to be changed */
	/* All there are, as 'keys' say (none: by name).  NULL: no memory, if 'n' is not 0. */
	const struct cache_object *const *(*rows)(void *arg, const struct order_keys *keys, uint32_t *n);
	void *arg;
};

void list_answer(struct api_request *r, const struct list_of *of);
/* Of what is no object of a tenant: 'rows' have been made by row_new(), in any order. */
void list_answer_rows(struct api_request *r, const char *plural, const struct topo_shape *shape, struct cache_object **rows, uint32_t n);
