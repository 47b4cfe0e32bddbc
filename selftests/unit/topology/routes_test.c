// SPDX-License-Identifier: Apache-2.0
/* Route lookup: a table of cases, then random tables against a plain scan, with the promise of the tested bits checked bit by bit. */
#include "selftests/unit/topology/fixture.h"

#define T "tenant: acme\n"

static const char base[] =
	T "routers: [{name: r}]\n"
	  "bridges: [{name: b}]\n"
	  "ports:\n"
	  "  - {name: a, router: r, addresses: [10.0.1.1/24, \"fd00:1::1/64\"]}\n"
	  "  - {name: b1, router: r, addresses: [10.0.2.1/24]}\n"
	  "  - {name: down, router: r, addresses: [10.0.3.1/24], admin_up: false}\n"
	  "  - {name: away, router: r, addresses: [10.0.4.1/24]}\n"
	  "  - {name: inner, router: r, addresses: [10.0.5.1/24], peer: outer}\n"
	  "  - {name: outer, bridge: b}\n"
	  "routes:\n"
	  "  - {name: def1, router: r, dst: 0.0.0.0/0, port: a, gateway: 10.0.1.9}\n"
	  "  - {name: def2, router: r, dst: 0.0.0.0/0, port: b1, gateway: 10.0.2.9}\n"
	  "  - {name: def3, router: r, dst: 0.0.0.0/0, port: b1, gateway: 10.0.2.8, weight: 200}\n"
	  "  - {name: hole, router: r, dst: 10.0.0.0/16, type: blackhole}\n"
	  "  - {name: back, router: r, dst: 10.0.3.0/24, port: b1, gateway: 10.0.2.9, weight: 300}\n"
	  "  - {name: bysrc, router: r, dst: 10.9.0.0/16, src: 192.168.0.0/16, port: a, gateway: 10.0.1.9}\n"
	  "  - {name: lost, router: r, dst: 10.8.0.0/16, port: away, gateway: 10.0.4.9}\n"
	  "  - {name: no, router: r, dst: \"fd00::/8\", type: reject}\n";

struct row {
	const char *name, *src, *dst, *want; /* names, in order, separated by spaces */
	unsigned int dst_bits, src_bits;
};
static const struct row rows[] = {
	{ "equal ones, and not the heavier", "10.0.1.5", "8.8.8.8", "def1 def2", 7, 0 },
	{ "connected", "10.0.1.5", "10.0.2.7", "b1:connected", 30, 0 },
	{ "local", "10.0.1.5", "10.0.2.1", "b1:local", 32, 0 },
	{ "interior port", "10.0.1.5", "10.0.5.77", "inner:connected", 26, 0 },
	{ "blackhole under the connected ones", "10.0.1.5", "10.0.200.1", "hole", 17, 0 },
	{ "port down: the next best of the prefix", "10.0.1.5", "10.0.3.7", "back", 30, 0 },
	{ "port nowhere: the shorter prefix", "10.0.1.5", "10.0.4.7", "hole", 30, 0 },
	{ "port nowhere: the default", "10.0.1.5", "10.8.1.1", "def1 def2", 16, 0 },
	{ "source matches", "192.168.1.1", "10.9.1.1", "bysrc", 16, 16 },
	{ "source does not match", "192.169.1.1", "10.9.1.1", "def1 def2", 16, 16 },
	{ "source differs early", "10.0.1.5", "10.9.1.1", "def1 def2", 16, 1 },
	{ "IPv6 connected", "fd00:1::5", "fd00:1::9", "a:connected", 125, 0 },
	{ "IPv6 reject", "fd00:1::5", "fd01::1", "no", 16, 0 },
	{ "IPv6 none", "fd00:1::5", "2001:db8::1", "", 1, 0 },
};

static struct skep_ip ip(const char *text)
{
	struct skep_ip v;

	assert_true(ip_parse(text, &v));
	return v;
}

static struct topo_snapshot *table(json_t **records)
{
	*records = applied(NULL, base);
	put_live(*records, "a", "h1", 1, 0);
	put_live(*records, "b1", "h1", 2, 0);
	put_live(*records, "down", "h1", 3, 0);
	return built(*records);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	json_t *records;
	struct topo_snapshot *s = table(&records);
	const struct topo_route *out[8];
	struct skep_ip src = ip(row->src), dst = ip(row->dst);
	unsigned int dst_bits = 999, src_bits = 999, n;
	char got[256] = "";

	n = topo_route_lookup(&s->routers[0], &src, &dst, out, 8, &dst_bits, &src_bits);
	for (unsigned int i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", out[i]->o.name);
	if (strcmp(got, row->want) != 0 || dst_bits != row->dst_bits || src_bits != row->src_bits)
		fail_msg("%s > %s: got '%s' %u %u, want '%s' %u %u", row->src, row->dst, got, dst_bits, src_bits,
			 row->want, row->dst_bits, row->src_bits);
	topo_unref(s);
	json_decref(records);
}

static void test_max(void **state)
{
	json_t *records;
	struct topo_snapshot *s = table(&records);
	const struct topo_route *out[1];
	struct skep_ip src = ip("10.0.1.5"), dst = ip("8.8.8.8");
	unsigned int a, b;

	assert_int_equal(topo_route_lookup(&s->routers[0], &src, &dst, out, 1, &a, &b), 1);
	assert_string_equal(out[0]->o.name, "def1");
	topo_unref(s);
	json_decref(records);
}

/* --- random --- */

static uint64_t seed = 0x736b6570;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

/* Few distinct bits, so that prefixes nest and addresses come near them. */
static struct skep_ip random_ip(bool v4)
{
	struct skep_ip v = { 0 };
	uint8_t *b = (uint8_t *)&v;

