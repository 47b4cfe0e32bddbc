/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Load balancers (maps/nat.h): the member that a connection gets, by the same calculation as simulator/lb.c, and the tuple that
 * a translation makes of another.
 */
#pragma once

#include "bpf/ctx.h"

/* --- SipHash-2-4, as util/hash.c's hash_sip() with seed 0 --- */

struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 rotate(__u64 x, int by)
{
	return x << by | x >> (64 - by);
}

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static __always_inline void sip_word(struct sip *s, __u64 w)
{
	s->v3 ^= w;
	sip_round(s);
	sip_round(s);
	s->v0 ^= w;
}

static __always_inline __u64 pair(const __be32 *w)
{
	__u64 v;

	__builtin_memcpy(&v, w, sizeof(v));
	return v;
}

/* simulator/tuple.c: sim_tuple_hash() */
static __always_inline __u64 tuple_hash(const struct skep_conn_key *k)
{
	struct sip s = { 0x736f6d6570736575ULL, 0x646f72616e646f6dULL, 0x6c7967656e657261ULL,
			 0x7465646279746573ULL };
	__u64 h;

	sip_word(&s, pair(k->src.w));
	sip_word(&s, pair(k->src.w + 2));
	sip_word(&s, pair(k->dst.w));
	sip_word(&s, pair(k->dst.w + 2));
	sip_word(&s, (__u64)k->sport << 32 | (__u64)k->dport << 16 | k->proto);
	sip_word(&s, 40ULL << 56); /* the length */
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	h = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return h ? h : 1;
}

/* util/hash.h: hash_u64() */
static __always_inline __u64 mix64(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* --- VIPs --- */

/* The translation for a connection that begins; 0: it is not for a VIP, or skepd chooses. */
static __attribute__((unused)) __noinline __u32 nat_choose(const struct skep_conn_key *k)
{
	struct skep_vip_key vip = { .port = k->port, .dst = k->dst, .dport = k->dport, .proto = k->proto };
	struct skep_vip *v = bpf_map_lookup_elem(&skep_vips, &vip);
	struct skep_maglev_row *row;
	__u32 slot, at;

	if (!v || !v->size)
		return 0;
	slot = v->first + mix64(tuple_hash(k) ^ v->seed) % v->size;
	at = slot / SKEP_MAGLEV_ROW;
	row = bpf_map_lookup_elem(&skep_maglev, &at);
	return row ? row->nat[slot % SKEP_MAGLEV_ROW] : 0;
}

/* --- tuples --- */

/* The tuple, emitted where a connection began ('reply': where it went), as it is behind the router.  -1: nobody knows the number. */
static __always_inline int nat_apply(struct skep_conn_key *k, __u32 nat, int reply)
{
	struct skep_nat *n = bpf_map_lookup_elem(&skep_nats, &nat);

	if (!nat || !n)
		return -1;
	if (reply) {
		k->src = n->from;
		k->sport = n->from_port;
	} else {
		k->dst = n->to;
		k->dport = n->to_port;
	}
	return 0;
}
