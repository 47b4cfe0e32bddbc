// SPDX-License-Identifier: Apache-2.0
/*
 * Every kind of rewrite, on every kind of packet: what BPF makes of it is, byte for byte, what packet/packet.h: pkt_rewrite() does.  Once as
 * a flow of a port, once as a verdict of skepd (where the kernel's idea of the frame is another).  Checksums here are complete, or
 * zero; those left to the card are in selftests/unit/loader/dp_rewrite_test.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loader/install_rewrite.h"
#include "packet/packet.h"
#include "selftests/bpf/build.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define RANDOM 600 /* combinations for each packet */
#define RW     5
#define SLOT   3
#define PEER   9

static struct bpfrun *run;
static struct bpfrun_result res;
static unsigned int compared;

static const char *const packets[] = {
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 S / data 30",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 tos 3 / udp 4000>53 / data 21",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 nocsum",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / icmp echo id 7 / data 9",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / icmp reply id 7",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / icmp 3/1",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / sctp 1>2",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 frag first / udp 1>2 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 frag later proto 17 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 proto 47 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 proto 136 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 proto 33 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 frag later proto 136 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 A",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 SA / data 5",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 tos 2 / udp 4000>53 / data 21",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / udp 4000>53 nocsum",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / icmp6 echo id 9",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / icmp6 1/4 / data 44",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 frag first / udp 1>2 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 frag later proto 17 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 pcp 5 / ip fd00::1>fd00::2 ttl 9 / udp 4000>53",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88cc / data 40",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 type 0x88cc / data 40",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 type 0x8100 / data 40",
};

static int setup(void **state)
{
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 9000, .dport = htons(SKEP_VXLAN_PORT), .ifindex = BPFRUN_UNDER };
	struct err err = { 0 };
	uint32_t index = PEER;

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	return bpfrun_put(run, "skep_peers", &index, &peer);
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

struct frame {
	uint8_t data[600];
	uint32_t len;
	struct pkt pkt;
};

static void make(struct frame *f, const char *line)
{
	f->len = build(line, f->data, sizeof(f->data));
	assert_int_equal(pkt_parse(f->data, f->len, &f->pkt), SKEP_DROP_NONE);
	if (f->pkt.f.ip_proto == 136 || f->pkt.f.ip_proto == 33) /* a checksum, where there is one */
		memcpy(f->data + f->pkt.payload_off + 6, "\x12\x34", 2);
}

static bool has_ports(const struct pkt_fields *f)
{
	return f->has_l4 && (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP);
}

static bool is_echo(const struct pkt_fields *f)
{
	uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	return f->has_l4 && ((f->ip_proto == IPPROTO_ICMP && (type == 8 || type == 0)) ||
			     (f->ip_proto == IPPROTO_ICMPV6 && type >= 128));
}

static void change_addr(struct skep_ip *ip, uint64_t rnd)
{
	if (ip_is_v4(ip))
		ip->w[3] = (uint32_t)rnd;
	else
		for (int i = 0; i < 4; i++)
			ip->w[i] = (uint32_t)hash_u64(rnd + (unsigned int)i);
}

enum { ETH_DST, ETH_SRC, SRC, DST, SPORT, DPORT, DSCP, TTL, TAG, N_KINDS };

/* What becomes of 'f' when the fields of 'kinds' change, as far as it has them. */
static struct pkt_fields change(const struct pkt_fields *f, uint32_t kinds, uint64_t rnd)
{
	bool ip = f->eth_type == htons(0x0800) || f->eth_type == htons(0x86dd);
	struct pkt_fields to = *f;

	if (kinds & 1 << ETH_DST)
		to.eth_dst.b[5] = (uint8_t)rnd;
	if (kinds & 1 << ETH_SRC)
		to.eth_src.b[4] = (uint8_t)(rnd >> 8);
	if ((kinds & 1 << SRC) && ip)
		change_addr(&to.ip_src, hash_u64(rnd + 1));
	if ((kinds & 1 << DST) && ip)
		change_addr(&to.ip_dst, hash_u64(rnd + 2));
	if ((kinds & 1 << SPORT) && has_ports(f))
		to.l4_src = (__be16)(rnd >> 16);
	if ((kinds & 1 << DPORT) && (has_ports(f) || is_echo(f)))
		to.l4_dst = (__be16)(rnd >> 32);
	if ((kinds & 1 << DSCP) && ip)
		to.ip_tos = (uint8_t)((rnd >> 48 & 0xfc) | (f->ip_tos & 3));
	if ((kinds & 1 << TTL) && ip)
		to.ip_ttl -= (uint8_t)(rnd >> 56) % 9;
	if (kinds & 1 << TAG) /* off, or one that is new */
		to.vlan = f->vlan && (rnd & 1) ? 0 : htons((uint16_t)(rnd & 0xefff) | PKT_VLAN_PRESENT);
	return to;
}

