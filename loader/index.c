// SPDX-License-Identifier: Apache-2.0
/*
 * Tags are interned: one struct index_tag per distinct (scope, tag) with the list of flows that carry it; it lives as long as a flow does. Tags of
 * addresses of an object (DST, GROUP, ...) are besides in a tree per object, family and length of their own prefix, to be found by the prefix of a change.
 */
#include "loader/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/dst_tree.h"
#include "loader/index_marks.h"
#include "loader/index_ports.h"
#include "util/hash.h"
#include "util/pool.h"

/* A tag's prefix has one of these lengths: 0, 8, .. 32; 0, 16, .. 128. */
#define LENGTHS4 (32 / INDEX_STEP4 + 1)
#define LENGTHS6 (128 / INDEX_STEP6 + 1)

struct index_router { /* of an object with addresses: router, address group, security group */
	struct hmap_node node;
	const void *scope;
	enum topo_tag_kind kind;
	struct dst_node *trees[LENGTHS4 + LENGTHS6]; /* IPv4, IPv6; by length, the shortest first */
	uint32_t n;
	char name[];
};

struct index_tag {
	struct hmap_node node;
	const void *scope;
	struct topo_tag tag; /* name points to 'name' */
	struct index_ref *refs;
	struct index_router *router; /* kinds with addresses */
	struct dst_node dst;
	char name[];
};

struct index {
	uint32_t max;
	uint64_t seed;
	uint32_t next_cookie;
	struct hmap by_key, by_cookie, tags, routers;
	struct pool pool; /* flows and their references */
	struct index_ports ports;
	struct index_flow *oldest, *newest;
	struct index_marks marks;
	void (*removed)(void *arg, struct index_flow *flow);
	void *arg;
};

struct index *index_new(uint32_t max, uint64_t seed,
			void (*removed)(void *arg, struct index_flow *flow), void *arg)
{
	struct index *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	*x = (struct index){ .max = max, .seed = seed, .next_cookie = (uint32_t)hash_u64(seed), .removed = removed, .arg = arg };
	pool_init_huge(&x->pool);
	return x;
}

uint32_t index_count(const struct index *x)
{
	return (uint32_t)x->by_key.n;
}

static uint64_t hash_key(const struct index *x, const struct dp_flow_key *k)
{
	return k->v6 ? hash_bytes(&k->k6, sizeof(k->k6), x->seed) : hash_bytes(&k->k4, sizeof(k->k4), x->seed);
}

static uint64_t hash_tag(const struct index *x, const void *scope, const struct topo_tag *tag)
{
	uint64_t h = tag->kind == INDEX_TAG_HOST ? hash_str(tag->name, INDEX_TAG_HOST)
						 : topo_tag_hash(tag);

	return hash_u64(h ^ hash_u64((uintptr_t)scope ^ x->seed));
}

static bool tag_eq(const struct topo_tag *a, const struct topo_tag *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == INDEX_TAG_HOST ? !strcmp(a->name, b->name) : topo_tag_eq(a, b);
}

static struct index_tag *find_tag(const struct index *x, const void *scope,
				  const struct topo_tag *tag)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &x->tags, hash_tag(x, scope, tag)) {
		struct index_tag *t = container_of(n, struct index_tag, node);

		if (t->scope == scope && tag_eq(&t->tag, tag))
			return t;
	}
	return NULL;
}

/* --- routers: trees of DST tags --- */

/* Where tags with prefixes as long as this one's are; lengths in between do not occur. */
static unsigned int tree_of(const struct topo_tag *tag)
{
	return ip_is_v4(&tag->ip) ? tag->len / INDEX_STEP4 : LENGTHS4 + tag->len / INDEX_STEP6;
}

/* The trees of the address's family, and how long the prefixes in the first and the following are. */
struct trees {
	unsigned int first, n, step;
};

