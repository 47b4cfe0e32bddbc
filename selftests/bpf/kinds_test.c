// SPDX-License-Identifier: Apache-2.0
/*
 * VXLAN, Geneve and NVGRE over IPv4 and IPv6: what one host pushes, byte by byte, and that another
 * one, by TC and by XDP, finds in it what was put there: the frame, the key, the mark.  And what
 * may stand in these headers besides: malformed, foreign, not for us.
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

#define KEY	0xabcde0
#define LPORT	(BPFRUN_LPORT + 1)
#define IFINDEX 6001
#define DEVICE	4003 /* ifindex that stands for the kernel's tunnel device */
#define PEER	5
#define META	((uint32_t)sizeof(struct skep_xdp_meta))
#define TOS	0xb8 /* expedited forwarding */

static struct bpfrun *run;
static struct bpfrun_result res;
static uint8_t sent[4096]; /* a tunnel packet */
static uint32_t sent_len;
static uint16_t l3_flags;

static const char udp4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 20";
static const char tcp4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 S";
static const char tcp6[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 S";
static const char vlan4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 20";
static const char arp[] =
	"eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2";
static const char *const lines[] = { udp4, tcp4, tcp6, vlan4, arp };

static void configure(bool v6, enum skep_encap asked)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	ip_parse(v6 ? "fd09::1" : "10.9.0.1", &cfg.local);
	cfg.encap = asked;
	cfg.flags = l3_flags;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
}

/* The peer is ourselves, so that what is sent can be received. */
static void peer(bool v6, enum skep_encap encap, uint16_t flags)
{
	struct skep_peer p = { .family = v6 ? 6 : 4,
			       .tos = TOS,
			       .ttl = 61,
			       .mtu = 1500,
			       .encap = (uint8_t)encap,
			       .dport = htons(encap == SKEP_ENCAP_GENEVE ? 6081 : 4789),
			       .flags = flags,
			       .ifindex = BPFRUN_UNDER };
	uint32_t index = PEER;

	ip_parse(v6 ? "fd09::2" : "10.9.0.2", &p.local);
	ip_parse(v6 ? "fd09::1" : "10.9.0.1", &p.remote);
	assert_int_equal(bpfrun_put(run, "skep_peers", &index, &p), 0);
	configure(v6, SKEP_ENCAP_VXLAN);
}

static void ingress(uint32_t key)
{
	struct skep_iface iface = { .key = key, .lport = BPFRUN_LPORT };
	struct skep_lport lport = { .gen = 1, .key = key };
	uint32_t lo = 1, at = BPFRUN_LPORT;

	assert_int_equal(bpfrun_put(run, "skep_lports", &at, &lport), 0);
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
}

static int setup(void **state)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = IFINDEX, .set = LPORT };
	struct skep_lport lport = { .gen = 1, .key = KEY, .conns_max = 1000, .replies_max = 1000 };
	struct err err = { 0 };
	struct skep_ip remote;
	uint32_t key = KEY, index = PEER, at = LPORT;

	(void)state;
	l3_flags = strip_flags();
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.2", &remote);
	if (bpfrun_put(run, "skep_ports", &key, &port) || bpfrun_put(run, "skep_lports", &at, &lport) ||
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

/* 'inner' comes in by the port and leaves for the peer: 'sent'.  What the kernel cannot push on
 * takes a turn through the tap. */
static void send_to_peer(const uint8_t *inner, uint32_t len, uint32_t in_key, uint16_t flags)
{
	struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = PEER, .flags = flags };
	struct skep_upcall up = { .magic = htons(SKEP_UPCALL_MAGIC),
				  .key = htonl(in_key),
				  .eth_type = htons(0x0800) };
	uint8_t frame[2048];
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	uint32_t slot = 0;
	struct pkt pkt;
	bool v6;

	ingress(in_key);
	assert_int_equal(pkt_parse(inner, len, &pkt), SKEP_DROP_NONE);
	if (pkt.f.eth_type == htons(0x0806)) { /* never from a flow: as skepd sends it on */
		assert_int_equal(bpfrun_put(run, "skep_slots", &slot, &flow), 0);
		memcpy(frame, &up, sizeof(up));
		memcpy(frame + sizeof(up), inner, len);
		assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, frame, len + sizeof(up), &res), 0);
	} else {
		v6 = pkt_flow_key(&pkt.f, in_key, &k4, &k6);
		assert_int_equal(bpfrun_put(run, v6 ? "skep_flows6" : "skep_flows4",
					    v6 ? (void *)&k6 : (void *)&k4, &flow),
				 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_PORT, inner, len, &res), 0);
		if (pkt.f.vlan) { /* relayed */
			memcpy(frame, res.data, res.len);
			assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, frame, res.len, &res), 0);
		}
	}
	memcpy(sent, res.data, res.len);
	sent_len = res.len;
}

