// SPDX-License-Identifier: Apache-2.0
/* Frames that the network itself sends: packet/build.c and packet/icmp.c. */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>

#define R "02:aa:00:00:00:01"

static struct skep_mac mac(const char *text)
{
	struct skep_mac m;

	assert_true(mac_parse(text, &m));
	return m;
}

static struct skep_ip ip(const char *text)
{
	struct skep_ip i;

	assert_true(ip_parse(text, &i));
	return i;
}

static void arp(void **state)
{
	static const uint8_t want[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  1, 8, 6, /* Ethernet */
		0,    1,    8,	  0,	6,    4,    0, 1, 2, 0, 0,  0, 0, 1,
		10,   0,    0,	  1,	0,    0,    0, 0, 0, 0, 10, 0, 0, 2,
	};
	struct skep_mac a = mac(A), b = mac(B), none = { 0 };
	struct skep_ip spa = ip("10.0.0.1"), tpa = ip("10.0.0.2");
	uint8_t buf[42];

	assert_int_equal(pkt_build_arp(buf, 42, 1, &none, &a, &spa, &none, &tpa), 42);
	assert_memory_equal(buf, want, 42);
	memset(buf, 0xee, 42);
	assert_int_equal(pkt_build_arp(buf, 42, 1, NULL, &a, &spa, NULL, &tpa), 42);
	assert_memory_equal(buf, want, 42);
	assert_int_equal(pkt_build_arp(buf, 42, 2, &b, &a, &spa, &b, &tpa), 42);
	assert_frame("reply", buf, 42, ETH " / arp reply 10.0.0.1>10.0.0.2");
	assert_int_equal(pkt_build_arp(buf, 41, 2, &b, &a, &spa, &b, &tpa), 0);
}

static void neighbours(void **state)
{
	struct skep_mac a = mac(A), b = mac(B);
	struct skep_ip src = ip("fd00::1"), any = ip("::"), target = ip("fd00::12:3456"),
		       dst = ip("fd00::2");
	uint8_t buf[86];

	assert_int_equal(pkt_build_ns(buf, 86, &a, &src, &target), 86);
	assert_frame(
		"ns", buf, 86,
		"eth " A
		">33:33:ff:12:34:56 / ip fd00::1>ff02::1:ff12:3456 ttl 255 / ns fd00::12:3456");
	assert_int_equal(pkt_build_ns(buf, 86, &a, &any, &target), 78);
	assert_frame("ns from ::", buf, 78,
		     "eth " A
		     ">33:33:ff:12:34:56 / ip ::>ff02::1:ff12:3456 ttl 255 / ns fd00::12:3456");
	assert_int_equal(pkt_build_na(buf, 86, &b, &a, &target, &dst, &target, 0x60), 86);
	assert_frame("na", buf, 86,
		     ETH " / ip fd00::12:3456>fd00::2 ttl 255 / na fd00::12:3456 flags SO");
	assert_int_equal(pkt_build_ns(buf, 85, &a, &src, &target), 0);
	assert_int_equal(pkt_build_na(buf, 85, &b, &a, &target, &dst, &target, 0x60), 0);
}

/* Answers of one kind: what comes in, what goes out; want NULL = nothing. */
struct exchange {
	const char *in, *want;
};

static void check_exchanges(const struct exchange *t, size_t n,
			    uint32_t (*build)(uint8_t *, uint32_t, const struct pkt *))
{
	static uint8_t big[PKT_MAX];

	for (size_t i = 0; i < n; i++) {
		struct frame f _frame_ = frame_new(t[i].in);
		uint32_t len = build(big, sizeof(big), &f.pkt);

		if (!t[i].want) {
			if (len)
				fail_msg("%s: answered", t[i].in);
			continue;
		}
		if (!len)
			fail_msg("%s: no answer", t[i].in);
		assert_frame(t[i].in, big, len, t[i].want);
		/* exactly as much room, and one byte less */
		struct frame room _frame_ = frame_bytes(big, len);
		assert_int_equal(build(room.b, len, &f.pkt), len);
		assert_int_equal(build(room.b, len - 1, &f.pkt), 0);
	}
}

#define BA "eth " B ">" A

static void echo_replies(void **state)
{
	static const struct exchange t[] = {
		{ ETH
		  " / ip 10.0.0.1>10.0.0.2 ttl 3 tos 8 df id 7 / icmp echo id 1 seq 2 / data 57",
		  BA " / ip 10.0.0.2>10.0.0.1 ttl 64 tos 8 / icmp reply id 1 seq 2 / data 57" },
		{ ETH " vlan 5 pcp 1 / ip 10.0.0.1>10.0.0.2 / icmp echo id 1 seq 2",
		  BA " vlan 5 pcp 1 / ip 10.0.0.2>10.0.0.1 ttl 64 / icmp reply id 1 seq 2" },
		{ ETH " / ip fd00::1>fd00::2 ttl 9 / icmp6 echo id 1 seq 2 / data 57",
		  BA " / ip fd00::2>fd00::1 ttl 64 / icmp6 reply id 1 seq 2 / data 57" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp reply id 1 seq 2", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 1 seq 2 / badcsum", NULL },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 1 / badcsum", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag first / icmp echo id 1", NULL },
		{ ETH " / ip 10.0.0.1>224.0.0.1 / icmp echo id 1", NULL },
		{ ETH " / ip 10.0.0.1>255.255.255.255 / icmp echo id 1", NULL },
		{ ETH " / ip 0.0.0.0>10.0.0.1 / icmp echo id 1", NULL },
		{ ETH " / ip fd00::1>ff02::1 / icmp6 echo id 1", NULL },
		{ "eth " A ">ff:ff:ff:ff:ff:ff / ip 10.0.0.1>10.0.0.2 / icmp echo id 1", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 1>7", NULL },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 8/0", NULL },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", NULL },
	};

	check_exchanges(t, ARRAY_SIZE(t), pkt_build_echo_reply);
}