static struct trees trees_for(const struct skep_ip *ip)
{
	return ip_is_v4(ip) ? (struct trees){ 0, LENGTHS4, INDEX_STEP4 } :
			      (struct trees){ LENGTHS4, LENGTHS6, INDEX_STEP6 };
}

/* Prefixes that meet that of 'tag' agree with it in so many bits. */
static unsigned int common_len(const struct topo_tag *tag, unsigned int len)
{
	return tag->len < len ? tag->len : len;
}

static uint64_t router_hash(const void *scope, enum topo_tag_kind kind, const char *name)
{
	return hash_str(name, (uintptr_t)scope ^ hash_u64(kind));
}

static struct index_router *find_router(const struct index *x, const void *scope,
					enum topo_tag_kind kind, const char *name)
{
	uint64_t h = router_hash(scope, kind, name);
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &x->routers, h) {
		struct index_router *r = container_of(n, struct index_router, node);

		if (r->scope == scope && r->kind == kind && !strcmp(r->name, name))
			return r;
	}
	return NULL;
}

static struct index_router *get_router(struct index *x, const void *scope, enum topo_tag_kind kind,
				       const char *name)
{
	struct index_router *r = find_router(x, scope, kind, name);
	size_t n = strlen(name) + 1;

	if (r)
		return r;
	r = calloc(1, sizeof(*r) + n);
	if (!r)
		return NULL;
	r->scope = scope;
	r->kind = kind;
	memcpy(r->name, name, n);
	if (hmap_insert(&x->routers, &r->node, router_hash(scope, kind, name))) {
		free(r);
		return NULL;
	}
	return r;
}

static void put_router(struct index *x, struct index_router *r)
{
	if (r->n)
		return;
	hmap_remove(&x->routers, &r->node);
	free(r);
}

/* --- tags --- */

static struct index_tag *get_tag(struct index *x, const void *scope, const struct topo_tag *tag)
{
	struct index_tag *t = find_tag(x, scope, tag);
	size_t n = strlen(tag->name) + 1;

	if (t)
		return t;
	t = calloc(1, sizeof(*t) + n);
	if (!t)
		return NULL;
	t->scope = scope;
	t->tag = *tag;
	memcpy(t->name, tag->name, n);
	t->tag.name = t->name;
	if (topo_tag_has_prefix(tag->kind)) {
		t->router = get_router(x, scope, tag->kind, tag->name);
		if (!t->router)
			goto fail;
	}
	if (hmap_insert(&x->tags, &t->node, hash_tag(x, scope, tag)))
		goto fail;
	if (t->router) {
		dst_insert(&t->router->trees[tree_of(tag)], &t->dst, &tag->ip,
			   hash_bytes(&tag->ip, sizeof(tag->ip), x->seed));
		t->router->n++;
	}
	return t;
fail:
	if (t->router)
		put_router(x, t->router);
	free(t);
	return NULL;
}

static void put_tag(struct index *x, struct index_tag *t)
{
	if (t->refs)
		return;
	if (t->router) {
		dst_remove(&t->router->trees[tree_of(&t->tag)], &t->dst);
		t->router->n--;
		put_router(x, t->router);
	}
	hmap_remove(&x->tags, &t->node);
	free(t);
}

/* A tag that the new list has already is first in its tag's list, if it is there. */
static bool link_ref(struct index *x, struct index_flow *f, const void *scope,
		     const struct topo_tag *tag)
{
	struct index_tag *t = get_tag(x, scope, tag);
	struct index_ref *r = &f->refs[f->n_refs];

	if (!t)
		return false;
	if (t->refs && t->refs->flow == f && t->refs >= f->refs && t->refs < r)
		return true;
	*r = (struct index_ref){ .tag = t, .flow = f, .next = t->refs };
	if (t->refs)
		t->refs->prev = r;
	t->refs = r;
	f->n_refs++;
	return true;
}

