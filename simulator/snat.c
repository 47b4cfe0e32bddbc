// SPDX-License-Identifier: Apache-2.0
/*
 * Source ports for SNAT (conns.h): blocks that this host has leased, and which port of them is in use towards which destination.  A port serves
 * any number of destinations; the records are the reservations.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/conns_private.h"
#include "util/hash.h"

static bool is_echo(const struct sim_tuple *t)
{
	return (t->proto == IPPROTO_ICMP && t->dport == htons(8 << 8)) ||
	       (t->proto == IPPROTO_ICMPV6 && t->dport == htons(128 << 8));
}

static bool has_ports(const struct sim_tuple *t)
{
	return t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP || is_echo(t);
}

/* --- what is in use --- */

static uint64_t hash_use(const struct sim_conns *c, uint64_t router, const struct sim_tuple *t)
{
	return hash_u64(c->seed ^ router ^ sim_tuple_hash(t));
}

static struct conns_use *find_use(const struct sim_conns *c, uint64_t router,
				  const struct sim_tuple *t)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->uses, hash_use(c, router, t))
	{
		struct conns_use *u = container_of(node, struct conns_use, node);

		if (u->router == router && sim_tuple_eq(&u->tuple, t))
			return u;
	}
	return NULL;
}

static struct conns_block *find_block(const struct sim_conns *c, uint64_t router,
				      const struct skep_ip *ip, uint16_t port)
{
	uint16_t first = (uint16_t)(port & ~(SIM_BLOCK_PORTS - 1));

	for (uint32_t i = 0; i < c->n_blocks; i++) {
		struct conns_block *b = &c->blocks[i];

		if (b->router == router && b->first == first && ip_eq(&b->ip, ip))
			return b;
	}
	return NULL;
}

static int hold(struct sim_conns *c, uint64_t router, const struct sim_tuple *t)
{
	struct conns_use *u = find_use(c, router, t);
	struct conns_block *b;

	if (u) {
		u->refs++;
		return 0;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->router = router;
	u->tuple = *t;
	u->refs = 1;
	if (hmap_insert(&c->uses, &u->node, hash_use(c, router, t))) {
		free(u);
		return -ENOMEM;
	}
	b = find_block(c, router, &t->src, ntohs(t->sport));
	if (b)
		b->in_use++;
	return 0;
}

static void release(struct sim_conns *c, uint64_t router, const struct sim_tuple *t, uint64_t now_ns)
{
	struct conns_use *u = find_use(c, router, t);
	struct conns_block *b;

	if (!u || --u->refs)
		return;
	b = find_block(c, router, &t->src, ntohs(t->sport));
	if (b) {
		b->in_use -= !!b->in_use;
		b->used_ns = now_ns;
	}
	hmap_remove(&c->uses, &u->node);
	free(u);
}

/* Calls back for each source binding with the original direction's tuple as it leaves that router. */
static int each_source(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns, bool holding)
{
	struct sim_tuple t = conn->reply ? conn->other : conn->tuple;
	int rc = 0;

	for (uint8_t i = 0; i < conn->n_bindings && !rc; i++) {
		const struct sim_binding *b = &conn->bindings[i];

		if (b->dst) {
			t.dst = b->to;
			if (!is_echo(&t))
				t.dport = b->to_port;
			continue;
		}
		t.src = b->to;
		t.sport = b->to_port;
		if (holding)
			rc = hold(c, b->router, &t);
		else
			release(c, b->router, &t, now_ns);
	}
	return rc;
}

int conns_hold_sources(struct sim_conns *c, const struct sim_conn *conn)
{
	return each_source(c, conn, 0, true);
}

void conns_release_sources(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns)
{
	(void)each_source(c, conn, now_ns, false);
}

void conns_free_sources(struct sim_conns *c)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &c->uses)
		free(container_of(node, struct conns_use, node));
	hmap_for_each (node, tmp, &c->fulls)
		free(container_of(node, struct conns_full, node));
	hmap_fini(&c->uses);
	hmap_fini(&c->fulls);
	free(c->blocks);
}

/* --- blocks --- */

static int by_block(const void *a, const void *b)
{
	const struct conns_block *x = a, *y = b;
	int ip;

	if (x->router != y->router)
		return x->router < y->router ? -1 : 1;
	ip = memcmp(&x->ip, &y->ip, sizeof(x->ip));
	return ip ? ip : (int)x->first - (int)y->first;
}

int sim_conns_block_add(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			uint16_t first)
{
	uint64_t hash = sim_name_hash(router);
	struct conns_block *b;
	struct hmap_node *node, *tmp;

	if (find_block(c, hash, ip, first))
		return 0;
	if (c->n_blocks == c->max_blocks) {
		uint32_t max = c->max_blocks ? c->max_blocks * 2 : 16;

		b = realloc(c->blocks, max * sizeof(*b));
		if (!b)
			return -ENOMEM;
		c->blocks = b;
		c->max_blocks = max;
	}
	b = &c->blocks[c->n_blocks++];
	*b = (struct conns_block){ .router = hash, .ip = *ip,
				   .first = (uint16_t)(first & ~(SIM_BLOCK_PORTS - 1)) };
	memcpy(b->name, router, strnlen(router, TOPO_NAME_MAX));
	hmap_for_each (node, tmp, &c->uses) { /* records came before the block: after a restart */
		const struct conns_use *u = container_of(node, struct conns_use, node);

		if (u->router == hash && ip_eq(&u->tuple.src, ip) &&
		    (ntohs(u->tuple.sport) & ~(SIM_BLOCK_PORTS - 1)) == b->first)
			b->in_use++;
	}
	qsort(c->blocks, c->n_blocks, sizeof(*c->blocks), by_block);
	return 0;
}

