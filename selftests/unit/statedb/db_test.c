// SPDX-License-Identifier: Apache-2.0
/* Requests, following and leases against one real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/lib/redis.h"
#include "util/cleanup.h"

static struct redis redis;
static struct loop *loop;
static struct db *db, *db2; /* two programs at the same database */

static struct db *connect_with(const char *password, unsigned int replicas, unsigned int timeout_ms)
{
	const char *address = redis.address[0];
	struct db_config c = { .mode = DB_SERVER,
			       .addresses = &address,
			       .n_addresses = 1,
			       .password = password,
			       .wait_replicas = replicas,
			       .wait_ms = 100,
			       .timeout_ms = timeout_ms };
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	if (!d)
		fail_msg("%s", err.text);
	return d;
}

static int setup(void **state)
{
	char answer[4096];

	(void)state;
	redis_do(&redis, answer, "cli 0 flushall");
	loop = loop_new();
	db = connect_with(NULL, 0, 3000);
	db2 = connect_with(NULL, 0, 3000);
	return loop && strstr(answer, "OK") ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	db_free(db, false);
	db_free(db2, false);
	loop_free(loop);
	return 0;
}

static void await(struct answer *a)
{
	if (!LOOP_UNTIL(loop, a->calls, 10000))
		fail_msg("no answer");
	assert_int_equal(a->calls, 1);
}

static struct answer do_commit(struct db *d, const char *space, uint64_t crev, json_t *changes)
{
	struct answer a = { 0 };

	db_commit(d, space, crev, changes, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static struct answer do_put(struct db *d, const char *space, const char *owner, json_t *changes)
{
	struct answer a = { 0 };

	db_put(d, space, owner, changes, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static struct answer do_read(struct db *d, const char *space)
{
	struct answer a = { 0 };

	db_read(d, space, answer_cb, &a);
	await(&a);
	return a;
}

static void assert_ok(struct answer a)
{
	if (a.err.code)
		fail_msg("%s", a.err.text);
	answer_fini(&a);
}

static void assert_err(struct answer a, int code, const char *text)
{
	if (a.err.code != code || !strstr(a.err.text, text))
		fail_msg("error %d '%s', want %d with '%s'", a.err.code, a.err.text, code, text);
	assert_null(a.reply);
	answer_fini(&a);
}

static void assert_records(struct answer a, const char *json)
{
	json_t *want = json_loads(json, 0, NULL);
	char *got = json_dumps(json_object_get(a.reply, "records"), JSON_SORT_KEYS);

	assert_non_null(want);
	if (a.err.code || !json_equal(want, json_object_get(a.reply, "records")))
		fail_msg("records: %s%s, want %s", a.err.text, got, json);
	free(got);
	json_decref(want);
	answer_fini(&a);
}

/* --- requests --- */

static void an_absent_space_is_empty(void **state)
{
	struct answer a = do_read(db, "nobody");

	(void)state;
	assert_int_equal(answer_int(&a, "rev"), 0);
	assert_int_equal(answer_int(&a, "crev"), 0);
	assert_records(a, "{}");
	a = (struct answer){ 0 };
	db_tenants(db, answer_cb, &a);
	await(&a);
	assert_int_equal(json_array_size(json_object_get(a.reply, "tenants")), 0);
	answer_fini(&a);
}

static void records_come_back_as_written(void **state)
{
	const char *text =
		"{\"name\": \"b\\u00e9\\n\", \"list\": [], \"map\": {}, \"big\": 9007199254740993, \"neg\": -1,"
		" \"float\": 1.5, \"null\": null, \"deep\": {\"x\": [{}, [], \"\"]}, \"rev\": 77}";
	struct answer a = do_commit(db, "t1", 0,
				    json_pack("{s:o, s:{}}", "bridge/b1", json_loads(text, 0, NULL),
					      "router/\"r\\1\"é"));

	(void)state;
	assert_int_equal(answer_int(&a, "rev"), 1);
	assert_int_equal(answer_int(&a, "crev"), 1);
	assert_int_equal(answer_int(&a, "replicas"), 0);
	assert_true(json_is_null(json_object_get(a.reply, "warning")));
	assert_ok(a);
	assert_records(
		do_read(db2, "t1"),
		"{\"bridge/b1\": {\"name\": \"b\\u00e9\\n\", \"list\": [], \"map\": {}, \"big\": 9007199254740993, \"neg\": -1,"
		" \"float\": 1.5, \"null\": null, \"deep\": {\"x\": [{}, [], \"\"]}, \"rev\": 1},"
		" \"router/\\\"r\\\\1\\\"é\": {\"rev\": 1}}");
}

static void a_stale_commit_changes_nothing(void **state)
{
	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{s:i}}", "bridge/a", "v", 1)));
	assert_err(
		do_commit(db2, "t1", 0,
			  json_pack("{s:{s:i}, s:{s:i}}", "bridge/a", "v", 2, "bridge/b", "v", 2)),
		-EAGAIN, "revision 1, not the expected 0");
	assert_records(do_read(db, "t1"), "{\"bridge/a\": {\"v\": 1, \"rev\": 1}}");
	assert_ok(do_commit(db2, "t1", 1, json_pack("{s:n, s:{}}", "bridge/a", "bridge/b")));
	assert_records(do_read(db, "t1"), "{\"bridge/b\": {\"rev\": 2}}");
}

static void state_does_not_disturb_configuration(void **state)
{
	struct answer a;

	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "port/p")));
	a = do_put(db2, "t1", NULL, json_pack("{s:{s:s}}", "live/p", "host", "h1"));
	assert_int_equal(answer_int(&a, "rev"), 2);
	assert_ok(a);
	a = do_commit(db, "t1", 1, json_pack("{s:{}}", "port/q"));
	assert_int_equal(answer_int(&a, "rev"), 3);
	assert_int_equal(answer_int(&a, "crev"), 2);
	assert_ok(a);
	a = do_put(db2, "t1", NULL,
		   json_pack("{s:n}", "live/absent")); /* nothing happened: no revision */
	assert_int_equal(answer_int(&a, "rev"), 3);
	assert_ok(a);
}

