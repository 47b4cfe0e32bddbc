// SPDX-License-Identifier: Apache-2.0
/* Conditions of rules one by one: what matches, negated and inverted, of packets that lack the
 * field, and which fields each reads. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

/* A router between two bridges.  The chain hangs on vm2's port, so that the whole way is behind it;
 * its one rule is the test's. */
#define NETWORK                                                                                         \
	"chains: [{name: fw, rules: [{name: x, action: drop}]}]\n"                                      \
	"bridges: [{name: a}, {name: b}]\n"                                                             \
	"routers: [{name: r}]\n"                                                                        \
	"ports:\n"                                                                                      \
	"  - {name: vm1, bridge: a, mac: \"02:00:00:00:00:01\", port_security: false}\n"                \
	"  - {name: vm3, bridge: a, mac: \"02:00:00:00:00:03\", port_security: false, out_chain: fw}\n" \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", out_chain: fw,\n"                       \
	"     addresses: [10.0.2.2, \"fd00:2::2\"]}\n"                                                  \
	"  - {name: a-r, bridge: a, peer: ra}\n"                                                        \
	"  - {name: b-r, bridge: b, peer: rb}\n"                                                        \
	"  - {name: ra, router: r, peer: a-r, mac: \"02:aa:00:00:00:01\",\n"                            \
	"     addresses: [10.0.1.254/24, \"fd00:1::ff/64\"]}\n"                                         \
	"  - {name: rb, router: r, peer: b-r, mac: \"02:aa:00:00:00:02\",\n"                            \
	"     addresses: [10.0.2.254/24, \"fd00:2::ff/64\"]}\n"

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	struct topo_rule *rule; /* 'x', accepts or drops */
	struct topo_rule_more more;
	uint8_t frame[2048];
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
	x->rule = &x->snap->chains[0].rules[0];
	x->rule->more = &x->more;
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

static void run_pkt(struct fixture *x)
{
	struct err err = { 0 };

	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, "vm1"), &x->pkt, 1, 7,
		    SIM_TRACE, &x->res, &err))
		fail_msg("%s", err.text);
}

static void run(struct fixture *x, const char *line)
{
	simtest_packet(line, buf, &x->pkt);
	run_pkt(x);
}

static bool matched(const struct fixture *x)
{
	return x->res.verdict == SIM_DROP && x->res.reason == SKEP_DROP_POLICY;
}

#define CHECK(x, line, want)                                                       \
	do {                                                                       \
		run(x, line);                                                      \
		if (matched(x) != (want))                                          \
			fail_msg("%s: %s", line, (want) ? "no match" : "matches"); \
		if (!(want))                                                       \
			assert_int_equal((x)->res.verdict, SIM_FORWARD);           \
	} while (0)

/* The condition as set up matches 'yes' and not 'no'; negated the other way round; neither way
 * 'without', which lacks the field.  Inverted, the rule matches whatever it did not match before.
 */
static void check(struct fixture *x, uint32_t bit, const char *yes, const char *no,
		  const char *without)
{
	struct topo_rule *r = x->rule;

	r->match |= bit;
	for (unsigned int i = 0; i < 4; i++) {
		bool negate = i & 1, invert = i & 2;

		r->negate = negate ? bit : 0;
		r->invert = invert;
		if (yes)
			CHECK(x, yes, !negate != invert);
		if (no)
			CHECK(x, no, negate != invert);
		if (without)
			CHECK(x, without, invert);
	}
	r->match = r->negate = 0;
	r->invert = false;
}

#define L2    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / "
#define V4    L2 "ip 10.0.1.1>10.0.2.2"
#define V6    L2 "ip6 fd00:1::1>fd00:2::2"
#define LOCAL "eth 02:00:00:00:00:01>02:00:00:00:00:03"

static void test_dscp(void **state)
{
	struct fixture *x = *state;

	x->rule->dscp = 46;
	check(x, TOPO_M_DSCP, V4 " tos 184 / udp 1>2", V4 " tos 40 / udp 1>2",
	      LOCAL " type 0x88b5 / data 46");
	check(x, TOPO_M_DSCP, V6 " tos 187 / udp 1>2", V6 " / udp 1>2",
	      NULL); /* ECN does not matter */
	assert_true(x->res.mask.fields & SIM_FIELD_DSCP);
}

