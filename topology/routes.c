// SPDX-License-Identifier: Apache-2.0
/*
 * Route lookup.  A router's destination prefixes are in order (prefixes.h): two bisections find the longest one and how many bits it took; when
 * none of its routes can be used, the next longest around it is tried.
 */
#include "topology/topology.h"

#include <errno.h>
#include <string.h>

#include "topology/snapshot.h"

bool topo_route_usable(const struct topo_route *route)
{
	const struct topo_port *port = route->port;

	if (route->type != TOPO_ROUTE_PORT)
		return true;
	return port && port->admin_up && (port->peer || port->live_host);
}

/* --- the table --- */

static bool before(const struct topo_route *a, const struct topo_route *b)
{
	if (a->weight != b->weight)
		return a->weight < b->weight;
	return strcmp(a->o.name, b->o.name) < 0;
}

int topo_route_link(struct topo_route *route)
{
	struct topo_route **at;
	bool made;
	void **value = topo_prefixes_put(route->router->by_dst, &route->dst, route->dst_len, &made);

	if (!value)
		return -ENOMEM;
	for (at = (struct topo_route **)value; *at && before(*at, route); at = &(*at)->next)
		;
	route->next = *at;
	*at = route;
	route->router->n_routes++;
	return 0;
}

void topo_route_unlink(struct topo_route *route)
{
	struct topo_prefixes *table = route->router->by_dst;
	void **value = topo_prefixes_get(table, &route->dst, route->dst_len);
	struct topo_route **at = (struct topo_route **)value;

	while (at && *at && *at != route)
		at = &(*at)->next;
	if (!at || !*at)
		return;
	*at = route->next;
	route->next = NULL;
	route->router->n_routes--;
	if (!*value)
		topo_prefixes_del(table, &route->dst, route->dst_len);
}

/* --- a route's life --- */

struct topo_route *topo_route_new(struct topo_snapshot *snap, const char *name, const char *id)
{
	struct topo_route *r = pool_alloc(&snap->memory->pool, sizeof(*r));

	if (!r)
		return NULL;
	r->o.kind = TOPO_ROUTE;
	r->o.name = topo_text_dup(snap->memory, name);
	r->o.id = topo_text_dup(snap->memory, id);
	if (r->o.name && r->o.id)
		return r;
	topo_route_free(snap, r);
	return NULL;
}

void topo_route_free(struct topo_snapshot *snap, struct topo_route *r)
{
	if (!r)
		return;
	if (r->port)
		r->port->refs--;
	topo_text_free(snap->memory, r->o.name);
	topo_text_free(snap->memory, r->o.id);
	pool_free(&snap->memory->pool, r, sizeof(*r));
}

/* --- all of them --- */

const struct topo_route *topo_routes_first(const struct topo_router *router, struct topo_routes_at *at)
{
	*at = (struct topo_routes_at){ .router = router };
	return topo_routes_next(at);
}

const struct topo_route *topo_routes_next(struct topo_routes_at *at)
{
	at->route = at->route ? at->route->next : NULL;
	if (!at->route && at->router && at->router->by_dst && topo_prefixes_next(at->router->by_dst, &at->at))
		at->route = topo_prefix_value(&at->at);
	return at->route;
}

const struct topo_route *topo_route_unusable(const struct topo_router *router, const struct skep_ip *dst)
{
	struct topo_prefix_at at;
	unsigned int bits;
	bool found = topo_prefixes_match(router->by_dst, dst, &at, &bits);

	for (; found; found = topo_prefixes_up(&at))
		for (const struct topo_route *r = topo_prefix_value(&at); r; r = r->next)
			if (!topo_route_usable(r))
				return r;
	return NULL;
}

/* --- lookup --- */

/* Looking at it took one bit more than it has in common with 'net', but never more than 'len'. */
static void tested(unsigned int *bits, const struct skep_ip *ip, const struct skep_ip *net,
		   unsigned int len)
{
	unsigned int n = (ip_is_v4(ip) ? topo_common4(topo_key4(ip), topo_key4(net)) :
					 topo_common6(topo_key6(ip), topo_key6(net))) +
			 1;

	n = n < len ? n : len;
	*bits = *bits < n ? n : *bits;
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

/* Of routes of one prefix, the usable ones of least weight. */
static unsigned int pick(const struct topo_route *r, const struct skep_ip *src,
			 const struct topo_route **out, unsigned int max, unsigned int *src_bits)
{
	uint32_t weight = 0;
	unsigned int n = 0;

	for (; r && n < max && (!n || r->weight == weight); r = r->next) {
		if (!topo_route_usable(r) || !src_matches(r, src, src_bits))
			continue;
		weight = r->weight;
		out[n++] = r;
	}
	return n;
}

unsigned int topo_route_lookup(const struct topo_router *router, const struct skep_ip *src,
			       const struct skep_ip *dst, const struct topo_route **out,
			       unsigned int max, unsigned int *dst_len_tested,
			       unsigned int *src_len_tested)
{
	struct topo_prefix_at at;
	bool found = topo_prefixes_match(router->by_dst, dst, &at, dst_len_tested);
	unsigned int n = 0;

	*src_len_tested = 0;
	while (found && !n) {
		n = pick(topo_prefix_value(&at), src, out, max, src_len_tested);
		found = !n && topo_prefixes_up(&at);
	}
	return n;
}
