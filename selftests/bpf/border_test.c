// SPDX-License-Identifier: Apache-2.0
/*
 * XDP on a network card that is a port, against TC: every frame goes through skep_xdp_port and, as it came, through skep_tc_port, with flows
 * of all kinds.  What XDP passes is untouched; what it deals with ends the same, byte for byte, with the same reason, and leaves
 * the flow in the same state.  Bytes that TC leaves to the kernel's neighbour table (outer MACs) are those of the table of next hops.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/bpf/build.h"
#include "selftests/lib/bpfrun.h"
#include "util/addr.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define RANDOM	400 /* flows for each frame */
#define MUTANTS 300 /* of each frame */
#define NIC	6100 /* ifindex of another card, with room for 1500 bytes */
#define TAP	6101 /* of something that XDP cannot send to */
#define RW	5
#define PEERS	8
#define POLICER 3

static struct bpfrun *run;
static struct bpfrun_result xdp, tc;
static uint32_t now;
static struct {
	unsigned int encap, local, drop, pass;
} seen;

static const char *const frames[] = {
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 S / data 30",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 AF / data 31",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 tos 43 / udp 4000>53 / data 21",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 nocsum",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 1 / icmp echo id 7 / data 9",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / icmp 3/1",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / sctp 1>2",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 frag first / udp 1>2 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 frag later proto 17 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 proto 47 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 proto 136 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 1460",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 A",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 SA / data 5",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 tos 2 / udp 4000>53 / data 21",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / icmp6 echo id 9",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / icmp6 1/4 / data 44",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 frag first / udp 1>2 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 frag later proto 17 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 proto 33 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 pcp 5 / ip fd00::1>fd00::2 ttl 9 / udp 4000>53",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88cc / data 40",
	"eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2",
	"eth 02:00:00:00:00:01>02:00:00:00:00:01 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53",
	"eth 03:00:00:00:00:01>02:00:00:00:00:01 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53",
};

/* --- rig --- */

static void put_hop(uint32_t index, const struct skep_hop *hop)
{
	int n = libbpf_num_possible_cpus();
	size_t size = (sizeof(*hop) + 7) / 8 * 8;
	_free_ char *values = calloc((size_t)n, size);

	assert_non_null(values);
	for (int i = 0; i < n; i++)
		memcpy(values + (size_t)i * size, hop, sizeof(*hop));
	assert_int_equal(bpfrun_put(run, "skep_hops", &index, values), 0);
}

static struct skep_hop hop_to(const struct skep_peer *peer)
{
	struct skep_hop hop = { .eth = { 2, 9, 0, 0, 0, 2, 2, 9, 0, 0, 0, 1, peer->family == 4 ? 0x08 : 0x86, peer->family == 4 ? 0 : 0xdd },
				.remote = peer->remote, .looked = now, .told = now, .ok = 1 };

	return hop;
}

/* One host for each way of sending; the last two are not to be reached from XDP. */
static struct skep_peer peer_of(uint32_t i)
{
	struct skep_peer peer = { .family = i & 1 ? 6 : 4, .ttl = 64, .tos = (uint8_t)(i == 3 ? 0x48 : 0), .mtu = 1600,
				  .encap = (uint8_t)(i / 2 % SKEP_ENCAPS), .dport = htons(i / 2 == 1 ? SKEP_GENEVE_PORT : SKEP_VXLAN_PORT),
				  .ifindex = BPFRUN_UNDER, .flags = (uint16_t)(i > 2 ? SKEP_PEER_MARKS : 0) };

	ip_parse(peer.family == 4 ? "10.9.0.1" : "fd09::1", &peer.local);
	ip_parse(peer.family == 4 ? "10.9.0.2" : "fd09::2", &peer.remote);
	if (i == 4 || i == 5)
		peer.flags |= SKEP_PEER_DSCP_COPY;
	if (i == 7)
		peer.ifindex = NIC;
	return peer;
}

