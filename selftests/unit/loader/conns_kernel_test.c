// SPDX-License-Identifier: Apache-2.0
/* Connections that an earlier skepd left in the kernel.  What conns_kernel.c calls is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/vips.h"
#include "util/clock.h"

static struct skep_conn_key key;
static struct skep_conn conn;
static struct skep_detail detail;
static unsigned int n_deleted;

#define HZ 250

static uint64_t jiffies_now(void)
{
	return 1000000 + clock_mono_ns() / (NSEC_PER_SEC / HZ);
}

uint64_t dp_jiffies(struct dp *dp)
{
	(void)dp;
	return jiffies_now();
}

uint32_t dp_hz(const struct dp *dp)
{
	(void)dp;
	return HZ;
}

int dp_conn_put(struct dp *dp, const struct skep_conn_key *k, const struct skep_conn *c, const struct skep_detail *d)
{
	(void)dp;
	(void)k;
	(void)c;
	(void)d;
	return 0;
}

bool dp_conn_get(struct dp *dp, const struct skep_conn_key *k, struct skep_conn *c)
{
	(void)dp;
	if (memcmp(k, &key, sizeof(key)) != 0)
		return false;
	*c = conn;
	return true;
}

bool dp_conn_detail(struct dp *dp, const struct skep_conn_key *k, struct skep_detail *d)
{
	(void)dp;
	(void)k;
	*d = detail;
	return true;
}

bool conns_expire_some(struct agent *a, uint64_t until_ns)
{
	(void)a;
	(void)until_ns;
	return false;
}

bool dp_conns_new(struct dp *dp, uint64_t until_ns)
{
	(void)dp;
	(void)until_ns;
	return false;
}

uint32_t dp_conns_step(struct dp *dp, uint32_t n,
		       void (*cb)(void *arg, const struct skep_conn_key *k, const struct skep_conn *c), void *arg,
		       bool *wrapped)
{
	(void)dp;
	(void)n;
	(void)cb;
	(void)arg;
	*wrapped = true;
	return 0;
}

uint16_t dp_nat_number(struct dp *dp, const struct skep_nat *nat)
{
	(void)dp;
	(void)nat;
	return 0;
}

void dp_nat_met(struct dp *dp, uint16_t id)
{
	(void)dp;
	(void)id;
}

void dp_nats_round(struct dp *dp)
{
	(void)dp;
}

uint16_t vips_conn_number(struct agent *a, const struct sim_conn *c)
{
	(void)a;
	(void)c;
	return 0;
}

bool vips_binding(const struct agent *a, uint16_t nat, struct sim_binding *b)
{
	(void)a;
	(void)nat;
	(void)b;
	return false;
}

struct lport *ports_find(const struct agent *a, uint32_t k)
{
	(void)a;
	(void)k;
	return NULL;
}

const char *hosts_name(const struct agent *a, uint32_t peer)
{
	(void)a;
	(void)peer;
	return NULL;
}

uint32_t hosts_peer(void *agent_, const char *name)
{
	(void)agent_;
	(void)name;
	return 0;
}

const char *tenant_port_at(struct tenant *t, const char *host, uint32_t k)
{
	(void)t;
	(void)host;
	(void)k;
	return "";
}

void conns_over(struct tenant *t, const char *p, const struct sim_tuple *tuple)
{
	(void)t;
	(void)p;
	(void)tuple;
}

void conns_imported(struct tenant *t, const struct sim_conn *c, uint64_t last_ns, bool fresh)
{
	(void)t;
	(void)c;
	(void)last_ns;
	(void)fresh;
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
	conn = (struct skep_conn){ .flags = SKEP_CONN_SKEPD, .orig_seen = 0x80, .reply_seen = 0x80 };
	detail = (struct skep_detail){ .other_src = key.dst,
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

	conn.last_seen = (uint32_t)(jiffies_now() - age_s * HZ);
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
