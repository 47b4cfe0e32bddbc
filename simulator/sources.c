// SPDX-License-Identifier: Apache-2.0
/*
 * Sources of SNAT (conns.h): the blocks of ports that this host has leased, and which port of them is in use towards which destination.  Records are the
 * reservations: a port is free when the last record that has it has been gone for a while.  snat.c chooses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/conns_private.h"
#include "util/hash.h"

#define REST_NS 10000000000ULL /* of a port, from the end of its last connection; the hosts' clocks for that differ by a second or two */

static bool is_echo(const struct sim_tuple *t)
{
	return (t->proto == IPPROTO_ICMP && t->dport == htons(8 << 8)) ||
	       (t->proto == IPPROTO_ICMPV6 && t->dport == htons(128 << 8));
}

bool conns_has_port(const struct sim_tuple *t)
{
	return t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP || is_echo(t);
}

static uint16_t block_of(const struct sim_tuple *t)
{
	return conns_has_port(t) ? (uint16_t)(ntohs(t->sport) & ~(SIM_BLOCK_PORTS - 1)) : 0;
}

static uint8_t port_in_block(const struct sim_tuple *t)
{
	return conns_has_port(t) ? (uint8_t)(ntohs(t->sport) & (SIM_BLOCK_PORTS - 1)) : 0;
}

/* --- what is in use --- */

static void dest_of(uint64_t router, const struct sim_tuple *t, struct conns_dest *d)
{
	memset(d, 0, sizeof(*d));
	d->router = router;
	d->src = t->src;
	d->dst = t->dst;
	d->sport = conns_has_port(t) ? 0 : t->sport;
	d->dport = t->dport;
	d->first = block_of(t);
	d->proto = t->proto;
}

static uint64_t hash_dest(const struct sim_conns *c, const struct conns_dest *d)
{
	uint64_t h = hash_bytes(&d->src, 2 * sizeof(d->src), c->seed ^ d->router);

	return hash_u64(h ^ ((uint64_t)d->proto << 48 | (uint64_t)d->sport << 32 |
			     (uint64_t)d->dport << 16 | d->first));
}

static struct conns_dest *find_dest(const struct sim_conns *c, const struct conns_dest *want,
				    uint64_t hash)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->dests, hash)
	{
		struct conns_dest *d = container_of(node, struct conns_dest, node);

		if (d->router == want->router && d->first == want->first && d->proto == want->proto &&
		    d->sport == want->sport && d->dport == want->dport &&
		    ip_eq(&d->src, &want->src) && ip_eq(&d->dst, &want->dst))
			return d;
	}
	return NULL;
}

const struct conns_dest *conns_dest(const struct sim_conns *c, uint64_t router,
				    const struct sim_tuple *t)
{
	struct conns_dest want;

	dest_of(router, t, &want);
	return find_dest(c, &want, hash_dest(c, &want));
}

static uint64_t hash_use(const struct conns_dest *d, uint8_t port)
{
	return hash_u64((uintptr_t)d + port);
}

static struct conns_use *find_use(const struct sim_conns *c, const struct conns_dest *d, uint8_t port)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->uses, hash_use(d, port))
	{
		struct conns_use *u = container_of(node, struct conns_use, node);

		if (u->dest == d && u->port == port)
			return u;
	}
	return NULL;
}

static struct conns_block *find_block(const struct sim_conns *c, uint64_t router,
				      const struct skep_ip *ip, uint16_t first)
{
	const uint32_t i = conns_block_at(c, router, ip, first);
	struct conns_block *b = i < c->n_blocks ? &c->blocks[i] : NULL;

	return b && b->router == router && b->first == first && ip_eq(&b->ip, ip) ? b : NULL;
}

static bool is_unused(const struct conns_dest *d)
{
	for (int i = 0; i < CONNS_BLOCK_WORDS; i++)
		if (d->used[i])
			return false;
	return true;
}

static void drop_if_unused(struct sim_conns *c, struct conns_dest *d)
{
	if (!is_unused(d))
		return;
	hmap_remove(&c->dests, &d->node);
	free(d);
}

static struct conns_dest *get_dest(struct sim_conns *c, uint64_t router, const struct sim_tuple *t)
{
	struct conns_dest want, *d;
	uint64_t hash;

	dest_of(router, t, &want);
	hash = hash_dest(c, &want);
	d = find_dest(c, &want, hash);
	if (d)
		return d;
	d = malloc(sizeof(*d));
	if (!d)
		return NULL;
	*d = want;
	if (hmap_insert(&c->dests, &d->node, hash)) {
		free(d);
		return NULL;
	}
	return d;
}

