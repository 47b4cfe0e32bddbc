// SPDX-License-Identifier: Apache-2.0
/* An order that is kept is the one that would be made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/order.h"
#include "util/hash.h"

#define OBJECTS 200
#define STEPS	3000

static uint64_t at;

static uint32_t below(uint32_t n)
{
	at += 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash_u64(at) % n);
}

static struct cache_object *make(uint32_t i)
{
	struct cache_object *o = calloc(1, sizeof(*o) + 16);
	char *name = (char *)(o + 1);

	snprintf(name, 16, "p%u", i);
	o->name = name;
	o->kind = TOPO_PORT;
	o->record = json_pack("{s:s, s:i}", "name", name, "rev", below(50));
	if (below(2))
		json_object_set_new(o->record, "mac", json_sprintf("%02x", below(30)));
	if (below(2))
		json_object_set_new(o->record, "addresses", json_pack("[i, i]", below(4), below(4)));
	if (!below(10))
		json_object_set_new(o->record, "mac", json_null());
	return o;
}

static void unmake(struct cache_object *o)
{
	json_decref(o->record);
	free(o);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct cache_object *const *)a)->name, (*(struct cache_object *const *)b)->name);
}

static uint32_t rows_of(struct cache_object *const *all, struct cache_object **rows)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < OBJECTS; i++)
		if (all[i])
			rows[n++] = all[i];
	qsort(rows, n, sizeof(*rows), by_name);
	return n;
}

static void keys_of(struct order_keys *keys, const char *const *fields)
{
	*keys = (struct order_keys){ 0 };
	for (; *fields; fields++) {
		keys->keys[keys->n].down = **fields == '-';
		snprintf(keys->keys[keys->n++].field, 64, "%s", *fields + (**fields == '-'));
	}
}

static void check(struct orders *kept, const struct order_keys *keys, struct cache_object *const *all)
{
	struct cache_object *rows[OBJECTS];
	uint32_t n = rows_of(all, rows);
	struct orders fresh = { 0 };
	const struct cache_object *const *x = orders_get(kept, keys, rows, n), *const *y = orders_get(&fresh, keys, rows, n);

	assert_non_null(x);
	assert_non_null(y);
	for (uint32_t i = 0; i < n; i++)
		if (x[i] != y[i])
			fail_msg("at %u: '%s', not '%s'", i, x[i]->name, y[i]->name);
	orders_drop(&fresh);
}

static void kept_orders(void **state)
{
	/* more than are kept */
	static const char *const sorts[][5] = { { "name" },	   { "-name", "rev" },	  { "mac" },
						{ "-mac", "rev" }, { "-rev", "-addresses" }, { "addresses", "mac", "-rev", "name" } };
	struct cache_object *all[OBJECTS] = { 0 };
	struct orders orders = { 0 };
	struct order_keys keys;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = below(OBJECTS);

		if (all[i])
			orders_remove(&orders, all[i]);
		if (all[i] && !below(3)) {
			unmake(all[i]);
			all[i] = NULL;
		} else {
			if (all[i])
				unmake(all[i]);
			all[i] = make(i);
			orders_add(&orders, all[i]);
		}
		if (below(4))
			continue;
		keys_of(&keys, sorts[below(sizeof(sorts) / sizeof(sorts[0]))]);
		check(&orders, &keys, all);
	}
	orders_drop(&orders);
	for (uint32_t i = 0; i < OBJECTS; i++)
		if (all[i])
			unmake(all[i]);
}

static void forth_and_back(void **state)
{
	struct cache_object *rows[3] = { make(0), make(1), make(2) };
	struct orders orders = { 0 };
	struct order_keys keys = { .keys = { { "name", true } }, .n = 1 };
	const struct cache_object *const *v = orders_get(&orders, &keys, rows, 3);

	(void)state;
	assert_string_equal(v[0]->name, "p2");
	assert_string_equal(v[2]->name, "p0");
	keys.keys[0].down = false;
	v = orders_get(&orders, &keys, rows, 3);
	assert_string_equal(v[0]->name, "p0");
	orders_drop(&orders);
	for (int i = 0; i < 3; i++)
		unmake(rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_orders),
		cmocka_unit_test(forth_and_back),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
