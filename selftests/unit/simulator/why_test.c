// SPDX-License-Identifier: Apache-2.0
/* 'why': what is said about two ends, and which ends can be named: addresses that nobody has, ports without addresses, the world behind
 * a router's uplink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "simulator/probe.h"

/* left: everybody's addresses are known.  open: one machine's are not.  up: the uplink. */
#define NETWORK                                                                                                        \
	"security_groups: [{name: web, rules: [{direction: ingress, proto: tcp, dst_ports: \"80\"}]}]\n"                \
	"bridges:\n"                                                                                                    \
	"  - {name: left, neighbours: [{address: 10.0.1.60, mac: \"02:00:00:00:00:60\"}]}\n"                            \
	"  - {name: open}\n"                                                                                            \
	"  - {name: bare}\n"                                                                                            \
	"routers: [{name: r}]\n"                                                                                        \
	"ports:\n"                                                                                                      \
	"  - {name: vm1, bridge: left, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1, \"fd00:1::1\"]}\n"             \
	"  - {name: vm2, bridge: left, mac: \"02:00:00:00:00:02\", addresses: [10.0.1.2, \"fd00:1::2\"], security_groups: [web]}\n" \
	"  - {name: vm3, bridge: open, mac: \"02:00:00:00:00:03\", addresses: [10.0.2.3, \"fd00:2::3\"]}\n"             \
	"  - {name: vm4, bridge: open, mac: \"02:00:00:00:00:04\"}\n"                                                   \
	"  - {name: one, bridge: bare, mac: \"02:00:00:00:00:05\"}\n"                                                   \
	"  - {name: two, bridge: bare}\n"                                                                               \
	"  - {name: left-r, bridge: left, peer: r-left}\n"                                                              \
	"  - {name: open-r, bridge: open, peer: r-open}\n"                                                              \
	"  - {name: r-left, router: r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.254/24, \"fd00:1::fe/64\"]}\n"    \
	"  - {name: r-open, router: r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24, \"fd00:2::fe/64\"]}\n"    \
	"  - {name: up, router: r, mac: \"02:aa:00:00:00:03\", addresses: [198.51.100.2/24, \"fd00:e::2/64\"]}\n"       \
	"  - {name: side, router: r, mac: \"02:aa:00:00:00:04\", addresses: [203.0.113.1/24, \"fd00:f::1/64\"]}\n"      \
	"routes:\n"                                                                                                     \
	"  - {name: more, router: r, dst: 192.0.2.0/24, port: up, gateway: 198.51.100.77}\n"                            \
	"  - {name: out4, router: r, dst: 0.0.0.0/0, port: up, gateway: 198.51.100.1}\n"                                \
	"  - {name: out6, router: r, dst: \"::/0\", port: up, gateway: \"fd00:e::1\"}\n"                                \
	"nats:\n"                                                                                                       \
	"  - {name: d4, router: r, type: dnat, proto: tcp, dst: 198.51.100.30, dst_ports: \"8080\", to: 10.0.1.2, to_ports: \"80\"}\n" \
	"floating_ips:\n"                                                                                               \
	"  - {name: f4, router: r, address: 198.51.100.20, fixed: 10.0.1.1}\n"                                          \
	"  - {name: f6, router: r, address: \"fd00:e::20\", fixed: \"fd00:1::1\"}\n"                                    \
	"load_balancers: [{name: lb, router: r}]\n"                                                                     \
	"pools: [{name: p4}, {name: p6}, {name: lost}]\n"                                                               \
	"members:\n"                                                                                                    \
	"  - {name: m4, pool: p4, address: 10.0.1.2, port: 80}\n"                                                       \
	"  - {name: m6, pool: p6, address: \"fd00:1::2\", port: 80}\n"                                                  \
	"  - {name: ml, pool: lost, address: 10.0.1.98, port: 80}\n"                                                    \
	"vips:\n"                                                                                                       \
	"  - {name: v4, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 80, pool: p4}\n"                   \
	"  - {name: v6, load_balancer: lb, address: \"fd00:e::40\", proto: tcp, port: 80, pool: p6}\n"                  \
	"  - {name: vl, load_balancer: lb, address: 198.51.100.41, proto: tcp, port: 80, pool: lost}\n"

