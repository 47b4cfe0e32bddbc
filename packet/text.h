/* SPDX-License-Identifier: Apache-2.0 */
/* A line under construction, private to packet/.  Longer than any line made of headers; what does
 * not fit is cut. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "util/arena.h"

struct text {
	char b[768];
	size_t n;
};

static inline void __attribute__((format(printf, 2, 3)))
text_add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->b) - t->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->b + t->n, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < room ? (size_t)n : room - 1;
}

static inline char *text_done(const struct text *t, struct arena *arena)
{
	char *s = arena_alloc(arena, t->n + 1); /* comes zeroed */

	for (size_t i = 0; s && i < t->n; i++)
		s[i] = t->b[i];
	return s;
}
