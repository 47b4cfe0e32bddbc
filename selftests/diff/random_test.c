// SPDX-License-Identifier: Apache-2.0
/*
 * Random networks and packets (selftests/lib/random_topo.h) through the simulator and the BPF programs (compare.h): the same bytes.
 * DIFF_SEED=n begins with another network, DIFF_ROUNDS=n takes so many.
 */
#include <stdlib.h>

#include "selftests/diff/compare.h"
#include "selftests/lib/random_topo.h"

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

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
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
	unsigned int seed = number("DIFF_SEED", 20000), rounds = number("DIFF_ROUNDS", NETWORKS);

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		struct random_topo t;

		random_topo_init(&t, seed + i);
		for (unsigned int k = 0; k < PACKETS; k++) {
			char line[RANDOM_LINE];
			const struct topo_port *in = random_topo_packet(&t, line);
			static uint8_t frame[PKT_MAX];
			struct err err = { 0 };
			struct pkt pkt;
			int n = pkt_dsl_parse(line, NULL, frame, sizeof(frame), &err);

			if (n < 0 || pkt_parse(frame, (uint32_t)n, &pkt) != SKEP_DROP_NONE)
				fail_msg("%s: %s", line, err.text);
			if (in->live_host && one(&t, in, &pkt, &err))
				fail_msg("network %u: in %s %s: %s", seed + i, in->o.name, line, err.text);
			if (k % 10 == 9)
				topo_unref(random_topo_change(&t));
		}
		random_topo_fini(&t);
	}
}

/* A comparison that compared nothing would pass too. */
static void test_compared_enough(void **state)
{
	(void)state;
	print_message("# %u cases: %u delivered, %u encapsulated, %u dropped, %u sets of %u copies, %u without a flow\n", cmp.cases,
		      cmp.local, cmp.encap, cmp.drop, cmp.sets, cmp.copies, cmp.unsaid);
	assert_true(cmp.cases > number("DIFF_ROUNDS", NETWORKS) * PACKETS);
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
