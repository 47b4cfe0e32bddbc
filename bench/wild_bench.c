// SPDX-License-Identifier: Apache-2.0
/*
 * Nanoseconds that packets take which meet a wildcard flow, and that begin or continue connections in the kernel.  As prog_bench: each run is
 * a BPF_PROG_TEST_RUN of its own, so caches are as cold as between two system calls; that of an empty program is subtracted.
 */
#include "bench/prog.h"
#include "util/cleanup.h"

#define RUNS   10000
#define LPORT2 2
#define KEY2   0x778
#define PEER   1
#define PACKETS 260000 /* different ones; the exact cache holds a quarter */

static struct bpfrun *run;
static uint32_t next; /* packets that no run has seen */

static void put(const char *map, const void *key, const void *value)
{
	if (bpfrun_put(run, map, key, value))
		die(map, EIO);
}

/* The ingress port, with masks 1 to n; its right to promote is as new. */
static void set_lport(unsigned int n, uint32_t flags)
{
	struct skep_lport lp = {
		.gen = 1, .flags = flags, .key = BPFRUN_KEY, .conns_max = 1 << 20, .replies_max = 1 << 20
	};
	uint32_t index = BPFRUN_LPORT;

	for (unsigned int i = 0; i < n; i++)
		lp.masks4[i] = (uint8_t)(i + 1);
	put("skep_lports", &index, &lp);
}

static struct skep_flow_key4 key_of(uint32_t i, struct pkt *pkt)
{
	static uint8_t frame[512];
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;

	if (pkt_parse(frame, inner(i, frame, sizeof(frame)), pkt) ||
	    pkt_flow_key(&pkt->f, BPFRUN_KEY, &k4, &k6))
		die("packet", EIO);
	return k4;
}

/* Mask 'n' has all but the source, the one before has the destination's MAC only, and so on: different ones. */
static void set_masks(unsigned int n)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct skep_mask m = { 0 };

		memset(&m.k4.in_key, 0xff, sizeof(m.k4.in_key));
		memset(&m.k4.dst, 0xff, sizeof(m.k4.dst));
		memset(&m.k4.ct, 0xff, 1);
		memset(&m.k4.eth_src, (int)i, 1);
		put("skep_masks", &i, &m);
	}
}

static void put_wild(unsigned int id, enum skep_ct ct, const struct skep_wild *w)
{
	uint32_t index = id;
	struct skep_flow_key4 k;
	struct skep_mask m;
	struct pkt pkt;

	k = key_of(0, &pkt);
	k.ct = ct;
	if (bpfrun_get(run, "skep_masks", &index, &m))
		die("mask", EIO);
	for (size_t i = 0; i < sizeof(k); i++)
		((uint8_t *)&k)[i] &= ((uint8_t *)&m.k4)[i];
	k.mask = (uint8_t)id;
	put("skep_wilds4", &k, w);
}

static uint32_t measure(unsigned int masks, uint32_t flags, bool again, uint32_t flows)
{
	static uint32_t ns[RUNS], empty[RUNS];
	uint32_t got, base, len;
	uint8_t frame[512];

	for (uint32_t i = 0; i < RUNS; i++) {
		if (!again && i % 4096 == 0)
			set_lport(masks, flags);
		len = inner(again ? (i * 7919) % flows : next++ % PACKETS, frame, sizeof(frame));
		if (bpfrun_time(run, BPFRUN_PROGS, frame, len, 1, &empty[i]) ||
		    bpfrun_time(run, BPFRUN_PORT, frame, len, 1, &ns[i]))
			die("run", EIO);
	}
	got = median(ns, RUNS);
	base = median(empty, RUNS);
	return got > base ? got - base : 0;
}

static void bench(const char *name, unsigned int masks, uint32_t flags)
{
	uint32_t rounds[ROUNDS];

	for (unsigned int n = 0; n < ROUNDS; n++)
		rounds[n] = measure(masks, flags, false, 0);
	print(name, "", RUNS, rounds);
}

/* Connections in the kernel's table leave it, as if skepd had deleted them. */
static void forget(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct skep_conn_key k = { .port = BPFRUN_KEY, .proto = 17 }, r = { .port = KEY2, .proto = 17 };
		struct pkt pkt;

		(void)key_of(i % PACKETS, &pkt);
		k.src = r.dst = pkt.f.ip_src;
		k.dst = r.src = pkt.f.ip_dst;
		k.sport = r.dport = pkt.f.l4_src;
		k.dport = r.sport = pkt.f.l4_dst;
		(void)bpfrun_del(run, "skep_conns", &k);
		(void)bpfrun_del(run, "skep_conns", &r);
	}
}

/* New ones a second that one core makes, at most: of the ns that one takes. */
static void print_rate(const char *name, uint32_t *rounds)
{
	printf("{\"bench\":\"conn_rate\",\"variant\":\"%s\",\"unit\":\"1/s\",\"median\":%.4g,\"min\":%.4g,\"max\":%.4g,\"n\":%u}\n", name,
	       1e9 / rounds[ROUNDS / 2], 1e9 / rounds[ROUNDS - 1], 1e9 / rounds[0], ROUNDS);
}

static void bench_conns(const char *name, const struct skep_wild *w)
{
	uint32_t rounds[ROUNDS];

	put_wild(1, SKEP_CT_NEW, w);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		uint32_t from = next;

		rounds[n] = measure(1, SKEP_LPORT_CT, false, 0);
		forget(from, next);
	}
	print(name, "", RUNS, rounds);
	print_rate(name, rounds);
}