/* The card by which frames come in; what it may send is for both programs to know. */
static void put_lo(uint32_t police)
{
	struct skep_card card = { .ifindex = 1, .key = BPFRUN_KEY, .lport = BPFRUN_LPORT, .police = police };
	struct skep_iface iface;
	uint32_t lo = 1;

	assert_int_equal(bpfrun_get(run, "skep_ifaces", &lo, &iface), 0);
	iface.police = police;
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
	assert_int_equal(bpfrun_put(run, "skep_cards", &lo, &card), 0);
}

static int setup(void **state)
{
	struct skep_card nic = { .ifindex = NIC, .key = 0x888, .lport = 2, .mtu = 1500 };
	uint32_t nic_index = NIC % SKEP_CARDS_MAX, zero = 0;
	struct skep_config cfg;
	struct err err = { 0 };

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	now = bpfrun_jiffies(run);
	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	cfg.flags = SKEP_CFG_XDP_SEND;
	cfg.hz = INT32_MAX; /* what happens once a second does not happen unless a test wants it */
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
	assert_int_equal(bpfrun_put(run, "skep_cards", &nic_index, &nic), 0);
	put_lo(0);
	for (uint32_t i = 1; i < PEERS; i++) {
		struct skep_peer peer = peer_of(i);
		struct skep_hop hop = hop_to(&peer);

		hop.ok = i != 6;
		assert_int_equal(bpfrun_put(run, "skep_peers", &i, &peer), 0);
		put_hop(i, &hop);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

/* --- both programs, one frame --- */

struct entry { /* of a flow cache */
	const char *map;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	const void *key;
};

static bool entry_of(const uint8_t *data, uint32_t len, struct entry *e)
{
	struct pkt pkt;
	bool v6;

	memset(e, 0, sizeof(*e));
	if (pkt_parse(data, len, &pkt))
		return false;
	v6 = pkt_flow_key(&pkt.f, BPFRUN_KEY, &e->k4, &e->k6);
	e->map = v6 ? "skep_flows6" : "skep_flows4";
	e->key = v6 ? (const void *)&e->k6 : (const void *)&e->k4;
	return true;
}

static void show(const char *what, const uint8_t *data, uint32_t len)
{
	print_error("%s, %u bytes:", what, len);
	for (uint32_t i = 0; i < len; i++)
		print_error(" %02x", data[i]);
	print_error("\n");
}

/* From 'skip' on; MACs that TC leaves to the kernel are compared with those of the next hop. */
static void assert_same_frame(uint32_t skip)
{
	if (xdp.len != tc.len || memcmp(xdp.data + skip, tc.data + skip, tc.len - skip)) {
		show("XDP", xdp.data, xdp.len);
		show("TC ", tc.data, tc.len);
	}
	assert_int_equal(xdp.len, tc.len);
	assert_memory_equal(xdp.data + skip, tc.data + skip, tc.len - skip);
}

/* With 'flow' for its key (NULL: none).  Returns what XDP said. */
static int both(const uint8_t *data, uint32_t len, const struct skep_flow *flow)
{
	struct skep_flow by_xdp = { 0 }, by_tc = { 0 };
	struct entry e;
	bool has = flow && entry_of(data, len, &e);

	if (has)
		assert_int_equal(bpfrun_put(run, e.map, e.key, flow), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_XDP_PORT, data, len, &xdp), 0);
	if (has) {
		assert_int_equal(bpfrun_get(run, e.map, e.key, &by_xdp), 0);
		assert_int_equal(bpfrun_put(run, e.map, e.key, flow), 0);
	}
	if (xdp.action == XDP_PASS) {
		assert_int_equal(xdp.drop, SKEP_DROP_NONE);
		assert_int_equal(xdp.len, len);
		assert_memory_equal(xdp.data, data, len);
		seen.pass++;
		if (has) {
			assert_int_equal(by_xdp.packets, flow->packets);
			assert_int_equal(bpfrun_del(run, e.map, e.key), 0);
		}
		return XDP_PASS;
	}
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, data, len, &tc), 0);
	if (xdp.drop != tc.drop)
		print_error("XDP: %s, TC: %s\n", skep_drop_name(xdp.drop), skep_drop_name(tc.drop));
	assert_int_equal(xdp.drop, tc.drop);
	if (xdp.action == XDP_DROP) {
		assert_int_equal(tc.action, TC_ACT_SHOT);
		assert_int_not_equal(xdp.drop, SKEP_DROP_NONE);
		seen.drop++;
	} else {
		assert_int_equal(xdp.action, XDP_REDIRECT);
		assert_int_equal(tc.action, TC_ACT_REDIRECT);
		assert_non_null(flow);
		if (flow->action == SKEP_ACT_ENCAP) {
			struct skep_peer peer = peer_of(flow->peer);
			struct skep_hop hop = hop_to(&peer);

			assert_same_frame(sizeof(hop.eth) - 2);
			assert_memory_equal(xdp.data, hop.eth, sizeof(hop.eth));
			seen.encap++;
		} else {
			assert_same_frame(0);
			seen.local++;
		}
	}
	if (has) {
		assert_int_equal(bpfrun_get(run, e.map, e.key, &by_tc), 0);
		by_tc.last_seen = by_xdp.last_seen;
		assert_memory_equal(&by_tc, &by_xdp, sizeof(by_tc));
		assert_int_equal(bpfrun_del(run, e.map, e.key), 0);
	}
	return xdp.action;
}

