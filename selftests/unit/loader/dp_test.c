// SPDX-License-Identifier: Apache-2.0
/* The datapath layer: packets up and down, flows, sets, counters, bad input. */
#include "loader/tap.h"

#include "selftests/unit/loader/dp_rig.h"

#define SUPER_PAYLOAD 42000
#define MSS	      1400

/* A TCP super-packet with partial checksum, as a machine's stack hands it to its virtual NIC. */
static uint32_t tcp_super(uint8_t *buf, struct virtio_net_hdr *vnet)
{
	uint32_t at = put_ipv4(buf, 0, IPPROTO_TCP, 20 + SUPER_PAYLOAD);
	uint8_t *tcp = buf + at;

	memset(tcp, 0, 20);
	put16(tcp, 4000);
	put16(tcp + 2, 80);
	tcp[7] = 1;
	tcp[12] = 5 << 4;
	tcp[13] = 0x10;
	put16(tcp + 14, 65535);
	/* pseudo header, not complemented */
	put16(tcp + 16, sum16(buf + at - 8, 8, IPPROTO_TCP + 20 + SUPER_PAYLOAD));
	for (int i = 0; i < SUPER_PAYLOAD; i++)
		tcp[20 + i] = (uint8_t)(i * 7 + i / 256);
	*vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(at + 20),
		.gso_size = MSS,
		.csum_start = (uint16_t)at,
		.csum_offset = 16,
	};
	return at + 20 + SUPER_PAYLOAD;
}

/* The path's wire format, without a kernel. */
static void test_wire_format(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf vnet = {
		.hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .hdr_len = 90, .csum_start = 52 }
	};
	uint8_t buf[256] = { 0x5a, 0x53, 0, 0, 1, 2, 0, SKEP_UP_TTL }, inner[128], vnet_out[12];
	enum skep_upcall_why why;
	struct skep_upcall head;
	struct dp_frame frame;
	uint32_t key, len = udp_frame(inner, 0, 1);

	/* up, with a tag between our header's pad and its type */
	put16(put16(buf + 12, ETH_P_8021Q), 100);
	put16(buf + 16, ETH_P_IP);
	memcpy(buf + 18, inner, 40);
	memcpy(frame.vnet, &vnet, sizeof(vnet));
	assert_int_equal(tap_decode(buf, 18 + 40, &key, &why, &frame), 1);
	assert_int_equal(key, 0x102);
	assert_int_equal(why, SKEP_UP_TTL);
	assert_int_equal(frame.len, 44);
	udp_frame(inner, 100, 1);
	assert_memory_equal(frame.data, inner, 44);
	memcpy(&vnet, frame.vnet, sizeof(vnet));
	assert_int_equal(vnet.hdr.csum_start, 38);
	assert_int_equal(vnet.hdr.hdr_len, 76);

	/* and down again */
	tap_encode(0x102, 3, &frame, &head, vnet_out);
	assert_int_equal(ntohs(head.magic), SKEP_UPCALL_MAGIC);
	assert_int_equal(ntohl(head.key), 0x102);
	assert_int_equal(ntohs(head.slot), 3);
	assert_int_equal(ntohs(head.eth_type), ETH_P_IP);
	memcpy(&vnet, vnet_out, sizeof(vnet));
	assert_int_equal(vnet.hdr.csum_start, 52);
	assert_int_equal(vnet.hdr.hdr_len, 44 + 14); /* no more than there is */
	put16(frame.data + 16, ETH_P_IPV6);
	tap_encode(0x102, 3, &frame, &head, vnet_out);
	assert_int_equal(ntohs(head.eth_type), ETH_P_IPV6);

	/* not ours */
	for (len = 0; len < 28; len++)
		assert_int_equal(tap_decode(buf, len, &key, &why, &frame), 0);
	buf[0] = 0x5b;
	assert_int_equal(tap_decode(buf, 80, &key, &why, &frame), 0);
}

static void test_miss_comes_up(void **state)
{
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	assert_false(dp_adopted(t.dp));
	len = udp_frame(frame, 0, 1111);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
	assert_int_equal(t.key, KEY1);
	assert_int_equal(t.why, SKEP_UP_MISS);
	assert_int_equal(t.frame.len, len);
	assert_memory_equal(t.data, frame, len);
	assert_int_equal(t.batches, 1);
}

