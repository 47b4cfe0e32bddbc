// SPDX-License-Identifier: Apache-2.0
/*
 * Every scenario once more, through the BPF programs (compare.h): each step's packet, and random variations of it.
 */
#include <glob.h>

#include "selftests/diff/compare.h"
#include "util/hash.h"

#define VARIATIONS 60 /* of each step's packet; DIFF_VARIATIONS=n takes so many */

static struct sim sim;
static uint8_t frame[PKT_MAX + 4];

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

/* Decides 'pkt' and compares. */
static int check(const struct scenario_step *step, const struct pkt *pkt, struct err *err)
{
	struct sim_result r;
	int rc = sim_run(&sim, step->snap, step->view, step->in, pkt, 0, SCENARIO_SEED, 0, &r, err);

	return rc ? rc : cmp_check(&r, step->in, pkt, err);
}

/* The packet with a few bytes of its headers taken from elsewhere; addresses keep their first bits, so that they often mean something. */
static int vary(const struct scenario_step *step, uint64_t seed, struct err *err)
{
	uint64_t rnd = hash_u64(seed);
	struct pkt_fields to = step->pkt->f;
	struct pkt pkt;
	int n;

	memcpy(frame, step->pkt->data, step->pkt->len);
	if (to.eth_type == htons(0x0800) || to.eth_type == htons(0x86dd)) {
		if (rnd & 1)
			((uint8_t *)&to.ip_dst)[15] = (uint8_t)(rnd >> 8);
		if (rnd & 2)
			((uint8_t *)&to.ip_src)[15] = (uint8_t)(rnd >> 16);
		if (rnd & 4)
			((uint8_t *)&to.ip_dst)[14] = (uint8_t)(rnd >> 24) % 4;
		if ((rnd & 8) && to.has_l4 && (to.ip_proto == 6 || to.ip_proto == 17))
			to.l4_dst = htons((uint16_t)(rnd >> 32) % 100);
		if (rnd & 16)
			to.ip_ttl = (uint8_t)(rnd >> 40);
		if (rnd & 32)
			to.ip_tos = (uint8_t)(rnd >> 48);
	}
	if (rnd & 64)
		to.eth_dst.b[5] = (uint8_t)(rnd >> 56) % 8;
	if (rnd & 128)
		to.eth_src.b[5] = (uint8_t)(rnd >> 52) % 8;
	if ((rnd & 768) == 768)
		to.vlan = rnd & 1024 ? htons((uint16_t)(rnd >> 44) % 32 | PKT_VLAN_PRESENT) : 0;
	n = pkt_rewrite(frame, step->pkt, &to);
	if (n < 0 || pkt_parse(frame, (uint32_t)n, &pkt) != SKEP_DROP_NONE)
		return 0;
	return check(step, &pkt, err);
}

static int hook(void *arg, const struct scenario_step *step, struct err *err)
{
	const char *text = getenv("DIFF_VARIATIONS");
	uint64_t variations = text ? strtoull(text, NULL, 10) : VARIATIONS;
	int rc;

	(void)arg;
	if (!step->in->live_host || step->pkt->len <= 34)
		return 0;
	rc = check(step, step->pkt, err);
	for (uint64_t i = 0; i < variations && !rc; i++)
		rc = vary(step, step->line * 1000ULL + i, err);
	return rc;
}

static void test_file(void **state)
{
	struct err err = { 0 };
	struct scenario_file *f = scenario_load(*state, &err);

	if (!f)
		print_error("%s\n", err.text);
	assert_non_null(f);
	for (unsigned int i = 0; i < scenario_count(f); i++)
		if (scenario_run(f, i, hook, NULL, &err)) {
			print_error("%s: %s: %s\n", (const char *)*state, scenario_name(f, i), err.text);
			scenario_free(f);
			fail_msg("scenario");
		}
	scenario_free(f);
}

/* A comparison that compared nothing would pass too. */
static void test_compared_enough(void **state)
{
	(void)state;
	print_message("# %u cases: %u delivered, %u encapsulated, %u dropped, %u sets of %u copies, %u without a flow\n", cmp.cases,
		      cmp.local, cmp.encap, cmp.drop, cmp.sets, cmp.copies, cmp.unsaid);
	assert_true(cmp.local > 100);
	assert_true(cmp.encap > 100);
	assert_true(cmp.drop > 100);
	assert_true(cmp.sets > 100);
	assert_true(cmp.copies > 2 * cmp.sets);
}

int main(void)
{
	struct CMUnitTest tests[64] = { 0 };
	unsigned int n = 0;
	glob_t files;
	int rc;

	if (glob("selftests/sim/*.sim", 0, NULL, &files))
		return 1;
	for (; n < files.gl_pathc && n < ARRAY_SIZE(tests) - 1; n++)
		tests[n] = (struct CMUnitTest){ .name = files.gl_pathv[n], .test_func = test_file, .initial_state = files.gl_pathv[n] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_compared_enough);
	rc = _cmocka_run_group_tests("diff", tests, n, setup, teardown);
	globfree(&files);
	return rc;
}
