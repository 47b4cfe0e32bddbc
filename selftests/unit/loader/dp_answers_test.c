// SPDX-License-Identifier: Apache-2.0
/* Answers while skepd is away, over real interfaces: what machines get, whatever state the question's checksum is in; and the next process. */
#include "loader/dp_private.h"
#include "selftests/unit/loader/dp_rig.h"

static struct skep_answer_key asked(const char *src, const char *target, __be16 vlan)
{
	struct skep_answer_key k = { .in_key = KEY1, .eth_src = mac1, .vlan = vlan };

	assert_true(ip_parse(src, &k.src) && ip_parse(target, &k.target));
	return k;
}

static void put(const struct skep_answer_key *k, uint8_t flags)
{
	const struct dp_flow_key q = dp_question(k);

	assert_int_equal(dp_answer_put(t.dp, &q, &(struct skep_answer){ .mac = mac2, .flags = flags }), 0);
}

/* The next frame at machine 1 from 'from', which is at no machine; 0 = none. */
static uint32_t receive(uint8_t *buf, size_t size, struct virtio_net_hdr *vnet)
{
	uint64_t end = clock_mono_ns() + DEADLINE_NS;
	struct iovec iov[] = { { vnet, sizeof(*vnet) }, { buf, size } };
	struct pollfd p = { .fd = t.sock1, .events = POLLIN };

	while (clock_mono_ns() < end && poll(&p, 1, 100) >= 0) { /* not the loop: it says that skepd lives */
		ssize_t n = readv(t.sock1, iov, 2);

		if (n > (ssize_t)sizeof(*vnet) && !memcmp(buf, &mac1, 6) && !memcmp(buf + 6, &mac2, 6))
			return (uint32_t)(n - (ssize_t)sizeof(*vnet));
	}
	return 0;
}

static void leave(void)
{
	t.dp->kconfig->agent_seen_ns = 0;
	drain(t.sock1);
}

static void expect(const uint8_t *want, uint32_t len, bool partial)
{
	struct virtio_net_hdr vnet;
	uint8_t got[2048];
	uint16_t sum;
	uint32_t n = receive(got, sizeof(got), &vnet);

	assert_int_equal(n, len);
	assert_int_equal(!!(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM), partial);
	if (partial) { /* left to the machine: what it would find */
		assert_int_equal(vnet.csum_start, 14 + 40);
		assert_int_equal(vnet.csum_offset, 2);
		sum = pkt_csum(got + vnet.csum_start, n - vnet.csum_start, 0);
		memcpy(got + vnet.csum_start + vnet.csum_offset, &sum, sizeof(sum));
	}
	assert_memory_equal(got, want, len);
}

static void test_arp(void **state)
{
	struct skep_answer_key k;
	uint8_t q[64] = { 0 }, want[64];
	uint32_t len;

	NEED_ROOT();
	k = asked("10.0.0.1", "10.0.0.2", 0);
	put(&k, 0);
	leave();
	(void)pkt_build_arp(q, sizeof(q), 1, NULL, &mac1, &k.src, NULL, &k.target);
	len = pkt_build_arp(want, sizeof(want), 2, &mac1, &mac2, &k.target, &mac1, &k.src);
	send_from(t.sock1, q, 60, NULL);
	expect(want, len, false);
	assert_int_equal(t.upcalls, 0);
}

/* Complete, and left to the card: it holds the sum of the pseudo header then. */
static void test_nd_checksums(void **state)
{
	struct virtio_net_hdr partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14 + 40, .csum_offset = 2 };
	static const uint8_t rest[8] = { 0, 0, 0, 32, 0, 0, 0, IPPROTO_ICMPV6 };
	uint8_t q[128], want[128];
	struct skep_answer_key k;
	uint32_t len, n;
	uint16_t sum;

	NEED_ROOT();
	k = asked("fd00::1", "fd00::2", 0);
	put(&k, 0x60);
	leave();
	n = pkt_build_ns(q, sizeof(q), &mac1, &k.src, &k.target);
	len = pkt_build_na(want, sizeof(want), &mac1, &mac2, &k.target, &k.src, &k.target, 0x60);
	send_from(t.sock1, q, n, NULL);
	expect(want, len, false);
	sum = (uint16_t)~pkt_csum(q, 0, pkt_csum_add(rest, sizeof(rest), pkt_csum_add(q + 14 + 8, 32, 0)));
	memcpy(q + 14 + 40 + 2, &sum, sizeof(sum));
	send_from(t.sock1, q, n, &partial);
	expect(want, len, true);
	n -= 8; /* shorter than its answer */
	q[14 + 5] = 24;
	send_from(t.sock1, q, n, &partial);
	expect(want, len, true);
}

/* The kernel holds the tag beside the frame. */
static void test_tagged(void **state)
{
	static const uint8_t tag[4] = { 0x81, 0, 0, 9 };
	struct virtio_net_hdr vnet;
	uint8_t q[64], got[128];
	struct skep_answer_key k;

	NEED_ROOT();
	k = asked("10.0.0.1", "10.0.0.2", htons(9 | PKT_VLAN_PRESENT));
	put(&k, 0);
	leave();
	(void)pkt_build_arp(q, sizeof(q), 1, NULL, &mac1, &k.src, NULL, &k.target);
	memmove(q + 16, q + 12, 30);
	memcpy(q + 12, tag, sizeof(tag));
	send_from(t.sock1, q, 46, NULL);
	/* a packet socket is shown the frame without its tag */
	assert_true(receive(got, sizeof(got), &vnet) >= 42);
}

struct seen {
	uint32_t n;
	struct dp_flow_key q;
	struct skep_answer a;
};

static void on_answer(void *arg, const struct dp_flow_key *q, const struct skep_answer *a)
{
	struct seen *s = arg;

	s->n++;
	s->q = *q;
	s->a = *a;
}

static struct seen look(void)
{
	struct dp_cursor c = { 0 };
	struct seen s = { 0 };
	int rc;

	while (!(rc = dp_answers_step(t.dp, &c, on_answer, &s)))
		;
	assert_int_equal(rc, 1);
	return s;
}

/* The next process finds them as they were, and can take them away. */
static void test_next_process(void **state)
{
	static const char *const addrs[][2] = { { "10.0.0.1", "10.0.0.2" }, { "fd00::1", "fd00::2" } };
	struct skep_answer a;
	struct seen s;

	NEED_ROOT();
	for (unsigned int i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct skep_answer_key k = asked(addrs[i][0], addrs[i][1], htons(5 | PKT_VLAN_PRESENT)), back;
		struct dp_flow_key q = dp_question(&k);

		put(&k, 0xe0);
		back = dp_asked(&q);
		assert_memory_equal(&back, &k, sizeof(k));
		dp_close(t.dp);
		must_open();
		s = look();
		assert_int_equal(s.n, 1);
		assert_true(dp_flow_key_eq(&s.q, &q));
		assert_memory_equal(&s.a.mac, &mac2, sizeof(mac2));
		assert_int_equal(s.a.flags, 0xe0);
		assert_true(dp_answer_get(t.dp, &q, &a));
		dp_answer_del(t.dp, &q);
		assert_false(dp_answer_get(t.dp, &q, &a));
		s = look();
		assert_int_equal(s.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_arp), TEST(test_nd_checksums), TEST(test_tagged), TEST(test_next_process) };

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
