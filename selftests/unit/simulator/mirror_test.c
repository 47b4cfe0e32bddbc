// SPDX-License-Identifier: Apache-2.0
/* Copies for mirrors where a scenario's text does not reach: what they mean for a flow's TTL,
 * loops, frames of the network, rule counters. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

#define NETWORK                                                                                          \
	"chains: [{name: fw, rules: [{name: x, action: drop, proto: tcp}]}]\n"                           \
	"bridges: [{name: a}, {name: b}, {name: m}, {name: l1}, {name: l2}]\n"                           \
	"routers: [{name: r}]\n"                                                                         \
	"ports:\n"                                                                                       \
	"  - {name: vm1, bridge: a, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]}\n"                \
	"  - {name: vm3, bridge: a, mac: \"02:00:00:00:00:03\", addresses: [10.0.1.3]}\n"                \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2], out_chain: fw}\n" \
	"  - {name: x, bridge: m}\n"                                                                     \
	"  - {name: a-r, bridge: a, peer: ra}\n"                                                         \
	"  - {name: b-r, bridge: b, peer: rb}\n"                                                         \
	"  - {name: ra, router: r, peer: a-r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.254/24]}\n" \
	"  - {name: rb, router: r, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24]}\n" \
	"  - {name: loop, bridge: l1}\n"                                                                 \
	"  - {name: l1a, bridge: l1, peer: l2a}\n"                                                       \
	"  - {name: l2a, bridge: l2, peer: l1a}\n"                                                       \
	"  - {name: l1b, bridge: l1, peer: l2b}\n"                                                       \
	"  - {name: l2b, bridge: l2, peer: l1b}\n"

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	struct topo_mirror mirror;
	struct topo_mirror_at at;
	struct topo_port_more more;
};

static uint8_t buf[PKT_MAX];

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	sim_init(&x->sim);
	x->snap = simtest_snapshot(NETWORK);
	x->tables = sim_tables_new(10, 10);
	sim_tables_view_init(&x->view, x->tables, x->snap, 1);
	x->mirror = (struct topo_mirror){ .o = { .kind = TOPO_MIRROR, .name = "m" },
					  .admin_up = true,
					  .to = topo_find_port(x->snap, "x") };
	x->at.mirror = &x->mirror;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	sim_tables_free(x->tables);
	topo_unref(x->snap);
	sim_fini(&x->sim);
	free(x);
	return 0;
}

static void at_port(struct fixture *x, const char *name, enum topo_hook hook)
{
	struct topo_port *port = topo_find_port(x->snap, name);

	x->more = *port->more;
	x->more.mirrors[hook] = &x->at;
	port->more = &x->more;
}

static void run(struct fixture *x, const char *port, const char *line)
{
	struct err err = { 0 };

	simtest_packet(line, buf, &x->pkt);
	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, port), &x->pkt, 1, 7,
		    0, &x->res, &err))
		fail_msg("%s", err.text);
}

#define ROUTED "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.2.2"

/* A copy before the router and the packet behind it: one flow, whose TTL bound is the packet's. */
static void test_copy_before_the_router(void **state)
{
	struct fixture *x = *state;

	at_port(x, "vm1", TOPO_HOOK_PRE_IN);
	run(x, "vm1", ROUTED " / udp 1>2");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.n_outputs, 2);
	assert_ptr_equal(x->res.outputs[0].mirror, &x->mirror);
	assert_int_equal(x->res.outputs[0].f.ip_ttl, 64);
	assert_null(x->res.outputs[1].mirror);
	assert_int_equal(x->res.outputs[1].f.ip_ttl, 63);
	assert_true(x->res.cacheable);
	assert_int_equal(x->res.ttl_dec, 1);
}

/* Dropped behind the router: the copies are all that leaves, and a smaller TTL is another case. */
static void test_drop_with_copies(void **state)
{
	struct fixture *x = *state;

	at_port(x, "vm1", TOPO_HOOK_PRE_IN);
	run(x, "vm1", ROUTED " / tcp 1>2 S");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_POLICY);
	assert_int_equal(x->res.n_outputs, 1);
	assert_ptr_equal(x->res.outputs[0].mirror, &x->mirror);
	assert_true(x->res.cacheable);
	assert_int_equal(x->res.ttl_dec, 1);
	assert_int_equal(x->res.n_rules, 1);
}

