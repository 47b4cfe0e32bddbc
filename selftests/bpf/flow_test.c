// SPDX-License-Identifier: Apache-2.0
/* What comes in by a port: misses, hits, rewrites, the tunnel header, and the port's budget for
 * misses. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/bpf/build.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define PEER4 3
#define PEER6 4

static struct bpfrun *run;
static struct bpfrun_result res;

static const char udp4[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>53 / data 20";
static const char tcp6[] =
	"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 S";

static int put_peer(uint32_t index, uint8_t family, const char *local, const char *remote)
{
	struct skep_peer peer = { .family = family,
				  .tos = 0x20,
				  .ttl = 61,
				  .mtu = 1500,
				  .dport = htons(4789),
				  .ifindex = BPFRUN_UNDER };

	ip_parse(local, &peer.local);
	ip_parse(remote, &peer.remote);
	return bpfrun_put(run, "skep_peers", &index, &peer);
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	return put_peer(PEER4, 4, "10.9.0.1", "10.9.0.2")
		       ?: put_peer(PEER6, 6, "fd09::1", "fd09::2");
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

struct frame {
	uint8_t data[2048];
	uint32_t len;
	struct pkt pkt;
	bool v6;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
};

static void make(struct frame *f, const char *line)
{
	f->len = build(line, f->data, sizeof(f->data));
	assert_int_equal(pkt_parse(f->data, f->len, &f->pkt), SKEP_DROP_NONE);
	f->v6 = pkt_flow_key(&f->pkt.f, BPFRUN_KEY, &f->k4, &f->k6);
}

static const char *map_of(const struct frame *f)
{
	return f->v6 ? "skep_flows6" : "skep_flows4";
}

static const void *key_of(const struct frame *f)
{
	return f->v6 ? (const void *)&f->k6 : (const void *)&f->k4;
}

/* Runs the frame with 'flow' installed (NULL: none). */
static void pass(struct frame *f, const struct skep_flow *flow)
{
	if (flow)
		assert_int_equal(bpfrun_put(run, map_of(f), key_of(f), flow), 0);
	else
		(void)bpfrun_del(run, map_of(f), key_of(f));
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, f->data, f->len, &res), 0);
}

static void assert_up(const struct frame *f, enum skep_upcall_why why)
{
	struct skep_upcall up;

	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	assert_int_equal(res.len, f->len + sizeof(up));
	memcpy(&up, res.data, sizeof(up));
	assert_int_equal(ntohs(up.magic), SKEP_UPCALL_MAGIC);
	assert_int_equal(ntohl(up.key), BPFRUN_KEY);
	assert_int_equal(ntohs(up.slot), why);
	assert_int_equal(ntohs(up.eth_type), f->v6 ? 0x86dd : 0x0800);
	assert_memory_equal(res.data + sizeof(up), f->data, f->len);
}

static void test_miss_goes_up(void **state)
{
	struct frame f;

	(void)state;
	make(&f, udp4);
	pass(&f, NULL);
	assert_up(&f, SKEP_UP_MISS);
	make(&f, tcp6);
	pass(&f, NULL);
	assert_up(&f, SKEP_UP_MISS);
}

static void test_ttl_too_small_goes_up(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .out = 77, .ttl_dec = 9 };
	struct frame f;

	(void)state;
	make(&f, udp4);
	pass(&f, &flow);
	assert_up(&f, SKEP_UP_TTL);
	make(&f, tcp6);
	pass(&f, &flow);
	assert_up(&f, SKEP_UP_TTL);
	flow = (struct skep_flow){ .action = SKEP_ACT_AGENT };
	pass(&f, &flow);
	assert_up(&f, SKEP_UP_AGENT);
}

/* MACs and TTL change, checksums stay right, the flow counts. */
static void test_rewrite(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL,
				  .out = 77,
				  .ttl_dec = 2,
				  .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
				  .eth_dst = { { 2, 0, 0, 0, 0, 9 } },
				  .eth_src = { { 2, 0, 0, 0, 0, 8 } } };
	const char *lines[] = { udp4, tcp6 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct skep_flow after;
		struct frame f;
		struct pkt pkt;

		make(&f, lines[i]);
		pass(&f, &flow);
		assert_int_equal(res.action, TC_ACT_REDIRECT);
		assert_int_equal(res.len, f.len);
		assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
		assert_true(pkt_csum_ok(&pkt));
		assert_int_equal(pkt.f.ip_ttl, 7);
		assert_true(mac_eq(&pkt.f.eth_dst, &flow.eth_dst));
		assert_true(mac_eq(&pkt.f.eth_src, &flow.eth_src));
		assert_int_equal(bpfrun_get(run, map_of(&f), key_of(&f), &after), 0);
		assert_int_equal(after.packets, 1);
		assert_int_equal(after.bytes, f.len);
		assert_true(after.last_seen != 0);
	}
}

