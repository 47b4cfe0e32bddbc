// SPDX-License-Identifier: Apache-2.0
/*
 * What comes back from skepd by the tap: the verdict of a slot on the frame behind the header, the
 * relayed copies, output sets on real interfaces, and the programs that are run by nobody else
 * here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define SLOT	    5
#define PEER	    3
#define RELAY_ENCAP 0x5a54 /* MAGIC_ENCAP and MAGIC_SET of bpf/upcall.h */
#define RELAY_SET   0x5a55

static struct bpfrun *run;
static struct bpfrun_result res;

static const char udp4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 20";
static const char tcp6[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 S";
static const char vlan4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53";
static const char arp[] = "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2";
static const char tiny[] = "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x888e / data 6";

/* In a network namespace of its own, with three interfaces that swallow what is sent by them; the kernel itself has nothing to say there. */
static int setup(void **state)
{
	struct skep_peer peer = {
		.family = 4, .ttl = 64, .mtu = 1500, .dport = htons(4789), .ifindex = BPFRUN_UNDER
	};
	uint32_t index = PEER;
	struct err err = { 0 };

	(void)state;
	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up && for n in 0 1 2; do ip link add d$n type veth peer e$n && "
		   "sysctl -qw net.ipv6.conf.d$n.disable_ipv6=1 && "
		   "ip link set d$n up && ip link set e$n up || exit 1; done")) {
		print_error("cannot make interfaces\n");
		return -1;
	}
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

struct injected {
	uint8_t data[2048];
	uint32_t len; /* with the header */
	bool v6;
};

static const uint8_t *frame_of(const struct injected *in)
{
	return in->data + sizeof(struct skep_upcall);
}

static void make(struct injected *in, const char *line, uint16_t magic, uint32_t key, uint16_t slot,
		 uint32_t extra)
{
	struct skep_upcall up = { .magic = htons(magic), .key = htonl(key), .slot = htons(slot) };
	struct err err = { 0 };
	int len = pkt_dsl_parse(line, NULL, in->data + sizeof(up), sizeof(in->data) - sizeof(up),
				&err);

	if (len < 0)
		print_error("%s: %s\n", line, err.text);
	assert_true(len > 0);
	in->v6 = strstr(line, "ip fd") != NULL;
	up.eth_type = htons(in->v6 ? 0x86dd : 0x0800);
	memcpy(up.pad, &extra, sizeof(extra));
	memcpy(in->data, &up, sizeof(up));
	in->len = (uint32_t)len + (uint32_t)sizeof(up);
}

static void inject(struct injected *in, const char *line, const struct skep_flow *verdict)
{
	uint32_t slot = SLOT;

	make(in, line, SKEP_UPCALL_MAGIC, BPFRUN_KEY, SLOT, 0);
	assert_int_equal(bpfrun_put(run, "skep_slots", &slot, verdict), 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, in->data, in->len, &res), 0);
}

static void test_local(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_LOCAL, .out = 77 };
	const char *lines[] = { udp4, tcp6, vlan4, arp };
	uint64_t before = bpfrun_counter(run, SKEP_CNT_INJECT);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct injected in;

		inject(&in, lines[i], &verdict);
		assert_int_equal(res.drop, SKEP_DROP_NONE);
		assert_int_equal(res.action, TC_ACT_REDIRECT);
		assert_int_equal(res.len, in.len - sizeof(struct skep_upcall));
		assert_memory_equal(res.data, frame_of(&in), res.len);
	}
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_INJECT), before + ARRAY_SIZE(lines));
}

/* With fewer than 20 bytes behind the Ethernet header: padded, not lost. */
static void test_tiny_frame(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_LOCAL, .out = 77 };
	static const uint8_t zeroes[64];
	struct injected in;
	uint32_t len;

	(void)state;
	inject(&in, tiny, &verdict);
	len = in.len - (uint32_t)sizeof(struct skep_upcall);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_in_range(res.len, len, 60);
	assert_memory_equal(res.data, frame_of(&in), len);
	assert_memory_equal(res.data + len, zeroes, res.len - len);
}

static void test_rewrite(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_LOCAL,
				     .out = 77,
				     .ttl_dec = 2,
				     .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
				     .eth_dst = { { 2, 0, 0, 0, 0, 9 } },
				     .eth_src = { { 2, 0, 0, 0, 0, 8 } } };
	const char *lines[] = { udp4, tcp6, vlan4 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct injected in;
		struct pkt pkt;

		inject(&in, lines[i], &verdict);
		assert_int_equal(res.action, TC_ACT_REDIRECT);
		assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
		assert_true(pkt_csum_ok(&pkt));
		assert_int_equal(pkt.f.ip_ttl, 7);
		assert_true(mac_eq(&pkt.f.eth_dst, &verdict.eth_dst));
		assert_true(mac_eq(&pkt.f.eth_src, &verdict.eth_src));
	}
}