static uint64_t hash_block(uint64_t router, const struct skep_ip *ip, uint16_t first)
{
	return hash_bytes(ip, sizeof(*ip), router ^ hash_u64(first));
}

static struct conns_count *find_count(const struct sim_conns *c, uint64_t router, const struct skep_ip *ip, uint16_t first)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->counts, hash_block(router, ip, first))
	{
		struct conns_count *k = container_of(node, struct conns_count, node);

		if (k->router == router && k->first == first && ip_eq(&k->ip, ip))
			return k;
	}
	return NULL;
}

static uint32_t in_use(const struct sim_conns *c, const struct conns_block *b)
{
	const struct conns_count *k = find_count(c, b->router, &b->ip, b->first);

	return k ? k->n : 0;
}

static int count_up(struct sim_conns *c, const struct conns_dest *d)
{
	struct conns_count *k = find_count(c, d->router, &d->src, d->first);

	if (k) {
		k->n++;
		return 0;
	}
	k = malloc(sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct conns_count){ .router = d->router, .ip = d->src, .first = d->first, .n = 1 };
	if (!hmap_insert(&c->counts, &k->node, hash_block(d->router, &d->src, d->first)))
		return 0;
	free(k);
	return -ENOMEM;
}

static void count_down(struct sim_conns *c, const struct conns_dest *d)
{
	struct conns_count *k = find_count(c, d->router, &d->src, d->first);

	if (!k || --k->n)
		return;
	hmap_remove(&c->counts, &k->node);
	free(k);
}

static int hold(struct sim_conns *c, uint64_t router, const struct sim_tuple *t)
{
	struct conns_dest *d = get_dest(c, router, t);
	const uint8_t port = port_in_block(t);
	struct conns_use *u;

	if (!d)
		return -ENOMEM;
	u = find_use(c, d, port);
	if (u) {
		if (!u->refs && count_up(c, d))
			return -ENOMEM;
		u->refs++;
		return 0;
	}
	u = calloc(1, sizeof(*u));
	if (!u || count_up(c, d))
		goto fail;
	if (hmap_insert(&c->uses, &u->node, hash_use(d, port))) {
		count_down(c, d);
		goto fail;
	}
	u->dest = d;
	u->port = port;
	u->refs = 1;
	d->used[port / 64] |= 1ULL << (port % 64);
	return 0;
fail:
	free(u);
	drop_if_unused(c, d);
	return -ENOMEM;
}

static void free_use(struct sim_conns *c, struct conns_use *u)
{
	struct conns_dest *d = u->dest;

	d->used[u->port / 64] &= ~(1ULL << (u->port % 64));
	hmap_remove(&c->uses, &u->node);
	free(u);
	drop_if_unused(c, d);
}

static void rest(struct sim_conns *c, struct conns_use *u)
{
	u->next = NULL;
	*(c->rest_last ? &c->rest_last->next : &c->rest_first) = u;
	c->rest_last = u;
	c->n_rest++;
	u->listed = true;
}

/* The first of those that rest is free, or in use again. */
static void wake_first(struct sim_conns *c)
{
	struct conns_use *u = c->rest_first;

	c->rest_first = u->next;
	if (!c->rest_first)
		c->rest_last = NULL;
	c->n_rest--;
	u->listed = false;
	if (!u->refs)
		free_use(c, u);
}

void conns_wake_sources(struct sim_conns *c, uint64_t now_ns)
{
	while (c->rest_first && (c->rest_first->refs || c->rest_first->until_ns <= now_ns))
		wake_first(c);
}

static void release(struct sim_conns *c, uint64_t router, const struct sim_tuple *t, uint64_t now_ns)
{
	struct conns_dest want, *d;
	const uint8_t port = port_in_block(t);
	struct conns_block *b;
	struct conns_use *u;

	dest_of(router, t, &want);
	d = find_dest(c, &want, hash_dest(c, &want));
	u = d ? find_use(c, d, port) : NULL;
	if (!u || !u->refs || --u->refs)
		return;
	count_down(c, d);
	b = find_block(c, router, &d->src, d->first);
	if (b)
		b->used_ns = now_ns;
	u->until_ns = now_ns + REST_NS;
	if (u->listed)
		return;
	if (c->n_rest >= c->limits.records) /* no more memory for those that rest than for records */
		wake_first(c);
	rest(c, u);
}