/* --- flows of all kinds --- */

static uint64_t rnd = 1;
static uint32_t pick(uint32_t n)
{
	rnd = hash_u64(rnd + 0x9e3779b97f4a7c15ULL);
	return (uint32_t)(rnd >> 20) % n;
}

static bool one_in(uint32_t n)
{
	return pick(n) == 0;
}

/* What skepd would ask for of such a frame: no ports of what has none, ids of echoes only. */
static void random_rewrite(const char *frame)
{
	struct skep_rewrite rw = { .what = pick(1 << 8), .sport = (uint16_t)pick(65536), .dport = (uint16_t)pick(65536), .dscp = (uint8_t)pick(64),
				   .vlan = htons(5), .eth_dst = { { 2, 7 } }, .eth_src = { { 2, 8 } } };
	uint32_t index = RW;

	if (strstr(frame, "icmp"))
		rw.what &= ~(uint32_t)(SKEP_RW_SPORT | SKEP_RW_DPORT);
	if (!strstr(frame, "echo"))
		rw.what &= ~(uint32_t)SKEP_RW_ECHO_ID;
	if (one_in(8))
		rw.what |= SKEP_RW_VLAN_PUSH << pick(3);
	for (int i = 0; i < 4; i++) {
		rw.src.w[i] = pick(UINT32_MAX);
		rw.dst.w[i] = pick(UINT32_MAX);
	}
	assert_int_equal(bpfrun_put(run, "skep_rewrites", &index, &rw), 0);
}

static struct skep_flow random_flow(const char *frame)
{
	static const uint8_t actions[] = { SKEP_ACT_DROP, SKEP_ACT_LOCAL, SKEP_ACT_LOCAL, SKEP_ACT_ENCAP, SKEP_ACT_ENCAP, SKEP_ACT_ENCAP };
	struct skep_flow f = { .action = actions[pick(ARRAY_SIZE(actions))], .eth_dst = { { 2, 1, 1, 1, 1, 1 } }, .eth_src = { { 2, 2, 2, 2, 2, 2 } },
			       .last_seen = now, .cookie = 77 };

	f.flags = (uint16_t)pick(4);
	f.ttl_dec = (uint8_t)pick(3);
	f.out = f.action == SKEP_ACT_DROP ? SKEP_DROP_POLICY : f.action == SKEP_ACT_ENCAP ? 0x123456 : NIC;
	f.peer = (uint16_t)(1 + pick(PEERS - 1));
	if (one_in(10) && f.action == SKEP_ACT_LOCAL)
		f.out = TAP;
	if (one_in(4))
		f.flags |= SKEP_F_MARK;
	if (one_in(3))
		f.mtu = (uint16_t)(40 + pick(100));
	if (one_in(4))
		f.flags |= SKEP_F_TOS;
	if (one_in(4)) {
		f.flags |= SKEP_F_TCP;
		f.tcp_mask = 0x12;
		f.tcp_value = (uint8_t)(pick(4) * 2);
	}
	if (one_in(4)) {
		f.flags |= SKEP_F_CONN;
		f.tcp_seen = (uint8_t)pick(32);
	} else if (one_in(3)) {
		f.flags |= SKEP_F_LIVE;
		f.tcp_seen = (uint8_t)pick(32);
	}
	if (one_in(4)) {
		f.gen = 1 + pick(2);
		f.stat = 1;
	}
	if (one_in(2)) {
		f.rewrite = RW;
		random_rewrite(frame);
	}
	return f;
}