static void only_the_owner_deletes(void **state)
{
	(void)state;
	assert_ok(do_put(db, "t1", "h1",
			 json_pack("{s:{s:s}, s:{s:s}, s:{}}", "live/a", "host", "h1", "live/b",
				   "host", "h1", "live/c")));
	assert_ok(do_put(db, "t1", "h2",
			 json_pack("{s:{s:s}}", "live/a", "host", "h2"))); /* moved: overwrites */
	assert_ok(
		do_put(db, "t1", "h1", json_pack("{s:n, s:n, s:n}", "live/a", "live/b", "live/c")));
	assert_records(do_read(db, "t1"), "{\"live/a\": {\"host\": \"h2\", \"rev\": 2}}");
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:n}", "live/a")));
	assert_records(do_read(db, "t1"), "{}");
}

static void bad_requests_are_refused(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_err(do_commit(db, "t1", 0, json_pack("{s:{}, s:i}", "a", "bridge/b", 3)), -EINVAL,
		   "'bridge/b'");
	assert_err(do_put(db, "t1", NULL, json_array()), -EINVAL, "{path: object or null}");
	assert_err(do_read(db, ""), -EINVAL, "not a name");
	assert_err(do_read(db, "a b"), -EINVAL, "'a b'");
	assert_err(do_commit(db, name, 0, json_object()), -EINVAL, "1 to 128");
	assert_null(db_follow(db, "a b", &(struct db_follow_ops){ 0 }, NULL));
	assert_records(do_read(db, "t1"), "{}");
}

