// SPDX-License-Identifier: Apache-2.0
/* Implements reached.h; pure.  Called by records_out.c. */
#include "loader/reached.h"

#include "util/clock.h"

#define WELL_NS (10 * NSEC_PER_SEC) /* one send after the other, none refused: somebody is there */

enum reached_news reached(struct reached *r, int error, uint64_t now_ns)
{
	const int was = r->error;

	if (error) {
		*r = (struct reached){ .error = error };
		return error == was ? REACHED_SAME : REACHED_LOST;
	}
	if (!was)
		return REACHED_SAME;
	if (!r->well_ns)
		r->well_ns = now_ns;
	if (now_ns < r->well_ns + WELL_NS)
		return REACHED_SAME;
	*r = (struct reached){ 0 };
	return REACHED_AGAIN;
}
