// SPDX-License-Identifier: Apache-2.0
/*
 * DSCP and ECN between a packet and the tunnel around it: RFC 6040 in both directions, by TC and by
 * XDP; the host's policy for DSCP.
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
#include "selftests/bpf/build.h"
#include "selftests/bpf/strip.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define KEY  0x123
#define PEER 5
#define META ((uint32_t)sizeof(struct skep_xdp_meta))
#define DROP 9 /* in the table below */

enum { NOT, ECT1, ECT0, CE };

static struct bpfrun *run;
static struct bpfrun_result res;
static uint16_t l3_flags;

static int setup(void **state)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = 6001 };
	struct err err = { 0 };
	struct skep_ip remote;
	uint32_t key = KEY, index = PEER;

	(void)state;
	l3_flags = strip_flags();
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.2", &remote);
	if (bpfrun_put(run, "skep_ports", &key, &port) ||
	    bpfrun_put(run, "skep_remotes", &remote, &index))
		return -1;
	ip_parse("fd09::2", &remote);
	return bpfrun_put(run, "skep_remotes", &remote, &index);
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static void configure(bool v6, uint16_t flags)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	ip_parse(v6 ? "fd09::1" : "10.9.0.1", &cfg.local);
	cfg.flags = flags;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
}

static void set_tos(uint8_t *frame, uint8_t tos)
{
	if (frame[12] == 0x86) {
		frame[14] = (uint8_t)(0x60 | tos >> 4);
		frame[15] = (uint8_t)((frame[15] & 0xf) | tos << 4);
	} else {
		uint16_t sum;

		frame[15] = tos;
		frame[24] = frame[25] = 0;
		sum = pkt_csum(frame + 14, 20, 0);
		memcpy(frame + 24, &sum, 2);
	}
}

static uint8_t get_tos(const uint8_t *frame)
{
	return frame[12] == 0x86 ? (uint8_t)(frame[14] << 4 | frame[15] >> 4) : frame[15];
}

static uint32_t build_tos(const char *line, uint8_t tos, uint8_t *buf, uint32_t cap)
{
	uint32_t len = build(line, buf, cap);

	if (buf[12] == 0x86 || (buf[12] == 0x08 && buf[13] == 0))
		set_tos(buf, tos);
	return len;
}

static uint32_t inner(bool v6, uint8_t tos, uint8_t *buf, uint32_t cap)
{
	return build_tos(v6 ? "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / udp 4000>53 / data 20"
			: "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 20",
		     tos, buf, cap);
}

/* A tunnel packet around a frame of 'len' bytes; how many are in front of it. */
static uint32_t around(const uint8_t *frame, uint32_t len, enum skep_encap encap, bool v6, uint8_t tos,
		       uint8_t *buf, uint32_t cap)
{
	static const char *const addresses[] = { "10.9.0.2>10.9.0.1", "fd09::2>fd09::1" };
	uint32_t l3 = v6 ? 40 : 20, at;
	char line[256];

	if (encap == SKEP_ENCAP_NVGRE)
		snprintf(line, sizeof(line),
			 "eth 02:09:00:00:00:02>02:09:00:00:00:01 / ip %s proto 47 / data %u",
			 addresses[v6], len + 8);
	else
		snprintf(line, sizeof(line),
			 "eth 02:09:00:00:00:02>02:09:00:00:00:01 / ip %s / udp 50000>%u / data %u",
			 addresses[v6], encap == SKEP_ENCAP_GENEVE ? 6081 : 4789, len + 8);
	(void)build_tos(line, tos, buf, cap);
	at = 14 + l3 + (encap == SKEP_ENCAP_NVGRE ? 0 : 8);
	if (encap != SKEP_ENCAP_NVGRE)
		buf[at - 2] = buf[at - 1] = 0; /* no checksum */
	memcpy(buf + at, encap == SKEP_ENCAP_VXLAN ? "\x08\0\0\0" : encap == SKEP_ENCAP_GENEVE ? "\0\0\x65\x58" : "\x20\0\x65\x58", 4);
	memcpy(buf + at + 4, "\0\x01\x23", 4);
	memcpy(buf + at + 8, frame, len);
	return at + 8;
}

/* [inner][outer] */
static const uint8_t figure4[4][4] = {
	[NOT] = { [NOT] = NOT, [ECT0] = NOT, [ECT1] = NOT, [CE] = DROP },
	[ECT0] = { [NOT] = ECT0, [ECT0] = ECT0, [ECT1] = ECT1, [CE] = CE },
	[ECT1] = { [NOT] = ECT1, [ECT0] = ECT1, [ECT1] = ECT1, [CE] = CE },
	[CE] = { [NOT] = CE, [ECT0] = CE, [ECT1] = CE, [CE] = CE },
};

static void check_decap(const uint8_t *packet, uint32_t len, uint32_t over, uint8_t in, uint8_t want,
			enum bpfrun_prog prog)
{
	uint32_t skip = prog == BPFRUN_XDP ? META : 0;
	struct pkt pkt;

	assert_int_equal(bpfrun_run(run, prog, packet, len, &res), 0);
	if (want == DROP) {
		assert_int_equal(res.drop, SKEP_DROP_ECN);
		assert_int_equal(res.action, prog == BPFRUN_XDP ? XDP_DROP : TC_ACT_SHOT);
		return;
	}
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, prog == BPFRUN_XDP ? XDP_PASS : TC_ACT_REDIRECT);
	assert_int_equal(res.len, skip + len - over);
	assert_int_equal(get_tos(res.data + skip), (in & 0xfc) | want); /* the outer DSCP is nothing to it */
	assert_int_equal(pkt_parse(res.data + skip, len - over, &pkt), SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&pkt));
	set_tos(res.data + skip, in);
	assert_memory_equal(res.data + skip, packet + over, len - over); /* and nothing else changed */
}

