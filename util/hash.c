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

static inline uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[static 4], unsigned int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static void sip_word(uint64_t v[static 4], uint64_t w)
{
	v[3] ^= w;
	sip_rounds(v, 2);
	v[0] ^= w;
}

uint64_t hash_sip(const void *p, size_t len, uint64_t seed)
{
	uint64_t v[4] = { 0x736f6d6570736575ULL ^ seed, 0x646f72616e646f6dULL,
			  0x6c7967656e657261ULL ^ seed, 0x7465646279746573ULL };
	uint64_t w, last = (uint64_t)len << 56;
	const uint8_t *b = p;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&w, b, 8);
		sip_word(v, w);
	}
	w = 0;
	memcpy(&w, b, len);
	sip_word(v, last | w);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
