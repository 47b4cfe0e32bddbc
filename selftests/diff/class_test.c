// SPDX-License-Identifier: Apache-2.0
/*
 * Classes of packets (class.h) of every scenario's steps, and of random networks.  DIFF_SEED=n begins with another network,
 * DIFF_ROUNDS=n takes so many.
 */
#include <glob.h>
#include <stdlib.h>

#include "selftests/diff/class.h"
#include "selftests/diff/random.h"

#define VARIATIONS 20
#define NETWORKS   30
#define PACKETS	   200 /* of each network */

static struct sim sim;
static uint64_t rnd = 4711;

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

static int hook(void *arg, const struct scenario_step *step, struct err *err)
{
	struct sim_state_view *view = container_of(step->view, struct sim_state_view, view);
	struct sim_result res;

	(void)arg;
	if (!step->in->live_host || step->pkt->len <= 34)
		return 0;
	if (sim_run(&sim, step->snap, step->view, step->in, step->pkt, view->now_ns, SCENARIO_SEED, 0, &res, err))
		return -1;
	return cls_check(&res, step->snap, view, step->in, step->pkt, VARIATIONS, &rnd, err) ?
		       -1 :
		       0;
}

static void test_scenarios(void **state)
{
	struct err err = { 0 };
	glob_t files;

	(void)state;
	assert_int_equal(glob("selftests/sim/*.sim", 0, NULL, &files), 0);
	for (size_t k = 0; k < files.gl_pathc; k++) {
		struct scenario_file *f = scenario_load(files.gl_pathv[k], &err);

		assert_non_null(f);
		for (unsigned int i = 0; i < scenario_count(f); i++)
			if (scenario_run(f, i, hook, NULL, &err))
				fail_msg("%s: %s: %s", files.gl_pathv[k], scenario_name(f, i), err.text);
		scenario_free(f);
	}
	globfree(&files);
}

/* As it begins, and as it goes on: the packet twice, then one back. */
static int one(struct random_topo *t, const struct topo_port *in, const struct pkt *pkt, struct err *err)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_state_view view;
		struct sim_result res;

		t->now_ns += 1000;
		random_topo_view(t, &view);
		if (sim_run(&sim, t->snap, &view.view, in, pkt, t->now_ns, SCENARIO_SEED, 0, &res, err) ||
		    cls_check(&res, t->snap, &view, in, pkt, VARIATIONS / 4, &rnd, err))
			return -1;
		random_topo_effects(t, &res, pkt);
	}
	return 0;
}

static void test_random(void **state)
{
	(void)state;
	random_networks(30000, NETWORKS, PACKETS, one);
}

/* A comparison that compared nothing would pass too. */
static void test_compared_enough(void **state)
{
	(void)state;
	print_message("# %u classes (%u without a connection, %u new, %u original, %u reply), %u promoted, %u began a connection; "
		      "%u variations, %u of them run; %u of load balancers, %u variations for another member\n",
		      cls.classes, cls.by_ct[SKEP_CT_NONE], cls.by_ct[SKEP_CT_NEW], cls.by_ct[SKEP_CT_ORIG], cls.by_ct[SKEP_CT_REPLY],
		      cls.promoted, cls.records, cls.varied, cls.run, cls.balanced, cls.other_member);
	for (unsigned int i = 0; i <= SKEP_CT_REPLY; i++)
		assert_true(cls.by_ct[i] > 20);
	assert_true(cls.balanced > 20 && cls.other_member > 20);
	assert_true(cls.promoted > 200);
	assert_true(cls.records > 100);
	assert_true(cls.run > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compared_enough),
	};

	return cmocka_run_group_tests_name("diff class", tests, setup, teardown);
}
