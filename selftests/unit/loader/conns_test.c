// SPDX-License-Identifier: Apache-2.0
/* When a connection is over, and who is told: loader/conns.c.  What it calls is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "loader/hold.h"
#include "util/clock.h"

static struct agent agent;
static struct config config = { .timeouts = SKEP_TIMEOUTS, .conns_max = 16, .conns_port_max = 16 };
static struct tenant tenant;
static struct {
	bool here;	/* the port is this host's ... */
	uint32_t begun; /* ... and has so many in the kernel */
	bool knows; /* the kernel has seen packets since: the record is in our table again */
	unsigned int pulled, forgotten_there, forgotten_in_db, invalidated, affinities;
} seen;

static const struct sim_conn conn = { .port = "vm1",
				      .other_port = "vm2",
				      .tuple = { .proto = 17, .sport = 1, .dport = 2 },
				      .other = { .proto = 17, .sport = 2, .dport = 1 },
				      .orig_seen = SIM_SEEN_ANY };

bool conns_pull(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	seen.pulled++;
	assert_string_equal(port, "vm1");
	assert_true(sim_tuple_eq(tuple, &conn.tuple));
	return seen.knows && sim_conns_put(t->conns, &conn, clock_mono_ns()) >= 0;
}

void conns_persist(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	(void)t;
	(void)c;
	(void)last_ns;
}

void conns_settle(struct tenant *t, const struct sim_conn *c)
{
	(void)t;
	(void)c;
}

void conns_unpersist(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	(void)t;
	(void)port;
	(void)tuple;
	seen.forgotten_there++;
}

unsigned int conns_adopt_port(struct lport *p)
{
	(void)p;
	return 0;
}

void mirror_put(struct tenant *t, const struct sim_conn *c, uint64_t last_ns)
{
	(void)t;
	(void)c;
	(void)last_ns;
}

void mirror_del(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	(void)t;
	(void)port;
	(void)tuple;
	seen.forgotten_in_db++;
}

void mirror_fetch(struct tenant *t, const char *port)
{
	(void)t;
	(void)port;
}

void tenant_invalidate(struct tenant *t, const struct topo_tag *tag)
{
	(void)t;
	assert_int_equal(tag->kind, TOPO_TAG_CONN);
	assert_string_equal(tag->name, "vm1");
	seen.invalidated++;
}

void learn_affinity(struct tenant *t, const struct sim_affinity_learn *l)
{
	(void)t;
	(void)l;
}

void learn_age_affinities(struct tenant *t, uint64_t now_ns)
{
	(void)t;
	(void)now_ns;
	seen.affinities++;
}

struct lport *ports_find_name(const struct tenant *t, const char *name)
{
	static struct lport port = { .key = 7 };

	(void)t;
	return seen.here && !strcmp(name, "vm1") ? &port : NULL;
}

bool dp_port_conns(const struct dp *dp, uint32_t key, uint32_t *conns, uint32_t *replies, uint64_t *refused)
{
	(void)dp;
	(void)replies;
	(void)refused;
	assert_int_equal(key, 7);
	*conns = seen.begun;
	return true;
}

uint32_t hosts_mtu(const struct agent *a, const char *name)
{
	(void)a;
	(void)name;
	return 0;
}

uint32_t hosts_encap_size(const struct agent *a)
{
	(void)a;
	return 50;
}

void state_put(struct tenant *t, const char *host, const struct sim_conn *c)
{
	(void)t;
	(void)host;
	(void)c;
}

void state_end(struct tenant *t, const char *host, const char *port, const struct sim_tuple *tuple)
{
	(void)t;
	(void)host;
	(void)port;
	(void)tuple;
}

void state_flush(struct agent *a)
{
	(void)a;
}

void state_ended(struct tenant *t, const struct sim_conn *c)
{
	(void)t;
	(void)c;
}

void state_hold(struct agent *a, uint32_t hold)
{
	(void)a;
	(void)hold;
}

void dp_port_renew(struct dp *dp, uint32_t key)
{
	(void)dp;
	(void)key;
}

bool tell_needed(struct tenant *t, const struct sim_conn *c)
{
	(void)t;
	(void)c;
	return false;
}

const char *tell_host(struct tenant *t, const struct sim_conn *c)
{
	(void)t;
	(void)c;
	return NULL;
}

bool tell_marks(struct tenant *t, const struct sim_conn *c, const struct sim_result *res, const struct pkt *pkt)
{
	(void)t;
	(void)c;
	(void)res;
	(void)pkt;
	return false;
}

bool tell_may(const struct lport *p, uint64_t now_ns)
{
	(void)p;
	(void)now_ns;
	return true;
}

