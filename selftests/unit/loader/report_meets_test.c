// SPDX-License-Identifier: Apache-2.0
/* Which flows are those that somebody asks about: loader/report_mask.c, exact flows (wildcard ones: net/live.sh); and the newest of a port's: loader/index.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "loader/agent.h"

static struct skep_ip ip(const char *text)
{
	struct skep_ip i;

	if (!ip_parse(text, &i))
		fail_msg("'%s' is no address", text);
	return i;
}

static struct dp_flow_key v4(uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	const struct skep_ip a = ip(src), b = ip(dst);

	return (struct dp_flow_key){ .k4 = { .eth_type = htons(ETH_P_IP), .proto = proto, .src = ip_v4(&a), .dst = ip_v4(&b), .sport = htons(sport), .dport = htons(dport) } };
}

static struct dp_flow_key v6(uint8_t proto, const char *src, const char *dst, uint16_t dport)
{
	return (struct dp_flow_key){ .v6 = true, .k6 = { .eth_type = htons(ETH_P_IPV6), .proto = proto, .src = ip(src), .dst = ip(dst), .sport = htons(4000), .dport = htons(dport) } };
}

static bool meets(const struct dp_flow_key *key, const char *wish)
{
	struct agent a = { 0 };
	struct flow_wish w;

	if (!flow_wish_parse(wish, &w))
		fail_msg("'%s' is no wish", wish);
	return report_meets(&a, key, &w);
}

static void exact_flows(void **state)
{
	const struct dp_flow_key tcp = v4(IPPROTO_TCP, "10.0.1.11", 4000, "10.0.2.12", 443), echo = v4(IPPROTO_ICMP, "10.0.1.11", 0x0800, "10.0.2.12", 443),
				 six = v6(IPPROTO_TCP, "fd00:1::11", "fd00:2::12", 80), echo6 = v6(IPPROTO_ICMPV6, "fd00:1::11", "fd00:2::12", 1),
				 arp = { .k4 = { .eth_type = htons(ETH_P_ARP) } };
	const struct {
		const struct dp_flow_key *key;
		const char *wish;
		bool want;
	} cases[] = {
		{ &tcp, "p - - - -", true }, { &arp, "p - - - -", true }, { &six, "p - - - -", true },
		{ &tcp, "p 6 - - -", true }, { &tcp, "p 17 - - -", false }, { &arp, "p 6 - - -", false },
		{ &echo, "p 1 - - -", true }, { &echo6, "p 1 - - -", true }, { &echo6, "p 58 - - -", true }, { &tcp, "p 1 - - -", false },
		{ &tcp, "p - 10.0.1.11/32 - -", true }, { &tcp, "p - 10.0.2.0/24 - -", true }, { &tcp, "p - 0.0.0.0/0 - -", true },
		{ &tcp, "p - 10.0.3.0/24 - -", false }, { &tcp, "p - ::/0 - -", false }, { &six, "p - 0.0.0.0/0 - -", false },
		{ &six, "p - fd00:2::/64 - -", true }, { &six, "p - fd00:3::/64 - -", false }, { &arp, "p - 0.0.0.0/0 - -", false },
		{ &tcp, "p - - 443 -", true }, { &tcp, "p - - 4000 -", true }, { &tcp, "p - - 444 -", false }, { &six, "p - - 80 -", true },
		{ &echo, "p - - 443 -", false }, /* an echo's id is no port number */
		{ &arp, "p - - 443 -", false },
		{ &tcp, "p 6 10.0.2.12/32 443 -", true }, { &tcp, "p 6 10.0.2.13/32 443 -", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (meets(cases[i].key, cases[i].wish) != cases[i].want)
			fail_msg("case %zu: '%s': %d", i, cases[i].wish, !cases[i].want);
}

struct seen {
	uint16_t sports[8];
	unsigned int n, max;
};

static bool see(void *arg, struct index_flow *f)
{
	struct seen *s = arg;

	s->sports[s->n++] = ntohs(f->key.k4.sport);
	return s->n < s->max;
}

static void the_youngest_of_a_port(void **state)
{
	struct index *x = index_new(100, 1, NULL, NULL);
	struct seen all = { .max = 8 }, two = { .max = 2 }, none = { .max = 8 };

	assert_non_null(x);
	for (uint16_t i = 1; i <= 6; i++) {
		struct dp_flow_key key = { .k4 = { .in_key = i % 2 ? 0x100 : 0x200, .sport = htons(i) } };

		assert_non_null(index_add(x, &key, &(struct skep_flow){ 0 }, x, NULL, 0, NULL, 0));
	}
	index_walk_port(x, 0x100, see, &all);
	assert_int_equal(all.n, 3);
	assert_true(all.sports[0] == 5 && all.sports[1] == 3 && all.sports[2] == 1);
	index_walk_port(x, 0x200, see, &two);
	assert_true(two.n == 2 && two.sports[0] == 6 && two.sports[1] == 4);
	index_walk_port(x, 0x300, see, &none);
	assert_int_equal(none.n, 0);
	index_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exact_flows), cmocka_unit_test(the_youngest_of_a_port) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
