// SPDX-License-Identifier: Apache-2.0
/*
 * The topology's own figures, JSON lines: lookups in sets of addresses, chains' trees, routes and Maglev's tables; bytes per port, time to build a
 * snapshot, to change one port in place.  Times are CPU times.  No I/O.  Arguments: sizes of the snapshots in ports (default 40000 1000000, after the lookups); "lookups": only those.
 */
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/topo_net.h"
#include "topology/change.h"
#include "topology/classifier.h"
#include "topology/ipset.h"
#include "topology/maglev.h"
#include "util/arena.h"

#define ROUNDS 11
#define ROUND_NS 30000000ULL

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of this process: nothing here waits, and neighbours on the machine do not count. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static volatile uint64_t sink; /* keeps what is measured from being left out */

static void say(const char *variant, const char *unit, const double *v, unsigned int n)
{
	printf("{\"bench\":\"topo\",\"variant\":\"%s\",\"unit\":\"%s\",\"median\":%.4g,\"min\":%.4g,"
	       "\"max\":%.4g,\"n\":%u}\n",
	       variant, unit, v[n / 2], v[0], v[n - 1], n);
	fflush(stdout);
}

static void say_one(const char *variant, const char *unit, double v)
{
	say(variant, unit, &v, 1);
}

/* ns of one call of 'fn', which does it 64 times. */
static void measure(const char *variant, void (*fn)(void *arg), void *arg)
{
	double ns[ROUNDS];

	for (unsigned int r = 0; r < ROUNDS; r++) {
		uint64_t start = cpu_ns(), now = start, n = 0;

		for (; now - start < ROUND_NS; now = cpu_ns(), n += 64)
			fn(arg);
		ns[r] = (double)(now - start) / (double)n;
	}
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	say(variant, "ns", ns, ROUNDS);
}

/* --- sets of addresses --- */

struct ipset_bench {
	const struct topo_ipset *set;
	uint32_t span;
};

static void ask_ipset(void *arg)
{
	const struct ipset_bench *b = arg;
	unsigned int bits;

	for (int i = 0; i < 64; i++) {
		struct skep_ip ip = ip_from_v4(htonl(0x0a000000 + topo_net_random(b->span)));

		sink += topo_ipset_has(b->set, &ip, &bits) + bits;
	}
}

static void bench_ipset(uint32_t n, const char *variant)
{
	struct topo_prefix *v = calloc(n, sizeof(*v));
	struct ipset_bench b = { .span = 2 * n };
	struct arena arena;
	char text[64];

	arena_init(&arena, 0);
	for (uint32_t i = 0; v && i < n; i++)
		v[i] = (struct topo_prefix){ ip_from_v4(htonl(0x0a000000 + 2 * i)), 32 };
	b.set = v ? topo_ipset_build(v, n, &arena) : NULL;
	if (!b.set)
		abort();
	measure(variant, ask_ipset, &b);
	snprintf(text, sizeof(text), "%s_size", variant);
	say_one(text, "B/member", (double)arena.used / n);
	arena_fini(&arena);
	free(v);
}

/* --- trees of chains --- */

struct tree_bench {
	const struct topo_classifier *c;
	uint32_t n, src, dst_port;
};

static uint32_t value(void *arg, enum topo_dim dim)
{
	return dim == TOPO_DIM_ETH_TYPE ? 0x0800 : IPPROTO_TCP;
}

static bool below(void *arg, enum topo_dim dim, uint32_t limit)
{
	const struct tree_bench *b = arg;

	switch (dim) {
	case TOPO_DIM_SRC:
		return b->src < limit;
	case TOPO_DIM_L4_DST:
		return b->dst_port < limit;
	default:
		return 7 < limit;
	}
}

static bool below6(void *arg, enum topo_dim dim, const struct skep_ip *limit)
{
	return false;
}

static bool has_l4(void *arg)
{
	return true;
}

static const struct topo_reader reader = {
	.value = value, .below = below, .below6 = below6, .has_l4 = has_l4
};

static void ask_tree(void *arg)
{
	struct tree_bench *b = arg;
	uint32_t k;

	for (int i = 0; i < 64; i++) {
		uint32_t r = topo_net_random(b->n);

		b->src = 0x0a000000 + r * 256 + 9;
		b->dst_port = 1000 + r % 5000;
		sink += (uintptr_t)topo_classify(b->c, &reader, b, &k) + k;
	}
}