	if (v4)
		v = ip_from_v4(0);
	for (int i = v4 ? 12 : 0; i < 16; i++)
		b[i] = (uint8_t)(rnd(3) ? rnd(2) * 0x80 + rnd(2) : rnd(256));
	return v;
}

static unsigned int scan(const struct topo_router *r, const struct skep_ip *src, const struct skep_ip *dst,
			 const struct topo_route **out)
{
	struct topo_routes_at at;
	unsigned int n = 0;
	int best = -1;

	for (const struct topo_route *x = topo_routes_first(r, &at); x; x = topo_routes_next(&at)) {
		if (!ip_in_prefix(dst, &x->dst, x->dst_len) || !topo_route_usable(x) ||
		    (x->src_len && !ip_in_prefix(src, &x->src, x->src_len)))
			continue;
		if (x->dst_len > best || (x->dst_len == best && x->weight < out[0]->weight))
			n = 0;
		else if (x->dst_len < best || x->weight > out[0]->weight)
			continue;
		best = x->dst_len;
		out[n++] = x;
	}
	return n;
}

static void flip(struct skep_ip *v, unsigned int bit)
{
	if (ip_is_v4(v))
		bit += 96;
	((uint8_t *)v)[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
}

static void same(const struct topo_router *r, const struct skep_ip *src, const struct skep_ip *dst,
		 const struct topo_route **want, unsigned int n_want)
{
	const struct topo_route *out[64];
	unsigned int a, b, n = topo_route_lookup(r, src, dst, out, 64, &a, &b);
	char s[ADDR_TEXT], d[ADDR_TEXT];

	if (n != n_want || memcmp(out, want, n * sizeof(*out)) != 0)
		fail_msg("%s > %s: got %u '%s', want %u '%s'", ip_format(src, s), ip_format(dst, d), n,
			 n ? out[0]->o.name : "", n_want, n_want ? want[0]->o.name : "");
}

static json_t *random_table(unsigned int n, bool v4)
{
	json_t *doc = json_pack("{s:s, s:[{s:s}], s:[{s:s, s:s}], s:[]}", "tenant", "acme", "routers", "name", "r",
				"ports", "name", "p", "router", "r", "routes");
	json_t *routes = json_object_get(doc, "routes");
	char dst[ADDR_TEXT], src[ADDR_TEXT], name[16];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int len = rnd(v4 ? 33 : 129), src_len = rnd(2) ? 0 : rnd(v4 ? 33 : 129);
		struct skep_ip a = random_ip(v4), b = random_ip(v4);

		a = ip_mask(&a, len);
		b = ip_mask(&b, src_len);
		snprintf(name, sizeof(name), "x%u", i);
		json_array_append_new(routes, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "name", name, "router", "r",
							"dst", prefix_format(&a, len, dst), "src",
							prefix_format(&b, src_len, src), "type",
							rnd(2) ? "blackhole" : "reject", "weight", rnd(2) + 1));
	}
	return doc;
}

static void check_random(const struct topo_router *r, bool v4)
{
	struct skep_ip src = random_ip(v4), dst = random_ip(v4), other;
	const struct topo_route *want[64], *out[64];
	unsigned int n = scan(r, &src, &dst, want), dst_bits, src_bits, bits = v4 ? 32 : 128;

	same(r, &src, &dst, want, n);
	topo_route_lookup(r, &src, &dst, out, 64, &dst_bits, &src_bits);
	assert_true(dst_bits <= bits && src_bits <= bits);
	/* no bit behind the tested ones makes a difference, alone or with others */
	other = dst;
	for (unsigned int i = dst_bits; i < bits; i++) {
		struct skep_ip one = dst;

		flip(&one, i);
		same(r, &src, &one, want, n);
		if (rnd(2))
			flip(&other, i);
	}
	same(r, &src, &other, want, n);
	other = src;
	for (unsigned int i = src_bits; i < bits; i++)
		if (rnd(2))
			flip(&other, i);
	same(r, &other, &dst, want, n);
}

static void test_random(void **state)
{
	for (int round = 0; round < 60; round++) {
		bool v4 = round % 2;
		json_t *doc = random_table(rnd(40), v4), *empty = json_object(), *changes;
		struct err err = { 0 };
		uint64_t n = 0;
		struct topo_snapshot *s;

		changes = topo_doc_apply(empty, doc, false, next_uuid, &n, &err);
		if (!changes)
			fail_msg("%s", err.text);
		s = built(changes);
		for (int i = 0; i < 100; i++)
			check_random(&s->routers[0], v4);
		topo_unref(s);
		json_decref(changes);
		json_decref(empty);
		json_decref(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_max), cmocka_unit_test(test_random) };
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