static void send_line(const char *line, uint32_t in_key, uint16_t flags)
{
	uint8_t buf[1024];

	send_to_peer(buf, build(line, buf, sizeof(buf)), in_key, flags);
}

/* 'sent' comes in by the underlay, and goes on as 'inner', by both programs. */
static void receive(const uint8_t *inner, uint32_t len, uint32_t mark)
{
	struct skep_xdp_meta meta;

	for (int as_is = 0; as_is < 2; as_is++) {
		strip_configure(run, as_is ? l3_flags : 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, sent, sent_len, &res), 0);
		strip_assert(&res, sent, inner, len, as_is ? l3_flags : 0);
	}
	assert_int_equal(bpfrun_run(run, BPFRUN_XDP, sent, sent_len, &res), 0);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, XDP_PASS);
	assert_int_equal(res.len, META + len);
	memcpy(&meta, res.data, META);
	assert_int_equal(meta.magic, SKEP_XDP_MAGIC);
	assert_int_equal(meta.key, KEY);
	assert_int_equal(meta.mark, mark);
	assert_memory_equal(res.data + META, inner, len);
}

/* 'sent' comes in, and is lost for that reason; NONE: it is left to the stack as it is. */
static void refuse(const char *what, enum skep_drop why)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpfrun_run(run, i ? BPFRUN_XDP : BPFRUN_UNDER_TC, sent, sent_len, &res), 0);
		if (res.drop != why)
			print_error("%s: dropped for '%s', want '%s'\n", what,
				    skep_drop_name(res.drop), skep_drop_name(why));
		assert_int_equal(res.drop, why);
		if (why) {
			assert_int_equal(res.action, i ? XDP_DROP : TC_ACT_SHOT);
		} else {
			assert_int_equal(res.action, i ? XDP_PASS : TC_ACT_UNSPEC);
			assert_int_equal(res.len, sent_len);
			assert_memory_equal(res.data, sent, sent_len);
		}
	}
}

/* Where the tunnel's own header is, and where UDP's would be. */
static uint32_t tunnel_at(bool v6, enum skep_encap encap)
{
	return 14 + (v6 ? 40 : 20) + (encap == SKEP_ENCAP_NVGRE ? 0 : 8);
}

static void check_outer(bool v6, enum skep_encap encap, uint32_t mark, uint32_t inner_len)
{
	static const uint8_t option[] = { 0xff, 0x73, 0x01, 0x01 };
	static const uint8_t first[SKEP_ENCAPS][4] = { { 0x08, 0, 0, 0 }, { 0, 0, 0x65, 0x58 }, { 0x20, 0, 0x65, 0x58 } };
	uint32_t at = tunnel_at(v6, encap), size = encap == SKEP_ENCAP_GENEVE && mark ? 16 : 8;
	struct pkt pkt;
	uint8_t want[4];

	assert_int_equal(sent_len, at + size + inner_len);
	assert_true(sent_len - 14 - inner_len + 14 <= skep_encap_size(encap, v6));
	assert_int_equal(pkt_parse(sent, sent_len, &pkt), SKEP_DROP_NONE);
	assert_int_equal(pkt.f.ip_ttl, 61);
	assert_int_equal(pkt.f.ip_tos, TOS);
	assert_int_equal(pkt.l3_len, sent_len - 14);
	if (!v6)
		assert_int_equal(pkt_csum(sent + 14, 20, 0), 0);
	if (encap == SKEP_ENCAP_NVGRE) {
		assert_int_equal(pkt.f.ip_proto, 47);
	} else {
		assert_int_equal(ntohs(pkt.f.l4_dst), encap == SKEP_ENCAP_GENEVE ? 6081 : 4789);
		assert_true(ntohs(pkt.f.l4_src) >= 49152);
		assert_int_equal(sent[at - 4] << 8 | sent[at - 3], sent_len - (at - 8));
		assert_int_equal(sent[at - 2] << 8 | sent[at - 1], 0);
	}
	memcpy(want, first[encap], 4);
	if (mark && encap == SKEP_ENCAP_VXLAN) {
		want[0] |= 0x80;
		want[2] = (uint8_t)(mark >> 8);
		want[3] = (uint8_t)mark;
	}
	if (mark && encap == SKEP_ENCAP_GENEVE)
		want[0] = 2;
	assert_memory_equal(sent + at, want, 4);
	assert_memory_equal(sent + at + 4, "\xab\xcd\xe0", 3);
	if (encap != SKEP_ENCAP_NVGRE)
		assert_int_equal(sent[at + 7], 0);
	if (size == 16) {
		assert_memory_equal(sent + at + 8, option, 4);
		assert_int_equal(sent[at + 12] << 24 | sent[at + 13] << 16 | sent[at + 14] << 8 | sent[at + 15],
				 mark);
	}
}

