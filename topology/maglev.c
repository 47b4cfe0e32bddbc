// SPDX-License-Identifier: Apache-2.0
/* Maglev's table (maglev.h). */
#include <string.h>

#include "topology/maglev.h"
#include "util/hash.h"

/* Few: at another size every member's share lies elsewhere. */
static const uint32_t sizes[] = { 1021, 4093, 16381, 65521, 262139 };

static bool takes(const struct topo_member *m)
{
	return m->weight && m->state == TOPO_MEMBER_UP && m->healthy;
}

struct turn { /* a member's way through the table */
	uint32_t next, skip;
	uint32_t credit;
	uint16_t member;
};

static uint32_t table_size(uint32_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i] >= n * 100)
			return sizes[i];
	return sizes[ARRAY_SIZE(sizes) - 1];
}

/* Members take free slots in turns, heavier ones more often. */
static void fill(uint16_t *slots, uint32_t size, struct turn *turns, uint32_t n, uint32_t heaviest,
		 struct topo_member *const *members)
{
	uint32_t left = size;

	memset(slots, 0xff, size * sizeof(*slots));
	while (left)
		for (uint32_t i = 0; i < n && left; i++) {
			struct turn *t = &turns[i];

			t->credit += members[t->member]->weight;
			if (t->credit < heaviest)
				continue;
			t->credit -= heaviest;
			while (slots[t->next] != 0xffff)
				t->next = (t->next + t->skip) % size;
			slots[t->next] = t->member;
			left--;
		}
}

const struct topo_maglev *topo_maglev_build(struct topo_member *const *members, uint32_t n,
					    struct pool *pool, bool *none)
{
	struct topo_maglev *m;
	struct turn *turns;
	uint32_t live = 0, all, heaviest = 0;
	uint16_t *slots;

	for (uint32_t i = 0; i < n; i++)
		live += takes(members[i]);
	*none = !live;
	if (!live)
		return NULL;
	m = pool_alloc(pool, sizeof(*m));
	turns = pool_alloc(pool, live * sizeof(*turns));
	slots = pool_alloc(pool, table_size(n) * sizeof(*slots));
	if (!m || !turns || !slots) {
		pool_free(pool, m, sizeof(*m));
		pool_free(pool, turns, live * sizeof(*turns));
		pool_free(pool, slots, table_size(n) * sizeof(*slots));
		return NULL;
	}
	m->size = table_size(n);
	all = live;
	live = 0;
	for (uint32_t i = 0; i < n && i < 0xffff; i++) {
		uint64_t h = hash_str(members[i]->o.name, 0x6d61676c);

		if (!takes(members[i]))
			continue;
		turns[live++] = (struct turn){ .next = (uint32_t)(h % m->size),
					       .skip = (uint32_t)((h >> 32) % (m->size - 1)) + 1,
					       .member = (uint16_t)i };
		if (members[i]->weight > heaviest)
			heaviest = members[i]->weight;
	}
	fill(slots, m->size, turns, live, heaviest, members);
	pool_free(pool, turns, all * sizeof(*turns));
	m->slots = slots;
	return m;
}

void topo_maglev_free(const struct topo_maglev *m, struct pool *pool)
{
	if (!m)
		return;
	pool_free(pool, (uint16_t *)m->slots, m->size * sizeof(m->slots[0]));
	pool_free(pool, (struct topo_maglev *)m, sizeof(*m));
}

struct topo_member *topo_maglev_pick(const struct topo_pool *pool, uint64_t hash)
{
	return pool->maglev ? pool->members[pool->maglev->slots[hash % pool->maglev->size]] : NULL;
}
