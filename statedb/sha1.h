/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1 (FIPS 180-4), for the names of scripts in EVALSHA.  Not for security. */
#pragma once

#include <stddef.h>

#define SHA1_TEXT 41

void sha1_text(const void *p, size_t len, char out[static SHA1_TEXT]);
