// SPDX-License-Identifier: Apache-2.0
/* Arena, hash table, hashes: util/arena.c, util/hmap.c, util/hash.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/arena.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/hmap.h"

static void arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena a;

	arena_init(&a, 0);
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 600; size++) {
			uint8_t *p = arena_alloc(&a, size);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xee, size);
		}
		arena_reset(&a); /* what comes next is zero again */
	}
	arena_fini(&a);
}

static void arena_large_and_small(void **state)
{
	struct arena a;
	uint8_t *big, *small;

	arena_init(&a, 0);
	big = arena_alloc(&a, 1000000);
	small = arena_alloc(&a, 1);
	assert_non_null(big);
	assert_non_null(small);
	memset(big, 1, 1000000);
	assert_int_equal(*small, 0);
	arena_fini(&a);
}

static void arena_limit(void **state)
{
	struct arena a;

	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 64));
	assert_null(arena_alloc(&a, 64));
	assert_true(arena_failed(&a));
	assert_null(
		arena_alloc(&a, 1)); /* failed until reset, so that one look at the end is enough */
	assert_null(arena_printf(&a, "x"));
	arena_reset(&a);
	assert_false(arena_failed(&a));
	assert_non_null(arena_alloc(&a, 96));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 7));
	arena_fini(&a);
}

static void arena_text(void **state)
{
	struct arena a;
	char *p;

	arena_init(&a, 0);
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	p = arena_printf(&a, "%0*d", 70000, 1); /* longer than a chunk */
	assert_non_null(p);
	assert_int_equal(strlen(p), 70000);
	p = arena_dup(&a, "abc", 4);
	assert_string_equal(p, "abc");
	arena_fini(&a);
}

struct item {
	int key;
	struct hmap_node node;
};

static struct item *find(const struct hmap *map, int key, uint64_t hash)
{
	struct hmap_node *n;

	hmap_for_each_with_hash(n, map, hash)
	{
		struct item *i = container_of(n, struct item, node);

		if (i->key == key)
			return i;
	}
	return NULL;
}

#define ITEMS 2000

static void check_map(uint64_t (*hash)(int key))
{
	static struct item items[ITEMS];
	struct hmap_node *n, *tmp;
	struct hmap map;
	size_t seen = 0;

	hmap_init(&map);
	assert_null(hmap_first(&map));
	assert_null(find(&map, 1, hash(1)));
	for (int i = 0; i < ITEMS; i++) {
		items[i].key = i;
		assert_int_equal(hmap_insert(&map, &items[i].node, hash(i)), 0);
	}
	assert_int_equal(map.n, ITEMS);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(find(&map, i, hash(i)), &items[i]);
	assert_null(find(&map, ITEMS, hash(ITEMS)));
	for (int i = 0; i < ITEMS; i += 2)
		hmap_remove(&map, &items[i].node);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(find(&map, i, hash(i)), i % 2 ? &items[i] : NULL);
	hmap_for_each (n, tmp, &map) {
		assert_int_equal(container_of(n, struct item, node)->key % 2, 1);
		seen++;
		hmap_remove(&map, n);
		memset(n, 0xee, sizeof(*n)); /* as if it were freed */
	}
	assert_int_equal(seen, ITEMS / 2);
	assert_int_equal(map.n, 0);
	assert_null(hmap_first(&map));
	hmap_fini(&map);
	hmap_fini(&map); /* again does no harm */
}

static uint64_t good_hash(int key)
{
	return hash_u64((uint64_t)key);
}

static uint64_t few_hashes(int key)
{
	return (uint64_t)key % 7;
}

static uint64_t high_bits_only(int key)
{
	return (uint64_t)key << 40;
}

static void hmap_spread(void **state)
{
	check_map(good_hash);
}

static void hmap_collisions(void **state)
{
	check_map(few_hashes);
	check_map(high_bits_only);
}

/* --- a walk with breaks --- */

struct seen {
	struct hmap *map;
	unsigned int of[ITEMS]; /* how often */
	bool remove;
};

static void on_scanned(void *arg, struct hmap_node *node)
{
	struct item *i = container_of(node, struct item, node);
	struct seen *s = arg;

	s->of[i->key]++;
	if (s->remove)
		hmap_remove(s->map, node);
}

/* The table doubles several times while it is walked over: what was there from the beginning is seen once, what comes at most once. */
static void hmap_scan_of_a_growing_table(void **state)
{
	static struct item items[ITEMS];
	static struct seen seen;
	const int first = 100;
	struct hmap map;
	uint64_t at = 0;
	int n = first;

	(void)state;
	hmap_init(&map);
	assert_int_equal(hmap_scan(&map, 0, on_scanned, &seen), 0);
	for (int i = 0; i < ITEMS; i++)
		items[i].key = i;
	for (int i = 0; i < first; i++)
		assert_int_equal(hmap_insert(&map, &items[i].node, hash_u64((uint64_t)i)), 0);
	do {
		at = hmap_scan(&map, at, on_scanned, &seen);
		for (int i = 0; i < 20 && n < ITEMS; i++, n++)
			assert_int_equal(hmap_insert(&map, &items[n].node, hash_u64((uint64_t)n)), 0);
	} while (at);
	assert_int_equal(n, ITEMS); /* it did grow */
	for (int i = 0; i < ITEMS; i++)
		assert_true(i < first ? seen.of[i] == 1 : seen.of[i] <= 1);
	seen = (struct seen){ .map = &map, .remove = true };
	do
		at = hmap_scan(&map, at, on_scanned, &seen);
	while (at);
	assert_int_equal(map.n, 0);
	hmap_fini(&map);
}

static void hashes(void **state)
{
	uint8_t b[64];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	/* each byte, the length and the seed count */
	for (size_t i = 0; i < sizeof(b); i++) {
		uint64_t before = hash_bytes(b, sizeof(b), 1);

		b[i] ^= 0x80;
		assert_true(hash_bytes(b, sizeof(b), 1) != before);
		b[i] ^= 0x80;
		assert_true(hash_bytes(b, sizeof(b), 1) == before);
	}
	memset(b, 0, sizeof(b));
	for (size_t len = 1; len < sizeof(b); len++)
		assert_true(hash_bytes(b, len, 1) != hash_bytes(b, len - 1, 1));
	assert_true(hash_bytes(b, 8, 1) != hash_bytes(b, 8, 2));
	assert_true(hash_str("ab", 0) == hash_bytes("ab", 2, 0));
	assert_true(hash_sip("", 0, 0) == 0x1e924b9d737700d7ULL); /* as the reference, under keys seed, 0 */
	assert_true(hash_sip("0123456789", 10, 7) == 0xa52ad24abe9e4ea7ULL);
	/* low bits are usable as they are */
	int buckets[16] = { 0 };
	for (uint64_t i = 0; i < 16000; i++)
		buckets[hash_bytes(&i, sizeof(i), 0) % 16]++;
	for (int i = 0; i < 16; i++)
		assert_in_range(buckets[i], 850, 1150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(arena_large_and_small),
		cmocka_unit_test(arena_limit),
		cmocka_unit_test(arena_text),
		cmocka_unit_test(hmap_spread),
		cmocka_unit_test(hmap_collisions),
		cmocka_unit_test(hmap_scan_of_a_growing_table),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests_name("util/memory", tests, NULL, NULL);
}