/* The copy has passed a router, the packet leaves nowhere. */
static void test_copy_behind_the_router(void **state)
{
	struct fixture *x = *state;

	topo_find_port(x->snap, "vm2")->out_chain = NULL;
	topo_find_port(x->snap, "vm2")->live_host = NULL;
	at_port(x, "rb", TOPO_HOOK_POST_OUT);
	run(x, "vm1", ROUTED " / udp 1>2");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_NOT_LIVE);
	assert_int_equal(x->res.n_outputs, 1);
	assert_int_equal(x->res.outputs[0].f.ip_ttl, 63);
	assert_true(x->res.cacheable);
	assert_int_equal(x->res.ttl_dec, 1);
}

/* A loop takes all copies of the packet with it, those of mirrors before it stay. */
static void test_loop(void **state)
{
	struct fixture *x = *state;

	at_port(x, "loop", TOPO_HOOK_PRE_IN);
	run(x, "loop",
	    "eth 02:00:00:00:00:09>ff:ff:ff:ff:ff:ff / ip 10.0.9.9>255.255.255.255 / udp 1>2");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_BUDGET);
	assert_int_equal(x->res.n_outputs, 1);
	assert_ptr_equal(x->res.outputs[0].mirror, &x->mirror);
}

/* What the network sends is mirrored too, with the frame it belongs to. */
static void test_answers(void **state)
{
	struct fixture *x = *state;

	at_port(x, "vm1", TOPO_HOOK_POST_OUT);
	run(x, "vm1",
	    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.1.254 / icmp echo");
	assert_int_equal(x->res.verdict, SIM_CONSUMED);
	assert_int_equal(x->res.n_outputs, 0);
	assert_int_equal(x->res.n_frames, 1);
	assert_int_equal(x->res.frames[0].n_outputs, 2);
	assert_ptr_equal(x->res.frames[0].outputs[0].mirror, &x->mirror);
	assert_null(x->res.frames[0].outputs[1].mirror);
}

/* An echo request to the router is consumed, and its copy leaves. */
static void test_consumed_with_copies(void **state)
{
	struct fixture *x = *state;

	at_port(x, "vm1", TOPO_HOOK_POST_IN);
	run(x, "vm1",
	    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.1.254 / icmp echo");
	assert_int_equal(x->res.verdict, SIM_CONSUMED);
	assert_int_equal(x->res.n_outputs, 1);
	assert_ptr_equal(x->res.outputs[0].mirror, &x->mirror);
}

/* The frame is as it is at the hook when the MACs have been rewritten, and a written DSCP is told
 * as such. */
static void test_written_dscp(void **state)
{
	struct fixture *x = *state;
	struct topo_qos qos = { .o = { .kind = TOPO_QOS, .name = "q" }, .dscp = 46 };

	at_port(x, "vm1", TOPO_HOOK_PRE_IN);
	x->more.qos = &qos;
	run(x, "vm1",
	    "eth 02:00:00:00:00:01>02:00:00:00:00:03 / ip 10.0.1.1>10.0.1.3 tos 187 / udp 1>2");
	assert_int_equal(x->res.n_outputs, 2);
	assert_false(x->res.outputs[0].set_dscp);
	assert_true(x->res.outputs[1].set_dscp);
	assert_int_equal(x->res.outputs[1].f.ip_tos, 187);
	assert_false(x->res.mask.fields & SIM_FIELD_DSCP);
	qos.dscp = -1;
	run(x, "vm1",
	    "eth 02:00:00:00:00:01>02:00:00:00:00:03 / ip 10.0.1.1>10.0.1.3 tos 187 / udp 1>2");
	assert_false(x->res.outputs[1].set_dscp);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_copy_before_the_router),
		T(test_drop_with_copies),
		T(test_copy_behind_the_router),
		T(test_loop),
		T(test_answers),
		T(test_consumed_with_copies),
		T(test_written_dscp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
