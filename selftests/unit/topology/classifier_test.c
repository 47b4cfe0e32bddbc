// SPDX-License-Identifier: Apache-2.0
/* The decision tree of a chain, the sets of addresses, Maglev's table: each against the plain way of doing the same. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "selftests/unit/topology/fixture.h"
#include "topology/classifier.h"
#include "topology/ipset.h"
#include "topology/maglev.h"
#include "util/arena.h"

static uint64_t state64 = 88172645463325252ULL;

static uint32_t rnd(uint32_t below)
{
	state64 ^= state64 << 13;
	state64 ^= state64 >> 7;
	state64 ^= state64 << 17;
	return (uint32_t)(state64 >> 20) % below;
}

/* --- the tree --- */

struct packet {
	uint16_t type;
	uint8_t proto;
	struct skep_ip src, dst;
	uint16_t l4_src, l4_dst;
	bool has_l4;
};

static uint32_t value(void *arg, enum topo_dim dim)
{
	const struct packet *p = arg;

	assert_true(dim == TOPO_DIM_ETH_TYPE || dim == TOPO_DIM_PROTO);
	return dim == TOPO_DIM_ETH_TYPE ? p->type : p->proto;
}

static bool below(void *arg, enum topo_dim dim, uint32_t limit)
{
	const struct packet *p = arg;

	assert_true(limit > 0);
	switch (dim) {
	case TOPO_DIM_SRC:
		assert_int_equal(p->type, 0x0800);
		return ntohl(p->src.w[3]) < limit;
	case TOPO_DIM_DST:
		assert_int_equal(p->type, 0x0800);
		return ntohl(p->dst.w[3]) < limit;
	case TOPO_DIM_L4_DST:
		return p->l4_dst < limit;
	default:
		return p->l4_src < limit;
	}
}

static bool below6(void *arg, enum topo_dim dim, const struct skep_ip *limit)
{
	const struct packet *p = arg;

	assert_int_equal(p->type, 0x86dd);
	return memcmp(dim == TOPO_DIM_SRC ? &p->src : &p->dst, limit, sizeof(*limit)) < 0;
}

static bool has_l4(void *arg)
{
	return ((const struct packet *)arg)->has_l4;
}

static const struct topo_reader reader = {
	.value = value, .below = below, .below6 = below6, .has_l4 = has_l4
};

static struct skep_ip random_ip(bool v4)
{
	struct skep_ip ip = { 0 };

	if (v4) {
		ip.w[2] = htonl(0xffff);
		ip.w[3] = htonl(0x0a000000 | rnd(4) << 16 | rnd(8) << 8 | rnd(16));
	} else {
		ip.w[0] = htonl(0xfd000000 | rnd(4));
		ip.w[3] = htonl(rnd(64));
	}
	return ip;
}

static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 47 };

static void random_rule(struct topo_rule *r, bool v4)
{
	static const uint32_t bits[] = { TOPO_M_ETH_TYPE, TOPO_M_PROTO, TOPO_M_IP_SRC, TOPO_M_IP_DST };

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		r->match |= rnd(2) ? bits[i] : 0;
	r->eth_type = htons(v4 ? 0x0800 : 0x86dd);
	r->proto = protos[rnd(ARRAY_SIZE(protos))];
	r->ip_src_len = (uint8_t)(v4 ? 8 + rnd(25) : 64 + rnd(65));
	r->ip_dst_len = (uint8_t)(v4 ? 8 + rnd(25) : 64 + rnd(65));
	r->ip_src = random_ip(v4);
	r->ip_src = ip_mask(&r->ip_src, r->ip_src_len);
	r->ip_dst = random_ip(v4);
	r->ip_dst = ip_mask(&r->ip_dst, r->ip_dst_len);
	if ((r->match & TOPO_M_PROTO) && (r->proto == IPPROTO_TCP || r->proto == IPPROTO_UDP)) {
		r->match |= rnd(2) ? TOPO_M_L4_DST : 0;
		r->match |= rnd(4) ? 0 : TOPO_M_L4_SRC;
		r->l4_dst[0] = (uint16_t)rnd(1000);
		r->l4_dst[1] = (uint16_t)(r->l4_dst[0] + rnd(50));
		r->l4_src[0] = (uint16_t)rnd(1000);
		r->l4_src[1] = (uint16_t)(r->l4_src[0] + rnd(500));
	}
	if ((r->match & TOPO_M_PROTO) &&
	    (r->proto == IPPROTO_ICMP || r->proto == IPPROTO_ICMPV6) && rnd(2)) {
		r->match |= TOPO_M_ICMP_TYPE;
		r->icmp_type = (uint8_t)rnd(20);
	}
	r->negate = rnd(8) ? 0 : r->match & rnd(UINT32_MAX);
	r->invert = !rnd(16);
}