static void send_many(int sock, unsigned int n)
{
	uint8_t frame[256];

	for (unsigned int i = 0; i < n; i++)
		send_from(sock, frame, udp_frame(frame, 0, (uint16_t)(2000 + i)), NULL);
}

static uint64_t queue_drops(void)
{
	uint64_t drops[SKEP_DROP_MAX];

	dp_drops(t.dp, drops);
	return drops[SKEP_DROP_UPCALL_QUEUE];
}

/* A port that floods has its share of the queue, leaves the rest to others, and has it again when the frames have been read, or are lost. */
static void test_queue_is_shared(void **state)
{
	const int share = SKEP_UPCALL_PORTS / 3 + 1, flood = 2 * share;
	uint64_t upcalls, dropped, lost;

	NEED_ROOT();
	for (int round = 1; round <= 3; round++) {
		lost = queue_drops();
		t.upcalls = 0;
		send_many(t.sock1, (unsigned int)flood);
		send_many(t.sock2, 10); /* nobody has read anything yet */
		assert_true(WAIT(t.upcalls == share + 10));
		assert_false(loop_once(t.loop, 20) < 0);
		assert_int_equal(t.upcalls, share + 10);
		assert_int_equal(queue_drops() - lost, flood - share);
		assert_true(dp_port_upcalls(t.dp, KEY1, &upcalls, &dropped));
		assert_int_equal(upcalls, share * round);
		assert_int_equal(dropped, (flood - share) * round);
		assert_true(dp_port_upcalls(t.dp, KEY2, &upcalls, &dropped));
		assert_int_equal(upcalls, 10 * round);
		assert_int_equal(dropped, 0);
	}
	send_many(t.sock1, (unsigned int)flood); /* what skepd does not live to read */
	dp_close(t.dp);
	must_open();
	t.upcalls = 0;
	send_many(t.sock1, (unsigned int)flood);
	assert_true(WAIT(t.upcalls == share));
}

static void test_vlan_tag_comes_up_in_band(void **state)
{
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0x2064,
			1111); /* the kernel takes it out of the frame before our program */
	send_from(t.sock2, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
	assert_int_equal(t.key, KEY2);
	assert_int_equal(t.frame.len, len);
	assert_memory_equal(t.data, frame, len);
}

static void test_inject_delivers(void **state)
{
	struct skep_flow verdict;
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len;

	NEED_ROOT();
	verdict = to_port(KEY2);
	t.answer = &verdict;
	len = udp_frame(frame, 0, 2222);
	send_from(t.sock1, frame, len, NULL);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
	assert_memory_equal(got, frame, len);
	assert_int_equal(t.upcalls, 1);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 50), 0); /* once */
}

static void test_flow_forwards_without_upcall(void **state)
{
	struct dp_flow_key key;
	struct skep_flow flow, seen;
	struct virtio_net_hdr vnet;
	uint8_t frame[256], got[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0, 3333);
	key = key_of(frame, len, KEY1);
	flow = to_port(KEY2);
	dp_flow_put(t.dp, &key, &flow);
	assert_true(dp_flow_get(t.dp, &key, &seen)); /* queued ones are seen */
	assert_int_equal(dp_flows_flush(t.dp), 0);
	for (int i = 0; i < 3; i++) {
		send_from(t.sock1, frame, len, NULL);
		assert_int_equal(recv_at(t.sock2, got, sizeof(got), &vnet, 3000), len);
		assert_memory_equal(got, frame, len);
	}
	assert_int_equal(t.upcalls, 0);
	assert_true(dp_flow_get(t.dp, &key, &seen));
	assert_int_equal(seen.packets, 3);
	assert_int_equal(seen.bytes, 3 * len);
	memset(&seen, 0, sizeof(seen));
	assert_true(dp_flow_take(t.dp, &key, &seen));
	assert_int_equal(seen.packets, 3);
	assert_int_equal(seen.bytes, 3 * len);
	assert_false(dp_flow_take(t.dp, &key, &seen));
	dp_flow_put(t.dp, &key, &flow); /* never written: neither it is taken, nor does it stay */
	assert_false(dp_flow_take(t.dp, &key, &seen));
	assert_int_equal(dp_flows_flush(t.dp), 0);
	assert_false(dp_flow_get(t.dp, &key, &seen));
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.upcalls == 1));
}

