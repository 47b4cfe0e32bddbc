// SPDX-License-Identifier: Apache-2.0
/* The in-memory MAC and neighbour tables: ownership, ageing, limits, failures, and the view. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

static const struct skep_mac m1 = { { 2, 0, 0, 0, 0, 1 } }, m2 = { { 2, 0, 0, 0, 0, 2 } };

static struct skep_ip ip(const char *text)
{
	struct skep_ip a;

	assert_true(ip_parse(text, &a));
	return a;
}

static void test_set_mac(void **state)
{
	struct sim_tables *t = sim_tables_new(10, 10);

	(void)state;
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p1", true, 1), 1);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p1", true, 2), 0);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p2", true, 3), 1); /* moved */
	assert_int_equal(sim_tables_set_mac(t, "c", 0, &m1, "p3", true, 3), 1); /* another bridge */
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p2", false, 4),
			 0); /* our own words come back */
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p9", false, 5),
			 1); /* another host learnt it */
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p9", true, 6),
			 1); /* the port came to us */
	assert_true(sim_tables_del_mac(t, "b", 0, &m1));
	assert_false(sim_tables_del_mac(t, "b", 0, &m1));
	sim_tables_free(t);
}

static void test_full(void **state)
{
	struct sim_tables *t = sim_tables_new(1, 1);
	struct skep_ip a = ip("10.0.0.1"), b = ip("10.0.0.2");

	(void)state;
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "p", true, 1), 1);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m2, "p", true, 1), -ENOSPC);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m1, "q", true, 1),
			 1); /* a change needs no room */
	assert_int_equal(sim_tables_set_neigh(t, "r", &a, &m1, true, 1), 1);
	assert_int_equal(sim_tables_set_neigh(t, "r", &b, &m1, true, 1), -ENOSPC);
	assert_int_equal(sim_tables_fail_neigh(t, "r", &b, 10), -ENOSPC);
	assert_true(sim_tables_del_neigh(t, "r", &a));
	assert_int_equal(sim_tables_fail_neigh(t, "r", &b, 10), 1);
	sim_tables_free(t);
}

struct aged {
	struct sim_tables *t;
	unsigned int macs, neighs;
	char last[64];
};

static void aged_mac(void *arg, const char *bridge, uint16_t vlan, const struct skep_mac *mac,
		     const char *port)
{
	struct aged *a = arg;

	a->macs++;
	snprintf(a->last, sizeof(a->last), "%s %s", bridge, port);
	assert_true(sim_tables_del_mac(a->t, bridge, vlan, mac)); /* allowed */
}

static void aged_neigh(void *arg, const char *port, const struct skep_ip *addr)
{
	struct aged *a = arg;

	a->neighs++;
	snprintf(a->last, sizeof(a->last), "%s", port);
	assert_true(sim_tables_del_neigh(a->t, port, addr));
}

static void test_ageing(void **state)
{
	struct sim_tables *t = sim_tables_new(10, 10);
	struct skep_ip a = ip("10.0.0.1"), b = ip("fd00::1"), c = ip("10.0.0.3");
	struct aged aged = { .t = t };

	(void)state;
	sim_tables_set_mac(t, "b", 0, &m1, "p1", true, 100);
	sim_tables_set_mac(t, "b", 0, &m2, "p2", false, 100); /* not ours to age */
	sim_tables_set_neigh(t, "r", &a, &m1, true, 100);
	sim_tables_set_neigh(t, "r", &b, &m1, false, 100);
	sim_tables_fail_neigh(t, "r", &c, 100);
	sim_tables_aged(t, 100, aged_mac, aged_neigh, &aged);
	assert_int_equal(aged.macs + aged.neighs, 0);
	sim_tables_set_mac(t, "b", 0, &m1, "p1", true, 200); /* refreshed */
	sim_tables_aged(t, 150, aged_mac, aged_neigh, &aged);
	assert_int_equal(aged.macs, 0);
	assert_int_equal(aged.neighs, 1);
	sim_tables_aged(t, 201, aged_mac, aged_neigh, &aged);
	assert_int_equal(aged.macs, 1);
	assert_string_equal(aged.last, "b p1");
	assert_false(sim_tables_del_neigh(t, "r", &c)); /* the old failure went too */
	assert_true(sim_tables_del_neigh(t, "r", &b));
	assert_true(sim_tables_del_mac(t, "b", 0, &m2));
	sim_tables_free(t);
}

