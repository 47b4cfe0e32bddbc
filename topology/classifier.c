// SPDX-License-Identifier: Apache-2.0
/*
 * The decision tree of a long chain (classifier.h).  A node tests a protocol, one bit of an address, or a port against a limit; the test that divides
 * its rules best is taken.  A rule that does not care goes both ways, so what a leaf holds may be more than what matches, never less.
 * References to rules are bounded: where rules overlap too much, leaves stay large.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/classifier.h"

#define LEAF_RULES 8
#define REFS_PER_RULE 8 /* of all leaves together, on average */
#define DEPTH_MAX 64

enum test { LEAF, PROTO, SRC_BIT, DST_BIT, L4_SRC, L4_DST, ICMP };

struct node {
	uint8_t test; /* enum test */
	uint8_t word, bit; /* of an address: word 0..3, bit 31 = first */
	uint8_t bits; /* leading bits of that word that are read */
	uint16_t value; /* PROTO: equal; ports, ICMP: less than */
	uint32_t yes, no; /* nodes; LEAF: first reference, number */
};

enum family { V4, V6, OTHER, FAMILIES };

struct topo_classifier {
	struct node *nodes;
	uint32_t *refs;
	uint32_t n_nodes, n_refs, n_rules;
	uint32_t root[FAMILIES];
};

/* --- what a rule wants --- */

#define L4_PORTS (TOPO_M_L4_SRC | TOPO_M_L4_DST)
#define L4_ICMP (TOPO_M_ICMP_TYPE | TOPO_M_ICMP_CODE)
#define IP_ONLY                                                                                    \
	(TOPO_M_PROTO | TOPO_M_IP_SRC | TOPO_M_IP_DST | L4_PORTS | L4_ICMP | TOPO_M_SRC_GROUP |   \
	 TOPO_M_DST_GROUP | TOPO_M_DSCP | TOPO_M_FRAGMENT | TOPO_M_TCP_FLAGS |        \
	 TOPO_M_INNER_SRC | TOPO_M_INNER_DST)

/* Does the rule name a value in this field that a packet must have? */
static bool wants(const struct topo_rule *r, uint32_t bit)
{
	return !r->invert && (r->match & bit) && !(r->negate & bit);
}

/* A condition on a field needs the field, negated or not. */
static bool needs(const struct topo_rule *r, uint32_t bits)
{
	return !r->invert && (r->match & bits);
}

static bool of_family(const struct topo_rule *r, enum family f)
{
	uint16_t type = ntohs(r->eth_type);

	if (wants(r, TOPO_M_ETH_TYPE) && type != (f == V4 ? 0x0800 : 0x86dd) &&
	    (f != OTHER || type == 0x0800 || type == 0x86dd))
		return false;
	if (f == OTHER)
		return !needs(r, IP_ONLY) && (!wants(r, TOPO_M_ETH_TYPE) ||
					      (type != 0x0800 && type != 0x86dd));
	if (needs(r, TOPO_M_IP_SRC) && ip_is_v4(&r->ip_src) != (f == V4))
		return false;
	return !needs(r, TOPO_M_IP_DST) || ip_is_v4(&r->ip_dst) == (f == V4);
}

/* --- building --- */

struct build {
	const struct topo_rule *rules;
	struct topo_classifier *c;
	uint32_t max_nodes, max_refs, budget;
	enum family family;
	bool failed;
};

struct split {
	struct node node;
	uint32_t yes, no; /* rules that go there */
};

enum side { YES = 1, NO = 2, BOTH = 3 };

