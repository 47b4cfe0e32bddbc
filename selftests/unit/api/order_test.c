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
#include "api/row.h"
#include "util/hash.h"

#define OBJECTS 200
#define STEPS	3000

static uint64_t at;

static uint32_t below(uint32_t n)
{
	at += 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash_u64(at) % n);
}

static json_t *text(void)
{
	static const char *const beginnings[] = { "", "0", "02:00:00:00:", "a text that is longer than what is looked at at once, and " };

	return json_sprintf("%s%x", beginnings[below(4)], below(30));
}

static json_t *value(void)
{
	static const json_int_t numbers[] = { 0, 1, -1, 7, 1000, INT64_C(1) << 52, (INT64_C(1) << 52) + 1, INT64_MAX, INT64_MIN, INT64_MIN + 1 };

	switch (below(8)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(below(2));
	case 2:
		return json_integer(numbers[below(sizeof(numbers) / sizeof(numbers[0]))]);
	case 3:
		return json_pack("[{s:i}, o]", "a", below(3), text());
	case 4:
		return json_array();
	case 5:
		return json_pack("[o, [i], o]", text(), below(3), text());
	default:
		return text();
	}
}

static struct cache_object *make(uint32_t i)
{
	char name[16];
	struct cache_object *o;
	json_t *record;

	snprintf(name, sizeof(name), "p%u", i);
	record = json_pack("{s:s, s:i}", "name", name, "rev", below(50));
	if (below(2))
		json_object_set_new(record, "mac", json_sprintf("%02x", below(30)));
	if (below(2))
		json_object_set_new(record, "addresses", json_pack("[i, i]", below(4), below(4)));
	if (!below(10))
		json_object_set_new(record, "mac", json_null());
	if (below(3))
		json_object_set_new(record, "description", value());
	if (below(3))
		json_object_set_new(record, "trunk", json_pack("[o, o, i]", text(), value(), below(3)));
	o = row_new(&topo_shapes[TOPO_PORT], name, record);
	json_decref(record);
	return o;
}

static void unmake(struct cache_object *o)
{
	row_free(o);
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
		keys->keys[keys->n++].field = (unsigned int)row_field(&topo_shapes[TOPO_PORT], *fields + (**fields == '-'));
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
						{ "-mac", "rev" }, { "-rev", "-addresses" }, { "addresses", "mac", "-rev", "name" },
						{ "description", "-trunk" }, { "-trunk", "description", "rev" } };
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

static int compare(const void *a, const void *b, void *keys)
{
	return order_compare_objects(*(struct cache_object *const *)a, *(struct cache_object *const *)b, keys);
}

/* Many, so that nothing of them is sorted by comparison; some have more in common than is looked at piece by piece. */
static void many(void **state)
{
	static const char *const sorts[][5] = { { "description" }, { "-description", "rev" }, { "-trunk" }, { "trunk", "-description" }, { "mac", "-addresses", "trunk" }, { "-rev", "trunk", "description" } };
	enum { MANY = 5000 };
	struct cache_object **rows = calloc(MANY, sizeof(*rows));
	const struct cache_object **sorted = calloc(MANY, sizeof(*sorted));
	char *long_text = calloc(1, 1001);

	(void)state;
	memset(long_text, 'x', 1000);
	for (uint32_t i = 0; i < MANY; i++) {
		rows[i] = make(i);
		if (below(3))
			continue;
		json_object_set_new(rows[i]->record, "description", json_sprintf("%.*s%u", (int)below(5) * 250, long_text, below(100)));
		rows[i]->values[row_field(&topo_shapes[TOPO_PORT], "description")] = json_object_get(rows[i]->record, "description");
	}
	qsort(rows, MANY, sizeof(*rows), by_name);
	for (size_t k = 0; k < sizeof(sorts) / sizeof(sorts[0]); k++) {
		struct order_keys keys;

		keys_of(&keys, sorts[k]);
		memcpy(sorted, rows, MANY * sizeof(*rows));
		assert_true(order_sort(sorted, MANY, &keys));
		qsort_r(rows, MANY, sizeof(*rows), compare, &keys);
		for (uint32_t i = 0; i < MANY; i++)
			if (rows[i] != sorted[i])
				fail_msg("'%s': at %u: '%s', not '%s'", sorts[k][0], i, sorted[i]->name, rows[i]->name);
		qsort(rows, MANY, sizeof(*rows), by_name);
	}
	for (uint32_t i = 0; i < MANY; i++)
		unmake(rows[i]);
	free(rows);
	free(sorted);
	free(long_text);
}

static void forth_and_back(void **state)
{
	struct cache_object *rows[3] = { make(0), make(1), make(2) };
	struct orders orders = { 0 };
	struct order_keys keys = { .keys = { { (unsigned int)row_field(&topo_shapes[TOPO_PORT], "name"), true } }, .n = 1 };
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
		cmocka_unit_test(many),
		cmocka_unit_test(forth_and_back),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
