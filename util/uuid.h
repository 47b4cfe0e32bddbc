/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs as text.  Pure: the caller brings the time and the random bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT 37 /* 36 characters and NUL */

/* Version 7 (RFC 9562 5.7): 48 bits of 'unix_ms', 74 of the random bits.  Sorts by time. */
void uuid_v7(uint64_t unix_ms, const uint8_t random[static 10], char out[static UUID_TEXT]);
/* 8-4-4-4-12 hexadecimal digits in lower case, any version. */
bool uuid_valid(const char *text);