static void test_there_and_back(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SKEP_ENCAPS * 2 * 2; i++) {
		enum skep_encap encap = i >> 2;
		bool v6 = i & 1, marked = i & 2;
		uint32_t mark = marked && encap != SKEP_ENCAP_NVGRE ? BPFRUN_KEY : 0;

		peer(v6, encap, SKEP_PEER_MARKS);
		for (unsigned int l = 0; l < ARRAY_SIZE(lines); l++) {
			uint8_t buf[1024];
			uint32_t len = build(lines[l], buf, sizeof(buf));

			send_to_peer(buf, len, BPFRUN_KEY, marked ? SKEP_F_MARK : 0);
			assert_int_equal(res.drop, SKEP_DROP_NONE);
			assert_int_equal(res.action, TC_ACT_REDIRECT);
			check_outer(v6, encap, mark, len);
			receive(buf, len, mark);
		}
	}
}

/* The flow's hash is in the source port, or in the key's last byte; the same for all packets of a
 * flow. */
static void test_entropy(void **state)
{
	(void)state;
	for (enum skep_encap encap = 0; encap < SKEP_ENCAPS; encap++) {
		uint32_t at = encap == SKEP_ENCAP_NVGRE ? 41 : 35, other = 0;
		char line[128];
		uint8_t one;

		peer(false, encap, 0);
		send_line(udp4, BPFRUN_KEY, 0);
		one = sent[at];
		send_line(udp4, BPFRUN_KEY, 0);
		assert_int_equal(sent[at], one);
		for (unsigned int port = 1; port <= 16; port++) {
			snprintf(line, sizeof(line),
				 "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp %u>53", port);
			send_line(line, BPFRUN_KEY, 0);
			other += sent[at] != one;
		}
		assert_true(other > 10);
	}
}

/* A mark is for who understands it, and for what can carry it; else the packet goes without. */
static void test_who_is_marked(void **state)
{
	static const struct {
		enum skep_encap encap;
		uint16_t peer, flow;
		uint32_t key, mark;
	} cases[] = {
		{ SKEP_ENCAP_VXLAN, SKEP_PEER_MARKS, SKEP_F_MARK, 0xffff, 0xffff },
		{ SKEP_ENCAP_VXLAN, SKEP_PEER_MARKS, SKEP_F_MARK, 0x10000, 0 },
		{ SKEP_ENCAP_VXLAN, SKEP_PEER_MARKS, 0, 0xffff, 0 },
		{ SKEP_ENCAP_VXLAN, 0, SKEP_F_MARK, 0xffff, 0 },
		{ SKEP_ENCAP_GENEVE, SKEP_PEER_MARKS, SKEP_F_MARK, 0xfedcba, 0xfedcba },
		{ SKEP_ENCAP_GENEVE, SKEP_PEER_MARKS, 0, 0xfedcba, 0 },
		{ SKEP_ENCAP_GENEVE, 0, SKEP_F_MARK, 0xfedcba, 0 },
		{ SKEP_ENCAP_NVGRE, SKEP_PEER_MARKS, SKEP_F_MARK, 0x777, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[1024];
		uint32_t len = build(udp4, buf, sizeof(buf));

		peer(false, cases[i].encap, cases[i].peer);
		send_to_peer(buf, len, cases[i].key, cases[i].flow);
		check_outer(false, cases[i].encap, cases[i].mark, len);
		receive(buf, len, cases[i].mark);
	}
}

/* What fits exactly, and one byte more. */
static void test_sizes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SKEP_ENCAPS * 2; i++) {
		enum skep_encap encap = i >> 1;
		bool v6 = i & 1;
		uint32_t most = 1500 - skep_encap_size(encap, v6);
		char line[128];

		peer(v6, encap, SKEP_PEER_MARKS);
		for (uint32_t more = 0; more < 2; more++) {
			snprintf(line, sizeof(line),
				 "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data %u",
				 most - 28 + more);
			uint8_t buf[2048];
			uint32_t len = build(line, buf, sizeof(buf));

			send_to_peer(buf, len, BPFRUN_KEY, SKEP_F_MARK);
			assert_int_equal(res.drop, more ? SKEP_DROP_TOO_BIG : SKEP_DROP_NONE);
			if (!more)
				assert_int_equal(res.len, 14 + 1500);
		}
	}
}

