// SPDX-License-Identifier: Apache-2.0
/* Of a dropped packet the first bytes are known: what is told of it are its fields all the same: loader/report.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "loader/agent.h"
#include "loader/replay.h"
#include "util/json.h"

#define HEADERS 54

/* A frame of the key that says it is 'len' long. */
static void make(const struct dp_flow_key *key, uint32_t len, uint8_t frame[static REPLAY_MAX])
{
	uint32_t sum = 0;

	assert_true(replay_frame(key, frame) > 0);
	if (key->v6) {
		frame[18] = (uint8_t)((len - 54) >> 8);
		frame[19] = (uint8_t)(len - 54);
		return;
	}
	frame[16] = (uint8_t)((len - 14) >> 8);
	frame[17] = (uint8_t)(len - 14);
	frame[24] = frame[25] = 0;
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
}

static void told(const struct dp_flow_key *key, uint32_t have, uint32_t len, const char *want)
{
	uint8_t frame[REPLAY_MAX] = { 0 };
	struct agent a = { 0 };
	json_t *o;

	make(key, len, frame);
	o = report_drop(&a, 1, SKEP_DROP_POLICY, 7, NULL, frame, have, len, NULL);
	assert_string_equal(json_str(o, "packet"), want);
	assert_int_equal(json_integer_value(json_object_get(o, "length")), len);
	json_decref(o);
}

static void cut_short(void **state)
{
	struct skep_ip a, b, c, d;
	struct dp_flow_key udp, echo, six;

	ip_parse("10.0.1.11", &a);
	ip_parse("10.0.2.13", &b);
	ip_parse("fd00:1::11", &c);
	ip_parse("fd00:2::13", &d);
	udp = (struct dp_flow_key){ .k4 = { .eth_type = htons(ETH_P_IP), .proto = IPPROTO_UDP, .src = ip_v4(&a), .dst = ip_v4(&b), .sport = htons(4000), .dport = htons(9) } };
	echo = (struct dp_flow_key){ .k4 = { .eth_type = htons(ETH_P_IP), .proto = IPPROTO_ICMP, .src = ip_v4(&a), .dst = ip_v4(&b), .sport = htons(0x0800), .dport = htons(7) } };
	six = (struct dp_flow_key){ .v6 = true, .k6 = { .eth_type = htons(ETH_P_IPV6), .proto = IPPROTO_UDP, .src = c, .dst = d, .sport = htons(4000), .dport = htons(9) } };
	told(&udp, 42, 42, "udp 10.0.1.11:4000 > 10.0.2.13:9");
	told(&udp, HEADERS, 1514, "udp 10.0.1.11:4000 > 10.0.2.13:9");
	told(&udp, HEADERS, 65549, "udp 10.0.1.11:4000 > 10.0.2.13:9");
	told(&echo, HEADERS, 98, "icmp 10.0.1.11 > 10.0.2.13 echo id 7");
	told(&six, 62, 1514, "udp [fd00:1::11]:4000 > [fd00:2::13]:9");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cut_short) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
