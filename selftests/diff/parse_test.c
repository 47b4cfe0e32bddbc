// SPDX-License-Identifier: Apache-2.0
/*
 * Two parsers, one truth: every frame goes through pkt_parse() and through skep_tc_port.  A frame that one refuses the other refuses, for the
 * same reason; a frame that passes has the same flow key for both, which is shown by a flow under user space's key that only a
 * BPF lookup with the same key can meet.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/lib/bpfrun.h"
#include "simulator/simulator.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define MUTATIONS 400 /* of each seed frame */

static struct bpfrun *run;
static struct bpfrun_result res;

static const char *const seeds[] = {
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 S",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 4000>53 / data 20",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / icmp echo id 7",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 64 / icmp 3/1",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag first / udp 1>2 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 proto 47 / data 32",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 A",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / tcp 4000>80 SA",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / udp 4000>53 / data 20",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 / icmp6 echo id 9",
	"eth 02:00:00:00:00:01>33:33:ff:00:00:02 / ip fd00::1>ff02::1:ff00:2 / ns fd00::2",
	"eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2",
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88cc / data 40",
};

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	run = bpfrun_open(&err);
	if (!run)
		print_error("%s\n", err.text);
	return run ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static void show(const char *what, const uint8_t *data, uint32_t len)
{
	print_error("%s, %u bytes:", what, len);
	for (uint32_t i = 0; i < len; i++)
		print_error(" %02x", data[i]);
	print_error("\n");
}

/* Meets BPF the flow that stands under this key? */
static void assert_same_key(const struct pkt_fields *f, const uint8_t *data, uint32_t len)
{
	struct skep_flow flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY };
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	bool v6 = pkt_flow_key(f, BPFRUN_KEY, &k4, &k6);
	const char *map = v6 ? "skep_flows6" : "skep_flows4";
	const void *key = v6 ? (const void *)&k6 : (const void *)&k4;

	assert_int_equal(bpfrun_put(run, map, key, &flow), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, data, len, &res), 0);
	if (res.drop != SKEP_DROP_POLICY)
		show("another flow key", data, len);
	assert_int_equal(res.drop, SKEP_DROP_POLICY);
	assert_int_equal(bpfrun_del(run, map, key), 0);
}

/* BPF_PROG_TEST_RUN itself takes no frame without a whole IP header; selftests/net/badinput.sh sends such through an interface. */
static bool test_run_refuses(const uint8_t *data, uint32_t len)
{
	uint16_t type = len > 14 ? (uint16_t)(data[12] << 8 | data[13]) : 0;

	return len <= 14 || (type == 0x0800 && len < 34) || (type == 0x86dd && len < 54);
}

static void compare(const uint8_t *data, uint32_t len)
{
	struct pkt pkt;
	enum skep_drop want;

	if (test_run_refuses(data, len))
		return;
	want = pkt_parse(data, len, &pkt);
	if (want == SKEP_DROP_NONE && (mac_is_multicast(&pkt.f.eth_src) || mac_eq(&pkt.f.eth_src, &pkt.f.eth_dst)))
		want = SKEP_DROP_BAD_MAC;
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, data, len, &res), 0);
	if (res.drop != want) {
		print_error("pkt_parse: %s, BPF: %s\n", skep_drop_name(want), skep_drop_name(res.drop));
		show("frame", data, len);
	}
	assert_int_equal(res.drop, want);
	if (want != SKEP_DROP_NONE)
		return;
	/* no flow: it goes up, behind the upcall header */
	assert_int_equal(res.len, len + sizeof(struct skep_upcall));
	assert_memory_equal(res.data + sizeof(struct skep_upcall), data, len);
	if (!sim_always_up(&pkt.f))
		assert_same_key(&pkt.f, data, len);
}

static uint32_t seed_frame(unsigned int i, uint8_t *buf, uint32_t cap)
{
	struct err err = { 0 };
	int len = pkt_dsl_parse(seeds[i], NULL, buf, cap, &err);

	if (len < 0)
		print_error("%s: %s\n", seeds[i], err.text);
	assert_true(len > 0);
	return (uint32_t)len;
}

static void test_seeds(void **state)
{
	uint8_t buf[2048];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(seeds); i++)
		compare(buf, seed_frame(i, buf, sizeof(buf)));
}

/* Every frame cut at every length. */
static void test_truncated(void **state)
{
	uint8_t buf[2048];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(seeds); i++) {
		uint32_t len = seed_frame(i, buf, sizeof(buf));

		for (uint32_t n = 15; n < len; n++)
			compare(buf, n);
	}
}

/* Bytes of the headers replaced at random: lying lengths, versions, protocols, offsets. */
static void test_mutated(void **state)
{
	uint64_t rnd = 1;
	uint8_t buf[2048];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(seeds); i++)
		for (unsigned int n = 0; n < MUTATIONS; n++) {
			uint32_t len = seed_frame(i, buf, sizeof(buf)), edits;

			rnd = hash_u64(rnd + 0x9e3779b97f4a7c15ULL);
			edits = 1 + rnd % 3;
			for (uint32_t e = 0; e < edits; e++) {
				rnd = hash_u64(rnd + 0x9e3779b97f4a7c15ULL);
				buf[12 + (rnd >> 8) % (len - 12)] = (uint8_t)rnd;
			}
			compare(buf, len);
		}
}

/* Chains of IPv6 extension headers of every kind and of random lengths, in front of TCP. */
static void test_ipv6_extensions(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 44, 51, 60, 6, 17, 58, 59 };
	uint64_t rnd = 7;
	uint8_t buf[2048];

	(void)state;
	for (unsigned int n = 0; n < 3000; n++) {
		uint32_t len = seed_frame(8, buf, sizeof(buf)), off = 54, next = 20, count;

		memset(buf + 54, 0, sizeof(buf) - 54);
		rnd = hash_u64(rnd + n + 1);
		count = rnd % 8;
		for (uint32_t i = 0; i < count; i++) {
			uint8_t kind;

			rnd = hash_u64(rnd + i + 1);
			kind = kinds[rnd % 5];
			buf[next] = kind;
			next = off;
			buf[off + 1] = (rnd >> 16) % 4 == 0 ? (uint8_t)((rnd >> 24) % 6) : 0;
			if (kind == 44 && (rnd >> 32) % 4 == 0)
				buf[off + 3] = (uint8_t)(rnd >> 40);
			off += kind == 44 ? 8 : kind == 51 ? (buf[off + 1] + 2U) * 4 : (buf[off + 1] + 1U) * 8;
		}
		buf[next] = kinds[5 + (rnd >> 8) % 4];
		buf[off + 12] = 0x50;
		len = off + 24 + (rnd >> 48) % 8;
		buf[18] = (uint8_t)((len - 54) >> 8);
		buf[19] = (uint8_t)(len - 54);
		compare(buf, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_ipv6_extensions),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