static void test_super_packet_survives(void **state)
{
	static uint8_t frame[PKT_MAX], got[PKT_MAX];
	struct virtio_net_hdr vnet, out;
	struct skep_flow verdict;
	uint32_t len;

	NEED_ROOT();
	verdict = to_port(KEY2);
	t.answer = &verdict;
	len = tcp_super(frame, &vnet);
	send_from(t.sock1, frame, len, &vnet);
	assert_int_equal(recv_at(t.sock2, got, sizeof(got), &out, 3000), len);
	assert_memory_equal(got, frame, len);
	assert_int_equal(out.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(out.gso_size, MSS);
	assert_int_equal(out.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(out.csum_start, vnet.csum_start);
	assert_int_equal(t.upcalls, 1);
	assert_int_equal(t.frame.len, len);
}

static void test_drop_makes_event_and_count(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_DROP,
				  .out = SKEP_DROP_POLICY,
				  .cookie = 4711 };
	uint64_t before[SKEP_DROP_MAX], after[SKEP_DROP_MAX];
	struct dp_flow_key key;
	uint8_t frame[256];
	uint32_t len;

	NEED_ROOT();
	len = udp_frame(frame, 0, 4444);
	key = key_of(frame, len, KEY1);
	dp_flow_put(t.dp, &key, &flow);
	assert_int_equal(dp_flows_flush(t.dp), 0);
	dp_drops(t.dp, before);
	send_from(t.sock1, frame, len, NULL);
	assert_true(WAIT(t.events == 1));
	assert_int_equal(t.event.type, SKEP_EV_DROP);
	assert_int_equal(t.event.reason, SKEP_DROP_POLICY);
	assert_int_equal(t.event.cookie, 4711);
	assert_int_equal(t.event.key, KEY1);
	assert_int_equal(t.event.len, len);
	assert_memory_equal(t.event.head, frame, t.event.head_len);
	dp_drops(t.dp, after);
	assert_int_equal(after[SKEP_DROP_POLICY], before[SKEP_DROP_POLICY] + 1);
	dp_count_drop(t.dp, SKEP_DROP_OVERLOAD);
	dp_drops(t.dp, after);
	assert_int_equal(after[SKEP_DROP_OVERLOAD], before[SKEP_DROP_OVERLOAD] + 1);
}

struct walked {
	uint32_t n4, n6;
	bool del;
};

static void on_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct walked *w = arg;

	if (key->v6)
		w->n6++;
	else
		w->n4++;
	if (w->del)
		dp_flow_del(t.dp, key);
}

static void test_flow_walk_and_clock(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY };
	struct walked w = { 0 };
	uint64_t j0, j1, ns0, ticks;
	json_t *status;

	NEED_ROOT();
	for (uint32_t i = 0; i < 1000; i++) {
		struct dp_flow_key key = { .v6 = i % 4 == 0 };

		if (key.v6)
			key.k6 = (struct skep_flow_key6){ .in_key = KEY1,
							  .sport = (__be16)i,
							  .proto = 6 };
		else
			key.k4 = (struct skep_flow_key4){ .in_key = KEY1,
							  .sport = (__be16)i,
							  .proto = 6 };
		dp_flow_put(t.dp, &key, &flow);
		dp_flow_put(t.dp, &key, &flow); /* twice: one entry */
	}
	assert_int_equal(dp_flows_flush(t.dp), 0);
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4, 750);
	assert_int_equal(w.n6, 250);
	w = (struct walked){ .del = true };
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4 + w.n6, 1000);
	w = (struct walked){ 0 };
	assert_int_equal(dp_flows_walk(t.dp, on_flow, &w), 0);
	assert_int_equal(w.n4 + w.n6, 0);

	assert_true(dp_hz(t.dp) >= 100 && dp_hz(t.dp) <= 1000);
	j0 = dp_jiffies(t.dp);
	ns0 = clock_mono_ns();
	assert_true(WAIT(clock_mono_ns() - ns0 > 1200 * NSEC_PER_MSEC)); /* past a new sample */
	j1 = dp_jiffies(t.dp);
	ticks = (clock_mono_ns() - ns0) * dp_hz(t.dp) / NSEC_PER_SEC;
	assert_in_range(j1 - j0, ticks - 3, ticks + 3);

	status = dp_status(t.dp); /* meanwhile the kernel had nothing to say on our tap */
	assert_int_equal(json_integer_value(json_object_get(status, "foreign_frames")), 0);
	json_decref(status);
}

