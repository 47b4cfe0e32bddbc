/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to topology/: prefixes of both families in order, each with a value; changed in place.  Routers' routes, members of security groups.
 * Sorted pieces of some hundred prefixes: a change moves one piece; a lookup bisects twice.  Each prefix remembers how long the one around it is.
 */
#pragma once

#include "topology/topology.h"
#include "util/pool.h"

typedef unsigned __int128 topo_u128 __attribute__((aligned(8))); /* memory here is aligned to 8 */

struct topo_piece;

struct topo_prefix_side { /* one family */
	struct topo_piece **pieces;
	void *firsts; /* first key of each piece: uint32_t or topo_u128, host order */
	uint32_t n_pieces, max_pieces;
	uint32_t n;
};

struct topo_prefixes {
	struct topo_prefix_side v4, v6;
	struct pool *pool;
};

/* struct topo_prefix_at is a place in it, until it changes; side NULL: nowhere. */

void topo_prefixes_init(struct topo_prefixes *p, struct pool *pool);
/* The value's place; made if need be (*made).  NULL: no memory.  'len' is in the family's own bits, 'ip' has none behind it. */
void **topo_prefixes_put(struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len,
			 bool *made);
void **topo_prefixes_get(const struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len);
/* The place of exactly this one; false: it is not there. */
bool topo_prefixes_find(const struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len,
			struct topo_prefix_at *at);
/* Leaves things as they are when it is not there. */
void topo_prefixes_del(struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len);

/* The longest prefix around 'ip'; false: none.  '*bits': so many leading bits of 'ip' decided which one it is, or that there is none. */
bool topo_prefixes_match(const struct topo_prefixes *p, const struct skep_ip *ip,
			 struct topo_prefix_at *at, unsigned int *bits);
bool topo_prefixes_up(struct topo_prefix_at *at); /* to the next longest around it; false: none */
/* In order: IPv4 first, by address, then length.  at->side = NULL to begin. */
bool topo_prefixes_next(const struct topo_prefixes *p, struct topo_prefix_at *at);
/* Is there one around it? */
bool topo_prefix_nested(const struct topo_prefix_at *at);
void *topo_prefix_value(const struct topo_prefix_at *at);
struct skep_ip topo_prefix_ip(const struct topo_prefix_at *at, unsigned int *len);

/* How many of the sorted keys are not beyond 'key'. */
static inline uint32_t topo_bisect4(const uint32_t *keys, uint32_t n, uint32_t key)
{
	const uint32_t *base = keys;

	while (n > 1) {
		uint32_t half = n / 2;

		base = base[half - 1] <= key ? base + half : base;
		n -= half;
	}
	return (uint32_t)(base - keys) + (n && *base <= key);
}

static inline uint32_t topo_bisect6(const topo_u128 *keys, uint32_t n, topo_u128 key)
{
	const topo_u128 *base = keys;

	while (n > 1) {
		uint32_t half = n / 2;

		base = base[half - 1] <= key ? base + half : base;
		n -= half;
	}
	return (uint32_t)(base - keys) + (n && *base <= key);
}

static inline topo_u128 topo_key6(const struct skep_ip *ip)
{
	const uint64_t hi = (uint64_t)__builtin_bswap32(ip->w[0]) << 32 | __builtin_bswap32(ip->w[1]);
	const uint64_t lo = (uint64_t)__builtin_bswap32(ip->w[2]) << 32 | __builtin_bswap32(ip->w[3]);

	return (topo_u128)hi << 64 | lo;
}

static inline uint32_t topo_key4(const struct skep_ip *ip)
{
	return __builtin_bswap32(ip->w[3]);
}

/* Leading bits that two keys share. */
static inline unsigned int topo_common4(uint32_t a, uint32_t b)
{
	return a == b ? 32 : (unsigned int)__builtin_clz(a ^ b);
}

static inline unsigned int topo_common6(topo_u128 a, topo_u128 b)
{
	const topo_u128 x = a ^ b;

	if (x >> 64)
		return (unsigned int)__builtin_clzll((uint64_t)(x >> 64));
	return x ? 64 + (unsigned int)__builtin_clzll((uint64_t)x) : 128;
}
