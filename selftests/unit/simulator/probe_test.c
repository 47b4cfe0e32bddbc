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
	{ "one", "icmp 10.0.1.1 > 10.0.1.2 echo id 8076",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp echo id 8076" },
	{ "one", "icmp 10.0.1.1 > 10.0.1.2 reply id 9",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp reply id 9" },
	{ "one", "icmp 10.0.1.1 id 7   10.0.1.2",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp echo id 7" },
	{ "one", "icmp 10.0.1.1 > 10.0.1.2 type 13 code 0",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp 13/0" },
	{ "one", "tcp 10.0.1.1:1>10.0.1.2:80",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / tcp 1>80" },
	{ "one", "tcp 10.0.1.1:1   10.0.1.2:80",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / tcp 1>80" },
	{ "one", "tcp 10.0.1.1 > 10.0.1.2:80 syn,ack",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / tcp 40000>80 SA" },
	{ "one", "tcp 10.0.1.1:1 > 10.0.1.2:80 syn ack",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / tcp 1>80 SA" },
	{ "one", "sctp 10.0.1.1:1 > 10.0.1.2:80",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / sctp 1>80" },
	{ "one", "ip 10.0.1.1 > 10.0.1.2 proto 47",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 proto 47" },
	{ "one", "proto 47 10.0.1.1 > 10.0.1.2 size 120",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 proto 47 / data 100" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 size 1600 df ttl 3",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 ttl 3 df / udp 1>2 / data 1572" },
	{ "one", "tcp 10.0.1.1:1 > 10.0.1.2:2 size 40",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / tcp 1>2" },
	{ "one", "vlan 7 udp 10.0.1.1:1 > 10.0.1.2:2",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.1.1>10.0.1.2 / udp 1>2" },
	{ "one", "arp who-has 10.0.1.2 tell 10.0.1.1",
	  "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.1.1>10.0.1.2" },
	{ "one", "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp",
	  "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp echo id 0" },
	{ "one", "tcp 10.0.1.1:1 > 10.0.1.2",
	  "'10.0.1.2' is not address:port (want 10.0.1.5:80 or [fd00::5]:80)" },
	{ "one", "tcp 10.0.1.1:1 > 10.0.1.2:80 syn,nak",
	  "'syn,nak' is not known here (want syn, ack, fin, rst, psh, urg, ttl N, size N, df, vlan N)" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 syn",
	  "'syn' is not known here (want ttl N, size N, df, vlan N)" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 size 20",
	  "size '20' is out of range (want 28 to 65535)" },
	{ "one", "udp 10.0.1.1:1 > 10.0.1.2:2 size 65536",
	  "size '65536' is out of range (want 1 to 65535)" },
	{ "one", "udp [fd00::1]:1 > [fd00::2]:2 df",
	  "'df' exists in IPv4 only" },
	{ "one", "icmp 10.0.1.1 > 10.0.1.2 id",
	  "the number behind 'id' is missing" },
	{ "one", "icmp 10.0.1.1 > 10.0.1.2 type 256",
	  "type '256' is out of range (want 0 to 255)" },
	{ "one", "ip 10.0.1.1 > 10.0.1.2",
	  "'proto' is missing" },
	{ "one", "ip 10.0.1.1 > 10.0.1.2 proto 6",
	  "protocol 6 has a word of its own (want tcp)" },
	{ "one", "proto 256 10.0.1.1 > 10.0.1.2",
	  "proto '256' is out of range (want 0 to 255)" },
	{ "one", "gre 10.0.1.1 > 10.0.1.2",
	  "'gre' is not a protocol (want 'tcp" },
	{ "one", "tcp",
	  "the source is missing" },
	{ "one", "tcp 10.0.1.1:1 >",
	  "the destination is missing" },
	{ "one", "tcp > 10.0.1.2:1",
	  "'>' is not address:port" },
	{ "one", "tcp 10.0.1.1:1 > fd00::2",
	  "'fd00::2' is not address:port" },
	{ "one", "tcp 10.0.1.1 > [fd00::2]:1",
	  "source and destination are not of the same family" },
	{ "one", "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.1.2 / icmp nak",
	  "want echo, reply or TYPE/CODE" },
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
