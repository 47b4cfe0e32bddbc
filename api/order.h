/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of one kind in the orders that lists were asked for in: sorted once, kept with each change.  The ones that were asked for last are kept.  Private to the cache
 * (records.c); list.c compares as they do.
 */
#pragma once

#include "api/cache.h"

#define ORDER_KEYS_MAX 4

struct order_keys {
	struct {
		unsigned int field; /* row_field() */
		bool down;
	} keys[ORDER_KEYS_MAX];
	unsigned int n;
};

struct order;
struct orders { /* of one kind; all 0: none yet */
	struct order *first; /* the one that was asked for last */
};

/* Those without come first; then by type. */
int order_compare(const json_t *a, const json_t *b);
/* By all keys, then by name. */
int order_compare_objects(const struct cache_object *a, const struct cache_object *b, const struct order_keys *keys);

/* order_sort.c: 'rows', which are sorted by name.  False: no memory. */
bool order_sort(const struct cache_object **rows, uint32_t n, const struct order_keys *keys);

/* All 'n' of 'rows', which are sorted by name, in that order; NULL: no memory. */
const struct cache_object *const *orders_get(struct orders *orders, const struct order_keys *keys,
					     struct cache_object *const *rows, uint32_t n);
/* One comes; one goes, while it is as it was. */
void orders_add(struct orders *orders, const struct cache_object *o);
void orders_remove(struct orders *orders, const struct cache_object *o);
void orders_drop(struct orders *orders); /* all of them */
