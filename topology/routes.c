// SPDX-License-Identifier: Apache-2.0
/*
 * Route lookup.  A router's routes are sorted (derive.c): within a family the lengths form runs, longest first, each sorted by
 * address.  So each length costs two bisections, and the neighbours of the place where an address would be say
 * how many of its bits it took to know that it is not there.
 */
#include "topology/topology.h"

bool topo_route_usable(const struct topo_route *route)
{
	const struct topo_port *port = route->port;

	if (route->type != TOPO_ROUTE_PORT)
		return true;
	return port && port->admin_up && (port->peer || port->live_host);
}

/* Leading bits, within the family's own, that two addresses of one family share. */
static unsigned int common_bits(const struct skep_ip *a, const struct skep_ip *b)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
	unsigned int skip = ip_is_v4(a) ? 12 : 0, n = 0;

	for (unsigned int i = skip; i < 16; i++, n += 8)
		if (x[i] != y[i])
			return n + (unsigned int)__builtin_clz((unsigned int)(x[i] ^ y[i]) << 24);
	return n;
}

static void at_least(unsigned int *value, unsigned int n)
{
	if (*value < n)
		*value = n;
}

/* Looking at it took one bit more than it has in common with 'net', but never more than 'len'. */
static void tested(unsigned int *bits, const struct skep_ip *ip, const struct skep_ip *net,
		   unsigned int len)
{
	unsigned int n = common_bits(ip, net) + 1;

	at_least(bits, n < len ? n : len);
}

/* First index in [lo, hi) whose route is of the other family or shorter than 'len'. */
static uint32_t end_of_run(const struct topo_router *router, uint32_t lo, unsigned int len, bool v4)
{
	uint32_t hi = router->n_routes;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct topo_route *r = router->routes[mid];

		if (ip_is_v4(&r->dst) == v4 && r->dst_len == len)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t first_of_family(const struct topo_router *router, bool v4)
{
	uint32_t lo = 0, hi = router->n_routes;

	while (!v4 && lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ip_is_v4(&router->routes[mid]->dst))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t lower_bound(const struct topo_router *router, uint32_t lo, uint32_t hi,
			    const struct skep_ip *net)
{
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(&router->routes[mid]->dst, net, sizeof(*net)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool src_matches(const struct topo_route *r, const struct skep_ip *src,
			unsigned int *src_bits)
{
	if (!r->src_len)
		return true;
	if (ip_is_v4(src) != ip_is_v4(&r->src))
		return false; /* cannot be with a packet; costs no bits */
	tested(src_bits, src, &r->src, r->src_len);
	return ip_in_prefix(src, &r->src, r->src_len);
}

/* Routes [i, hi) of the same length; those with exactly 'net' are candidates, by weight. */
static unsigned int pick(const struct topo_router *router, uint32_t i, uint32_t hi,
			 const struct skep_ip *net, const struct skep_ip *src,
			 const struct topo_route **out, unsigned int max, unsigned int *src_bits)
{
	uint32_t weight = 0;
	unsigned int n = 0;

	for (; i < hi && ip_eq(&router->routes[i]->dst, net); i++) {
		const struct topo_route *r = router->routes[i];

		if (n && r->weight != weight)
			break;
		if (!topo_route_usable(r) || !src_matches(r, src, src_bits))
			continue;
		weight = r->weight;
		if (n < max)
			out[n++] = r;
	}
	return n;
}

unsigned int topo_route_lookup(const struct topo_router *router, const struct skep_ip *src,
			       const struct skep_ip *dst, const struct topo_route **out,
			       unsigned int max, unsigned int *dst_len_tested,
			       unsigned int *src_len_tested)
{
	bool v4 = ip_is_v4(dst);
	uint32_t lo = first_of_family(router, v4), hi, i;
	unsigned int n = 0;

	*dst_len_tested = 0;
	*src_len_tested = 0;
	for (; !n && lo < router->n_routes && ip_is_v4(&router->routes[lo]->dst) == v4; lo = hi) {
		unsigned int len = router->routes[lo]->dst_len;
		struct skep_ip net = ip_mask(dst, len);

		hi = end_of_run(router, lo, len, v4);
		i = lower_bound(router, lo, hi, &net);
		if (i > lo)
			tested(dst_len_tested, dst, &router->routes[i - 1]->dst, len);
		if (i < hi)
			tested(dst_len_tested, dst, &router->routes[i]->dst, len);
		n = pick(router, i, hi, &net, src, out, max, src_len_tested);
	}
	return n;
}
