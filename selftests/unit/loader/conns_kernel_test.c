// SPDX-License-Identifier: Apache-2.0
/* Connections that an earlier skepd left in the kernel.  What conns_kernel.c calls is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "util/clock.h"

static struct skep_conn_key key;
static struct skep_conn conn;
static unsigned int n_deleted;

int dp_conn_put(struct dp *dp, const struct skep_conn_key *k, const struct skep_conn *c)
{
	(void)dp;
	(void)k;
	(void)c;
	return 0;
}

void dp_conn_del(struct dp *dp, const struct skep_conn_key *k)
{
	(void)dp;
	(void)k;
	n_deleted++;
}

int dp_conns_walk(struct dp *dp,
		  void (*cb)(void *arg, const struct skep_conn_key *k, const struct skep_conn *c),
		  void *arg)
{
	(void)dp;
	cb(arg, &key, &conn);
	return 0;
}

struct lport *ports_find_name(const struct tenant *t, const char *name)
{
	(void)t;
	(void)name;
	return NULL;
}

static const struct skep_timeouts timeouts = SKEP_TIMEOUTS;

const struct skep_timeouts *conns_timeouts(const struct tenant *t)
{
	(void)t;
	return &timeouts;
}

static struct agent agent;
static struct tenant tenant = { .agent = &agent };
static struct lport port = { .tenant = &tenant, .name = "vm1", .key = 0x100 };

static uint64_t boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int begin(void **state)
{
	struct sim_conns_limits limits = { .records = 16, .records_port = 16, .timeouts = SKEP_TIMEOUTS };

	(void)state;
	n_deleted = 0;
	agent = (struct agent){ 0 };
	tenant.conns = sim_conns_new(&limits);
	key = (struct skep_conn_key){ .port = 0x100,
				      .proto = 17,
				      .src = ip_from_v4(inet_addr("10.0.0.1")),
				      .dst = ip_from_v4(inet_addr("10.0.0.2")),
				      .sport = htons(4000),
				      .dport = htons(53) };
	conn = (struct skep_conn){ .orig_seen = 0x80,
				   .reply_seen = 0x80,
				   .other_src = key.dst,
				   .other_dst = key.src,
				   .other_sport = key.dport,
				   .other_dport = key.sport };
	return 0;
}

static int end(void **state)
{
	(void)state;
	conns_adopt_end(&agent);
	sim_conns_free(tenant.conns);
	return 0;
}

/* How long it will live from now; 0 = it is not there. */
static uint64_t left_s(uint64_t age_s)
{
	struct sim_tuple t = { .src = key.src, .dst = key.dst, .sport = key.sport, .dport = key.dport, .proto = 17 };
	uint64_t now = clock_mono_ns(), s = 0;

	conn.last_seen_ns = boot_ns() > age_s * NSEC_PER_SEC ? boot_ns() - age_s * NSEC_PER_SEC : 0;
	conns_adopt(&agent);
	(void)conns_adopt_port(&port);
	while (s < 1000 && sim_conns_find(tenant.conns, "vm1", &t, now + (s + 1) * NSEC_PER_SEC))
		s++;
	return s;
}

static void in_use(void **state)
{
	(void)state;
	assert_in_range(left_s(20), 158, 160);
}

/* Nobody has noted what its flows carried while no skepd was there: they have time to say so. */
static void not_noted_for_long(void **state)
{
	(void)state;
	assert_in_range(left_s(200), 9, 31);
	assert_int_equal(n_deleted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_use, begin, end),
		cmocka_unit_test_setup_teardown(not_noted_for_long, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
