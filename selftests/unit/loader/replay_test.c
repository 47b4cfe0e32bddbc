// SPDX-License-Identifier: Apache-2.0
/* The frame built from a flow key has that flow key: loader/replay.c. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/replay.h"
#include "packet/packet.h"
#include "util/cleanup.h"

static void same_key(void **state)
{
	static const char *const packets[] = {
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 S",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 1>65535",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 99",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / icmp echo id 258",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / icmp 3/1",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag first / udp 5>6 / data 64",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 64",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 proto 47 / data 20",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / tcp 4000>80 A",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / udp 1>2",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 4094 / ip fd00::1>fd00::2 / icmp6 echo id 3",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 frag first / udp 1>2 / data 64",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 frag later proto 17 / data 64",
		"eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 46",
	};

	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		struct dp_flow_key want = { 0 }, got = { 0 };
		uint8_t in[2048], out[REPLAY_MAX];
		struct err err = { 0 };
		struct pkt pkt;
		int n = pkt_dsl_parse(packets[i], NULL, in, sizeof(in), &err);
		uint32_t len;

		if (n < 0)
			fail_msg("%s: %s", packets[i], err.text);
		assert_int_equal(pkt_parse(in, (uint32_t)n, &pkt), SKEP_DROP_NONE);
		want.v6 = pkt_flow_key(&pkt.f, 0x123, &want.k4, &want.k6);
		len = replay_frame(&want, out);
		if (!len || len > REPLAY_MAX || pkt_parse(out, len, &pkt))
			fail_msg("%s: %u bytes that do not parse", packets[i], len);
		got.v6 = pkt_flow_key(&pkt.f, 0x123, &got.k4, &got.k6);
		if (got.v6 != want.v6 || memcmp(&got, &want, sizeof(got)))
			fail_msg("%s: another key came out", packets[i]);
		if (pkt.f.ip_ttl && pkt.f.ip_ttl != REPLAY_TTL)
			fail_msg("%s: ttl %u", packets[i], pkt.f.ip_ttl);
	}
}

/* A wildcard flow's key, whose class does not ask for the protocol: some packet of the class comes out. */
static void any_protocol(void **state)
{
	struct dp_flow_key keys[2] = {
		{ .k4 = { .eth_dst = { { 2, 0, 0, 0, 0, 2 } }, .eth_src = { { 2, 0, 0, 0, 0, 1 } }, .eth_type = htons(0x0800), .mask = 3 } },
		{ .v6 = true,
		  .k6 = { .eth_dst = { { 2, 0, 0, 0, 0, 2 } }, .eth_src = { { 2, 0, 0, 0, 0, 1 } }, .eth_type = htons(0x86dd), .mask = 3 } }
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		uint8_t out[REPLAY_MAX];
		uint32_t len = replay_frame(&keys[i], out);
		struct pkt pkt;

		assert_int_not_equal(len, 0);
		assert_int_equal(pkt_parse(out, len, &pkt), SKEP_DROP_NONE);
		assert_false(pkt.f.has_l4);
	}
}

static void impossible_key(void **state)
{
	struct dp_flow_key k = { .k4 = { .in_key = 1 } };
	uint8_t out[REPLAY_MAX];

	assert_int_equal(replay_frame(&k, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same_key), cmocka_unit_test(any_protocol),
					    cmocka_unit_test(impossible_key) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