static void test_sets_keep_their_head(void **state)
{
	struct skep_out outs[SKEP_SET_OUTS * SKEP_SET_CHAIN + 1];
	uint32_t set = 0, head, other = 0;

	NEED_ROOT();
	memset(outs, 0, sizeof(outs));
	assert_int_equal(dp_set_put(t.dp, outs, 100, &set), 0);
	head = set;
	assert_int_equal(dp_set_put(t.dp, outs, 1, &set), 0);
	assert_int_equal(set, head);
	assert_int_equal(dp_set_put(t.dp, outs, SKEP_SET_OUTS * SKEP_SET_CHAIN, &set), 0);
	assert_int_equal(set, head);
	assert_int_equal(dp_set_put(t.dp, outs, SKEP_SET_OUTS * SKEP_SET_CHAIN + 1, &other),
			 -ENOSPC);
	assert_int_equal(other, 0);
	/* every set can be used once, and again after it was freed */
	for (int round = 0; round < 2; round++) {
		uint32_t n = 0, heads[SKEP_SETS_MAX];

		dp_set_free(t.dp, set);
		set = 0;
		for (other = 0; dp_set_put(t.dp, outs, 1, &other) == 0; other = 0)
			heads[n++] = other;
		assert_int_equal(n, SKEP_SETS_MAX - 1);
		while (n > 0)
			dp_set_free(t.dp, heads[--n]);
	}
}

static void test_bad_configuration(void **state)
{
	static const struct {
		const char *name, *instance, *underlay, *prefix, *want;
	} cases[] = {
		{ "no such underlay", "dp-bad", "nope0", "skb-",
		  "underlay interface 'nope0' does not exist" },
		{ "instance with a slash", "a/b", "u0", "skb-", "instance 'a/b'" },
		{ "no instance", "", "u0", "skb-", "instance ''" },
		{ "long prefix", "dp-bad", "u0", "123456789", "device prefix '123456789'" },
		{ "no underlay", "dp-bad", "", "skb-", "underlay ''" },
		{ "taken UDP port", "dp-bad", "u0", "skb-", "UDP port" },
	};

	NEED_ROOT();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dp_config config = t.config;
		struct err err = { 0 };

		config.instance = cases[i].instance;
		config.underlay = cases[i].underlay;
		config.device_prefix = cases[i].prefix;
		if (!strstr(cases[i].want, "UDP port"))
			config.tunnel_port = 4790;
		if (dp_open(t.loop, &config, &ops, NULL, &err))
			fail_msg("%s: opened", cases[i].name);
		if (!strstr(err.text, cases[i].want))
			fail_msg("%s: want \"%s\", got \"%s\"", cases[i].name, cases[i].want,
				 err.text);
		assert_int_equal(if_nametoindex("skb-up"), 0); /* nothing half-made */
		assert_int_equal(if_nametoindex("skb-vx"), 0);
	}
	assert_int_equal(sh("test -e %s/skep/dp-bad", t.bpffs), 1);
}

static void test_bad_ports_and_peers(void **state)
{
	struct skep_ip own = t.config.local, v6 = { { 1, 2, 3, 4 } };
	struct err err = { 0 };
	uint32_t index;

	NEED_ROOT();
	assert_int_equal(dp_port_attach(t.dp, 0x103, "nope0", &err), -ENODEV);
	assert_non_null(strstr(err.text, "'nope0'"));
	assert_int_equal(dp_port_attach(t.dp, 0x103, "u0", &err), -EINVAL);
	assert_int_equal(dp_port_attach(t.dp, 0x103, "p1", &err), -EBUSY);
	assert_int_equal(dp_port_attach(t.dp, 5, "p1", &err), -EINVAL);
	assert_int_equal(dp_peer_add(t.dp, &own, &index, &err), -EINVAL);
	assert_int_equal(dp_peer_add(t.dp, &v6, &index, &err), -EINVAL);
	dp_port_detach(t.dp, 0x999); /* not there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_format),	 TEST(test_miss_comes_up),
		TEST(test_vlan_tag_comes_up_in_band),	 TEST(test_inject_delivers),
		TEST(test_queue_is_shared), TEST(test_flow_forwards_without_upcall), TEST(test_super_packet_survives),
		TEST(test_drop_makes_event_and_count),	 TEST(test_flow_walk_and_clock),
		TEST(test_sets_keep_their_head),	 TEST(test_bad_configuration),
		TEST(test_bad_ports_and_peers),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