static const struct {
	const char *from, *to, *service;
	const char *want;	 /* how the sentence begins, or the error */
	const char *request; /* how the forward tree begins; NULL = as it likes */
} cases[] = {
	{ "vm1", "vm2", "tcp/80", "yes, by port 'vm2', and the answer comes back",
	  "tcp 10.0.1.1:49152 > 10.0.1.2:80 syn\n" },
	{ "vm1", "vm2", "tcp/81",
	  "no: the request is dropped: no rule of the port's security groups allows it (port 'vm2'): add an ingress rule for tcp/81",
	  NULL },
	/* nobody */
	{ "vm1", "10.0.1.99", "tcp/80",
	  "no: nobody is known to have 10.0.1.99 on bridge 'left'", NULL },
	{ "vm1", "fd00:1::99", "icmp", "no: nobody is known to have fd00:1::99 on bridge 'left'",
	  NULL },
	{ "vm3", "10.0.1.99", "tcp/80", "no: nobody is known to have 10.0.1.99 on bridge 'left'",
	  NULL },
	{ "vm3", "fd00:1::99", "icmp", "no: nobody is known to have fd00:1::99 on bridge 'left'",
	  NULL },
	{ "vm1", "10.0.2.99", "tcp/80",
	  "not known: nobody is known to have 10.0.2.99 on bridge 'open'; if it is behind port 'vm4', say so: vm4/10.0.2.99",
	  NULL },
	{ "vm3", "10.0.2.99", "tcp/80",
	  "not known: nobody is known to have 10.0.2.99 on bridge 'open'; if it is behind port 'vm4'",
	  NULL },
	{ "vm3", "198.51.100.41", "tcp/80",
	  "no: nobody is known to have 10.0.1.98 on bridge 'left'", NULL },
	{ "vm1", "10.0.1.60", "tcp/80",
	  "not known: the request goes to a MAC that no port is known to have", NULL },
	/* what the question says */
	{ "vm1", "vm4/10.0.2.99", "tcp/80", "yes, by port 'vm4', and the answer comes back", NULL },
	{ "vm3", "vm4/10.0.2.99", "tcp/80", "yes, by port 'vm4', and the answer comes back", NULL },
	{ "vm4/10.0.2.99", "vm1", "icmp", "yes, by port 'vm1', and the answer comes back",
	  "icmp 10.0.2.99 > 10.0.1.1 " },
	{ "vm4/fd00:2::99", "vm1", "icmp", "yes, by port 'vm1', and the answer comes back", NULL },
	{ "one/10.0.9.1", "two/10.0.9.2", "udp/53", "yes, by port 'two', and the answer comes back",
	  NULL },
	{ "two/10.0.9.2", "one/10.0.9.1", "udp/53", "yes, by port 'one', and the answer comes back",
	  NULL },
	{ "vm1/10.0.1.99", "vm2", "tcp/80",
	  "no: the request is dropped: a source address that is not the port's (port 'vm1')", NULL },
	{ "vm1", "vm1/10.0.1.99", "tcp/80", "FROM and TO are the same machine, at port 'vm1'", NULL },
	{ "vm1", "vm2", "icmp6", "no: the request is dropped", "icmp6 fd00:1::1 > fd00:1::2 " },
	/* from outside */
	{ "up", "198.51.100.40", "tcp/80", "yes, by port 'vm2', and the answer comes back",
	  "tcp 198.51.100.1:49152 > " },
	{ "up", "fd00:e::40", "tcp/80", "yes, by port 'vm2', and the answer comes back",
	  "tcp [fd00:e::1]:49152 > " },
	{ "up", "198.51.100.30", "tcp/8080", "yes, by port 'vm2', and the answer comes back", NULL },
	{ "up", "198.51.100.20", "tcp/22", "yes, by port 'vm1', and the answer comes back", NULL },
	{ "up", "fd00:e::20", "tcp/22", "yes, by port 'vm1', and the answer comes back", NULL },
	{ "up", "up", "icmp", "yes: the network itself answers",
	  "icmp 198.51.100.1 > 198.51.100.2 " },
	{ "up/192.0.2.9", "198.51.100.20", "tcp/22",
	  "yes, by port 'vm1', and the answer comes back, if 198.51.100.77 answers at port 'up'",
	  "tcp 192.0.2.9:49152 > " },
	{ "side", "vm1", "tcp/22", "yes, by port 'vm1', and the answer comes back",
	  "tcp 203.0.113.2:49152 > " },
	{ "side", "fd00:1::1", "tcp/22", "yes, by port 'vm1', and the answer comes back",
	  "tcp [fd00:f::2]:49152 > " },
	{ "vm1", "192.0.2.9", "tcp/80",
	  "yes, by port 'up', and the answer comes back, if 198.51.100.77 answers at port 'up'",
	  NULL },
	/* errors */
	{ "vm1", "vm1", "tcp/80", "FROM and TO are the same machine, at port 'vm1'", NULL },
	{ "10.0.1.1", "10.0.1.1", "tcp/80", "FROM and TO are the same machine", NULL },
	{ "vm4", "10.0.1.1", "tcp/80",
	  "port 'vm4' has no field 'addresses': say which address its machine uses (want vm4/ADDRESS)",
	  NULL },
	{ "vm1", "vm4", "tcp/80", "port 'vm4' has no field 'addresses'", NULL },
	{ "10.9.9.9", "vm1", "tcp/80",
	  "no port of tenant 't' has the address 10.9.9.9: where does it enter? (want PORT/10.9.9.9)",
	  NULL },
	{ "vm1/10.0.1", "vm2", "tcp/80",
	  "'vm1/10.0.1' is not a port and an address (want PORT/ADDRESS)", NULL },
	{ "nix/10.0.1.1", "vm2", "tcp/80", "tenant 't' has no port 'nix'", NULL },
	{ "left-r", "vm2", "tcp/80", "port 'left-r' is linked to port 'r-left'", NULL },
	{ "vm2", "left-r", "tcp/80", "port 'left-r' is linked to port 'r-left'", NULL },
	{ "vm1", "vm2", "tcp/0", "'tcp/0' is no service", NULL },
	{ "vm4", "nix", "ssh", "'ssh' is no service", NULL },
};

