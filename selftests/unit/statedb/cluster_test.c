// SPDX-License-Identifier: Apache-2.0
/* A real cluster of 3 masters and 3 replicas: routing, moving slots, and masters that die or hang.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "selftests/lib/redis.h"
#include "statedb/schema.h"
#include "statedb/slots.h"
#include "util/cleanup.h"

#ifndef REDIS_KIND
#define REDIS_KIND "cluster"
#endif

static struct redis redis;
static struct loop *loop;
static struct db *db, *db2;

static struct db *connect_with(unsigned int replicas)
{
	const char *seeds[] = { redis.address[5], redis.address[0] };
	struct db_config c = { .mode = DB_CLUSTER,
			       .addresses = seeds,
			       .n_addresses = 2,
			       .tls = redis.tls,
			       .wait_replicas = replicas,
			       .wait_ms = 300,
			       .timeout_ms = 15000 };
	struct err err = { 0 };
	struct db *d = db_new(loop, &c, &err);

	if (!d)
		fail_msg("%s", err.text);
	return d;
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	db = connect_with(0);
	db2 = connect_with(1);
	return loop ? 0 : -1;
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
	if (!LOOP_UNTIL(loop, a->calls, 20000))
		fail_msg("no answer");
	assert_int_equal(a->calls, 1);
}

static void put(struct db *d, const char *space, const char *path, int v)
{
	json_t *c = json_pack("{s:{s:i}}", path, "v", v);
	struct answer a = { 0 };

	db_put(d, space, NULL, c, answer_cb, &a);
	json_decref(c);
	await(&a);
	if (a.err.code)
		fail_msg("%s", a.err.text);
	answer_fini(&a);
}

static void assert_same(struct model *m, const char *space)
{
	struct answer a = { 0 };
	char *got, *want;

	db_read(db2, space, answer_cb, &a);
	await(&a);
	if (a.err.code)
		fail_msg("%s", a.err.text);
	LOOP_UNTIL(loop, m->rev == (uint64_t)answer_int(&a, "rev"), 10000);
	if (!json_equal(m->records, json_object_get(a.reply, "records"))) {
		got = json_dumps(m->records, JSON_SORT_KEYS);
		want = json_dumps(json_object_get(a.reply, "records"), JSON_SORT_KEYS);
		fail_msg("follower has %s, database has %s", got, want);
	}
	assert_int_equal(m->disorders, 0);
	answer_fini(&a);
}

/* The shard's slot and a key in it. */
static const char *space_key(const char *space, char buf[static DB_KEY], uint16_t *slot)
{
	schema_space_key(buf, schema_new_shard(space), space, SPACE_OBJECTS);
	if (slot)
		*slot = slot_of_key(buf, strlen(buf));
	return buf;
}

static unsigned int master_of(const char *space)
{
	char key[DB_KEY], answer[4096];

	redis_do(&redis, answer, "master-of %s", space_key(space, key, NULL));
	assert_true(answer[0] >= '0' && answer[0] <= '5');
	return (unsigned int)(answer[0] - '0');
}

static void tenants_spread_over_the_masters(void **state)
{
	enum { N = 40 };
	struct model m[N] = { 0 };
	struct answer a = { 0 };
	unsigned int seen = 0, connected = 0;
	char name[16];
	json_t *s, *node;
	size_t i;

	(void)state;
	for (i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "tenant%zu", i);
		assert_true(model_follow(&m[i], db, name));
	}
	for (i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "tenant%zu", i);
		put(db2, name, "live/x", (int)i);
		if (i < 8)
			seen |= 1u << master_of(name);
	}
	assert_true(__builtin_popcount(seen) >= 2);
	for (i = 0; i < N; i++) {
		assert_true(LOOP_UNTIL(loop, m[i].rev == 1, 5000));
		snprintf(name, sizeof(name), "tenant%zu", i);
		assert_same(&m[i], name);
		model_fini(&m[i]);
	}
	db_tenants(db, answer_cb, &a);
	await(&a);
	assert_true(json_array_size(json_object_get(a.reply, "tenants")) >= N);
	answer_fini(&a);
	s = db_status(db);
	assert_true(json_is_true(json_object_get(s, "connected")));
	json_array_foreach (json_object_get(s, "nodes"), i, node)
		connected += json_is_true(json_object_get(node, "master")) &&
			     json_is_true(json_object_get(node, "connected"));
	assert_int_equal(connected, 3);
	json_decref(s);
}

static void commits_reach_a_replica(void **state)
{
	json_t *c = json_pack("{s:{}}", "bridge/b");
	struct answer a = { 0 };

	(void)state;
	db_commit(db2, "durable", 0, c, answer_cb, &a);
	json_decref(c);
	await(&a);
	assert_int_equal(a.err.code, 0);
	assert_int_equal(answer_int(&a, "replicas"), 1);
	assert_string_equal(answer_str(&a, "warning"), "");
	answer_fini(&a);
}

