// SPDX-License-Identifier: Apache-2.0
/* Following spaces of one real server, through cuts, restarts, trimmed and rewound streams. */
#include "selftests/unit/statedb/one_server.h"

static void a_follower_sees_changes_in_order(void **state)
{
	struct model m = { 0 }, late = { 0 };

	(void)state;
	assert_ok(do_commit(db2, "t1", 0, json_pack("{s:{s:i}}", "bridge/a", "v", 0)));
	assert_true(model_follow(&m, db, "t1"));
	assert_true(LOOP_UNTIL(loop, m.snapshots, 3000));
	assert_int_equal(m.rev, 1);
	for (int i = 1; i <= 50; i++) {
		assert_ok(do_commit(db2, "t1", (uint64_t)i,
				    json_pack("{s:{s:i}}", "bridge/a", "v", i)));
		assert_ok(do_put(db2, "t1", NULL,
				 json_pack("{s:{}, s:n}", i % 2 ? "live/a" : "live/b",
					   i % 2 ? "live/b" : "live/a")));
	}
	assert_same(&m, "t1");
	assert_int_equal(m.snapshots, 1);
	assert_int_equal(m.changes, 100);
	assert_true(model_follow(&late, db, "t1")); /* a second one of the same space */
	assert_true(LOOP_UNTIL(loop, late.snapshots, 1000));
	assert_same(&late, "t1");
	model_fini(&late);
	assert_ok(do_put(db2, "t1", NULL, json_pack("{s:{}}", "live/z")));
	assert_same(&m, "t1");
	model_fini(&m);
}

static void a_space_may_be_followed_before_it_exists(void **state)
{
	struct model m[5] = { 0 };
	const char *names[] = { "a1", "b2", "c3", "d4", DB_HOSTS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		assert_true(model_follow(&m[i], db, names[i]));
	for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
		assert_true(LOOP_UNTIL(loop, m[i].snapshots, 3000));
		assert_ok(do_put(db2, names[i], NULL,
				 json_pack("{s:{s:s}}", "live/x", "name", names[i])));
		assert_same(&m[i], names[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		model_fini(&m[i]);
}

static void a_new_follow_does_not_wait_for_others(void **state)
{
	struct model a = { 0 }, b = { 0 };
	uint64_t start;

	(void)state;
	assert_true(model_follow(&a, db, "t1"));
	assert_true(LOOP_UNTIL(loop, a.snapshots, 3000));
	LOOP_UNTIL(loop, false, 150); /* let it block in XREAD */
	start = clock_mono_ns();
	assert_true(model_follow(&b, db, "t2"));
	assert_true(LOOP_UNTIL(loop, b.snapshots, 3000));
	assert_true(clock_mono_ns() - start < 1000 * NSEC_PER_MSEC); /* XREAD blocks for 2000 */
	model_fini(&a);
	model_fini(&b);
}

static void after_a_cut_the_space_is_read_again(void **state)
{
	struct model m = { 0 };
	char answer[4096];

	(void)state;
	assert_ok(do_commit(db2, "t1", 0, json_pack("{s:{}, s:{}}", "bridge/a", "bridge/b")));
	assert_true(model_follow(&m, db, "t1"));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 3000));
	for (unsigned int i = 2; i < 5; i++) {
		assert_non_null(redis_do(&redis, answer, "cli 0 client kill type normal"));
		assert_ok(do_put(db2, "t1", NULL, json_pack("{s:{s:i}}", "live/x", "i", i)));
		assert_true(LOOP_UNTIL(loop, m.snapshots >= i, 5000));
		assert_same(&m, "t1");
	}
	model_fini(&m);
}

static void after_a_restart_the_space_is_read_again(void **state)
{
	struct model m = { 0 };
	struct answer a = { 0 };
	char answer[4096];
	json_t *c;

	(void)state;
	redis_do(&redis, answer, "cli 0 config set appendfsync always");
	assert_ok(do_commit(db2, "t1", 0, json_pack("{s:{}}", "bridge/a")));
	assert_true(model_follow(&m, db, "t1"));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 3000));
	assert_true(redis_ok(&redis, "kill 0"));
	c = json_pack("{s:{}}", "live/x");
	db_put(db2, "t1", NULL, c, answer_cb, &a); /* waits for the server */
	json_decref(c);
	LOOP_UNTIL(loop, false, 200);
	assert_int_equal(a.calls, 0);
	assert_true(redis_ok(&redis, "start 0"));
	await(&a);
	assert_ok(a);
	assert_true(LOOP_UNTIL(loop, m.snapshots >= 2, 5000));
	assert_same(&m, "t1");
	assert_int_equal(json_object_size(m.records), 2);
	model_fini(&m);
}

