// SPDX-License-Identifier: Apache-2.0
/* Wildcard flows of the datapath layer: masks and who uses them, counters, order, deletion, and the next process. */
#include <bpf/bpf.h>

#include "loader/dp_private.h"
#include "selftests/unit/loader/dp_rig.h"

/* A mask with the exact ports' first 'bits', to make many different ones. */
static struct skep_mask mask_of(unsigned int n)
{
	struct skep_mask m = { .k4 = { .in_key = UINT32_MAX, .eth_type = 0xffff, .vlan = 0xffff, .frag = 0xff, .proto = 0xff } };

	m.k4.dst = n; /* no mask that skepd would make, but a different one for each */
	return m;
}

static struct dp_flow_key put(unsigned int mask, uint16_t sport, bool by_port)
{
	struct skep_wild wild = { .flow = to_port(KEY2) };
	struct skep_mask m = mask_of(mask);
	struct dp_flow_key key;
	uint8_t frame[256];
	uint32_t len = udp_frame(frame, 0, sport);

	if (by_port)
		m.k4.sport = 0xffff;
	key = key_of(frame, len, KEY1);
	assert_int_equal(dp_wild_key(t.dp, &key, &m), 0);
	assert_int_equal(dp_wild_put(t.dp, &key, &wild), 0);
	assert_int_equal(dp_flows_flush(t.dp), 0);
	return key;
}

static uint8_t *list(void)
{
	return t.dp->lports[dp_port_find(t.dp, KEY1)->lport].masks4;
}

static void send_some(uint16_t sport, unsigned int n)
{
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len = udp_frame(frame, 0, sport);

	for (unsigned int i = 0; i < n; i++) {
		send_from(t.sock1, frame, len, NULL);
		assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
	}
	assert_int_equal(t.upcalls, 0);
}

static void test_masks_are_shared(void **state)
{
	struct dp_flow_key a, b, c;
	struct skep_mask m;
	uint8_t id;

	NEED_ROOT();
	a = put(0, 1, true);
	b = put(0, 2, true);
	c = put(1, 3, true);
	id = dp_flow_mask(&a);
	assert_int_equal(dp_flow_mask(&b), id);
	assert_int_not_equal(dp_flow_mask(&c), id);
	assert_int_equal(list()[0], id);
	assert_int_equal(list()[1], dp_flow_mask(&c));
	assert_int_equal(list()[2], 0);
	dp_flow_del(t.dp, &a);
	assert_int_equal(list()[0], id); /* the other one has it still */
	assert_true(dp_wild_listed(t.dp, &b));
	dp_flow_del(t.dp, &b);
	assert_int_equal(list()[0], dp_flow_mask(&c)); /* the last takes its place */
	assert_int_equal(list()[1], 0);
	assert_false(dp_wild_mask(t.dp, id, &m));
	assert_false(dp_wild_listed(t.dp, &b));
	dp_flow_del(t.dp, &b); /* twice */
	dp_flow_del(t.dp, &c);
	assert_int_equal(list()[0], 0);
}

static void test_room_for_so_many(void **state)
{
	struct dp_flow_key keys[SKEP_PORT_MASKS], key, masked;
	struct skep_mask m = mask_of(99);
	uint8_t frame[256];
	uint32_t len = udp_frame(frame, 0, 7);

	NEED_ROOT();
	for (unsigned int i = 0; i < SKEP_PORT_MASKS; i++)
		keys[i] = put(i, 7, true);
	key = key_of(frame, len, KEY1);
	assert_int_equal(dp_wild_key(t.dp, &key, &m), -ENOSPC);
	m = mask_of(3); /* one that it has */
	m.k4.sport = 0xffff;
	assert_int_equal(dp_wild_key(t.dp, &key, &m), 0);
	dp_flow_del(t.dp, &keys[3]);
	m = mask_of(99);
	key = key_of(frame, len, KEY1);
	assert_int_equal(dp_wild_key(t.dp, &key, &m), 0);
	key = key_of(frame, len, KEY1);
	for (unsigned int i = 0; i < SKEP_PORT_MASKS - 1; i++)
		assert_true(dp_wild_match(t.dp, &key, i, &masked));
	assert_false(dp_wild_match(t.dp, &key, SKEP_PORT_MASKS - 1, &masked));
}

static void test_counters(void **state)
{
	struct dp_flow_key key, next;
	struct skep_flow flow;

	NEED_ROOT();
	key = put(0, 0, false);
	assert_true(dp_flow_get(t.dp, &key, &flow));
	assert_int_equal(flow.packets, 0);
	send_some(1000, 3); /* one is of the wildcard flow itself, two of what was promoted */
	send_some(1001, 1);
	assert_true(dp_flow_get(t.dp, &key, &flow));
	assert_int_equal(flow.packets, 4);
	assert_int_equal(flow.bytes, 4 * 74);
	assert_true((uint32_t)dp_jiffies(t.dp) - flow.last_seen < 10 * dp_hz(t.dp));
	send_some(1000, 2);
	assert_true(dp_flow_take(t.dp, &key, &flow)); /* with the last ones */
	assert_int_equal(flow.packets, 6);
	assert_false(dp_flow_take(t.dp, &key, &flow));
	next = put(0, 0, false); /* does not begin with what the last one had */
	assert_true(dp_flow_get(t.dp, &next, &flow));
	assert_int_equal(flow.packets, 0);
	send_some(1000, 1);
	assert_true(dp_flow_get(t.dp, &next, &flow));
	assert_int_equal(flow.packets, 1);
}