/* Two programs want the same record: one gets it, whatever master has it; and what one stashes, the
 * other finds. */
static void claims_and_stashes(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct answer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
		json_t *one = json_pack("{s:s}", "host", "h1");
		json_t *two = json_pack("{s:s}", "host", "h2");
		json_t *stash = json_pack("{s:{s:s}, s:{s:s}}", "vm1", "f", "x", "vm2", "f", "y");
		char space[16];

		snprintf(space, sizeof(space), "claims%d", i);
		db_claim(db, space, "natblock/r/10.0.0.1/1024", 0, one, answer_cb, &a);
		db_claim(db2, space, "natblock/r/10.0.0.1/1024", 0, two, answer_cb, &b);
		db_stash(db, space, stash, 60, answer_cb, &c);
		await(&a);
		await(&b);
		await(&c);
		assert_int_equal(c.err.code, 0);
		assert_true((a.err.code == -EEXIST && !b.err.code) ||
			    (b.err.code == -EEXIST && !a.err.code));
		db_unstash(db2, space, "vm2", answer_cb, &d);
		await(&d);
		assert_string_equal(answer_str(&d, "f"), "y");
		answer_fini(&a);
		answer_fini(&b);
		answer_fini(&c);
		answer_fini(&d);
		json_decref(one);
		json_decref(two);
		json_decref(stash);
	}
}

static const char *node_id(unsigned int n, char answer[static 4096])
{
	redis_do(&redis, answer, "cli %u cluster myid", n);
	answer[strcspn(answer, " ")] = 0;
	return answer;
}

/* Records and what is told of them lie in one slot. */
static void commits_are_told_of(void **state)
{
	json_t *entries = json_pack("[{s:{s:s}, s:{s:n}, s:{s:{}}}]", "meta", "by", "ann", "before",
				    "bridge/b1", "after", "bridge/b1");
	json_t *changes = json_pack("{s:{}}", "bridge/b1");
	const struct db_audit audit = { .entries = entries };
	struct answer a = { 0 };

	(void)state;
	db_audit_list(db2, "told", NULL, 10, NULL, NULL, answer_cb, &a); /* no such tenant yet */
	await(&a);
	assert_int_equal(json_array_size(json_object_get(a.reply, "entries")), 0);
	answer_fini(&a);
	a = (struct answer){ 0 };
	db_commit_audited(db, "told", 0, changes, &audit, answer_cb, &a);
	await(&a);
	assert_int_equal(a.err.code, 0);
	answer_fini(&a);
	a = (struct answer){ 0 };
	db_audit_list(db2, "told", NULL, 10, "bridge/b1", NULL, answer_cb, &a);
	await(&a);
	assert_int_equal(json_array_size(json_object_get(a.reply, "entries")), 1);
	answer_fini(&a);
	json_decref(entries);
	json_decref(changes);
}

/* A slot moves by hand, step by step, as 'redis-cli --cluster reshard' does, while it is written
 * and followed. */
static void a_slot_may_move(void **state)
{
	char key[DB_KEY], from_id[4096], to_id[4096], answer[4096];
	unsigned int from, to = 0;
	struct answer a = { 0 };
	struct model m = { 0 };
	const char *space = "mover";
	uint16_t slot;
	json_t *c;

	(void)state;
	put(db, space, "live/x", 0);
	space_key(space, key, &slot);
	from = master_of(space);
	while (to == from || !strstr(redis_do(&redis, answer, "cli %u role", to), "master"))
		to++;
	assert_true(to < 6);
	assert_true(model_follow(&m, db, space));
	assert_true(LOOP_UNTIL(loop, m.snapshots == 1, 5000));
	node_id(from, from_id);
	node_id(to, to_id);
	assert_string_equal(redis_do(&redis, answer, "cli %u cluster setslot %u importing %s", to,
				     slot, from_id),
			    "OK ");
	assert_string_equal(redis_do(&redis, answer, "cli %u cluster setslot %u migrating %s", from,
				     slot, to_id),
			    "OK ");
	put(db, space, "live/x", 1); /* all is still at the old place */
	/* All keys but the objects: a script that touches both gets TRYAGAIN until the rest
	 * follows. */
	redis_do(&redis, answer,
		 "cli %u migrate 127.0.0.1 %s '' 0 5000 keys %.*s:log %.*s:rev %.*s:crev", from,
		 strchr(redis.address[to], ':') + 1, (int)strlen(key) - 2, key,
		 (int)strlen(key) - 2, key, (int)strlen(key) - 2, key);
	assert_string_equal(answer, "OK ");
	c = json_pack("{s:{s:i}}", "live/x", "v", 2);
	db_put(db, space, NULL, c, answer_cb, &a);
	json_decref(c);
	LOOP_UNTIL(loop, false, 300);
	assert_int_equal(a.calls, 0);
	assert_string_equal(redis_do(&redis, answer,
				     "cli %u migrate 127.0.0.1 %s '' 0 5000 keys %s", from,
				     strchr(redis.address[to], ':') + 1, key),
			    "OK ");
	await(&a); /* ASK */
	if (a.err.code)
		fail_msg("%s", a.err.text);
	assert_int_equal(answer_int(&a, "rev"), 3);
	answer_fini(&a);
	for (unsigned int n = 0; n < 6; n++)
		redis_do(&redis, answer, "cli %u cluster setslot %u node %s", n, slot, to_id);
	put(db, space, "live/x", 3); /* MOVED */
	assert_true(LOOP_UNTIL(loop, m.rev == 4, 8000));
	assert_same(&m, space);
	assert_int_equal(master_of(space), to);
	model_fini(&m);
}

