// SPDX-License-Identifier: Apache-2.0
#include "loader/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/addr.h"
#include "util/hash.h"
#include "util/hmap.h"

struct parked_need {
	struct hmap_node node;
	struct park_what what; /* name points to 'name' */
	struct parked *head, **tail;
	uint32_t n;
	uint32_t tries;
	uint64_t tried_ns;
	char name[];
};

struct port_count {
	struct hmap_node node;
	uint32_t key, n;
};

struct park {
	struct hmap needs, counts;
	struct parked *ready, **ready_tail;
	uint64_t seed;
	uint32_t n;
	size_t bytes;
};

struct park *park_new(uint64_t seed)
{
	struct park *p = calloc(1, sizeof(*p));

	if (p) {
		p->seed = seed;
		p->ready_tail = &p->ready;
	}
	return p;
}

uint32_t park_count(const struct park *p)
{
	return p->n;
}

static uint64_t hash_what(const struct park *p, const struct park_what *w)
{
	uint64_t h = p->seed ^ hash_u64((uint64_t)w->kind << 32 | w->key) ^ (uintptr_t)w->scope;

	if (w->name)
		h = hash_str(w->name, h);
	return hash_bytes(&w->ip, sizeof(w->ip), h);
}

static bool same_what(const struct park_what *a, const struct park_what *b)
{
	return a->kind == b->kind && a->scope == b->scope && a->key == b->key &&
	       ip_eq(&a->ip, &b->ip) && !strcmp(a->name ? a->name : "", b->name ? b->name : "");
}

static struct parked_need *find_need(const struct park *p, const struct park_what *w)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &p->needs, hash_what(p, w)) {
		struct parked_need *need = container_of(n, struct parked_need, node);

		if (same_what(&need->what, w))
			return need;
	}
	return NULL;
}

static struct port_count *find_count(const struct park *p, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&p->counts, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct port_count, node) : NULL;
}

static bool count_port(struct park *p, uint32_t key)
{
	struct port_count *c = find_count(p, key);

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return false;
		c->key = key;
		if (hmap_insert(&p->counts, &c->node, hash_u64(key))) {
			free(c);
			return false;
		}
	}
	if (c->n >= PARK_PER_PORT)
		return false;
	c->n++;
	return true;
}

static void uncount(struct park *p, const struct parked *packet)
{
	struct port_count *c = find_count(p, packet->in_key);

	p->n--;
	p->bytes -= packet->frame.len;
	if (--c->n)
		return;
	hmap_remove(&p->counts, &c->node);
	free(c);
}

static struct parked_need *new_need(struct park *p, const struct park_what *w, uint64_t now_ns)
{
	size_t n = w->name ? strlen(w->name) + 1 : 1;
	struct parked_need *need = calloc(1, sizeof(*need) + n);

	if (!need)
		return NULL;
	need->what = *w;
	if (w->name)
		memcpy(need->name, w->name, n);
	need->what.name = w->name ? need->name : NULL;
	need->tail = &need->head;
	need->tries = 1;
	need->tried_ns = now_ns;
	if (hmap_insert(&p->needs, &need->node, hash_what(p, w))) {
		free(need);
		return NULL;
	}
	return need;
}

static void free_need(struct park *p, struct parked_need *need)
{
	hmap_remove(&p->needs, &need->node);
	free(need);
}

int park_put(struct park *p, const struct park_what *what, uint32_t in_key,
	     const struct dp_frame *frame, uint64_t now_ns, uint64_t deadline_ns, bool *fresh)
{
	static const struct skep_flow none;

	return park_put_verdict(p, what, in_key, frame, &none, now_ns, deadline_ns, fresh);
}

int park_put_verdict(struct park *p, const struct park_what *what, uint32_t in_key, const struct dp_frame *frame,
		     const struct skep_flow *verdict, uint64_t now_ns, uint64_t deadline_ns, bool *fresh)
{
	struct parked_need *need = find_need(p, what);
	struct parked *packet;
	/* several tenants' packets may wait for one neighbour, but those without a tenant all wait
	 * for the same: only the port's limit */
	uint32_t max = what->kind == PARK_NEIGH ? PARK_PER_NEED : PARK_PER_PORT;

	if (p->n >= PARK_MAX || p->bytes + frame->len > PARK_BYTES_MAX || (need && need->n >= max))
		return -ENOSPC;
	packet = malloc(sizeof(*packet) + DP_HEADROOM + frame->len);
	if (!packet)
		return -ENOMEM;
	if (!count_port(p, in_key)) {
		free(packet);
		return -ENOSPC;
	}
	*packet = (struct parked){
		.kind = what->kind, .in_key = in_key, .key = what->key, .deadline_ns = deadline_ns, .verdict = *verdict, .frame = *frame
	};
	packet->frame.data = packet->buf + DP_HEADROOM;
	memcpy(packet->frame.data, frame->data, frame->len);
	p->n++;
	p->bytes += frame->len;
	*fresh = !need;
	if (!need && !(need = new_need(p, what, now_ns))) {
		uncount(p, packet);
		free(packet);
		return -ENOMEM;
	}
	*need->tail = packet;
	need->tail = &packet->next;
	need->n++;
	return 0;
}

static void make_ready(struct park *p, struct parked_need *need)
{
	*p->ready_tail = need->head;
	p->ready_tail = need->tail;
	free_need(p, need);
}

void park_ready(struct park *p, const struct park_what *what)
{
	struct parked_need *need = find_need(p, what);

	if (need)
		make_ready(p, need);
}

void park_ready_scope(struct park *p, const void *scope)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->needs) {
		struct parked_need *need = container_of(n, struct parked_need, node);

		if (need->what.scope == scope)
			make_ready(p, need);
	}
}

struct parked *park_take(struct park *p)
{
	struct parked *packet = p->ready;

	if (!packet)
		return NULL;
	p->ready = packet->next;
	if (!p->ready)
		p->ready_tail = &p->ready;
	packet->next = NULL;
	uncount(p, packet);
	return packet;
}

static void expire_need(struct park *p, struct parked_need *need, uint64_t now_ns,
			void (*cb)(void *arg, const struct parked *packet), void *arg)
{
	struct parked **q = &need->head, *packet;

	while ((packet = *q)) {
		if (packet->deadline_ns > now_ns) {
			q = &packet->next;
			continue;
		}
		*q = packet->next;
		need->n--;
		uncount(p, packet);
		if (cb)
			cb(arg, packet);
		free(packet);
	}
	need->tail = q;
	if (!need->head)
		free_need(p, need);
}

void park_expire(struct park *p, uint64_t now_ns,
		 void (*cb)(void *arg, const struct parked *packet), void *arg)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->needs)
		expire_need(p, container_of(n, struct parked_need, node), now_ns, cb, arg);
}

void park_retry(struct park *p, uint64_t now_ns, uint64_t retry_ns,
		void (*cb)(void *arg, const struct park_what *what, const struct parked *packet,
			   uint32_t tries),
		void *arg)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &p->needs) {
		struct parked_need *need = container_of(n, struct parked_need, node);

		if (need->what.kind != PARK_NEIGH || now_ns < need->tried_ns + retry_ns)
			continue;
		need->tried_ns = now_ns;
		cb(arg, &need->what, need->head, need->tries++);
	}
}

void park_free(struct park *p)
{
	struct parked *packet;

	if (!p)
		return;
	park_expire(p, UINT64_MAX, NULL, NULL);
	while ((packet = park_take(p)))
		free(packet);
	hmap_fini(&p->needs);
	hmap_fini(&p->counts);
	free(p);
}
