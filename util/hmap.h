/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive chained hash table.  The table owns no elements: embed a struct hmap_node, compute the hash yourself, compare
 * candidates yourself.  Grows by doubling; never shrinks.  A failed growth keeps the table correct, only slower.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct hmap_node {
	struct hmap_node *next;
	uint64_t hash;
};

struct hmap {
	struct hmap_node **buckets; /* NULL while empty */
	size_t n_buckets;	    /* power of two, or 0 */
	size_t n;
};

void hmap_init(struct hmap *map);
void hmap_fini(struct hmap *map); /* frees the buckets, not the elements */
/* 0, or -ENOMEM when the first bucket array cannot be had. */
int hmap_insert(struct hmap *map, struct hmap_node *node, uint64_t hash);
void hmap_remove(struct hmap *map, struct hmap_node *node);
struct hmap_node *hmap_first_with_hash(const struct hmap *map, uint64_t hash);
struct hmap_node *hmap_next_with_hash(const struct hmap_node *node);
struct hmap_node *hmap_first(const struct hmap *map);
struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node);

/*
 * One step of a walk that may take a break, while elements come and go and the table grows: shows those of a bucket, and returns where to go on;
 * begins and ends with 0.  What is there all the time is shown once.  The callback may remove (and free) the one that it is shown.
 */
uint64_t hmap_scan(const struct hmap *map, uint64_t at, void (*cb)(void *arg, struct hmap_node *node), void *arg);

#define hmap_for_each_with_hash(node, map, h)                                                      \
	for (node = hmap_first_with_hash(map, h); node; node = hmap_next_with_hash(node))
/* 'node' may be removed (and freed) in the body. */
#define hmap_for_each(node, tmp, map)                                                              \
	for (node = hmap_first(map); node && (tmp = hmap_next(map, node), 1); node = tmp)
