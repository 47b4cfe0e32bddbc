// SPDX-License-Identifier: Apache-2.0
/* Requests against one real server: what is written, read, refused, and told when the server is not
 * well. */
#include "selftests/unit/statedb/one_server.h"

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
	json_t *a = json_object_get(m->records, "bridge/a"),
	       *b = json_object_get(m->records, "bridge/b");

	m->broken += (a || b) && !json_equal(json_object_get(a, "v"), json_object_get(b, "v"));
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

static bool is_connected(const struct db *d)
{
	json_t *s = db_status(d);
	bool yes = json_is_true(json_object_get(s, "connected"));

	json_decref(s);
	return yes;
}

static void silence_is_noticed_by_who_asks_nothing(void **state)
{
	struct db *d = connect_with(NULL, 0, 15000);
	json_t *s;

	(void)state;
	assert_records(do_read(d, "t1"), "{}");
	assert_true(is_connected(d));
	assert_true(redis_ok(&redis, "pause 0"));
	assert_true(LOOP_UNTIL(loop, !is_connected(d), 4500));
	s = db_status(d);
	assert_non_null(strstr(json_string_value(json_object_get(s, "error")), "does not answer"));
	json_decref(s);
	assert_true(redis_ok(&redis, "resume 0"));
	assert_true(LOOP_UNTIL(loop, is_connected(d), 5000));
	assert_records(do_read(d, "t1"), "{}");
	db_free(d, false);
}

static bool stays_connected(const struct db *d, bool *away)
{
	*away = *away || !is_connected(d);
	return false;
}

/* A long script, or much to write, is no silence. */
static void a_busy_server_is_there(void **state)
{
	struct db *d = connect_with(NULL, 0, 15000);
	struct answer a = { 0 };
	char answer[4096];
	bool away = false;

	(void)state;
	assert_records(do_read(d, "t1"), "{}");
	assert_string_equal(redis_do(&redis, answer, "cli 0 client pause 1500 all"), "OK ");
	db_read(d, "t1", answer_cb, &a);
	assert_true(LOOP_UNTIL(loop, stays_connected(d, &away) || a.calls, 10000));
	assert_false(away);
	assert_records(a, "{}");
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
		.mode = DB_CLUSTER, .addresses = &address, .n_addresses = 1, .tls = redis.tls, .timeout_ms = 500
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
		T(another_schema_is_refused),
		T(a_wrong_password_is_told),
		T(an_absent_server_is_waited_for),
		T(a_hanging_server_is_given_up),
		T(silence_is_noticed_by_who_asks_nothing),
		T(a_busy_server_is_there),
		T(missing_replicas_are_a_warning),
		T(a_cluster_was_expected),
		T(bad_configurations_are_refused),
		T(closing_answers_what_is_pending),
	};

	return cmocka_run_group_tests_name("statedb/db", tests, group_setup, group_teardown);
}
