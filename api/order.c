// SPDX-License-Identifier: Apache-2.0
#include "api/order.h"

#include <stdlib.h>
#include <string.h>

#include "topology/schema.h"

#define ORDERS_MAX 4 /* of one kind */

struct order {
	struct order *next;
	struct order_keys keys;
	const struct cache_object **v;
	uint32_t n, max;
};

json_t *order_value(const struct cache_object *o, const char *field)
{
	return json_object_get(o->record, strcmp(field, topo_shapes[o->kind].key) ? field : "name");
}

int order_compare(const json_t *a, const json_t *b)
{
	int ta = a ? (int)json_typeof(a) : -1, tb = b ? (int)json_typeof(b) : -1;

	if (ta != tb)
		return ta < tb ? -1 : 1;
	if (json_is_string(a))
		return strcmp(json_string_value(a), json_string_value(b));
	if (json_is_integer(a))
		return json_integer_value(a) < json_integer_value(b) ? -1 : json_integer_value(a) > json_integer_value(b);
	if (json_is_array(a)) {
		for (size_t i = 0; i < json_array_size(a) && i < json_array_size(b); i++) {
			int c = order_compare(json_array_get(a, i), json_array_get(b, i));

			if (c)
				return c;
		}
		return json_array_size(a) < json_array_size(b) ? -1 : json_array_size(a) > json_array_size(b);
	}
	return 0;
}

/* --- sorting: each value is looked up once --- */

struct keyed {
	const struct cache_object *o;
	json_t *v[ORDER_KEYS_MAX];
};

static void key(struct keyed *k, const struct order_keys *keys, const struct cache_object *o)
{
	k->o = o;
	for (unsigned int i = 0; i < keys->n; i++)
		k->v[i] = order_value(o, keys->keys[i].field);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct keyed *x = a, *y = b;
	const struct order_keys *keys = arg;

	for (unsigned int i = 0; i < keys->n; i++) {
		int c = order_compare(x->v[i], y->v[i]);

		if (c)
			return keys->keys[i].down ? -c : c;
	}
	return strcmp(x->o->name, y->o->name);
}

/* In the order of names, forth or back, they are already. */
static bool by_name(const struct order_keys *keys)
{
	return !strcmp(keys->keys[0].field, "name");
}

static bool sort(struct order *order, struct cache_object *const *rows, uint32_t n)
{
	struct keyed *all = calloc(n + 1, sizeof(*all));

	order->v = malloc((n + 1) * sizeof(*order->v));
	order->max = n + 1;
	if (all && order->v && by_name(&order->keys)) {
		for (uint32_t i = 0; i < n; i++)
			order->v[i] = rows[order->keys.keys[0].down ? n - 1 - i : i];
	} else if (all && order->v) {
		for (uint32_t i = 0; i < n; i++)
			key(&all[i], &order->keys, rows[i]);
		qsort_r(all, n, sizeof(*all), compare, &order->keys);
		for (uint32_t i = 0; i < n; i++)
			order->v[i] = all[i].o;
	}
	order->n = n;
	free(all);
	return all && order->v;
}

static void free_order(struct order *order)
{
	free(order->v);
	free(order);
}

static bool same_keys(const struct order_keys *a, const struct order_keys *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (strcmp(a->keys[i].field, b->keys[i].field) != 0 || a->keys[i].down != b->keys[i].down)
			return false;
	return true;
}

const struct cache_object *const *orders_get(struct orders *orders, const struct order_keys *keys,
					     struct cache_object *const *rows, uint32_t n)
{
	struct order **at = &orders->first, *order;
	unsigned int others = 0;

	for (; (order = *at) && !same_keys(&order->keys, keys); at = &order->next)
		if (++others == ORDERS_MAX) { /* the one that was not asked for the longest gives way */
			*at = order->next;
			free_order(order);
			order = NULL;
			break;
		}
	if (order) {
		*at = order->next;
	} else {
		order = calloc(1, sizeof(*order));
		if (!order)
			return NULL;
		order->keys = *keys;
		if (!sort(order, rows, n)) {
			free_order(order);
			return NULL;
		}
	}
	order->next = orders->first;
	orders->first = order;
	return order->v;
}

/* --- one of them --- */

/* The first that 'o' is not behind. */
static uint32_t place(const struct order *order, const struct cache_object *o)
{
	struct keyed mine, other;
	uint32_t lo = 0, hi = order->n;

	key(&mine, &order->keys, o);
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		key(&other, &order->keys, order->v[mid]);
		if (compare(&other, &mine, (void *)&order->keys) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool grow(struct order *order)
{
	const struct cache_object **v;

	if (order->n < order->max)
		return true;
	v = realloc(order->v, 2 * order->max * sizeof(*v));
	if (!v)
		return false;
	order->v = v;
	order->max *= 2;
	return true;
}

void orders_add(struct orders *orders, const struct cache_object *o)
{
	for (struct order **at = &orders->first, *order; (order = *at);) {
		uint32_t i;

		if (!grow(order)) { /* it is made again when it is asked for */
			*at = order->next;
			free_order(order);
			continue;
		}
		i = place(order, o);
		memmove(&order->v[i + 1], &order->v[i], (order->n - i) * sizeof(*order->v));
		order->v[i] = o;
		order->n++;
		at = &order->next;
	}
}

void orders_remove(struct orders *orders, const struct cache_object *o)
{
	for (struct order *order = orders->first; order; order = order->next) {
		uint32_t i = place(order, o);

		if (i == order->n || order->v[i] != o)
			continue;
		order->n--;
		memmove(&order->v[i], &order->v[i + 1], (order->n - i) * sizeof(*order->v));
	}
}

void orders_drop(struct orders *orders)
{
	struct order *order;

	while ((order = orders->first)) {
		orders->first = order->next;
		free_order(order);
	}
}
