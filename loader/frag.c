// SPDX-License-Identifier: Apache-2.0
#include "loader/frag.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/hmap.h"

struct run {
	uint32_t from, to; /* bytes of the packet, behind the IP header */
};

struct frag_key {
	uint32_t in_key, id;
	struct skep_ip src, dst;
	uint32_t proto;
};

struct frag {
	struct hmap_node node;
	struct frag *older, *newer; /* by creation */
	struct frag_key key;
	uint64_t began_ns, seen_ns;
	uint32_t end; /* length of the packet; 0 = the last one has not come */
	__be16 l4_src, l4_dst;
	bool has_ports; /* the first one has come */
	uint8_t n;
	struct run runs[FRAG_HOLES]; /* in order, with holes between */
};

struct port_count {
	struct hmap_node node;
	uint32_t key, n;
};

struct frags {
	struct hmap by_key, counts;
	struct frag *oldest, *newest;
	uint64_t seed;
	uint32_t n;
};

struct frags *frags_new(uint64_t seed)
{
	struct frags *f = calloc(1, sizeof(*f));

	if (f)
		f->seed = seed;
	return f;
}

uint32_t frags_count(const struct frags *f)
{
	return f->n;
}

static struct frag_key key_of(uint32_t in_key, const struct pkt *pkt)
{
	return (struct frag_key){ .in_key = in_key,
				  .id = pkt->frag_id,
				  .src = pkt->f.ip_src,
				  .dst = pkt->f.ip_dst,
				  /* of IPv6 the identification alone counts (RFC 8200 4.5): the
				     next header of later ones is not always that of the first */
				  .proto = ip_is_v4(&pkt->f.ip_src) ? pkt->f.ip_proto : 0 };
}

static struct frag *find(const struct frags *f, const struct frag_key *key)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &f->by_key, hash_bytes(key, sizeof(*key), f->seed)) {
		struct frag *g = container_of(n, struct frag, node);

		if (!memcmp(&g->key, key, sizeof(*key)))
			return g;
	}
	return NULL;
}

static struct port_count *find_count(const struct frags *f, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&f->counts, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct port_count, node) : NULL;
}

static struct port_count *count(struct frags *f, uint32_t key)
{
	struct port_count *c = find_count(f, key);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->key = key;
	if (hmap_insert(&f->counts, &c->node, hash_u64(key))) {
		free(c);
		return NULL;
	}
	return c;
}

static void forget(struct frags *f, struct frag *g)
{
	struct port_count *c = find_count(f, g->key.in_key);

	if (c && !--c->n) {
		hmap_remove(&f->counts, &c->node);
		free(c);
	}
	*(g->older ? &g->older->newer : &f->oldest) = g->newer;
	*(g->newer ? &g->newer->older : &f->newest) = g->older;
	hmap_remove(&f->by_key, &g->node);
	f->n--;
	free(g);
}

static struct frag *oldest_of(const struct frags *f, uint32_t in_key)
{
	struct frag *g = f->oldest;

	while (g && g->key.in_key != in_key)
		g = g->newer;
	return g;
}

static struct frag *begin(struct frags *f, const struct frag_key *key, uint64_t now_ns)
{
	struct port_count *c = count(f, key->in_key);
	struct frag *g;

	if (!c)
		return NULL;
	if (c->n >= FRAG_PORT_MAX)
		forget(f, oldest_of(f, key->in_key)); /* leaves c->n > 0 */
	else if (f->n >= FRAG_MAX)
		forget(f, f->oldest);
	c = count(f, key->in_key); /* the oldest may have been its only one */
	g = c ? calloc(1, sizeof(*g)) : NULL;
	if (!g || hmap_insert(&f->by_key, &g->node, hash_bytes(key, sizeof(*key), f->seed))) {
		free(g);
		return NULL;
	}
	g->key = *key;
	g->began_ns = now_ns;
	g->older = f->newest;
	*(f->newest ? &f->newest->newer : &f->oldest) = g;
	f->newest = g;
	c->n++;
	f->n++;
	return g;
}

static bool is_complete(const struct frag *g)
{
	return g->end && g->n == 1 && !g->runs[0].from && g->runs[0].to == g->end;
}

