// SPDX-License-Identifier: Apache-2.0
/* Sets of prefixes (ipset.h): sorted, none within another, so that one bisection finds the only candidate. */
#include <stdlib.h>
#include <string.h>

#include "topology/ipset.h"

struct topo_ipset {
	uint32_t n;
	uint32_t n4; /* the first ones are IPv4 */
	struct topo_prefix v[];
};

static int by_prefix(const void *a, const void *b)
{
	const struct topo_prefix *x = a, *y = b;
	int v4 = ip_is_v4(&y->ip) - ip_is_v4(&x->ip), c;

	if (v4)
		return v4;
	c = memcmp(&x->ip, &y->ip, sizeof(x->ip));
	return c ? c : (int)x->len - (int)y->len;
}

struct topo_ipset *topo_ipset_build(struct topo_prefix *prefixes, uint32_t n, struct arena *arena)
{
	struct topo_ipset *set;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		prefixes[i].ip = ip_mask(&prefixes[i].ip, prefixes[i].len);
	qsort(prefixes, n, sizeof(*prefixes), by_prefix);
	for (uint32_t i = 0; i < n; i++) {
		const struct topo_prefix *last = kept ? &prefixes[kept - 1] : NULL;

		if (last && ip_is_v4(&last->ip) == ip_is_v4(&prefixes[i].ip) &&
		    ip_in_prefix(&prefixes[i].ip, &last->ip, last->len))
			continue;
		prefixes[kept++] = prefixes[i];
	}
	set = arena_alloc(arena, sizeof(*set) + kept * sizeof(set->v[0]));
	if (!set)
		return NULL;
	set->n = kept;
	set->n4 = 0;
	if (kept)
		memcpy(set->v, prefixes, kept * sizeof(set->v[0]));
	while (set->n4 < kept && ip_is_v4(&set->v[set->n4].ip))
		set->n4++;
	return set;
}

/* Leading bits that two addresses of one family share. */
static unsigned int common(const struct skep_ip *a, const struct skep_ip *b)
{
	unsigned int bits = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t x = __builtin_bswap32(a->w[i] ^ b->w[i]);

		if (x)
			return bits + (unsigned int)__builtin_clz(x);
		bits += 32;
	}
	return bits;
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Bits that tell 'ip' from a prefix that does not hold it. */
static unsigned int apart(const struct skep_ip *ip, const struct topo_prefix *p, unsigned int base)
{
	return common(ip, &p->ip) - base + 1;
}

bool topo_ipset_has(const struct topo_ipset *set, const struct skep_ip *ip, unsigned int *bits)
{
	bool v4 = ip_is_v4(ip);
	uint32_t first = v4 ? 0 : set->n4, end = v4 ? set->n4 : set->n, lo = first, hi = end;
	unsigned int base = v4 ? 96 : 0, need = 0;

	while (lo < hi) { /* the first behind 'ip' */
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&set->v[mid].ip, ip, sizeof(*ip)) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > first) {
		const struct topo_prefix *p = &set->v[lo - 1];

		if (ip_in_prefix(ip, &p->ip, p->len)) {
			*bits = p->len;
			return true;
		}
		need = apart(ip, p, base);
	}
	if (lo < end) {
		unsigned int n = apart(ip, &set->v[lo], base);

		need = n > need ? n : need;
	}
	*bits = least(need, 128 - base);
	return false;
}

uint32_t topo_ipset_count(const struct topo_ipset *set)
{
	return set->n;
}

const struct topo_prefix *topo_ipset_prefixes(const struct topo_ipset *set)
{
	return set->v;
}