static void turn_tuple(const struct sim_binding *b, struct sim_tuple *t)
{
	const bool ports = t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP;

	if (b->dst) {
		t->dst = b->to;
		if (ports)
			t->dport = b->to_port;
		return;
	}
	t->src = b->to;
	if (conns_has_port(t))
		t->sport = b->to_port;
}

/*
 * The sources that a connection has, as they leave their routers in the original direction.  Translations without a record (floating IPs) do not show in its
 * bindings: a destination that differs from where it arrives in the end is held towards that one too.
 */
static int each_source(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns, bool holding)
{
	struct sim_tuple t = conn->reply ? conn->other : conn->tuple, last;
	int rc = 0;

	sim_tuple_reverse(conn->reply ? &conn->tuple : &conn->other, &last);
	for (uint8_t i = 0; i < conn->n_bindings && !rc; i++) {
		const struct sim_binding *b = &conn->bindings[i];
		struct sim_tuple end;

		turn_tuple(b, &t);
		if (b->dst)
			continue;
		end = t;
		end.dst = last.dst;
		end.dport = last.dport;
		if (!holding) {
			release(c, b->router, &t, now_ns);
			if (!sim_tuple_eq(&t, &end))
				release(c, b->router, &end, now_ns);
			continue;
		}
		rc = hold(c, b->router, &t);
		if (!rc && !sim_tuple_eq(&t, &end))
			rc = hold(c, b->router, &end);
	}
	return rc;
}

int conns_hold_sources(struct sim_conns *c, const struct sim_conn *conn)
{
	return conn->n_bindings ? each_source(c, conn, 0, true) : 0;
}

void conns_release_sources(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns)
{
	if (conn->n_bindings)
		(void)each_source(c, conn, now_ns, false);
}

void conns_free_sources(struct sim_conns *c)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &c->uses)
		free(container_of(node, struct conns_use, node));
	hmap_for_each (node, tmp, &c->dests)
		free(container_of(node, struct conns_dest, node));
	hmap_for_each (node, tmp, &c->counts)
		free(container_of(node, struct conns_count, node));
	hmap_for_each (node, tmp, &c->fulls)
		free(container_of(node, struct conns_full, node));
	hmap_fini(&c->uses);
	hmap_fini(&c->dests);
	hmap_fini(&c->counts);
	hmap_fini(&c->fulls);
	free(c->blocks);
}

/* --- blocks --- */

static int compare(const struct conns_block *b, uint64_t router, const struct skep_ip *ip,
		   uint16_t first)
{
	int c;

	if (b->router != router)
		return b->router < router ? -1 : 1;
	c = memcmp(&b->ip, ip, sizeof(*ip));
	return c ? c : (int)b->first - (int)first;
}

uint32_t conns_block_at(const struct sim_conns *c, uint64_t router, const struct skep_ip *ip,
			uint16_t first)
{
	uint32_t lo = 0, hi = c->n_blocks;

	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (compare(&c->blocks[mid], router, ip, first) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int sim_conns_block_add(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			uint16_t first)
{
	const uint64_t hash = sim_name_hash(router);
	struct conns_block *b;
	uint32_t i;

	first = (uint16_t)(first & ~(SIM_BLOCK_PORTS - 1));
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
	i = conns_block_at(c, hash, ip, first);
	b = &c->blocks[i];
	memmove(b + 1, b, (c->n_blocks - i) * sizeof(*b));
	*b = (struct conns_block){ .router = hash, .ip = *ip, .first = first };
	memcpy(b->name, router, strnlen(router, TOPO_NAME_MAX));
	c->n_blocks++;
	return 0;
}

void sim_conns_block_del(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			 uint16_t first)
{
	struct conns_block *b = find_block(c, sim_name_hash(router), ip,
					   (uint16_t)(first & ~(SIM_BLOCK_PORTS - 1)));
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
	const struct conns_block *b = find_block(c, sim_name_hash(router), ip,
						 (uint16_t)(first & ~(SIM_BLOCK_PORTS - 1)));

	if (!b)
		return 0;
	return in_use(c, b) ? now_ns : b->used_ns ? b->used_ns : 1;
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

bool conns_is_full(const struct sim_conns *c, uint64_t router, const struct skep_ip *ip,
		   uint64_t now_ns)
{
	const struct conns_full *f = find_full(c, router, ip);

	return f && f->until_ns > now_ns;
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
