// SPDX-License-Identifier: Apache-2.0
/* Against one real server: records that are claimed, and the stash. */
#include "selftests/unit/statedb/one_server.h"
#include "statedb/schema.h"

static struct answer do_claim(struct db *d, const char *path, uint64_t was, json_t *record)
{
	struct answer a = { 0 };

	db_claim(d, "t1", path, was, record, answer_cb, &a);
	json_decref(record);
	await(&a);
	return a;
}

static json_t *of(const char *host)
{
	return json_pack("{s:s, s:[], s:{}}", "host", host, "list", "map");
}

static void the_first_one_gets_it(void **state)
{
	struct answer a = do_claim(db, "natblock/r/10.0.0.1/1024", 0, of("h1"));

	(void)state;
	assert_int_equal(answer_int(&a, "rev"), 1);
	assert_ok(a);
	assert_err(do_claim(db2, "natblock/r/10.0.0.1/1024", 0, of("h2")), -EEXIST,
		   "natblock/r/10.0.0.1/1024");
	assert_records(
		do_read(db, "t1"),
		"{\"natblock/r/10.0.0.1/1024\": {\"host\": \"h1\", \"list\": [], \"map\": {}, \"rev\": 1}}");
	assert_ok(do_claim(db2, "natblock/r/10.0.0.1/1280", 0, of("h2")));
}

/* Only who knows the present record replaces it. */
static void taken_over_by_revision(void **state)
{
	(void)state;
	assert_ok(do_claim(db, "a", 0, of("h1")));
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "b")));
	assert_err(do_claim(db2, "a", 2, of("h2")), -EEXIST, "'a'");
	assert_ok(do_claim(db2, "a", 1, of("h2")));
	assert_err(do_claim(db, "a", 1, of("h3")), -EEXIST, "'a'");
	assert_records(
		do_read(db, "t1"),
		"{\"a\": {\"host\": \"h2\", \"list\": [], \"map\": {}, \"rev\": 3}, \"b\": {\"rev\": 2}}");
	/* one that has gone is no longer of that revision */
	assert_ok(do_put(db, "t1", "h2", json_pack("{s:n}", "a")));
	assert_err(do_claim(db2, "a", 3, of("h2")), -EEXIST, "'a'");
	assert_ok(do_claim(db2, "a", 0, of("h2")));
}

/* As when the answer was lost and the request is sent again. */
static void again_is_no_conflict(void **state)
{
	struct answer a;

	(void)state;
	assert_ok(do_claim(db, "a", 0, of("h1")));
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "b")));
	a = do_claim(db, "a", 0, of("h1"));
	assert_int_equal(answer_int(&a, "rev"), 1);
	assert_ok(a);
	a = do_read(db, "t1");
	assert_int_equal(answer_int(&a, "rev"), 2);
	answer_fini(&a);
}

