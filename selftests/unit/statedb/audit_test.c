// SPDX-License-Identifier: Apache-2.0
/* Against one real server: writes that say who made them, and what is kept of that. */
#include "selftests/unit/statedb/one_server.h"

static struct answer do_audited(struct db *d, const char *space, uint64_t crev, json_t *changes,
				const struct db_audit *audit)
{
	struct answer a = { 0 };

	db_commit_audited(d, space, crev, changes, audit, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static struct answer list(const char *before, unsigned int count, const char *path,
			  const char *meta)
{
	struct answer a = { 0 };

	db_audit_list(db2, "t1", before, count, path, meta, answer_cb, &a);
	await(&a);
	return a;
}

static struct answer get(const char *id)
{
	struct answer a = { 0 };

	db_audit_get(db2, "t1", id, answer_cb, &a);
	await(&a);
	return a;
}

static size_t n_entries(const struct answer *a)
{
	return json_array_size(json_object_get(a->reply, "entries"));
}

static const json_t *entry(const struct answer *a, size_t i)
{
	return json_array_get(json_object_get(a->reply, "entries"), i);
}

static const char *text(const json_t *o, const char *field)
{
	const char *s = json_string_value(json_object_get(o, field));

	return s ? s : "";
}

/* One write of one object: by 'who', 'path' becomes {"v": v}. */
static void write_one(unsigned int crev, const char *who, const char *path, int v,
		      struct db_audit *audit)
{
	json_t *entries = json_pack("[{s:{s:s, s:s*}, s:{s:n}, s:{s:{s:i}}}]", "meta", "by", who, "caller_tenant", strcmp(who, "op") ? who : NULL,
				    "before", path, "after", path, "v", v);

	audit->entries = entries;
	assert_ok(do_audited(db, "t1", crev, json_pack("{s:{s:i}}", path, "v", v), audit));
	json_decref(entries);
}

static void a_write_and_its_entry(void **state)
{
	struct db_audit audit = { 0 };
	struct answer a;
	const json_t *e;
	char *changes, id[64];
	struct model m = { 0 };

	(void)state;
	assert_true(model_follow(&m, db2, "t1"));
	write_one(0, "ann", "bridge/b1", 1, &audit);
	write_one(1, "bob \"x\"", "bridge/b2", 2, &audit);
	a = list(NULL, 10, NULL, NULL);
	assert_int_equal(n_entries(&a), 2);
	assert_true(json_is_null(json_object_get(a.reply, "next")));
	e = entry(&a, 0);
	assert_string_equal(text(json_object_get(e, "meta"), "by"), "bob \"x\"");
	assert_int_equal(json_integer_value(json_object_get(e, "rev")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(e, "objects"), 0)),
			    "bridge/b2");
	e = entry(&a, 1);
	assert_true(json_integer_value(json_object_get(e, "ms")) > 1500000000000);
	snprintf(id, sizeof(id), "%s", text(e, "id"));
	assert_ok(a);
	a = get(id);
	assert_false(a.err.code);
	changes = json_dumps(json_object_get(a.reply, "changes"), JSON_COMPACT);
	assert_string_equal(changes, "{\"bridge/b1\":[null,{\"v\":1}]}");
	free(changes);
	assert_ok(a);
	/* whoever follows the space has seen its records, and nothing else */
	assert_same(&m, "t1");
	assert_int_equal(json_object_size(m.records), 2);
	model_fini(&m);
}

static struct answer do_prepared(uint64_t crev, const char *text, size_t len)
{
	struct answer a = { 0 };

	db_commit_prepared(db, "t1", crev, text, len, answer_cb, &a);
	await(&a);
	return a;
}

/* Its texts are made beforehand, maybe elsewhere: the same write, entry and conflicts. */
static void prepared_beforehand(void **state)
{
	json_t *entries = json_pack("[{s:{s:s}, s:{s:n}, s:{s:{s:i}}}]", "meta", "by", "ann", "before", "bridge/b1", "after",
				    "bridge/b1", "v", 1);
	json_t *changes = json_pack("{s:{s:i, s:i}, s:n}", "bridge/b1", "v", 1, "rev", 7, "bridge/b2"), *wrong = json_pack("{s:i}", "bridge/b1", 5);
	struct db_audit audit = { .entries = entries };
	struct err err = { 0 };
	struct answer a;
	struct model m = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_true(model_follow(&m, db2, "t1"));
	assert_int_equal(db_prepare(wrong, &audit, out, &err), -EINVAL);
	err = (struct err){ 0 };
	rewind(out);
	assert_int_equal(db_prepare(changes, &audit, out, &err), 0);
	fclose(out);
	assert_err(do_prepared(5, text, len), -EAGAIN, "");
	assert_ok(do_prepared(0, text, len));
	assert_err(do_prepared(0, text, len), -EAGAIN, ""); /* another write, with an id of its own */
	for (size_t cut = 0; cut < len; cut++)
		assert_err(do_prepared(1, text, cut), -ENOMEM, "");
	a = list(NULL, 10, NULL, NULL);
	assert_int_equal(n_entries(&a), 1);
	assert_string_equal(json_string_value(json_object_get(json_object_get(entry(&a, 0), "meta"), "by")), "ann");
	assert_ok(a);
	assert_same(&m, "t1");
	assert_int_equal(json_object_size(m.records), 1);
	model_fini(&m);
	free(text);
	json_decref(wrong);
	json_decref(changes);
	json_decref(entries);
}

static void no_write_no_entry(void **state)
{
	json_t *entries = json_pack("[{s:{}, s:{}, s:{s:n}}]", "meta", "before", "after",
				    "bridge/b1");
	struct db_audit audit = { .entries = entries };
	struct answer a;

	(void)state;
	assert_err(do_audited(db, "t1", 5, json_pack("{s:{}}", "bridge/b1"), &audit), -EAGAIN, "");
	assert_ok(do_audited(db, "t1", 0, json_pack("{s:n}", "bridge/b1"), &audit)); /* nothing there */
	a = list(NULL, 10, NULL, NULL);
	assert_int_equal(n_entries(&a), 0);
	assert_ok(a);
	json_decref(entries);
	entries = json_pack("[{s:{}}]", "meta");
	audit.entries = entries;
	assert_err(do_audited(db, "t1", 0, json_pack("{s:{}}", "bridge/b1"), &audit), -EINVAL,
		   "'after'");
	json_decref(entries);
	assert_records(do_read(db, "t1"), "{}");
}

static void by_pages_and_by_object(void **state)
{
	struct db_audit audit = { 0 };
	struct answer a, b;
	char next[64];

	(void)state;
	for (unsigned int i = 0; i < 9; i++)
		write_one(i, i % 3 ? "ann" : "bob", i % 2 ? "port/p1" : "port/p10", (int)i, &audit);
	a = list(NULL, 4, NULL, NULL);
	assert_int_equal(n_entries(&a), 4);
	snprintf(next, sizeof(next), "%s", answer_str(&a, "next"));
	b = list(next, 100, NULL, NULL);
	assert_int_equal(n_entries(&b), 5);
	assert_int_equal(json_integer_value(json_object_get(entry(&b, 0), "rev")), 5);
	assert_ok(a);
	assert_ok(b);
	a = list(NULL, 100, "port/p1", NULL);
	assert_int_equal(n_entries(&a), 4);
	assert_ok(a);
	a = list(NULL, 100, NULL, "\"by\":\"bob\"");
	assert_int_equal(n_entries(&a), 3);
	assert_ok(a);
	a = list(NULL, 100, "port/p", NULL);
	assert_int_equal(n_entries(&a), 0);
	assert_true(json_is_null(json_object_get(a.reply, "next")));
	assert_ok(a);
}

static void what_is_no_id(void **state)
{
	static const char *const bad[] = { "",	 "1",	  "+",	"-",   "1-", "-1", "1-1 ", "(1-1",
					   "1-x", "$(1)", "1-1-1", "99999999999999999999-0" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_err(get(bad[i]), -ENOENT, "no audit entry");
		assert_err(list(bad[i], 1, NULL, NULL), -EINVAL, "not the id");
	}
	assert_err(get("1-1"), -ENOENT, "1-1");
	assert_err(list(NULL, 0, NULL, NULL), -EINVAL, "1 to 1000");
	assert_err(list(NULL, 1001, NULL, NULL), -EINVAL, "1 to 1000");
}

/* Many objects at once: kept small, and still found by each. */
static void large_ones_are_compressed(void **state)
{
	json_t *before = json_object(), *after = json_object(), *entries;
	struct db_audit audit = { 0 };
	struct answer a;
	char path[32], key[4096], size[4096];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "port/p%d", i);
		json_object_set_new(before, path, json_null());
		json_object_set_new(after, path, json_pack("{s:i, s:s}", "v", i, "mac",
							   "02:00:00:00:00:01"));
	}
	entries = json_pack("[{s:{}, s:o, s:O}]", "meta", "before", before, "after", after);
	audit.entries = entries;
	assert_ok(do_audited(db, "t1", 0, after, &audit));
	a = list(NULL, 10, "port/p4999", NULL);
	assert_int_equal(n_entries(&a), 1);
	snprintf(path, sizeof(path), "%s", text(entry(&a, 0), "id"));
	assert_true(json_array_size(json_object_get(entry(&a, 0), "objects")) > 50);
	assert_true(json_array_size(json_object_get(entry(&a, 0), "objects")) < 5000);
	assert_ok(a);
	a = get(path);
	assert_int_equal(json_object_size(json_object_get(a.reply, "changes")), 5000);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(json_object_get(a.reply, "changes"),
								"port/p77"),
						1),
				 "v")),
			 77);
	assert_ok(a);
	json_decref(entries);
	/* 5000 changes of 60 bytes would be 300 kB */
	redis_do(&redis, key, "cli 0 --raw keys '*audit'");
	redis_do(&redis, size, "cli 0 --raw memory usage '%.*s'", (int)strcspn(key, " \n"), key);
	if (strtol(size, NULL, 10) < 10000 || strtol(size, NULL, 10) > 180000)
		fail_msg("the entry takes %s bytes", size);
}

