// SPDX-License-Identifier: Apache-2.0
#include "util/traceparent.h"

#include <stddef.h>
#include <string.h>

#include "util/cleanup.h"

bool traceparent_valid(const char *s)
{
	static const unsigned int parts[] = { 2, 32, 16, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strspn(s, "0123456789abcdef") != parts[i] || s[parts[i]] != (i < 3 ? '-' : 0) ||
		    ((i == 1 || i == 2) && strspn(s, "0") == parts[i]))
			return false;
		s += parts[i] + 1;
	}
	return true;
}

bool traceparent_sampled(const char *s)
{
	return traceparent_valid(s) && strchr("13579bdf", s[TRACEPARENT_LEN - 1]);
}
