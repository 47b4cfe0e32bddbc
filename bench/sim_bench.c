// SPDX-License-Identifier: Apache-2.0
/*
 * Simulations per second on one core, and how long one takes.  JSON lines: "1/s" over rounds (median, min, max), and the percentiles of
 * single runs in ns, clock reads (about 25 ns) included.  No I/O, no agent: the bare simulator with tables in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/lib/simtest.h"
#include "simulator/conns.h"
#include "util/clock.h"

#define ROUNDS 11
#define ROUND_NS 100000000ULL
#define SINGLES 100000

struct variant {
	const char *name;
	char *(*yaml)(void);
	const char *port, *packet;
	enum sim_verdict verdict;
	uint32_t n_outputs;
	bool established; /* the connection has its record already */
};

static char *one_bridge(void)
{
	return strdup("bridges: [{name: b}]\n"
		      "ports:\n"
		      "  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]}\n"
		      "  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2]}\n");
}

#define END_PORTS(chains)                                                                          \
	"  - {name: vm1, bridge: a, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]" chains "}\n" \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2]" chains "}\n" \
	"  - {name: a-r, bridge: a, peer: ra}\n"                                                   \
	"  - {name: b-r, bridge: b, peer: rb}\n"                                                   \
	"  - {name: ra, router: r, peer: a-r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.1.254/24]}\n"

static char *two_bridges_router(void)
{
	return strdup("bridges: [{name: a}, {name: b}]\n"
		      "routers: [{name: r}]\n"
		      "ports:\n" END_PORTS("")
		      "  - {name: rb, router: r, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24]}\n");
}

/* 'n' rules that do not match, and one that does. */
static size_t put_chain(char *p, size_t size, const char *name, unsigned int n)
{
	size_t len = (size_t)snprintf(p, size, "  - name: %s\n    rules:\n", name);

	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(p + len, size - len,
					"      - {action: drop, proto: tcp, src: 192.168.%u.0/24, dst_ports: %u}\n",
					i % 256, 1000 + i);
	return len + (size_t)snprintf(p + len, size - len,
				      "      - {action: accept, proto: tcp, dst_ports: 80}\n");
}

static char *two_bridges_two_routers_20_rules(void)
{
	size_t size = 16384, len;
	char *p = malloc(size);

	if (!p)
		return NULL;
	len = (size_t)snprintf(p, size, "chains:\n");
	len += put_chain(p + len, size - len, "group", 19);
	snprintf(p + len, size - len,
		 "bridges: [{name: a}, {name: b}]\n"
		 "routers: [{name: r}, {name: s}]\n"
		 "ports:\n" END_PORTS(", in_chain: group, out_chain: group")
		 "  - {name: rs, router: r, peer: sr, mac: \"02:aa:00:00:00:11\", addresses: [169.254.10.1/30]}\n"
		 "  - {name: sr, router: s, peer: rs, mac: \"02:aa:00:00:00:12\", addresses: [169.254.10.2/30]}\n"
		 "  - {name: rb, router: s, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24]}\n"
		 "routes:\n"
		 "  - {name: east, router: r, dst: 10.0.2.0/24, port: rs, gateway: 169.254.10.2}\n"
		 "  - {name: west, router: s, dst: 10.0.1.0/24, port: sr, gateway: 169.254.10.1}\n");
	return p;
}

/* A security group of 20 rules each way; the last one allows. */
static size_t put_security_group(char *p, size_t size)
{
	static const char *const directions[] = { "ingress", "egress" };
	size_t len = (size_t)snprintf(p, size, "security_groups:\n  - name: sg\n    egress: rules\n    rules:\n");

	for (unsigned int d = 0; d < 2; d++) {
		for (unsigned int i = 0; i < 19; i++)
			len += (size_t)snprintf(p + len, size - len,
						"      - {direction: %s, proto: tcp, remote: 192.168.%u.0/24, dst_ports: %u}\n",
						directions[d], i, 1000 + i);
		len += (size_t)snprintf(p + len, size - len,
					"      - {direction: %s, proto: tcp, dst_ports: 80}\n",
					directions[d]);
	}
	return len;
}

/* Two bridges, two routers, security groups of 20 rules at both ends; 'more' kinds. */
static char *with_groups(const char *more)
{
	size_t size = 16384, len;
	char *p = malloc(size);

	if (!p)
		return NULL;
	len = put_security_group(p, size);
	snprintf(p + len, size - len,
		 "bridges: [{name: a}, {name: b}]\n"
		 "routers: [{name: r}, {name: s}]\n"
		 "ports:\n" END_PORTS(", security_groups: [sg]")
		 "  - {name: rs, router: r, peer: sr, mac: \"02:aa:00:00:00:11\", addresses: [169.254.10.1/24]}\n"
		 "  - {name: sr, router: s, peer: rs, mac: \"02:aa:00:00:00:12\", addresses: [169.254.10.2/24]}\n"
		 "  - {name: rb, router: s, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [10.0.2.254/24]}\n"
		 "routes:\n"
		 "  - {name: east, router: r, dst: 10.0.2.0/24, port: rs, gateway: 169.254.10.2}\n"
		 "  - {name: west, router: s, dst: 10.0.1.0/24, port: sr, gateway: 169.254.10.1}\n"
		 "%s",
		 more);
	return p;
}

