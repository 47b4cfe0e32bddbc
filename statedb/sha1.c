// SPDX-License-Identifier: Apache-2.0
/* See sha1.h.  Called by cluster.c. */
#include "statedb/sha1.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rol(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], v[5], f, t;

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 80; i++) {
		if (i < 20)
			f = ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999;
		else if (i < 40)
			f = (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1;
		else if (i < 60)
			f = ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc;
		else
			f = (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
		t = rol(v[0], 5) + f + v[4] + w[i];
		v[4] = v[3];
		v[3] = v[2];
		v[2] = rol(v[1], 30);
		v[1] = v[0];
		v[0] = t;
	}
	for (int i = 0; i < 5; i++)
		h[i] += v[i];
}

void sha1_text(const void *p, size_t len, char out[static SHA1_TEXT])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	const unsigned char *b = p;
	unsigned char tail[128] = { 0 };
	size_t rest = len % 64, size = rest < 56 ? 64 : 128;

	for (size_t i = 0; i + 64 <= len; i += 64)
		block(h, b + i);
	memcpy(tail, b + len - rest, rest);
	tail[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		tail[size - 1 - (size_t)i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
	for (size_t i = 0; i < size; i += 64)
		block(h, tail + i);
	for (int i = 0; i < 5; i++)
		snprintf(out + 8 * i, 9, "%08x", h[i]);
}
