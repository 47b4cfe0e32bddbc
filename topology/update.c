// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot changed in place (change.h): the records that have changed become steps, one for each port and pool member; all that may fail
 * comes before the first change that cannot be taken back.  Ports: update_port.c; routes, floating IPs: update_route.c; tags: update_tags.c.  Called by the agent at each new generation.
 */
#include "topology/update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "topology/doc.h"
#include "util/hash.h"

json_t *topo_update_get(const struct update *u, const char *kind, const char *name)
{
	char path[TOPO_PATH];

	snprintf(path, sizeof(path), "%s/%s", kind, name);
	return u->source->get(u->source->arg, path);
}

/* --- which objects --- */

static int touch_port(struct update *u, const char *name)
{
	const uint64_t hash = hash_str(name, 0);
	struct hmap_node *node;
	struct port_op *op;

	if (strlen(name) > TOPO_NAME_MAX)
		return -EOPNOTSUPP;
	hmap_for_each_with_hash(node, &u->by_name, hash)
		if (!strcmp(container_of(node, struct port_op, node)->name, name))
			return 0;
	op = arena_alloc(&u->arena, sizeof(*op));
	if (!op || hmap_insert(&u->by_name, &op->node, hash))
		return -ENOMEM;
	op->name = name;
	u->ports[u->n_ports++] = op;
	return 0;
}

static int touch_member(struct update *u, const char *name)
{
	struct topo_object *o = topo_find(u->snap, TOPO_MEMBER, name);
	struct topo_member *m = o ? container_of(o, struct topo_member, o) : NULL;
	json_t *rec;

	if (!m)
		return 0; /* as a build: there is no such member */
	rec = topo_update_get(u, "health", name);
	u->health[u->n_health++] = (struct health_op){
		.member = m, .was = m->healthy, .now = !json_is_false(json_object_get(rec, "up"))
	};
	json_decref(rec);
	return 0;
}

static int touch(struct update *u, const char *path)
{
	enum topo_kind kind;
	const char *name;

	if (!strncmp(path, "live/", 5))
		return touch_port(u, path + 5);
	if (!strncmp(path, "health/", 7))
		return touch_member(u, path + 7);
	if (!topo_path_parse(path, &kind, &name))
		return 0; /* not of the topology */
	if (kind == TOPO_ROUTE)
		return topo_update_route(u, name);
	if (kind == TOPO_FLOATING_IP)
		return topo_update_fip(u, name);
	return kind == TOPO_PORT || kind == TOPO_BIND ? touch_port(u, name) : -EOPNOTSUPP;
}

static int plan(struct update *u, const char *const *paths, uint32_t n)
{
	int rc = 0;

	u->ports = arena_alloc(&u->arena, (n + 1) * sizeof(struct port_op *));
	u->routes = arena_alloc(&u->arena, (n + 1) * sizeof(*u->routes));
	u->fips = arena_alloc(&u->arena, (n + 1) * sizeof(*u->fips));
	u->health = arena_alloc(&u->arena, (n + 1) * sizeof(*u->health));
	u->pools = arena_alloc(&u->arena, (n + 1) * sizeof(*u->pools));
	if (arena_failed(&u->arena))
		return -ENOMEM;
	/* bindings count as objects, too */
	if ((u->snap->by_name.n + n) * 2 > TOPO_OBJECTS_MAX)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = touch(u, paths[i]);
	for (uint32_t i = 0; !rc && i < u->n_ports; i++)
		rc = topo_update_plan(u, u->ports[i]);
	for (uint32_t i = 0; !rc && i < u->n_ports; i++)
		rc = topo_update_entries(u, u->ports[i]);
	return rc;
}

static void drop(struct update *u)
{
	for (uint32_t i = 0; i < u->n_ports; i++)
		topo_update_drop(u, u->ports[i]);
	topo_update_free_new(u);
}

/* --- doing it --- */

static int take_place(const struct topo_entry *e)
{
	if (e->place == TOPO_IN_MEMBERS)
		return topo_member_add(e->group, &e->prefix.ip, e->prefix.len);
	return topo_ports_put(e->list, e->port, e->key.b);
}

static void leave_place(const struct topo_entry *e)
{
	if (e->place == TOPO_IN_MEMBERS)
		topo_member_del(e->group, &e->prefix.ip, e->prefix.len);
	else
		topo_ports_del(e->list, e->port, e->key.b);
}

static bool makes_port(const struct port_op *op)
{
	return op->after && !op->before;
}

