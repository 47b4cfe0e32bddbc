/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of 'skep top': rates from two answers of the agent, a screen from one with rates, the terminal.  Rates and screen are pure functions.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/out.h"

enum top_sort { TOP_BITS, TOP_PACKETS, TOP_DROPS, TOP_UPCALLS, TOP_SORT_MAX };
enum top_part { TOP_ALL, TOP_PORTS, TOP_FLOWS, TOP_LOST, TOP_PART_MAX };
extern const char *const top_sorts[TOP_SORT_MAX]; /* as the agent names them */

/* --- top_rates.c --- */
/* Writes the rates of 'now' since 'before' (NULL: none) into it: of each port and flow, where it was in both (else those that the agent computed stay);
 * "rates" of the totals; "pps" of each reason of drops.  Then brings ports and flows into order. */
void top_rates(json_t *now, const json_t *before, enum top_sort sort);

/* --- top_screen.c --- */
struct top_view {
	const json_t *now; /* with rates */
	enum top_sort sort;
	enum top_part part;
	const char *tenant;  /* NULL = all */
	const char *clock;   /* "17:04:59" */
	const char *trouble; /* why 'now' is old; NULL = it is not */
	double interval_s;
	int width, height; /* height 0: as many lines as there are, and no line for keys */
	bool paused, help, utf8;
};

/* Lines, each ended by '\n'; TOP_MARK(style) begins a style.  Caller frees; NULL: no memory. */
#define TOP_MARK(style) ((char)(0x10 + (style)))
#define TOP_MARK_MAX	TOP_MARK(OUT_DIM)
char *top_screen(const struct top_view *view);

/* --- top_text.c --- */
/* A line that is being put together; what does not fit is cut. */
struct top_line {
	FILE *f;
	int width, at; /* columns */
	int pad;       /* blanks not written yet: none at line ends */
	bool utf8;
};

/* Text in a field of 'width' columns: right-aligned if positive, left-aligned if negative, 0 = as it is. */
void top_put(struct top_line *l, enum out_style style, int width, const char *text);
void top_putf(struct top_line *l, enum out_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void top_end(struct top_line *l);
/* "0", "7.5", "430", "12.3k", "1.2M": five characters at most. */
const char *top_human(double n, char buf[static 16]);
/* "45s", "12m10s", "5h03m", "3d04h" */
const char *top_age(long long seconds, char buf[static 32]);
/* 'width' columns of which 'part' (0..1) is full. */
void top_bar(struct top_line *l, enum out_style style, int width, double part);

/* --- top_tty.c --- */
/* Takes the terminal over: another screen, keys at once, no cursor; gives it back at exit and on signals.  0 or -errno. */
int top_tty_open(void);
void top_tty_close(void);
void top_tty_size(int *width, int *height);
void top_tty_show(const char *screen);
enum top_key { TOP_KEY_NONE = 0, TOP_KEY_QUIT = -1, TOP_KEY_RESIZE = -2 };
/* The next key, or one of the above; waits at most so long. */
int top_tty_key(int timeout_ms);
