// SPDX-License-Identifier: Apache-2.0
/* The trace as people and programs see it: whole texts, so that a change of wording is a deliberate one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

#define NETWORK                                                                                                 \
	"chains:\n"                                                                                             \
	"  - name: web-only\n"                                                                                  \
	"    rules:\n"                                                                                          \
	"      - {name: web, action: accept, proto: tcp, dst_ports: 80}\n"                                      \
	"      - {name: block, action: drop, proto: tcp}\n"                                                     \
	"bridges: [{name: front}, {name: back}]\n"                                                              \
	"routers: [{name: r}]\n"                                                                                \
	"ports:\n"                                                                                              \
	"  - {name: a, bridge: front, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.5]}\n"                     \
	"  - {name: b, bridge: back, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.9],\n"                      \
	"     out_chain: web-only}\n"                                                                           \
	"  - {name: front-r, bridge: front, peer: r-front}\n"                                                   \
	"  - {name: back-r, bridge: back, peer: r-back}\n"                                                      \
	"  - {name: r-front, router: r, peer: front-r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.1/24]}\n" \
	"  - {name: r-back, router: r, peer: back-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.1/24]}\n"

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	uint8_t frame[2048];
};

static void run(struct fixture *x, const char *line)
{
	static uint8_t buf[PKT_MAX];
	struct err err = { 0 };

	sim_init(&x->sim);
	x->snap = simtest_snapshot(NETWORK);
	x->tables = sim_tables_new(10, 10);
	sim_tables_view_init(&x->view, x->tables, x->snap, 1);
	simtest_packet(line, buf, &x->pkt);
	assert_int_equal(sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, "a"),
				 &x->pkt, 1, 7, SIM_TRACE, &x->res, &err),
			 0);
}

static void done(struct fixture *x)
{
	sim_tables_free(x->tables);
	topo_unref(x->snap);
	sim_fini(&x->sim);
}

static void check_text(const char *line, const char *want)
{
	struct fixture x;

	run(&x, line);
	assert_string_equal(sim_trace_text(&x.sim, &x.pkt, &x.res), want);
	done(&x);
}

static void test_forward(void **state)
{
	(void)state;
	check_text(
		"eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.9 / tcp 4000>80 S",
		"tcp 10.0.1.5:4000 > 10.0.2.9:80 syn\n"
		"port a: in\n"
		"bridge front: to 02:aa:00:00:00:01\n"
		"  unicast front-r: configured\n"
		"  port front-r: out\n"
		"  port r-front: in\n"
		"  router r: to 10.0.2.9\n"
		"    route r-back:connected: 10.0.2.0/24 by port r-back\n"
		"    neighbour r-back: 10.0.2.9 is at 02:00:00:00:00:02\n"
		"    port r-back: out\n"
		"    port back-r: in\n"
		"    bridge back: to 02:00:00:00:00:02\n"
		"      unicast b: configured\n"
		"      port b: out\n"
		"        chain web-only: 2 rules\n"
		"          rule web: match: accept (proto tcp, dst_ports 80)\n"
		"      output b: host h1, key 0x101\n"
		"forward:\n"
		"  b at host h1, key 0x101: eth 02:aa:00:00:00:02>02:00:00:00:00:02 ttl 63\n"
		"flow depends on: in_port eth_dst eth_src eth_type vlan ip_src/32 ip_dst/32 proto l4_dst frag ttl\n"
		"tags: port:a bridge:front mac:front/02:aa:00:00:00:01 port:front-r port:r-front router:r dst:r/10.0.2.9 port:r-back neigh:r-back/10.0.2.9 bridge:back port:b port:back-r mac:back/02:00:00:00:00:02 chain:web-only\n");
}

static void test_drop(void **state)
{
	(void)state;
	check_text(
		"eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.9 / tcp 4000>23 S",
		"tcp 10.0.1.5:4000 > 10.0.2.9:23 syn\n"
		"port a: in\n"
		"bridge front: to 02:aa:00:00:00:01\n"
		"  unicast front-r: configured\n"
		"  port front-r: out\n"
		"  port r-front: in\n"
		"  router r: to 10.0.2.9\n"
		"    route r-back:connected: 10.0.2.0/24 by port r-back\n"
		"    neighbour r-back: 10.0.2.9 is at 02:00:00:00:00:02\n"
		"    port r-back: out\n"
		"    port back-r: in\n"
		"    bridge back: to 02:00:00:00:00:02\n"
		"      unicast b: configured\n"
		"      port b: out\n"
		"        chain web-only: 2 rules\n"
		"          rule web: no match: dst_ports is 23\n"
		"          rule block: match: drop (proto tcp)\n"
		"        drop: policy: rule 'block' of chain 'web-only'\n"
		"drop: policy: a rule drops it: rule 'block' of chain 'web-only'\n"
		"hint: rule 'block' of chain 'web-only' drops it; an accept rule for tcp/23 from 10.0.1.5 to 10.0.2.9 before it\n"
		"flow depends on: in_port eth_dst eth_src eth_type vlan ip_src/32 ip_dst/32 proto l4_dst/10 frag ttl\n"
		"tags: port:a bridge:front mac:front/02:aa:00:00:00:01 port:front-r port:r-front router:r dst:r/10.0.2.9 port:r-back neigh:r-back/10.0.2.9 bridge:back port:b port:back-r mac:back/02:00:00:00:00:02 chain:web-only\n");
}

static void test_answer(void **state)
{
	(void)state;
	check_text("eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.9.9.9 / icmp echo",
		   "icmp 10.0.1.5 > 10.9.9.9 echo id 0\n"
		   "port a: in\n"
		   "bridge front: to 02:aa:00:00:00:01\n"
		   "  unicast front-r: configured\n"
		   "  port front-r: out\n"
		   "  port r-front: in\n"
		   "  router r: to 10.9.9.9\n"
		   "    drop: no_route: router 'r'\n"
		   "answer r: ICMP network unreachable\n"
		   "  port r-front: out\n"
		   "  port front-r: in\n"
		   "  bridge front: to 02:00:00:00:00:01\n"
		   "    unicast a: configured\n"
		   "    port a: out\n"
		   "    output a: host h1, key 0x100\n"
		   "drop: no_route: the router has no route: router 'r'\n"
		   "hint: no route: add one for 10.9.9.9 to router 'r'\n"
		   "sends: icmp 10.0.1.1 > 10.0.1.5 type 3 code 0\n"
		   "  a at host h1, key 0x100: eth 02:aa:00:00:00:01>02:00:00:00:00:01 ttl 64\n"
		   "no flow: every such packet is decided anew\n");
}

/* Of the headers, what is not as usual. */
static void test_headers(void **state)
{
	static const struct {
		const char *ip, *want;
	} cases[] = {
		{ "ip 10.0.1.5>10.0.1.9 / icmp echo id 8 / data 20", "icmp 10.0.1.5 > 10.0.1.9 echo id 8\n" },
		{ "ip 10.0.1.5>10.0.1.9 ttl 3 / icmp echo id 8", "icmp 10.0.1.5 > 10.0.1.9 echo id 8 ttl 3\n" },
		{ "ip 10.0.1.5>10.0.1.9 df / udp 1>2 / data 1572",
		  "udp 10.0.1.5:1 > 10.0.1.9:2 size 1600 df\n" },
		{ "ip fd00::1>fd00::2 ttl 9 / udp 1>2 / data 1552",
		  "udp [fd00::1]:1 > [fd00::2]:2 ttl 9 size 1600\n" },
		{ "ip fe80::1>fe80::2 / ns fe80::2", "icmp6 fe80::1 > fe80::2 who-has fe80::2\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[256];
		struct fixture x;
		const char *text;

		snprintf(line, sizeof(line), "eth 02:00:00:00:00:01>02:00:00:00:00:09 / %s",
			 cases[i].ip);
		run(&x, line);
		text = sim_trace_text(&x.sim, &x.pkt, &x.res);
		if (strncmp(text, cases[i].want, strlen(cases[i].want)))
			fail_msg("want %sgot %s", cases[i].want, text);
		done(&x);
	}
}

static void test_need(void **state)
{
	(void)state;
	check_text("eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.77 / icmp echo",
		   "icmp 10.0.1.5 > 10.0.2.77 echo id 0\n"
		   "port a: in\n"
		   "bridge front: to 02:aa:00:00:00:01\n"
		   "  unicast front-r: configured\n"
		   "  port front-r: out\n"
		   "  port r-front: in\n"
		   "  router r: to 10.0.2.77\n"
		   "    route r-back:connected: 10.0.2.0/24 by port r-back\n"
		   "    need r-back: the MAC of 10.0.2.77 is not known yet\n"
		   "ask r-back: ARP request\n"
		   "  port r-back: out\n"
		   "  port back-r: in\n"
		   "  bridge back: to ff:ff:ff:ff:ff:ff\n"
		   "    flood back: multicast\n"
		   "    port b: out\n"
		   "      chain web-only: 2 rules\n"
		   "        rule web: no match: proto\n"
		   "        rule block: no match: proto\n"
		   "    output b: host h1, key 0x101\n"
		   "need: the MAC of 10.0.2.77 at port 'r-back'\n"
		   "sends: arp who-has 10.0.2.77 tell 10.0.2.1\n"
		   "  b at host h1, key 0x101: eth 02:aa:00:00:00:02>ff:ff:ff:ff:ff:ff (flooded)\n"
		   "no flow: every such packet is decided anew\n");
}

static void test_json(void **state)
{
	struct fixture x;
	json_t *j;

	(void)state;
	run(&x, "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.9 / tcp 4000>80 S");
	j = sim_trace_json(&x.sim, &x.pkt, &x.res);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "forward");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(j, "outputs"), 0), "port")),
			    "b");
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(j, "outputs"), 0), "ttl")),
			 63);
	assert_true(json_is_true(json_object_get(j, "cacheable")));
	assert_int_equal(json_array_size(json_object_get(j, "tags")), x.res.n_tags);
	assert_int_equal(json_array_size(json_object_get(j, "steps")), x.res.n_steps);
	json_decref(j);
	done(&x);

	run(&x, "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.9 / tcp 4000>23 S");
	j = sim_trace_json(&x.sim, &x.pkt, &x.res);
	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "drop");
	assert_string_equal(json_string_value(json_object_get(j, "reason")), "policy");
	assert_string_equal(json_string_value(json_object_get(j, "culprit")),
			    "rule 'block' of chain 'web-only'");
	json_decref(j);
	done(&x);
}