static char *two_bridges_two_routers_20_rule_groups(void)
{
	return with_groups("");
}

static char *snat(void)
{
	return with_groups("nats: [{name: n, router: r, type: snat, port: rs, to: 169.254.10.100}]\n");
}

static char *load_balancer(void)
{
	return with_groups("load_balancers: [{name: lb, router: r}]\n"
			   "pools: [{name: p}]\n"
			   "members: [{name: m1, pool: p, address: 10.0.2.2, port: 80}]\n"
			   "vips: [{name: v, load_balancer: lb, address: 10.0.9.9, proto: tcp, port: 80, pool: p}]\n");
}

/* An address group of 'n' members that have no neighbours; the packet's source is none. */
static char *group(unsigned int n)
{
	size_t size = n * 20 + 4096, len;
	char *p = malloc(size);

	if (!p)
		return NULL;
	len = (size_t)snprintf(p, size, "address_groups:\n  - name: g\n    addresses: [");
	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(p + len, size - len, "%s10.%u.%u.%u", i ? ", " : "",
					1 + (i * 2 >> 16), i * 2 >> 8 & 255, i * 2 & 255);
	snprintf(p + len, size - len,
		 "]\n"
		 "chains: [{name: c, rules: [{action: drop, src_group: g}]}]\n"
		 "bridges: [{name: b}]\n"
		 "ports:\n"
		 "  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1], in_chain: c}\n"
		 "  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2]}\n");
	return p;
}

static char *group_100(void)
{
	return group(100);
}

static char *group_100000(void)
{
	return group(100000);
}

static char *chain(unsigned int n)
{
	size_t size = n * 100 + 4096, len;
	char *p = malloc(size);

	if (!p)
		return NULL;
	len = (size_t)snprintf(p, size, "chains:\n");
	len += put_chain(p + len, size - len, "group", n - 1);
	snprintf(p + len, size - len,
		 "bridges: [{name: b}]\n"
		 "ports:\n"
		 "  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1], in_chain: group}\n"
		 "  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.2.2]}\n");
	return p;
}

static char *chain_10(void)
{
	return chain(10);
}

static char *chain_10000(void)
{
	return chain(10000);
}

static char *ports(unsigned int n)
{
	size_t size = n * 80 + 4096, len;
	char *p = malloc(size);

	if (!p)
		return NULL;
	len = (size_t)snprintf(p, size, "bridges: [{name: b}]\nports:\n");
	for (unsigned int i = 1; i <= n; i++)
		len += (size_t)snprintf(p + len, size - len,
					"  - {name: vm%u, bridge: b, mac: \"02:00:00:00:%02x:%02x\"}\n", i,
					i >> 8, i & 0xff);
	return p;
}

static char *ports_100(void)
{
	return ports(100);
}

static char *ports_1000(void)
{
	return ports(1000);
}

#define TO_VM "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.1.1>10.0.2.2 / tcp 4000>80 S"
#define TO_ROUTER "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.2.2 / tcp 4000>80 S"
#define TO_VIP "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>10.0.9.9 / tcp 4000>80 S"
#define TO_NOWHERE "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.1.1>192.0.2.1 / tcp 4000>80 S"
#define TO_LAST "eth 02:00:00:00:00:01>02:00:00:00:03:e7 / ip 10.0.1.1>10.0.2.2 / tcp 4000>80 S" /* vm999 */
#define TO_ALL "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 46"