static void a_claim_is_state(void **state)
{
	struct model m = { 0 };
	struct answer a;

	(void)state;
	assert_true(model_follow(&m, db, "t1"));
	assert_ok(do_commit(db2, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	assert_ok(do_claim(db2, "path with \"quotes\"", 0, json_object()));
	a = do_commit(db2, "t1", 1, json_pack("{s:{}}", "bridge/c"));
	assert_int_equal(answer_int(&a, "rev"), 3);
	assert_int_equal(answer_int(&a, "crev"), 2);
	assert_ok(a);
	assert_same(&m, "t1");
	assert_int_equal(m.disorders, 0);
	model_fini(&m);
}

/* What a failover forgets, two may have. */
static void replicas_are_waited_for(void **state)
{
	struct db *d = connect_with(NULL, 1, 3000);
	struct answer a = do_claim(d, "a", 0, of("h1"));

	(void)state;
	assert_int_equal(answer_int(&a, "rev"), 1);
	assert_non_null(json_object_get(a.reply, "replicas"));
	assert_int_equal(answer_int(&a, "replicas"), 0);
	assert_ok(a);
	db_free(d, false);
}

/* Of many who claim at once, each record goes to exactly one. */
static void many_at_once(void **state)
{
	enum { PATHS = 20, EACH = 4 };
	struct answer a[PATHS][EACH] = { 0 };
	char path[16], host[16];
	json_t *record;

	(void)state;
	for (int i = 0; i < PATHS; i++)
		for (int k = 0; k < EACH; k++) {
			snprintf(path, sizeof(path), "p%d", i);
			snprintf(host, sizeof(host), "h%d", k);
			record = of(host);
			db_claim(k % 2 ? db : db2, "t1", path, 0, record, answer_cb, &a[i][k]);
			json_decref(record);
		}
	for (int i = 0; i < PATHS; i++) {
		int won = 0;

		for (int k = 0; k < EACH; k++) {
			await(&a[i][k]);
			won += !a[i][k].err.code;
			assert_true(!a[i][k].err.code || a[i][k].err.code == -EEXIST);
			answer_fini(&a[i][k]);
		}
		assert_int_equal(won, 1);
	}
}

static void bad_claims(void **state)
{
	(void)state;
	assert_err(do_claim(db, "a", 0, json_array()), -EINVAL, "must be an object");
	assert_err(do_claim(db, "", 0, json_object()), -EINVAL, "must be an object");
}

/* --- the stash --- */

static struct answer do_stash(struct db *d, json_t *changes, unsigned int ttl_s)
{
	struct answer a = { 0 };

	db_stash(d, "t1", changes, ttl_s, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static void assert_stash(struct db *d, const char *name, const char *json)
{
	json_t *want = json_loads(json, 0, NULL);
	struct answer a = { 0 };
	char *got;

	db_unstash(d, "t1", name, answer_cb, &a);
	await(&a);
	got = json_dumps(a.reply, JSON_SORT_KEYS);
	if (a.err.code || !json_equal(a.reply, want))
		fail_msg("%s: %s%s, want %s", name, a.err.text, got ? got : "", json);
	free(got);
	json_decref(want);
	answer_fini(&a);
}

static void stashed_and_found(void **state)
{
	struct model m = { 0 };

	(void)state;
	assert_stash(db, "vm1", "{}");
	assert_true(model_follow(&m, db, "t1"));
	assert_ok(do_stash(db,
			   json_pack("{s:{s:s, s:s}, s:{s:s}}", "vm1", "a", "1", "b", "2", "vm2",
				     "a", "3"),
			   60));
	assert_stash(db2, "vm1", "{\"a\": \"1\", \"b\": \"2\"}");
	assert_stash(db2, "vm2", "{\"a\": \"3\"}");
	assert_stash(db2, "vm3", "{}");
	assert_ok(do_stash(db2, json_pack("{s:{s:n, s:s}}", "vm1", "a", "b", "9"), 60));
	assert_stash(db, "vm1", "{\"b\": \"9\"}");
	/* nobody is told */
	assert_same(&m, "t1");
	assert_int_equal(m.rev, 0);
	model_fini(&m);
}

static void a_stash_runs_out(void **state)
{
	char answer[4096];
	long ttl;

	(void)state;
	assert_ok(do_stash(db, json_pack("{s:{s:s}}", "vm1", "a", "1"), 77));
	redis_do(&redis, answer, "cli 0 ttl skep:{s%02u}:t:t1:stash:vm1",
		 schema_new_shard("t1"));
	ttl = strtol(answer, NULL, 10);
	assert_true(ttl > 0 && ttl <= 77);
}

static void bad_stashes(void **state)
{
	(void)state;
	assert_err(do_stash(db, json_object(), 60), -EINVAL, "want 1 to");
	assert_err(do_stash(db, json_pack("{s:{s:s}}", "not a name", "a", "1"), 60), -EINVAL,
		   "not a name");
	assert_err(do_stash(db, json_pack("{s:s}", "vm1", "a"), 60), -EINVAL, "not a name");
	assert_err(do_stash(db, json_pack("{s:{}}", "vm1"), 0), -EINVAL, "time to live");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_one_gets_it), T(taken_over_by_revision), T(again_is_no_conflict),
		T(a_claim_is_state),	  T(many_at_once),	     T(bad_claims),
		T(replicas_are_waited_for),
		T(stashed_and_found),	  T(a_stash_runs_out),	     T(bad_stashes),
	};

	return cmocka_run_group_tests_name("statedb/claim", tests, group_setup, group_teardown);
}