static void test_random(void **state)
{
	uint8_t buf[2048];

	(void)state;
	memset(&seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
		uint32_t len = build(frames[i], buf, sizeof(buf));

		for (unsigned int n = 0; n < RANDOM; n++) {
			struct skep_flow f = random_flow(frames[i]);

			(void)both(buf, len, &f);
		}
	}
	print_message("# %u encapsulated, %u to another card, %u dropped, %u passed\n", seen.encap, seen.local, seen.drop, seen.pass);
	assert_true(seen.encap > 500 && seen.local > 500 && seen.drop > 500 && seen.pass > 500);
}

/* BPF_PROG_TEST_RUN takes no frame for TC without a whole IP header; selftests/net/border.sh sends such. */
static bool test_run_refuses(const uint8_t *data, uint32_t len)
{
	uint16_t type = len > 14 ? (uint16_t)(data[12] << 8 | data[13]) : 0;

	return len <= 14 || (type == 0x0800 && len < 34) || (type == 0x86dd && len < 54);
}

static void test_malformed(void **state)
{
	const struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = 0x123, .peer = 2, .ttl_dec = 1, .flags = SKEP_F_ETH_DST };
	uint8_t whole[2048], buf[2048];

	(void)state;
	memset(&seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
		uint32_t len = build(frames[i], whole, sizeof(whole));

		for (uint32_t cut = 15; cut < len && cut < 100; cut++)
			if (!test_run_refuses(whole, cut))
				(void)both(whole, cut, &flow);
		for (unsigned int n = 0; n < MUTANTS; n++) {
			memcpy(buf, whole, len);
			for (uint32_t m = 0; m <= pick(3); m++)
				buf[12 + pick(len < 80 ? len - 12 : 68)] = (uint8_t)pick(256);
			if (!test_run_refuses(buf, len))
				(void)both(buf, len, &flow);
		}
	}
	print_message("# %u encapsulated, %u dropped, %u passed\n", seen.encap, seen.drop, seen.pass);
	assert_true(seen.encap > 500 && seen.drop > 500 && seen.pass > 50);
}

/* --- what XDP takes, and what it leaves --- */

static const struct skep_flow to_host = { .action = SKEP_ACT_ENCAP, .out = 0x123, .peer = 2 };
static const struct skep_flow to_card = { .action = SKEP_ACT_LOCAL, .out = NIC };

static int one(const char *line, struct skep_flow flow, void (*change)(struct skep_flow *f))
{
	uint8_t buf[2048];
	uint32_t len = build(line, buf, sizeof(buf));

	if (change)
		change(&flow);
	return both(buf, len, &flow);
}

static void set_mtu(struct skep_flow *f) { f->mtu = 40; }
static void set_ttl(struct skep_flow *f) { f->ttl_dec = 9; }
static void set_tos(struct skep_flow *f) { f->flags = SKEP_F_TOS; f->tos = 0x48; }
static void set_gen(struct skep_flow *f) { f->gen = 2; }
static void set_live(struct skep_flow *f) { f->flags = SKEP_F_LIVE; f->last_seen = now - INT32_MAX - 1U; }
static void set_agent(struct skep_flow *f) { f->action = SKEP_ACT_AGENT; }
static void set_set(struct skep_flow *f) { f->action = SKEP_ACT_SET; }
static void set_tap(struct skep_flow *f) { f->out = TAP; }
static void set_no_hop(struct skep_flow *f) { f->peer = 6; }
static void set_far(struct skep_flow *f) { f->peer = 7; }