static void bench_tree(uint32_t n, const char *variant)
{
	struct topo_rule *rules = calloc(n, sizeof(*rules));
	struct tree_bench b = { .n = n };
	struct arena arena;
	uint64_t start;
	char text[64];

	arena_init(&arena, 0);
	for (uint32_t i = 0; rules && i < n; i++) {
		rules[i] = (struct topo_rule){
			.index = i,
			.match = TOPO_M_PROTO | TOPO_M_IP_SRC | TOPO_M_L4_DST,
			.proto = IPPROTO_TCP,
			.ip_src = ip_from_v4(htonl(0x0a000000 + i * 256)),
			.ip_src_len = 24,
		};
		rules[i].l4_dst[0] = rules[i].l4_dst[1] = (uint16_t)(1000 + i % 5000);
	}
	start = cpu_ns();
	b.c = rules ? topo_classifier_build(rules, n, &arena) : NULL;
	if (!b.c)
		abort();
	snprintf(text, sizeof(text), "%s_build", variant);
	say_one(text, "ms", (double)(cpu_ns() - start) / 1e6);
	snprintf(text, sizeof(text), "%s_size", variant);
	say_one(text, "B/rule", (double)arena.used / n);
	measure(variant, ask_tree, &b);
	arena_fini(&arena);
	free(rules);
}

/* --- Maglev --- */

static void ask_maglev(void *arg)
{
	for (int i = 0; i < 64; i++)
		sink += (uintptr_t)topo_maglev_pick(arg, topo_net_random(UINT32_MAX) * 0x9e3779b97f4a7c15ULL);
}

static void bench_maglev(uint32_t n, const char *variant)
{
	struct topo_member *m = calloc(n, sizeof(*m)), **v = calloc(n, sizeof(struct topo_member *));
	struct topo_pool pool = { .members = v, .n_members = n };
	struct arena arena;
	struct pool mem;
	uint64_t start;
	char text[64];
	bool none;

	arena_init(&arena, 0);
	pool_init(&mem);
	for (uint32_t i = 0; m && v && i < n; i++) {
		m[i] = (struct topo_member){ .weight = 1, .healthy = true };
		m[i].o.name = arena_printf(&arena, "m%u", i);
		v[i] = &m[i];
	}
	start = cpu_ns();
	pool.maglev = topo_maglev_build(v, n, &mem, &none);
	if (!pool.maglev)
		abort();
	snprintf(text, sizeof(text), "%s_build", variant);
	say_one(text, "ms", (double)(cpu_ns() - start) / 1e6);
	measure(variant, ask_maglev, &pool);
	arena_fini(&arena);
	pool_fini(&mem);
	free(m);
	free(v);
}

/* --- routes --- */

static void ask_routes(void *arg)
{
	const struct topo_route *out[8];
	struct skep_ip src = ip_from_v4(htonl(0x0a000001));
	unsigned int dst_bits, src_bits;

	for (int i = 0; i < 64; i++) {
		struct skep_ip dst = ip_from_v4(htonl(topo_net_random(UINT32_MAX)));

		sink += topo_route_lookup(arg, &src, &dst, out, 8, &dst_bits, &src_bits);
	}
}

static void bench_routes(uint32_t n, const char *variant)
{
	json_t *records = topo_net_routes(n);
	struct topo_snapshot *snap;
	struct topo_object *o;
	struct err err = { 0 };
	uint64_t start = cpu_ns();
	char text[64];

	snap = topo_build("t", 1, records, &err);
	if (!snap) {
		fprintf(stderr, "topo_bench: %s\n", err.text);
		exit(1);
	}
	snprintf(text, sizeof(text), "%s_build", variant);
	say_one(text, "ms", (double)(cpu_ns() - start) / 1e6);
	json_decref(records);
	o = topo_find(snap, TOPO_ROUTER, "r");
	measure(variant, ask_routes, container_of(o, struct topo_router, o));
	topo_unref(snap);
}

static void lookups(void)
{
	bench_ipset(100, "ipset_100");
	bench_ipset(100000, "ipset_100000");
	bench_tree(16, "tree_16_rules");
	bench_tree(10000, "tree_10000_rules");
	bench_maglev(10, "maglev_10_members");
	bench_maglev(1000, "maglev_1000_members");
	bench_routes(10, "routes_10");
	bench_routes(1000000, "routes_1000000");
}

/* --- whole networks --- */

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static struct topo_snapshot *build(const json_t *records)
{
	struct err err = { 0 };
	struct topo_snapshot *snap = topo_build("t", 1, records, &err);

	if (!snap) {
		fprintf(stderr, "topo_bench: %s\n", err.text);
		exit(1);
	}
	return snap;
}

/* --- changes in place --- */

#define UPDATES 4001

static json_t *get_record(void *records, const char *path)
{
	return json_incref(json_object_get(records, path));
}

static void count_tag(void *arg, const struct topo_tag *tag)
{
	sink += tag->kind;
}