static void test_ipv4_checksum_of_every_ttl(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .out = 77 };
	struct pkt pkt;
	struct frame f;
	char line[128];

	(void)state;
	for (unsigned int ttl = 2; ttl < 256; ttl++) {
		snprintf(
			line, sizeof(line),
			"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.%u.1>10.0.0.2 ttl %u / udp 1>2",
			ttl, ttl);
		make(&f, line);
		flow.ttl_dec = (uint8_t)(ttl - 1);
		pass(&f, &flow);
		assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
		assert_int_equal(pkt.f.ip_ttl, 1);
		assert_true(pkt_csum_ok(&pkt));
	}
}

static void test_encap(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = 0xabcdef };
	const char *lines[] = { udp4, tcp6 };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t over = i & 1 ? SKEP_ENCAP_V6 : SKEP_ENCAP_V4;
		struct frame f;
		struct pkt pkt;

		flow.peer = i & 1 ? PEER6 : PEER4;
		make(&f, lines[i >> 1]);
		pass(&f, &flow);
		assert_int_equal(res.action, TC_ACT_REDIRECT);
		assert_int_equal(res.len, f.len + over);
		assert_memory_equal(res.data + over, f.data, f.len);
		assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
		assert_int_equal(pkt.f.ip_ttl, 61);
		assert_int_equal(pkt.f.ip_tos, 0x20);
		assert_int_equal(ntohs(pkt.f.l4_dst), 4789);
		assert_true(ntohs(pkt.f.l4_src) >= 49152);
		assert_int_equal(pkt.l3_len, res.len - 14);
		if (!(i & 1))
			assert_int_equal(pkt_csum(res.data + 14, 20, 0), 0);
		assert_memory_equal(res.data + over - 8, "\x08\0\0\0\xab\xcd\xef\0", 8);
	}
}

static void test_encap_failures(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = 0x100, .peer = PEER4 };
	struct frame f;

	(void)state;
	make(&f,
	     "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 1436"); /* 1464 + 50 > 1500 + 14 */
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_TOO_BIG);
	make(&f,
	     "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 1422"); /* just fits */
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.len, 14 + 1500);
	flow.peer = 17;
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_NO_ROUTE_UNDERLAY);
	flow.peer = SKEP_PEERS_MAX + 1;
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_NO_ROUTE_UNDERLAY);
}

static void test_drop_flow(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY, .cookie = 5 };
	struct frame f;

	(void)state;
	make(&f, udp4);
	pass(&f, &flow);
	assert_int_equal(res.action, TC_ACT_SHOT);
	assert_int_equal(res.drop, SKEP_DROP_POLICY);
}

static void test_budget(void **state)
{
	struct skep_iface iface = { .key = BPFRUN_KEY,
				    .lport = BPFRUN_LPORT,
				    .upcall_interval_ns = 1000000000,
				    .upcall_burst_ns = 3000000000 };
	uint32_t lo = 1, up = 0;
	struct frame f;

	(void)state;
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
	make(&f, udp4);
	for (int i = 0; i < 20; i++) {
		pass(&f, NULL);
		if (!res.drop)
			up++;
		else
			assert_int_equal(res.drop, SKEP_DROP_UPCALL_RATE);
	}
	assert_in_range(up, 3, 5); /* the burst, and one if a second passed meanwhile */
	assert_int_equal(bpfrun_get(run, "skep_ifaces", &lo, &iface), 0);
	assert_int_equal(iface.upcalls, up);
	assert_int_equal(iface.upcall_drops, 20 - up);
	iface.upcall_interval_ns = 0;
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
}

/* Sends up what the queue takes of the port; the number. */
static uint32_t fill_queue(void)
{
	struct frame f;
	uint32_t up = 0;

	make(&f, udp4);
	for (int i = 0; i < 2 * SKEP_UPCALL_QUEUE; i++) {
		pass(&f, NULL);
		if (!res.drop)
			up++;
		else
			assert_int_equal(res.drop, SKEP_DROP_UPCALL_QUEUE);
	}
	return up;
}

static void test_queue_is_shared(void **state)
{
	struct skep_iface iface, before;
	struct skep_lport all, lp;
	uint32_t lo = 1, zero = 0, lport = BPFRUN_LPORT, n;

	(void)state;
	assert_int_equal(bpfrun_get(run, "skep_ifaces", &lo, &before), 0);
	bpfrun_queue(run, true);
	n = fill_queue(); /* alone: half of what it leaves */
	assert_in_range(n, SKEP_UPCALL_PORTS / 3, SKEP_UPCALL_PORTS / 3 + 1);
	assert_int_equal(bpfrun_get(run, "skep_ifaces", &lo, &iface), 0);
	assert_int_equal(iface.upcalls - before.upcalls, n);
	assert_int_equal(iface.upcall_drops - before.upcall_drops, 2 * SKEP_UPCALL_QUEUE - n);
	assert_int_equal(bpfrun_get(run, "skep_lports", &zero, &all), 0);
	assert_int_equal(bpfrun_get(run, "skep_lports", &lport, &lp), 0);
	assert_int_equal(all.queued, n);
	assert_int_equal(lp.queued, n);

	lp.queued = 0; /* those were another port's */
	assert_int_equal(bpfrun_put(run, "skep_lports", &lport, &lp), 0);
	assert_in_range(fill_queue(), (SKEP_UPCALL_PORTS - n) / 3, (SKEP_UPCALL_PORTS - n) / 3 + 1);
	all.queued = SKEP_UPCALL_PORTS - 1; /* the last place is for one that has none */
	lp.queued = 0;
	assert_int_equal(bpfrun_put(run, "skep_lports", &zero, &all), 0);
	assert_int_equal(bpfrun_put(run, "skep_lports", &lport, &lp), 0);
	assert_int_equal(fill_queue(), 1);
	bpfrun_queue(run, false);
	assert_in_range(fill_queue(), 2 * SKEP_UPCALL_QUEUE, 2 * SKEP_UPCALL_QUEUE); /* read at once */
}

