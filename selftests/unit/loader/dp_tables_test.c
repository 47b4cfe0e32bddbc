// SPDX-License-Identifier: Apache-2.0
/* Tables that outlive skepd: rewrites, policers, connections; and messages between skepds. */
#include <bpf/bpf.h>

#include "loader/tap.h"

#include "selftests/unit/loader/dp_rig.h"

static struct skep_rewrite rewrite(uint32_t n)
{
	return (struct skep_rewrite){ .what = SKEP_RW_SRC,
				      .src = ip_from_v4(htonl(0x0a000000 + n)) };
}

static void reopen(void)
{
	dp_close(t.dp);
	must_open();
	assert_true(dp_adopted(t.dp));
}

/* Equal content, one entry; an entry without references keeps its content for a while. */
static void test_rewrites_are_shared(void **state)
{
	struct skep_rewrite a = rewrite(1), b = rewrite(2), none = { 0 };
	uint32_t one, two, three;

	NEED_ROOT();
	assert_int_equal(dp_rewrite_get(t.dp, &a, &one), 0);
	assert_int_equal(dp_rewrite_get(t.dp, &b, &two), 0);
	assert_int_not_equal(one, 0);
	assert_int_not_equal(one, two);
	assert_int_equal(dp_rewrite_get(t.dp, &a, &three), 0);
	assert_int_equal(three, one);
	assert_int_equal(dp_rewrite_get(t.dp, &none, &three), 0);
	assert_int_equal(three, 0);
	dp_rewrite_put(t.dp, 0);
	dp_rewrite_put(t.dp, one);
	dp_rewrite_put(t.dp, one);
	/* not given to others at once, but to whom it suits */
	b = rewrite(3);
	assert_int_equal(dp_rewrite_get(t.dp, &b, &three), 0);
	assert_int_not_equal(three, one);
	assert_int_equal(dp_rewrite_get(t.dp, &a, &three), 0);
	assert_int_equal(three, one);
}

static void test_rewrites_run_out_and_come_back(void **state)
{
	uint32_t n = 0, index, last = 0;
	struct skep_rewrite rw;
	uint64_t end;
	int rc;

	NEED_ROOT();
	dp_close(t.dp);
	(void)dp_remove(&t.config, NULL);
	t.config.rewrites_max = 16;
	must_open();
	t.config.rewrites_max = 0;
	for (;; n++) {
		rw = rewrite(n);
		rc = dp_rewrite_get(t.dp, &rw, &index);
		if (rc)
			break;
		assert_in_range(index, 1, 15);
		last = index;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(index, 0);
	assert_int_equal(n, 15);
	dp_rewrite_put(t.dp, last);
	assert_int_equal(dp_rewrite_get(t.dp, &rw, &index), -ENOSPC); /* packets may be under way */
	end = clock_mono_ns() + DP_REWRITE_LINGER_NS;
	assert_true(WAIT(clock_mono_ns() >= end));
	assert_int_equal(dp_rewrite_get(t.dp, &rw, &index), 0);
	assert_int_equal(index, last);
	rw = rewrite(n - 1); /* whose entry that was */
	assert_int_equal(dp_rewrite_get(t.dp, &rw, &index), -ENOSPC);
}

/* The next process finds the same content at the same index; what neither a flow nor a set names goes. */
static void test_rewrites_are_adopted(void **state)
{
	struct skep_rewrite of_flow = rewrite(1), of_set = rewrite(2), of_none = rewrite(3), got;
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .out = 1 },
			 to_set = { .action = SKEP_ACT_SET };
	struct dp_flow_key key = { .k4 = { .in_key = KEY1, .proto = 6 } },
			   key2 = { .k4 = { .in_key = KEY1, .proto = 17 } };
	struct skep_out out = { .action = SKEP_ACT_LOCAL, .out = 1 };
	uint32_t index[3], again, set = 0;
	bool found = false;

	NEED_ROOT();
	assert_int_equal(dp_rewrite_get(t.dp, &of_flow, &index[0]), 0);
	assert_int_equal(dp_rewrite_get(t.dp, &of_set, &index[1]), 0);
	assert_int_equal(dp_rewrite_get(t.dp, &of_none, &index[2]), 0);
	flow.rewrite = index[0];
	out.rewrite = index[1];
	assert_int_equal(dp_set_put(t.dp, &out, 1, &set), 0);
	to_set.out = set;
	dp_flow_put(t.dp, &key, &flow);
	dp_flow_put(t.dp, &key2, &to_set);
	reopen();
	assert_true(dp_rewrite_adopt(t.dp, index[0], &got));
	assert_memory_equal(&got, &of_flow, sizeof(got));
	dp_rewrite_put(t.dp, index[0]);
	assert_false(dp_rewrite_adopt(t.dp, 0, &got));
	assert_false(dp_rewrite_adopt(t.dp, SKEP_REWRITES_MAX, &got));
	assert_false(dp_rewrite_adopt(t.dp, SKEP_REWRITES_MAX - 1, &got));
	assert_int_equal(dp_rewrite_get(t.dp, &of_set, &again), 0);
	assert_int_equal(again, index[1]);
	reopen();
	dp_sweep(t.dp);
	/* of_none lingers, then its place is the first to be used again */
	assert_true(WAIT(({
		struct skep_rewrite fresh_one = rewrite(1000 + (uint32_t)t.batches++);

		assert_int_equal(dp_rewrite_get(t.dp, &fresh_one, &again), 0);
		assert_int_not_equal(again, index[0]);
		assert_int_not_equal(again, index[1]);
		found = found || again == index[2];
	})));
}

