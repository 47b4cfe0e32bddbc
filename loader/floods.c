// SPDX-License-Identifier: Apache-2.0
/* Flood groups: the members of a bridge on this host behind one tunnel key, so that a flood costs
 * one copy per host on the underlay. */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/log.h"

static struct flood *find_flood(const struct tenant *t, const char *bridge)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &t->floods, hash_str(bridge, 0)) {
		struct flood *f = container_of(n, struct flood, by_bridge);

		if (!strcmp(f->bridge, bridge))
			return f;
	}
	return NULL;
}

struct flood *floods_get(struct tenant *t, const char *bridge, const char *port)
{
	struct agent *a = t->agent;
	struct flood *f = find_flood(t, bridge);
	uint32_t key;

	if (f)
		return f;
	key = keys_for_flood(t, port);
	f = key ? calloc(1, sizeof(*f)) : NULL;
	if (!f)
		return NULL;
	f->key = key;
	f->dirty = true;
	snprintf(f->bridge, sizeof(f->bridge), "%s", bridge);
	if (hmap_insert(&t->floods, &f->by_bridge, hash_str(bridge, 0))) {
		free(f);
		return NULL;
	}
	if (hmap_insert(&a->floods, &f->by_key, hash_u64(key))) {
		hmap_remove(&t->floods, &f->by_bridge);
		free(f);
		return NULL;
	}
	return f;
}

void floods_put(struct tenant *t, struct flood *f)
{
	if (!f || --f->ports) {
		if (f)
			f->dirty = true;
		return;
	}
	(void)dp_flood_key(t->agent->dp, f->key,
			   0); /* nothing can be done about a failure, and it is harmless */
	if (f->set)
		dp_set_free(t->agent->dp, f->set);
	hmap_remove(&t->floods, &f->by_bridge);
	hmap_remove(&t->agent->floods, &f->by_key);
	free(f);
}

/* Writes the members of each changed group. */
void floods_sync(struct tenant *t)
{
	struct agent *a = t->agent;
	struct hmap_node *fn, *ftmp, *n, *tmp;
	struct skep_out *outs = calloc(t->ports.n + 1, sizeof(*outs));

	if (!outs)
		return; /* they stay dirty */
	hmap_for_each (fn, ftmp, &t->floods) {
		struct flood *f = container_of(fn, struct flood, by_bridge);
		uint32_t n_outs = 0;
		int rc;

		if (!f->dirty)
			continue;
		hmap_for_each (n, tmp, &t->ports) {
			struct lport *p = container_of(n, struct lport, by_name);
			bool peer = false;

			if (p->flood != f || !p->attached)
				continue;
			outs[n_outs].action = SKEP_ACT_LOCAL;
			if (!dp_port_output(a->dp, p->key, &outs[n_outs].out, &peer))
				continue;
			outs[n_outs].police = (uint16_t)p->police_out;
			outs[n_outs++].flags = peer ? SKEP_F_PEER : 0;
		}
		rc = dp_set_put(a->dp, outs, n_outs, &f->set);
		if (!rc)
			rc = dp_flood_key(a->dp, f->key, f->set);
		if (rc)
			log_error(
				"bridge '%s' of tenant '%s': cannot write its flood group of %u ports: %s",
				f->bridge, t->name, n_outs, strerror(-rc));
		else
			f->dirty = false;
	}
	free(outs);
}
