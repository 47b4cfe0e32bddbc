// SPDX-License-Identifier: Apache-2.0
#include "util/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16384

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	max_align_t data[];
};

void arena_init(struct arena *arena, size_t limit)
{
	*arena = (struct arena){ .limit = limit };
}

void arena_fini(struct arena *arena)
{
	struct arena_chunk *c, *next;

	for (c = arena->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	arena->chunks = NULL;
	arena->used = 0;
	arena->failed = false;
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *c;

	while (arena->chunks && arena->chunks->next) {
		c = arena->chunks;
		arena->chunks = c->next;
		free(c);
	}
	if (arena->chunks)
		arena->chunks->used = 0;
	arena->used = 0;
	arena->failed = false;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
	size_t n = size > CHUNK ? size : CHUNK;
	struct arena_chunk *c = malloc(sizeof(*c) + n);

	if (!c)
		return NULL;
	*c = (struct arena_chunk){ .next = arena->chunks, .size = n };
	arena->chunks = c;
	return c;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *c = arena->chunks;
	void *p;

	if (arena->failed || size > SIZE_MAX / 2)
		goto fail;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (arena->limit && arena->used + size > arena->limit)
		goto fail;
	if (!c || c->size - c->used < size) {
		c = add_chunk(arena, size);
		if (!c)
			goto fail;
	}
	p = (char *)c->data + c->used;
	c->used += size;
	arena->used += size;
	return memset(p, 0, size);
fail:
	arena->failed = true;
	return NULL;
}

void *arena_dup(struct arena *arena, const void *p, size_t size)
{
	void *q = arena_alloc(arena, size);

	return q ? memcpy(q, p, size) : NULL;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap, ap2;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(ap2, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	p = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, ap2);
	va_end(ap);
	va_end(ap2);
	return p;
}
