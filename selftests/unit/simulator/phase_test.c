// SPDX-License-Identifier: Apache-2.0
/* When a connection's state is another one. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "simulator/conns.h"

#define S 1000000000ull

static struct sim_conn plain(uint8_t proto, uint16_t sport, uint8_t seen)
{
	struct sim_conn c = { .tuple = { .src = ip_from_v4(inet_addr("10.0.0.1")),
					 .dst = ip_from_v4(inet_addr("10.0.0.2")),
					 .sport = htons(sport),
					 .dport = htons(80),
					 .proto = proto },
			      .port = "p1",
			      .other_port = "p2",
			      .orig_seen = seen };

	sim_tuple_reverse(&c.tuple, &c.other);
	return c;
}

/* A state is another one, also if its idle time is configured as that of the one before. */
static void test_touch_equal_times(void **state)
{
	struct sim_conns_limits limits = { .records = 10, .records_port = 10, .timeouts = { 7, 7, 7, 7, 7, 7, 7, 7 } };
	struct sim_conns *t = sim_conns_new(&limits);
	struct sim_conn tcp = plain(IPPROTO_TCP, 1, SKEP_TCP_SYN), udp = plain(IPPROTO_UDP, 2, SIM_SEEN_ANY);
	struct sim_conn gre = plain(IPPROTO_GRE, 0, SIM_SEEN_ANY);

	(void)state;
	sim_conns_put(t, &tcp, S);
	sim_conns_put(t, &udp, S);
	sim_conns_put(t, &gre, S);
	assert_false(sim_conns_touch(t, "p1", &tcp.tuple, true, 0x12, S));
	assert_true(sim_conns_touch(t, "p1", &tcp.tuple, false, 0x10, S));
	assert_true(sim_conns_touch(t, "p1", &udp.tuple, true, SIM_SEEN_ANY, S));
	assert_false(sim_conns_touch(t, "p1", &udp.tuple, true, SIM_SEEN_ANY, S));
	assert_true(sim_conns_touch(t, "p1", &gre.tuple, true, SIM_SEEN_ANY, S));
	assert_false(sim_conns_touch(t, "p1", &gre.tuple, false, SIM_SEEN_ANY, S));
	sim_conns_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touch_equal_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
