// SPDX-License-Identifier: Apache-2.0
/* Ports by host and tunnel key, while snapshots come and go: loader/whereabouts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "selftests/lib/simtest.h"

static struct agent agent;
static struct tenant tenant;

/* A change: the next snapshot, in which every port is live on h1. */
static void now(const char *yaml)
{
	topo_unref(tenant.snap);
	tenant.snap = simtest_snapshot(yaml);
	agent.stats.builds++;
}

static uint32_t key_of(const char *port)
{
	const struct topo_port *p = topo_find_port(tenant.snap, port);

	assert_non_null(p);
	return p->live_key;
}

static int begin(void **state)
{
	(void)state;
	agent = (struct agent){ 0 };
	tenant = (struct tenant){ .agent = &agent };
	hmap_init(&tenant.places);
	return 0;
}

static int end(void **state)
{
	(void)state;
	whereabouts_fini(&tenant);
	topo_unref(tenant.snap);
	return 0;
}

static void known_and_not(void **state)
{
	(void)state;
	assert_string_equal(tenant_port_at(&tenant, "h1", 0x100), ""); /* no topology yet */
	now("bridges: [{name: b}]\nports: [{name: p, bridge: b}, {name: q, bridge: b}]\n");
	assert_string_equal(tenant_port_at(&tenant, "h1", key_of("p")), "p");
	assert_string_equal(tenant_port_at(&tenant, "h1", key_of("q")), "q");
	assert_string_equal(tenant_port_at(&tenant, "h2", key_of("q")), "");
	assert_string_equal(tenant_port_at(&tenant, "h1", 0xffff), "");
}

static void of_today(void **state)
{
	uint32_t p;

	(void)state;
	now("bridges: [{name: b}]\nports: [{name: p, bridge: b}]\n");
	p = key_of("p");
	assert_string_equal(tenant_port_at(&tenant, "h1", p), "p");
	now("bridges: [{name: b}]\nports: [{name: a, bridge: b}, {name: z, bridge: b}]\n");
	assert_string_equal(tenant_port_at(&tenant, "h1", key_of("z")), "z"); /* came with the change */
	assert_string_equal(tenant_port_at(&tenant, "h1", key_of("a")), "a");
	assert_string_not_equal(tenant_port_at(&tenant, "h1", p), "p"); /* went */
}

/* Who is not known is looked for once for each change, not with each packet. */
static void not_built_for_each_question(void **state)
{
	struct hmap_node *first;

	(void)state;
	now("bridges: [{name: b}]\nports: [{name: p, bridge: b}]\n");
	assert_string_equal(tenant_port_at(&tenant, "h1", 0xffff), "");
	first = hmap_first(&tenant.places);
	assert_non_null(first);
	for (int i = 0; i < 3; i++)
		assert_string_equal(tenant_port_at(&tenant, "h1", 0xffff), "");
	assert_ptr_equal(hmap_first(&tenant.places), first);
	assert_int_equal(tenant.places_changes, agent.stats.builds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_and_not, begin, end),
		cmocka_unit_test_setup_teardown(of_today, begin, end),
		cmocka_unit_test_setup_teardown(not_built_for_each_question, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
