// SPDX-License-Identifier: Apache-2.0
/*
 * What comes in by the underlay, in TC and in XDP: whom they believe, what they strip, and the
 * reason for each refusal.  The same table of frames runs through both programs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "loader/dp_private.h"
#include "packet/packet.h"
#include "selftests/bpf/build.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define KEY	0x123
#define IFINDEX 6001
#define LPORT	9
#define OUTER	50   /* Ethernet, IPv4, UDP, VXLAN */
#define OUTER6	70   /* Ethernet, IPv6, UDP, VXLAN */
#define DEVICE	4003 /* ifindex that stands for the kernel's tunnel device */

static struct bpfrun *run;
static struct bpfrun_result res;
static uint16_t l3_flags; /* as skepd would set it: SKEP_CFG_DECAP_L3_FLAGS on kernels that have them, 6.3 and newer */

static int setup(void **state)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = IFINDEX };
	struct skep_ip remote;
	struct err err = { 0 };
	uint32_t key = KEY, peer = 1;

	(void)state;
	l3_flags = dp_probe_decap_l3() ? SKEP_CFG_DECAP_L3_FLAGS : 0;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.2", &remote);
	if (bpfrun_put(run, "skep_ports", &key, &port) ||
	    bpfrun_put(run, "skep_remotes", &remote, &peer))
		return -1;
	ip_parse("fd09::2", &remote);
	return bpfrun_put(run, "skep_remotes", &remote, &peer);
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static const char inner_line[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 4000>53 / data 20";

/* A tunnel packet to us around 'inner', well-formed; 'over' bytes are in front of it. */
static uint32_t around(const char *inner, bool v6, uint8_t *buf, uint32_t cap)
{
	uint8_t frame[512];
	uint32_t n = build(inner, frame, sizeof(frame)), len, over = v6 ? OUTER6 : OUTER;
	char line[256];

	snprintf(
		line, sizeof(line),
		"eth 02:09:00:00:00:02>02:09:00:00:00:01 / ip %s ttl 64 / udp 50000>4789 / data %u",
		v6 ? "fd09::2>fd09::1" : "10.9.0.2>10.9.0.1", n + 8);
	len = build(line, buf, cap);
	assert_int_equal(len, over + n);
	memset(buf + over - 10, 0, 10); /* no UDP checksum; VXLAN */
	buf[over - 8] = 0x08;
	buf[over - 3] = KEY >> 8;
	buf[over - 2] = KEY & 0xff;
	memcpy(buf + over, frame, n);
	return len;
}

/* From 10.9.0.2. */
static uint32_t tunnel(uint8_t *buf, uint32_t cap)
{
	return around(inner_line, false, buf, cap);
}

static const struct {
	const char *name;
	uint32_t at;  /* offset of the byte that is changed */
	uint8_t byte; /* its new value */
	uint32_t len; /* cut to this; 0 = whole */
	enum skep_drop drop;
	bool pass; /* not a tunnel packet for us: to the stack, untouched */
} cases[] = {
	{ "well-formed", 0, 0x02, 0, SKEP_DROP_NONE, false },
	{ "from a stranger", 29, 9, 0, SKEP_DROP_UNKNOWN_PEER, false },
	{ "key of no port", 48, 0x24, 0, SKEP_DROP_UNKNOWN_KEY, false },
	{ "key zero", 48, 0, 0, SKEP_DROP_UNKNOWN_KEY, false },
	{ "VNI flag missing", 42, 0, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "unknown VXLAN flag", 42, 0x0c, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "first fragment", 20, 0x20, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "IP length beyond the frame", 16, 0x7f, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "UDP length beyond the frame", 38, 0x7f, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "UDP length too short for an inner frame", 39, 20, 0, SKEP_DROP_BAD_TUNNEL, false },
	{ "cut in the inner Ethernet header", 0, 0x02, OUTER + 8, SKEP_DROP_BAD_TUNNEL, false },
	{ "cut in the VXLAN header", 0, 0x02, 46, SKEP_DROP_BAD_TUNNEL, false },
	{ "to another address", 33, 7, 0, SKEP_DROP_NONE, true },
	{ "to another UDP port", 37, 0x01, 0, SKEP_DROP_NONE, true },
	{ "TCP", 23, 6, 0, SKEP_DROP_NONE, true },
	{ "not IP", 12, 0x88, 0, SKEP_DROP_NONE, true },
	{ "later fragment", 21, 0x08, 0, SKEP_DROP_NONE, true },
};

static void check_case(unsigned int i, enum bpfrun_prog prog)
{
	uint8_t buf[1024], whole[1024];
	uint32_t len = tunnel(buf, sizeof(buf));
	bool xdp = prog == BPFRUN_XDP;

	buf[cases[i].at] = cases[i].byte;
	if (cases[i].len)
		len = cases[i].len;
	memcpy(whole, buf, len);
	assert_int_equal(bpfrun_run(run, prog, buf, len, &res), 0);
	if (res.drop != cases[i].drop)
		print_error("%s: dropped for '%s', want '%s'\n", cases[i].name,
			    skep_drop_name(res.drop), skep_drop_name(cases[i].drop));
	assert_int_equal(res.drop, cases[i].drop);
	if (cases[i].drop) {
		assert_int_equal(res.action, xdp ? XDP_DROP : TC_ACT_SHOT);
	} else if (cases[i].pass) {
		assert_int_equal(res.action, xdp ? XDP_PASS : TC_ACT_UNSPEC);
		assert_int_equal(res.len, len);
		assert_memory_equal(res.data, whole, len);
	} else {
		struct skep_xdp_meta meta = { .magic = SKEP_XDP_MAGIC, .key = KEY, .peer = 1 };
		uint32_t skip =
			xdp ? sizeof(meta) : 0; /* the key that XDP leaves in front of the frame */

		assert_int_equal(res.action, xdp ? XDP_PASS : TC_ACT_REDIRECT);
		assert_int_equal(res.len, skip + len - OUTER);
		assert_memory_equal(res.data, &meta, skip);
		assert_memory_equal(res.data + skip, whole + OUTER, len - OUTER);
	}
}

static void test_tc(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i, BPFRUN_UNDER_TC);
}

