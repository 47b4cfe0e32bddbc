// SPDX-License-Identifier: Apache-2.0
#include "loader/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
			const char *d = text[i + k] == '=' ? NULL : strchr(digits, text[i + k]);

			if (text[i + k] == '=' && i + 4 == len && k >= 2)
				pad++;
			else if (!d || pad)
				return -1;
			v = v << 6 | (d ? (uint32_t)(d - digits) : 0);
		}
		if (n + 3 - pad > max)
			return -1;
		for (size_t k = 0; k < 3 - pad; k++)
			out[n++] = (uint8_t)(v >> (16 - 8 * k));
	}
	return (int)n;
}
