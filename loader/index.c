// SPDX-License-Identifier: Apache-2.0
/*
 * Tags are interned: one struct index_tag per distinct (scope, tag) with the list of flows that
 * carry it; it lives as long as a flow does. DST tags are besides in a tree per router and family,
 * to be found by prefix.
 */
#include "loader/index.h"

#include <stdlib.h>
#include <string.h>

#include "loader/dst_tree.h"
#include "util/hash.h"

struct index_router {
	struct hmap_node node;
	const void *scope;
	struct dst_node *trees[2]; /* IPv4, IPv6 */
	uint32_t n;
	char name[];
};

struct index_tag {
	struct hmap_node node;
	const void *scope;
	struct topo_tag tag; /* name points to 'name' */
	struct index_ref *refs;
	struct index_router *router; /* DST */
	struct dst_node dst;
	char name[];
};

struct index {
	uint32_t max;
	uint64_t seed;
	uint32_t next_cookie;
	struct hmap by_key, by_cookie, tags, routers;
	struct index_flow *oldest, *newest;
	void (*removed)(void *arg, struct index_flow *flow);
	void *arg;
};

struct index *index_new(uint32_t max, uint64_t seed,
			void (*removed)(void *arg, struct index_flow *flow), void *arg)
{
	struct index *x = calloc(1, sizeof(*x));

	if (x)
		*x = (struct index){ .max = max,
				     .seed = seed,
				     .next_cookie = (uint32_t)hash_u64(seed),
				     .removed = removed,
				     .arg = arg };
	return x;
}

uint32_t index_count(const struct index *x)
{
	return (uint32_t)x->by_key.n;
}

static uint64_t hash_key(const struct index *x, const struct dp_flow_key *k)
{
	return k->v6 ? hash_bytes(&k->k6, sizeof(k->k6), x->seed)
		     : hash_bytes(&k->k4, sizeof(k->k4), x->seed);
}

static bool key_eq(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	if (a->v6 != b->v6)
		return false;
	return a->v6 ? !memcmp(&a->k6, &b->k6, sizeof(a->k6))
		     : !memcmp(&a->k4, &b->k4, sizeof(a->k4));
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

static struct index_router *find_router(const struct index *x, const void *scope, const char *name)
{
	uint64_t h = hash_str(name, (uintptr_t)scope);
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &x->routers, h) {
		struct index_router *r = container_of(n, struct index_router, node);

		if (r->scope == scope && !strcmp(r->name, name))
			return r;
	}
	return NULL;
}

static struct index_router *get_router(struct index *x, const void *scope, const char *name)
{
	struct index_router *r = find_router(x, scope, name);
	size_t n = strlen(name) + 1;

	if (r)
		return r;
	r = calloc(1, sizeof(*r) + n);
	if (!r)
		return NULL;
	r->scope = scope;
	memcpy(r->name, name, n);
	if (hmap_insert(&x->routers, &r->node, hash_str(name, (uintptr_t)scope))) {
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
	if (tag->kind == TOPO_TAG_DST) {
		t->router = get_router(x, scope, tag->name);
		if (!t->router)
			goto fail;
	}
	if (hmap_insert(&x->tags, &t->node, hash_tag(x, scope, tag)))
		goto fail;
	if (t->router) {
		dst_insert(&t->router->trees[!ip_is_v4(&tag->ip)], &t->dst, &tag->ip,
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
		dst_remove(&t->router->trees[!ip_is_v4(&t->tag.ip)], &t->dst);
		t->router->n--;
		put_router(x, t->router);
	}
	hmap_remove(&x->tags, &t->node);
	free(t);
}

/* Is the tag of 'scope' among the flow's already?  The flow being built is always first in the
 * tag's list, if it is there. */
static bool link_ref(struct index *x, struct index_flow *f, const void *scope,
		     const struct topo_tag *tag)
{
	struct index_tag *t = get_tag(x, scope, tag);
	struct index_ref *r = &f->refs[f->n_refs];

	if (!t)
		return false;
	if (t->refs && t->refs->flow == f)
		return true;
	*r = (struct index_ref){ .tag = t, .flow = f, .next = t->refs };
	if (t->refs)
		t->refs->prev = r;
	t->refs = r;
	f->n_refs++;
	return true;
}

static void unlink_refs(struct index *x, struct index_flow *f)
{
	for (uint32_t i = 0; i < f->n_refs; i++) {
		struct index_ref *r = &f->refs[i];

		if (r->prev)
			r->prev->next = r->next;
		else
			r->tag->refs = r->next;
		if (r->next)
			r->next->prev = r->prev;
		put_tag(x, r->tag);
	}
	f->n_refs = 0;
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

		if (key_eq(&f->key, key))
			return f;
	}
	return NULL;
}

struct index_flow *index_find_cookie(const struct index *x, uint32_t cookie)
{
	struct hmap_node *n = hmap_first_with_hash(&x->by_cookie, hash_u64(cookie));

