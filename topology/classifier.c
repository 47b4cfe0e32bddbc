// SPDX-License-Identifier: Apache-2.0
/*
 * The decision tree of a long chain (classifier.h).  A node tests a protocol, or an address or a port against a limit; the test that divides
 * its rules best is taken.  A rule that does not care goes both ways, so what a leaf holds may be more than what matches, never less.
 * Limits rather than bits: a value between two of them needs only the leading bits that keep it there.  References to rules are bounded: where rules overlap too much, leaves stay large.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/classifier.h"
#include "util/near.h"

#define LEAF_RULES 8
#define REFS_PER_RULE 8 /* of all leaves together, on average */
#define DEPTH_MAX 64
#define SAMPLES 511 /* values of which the one in the middle is taken as a limit */

enum test { LEAF, PROTO, SRC, DST, L4_SRC, L4_DST, ICMP };

struct node {
	uint8_t test;	  /* enum test */
	uint32_t value;	  /* PROTO: equal; else less than: the number, of IPv6 its place in 'limits' */
	uint32_t yes, no; /* nodes; LEAF: first reference, number */
};

enum family { V4, V6, OTHER, FAMILIES };

struct topo_classifier {
	struct node *nodes;
	uint32_t *refs;
	struct skep_ip *limits; /* IPv6 */
	uint32_t n_nodes, n_refs, n_limits, n_rules;
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
	uint32_t max_nodes, max_refs, max_limits, budget;
	enum family family;
	bool failed;
};

struct split {
	enum test test;
	near_u128 limit; /* PROTO: the value */
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

static void ip_span(const struct topo_rule *r, bool src, near_u128 *lo, near_u128 *hi)
{
	const struct skep_ip *ip = src ? &r->ip_src : &r->ip_dst;
	const unsigned int len = src ? r->ip_src_len : r->ip_dst_len;
	const unsigned int behind = (near_is_v4(ip) ? 32 : 128) - len;

	*lo = near_is_v4(ip) ? ntohl(ip_v4(ip)) : near_number(ip);
	*hi = *lo | (behind == 128 ? ~(near_u128)0 : ((near_u128)1 << behind) - 1);
}

/* The values that the rule wants; false: any. */
static bool span(const struct topo_rule *r, enum test test, near_u128 *lo, near_u128 *hi)
{
	static const uint32_t bits[] = {
		[PROTO] = TOPO_M_PROTO,	  [SRC] = TOPO_M_IP_SRC,    [DST] = TOPO_M_IP_DST,
		[L4_SRC] = TOPO_M_L4_SRC, [L4_DST] = TOPO_M_L4_DST, [ICMP] = TOPO_M_ICMP_TYPE,
	};

	if (test == LEAF || !wants(r, bits[test]))
		return false;
	switch (test) {
	case SRC:
	case DST:
		ip_span(r, test == SRC, lo, hi);
		break;
	case L4_SRC:
		*lo = r->l4_src[0];
		*hi = r->l4_src[1];
		break;
	case L4_DST:
		*lo = r->l4_dst[0];
		*hi = r->l4_dst[1];
		break;
	case ICMP:
		*lo = (near_u128)r->icmp_type << 8;
		*hi = *lo | 0xff;
		if (wants(r, TOPO_M_ICMP_CODE))
			*lo = *hi = *lo | r->icmp_code;
		break;
	default:
		*lo = *hi = r->proto;
	}
	return true;
}

static enum side side_of(const struct topo_rule *r, const struct split *s)
{
	near_u128 lo, hi;

	if (!span(r, s->test, &lo, &hi))
		return BOTH;
	if (s->test == PROTO)
		return lo == s->limit ? YES : NO;
	if (hi < s->limit)
		return YES;
	return lo >= s->limit ? NO : BOTH;
}

static void count(const struct build *b, const uint32_t *v, uint32_t n, struct split *s)
{
	s->yes = s->no = 0;
	for (uint32_t i = 0; i < n; i++) {
		enum side side = side_of(&b->rules[v[i]], s);

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
	struct split s = { .test = PROTO, .yes = n, .no = n };
	uint32_t seen[256] = { 0 };
	int most = -1;

	for (uint32_t i = 0; i < n; i++)
		if (wants(&b->rules[v[i]], TOPO_M_PROTO))
			seen[b->rules[v[i]].proto]++;
	for (int p = 0; p < 256; p++)
		if (seen[p] && (most < 0 || seen[p] > seen[most]))
			most = p;
	if (most >= 0) {
		s.limit = (near_u128)most;
		count(b, v, n, &s);
	}
	return s;
}

static bool is_worth_it(const struct split *s, uint32_t n)
{
	return (s->yes > s->no ? s->yes : s->no) <= n - n / 8;
}

static int by_value(const void *a, const void *b)
{
	const near_u128 x = *(const near_u128 *)a, y = *(const near_u128 *)b;

	return (x > y) - (x < y);
}

/* Where the rules' values begin ('end': where they have ended), or a sample of it. */
static uint32_t collect(const struct build *b, const uint32_t *v, uint32_t n, enum test test,
			bool end, near_u128 keys[static SAMPLES])
{
	const uint32_t step = n / SAMPLES + 1;
	near_u128 lo, hi;
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i += step)
		if (span(&b->rules[v[i]], test, &lo, &hi))
			keys[k++] = end ? hi + 1 : lo;
	qsort(keys, k, sizeof(*keys), by_value);
	return k;
}

/* The limit in the middle: of where values begin, if they do not all begin there; else of where they end. */
static void try_limit(const struct build *b, const uint32_t *v, uint32_t n, enum test test,
		      struct split *best)
{
	struct split s = { .test = test };
	near_u128 keys[SAMPLES], max = test >= L4_SRC ? UINT16_MAX : UINT32_MAX;
	uint32_t k, i;