static void tenants_are_listed(void **state)
{
	struct answer a = { 0 };

	(void)state;
	assert_ok(do_commit(db, "acme", 0, json_pack("{s:{}}", "bridge/b")));
	assert_ok(do_commit(db, "umbrella", 0, json_pack("{s:{}}", "bridge/b")));
	assert_ok(do_put(db, DB_HOSTS, NULL,
			 json_pack("{s:{s:s}}", "host/h1", "address", "10.0.0.1")));
	db_tenants(db2, answer_cb, &a);
	await(&a);
	assert_int_equal(json_array_size(json_object_get(a.reply, "tenants")), 2);
	answer_fini(&a);
	assert_records(do_read(db2, DB_HOSTS),
		       "{\"host/h1\": {\"address\": \"10.0.0.1\", \"rev\": 1}}");
}

static void requests_of_a_space_keep_their_order(void **state)
{
	enum { N = 300 };
	struct answer a[N] = { 0 };
	json_t *c;

	(void)state;
	for (int i = 0; i < N; i++) {
		c = json_pack("{s:{s:i}}", "live/x", "i", i);
		db_put(db, "t1", NULL, c, answer_cb, &a[i]);
		json_decref(c);
	}
	assert_true(LOOP_UNTIL(loop, a[N - 1].calls, 10000));
	for (int i = 0; i < N; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(answer_int(&a[i], "rev"), i + 1);
		answer_fini(&a[i]);
	}
	assert_records(do_read(db, "t1"), "{\"live/x\": {\"i\": 299, \"rev\": 300}}");
}

static void large_writes_are_whole(void **state)
{
	json_t *c = json_object();
	struct answer a;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "rule/r%d", i);
		json_object_set_new(
			c, path,
			json_pack("{s:i, s:s}", "n", i, "text", "some words to give it a length"));
	}
	assert_ok(do_commit(db, "big", 0, c));
	a = do_read(db2, "big");
	assert_int_equal(json_object_size(json_object_get(a.reply, "records")), 20000);
	answer_fini(&a);
}

/* --- many writers --- */

struct writer {
	struct db *db;
	unsigned int done, conflicts, errors;
	uint64_t crev;
	json_int_t v;
};

static void writer_read(struct writer *w);

static void on_committed(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *w = arg;

	(void)reply;
	if (!err)
		w->done++;
	else if (err->code == -EAGAIN)
		w->conflicts++;
	else
		w->errors++;
	if (w->done < 100)
		writer_read(w);
}

static void on_read_for_writing(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *w = arg;
	json_t *a, *c;

	if (err) {
		w->errors++;
		return;
	}
	a = json_object_get(json_object_get(reply, "records"), "bridge/a");
	w->v = json_integer_value(json_object_get(a, "v")) + 1;
	c = json_pack("{s:{s:I}, s:{s:I}}", "bridge/a", "v", w->v, "bridge/b", "v", w->v);
	db_commit(w->db, "t1", (uint64_t)json_integer_value(json_object_get(reply, "crev")), c,
		  on_committed, w);
	json_decref(c);
}

static void writer_read(struct writer *w)
{
	db_read(w->db, "t1", on_read_for_writing, w);
}

static void both_agree(struct model *m)
{
	m->broken += !json_equal(json_object_get(m->records, "bridge/a"),
				 json_object_get(m->records, "bridge/b"));
}

static void concurrent_commits_lose_nothing(void **state)
{
	struct writer a = { .db = db }, b = { .db = db2 };
	struct model m = { .check = both_agree };

	(void)state;
	assert_true(model_follow(&m, db, "t1"));
	writer_read(&a);
	writer_read(&b);
	assert_true(LOOP_UNTIL(loop, a.done == 100 && b.done == 100, 20000));
	assert_int_equal(a.errors + b.errors, 0);
	assert_true(a.conflicts + b.conflicts > 0);
	assert_records(
		do_read(db, "t1"),
		"{\"bridge/a\": {\"v\": 200, \"rev\": 200}, \"bridge/b\": {\"v\": 200, \"rev\": 200}}");
	assert_true(LOOP_UNTIL(loop, m.rev == 200, 5000));
	assert_int_equal(m.broken, 0);
	assert_int_equal(m.disorders, 0);
	model_fini(&m);
}

/* --- following --- */

