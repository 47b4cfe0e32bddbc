// SPDX-License-Identifier: Apache-2.0
/* Packets that wait: order, bounds, deadlines, retries: loader/park.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "loader/park.h"

static const char tenant[] = "t", other[] = "o";
static struct park *park;

static struct park_what neigh(const char *port, uint32_t last)
{
	return (struct park_what){
		.kind = PARK_NEIGH, .scope = tenant, .name = port, .ip = { .w = { 0, 0, 0, last } }
	};
}

static int put(const struct park_what *what, uint32_t key, uint8_t mark, uint64_t deadline,
	       bool *fresh)
{
	uint8_t data[60] = { mark };
	struct dp_frame frame = { .data = data, .len = sizeof(data) };
	bool dummy;

	return park_put(park, what, key, &frame, 0, deadline, fresh ? fresh : &dummy);
}

/* The mark of the next ready packet; -1 = none. */
static int take(void)
{
	struct parked *p = park_take(park);
	int mark;

	if (!p)
		return -1;
	assert_int_equal(p->frame.len, 60);
	mark = p->frame.data[0];
	p->frame.data[-DP_HEADROOM] = 1; /* the headroom is there */
	free(p);
	return mark;
}

static int setup(void **state)
{
	park = park_new(1);
	return !park;
}

static int teardown(void **state)
{
	park_free(park);
	return 0;
}

static void in_order(void **state)
{
	struct park_what a = neigh("r1", 1), b = neigh("r1", 2), c = neigh("r2", 1);
	bool fresh;

	assert_int_equal(put(&a, 1, 10, 99, &fresh), 0);
	assert_true(fresh);
	assert_int_equal(put(&b, 1, 20, 99, &fresh), 0);
	assert_true(fresh);
	assert_int_equal(put(&a, 1, 11, 99, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(take(), -1);
	park_ready(park, &c);
	assert_int_equal(take(), -1);
	park_ready(park, &a);
	assert_int_equal(park_count(park), 3);
	assert_int_equal(take(), 10);
	assert_int_equal(take(), 11);
	assert_int_equal(take(), -1);
	assert_int_equal(park_count(park), 1);
	assert_int_equal(put(&a, 1, 12, 99, &fresh), 0);
	assert_true(fresh); /* asked anew */
}

static void scopes(void **state)
{
	struct park_what a = neigh("r1", 1), b = a, c = { .kind = PARK_PORT, .key = 5 };

	b.scope = other;
	put(&a, 1, 1, 99, NULL);
	put(&b, 1, 2, 99, NULL);
	put(&c, 5, 3, 99, NULL);
	park_ready_scope(park, other);
	assert_int_equal(take(), 2);
	assert_int_equal(take(), -1);
	park_ready(park, &c);
	assert_int_equal(take(), 3);
}

static void bound_per_neighbour(void **state)
{
	struct park_what a = neigh("r1", 1);

	for (int i = 0; i < PARK_PER_NEED; i++)
		assert_int_equal(put(&a, 1, 0, 99, NULL), 0);
	assert_int_equal(put(&a, 1, 0, 99, NULL), -ENOSPC);
	park_ready(park, &a);
	assert_int_equal(take(), 0);
	assert_int_equal(put(&a, 1, 0, 99, NULL), 0);
}

static void bound_per_port(void **state)
{
	for (int i = 0; i < PARK_PER_PORT; i++) {
		struct park_what a = neigh("r1", i);

		assert_int_equal(put(&a, 1, 0, 99, NULL), 0);
	}
	assert_int_equal(put(&(struct park_what){ .kind = PARK_PORT, .key = 1 }, 1, 0, 99, NULL),
			 -ENOSPC);
	assert_int_equal(put(&(struct park_what){ .kind = PARK_PORT, .key = 2 }, 2, 0, 99, NULL),
			 0); /* costs that port only */
}

static void bound_in_all(void **state)
{
	uint32_t n = 0;

	for (uint32_t port = 1; port <= 32; port++)
		for (uint32_t i = 0; i < PARK_PER_PORT; i++) {
			struct park_what a = neigh("r1", port << 16 | i);

			n += !put(&a, port, 0, 99, NULL);
		}
	assert_int_equal(n, PARK_MAX);
	assert_int_equal(park_count(park), PARK_MAX);
}

static void count_expired(void *arg, const struct parked *p)
{
	*(int *)arg = *(int *)arg * 10 + p->frame.data[0];
}

static void deadlines(void **state)
{
	struct park_what a = neigh("r1", 1);
	int seen = 0;

	put(&a, 1, 1, 100, NULL);
	put(&a, 1, 2, 300, NULL);
	put(&a, 1, 3, 200, NULL);
	park_expire(park, 99, count_expired, &seen);
	assert_int_equal(seen, 0);
	park_expire(park, 250, count_expired, &seen);
	assert_int_equal(seen, 13);
	assert_int_equal(park_count(park), 1);
	put(&a, 1, 4, 300, NULL); /* the tail is where it should be */
	park_ready(park, &a);
	assert_int_equal(take(), 2);
	assert_int_equal(take(), 4);
}

static void on_retry(void *arg, const struct park_what *what, const struct parked *p,
		     uint32_t tries)
{
	uint32_t *seen = arg;

	assert_string_equal(what->name, "r1");
	assert_int_equal(p->frame.data[0], 1);
	*seen = tries;
	if (tries == 3)
		park_ready(park, what);
}

static void retries(void **state)
{
	struct park_what a = neigh("r1", 1),
			 b = { .kind = PARK_RECORD, .scope = tenant, .name = "port/x" };
	uint32_t seen = 0;

	put(&a, 1, 1, 99999, NULL);
	put(&a, 1, 2, 99999, NULL);
	put(&b, 1, 3, 99999, NULL); /* not asked for: it is followed */
	park_retry(park, 999, 1000, on_retry, &seen);
	assert_int_equal(seen, 0);
	park_retry(park, 1000, 1000, on_retry, &seen);
	assert_int_equal(seen, 1);
	park_retry(park, 1999, 1000, on_retry, &seen);
	assert_int_equal(seen, 1);
	park_retry(park, 2000, 1000, on_retry, &seen);
	assert_int_equal(seen, 2);
	park_retry(park, 3000, 1000, on_retry, &seen);
	assert_int_equal(seen, 3);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
	assert_int_equal(take(), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(in_order),	   T(scopes),	    T(bound_per_neighbour),
		T(bound_per_port), T(bound_in_all), T(deadlines),
		T(retries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
