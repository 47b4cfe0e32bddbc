/* SPDX-License-Identifier: Apache-2.0 */
/* One real server for a group of tests, emptied before each, and two programs' handles on it.
 * Included by the tests of this folder. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/lib/redis.h"
#include "util/cleanup.h"

#ifndef REDIS_KIND
#define REDIS_KIND "single"
#endif

static struct redis redis;
static struct loop *loop;
static struct db *db, *db2; /* two programs at the same database */

static inline struct db *connect_with(const char *password, unsigned int replicas,
				      unsigned int timeout_ms)
{
	const char *address = redis.address[0];
	struct db_config c = { .mode = DB_SERVER,
			       .addresses = &address,
			       .n_addresses = 1,
			       .password = password,
			       .tls = redis.tls,
			       .wait_replicas = replicas,
			       .wait_ms = 100,
			       .timeout_ms = timeout_ms };
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	if (!d)
		fail_msg("%s", err.text);
	return d;
}

static inline int setup(void **state)
{
	char answer[4096];

	(void)state;
	redis_do(&redis, answer, "cli 0 flushall");
	loop = loop_new();
	db = connect_with(NULL, 0, 3000);
	db2 = connect_with(NULL, 0, 3000);
	return loop && strstr(answer, "OK") ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	db_free(db, false);
	db_free(db2, false);
	loop_free(loop);
	return 0;
}

static inline void await(struct answer *a)
{
	if (!LOOP_UNTIL(loop, a->calls, 10000))
		fail_msg("no answer");
	assert_int_equal(a->calls, 1);
}

static inline struct answer do_commit(struct db *d, const char *space, uint64_t crev,
				      json_t *changes)
{
	struct answer a = { 0 };

	db_commit(d, space, crev, changes, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static inline struct answer do_put(struct db *d, const char *space, const char *owner,
				   json_t *changes)
{
	struct answer a = { 0 };

	db_put(d, space, owner, changes, answer_cb, &a);
	json_decref(changes);
	await(&a);
	return a;
}

static inline struct answer do_read(struct db *d, const char *space)
{
	struct answer a = { 0 };

	db_read(d, space, answer_cb, &a);
	await(&a);
	return a;
}

static inline void assert_ok(struct answer a)
{
	if (a.err.code)
		fail_msg("%s", a.err.text);
	answer_fini(&a);
}

static inline void assert_err(struct answer a, int code, const char *text)
{
	if (a.err.code != code || !strstr(a.err.text, text))
		fail_msg("error %d '%s', want %d with '%s'", a.err.code, a.err.text, code, text);
	assert_null(a.reply);
	answer_fini(&a);
}

static inline void assert_records(struct answer a, const char *json)
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

/* The follower has what the database has, and got there in order. */
static inline void assert_same(struct model *m, const char *space)
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

static inline int group_setup(void **state)
{
	(void)state;
	return redis_up(&redis, REDIS_KIND) ? 0 : -1;
}

static inline int group_teardown(void **state)
{
	(void)state;
	redis_down(&redis);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