static void a_trimmed_stream_is_noticed(void **state)
{
	struct model m = { 0 };
	char answer[4096];
	const char *key = "skep:{hosts}";

	(void)state;
	assert_ok(do_put(db2, DB_HOSTS, NULL, json_pack("{s:{}}", "host/a")));
	assert_true(model_follow(&m, db, DB_HOSTS));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 3000));
	/* Three writes and a trim in one step: the follower gets to see the last entry only. */
	redis_do(
		&redis, answer,
		"cli 0 eval \"for i = 2, 4 do redis.call('HSET', '%s:o', 'host/n' .. i, '{\\\"rev\\\":' .. i .. '}');"
		"redis.call('XADD', '%s:log', '*', 'rev', i, 'crev', 0, 'id', 'x', 'changes', '{\\\"host/n' .. i .. '\\\":{\\\"rev\\\":' .. i .. '}}') end;"
		"redis.call('SET', '%s:rev', 4); return redis.call('XTRIM', '%s:log', 'MAXLEN', 1)\" 0",
		key, key, key, key);
	assert_string_equal(answer, "3 ");
	assert_true(LOOP_UNTIL(loop, m.snapshots == 2, 5000));
	assert_int_equal(m.changes, 0);
	assert_same(&m, DB_HOSTS);
	assert_int_equal(json_object_size(m.records), 4);
	model_fini(&m);
}

static void a_rewound_history_is_noticed(void **state)
{
	struct model m = { 0 };
	char answer[4096];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_ok(do_put(db2, "t1", NULL, json_pack("{s:{s:i}}", "live/x", "i", i)));
	assert_true(model_follow(&m, db, "t1"));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 3000));
	redis_do(&redis, answer, "cli 0 flushall");
	assert_true(LOOP_UNTIL(loop, m.snapshots == 2, 8000));
	assert_int_equal(m.rev, 0);
	assert_int_equal(json_object_size(m.records), 0);
	model_fini(&m);
}

static void a_broken_record_is_named_and_not_delivered(void **state)
{
	struct model m = { 0 };
	char answer[4096];
	json_t *s;

	(void)state;
	assert_ok(do_put(db2, DB_HOSTS, NULL, json_pack("{s:{}}", "host/a")));
	redis_do(&redis, answer, "cli 0 hset skep:{hosts}:o host/bad '{x'");
	assert_err(do_read(db, DB_HOSTS), -EBADMSG, "'host/bad'");
	assert_true(model_follow(&m, db, DB_HOSTS));
	s = NULL;
	assert_true(LOOP_UNTIL(
		loop,
		(json_decref(s), s = db_status(db),
		 strstr(json_string_value(json_object_get(s, "error")) ?: "", "host/bad")),
		5000));
	json_decref(s);
	assert_int_equal(m.snapshots, 0);
	redis_do(&redis, answer, "cli 0 hdel skep:{hosts}:o host/bad");
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 5000));
	model_fini(&m);
	redis_do(&redis, answer,
		 "cli 0 set skep:{hosts}:log wrongtype"); /* half of a write would succeed */
	assert_err(do_put(db, DB_HOSTS, NULL, json_pack("{s:{}}", "host/b")), -EIO, "WRONGTYPE");
	assert_string_equal(redis_do(&redis, answer, "cli 0 hexists skep:{hosts}:o host/b"), "0 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_follower_sees_changes_in_order),
		T(a_space_may_be_followed_before_it_exists),
		T(a_new_follow_does_not_wait_for_others),
		T(after_a_cut_the_space_is_read_again),
		T(after_a_restart_the_space_is_read_again),
		T(a_trimmed_stream_is_noticed),
		T(a_rewound_history_is_noticed),
		T(a_broken_record_is_named_and_not_delivered),
	};

	return cmocka_run_group_tests_name("statedb/follow", tests, group_setup, group_teardown);
}