static void test_vlan(void **state)
{
	struct fixture *x = *state;

	x->rule->vlan = 20;
	check(x, TOPO_M_VLAN, LOCAL " vlan 20 / ip 10.0.1.1>10.0.1.3 / udp 1>2",
	      LOCAL " vlan 21 / ip 10.0.1.1>10.0.1.3 / udp 1>2", NULL);
	check(x, TOPO_M_VLAN, NULL, LOCAL " / ip 10.0.1.1>10.0.1.3 / udp 1>2", NULL);
	x->rule->vlan = 0;
	check(x, TOPO_M_VLAN, LOCAL " vlan 0 pcp 3 / ip 10.0.1.1>10.0.1.3 / udp 1>2",
	      LOCAL " vlan 1 / ip 10.0.1.1>10.0.1.3 / udp 1>2", NULL);
}

static void test_tcp_flags(void **state)
{
	struct fixture *x = *state;

	x->rule->tcp_mask = 0x12; /* syn,!ack */
	x->rule->tcp_value = 0x02;
	check(x, TOPO_M_TCP_FLAGS, V4 " / tcp 1>2 S", V4 " / tcp 1>2 SA", V4 " / udp 1>2");
	check(x, TOPO_M_TCP_FLAGS, V6 " / tcp 1>2 SP", V6 " / tcp 1>2 A",
	      V6 " frag later proto 6 / data 64");
	x->rule->match = TOPO_M_TCP_FLAGS;
	run(x, V4 " / tcp 1>2 A");
	assert_true(x->res.mask.fields & SIM_FIELD_TCP_FLAGS);
	assert_int_equal(x->res.mask.tcp_mask, 0x12);
	run(x, V4 " / udp 1>2");
	assert_false(x->res.mask.fields & SIM_FIELD_TCP_FLAGS);
	assert_int_equal(x->res.mask.tcp_mask, 0);
}

static void test_fragment(void **state)
{
	static const char *const whole = V4 " / udp 1>2", *first = V4 " frag first / udp 1>2",
				 *later = V4 " frag later proto 17 / data 64";
	static const struct {
		enum topo_fragment want;
		bool whole, first, later;
	} cases[] = {
		{ TOPO_FRAG_HEADER, true, true, false },
		{ TOPO_FRAG_LATER, false, false, true },
		{ TOPO_FRAG_UNFRAGMENTED, true, false, false },
		{ TOPO_FRAG_ANY_FRAGMENT, false, true, true },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		x->rule->fragment = (uint8_t)cases[i].want;
		check(x, TOPO_M_FRAGMENT, cases[i].whole ? whole : NULL,
		      cases[i].whole ? NULL : whole, LOCAL " type 0x88b5 / data 46");
		check(x, TOPO_M_FRAGMENT, cases[i].first ? first : NULL,
		      cases[i].first ? NULL : first, NULL);
		check(x, TOPO_M_FRAGMENT, cases[i].later ? later : NULL,
		      cases[i].later ? NULL : later, NULL);
	}
}

static void test_prefixes(void **state)
{
	struct fixture *x = *state;

	assert_true(ip_parse("10.0.1.0", &x->rule->ip_src));
	x->rule->ip_src_len = 25;
	check(x, TOPO_M_IP_SRC, V4 " / udp 1>2", L2 "ip 10.0.1.128>10.0.2.2 / udp 1>2",
	      V6 " / udp 1>2"); /* has no IPv4 address */
	assert_true(ip_parse("fd00:2::", &x->rule->ip_dst));
	x->rule->ip_dst_len = 127;
	check(x, TOPO_M_IP_DST, NULL, V6 " / udp 1>2", V4 " / udp 1>2");
	x->rule->ip_dst_len = 126;
	check(x, TOPO_M_IP_DST, V6 " / udp 1>2", NULL, LOCAL " type 0x88b5 / data 46");
}