static void bounded(void **state)
{
	struct db_audit audit = { .keep = 5 };
	struct answer a;

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		write_one(i, "ann", "port/p1", (int)i, &audit);
	a = list(NULL, 100, NULL, NULL);
	assert_int_equal(n_entries(&a), 5);
	assert_int_equal(json_integer_value(json_object_get(entry(&a, 4), "rev")), 4);
	assert_ok(a);

	audit = (struct db_audit){ .keep_bytes = 120 }; /* an entry has some 50 */
	for (unsigned int i = 8; i < 12; i++)
		write_one(i, "ann", "port/p1", (int)i, &audit);
	a = list(NULL, 100, NULL, NULL);
	assert_in_range(n_entries(&a), 2, 3);
	assert_int_equal(json_integer_value(json_object_get(entry(&a, 0), "rev")), 12);
	assert_ok(a);

	audit = (struct db_audit){ .keep_ms = 300 };
	for (unsigned int i = 12; i < 100; i++) {
		write_one(i, "ann", "port/p1", (int)i, &audit);
		a = list(NULL, 100, NULL, NULL);
		if (n_entries(&a) < i - 9) {
			assert_true(n_entries(&a) >= 1);
			assert_ok(a);
			return;
		}
		assert_ok(a);
		(void)LOOP_UNTIL(loop, false, 20);
	}
	fail_msg("nothing was too old");
}