	return cookie && n ? container_of(n, struct index_flow, by_cookie)
			   : NULL; /* hash_u64 is a bijection */
}

static uint32_t new_cookie(struct index *x)
{
	do
		x->next_cookie++;
	while (!x->next_cookie || index_find_cookie(x, x->next_cookie));
	return x->next_cookie;
}

static void free_flow(struct index_flow *f)
{
	free(f->culprit);
	free(f->outputs);
	free(f);
}

void index_del(struct index *x, struct index_flow *f)
{
	hmap_remove(&x->by_key, &f->by_key);
	hmap_remove(&x->by_cookie, &f->by_cookie);
	*(f->older ? &f->older->newer : &x->oldest) = f->newer;
	*(f->newer ? &f->newer->older : &x->newest) = f->older;
	x->removed(x->arg, f);
	unlink_refs(x, f);
	free_flow(f);
}

struct index_flow *index_add(struct index *x, const struct dp_flow_key *key,
			     const struct skep_flow *verdict, const void *scope,
			     const struct topo_tag *tags, uint32_t n_tags, const char *const *hosts,
			     uint32_t n_hosts)
{
	struct index_flow *f, *old;
	bool ok = true;

	if (n_tags + n_hosts > INDEX_FLOW_TAGS_MAX || index_find_cookie(x, verdict->cookie))
		return NULL;
	f = calloc(1, sizeof(*f) + (n_tags + n_hosts) * sizeof(f->refs[0]));
	if (!f)
		return NULL;
	f->key = *key;
	f->verdict = *verdict;
	f->scope = scope;
	for (uint32_t i = 0; ok && i < n_tags; i++)
		ok = link_ref(x, f, scope, &tags[i]);
	for (uint32_t i = 0; ok && i < n_hosts; i++)
		ok = link_ref(x, f, NULL,
			      &(struct topo_tag){ .kind = INDEX_TAG_HOST, .name = hosts[i] });
	if (!f->verdict.cookie)
		f->verdict.cookie = new_cookie(x);
	old = index_find(x, key);
	if (ok && old)
		index_del(x, old);
	if (ok && x->by_key.n >= x->max && x->oldest)
		index_del(x, x->oldest);
	if (!ok || hmap_insert(&x->by_key, &f->by_key, hash_key(x, key)))
		goto fail;
	if (hmap_insert(&x->by_cookie, &f->by_cookie, hash_u64(f->verdict.cookie))) {
		hmap_remove(&x->by_key, &f->by_key);
		goto fail;
	}
	f->older = x->newest;
	*(x->newest ? &x->newest->newer : &x->oldest) = f;
	x->newest = f;
	return f;
fail:
	unlink_refs(x, f);
	free_flow(f);
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

static struct index_tag *any_below(const struct index *x, const void *scope,
				   const struct topo_tag *tag)
{
	struct index_router *r = find_router(x, scope, tag->name);
	struct dst_node *n = r ? dst_find(r->trees[!ip_is_v4(&tag->ip)], &tag->ip, tag->len) : NULL;

	return n ? container_of(n, struct index_tag, dst) : NULL;
}

static struct index_tag *any_tag(const struct index *x, const void *scope,
				 const struct topo_tag *tag)
{
	return tag->kind == TOPO_TAG_DST ? any_below(x, scope, tag) : find_tag(x, scope, tag);
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

static void nothing(void *arg, struct index_flow *flow)
{
	(void)arg;
	(void)flow;
}

void index_free(struct index *x)
{
	if (!x)
		return;
	x->removed = nothing;
	while (x->oldest)
		index_del(x, x->oldest);
	hmap_fini(&x->by_key);
	hmap_fini(&x->by_cookie);
	hmap_fini(&x->tags);
	hmap_fini(&x->routers);
	free(x);
}
