// SPDX-License-Identifier: Apache-2.0
/*
 * Sorting of many objects at once, as order_compare_objects() orders them, but without a comparison of each with each: of every value a number is made (its "head") that
 * is ordered as the values are, as far as it goes; those are sorted by radix, and runs of the same head by what comes next: the rest of the text, the next element of the
 * list, the next key.  Sorting is stable, and the rows come sorted by name: so those that are the same in all keys are sorted already.
 */
#include "api/order.h"

#include <stdlib.h>
#include <string.h>

#include "api/row.h"

#define DEPTH_MAX  64 /* of looking at what comes next; who has more in common is compared */
#define FEW	   48 /* by insertion */
#define HEAD_TEXT  7  /* bytes of text */
#define NUMBER_MAX ((INT64_C(1) << 52) - 1)
#define TOO_SMALL  UINT64_C(0)
#define TOO_LARGE  (UINT64_C(2) * NUMBER_MAX + 2)

struct item {
	uint64_t head;
	const struct cache_object *o;
};

struct sorting {
	const struct order_keys *keys;
	struct item *spare;   /* as many as there are */
	const json_t **parts; /* as many */
};

/* What is being looked at: the key, and of lists the element. */
struct place {
	unsigned int key;
	size_t element;
	unsigned int depth;
};

/* --- heads: type of the value (4 bits), type of the part of it that is looked at (4), what fits of that (56) --- */

#define VALUE_TYPE 60
#define PART_TYPE  56

static uint64_t type_of(const json_t *v)
{
	return v ? (uint64_t)json_typeof(v) + 1 : 0;
}

static bool has_type(uint64_t head, unsigned int which, json_type type)
{
	return (head >> which & 15) == (uint64_t)type + 1;
}

/*
 * The parts: values themselves; of lists an element, NULL behind their end.  'head' gets the types.  One step of the way from object to text a pass, with those that
 * come next on their way already: they are all over the memory.
 */
static void take_parts(const struct sorting *s, struct item *items, uint32_t n, const struct place *at)
{
	const unsigned int field = s->keys->keys[at->key].field;
	const json_t **parts = s->parts;

	for (uint32_t i = 0; i < n; i++) {
		if (i + ROW_AHEAD < n)
			__builtin_prefetch(&items[i + ROW_AHEAD].o->values[field]);
		parts[i] = items[i].o->values[field];
	}
	for (uint32_t i = 0; i < n; i++) {
		if (i + ROW_AHEAD < n)
			__builtin_prefetch(parts[i + ROW_AHEAD]);
		items[i].head = type_of(parts[i]) << VALUE_TYPE;
		if (json_is_array(parts[i]))
			parts[i] = json_array_get(parts[i], at->element);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (i + ROW_AHEAD < n)
			__builtin_prefetch(parts[i + ROW_AHEAD]);
		items[i].head |= type_of(parts[i]) << PART_TYPE;
	}
}

/* How much the texts among the parts have in common, at their beginning. */
static size_t in_common(const json_t *const *parts, uint32_t n)
{
	const char *first = NULL;
	size_t common = 0;

	for (uint32_t i = 0; i < n && (!first || common); i++) {
		const char *text = json_string_value(parts[i]);

		if (i + ROW_AHEAD < n)
			__builtin_prefetch(json_string_value(parts[i + ROW_AHEAD]));
		if (text && !first) {
			first = text;
			common = strlen(text);
		} else if (text && strncmp(first, text, common) != 0) {
			for (common = 0; first[common] == text[common];)
				common++;
		}
	}
	return common;
}

static uint64_t head_of_text(const char *text)
{
	uint64_t head = 0;

	for (unsigned int i = 0; i < HEAD_TEXT; i++) {
		head = head << 8 | (uint8_t)*text;
		text += !!*text;
	}
	return head;
}

/* Too small and too large ones are the same. */
static uint64_t head_of_number(json_int_t n)
{
	return n < -NUMBER_MAX ? TOO_SMALL : n > NUMBER_MAX ? TOO_LARGE : (uint64_t)(n + NUMBER_MAX) + 1;
}

static uint64_t head_of(const json_t *part, size_t skip)
{
	if (json_is_string(part))
		return head_of_text(json_string_value(part) + skip);
	return json_is_integer(part) ? head_of_number(json_integer_value(part)) : 0;
}