static void assert_same(struct model *m, const char *space)
{
	struct answer a = do_read(db2, space);
	char *got, *want;

	LOOP_UNTIL(loop, m->rev == (uint64_t)answer_int(&a, "rev"), 10000);
	if (!json_equal(m->records, json_object_get(a.reply, "records"))) {
		got = json_dumps(m->records, JSON_SORT_KEYS);
		want = json_dumps(json_object_get(a.reply, "records"), JSON_SORT_KEYS);
		fail_msg("follower has %s, database has %s", got, want);
	}
	assert_int_equal(m->crev, answer_int(&a, "crev"));
	assert_int_equal(m->disorders, 0);
	answer_fini(&a);
}

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

/* --- schema, passwords, absence --- */

static void another_schema_is_refused(void **state)
{
	char answer[4096];
	struct db *d;

	(void)state;
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "live/x")));
	assert_string_equal(redis_do(&redis, answer, "cli 0 get skep:{meta}:schema"), "1 ");
	redis_do(&redis, answer, "cli 0 set skep:{meta}:schema 99");
	d = connect_with(NULL, 0, 3000);
	assert_err(do_read(d, "t1"), -EPROTONOSUPPORT,
		   "schema 99, this program knows schemas up to 1");
	assert_err(do_put(d, "t1", NULL, json_pack("{s:n}", "live/x")), -EPROTONOSUPPORT, "99");
	redis_do(&redis, answer, "cli 0 set skep:{meta}:schema soup");
	LOOP_UNTIL(loop, false, 1200); /* it asks again each second */
	assert_err(do_read(d, "t1"), -EPROTONOSUPPORT, "'soup'");
	redis_do(&redis, answer, "cli 0 set skep:{meta}:schema 1");
	LOOP_UNTIL(loop, false, 1200);
	assert_records(do_read(d, "t1"), "{\"live/x\": {\"rev\": 1}}");
	db_free(d, false);
}

static void a_wrong_password_is_told(void **state)
{
	char answer[4096];
	struct db *d;

	(void)state;
	redis_do(&redis, answer, "cli 0 config set requirepass secret");
	d = connect_with(NULL, 0, 500);
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "wants a password");
	db_free(d, false);
	d = connect_with("wrong", 0, 500);
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "refused the password");
	db_free(d, false);
	d = connect_with("secret", 0, 3000);
	assert_records(do_read(d, "t1"), "{}");
	db_free(d, false);
	redis_do(&redis, answer, "cli 0 -a secret config set requirepass ''");
	d = connect_with("secret", 0, 500);
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "refused the password");
	db_free(d, false);
}

static void an_absent_server_is_waited_for(void **state)
{
	struct model m = { 0 };
	struct err err = { 0 };
	bool never = false;
	json_t *s;
	struct db *d;

	(void)state;
	assert_true(redis_ok(&redis, "kill 0"));
	d = connect_with(NULL, 0, 500);
	assert_true(model_follow(&m, d, "t1"));
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "Connection refused");
	assert_int_equal(db_await(d, &never, 100, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "Connection refused"));
	s = db_status(d);
	assert_false(json_is_true(json_object_get(s, "connected")));
	assert_non_null(strstr(json_string_value(json_object_get(s, "error")), redis.address[0]));
	json_decref(s);
	assert_true(redis_ok(&redis, "start 0"));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 5000));
	assert_ok(do_put(d, "t1", NULL, json_pack("{s:{}}", "live/x")));
	s = db_status(d);
	assert_true(json_is_true(json_object_get(s, "connected")));
	assert_true(json_is_null(json_object_get(s, "error")));
	assert_int_equal(json_integer_value(json_object_get(s, "schema")), DB_SCHEMA);
	json_decref(s);
	db_free(d, false); /* with a follow that is still there */
	json_decref(m.records);
}

static void a_hanging_server_is_given_up(void **state)
{
	struct answer a = { 0 };
	struct db *d = connect_with(NULL, 0, 500);

	(void)state;
	assert_records(do_read(d, "t1"), "{}");
	assert_true(redis_ok(&redis, "pause 0"));
	db_read(d, "t1", answer_cb, &a);
	await(&a);
	assert_err(a, -ETIMEDOUT, "did not answer in time");
	assert_true(redis_ok(&redis, "resume 0"));
	assert_records(do_read(d, "t1"), "{}");
	db_free(d, false);
}

