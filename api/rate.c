// SPDX-License-Identifier: Apache-2.0
/* Implements rate.h.  Called by auth.c. */
#include "api/rate.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash.h"

#define WAYS 8 /* places where a key may be */

struct rate_slot {
	uint64_t key;
	uint64_t tat_ns; /* "theoretical arrival time" of the next one; in the past: as if never seen */
};

struct rate_table {
	uint64_t seed, mask; /* of sets */
	struct rate_slot slots[];
};

struct rate_table *rate_table_new(size_t n, uint64_t seed)
{
	struct rate_table *t;
	size_t sets = 1;

	while (sets * WAYS < n)
		sets *= 2;
	t = calloc(1, sizeof(*t) + sets * WAYS * sizeof(t->slots[0]));
	if (t) {
		t->seed = seed;
		t->mask = sets - 1;
	}
	return t;
}

void rate_table_free(struct rate_table *t)
{
	free(t);
}

/* The key's slot, or the one that it may have. */
static struct rate_slot *find(struct rate_table *t, uint64_t key)
{
	struct rate_slot *set = &t->slots[(key & t->mask) * WAYS], *least = set;

	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].tat_ns < least->tat_ns)
			least = &set[i];
	}
	return least;
}

static uint64_t take(struct rate_table *t, const char *name, uint64_t now_ns, uint32_t per_s,
		     uint32_t burst, int count)
{
	uint64_t key = hash_sip(name, strlen(name), t->seed);
	struct rate_slot *s = find(t, key);
	uint64_t each = NSEC_PER_SEC / (per_s ? per_s : 1), tat = now_ns;

	if (s->key == key && s->tat_ns > now_ns)
		tat = s->tat_ns;
	tat += each;
	if (tat - now_ns > each * (burst ? burst : 1))
		return tat - now_ns - each * (burst ? burst : 1);
	if (count) {
		s->key = key;
		s->tat_ns = tat;
	}
	return 0;
}

uint64_t rate_take(struct rate_table *t, const char *key, uint64_t now_ns, uint32_t per_s,
		   uint32_t burst)
{
	return take(t, key, now_ns, per_s, burst, 1);
}

uint64_t rate_peek(struct rate_table *t, const char *key, uint64_t now_ns, uint32_t per_s,
		   uint32_t burst)
{
	return take(t, key, now_ns, per_s, burst, 0);
}
