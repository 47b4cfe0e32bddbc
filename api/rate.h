/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often may somebody do something?  GCRA (the leaky bucket as a clock): of each key one number is kept, the time at which its bucket is empty again.
 * A table of fixed size; when it is full, those are forgotten whose buckets are the emptiest, so nobody can flood another's out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rate_table;

/* For 'n' keys (rounded up).  NULL: no memory. */
struct rate_table *rate_table_new(size_t n, uint64_t seed);
void rate_table_free(struct rate_table *t); /* takes NULL */
/* One more for 'key', of which 'per_s' are allowed, and 'burst' (at least 1) at once.  0: it is allowed, and counted.  Else nothing is counted: so
 * many ns to wait. */
uint64_t rate_take(struct rate_table *t, const char *key, uint64_t now_ns, uint32_t per_s, uint32_t burst);
/* What rate_take() would say. */
uint64_t rate_peek(struct rate_table *t, const char *key, uint64_t now_ns, uint32_t per_s, uint32_t burst);
/* Whole seconds for Retry-After. */
static inline unsigned int rate_retry_s(uint64_t wait_ns)
{
	return (unsigned int)((wait_ns + 999999999) / 1000000000);
}