/* What was promoted goes with the flow: the next packet comes up. */
static void test_deleted(void **state)
{
	struct dp_flow_key key;
	uint8_t frame[256];
	uint32_t len = udp_frame(frame, 0, 1000), gen;

	NEED_ROOT();
	key = put(0, 0, false);
	send_some(1000, 2);
	gen = t.dp->lports[dp_port_find(t.dp, KEY1)->lport].gen;
	dp_flow_del(t.dp, &key);
	assert_int_not_equal(t.dp->lports[dp_port_find(t.dp, KEY1)->lport].gen, gen);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
}

static void ignore(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	(*(unsigned int *)arg)++;
}

static void test_order(void **state)
{
	struct dp_flow_key idle, busy;
	unsigned int n = 0;

	NEED_ROOT();
	idle = put(1, 1, true);
	busy = put(2, 2000, true);
	assert_int_equal(list()[0], dp_flow_mask(&idle));
	send_some(2000, 5);
	assert_int_equal(dp_flows_walk(t.dp, ignore, &n), 0);
	assert_int_equal(n, 2); /* what was promoted is none of its own */
	dp_wilds_order(t.dp);
	assert_int_equal(list()[0], dp_flow_mask(&busy));
	assert_int_equal(list()[1], dp_flow_mask(&idle));
	send_some(2000, 1);
	dp_flow_del(t.dp, &busy);
	assert_int_equal(list()[0], dp_flow_mask(&idle)); /* their users are in order too */
	assert_int_equal(list()[1], 0);
}

/* The next process has them with their masks and counters, but for those of ports that went meanwhile. */
static void test_adopted(void **state)
{
	struct dp_flow_key key, other;
	struct skep_wild wild = { .flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY } };
	struct skep_mask m = mask_of(5);
	struct skep_flow flow;
	uint8_t frame[256];
	uint32_t len = udp_frame(frame, 0, 9);

	NEED_ROOT();
	key = put(0, 0, false);
	send_some(1000, 2);
	other = key_of(frame, len, KEY2);
	assert_int_equal(dp_wild_key(t.dp, &other, &m), 0);
	assert_int_equal(dp_wild_put(t.dp, &other, &wild), 0);
	dp_close(t.dp);
	t.dp = NULL;
	send_some(1000, 1);
	must_open();
	assert_true(dp_flow_get(t.dp, &key, &flow));
	assert_true(dp_flow_get(t.dp, &other, &flow));
	assert_true(dp_wild_listed(t.dp, &key));
	send_some(1000, 1);
	send_some(1001, 1);
	assert_int_equal(list()[0], dp_flow_mask(&key));
	dp_flow_del(t.dp, &key);
	assert_int_equal(list()[0], 0);
	dp_port_detach(t.dp, KEY2);
	dp_close(t.dp);
	t.dp = NULL;
	must_open();
	assert_false(dp_flow_get(t.dp, &other, &flow));
}

/* The port comes back at once: nobody looks for the flows of before, whoever finds one in the table. */
static void test_port_again(void **state)
{
	struct dp_flow_key key;
	struct skep_flow flow;

	NEED_ROOT();
	key = put(0, 0, false);
	dp_port_detach(t.dp, KEY1);
	assert_false(dp_wild_listed(t.dp, &key));
	must_attach(KEY1, "p1");
	assert_true(dp_flow_get(t.dp, &key, &flow));
	assert_false(dp_wild_listed(t.dp, &key));
	dp_flow_del(t.dp, &key);
	assert_int_equal(list()[0], 0);
	key = put(0, 0, false);
	assert_true(dp_wild_listed(t.dp, &key));
	send_some(1000, 2);
}

/* One that does not fit uses nothing. */
static void test_full(void **state)
{
	struct skep_wild wild = { .flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY } };
	struct skep_flow_key4 filler = { .in_key = 0x6666 }; /* of all ports together: one alone may not have so many */
	struct dp_flow_key key = { .k4 = { .in_key = KEY1 } };
	struct skep_mask m = mask_of(6);
	struct skep_flow flow;
	uint32_t used = 0;

	NEED_ROOT();
	dp_close(t.dp);
	assert_int_equal(dp_remove(&t.config, NULL), 0);
	t.config.wilds_max = 256;
	must_open();
	must_attach(KEY1, "p1");
	must_attach(KEY2, "p2");
	for (filler.sport = 0; !bpf_map_update_elem(t.dp->map_fd[DP_MAP_WILDS4], &filler, &wild, BPF_NOEXIST); filler.sport++)
		;
	assert_int_equal(dp_wild_key(t.dp, &key, &m), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(dp_wild_put(t.dp, &key, &wild), 0);
		(void)dp_flows_flush(t.dp);
		assert_false(dp_flow_get(t.dp, &key, &flow));
		assert_int_equal(list()[0], 0);
	}
	for (uint32_t i = 1; i < t.dp->map_max[DP_MAP_STATS]; i++)
		used += t.dp->stat_at[i].used;
	assert_int_equal(used, 0);
	t.config.wilds_max = 0;
}

