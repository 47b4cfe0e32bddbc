// SPDX-License-Identifier: Apache-2.0
/*
 * A million of each at once: bytes of an exact flow and of a record of a connection, in the kernel and in skepd, and what a packet takes that
 * meets one, against tables with a thousand.  Times as prog_bench's: a fresh packet each run, flows in random order.  Beside them the bytes of a
 * connection of the kernel's conntrack, as /proc/slabinfo and its table have them, without those of its extensions.
 *
 *   flow_kernel    what BPF has promoted has no more than this
 *   flow_skepd     of a flow that has no class, and so goes through skepd: its place in the index, with tags
 *   conn_kernel    each connection has a record at either end
 *   conn_skepd     skepd's copy of a record, while it runs
 */
#include <malloc.h>

#include "bench/prog.h"
#include "loader/index.h"
#include "simulator/conns.h"
#include "util/hash.h"

#define MANY  1000000u
#define FEW   1000u
#define RUNS  20000
#define KEY2  0x778
#define PEER  1
#define MASK  1

static struct bpfrun *run;

static void say(const char *variant, const char *unit, double v)
{
	printf("{\"bench\":\"resident\",\"variant\":\"%s\",\"n\":%u,\"unit\":\"%s\",\"median\":%.4g}\n", variant, MANY, unit, v);
	fflush(stdout);
}

static void put(const char *map, const void *key, const void *value)
{
	int rc = bpfrun_put(run, map, key, value);

	if (rc)
		die(map, rc);
}

static struct skep_flow_key4 key_of(uint32_t i, struct pkt *pkt)
{
	static uint8_t frame[512];
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;

	if (pkt_parse(frame, inner(i, frame, sizeof(frame)), pkt) || pkt_flow_key(&pkt->f, BPFRUN_KEY, &k4, &k6))
		die("packet", EIO);
	return k4;
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

static double measure(uint32_t n)
{
	static uint32_t ns[RUNS], empty[RUNS], rounds[ROUNDS];
	uint64_t rnd = n;
	uint8_t frame[512];
	uint32_t len;

	for (unsigned int r = 0; r < ROUNDS; r++) {
		for (uint32_t i = 0; i < RUNS; i++) {
			rnd = hash_u64(rnd + 0x9e3779b97f4a7c15ULL);
			len = inner((uint32_t)(rnd % n), frame, sizeof(frame));
			if (bpfrun_time(run, BPFRUN_PROGS, frame, len, 1, &empty[i]) || bpfrun_time(run, BPFRUN_PORT, frame, len, 1, &ns[i]))
				die("run", EIO);
		}
		rounds[r] = median(ns, RUNS) - median(empty, RUNS);
	}
	return median(rounds, ROUNDS);
}

static void compare(const char *what, void (*add)(uint32_t i))
{
	double few, many;
	char name[64];

	for (uint32_t i = 0; i < FEW; i++)
		add(i);
	few = measure(FEW);
	for (uint32_t i = FEW; i < MANY; i++)
		add(i);
	many = measure(MANY);
	snprintf(name, sizeof(name), "%s_hit_1000", what);
	say(name, "ns", few);
	snprintf(name, sizeof(name), "%s_hit", what);
	say(name, "ns", many);
	snprintf(name, sizeof(name), "%s_hit_ratio", what);
	say(name, "1", many / few);
}

static void add_flow(uint32_t i)
{
	struct skep_flow flow = { .action = SKEP_ACT_LOCAL, .out = 77, .gen = 1, .stat = 1 };
	struct skep_flow_key4 k;
	struct pkt pkt;

	k = key_of(i, &pkt);
	put("skep_flows4", &k, &flow);
}

static void add_conn(uint32_t i)
{
	static uint32_t now;
	struct skep_conn c = { .other_key = KEY2, .other_peer = PEER, .orig_seen = 0x80, .reply_seen = 0x80 };
	struct skep_conn_key k = { .port = BPFRUN_KEY, .proto = 17 };
	struct pkt pkt;

	if (!i)
		now = jiffies();
	(void)key_of(i, &pkt);
	k.src = pkt.f.ip_src;
	k.dst = pkt.f.ip_dst;
	k.sport = pkt.f.l4_src;
	k.dport = pkt.f.l4_dst;
	c.last_seen = now;
	put("skep_conns", &k, &c);
}

/* One class of packets of known connections, not promoted: each packet is looked up by its record. */
static void prepare_conns(void)
{
	struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = 77, .stat = 1, .flags = SKEP_F_LIVE | SKEP_F_STAY },
			       .other_key = KEY2,
			       .other_peer = PEER };
	struct skep_lport lp = { .gen = 2, .flags = SKEP_LPORT_CT, .key = BPFRUN_KEY, .masks4 = { MASK } };
	uint32_t index = BPFRUN_LPORT, id = MASK, zero = 0;
	struct skep_flow_key4 k = { .in_key = BPFRUN_KEY, .ct = SKEP_CT_ORIG, .mask = MASK };
	struct skep_config cfg;
	struct skep_mask m = { 0 };

	memset(&m.k4.in_key, 0xff, sizeof(m.k4.in_key));
	m.k4.ct = 0xff;
	put("skep_lports", &index, &lp);
	put("skep_masks", &id, &m);
	put("skep_wilds4", &k, &w);
	if (bpfrun_get(run, "skep_config", &zero, &cfg))
		die("config", EIO);
	memset(&cfg.timeouts, 0x3f, sizeof(cfg.timeouts)); /* none is over while this lasts */
	put("skep_config", &zero, &cfg);
}