/* One byte of the header is another one: 'at' counts from the tunnel's own header, negative from
 * the end of the outer IP header where there is UDP. */
static void test_malformed(void **state)
{
	static const struct {
		const char *name;
		enum skep_encap encap;
		int at;
		uint8_t byte;
		enum skep_drop drop; /* NONE: not ours */
	} cases[] = {
		{ "VXLAN without the VNI flag", SKEP_ENCAP_VXLAN, 0, 0x00, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN with G alone", SKEP_ENCAP_VXLAN, 0, 0x80, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN-GPE's P", SKEP_ENCAP_VXLAN, 0, 0x0c, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN-GPE's O", SKEP_ENCAP_VXLAN, 0, 0x09, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN flag 0x10", SKEP_ENCAP_VXLAN, 0, 0x18, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN flag 0x20", SKEP_ENCAP_VXLAN, 0, 0x28, SKEP_DROP_BAD_TUNNEL },
		{ "VXLAN flag 0x40", SKEP_ENCAP_VXLAN, 0, 0x48, SKEP_DROP_BAD_TUNNEL },
		{ "another port's key", SKEP_ENCAP_VXLAN, 6, 0xe1, SKEP_DROP_UNKNOWN_KEY },
		{ "UDP length beyond the frame", SKEP_ENCAP_VXLAN, -4, 0x7f, SKEP_DROP_BAD_TUNNEL },
		{ "UDP length without a frame", SKEP_ENCAP_VXLAN, -3, 29, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve version 1", SKEP_ENCAP_GENEVE, 0, 0x40, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve version 2", SKEP_ENCAP_GENEVE, 0, 0x80, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve O", SKEP_ENCAP_GENEVE, 1, 0x80, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve around IPv4", SKEP_ENCAP_GENEVE, 2, 0x08, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve around something else", SKEP_ENCAP_GENEVE, 3, 0x59, SKEP_DROP_BAD_TUNNEL },
		{ "Geneve options beyond the packet", SKEP_ENCAP_GENEVE, 0, 0x3f, SKEP_DROP_BAD_TUNNEL },
		{ "another port's key", SKEP_ENCAP_GENEVE, 6, 0xe1, SKEP_DROP_UNKNOWN_KEY },
		{ "UDP length beyond the frame", SKEP_ENCAP_GENEVE, -4, 0x7f, SKEP_DROP_BAD_TUNNEL },
		{ "UDP length without a frame", SKEP_ENCAP_GENEVE, -3, 29, SKEP_DROP_BAD_TUNNEL },
		{ "another UDP port", SKEP_ENCAP_GENEVE, -5, 0xc2, SKEP_DROP_NONE },
		{ "GRE without a key", SKEP_ENCAP_NVGRE, 0, 0x00, SKEP_DROP_BAD_TUNNEL },
		{ "GRE with C", SKEP_ENCAP_NVGRE, 0, 0xa0, SKEP_DROP_BAD_TUNNEL },
		{ "GRE with R", SKEP_ENCAP_NVGRE, 0, 0x60, SKEP_DROP_BAD_TUNNEL },
		{ "GRE with S", SKEP_ENCAP_NVGRE, 0, 0x30, SKEP_DROP_BAD_TUNNEL },
		{ "GRE with s", SKEP_ENCAP_NVGRE, 0, 0x28, SKEP_DROP_BAD_TUNNEL },
		{ "GRE version 1", SKEP_ENCAP_NVGRE, 1, 0x01, SKEP_DROP_BAD_TUNNEL },
		{ "GRE around IPv4", SKEP_ENCAP_NVGRE, 2, 0x08, SKEP_DROP_NONE },
		{ "another port's key", SKEP_ENCAP_NVGRE, 6, 0xe1, SKEP_DROP_UNKNOWN_KEY },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		enum skep_encap encap = cases[i >> 1].encap;
		bool v6 = i & 1;

		peer(v6, encap, 0);
		send_line(udp4, BPFRUN_KEY, 0);
		sent[(int)tunnel_at(v6, encap) + cases[i >> 1].at] = cases[i >> 1].byte;
		refuse(cases[i >> 1].name, cases[i >> 1].drop);
	}
}

/* What may differ without harm. */
static void test_tolerated(void **state)
{
	static const struct {
		enum skep_encap encap;
		uint32_t at;
		uint8_t byte;
		uint32_t mark;
	} cases[] = {
		{ SKEP_ENCAP_VXLAN, 0, 0x88, 0 },    /* group policy, no group */
		{ SKEP_ENCAP_VXLAN, 1, 0x48, 0 },    /* its D and A */
		{ SKEP_ENCAP_VXLAN, 7, 0x01, 0 },    /* reserved */
		{ SKEP_ENCAP_GENEVE, 1, 0x40, 0 },   /* critical options, it says; there are none */
		{ SKEP_ENCAP_GENEVE, 1, 0x3f, 0 },   /* reserved */
		{ SKEP_ENCAP_GENEVE, 7, 0x01, 0 },   /* reserved */
		{ SKEP_ENCAP_NVGRE, 7, 0x5a, 0 },    /* another flow */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		uint8_t buf[1024];
		uint32_t len = build(udp4, buf, sizeof(buf));
		bool v6 = i & 1;

		peer(v6, cases[i >> 1].encap, 0);
		send_to_peer(buf, len, BPFRUN_KEY, 0);
		sent[tunnel_at(v6, cases[i >> 1].encap) + cases[i >> 1].at] = cases[i >> 1].byte;
		receive(buf, len, cases[i >> 1].mark);
	}
}

/* Puts options between Geneve's header and the frame. */
static void insert_options(const uint8_t *options, uint32_t size, bool v6)
{
	uint32_t at = tunnel_at(v6, SKEP_ENCAP_GENEVE), len = sent_len + size;

	memmove(sent + at + 8 + size, sent + at + 8, sent_len - at - 8);
	memcpy(sent + at + 8, options, size);
	sent[at] = (uint8_t)(size / 4);
	sent[at - 4] = (uint8_t)((len - at + 8) >> 8);
	sent[at - 3] = (uint8_t)(len - at + 8);
	if (v6) {
		sent[18] = (uint8_t)((len - 54) >> 8);
		sent[19] = (uint8_t)(len - 54);
	} else {
		sent[16] = (uint8_t)((len - 14) >> 8);
		sent[17] = (uint8_t)(len - 14);
	}
	sent_len = len;
}

static void test_options(void **state)
{
	static const struct {
		const char *name;
		uint32_t mark;
		bool bad;
		uint32_t size;
		uint8_t bytes[32];
	} cases[] = {
		{ "a foreign one", 0, false, 8, { 0x01, 0x02, 0x80 >> 1, 0x01, 1, 2, 3, 4 } },
		{ "a foreign critical one", 0, true, 8, { 0x01, 0x02, 0x80, 0x01, 1, 2, 3, 4 } },
		{ "ours, but critical", 0, true, 8, { 0xff, 0x73, 0x81, 0x01, 0, 0, 0, 9 } },
		{ "ours behind a foreign one", 0x123456, false, 20,
		  { 0x01, 0x02, 0x03, 0x02, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0x73, 0x01, 0x01, 0, 0x12, 0x34, 0x56 } },
		{ "a foreign one behind ours", 9, false, 12, { 0xff, 0x73, 0x01, 0x01, 0, 0, 0, 9, 1, 2, 3, 0 } },
		{ "a critical one behind ours", 0, true, 12, { 0xff, 0x73, 0x01, 0x01, 0, 0, 0, 9, 1, 2, 0x83, 0 } },
		{ "ours with reserved bits", 9, false, 8, { 0xff, 0x73, 0x01, 0xe1, 0, 0, 0, 9 } },
		{ "our class, another type", 0, false, 8, { 0xff, 0x73, 0x02, 0x01, 0, 0, 0, 9 } },
		{ "our type, another length", 0, false, 12, { 0xff, 0x73, 0x01, 0x02, 0, 0, 0, 9, 0, 0, 0, 0 } },
		{ "one longer than all of them", 0, true, 8, { 0x01, 0x02, 0x03, 0x02, 1, 2, 3, 4 } },
		{ "ours, cut", 0, true, 4, { 0xff, 0x73, 0x01, 0x01 } },
	};
	uint8_t buf[1024], many[252] = { 0 };
	uint32_t len = build(udp4, buf, sizeof(buf));

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		peer(i & 1, SKEP_ENCAP_GENEVE, 0);
		send_to_peer(buf, len, BPFRUN_KEY, 0);
		insert_options(cases[i >> 1].bytes, cases[i >> 1].size, i & 1);
		if (cases[i >> 1].bad)
			refuse(cases[i >> 1].name, SKEP_DROP_BAD_TUNNEL);
		else
			receive(buf, len, cases[i >> 1].mark);
	}
	for (int v6 = 0; v6 < 2; v6++) { /* as many as there can be, ours the last */
		peer(v6, SKEP_ENCAP_GENEVE, 0);
		send_to_peer(buf, len, BPFRUN_KEY, 0);
		memset(many, 0, sizeof(many));
		memcpy(many + sizeof(many) - 8, "\xff\x73\x01\x01\0\0\x03\x21", 8);
		insert_options(many, sizeof(many), v6);
		receive(buf, len, 0x321);
		many[248 - 8 + 2] = 0x80; /* the one in front of it */
		peer(v6, SKEP_ENCAP_GENEVE, 0);
		send_to_peer(buf, len, BPFRUN_KEY, 0);
		insert_options(many, sizeof(many), v6);
		refuse("a critical one among many", SKEP_DROP_BAD_TUNNEL);
	}
}

/* Of strangers only what this host asks for is refused; VXLAN always, for that port is ours. */
static void test_strangers(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SKEP_ENCAPS * SKEP_ENCAPS * 2; i++) {
		enum skep_encap encap = (i >> 1) % SKEP_ENCAPS, asked = (i >> 1) / SKEP_ENCAPS;
		bool v6 = i & 1;

		peer(v6, encap, 0);
		configure(v6, asked);
		send_line(udp4, BPFRUN_KEY, 0);
		sent[v6 ? 37 : 29] = 99;
		refuse("from a stranger", encap == SKEP_ENCAP_VXLAN || encap == asked ? SKEP_DROP_UNKNOWN_PEER :
											SKEP_DROP_NONE);
	}
}