static void test_xdp(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(i, BPFRUN_XDP);
}

/* No byte of the tunnel header, cut anywhere or changed anyhow, gets a frame to a port with another
 * key, or crashes a program. */
static void test_any_byte(void **state)
{
	uint8_t buf[1024];

	(void)state;
	for (uint32_t at = 12; at < OUTER; at++)
		for (unsigned int v = 0; v < 256; v += 15) {
			uint32_t len = tunnel(buf, sizeof(buf));

			buf[at] = (uint8_t)v;
			assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
			if (res.action == TC_ACT_REDIRECT)
				assert_true(buf[42] == 0x08 && buf[46] == 0 &&
					    buf[47] == (KEY >> 8) && buf[48] == (KEY & 0xff));
			assert_int_equal(bpfrun_run(run, BPFRUN_XDP, buf, len, &res), 0);
		}
}

static void card(uint16_t flags, uint32_t mtu)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = IFINDEX, .flags = flags, .set = LPORT };
	struct skep_card value = { .ifindex = IFINDEX, .key = KEY, .lport = LPORT, .mtu = mtu };
	uint32_t key = KEY, index = IFINDEX % SKEP_CARDS_MAX;

	assert_int_equal(bpfrun_put(run, "skep_ports", &key, &port), 0);
	assert_int_equal(bpfrun_put(run, "skep_cards", &index, &value), 0);
}

/* XDP sends the frame out, and it is the one that TC makes, or leaves it stripped to TC. */
static void check_card(const uint8_t *buf, uint32_t len, bool sends)
{
	struct skep_port before, after;
	uint32_t key = KEY;

	assert_int_equal(bpfrun_get(run, "skep_ports", &key, &before), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_XDP, buf, len, &res), 0);
	assert_int_equal(bpfrun_get(run, "skep_ports", &key, &after), 0);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, sends ? XDP_REDIRECT : XDP_PASS);
	assert_int_equal(res.len, len - OUTER + (sends ? 0 : sizeof(struct skep_xdp_meta)));
	assert_memory_equal(res.data + res.len - (len - OUTER), buf + OUTER, len - OUTER);
	assert_int_equal(after.rx_packets - before.rx_packets, sends);
	assert_int_equal(after.rx_bytes - before.rx_bytes, sends ? len - OUTER : 0);
}

