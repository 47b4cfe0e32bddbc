// SPDX-License-Identifier: Apache-2.0
#include "util/near.h"

unsigned int near_range(const struct skep_ip *ip, const struct skep_ip *lo, const struct skep_ip *hi)
{
	const near_u128 x = near_number(ip), first = near_number(lo), last = near_number(hi);
	const unsigned int base = ip_is_v4(ip) ? 96 : 0;
	unsigned int bits = 0, above;

	if (x < first) {
		bits = near128(x, first);
	} else if (x > last) {
		bits = near128(x, last);
	} else {
		if (first)
			bits = near128(x, first - 1);
		above = last + 1 ? near128(x, last + 1) : 0;
		bits = above > bits ? above : bits;
	}
	return bits > base ? bits - base : 0;
}