static void pushes_out_its_own(void **state)
{
	struct db_audit audit = { .keep = 64, .keep_bytes = 64 << 10 }; /* a share is one entry, or two */
	struct answer a, b;
	unsigned int crev = 0;
	char next[64], id[64];

	(void)state;
	write_one(crev++, "op", "bridge/mine", 1, &audit);
	a = list(NULL, 1, NULL, NULL);
	snprintf(id, sizeof(id), "%s", text(entry(&a, 0), "id"));
	assert_ok(a);
	write_one(crev++, "bob", "bridge/his", 1, &audit);
	for (int i = 0; i < 300; i++)
		write_one(crev++, "ann", "port/p1", i, &audit);
	a = list(NULL, 1000, NULL, NULL);
	assert_int_equal(n_entries(&a), 64 + 2);
	assert_true(json_is_null(json_object_get(a.reply, "next")));
	assert_int_equal(json_integer_value(json_object_get(entry(&a, 65), "rev")), 1);
	assert_int_equal(json_integer_value(json_object_get(entry(&a, 64), "rev")), 2);
	assert_ok(a);
	a = get(id);
	assert_int_equal(json_object_size(json_object_get(a.reply, "changes")), 1);
	assert_ok(a);
	a = list(NULL, 1000, "bridge/mine", NULL);
	assert_int_equal(n_entries(&a), 1);
	assert_ok(a);

	/* page by page, over the end of one and the beginning of the other */
	a = list(NULL, 64, NULL, NULL);
	assert_int_equal(n_entries(&a), 64);
	snprintf(next, sizeof(next), "%s", answer_str(&a, "next"));
	assert_ok(a);
	b = list(next, 1, NULL, NULL);
	assert_int_equal(json_integer_value(json_object_get(entry(&b, 0), "rev")), 2);
	snprintf(next, sizeof(next), "%s", answer_str(&b, "next"));
	assert_ok(b);
	b = list(next, 1, NULL, NULL);
	assert_int_equal(json_integer_value(json_object_get(entry(&b, 0), "rev")), 1);
	assert_true(json_is_null(json_object_get(b.reply, "next")));
	assert_ok(b);

	/* what is put aside is bounded, too: a quarter */
	for (int i = 0; i < 100; i++)
		write_one(crev++, "op", "bridge/mine", i, &audit);
	for (int i = 0; i < 100; i++)
		write_one(crev++, "ann", "port/p1", i, &audit);
	a = list(NULL, 1000, NULL, NULL);
	assert_int_equal(n_entries(&a), 64 + 16);
	assert_ok(a);
	a = list(NULL, 1000, NULL, "\"by\":\"op\"");
	assert_int_equal(n_entries(&a), 16);
	assert_ok(a);
}