static void test_policers_are_adopted(void **state)
{
	uint32_t used = 0, unused = 0, again = 0;

	NEED_ROOT();
	assert_int_equal(dp_policer_set(t.dp, 1000000, 10000, &used), 0);
	assert_int_equal(dp_policer_set(t.dp, 1000000, 10000, &unused), 0);
	assert_int_not_equal(used, unused);
	assert_int_equal(dp_port_police(t.dp, KEY2, 0, used), 0);
	reopen();
	assert_int_equal(dp_policer_set(t.dp, 5, 5, &again), 0); /* none of the two */
	assert_true(again != used && again != unused);
	dp_sweep(t.dp);
	again = 0;
	assert_int_equal(dp_policer_set(t.dp, 5, 5, &again), 0);
	assert_int_equal(again, unused);
	again = SKEP_POLICERS_MAX;
	assert_int_equal(dp_policer_set(t.dp, 5, 5, &again), -EINVAL);
	assert_int_equal(dp_policer_set(t.dp, 2000000, 10000, &used), 0); /* still there */
	assert_int_equal(dp_policer_drops(t.dp, 0), 0);
}

/* --- connections --- */

static struct {
	uint32_t n, del_from;
	uint64_t sum;
} walked;

static void on_conn(void *arg, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	walked.n++;
	walked.sum += conn->last_seen;
	assert_int_equal(ntohs(key->sport), conn->last_seen & 0xffff);
	if (ntohs(key->sport) >= walked.del_from)
		dp_conn_del(t.dp, key);
}

static void test_connections(void **state)
{
	NEED_ROOT();
	for (uint32_t i = 0; i < 5000; i++) {
		struct skep_conn_key key = { .port = KEY1, .proto = 6, .sport = htons((uint16_t)i) };
		struct skep_conn conn = { .last_seen = i };

		assert_int_equal(dp_conn_put(t.dp, &key, &conn, NULL), 0);
		conn.last_seen += 65536;
		assert_int_equal(dp_conn_put(t.dp, &key, &conn, NULL), 0); /* replaced */
	}
	reopen();
	walked.n = walked.sum = 0;
	walked.del_from = 100;
	assert_int_equal(dp_conns_walk(t.dp, on_conn, NULL), 0);
	assert_int_equal(walked.n, 5000);
	assert_int_equal(walked.sum, 5000ULL * 65536 + 4999 * 2500);
	walked.n = 0;
	assert_int_equal(dp_conns_walk(t.dp, on_conn, NULL), 0);
	assert_int_equal(walked.n, 100);
}

/* --- messages --- */

#define REMOTE "192.0.2.2"

static struct {
	int n;
	uint32_t len;
	uint8_t data[2048];
} message;

static void on_control(void *arg, const uint8_t *data, uint32_t len)
{
	message.n++;
	message.len = len;
	assert_true(len <= sizeof(message.data));
	memcpy(message.data, data, len);
}

/* The next tunnel packet at the other end of the underlay. */
static uint32_t tunnelled(int fd, uint8_t *buf, size_t size)
{
	uint64_t end = clock_mono_ns() + DEADLINE_NS;

	while (clock_mono_ns() < end) {
		struct virtio_net_hdr vnet;
		struct iovec iov[] = { { &vnet, sizeof(vnet) }, { buf, size } };
		ssize_t n = readv(fd, iov, 2) - (ssize_t)sizeof(vnet);

		if (n > 64 && buf[23] == IPPROTO_UDP && buf[36] == 4789 >> 8)
			return (uint32_t)n;
		loop_once(t.loop, 2);
	}
	return 0;
}

/* As if the other host had sent it to us. */
static void turn_round(uint8_t *buf)
{
	uint8_t mac[6], ip[4];

	memcpy(mac, buf, 6);
	memcpy(buf, buf + 6, 6);
	memcpy(buf + 6, mac, 6);
	memcpy(ip, buf + 26, 4);
	memcpy(buf + 26, buf + 30, 4);
	memcpy(buf + 30, ip, 4);
}

