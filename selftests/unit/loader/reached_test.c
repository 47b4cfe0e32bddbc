// SPDX-License-Identifier: Apache-2.0
/* When it is said that a collector is not there, and that it is there again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/reached.h"
#include "util/clock.h"

#define S NSEC_PER_SEC

static void a_refusal_comes_with_the_next_send(void **state)
{
	struct reached r = { 0 };

	(void)state;
	assert_int_equal(reached(&r, 0, 1 * S), REACHED_SAME);
	assert_int_equal(reached(&r, ECONNREFUSED, 31 * S), REACHED_LOST);
	for (uint64_t t = 61; t < 3600; t += 60) { /* every other one is sent */
		assert_int_equal(reached(&r, 0, t * S), REACHED_SAME);
		assert_int_equal(reached(&r, ECONNREFUSED, (t + 30) * S), REACHED_SAME);
	}
}

static void who_comes_is_noticed(void **state)
{
	struct reached r = { 0 };

	(void)state;
	assert_int_equal(reached(&r, ECONNREFUSED, 1 * S), REACHED_LOST);
	assert_int_equal(reached(&r, 0, 20 * S), REACHED_SAME);
	assert_int_equal(reached(&r, 0, 21 * S), REACHED_SAME);
	assert_int_equal(reached(&r, 0, 30 * S), REACHED_AGAIN);
	assert_int_equal(reached(&r, 0, 31 * S), REACHED_SAME);
	assert_int_equal(reached(&r, ECONNREFUSED, 32 * S), REACHED_LOST);
}

static void another_reason_is_told(void **state)
{
	struct reached r = { 0 };

	(void)state;
	assert_int_equal(reached(&r, ECONNREFUSED, 1 * S), REACHED_LOST);
	assert_int_equal(reached(&r, ENETUNREACH, 2 * S), REACHED_LOST);
	assert_int_equal(reached(&r, ENETUNREACH, 3 * S), REACHED_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_comes_with_the_next_send),
		cmocka_unit_test(who_comes_is_noticed),
		cmocka_unit_test(another_reason_is_told),
	};

	return cmocka_run_group_tests_name("loader/reached", tests, NULL, NULL);
}
