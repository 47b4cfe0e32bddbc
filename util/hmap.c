// SPDX-License-Identifier: Apache-2.0
#include "util/hmap.h"

#include <errno.h>
#include <stdlib.h>

#include "util/pool.h"

void hmap_init(struct hmap *map)
{
	*map = (struct hmap){ 0 };
}

void hmap_fini(struct hmap *map)
{
	free(map->buckets);
	hmap_init(map);
}

static void link_node(struct hmap *map, struct hmap_node *node)
{
	struct hmap_node **b = &map->buckets[node->hash & (map->n_buckets - 1)];

	node->next = *b;
	*b = node;
}

static int grow(struct hmap *map)
{
	size_t n = map->n_buckets ? map->n_buckets * 2 : 16;
	struct hmap old = *map;
	struct hmap_node **b = pool_table(n * sizeof(struct hmap_node *)), *node, *next;

	if (!b)
		return -ENOMEM;
	map->buckets = b;
	map->n_buckets = n;
	for (size_t i = 0; i < old.n_buckets; i++)
		for (node = old.buckets[i]; node; node = next) {
			next = node->next;
			link_node(map, node);
		}
	free(old.buckets);
	return 0;
}

int hmap_insert(struct hmap *map, struct hmap_node *node, uint64_t hash)
{
	if (map->n >= map->n_buckets && grow(map) && !map->n_buckets)
		return -ENOMEM;
	node->hash = hash;
	link_node(map, node);
	map->n++;
	return 0;
}

void hmap_remove(struct hmap *map, struct hmap_node *node)
{
	struct hmap_node **p = &map->buckets[node->hash & (map->n_buckets - 1)];

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	node->next = NULL;
	map->n--;
}

struct hmap_node *hmap_first_with_hash(const struct hmap *map, uint64_t hash)
{
	struct hmap_node *node;

	if (!map->n_buckets)
		return NULL;
	node = map->buckets[hash & (map->n_buckets - 1)];
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hmap_node *hmap_next_with_hash(const struct hmap_node *node)
{
	uint64_t hash = node->hash;

	for (node = node->next; node && node->hash != hash;)
		node = node->next;
	return (struct hmap_node *)node;
}

static struct hmap_node *first_from(const struct hmap *map, size_t bucket)
{
	for (; bucket < map->n_buckets; bucket++)
		if (map->buckets[bucket])
			return map->buckets[bucket];
	return NULL;
}

struct hmap_node *hmap_first(const struct hmap *map)
{
	return first_from(map, 0);
}

struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node)
{
	if (node->next)
		return node->next;
	return first_from(map, (node->hash & (map->n_buckets - 1)) + 1);
}

static uint64_t reversed(uint64_t v)
{
	v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
	v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
	return __builtin_bswap64(v);
}

/* Buckets in the order of their reversed number: those that a bucket is divided into when the table doubles follow each other, so what has been
 * shown stays behind. */
uint64_t hmap_scan(const struct hmap *map, uint64_t at, void (*cb)(void *arg, struct hmap_node *node), void *arg)
{
	const uint64_t mask = map->n_buckets - 1;
	struct hmap_node *node, *next;

	if (!map->n_buckets)
		return 0;
	for (node = map->buckets[at & mask]; node; node = next) {
		next = node->next;
		cb(arg, node);
	}
	return reversed(reversed(at | ~mask) + 1);
}
