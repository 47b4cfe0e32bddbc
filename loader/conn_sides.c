// SPDX-License-Identifier: Apache-2.0
#include "loader/conn_sides.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/hash.h"

static uint64_t side_hash(const char *port, const struct sim_tuple *tuple)
{
	return hash_str(port, sim_tuple_hash(tuple));
}

struct side *side_find(const struct hmap *sides, const char *port, const struct sim_tuple *tuple)
{
	struct hmap_node *n = hmap_first_with_hash(sides, side_hash(port, tuple));

	/* two with one hash share an entry: one of them is told later than it could be */
	return n ? container_of(n, struct side, node) : NULL;
}

struct side *side_get(struct hmap *sides, const struct sim_conn *c)
{
	struct side *side = side_find(sides, c->port, &c->tuple);

	if (side || sides->n >= SIDES_MAX)
		return side;
	side = calloc(1, sizeof(*side));
	if (!side)
		return NULL;
	side->begun_ns = clock_mono_ns();
	if (!hmap_insert(sides, &side->node, side_hash(c->port, &c->tuple)))
		return side;
	free(side);
	return NULL;
}

void side_forget(struct hmap *sides, const char *port, const struct sim_tuple *tuple)
{
	struct side *side = side_find(sides, port, tuple);

	if (!side)
		return;
	hmap_remove(sides, &side->node);
	free(side);
}

void sides_fini(struct hmap *sides)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, sides) {
		hmap_remove(sides, n);
		free(container_of(n, struct side, node));
	}
	hmap_fini(sides);
}

uint64_t side_begun_ns(const struct hmap *sides, const char *port, const struct sim_tuple *tuple)
{
	const struct side *side = side_find(sides, port, tuple);

	return side ? side->begun_ns : 0;
}
