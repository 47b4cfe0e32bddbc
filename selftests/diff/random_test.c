// SPDX-License-Identifier: Apache-2.0
/*
 * Random networks and packets (selftests/lib/random_topo.h) through the simulator and the BPF programs (compare.h): the same bytes.
 * DIFF_SEED=n begins with another network, DIFF_ROUNDS=n takes so many.
 */
#include "selftests/diff/random.h"

#define NETWORKS 60
#define PACKETS	 250 /* of each network */

static struct sim sim;

static int setup(void **state)
{
	sim_init(&sim);
	return cmp_open(state);
}

static int teardown(void **state)
{
	sim_fini(&sim);
	return cmp_close(state);
}

/* Decides, compares, and lets the effects be: twice, so that connections are seen when they begin and when they are there. */
static int one(struct random_topo *t, const struct topo_port *in, const struct pkt *pkt, struct err *err)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_state_view view;
		struct sim_result res;

		t->now_ns += 1000;
		random_topo_view(t, &view);
		if (sim_run(&sim, t->snap, &view.view, in, pkt, t->now_ns, SCENARIO_SEED, 0, &res, err) ||
		    cmp_check(&res, in, pkt, err))
			return -1;
		random_topo_effects(t, &res, pkt);
	}
	return 0;
}

static void test_random(void **state)
{
	(void)state;
	random_networks(20000, NETWORKS, PACKETS, one);
}

/* A comparison that compared nothing would pass too. */
static void test_compared_enough(void **state)
{
	(void)state;
	print_message("# %u cases: %u delivered, %u encapsulated, %u dropped, %u sets of %u copies, %u without a flow\n", cmp.cases,
		      cmp.local, cmp.encap, cmp.drop, cmp.sets, cmp.copies, cmp.unsaid);
	assert_true(cmp.cases > random_number("DIFF_ROUNDS", NETWORKS) * PACKETS);
	assert_true(cmp.cases - cmp.unsaid > cmp.cases / 4);
	assert_true(cmp.local > 100);
	assert_true(cmp.encap > 100);
	assert_true(cmp.sets > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compared_enough),
	};

	return cmocka_run_group_tests_name("diff random", tests, setup, teardown);
}
