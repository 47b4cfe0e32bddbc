// SPDX-License-Identifier: Apache-2.0
/* Security groups and allowed addresses where a scenario's text does not reach: tags of all groups,
 * fragments that wait, what asks for a connection. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

#define NETWORK                                                                                        \
	"bridges: [{name: b}]\n"                                                                       \
	"ports:\n"                                                                                     \
	"  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.0.1, \"fd00::1\"]}\n" \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.0.2, \"fd00::2\"]}\n"

struct group {
	struct topo_security_group sg;
	struct topo_rule rules[2]; /* ingress, egress */
	struct topo_sg_rule sg_rules[2];
};

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	struct group a, b;
	struct topo_security_group *list[2];
	struct topo_port_more more;
};

static uint8_t buf[PKT_MAX];

/* One ingress and one egress rule: UDP to 'port'. */
static void make_group(struct group *g, const char *name, uint16_t port)
{
	g->sg = (struct topo_security_group){
		.o = { .kind = TOPO_SECURITY_GROUP, .name = name },
		.n_ingress = 1,
		.n_egress = 1,
		.rules = g->sg_rules,
		.ingress = { .rules = &g->rules[0], .n_rules = 1 },
		.egress = { .rules = &g->rules[1], .n_rules = 1 },
	};
	for (unsigned int i = 0; i < 2; i++)
		g->rules[i] = (struct topo_rule){ .name = "r",
						  .action = TOPO_ACCEPT,
						  .match = TOPO_M_PROTO | TOPO_M_L4_DST,
						  .proto = IPPROTO_UDP,
						  .l4_dst = { port, port } };
	g->sg_rules[0].direction = TOPO_INGRESS;
	g->sg_rules[1].direction = TOPO_EGRESS;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct topo_port *vm2;

	assert_non_null(x);
	sim_init(&x->sim);
	x->snap = simtest_snapshot(NETWORK);
	x->tables = sim_tables_new(10, 10);
	sim_tables_view_init(&x->view, x->tables, x->snap, 1);
	make_group(&x->a, "a", 53);
	make_group(&x->b, "b", 54);
	x->list[0] = &x->a.sg;
	x->list[1] = &x->b.sg;
	vm2 = topo_find_port(x->snap, "vm2");
	x->more = *vm2->more;
	x->more.sgs = x->list;
	x->more.n_sgs = 2;
	vm2->more = &x->more;
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

static void run_pkt(struct fixture *x, const char *port)
{
	struct err err = { 0 };

	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, port), &x->pkt, 1, 7,
		    SIM_TRACE, &x->res, &err))
		fail_msg("%s", err.text);
}

static void run(struct fixture *x, const char *port, const char *line)
{
	simtest_packet(line, buf, &x->pkt);
	run_pkt(x, port);
}

static bool denied(const struct fixture *x)
{
	return x->res.verdict == SIM_DROP && x->res.reason == SKEP_DROP_SECURITY_GROUP;
}

static unsigned int tags(const struct fixture *x, enum topo_tag_kind kind)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < x->res.n_tags; i++)
		n += x->res.tags[i].kind == kind;
	return n;
}

#define TO_VM2 "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2"
#define TO_VM1 "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.0.0.2>10.0.0.1"

static void test_union(void **state)
{
	struct fixture *x = *state;

	run(x, "vm1", TO_VM2 " / udp 1>53");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(tags(x, TOPO_TAG_SGROUP),
			 2); /* whether any is stateful was asked of all */
	run(x, "vm1", TO_VM2 " / udp 1>54");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	run(x, "vm1", TO_VM2 " / udp 1>55");
	assert_true(denied(x));
	assert_ptr_equal(x->res.culprit.object, &topo_find_port(x->snap, "vm2")->o);
	assert_true(x->res.cacheable);
	assert_string_equal(x->res.hint,
			    "add an ingress rule for udp/55 from 10.0.0.1 to security group 'a'");
	run(x, "vm2", TO_VM1 " / udp 1>55");
	assert_true(denied(x));
	assert_string_equal(x->res.hint,
			    "add an egress rule for udp/55 to 10.0.0.1 to security group 'a'");
}

static void test_everything_may_leave(void **state)
{
	struct fixture *x = *state;

	x->b.sg.egress_any = true;
	run(x, "vm2", TO_VM1 " / udp 1>55");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_false(x->res.mask.fields & (SIM_FIELD_L4_DST | SIM_FIELD_IP_DST));
	run(x, "vm1", TO_VM2 " / udp 1>55");
	assert_true(denied(x));
}

static void test_fragments_wait(void **state)
{
	struct fixture *x = *state;

	run(x, "vm1", TO_VM2 " frag later proto 17 / data 64");
	assert_int_equal(x->res.verdict, SIM_NEED);
	assert_int_equal(x->res.need.kind, SIM_NEED_FRAGMENT);
	pkt_set_ports(&x->pkt, htons(1), htons(53));
	run_pkt(x, "vm1");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_false(x->res.cacheable);
	run(x, "vm1", TO_VM2 " frag later proto 6 / data 64"); /* no rule on TCP */
	assert_true(denied(x));
	assert_true(x->res.cacheable);
}