/* TC, where the kernel cannot be told what is inside: what would need that is refused, for congestion if that comes first. */
static void check_decap_without(const uint8_t *packet, uint32_t len, uint32_t over, uint8_t in, uint8_t want,
				bool needs)
{
	if (!needs || want == DROP) {
		check_decap(packet, len, over, in, want, BPFRUN_UNDER_TC);
		return;
	}
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, packet, len, &res), 0);
	assert_int_equal(res.drop, SKEP_DROP_REWRITE);
	assert_int_equal(res.action, TC_ACT_SHOT);
}

static void test_decap(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4 * 4 * SKEP_ENCAPS * 4; i++) {
		uint8_t in = i & 3, out = i >> 2 & 3, frame[512], packet[1024];
		bool in6 = i >> 4 & 1, v6 = i >> 5 & 1;
		enum skep_encap encap = i >> 6;
		uint32_t len, over;

		configure(v6, l3_flags);
		len = inner(in6, 0x28 | in, frame, sizeof(frame));
		over = around(frame, len, encap, v6, 0xb8 | out, packet, sizeof(packet));
		if (l3_flags)
			check_decap(packet, over + len, over, 0x28 | in, figure4[in][out], BPFRUN_UNDER_TC);
		check_decap(packet, over + len, over, 0x28 | in, figure4[in][out], BPFRUN_XDP);
		configure(v6, 0);
		check_decap_without(packet, over + len, over, 0x28 | in, figure4[in][out], in6 || v6);
	}
}

/* Nothing in them can tell of congestion: they pass. */
static void test_decap_not_ip(void **state)
{
	static const char *const lines[] = {
		"eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 / udp 4000>53",
	};

	(void)state;
	configure(false, l3_flags);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		uint8_t frame[512], packet[1024];
		uint32_t len = build_tos(lines[i], 0, frame, sizeof(frame));
		uint32_t over = around(frame, len, SKEP_ENCAP_GENEVE, false, CE, packet, sizeof(packet));

		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, packet, over + len, &res), 0);
		assert_int_equal(res.drop, SKEP_DROP_NONE);
		assert_memory_equal(res.data, frame, len);
	}
}

/* A packet of the port, with this TOS, as it leaves; 'rewrite' gives it DSCP 10. */
static uint8_t pushed(const char *line, uint8_t tos, bool v6, uint8_t peer_tos, uint16_t flags, bool rewrite)
{
	struct skep_peer peer = { .family = v6 ? 6 : 4,
				  .tos = peer_tos,
				  .ttl = 64,
				  .mtu = 1500,
				  .dport = htons(4789),
				  .flags = flags,
				  .ifindex = BPFRUN_UNDER };
	struct skep_rewrite rw = { .what = SKEP_RW_DSCP, .dscp = 10 };
	struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = PEER, .rewrite = rewrite ? 3 : 0 };
	uint32_t index = PEER, three = 3, len;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	uint8_t frame[512];
	struct pkt pkt;
	bool key6;

	ip_parse(v6 ? "fd09::1" : "10.9.0.1", &peer.local);
	ip_parse(v6 ? "fd09::2" : "10.9.0.2", &peer.remote);
	assert_int_equal(bpfrun_put(run, "skep_peers", &index, &peer), 0);
	assert_int_equal(bpfrun_put(run, "skep_rewrites", &three, &rw), 0);
	len = build_tos(line, tos, frame, sizeof(frame));
	if (frame[12] == 0x81) { /* behind the tag */
		frame[19] = tos;
		frame[28] = frame[29] = 0;
		uint16_t sum = pkt_csum(frame + 18, 20, 0);

		memcpy(frame + 28, &sum, 2);
	}
	assert_int_equal(pkt_parse(frame, len, &pkt), SKEP_DROP_NONE);
	key6 = pkt_flow_key(&pkt.f, BPFRUN_KEY, &k4, &k6);
	assert_int_equal(bpfrun_put(run, key6 ? "skep_flows6" : "skep_flows4", key6 ? (void *)&k6 : (void *)&k4,
				    &flow),
			 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, frame, len, &res), 0);
	if (pkt.f.vlan) {
		uint8_t relayed[1024];

		len = res.len;
		memcpy(relayed, res.data, len);
		assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, relayed, len, &res), 0);
	}
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	if (!v6)
		assert_int_equal(pkt_csum(res.data + 14, 20, 0), 0);
	return get_tos(res.data);
}

static void test_encap(void **state)
{
	static const char *const lines[] = {
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / udp 4000>53",
	};
	static const char tagged[] =
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 / udp 4000>53";

	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		const char *line = lines[i & 1];
		uint8_t ecn = i >> 2;
		bool v6 = i & 2;

		assert_int_equal(pushed(line, 0x28 | ecn, v6, 0, 0, false), ecn);
		assert_int_equal(pushed(line, 0x28 | ecn, v6, 0xb8, 0, false), 0xb8 | ecn);
		assert_int_equal(pushed(line, 0x28 | ecn, v6, 0, SKEP_PEER_DSCP_COPY, false), 0x28 | ecn);
		/* what it is on the wire, not what it was */
		assert_int_equal(pushed(line, 0x50 | ecn, v6, 0, SKEP_PEER_DSCP_COPY, true), 10 << 2 | ecn);
		assert_int_equal(pushed(tagged, 0x28 | ecn, v6, 0xb8, 0, false), 0xb8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decap),
		cmocka_unit_test(test_decap_not_ip),
		cmocka_unit_test(test_encap),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