static uint32_t jiffies(void)
{
	static struct bpfrun_result res;
	uint8_t frame[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint64_t now;

	if (bpfrun_run(run, BPFRUN_CLOCK, frame, sizeof(frame), &res))
		die("clock", EIO);
	memcpy(&now, res.data, sizeof(now));
	return (uint32_t)now;
}

static void set_hz(uint32_t hz)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	if (bpfrun_get(run, "skep_config", &zero, &cfg))
		die("config", EIO);
	cfg.hz = hz;
	put("skep_config", &zero, &cfg);
}

/* Packets of connections that are in the exact cache. */
static void bench_live(const char *name, struct skep_flow flow, uint32_t flows)
{
	uint32_t rounds[ROUNDS];

	set_hz(1 << 30); /* none is due to be refreshed while this lasts */
	set_lport(1, SKEP_LPORT_CT);
	flow.flags |= SKEP_F_LIVE;
	flow.gen = 1;
	flow.last_seen = jiffies();
	for (uint32_t i = 0; i < flows; i++) {
		struct skep_flow_key4 k;
		struct pkt pkt;

		k = key_of(i, &pkt);
		put("skep_flows4", &k, &flow);
	}
	for (unsigned int n = 0; n < ROUNDS; n++)
		rounds[n] = measure(1, SKEP_LPORT_CT, true, flows);
	print(name, "", flows, rounds);
}

/* The same, each packet being the one in a second that refreshes its record and is promoted anew. */
static void bench_refresh(const char *name, struct skep_wild w, uint32_t flows)
{
	uint32_t rounds[ROUNDS], now = jiffies();

	w.flow.flags |= SKEP_F_LIVE;
	put_wild(1, SKEP_CT_ORIG, &w);
	for (uint32_t i = 0; i < flows; i++) {
		struct skep_conn c = { .last_seen = now, .other_key = KEY2, .other_peer = PEER, .orig_seen = 0x80, .reply_seen = 0x80 };
		struct skep_conn_key k = { .port = BPFRUN_KEY, .proto = 17 };
		struct pkt pkt;

		(void)key_of(i, &pkt);
		k.src = pkt.f.ip_src;
		k.dst = pkt.f.ip_dst;
		k.sport = pkt.f.l4_src;
		k.dport = pkt.f.l4_dst;
		put("skep_conns", &k, &c);
	}
	set_hz(0);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		set_lport(1, SKEP_LPORT_CT);
		rounds[n] = measure(1, SKEP_LPORT_CT, true, flows);
	}
	print(name, "", flows, rounds);
	set_hz(1 << 30);
	forget(0, flows);
}

int main(void)
{
	struct skep_wild plain = { .flow = { .action = SKEP_ACT_LOCAL, .out = 77, .stat = 1 } },
			 drop = { .flow = { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY, .stat = 1 } },
			 here = { .flow = { .action = SKEP_ACT_LOCAL,
					    .out = 77,
					    .stat = 1,
					    .flags = SKEP_F_RECORD | SKEP_F_STAY },
				  .other_key = KEY2 },
			 there = { .flow = { .action = SKEP_ACT_ENCAP,
					     .out = KEY2,
					     .peer = PEER,
					     .stat = 1,
					     .flags = SKEP_F_RECORD | SKEP_F_STAY | SKEP_F_MARK },
				   .other_key = KEY2,
				   .other_peer = PEER };
	const struct skep_flow local = { .action = SKEP_ACT_LOCAL, .out = 77, .stat = 1 },
			       encap = { .action = SKEP_ACT_ENCAP, .out = KEY2, .peer = PEER, .stat = 1 };
	const struct skep_wild refresh = { .flow = encap, .other_key = KEY2, .other_peer = PEER };
	static const uint32_t counts[] = { 1, 1000, 64000 };
	struct skep_lport lp2 = { .gen = 1, .key = KEY2, .conns_max = 1 << 20, .replies_max = 1 << 20 };
	struct skep_port port2 = { .kind = SKEP_PORT_LOCAL, .ifindex = 77, .set = LPORT2 };
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 1500, .dport = htons(SKEP_VXLAN_PORT),
				  .ifindex = BPFRUN_UNDER, .flags = SKEP_PEER_MARKS };
	uint32_t lport2 = LPORT2, key2 = KEY2, peer_index = PEER;
	struct err err = { 0 };
	char name[64];

	run = bpfrun_open(&err);
	if (!run) {
		fprintf(stderr, "wild_bench: %s\n", err.text);
		return 1;
	}
	if (bpfrun_slot(run))
		die("slot", EIO);
	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	put("skep_lports", &lport2, &lp2);
	put("skep_ports", &key2, &port2);
	put("skep_peers", &peer_index, &peer);
	set_masks(SKEP_PORT_MASKS);
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		bench_live("tc_port_live", local, counts[i]);
		bench_live("tc_port_encap_live", encap, counts[i]);
		bench_refresh("tc_port_encap_refresh", refresh, counts[i]);
	}
	for (unsigned int n = 1; n <= SKEP_PORT_MASKS; n *= 2) {
		put_wild(n, SKEP_CT_NONE, &plain);
		snprintf(name, sizeof(name), "wild_promote_%u_masks", n);
		bench(name, n, 0);
		put_wild(n, SKEP_CT_NONE, &drop);
		snprintf(name, sizeof(name), "wild_drop_%u_masks", n);
		bench(name, n, 0);
	}
	bench_conns("conn_new_both_ends_here", &here);
	bench_conns("conn_new_remote", &there);
	bpfrun_close(run);
	return 0;
}
