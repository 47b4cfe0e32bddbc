// SPDX-License-Identifier: Apache-2.0
/*
 * Nanoseconds that skep_xdp_port takes for one packet that meets its flow, with 1, 1 000 and 64 000 flows met in random order.  In a loop inside
 * the kernel (repeat=), the packet made new between two runs by bench/reset.bpf.c, whose cost, measured in turn, is subtracted.
 * Beside it the lookup alone, with a key that costs nothing to make: what is left is ours.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libgen.h>
#include <unistd.h>

#include "bench/prog.h"
#include "bench/reset.h"
#include "util/cleanup.h"

#define LOOPS 1000000
#define NIC   6100
#define NAT   5
#define KEY   0x123

static const struct {
	const char *name;
	struct skep_flow flow;
} variants[] = {
	{ "xdp_port_encap", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 1 } },
	{ "xdp_port_encap_promoted", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 1, .gen = 1, .stat = 1 } }, /* no atomic counters */
	{ "xdp_port_encap_routed", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 1, .ttl_dec = 1, .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
				     .eth_dst = { { 2, 0, 0, 0, 0, 9 } } } },
	{ "xdp_port_encap_conn", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 1, .ttl_dec = 1, .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC | SKEP_F_LIVE,
				   .eth_dst = { { 2, 0, 0, 0, 0, 9 } }, .gen = 1, .stat = 1, .mtu = 1450 } },
	{ "xdp_port_encap_nat", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 1, .ttl_dec = 1, .flags = SKEP_F_ETH_DST | SKEP_F_ETH_SRC,
				  .eth_dst = { { 2, 0, 0, 0, 0, 9 } }, .rewrite = NAT } },
	{ "xdp_port_encap_geneve", { .action = SKEP_ACT_ENCAP, .out = KEY, .peer = 2 } },
	{ "xdp_port_local", { .action = SKEP_ACT_LOCAL, .out = NIC } },
	{ "xdp_port_drop", { .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY } },
};

static struct bpfrun *run;
static int reset_fd, next_fd, state_fd, idle_fd, lookup_fd;

static void load_reset(void)
{
	char self[4096], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct bpf_object *obj;

	if (n < 0)
		die("own path", errno);
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/reset.bpf.o", dirname(self));
	obj = bpf_object__open_file(path, NULL); /* until the end */
	if (!obj || bpf_map__reuse_fd(bpf_object__find_map_by_name(obj, "skep_flows4"), bpfrun_map(run, "skep_flows4")) || bpf_object__load(obj))
		die(path, errno);
	reset_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "reset"));
	idle_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "idle"));
	lookup_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, "lookup"));
	next_fd = bpf_object__find_map_fd_by_name(obj, "next");
	state_fd = bpf_object__find_map_fd_by_name(obj, "state");
}

static void put(const char *map, uint32_t index, const void *value)
{
	if (bpfrun_put(run, map, &index, value))
		die(map, EIO);
}

/* Two hosts, whose next hop has just been found; nothing is due for as long as this runs. */
static void fill(void)
{
	struct skep_peer peer = { .family = 4, .ttl = 64, .mtu = 1600, .dport = htons(SKEP_VXLAN_PORT), .ifindex = BPFRUN_UNDER };
	struct skep_rewrite nat = { .what = SKEP_RW_SRC | SKEP_RW_SPORT, .sport = htons(2000) };
	struct skep_card lo = { .ifindex = 1, .key = BPFRUN_KEY, .lport = BPFRUN_LPORT }, nic = { .ifindex = NIC, .key = 0x888, .mtu = 1500 };
	size_t n = (size_t)libbpf_num_possible_cpus(), size = (sizeof(struct skep_hop) + 7) / 8 * 8;
	_free_ char *hops = calloc(n, size);
	struct skep_config cfg;
	uint32_t zero = 0;
	struct skep_hop hop = { .ok = 1 };

	ip_parse("10.9.0.1", &peer.local);
	ip_parse("10.9.0.2", &peer.remote);
	ip_parse("203.0.113.1", &nat.src);
	hop.remote = peer.remote;
	hop.looked = hop.told = bpfrun_jiffies(run);
	for (size_t i = 0; hops && i < n; i++)
		memcpy(hops + i * size, &hop, sizeof(hop));
	if (!hops || bpfrun_get(run, "skep_config", &zero, &cfg))
		die("maps", EIO);
	cfg.flags = SKEP_CFG_XDP_SEND;
	cfg.hz = INT32_MAX;
	put("skep_config", 0, &cfg);
	put("skep_cards", 1, &lo);
	put("skep_cards", NIC % SKEP_CARDS_MAX, &nic);
	put("skep_rewrites", NAT, &nat);
	put("skep_peers", 1, &peer);
	put("skep_hops", 1, hops);
	peer.encap = SKEP_ENCAP_GENEVE;
	put("skep_peers", 2, &peer);
	put("skep_hops", 2, hops);
}

