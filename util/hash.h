/* SPDX-License-Identifier: Apache-2.0 */
/* Hash functions for tables and flow hashes.  Not for anything an attacker may gain by colliding: seed those. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Mixes 64 bits (splitmix64's finalizer, Steele et al. 2014). */
static inline uint64_t hash_u64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t hash_bytes(const void *p, size_t len, uint64_t seed);
uint64_t hash_str(const char *s, uint64_t seed);
/* SipHash-2-4 (Aumasson, Bernstein 2012) with a seed that may be known to everybody: values of one hash have to be searched for, where those of
 * hash_bytes() can be calculated.  For what guests choose and hosts have to agree on. */
uint64_t hash_sip(const void *p, size_t len, uint64_t seed);
