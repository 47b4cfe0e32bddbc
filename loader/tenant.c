// SPDX-License-Identifier: Apache-2.0
/*
 * A tenant as this host sees it: the mirror of its records, the snapshot made of them, and what a
 * new snapshot entails: flows whose tags changed meaning go, ports bound here are attached, waiting
 * packets are tried again.  Changes are gathered until the loop has taken all that has arrived.
 */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>

#include "loader/natpath.h"
#include "topology/change.h"
#include "util/hash.h"
#include "util/log.h"

#define CHANGES_MAX 4096 /* more at once: a new snapshot is faster */

struct tenant *tenant_find(const struct agent *a, const char *name)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &a->tenants, hash_str(name, 0)) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

bool tenants_loaded(const struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		const struct tenant *t = container_of(n, struct tenant, node);

		if (!t->loaded || t->dirty || !t->snap)
			return false;
	}
	return a->registry_known;
}

void tenant_invalidate(struct tenant *t, const struct topo_tag *tag)
{
	recheck_tag(t, tag);
}

struct differ {
	struct tenant *t;
	bool policy; /* connections that were admitted may not be so any more */
};

static bool is_policy(enum topo_tag_kind kind)
{
	return kind == TOPO_TAG_PORT || kind == TOPO_TAG_CHAIN || kind == TOPO_TAG_SGROUP ||
	       kind == TOPO_TAG_GROUP || kind == TOPO_TAG_MEMBER || kind == TOPO_TAG_PGROUP ||
	       kind == TOPO_TAG_BRIDGE || kind == TOPO_TAG_ROUTER;
}

static void on_tag(void *arg, const struct topo_tag *tag)
{
	struct differ *d = arg;

	tenant_invalidate(d->t, tag);
	d->policy = d->policy || is_policy(tag->kind);
}

static void say_trouble(struct tenant *t, const char *text)
{
	if (!strcmp(t->trouble, text))
		return;
	snprintf(t->trouble, sizeof(t->trouble), "%s", text);
	telemetry_event(t, *text ? "trouble" : "usable", "", "%s", text);
	if (*text)
		log_error(
			"tenant '%s': the records in the database cannot be used, keeping the network as it was: %s",
			t->name, text);
	else
		log_info("tenant '%s': the records in the database are usable again", t->name);
}

/* The snapshot has changed: so have flows' tags, and perhaps what policy says of connections. */
static void differs(struct tenant *t, const struct differ *d)
{
	say_trouble(t, "");
	if (d->policy)
		recheck_policy(t);
}

/* False: the old snapshot stands. */
static bool build_anew(struct tenant *t)
{
	struct topo_snapshot *snap, *old = t->snap;
	json_t *records = ports_overlay(t);
	struct differ d = { .t = t };
	struct err err = { 0 };

	snap = records ? topo_build(t->name, t->rev, records, &err) : NULL;
	json_decref(records);
	if (!snap) {
		say_trouble(t, *err.text ? err.text : "out of memory");
		return false;
	}
	topo_diff(old, snap, on_tag, &d);
	t->snap = snap;
	differs(t, &d);
	topo_unref(old);
	return true;
}

/* A few changes, of kinds that the snapshot can take in its place: true. */
static bool update(struct tenant *t, const json_t *changed)
{
	const struct topo_source source = { .get = ports_overlaid, .arg = t };
	const size_t n = json_object_size(changed);
	struct differ d = { .t = t };
	const char **paths, *path;
	uint32_t k = 0;
	json_t *v;
	int rc;

	if (!t->snap || !changed)
		return false;
	paths = calloc(n + 1, sizeof(*paths));
	if (!paths)
		return false;
	json_object_foreach ((json_t *)changed, path, v)
		paths[k++] = path;
	rc = topo_update(t->snap, t->rev, paths, k, &source, on_tag, &d);
	free(paths);
	if (rc)
		return false;
	t->agent->stats.updates++;
	differs(t, &d);
	return true;
}

static bool is_whereabouts(const char *path)
{
	return !strncmp(path, "live/", 5);
}

