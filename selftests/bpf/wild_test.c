// SPDX-License-Identifier: Apache-2.0
/* Wildcard flows: which one is found, what is promoted, for how long that holds, and what is counted. */
#include "selftests/bpf/wild.h"

static const char *const lines[] = {
	FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>80 S / data 10",
	FROM "ip fd00::1>fd00::2 ttl 9 tos 0x10 / tcp 4000>80 S / data 10",
};

static int fresh(void **state)
{
	struct frame f;

	(void)state;
	fresh_lports();
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		make(&f, lines[i]);
		del_exact(&f);
	}
	return 0;
}

static struct skep_wild to_local(uint32_t ifindex)
{
	return (struct skep_wild){ .flow = { .action = SKEP_ACT_LOCAL, .out = ifindex, .stat = 5, .cookie = 99 } };
}

static struct skep_stat stat_of(uint32_t index)
{
	struct skep_stat values[256] = { 0 }, sum = { 0 };

	assert_int_equal(bpfrun_get(run, "skep_stats", &index, values), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		sum.packets += values[i].packets;
		sum.bytes += values[i].bytes;
	}
	return sum;
}

static void test_order_of_masks(void **state)
{
	const struct skep_wild first = to_local(71), second = to_local(72);
	const uint8_t ids[] = { 9, 4, 200 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct skep_flow flow;
		struct frame f;

		make(&f, lines[i]);
		list_masks(f.v6, ids, 3);
		pass(&f);
		assert_up(SKEP_UP_MISS); /* masks without flows */
		put_wild(&f, 200, (struct fields){ .proto = true }, SKEP_CT_NONE, &second);
		pass(&f);
		assert_false(went_up());
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.out, 72);
		del_exact(&f);
		put_wild(&f, 4, (struct fields){ .dport = true, .proto = true }, SKEP_CT_NONE, &first);
		pass(&f);
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.out, 71); /* the first that matches */
		del_exact(&f);
		list_masks(f.v6, ids + 2, 1);
		pass(&f);
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.out, 72); /* not in the list: not looked at */
		del_exact(&f);
		list_masks(f.v6, NULL, 0);
		pass(&f);
		assert_up(SKEP_UP_MISS);
	}
}

/* A flow is found with another value of each field that its mask leaves out, and not with one of a field that it has. */
static void test_fields(void **state)
{
	static const struct {
		const char *what, *line[2];
		struct fields of;
	} cases[] = {
		{ "MACs", { "eth 02:00:00:00:00:03>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>80 S",
			    "eth 02:00:00:00:00:01>02:00:00:00:00:03 / ip fd00::1>fd00::2 ttl 9 tos 0x10 / tcp 4000>80 S" }, { .macs = true } },
		{ "addresses", { FROM "ip 10.0.0.9>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>80 S",
				 FROM "ip fd00::1>fd00::9 ttl 9 tos 0x10 / tcp 4000>80 S" }, { .addrs = true } },
		{ "sport", { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4001>80 S",
			     FROM "ip fd00::1>fd00::2 ttl 9 tos 0x10 / tcp 4001>80 S" }, { .sport = true } },
		{ "dport", { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>81 S",
			     FROM "ip fd00::1>fd00::2 ttl 9 tos 0x10 / tcp 4000>81 S" }, { .dport = true } },
		{ "proto", { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / udp 4000>80",
			     FROM "ip fd00::1>fd00::2 ttl 9 tos 0x10 / udp 4000>80" }, { .proto = true } },
		{ "flags", { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>80 SA",
			     FROM "ip fd00::1>fd00::2 ttl 9 tos 0x10 / tcp 4000>80 SA" }, { .tcp = true } },
		{ "DSCP", { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x20 / tcp 4000>80 S",
			    FROM "ip fd00::1>fd00::2 ttl 9 tos 0x20 / tcp 4000>80 S" }, { .tos = true } },
	};
	const struct skep_wild wild = to_local(71);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned int v = 0; v < 2; v++) {
			const uint8_t with = (uint8_t)(20 + i), without = (uint8_t)(40 + i);
			struct frame f, other;

			make(&f, lines[v]);
			make(&other, cases[i].line[v]);
			put_wild(&f, with, cases[i].of, SKEP_CT_NONE, &wild);
			put_wild(&f, without, (struct fields){ 0 }, SKEP_CT_NONE, &wild);
			list_masks(f.v6, &with, 1);
			del_exact(&f);
			pass(&f);
			if (went_up())
				fail_msg("%s: not found", cases[i].what);
			del_exact(&other); /* flags and DSCP are no part of the exact key */
			pass(&other);
			if (!went_up())
				fail_msg("%s: found for another value", cases[i].what);
			list_masks(f.v6, &without, 1);
			pass(&other);
			if (went_up())
				fail_msg("%s: not found for another value", cases[i].what);
			del_exact(&other);
			del_exact(&f);
		}
}

