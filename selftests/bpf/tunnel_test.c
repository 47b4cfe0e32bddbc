// SPDX-License-Identifier: Apache-2.0
/*
 * What comes in by the underlay, in TC and in XDP: whom they believe, what they strip, and the reason for each refusal.  The same table
 * of frames runs through both programs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define KEY	0x123
#define IFINDEX 6001
#define OUTER	50 /* Ethernet, IPv4, UDP, VXLAN */

static struct bpfrun *run;
static struct bpfrun_result res;

static int setup(void **state)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = IFINDEX };
	struct skep_ip remote;
	struct err err = { 0 };
	uint32_t key = KEY, peer = 1;

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.2", &remote);
	if (bpfrun_put(run, "skep_ports", &key, &port))
		return -1;
	return bpfrun_put(run, "skep_remotes", &remote, &peer);
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static uint32_t build(const char *line, uint8_t *buf, uint32_t cap)
{
	struct err err = { 0 };
	int len = pkt_dsl_parse(line, NULL, buf, cap, &err);

	if (len < 0)
		print_error("%s: %s\n", line, err.text);
	assert_true(len > 0);
	return (uint32_t)len;
}

static const char inner_line[] = "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 4000>53 / data 20";

/* A tunnel packet from 10.9.0.2 to us, well-formed. */
static uint32_t tunnel(uint8_t *buf, uint32_t cap)
{
	uint8_t inner[512];
	uint32_t n = build(inner_line, inner, sizeof(inner)), len;
	char line[256];

	snprintf(line, sizeof(line), "eth 02:09:00:00:00:02>02:09:00:00:00:01 / ip 10.9.0.2>10.9.0.1 ttl 64 / udp 50000>4789 / data %u", n + 8);
	len = build(line, buf, cap);
	assert_int_equal(len, OUTER + n);
	memset(buf + 42, 0, 8);
	buf[40] = buf[41] = 0; /* UDP checksum: none */
	buf[42] = 0x08;
	buf[47] = KEY >> 8;
	buf[48] = KEY & 0xff;
	memcpy(buf + OUTER, inner, n);
	return len;
}

static const struct {
	const char *name;
	uint32_t at;	/* offset of the byte that is changed */
	uint8_t byte;	/* its new value */
	uint32_t len;	/* cut to this; 0 = whole */
	enum skep_drop drop;
	bool pass;	/* not a tunnel packet for us: to the stack, untouched */
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
		print_error("%s: dropped for '%s', want '%s'\n", cases[i].name, skep_drop_name(res.drop), skep_drop_name(cases[i].drop));
	assert_int_equal(res.drop, cases[i].drop);
	if (cases[i].drop) {
		assert_int_equal(res.action, xdp ? XDP_DROP : TC_ACT_SHOT);
	} else if (cases[i].pass) {
		assert_int_equal(res.action, xdp ? XDP_PASS : TC_ACT_UNSPEC);
		assert_int_equal(res.len, len);
		assert_memory_equal(res.data, whole, len);
	} else {
		struct skep_xdp_meta meta = { .magic = SKEP_XDP_MAGIC, .key = KEY };
		uint32_t skip = xdp ? sizeof(meta) : 0; /* the key that XDP leaves in front of the frame */

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

/* No byte of the tunnel header, cut anywhere or changed anyhow, gets a frame to a port with another key, or crashes a program. */
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
				assert_true(buf[42] == 0x08 && buf[46] == 0 && buf[47] == (KEY >> 8) && buf[48] == (KEY & 0xff));
			assert_int_equal(bpfrun_run(run, BPFRUN_XDP, buf, len, &res), 0);
		}
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
		cmocka_unit_test(test_port_counts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