static void test_ports(void **state)
{
	struct fixture *x = *state;
	struct topo_port *vm1 = topo_find_port(x->snap, "vm1"),
			 *br = topo_find_port(x->snap, "b-r"),
			 *vm2 = topo_find_port(x->snap, "vm2");
	struct topo_port *list[3] = { br, vm1, vm2 };

	for (unsigned int i = 0; i < 3; i++) /* by address of the struct */
		for (unsigned int j = i + 1; j < 3; j++)
			if (list[j] < list[i]) {
				struct topo_port *t = list[i];

				list[i] = list[j];
				list[j] = t;
			}
	x->more.in_ports = list;
	x->more.n_in_ports = 3;
	check(x, TOPO_M_IN_PORTS, V4 " / udp 1>2", NULL, NULL); /* came into bridge b by b-r */
	x->more.in_ports = &vm1;
	x->more.n_in_ports = 1;
	check(x, TOPO_M_IN_PORTS, LOCAL " type 0x88b5 / data 46", V4 " / udp 1>2", NULL);
	x->more.out_ports = &vm2;
	x->more.n_out_ports = 1;
	check(x, TOPO_M_OUT_PORTS, V4 " / udp 1>2", LOCAL " type 0x88b5 / data 46", NULL);
}

static void test_devices(void **state)
{
	struct fixture *x = *state;

	x->more.traversed = &x->snap->routers[0].o;
	check(x, TOPO_M_TRAVERSED, V4 " / udp 1>2", LOCAL " type 0x88b5 / data 46", NULL);
	x->more.traversed = topo_find(x->snap, TOPO_BRIDGE, "b");
	check(x, TOPO_M_TRAVERSED, V4 " / udp 1>2", LOCAL " type 0x88b5 / data 46", NULL);
	x->more.traversed = topo_find(x->snap, TOPO_BRIDGE, "a");
	check(x, TOPO_M_TRAVERSED, V4 " / udp 1>2", NULL, NULL);
}

static bool has_tag(const struct fixture *x, enum topo_tag_kind kind, const char *name)
{
	for (uint32_t i = 0; i < x->res.n_tags; i++)
		if (x->res.tags[i].kind == kind && !strcmp(x->res.tags[i].name, name))
			return true;
	return false;
}

static void test_port_groups(void **state)
{
	struct fixture *x = *state;
	struct topo_port *vm1 = topo_find_port(x->snap, "vm1"),
			 *vm2 = topo_find_port(x->snap, "vm2");
	struct topo_port_group web = { .o = { .kind = TOPO_PORT_GROUP, .name = "web" } },
			       *groups[] = { &web };
	struct topo_port_more more = *vm1->more;

	more.groups = groups;
	more.n_groups = 1;
	x->more.entry_group = x->more.in_group = x->more.out_group = &web;
	check(x, TOPO_M_ENTRY_GROUP, NULL, V4 " / udp 1>2", NULL);
	assert_true(has_tag(x, TOPO_TAG_PGROUP, "web"));
	vm1->more = &more;
	check(x, TOPO_M_ENTRY_GROUP, V4 " / udp 1>2", NULL, NULL);
	check(x, TOPO_M_IN_GROUP, LOCAL " type 0x88b5 / data 46", V4 " / udp 1>2", NULL);
	check(x, TOPO_M_OUT_GROUP, NULL, V4 " / udp 1>2", NULL);
	vm2->more = &more;
	check(x, TOPO_M_OUT_GROUP, V4 " / udp 1>2", LOCAL " type 0x88b5 / data 46", NULL);
}

/* Ports of a later fragment: asked for, and used when given.  What has no ports has none to ask
 * for. */
static void test_ports_of_fragments(void **state)
{
	struct fixture *x = *state;
	struct topo_rule *r = x->rule;

	r->match = TOPO_M_PROTO | TOPO_M_L4_DST;
	r->proto = IPPROTO_UDP;
	r->l4_dst[0] = r->l4_dst[1] = 53;
	run(x, V4 " frag later proto 17 / data 64");
	assert_int_equal(x->res.verdict, SIM_NEED);
	assert_int_equal(x->res.need.kind, SIM_NEED_FRAGMENT);
	pkt_set_ports(&x->pkt, htons(1), htons(53));
	run_pkt(x);
	assert_true(matched(x));
	assert_false(x->res.cacheable); /* the next packet's fragments have the same flow key */
	simtest_packet(V4 " frag later proto 17 / data 64", buf, &x->pkt);
	pkt_set_ports(&x->pkt, htons(1), htons(54));
	run_pkt(x);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_false(x->res.cacheable);
	run(x, V4 " frag first / udp 1>54");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_false(x->res.cacheable);
	run(x, V4 " frag later proto 6 / data 64"); /* not UDP: nobody asks */
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_true(x->res.cacheable);
	r->match = TOPO_M_L4_DST;
	run(x, V4 " frag later proto 47 / data 64"); /* no ports at all */
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_true(x->res.cacheable);
	r->match = TOPO_M_PROTO | TOPO_M_ICMP_TYPE;
	r->proto = IPPROTO_ICMP;
	run(x, V4 " frag later proto 1 / data 64");
	assert_int_equal(x->res.need.kind, SIM_NEED_FRAGMENT);
	run(x, V6 " frag later proto 58 / data 64");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
}

