// SPDX-License-Identifier: Apache-2.0
/* Time for questions: who has used up its own waits, nobody else does; it comes back, and never piles up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "api/budget.h"

#define S 1000000000ULL

static void test_waits(void **state)
{
	uint64_t t = 100 * S;

	assert_int_equal(budget_wait_ns(*state, "a", t), 0);
	budget_spend(*state, "a", BUDGET_BURST_NS - 1, t);
	assert_int_equal(budget_wait_ns(*state, "a", t), 0); /* something is left */
	budget_spend(*state, "a", S / 2, t);
	assert_true(budget_wait_ns(*state, "a", t) > 2 * S && budget_wait_ns(*state, "a", t) < 3 * S);
	assert_int_equal(budget_wait_ns(*state, "b", t), 0);
	assert_int_equal(budget_used_ns(*state, "b", t), 0);
	assert_int_equal(budget_used_ns(*state, "a", t), BUDGET_BURST_NS - 1 + S / 2);
	assert_int_equal(budget_used_ns(*state, "a", t + 1000 * S), 0);
	budget_spend(*state, "a", BUDGET_BURST_NS - 1 + S / 2, t);
	assert_int_equal(budget_wait_ns(*state, "a", t + budget_wait_ns(*state, "a", t)), 0);
}

static void test_never_more_than_the_burst(void **state)
{
	uint64_t t = 100000 * S;

	budget_spend(*state, "c", S, 200 * S);
	assert_int_equal(budget_wait_ns(*state, "c", t), 0);
	budget_spend(*state, "c", BUDGET_BURST_NS, t);
	assert_true(budget_wait_ns(*state, "c", t) > 0);
	assert_true(budget_wait_ns(*state, "c", t - S) > 0); /* a clock that goes back gives nothing */
}

static void test_many_tenants(void **state)
{
	uint64_t t = 200000 * S;
	char name[16];

	budget_spend(*state, "debtor", 100 * S, t);
	for (unsigned int i = 0; i < BUDGET_ACCOUNTS - 1; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		budget_spend(*state, name, 1, t - 1);
	}
	assert_true(budget_wait_ns(*state, "debtor", t) > 400 * S); /* the others have been quiet for longer */
	budget_spend(*state, "one-more", 1, t + 1);
	assert_true(budget_wait_ns(*state, "debtor", t) > 400 * S);
}

static int setup(void **state)
{
	*state = budget_new();
	return !*state;
}

static int teardown(void **state)
{
	budget_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_waits, setup, teardown),
					    cmocka_unit_test_setup_teardown(test_never_more_than_the_burst, setup, teardown),
					    cmocka_unit_test_setup_teardown(test_many_tenants, setup, teardown) };

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
