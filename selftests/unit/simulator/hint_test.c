// SPDX-License-Identifier: Apache-2.0
/* What the simulator tells the operator who asks why a packet is dropped: one case per reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

#define NETWORK                                                                                                        \
	"chains:\n"                                                                                                    \
	"  - {name: fw, rules: [{name: web, action: drop, proto: tcp, dst_ports: 80},\n"                               \
	"                       {name: ssh, action: reject, proto: tcp, dst_ports: 22},\n"                             \
	"                       {name: raw, action: drop, ethertype: 0x88b5}]}\n"                                      \
	"bridges: [{name: a}, {name: b}, {name: off, admin_up: false}, {name: l1}, {name: l2}]\n"                      \
	"routers: [{name: r}]\n"                                                                                       \
	"ports:\n"                                                                                                     \
	"  - {name: vm1, bridge: a, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1, \"fd00:1::1\"]}\n"               \
	"  - {name: vm3, bridge: a, mac: \"02:00:00:00:00:03\", admin_up: false}\n"                                    \
	"  - {name: vm4, bridge: a, mac: \"02:00:00:00:00:04\"}\n"                                                     \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2], in_chain: fw, out_chain: fw}\n" \
	"  - {name: dead, bridge: off}\n"                                                                              \
	"  - {name: loop, bridge: l1}\n"                                                                               \
	"  - {name: l1a, bridge: l1, peer: l2a}\n"                                                                     \
	"  - {name: l2a, bridge: l2, peer: l1a}\n"                                                                     \
	"  - {name: l1b, bridge: l1, peer: l2b}\n"                                                                     \
	"  - {name: l2b, bridge: l2, peer: l1b}\n"                                                                     \
	"  - {name: a-r, bridge: a, peer: ra}\n"                                                                       \
	"  - {name: b-r, bridge: b, peer: rb}\n"                                                                       \
	"  - {name: ra, router: r, peer: a-r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.254/24]}\n"               \
	"  - {name: rb, router: r, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24]}\n"               \
	"  - {name: up, router: r, mac: \"02:aa:00:00:00:03\", addresses: [198.51.100.2/24]}\n"                        \
	"routes:\n"                                                                                                    \
	"  - {name: hole, router: r, dst: 10.66.0.0/16, type: blackhole}\n"                                            \
	"  - {name: out, router: r, dst: 192.0.2.0/24, port: up, gateway: 198.51.100.1}\n"

static const struct {
	const char *port, *line;
	enum skep_drop reason;
	const char *hint;
} cases[] = {
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.2.2 / tcp 1>80 S",
	  SKEP_DROP_POLICY,
	  "rule 'web' of chain 'fw' drops it; an accept rule for tcp/80 from 10.0.1.1 to 10.0.2.2 before it" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.2.2 / tcp 1>22 S",
	  SKEP_DROP_REJECT,
	  "rule 'ssh' of chain 'fw' rejects it; an accept rule for tcp/22 from 10.0.1.1 to 10.0.2.2 before it" },
	{ "vm2", "eth 02:00:00:00:00:02>02:00:00:00:00:09 type 0x88b5 / data 46", SKEP_DROP_POLICY,
	  "rule 'raw' of chain 'fw' drops it; an accept rule for ethertype 0x88b5 before it" },
	{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:04 / ip 10.0.9.9>10.0.1.4 / udp 1>2",
	  SKEP_DROP_SPOOF,
	  "add {address: 10.0.9.9, mac: \"02:00:00:00:00:01\"} to allowed_addresses of port 'vm1'" },
	{ "vm1", "eth 02:00:00:00:00:77>02:00:00:00:00:04 type 0x88b5 / data 46", SKEP_DROP_SPOOF,
	  "port 'vm1' has another MAC than 02:00:00:00:00:77: allowed_addresses with this MAC, or port_security: false" },
	{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:03 / ip 10.0.1.1>10.0.1.3 / udp 1>2",
	  SKEP_DROP_ADMIN_DOWN, "admin_up: true of port 'vm3'" },
	{ "dead", "eth 02:00:00:00:00:01>02:00:00:00:00:03 / ip 10.0.1.1>10.0.1.3 / udp 1>2",
	  SKEP_DROP_ADMIN_DOWN, "admin_up: true of bridge 'off'" },
	{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:04 / ip 10.0.1.1>10.0.1.4 / udp 1>2",
	  SKEP_DROP_NOT_LIVE, "port 'vm4' is bound to no interface: bind it" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.77.0.1 / udp 1>2",
	  SKEP_DROP_NO_ROUTE, "no route: add one for 10.77.0.1 to router 'r'" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>192.0.2.1 / udp 1>2",
	  SKEP_DROP_NO_ROUTE,
	  "the route 192.0.2.0/24 of router 'r' leads to port 'up', which is not up" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.66.0.1 / udp 1>2",
	  SKEP_DROP_BLACKHOLE,
	  "remove route 'hole' of router 'r', or add a more specific one for 10.66.0.1" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.2.2 ttl 1 / udp 1>2",
	  SKEP_DROP_TTL, "a larger TTL at the sender" },
	{ "loop", "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 46", SKEP_DROP_BUDGET,
	  "the devices form a loop: remove one of the links" },
	{ "vm1", "eth 02:00:00:00:00:01>02:00:00:00:00:01 type 0x88b5 / data 46", SKEP_DROP_BAD_MAC,
	  "a unicast source MAC that is not the destination" },
	{ "vm1", "eth 02:00:00:00:00:01>02:aa:00:00:00:01 type 0x88b5 / data 46",
	  SKEP_DROP_PROTOCOL, "routers carry untagged IPv4 and IPv6 only" },
};

static void test_hints(void **state)
{
	struct topo_snapshot *snap = simtest_snapshot(NETWORK);
	struct sim_tables *tables = sim_tables_new(10, 10);
	struct sim_tables_view view;
	static uint8_t buf[PKT_MAX];
	struct err err = { 0 };
	struct sim_result res;
	struct pkt pkt;
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_tables_view_init(&view, tables, snap, 1);
	topo_find_port(snap, "vm4")->live_host = NULL;
	topo_find_port(snap, "up")->live_host = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		simtest_packet(cases[i].line, buf, &pkt);
		for (unsigned int flags = 0; flags <= SIM_TRACE; flags += SIM_TRACE) {
			if (sim_run(&sim, snap, &view.view, topo_find_port(snap, cases[i].port),
				    &pkt, 1, 7, flags, &res, &err))
				fail_msg("%s", err.text);
			assert_int_equal(res.verdict, SIM_DROP);
			assert_int_equal(res.reason, cases[i].reason);
			if (!flags)
				assert_null(res.hint);
		}
		assert_non_null(res.hint);
		assert_string_equal(res.hint, cases[i].hint);
	}
	sim_tables_free(tables);
	sim_fini(&sim);
	topo_unref(snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hints) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
