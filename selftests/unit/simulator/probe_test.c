// SPDX-License-Identifier: Apache-2.0
/* Packets as people write them: the frame that the machine would send, in its VLAN, with the
 * addresses that are right there; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "simulator/probe.h"

/* the same addresses in VLANs 10 and 20, each with a router of its own */
#define NETWORK                                                                                                       \
	"bridges:\n"                                                                                                  \
	"  - {name: lan, vlan_aware: true, neighbours: [{address: 10.0.1.50, mac: \"02:00:00:00:00:50\"}]}\n"         \
	"  - {name: flat}\n"                                                                                          \
	"routers: [{name: r}, {name: s}]\n"                                                                           \
	"ports:\n"                                                                                                    \
	"  - {name: vm1, bridge: lan, vlan: 10, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]}\n"                 \
	"  - {name: vm2, bridge: lan, vlan: 10, mac: \"02:00:00:00:00:02\", addresses: [10.0.1.2]}\n"                 \
	"  - {name: vm3, bridge: lan, vlan: 20, mac: \"02:00:00:00:00:03\", addresses: [10.0.1.1]}\n"                 \
	"  - {name: vm4, bridge: lan, vlan: 20, mac: \"02:00:00:00:00:04\", addresses: [10.0.1.2, 10.0.1.9]}\n"       \
	"  - {name: tr, bridge: lan, vlan: 99, trunk: [10, 20], mac: \"02:00:00:00:00:05\"}\n"                        \
	"  - {name: bare, bridge: lan, trunk: [20], mac: \"02:00:00:00:00:06\"}\n"                                    \
	"  - {name: lan-r, bridge: lan, vlan: 10, peer: r-lan}\n"                                                     \
	"  - {name: r-lan, router: r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.254/24]}\n"                      \
	"  - {name: lan-s, bridge: lan, vlan: 20, peer: s-lan}\n"                                                     \
	"  - {name: s-lan, router: s, mac: \"02:aa:00:00:00:02\", addresses: [10.0.1.254/24]}\n"                      \
	"  - {name: one, bridge: flat, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]}\n"                          \
	"  - {name: two, bridge: flat, mac: \"02:00:00:00:00:02\", addresses: [10.0.1.2]}\n"

static const struct {
	const char *port, *text, *want; /* in the full language, or the error */
} cases[] = {
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / udp 1>2" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 vlan 7 ttl 9",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.1.1>10.0.1.2 ttl 9 / udp 1>2" },
	{ "vm1", "udp 10.0.1.1:1 > 10.0.1.2:2",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / udp 1>2" },
	{ "vm3", "udp 10.0.1.1:1 > 10.0.1.2:2",
	  "eth 02:00:00:00:00:03>02:00:00:00:00:04 / ip 10.0.1.1>10.0.1.2 / udp 1>2" },
	{ "vm1", "udp 10.0.1.1:1 > 10.9.9.9:2",
	  "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.9.9.9 / udp 1>2" },
	{ "vm3", "udp 10.0.1.1:1 > 10.9.9.9:2",
	  "eth 02:00:00:00:00:03>02:aa:00:00:00:02 / ip 10.0.1.1>10.9.9.9 / udp 1>2" },
	{ "vm3", "udp 10.0.1.1:1 > 10.0.1.50:2",
	  "eth 02:00:00:00:00:03>02:00:00:00:00:50 / ip 10.0.1.1>10.0.1.50 / udp 1>2" },
	{ "vm1", "udp 10.0.1.1:1 > 10.0.1.9:2", "the MAC of 10.0.1.9 is not known" },
	{ "tr", "udp 10.0.1.5:1 > 10.0.1.2:2 vlan 20",
	  "eth 02:00:00:00:00:05>02:00:00:00:00:04 vlan 20 / ip 10.0.1.5>10.0.1.2 / udp 1>2" },
	{ "tr", "udp 10.0.1.5:1 > 10.0.1.9:2",
	  "eth 02:00:00:00:00:05>02:00:00:00:00:04 vlan 20 / ip 10.0.1.5>10.0.1.9 / udp 1>2" },
	{ "tr", "icmp 10.0.1.5 > 10.9.9.9",
	  "eth 02:00:00:00:00:05>02:aa:00:00:00:01 vlan 10 / ip 10.0.1.5>10.9.9.9 / icmp echo id 1" },
	{ "bare", "icmp 10.0.1.5 > 10.9.9.9",
	  "eth 02:00:00:00:00:06>02:aa:00:00:00:02 vlan 20 / ip 10.0.1.5>10.9.9.9 / icmp echo id 1" },
	{ "tr", "arp who-has 10.0.1.1 from 10.0.1.5 vlan 20",
	  "eth 02:00:00:00:00:05>ff:ff:ff:ff:ff:ff vlan 20 / arp request 10.0.1.5>10.0.1.1" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 vlan", "the number behind 'vlan' is missing" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 vlan 4095",
	  "vlan '4095' is out of range (want 1 to 4094)" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 ttl 0", "ttl '0' is out of range (want 1 to 255)" },
	{ "one", "arp who-has 10.0.1.1 from 10.0.1.5 ttl 9", "'ttl' is not known here (want vlan N)" },
};

static void test_frames(void **state)
{
	struct topo_snapshot *snap = simtest_snapshot(NETWORK);
	struct sim_tables *tables = sim_tables_new(10, 10);
	static uint8_t buf[PKT_MAX], want[PKT_MAX];
	struct sim_tables_view view;
	struct pkt pkt;

	(void)state;
	sim_tables_view_init(&view, tables, snap, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		int len = sim_probe(&view.view, topo_find_port(snap, cases[i].port), cases[i].text,
				    NULL, buf, sizeof(buf), &err);

		if (strncmp(cases[i].want, "eth ", 4)) {
			assert_true(len < 0);
			assert_string_equal(err.tag, "usage");
			if (!strstr(err.text, cases[i].want))
				fail_msg("%s: %s", cases[i].text, err.text);
			continue;
		}
		if (len < 0)
			fail_msg("%s: %s", cases[i].text, err.text);
		simtest_packet(cases[i].want, want, &pkt);
		assert_int_equal(len, pkt.len);
		assert_memory_equal(buf, want, (size_t)len);
	}
	sim_tables_free(tables);
	topo_unref(snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_frames) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
