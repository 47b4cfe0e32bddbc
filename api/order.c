// SPDX-License-Identifier: Apache-2.0
#include "api/order.h"

#include <stdlib.h>
#include <string.h>

#define ORDERS_MAX 4 /* of one kind */

struct order {
	struct order *next;
	struct order_keys keys;
	const struct cache_object **v;
	uint32_t n, max;
};

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

int order_compare_objects(const struct cache_object *a, const struct cache_object *b, const struct order_keys *keys)
{
	for (unsigned int i = 0; i < keys->n; i++) {
		int c = order_compare(a->values[keys->keys[i].field], b->values[keys->keys[i].field]);

		if (c)
			return keys->keys[i].down ? -c : c;
	}
	return strcmp(a->name, b->name);
}

static bool sort(struct order *order, struct cache_object *const *rows, uint32_t n)
{
	order->v = malloc((n + 1) * sizeof(*order->v));
	order->max = n + 1;
	order->n = n;
	if (!order->v)
		return false;
	if (n)
		memcpy(order->v, rows, n * sizeof(*order->v));
	return order_sort(order->v, n, &order->keys);
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
		if (a->keys[i].field != b->keys[i].field || a->keys[i].down != b->keys[i].down)
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
	uint32_t lo = 0, hi = order->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (order_compare_objects(order->v[mid], o, &order->keys) < 0)
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