/* What skepd does each second: a scan leaves no room taken, whatever the age of the rest may be. */
static void test_failures_alone(void **state)
{
	struct sim_tables *t = sim_tables_new(10, 2);
	struct skep_ip a = ip("10.0.0.1"), b = ip("10.0.0.2"), c = ip("10.0.0.3");

	(void)state;
	sim_tables_set_mac(t, "b", 0, &m1, "p1", true, 1);
	sim_tables_set_neigh(t, "r", &a, &m1, true, 1);
	sim_tables_fail_neigh(t, "r", &b, 100);
	assert_int_equal(sim_tables_set_neigh(t, "r", &c, &m2, true, 101), -ENOSPC);
	sim_tables_aged(t, 100, NULL, NULL, NULL); /* still believed */
	assert_int_equal(sim_tables_set_neigh(t, "r", &c, &m2, true, 101), -ENOSPC);
	sim_tables_aged(t, 101, NULL, NULL, NULL);
	assert_int_equal(sim_tables_set_neigh(t, "r", &c, &m2, true, 101), 1);
	assert_true(sim_tables_del_neigh(t, "r", &a));
	assert_true(sim_tables_del_mac(t, "b", 0, &m1));
	sim_tables_free(t);
}

static void test_view(void **state)
{
	struct topo_snapshot *snap =
		simtest_snapshot("bridges: [{name: b}, {name: c}]\n"
				 "routers: [{name: r}]\n"
				 "ports:\n"
				 "  - {name: p, bridge: b}\n"
				 "  - {name: q, bridge: c}\n"
				 "  - {name: rp, router: r, addresses: [10.0.0.1/24]}\n");
	const struct topo_bridge *b = topo_find_port(snap, "p")->bridge;
	const struct topo_port *rp = topo_find_port(snap, "rp");
	struct sim_tables *t = sim_tables_new(10, 10);
	struct skep_ip a = ip("10.0.0.2");
	struct sim_tables_view v;
	struct skep_mac mac;

	(void)state;
	sim_tables_view_init(&v, t, snap, 50);
	assert_null(v.view.mac(v.view.arg, b, 0, &m1));
	sim_tables_set_mac(t, "b", 0, &m1, "p", true, 1);
	assert_ptr_equal(v.view.mac(v.view.arg, b, 0, &m1), topo_find_port(snap, "p"));
	sim_tables_set_mac(t, "b", 0, &m1, "q", true, 1); /* a port of another bridge */
	assert_null(v.view.mac(v.view.arg, b, 0, &m1));
	sim_tables_set_mac(t, "b", 0, &m1, "gone", true, 1); /* not in the snapshot */
	assert_null(v.view.mac(v.view.arg, b, 0, &m1));

	assert_int_equal(v.view.neigh(v.view.arg, rp, &a, &mac), SIM_NEIGH_UNKNOWN);
	sim_tables_fail_neigh(t, "rp", &a, 51);
	assert_int_equal(v.view.neigh(v.view.arg, rp, &a, &mac), SIM_NEIGH_FAILED);
	v.now_ns = 51; /* may be asked again */
	assert_int_equal(v.view.neigh(v.view.arg, rp, &a, &mac), SIM_NEIGH_UNKNOWN);
	assert_int_equal(sim_tables_set_neigh(t, "rp", &a, &m2, true, 60), 1);
	assert_int_equal(v.view.neigh(v.view.arg, rp, &a, &mac), SIM_NEIGH_KNOWN);
	assert_memory_equal(&mac, &m2, sizeof(mac));
	sim_tables_fail_neigh(t, "rp", &a, 100);
	assert_int_equal(v.view.neigh(v.view.arg, rp, &a, &mac), SIM_NEIGH_FAILED);
	sim_tables_free(t);
	topo_unref(snap);
}

/* One port, or what pretends to be many machines behind it, leaves room for the others. */
static void test_share_of_a_port(void **state)
{
	struct sim_tables *t = sim_tables_new(100000, 100000);
	struct skep_mac m = { { 0x02 } }, first = { { 0x02, 0, 0, 0, 0, 1 } };
	int r = 1;

	(void)state;
	for (uint32_t i = 1; i <= SIM_MACS_PORT; i++) {
		m.b[4] = (uint8_t)(i >> 8);
		m.b[5] = (uint8_t)i;
		r = sim_tables_set_mac(t, "b", 0, &m, "p", true, 1);
		assert_int_equal(r, 1);
	}
	m.b[3] = 1;
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m, "p", true, 1), -ENOSPC);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m, "q", true, 1), 1);
	/* a move gives back what the old port had */
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &first, "q", true, 2), 1);
	assert_int_equal(sim_tables_set_mac(t, "b", 0, &m, "p", true, 2), 1);
	sim_tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_mac),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_share_of_a_port),
		cmocka_unit_test(test_failures_alone),
		cmocka_unit_test(test_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