static void missing_replicas_are_a_warning(void **state)
{
	struct db *d = connect_with(NULL, 1, 3000);
	struct answer a = do_commit(d, "t1", 0, json_pack("{s:{}}", "bridge/a"));

	(void)state;
	assert_int_equal(a.err.code, 0);
	assert_int_equal(answer_int(&a, "replicas"), 0);
	assert_non_null(strstr(answer_str(&a, "warning"), "only 0 of 1 replicas"));
	answer_fini(&a);
	db_free(d, false);
}

static void a_cluster_was_expected(void **state)
{
	const char *address = redis.address[0];
	struct db_config c = {
		.mode = DB_CLUSTER, .addresses = &address, .n_addresses = 1, .timeout_ms = 500
	};
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	(void)state;
	assert_non_null(d);
	assert_err(do_read(d, "t1"), -ETIMEDOUT, "not a Redis Cluster");
	db_free(d, false);
}

static void bad_configurations_are_refused(void **state)
{
	static const char *const bad[] = { "nonsense", "a:1", "b:2" };
	struct db_config c = { .mode = DB_SERVER, .addresses = bad, .n_addresses = 1 };
	struct err err = { 0 };

	(void)state;
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "'nonsense'"));
	c.n_addresses = 2;
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "wants one address, not 2"));
	c = (struct db_config){ .mode = DB_CLUSTER };
	assert_null(db_new(loop, &c, &err));
	assert_non_null(strstr(err.text, "at least one"));
}

static void closing_answers_what_is_pending(void **state)
{
	struct answer a[4] = { 0 };
	json_t *c = json_pack("{s:{}}", "live/x");
	struct model m = { 0 };

	(void)state;
	assert_true(model_follow(&m, db, "t1"));
	db_put(db, "t1", NULL, c, answer_cb, &a[0]);
	db_put(db, "t1", NULL, c, answer_cb, &a[1]);
	db_read(db, "t2", answer_cb, &a[2]);
	db_read(db, "not a name", answer_cb, &a[3]);
	db_free(db, false);
	db = NULL;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].err.code, i == 3 ? -EINVAL : -ECANCELED);
	}
	assert_int_equal(m.snapshots, 0);
	json_decref(c);
}

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

static int group_setup(void **state)
{
	(void)state;
	return redis_up(&redis, "single") ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	redis_down(&redis);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_absent_space_is_empty),
		T(records_come_back_as_written),
		T(a_stale_commit_changes_nothing),
		T(state_does_not_disturb_configuration),
		T(only_the_owner_deletes),
		T(bad_requests_are_refused),
		T(tenants_are_listed),
		T(requests_of_a_space_keep_their_order),
		T(large_writes_are_whole),
		T(concurrent_commits_lose_nothing),
		T(a_follower_sees_changes_in_order),
		T(a_space_may_be_followed_before_it_exists),
		T(a_new_follow_does_not_wait_for_others),
		T(after_a_cut_the_space_is_read_again),
		T(after_a_restart_the_space_is_read_again),
		T(a_trimmed_stream_is_noticed),
		T(a_rewound_history_is_noticed),
		T(a_broken_record_is_named_and_not_delivered),
		T(another_schema_is_refused),
		T(a_wrong_password_is_told),
		T(an_absent_server_is_waited_for),
		T(a_hanging_server_is_given_up),
		T(missing_replicas_are_a_warning),
		T(a_cluster_was_expected),
		T(bad_configurations_are_refused),
		T(closing_answers_what_is_pending),
		T(a_lease_has_one_owner),
		T(a_stolen_lease_is_noticed),
		T(a_lease_is_over_when_the_server_is_away),
		T(a_crashed_owners_lease_runs_out),
	};

	return cmocka_run_group_tests_name("statedb/db", tests, group_setup, group_teardown);
}