/* A few large ones are as many small ones. */
static void large_ones_push_out_their_own(void **state)
{
	struct db_audit audit = { .keep_bytes = 100000 };
	char junk[20001];
	struct answer a;
	json_t *entries;

	(void)state;
	for (size_t i = 0; i < sizeof(junk) - 1; i++)
		junk[i] = (char)('a' + rand() % 26);
	junk[sizeof(junk) - 1] = 0;
	write_one(0, "op", "bridge/mine", 1, &audit);
	for (int i = 1; i < 30; i++) {
		entries = json_pack("[{s:{s:s}, s:{s:n}, s:{s:{s:s}}}]", "meta", "caller_tenant", "ann", "before", "port/p1", "after", "port/p1", "v", junk);
		audit.entries = entries;
		assert_ok(do_audited(db, "t1", (uint64_t)i, json_pack("{s:{s:i}}", "port/p1", "v", i), &audit));
		json_decref(entries);
	}
	a = list(NULL, 1000, "bridge/mine", NULL);
	assert_int_equal(n_entries(&a), 1);
	assert_ok(a);
	a = list(NULL, 1000, "port/p1", NULL);
	assert_in_range(n_entries(&a), 4, 12);
	assert_ok(a);
}

/* The newest is kept, however large it is. */
static void larger_than_all_that_is_kept(void **state)
{
	struct db_audit audit = { .keep_bytes = 1 };
	struct answer a;

	(void)state;
	write_one(0, "ann", "port/p1", 1, &audit);
	write_one(1, "ann", "port/p1", 2, &audit);
	a = list(NULL, 100, NULL, NULL);
	assert_int_equal(n_entries(&a), 1);
	assert_ok(a);
}

static void spaces_that_are_no_tenants(void **state)
{
	struct answer a = { 0 };

	(void)state;
	assert_ok(do_commit(db, DB_API, 0, json_pack("{s:{}}", "token/1")));
	assert_ok(do_commit(db, "t1", 0, json_pack("{s:{}}", "bridge/b1")));
	db_tenants(db, answer_cb, &a);
	await(&a);
	assert_int_equal(json_array_size(json_object_get(a.reply, "tenants")), 1);
	assert_ok(a);
}

static struct db_follow *follow;
static char told[DB_TRACES_MAX + 8];
static unsigned int n_told;

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	(void)arg;
	(void)records;
	(void)rev;
	(void)crev;
	n_told++;
	snprintf(told, sizeof(told), "(%s)", db_follow_traces(follow));
}

static void followers_are_told_whose_change_it_is(void **state)
{
	static const struct db_follow_ops ops = { .snapshot = on_snapshot, .change = on_snapshot };
	char many[2 * DB_TRACES_MAX];
	struct db_audit audit = { .traces = "trace-1 trace-2" };

	(void)state;
	n_told = 0;
	follow = db_follow(db2, "t1", &ops, NULL);
	assert_non_null(follow);
	assert_true(LOOP_UNTIL(loop, n_told == 1, 3000));
	write_one(0, "ann", "bridge/b1", 1, &audit);
	assert_true(LOOP_UNTIL(loop, n_told == 2, 3000));
	assert_string_equal(told, "(trace-1 trace-2)");
	audit.traces = NULL;
	write_one(1, "ann", "bridge/b1", 2, &audit);
	assert_true(LOOP_UNTIL(loop, n_told == 3, 3000));
	assert_string_equal(told, "()");
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = 0;
	audit.traces = many; /* as many as there is room for */
	write_one(2, "ann", "bridge/b1", 3, &audit);
	assert_true(LOOP_UNTIL(loop, n_told == 4, 3000));
	assert_int_equal(strlen(told), DB_TRACES_MAX - 1 + 2);
	assert_ok(do_put(db, "t1", NULL, json_pack("{s:{}}", "live/a"))); /* nobody's */
	assert_true(LOOP_UNTIL(loop, n_told == 5, 3000));
	assert_string_equal(told, "()");
	db_unfollow(follow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_write_and_its_entry),
		T(prepared_beforehand),
		T(no_write_no_entry),
		T(followers_are_told_whose_change_it_is),
		T(by_pages_and_by_object),
		T(what_is_no_id),
		T(large_ones_are_compressed),
		T(bounded),
		T(pushes_out_its_own),
		T(large_ones_push_out_their_own),
		T(larger_than_all_that_is_kept),
		T(spaces_that_are_no_tenants),
	};

	return cmocka_run_group_tests_name("statedb/audit", tests, group_setup, group_teardown);
}