/* --- skepd's --- */

static size_t resident(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		die("statm", errno);
	fclose(f);
	return (size_t)pages * 4096;
}

static void removed(void *arg, struct index_flow *flow)
{
	(void)arg;
	(void)flow;
}

static void bench_index(void)
{
	const struct topo_tag tags[] = { { .kind = TOPO_TAG_PORT, .name = "vm1" },
					 { .kind = TOPO_TAG_BRIDGE, .name = "bridge" },
					 { .kind = TOPO_TAG_CHAIN, .name = "chain" },
					 { .kind = TOPO_TAG_PORT, .name = "vm2" } };
	const char *const hosts[] = { "host2" };
	struct skep_flow verdict = { .action = SKEP_ACT_LOCAL };
	struct index *x = index_new(MANY, 1, removed, NULL);
	size_t before = resident();
	struct pkt pkt;

	for (uint32_t i = 0; x && i < MANY; i++) {
		struct dp_flow_key k = { .k4 = key_of(i, &pkt) };

		if (!index_add(x, &k, &verdict, NULL, tags, 4, hosts, 1))
			die("index", ENOMEM);
	}
	say("flow_skepd", "B", (double)(resident() - before) / MANY);
	index_free(x);
}

static void bench_copies(void)
{
	const struct sim_conns_limits limits = { .records = MANY, .records_port = MANY, .timeouts = SKEP_TIMEOUTS };
	struct sim_conns *conns = sim_conns_new(&limits);
	size_t before = resident();
	struct sim_conn c = { .port = "vm1", .other_port = "vm2", .orig_seen = 0x80 };
	struct pkt pkt;

	for (uint32_t i = 0; conns && i < MANY; i++) {
		(void)key_of(i, &pkt);
		c.tuple = (struct sim_tuple){
			.src = pkt.f.ip_src, .dst = pkt.f.ip_dst, .sport = pkt.f.l4_src, .dport = pkt.f.l4_dst, .proto = 17
		};
		sim_tuple_reverse(&c.tuple, &c.other);
		if (sim_conns_put(conns, &c, 1) != 1)
			die("connections", ENOSPC);
	}
	say("conn_skepd", "B", (double)(resident() - before) / MANY);
	sim_conns_free(conns);
}

/* One entry, and a bucket for it. */
static void say_conntrack(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned int size = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nf_conntrack %*u %*u %u", &size) == 1)
			break;
	if (f)
		fclose(f);
	if (size)
		say("linux_conntrack", "B", size + 8);
}

int main(void)
{
	struct err err = { 0 };

	run = bpfrun_open_sized(MANY, MANY, &err);
	if (!run) {
		fprintf(stderr, "resident_bench: %s\n", err.text);
		return 1;
	}
	say("flow_kernel", "B", (double)bpfrun_memory(run, "skep_flows4") / MANY);
	say("conn_kernel", "B", (double)bpfrun_memory(run, "skep_conns") / MANY);
	say_conntrack();
	if (bpfrun_slot(run))
		die("slot", EIO);
	compare("flow", add_flow);
	bpfrun_close(run);
	run = bpfrun_open_sized(FEW, MANY, &err);
	if (!run || bpfrun_slot(run))
		die(err.text, ENOMEM);
	prepare_conns();
	compare("conn", add_conn);
	bpfrun_close(run);
	bench_index();
	bench_copies();
	return 0;
}