static bool has_ports(int proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static bool is_icmp(const struct build *b, int proto)
{
	return proto == (b->family == V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static enum side range_side(uint32_t lo, uint32_t hi, uint16_t limit)
{
	if (hi < limit)
		return YES;
	return lo >= limit ? NO : BOTH;
}

static void icmp_range(const struct topo_rule *r, uint32_t *lo, uint32_t *hi)
{
	*lo = (uint32_t)r->icmp_type << 8;
	*hi = *lo | 0xff;
	if (wants(r, TOPO_M_ICMP_CODE))
		*lo = *hi = *lo | r->icmp_code;
}

static enum side bit_side(const struct topo_rule *r, bool src, unsigned int at)
{
	const struct skep_ip *ip = src ? &r->ip_src : &r->ip_dst;
	unsigned int len = src ? r->ip_src_len : r->ip_dst_len, base = ip_is_v4(ip) ? 96 : 0;

	if (!wants(r, src ? TOPO_M_IP_SRC : TOPO_M_IP_DST) || base + len <= at)
		return BOTH;
	return ntohl(ip->w[at / 32]) >> (31 - at % 32) & 1 ? YES : NO;
}

static enum side side_of(const struct topo_rule *r, const struct node *n)
{
	uint32_t lo, hi;

	switch ((enum test)n->test) {
	case PROTO:
		if (!wants(r, TOPO_M_PROTO))
			return BOTH;
		return r->proto == n->value ? YES : NO;
	case SRC_BIT:
	case DST_BIT:
		return bit_side(r, n->test == SRC_BIT, n->word * 32u + 31 - n->bit);
	case L4_SRC:
		if (!wants(r, TOPO_M_L4_SRC))
			return BOTH;
		return range_side(r->l4_src[0], r->l4_src[1], n->value);
	case L4_DST:
		if (!wants(r, TOPO_M_L4_DST))
			return BOTH;
		return range_side(r->l4_dst[0], r->l4_dst[1], n->value);
	case ICMP:
		if (!wants(r, TOPO_M_ICMP_TYPE))
			return BOTH;
		icmp_range(r, &lo, &hi);
		return range_side(lo, hi, n->value);
	case LEAF:
		break;
	}
	return BOTH;
}

static void count(const struct build *b, const uint32_t *v, uint32_t n, struct split *s)
{
	s->yes = s->no = 0;
	for (uint32_t i = 0; i < n; i++) {
		enum side side = side_of(&b->rules[v[i]], &s->node);

		s->yes += side & YES ? 1 : 0;
		s->no += side & NO ? 1 : 0;
	}
}

/* The better of two: the larger part is what counts, then what goes both ways. */
static void keep_better(struct split *best, const struct split *s)
{
	uint32_t a = best->yes > best->no ? best->yes : best->no, x = s->yes > s->no ? s->yes : s->no;

	if (x < a || (x == a && s->yes + s->no < best->yes + best->no))
		*best = *s;
}

static struct split try_proto(const struct build *b, const uint32_t *v, uint32_t n)
{
	struct split s = { .node = { .test = PROTO }, .yes = n, .no = n };
	uint32_t seen[256] = { 0 };
	int most = -1;

	for (uint32_t i = 0; i < n; i++)
		if (wants(&b->rules[v[i]], TOPO_M_PROTO))
			seen[b->rules[v[i]].proto]++;
	for (int p = 0; p < 256; p++)
		if (seen[p] && (most < 0 || seen[p] > seen[most]))
			most = p;
	if (most >= 0) {
		s.node.value = (uint16_t)most;
		count(b, v, n, &s);
	}
	return s;
}

static bool is_worth_it(const struct split *s, uint32_t n)
{
	return (s->yes > s->no ? s->yes : s->no) <= n - n / 8;
}

static void try_bits(const struct build *b, const uint32_t *v, uint32_t n, bool src,
		     struct split *best)
{
	unsigned int first = b->family == V4 ? 96 : 0;
	uint32_t ones[128] = { 0 }, zeros[128] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct topo_rule *r = &b->rules[v[i]];
		const struct skep_ip *ip = src ? &r->ip_src : &r->ip_dst;
		unsigned int len = first + (src ? r->ip_src_len : r->ip_dst_len);

		if (!wants(r, src ? TOPO_M_IP_SRC : TOPO_M_IP_DST))
			continue;
		for (unsigned int at = first; at < len; at++) {
			if (ntohl(ip->w[at / 32]) >> (31 - at % 32) & 1)
				ones[at]++;
			else
				zeros[at]++;
		}
	}
	for (unsigned int at = first; at < 128; at++) {
		struct split s = { .node = { .test = src ? SRC_BIT : DST_BIT,
					     .word = (uint8_t)(at / 32),
					     .bit = (uint8_t)(31 - at % 32),
					     .bits = (uint8_t)(at % 32 + 1) },
				   .yes = n - zeros[at],
				   .no = n - ones[at] };

		if (ones[at] && zeros[at])
			keep_better(best, &s);
	}
}

static int by_value(const void *a, const void *b)
{
	return (int)*(const uint32_t *)a - (int)*(const uint32_t *)b;
}

/* The limit in the middle of where the rules' ranges begin. */
static void try_range(const struct build *b, const uint32_t *v, uint32_t n, enum test test,
		      uint32_t *scratch, struct split *best)
{
	const uint32_t bit = test == L4_SRC ? TOPO_M_L4_SRC :
			     test == L4_DST ? TOPO_M_L4_DST :
					      TOPO_M_ICMP_TYPE;
	struct split s = { .node = { .test = (uint8_t)test } };
	uint32_t k = 0, lo, hi;

	for (uint32_t i = 0; i < n; i++) {
		const struct topo_rule *r = &b->rules[v[i]];

		if (!wants(r, bit))
			continue;
		if (test == ICMP)
			icmp_range(r, &lo, &hi);
		else
			lo = test == L4_SRC ? r->l4_src[0] : r->l4_dst[0];
		scratch[k++] = lo;
	}
	if (!k)
		return;
	qsort(scratch, k, sizeof(*scratch), by_value);
	s.node.value = (uint16_t)scratch[k / 2];
	if (!s.node.value)
		s.node.value = (uint16_t)(scratch[k - 1] ? scratch[k - 1] : 1);
	count(b, v, n, &s);
	keep_better(best, &s);
}

static uint32_t new_node(struct build *b)
{
	struct topo_classifier *c = b->c;

	if (c->n_nodes == b->max_nodes) {
		uint32_t max = b->max_nodes ? b->max_nodes * 2 : 64;
		struct node *p = realloc(c->nodes, max * sizeof(*p));

		if (!p) {
			b->failed = true;
			return 0;
		}
		c->nodes = p;
		b->max_nodes = max;
	}
	return c->n_nodes++;
}

static uint32_t leaf(struct build *b, const uint32_t *v, uint32_t n)
{
	struct topo_classifier *c = b->c;
	uint32_t at = new_node(b);

	while (!b->failed && c->n_refs + n > b->max_refs) {
		uint32_t max = b->max_refs ? b->max_refs * 2 : 256;
		uint32_t *p = realloc(c->refs, max * sizeof(*p));

		if (!p) {
			b->failed = true;
			break;
		}
		c->refs = p;
		b->max_refs = max;
	}
	if (b->failed)
		return 0;
	c->nodes[at] = (struct node){ .test = LEAF, .yes = c->n_refs, .no = n };
	if (n)
		memcpy(c->refs + c->n_refs, v, n * sizeof(*v));
	c->n_refs += n;
	b->budget -= n < b->budget ? n : b->budget;
	return at;
}

/* 'proto': what the tests above have made sure of; -1 = nothing. */
static uint32_t grow(struct build *b, const uint32_t *v, uint32_t n, int proto, unsigned int depth)
{
	struct split best = { .yes = n, .no = n }, by_proto = best;
	uint32_t *part, at, yes = 0, no = 0;

	if (n <= LEAF_RULES || depth == DEPTH_MAX || b->family == OTHER || b->failed)
		return leaf(b, v, n);
	part = malloc(2 * (size_t)n * sizeof(*part));
	if (!part) {
		b->failed = true;
		return 0;
	}
	if (proto < 0) {
		by_proto = try_proto(b, v, n);
		keep_better(&best, &by_proto);
	}
	try_bits(b, v, n, true, &best);
	try_bits(b, v, n, false, &best);
	if (has_ports(proto)) {
		try_range(b, v, n, L4_DST, part, &best);
		try_range(b, v, n, L4_SRC, part, &best);
	} else if (proto >= 0 && is_icmp(b, proto)) {
		try_range(b, v, n, ICMP, part, &best);
	}
	/* with the protocol known, ports may tell more */
	if (!is_worth_it(&best, n) && by_proto.no <= n / 2)
		best = by_proto;
	else if (!is_worth_it(&best, n))
		best.yes = best.no = UINT32_MAX / 2;
	if (best.yes + best.no - n > b->budget) { /* the copies that it makes */
		free(part);
		return leaf(b, v, n);
	}
	b->budget -= best.yes + best.no - n;
	for (uint32_t i = 0; i < n; i++) {
		enum side side = side_of(&b->rules[v[i]], &best.node);

		if (side & YES)
			part[yes++] = v[i];
		if (side & NO)
			part[n + no++] = v[i];
	}
	at = new_node(b);
	yes = grow(b, part, yes, best.node.test == PROTO ? best.node.value : proto, depth + 1);
	no = grow(b, part + n, no, proto, depth + 1);
	free(part);
	if (b->failed)
		return 0;
	b->c->nodes[at] = best.node;
	b->c->nodes[at].yes = yes;
	b->c->nodes[at].no = no;
	return at;
}

static int grow_all(struct build *b, uint32_t n)
{
	uint32_t *v = malloc((n + 1) * sizeof(*v));

	if (!v)
		return -1;
	for (int f = 0; f < FAMILIES && !b->failed; f++) {
		uint32_t k = 0;

		for (uint32_t i = 0; i < n; i++)
			if (of_family(&b->rules[i], (enum family)f))
				v[k++] = i;
		b->family = (enum family)f;
		b->budget = n * REFS_PER_RULE + 1024;
		b->c->root[f] = grow(b, v, k, -1, 0);
	}
	free(v);
	return b->failed ? -1 : 0;
}

/* Into the arena; what it was grown in goes. */
static struct topo_classifier *settle(const struct topo_classifier *grown, struct arena *arena)
{
	struct topo_classifier *c = arena_alloc(arena, sizeof(*c));
	struct node *nodes = arena_alloc(arena, (grown->n_nodes + 1) * sizeof(*nodes));
	uint32_t *refs = arena_alloc(arena, (grown->n_refs + 1) * sizeof(*refs));

	if (!c || !nodes || !refs)
		return NULL;
	*c = *grown;
	memcpy(nodes, grown->nodes, grown->n_nodes * sizeof(*nodes));
	if (grown->n_refs)
		memcpy(refs, grown->refs, grown->n_refs * sizeof(*refs));
	c->nodes = nodes;
	c->refs = refs;
	return c;
}

struct topo_classifier *topo_classifier_build(const struct topo_rule *rules, uint32_t n,
					      struct arena *arena)
{
	struct topo_classifier grown = { .n_rules = n }, *c = NULL;
	struct build b = { .rules = rules, .c = &grown };

	if (!grow_all(&b, n) && grown.n_nodes > FAMILIES)
		c = settle(&grown, arena);
	free(grown.nodes);
	free(grown.refs);
	return c;
}

/* --- use --- */

const uint32_t *topo_classify(const struct topo_classifier *c,
			      uint32_t (*read)(void *arg, enum topo_dim dim, unsigned int word,
					       unsigned int bits),
			      bool (*has_l4)(void *arg), void *arg, uint32_t *n)
{
	static const enum topo_dim dims[] = {
		[PROTO] = TOPO_DIM_PROTO,   [SRC_BIT] = TOPO_DIM_SRC, [DST_BIT] = TOPO_DIM_DST,
		[L4_SRC] = TOPO_DIM_L4_SRC, [L4_DST] = TOPO_DIM_L4_DST, [ICMP] = TOPO_DIM_ICMP,
	};
	uint32_t type = read(arg, TOPO_DIM_ETH_TYPE, 0, 16), v;
	const struct node *at = &c->nodes[c->root[type == 0x0800 ? V4 : type == 0x86dd ? V6 : OTHER]];
	bool yes;

	while (at->test != LEAF) {
		if (at->test >= L4_SRC && !has_l4(arg)) {
			*n = c->n_rules;
			return NULL;
		}
		v = read(arg, dims[at->test], at->word, at->bits);
		if (at->test == PROTO)
			yes = v == at->value;
		else if (at->test == SRC_BIT || at->test == DST_BIT)
			yes = v >> at->bit & 1;
		else
			yes = v < at->value;
		at = &c->nodes[yes ? at->yes : at->no];
	}
	*n = at->no;
	return c->refs + at->yes;
}