static void random_packet(struct packet *p, bool v4)
{
	*p = (struct packet){ .type = v4 ? 0x0800 : 0x86dd,
			      .proto = protos[rnd(ARRAY_SIZE(protos))],
			      .src = random_ip(v4),
			      .dst = random_ip(v4),
			      .l4_src = (uint16_t)rnd(1500),
			      .l4_dst = (uint16_t)rnd(1100),
			      .has_l4 = rnd(16) };
	if (!rnd(10))
		p->type = 0x0806;
}

static bool holds(const struct topo_rule *r, uint32_t bit, const struct packet *p)
{
	const bool ip = p->type != 0x0806, icmp = p->proto == (p->type == 0x0800 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	const bool ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
	bool agrees, there = ip;

	switch (bit) {
	case TOPO_M_ETH_TYPE:
		there = true;
		agrees = p->type == ntohs(r->eth_type);
		break;
	case TOPO_M_PROTO:
		agrees = p->proto == r->proto;
		break;
	case TOPO_M_IP_SRC:
		there = ip && ip_is_v4(&r->ip_src) == (p->type == 0x0800);
		agrees = ip_in_prefix(&p->src, &r->ip_src, r->ip_src_len);
		break;
	case TOPO_M_IP_DST:
		there = ip && ip_is_v4(&r->ip_dst) == (p->type == 0x0800);
		agrees = ip_in_prefix(&p->dst, &r->ip_dst, r->ip_dst_len);
		break;
	case TOPO_M_L4_SRC:
		there = ip && ports && p->has_l4;
		agrees = p->l4_src >= r->l4_src[0] && p->l4_src <= r->l4_src[1];
		break;
	case TOPO_M_L4_DST:
		there = ip && ports && p->has_l4;
		agrees = p->l4_dst >= r->l4_dst[0] && p->l4_dst <= r->l4_dst[1];
		break;
	default:
		there = ip && icmp && p->has_l4;
		agrees = p->l4_src >> 8 == r->icmp_type;
	}
	return there && agrees != !!(r->negate & bit);
}

static bool matches(const struct topo_rule *r, const struct packet *p)
{
	bool all = true;

	for (uint32_t bit = 1; bit && bit <= r->match; bit <<= 1)
		if (r->match & bit)
			all = all && holds(r, bit, p);
	return all != r->invert;
}

static void check_tree(const struct topo_rule *rules, uint32_t n, const struct topo_classifier *c,
		       uint64_t *tested)
{
	struct packet p;
	uint32_t k, at = 0;
	const uint32_t *v;

	random_packet(&p, rnd(2));
	v = topo_classify(c, &reader, &p, &k);
	*tested += k;
	for (uint32_t i = 1; v && i < k; i++)
		assert_true(v[i] > v[i - 1]);
	for (uint32_t i = 0; i < n; i++) {
		if (!matches(&rules[i], &p))
			continue;
		while (v && at < k && v[at] < i)
			at++;
		if (v && (at == k || v[at] != i))
			fail_msg("rule %u matches and is not looked at", i);
	}
}

static void test_tree(void **state)
{
	static struct topo_rule rules[3000];
	uint64_t tested = 0;
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	for (uint32_t n = 16; n <= ARRAY_SIZE(rules); n = n * 3) {
		struct topo_classifier *c;

		for (uint32_t i = 0; i < n; i++)
			random_rule(&rules[i], rnd(2));
		c = topo_classifier_build(rules, n, &arena);
		for (uint32_t i = 0; c && i < 2000; i++)
			check_tree(rules, n, c, &tested);
	}
	assert_true(tested);
	arena_fini(&arena);
}

/* Ten thousand rules of the usual sort: a handful is left. */
static void test_tree_is_worth_it(void **state)
{
	static struct topo_rule rules[10000];
	struct topo_classifier *c;
	uint64_t tested = 0;
	struct arena arena;
	struct packet p;
	uint32_t k;

	(void)state;
	arena_init(&arena, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(rules); i++) {
		rules[i] = (struct topo_rule){ .match = TOPO_M_PROTO | TOPO_M_IP_SRC | TOPO_M_L4_DST,
					       .proto = IPPROTO_TCP,
					       .ip_src_len = 32 };
		rules[i].ip_src.w[2] = htonl(0xffff);
		rules[i].ip_src.w[3] = htonl(0x0a000000 + i * 7);
		rules[i].l4_dst[0] = rules[i].l4_dst[1] = (uint16_t)(i % 1000);
	}
	c = topo_classifier_build(rules, ARRAY_SIZE(rules), &arena);
	assert_non_null(c);
	for (uint32_t i = 0; i < 1000; i++) {
		p = (struct packet){ .type = 0x0800,
				     .proto = IPPROTO_TCP,
				     .src = rules[rnd(10000)].ip_src,
				     .l4_dst = (uint16_t)rnd(1000),
				     .has_l4 = true };
		(void)topo_classify(c, &reader, &p, &k);
		tested += k;
	}
	assert_true(tested < 1000 * 16);
	arena_fini(&arena);
}

/* --- sets of addresses --- */

static void test_ipset(void **state)
{
	struct topo_prefix v[200], plain[200];
	struct topo_ipset *set;
	struct arena arena;
	unsigned int bits;

	(void)state;
	arena_init(&arena, 0);
	for (int round = 0; round < 50; round++) {
		uint32_t n = rnd(ARRAY_SIZE(v));

		for (uint32_t i = 0; i < n; i++) {
			bool v4 = rnd(2);

			plain[i].ip = random_ip(v4);
			plain[i].len = (uint8_t)(v4 ? rnd(33) : rnd(129));
			if (rnd(3))
				plain[i].len = v4 ? 32 : 128;
			plain[i].ip = ip_mask(&plain[i].ip, plain[i].len);
		}
		memcpy(v, plain, sizeof(v));
		set = topo_ipset_build(v, n, &arena);
		for (int k = 0; k < 500; k++) {
			struct skep_ip ip = random_ip(rnd(2)), other;
			unsigned int width = ip_is_v4(&ip) ? 32 : 128;
			bool want = false, again;

			for (uint32_t i = 0; i < n; i++)
				want = want || (ip_is_v4(&plain[i].ip) == ip_is_v4(&ip) &&
						ip_in_prefix(&ip, &plain[i].ip, plain[i].len));
			assert_int_equal(topo_ipset_has(set, &ip, &bits), want);
			assert_true(bits <= width);
			/* what was not read makes no difference */
			for (int flip = 0; bits < width && flip < 8; flip++) {
				unsigned int at = bits + rnd(width - bits) + (128 - width), b2;

				other = ip;
				other.w[at / 32] ^= htonl(1u << (31 - at % 32));
				if (ip_is_v4(&other) != ip_is_v4(&ip))
					continue;
				again = topo_ipset_has(set, &other, &b2);
				assert_int_equal(again, want);
			}
		}
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

/* --- Maglev --- */

static void make_members(struct topo_member *m, struct topo_member **v, char names[][8], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		snprintf(names[i], 8, "m%u", i);
		m[i] = (struct topo_member){ .o.name = names[i], .weight = 1, .healthy = true };
		v[i] = &m[i];
	}
}

static void test_maglev(void **state)
{
	struct topo_member m[10], *v[10];
	char names[10][8];
	struct topo_pool a = { .members = v, .n_members = 10 }, b;
	uint32_t moved = 0, share[10] = { 0 };
	struct pool pool;
	bool none;

	(void)state;
	pool_init(&pool);
	make_members(m, v, names, 10);
	a.maglev = topo_maglev_build(v, 10, &pool, &none);
	assert_non_null(a.maglev);
	b = a;
	m[3].healthy = false;
	b.maglev = topo_maglev_build(v, 10, &pool, &none);
	for (uint64_t h = 0; h < 100000; h++) {
		struct topo_member *x = topo_maglev_pick(&a, h * 0x9e3779b97f4a7c15ULL);
		struct topo_member *y = topo_maglev_pick(&b, h * 0x9e3779b97f4a7c15ULL);

		share[x - m]++;
		assert_ptr_not_equal(y, &m[3]);
		moved += x != &m[3] && x != y;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(share[i], 9000, 11000);
	/* those of the member that went have to move; of the rest a few percent do */
	assert_true(moved < 5000);
	m[3].healthy = true;
	m[0].weight = 4;
	topo_maglev_free(b.maglev, &pool);
	b.maglev = topo_maglev_build(v, 10, &pool, &none);
	share[0] = 0;
	for (uint64_t h = 0; h < 13000; h++)
		share[0] += topo_maglev_pick(&b, h * 0x9e3779b97f4a7c15ULL) == &m[0];
	assert_in_range(share[0], 3600, 4400);
	for (int i = 0; i < 10; i++)
		m[i].state = TOPO_MEMBER_DRAINING;
	assert_null(topo_maglev_build(v, 10, &pool, &none));
	assert_true(none);
	topo_maglev_free(a.maglev, &pool);
	topo_maglev_free(b.maglev, &pool);
	assert_int_equal(pool.used, 0);
	pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_tree_is_worth_it),
		cmocka_unit_test(test_ipset),
		cmocka_unit_test(test_maglev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