static void test_no_steps_unless_asked(void **state)
{
	struct fixture x;
	struct err err;

	(void)state;
	run(&x, "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.5>10.0.2.9 / tcp 4000>80 S");
	assert_int_equal(sim_run(&x.sim, x.snap, &x.view.view, topo_find_port(x.snap, "a"), &x.pkt,
				 1, 7, 0, &x.res, &err),
			 0);
	assert_int_equal(x.res.n_steps, 0);
	assert_int_equal(x.res.verdict, SIM_FORWARD);
	done(&x);
}

static void test_culprits(void **state)
{
	struct topo_router r = { .o = { .kind = TOPO_ROUTER, .name = "r1" } };
	struct topo_route route = { .o = { .kind = TOPO_ROUTE, .name = "x" },
				    .router = &r,
				    .dst_len = 8 };
	struct topo_chain chain = { .o = { .kind = TOPO_CHAIN, .name = "fw" } };
	struct topo_rule rule = { .name = "block-telnet", .chain = &chain };
	char buf[192];

	(void)state;
	assert_true(ip_parse("10.0.0.0", &route.dst));
	assert_string_equal(sim_culprit_text(&(struct sim_culprit){ 0 }, buf), "");
	assert_string_equal(sim_culprit_text(&(struct sim_culprit){ &chain.o, &rule }, buf),
			    "rule 'block-telnet' of chain 'fw'");
	assert_string_equal(sim_culprit_text(&(struct sim_culprit){ &route.o, NULL }, buf),
			    "route '10.0.0.0/8' of router 'r1'");
	assert_string_equal(sim_culprit_text(&(struct sim_culprit){ &r.o, NULL }, buf),
			    "router 'r1'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),	 cmocka_unit_test(test_drop),
		cmocka_unit_test(test_answer),	 cmocka_unit_test(test_need),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_json),	 cmocka_unit_test(test_no_steps_unless_asked),
		cmocka_unit_test(test_culprits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