/* The kernel's device is VXLAN's alone, and refuses the flag G. */
static void test_who_strips(void **state)
{
	struct skep_config cfg;
	uint32_t zero = 0;
	uint8_t buf[1024];

	(void)state;
	for (unsigned int i = 0; i < SKEP_ENCAPS * 2; i++) {
		enum skep_encap encap = i >> 1;
		uint16_t mark = i & 1 ? SKEP_F_MARK : 0;
		uint32_t len = build(tcp4, buf, sizeof(buf));

		peer(false, encap, SKEP_PEER_MARKS);
		assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
		cfg.tunnel_ifindex = DEVICE;
		assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
		send_to_peer(buf, len, BPFRUN_KEY, mark);
		assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, sent, sent_len, &res), 0);
		if (encap == SKEP_ENCAP_VXLAN && !mark) {
			assert_int_equal(res.action, TC_ACT_UNSPEC);
			assert_int_equal(res.len, sent_len);
		} else {
			assert_int_equal(res.action, TC_ACT_REDIRECT);
			assert_memory_equal(res.data, buf, len);
		}
		cfg.tunnel_ifindex = 0;
		assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
	}
}

/* Cut anywhere, a frame gets to no port, and no program reads beyond its end. */
static void test_cut(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SKEP_ENCAPS * 2; i++) {
		enum skep_encap encap = i >> 1;

		peer(i & 1, encap, SKEP_PEER_MARKS);
		send_line(udp4, BPFRUN_KEY, SKEP_F_MARK);
		for (uint32_t len = i & 1 ? 54 : 34; len < sent_len; len++) {
			assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, sent, len, &res), 0);
			assert_int_not_equal(res.action, TC_ACT_REDIRECT);
			assert_int_equal(bpfrun_run(run, BPFRUN_XDP, sent, len, &res), 0);
			assert_true(res.action == XDP_DROP || res.len == len);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_entropy),
		cmocka_unit_test(test_who_is_marked),  cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_malformed),      cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_options),	       cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_who_strips),     cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
