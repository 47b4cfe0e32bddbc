/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text, RFC 4648.  Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4 + 1)

void base64_encode(const uint8_t *p, size_t n, char *text); /* BASE64_LEN(n) bytes */
/* Number of bytes; -1: not base64, or more than 'max'. */
int base64_decode(const char *text, uint8_t *out, size_t max);
/* Section 5, "base64url", without '=': 'len' characters of text.  Number of bytes; -1: not that, or more than 'max'.  Bits that belong to no byte
 * must be zero, so that bytes have one text only. */
int base64url_decode(const char *text, size_t len, uint8_t *out, size_t max);
