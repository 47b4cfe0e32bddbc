// SPDX-License-Identifier: Apache-2.0
/*
 * From where the kernel says that the other end of a connection is (host, tunnel key) to the port's name.  An index of the snapshot's live
 * ports, made anew when it does not know the answer and the records have changed since.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/agent.h"
#include "util/hash.h"

struct place {
	struct hmap_node node;
	char name[TOPO_NAME_MAX + 1];
};

static uint64_t hash_place(const char *host, uint32_t key)
{
	return hash_str(host, hash_u64(key));
}

void whereabouts_fini(struct tenant *t)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &t->places) {
		hmap_remove(&t->places, n);
		free(container_of(n, struct place, node));
	}
	hmap_fini(&t->places);
}

static void build(struct tenant *t)
{
	struct topo_ports_at at;

	whereabouts_fini(t);
	hmap_init(&t->places);
	for (const struct topo_port *p = topo_ports_first(&t->snap->ports, &at); p; p = topo_ports_next(&at)) {
		struct place *pl = p->live_host && p->live_key ? calloc(1, sizeof(*pl)) : NULL;

		if (!pl)
			continue;
		snprintf(pl->name, sizeof(pl->name), "%s", p->o.name);
		if (hmap_insert(&t->places, &pl->node, hash_place(p->live_host, p->live_key)))
			free(pl);
	}
}

static const char *find(const struct tenant *t, const char *host, uint32_t key)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &t->places, hash_place(host, key)) {
		const struct place *pl = container_of(n, struct place, node);
		const struct topo_port *p = topo_find_port(t->snap, pl->name);

		if (p && p->live_key == key && p->live_host && !strcmp(p->live_host, host))
			return pl->name;
	}
	return "";
}

const char *tenant_port_at(struct tenant *t, const char *host, uint32_t key)
{
	const uint64_t changes = t->agent->stats.updates + t->agent->stats.builds;
	const char *name;

	if (!t->snap)
		return "";
	name = find(t, host, key);
	if (*name || t->places_changes == changes)
		return name;
	t->places_changes = changes;
	build(t);
	return find(t, host, key);
}
