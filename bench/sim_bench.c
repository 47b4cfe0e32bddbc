// SPDX-License-Identifier: Apache-2.0
/*
 * Simulations per second on one core, and how long one takes.  JSON lines: "1/s" over rounds (median, min, max), and the percentiles of
 * single runs in ns, clock reads (about 25 ns) included.  No I/O, no agent: the bare simulator with tables in memory.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/topo_net.h"
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
	struct pkt *pkts; /* in turn */
	unsigned int n_pkts, next;
	struct sim_result res;
};

static void one(struct bench *b)
{
	const struct pkt *pkt = &b->pkts[b->next];

	b->next = b->next + 1 < b->n_pkts ? b->next + 1 : 0;
	if (sim_run(&b->sim, b->snap, &b->view.view, b->in, pkt, 1, 7, 0, &b->res, NULL))
		abort();
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *b, const char *name)
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
	       name, rate[ROUNDS / 2], rate[0], rate[ROUNDS - 1], ROUNDS, single[singles / 2],
	       single[singles / 100 * 99]);
	fflush(stdout);
}

static void wrong(const char *name, const char *what)
{
	fprintf(stderr, "sim_bench: %s: %s\n", name, what);
	exit(1);
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

static void run(const struct variant *v)
{
	static uint8_t frame[PKT_MAX];
	struct sim_tables *tables = sim_tables_new(1000, 1000);
	struct sim_conns *conns = make_conns();
	char *yaml = v->yaml();
	struct pkt pkt;
	struct bench b = { .pkts = &pkt, .n_pkts = 1 };

	if (!yaml || !tables || !conns)
		abort();
	sim_init(&b.sim);
	b.snap = simtest_snapshot(yaml);
	sim_state_view_init(&b.view, tables, conns, b.snap, 1);
	b.in = topo_find_port(b.snap, v->port);
	simtest_packet(v->packet, frame, &pkt);
	one(&b);
	if (b.res.verdict != v->verdict || b.res.n_outputs != v->n_outputs)
		wrong(v->name, "wrong result");
	if (v->established) {
		sim_conns_apply(conns, &b.res, &pkt, NULL, NULL, 1);
		one(&b);
		if (b.res.ct != TOPO_CT_ESTABLISHED)
			wrong(v->name, "not established");
	}
	measure(&b, v->name);
	sim_tables_free(tables);
	sim_conns_free(conns);
	topo_unref(b.snap);
	sim_fini(&b.sim);
	free(yaml);
}

/* --- a router with many routes; each packet to another one --- */

#define DESTINATIONS 4096

static struct sim_tables *gateways(void)
{
	struct sim_tables *tables = sim_tables_new(1, SIM_NEIGHS_PORT);
	const struct skep_mac mac = { { 2, 0, 0, 0, 0, 9 } };

	for (uint32_t i = 0; tables && i < 1 << 15; i++) {
		struct skep_ip ip = ip_from_v4(htonl(0xc0a80002 | i));

		if (sim_tables_set_neigh(tables, "p", &ip, &mac, true, 1) < 0)
			return NULL;
	}
	return tables;
}

static void run_routes(const char *name, uint32_t n)
{
	static uint8_t frames[DESTINATIONS][64];
	static struct pkt pkts[DESTINATIONS];
	struct sim_tables *tables = gateways();
	json_t *records = topo_net_routes(n);
	struct bench b = { .pkts = pkts, .n_pkts = DESTINATIONS };
	struct err err = { 0 };
	char line[160], path[32];

	topo_net_add(records, "port", "q",
		     json_pack("{s:s, s:s, s:[s]}", "router", "r", "mac", "02:aa:00:00:00:01",
			       "addresses", "172.31.0.1/24"));
	json_object_set_new(records, "live/q", json_pack("{s:s, s:i}", "host", "h", "key", 2));
	b.snap = topo_build("t", 1, records, &err);
	if (!b.snap || !tables)
		wrong(name, err.text);
	sim_init(&b.sim);
	sim_state_view_init(&b.view, tables, NULL, b.snap, 1);
	b.in = topo_find_port(b.snap, "q");
	for (unsigned int i = 0, tries = 0; i < DESTINATIONS; tries++) {
		const char *dst;
		int len;

		snprintf(path, sizeof(path), "route/r%u", topo_net_random(n));
		dst = json_string_value(json_object_get(json_object_get(records, path), "dst"));
		snprintf(line, sizeof(line), "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 172.31.0.2>%.*s / tcp 4000>80 S",
			 (int)strcspn(dst, "/"), dst);
		len = pkt_dsl_parse(line, NULL, frames[i], sizeof(frames[i]), &err);
		if (len < 0 || pkt_parse(frames[i], (uint32_t)len, &pkts[i]) != SKEP_DROP_NONE)
			wrong(name, err.text);
		b.next = i;
		one(&b);
		if (b.res.verdict == SIM_FORWARD && b.res.n_outputs == 1)
			i++; /* others: multicast, loopback, ... */
		else if (tries > 100 * DESTINATIONS)
			wrong(name, line);
	}
	json_decref(records);
	measure(&b, name);
	sim_tables_free(tables);
	topo_unref(b.snap);
	sim_fini(&b.sim);
}

/* An argument selects variants by the beginning of their names. */
int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t n;
	} routes[] = { { "routes_10", 10 }, { "routes_1000000", 1000000 } };
	const char *begin = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		if (!strncmp(variants[i].name, begin, strlen(begin)))
			run(&variants[i]);
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (!strncmp(routes[i].name, begin, strlen(begin)))
			run_routes(routes[i].name, routes[i].n);
	return 0;
}
