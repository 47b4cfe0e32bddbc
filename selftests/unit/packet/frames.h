/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from text for the tests of packet/.  Buffers are as long as the frame, so that a sanitizer
 * sees each byte beyond. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "maps/maps.h"
#include "packet/packet.h"
#include "util/cleanup.h"

#define A   "02:00:00:00:00:01"
#define B   "02:00:00:00:00:02"
#define ETH "eth " A ">" B

struct frame {
	uint8_t *b; /* malloc, exactly len bytes */
	uint32_t len;
	struct pkt pkt;
};

static inline void frame_fini(struct frame *f)
{
	free(f->b);
	f->b = NULL;
}
#define _frame_ __attribute__((cleanup(frame_fini)))

static inline struct frame frame_bytes(const void *b, uint32_t len)
{
	struct frame f = { .b = malloc(len ? len : 1), .len = len };

	assert_non_null(f.b);
	memcpy(f.b, b, len);
	return f;
}

static inline enum skep_drop frame_parse(struct frame *f)
{
	return pkt_parse(f->b, f->len, &f->pkt);
}

/* The line's frame, not parsed: for lines that are wrong on purpose. */
static inline struct frame frame_raw(const char *line)
{
	static uint8_t buf[PKT_MAX];
	struct err err = { 0 };
	int n = pkt_dsl_parse(line, NULL, buf, sizeof(buf), &err);

	if (n < 0)
		fail_msg("'%s': %s", line, err.text);
	return frame_bytes(buf, (uint32_t)n);
}

static inline struct frame frame_new(const char *line)
{
	struct frame f = frame_raw(line);
	enum skep_drop drop = frame_parse(&f);

	if (drop)
		fail_msg("'%s': does not parse: %s", line, skep_drop_name(drop));
	return f;
}

/* Compares a frame with a line, by the canonical text; 'what' names the case. */
static inline void assert_frame(const char *what, const uint8_t *b, uint32_t len, const char *want)
{
	struct arena arena;
	const char *got;

	arena_init(&arena, 0);
	got = pkt_dsl_format(b, len, &arena);
	assert_non_null(got);
	if (strcmp(got, want)) {
		print_error("%s\n  want %s\n  got  %s\n", what, want, got);
		fail();
	}
	arena_fini(&arena);
}