/* The first 'n' of 'max' are in use. */
static void unlink_list(struct index *x, struct index_ref *refs, uint32_t n, uint32_t max)
{
	for (uint32_t i = 0; i < n; i++) {
		struct index_ref *r = &refs[i];

		if (r->prev)
			r->prev->next = r->next;
		else
			r->tag->refs = r->next;
		if (r->next)
			r->next->prev = r->prev;
		put_tag(x, r->tag);
	}
	pool_free(&x->pool, refs, max * sizeof(*refs));
}

static void unlink_refs(struct index *x, struct index_flow *f)
{
	unlink_list(x, TAKE_PTR(f->refs), f->n_refs, f->max_refs);
	f->n_refs = 0;
}

/* Fills f->refs, which is empty. */
static bool link_all(struct index *x, struct index_flow *f, const struct topo_tag *tags,
		     uint32_t n_tags, const char *const *hosts, uint32_t n_hosts)
{
	bool ok = true;

	f->conn = false;
	f->max_refs = n_tags + n_hosts + 1;
	f->refs = pool_alloc(&x->pool, f->max_refs * sizeof(f->refs[0]));
	if (!f->refs)
		return false;
	for (uint32_t i = 0; ok && i < n_tags; i++) {
		ok = link_ref(x, f, f->scope, &tags[i]);
		f->conn = f->conn || tags[i].kind == TOPO_TAG_CONN;
	}
	for (uint32_t i = 0; ok && i < n_hosts; i++)
		ok = link_ref(x, f, NULL,
			      &(struct topo_tag){ .kind = INDEX_TAG_HOST, .name = hosts[i] });
	return ok;
}

/* Are these the flow's tags, in this order? */
static bool same_tags(const struct index_flow *f, const struct topo_tag *tags, uint32_t n_tags,
		      const char *const *hosts, uint32_t n_hosts)
{
	if (f->n_refs != n_tags + n_hosts)
		return false;
	for (uint32_t i = 0; i < n_tags; i++)
		if (!tag_eq(&f->refs[i].tag->tag, &tags[i]))
			return false;
	for (uint32_t i = 0; i < n_hosts; i++)
		if (!tag_eq(&f->refs[n_tags + i].tag->tag,
			    &(struct topo_tag){ .kind = INDEX_TAG_HOST, .name = hosts[i] }))
			return false;
	return true;
}

int index_retag(struct index *x, struct index_flow *f, const struct topo_tag *tags, uint32_t n_tags,
		const char *const *hosts, uint32_t n_hosts)
{
	struct index_ref *old = f->refs;
	uint32_t n_old = f->n_refs, max_old = f->max_refs;
	bool conn = f->conn;

	if (n_tags + n_hosts > INDEX_FLOW_TAGS_MAX)
		return -E2BIG;
	if (same_tags(f, tags, n_tags, hosts, n_hosts))
		return 0;
	f->n_refs = 0;
	if (!link_all(x, f, tags, n_tags, hosts, n_hosts)) {
		unlink_refs(x, f);
		f->refs = old;
		f->n_refs = n_old;
		f->max_refs = max_old;
		f->conn = conn;
		return -ENOMEM;
	}
	unlink_list(x, old, n_old, max_old);
	return 0;
}

/* --- marks --- */

void index_mark(struct index *x, struct index_flow *f)
{
	index_marks_put(&x->marks, f);
}

struct index_flow *index_next_marked(struct index *x)
{
	struct index_flow *f = x->marks.first;

	if (f)
		index_marks_take(&x->marks, f);
	return f;
}

uint32_t index_marked(const struct index *x)
{
	return x->marks.n;
}

uint32_t index_marks(const struct index *x)
{
	return x->marks.no;
}

bool index_marks_done(const struct index *x, uint32_t marks)
{
	return !x->marks.first || (int32_t)(x->marks.first->mark_no - marks) > 0;
}

const struct topo_tag *index_ref_tag(const struct index_ref *ref)
{
	return &ref->tag->tag;
}