static void put_flow(uint32_t i, const struct skep_flow *flow)
{
	struct skep_flow f = *flow;
	struct skep_flow_key4 k4;
	struct skep_flow_key6 k6;
	uint8_t frame[512];
	struct pkt pkt;

	f.last_seen = bpfrun_jiffies(run);
	if (pkt_parse(frame, inner(i, frame, sizeof(frame)), &pkt) || pkt_flow_key(&pkt.f, BPFRUN_KEY, &k4, &k6) ||
	    bpfrun_put(run, "skep_flows4", &k4, &f))
		die("flow", EIO);
}

/* 'want': what the last run says; -1 = anything. */
static uint32_t time_of(int prog, uint32_t flows, int want)
{
	uint8_t frame[512];
	struct bench_reset r = { .len = inner(0, frame, sizeof(frame)), .flows = flows, .rnd = flows };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = r.len, .repeat = LOOPS);
	uint32_t zero = 0;

	memcpy(r.head, frame, sizeof(r.head));
	if (bpf_map_update_elem(state_fd, &zero, &r, BPF_ANY) || bpf_map_update_elem(next_fd, &zero, &prog, BPF_ANY) ||
	    bpf_prog_test_run_opts(reset_fd, &opts))
		die("run", errno);
	if (want >= 0 && opts.retval != (uint32_t)want)
		die("a flow is missing", ENOENT);
	return opts.duration;
}

int main(void)
{
	static const uint32_t counts[] = { 1, 1000, 64000 };
	struct err err = { 0 };
	uint32_t rounds[ROUNDS];
	uint64_t before;
	int prog;

	run = bpfrun_open(&err);
	if (!run) {
		fprintf(stderr, "xdp_bench: %s\n", err.text);
		return 1;
	}
	load_reset();
	fill();
	prog = bpfrun_fd(run, BPFRUN_XDP_PORT);
	for (unsigned int i = 0; i < ARRAY_SIZE(variants); i++)
		for (unsigned int c = 0; c < ARRAY_SIZE(counts); c++) {
			for (uint32_t n = 0; n < counts[c]; n++)
				put_flow(n, &variants[i].flow);
			for (unsigned int n = 0; !i && n < ROUNDS; n++) {
				uint32_t base = time_of(idle_fd, counts[c], XDP_PASS), ns = time_of(lookup_fd, counts[c], XDP_PASS);

				rounds[n] = ns > base ? ns - base : 0;
			}
			if (!i)
				print("xdp_lookup_alone", "", counts[c], rounds);
			before = bpfrun_counter(run, SKEP_CNT_XDP_PORT);
			for (unsigned int n = 0; n < ROUNDS; n++) {
				uint32_t base = time_of(idle_fd, counts[c], XDP_PASS), ns = time_of(prog, counts[c], -1);

				rounds[n] = ns > base ? ns - base : 0;
			}
			if (bpfrun_counter(run, SKEP_CNT_XDP_PORT) - before < (uint64_t)ROUNDS * LOOPS * 99 / 100)
				die("XDP left packets to TC", EIO);
			print(variants[i].name, "", counts[c], rounds);
		}
	bpfrun_close(run);
	return 0;
}
