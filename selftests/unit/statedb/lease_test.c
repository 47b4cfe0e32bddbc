// SPDX-License-Identifier: Apache-2.0
/* Leases on one real server. */
#include "selftests/unit/statedb/one_server.h"

/* --- leases --- */

struct holder {
	struct answer taken;
	unsigned int lost;
	char why[256];
	struct db_lease *lease;
};

static void on_taken(void *arg, const struct err *err, const json_t *reply)
{
	struct holder *h = arg;

	answer_cb(&h->taken, err, reply);
}

static void on_lost(void *arg, const char *why)
{
	struct holder *h = arg;

	h->lost++;
	snprintf(h->why, sizeof(h->why), "%s", why);
}

static void hold(struct holder *h, struct db *d, const char *owner, unsigned int ttl_ms)
{
	memset(h, 0, sizeof(*h));
	h->lease = db_lease(d, "host/h1", owner, ttl_ms, on_taken, on_lost, h);
	assert_non_null(h->lease);
	await(&h->taken);
}

static void let_go(struct holder *h)
{
	db_lease_release(h->lease);
	answer_fini(&h->taken);
}

static json_int_t lease_ms(void)
{
	struct answer a = { 0 };
	json_int_t ms;

	db_leases(db2, "host/", answer_cb, &a);
	await(&a);
	assert_int_equal(a.err.code, 0);
	ms = answer_int(&a, "host/h1");
	answer_fini(&a);
	return ms;
}

static void a_lease_has_one_owner(void **state)
{
	struct holder a, b;

	(void)state;
	assert_int_equal(lease_ms(), -1);
	hold(&a, db, "me", 600);
	assert_int_equal(a.taken.err.code, 0);
	hold(&b, db2, "other", 600);
	assert_int_equal(b.taken.err.code, -EBUSY);
	assert_non_null(strstr(b.taken.err.text, "held by 'me' for another"));
	let_go(&b);
	LOOP_UNTIL(loop, a.lost, 1500); /* renewed beyond its time */
	assert_int_equal(a.lost, 0);
	assert_true(lease_ms() > 0);
	let_go(&a);
	assert_true(LOOP_UNTIL(loop, lease_ms() == -1, 400)); /* given back, not run out */
	hold(&b, db2, "other", 600);
	assert_int_equal(b.taken.err.code, 0);
	let_go(&b);
}

static void a_stolen_lease_is_noticed(void **state)
{
	char answer[4096];
	struct holder a;

	(void)state;
	hold(&a, db, "me", 900);
	redis_do(&redis, answer, "cli 0 set skep:{hosts}:lease:host/h1 thief px 5000");
	assert_true(LOOP_UNTIL(loop, a.lost, 2000));
	assert_non_null(strstr(a.why, "'thief'"));
	let_go(&a);
	assert_true(lease_ms() > 3000); /* the thief's is not given back for it */
	redis_do(&redis, answer, "cli 0 del skep:{hosts}:lease:host/h1");
}

static void a_lease_is_over_when_the_server_is_away(void **state)
{
	uint64_t start = clock_mono_ns();
	struct holder a;

	(void)state;
	hold(&a, db, "me", 600);
	assert_true(redis_ok(&redis, "pause 0"));
	assert_true(LOOP_UNTIL(loop, a.lost, 3000));
	assert_true(clock_mono_ns() - start < 1200 * NSEC_PER_MSEC);
	assert_non_null(strstr(a.why, "could not be renewed in time"));
	assert_true(redis_ok(&redis, "resume 0"));
	let_go(&a);
}

static void a_crashed_owners_lease_runs_out(void **state)
{
	struct holder a, b;

	(void)state;
	hold(&a, db, "me", 500);
	db_free(db, false); /* without giving it back */
	db = NULL;
	answer_fini(&a.taken);
	hold(&b, db2, "other", 500);
	assert_int_equal(b.taken.err.code, -EBUSY);
	let_go(&b);
	assert_true(LOOP_UNTIL(loop, lease_ms() == -1, 2000));
	hold(&b, db2, "other", 500);
	assert_int_equal(b.taken.err.code, 0);
	let_go(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lease_has_one_owner),
		T(a_stolen_lease_is_noticed),
		T(a_lease_is_over_when_the_server_is_away),
		T(a_crashed_owners_lease_runs_out),
	};

	return cmocka_run_group_tests_name("statedb/lease", tests, group_setup, group_teardown);
}