/* ns to tell the snapshot that the record is now 'rec', NULL: gone.  Takes 'rec'. */
static double update(struct topo_snapshot *snap, json_t *records, const char *path, json_t *rec)
{
	const struct topo_source source = { .get = get_record, .arg = records };
	uint64_t start;

	if (rec)
		json_object_set_new(records, path, rec);
	else
		json_object_del(records, path);
	start = cpu_ns();
	if (topo_update(snap, snap->rev + 1, &path, 1, &source, count_tag, NULL)) {
		fprintf(stderr, "topo_bench: %s cannot be changed in place\n", path);
		exit(1);
	}
	return (double)(cpu_ns() - start);
}

static json_t *with(const json_t *rec, const char *key, json_t *value)
{
	json_t *copy = json_deep_copy(rec);

	json_object_set_new(copy, key, value);
	return copy;
}

static void say_update(uint32_t n, const char *what, double *ns)
{
	char text[64];

	snprintf(text, sizeof(text), "update_%u_ports_%s", n, what);
	qsort(ns, UPDATES, sizeof(*ns), by_value);
	say(text, "ns", ns, UPDATES);
	snprintf(text, sizeof(text), "update_%u_ports_%s_p99", n, what);
	say_one(text, "ns", ns[UPDATES * 99 / 100]);
}

/* All ports on one bridge and in one security group: tables as large as they get. */
static void updates(uint32_t n)
{
	static double live[UPDATES], modify[UPDATES], address[UPDATES], create[UPDATES], delete[UPDATES];
	json_t *records = topo_net_ports(n, n, true), *rec;
	char path[48], name[24], ip[ADDR_TEXT];
	struct topo_snapshot *snap = build(records);

	for (uint32_t i = 0; i < UPDATES; i++) {
		const uint32_t k = topo_net_random(n);

		snprintf(path, sizeof(path), "live/vm%u", k);
		live[i] = update(snap, records, path, json_pack("{s:s, s:i, s:i}", "host", "other", "key", (int)i + 1, "flood", 2));
		snprintf(path, sizeof(path), "port/vm%u", k);
		rec = json_object_get(records, path);
		modify[i] = update(snap, records, path, with(rec, "admin_up", json_boolean(!json_is_false(json_object_get(rec, "admin_up")) ? 0 : 1)));
		rec = json_object_get(records, path);
		snprintf(ip, sizeof(ip), "10.128.%u.%u", i >> 8, i & 255);
		address[i] = update(snap, records, path, with(rec, "addresses", json_pack("[s]", ip)));
		snprintf(name, sizeof(name), "new%u", topo_net_random(UINT32_MAX));
		topo_net_add(records, "port", name, topo_net_port(n + i, n + i, 2 * n + UPDATES, true));
		snprintf(path, sizeof(path), "port/%s", name);
		create[i] = update(snap, records, path, json_incref(json_object_get(records, path)));
		snprintf(path, sizeof(path), "bind/vm%u", k);
		json_object_del(records, path);
		snprintf(path, sizeof(path), "port/vm%u", k);
		delete[i] = json_object_get(records, path) ? update(snap, records, path, NULL) : 0;
		/* and back again, so that the next one finds as many */
		topo_net_add(records, "port", path + 5, topo_net_port(k, k, n, true));
		(void)update(snap, records, path, json_incref(json_object_get(records, path)));
	}
	say_update(n, "live", live);
	say_update(n, "modify", modify);
	say_update(n, "address", address);
	say_update(n, "create", create);
	say_update(n, "delete", delete);
	topo_unref(snap);
	json_decref(records);
}

static void network(uint32_t n, bool group, const char *what)
{
	json_t *records = topo_net_ports(n, TOPO_NET_PER_BRIDGE, group);
	size_t before = in_use();
	struct topo_snapshot *snap;
	uint64_t start;
	char text[64];

	start = cpu_ns();
	snap = build(records);
	snprintf(text, sizeof(text), "build_%u_ports%s", n, what);
	say_one(text, "ms", (double)(cpu_ns() - start) / 1e6);
	snprintf(text, sizeof(text), "memory_%u_ports%s", n, what);
	say_one(text, "B/port", (double)(in_use() - before) / n);
	topo_unref(snap);
	json_decref(records);
}

static void size(uint32_t n)
{
	network(n, false, "");
	network(n, true, "_in_a_group");
	updates(n);
}

int main(int argc, char **argv)
{
	if (argc == 1 || !strcmp(argv[1], "lookups"))
		lookups();
	if (argc > 1 && !strcmp(argv[1], "lookups"))
		return 0;
	for (int i = 1; i < argc; i++)
		size((uint32_t)strtoul(argv[i], NULL, 10));
	if (argc == 1) {
		size(40000);
		size(1000000);
	}
	return 0;
}