static void put(const char *map, uint32_t index, const void *value)
{
	assert_int_equal(bpfrun_put(run, map, &index, value), 0);
}

static void show(const char *what, const uint8_t *data, uint32_t len)
{
	print_error("%s:", what);
	for (uint32_t i = 0; i < len; i++)
		print_error(" %02x", data[i]);
	print_error("\n");
}

static void assert_same(const char *how, const char *line, uint32_t kinds, const uint8_t *got, uint32_t got_len,
			const uint8_t *want, uint32_t len)
{
	compared++;
	if (res.drop == SKEP_DROP_NONE && got_len == len && !memcmp(got, want, len))
		return;
	print_error("%s: %s, kinds 0x%x: action %d, drop %s\n", how, line, kinds, res.action, skep_drop_name(res.drop));
	show("want", want, len);
	show("got ", got, got_len);
	fail_msg("other bytes");
}

/* As a flow; the tag that is pushed is beside the frame then, and in it only behind the relay header of a copy for another host. */
static void by_flow(const struct frame *f, const struct pkt_fields *to, const struct skep_flow *v, const char *line,
		    uint32_t kinds, const uint8_t *want, uint32_t len)
{
	struct skep_flow flow = *v;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	bool v6 = pkt_flow_key(&f->pkt.f, BPFRUN_KEY, &k4, &k6);
	const char *map = v6 ? "skep_flows6" : "skep_flows4";
	const void *key = v6 ? (const void *)&k6 : (const void *)&k4;
	uint32_t skip = 0;

	if (to->vlan && !f->pkt.f.vlan) {
		flow.action = SKEP_ACT_ENCAP;
		flow.out = 0x123;
		flow.peer = PEER;
		skip = sizeof(struct skep_upcall);
	}
	assert_int_equal(bpfrun_put(run, map, key, &flow), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, f->data, f->len, &res), 0);
	assert_int_equal(bpfrun_del(run, map, key), 0);
	assert_same("flow", line, kinds, res.data + skip, res.len - skip, want, len);
}

/* As skepd's verdict. */
static void by_verdict(const struct frame *f, const struct skep_flow *v, const char *line, uint32_t kinds,
		       const uint8_t *want, uint32_t len)
{
	struct skep_upcall up = { .magic = htons(SKEP_UPCALL_MAGIC), .key = htonl(BPFRUN_KEY), .slot = htons(SLOT),
				  .eth_type = htons(f->pkt.f.eth_type == htons(0x86dd) ? 0x86dd : 0x0800) };
	uint8_t buf[sizeof(f->data) + sizeof(up)];

	memcpy(buf, &up, sizeof(up));
	memcpy(buf + sizeof(up), f->data, f->len);
	put("skep_slots", SLOT, v);
	assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, buf, f->len + (uint32_t)sizeof(up), &res), 0);
	assert_same("verdict", line, kinds, res.data, res.len, want, len);
}

static void check(const struct frame *f, const char *line, uint32_t kinds, uint64_t rnd)
{
	struct pkt_fields to = change(&f->pkt.f, kinds, rnd);
	struct skep_flow v = { .action = SKEP_ACT_LOCAL, .out = 77 };
	struct skep_rewrite rw = { 0 };
	uint8_t want[sizeof(f->data) + 4];
	int len;

	memcpy(want, f->data, f->len);
	len = pkt_rewrite(want, &f->pkt, &to);
	if (f->pkt.f.vlan && !to.vlan && f->pkt.f.eth_type == htons(0x8100)) {
		assert_int_equal(len, -EINVAL); /* the tag behind it would take its place */
		assert_false(install_rewrite(&f->pkt.f, &to, &v, &rw));
		return;
	}
	assert_true(len > 0);
	assert_true(install_rewrite(&f->pkt.f, &to, &v, &rw));
	if (install_rewrites(&rw)) {
		put("skep_rewrites", RW, &rw);
		v.rewrite = RW;
	}
	by_flow(f, &to, &v, line, kinds, want, (uint32_t)len);
	by_verdict(f, &v, line, kinds, want, (uint32_t)len);
}

static void test_each_kind(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(packets); i++)
		for (uint32_t kind = 0; kind < N_KINDS; kind++)
			for (uint64_t n = 0; n < 8; n++) {
				struct frame f;

				make(&f, packets[i]);
				check(&f, packets[i], 1U << kind, hash_u64(i * 1000 + kind * 10 + n));
			}
}