static void tcp_resets(void **state)
{
	static const struct exchange t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 ttl 3 / tcp 4000>80 S seq 1000 ack 5",
		  BA " / ip 10.0.0.2>10.0.0.1 ttl 64 / tcp 80>4000 RA ack 1001" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 FP seq 4294967295 / data 10",
		  BA " / ip 10.0.0.2>10.0.0.1 ttl 64 / tcp 80>4000 RA ack 10" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 SA seq 1000 ack 77 / data 9",
		  BA " / ip 10.0.0.2>10.0.0.1 ttl 64 / tcp 80>4000 R seq 77" },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S seq 1",
		  BA " / ip fd00::2>fd00::1 ttl 64 / tcp 80>4000 RA ack 2" },
		{ ETH " vlan 9 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 A ack 3",
		  BA " vlan 9 / ip 10.0.0.2>10.0.0.1 ttl 64 / tcp 80>4000 R seq 3" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 R", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 RA", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag first / tcp 4000>80 S", NULL },
		{ ETH " / ip 10.0.0.1>224.0.0.5 / tcp 4000>80 S", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80", NULL },
	};

	check_exchanges(t, ARRAY_SIZE(t), pkt_build_tcp_reset);
}

static uint32_t unreachable(uint8_t *buf, uint32_t cap, const struct pkt *about)
{
	bool v6 = about->f.eth_type == htons(0x86dd);
	struct skep_mac m = mac(R);
	struct skep_ip src = ip(v6 ? "fd00::fe" : "10.0.0.254");

	return pkt_build_icmp_error(buf, cap, about, v6 ? 2 : 3, v6 ? 0 : 4, 1400, &m, &src);
}

#define RA "eth " R ">" A
static void errors(void **state)
{
	static const struct exchange t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 10",
		  RA " / ip 10.0.0.254>10.0.0.1 ttl 64 tos 192 / icmp 3/4 info 1400 / data 38" },
		{ ETH " vlan 3 / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 1400", RA
		  " vlan 3 / ip 10.0.0.254>10.0.0.1 ttl 64 tos 192 / icmp 3/4 info 1400 / data 548" },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 10",
		  RA " / ip fd00::fe>fd00::1 ttl 64 / icmp6 2/0 info 1400 / data 58" },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 60000",
		  RA " / ip fd00::fe>fd00::1 ttl 64 / icmp6 2/0 info 1400 / data 1232" },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", NULL },
		{ ETH " type 0x88cc / data 60", NULL },
	};

	check_exchanges(t, ARRAY_SIZE(t), unreachable);
}

static void errors_quote(void **state)
{
	struct frame f _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 10");
	struct skep_mac m = mac(R);
	struct skep_ip wrong = ip("fd00::1");
	uint8_t buf[600];
	uint32_t len;

	memcpy(f.b + f.len - 10, "0123456789", 10);
	len = unreachable(buf, sizeof(buf), &f.pkt);
	assert_int_equal(len, 14 + 20 + 8 + 38);
	assert_memory_equal(buf + 42, f.b + 14, 38);
	assert_int_equal(pkt_build_icmp_error(buf, sizeof(buf), &f.pkt, 3, 1, 0, &m, &wrong), 0);
}

static void when_errors_may_be_sent(void **state)
{
	static const struct {
		const char *line;
		bool want;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 1>2", true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag first / udp 1>2", true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 8", false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 proto 47", true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 1", true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 13/0", true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 3/1", false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 5/1", false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 11/0", false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 12/0", false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 200/0", false },
		{ ETH " / ip 10.0.0.1>224.0.0.1 / udp 1>2", false },
		{ ETH " / ip 10.0.0.1>255.255.255.255 / udp 1>2", false },
		{ "eth " A ">ff:ff:ff:ff:ff:ff / ip 10.0.0.1>10.0.0.2 / udp 1>2", false },
		{ "eth " A ">01:00:5e:00:00:01 / ip 10.0.0.1>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 0.0.0.0>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 0.1.2.3>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 127.0.0.1>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 224.0.0.1>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 240.0.0.1>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip 255.255.255.255>10.0.0.2 / udp 1>2", false },
		{ ETH " / ip fd00::1>fd00::2 / udp 1>2", true },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 1", true },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 1/0", false },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 127/0", false },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 137/0", false },
		{ ETH " / ip fd00::1>ff02::1 / udp 1>2", false },
		{ ETH " / ip ::>fd00::2 / udp 1>2", false },
		{ ETH " / ip ::1>fd00::2 / udp 1>2", false },
		{ ETH " / ip ff02::1>fd00::2 / udp 1>2", false },
		{ ETH " / ip fd00::1>fd00::2 frag later proto 17", false },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", false },
		{ ETH " type 0x88cc", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].line);

		if (pkt_may_icmp_error(&f.pkt) != t[i].want)
			fail_msg("%s: want %s", t[i].line, t[i].want ? "yes" : "no");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(echo_replies),
		cmocka_unit_test(tcp_resets),
		cmocka_unit_test(errors),
		cmocka_unit_test(errors_quote),
		cmocka_unit_test(when_errors_may_be_sent),
	};

	return cmocka_run_group_tests_name("packet/answers", tests, NULL, NULL);
}
