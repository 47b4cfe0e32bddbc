// SPDX-License-Identifier: Apache-2.0
/*
 * Every scenario once more, through the BPF programs: what the simulator decided is installed as skepd would (loader/install.h), the packet runs
 * through skep_tc_port, and the bytes that leave must be those the simulator says.  Then the same for random variations of the
 * packet.  Floods are compared up to the rewrite, for a copy is no output of BPF_PROG_TEST_RUN.
 */
#include <arpa/inet.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loader/install.h"
#include "selftests/lib/bpfrun.h"
#include "selftests/lib/scenario.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define VARIATIONS 60 /* of each step's packet */
#define PEER	   9  /* every other host is this one */
#define IFINDEX(key) (5000 + (key))

static struct bpfrun *run;
static struct bpfrun_result res;
static uint8_t want[PKT_MAX], frame[PKT_MAX];
static struct sim sim;
static struct {
	unsigned int local, encap, drop, flood, vague, cases;
} done;

static bool env_local(void *arg, uint32_t key, uint32_t *ifindex, bool *peer)
{
	(void)arg;
	*ifindex = IFINDEX(key);
	*peer = false;
	return true;
}

static uint32_t env_peer(void *arg, const char *host)
{
	(void)arg;
	(void)host;
	return PEER;
}

static int setup(void **state)
{
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 9000, .dport = htons(SKEP_VXLAN_PORT), .ifindex = BPFRUN_UNDER };
	struct err err = { 0 };
	uint32_t index = PEER;

	(void)state;
	sim_init(&sim);
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	return bpfrun_put(run, "skep_peers", &index, &peer);
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	sim_fini(&sim);
	return 0;
}

/* The flow that skepd would install; false: none (several different copies, an answer is due, ...). */
static bool make_flow(const struct sim_result *r, const struct topo_port *in, const struct pkt *pkt, struct arena *arena,
		      struct skep_flow *flow, const struct sim_output **out, const char **trouble)
{
	struct install_env env = { .host = in->live_host, .local = env_local, .peer = env_peer };
	struct install_plan plan;

	*out = NULL;
	if (!r->cacheable)
		return false;
	if (r->verdict == SIM_DROP || (r->verdict == SIM_FORWARD && !r->n_outputs)) {
		*flow = (struct skep_flow){ .action = SKEP_ACT_DROP, .out = r->verdict == SIM_DROP ? r->reason : SKEP_DROP_NO_OUTPUT };
		return true;
	}
	if (r->verdict != SIM_FORWARD)
		return false;
	if (install_plan(&env, &pkt->f, r->outputs, r->n_outputs, arena, &plan)) {
		*trouble = "no plan";
		return false;
	}
	if (plan.n != 1 || !plan.uniform)
		return false;
	*flow = plan.copies[0].verdict;
	*out = plan.copies[0].output;
	return true;
}

static int differs(struct err *err, const char *what)
{
	struct arena arena;
	char *got;

	arena_init(&arena, 0);
	got = pkt_dsl_format(res.data, res.len, &arena);
	err_set(err, -1, "%s: BPF action %d, drop %s, %s", what, res.action, skep_drop_name(res.drop), got ? got : "");
	arena_fini(&arena);
	return -1;
}