/* New ports by name, new places: all of it, or none. */
static int take_places(struct update *u)
{
	struct hmap *by_name = &u->snap->by_name;
	uint32_t ports = 0, entries = 0;
	int rc = 0;

	for (; !rc && ports < u->n_ports; ports++) {
		struct port_op *op = u->ports[ports];

		if (makes_port(op))
			rc = hmap_insert(by_name, &op->port->o.by_name,
					 topo_object_hash(TOPO_PORT, op->name));
		if (rc)
			break;
	}
	for (; !rc && entries < u->adds.n; entries++) {
		rc = take_place(&u->adds.v[entries]);
		if (rc)
			break;
	}
	if (!rc)
		return 0;
	while (entries--)
		leave_place(&u->adds.v[entries]);
	while (ports--)
		if (makes_port(u->ports[ports]))
			hmap_remove(by_name, &u->ports[ports]->port->o.by_name);
	return rc;
}

static void undo_health(struct update *u)
{
	for (uint32_t i = 0; i < u->n_health; i++)
		u->health[i].member->healthy = u->health[i].was;
	for (uint32_t i = 0; i < u->n_pools; i++) {
		topo_maglev_free(u->pools[i].pool->maglev, &u->snap->memory->pool);
		u->pools[i].pool->maglev = u->pools[i].maglev;
	}
}

static bool seen_pool(const struct update *u, const struct topo_pool *pool)
{
	for (uint32_t i = 0; i < u->n_pools; i++)
		if (u->pools[i].pool == pool)
			return true;
	return false;
}

/* Members' health, and the tables of their pools: all of it, or none. */
static int do_health(struct update *u)
{
	for (uint32_t i = 0; i < u->n_health; i++)
		u->health[i].member->healthy = u->health[i].now;
	for (uint32_t i = 0; i < u->n_health; i++) {
		struct topo_pool *pool = u->health[i].member->pool;
		const struct topo_maglev *old = pool->maglev;
		bool none = false;

		if (u->health[i].was == u->health[i].now || seen_pool(u, pool))
			continue;
		pool->maglev = topo_maglev_build(pool->members, pool->n_members,
						 &u->snap->memory->pool, &none);
		u->pools[u->n_pools++] = (struct pool_op){ pool, old };
		if (!pool->maglev && !none) {
			undo_health(u);
			return -ENOMEM;
		}
	}
	return 0;
}

/* From here on nothing fails. */
static void commit(struct update *u)
{
	for (uint32_t i = 0; i < u->n_ports; i++) {
		struct port_op *op = u->ports[i];

		if (!op->light && op->after && op->now.bridge)
			topo_vlans_count(&op->now, 1);
		if (!op->light && op->before && op->was.bridge)
			topo_vlans_count(&op->was, -1);
		topo_update_commit(u, op);
		if (op->before && !op->after)
			hmap_remove(&u->snap->by_name, &op->port->o.by_name);
	}
	for (uint32_t i = 0; i < u->dels.n; i++)
		leave_place(&u->dels.v[i]);
	topo_update_unlink_old(u);
}

static void free_old(struct update *u)
{
	for (uint32_t i = 0; i < u->n_ports; i++) {
		struct port_op *op = u->ports[i];

		if (!op->before)
			continue;
		if (!op->after)
			topo_port_free(u->snap, op->port);
		else if (op->light)
			topo_port_clear_place(u->snap, &op->was);
		else
			topo_port_clear(u->snap, &op->was);
	}
	for (uint32_t i = 0; i < u->n_pools; i++)
		topo_maglev_free(u->pools[i].maglev, &u->snap->memory->pool);
	topo_update_free_old(u);
}

static int run(struct update *u, const char *const *paths, uint32_t n,
	       const struct diff *d)
{
	int rc = plan(u, paths, n);

	if (!rc)
		rc = topo_update_note(u);
	if (!rc)
		rc = do_health(u);
	if (!rc) {
		rc = topo_update_link(u);
		if (!rc) {
			rc = take_places(u);
			if (rc)
				topo_update_unlink_new(u);
		}
		if (rc)
			undo_health(u);
	}
	if (rc) {
		drop(u);
		return rc;
	}
	commit(u);
	topo_update_tell(u, d);
	free_old(u);
	return 0;
}

int topo_update(struct topo_snapshot *snap, uint64_t rev, const char *const *paths, uint32_t n,
		const struct topo_source *source, void (*cb)(void *arg, const struct topo_tag *tag),
		void *arg)
{
	struct update u = { .snap = snap, .source = source };
	struct diff d = { .cb = cb, .arg = arg };
	int rc;

	if (snap->refs != 1)
		return -EOPNOTSUPP;
	arena_init(&u.arena, 0);
	hmap_init(&u.by_name);
	rc = run(&u, paths, n, &d);
	hmap_fini(&u.by_name);
	arena_fini(&u.arena);
	if (!rc)
		snap->rev = rev;
	return rc;
}
