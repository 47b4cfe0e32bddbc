/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text -> jansson trees.  JSON is a subset and takes the same way.
 *
 * Scalars are YAML 1.2's core schema without floats: null (also ~ and nothing), true, false,
 * integers (12, -3, 0x1f, 0o17); everything else, and everything quoted, is a string: no, on, 1.5,
 * 02:00:00:00:00:01 and 1_000 are text.  Refused: anchors, aliases, tags, keys that are not
 * scalars, duplicate keys, NUL bytes, and more than the limits below.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "util/err.h"

#define YAML_SIZE_MAX  (64u << 20) /* bytes */
#define YAML_DEPTH_MAX 16	   /* containers in containers */
#define YAML_VALUES_MAX \
	10000000u /* of one text; what a short text of "[],[],[]" could otherwise cost */

/* In which line each value was: told by the container it is in, because true, false and null are
 * shared nodes. */
struct yaml_lines;

/*
 * The documents of the stream as one array: new reference.  NULL: 'err', text "<file>:<line>: ...",
 * code -EINVAL, -E2BIG or -ENOMEM.
 * '*lines' (if 'lines' is not NULL) is the caller's, valid as long as the tree is; NULL on failure.
 */
json_t *yaml_parse(const char *text, size_t len, const char *file, struct yaml_lines **lines,
		   struct err *err);
/* Lines count from 1; 0 = not known; a member's is that of its key.  'lines' may be NULL. */
unsigned int yaml_line_of_key(const struct yaml_lines *lines, const json_t *object,
			      const char *key);
unsigned int yaml_line_of_item(const struct yaml_lines *lines, const json_t *array, size_t index);
/* Where the container itself begins. */
unsigned int yaml_line_of(const struct yaml_lines *lines, const json_t *container);
void yaml_lines_free(struct yaml_lines *lines); /* takes NULL */

/* As text that yaml_parse() would read.  0 or -ENOMEM. */
int yaml_write(const json_t *value, FILE *out);
char *yaml_text(const json_t *value, size_t *len); /* the caller's to free; NULL: no memory */