void sim_conns_block_del(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			 uint16_t first)
{
	struct conns_block *b = find_block(c, sim_name_hash(router), ip, first);
	uint32_t i;

	if (!b)
		return;
	i = (uint32_t)(b - c->blocks);
	memmove(b, b + 1, (c->n_blocks - i - 1) * sizeof(*b));
	c->n_blocks--;
}

uint64_t sim_conns_block_used(const struct sim_conns *c, const char *router, const struct skep_ip *ip,
			      uint16_t first, uint64_t now_ns)
{
	const struct conns_block *b = find_block(c, sim_name_hash(router), ip, first);

	if (!b)
		return 0;
	return b->in_use ? now_ns : b->used_ns ? b->used_ns : 1;
}

void sim_conns_blocks(const struct sim_conns *c,
		      void (*cb)(void *arg, const char *router, const struct skep_ip *ip, uint16_t first,
				 uint32_t in_use),
		      void *arg)
{
	for (uint32_t i = 0; i < c->n_blocks; i++)
		cb(arg, c->blocks[i].name, &c->blocks[i].ip, c->blocks[i].first,
		   c->blocks[i].in_use);
}

/* --- addresses that have no more --- */

static struct conns_full *find_full(const struct sim_conns *c, uint64_t router,
				    const struct skep_ip *ip)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->fulls, hash_bytes(ip, sizeof(*ip), router))
	{
		struct conns_full *f = container_of(node, struct conns_full, node);

		if (f->router == router && ip_eq(&f->ip, ip))
			return f;
	}
	return NULL;
}

void sim_conns_block_full(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			  uint64_t until_ns)
{
	uint64_t hash = sim_name_hash(router);
	struct conns_full *f = find_full(c, hash, ip);

	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return; /* asked again sooner than need be */
		f->router = hash;
		f->ip = *ip;
		if (hmap_insert(&c->fulls, &f->node, hash_bytes(ip, sizeof(*ip), hash))) {
			free(f);
			return;
		}
	}
	f->until_ns = until_ns;
}

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
		const struct conns_full *f = find_full(c, router, &ip);

		if (!f || f->until_ns <= now_ns)
			return false;
		if (!next_ip(&ip))
			break;
	}
	return true;
}

/* --- choosing --- */

static bool is_free(const struct sim_conns *c, uint64_t router, const struct sim_tuple *t)
{
	return !find_use(c, router, t);
}

static bool fits(const struct conns_block *b, uint64_t router, const struct sim_snat *ask)
{
	return b->router == router && memcmp(&b->ip, &ask->addrs.lo, sizeof(b->ip)) >= 0 &&
	       memcmp(&b->ip, &ask->addrs.hi, sizeof(b->ip)) <= 0;
}

/* A port of the block, beginning anywhere. */
static bool choose_port(const struct sim_conns *c, const struct conns_block *b, uint64_t router,
			const struct sim_snat *ask, uint64_t hash, struct sim_tuple *t)
{
	for (uint32_t i = 0; i < SIM_BLOCK_PORTS; i++) {
		uint32_t port = b->first + ((hash + i) & (SIM_BLOCK_PORTS - 1));

		if (port < ask->ports[0] || port > ask->ports[1])
			continue;
		t->sport = htons((uint16_t)port);
		if (is_free(c, router, t))
			return true;
	}
	return false;
}

/* The packet's own port, if one of our blocks has it. */
static bool keep_port(const struct sim_conns *c, uint64_t router, const struct sim_snat *ask,
		      struct sim_tuple *t)
{
	uint16_t own = ntohs(ask->tuple.sport);

	if (own < ask->ports[0] || own > ask->ports[1])
		return false;
	for (uint32_t i = 0; i < c->n_blocks; i++) {
		const struct conns_block *b = &c->blocks[i];

		if (!fits(b, router, ask) || (own & ~(SIM_BLOCK_PORTS - 1)) != b->first)
			continue;
		t->src = b->ip;
		t->sport = ask->tuple.sport;
		if (is_free(c, router, t))
			return true;
	}
	return false;
}

static bool choose_block(const struct sim_conns *c, uint64_t router, const struct sim_snat *ask,
			 struct sim_tuple *t)
{
	uint64_t hash = sim_tuple_hash(&ask->tuple);
	uint32_t start = c->n_blocks ? (uint32_t)(hash % c->n_blocks) : 0;

	for (uint32_t i = 0; i < c->n_blocks; i++) {
		const struct conns_block *b = &c->blocks[(start + i) % c->n_blocks];

		if (!fits(b, router, ask))
			continue;
		t->src = b->ip;
		if (!has_ports(&ask->tuple)) {
			t->sport = 0;
			if (!b->first && is_free(c, router, t))
				return true;
		} else if (choose_port(c, b, router, ask, hash >> 32, t)) {
			return true;
		}
	}
	return false;
}

enum sim_alloc sim_conns_snat(const struct sim_conns *c, const struct sim_snat *ask, uint64_t now_ns,
			      struct skep_ip *ip, __be16 *port)
{
	uint64_t router = sim_name_hash(ask->router);
	struct sim_tuple t = ask->tuple;

	if ((has_ports(&ask->tuple) && keep_port(c, router, ask, &t)) ||
	    choose_block(c, router, ask, &t)) {
		*ip = t.src;
		*port = t.sport;
		return SIM_ALLOC_OK;
	}
	return all_full(c, router, &ask->addrs, now_ns) ? SIM_ALLOC_FULL : SIM_ALLOC_WAIT;
}