static void test_combinations(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(packets); i++) {
		struct frame f;

		make(&f, packets[i]);
		for (uint64_t n = 0; n < RANDOM; n++) {
			uint64_t rnd = hash_u64(i << 20 | n);

			check(&f, packets[i], (uint32_t)rnd & ((1U << N_KINDS) - 1), hash_u64(rnd));
		}
	}
	assert_true(compared > ARRAY_SIZE(packets) * RANDOM);
}

/* All source ports: somewhere the checksum becomes zero, which UDP must not send. */
static void test_udp_checksum_that_becomes_zero(void **state)
{
	static const char *const lines[] = {
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / udp 4000>53",
	};
	unsigned int zeroes = 0;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++)
		for (uint32_t port = 0; port < 65536; port += 1) {
			struct frame f;
			uint8_t want[600];
			struct skep_flow v = { .action = SKEP_ACT_LOCAL, .out = 77, .rewrite = RW };
			struct skep_rewrite rw = { .what = SKEP_RW_SPORT, .sport = htons((uint16_t)port) };
			struct pkt_fields to;

			make(&f, lines[i]);
			to = f.pkt.f;
			to.l4_src = htons((uint16_t)port);
			memcpy(want, f.data, f.len);
			assert_int_equal(pkt_rewrite(want, &f.pkt, &to), f.len);
			if (want[f.pkt.l4_off + 6] != 0xff || want[f.pkt.l4_off + 7] != 0xff)
				continue;
			zeroes++;
			put("skep_rewrites", RW, &rw);
			by_flow(&f, &to, &v, lines[i], port, want, f.len);
		}
	assert_true(zeroes >= 2);
}

/* UDP-Lite and DCCP are not parsed, but their checksums cover the addresses: the sum over both stays. */
static void test_checksums_of_unparsed_protocols(void **state)
{
	static const char *const lines[] = {
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 proto 136 / data 32",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 proto 33 / data 32",
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct skep_rewrite rw = { .what = SKEP_RW_SRC };
		struct skep_flow v = { .action = SKEP_ACT_LOCAL, .out = 77, .rewrite = RW };
		uint32_t addrs = i ? 22 : 26, len = i ? 32 : 8, l4 = i ? 54 : 34;
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
		struct frame f;
		bool v6;

		make(&f, lines[i]);
		ip_parse(i ? "fd77::9" : "203.0.113.9", &rw.src);
		put("skep_rewrites", RW, &rw);
		v6 = pkt_flow_key(&f.pkt.f, BPFRUN_KEY, &k4, &k6);
		assert_int_equal(bpfrun_put(run, v6 ? "skep_flows6" : "skep_flows4", v6 ? (void *)&k6 : (void *)&k4, &v), 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_PORT, f.data, f.len, &res), 0);
		assert_memory_not_equal(res.data + l4 + 6, f.data + l4 + 6, 2);
		assert_int_equal(pkt_csum(res.data + addrs, len, pkt_csum_add(res.data + l4, 8, 0)),
				 pkt_csum(f.data + addrs, len, pkt_csum_add(f.data + l4, 8, 0)));
	}
}

/* What is not there is not written, and an index that is not there is an error. */
static void test_failures(void **state)
{
	struct skep_flow v = { .action = SKEP_ACT_LOCAL, .out = 77, .rewrite = SKEP_REWRITES_MAX };
	struct skep_rewrite rw = { .what = SKEP_RW_SPORT | SKEP_RW_DPORT | SKEP_RW_SRC | SKEP_RW_DSCP };
	struct frame f;

	(void)state;
	make(&f, packets[0]);
	put("skep_slots", SLOT, &v);
	{
		struct skep_upcall up = { .magic = htons(SKEP_UPCALL_MAGIC), .slot = htons(SLOT), .eth_type = htons(0x0800) };
		uint8_t buf[sizeof(f.data) + sizeof(up)];

		memcpy(buf, &up, sizeof(up));
		memcpy(buf + sizeof(up), f.data, f.len);
		assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, buf, f.len + 14, &res), 0);
		assert_int_equal(res.drop, SKEP_DROP_REWRITE);
	}
	/* ARP is no IP */
	make(&f, "eth 02:00:00:00:00:01>02:00:00:00:00:02 / arp reply 10.0.0.1>10.0.0.2");
	put("skep_rewrites", RW, &rw);
	v.rewrite = RW;
	by_verdict(&f, &v, "arp", 0, f.data, f.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_combinations),
		cmocka_unit_test(test_udp_checksum_that_becomes_zero),
		cmocka_unit_test(test_checksums_of_unparsed_protocols),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