/* Adds bytes that have come; false: some of them had, or there are too many holes. */
static bool add(struct frag *g, struct run r)
{
	uint8_t i = 0;

	while (i < g->n && g->runs[i].to <= r.from)
		i++;
	if (i < g->n && g->runs[i].from < r.to)
		return false;
	if (i && g->runs[i - 1].to == r.from) { /* goes on where one ends */
		g->runs[i - 1].to = r.to;
		if (i < g->n && g->runs[i].from == r.to) {
			g->runs[i - 1].to = g->runs[i].to;
			memmove(&g->runs[i], &g->runs[i + 1], (g->n - i - 1U) * sizeof(r));
			g->n--;
		}
		return true;
	}
	if (i < g->n && g->runs[i].from == r.to) {
		g->runs[i].from = r.from;
		return true;
	}
	if (g->n == FRAG_HOLES)
		return false;
	memmove(&g->runs[i + 1], &g->runs[i], (g->n - i) * sizeof(r));
	g->runs[i] = r;
	g->n++;
	return true;
}

/* Bytes of IP in front of what is cut into fragments: the IPv4 header; IPv6: up to the end of the fragment header, which need not be the
 * last one.  The parser has checked the headers. */
static uint32_t head_len(const struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + pkt->l3_off;
	uint32_t off = 40;
	uint8_t next;

	if (ip_is_v4(&pkt->f.ip_src))
		return (ip[0] & 15U) * 4;
	next = ip[6];
	for (int n = 0; n < PKT_EXT_MAX && next != IPPROTO_FRAGMENT && off + 8 <= pkt->l3_len; n++) {
		uint32_t units = ip[off + 1], at = off;

		off += next == IPPROTO_AH ? (units + 2) * 4 : (units + 1) * 8;
		next = ip[at];
	}
	return off + 8;
}

static struct run run_of(const struct pkt *pkt)
{
	uint32_t head = head_len(pkt), len = pkt->l3_len > head ? pkt->l3_len - head : 0;

	return (struct run){ pkt->frag_off, pkt->frag_off + len };
}

static void expire(struct frags *f, uint64_t now_ns)
{
	while (f->oldest && now_ns >= f->oldest->began_ns + FRAG_LIFE_NS)
		forget(f, f->oldest);
}

bool frags_arrived(struct frags *f, uint32_t in_key, const struct pkt *pkt, uint64_t now_ns, bool *fresh)
{
	struct frag_key key = key_of(in_key, pkt);
	bool first = pkt->f.ip_frag == SKEP_FRAG_FIRST;
	struct run r = run_of(pkt);
	struct frag *g;

	*fresh = false;
	expire(f, now_ns);
	g = find(f, &key);
	if (g && (is_complete(g) || (first && now_ns >= g->seen_ns + FRAG_AGAIN_NS))) {
		forget(f, g);
		g = NULL;
	}
	if (!g)
		g = begin(f, &key, now_ns);
	if (!g)
		return false;
	g->seen_ns = now_ns;
	if (r.to == r.from || (g->end && r.to > g->end))
		return false;
	if (!pkt->frag_more && (g->end || (g->n && g->runs[g->n - 1].to > r.to)))
		return false; /* two ends, or one in the middle */
	if (!add(g, r))
		return false;
	if (!pkt->frag_more)
		g->end = r.to;
	if (first) {
		g->l4_src = pkt->f.l4_src;
		g->l4_dst = pkt->f.l4_dst;
		g->has_ports = *fresh = true;
	}
	return true;
}

bool frags_ports(const struct frags *f, uint32_t in_key, const struct pkt *pkt, uint64_t now_ns,
		 __be16 *l4_src, __be16 *l4_dst)
{
	struct frag_key key = key_of(in_key, pkt);
	const struct frag *g = find(f, &key);

	if (!g || !g->has_ports || now_ns >= g->began_ns + FRAG_LIFE_NS)
		return false;
	*l4_src = g->l4_src;
	*l4_dst = g->l4_dst;
	return true;
}

const char *frags_name(const struct pkt *pkt, char buf[static FRAG_NAME])
{
	struct frag_key key = key_of(0, pkt);

	snprintf(buf, FRAG_NAME, "%08x%08x%08x%08x>%08x%08x%08x%08x %u %u", key.src.w[0],
		 key.src.w[1], key.src.w[2], key.src.w[3], key.dst.w[0], key.dst.w[1], key.dst.w[2],
		 key.dst.w[3], key.proto, key.id);
	return buf;
}

void frags_free(struct frags *f)
{
	struct hmap_node *n, *tmp;

	if (!f)
		return;
	while (f->oldest)
		forget(f, f->oldest);
	hmap_for_each (n, tmp, &f->counts)
		free(container_of(n, struct port_count, node));
	hmap_fini(&f->by_key);
	hmap_fini(&f->counts);
	free(f);
}
