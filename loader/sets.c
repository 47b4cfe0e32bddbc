// SPDX-License-Identifier: Apache-2.0
#include "loader/sets.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

void sets_init(struct sets *s, struct dp *dp)
{
	*s = (struct sets){ .dp = dp };
}

void sets_fini(struct sets *s)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &s->by_content) {
		hmap_remove(&s->by_content, n);
		free(container_of(n, struct set, node));
	}
	hmap_fini(&s->by_content);
}

static void put_rewrites(struct dp *dp, const struct skep_out *outs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		dp_rewrite_put(dp, outs[i].rewrite);
}

struct set *sets_get(struct sets *s, const struct skep_out *outs, uint32_t n)
{
	size_t size = n * sizeof(outs[0]);
	uint64_t h = hash_bytes(outs, size, n);
	struct hmap_node *node;
	struct set *set;

	hmap_for_each_with_hash (node, &s->by_content, h) {
		set = container_of(node, struct set, node);
		if (set->n == n && !memcmp(set->outs, outs, size)) {
			put_rewrites(s->dp, outs, n); /* it has its own */
			set->refs++;
			return set;
		}
	}
	set = calloc(1, sizeof(*set) + size);
	if (!set || dp_set_put(s->dp, outs, n, &set->index))
		goto fail;
	set->refs = 1;
	set->n = n;
	memcpy(set->outs, outs, size);
	if (!hmap_insert(&s->by_content, &set->node, h))
		return set;
	dp_set_free(s->dp, set->index);
fail:
	put_rewrites(s->dp, outs, n);
	free(set);
	return NULL;
}

void sets_put(struct set *set, uint64_t now_ns)
{
	if (set && !--set->refs)
		set->idle_ns = now_ns;
}

void sets_gc(struct sets *s, uint64_t now_ns)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &s->by_content) {
		struct set *set = container_of(n, struct set, node);

		if (set->refs || now_ns < set->idle_ns + SETS_LINGER_NS)
			continue;
		hmap_remove(&s->by_content, n);
		dp_set_free(s->dp, set->index);
		put_rewrites(s->dp, set->outs, set->n);
		free(set);
	}
}
