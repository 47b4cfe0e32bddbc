/* SPDX-License-Identifier: Apache-2.0 */
/* W3C's traceparent: version-trace-parent-flags, 2, 32, 16 and 2 hexadecimal digits in lower case. */
#pragma once

#include <stdbool.h>

#define TRACEPARENT_LEN 55

bool traceparent_valid(const char *s);
/* Valid, and somebody records what becomes of it. */
bool traceparent_sampled(const char *s);