/* The first few of them by name.  'changed' NULL: more than were counted. */
static void say_changed(struct tenant *t, const json_t *changed)
{
	char text[128] = "";
	size_t n = 0, at = 0;
	const char *path;
	json_t *v;

	json_object_foreach ((json_t *)changed, path, v)
		if (!is_whereabouts(path) && n++ < 4 && at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? ", " : "", path);
	if (n > 4 && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, " and %zu more", n - 4);
	if (n || !changed)
		telemetry_event(t, "changed", "", "%s", changed ? text : "much");
}

/* One turn.  True: another one is due, because what local ports' live records should say has changed. */
static bool rebuild_once(struct tenant *t)
{
	json_t *changed = TAKE_PTR(t->changed);
	bool all = t->all_ports, again;

	t->changed = json_object(); /* NULL: as if too many */
	t->all_ports = false;
	if (!update(t, changed)) {
		all = true;
		if (!build_anew(t)) {
			json_decref(t->changed);
			t->changed = changed;
			t->all_ports = true;
			return false;
		}
		t->agent->stats.builds++;
	}
	say_changed(t, changed);
	again = all ? ports_sync(t) : ports_sync_some(t, changed);
	json_decref(changed);
	return again;
}

static void rebuild(struct tenant *t)
{
	/* ports that come up change the live records that the next snapshot is made of; a third
	 * time would change nothing */
	for (int i = 0; i < 3; i++)
		if (!rebuild_once(t))
			break;
	t->dirty = false;
	inforce_built(t, !*t->trouble);
	park_ready_scope(t->agent->park, t);
}

static void rebuild_all(void *arg)
{
	struct agent *a = arg;
	struct hmap_node *n, *tmp;

	a->rebuild_timer = NULL;
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->dirty && t->loaded) {
			rebuild(t);
			seen_done(t);
		}
	}
	if (tenants_loaded(a))
		keys_adoption_end(a);
	inforce_check(a);
	state_flush(a);
	upcall_drain(a);
	if (a->walk_soon)
		expiry_walk(a);
}

static void soon(struct tenant *t)
{
	struct agent *a = t->agent;

	t->dirty = true;
	if (!a->rebuild_timer)
		a->rebuild_timer = loop_timer_add(a->loop, 0, 0, rebuild_all, a);
}

void tenant_changed(struct tenant *t)
{
	t->all_ports = true;
	soon(t);
}

void tenant_changed_record(struct tenant *t, const char *path)
{
	if (t->changed && (json_object_size(t->changed) >= CHANGES_MAX ||
			   json_object_set_new(t->changed, path, json_true())))
		json_decref(TAKE_PTR(t->changed));
	soon(t);
}

/* The snapshot depends on it; the rest is tables. */
static bool is_topology(const char *path)
{
	return !learn_is_path(path) && !natpath_is(path) && strcmp(path, DB_WISH) != 0;
}

static void apply(struct tenant *t, const char *path, const json_t *record)
{
	const json_t *old = json_object_get(t->records, path);

	if (json_is_null(record))
		record = NULL;
	publish_seen(t->pub, path, record);
	if (old ? record && json_equal(old, record) : !record)
		return;
	if (learn_is_path(path))
		learn_record(t, path, record);
	else if (natpath_is(path))
		natblock_record(t, path, record);
	else if (is_topology(path))
		tenant_changed_record(t, path);
	else if (record)
		telemetry_wish(t, record);
	if (!record)
		(void)json_object_del(t->records, path);
	else if (json_object_set(t->records, path, (json_t *)record))
		log_error("tenant '%s': out of memory at record '%s'", t->name, path);
}

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct tenant *t = arg;
	const char *path;
	json_t *v;
	void *tmp;

	t->rev = rev;
	t->crev = crev;
	soon(t); /* the revision alone is worth telling */
	json_object_foreach_safe(t->records, tmp, path, v) if (!json_object_get(records, path))
	{
		/* the key goes with the record */
		char *copy = strdup(path);

		if (copy)
			apply(t, copy, NULL);
		free(copy);
	}
	json_object_foreach ((json_t *)records, path, v)
		apply(t, path, v);
	if (t->loaded && t->dirty)
		inforce_arrived(t, 0, "");
	publish_snapshot(t->pub, records);
	if (!t->loaded) {
		log_info("tenant '%s': %zu records", t->name, json_object_size(records));
		t->loaded = true;
		t->agent->walk_soon = true;
		tenant_changed(t);
	}
	upcall_drain(t->agent);
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	struct tenant *t = arg;
	const char *path;
	json_t *v;

	t->rev = rev;
	if (t->crev != crev)
		soon(t); /* that one is in force is worth telling, also when nothing changes here */
	t->crev = crev;
	json_object_foreach ((json_t *)changes, path, v)
		apply(t, path, v);
	if (t->dirty)
		inforce_arrived(t, db_follow_ms(t->follow), db_follow_traces(t->follow));
	upcall_drain(t->agent);
}

