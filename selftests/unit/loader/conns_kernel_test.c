// SPDX-License-Identifier: Apache-2.0
/*
 * What skepd takes over from the kernel's table of connections: those that an earlier skepd left, and those that BPF has made.  What
 * conns_kernel.c calls is in this file.
 */
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
static uint16_t number_given; /* to translations; 0 = all are in use */
static struct sim_binding binding;
static unsigned int n_deleted, n_over, n_fresh;
static bool there; /* the kernel has the record */
static const char *elsewhere; /* the name of the port at the other host */

static struct lport port;

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
	conn = *c;
	if (d)
		detail = *d;
	return 0;
}

bool dp_conn_get(struct dp *dp, const struct skep_conn_key *k, struct skep_conn *c)
{
	(void)dp;
	if (!there || memcmp(k, &key, sizeof(key)) != 0)
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

uint32_t dp_conns_step(struct dp *dp, void (*cb)(void *arg, const struct skep_conn_key *k, const struct skep_conn *c), void *arg,
		       bool *wrapped)
{
	(void)dp;
	(void)cb;
	(void)arg;
	*wrapped = true;
	return 0;
}

uint16_t dp_nat_number(struct dp *dp, const struct skep_nat *nat)
{
	(void)dp;
	(void)nat;
	return number_given;
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
	*b = binding;
	return nat && nat == number_given;
}

struct sim_binding vips_unpack(const struct skep_nat *nat)
{
	(void)nat;
	return binding;
}

struct lport *ports_find(const struct agent *a, uint32_t k)
{
	(void)a;
	return k == port.key ? &port : NULL;
}

const char *hosts_name(const struct agent *a, uint32_t peer)
{
	(void)a;
	return peer == 7 ? "h2" : NULL;
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
	assert_string_equal(host, "h2");
	assert_int_equal(k, 0x777);
	return elsewhere;
}

void conns_over(struct tenant *t, const char *p, const struct sim_tuple *tuple)
{
	n_over += sim_conns_del(t->conns, p, tuple);
}

void conns_imported(struct tenant *t, const struct sim_conn *c, uint64_t last_ns, bool fresh)
{
	(void)t;
	(void)c;
	(void)last_ns;
	n_fresh += fresh;
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
	return strcmp(name, port.name) ? NULL : &port;
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
	n_deleted = n_over = n_fresh = 0;
	there = true;
	elsewhere = "";
	number_given = 0;
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

/* --- records that BPF has made --- */

static const struct sim_conn *known(void)
{
	const struct sim_tuple t = { .src = key.src, .dst = key.dst, .sport = key.sport, .dport = key.dport, .proto = 17 };

	return sim_conns_find(tenant.conns, "vm1", &t, clock_mono_ns());
}

/* Of BPF, towards another host, last seen so many seconds ago. */
static void made_by_bpf(uint64_t age_s)
{
	conn = (struct skep_conn){ .orig_seen = 0x80, .other_key = 0x777, .other_peer = 7 };
	conn.last_seen = (uint32_t)(jiffies_now() - age_s * HZ);
}

static void taken_over(void **state)
{
	struct sim_tuple back;

	(void)state;
	made_by_bpf(0);
	elsewhere = "vm9";
	conns_newconn(&agent, &key, NULL);
	assert_non_null(known());
	assert_string_equal(known()->other_port, "vm9");
	sim_tuple_reverse(&known()->tuple, &back);
	assert_true(sim_tuple_eq(&known()->other, &back));
	assert_false(known()->reply);
	assert_int_equal(n_fresh, 1);
	conn.reply_seen = 0x80; /* told again, and somebody has answered since */
	conns_newconn(&agent, &key, NULL);
	assert_int_equal(known()->reply_seen, 0x80);
	assert_int_equal(n_fresh, 1);
}

/* BPF told of a record that somebody has ended before skepd read it: it does not come to life again. */
static void ended_before_it_was_read(void **state)
{
	struct skep_conn_key other = key;

	(void)state;
	made_by_bpf(0);
	there = false;
	conns_newconn(&agent, &key, NULL);
	assert_null(known());
	there = true;
	other.port = 0x999; /* of a port that is none of ours */
	conns_newconn(&agent, &other, NULL);
	assert_null(known());
	assert_int_equal(n_fresh, 0);
}

static void pulled(void **state)
{
	const struct sim_tuple t = { .src = key.src, .dst = key.dst, .sport = key.sport, .dport = key.dport, .proto = 17 };

	(void)state;
	made_by_bpf(0);
	there = false;
	assert_false(conns_pull(&tenant, "vm1", &t));
	there = true;
	assert_false(conns_pull(&tenant, "vm2", &t)); /* not here */
	made_by_bpf(31); /* over: nobody has answered for udp_new */
	assert_false(conns_pull(&tenant, "vm1", &t));
	assert_null(known());
	made_by_bpf(29);
	assert_true(conns_pull(&tenant, "vm1", &t));
	assert_non_null(known());
}

/* The port at the other end is no longer where the kernel's record says: skepd's own knowledge of it stays. */
static void other_end_not_found(void **state)
{
	(void)state;
	made_by_bpf(0);
	elsewhere = "vm9";
	conns_newconn(&agent, &key, NULL);
	elsewhere = "";
	conns_newconn(&agent, &key, NULL);
	assert_string_equal(known()->other_port, "vm9");
}

/* The walk meets a record that is over: it goes, and skepd's copy with it, if the kernel knows of an end that the copy does not. */
static void over_in_the_kernel(void **state)
{
	(void)state;
	made_by_bpf(0);
	conns_pull_all(&agent);
	assert_non_null(known());
	assert_int_equal(n_deleted, 0);
	made_by_bpf(40);
	conns_pull_all(&agent); /* idle there; here it may have been refreshed by a flow of skepd's */
	assert_int_equal(n_deleted, 1);
	assert_int_equal(n_over, 0);
	assert_non_null(known());
	conn.reply_seen = 0x80;
	conn.last_seen -= 200 * HZ;
	conns_pull_all(&agent);
	assert_int_equal(n_deleted, 2);
	assert_int_equal(n_over, 1);
	assert_null(known());
}

/* Without its details a record of skepd's is of no use, and one of a port that nobody has is nobody's: once all tenants are loaded. */
static void of_nobody(void **state)
{
	(void)state;
	made_by_bpf(0);
	key.port = 0x999;
	conns_pull_all(&agent);
	assert_int_equal(n_deleted, 0);
	agent.adoption_done = true;
	conns_pull_all(&agent);
	assert_int_equal(n_deleted, 1);
}

/* BPF made a record at a member of a VIP for which this host has no number: it gets one, or, when there is none, skepd keeps the translation. */
static void translated(void **state)
{
	const struct skep_nat unknown = { .member = 1 };

	(void)state;
	binding = (struct sim_binding){ .router = 5, .member = 6, .dst = true, .from = ip_from_v4(inet_addr("192.0.2.80")), .to = key.src,
					.from_port = htons(80), .to_port = key.sport };
	for (number_given = 0; number_given < 10; number_given += 9) {
		made_by_bpf(0);
		conn.flags = SKEP_CONN_REPLY | SKEP_CONN_NAT;
		conns_newconn(&agent, &key, &unknown);
		assert_int_equal(conn.nat, number_given);
		assert_int_equal(!(conn.flags & SKEP_CONN_SKEPD), number_given != 0);
		assert_non_null(known());
		assert_true(known()->reply);
		assert_int_equal(known()->n_bindings, 1);
		assert_int_equal(known()->bindings[0].member, 6);
		assert_int_equal(known()->other.dport, htons(80)); /* as the client sends it: to the VIP */
		assert_true(ip_eq(&known()->other.dst, &binding.from));
		sim_conns_del(tenant.conns, "vm1", &known()->tuple);
		assert_true(conns_pull(&tenant, "vm1", &(struct sim_tuple){ .src = key.src, .dst = key.dst, .sport = key.sport, .dport = key.dport, .proto = 17 }));
		assert_int_equal(known()->n_bindings, 1);
		sim_conns_del(tenant.conns, "vm1", &known()->tuple);
	}
	assert_int_equal(n_deleted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_use, begin, end),
		cmocka_unit_test_setup_teardown(not_noted_for_long, begin, end),
		cmocka_unit_test_setup_teardown(taken_over, begin, end),
		cmocka_unit_test_setup_teardown(ended_before_it_was_read, begin, end),
		cmocka_unit_test_setup_teardown(pulled, begin, end),
		cmocka_unit_test_setup_teardown(other_end_not_found, begin, end),
		cmocka_unit_test_setup_teardown(over_in_the_kernel, begin, end),
		cmocka_unit_test_setup_teardown(of_nobody, begin, end),
		cmocka_unit_test_setup_teardown(translated, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
