// SPDX-License-Identifier: Apache-2.0
#include "util/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* With ASan, freed pieces are out of bounds but for the pointer to the next one. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size)   ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

#define SLAB 65536
#define HUGE_PAGE ((size_t)2 << 20)

struct pool_slab {
	struct pool_slab *next;
	char data[] __attribute__((aligned(16)));
};
struct pool_large {
	struct pool_large *next, **prev;
	char data[] __attribute__((aligned(16)));
};
struct pool_free {
	struct pool_free *next;
};

void pool_init(struct pool *pool)
{
	*pool = (struct pool){ .slab = SLAB };
}

void pool_init_huge(struct pool *pool)
{
	*pool = (struct pool){ .slab = HUGE_PAGE - sizeof(struct pool_slab) };
}

static void *huge_alloc(size_t size)
{
	void *p = aligned_alloc(HUGE_PAGE, size);

	if (p)
		(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

void *pool_table(size_t size)
{
	size_t rounded_up = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *p;

	if (size < HUGE_PAGE / 2 || rounded_up < size)
		return calloc(1, size);
	p = huge_alloc(rounded_up);
	return p ? memset(p, 0, size) : NULL;
}

void pool_fini(struct pool *pool)
{
	struct pool_slab *s, *s_next;
	struct pool_large *l, *l_next;
	size_t slab = pool->slab;

	for (s = pool->slabs; s; s = s_next) {
		s_next = s->next;
		free(s);
	}
	for (l = pool->large; l; l = l_next) {
		l_next = l->next;
		free(l);
	}
	*pool = (struct pool){ .slab = slab };
}

static size_t rounded(size_t size)
{
	return size ? (size + 7) & ~(size_t)7 : 8;
}

static void *large_alloc(struct pool *pool, size_t size)
{
	struct pool_large *l = size < SIZE_MAX / 2 ? calloc(1, sizeof(*l) + size) : NULL;

	if (!l)
		return NULL;
	l->next = pool->large;
	l->prev = &pool->large;
	if (l->next)
		l->next->prev = &l->next;
	pool->large = l;
	pool->used += size;
	return l->data;
}

static void large_free(struct pool *pool, void *p, size_t size)
{
	struct pool_large *l = (struct pool_large *)((char *)p - offsetof(struct pool_large, data));

	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	free(l);
	pool->used -= size;
}

/* What is left of the slab is not lost: it becomes one free piece of its size. */
static int add_slab(struct pool *pool)
{
	const size_t size = sizeof(struct pool_slab) + pool->slab;
	struct pool_slab *s = size % HUGE_PAGE ? malloc(size) : huge_alloc(size);
	size_t rest = (size_t)(pool->end - pool->at);

	if (!s)
		return -1;
	if (rest >= 8) {
		struct pool_free *f = (struct pool_free *)pool->at;

		f->next = pool->free[rest / 8];
		pool->free[rest / 8] = f;
	}
	s->next = pool->slabs;
	pool->slabs = s;
	pool->at = s->data;
	pool->end = s->data + pool->slab;
	return 0;
}

void *pool_alloc(struct pool *pool, size_t size)
{
	struct pool_free *f;
	void *p;

	if (size > POOL_SMALL)
		return large_alloc(pool, size);
	size = rounded(size);
	f = pool->free[size / 8];
	if (f) {
		pool->free[size / 8] = f->next;
		p = f;
	} else {
		if ((size_t)(pool->end - pool->at) < size && add_slab(pool))
			return NULL;
		p = pool->at;
		pool->at += size;
	}
	pool->used += size;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return memset(p, 0, size);
}

void pool_free(struct pool *pool, void *p, size_t size)
{
	struct pool_free *f = p;

	if (!p)
		return;
	if (size > POOL_SMALL) {
		large_free(pool, p, size);
		return;
	}
	size = rounded(size);
	f->next = pool->free[size / 8];
	pool->free[size / 8] = f;
	pool->used -= size;
	ASAN_POISON_MEMORY_REGION(f + 1, size - sizeof(*f));
}
