// SPDX-License-Identifier: Apache-2.0
/* Who is next when many wait: loader/dp_queue.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/dp_private.h"

static struct dp_lanes lanes;
static char seen[4096]; /* port and number of each frame that was shown */

static void put(uint32_t key, uint8_t n, uint32_t len)
{
	static uint8_t data[65536];
	struct dp_frame frame = { .data = data, .len = len };

	data[0] = n;
	assert_true(dp_lanes_put(&lanes, key, SKEP_UP_TTL, &frame));
}

static void note(void *arg, uint32_t key, enum skep_upcall_why why, struct dp_frame *frame)
{
	const size_t at = strlen(seen);

	assert_ptr_equal(arg, &lanes);
	assert_int_equal(why, SKEP_UP_TTL);
	frame->data[-DP_HEADROOM] = 1; /* the headroom is there */
	snprintf(seen + at, sizeof(seen) - at, "%u:%u ", key, frame->data[0]);
}

static void show(unsigned int n)
{
	seen[0] = 0;
	while (n--)
		assert_true(dp_lanes_show(&lanes, note, &lanes));
}

static int end(void **state)
{
	(void)state;
	dp_lanes_free(&lanes);
	assert_int_equal(lanes.n, 0);
	assert_int_equal(lanes.bytes, 0);
	return 0;
}

/* Whoever comes behind a flood is next but one, and each port's own frames stay in order. */
static void a_flood_does_not_come_first(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 200; i++)
		put(7, i, 60);
	show(2);
	assert_string_equal(seen, "7:0 7:1 ");
	put(8, 1, 60);
	put(8, 2, 60);
	put(9, 1, 60);
	show(7);
	assert_string_equal(seen, "7:2 8:1 9:1 7:3 8:2 7:4 7:5 ");
	assert_int_equal(lanes.n, 194);
	put(8, 3, 60);
	show(2);
	assert_string_equal(seen, "7:6 8:3 ");
}

static void empty(void **state)
{
	(void)state;
	assert_false(dp_lanes_show(&lanes, note, &lanes));
	put(1, 1, 60);
	show(1);
	assert_false(dp_lanes_show(&lanes, note, &lanes));
	put(1, 2, 60);
	show(1);
	assert_string_equal(seen, "1:2 ");
}

/* Super-packets are large: the rest of them stays where it is. */
static void bytes_are_bounded(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (; dp_lanes_room(&lanes) && n < 10000; n++)
		put(n % 3, 1, 65000);
	assert_in_range(n, 200, 300);
	show(1);
	assert_true(dp_lanes_room(&lanes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_flood_does_not_come_first, end),
		cmocka_unit_test_teardown(empty, end),
		cmocka_unit_test_teardown(bytes_are_bounded, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
