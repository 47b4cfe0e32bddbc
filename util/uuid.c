// SPDX-License-Identifier: Apache-2.0
/* UUID text: made for new objects (topology, through a callback of its caller), checked in
 * documents and records. */
#include "util/uuid.h"

#include <stdio.h>
#include <string.h>

void uuid_v7(uint64_t unix_ms, const uint8_t random[static 10], char out[static UUID_TEXT])
{
	uint8_t b[16];

	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
	memcpy(b + 6, random, 10);
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f)); /* version */
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f)); /* variant */
	snprintf(out, UUID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

bool uuid_valid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (!text[i] || (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i])))
			return false;
	}
	return !text[36];
}
