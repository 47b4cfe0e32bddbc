// SPDX-License-Identifier: Apache-2.0
/* Against one real server: reservations, commits that belong to them, and what was changed lately. */
#include "selftests/unit/statedb/one_server.h"
#include "statedb/schema.h"

#define NAME "idem/x"

static struct db_reservation by(const char *owner)
{
	return (struct db_reservation){ .name = NAME, .owner = owner, .print = "p", .pending_s = 60, .keep_s = 600, .max = 2 };
}

static struct answer do_reserve(struct db *d, const struct db_reservation what)
{
	struct answer a = { 0 };

	db_reserve(d, "t1", &what, answer_cb, &a);
	await(&a);
	return a;
}

static struct answer do_settle(struct db *d, const struct db_reservation what, json_t *fields)
{
	struct answer a = { 0 };

	db_settle(d, "t1", &what, fields, answer_cb, &a);
	json_decref(fields);
	await(&a);
	return a;
}

static struct answer do_marked(struct db *d, uint64_t crev, const char *owner, json_t *changes)
{
	json_t *marks = json_pack("[{s:s, s:s, s:s}]", "name", NAME, "owner", owner, "status", "201");
	struct db_audit audit = { .marks = marks, .marks_keep_s = 600 };
	struct answer a = { 0 };

	db_commit_audited(d, "t1", crev, changes, &audit, answer_cb, &a);
	json_decref(changes);
	json_decref(marks);
	await(&a);
	return a;
}

/* "" = it is ours */
static void assert_field(struct answer a, const char *field, const char *want)
{
	const json_t *fields = json_object_get(a.reply, "fields");
	const char *got = json_string_value(json_object_get(fields, field));

	if (a.err.code)
		fail_msg("%s", a.err.text);
	assert_string_equal(fields ? got ? got : "(none)" : "", want);
	answer_fini(&a);
}

static long ttl(void)
{
	char answer[4096];

	redis_do(&redis, answer, "cli 0 ttl skep:{s%02u}:t:t1:stash:" NAME, schema_new_shard("t1"));
	return strtol(answer, NULL, 10);
}

static void one_gets_it(void **state)
{
	(void)state;
	assert_err(do_reserve(db, by("a")), -ENOENT, "does not exist");
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	assert_field(do_reserve(db, by("a")), "", "");
	assert_in_range(ttl(), 1, 60);
	assert_field(do_reserve(db2, by("b")), "print", "p");
	assert_field(do_reserve(db2, by("b")), "status", "(none)");
	assert_field(do_reserve(db, by("a")), "", ""); /* asked again, for the answer was lost */
	assert_ok(do_settle(db2, by("b"), json_pack("{s:s}", "status", "500"))); /* not b's to say */
	assert_field(do_reserve(db2, by("b")), "status", "(none)");
	assert_ok(do_settle(db, by("a"), json_pack("{s:s, s:s}", "status", "200", "body", "x y")));
	assert_in_range(ttl(), 61, 600);
	assert_field(do_reserve(db2, by("b")), "status", "200");
	assert_field(do_reserve(db2, by("b")), "body", "x y");
}

static void given_back(void **state)
{
	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	assert_field(do_reserve(db, by("a")), "", "");
	assert_ok(do_settle(db, by("a"), NULL));
	assert_field(do_reserve(db2, by("b")), "", "");
}

static void so_many_at_a_time(void **state)
{
	struct db_reservation third = by("a");
	char name[16];

	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "idem/%d", i);
		third.name = name;
		if (i < 2)
			assert_field(do_reserve(db, third), "", "");
		else
			assert_err(do_reserve(db, third), -ENOSPC, "too many");
	}
	third.name = "idem/0";
	assert_ok(do_settle(db, third, NULL));
	third.name = "idem/2";
	assert_field(do_reserve(db, third), "", "");
}

static void marked_with_the_write(void **state)
{
	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	assert_field(do_reserve(db, by("a")), "", "");
	assert_err(do_marked(db, 7, "a", json_pack("{s:{}}", "bridge/c")), -EAGAIN, "changed meanwhile");
	assert_field(do_reserve(db2, by("b")), "status", "(none)");
	assert_ok(do_marked(db, 1, "a", json_pack("{s:{}}", "bridge/c")));
	assert_field(do_reserve(db2, by("b")), "status", "201");
	assert_field(do_reserve(db2, by("b")), "crev", "2");
	assert_in_range(ttl(), 61, 600);
	/* what was done is not free again, whatever its owner says */
	assert_ok(do_settle(db, by("a"), NULL));
	assert_field(do_reserve(db2, by("b")), "status", "201");
}

/* Its owner was slow: another one has it, or it has lapsed. */
static void not_written_for_another(void **state)
{
	static const char *const index[] = { DB_RESERVED };
	struct answer a = { 0 };

	(void)state;
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b")));
	assert_err(do_marked(db, 1, "a", json_pack("{s:{}}", "bridge/c")), -EOWNERDEAD, "another's");
	assert_field(do_reserve(db, by("a")), "", "");
	db_unstash_all(db2, "t1", index, 1, answer_cb, &a);
	await(&a);
	assert_ok(a);
	assert_field(do_reserve(db2, by("b")), "", "");
	assert_err(do_marked(db, 1, "a", json_pack("{s:{}}", "bridge/c")), -EOWNERDEAD, "another's");
	assert_records(do_read(db, "t1"), "{\"bridge/b\": {\"rev\": 1}}");
	assert_ok(do_marked(db2, 1, "b", json_pack("{s:{}}", "bridge/c")));
}

static void history_of_configuration(void **state)
{
	struct answer a = { 0 };
	const json_t *entries;
	char *text;

	(void)state;
	db_history(db, "t1", answer_cb, &a);
	await(&a);
	assert_err(a, -ENOENT, "does not exist");
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/a")));
	assert_ok(do_commit(db, "t1", 1, json_pack("{s:{}}", "bridge/b")));
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "live/p")));
	assert_ok(do_commit(db, "t1", 2, json_pack("{s:n}", "bridge/a")));
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:n}", "live/p")));
	a = (struct answer){ 0 };
	db_history(db2, "t1", answer_cb, &a);
	await(&a);
	assert_int_equal(answer_int(&a, "from"), 1); /* what the first one was on is not known */
	entries = json_object_get(a.reply, "entries");
	text = json_dumps(entries, JSON_COMPACT);
	assert_string_equal(text, "[[4,{\"bridge/a\":null}],[2,{\"bridge/b\":{\"rev\":2}}]]");
	free(text);
	answer_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_gets_it),		  T(given_back),	      T(so_many_at_a_time), T(marked_with_the_write),
		T(not_written_for_another), T(history_of_configuration),
	};

	return cmocka_run_group_tests_name("statedb/reserve", tests, group_setup, group_teardown);
}
