// SPDX-License-Identifier: Apache-2.0
/*
 * The choice of a source for SNAT (conns.h): the packet's own port if one of our blocks has it and nobody uses it towards the destination, else the
 * next free port of one of our blocks, beginning where the tuple's hash says.  A block is 256 bits per destination, so one that is nearly full
 * costs as much as an empty one.
 */
#include <arpa/inet.h>
#include <string.h>

#include "simulator/conns_private.h"

/* The first addresses of a long range stand for it: whoever has so many uses them in turn. */
#define ADDRS_LOOKED_AT 256

static bool next_ip(struct skep_ip *ip)
{
	for (int i = 3; i >= 0; i--) {
		ip->w[i] = htonl(ntohl(ip->w[i]) + 1);
		if (ip->w[i])
			return true;
	}
	return false;
}

static bool all_full(const struct sim_conns *c, uint64_t router, const struct topo_ip_range *r,
		     uint64_t now_ns)
{
	struct skep_ip ip = r->lo;

	for (int i = 0; i < ADDRS_LOOKED_AT && memcmp(&ip, &r->hi, sizeof(ip)) <= 0; i++) {
		if (!conns_is_full(c, router, &ip, now_ns))
			return false;
		if (!next_ip(&ip))
			break;
	}
	return true;
}

/* Our blocks of the addresses that were asked for: [*lo, return value). */
static uint32_t blocks_of(const struct sim_conns *c, uint64_t router, const struct sim_snat *ask,
			  uint32_t *lo)
{
	uint32_t hi;

	*lo = conns_block_at(c, router, &ask->addrs.lo, 0);
	hi = conns_block_at(c, router, &ask->addrs.hi, UINT16_MAX);
	return hi;
}

static bool is_free(const struct conns_dest *d, uint8_t port)
{
	return !d || !(d->used[port / 64] >> (port % 64) & 1);
}

/* Bits of the word that stand for ports within [from, to]. */
static uint64_t allowed(uint32_t first, uint32_t from, uint32_t to)
{
	uint64_t mask = UINT64_MAX;

	if (from > first + 63 || to < first)
		return 0;
	if (from > first)
		mask &= UINT64_MAX << (from - first);
	if (to < first + 63)
		mask &= UINT64_MAX >> (first + 63 - to);
	return mask;
}

/* The next free port of the block from 'start' on, round. */
static bool choose_port(const struct conns_dest *d, const struct conns_block *b,
			const uint16_t ports[2], uint8_t start, struct sim_tuple *t)
{
	for (unsigned int i = 0; i <= CONNS_BLOCK_WORDS; i++) {
		const unsigned int word = (start / 64 + i) % CONNS_BLOCK_WORDS;
		const uint32_t first = b->first + word * 64;
		uint64_t free = allowed(first, ports[0], ports[1]) & ~(d ? d->used[word] : 0);

		if (!i)
			free &= UINT64_MAX << (start % 64);
		if (!free)
			continue;
		t->sport = htons((uint16_t)(first + (uint32_t)__builtin_ctzll(free)));
		return true;
	}
	return false;
}

/* The packet's own port, if one of our blocks has it. */
static bool keep_port(const struct sim_conns *c, uint64_t router, const struct sim_snat *ask,
		      uint32_t lo, uint32_t hi, struct sim_tuple *t)
{
	const uint16_t own = ntohs(ask->tuple.sport);

	if (own < ask->ports[0] || own > ask->ports[1])
		return false;
	t->sport = ask->tuple.sport;
	for (uint32_t i = lo; i < hi; i++) {
		if (c->blocks[i].first != (own & ~(SIM_BLOCK_PORTS - 1)))
			continue;
		t->src = c->blocks[i].ip;
		if (is_free(conns_dest(c, router, t), (uint8_t)(own & (SIM_BLOCK_PORTS - 1))))
			return true;
	}
	return false;
}

static bool choose_block(const struct sim_conns *c, uint64_t router, const struct sim_snat *ask,
			 uint32_t lo, uint32_t hi, struct sim_tuple *t)
{
	const uint64_t hash = sim_tuple_hash(&ask->tuple);
	const uint32_t n = hi - lo, start = n ? (uint32_t)(hash % n) : 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct conns_block *b = &c->blocks[lo + (start + i) % n];
		const struct conns_dest *d;

		t->src = b->ip;
		if (!conns_has_port(&ask->tuple)) {
			if (!b->first && is_free(conns_dest(c, router, t), 0))
				return true;
			continue;
		}
		t->sport = htons(b->first);
		d = conns_dest(c, router, t);
		if (choose_port(d, b, ask->ports, (uint8_t)(hash >> 32), t))
			return true;
	}
	return false;
}

enum sim_alloc sim_conns_snat(const struct sim_conns *c, const struct sim_snat *ask, uint64_t now_ns,
			      struct skep_ip *ip, __be16 *port)
{
	const uint64_t router = sim_name_hash(ask->router);
	struct sim_tuple t = ask->tuple;
	uint32_t lo, hi = blocks_of(c, router, ask, &lo);

	if ((conns_has_port(&t) && keep_port(c, router, ask, lo, hi, &t)) ||
	    choose_block(c, router, ask, lo, hi, &t)) {
		*ip = t.src;
		*port = t.sport;
		return SIM_ALLOC_OK;
	}
	return all_full(c, router, &ask->addrs, now_ns) ? SIM_ALLOC_FULL : SIM_ALLOC_WAIT;
}
