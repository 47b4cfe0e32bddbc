// SPDX-License-Identifier: Apache-2.0
#include "util/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Of a digit; -1: it is none. */
static int value(char c, char d62, char d63)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == d62 ? 62 : c == d63 ? 63 : -1;
}

void base64_encode(const uint8_t *p, size_t n, char *text)
{
	size_t i;

	for (i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		*text++ = digits[v >> 18];
		*text++ = digits[v >> 12 & 63];
		*text++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*text++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*text = 0;
}

int base64_decode(const char *text, uint8_t *out, size_t max)
{
	size_t len = strlen(text), n = 0;

	if (len % 4)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		uint32_t v = 0;
		size_t pad = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = value(text[i + k], '+', '/');

			if (text[i + k] == '=' && i + 4 == len && k >= 2)
				pad++;
			else if (d < 0 || pad)
				return -1;
			v = v << 6 | (d < 0 ? 0 : (uint32_t)d);
		}
		if (n + 3 - pad > max)
			return -1;
		for (size_t k = 0; k < 3 - pad; k++)
			out[n++] = (uint8_t)(v >> (16 - 8 * k));
	}
	return (int)n;
}

int base64url_decode(const char *text, size_t len, uint8_t *out, size_t max)
{
	uint32_t v = 0, bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int d = value(text[i], '-', '_');

		if (d < 0)
			return -1;
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits < 8)
			continue;
		if (n == max)
			return -1;
		bits -= 8;
		out[n++] = (uint8_t)(v >> bits);
		v &= (1U << bits) - 1;
	}
	return v ? -1 : (int)n;
}
