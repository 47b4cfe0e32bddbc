// SPDX-License-Identifier: Apache-2.0
/* The copy of connections in the DB, taken over by another host.  What mirror.c calls is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "util/clock.h"

static json_t *written; /* {port: {field: text | null}} */
static db_done *fetched, *stashed;
static void *fetched_arg, *stashed_arg;
static void (*timer)(void *arg);
static void *timer_arg;
static unsigned int n_put;

struct loop_timer *loop_timer_add(struct loop *l, uint64_t first_ns, uint64_t every_ns,
				  void (*cb)(void *arg), void *arg)
{
	(void)l;
	(void)first_ns;
	(void)every_ns;
	timer = cb;
	timer_arg = arg;
	return (struct loop_timer *)&timer;
}

void loop_timer_del(struct loop_timer *t)
{
	(void)t;
}

void db_stash(struct db *db, const char *space, const json_t *changes, unsigned int ttl_s,
	      db_done *done, void *arg)
{
	(void)db;
	(void)space;
	(void)ttl_s;
	json_decref(written);
	written = json_deep_copy(changes);
	stashed = done;
	stashed_arg = arg;
}

void db_unstash(struct db *db, const char *space, const char *name, db_done *done, void *arg)
{
	(void)db;
	(void)space;
	(void)name;
	fetched = done;
	fetched_arg = arg;
}

static const struct skep_timeouts timeouts = SKEP_TIMEOUTS;

const struct skep_timeouts *conns_timeouts(const struct tenant *t)
{
	(void)t;
	return &timeouts;
}

bool conns_port_here(void *t, const char *port)
{
	(void)t;
	return !strcmp(port, "vm1");
}

bool conns_remote_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns)
{
	n_put++;
	assert_true(sim_conns_put(t->conns, conn, last_ns) >= 0);
	return true;
}

void upcall_drain(struct agent *a)
{
	(void)a;
}

static struct agent agent = { .leased = true };
static struct tenant tenant;

static struct sim_conn a_conn(uint16_t sport)
{
	struct sim_conn c = { .tuple = { .src = ip_from_v4(inet_addr("10.0.0.1")),
					 .dst = ip_from_v4(inet_addr("10.0.0.2")),
					 .sport = htons(sport),
					 .dport = htons(53),
					 .proto = 17 },
			      .port = "vm1",
			      .orig_seen = 0x80 };

	c.other = c.tuple;
	return c;
}

static const json_t *flushed(void)
{
	timer(timer_arg);
	stashed(stashed_arg, NULL, NULL);
	return json_object_get(written, "vm1");
}

static int begin(void **state)
{
	struct sim_conns_limits limits = { .records = 16, .records_port = 16, .timeouts = SKEP_TIMEOUTS };

	(void)state;
	n_put = 0;
	tenant = (struct tenant){ .agent = &agent, .conns = sim_conns_new(&limits) };
	return mirror_init(&tenant);
}

static int end(void **state)
{
	(void)state;
	mirror_fini(&tenant);
	sim_conns_free(tenant.conns);
	json_decref(written);
	written = NULL;
	return 0;
}

/* Of those that the last host wrote, one is in use, one over for long, and one nonsense. */
static void what_is_over_is_deleted(void **state)
{
	const struct sim_conn live = a_conn(1000), over = a_conn(1001);
	uint64_t now = clock_mono_ns(), long_ago = now > 100 * NSEC_PER_SEC ? now - 100 * NSEC_PER_SEC : 0;
	json_t *fields;
	const char *key;
	json_t *v;

	(void)state;
	mirror_put(&tenant, &live, now);
	mirror_put(&tenant, &over, long_ago);
	fields = json_deep_copy(flushed());
	assert_int_equal(json_object_size(fields), 2);
	json_object_set_new(fields, "0123456789abcdef", json_string("nonsense"));

	mirror_fetch(&tenant, "vm1");
	fetched(fetched_arg, NULL, fields);
	json_decref(fields);
	assert_int_equal(n_put, 1);
	assert_non_null(sim_conns_find(tenant.conns, "vm1", &live.tuple, now));
	flushed();
	assert_int_equal(json_object_size(json_object_get(written, "vm1")), 2);
	json_object_foreach (json_object_get(written, "vm1"), key, v)
		assert_true(json_is_null(v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_over_is_deleted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