/* What came out of the program against what the simulator wants. */
static int compare(const struct skep_flow *flow, const struct sim_output *out, const struct pkt *pkt, struct err *err)
{
	const uint8_t *inner = res.data;
	uint32_t len = res.len;
	int n;

	if (flow->action == SKEP_ACT_DROP) {
		done.drop++;
		return res.drop == (enum skep_drop)flow->out ? 0 : differs(err, "not dropped, or for another reason");
	}
	if (res.drop != SKEP_DROP_NONE)
		return differs(err, "dropped");
	n = scenario_output_frame(pkt->data, pkt->len, out, want);
	if (n < 0)
		return differs(err, "the simulator's output cannot be built");
	if (flow->action == SKEP_ACT_ENCAP && res.len == pkt->len + sizeof(struct skep_upcall)) {
		inner += sizeof(struct skep_upcall); /* not IP, or tagged: relayed first, encapsulated behind that */
		len -= sizeof(struct skep_upcall);
		done.encap++;
	} else if (flow->action == SKEP_ACT_ENCAP) {
		uint32_t vni;

		if (res.len != pkt->len + SKEP_ENCAP_V4)
			return differs(err, "not encapsulated");
		vni = (uint32_t)res.data[46] << 16 | (uint32_t)res.data[47] << 8 | res.data[48];
		if (vni != flow->out || memcmp(res.data + 30, "\x0a\x09\x00\x02", 4) != 0 || res.data[42] != 0x08 ||
		    pkt_csum(res.data + 14, 20, 0) != 0)
			return differs(err, "wrong outer header");
		inner += SKEP_ENCAP_V4;
		len -= SKEP_ENCAP_V4;
		done.encap++;
	} else {
		done.local++;
	}
	if (len != (uint32_t)n || memcmp(inner, want, len) != 0)
		return differs(err, "other bytes than the simulator's");
	return 0;
}

/* Decides 'pkt' and, if that makes a flow, compares. */
static int check(const struct scenario_step *step, const struct pkt *pkt, struct err *err)
{
	const char *trouble = NULL;
	const struct sim_output *out;
	struct sim_result r;
	struct skep_flow flow;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	struct arena arena;
	bool v6, installed;
	int rc;

	done.cases++;
	rc = sim_run(&sim, step->snap, step->view, step->in, pkt, 0, SCENARIO_SEED, 0, &r, err);
	if (rc)
		return rc;
	arena_init(&arena, 0);
	installed = make_flow(&r, step->in, pkt, &arena, &flow, &out, &trouble);
	if (trouble) {
		arena_fini(&arena);
		return err_set(err, -1, "%s", trouble);
	}
	if (!installed || sim_always_up(&pkt->f) || mac_is_multicast(&pkt->f.eth_src) || mac_eq(&pkt->f.eth_src, &pkt->f.eth_dst)) {
		if (r.verdict == SIM_FORWARD && r.n_outputs > 1)
			done.flood++;
		else
			done.vague++;
		arena_fini(&arena);
		return 0;
	}
	v6 = pkt_flow_key(&pkt->f, BPFRUN_KEY, &k4, &k6);
	rc = bpfrun_put(run, v6 ? "skep_flows6" : "skep_flows4", v6 ? (void *)&k6 : (void *)&k4, &flow);
	if (!rc)
		rc = bpfrun_run(run, BPFRUN_PORT, pkt->data, pkt->len, &res);
	rc = rc ? err_set(err, rc, "cannot run the program: %s", strerror(-rc)) : compare(&flow, out, pkt, err);
	(void)bpfrun_del(run, v6 ? "skep_flows6" : "skep_flows4", v6 ? (void *)&k6 : (void *)&k4);
	arena_fini(&arena);
	return rc;
}

/* The packet with a few bytes of its headers taken from elsewhere; addresses keep their first bits, so that they often mean something. */
static int vary(const struct scenario_step *step, uint64_t seed, struct err *err)
{
	uint64_t rnd = hash_u64(seed);
	struct pkt_fields to = step->pkt->f;
	struct pkt pkt;

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
	if (pkt_rewrite(frame, step->pkt, &to) < 0 || pkt_parse(frame, step->pkt->len, &pkt) != SKEP_DROP_NONE)
		return 0;
	return check(step, &pkt, err);
}

static int hook(void *arg, const struct scenario_step *step, struct err *err)
{
	int rc;

	(void)arg;
	if (!step->in->live_host || step->pkt->len <= 34)
		return 0;
	rc = check(step, step->pkt, err);
	for (uint64_t i = 0; i < VARIATIONS && !rc; i++)
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
	print_message("# %u cases: %u delivered, %u encapsulated, %u dropped, %u floods, %u without a flow\n", done.cases, done.local,
		      done.encap, done.drop, done.flood, done.vague);
	assert_true(done.local > 100);
	assert_true(done.encap > 100);
	assert_true(done.drop > 100);
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
