// SPDX-License-Identifier: Apache-2.0
/*
 * Machines that lie about their connections: errors and replies that go to somebody else than the connection's other end.
 */
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
#include "simulator/conns.h"
#include "util/hash.h"

/* 'liar' and 'friend' talk to each other; 'victim' lets nobody in.  The friend may use any address. */
#define NETWORK                                                                                             \
	"security_groups: [{name: none, rules: []}]\n"                                                      \
	"bridges: [{name: b}]\n"                                                                            \
	"ports:\n"                                                                                          \
	"  - {name: liar, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.0.1, \"fd00::1\"],\n"     \
	"     security_groups: [none]}\n"                                                                   \
	"  - {name: friend, bridge: b, mac: \"02:00:00:00:00:02\"}\n"                                       \
	"  - {name: victim, bridge: b, mac: \"02:00:00:00:00:03\", addresses: [10.0.0.3, \"fd00::3\"],\n"   \
	"     security_groups: [none]}\n"

#define LIAR   "02:00:00:00:00:01"
#define FRIEND "02:00:00:00:00:02"
#define VICTIM "02:00:00:00:00:03"

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_conns *conns;
	struct sim_state_view view;
	struct sim_result res;
	struct pkt pkt;
	uint8_t frame[PKT_MAX];
};

static int setup(void **state)
{
	const struct sim_conns_limits limits = {
		.records = 100, .records_port = 4, .affinities = 10, .timeouts = SKEP_TIMEOUTS
	};
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	sim_init(&x->sim);
	x->snap = simtest_snapshot(NETWORK);
	x->tables = sim_tables_new(10, 10);
	x->conns = sim_conns_new(&limits);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	sim_conns_free(x->conns);
	sim_tables_free(x->tables);
	topo_unref(x->snap);
	sim_fini(&x->sim);
	free(x);
	return 0;
}

static void run(struct fixture *x, const char *port)
{
	struct err err = { 0 };

	sim_state_view_init(&x->view, x->tables, x->conns, x->snap, 1);
	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, port), &x->pkt, 1, 7,
		    SIM_TRACE, &x->res, &err))
		fail_msg("%s", err.text);
	sim_conns_apply(x->conns, &x->res, &x->pkt, NULL, NULL, 1);
}

static void expect(struct fixture *x, const char *port, bool passes)
{
	run(x, port);
	if (passes ? x->res.verdict != SIM_FORWARD :
		     x->res.verdict != SIM_DROP || x->res.reason != SKEP_DROP_SECURITY_GROUP)
		fail_msg("%s", sim_trace_text(&x->sim, &x->pkt, &x->res));
}

static void send_line(struct fixture *x, const char *port, const char *line, bool passes)
{
	simtest_packet(line, x->frame, &x->pkt);
	expect(x, port, passes);
}

/* An error of 'port' about the packet 'about', to 'dst' at 'dst_mac'. */
static void send_error(struct fixture *x, const char *port, const char *about, const char *dst,
		       const struct skep_mac *dst_mac, bool passes)
{
	static uint8_t inner[PKT_MAX];
	struct pkt_fields to;
	struct pkt pkt;
	uint32_t len;
	bool v6;
	int n;

	simtest_packet(about, inner, &pkt);
	v6 = pkt.f.eth_type == htons(ETH_P_IPV6);
	len = pkt_build_icmp_error(x->frame, sizeof(x->frame), &pkt, v6 ? 1 : 3, v6 ? 4 : 3, 0,
				   &pkt.f.eth_dst, &pkt.f.ip_dst);
	assert_true(len > 0);
	assert_int_equal(pkt_parse(x->frame, len, &pkt), SKEP_DROP_NONE);
	to = pkt.f;
	to.eth_dst = *dst_mac;
	assert_true(ip_parse(dst, &to.ip_dst));
	n = pkt_rewrite(x->frame, &pkt, &to);
	assert_true(n > 0);
	assert_int_equal(pkt_parse(x->frame, (uint32_t)n, &x->pkt), SKEP_DROP_NONE);
	expect(x, port, passes);
}