static void test_why(void **state)
{
	struct topo_snapshot *snap = simtest_snapshot(NETWORK);
	struct sim_tables *tables = sim_tables_new(10, 10);
	struct sim_tables_view view;
	unsigned int failed = 0;
	struct sim sim;

	(void)state;
	sim_init(&sim);
	sim_tables_view_init(&view, tables, snap, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct sim_why why;
		const char *got;
		int rc = sim_why(&sim, snap, &view.view, cases[i].from, cases[i].to,
				 cases[i].service, 1, 7, &why, &err);

		got = rc ? err.text : why.text;
		if (strncmp(got, cases[i].want, strlen(cases[i].want)) ||
		    (cases[i].request && strncmp(why.forward_text, cases[i].request,
						 strlen(cases[i].request)))) {
			print_error("why %s %s %s: %s\n%s%s", cases[i].from, cases[i].to,
				    cases[i].service, got,
				    rc || !why.forward_text ? "" : why.forward_text,
				    rc || !why.reply_text ? "" : why.reply_text);
			failed++;
		}
		if (!rc) {
			assert_int_equal(why.reachable,
					 !strncmp(got, "yes", 3) ? SIM_WHY_YES :
					 !strncmp(got, "no:", 3) ? SIM_WHY_NO :
								   SIM_WHY_UNKNOWN);
			assert_null(strstr(got, "02:00:00:00:00:f"));
			sim_why_fini(&why);
		}
	}
	assert_int_equal(failed, 0);
	sim_tables_free(tables);
	sim_fini(&sim);
	topo_unref(snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_why) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