static void test_messages(void **state)
{
	static const struct dp_ops with_control = {
		.upcall = on_upcall, .event = on_event, .control = on_control
	};
	struct skep_ip remote = ip_from_v4(inet_addr(REMOTE));
	uint8_t text[DP_CONTROL_MAX + 1], buf[2048];
	uint64_t drops[2][SKEP_DROP_MAX];
	struct err err = { 0 };
	uint32_t peer = 0, len;
	int under;

	NEED_ROOT();
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	dp_close(t.dp);
	t.dp = dp_open(t.loop, &t.config, &with_control, NULL, &err);
	assert_non_null(t.dp);
	under = packet_socket("u1");
	assert_int_equal(sh("ip neigh replace " REMOTE " lladdr 02:09:00:00:00:02 dev u0 nud permanent"), 0);
	assert_int_equal(dp_peer_add(t.dp, &remote, &peer, &err), 0);
	assert_int_equal(dp_send_control(t.dp, peer, text, sizeof(text)), -EMSGSIZE);
	for (uint32_t size = 0; size <= DP_CONTROL_MAX; size += DP_CONTROL_MAX / 2) {
		drain(under);
		assert_int_equal(dp_send_control(t.dp, peer, text, size), 0);
		len = tunnelled(under, buf, sizeof(buf));
		assert_int_equal(len, 50 + 14 + 20 + size);
		assert_memory_equal(buf + 42, "\x08\0\0\0\0\0\x01\0", 8); /* SKEP_KEY_CONTROL */
		turn_round(buf);
		message.n = 0;
		send_from(under, buf, len, NULL);
		assert_true(WAIT(message.n == 1));
		assert_int_equal(message.len, size);
		assert_memory_equal(message.data, text, size);
	}
	/* of a stranger, or of no use */
	dp_drops(t.dp, drops[0]);
	message.n = 0;
	buf[29] ^= 1;
	send_from(under, buf, len, NULL);
	buf[29] ^= 1;
	buf[50 + 14 + 9] = 17; /* inner protocol */
	send_from(under, buf, len, NULL);
	assert_true(WAIT(({
		dp_drops(t.dp, drops[1]);
		drops[1][SKEP_DROP_BAD_HEADER] == drops[0][SKEP_DROP_BAD_HEADER] + 1;
	})));
	assert_int_equal(drops[1][SKEP_DROP_UNKNOWN_PEER], drops[0][SKEP_DROP_UNKNOWN_PEER] + 1);
	assert_int_equal(message.n, 0);
	assert_int_equal(t.upcalls, 0);
	close(under);
}

/* The outer destination MAC of a message to 'peer': who is the next hop? */
static int hop(int under, uint32_t peer)
{
	uint8_t buf[2048];

	drain(under);
	if (dp_send_control(t.dp, peer, "x", 1) || !tunnelled(under, buf, sizeof(buf)))
		return -1;
	return buf[5];
}

static uint8_t peer_flags(uint32_t peer)
{
	struct skep_peer value = { 0 };
	char path[128];
	int map;

	snprintf(path, sizeof(path), "%s/skep/%s/abi%d/maps/skep_peers", t.bpffs, t.config.instance, SKEP_ABI);
	map = bpf_obj_get(path);
	assert_true(map >= 0);
	assert_int_equal(bpf_map_lookup_elem(map, &peer, &value), 0);
	close(map);
	return value.flags;
}

/* A host of the same network needs no route; this is noticed, and that it no longer is. */
static void test_next_hop(void **state)
{
	struct skep_ip remote = ip_from_v4(inet_addr(REMOTE));
	struct err err = { 0 };
	uint32_t peer = 0;
	int under;

	NEED_ROOT();
	under = packet_socket("u1");
	assert_int_equal(sh("ip neigh replace " REMOTE " lladdr 02:09:00:00:00:02 dev u0 nud permanent"), 0);
	assert_int_equal(sh("ip neigh replace 192.0.2.254 lladdr 02:09:00:00:00:fe dev u0 nud permanent"), 0);
	assert_int_equal(dp_peer_add(t.dp, &remote, &peer, &err), 0);
	assert_int_equal(peer_flags(peer), SKEP_PEER_ON_LINK);
	assert_int_equal(hop(under, peer), 0x02);
	assert_int_equal(sh("ip route add " REMOTE "/32 via 192.0.2.254 dev u0"), 0);
	assert_true(WAIT(peer_flags(peer) == 0));
	assert_int_equal(hop(under, peer), 0xfe);
	assert_int_equal(sh("ip route del " REMOTE "/32 via 192.0.2.254 dev u0"), 0);
	assert_true(WAIT(peer_flags(peer) == SKEP_PEER_ON_LINK));
	assert_int_equal(hop(under, peer), 0x02);
	close(under);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rewrites_are_shared),	    TEST(test_rewrites_run_out_and_come_back),
		TEST(test_rewrites_are_adopted),    TEST(test_policers_are_adopted),
		TEST(test_connections),		    TEST(test_messages),
		TEST(test_next_hop),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
