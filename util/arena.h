/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator.  One arena per simulation, reset per packet: no frees in between.  Memory comes zeroed.  Allocation
 * fails (NULL) when malloc does or when 'limit' bytes are in use; a failed arena stays failed until reset, so that callers may
 * check once at the end with arena_failed().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first; the first one ever stays across resets */
	size_t used, limit;	    /* bytes; limit 0 = none */
	bool failed;
};

void arena_init(struct arena *arena, size_t limit);
void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size);
void *arena_dup(struct arena *arena, const void *p, size_t size);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool arena_failed(const struct arena *arena)
{
	return arena->failed;
}