/* --- flows --- */

struct index_flow *index_find(const struct index *x, const struct dp_flow_key *key)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &x->by_key, hash_key(x, key)) {
		struct index_flow *f = container_of(n, struct index_flow, by_key);

		if (dp_flow_key_eq(&f->key, key))
			return f;
	}
	return NULL;
}

struct index_flow *index_find_cookie(const struct index *x, uint32_t cookie)
{
	/* their own hash: they are given one after the other, and neighbours in the table are neighbours in the cache */
	struct hmap_node *n = cookie ? hmap_first_with_hash(&x->by_cookie, cookie) : NULL;

	return n ? container_of(n, struct index_flow, by_cookie) : NULL;
}

static uint32_t new_cookie(struct index *x)
{
	do
		x->next_cookie++;
	while (!x->next_cookie || index_find_cookie(x, x->next_cookie));
	return x->next_cookie;
}

/* For one more flow of the port.  When all is full, a port that has its part or more loses the oldest of its own; for others somebody
 * does who has more than that, and is soon found among the oldest. */
static void make_room(struct index *x, uint32_t in_key)
{
	const uint32_t part = index_ports_part(&x->ports, in_key, x->max);
	struct index_flow *f = index_ports_excess(&x->ports, in_key, part), *victim = x->oldest;

	if (x->by_key.n < x->max || !victim)
		return;
	for (int i = 0; !f && i < INDEX_LOOKS && victim; i++, victim = victim->newer)
		if (index_ports_has(victim) > part && !dp_flow_mask(&victim->key))
			f = victim;
	index_del(x, f ? f : x->oldest);
}

static void free_flow(struct index *x, struct index_flow *f)
{
	free(f->culprit);
	free(f->outputs);
	pool_free(&x->pool, f, sizeof(*f));
}

void index_del(struct index *x, struct index_flow *f)
{
	hmap_remove(&x->by_key, &f->by_key);
	hmap_remove(&x->by_cookie, &f->by_cookie);
	*(f->older ? &f->older->newer : &x->oldest) = f->newer;
	*(f->newer ? &f->newer->older : &x->newest) = f->older;
	index_marks_take(&x->marks, f);
	index_ports_leave(&x->ports, f);
	if (x->removed)
		x->removed(x->arg, f);
	unlink_refs(x, f);
	free_flow(x, f);
}

struct index_flow *index_add(struct index *x, const struct dp_flow_key *key,
			     const struct skep_flow *verdict, const void *scope,
			     const struct topo_tag *tags, uint32_t n_tags, const char *const *hosts,
			     uint32_t n_hosts)
{
	struct index_flow *f, *old;
	bool ok;

	if (n_tags + n_hosts > INDEX_FLOW_TAGS_MAX || index_find_cookie(x, verdict->cookie))
		return NULL;
	f = pool_alloc(&x->pool, sizeof(*f));
	if (!f)
		return NULL;
	f->key = *key;
	f->verdict = *verdict;
	f->scope = scope;
	ok = link_all(x, f, tags, n_tags, hosts, n_hosts);
	if (!f->verdict.cookie)
		f->verdict.cookie = new_cookie(x);
	old = index_find(x, key);
	if (ok && old)
		index_del(x, old);
	if (ok)
		make_room(x, index_in_key(f));
	if (!ok || hmap_insert(&x->by_key, &f->by_key, hash_key(x, key)))
		goto fail;
	if (hmap_insert(&x->by_cookie, &f->by_cookie, f->verdict.cookie)) {
		hmap_remove(&x->by_key, &f->by_key);
		goto fail;
	}
	if (!index_ports_join(&x->ports, f)) {
		hmap_remove(&x->by_cookie, &f->by_cookie);
		hmap_remove(&x->by_key, &f->by_key);
		goto fail;
	}
	f->older = x->newest;
	*(x->newest ? &x->newest->newer : &x->oldest) = f;
	x->newest = f;
	return f;
fail:
	unlink_refs(x, f);
	free_flow(x, f);
	return NULL;
}

