// SPDX-License-Identifier: Apache-2.0
#include "api/cursor.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *cursor_encode(const void *data, size_t len)
{
	const uint8_t *p = data;
	char *out = malloc(len / 3 * 4 + 5), *to = out;

	for (size_t i = 0; out && i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);

		for (size_t k = 0; k <= n; k++)
			*to++ = digits[v >> (18 - 6 * k) & 63];
	}
	if (out)
		*to = 0;
	return out;
}

char *cursor_decode(const char *text, size_t *len)
{
	size_t n = strlen(text);
	char *out = n % 4 == 1 ? NULL : malloc(n / 4 * 3 + 4), *to = out;
	uint32_t v = 0;

	for (size_t i = 0; out && i < n; i++) {
		const char *d = strchr(digits, text[i]);

		if (!d) {
			free(out);
			return NULL;
		}
		v = v << 6 | (uint32_t)(d - digits);
		if (i % 4 == 3 || i + 1 == n) {
			size_t have = i % 4; /* bytes in this group */

			v <<= 6 * (3 - have);
			for (size_t k = 0; k < have; k++)
				*to++ = (char)(v >> (16 - 8 * k));
			v = 0;
		}
	}
	if (!out)
		return NULL;
	*to = 0;
	*len = (size_t)(to - out);
	return out;
}
