// SPDX-License-Identifier: Apache-2.0
/* The largest few of many: loader/pick.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/pick.h"
#include "util/hash.h"

/* 'n' different scores in an order that has nothing to do with them: those above n - max are kept, the largest first. */
static void run(uint64_t n, size_t max)
{
	struct pick p;
	uint64_t step = 7919; /* prime to all n below */

	assert_int_equal(pick_init(&p, max), 0);
	for (uint64_t i = 0; i < n; i++)
		pick_offer(&p, i * step % n, &p);
	assert_int_equal(p.offered, n);
	assert_int_equal(p.n, n < max ? n : max);
	pick_sort(&p);
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(p.items[i].score, n - 1 - i);
	pick_fini(&p);
}

static void sizes(void **state)
{
	static const uint64_t ns[] = { 0, 1, 2, 3, 10, 100, 1000, 65536 };
	static const size_t maxes[] = { 0, 1, 2, 7, 20, 200, 70000 };

	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
		for (size_t k = 0; k < sizeof(maxes) / sizeof(maxes[0]); k++)
			run(ns[i], maxes[k]);
}

/* Equal scores: none is lost, none comes twice. */
static void equal(void **state)
{
	char things[50];
	struct pick p;
	uint64_t seen = 0;

	assert_int_equal(pick_init(&p, 50), 0);
	for (size_t i = 0; i < 50; i++)
		pick_offer(&p, 3, &things[i]);
	pick_sort(&p);
	for (size_t i = 0; i < p.n; i++)
		seen |= 1ULL << ((char *)p.items[i].item - things);
	assert_int_equal(seen, (1ULL << 50) - 1);
	pick_fini(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