static void test_no_agent(void **state)
{
	struct skep_config cfg;
	uint32_t zero = 0;
	uint64_t seen;
	struct frame f;

	(void)state;
	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	seen = cfg.agent_seen_ns;
	make(&f, udp4);
	for (uint64_t dead = 0; dead < 2; dead++) { /* stopped; died long ago */
		cfg.agent_seen_ns = dead;
		assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
		pass(&f, NULL);
		assert_int_equal(res.drop, SKEP_DROP_NO_AGENT);
	}
	cfg.agent_seen_ns = seen;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
	pass(&f, NULL);
	assert_up(&f, SKEP_UP_MISS);
}

static void test_unbound_interface(void **state)
{
	struct skep_iface iface = { .key = BPFRUN_KEY, .lport = BPFRUN_LPORT };
	uint32_t lo = 1;
	struct frame f;

	(void)state;
	assert_int_equal(bpfrun_del(run, "skep_ifaces", &lo), 0);
	make(&f, udp4);
	pass(&f, NULL);
	assert_int_equal(res.drop, SKEP_DROP_UNKNOWN_IFACE);
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
}

/* The slot says whose the interface is without skep_ifaces; one of another interface, or of a port that is gone, does not. */
static void test_slot(void **state)
{
	struct skep_iface iface = { .key = BPFRUN_KEY, .lport = BPFRUN_LPORT };
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .out = 77 };
	uint32_t lo = 1, slot = 1;
	struct skep_iface_at v;
	struct frame f;

	(void)state;
	make(&f, udp4);
	assert_int_equal(bpfrun_del(run, "skep_ifaces", &lo), 0);
	assert_int_equal(bpfrun_slot(run), 0);
	pass(&f, &flow);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	v = (struct skep_iface_at){ .ifindex = 1 + SKEP_IFACE_SLOTS, .lport = BPFRUN_LPORT };
	assert_int_equal(bpfrun_put(run, "skep_iface_at", &slot, &v), 0);
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_UNKNOWN_IFACE);
	v = (struct skep_iface_at){ .ifindex = 1, .lport = BPFRUN_LPORT + 1 };
	assert_int_equal(bpfrun_put(run, "skep_iface_at", &slot, &v), 0);
	pass(&f, &flow);
	assert_int_equal(res.drop, SKEP_DROP_UNKNOWN_IFACE);
	v = (struct skep_iface_at){ 0 };
	assert_int_equal(bpfrun_put(run, "skep_iface_at", &slot, &v), 0);
	assert_int_equal(bpfrun_put(run, "skep_ifaces", &lo, &iface), 0);
	pass(&f, &flow);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
}

static void test_bad_macs(void **state)
{
	struct frame f;

	(void)state;
	make(&f, "eth 03:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / udp 1>2");
	pass(&f, NULL);
	assert_int_equal(res.drop, SKEP_DROP_BAD_MAC);
	make(&f, "eth 02:00:00:00:00:01>02:00:00:00:00:01 / ip 10.0.0.1>10.0.0.2 / udp 1>2");
	pass(&f, NULL);
	assert_int_equal(res.drop, SKEP_DROP_BAD_MAC);
}

/* A set that was given back, or a bridge whose last member went: lost, so counted. */
static void test_empty_set(void **state)
{
	struct skep_flow flow = { .action = SKEP_ACT_SET, .out = 77 };
	struct skep_set none = { 0 };
	uint32_t index = 77;
	struct frame f;

	(void)state;
	assert_int_equal(bpfrun_put(run, "skep_sets", &index, &none), 0);
	make(&f, udp4);
	pass(&f, &flow);
	assert_int_equal(res.action, TC_ACT_SHOT);
	assert_int_equal(res.drop, SKEP_DROP_NO_OUTPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_miss_goes_up),
		cmocka_unit_test(test_ttl_too_small_goes_up),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_ipv4_checksum_of_every_ttl),
		cmocka_unit_test(test_encap),
		cmocka_unit_test(test_encap_failures),
		cmocka_unit_test(test_drop_flow),
		cmocka_unit_test(test_queue_is_shared),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_no_agent),
		cmocka_unit_test(test_unbound_interface),
		cmocka_unit_test(test_slot),
		cmocka_unit_test(test_bad_macs),
		cmocka_unit_test(test_empty_set),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