static void test_takes(void **state)
{
	uint8_t buf[2048];
	uint32_t len = build(frames[2], buf, sizeof(buf));

	(void)state;
	assert_int_equal(one(frames[2], to_host, NULL), XDP_REDIRECT);
	assert_int_equal(one(frames[2], to_card, NULL), XDP_REDIRECT);
	assert_int_equal(one(frames[14], to_host, NULL), XDP_REDIRECT);
	assert_int_equal(one(frames[8], to_host, NULL), XDP_REDIRECT); /* a later fragment */
	assert_int_equal(one(frames[12], to_card, NULL), XDP_REDIRECT); /* a tagged frame */
	assert_int_equal(one(frames[12], to_host, NULL), XDP_PASS);
	assert_int_equal(one(frames[21], to_host, NULL), XDP_PASS); /* no IP */
	assert_int_equal(one(frames[22], to_card, NULL), XDP_PASS); /* ARP */
	assert_int_equal(both(buf, len, NULL), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_mtu), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_ttl), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_tos), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_gen), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_live), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_agent), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_set), XDP_PASS);
	assert_int_equal(one(frames[2], to_card, set_tap), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_no_hop), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, set_far), XDP_PASS);
}

/* Too big for the way to the host, or for the card: TC answers. */
static void test_too_big(void **state)
{
	(void)state;
	assert_int_equal(one("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 1522", to_host, NULL), XDP_REDIRECT);
	assert_int_equal(one("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 1523", to_host, NULL), XDP_PASS);
	assert_int_equal(one("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 1472", to_card, NULL), XDP_REDIRECT);
	assert_int_equal(one("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 1473", to_card, NULL), XDP_PASS);
}

/* The next hop is asked for again when it is of another host, and once a second a packet takes the kernel's way. */
static void test_next_hop(void **state)
{
	struct skep_peer peer = peer_of(2);
	struct skep_hop hop = hop_to(&peer);

	(void)state;
	hop.told = now - INT32_MAX - 1U;
	put_hop(2, &hop);
	assert_int_equal(one(frames[2], to_host, NULL), XDP_PASS);
	assert_int_equal(one(frames[2], to_host, NULL), XDP_REDIRECT);
	hop.told = now;
	hop.remote.w[3]++;
	put_hop(2, &hop);
	assert_int_equal(one(frames[2], to_host, NULL), XDP_PASS); /* the interface of the rig exists nowhere: no way is found */
	hop = hop_to(&peer);
	put_hop(2, &hop);
	assert_int_equal(one(frames[2], to_host, NULL), XDP_REDIRECT);
}

/* A policer lets as many packets through in XDP as in TC. */
static unsigned int let_through(enum bpfrun_prog prog, enum skep_drop *reason)
{
	struct skep_policer pol = { .ps_per_byte = 80000000000ULL, .burst_ns = 5 * 80000000ULL * 100 };
	uint32_t index = POLICER, len;
	struct bpfrun_result *res = &xdp;
	unsigned int n = 0;
	uint8_t buf[2048];

	len = build("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 58", buf, sizeof(buf));
	assert_int_equal(bpfrun_put(run, "skep_policers", &index, &pol), 0);
	do
		assert_int_equal(bpfrun_run(run, prog, buf, len, res), 0);
	while (!res->drop && ++n < 100);
	*reason = res->drop;
	return n;
}

static void test_policers(void **state)
{
	struct skep_flow flow = to_card;
	enum skep_drop reason;
	uint8_t buf[2048];
	uint32_t len;
	struct entry e;

	(void)state;
	len = build("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 58", buf, sizeof(buf));
	assert_true(entry_of(buf, len, &e));
	for (int way = 0; way < 2; way++) {
		put_lo(way ? 0 : POLICER);
		flow.police = way ? POLICER : 0;
		assert_int_equal(bpfrun_put(run, e.map, e.key, &flow), 0);
		assert_int_equal(let_through(BPFRUN_XDP_PORT, &reason), let_through(BPFRUN_PORT, &reason));
		assert_int_equal(let_through(BPFRUN_XDP_PORT, &reason), 6);
		assert_int_equal(reason, SKEP_DROP_POLICED);
		put_lo(0);
	}
	assert_int_equal(bpfrun_del(run, e.map, e.key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes), cmocka_unit_test(test_random), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_too_big), cmocka_unit_test(test_next_hop), cmocka_unit_test(test_policers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