/* Have those with the same head the same part? */
static bool is_whole(uint64_t head)
{
	const uint64_t rest = head & ((UINT64_C(1) << PART_TYPE) - 1);

	if (has_type(head, PART_TYPE, JSON_STRING))
		return !(rest & 0xff);
	if (has_type(head, PART_TYPE, JSON_INTEGER))
		return rest != TOO_SMALL && rest != TOO_LARGE;
	return !has_type(head, PART_TYPE, JSON_ARRAY);
}

/* --- sorting by head --- */

static void insert(struct item *items, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct item x = items[i];
		uint32_t k = i;

		for (; k && items[k - 1].head > x.head; k--)
			items[k] = items[k - 1];
		items[k] = x;
	}
}

static void radix(struct item *items, struct item *spare, uint32_t n)
{
	uint32_t count[8][256];
	struct item *from = items, *to = spare, *other;

	memset(count, 0, sizeof(count));
	for (uint32_t i = 0; i < n; i++)
		for (unsigned int b = 0; b < 8; b++)
			count[b][items[i].head >> 8 * b & 0xff]++;
	for (unsigned int b = 0; b < 8; b++) {
		uint32_t sum = 0, own;

		if (count[b][items[0].head >> 8 * b & 0xff] == n) /* all have the same */
			continue;
		for (unsigned int i = 0; i < 256; i++) {
			own = count[b][i];
			count[b][i] = sum;
			sum += own;
		}
		for (uint32_t i = 0; i < n; i++)
			to[count[b][from[i].head >> 8 * b & 0xff]++] = from[i];
		other = from;
		from = to;
		to = other;
	}
	if (from != items)
		memcpy(items, from, n * sizeof(*items));
}

/* --- runs --- */

static int compare(const void *a, const void *b, void *keys)
{
	return order_compare_objects(((const struct item *)a)->o, ((const struct item *)b)->o, keys);
}

static void sort_run(const struct sorting *s, struct item *items, uint32_t n, struct place at);

/* Of the same head: by what comes next. */
static void sort_rest(const struct sorting *s, struct item *items, uint32_t n, struct place at)
{
	const uint64_t head = items->head;

	at.depth++;
	if (!is_whole(head)) {
		sort_run(s, items, n, at);
	} else if (has_type(head, VALUE_TYPE, JSON_ARRAY) && head >> PART_TYPE & 15) {
		at.element++;
		sort_run(s, items, n, at);
	} else if (at.key + 1 < s->keys->n) {
		sort_run(s, items, n, (struct place){ .key = at.key + 1, .depth = at.depth });
	}
}

static void sort_run(const struct sorting *s, struct item *items, uint32_t n, struct place at)
{
	const uint64_t turn = s->keys->keys[at.key].down ? UINT64_MAX : 0;
	size_t skip;

	if (at.depth == DEPTH_MAX) {
		qsort_r(items, n, sizeof(*items), compare, (void *)s->keys);
		return;
	}
	take_parts(s, items, n, &at);
	skip = in_common(s->parts, n);
	for (uint32_t i = 0; i < n; i++)
		items[i].head = (items[i].head | head_of(s->parts[i], skip)) ^ turn;
	if (n <= FEW)
		insert(items, n);
	else
		radix(items, s->spare, n);
	for (uint32_t i = 0; i < n; i++)
		items[i].head ^= turn;
	for (uint32_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && items[k].head == items[i].head;)
			k++;
		if (k - i > 1)
			sort_rest(s, items + i, k - i, at);
	}
}

bool order_sort(const struct cache_object **rows, uint32_t n, const struct order_keys *keys)
{
	struct item *items = malloc(2 * ((size_t)n + 1) * sizeof(*items));
	const json_t **parts = malloc(((size_t)n + 1) * sizeof(*parts));
	const struct sorting s = { keys, items + n, parts };
	const bool ok = items && parts;

	for (uint32_t i = 0; ok && i < n; i++)
		items[i].o = rows[i];
	if (ok && n > 1 && keys->n)
		sort_run(&s, items, n, (struct place){ 0 });
	for (uint32_t i = 0; ok && i < n; i++)
		rows[i] = items[i].o;
	free(items);
	free(parts);
	return ok;
}
