// SPDX-License-Identifier: Apache-2.0
/* Saying things to the state DB until it agrees: loader/publish.c, over a database made of this
 * file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "statedb/statedb.h"
#include "util/clock.h"

/* The one request under way. */
static struct {
	json_t *changes;
	db_done *done;
	void *arg;
	unsigned int n;
} req;

static void fake_put(struct db *db, const char *space, const char *owner, const json_t *changes,
		     db_done *done, void *arg)
{
	assert_null(req.done); /* one at a time */
	assert_string_equal(space, "t");
	assert_string_equal(owner, "me");
	req.changes = json_deep_copy(changes);
	req.done = done;
	req.arg = arg;
	req.n++;
}

#define db_put fake_put
#include "loader/publish.c"

static struct loop *loop;
static struct publisher *p;
static bool enabled;

static json_t *record(int v)
{
	return json_pack("{s:s, s:i}", "host", "me", "v", v);
}

static void turn(void)
{
	assert_int_equal(loop_once(loop, 0), 0);
}

/* What was asked, as JSON text; then the answer. */
static void expect(const char *want, int code)
{
	struct err err = { .code = code };
	json_t *w = json_loads(want, 0, NULL);
	db_done *done;

	turn();
	assert_non_null(req.done);
	if (!json_equal(w, req.changes))
		fail_msg("want %s, got %s", want, json_dumps(req.changes, 0));
	json_decref(w);
	json_decref(req.changes);
	done = req.done;
	req.done = NULL;
	done(req.arg, code ? &err : NULL, NULL);
}

static void expect_quiet(void)
{
	turn();
	turn();
	assert_null(req.done);
}

static int setup(void **state)
{
	memset(&req, 0, sizeof(req));
	enabled = true;
	loop = loop_new();
	p = publisher_new(loop, NULL, "t", "me", &enabled);
	return !p;
}

static int teardown(void **state)
{
	publisher_free(p);
	loop_free(loop);
	return 0;
}

static void gathers(void **state)
{
	publish_set(p, "live/a", record(1));
	publish_set(p, "live/b", record(2));
	publish_set(p, "live/a", record(3));
	publish_del(p, "live/c");
	expect("{\"live/a\": {\"host\": \"me\", \"v\": 3}, \"live/b\": {\"host\": \"me\", \"v\": 2}, \"live/c\": null}",
	       0);
	expect_quiet();
	publish_set(p, "live/a", record(3)); /* no news */
	expect_quiet();
	assert_false(publish_pending(p));
}

static void change_while_under_way(void **state)
{
	publish_set(p, "x", record(1));
	turn();
	publish_set(p, "x", record(2));
	assert_int_equal(req.n, 1);
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", 0);
	expect("{\"x\": {\"host\": \"me\", \"v\": 2}}", 0);
	expect_quiet();
}

static void again_after_an_error(void **state)
{
	uint64_t now = clock_mono_ns();

	publish_set(p, "x", record(1));
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", -ETIMEDOUT);
	publish_tick(p, now); /* not at once */
	expect_quiet();
	publish_tick(p, now + 2 * PUBLISH_RETRY_NS);
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", 0);
	publish_tick(p, now + 4 * PUBLISH_RETRY_NS);
	expect_quiet();
}

static void deletion_again_after_an_error(void **state)
{
	uint64_t now = clock_mono_ns();

	publish_del(p, "x");
	expect("{\"x\": null}", -ETIMEDOUT);
	publish_tick(p, now + 2 * PUBLISH_RETRY_NS);
	expect("{\"x\": null}", 0);
	publish_tick(p, now + 4 * PUBLISH_RETRY_NS);
	expect_quiet();
}

static void history_was_rewound(void **state)
{
	uint64_t later = clock_mono_ns() + 2 * PUBLISH_RETRY_NS;
	json_t *r = record(1), *empty = json_object();

	json_object_set_new(r, "rev", json_integer(9)); /* the DB's own */
	publish_set(p, "x", record(1));
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", 0);
	publish_seen(p, "x", r);
	publish_tick(p, later);
	expect_quiet();
	publish_snapshot(p, empty); /* it is gone */
	publish_tick(p, later);
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", 0);
	json_decref(r);
	json_decref(empty);
}

static void other_hosts_words(void **state)
{
	uint64_t later = clock_mono_ns() + 2 * PUBLISH_RETRY_NS;
	json_t *theirs = json_pack("{s:s, s:i}", "host", "you", "v", 1);

	publish_del(p, "x");
	expect("{\"x\": null}", -ETIMEDOUT);
	publish_seen(p, "x", theirs); /* not ours to delete any more */
	publish_tick(p, later);
	expect_quiet();
	publish_set(p, "y", record(1));
	expect("{\"y\": {\"host\": \"me\", \"v\": 1}}", 0);
	publish_forget(p, "y");
	publish_seen(p, "y", theirs);
	publish_tick(p, later);
	expect_quiet();
	json_decref(theirs);
}

static void silent_without_lease(void **state)
{
	enabled = false;
	publish_set(p, "x", record(1));
	expect_quiet();
	assert_true(publish_pending(p));
	enabled = true;
	publish_tick(p, clock_mono_ns());
	expect("{\"x\": {\"host\": \"me\", \"v\": 1}}", 0);
}

static void adopted_values(void **state)
{
	uint64_t later = clock_mono_ns() + 2 * PUBLISH_RETRY_NS;

	assert_int_equal(publish_adopt(p, "x", record(1)), 0);
	publish_tick(p, later);
	expect_quiet();
	assert_non_null(publish_wanted(p, "x"));
	publish_all_del(p);
	expect("{\"x\": null}", 0);
	assert_null(publish_wanted(p, "x"));
}

static void batches(void **state)
{
	char path[32];

	for (int i = 0; i < PUBLISH_BATCH + 10; i++) {
		snprintf(path, sizeof(path), "mac/b/%d", i);
		publish_set(p, path, record(i));
	}
	turn();
	assert_int_equal(json_object_size(req.changes), PUBLISH_BATCH);
	for (int i = 0; i < 2; i++) {
		db_done *done = req.done;

		json_decref(req.changes);
		req.done = NULL;
		done(req.arg, NULL, NULL);
		turn();
	}
	assert_int_equal(req.n, 2);
	assert_false(publish_pending(p));
}

/* The answer may come when the publisher has gone. */
static void late_answer(void **state)
{
	db_done *done;

	publish_set(p, "x", record(1));
	turn();
	publisher_free(p);
	p = NULL;
	done = req.done;
	json_decref(req.changes);
	req.done = NULL;
	done(req.arg, NULL, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(gathers),
		T(change_while_under_way),
		T(again_after_an_error),
		T(deletion_again_after_an_error),
		T(history_was_rewound),
		T(other_hosts_words),
		T(silent_without_lease),
		T(adopted_values),
		T(batches),
		T(late_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