/* continue counts, logs and goes on; a rule that matches twice counts once. */
static void test_hits(void **state)
{
	struct fixture *x = *state;

	x->rule->action = TOPO_CONTINUE;
	x->rule->log = true;
	run(x, V4 " / udp 1>2");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.n_rules, 1);
	assert_ptr_equal(x->res.rules[0], x->rule);
	assert_int_equal(x->res.n_logs, 1);
	x->rule->log = false;
	run(x, LOCAL " type 0x88b5 / data 46");
	assert_int_equal(x->res.n_rules, 1);
	assert_int_equal(x->res.n_logs, 0);
	x->rule->match = TOPO_M_ETH_TYPE;
	x->rule->eth_type = htons(ETH_P_IPV6);
	run(x, V4 " / udp 1>2");
	assert_int_equal(x->res.n_rules, 0);
}

static void test_text(void **state)
{
	struct fixture *x = *state;
	struct topo_rule *r = x->rule;
	const char *text;

	r->match = TOPO_M_PROTO | TOPO_M_L4_DST | TOPO_M_IP_SRC | TOPO_M_TCP_FLAGS;
	r->negate = TOPO_M_IP_SRC;
	r->proto = IPPROTO_TCP;
	r->l4_dst[0] = 80;
	r->l4_dst[1] = 90;
	r->tcp_mask = 0x12;
	r->tcp_value = 0x02;
	r->log = true;
	assert_true(ip_parse("10.9.0.0", &r->ip_src));
	r->ip_src_len = 16;
	run(x, V4 " / tcp 1>81 S");
	text = sim_trace_text(&x->sim, &x->pkt, &x->res);
	assert_non_null(strstr(
		text,
		"rule x: match: drop, logged (proto tcp, not src 10.9.0.0/16, dst_ports 80-90, tcp_flags syn,!ack)\n"));
	run(x, V4 " / tcp 1>81 A");
	text = sim_trace_text(&x->sim, &x->pkt, &x->res);
	assert_non_null(strstr(text, "rule x: no match: tcp_flags is ack\n"));
}

/* Of a long chain the trace counts what did not match. */
static void test_long_chain(void **state)
{
	struct fixture *x = *state;
	struct topo_chain *chain = &x->snap->chains[0];
	struct topo_rule rules[40], *old = chain->rules;
	uint32_t n = chain->n_rules;
	const char *text;

	for (unsigned int i = 0; i < 40; i++)
		rules[i] = (struct topo_rule){ .name = i == 30 ? "thirty" : "x",
					       .chain = chain,
					       .index = i,
					       .action = i == 30 ? TOPO_CONTINUE : TOPO_DROP,
					       .match = TOPO_M_PROTO,
					       .proto = i == 30 ? IPPROTO_UDP : IPPROTO_TCP };
	chain->rules = rules;
	chain->n_rules = 40;
	run(x, V4 " / udp 1>2");
	text = sim_trace_text(&x->sim, &x->pkt, &x->res);
	assert_non_null(strstr(text, "rules: 30 rules did not match\n"));
	assert_non_null(strstr(text, "rule thirty: match: continue (proto udp)\n"));
	assert_non_null(strstr(text, "rules: 9 rules did not match\n"));
	assert_null(strstr(text, "rule x"));
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	chain->rules = old;
	chain->n_rules = n;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_dscp),	  T(test_vlan),	       T(test_tcp_flags),
		T(test_fragment), T(test_prefixes),    T(test_ports),
		T(test_devices),  T(test_port_groups), T(test_ports_of_fragments),
		T(test_hits),	  T(test_text),	       T(test_long_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