/* Of another port, kind of fragment or tag: never. */
static void test_always_apart(void **state)
{
	static const char *const others[] = { FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 frag first / tcp 4000>80 S / data 8",
					      "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 5 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 S",
					      "eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 30" };
	const struct skep_wild wild = to_local(71);
	const uint8_t id = 60;
	struct frame f, other;

	(void)state;
	make(&f, lines[0]);
	put_wild(&f, id, (struct fields){ 0 }, SKEP_CT_NONE, &wild);
	list_masks(false, &id, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
		make(&other, others[i]);
		pass(&other);
		assert_up(SKEP_UP_MISS);
	}
	enter_by(OTHER_KEY, BPFRUN_LPORT);
	pass(&f);
	assert_up(SKEP_UP_MISS);
}

/* What is promoted is the whole flow, and holds as long as the port's generation. */
static void test_promoted(void **state)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct skep_wild wild = to_local(71);
		struct skep_lport lp;
		struct skep_flow flow;
		const uint8_t id = 7;
		struct skep_stat before = stat_of(5), after;
		uint64_t hits, wilds;
		struct frame f;

		(void)state;
		wild.flow.ttl_dec = 2;
		wild.flow.mtu = 1400;
		make(&f, lines[i]);
		put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &wild);
		list_masks(f.v6, &id, 1);
		hits = bpfrun_counter(run, SKEP_CNT_FLOW_HIT);
		wilds = bpfrun_counter(run, SKEP_CNT_WILD_HIT);
		pass(&f);
		assert_int_equal(bpfrun_counter(run, SKEP_CNT_WILD_HIT), wilds + 1);
		assert_int_equal(res.data[f.v6 ? 21 : 22], 7); /* TTL */
		assert_true(get_exact(&f, &flow));
		lp = get_lport(BPFRUN_LPORT);
		assert_int_equal(flow.gen, lp.gen);
		assert_int_equal(flow.cookie, 99);
		assert_int_equal(flow.stat, 5);
		assert_int_equal(flow.ttl_dec, 2);
		assert_int_equal(flow.mtu, 1400);
		assert_true(flow.last_seen != 0);
		for (unsigned int k = 0; k < 3; k++)
			pass(&f);
		assert_int_equal(bpfrun_counter(run, SKEP_CNT_FLOW_HIT), hits + 3);
		assert_int_equal(bpfrun_counter(run, SKEP_CNT_WILD_HIT), wilds + 1);
		after = stat_of(5);
		assert_int_equal(after.packets - before.packets, 4); /* each once, wherever it was found */
		assert_int_equal(after.bytes - before.bytes, 4 * f.len);
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.packets, 0);

		lp.gen++;
		put("skep_lports", BPFRUN_LPORT, &lp);
		list_masks(f.v6, NULL, 0);
		pass(&f);
		assert_up(SKEP_UP_MISS); /* what it was made of has gone */
		list_masks(f.v6, &id, 1);
		pass(&f);
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.gen, lp.gen); /* promoted again */
		fresh_lports();
		del_exact(&f);
	}
}

/* A flow of skepd's own (gen 0) is not touched by any of that. */
static void test_exact_first(void **state)
{
	const struct skep_flow exact = { .action = SKEP_ACT_LOCAL, .out = 70 };
	const struct skep_wild wild = to_local(71);
	const uint8_t id = 7;
	struct skep_flow flow;
	struct frame f;

	(void)state;
	make(&f, lines[0]);
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &wild);
	list_masks(false, &id, 1);
	assert_int_equal(bpfrun_put(run, "skep_flows4", &f.k4, &exact), 0);
	pass(&f);
	assert_true(get_exact(&f, &flow));
	assert_int_equal(flow.out, 70);
	assert_int_equal(flow.packets, 1);
}