static const struct variant variants[] = {
	{ "one_bridge", one_bridge, "vm1", TO_VM, SIM_FORWARD, 1, false },
	{ "two_bridges_router", two_bridges_router, "vm1", TO_ROUTER, SIM_FORWARD, 1, false },
	{ "two_bridges_two_routers_20_rules", two_bridges_two_routers_20_rules, "vm1", TO_ROUTER,
	  SIM_FORWARD, 1, false },
	{ "two_bridges_two_routers_20_rule_groups", two_bridges_two_routers_20_rule_groups, "vm1",
	  TO_ROUTER, SIM_FORWARD, 1, false },
	{ "two_bridges_two_routers_20_rule_groups_established",
	  two_bridges_two_routers_20_rule_groups, "vm1", TO_ROUTER, SIM_FORWARD, 1, true },
	{ "snat", snat, "vm1", TO_ROUTER, SIM_FORWARD, 1, false },
	{ "snat_established", snat, "vm1", TO_ROUTER, SIM_FORWARD, 1, true },
	{ "load_balancer", load_balancer, "vm1", TO_VIP, SIM_FORWARD, 1, false },
	{ "load_balancer_established", load_balancer, "vm1", TO_VIP, SIM_FORWARD, 1, true },
	{ "icmp_error", two_bridges_router, "vm1", TO_NOWHERE, SIM_DROP, 0, false },
	{ "chain_10_rules", chain_10, "vm1", TO_VM, SIM_FORWARD, 1, false },
	{ "chain_10000_rules", chain_10000, "vm1", TO_VM, SIM_FORWARD, 1, false },
	{ "group_100_members", group_100, "vm1", TO_VM, SIM_FORWARD, 1, false },
	{ "group_100000_members", group_100000, "vm1", TO_VM, SIM_FORWARD, 1, false },
	{ "unicast_of_1000_ports", ports_1000, "vm1", TO_LAST, SIM_FORWARD, 1, false },
	{ "flood_to_100_ports", ports_100, "vm1", TO_ALL, SIM_FORWARD, 99, false },
};

struct bench {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_state_view view;
	const struct topo_port *in;
	struct pkt pkt;
	struct sim_result res;
};

static void one(struct bench *b)
{
	if (sim_run(&b->sim, b->snap, &b->view.view, b->in, &b->pkt, 1, 7, 0, &b->res, NULL))
		abort();
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *b, const struct variant *v)
{
	static double single[SINGLES];
	double rate[ROUNDS];
	uint64_t start, now;
	unsigned int n, singles;

	for (unsigned int r = 0; r < ROUNDS; r++) {
		start = clock_mono_ns();
		for (n = 0, now = start; now - start < ROUND_NS; n += 64, now = clock_mono_ns())
			for (unsigned int i = 0; i < 64; i++)
				one(b);
		rate[r] = (double)n * 1e9 / (double)(now - start);
	}
	singles = rate[0] > 100000 ? SINGLES : SINGLES / 20;
	for (n = 0; n < singles; n++) {
		start = clock_mono_ns();
		one(b);
		single[n] = (double)(clock_mono_ns() - start);
	}
	qsort(rate, ROUNDS, sizeof(*rate), by_value);
	qsort(single, singles, sizeof(*single), by_value);
	printf("{\"bench\":\"sim\",\"variant\":\"%s\",\"unit\":\"1/s\",\"median\":%.0f,\"min\":%.0f,\"max\":%.0f,"
	       "\"n\":%d,\"p50_ns\":%.0f,\"p99_ns\":%.0f}\n",
	       v->name, rate[ROUNDS / 2], rate[0], rate[ROUNDS - 1], ROUNDS, single[singles / 2],
	       single[singles / 100 * 99]);
	fflush(stdout);
}

/* With source ports for router r. */
static struct sim_conns *make_conns(void)
{
	const struct sim_conns_limits limits = { .records = 1000,
						 .records_port = 1000,
						 .affinities = 1000,
						 .timeouts = SKEP_TIMEOUTS };
	struct sim_conns *c = sim_conns_new(&limits);
	struct skep_ip ip;

	if (!c || !ip_parse("169.254.10.100", &ip) || sim_conns_block_add(c, "r", &ip, 4096) < 0)
		return NULL;
	return c;
}

/* An argument selects variants by the beginning of their names. */
int main(int argc, char **argv)
{
	static uint8_t frame[PKT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		const struct variant *v = &variants[i];
		struct sim_tables *tables;
		struct sim_conns *conns;
		struct bench b;
		char *yaml;

		if (argc > 1 && strncmp(v->name, argv[1], strlen(argv[1])))
			continue;
		tables = sim_tables_new(1000, 1000);
		conns = make_conns();
		yaml = v->yaml();
		if (!yaml || !tables || !conns)
			abort();
		sim_init(&b.sim);
		b.snap = simtest_snapshot(yaml);
		sim_state_view_init(&b.view, tables, conns, b.snap, 1);
		b.in = topo_find_port(b.snap, v->port);
		simtest_packet(v->packet, frame, &b.pkt);
		one(&b);
		if (b.res.verdict != v->verdict || b.res.n_outputs != v->n_outputs) {
			fprintf(stderr, "sim_bench: %s: wrong result\n", v->name);
			return 1;
		}
		if (v->established) {
			sim_conns_apply(conns, &b.res, &b.pkt, NULL, NULL, 1);
			one(&b);
			if (b.res.ct != TOPO_CT_ESTABLISHED) {
				fprintf(stderr, "sim_bench: %s: not established\n", v->name);
				return 1;
			}
		}
		measure(&b, v);
		sim_tables_free(tables);
		sim_conns_free(conns);
		topo_unref(b.snap);
		sim_fini(&b.sim);
		free(yaml);
	}
	return 0;
}