/* Records are counted for their port, as what they are. */
static void test_records(void **state)
{
	struct skep_conn_key k = { .port = KEY1, .proto = 17 };
	struct skep_conn c = { .flags = SKEP_CONN_SKEPD };
	const struct skep_detail d = { .n_bindings = 1 };
	struct skep_detail got;
	uint32_t conns, replies;
	uint64_t refused;

	NEED_ROOT();
	assert_int_equal(dp_conn_put(t.dp, &k, &c, &d), 0);
	assert_int_equal(dp_conn_put(t.dp, &k, &c, &d), 0);
	assert_true(dp_port_conns(t.dp, KEY1, &conns, &replies, &refused));
	assert_int_equal(conns, 1);
	c.flags = SKEP_CONN_REPLY | SKEP_CONN_STALE; /* as BPF replaces it */
	assert_int_equal(dp_conn_put(t.dp, &k, &c, NULL), 0);
	assert_true(dp_port_conns(t.dp, KEY1, &conns, &replies, &refused));
	assert_int_equal(conns, 0);
	assert_int_equal(replies, 1);
	assert_true(dp_conn_detail(t.dp, &k, &got));
	dp_conn_del(t.dp, &k);
	assert_false(dp_conn_detail(t.dp, &k, &got));
	dp_conn_del(t.dp, &k);
	assert_true(dp_port_conns(t.dp, KEY1, &conns, &replies, &refused));
	assert_int_equal(replies, 0);
}

static void count_conn(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	((uint8_t *)arg)[ntohs(key->sport)]++;
}

/* In steps, each is met once in a round. */
static void test_steps(void **state)
{
	static uint8_t met[3000];
	struct skep_conn_key k = { .port = KEY1, .proto = 17 };
	const struct skep_conn c = { 0 };
	bool wrapped = false;
	unsigned int steps = 0;

	NEED_ROOT();
	for (unsigned int i = 0; i < ARRAY_SIZE(met); i++) {
		k.sport = htons((uint16_t)i);
		assert_int_equal(dp_conn_put(t.dp, &k, &c, NULL), 0);
	}
	for (unsigned int round = 1; round <= 2; round++) {
		do {
			(void)dp_conns_step(t.dp, count_conn, met, &wrapped);
			steps++;
		} while (!wrapped && steps < 1000);
		for (unsigned int i = 0; i < ARRAY_SIZE(met); i++)
			assert_int_equal(met[i], round);
	}
	assert_true(steps > 5); /* at most 1024 at once */
}

/* A port that loses its interface and gets another has all its records still, and they count: also when skepd was away meanwhile. */
static void test_counted_again(void **state)
{
	struct skep_conn_key k = { .port = KEY1, .proto = 17 };
	struct skep_conn c = { 0 };
	struct skep_lport *lp;

	NEED_ROOT();
	for (unsigned int i = 0; i < 5; i++) {
		k.sport = htons((uint16_t)i);
		c.flags = i < 3 ? 0 : SKEP_CONN_REPLY;
		assert_int_equal(dp_conn_put(t.dp, &k, &c, NULL), 0);
	}
	dp_port_detach(t.dp, KEY1);
	dp_conn_del(t.dp, &k); /* meanwhile: one of the replies */
	k.sport = htons(99);
	c.flags = 0;
	assert_int_equal(dp_conn_put(t.dp, &k, &c, NULL), 0);
	assert_int_equal(dp_port_attach(t.dp, KEY1, "p1", NULL), 0);
	lp = &t.dp->lports[dp_port_find(t.dp, KEY1)->lport];
	assert_int_equal(lp->conns, 4);
	assert_int_equal(lp->replies, 1);
	dp_port_detach(t.dp, KEY1);
	dp_close(t.dp);
	t.dp = NULL;
	must_open();
	assert_int_equal(dp_port_attach(t.dp, KEY1, "p1", NULL), 0);
	lp = &t.dp->lports[dp_port_find(t.dp, KEY1)->lport];
	assert_int_equal(lp->conns, 4);
	assert_int_equal(lp->replies, 1);
	dp_conn_del(t.dp, &k);
	assert_int_equal(lp->conns, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_masks_are_shared), TEST(test_room_for_so_many), TEST(test_counters),	 TEST(test_deleted), TEST(test_order),
		TEST(test_adopted),	     TEST(test_port_again),	  TEST(test_full),	 TEST(test_records), TEST(test_steps),
		TEST(test_counted_again),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