static void test_what_passes_without_rules(void **state)
{
	static const struct {
		const char *port, *line;
		bool passes;
	} cases[] = {
		{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:02 / arp reply 10.0.0.1>10.0.0.2",
		  true },
		{ "vm2", "eth 02:00:00:00:00:02>02:00:00:00:00:01 / arp reply 10.0.0.2>10.0.0.1",
		  true },
		{ "vm1",
		  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fd00::1>fd00::2 / ns fd00::2",
		  true },
		{ "vm2",
		  "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fd00::2>fd00::1 / na fd00::2",
		  true },
		{ "vm2",
		  "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 0.0.0.0>10.0.0.1 / udp 68>67",
		  true },
		{ "vm2",
		  "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fe80::2>ff02::1:2 / udp 546>547",
		  true },
		{ "vm1",
		  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 68>67",
		  false },
		{ "vm2",
		  "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.0.0.2>10.0.0.1 / udp 67>68",
		  false },
		{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 46", false },
		{ "vm2", "eth 02:00:00:00:00:02>02:00:00:00:00:01 type 0x88b5 / data 46", false },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		run(x, cases[i].port, cases[i].line);
		if (cases[i].passes ? x->res.verdict != SIM_FORWARD : !denied(x))
			fail_msg("%s", cases[i].line);
	}
}

static void test_no_port_security(void **state)
{
	struct fixture *x = *state;

	topo_find_port(x->snap, "vm2")->port_security = false;
	run(x, "vm1", TO_VM2 " / udp 1>55");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(tags(x, TOPO_TAG_SGROUP), 0);
}

static void expect_spoof(struct fixture *x, const char *line, bool want)
{
	run(x, "vm2", line);
	if ((x->res.verdict == SIM_DROP && x->res.reason == SKEP_DROP_SPOOF) != want)
		fail_msg("%s: want %s", line, want ? "spoof" : "pass");
}

/* A prefix with the port's own MAC, and an address with a MAC of its own (VRRP). */
static void test_allowed_addresses(void **state)
{
	struct fixture *x = *state;
	struct topo_allowed allowed[2] = {
		{ .len = 24 },
		{ .len = 32, .mac = { { 0, 0, 0x5e, 0, 1, 10 } } },
	};

	assert_true(ip_parse("10.9.0.0", &allowed[0].ip));
	assert_true(ip_parse("10.0.0.100", &allowed[1].ip));
	x->more.n_sgs = 0;
	expect_spoof(x, "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.9.0.7>10.0.0.1 / udp 1>2",
		     true);
	x->more.allowed = allowed;
	x->more.n_allowed = 2;
	expect_spoof(x, "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.9.0.7>10.0.0.1 / udp 1>2",
		     false);
	expect_spoof(x, "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.9.1.7>10.0.0.1 / udp 1>2",
		     true);
	expect_spoof(x,
		     "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip 10.0.0.100>10.0.0.1 / udp 1>2",
		     true);
	expect_spoof(x,
		     "eth 00:00:5e:00:01:0a>02:00:00:00:00:01 / ip 10.0.0.100>10.0.0.1 / udp 1>2",
		     false);
	expect_spoof(x, "eth 00:00:5e:00:01:0a>02:00:00:00:00:01 / ip 10.9.0.7>10.0.0.1 / udp 1>2",
		     true);
	expect_spoof(x,
		     "eth 00:00:5e:00:01:0b>02:00:00:00:00:01 / ip 10.0.0.100>10.0.0.1 / udp 1>2",
		     true);
	expect_spoof(x,
		     "eth 00:00:5e:00:01:0a>ff:ff:ff:ff:ff:ff / arp request 10.0.0.100>10.0.0.100",
		     false);
	expect_spoof(x,
		     "eth 02:00:00:00:00:02>ff:ff:ff:ff:ff:ff / arp request 10.0.0.100>10.0.0.100",
		     true);
	expect_spoof(
		x,
		"eth 02:00:00:00:00:02>ff:ff:ff:ff:ff:ff / arp request 10.0.0.2>10.0.0.1 sha 02:00:00:00:00:09",
		true);
}

static void test_spoofed_nd(void **state)
{
	struct fixture *x = *state;

	x->more.n_sgs = 0;
	expect_spoof(x,
		     "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fd00::2>fd00::1 / na fd00::2",
		     false);
	expect_spoof(x,
		     "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fd00::2>fd00::1 / na fd00::7",
		     true);
	expect_spoof(
		x,
		"eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fd00::2>fd00::1 / na fd00::2 tlla 02:00:00:00:00:09",
		true);
	expect_spoof(
		x,
		"eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fd00::2>fd00::1 / ns fd00::1 slla 02:00:00:00:00:09",
		true);
	expect_spoof(x,
		     "eth 02:00:00:00:00:02>02:00:00:00:00:01 / ip6 fe80::9>fd00::1 / ns fd00::1",
		     false);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_union),
		T(test_everything_may_leave),
		T(test_fragments_wait),
		T(test_what_passes_without_rules),
		T(test_no_port_security),
		T(test_allowed_addresses),
		T(test_spoofed_nd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
