// SPDX-License-Identifier: Apache-2.0
/* api/rate.c: how often somebody may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "api/rate.h"
#include "util/clock.h"

#define S NSEC_PER_SEC

static struct rate_table *table(size_t n)
{
	struct rate_table *t = rate_table_new(n, 42);

	assert_non_null(t);
	return t;
}

static void burst_then_rate(void **state)
{
	struct rate_table *t = table(100);
	uint64_t now = 1000 * S, wait;
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 30; i++)
		n += rate_take(t, "acme", now, 10, 20) == 0;
	assert_int_equal(n, 20);
	wait = rate_take(t, "acme", now, 10, 20);
	assert_int_equal(wait, S / 10);
	assert_int_equal(rate_retry_s(wait), 1);
	/* to have been refused costs nothing */
	assert_int_equal(rate_take(t, "acme", now + S / 10, 10, 20), 0);
	assert_true(rate_take(t, "acme", now + S / 10, 10, 20) > 0);
	for (n = 0; rate_take(t, "acme", now + S, 10, 20) == 0; n++)
		;
	assert_int_equal(n, 9);
	for (n = 0; rate_take(t, "acme", now + 1000 * S, 10, 20) == 0; n++)
		;
	assert_int_equal(n, 20);
	rate_table_free(t);
}

static void looking_does_not_count(void **state)
{
	struct rate_table *t = table(1);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(rate_peek(t, "a", S, 1, 1), 0);
	assert_int_equal(rate_take(t, "a", S, 1, 1), 0);
	assert_int_equal(rate_peek(t, "a", S, 1, 1), S);
	assert_int_equal(rate_take(t, "b", S, 1, 1), 0);
	rate_table_free(t);
}

static void zero_is_the_least(void **state)
{
	struct rate_table *t = table(1);

	(void)state;
	assert_int_equal(rate_take(t, "a", S, 0, 0), 0);
	assert_int_equal(rate_take(t, "a", S, 0, 0), S);
	rate_table_free(t);
}

/* A flood of others does not give back what somebody has used up. */
static void a_flood_of_others(void **state)
{
	struct rate_table *t = table(1024);
	unsigned int again = 0;
	char name[16];

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(rate_take(t, "greedy", S, 1, 10), 0);
	assert_true(rate_take(t, "greedy", S, 1, 10) > 0);
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		(void)rate_take(t, name, S, 1, 10);
		again += rate_take(t, "greedy", S, 1, 10) == 0;
	}
	assert_int_equal(again, 0);
	rate_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(looking_does_not_count),
		cmocka_unit_test(zero_is_the_least),
		cmocka_unit_test(a_flood_of_others),
	};

	return cmocka_run_group_tests_name("api/rate", tests, NULL, NULL);
}