/* The last flow's deletion frees the tag. */
static unsigned int delete_tagged(struct index *x, struct index_tag *t)
{
	unsigned int n = 0;
	bool last;

	do {
		last = !t->refs->next;
		index_del(x, t->refs->flow);
		n++;
	} while (!last);
	return n;
}

static struct index_tag *any_meeting(const struct index *x, const void *scope,
				     const struct topo_tag *tag)
{
	struct index_router *r = find_router(x, scope, tag->kind, tag->name);
	const struct trees t = trees_for(&tag->ip);
	struct dst_node *n = NULL;

	for (unsigned int i = 0; r && !n && i < t.n; i++)
		n = dst_find(r->trees[t.first + i], &tag->ip, common_len(tag, i * t.step));
	return n ? container_of(n, struct index_tag, dst) : NULL;
}

static struct index_tag *any_tag(const struct index *x, const void *scope,
				 const struct topo_tag *tag)
{
	return topo_tag_has_prefix(tag->kind) ? any_meeting(x, scope, tag) : find_tag(x, scope, tag);
}

unsigned int index_invalidate(struct index *x, const void *scope, const struct topo_tag *tag)
{
	unsigned int n = 0;
	struct index_tag *t;

	while ((t = any_tag(x, scope, tag)))
		n += delete_tagged(x, t);
	return n;
}

unsigned int index_invalidate_host(struct index *x, const char *host)
{
	return index_invalidate(x, NULL,
				&(struct topo_tag){ .kind = INDEX_TAG_HOST, .name = host });
}

bool index_uses(const struct index *x, const void *scope, const struct topo_tag *tag)
{
	return any_tag(x, scope, tag) != NULL;
}

struct tagged {
	void (*cb)(void *arg, struct index_flow *flow);
	void *arg;
};

static void show_tag(const struct tagged *t, struct index_tag *tag)
{
	for (struct index_ref *r = tag->refs; r; r = r->next)
		t->cb(t->arg, r->flow);
}

static void show_node(void *arg, struct dst_node *node)
{
	show_tag(arg, container_of(node, struct index_tag, dst));
}

void index_tagged(struct index *x, const void *scope, const struct topo_tag *tag,
		  void (*cb)(void *arg, struct index_flow *flow), void *arg)
{
	const struct trees all = trees_for(&tag->ip);
	struct tagged t = { .cb = cb, .arg = arg };
	struct index_router *r;
	struct index_tag *one;

	if (topo_tag_has_prefix(tag->kind)) {
		r = find_router(x, scope, tag->kind, tag->name);
		for (unsigned int i = 0; r && i < all.n; i++)
			dst_walk(r->trees[all.first + i], &tag->ip, common_len(tag, i * all.step), show_node, &t);
	} else if ((one = find_tag(x, scope, tag))) {
		show_tag(&t, one);
	}
}

void index_walk(struct index *x, const void *scope, void (*cb)(void *arg, struct index_flow *flow),
		void *arg)
{
	struct index_flow *next;

	for (struct index_flow *f = x->oldest; f; f = next) {
		next = f->newer;
		if (!scope || f->scope == scope)
			cb(arg, f);
	}
}

void index_walk_port(const struct index *x, uint32_t key, bool (*cb)(void *arg, struct index_flow *flow), void *arg)
{
	index_ports_walk(&x->ports, key, cb, arg);
}

void index_free(struct index *x)
{
	if (!x)
		return;
	x->removed = NULL;
	while (x->oldest)
		index_del(x, x->oldest);
	hmap_fini(&x->by_key);
	hmap_fini(&x->by_cookie);
	hmap_fini(&x->tags);
	hmap_fini(&x->routers);
	index_ports_fini(&x->ports);
	pool_fini(&x->pool);
	free(x);
}
