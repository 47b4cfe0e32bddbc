/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside, made sense of.  Pure: no request is needed (selftests/fuzz/http_fuzz.c). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

bool parse_u64(const char *text, uint64_t *value); /* digits only */
/* "%2d" -> "-" in place.  -EINVAL: not two hexadecimal digits, NUL, or no UTF-8. */
int parse_unescape(char *text);
/* One JSON value, no duplicate keys, at most 'depth' containers in containers.  NULL: 'err' says where. */
json_t *parse_json(const char *text, size_t len, unsigned int depth, struct err *err);
/* Memory that the values of the text may take, at most about: an empty list is two bytes of text, and 140 of memory. */
uint64_t parse_cost(const char *text, size_t len, bool is_json);
const char *parse_status_slug(int status); /* "not_found" */
/* "5s", "500ms", "5" (s); false: something else. */
bool parse_duration_ms(const char *text, uint32_t *ms);
