/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for many small things that come and go and end together: freed ones are used again by others of their size.  The caller
 * remembers sizes.  Memory comes zeroed, aligned to 8.
 */
#pragma once

#include <stddef.h>

#define POOL_SMALL 512 /* up to here by size in steps of 8; larger ones are the C library's */

struct pool_large;
struct pool_slab;
struct pool_free;

struct pool {
	struct pool_slab *slabs; /* newest first */
	struct pool_large *large;
	struct pool_free *free[POOL_SMALL / 8 + 1];
	char *at, *end; /* of the newest slab: not used yet */
	size_t used;	/* bytes given out */
	size_t slab;	/* bytes of one */
};

void pool_init(struct pool *pool);
void pool_init_huge(struct pool *pool); /* for very many: slabs are huge pages where the kernel has some, so that few of them are missed and faulted in */
/* Zeroed memory for a large table, of huge pages if it is that large; to be given to free().  NULL: no memory. */
void *pool_table(size_t size);
void pool_fini(struct pool *pool); /* and all that is in it */
void *pool_alloc(struct pool *pool, size_t size); /* NULL: no memory */
void pool_free(struct pool *pool, void *p, size_t size); /* takes NULL */