/* Whatever the frame is, it gets its tunnel header, although the kernel pushes one only on IP. */
static void test_encap(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_ENCAP, .out = 0xabcdef, .peer = PEER };
	const char *lines[] = { udp4, tcp6, vlan4, arp };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct injected in;
		uint32_t len;

		inject(&in, lines[i], &verdict);
		len = in.len - (uint32_t)sizeof(struct skep_upcall);
		assert_int_equal(res.drop, SKEP_DROP_NONE);
		assert_int_equal(res.action, TC_ACT_REDIRECT);
		assert_int_equal(res.len, len + SKEP_ENCAP_V4);
		assert_memory_equal(res.data + SKEP_ENCAP_V4 - 8, "\x08\0\0\0\xab\xcd\xef\0", 8);
		assert_memory_equal(res.data + SKEP_ENCAP_V4, frame_of(&in), len);
		assert_int_equal(pkt_csum(res.data + 14, 20, 0), 0);
	}
}

/* The first packet of a flow and the later ones leave by the same UDP port, or queues and paths
 * would reorder them. */
static void test_same_source_port(void **state)
{
	static const char *const lines[] = {
		udp4,
		tcp6,
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag first / udp 1>2 / data 32",
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 32",
	};
	struct skep_flow verdict = { .action = SKEP_ACT_ENCAP, .out = 0xabcdef, .peer = PEER };
	struct skep_iface iface = { .key = BPFRUN_KEY, .lport = BPFRUN_LPORT };
	uint8_t port[ARRAY_SIZE(lines)][2];
	uint32_t lo = 1;

	(void)state;
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
		struct injected in;
		struct pkt pkt;
		bool v6;

		inject(&in, lines[i], &verdict);
		memcpy(port[i], res.data + 34, 2);
		assert_true(port[i][0] >= 0xc0);
		assert_int_equal(pkt_parse(frame_of(&in), in.len - 14, &pkt), SKEP_DROP_NONE);
		v6 = pkt_flow_key(&pkt.f, BPFRUN_KEY, &k4, &k6);
		assert_int_equal(bpfrun_put(run, v6 ? "skep_flows6" : "skep_flows4",
					    v6 ? (void *)&k6 : (void *)&k4, &verdict),
				 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_PORT, frame_of(&in), in.len - 14, &res), 0);
		assert_int_equal(res.len, in.len - 14 + SKEP_ENCAP_V4);
		assert_memory_equal(res.data + 34, port[i], 2);
	}
	assert_memory_not_equal(port[0], port[1], 2);
	assert_memory_equal(port[2], port[3], 2); /* fragments of a packet */
}

static void test_relayed_copy(void **state)
{
	const char *lines[] = { udp4, tcp6, vlan4, arp };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct injected in;

		make(&in, lines[i], RELAY_ENCAP, 0xabcdef, PEER, 0);
		assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, in.data, in.len, &res), 0);
		assert_int_equal(res.drop, SKEP_DROP_NONE);
		assert_int_equal(res.len, in.len - sizeof(struct skep_upcall) + SKEP_ENCAP_V4);
		assert_memory_equal(res.data + SKEP_ENCAP_V4 - 8, "\x08\0\0\0\xab\xcd\xef\0", 8);
		assert_memory_equal(res.data + SKEP_ENCAP_V4, frame_of(&in),
				    in.len - sizeof(struct skep_upcall));
	}
}

static void test_refusals(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY };
	struct injected in;

	(void)state;
	inject(&in, udp4, &verdict);
	assert_int_equal(res.drop, SKEP_DROP_POLICY);
	verdict.action = SKEP_ACT_NONE;
	inject(&in, udp4, &verdict);
	assert_int_equal(res.drop, SKEP_DROP_NO_OUTPUT);
	verdict = (struct skep_flow){ .action = SKEP_ACT_SET, .out = SKEP_SETS_MAX };
	inject(&in, udp4, &verdict);
	assert_int_equal(res.drop, SKEP_DROP_NO_OUTPUT);
	make(&in, udp4, 0x1234, BPFRUN_KEY, SLOT, 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, in.data, in.len, &res), 0);
	assert_int_equal(res.drop, SKEP_DROP_BAD_HEADER);
	make(&in, udp4, SKEP_UPCALL_MAGIC, BPFRUN_KEY, SKEP_SLOTS_MAX, 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, in.data, in.len, &res), 0);
	assert_int_equal(res.drop, SKEP_DROP_NO_AGENT);
}