	if (test < L4_SRC && b->family == V6)
		max = ~(near_u128)0;
	k = collect(b, v, n, test, false, keys);
	for (i = k / 2; i < k && keys[i] == keys[0]; i++)
		;
	if (k && i == k) {
		k = collect(b, v, n, test, true, keys);
		i = k / 2;
	}
	if (i >= k || !keys[i] || keys[i] > max)
		return;
	s.limit = keys[i];
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

/* What a node has of the limit. */
static uint32_t put_limit(struct build *b, const struct split *s)
{
	struct topo_classifier *c = b->c;
	struct skep_ip *ip;

	if (b->family != V6 || (s->test != SRC && s->test != DST))
		return (uint32_t)s->limit;
	if (c->n_limits == b->max_limits) {
		uint32_t max = b->max_limits ? b->max_limits * 2 : 64;
		struct skep_ip *p = realloc(c->limits, max * sizeof(*p));

		if (!p) {
			b->failed = true;
			return 0;
		}
		c->limits = p;
		b->max_limits = max;
	}
	ip = &c->limits[c->n_limits];
	for (int i = 0; i < 4; i++)
		ip->w[i] = htonl((uint32_t)(s->limit >> (96 - 32 * i)));
	return c->n_limits++;
}

/* 'proto': what the tests above have made sure of; -1 = nothing. */
static uint32_t grow(struct build *b, const uint32_t *v, uint32_t n, int proto, unsigned int depth)
{
	struct split best = { .yes = n, .no = n }, by_proto = best;
	uint32_t *part, at, value, yes = 0, no = 0;

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
	try_limit(b, v, n, SRC, &best);
	try_limit(b, v, n, DST, &best);
	if (has_ports(proto)) {
		try_limit(b, v, n, L4_DST, &best);
		try_limit(b, v, n, L4_SRC, &best);
	} else if (proto >= 0 && is_icmp(b, proto)) {
		try_limit(b, v, n, ICMP, &best);
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
		enum side side = side_of(&b->rules[v[i]], &best);

		if (side & YES)
			part[yes++] = v[i];
		if (side & NO)
			part[n + no++] = v[i];
	}
	at = new_node(b);
	value = put_limit(b, &best);
	yes = grow(b, part, yes, best.test == PROTO ? (int)best.limit : proto, depth + 1);
	no = grow(b, part + n, no, proto, depth + 1);
	free(part);
	if (b->failed)
		return 0;
	b->c->nodes[at] = (struct node){ .test = (uint8_t)best.test, .value = value, .yes = yes, .no = no };
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
	struct skep_ip *limits = arena_alloc(arena, (grown->n_limits + 1) * sizeof(*limits));

	if (!c || !nodes || !refs || !limits)
		return NULL;
	*c = *grown;
	memcpy(nodes, grown->nodes, grown->n_nodes * sizeof(*nodes));
	if (grown->n_refs)
		memcpy(refs, grown->refs, grown->n_refs * sizeof(*refs));
	if (grown->n_limits)
		memcpy(limits, grown->limits, grown->n_limits * sizeof(*limits));
	c->nodes = nodes;
	c->refs = refs;
	c->limits = limits;
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
	free(grown.limits);
	return c;
}

/* --- use --- */

/* Where the test leads. */
static bool says_yes(const struct topo_classifier *c, const struct node *n, bool v6,
		     const struct topo_reader *reader, void *arg)
{
	static const enum topo_dim dims[] = {
		[PROTO] = TOPO_DIM_PROTO,   [SRC] = TOPO_DIM_SRC,	[DST] = TOPO_DIM_DST,
		[L4_SRC] = TOPO_DIM_L4_SRC, [L4_DST] = TOPO_DIM_L4_DST, [ICMP] = TOPO_DIM_ICMP,
	};

	if (n->test == PROTO)
		return reader->value(arg, TOPO_DIM_PROTO) == n->value;
	if (v6 && n->test < L4_SRC)
		return reader->below6(arg, dims[n->test], &c->limits[n->value]);
	return reader->below(arg, dims[n->test], n->value);
}

const uint32_t *topo_classify(const struct topo_classifier *c, const struct topo_reader *reader,
			      void *arg, uint32_t *n)
{
	const uint32_t type = reader->value(arg, TOPO_DIM_ETH_TYPE);
	const enum family family = type == 0x0800 ? V4 : type == 0x86dd ? V6 : OTHER;
	const struct node *at = &c->nodes[c->root[family]];

	while (at->test != LEAF) {
		if (at->test >= L4_SRC && !reader->has_l4(arg)) {
			*n = c->n_rules;
			return NULL;
		}
		at = &c->nodes[says_yes(c, at, family == V6, reader, arg) ? at->yes : at->no];
	}
	*n = at->no;
	return c->refs + at->yes;
}
