/* SPDX-License-Identifier: Apache-2.0 */
/* The largest few of many, in one pass and bounded memory.  Used by the reports. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pick_item {
	uint64_t score;
	void *item;
};

struct pick {
	struct pick_item *items; /* a heap, the least on top, until pick_sort() */
	size_t n, max;
	size_t offered; /* of which so many were offered */
};

int pick_init(struct pick *p, size_t max); /* 0 or -ENOMEM */
void pick_fini(struct pick *p);
void pick_offer(struct pick *p, uint64_t score, void *item);
void pick_sort(struct pick *p); /* the largest first */