/* What is for a network card of this host goes out by it, but for what TC has to see. */
static void test_card(void **state)
{
	struct skep_conn_key k = { .port = KEY, .sport = htons(53), .dport = htons(4000), .proto = 17 };
	struct skep_conn c = { .flags = SKEP_CONN_REPLY, .orig_seen = 0x80, .reply_seen = 0x80 };
	struct skep_lport lp = { .key = KEY, .replies = 1, .replies_max = 10, .conns_max = 10 };
	uint32_t lport = LPORT, zero = 0, len;
	struct skep_config cfg;
	uint8_t buf[1024];

	(void)state;
	len = tunnel(buf, sizeof(buf));
	card(SKEP_PORT_XDP, 1500);
	check_card(buf, len, true);
	card(0, 1500);
	check_card(buf, len, false);
	card(SKEP_PORT_XDP, 0);
	check_card(buf, len, false);
	card(SKEP_PORT_XDP, len - OUTER - 14 - 1);
	check_card(buf, len, false);
	card(SKEP_PORT_XDP, len - OUTER - 14);
	check_card(buf, len, true);
	buf[42] = 0x88; /* a mark: TC makes the record */
	buf[45] = 7;
	check_card(buf, len, false);
	len = tunnel(buf, sizeof(buf));

	/* a port with records: one of another connection, one that was just seen, one that was not for a second, flags that are new */
	ip_parse("10.0.0.2", &k.src);
	ip_parse("10.0.0.1", &k.dst);
	assert_int_equal(bpfrun_put(run, "skep_lports", &lport, &lp), 0);
	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	cfg.timeouts.udp_replied = 1000; /* in jiffies */
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
	check_card(buf, len, true);
	c.last_seen = bpfrun_jiffies(run);
	assert_int_equal(bpfrun_put(run, "skep_conns", &k, &c), 0);
	check_card(buf, len, true);
	c.last_seen -= 250;
	assert_int_equal(bpfrun_put(run, "skep_conns", &k, &c), 0);
	check_card(buf, len, false);
	c.last_seen = bpfrun_jiffies(run);
	c.orig_seen = 0;
	assert_int_equal(bpfrun_put(run, "skep_conns", &k, &c), 0);
	check_card(buf, len, false);
	assert_int_equal(bpfrun_del(run, "skep_conns", &k), 0);
	card(0, 0);
}

static void configure(const char *local, uint32_t device, uint16_t flags)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	ip_parse(local, &cfg.local);
	cfg.tunnel_ifindex = device;
	cfg.flags = flags;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
}

static void assert_popped(const uint8_t *whole, uint32_t len, uint32_t over)
{
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	assert_int_equal(res.len, len - over);
	assert_memory_equal(res.data, whole + over, len - over);
}

/* Where the kernel cannot be told what is inside, what would need it is refused, not mangled. */
static void assert_popped_with_flags(const uint8_t *whole, uint32_t len, uint32_t over)
{
	if (l3_flags) {
		assert_popped(whole, len, over);
		return;
	}
	assert_int_equal(res.drop, SKEP_DROP_REWRITE);
	assert_int_equal(res.action, TC_ACT_SHOT);
}

static void assert_left_alone(const uint8_t *whole, uint32_t len)
{
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, TC_ACT_UNSPEC);
	assert_int_equal(res.len, len);
	assert_memory_equal(res.data, whole, len);
}

/* Which packets are left to the kernel's device where there is one, and what happens to them where
 * there is none. */