/* --- failover --- */

struct writer {
	struct db *db;
	const char *space;
	uint64_t crev;
	int next, acknowledged; /* values of bridge/a */
	unsigned int conflicts, errors, warnings;
	bool stop, idle;
	char error[256];
};

static void writer_commit(struct writer *w);

static void on_reread(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *w = arg;

	if (err)
		w->errors++;
	else
		w->crev = (uint64_t)json_integer_value(json_object_get(reply, "crev"));
	writer_commit(w);
}

static void on_committed(void *arg, const struct err *err, const json_t *reply)
{
	struct writer *w = arg;

	if (!err) {
		w->acknowledged = w->next++;
		w->crev = (uint64_t)json_integer_value(json_object_get(reply, "crev"));
		w->warnings += json_is_string(json_object_get(reply, "warning"));
	} else if (err->code == -EAGAIN) { /* history was rewound */
		w->conflicts++;
		db_read(w->db, w->space, on_reread, w);
		return;
	} else {
		w->errors++;
		snprintf(w->error, sizeof(w->error), "%.250s", err->text);
		if (err->code == -ECANCELED)
			w->stop = true;
	}
	writer_commit(w);
}

static void writer_commit(struct writer *w)
{
	json_t *c;

	w->idle = w->stop;
	if (w->stop)
		return;
	c = json_pack("{s:{s:i}, s:{s:i}}", "bridge/a", "v", w->next, "bridge/b", "v", w->next);
	db_commit(w->db, w->space, w->crev, c, on_committed, w);
	json_decref(c);
}

static void both_agree(struct model *m)
{
	json_t *a = json_object_get(m->records, "bridge/a"),
	       *b = json_object_get(m->records, "bridge/b");

	m->broken += (a || b) && !json_equal(json_object_get(a, "v"), json_object_get(b, "v"));
}

/* Writes and follows while the space's master gets 'verb'; nothing acknowledged may be lost, and
 * the follower ends up the same. */
static void lose_master(const char *space, const char *verb, const char *back)
{
	static struct writer
		w; /* static: a failing test is left by a jump, and db_free() still calls back */
	static struct model m;
	unsigned int n = master_of(space), snapshots;
	int at;

	w = (struct writer){ .db = db2, .space = space };
	m = (struct model){ .check = both_agree };

	assert_true(model_follow(&m, db, space));
	writer_commit(&w);
	assert_true(LOOP_UNTIL(loop, w.acknowledged > 50 && m.snapshots, 10000));
	at = w.acknowledged;
	snapshots = m.snapshots;
	assert_true(redis_ok(&redis, "%s %u", verb, n));
	if (!LOOP_UNTIL(loop, w.acknowledged > at + 20 || w.errors, 15000) || w.errors)
		fail_msg("writing did not go on: %s", w.error);
	assert_true(w.warnings > 0); /* no replica is left there */
	assert_true(LOOP_UNTIL(loop, m.snapshots > snapshots, 10000));
	assert_int_not_equal(master_of(space), n);
	assert_true(redis_ok(&redis, "%s %u", back, n));
	at = w.acknowledged;
	assert_true(LOOP_UNTIL(loop, w.acknowledged > at + 20, 15000));
	w.stop = true;
	assert_true(LOOP_UNTIL(loop, w.idle, 20000));
	assert_int_equal(w.errors, 0);
	assert_same(&m, space);
	assert_true(json_integer_value(json_object_get(json_object_get(m.records, "bridge/a"),
						       "v")) >= w.acknowledged);
	assert_int_equal(m.broken, 0);
	model_fini(&m);
}

static void a_killed_master_is_replaced(void **state)
{
	(void)state;
	lose_master("victim1", "kill", "start");
}

static void a_hanging_master_is_replaced(void **state)
{
	(void)state;
	lose_master("victim2", "pause", "resume");
}

static int group_setup(void **state)
{
	(void)state;
	return redis_up(&redis, REDIS_KIND) ? 0 : -1;
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
		T(tenants_spread_over_the_masters),
		T(commits_reach_a_replica),
		T(claims_and_stashes),
		T(commits_are_told_of),
		T(a_slot_may_move),
		T(a_killed_master_is_replaced),
		T(a_hanging_master_is_replaced),
	};

	return cmocka_run_group_tests_name("statedb/cluster", tests, group_setup, group_teardown);
}