/* Packets that were sent by the interface. */
static unsigned long sent(const char *name)
{
	char line[512];
	unsigned long n = 0;
	FILE *f = fopen("/proc/self/net/dev", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':'), *start = line + strspn(line, " ");

		if (colon && (size_t)(colon - start) == strlen(name) &&
		    !strncmp(start, name, strlen(name)))
			assert_int_equal(
				sscanf(colon + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &n),
				1);
	}
	fclose(f);
	return n;
}

static void put_set(uint32_t index, uint32_t next, unsigned int n, ...)
{
	struct skep_set set = { .n = n, .next = next };
	va_list ap;

	va_start(ap, n);
	for (unsigned int i = 0; i < n; i++)
		set.outs[i] = (struct skep_out){ .action = SKEP_ACT_LOCAL,
						 .out = va_arg(ap, unsigned int) };
	va_end(ap);
	assert_int_equal(bpfrun_put(run, "skep_sets", &index, &set), 0);
}

/* One copy to each; the one that cannot be sent is counted; the frame itself is consumed without
 * being one. */
static void test_set(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_SET, .out = 9 };
	unsigned long before[3] = { sent("d0"), sent("d1"), sent("d2") };
	struct injected in;

	(void)state;
	put_set(9, 0, 2, if_nametoindex("d0"), if_nametoindex("d1"));
	inject(&in, arp, &verdict);
	assert_int_equal(res.action, TC_ACT_SHOT);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(sent("d0"), before[0] + 1);
	assert_int_equal(sent("d1"), before[1] + 1);
	put_set(9, 0, 3, if_nametoindex("d0"), 31000U, if_nametoindex("d2"));
	inject(&in, udp4, &verdict);
	assert_int_equal(res.drop, SKEP_DROP_NOT_LIVE);
	assert_int_equal(sent("d0"), before[0] + 2);
	assert_int_equal(sent("d1"), before[1] + 1);
	assert_int_equal(sent("d2"), before[2] + 1);
}

/* A set that goes on in another takes one more turn through the tap. */
static void test_set_chain(void **state)
{
	struct skep_flow verdict = { .action = SKEP_ACT_SET, .out = 10 };
	unsigned long before[2] = { sent("d0"), sent("d1") };
	struct injected in;
	struct skep_upcall up;
	uint8_t again[2048];

	(void)state;
	put_set(10, 11, 1, if_nametoindex("d0"));
	put_set(11, 0, 1, if_nametoindex("d1"));
	inject(&in, udp4, &verdict);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	assert_int_equal(res.len, in.len);
	memcpy(&up, res.data, sizeof(up));
	assert_int_equal(ntohs(up.magic), RELAY_SET);
	assert_int_equal(ntohl(up.key), 11);
	assert_memory_equal(res.data + sizeof(up), frame_of(&in), in.len - sizeof(up));
	memcpy(again, res.data, res.len);
	assert_int_equal(bpfrun_run(run, BPFRUN_INJECT, again, res.len, &res), 0);
	assert_int_equal(res.action, TC_ACT_SHOT);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(sent("d0"), before[0] + 1);
	assert_int_equal(sent("d1"), before[1] + 1);
}

static void test_no_tunnel_metadata(void **state)
{
	struct injected in;

	(void)state;
	make(&in, udp4, 0, 0, 0, 0);
	assert_int_equal(bpfrun_run(run, BPFRUN_TUNNEL, frame_of(&in),
				    in.len - (uint32_t)sizeof(struct skep_upcall), &res),
			 0);
	assert_int_equal(res.drop, SKEP_DROP_BAD_TUNNEL);
}

static void test_clock(void **state)
{
	uint64_t before = clock_mono_ns(), now[2], first;
	struct injected in;

	(void)state;
	make(&in, udp4, 0, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpfrun_run(run, BPFRUN_CLOCK, frame_of(&in), 60, &res), 0);
		assert_int_equal(res.action, 0);
		memcpy(now, res.data, sizeof(now));
		if (!i)
			first = now[0];
	}
	assert_true(now[0] >= first && now[0] != 0);
	assert_true(now[1] >= before && now[1] <= clock_mono_ns());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_tiny_frame),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_encap),
		cmocka_unit_test(test_same_source_port),
		cmocka_unit_test(test_relayed_copy),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_chain),
		cmocka_unit_test(test_no_tunnel_metadata),
		cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
