/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from lines of text (packet/packet.h), in tests that fail when a line is wrong. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "util/err.h"

/* Its length. */
static inline uint32_t build(const char *line, uint8_t *buf, uint32_t cap)
{
	struct err err = { 0 };
	int len = pkt_dsl_parse(line, NULL, buf, cap, &err);

	if (len <= 0)
		fail_msg("%s: %s", line, err.text);
	return (uint32_t)len;
}
