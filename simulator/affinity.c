// SPDX-License-Identifier: Apache-2.0
/* Which client of which VIP keeps which member (conns.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/conns_private.h"
#include "util/hash.h"

struct affinity {
	struct hmap_node node;
	struct skep_ip client;
	uint64_t timeout_ns, last_ns;
	char vip[TOPO_NAME_MAX + 1], member[TOPO_NAME_MAX + 1];
};

static uint64_t hash_affinity(const struct sim_conns *c, const char *vip, const struct skep_ip *client)
{
	return hash_bytes(client, sizeof(*client), hash_str(vip, c->seed));
}

static struct affinity *find(const struct sim_conns *c, const char *vip, const struct skep_ip *client)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &c->affinities, hash_affinity(c, vip, client))
	{
		struct affinity *a = container_of(node, struct affinity, node);

		if (ip_eq(&a->client, client) && !strcmp(a->vip, vip))
			return a;
	}
	return NULL;
}

static bool is_over(const struct affinity *a, uint64_t now_ns)
{
	return now_ns > a->last_ns && now_ns - a->last_ns > a->timeout_ns;
}

static void set_name(char dst[static TOPO_NAME_MAX + 1], const char *src)
{
	size_t n = strnlen(src, TOPO_NAME_MAX);

	memset(dst, 0, TOPO_NAME_MAX + 1);
	memcpy(dst, src, n);
}

int sim_conns_set_affinity(struct sim_conns *c, const char *vip, const struct skep_ip *client,
			   const char *member, uint64_t timeout_ns, uint64_t now_ns)
{
	struct affinity *a = find(c, vip, client);
	bool same = a && !strcmp(a->member, member) && !is_over(a, now_ns);

	if (!a) {
		if (c->affinities.n >= c->limits.affinities)
			return -ENOSPC;
		a = calloc(1, sizeof(*a));
		if (!a)
			return -ENOMEM;
		a->client = *client;
		set_name(a->vip, vip);
		if (hmap_insert(&c->affinities, &a->node, hash_affinity(c, vip, client))) {
			free(a);
			return -ENOMEM;
		}
	}
	set_name(a->member, member);
	a->timeout_ns = timeout_ns;
	a->last_ns = now_ns;
	return same ? 0 : 1;
}

const char *sim_conns_affinity(const struct sim_conns *c, const char *vip, const struct skep_ip *client,
			       uint64_t now_ns)
{
	const struct affinity *a = find(c, vip, client);

	return a && !is_over(a, now_ns) ? a->member : NULL;
}

void sim_conns_affinity_aged(struct sim_conns *c, uint64_t now_ns,
			     void (*cb)(void *arg, const char *vip, const struct skep_ip *client),
			     void *arg)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &c->affinities) {
		struct affinity *a = container_of(node, struct affinity, node);

		if (!is_over(a, now_ns))
			continue;
		if (cb)
			cb(arg, a->vip, &a->client);
		hmap_remove(&c->affinities, &a->node);
		free(a);
	}
}

void conns_free_affinities(struct sim_conns *c)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &c->affinities)
		free(container_of(node, struct affinity, node));
	hmap_fini(&c->affinities);
}