static void test_conditions(void **state)
{
	struct skep_wild wild = to_local(71);
	const uint8_t id = 7;
	struct skep_flow flow;
	struct frame f, big;

	(void)state;
	make(&f, lines[0]);
	make(&big, FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x10 / tcp 4000>80 S / data 900");
	list_masks(false, &id, 1);
	wild.flow.ttl_dec = 9;
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &wild);
	pass(&f);
	assert_up(SKEP_UP_TTL);
	assert_false(get_exact(&f, &flow));
	wild.flow.ttl_dec = 8;
	wild.flow.mtu = 800;
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &wild);
	pass(&big);
	assert_up(SKEP_UP_FIELD);
	pass(&f);
	assert_false(went_up());
	pass(&big); /* its promoted flow says no, and so does what it is of */
	assert_up(SKEP_UP_FIELD);
	assert_true(get_exact(&f, &flow));
}

/* Another DSCP of the same exact key: the promoted flow is not for it, another wildcard flow is. */
static void test_other_class_of_a_key(void **state)
{
	struct skep_wild a = to_local(71), b = to_local(72);
	const uint8_t ids[] = { 7, 8 };
	struct skep_flow flow;
	struct frame f, g;

	(void)state;
	make(&f, lines[0]);
	make(&g, FROM "ip 10.0.0.1>10.0.0.2 ttl 9 tos 0x20 / tcp 4000>80 S");
	a.flow.flags = b.flow.flags = SKEP_F_TOS;
	a.flow.tos = 0x10;
	b.flow.tos = 0x20;
	put_wild(&f, 7, (struct fields){ .tos = true }, SKEP_CT_NONE, &a);
	put_wild(&g, 7, (struct fields){ .tos = true }, SKEP_CT_NONE, &b);
	list_masks(false, ids, 1);
	for (unsigned int i = 0; i < 6; i++) {
		pass(i & 1 ? &g : &f);
		assert_false(went_up());
		assert_true(get_exact(&f, &flow));
		assert_int_equal(flow.out, i & 1 ? 72 : 71);
	}
}

static void test_not_promoted(void **state)
{
	struct skep_wild drop = { .flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY, .stat = 6, .cookie = 3 } }, stay = to_local(71);
	struct skep_stat before = stat_of(6), after;
	const uint8_t id = 7;
	struct skep_flow flow;
	struct frame f;

	(void)state;
	make(&f, lines[0]);
	list_masks(false, &id, 1);
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &drop);
	for (unsigned int i = 0; i < 3; i++) {
		pass(&f);
		assert_int_equal(res.drop, SKEP_DROP_POLICY);
		assert_int_equal(res.action, TC_ACT_SHOT);
	}
	after = stat_of(6);
	assert_int_equal(after.packets - before.packets, 3);
	assert_int_equal(after.bytes - before.bytes, 3 * f.len);
	assert_false(get_exact(&f, &flow));
	stay.flow.flags = SKEP_F_STAY;
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &stay);
	pass(&f);
	assert_false(went_up());
	assert_false(get_exact(&f, &flow));
}

/* One port does not flush the cache of the others; its packets pass all the same. */
static void test_promotion_is_limited(void **state)
{
	struct skep_lport lp = get_lport(BPFRUN_LPORT);
	const struct skep_wild wild = to_local(71);
	const uint8_t id = 7;
	struct skep_flow flow;
	struct frame f;

	(void)state;
	make(&f, lines[0]);
	lp.promote_tat_ns = UINT64_MAX >> 1;
	put("skep_lports", BPFRUN_LPORT, &lp);
	put_wild(&f, id, (struct fields){ .dport = true }, SKEP_CT_NONE, &wild);
	list_masks(false, &id, 1);
	pass(&f);
	assert_false(went_up());
	assert_false(get_exact(&f, &flow));
}

#define TEST(fn) cmocka_unit_test_setup(fn, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_of_masks),	 TEST(test_fields),	TEST(test_always_apart), TEST(test_promoted),
		TEST(test_exact_first),		 TEST(test_conditions), TEST(test_other_class_of_a_key), TEST(test_not_promoted),
		TEST(test_promotion_is_limited),
	};

	return cmocka_run_group_tests(tests, open_run, close_run);
}