void tell_charge(struct lport *p, uint64_t messages, uint64_t now_ns)
{
	(void)p;
	(void)messages;
	(void)now_ns;
}

uint32_t hold_open(struct tenant *t, const struct sim_conn *c, const char *host, bool marked)
{
	(void)t;
	(void)c;
	(void)host;
	(void)marked;
	return 0;
}

enum hold_state hold_close(struct agent *a, uint32_t id)
{
	(void)a;
	(void)id;
	return (enum hold_state)0;
}

uint32_t hold_of(const struct tenant *t, const struct sim_conn *c)
{
	(void)t;
	(void)c;
	return 0;
}

void hold_forget(struct tenant *t)
{
	(void)t;
}

bool conns_tuple(const struct dp_flow_key *key, struct sim_tuple *tuple)
{
	(void)key;
	(void)tuple;
	return false;
}

static int begin(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	agent = (struct agent){ .config = &config };
	tenant = (struct tenant){ .agent = &agent };
	hmap_init(&tenant.conn_sides);
	return conns_init(&tenant);
}

static int end(void **state)
{
	(void)state;
	conns_fini(&tenant);
	return 0;
}

static void add(uint64_t age_s)
{
	assert_int_equal(sim_conns_put(tenant.conns, &conn, clock_mono_ns() - age_s * NSEC_PER_SEC), 1);
}

/* A tick, and the turns that follow from it. */
static void tick(void)
{
	struct hmap_node *n;

	assert_int_equal(hmap_insert(&agent.tenants, &tenant.node, 1), 0);
	conns_tick(&tenant, clock_mono_ns());
	assert_false(conns_expire_some(&agent, UINT64_MAX));
	n = hmap_first(&agent.tenants);
	hmap_remove(&agent.tenants, n);
	hmap_fini(&agent.tenants);
}

static void in_use(void **state)
{
	(void)state;
	add(1);
	tick();
	assert_int_equal(sim_conns_count(tenant.conns, NULL), 1);
	assert_int_equal(seen.pulled, 0);
	assert_int_equal(seen.affinities, 1);
}

/* Nobody answered for longer than udp_new_s: it goes everywhere, and flows that depended on it are looked at again. */
static void over(void **state)
{
	(void)state;
	add(60);
	tick();
	assert_int_equal(sim_conns_count(tenant.conns, NULL), 0);
	assert_int_equal(seen.pulled, 1);
	assert_int_equal(seen.forgotten_there, 1);
	assert_int_equal(seen.forgotten_in_db, 1);
	assert_int_equal(seen.invalidated, 1);
	assert_int_equal(agent.stats.conns_over, 1);
}

/* BPF has refreshed it, which skepd was not told: it is not over. */
static void the_kernel_knows_better(void **state)
{
	(void)state;
	add(60);
	seen.knows = true;
	tick();
	assert_int_equal(sim_conns_count(tenant.conns, NULL), 1);
	assert_int_equal(seen.forgotten_there + seen.forgotten_in_db + seen.invalidated, 0);
	assert_int_equal(agent.stats.conns_over, 0);
}

/* The kernel says that it is over: once is enough. */
static void over_in_the_kernel(void **state)
{
	(void)state;
	add(1);
	conns_over(&tenant, "vm1", &conn.tuple);
	conns_over(&tenant, "vm1", &conn.tuple);
	assert_int_equal(sim_conns_count(tenant.conns, NULL), 0);
	assert_int_equal(seen.forgotten_there, 1);
	assert_int_equal(agent.stats.conns_over, 1);
}

/* The kernel has made as many as the port may have, and skepd has not heard of all of them yet. */
static void full_in_the_kernel(void **state)
{
	static const struct pkt pkt = { .len = 64 };
	struct sim_conn new_ = conn;
	const struct sim_result res = { .n_new_conns = 1, .new_conns = &new_ };

	(void)state;
	seen.here = true;
	seen.begun = config.conns_port_max;
	assert_int_equal(conns_commit(&tenant, &res, &pkt), SIM_CONNS_FULL);
	assert_int_equal(sim_conns_count(tenant.conns, NULL), 0);
	assert_int_equal(agent.stats.conns_refused, 1);
	seen.begun--;
	assert_false(conns_commit(&tenant, &res, &pkt) & SIM_CONNS_FULL);
	assert_int_equal(agent.stats.conns_refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_use, begin, end),
		cmocka_unit_test_setup_teardown(over, begin, end),
		cmocka_unit_test_setup_teardown(the_kernel_knows_better, begin, end),
		cmocka_unit_test_setup_teardown(over_in_the_kernel, begin, end),
		cmocka_unit_test_setup_teardown(full_in_the_kernel, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