static void free_tenant(struct tenant *t)
{
	mirror_fini(t);
	natblock_fini(t);
	conns_fini(t);
	whereabouts_fini(t);
	rules_fini(t);
	telemetry_fini(t);
	inforce_fini(t);
	publisher_free(t->pub);
	sim_tables_free(t->tables);
	topo_unref(t->snap);
	json_decref(t->records);
	json_decref(t->changed);
	free(t);
}

int tenant_follow(struct agent *a, const char *name)
{
	static const struct db_follow_ops ops = { .snapshot = on_snapshot, .change = on_change };
	struct tenant *t;

	if (!*name || strlen(name) > TOPO_NAME_MAX || a->tenants.n >= AGENT_TENANTS_MAX) {
		log_error("tenant '%.80s' cannot be followed: %s", name,
			  a->tenants.n >= AGENT_TENANTS_MAX ? "too many tenants on this host"
							    : "not a name");
		return -1;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		goto fail;
	t->agent = a;
	memcpy(t->name, name, strlen(name) + 1);
	t->records = json_object();
	t->tables = sim_tables_new(AGENT_MACS_MAX, AGENT_NEIGHS_MAX);
	t->pub = publisher_new(a->loop, a->db, name, a->config->host, &a->leased);
	if (!t->records || !t->tables || !t->pub || conns_init(t) || mirror_init(t) ||
	    natblock_init(t) || rules_init(t) ||
	    hmap_insert(&a->tenants, &t->node, hash_str(name, 0)))
		goto fail;
	t->follow = db_follow(a->db, name, &ops, t);
	if (t->follow)
		return 0;
	hmap_remove(&a->tenants, &t->node);
fail:
	if (t)
		free_tenant(t);
	log_error("tenant '%s' cannot be followed: out of memory", name);
	return -1;
}

static void delete_flow(void *arg, struct index_flow *flow)
{
	index_del(arg, flow);
}

void tenant_free(struct tenant *t)
{
	struct agent *a = t->agent;

	db_unfollow(t->follow);
	a->metrics.unforced -= t->inforce.n;
	upcall_flush(a);
	state_flush(a);
	recheck_forget(t);
	index_walk(a->index, t, delete_flow, a->index);
	park_ready_scope(a->park, t); /* they will find no port, and be counted */
	ports_forget(t);
	hmap_remove(&a->tenants, &t->node);
	free_tenant(t);
}

void tenants_fini(struct agent *a)
{
	struct hmap_node *n, *tmp, *m, *mtmp;

	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		db_unfollow(t->follow);
		hmap_for_each (m, mtmp, &t->ports) {
			hmap_remove(&t->ports, m);
			free(container_of(m, struct lport, by_name));
		}
		hmap_for_each (m, mtmp, &t->floods) {
			hmap_remove(&t->floods, m);
			free(container_of(m, struct flood, by_bridge));
		}
		hmap_fini(&t->ports);
		hmap_fini(&t->floods);
		hmap_remove(&a->tenants, &t->node);
		free_tenant(t);
	}
	hmap_fini(&a->tenants);
}
