// SPDX-License-Identifier: Apache-2.0
/* Leases of source ports when the DB answers late, not at all, or that somebody else was faster.  What natblock.c calls is in this file. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "loader/natpath.h"

#define PATH "natblock/r/192.0.2.1/2048"

static struct {
	unsigned int n;
	char path[NATPATH_LEN];
	uint64_t was;
	db_done *cb;
	void *arg;
} claim;
static struct {
	void (*cb)(void *arg);
	void *arg;
} timer;

struct loop_timer *loop_timer_add(struct loop *l, uint64_t first_ns, uint64_t every_ns,
				  void (*cb)(void *arg), void *arg)
{
	(void)l;
	(void)first_ns;
	(void)every_ns;
	timer.cb = cb;
	timer.arg = arg;
	return (struct loop_timer *)&timer;
}

void loop_timer_del(struct loop_timer *t)
{
	(void)t;
}

void db_claim(struct db *db, const char *space, const char *path, uint64_t was, const json_t *record,
	      db_done *cb, void *arg)
{
	(void)db;
	(void)space;
	(void)record;
	claim.n++;
	snprintf(claim.path, sizeof(claim.path), "%s", path);
	claim.was = was;
	claim.cb = cb;
	claim.arg = arg;
}

void db_leases(struct db *db, const char *prefix, db_done *cb, void *arg)
{
	(void)db;
	(void)prefix;
	(void)cb;
	(void)arg;
}

void db_put(struct db *db, const char *space, const char *owner, const json_t *changes,
	    db_done *cb, void *arg)
{
	(void)db;
	(void)space;
	(void)owner;
	(void)changes;
	(void)cb;
	(void)arg;
}

uint32_t hosts_peer(void *agent, const char *name)
{
	(void)agent;
	return !strcmp(name, "h2");
}

void park_ready(struct park *p, const struct park_what *what)
{
	(void)p;
	(void)what;
}

void upcall_drain(struct agent *a)
{
	(void)a;
}

static struct config config = { .host = "h1", .nat_takeover_s = 900 };
static struct agent agent = { .config = &config, .owner = "boot", .leased = true };
static struct tenant tenant;

static int begin(void **state)
{
	struct sim_conns_limits limits = { .records = 16, .records_port = 16, .timeouts = SKEP_TIMEOUTS };

	(void)state;
	claim.n = 0;
	tenant = (struct tenant){ .agent = &agent, .conns = sim_conns_new(&limits) };
	agent.stats = (struct agent_stats){ 0 };
	return natblock_init(&tenant);
}

static int end(void **state)
{
	(void)state;
	natblock_fini(&tenant);
	sim_conns_free(tenant.conns);
	return 0;
}

/* A packet waits for one of 256 ports: there is a single block. */
static void ask(void)
{
	struct sim_snat s = { .router = "r", .tuple.proto = 17, .ports = { 2048, 2303 } };

	s.addrs.lo = s.addrs.hi = ip_from_v4(inet_addr("192.0.2.1"));
	(void)natblock_ask(&tenant, &s);
	timer.cb(timer.arg);
}

static void answer(int code, uint64_t rev)
{
	struct err err = { .code = code };
	json_t *reply = json_pack("{s:I}", "rev", (json_int_t)rev);

	claim.cb(claim.arg, code ? &err : NULL, reply);
	json_decref(reply);
}

static void leased(void **state)
{
	(void)state;
	ask();
	assert_int_equal(claim.n, 1);
	assert_string_equal(claim.path, PATH);
	assert_int_equal(claim.was, 0);
	answer(0, 7);
	assert_int_equal(agent.stats.blocks_leased, 1);
}

/* A claim that failed without a word on who has it is tried again. */
static void trouble_is_not_the_end(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 5; i++) {
		ask();
		assert_int_equal(claim.n, i);
		assert_string_equal(claim.path, PATH);
		answer(-EAGAIN, 0);
	}
}

/* Somebody was faster: not again before the feed has said who. */
static void somebodys(void **state)
{
	json_t *record = json_pack("{s:s, s:s, s:i}", "host", "h2", "owner", "x", "rev", 9);

	(void)state;
	ask();
	answer(-EEXIST, 0);
	assert_int_equal(claim.n, 1);
	ask();
	assert_int_equal(claim.n, 1);
	natblock_record(&tenant, PATH, record);
	ask();
	assert_int_equal(claim.n, 1);
	natblock_record(&tenant, PATH, NULL); /* given back */
	ask();
	assert_int_equal(claim.n, 2);
	answer(0, 10);
	json_decref(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leased, begin, end),
		cmocka_unit_test_setup_teardown(trouble_is_not_the_end, begin, end),
		cmocka_unit_test_setup_teardown(somebodys, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
