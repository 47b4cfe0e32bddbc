/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many leading bits of a value decide a test: every value that shares them with it gives the same answer, and with one bit less some
 * would not.  Of ports (16 bits), MACs (48) and addresses (in the family's own bits).  Both addresses are of one family.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/addr.h"

typedef unsigned __int128 near_u128;

/* --- ports --- */

/* That tell 'x' from another one; of itself all. */
static inline unsigned int near16(uint16_t x, uint16_t other)
{
	return x == other ? 16 : (unsigned int)__builtin_clz((uint32_t)(x ^ other)) - 16 + 1;
}

/* lo <= x <= hi */
static inline unsigned int near16_range(uint16_t x, uint16_t lo, uint16_t hi)
{
	unsigned int below, above;

	if (x < lo || lo > hi)
		return near16(x, lo);
	if (x > hi)
		return near16(x, hi);
	below = lo ? near16(x, (uint16_t)(lo - 1)) : 0;
	above = hi < UINT16_MAX ? near16(x, (uint16_t)(hi + 1)) : 0;
	return below > above ? below : above;
}

/* --- addresses --- */

static inline bool near_is_v4(const struct skep_ip *ip)
{
	return !(ip->w[0] | ip->w[1]) && ip->w[2] == __builtin_bswap32(0xffff);
}

static inline near_u128 near_number(const struct skep_ip *ip)
{
	const uint64_t hi = (uint64_t)__builtin_bswap32(ip->w[0]) << 32 | __builtin_bswap32(ip->w[1]);
	const uint64_t lo = (uint64_t)__builtin_bswap32(ip->w[2]) << 32 | __builtin_bswap32(ip->w[3]);

	return (near_u128)hi << 64 | lo;
}

static inline unsigned int near32(uint32_t x, uint32_t other)
{
	return x == other ? 32 : (unsigned int)__builtin_clz(x ^ other) + 1;
}

static inline unsigned int near128(near_u128 x, near_u128 other)
{
	const uint64_t hi = (uint64_t)((x ^ other) >> 64), lo = (uint64_t)(x ^ other);

	if (hi)
		return (unsigned int)__builtin_clzll(hi) + 1;
	return lo ? 64 + (unsigned int)__builtin_clzll(lo) + 1 : 128;
}

/* That tell it from another one; of itself all. */
static inline unsigned int near_ip(const struct skep_ip *ip, const struct skep_ip *other, bool v4)
{
	if (v4)
		return near32(__builtin_bswap32(ip->w[3]), __builtin_bswap32(other->w[3]));
	return near128(near_number(ip), near_number(other));
}

/* Whether it is in a prefix. */
static inline unsigned int near_prefix(const struct skep_ip *ip, const struct skep_ip *net,
				       unsigned int len, bool v4)
{
	const unsigned int bits = len ? near_ip(ip, net, v4) : 0;

	return bits < len ? bits : len;
}

/* Whether it is less than a limit that is not the least. */
static inline unsigned int near32_less(uint32_t x, uint32_t limit)
{
	return near32(x, x < limit ? limit : limit - 1);
}

static inline unsigned int near128_less(near_u128 x, near_u128 limit)
{
	return near128(x, x < limit ? limit : limit - 1);
}

/* lo <= ip <= hi */
unsigned int near_range(const struct skep_ip *ip, const struct skep_ip *lo, const struct skep_ip *hi);

/* --- MACs --- */

static inline uint64_t near_mac_number(const struct skep_mac *mac)
{
	uint32_t head;
	uint16_t tail;

	memcpy(&head, mac->b, sizeof(head));
	memcpy(&tail, mac->b + 4, sizeof(tail));
	return (uint64_t)__builtin_bswap32(head) << 16 | __builtin_bswap16(tail);
}

/* 'other': the bits of 'mask' in which two differ. */
static inline unsigned int near48(uint64_t other, uint64_t mask)
{
	if (other)
		return (unsigned int)__builtin_clzll(other) - 16 + 1;
	return mask ? 48 - (unsigned int)__builtin_ctzll(mask) : 0;
}

/* Whether the MAC has these values in the bits of 'mask'. */
static inline unsigned int near_mac(const struct skep_mac *mac, const struct skep_mac *want,
				    uint64_t mask)
{
	return near48((near_mac_number(mac) ^ near_mac_number(want)) & mask, mask);
}