/* A connection of two machines is no ticket for errors to a third one. */
static void test_error_for_another(void **state)
{
	static const struct skep_mac friend_ = { { 2, 0, 0, 0, 0, 2 } }, victim = { { 2, 0, 0, 0, 0, 3 } };
	struct fixture *x = *state;

	send_line(x, "liar", "eth " LIAR ">" FRIEND " / ip 10.0.0.1>10.0.0.2 / udp 4000>53", true);
	send_error(x, "liar", "eth " FRIEND ">" LIAR " / ip 10.0.0.2>10.0.0.1 / udp 53>4000",
		   "10.0.0.2", &friend_, true);
	assert_int_equal(x->res.ct & TOPO_CT_RELATED, TOPO_CT_RELATED);
	send_error(x, "liar", "eth " FRIEND ">" LIAR " / ip 10.0.0.2>10.0.0.1 / udp 53>4000",
		   "10.0.0.3", &victim, false);
	assert_int_equal(x->res.ct, TOPO_CT_INVALID);
	send_line(x, "liar", "eth " LIAR ">" FRIEND " / ip fd00::1>fd00::2 / udp 4000>53", true);
	send_error(x, "liar", "eth " FRIEND ">" LIAR " / ip fd00::2>fd00::1 / udp 53>4000", "fd00::2",
		   &friend_, true);
	assert_int_equal(x->res.ct & TOPO_CT_RELATED, TOPO_CT_RELATED);
	send_error(x, "liar", "eth " FRIEND ">" LIAR " / ip fd00::2>fd00::1 / udp 53>4000", "fd00::3",
		   &victim, false);
	assert_int_equal(x->res.ct, TOPO_CT_INVALID);
}

/* Who begins as many connections as it may leaves room at the other end. */
static void test_room_for_others(void **state)
{
	struct fixture *x = *state;
	char line[256];

	for (unsigned int i = 1; i <= 4; i++) {
		snprintf(line, sizeof(line), "eth " LIAR ">" FRIEND " / ip 10.0.0.1>10.0.0.2 / udp %u>53", i);
		send_line(x, "liar", line, true);
	}
	run(x, "liar"); /* the same again: established */
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	simtest_packet("eth " LIAR ">" FRIEND " / ip 10.0.0.1>10.0.0.2 / udp 5>53", x->frame, &x->pkt);
	run(x, "liar");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_CONN_LIMIT);
	assert_false(x->res.cacheable);
	send_line(x, "victim", "eth " VICTIM ">" FRIEND " / ip 10.0.0.3>10.0.0.2 / udp 5>53", true);
}

/* Addresses made so that a chain of hash_u64(), which anybody can turn back, ends at one value for all. */
static void test_tuples_of_one_hash(void **state)
{
	struct sim_tuple t = { .proto = IPPROTO_UDP, .sport = htons(1), .dport = htons(53) };
	uint64_t first = 0, seed, words[2], seen[64];

	(void)state;
	assert_true(ip_parse("fd00::1", &t.src));
	seed = hash_bytes(&t.src, sizeof(t.src), t.proto) ^ 16 * 0x9e3779b97f4a7c15ULL;
	for (uint64_t i = 0; i < 64; i++) {
		words[0] = 0xfd00 + i;
		words[1] = hash_u64(seed ^ words[0]);
		memcpy(&t.dst, words, sizeof(t.dst));
		if (i)
			assert_int_equal(hash_bytes(&t.dst, 16, seed ^ 16 * 0x9e3779b97f4a7c15ULL), first);
		first = hash_bytes(&t.dst, 16, seed ^ 16 * 0x9e3779b97f4a7c15ULL);
		seen[i] = sim_tuple_hash(&t);
		for (uint64_t k = 0; k < i; k++)
			assert_int_not_equal(seen[k], seen[i]);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_error_for_another),
		T(test_room_for_others),
		T(test_tuples_of_one_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
