// SPDX-License-Identifier: Apache-2.0
#include "util/hash.h"

#include <string.h>

uint64_t hash_bytes(const void *p, size_t len, uint64_t seed)
{
	const uint8_t *b = p;
	uint64_t h = seed ^ len * 0x9e3779b97f4a7c15ULL;
	uint64_t w;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&w, b, 8);
		h = hash_u64(h ^ w);
	}
	if (len) {
		w = 0;
		memcpy(&w, b, len);
		h = hash_u64(h ^ w);
	}
	return hash_u64(h);
}

uint64_t hash_str(const char *s, uint64_t seed)
{
	return hash_bytes(s, strlen(s), seed);
}