static void test_who_strips(void **state)
{
	static const struct {
		const char *inner;
		bool device; /* left to it */
		bool flags;  /* needs the newer kernel's flags without it */
	} kinds[] = {
		{ inner_line, false, false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / icmp echo id 1",
		  false, false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S",
		  true, false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / udp 4000>53",
		  true, true },
		{ "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2", true,
		  false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 / udp 4000>53",
		  true, false },
	};
	uint8_t buf[1024];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint32_t len = around(kinds[i].inner, false, buf, sizeof(buf));

		configure("10.9.0.1", DEVICE, l3_flags);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
		if (kinds[i].device)
			assert_left_alone(buf, len);
		else
			assert_popped(buf, len, OUTER);
		configure("10.9.0.1", 0, l3_flags);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
		if (kinds[i].flags)
			assert_popped_with_flags(buf, len, OUTER);
		else
			assert_popped(buf, len, OUTER);
		configure("10.9.0.1", 0, 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
		if (kinds[i].flags)
			assert_int_equal(res.drop, SKEP_DROP_REWRITE);
		else
			assert_popped(buf, len, OUTER);
	}
}

static void test_ipv6_underlay(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t byte;
		enum skep_drop drop;
		bool pass;
	} changes[] = {
		{ 37, 9, SKEP_DROP_UNKNOWN_PEER, false },
		{ 68, 0x24, SKEP_DROP_UNKNOWN_KEY, false },
		{ 62, 0, SKEP_DROP_BAD_TUNNEL, false },
		{ 18, 0x7f, SKEP_DROP_BAD_TUNNEL, false }, /* payload length */
		{ 58, 0x7f, SKEP_DROP_BAD_TUNNEL, false }, /* UDP length */
		{ 53, 9, SKEP_DROP_NONE, true },	   /* to another address */
		{ 57, 1, SKEP_DROP_NONE, true },	   /* to another UDP port */
		{ 20, 6, SKEP_DROP_NONE, true },	   /* TCP */
		{ 20, 44, SKEP_DROP_NONE, true },	   /* fragment */
	};
	uint8_t buf[1024], whole[1024];
	uint32_t len;

	(void)state;
	len = around(inner_line, true, buf, sizeof(buf));
	configure("fd09::1", 0, l3_flags);
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
	assert_popped_with_flags(buf, len, OUTER6);
	assert_int_equal(bpfrun_run(run, BPFRUN_XDP, buf, len, &res), 0);
	assert_int_equal(res.action, XDP_PASS);
	assert_memory_equal(res.data + sizeof(struct skep_xdp_meta), buf + OUTER6, len - OUTER6);
	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++) {
		len = around(inner_line, true, whole, sizeof(whole));
		whole[changes[i].at] = changes[i].byte;
		memcpy(buf, whole, len);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
		if (changes[i].pass)
			assert_left_alone(whole, len);
		else
			assert_int_equal(res.drop, changes[i].drop);
		assert_int_equal(bpfrun_run(run, BPFRUN_XDP, whole, len, &res), 0);
		assert_int_equal(res.drop, changes[i].drop);
		assert_int_equal(res.action, changes[i].pass ? XDP_PASS : XDP_DROP);
	}
	configure("fd09::1", DEVICE, l3_flags);
	len = around(inner_line, true, buf, sizeof(buf));
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
	assert_left_alone(buf, len);
	configure("10.9.0.1", 0, 0);
}

/* The probe errs on no kernel that has the flags; or the tests above would say less than they seem to. */
static void test_probe(void **state)
{
	unsigned int major = 0, minor = 0;
	struct utsname un;

	(void)state;
	assert_int_equal(uname(&un), 0);
	assert_int_equal(sscanf(un.release, "%u.%u", &major, &minor), 2);
	if (major > 6 || (major == 6 && minor >= 3))
		assert_int_not_equal(l3_flags, 0);
}

static void test_port_counts(void **state)
{
	struct skep_port before, after;
	uint32_t key = KEY, len;
	uint8_t buf[1024];

	(void)state;
	len = tunnel(buf, sizeof(buf));
	assert_int_equal(bpfrun_get(run, "skep_ports", &key, &before), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, buf, len, &res), 0);
	assert_int_equal(bpfrun_get(run, "skep_ports", &key, &after), 0);
	assert_int_equal(after.rx_packets, before.rx_packets + 1);
	assert_int_equal(after.rx_bytes, before.rx_bytes + len - OUTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tc),
		cmocka_unit_test(test_xdp),
		cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_card),
		cmocka_unit_test(test_who_strips),
		cmocka_unit_test(test_ipv6_underlay),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_port_counts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
