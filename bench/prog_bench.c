// SPDX-License-Identifier: Apache-2.0
/*
 * Nanoseconds that each BPF program takes for one packet that meets its flow, with 1, 1 000 and 64
 * 000 flows met in random order.  Each run is a BPF_PROG_TEST_RUN of its own with a fresh packet
 * (repeat= would push header upon header), so caches are as cold as between two system calls: an
 * upper bound.  A program of two instructions, measured in turn with it, is subtracted.  What leaves
 * the packet as it is also runs in a loop on one packet: with warm caches, the lower bound.
 */
#include "bench/prog.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define RUNS   20000
#define LOOPS  100000
#define PEER   1
#define NAT 5 /* index of a rewrite */
#define KEY    0x123

struct variant {
	const char *name;
	enum bpfrun_prog prog;
	struct skep_flow flow; /* of skep_tc_port; action 0 = a tunnel packet comes in */
};

static const struct variant variants[] = {
	{ "tc_port_local", BPFRUN_PORT, { .action = SKEP_ACT_LOCAL, .out = 77 } },
	{ "tc_port_local_routed",
	  BPFRUN_PORT,
	  { .action = SKEP_ACT_LOCAL,
	    .out = 77,
	    .ttl_dec = 1,
	    .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
	    .eth_dst = { { 2, 0, 0, 0, 0, 9 } } } },
	{ "tc_port_local_nat",
	  BPFRUN_PORT,
	  { .action = SKEP_ACT_LOCAL,
	    .out = 77,
	    .ttl_dec = 1,
	    .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
	    .eth_dst = { { 2, 0, 0, 0, 0, 9 } },
	    .rewrite = NAT } },
	{ "tc_port_conditions",
	  BPFRUN_PORT,
	  { .action = SKEP_ACT_LOCAL, .out = 77, .mtu = 1500, .flags = SKEP_F_TOS } },
	{ "tc_port_encap", BPFRUN_PORT, { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = PEER } },
	{ "tc_port_drop", BPFRUN_PORT, { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY } },
	{ "tc_under_pop", BPFRUN_UNDER_TC, { .action = SKEP_ACT_NONE } },
	{ "xdp_under_decap", BPFRUN_XDP, { .action = SKEP_ACT_NONE } },
};

static uint32_t tunnelled(uint8_t *buf, uint32_t cap)
{
	uint8_t frame[256];
	uint32_t n = inner(0, frame, sizeof(frame)), len;
	char line[256];

	snprintf(
		line, sizeof(line),
		"eth 02:09:00:00:00:02>02:09:00:00:00:01 / ip 10.9.0.2>10.9.0.1 / udp 50000>4789 / data %u",
		n + 8);
	len = build(line, buf, cap);
	memset(buf + 40, 0, 10);
	buf[42] = 0x08;
	buf[47] = KEY >> 8;
	buf[48] = KEY & 0xff;
	memcpy(buf + 50, frame, n);
	return len;
}

static void fill(struct bpfrun *r)
{
	struct skep_peer peer = { .family = 4,
				  .ttl = 64,
				  .mtu = 1500,
				  .dport = htons(SKEP_VXLAN_PORT),
				  .ifindex = BPFRUN_UNDER };
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = 77 };
	struct skep_rewrite nat = { .what = SKEP_RW_SRC | SKEP_RW_SPORT, .sport = htons(2000) };
	uint32_t key = KEY, index = PEER, nat_index = NAT;
	struct skep_ip remote;

	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	ip_parse("10.9.0.2", &remote);
	ip_parse("203.0.113.1", &nat.src);
	if (bpfrun_put(r, "skep_rewrites", &nat_index, &nat) ||
	    bpfrun_put(r, "skep_peers", &index, &peer) ||
	    bpfrun_put(r, "skep_ports", &key, &port) ||
	    bpfrun_put(r, "skep_remotes", &remote, &index))
		die("maps", EIO);
}

static void put_flow(struct bpfrun *r, const uint8_t *frame, uint32_t len,
		     const struct skep_flow *flow)
{
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	struct pkt pkt;

	if (pkt_parse(frame, len, &pkt) || pkt_flow_key(&pkt.f, BPFRUN_KEY, &k4, &k6) ||
	    bpfrun_put(r, "skep_flows4", &k4, flow))
		die("flow", EIO);
}

/* One round: the median of RUNS single runs, less that of the empty program. */
static uint32_t measure(struct bpfrun *r, const struct variant *v, uint32_t flows)
{
	static uint32_t ns[RUNS], empty[RUNS];
	uint8_t frame[512];
	uint32_t len = tunnelled(frame, sizeof(frame)), got, base;
	uint64_t rnd = flows;

	for (uint32_t i = 0; i < RUNS; i++) {
		if (v->flow.action) {
			rnd = hash_u64(rnd + 0x9e3779b97f4a7c15ULL);
			len = inner((uint32_t)(rnd % flows), frame, sizeof(frame));
		}
		if (bpfrun_time(r, BPFRUN_PROGS, frame, len, 1, &empty[i]) ||
		    bpfrun_time(r, v->prog, frame, len, 1, &ns[i]))
			die("run", EIO);
	}
	got = median(ns, RUNS);
	base = median(empty, RUNS);
	return got > base ? got - base : 0;
}

/* Can it be met again and again? */
static bool packet_stays(const struct skep_flow *f)
{
	return (f->action == SKEP_ACT_LOCAL || f->action == SKEP_ACT_DROP) && !f->ttl_dec && !f->rewrite;
}

/* The same with warm caches: LOOPS runs on one packet. */
static uint32_t measure_warm(struct bpfrun *r, const struct variant *v)
{
	uint32_t ns, empty, len;
	uint8_t frame[512];

	len = inner(0, frame, sizeof(frame));
	if (bpfrun_time(r, BPFRUN_PROGS, frame, len, LOOPS, &empty) || bpfrun_time(r, v->prog, frame, len, LOOPS, &ns))
		die("run", EIO);
	return ns > empty ? ns - empty : 0;
}

/* prog_bench [NAME]: only variants whose name has NAME in it. */
int main(int argc, char **argv)
{
	static const uint32_t counts[] = { 1, 1000, 64000 };
	struct err err = { 0 };
	struct bpfrun *r = bpfrun_open(&err);
	uint8_t frame[512];

	if (!r) {
		fprintf(stderr, "prog_bench: %s\n", err.text);
		return 1;
	}
	fill(r);
	if (bpfrun_slot(r))
		die("slot", EIO);
	for (unsigned int i = 0; i < ARRAY_SIZE(variants); i++)
		for (unsigned int c = 0; c < ARRAY_SIZE(counts); c++) {
			const struct variant *v = &variants[i];
			uint32_t rounds[ROUNDS];

			if ((!v->flow.action && c) || (argc > 1 && !strstr(v->name, argv[1])))
				continue; /* tunnel packets meet no flow */
			for (uint32_t n = 0; v->flow.action && n < counts[c]; n++)
				put_flow(r, frame, inner(n, frame, sizeof(frame)), &v->flow);
			for (unsigned int n = 0; n < ROUNDS; n++)
				rounds[n] = measure(r, v, counts[c]);
			print(v->name, "", counts[c], rounds);
			if (c || !packet_stays(&v->flow))
				continue;
			for (unsigned int n = 0; n < ROUNDS; n++)
				rounds[n] = measure_warm(r, v);
			print(v->name, "_warm", 1, rounds);
		}
	bpfrun_close(r);
	return 0;
}
