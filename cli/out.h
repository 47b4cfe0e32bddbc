/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output: aligned tables for people, JSON and YAML for programs, colour only on a
 * terminal. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/err.h"

enum out_style { OUT_PLAIN, OUT_BOLD, OUT_GREEN, OUT_YELLOW, OUT_RED, OUT_DIM };
/* Escape sequence that begins 'style' on 'stream'; "" where colour is not wanted (no terminal,
 * NO_COLOR).  OUT_PLAIN ends one. */
const char *out_style(FILE *stream, enum out_style style);

void out_json(const json_t *value); /* one line, keys in their order */
int out_yaml(const json_t *value, struct err *err);
void out_error_json(const struct err *err); /* {"error": {"code", "message"}} */

/* A table: headings, then cells row by row; columns are as wide as they need to be. */
struct out_table;
struct out_table *out_table_new(const char *const *headings, unsigned int n_columns);
void out_cell(struct out_table *t, const char *text); /* NULL shows as "-" */
void out_cellf(struct out_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints and frees. */
void out_table_end(struct out_table *t);

/* A field for people: strings bare but for control characters, arrays joined by commas, objects compact; "" for what is not
 * there.  Caller frees. */
char *out_text(const json_t *value);

/* Sorts an array of objects by the text of their 'key'. */
void out_sort(json_t *list, const char *key);
