// SPDX-License-Identifier: Apache-2.0
/*
 * Ports bound to this host.  The snapshot says which port belongs to which interface; a port is
 * attached when the interface is there, and its live record says so to all.  Tunnel keys are
 * keys.c's, flood groups floods.c's.
 */
#include "loader/agent.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/log.h"

/* --- lookups --- */

struct lport *ports_find(const struct agent *a, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&a->ports, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct lport, by_key) : NULL;
}

struct lport *ports_find_name(const struct tenant *t, const char *name)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &t->ports, hash_str(name, 0)) {
		struct lport *p = container_of(n, struct lport, by_name);

		if (!strcmp(p->name, name))
			return p;
	}
	return NULL;
}

static struct iface *find_iface(const struct agent *a, const char *name)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &a->ifaces, hash_str(name, 0)) {
		struct iface *i = container_of(n, struct iface, node);

		if (!strcmp(i->name, name))
			return i;
	}
	return NULL;
}

static struct iface *get_iface(struct agent *a, const char *name)
{
	struct iface *i = find_iface(a, name);

	if (i || strlen(name) > TOPO_IFNAME_MAX)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i || hmap_insert(&a->ifaces, &i->node, hash_str(name, 0))) {
		free(i);
		return NULL;
	}
	memcpy(i->name, name, strlen(name) + 1);
	return i;
}

bool ports_output(void *agent, uint32_t key, uint32_t *ifindex, bool *peer)
{
	struct agent *a = agent;

	return dp_port_output(a->dp, key, ifindex, peer);
}

/* --- attach and detach --- */

static void invalidate_port(struct lport *p)
{
	tenant_invalidate(p->tenant, &(struct topo_tag){ .kind = TOPO_TAG_PORT, .name = p->name });
}

/* What ports_overlay() says of the port has changed. */
static void overlay_changed(struct lport *p)
{
	char path[TOPO_NAME_MAX + 8];

	snprintf(path, sizeof(path), "live/%s", p->name);
	tenant_changed_record(p->tenant, path);
}

static void detach(struct lport *p)
{
	struct iface *i = find_iface(p->tenant->agent, p->interface);

	if (!p->attached)
		return;
	invalidate_port(p);
	answers_forget(p);
	overlay_changed(p);
	dp_port_detach(p->tenant->agent->dp, p->key);
	p->attached = false;
	p->ifindex = 0;
	if (i && i->port == p)
		i->port = NULL;
	if (p->flood)
		p->flood->dirty = true;
	log_info("port '%s' of tenant '%s' is down: interface '%s'", p->name, p->tenant->name,
		 p->interface);
}

static void trouble(struct lport *p, const char *text)
{
	if (*text && strcmp(p->trouble, text))
		log_error("port '%s' of tenant '%s' cannot use interface '%s': %s", p->name,
			  p->tenant->name, p->interface, text);
	if (text != p->trouble)
		snprintf(p->trouble, sizeof(p->trouble), "%.*s", (int)sizeof(p->trouble) - 1, text);
}

/* What it is sent may be more than what it begins, but not all that there is room for. */
static void limit_conns(const struct lport *p)
{
	const struct config *c = p->tenant->agent->config;
	const uint32_t quarter = c->conns_max / 4;

	dp_port_limits(p->tenant->agent->dp, p->key, c->conns_port_max,
		       quarter > c->conns_port_max ? quarter : c->conns_port_max);
}

static void attach(struct lport *p, uint32_t ifindex)
{
	struct agent *a = p->tenant->agent;
	struct iface *i = get_iface(a, p->interface);
	char text[sizeof(p->trouble)];
	struct err err = { 0 };

	if (!i)
		return;
	i->ifindex = ifindex;
	if (i->port && i->port != p) {
		snprintf(text, sizeof(text), "port '%s' of tenant '%s' has it already",
			 i->port->name, i->port->tenant->name);
		trouble(p, text);
		return;
	}
	if (dp_port_attach(a->dp, p->key, p->interface, &err)) {
		trouble(p, err.text);
		return;
	}
	limit_conns(p);
	trouble(p, "");
	i->port = p;
	p->ifindex = ifindex;
	p->attached = true;
	if (p->flood)
		p->flood->dirty = true;
	invalidate_port(p);
	overlay_changed(p);
	log_info("port '%s' of tenant '%s' is up: interface '%s', key 0x%06x", p->name,
		 p->tenant->name, p->interface, p->key);
	park_ready(a->park, &(struct park_what){ .kind = PARK_PORT, .key = p->key });
}

/* --- live records --- */

static json_t *live_record(const struct lport *p)
{
	return json_pack("{s:s, s:i, s:i}", "host", p->tenant->agent->config->host, "key",
			 (int)p->key, "flood", p->flood ? (int)p->flood->key : 0);
}

static void say_live(struct lport *p)
{
	char path[TOPO_NAME_MAX + 8];

	snprintf(path, sizeof(path), "live/%s", p->name);
	if (p->tenant->agent->leaving)
		return;
	if (p->attached) {
		if (publish_set(p->tenant->pub, path, live_record(p)))
			log_error("cannot publish port '%s' of tenant '%s': out of memory", p->name,
				  p->tenant->name);
	} else if (publish_wanted(p->tenant->pub, path) || keys_own_live(p->tenant, p->name)) {
		publish_del(p->tenant->pub, path);
	}
}

/* A record that says "here" of a port that is not. */
static bool is_stale(struct tenant *t, const char *path)
{
	struct lport *p;

	if (strncmp(path, "live/", 5) || !keys_own_live(t, path + 5))
		return false;
	p = ports_find_name(t, path + 5);
	return !p || !p->attached;
}

static void retract_stale(struct tenant *t, const json_t *records)
{
	const char *path;
	json_t *v;

	json_object_foreach ((json_t *)records, path, v)
		if (is_stale(t, path))
			publish_del(t->pub, path);
}

json_t *ports_overlay(struct tenant *t)
{
	json_t *copy = json_copy(t->records), *v;
	struct hmap_node *n, *tmp;
	char path[TOPO_NAME_MAX + 8];
	void *safe;
	const char *key;

	json_object_foreach_safe(copy, safe, key, v) if (is_stale(t, key))
	{
		snprintf(path, sizeof(path), "%s", key);
		(void)json_object_del(copy, path);
	}
	hmap_for_each (n, tmp, &t->ports) {
		struct lport *p = container_of(n, struct lport, by_name);

		snprintf(path, sizeof(path), "live/%s", p->name);
		if (p->attached && copy && json_object_set_new(copy, path, live_record(p))) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

json_t *ports_overlaid(void *tenant, const char *path)
{
	struct tenant *t = tenant;
	const struct lport *p = strncmp(path, "live/", 5) ? NULL : ports_find_name(t, path + 5);

	if (p && p->attached)
		return live_record(p);
	return is_stale(t, path) ? NULL : json_incref(json_object_get(t->records, path));
}

/* --- in line with the snapshot --- */

static void free_port(struct lport *p)
{
	struct tenant *t = p->tenant;

	detach(p);
	conns_port_gone(p);
	ports_unpolice(p);
	floods_put(t, p->flood);
	p->flood = NULL;
	hmap_remove(&t->agent->ports, &p->by_key);
	hmap_remove(&t->ports, &p->by_name);
	free(p);
}

static struct lport *new_port(struct tenant *t, const struct topo_port *tp)
{
	struct agent *a = t->agent;
	uint32_t key = keys_for_port(t, tp->o.name, tp->interface);
	struct lport *p = key ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		goto fail;
	p->tenant = t;
	p->key = key;
	snprintf(p->name, sizeof(p->name), "%s", tp->o.name);
	snprintf(p->interface, sizeof(p->interface), "%s", tp->interface);
	if (hmap_insert(&t->ports, &p->by_name, hash_str(p->name, 0)))
		goto fail;
	if (hmap_insert(&a->ports, &p->by_key, hash_u64(key))) {
		hmap_remove(&t->ports, &p->by_name);
		goto fail;
	}
	conns_port_up(p);
	return p;
fail:
	log_error("port '%s' of tenant '%s' cannot be bound: %s", tp->o.name, t->name,
		  key ? "out of memory" : "no tunnel key is left");
	free(p);
	return NULL;
}

static void set_flood(struct lport *p, const struct topo_port *tp)
{
	const char *bridge = tp->bridge ? tp->bridge->o.name : NULL;

	if (p->flood ? bridge && !strcmp(p->flood->bridge, bridge) : !bridge)
		return;
	floods_put(p->tenant, p->flood);
	p->flood = bridge ? floods_get(p->tenant, bridge, p->name) : NULL;
	if (p->flood) {
		p->flood->ports++;
		p->flood->dirty = true;
	}
}

static bool bound_here(const struct tenant *t, const struct topo_port *tp)
{
	return tp->host && tp->interface && !tp->peer &&
	       !strcmp(tp->host, t->agent->config->host) &&
	       strlen(tp->interface) <= TOPO_IFNAME_MAX;
}

/* Another interface is another port to the kernel, but the key stays. */
static bool move(struct lport *p, const struct topo_port *tp)
{
	if (!strcmp(p->interface, tp->interface))
		return false;
	detach(p);
	trouble(p, "");
	snprintf(p->interface, sizeof(p->interface), "%s", tp->interface);
	return true;
}

static void leave(struct lport *p)
{
	detach(p);
	say_live(p);
	free_port(p);
}

/* A port that is bound here: attached if it can be.  True: what its live record should say has changed. */
static bool bring_up(struct tenant *t, const struct topo_port *tp)
{
	struct lport *p = ports_find_name(t, tp->o.name);
	uint32_t ifindex, flood_key;
	bool changed;

	if (!p && !(p = new_port(t, tp)))
		return false;
	flood_key = p->flood ? p->flood->key : 0;
	set_flood(p, tp);
	changed = flood_key != (p->flood ? p->flood->key : 0);
	if (changed)
		overlay_changed(p);
	ifindex = if_nametoindex(p->interface);
	if (p->attached && p->ifindex != ifindex) {
		detach(p);
		changed = true;
	}
	if (!p->attached && ifindex) {
		attach(p, ifindex);
		changed = changed || p->attached;
	}
	say_live(p);
	ports_police(p, tp);
	advertise_port(p, tp);
	return changed;
}

bool ports_sync(struct tenant *t)
{
	const struct topo_snapshot *snap = t->snap;
	struct hmap_node *n, *tmp;
	struct topo_ports_at at;
	bool changed = false;

	hmap_for_each (n, tmp, &t->ports)
		container_of(n, struct lport, by_name)->wanted = false;
	for (const struct topo_port *tp = topo_ports_first(&snap->ports, &at); tp;
	     tp = topo_ports_next(&at)) {
		struct lport *p = bound_here(t, tp) ? ports_find_name(t, tp->o.name) : NULL;

		if (p)
			changed = move(p, tp) || changed;
		if (p)
			p->wanted = true;
	}
	/* those that go first: they free interfaces */
	hmap_for_each (n, tmp, &t->ports) {
		struct lport *p = container_of(n, struct lport, by_name);

		if (p->wanted)
			continue;
		leave(p);
		changed = true;
	}
	for (const struct topo_port *tp = topo_ports_first(&snap->ports, &at); tp;
	     tp = topo_ports_next(&at))
		if (bound_here(t, tp))
			changed = bring_up(t, tp) || changed;
	floods_sync(t);
	retract_stale(t, t->records);
	return changed;
}

/* The port that a record is of; NULL: of none that the snapshot has.  '*name': what it is called. */
static const struct topo_port *port_of(const struct tenant *t, const char *path, const char **name)
{
	const bool of_port = !strncmp(path, "port/", 5) || !strncmp(path, "bind/", 5) ||
			     !strncmp(path, "live/", 5);

	*name = of_port ? path + 5 : NULL;
	return of_port ? topo_find_port(t->snap, *name) : NULL;
}

bool ports_sync_some(struct tenant *t, const json_t *records)
{
	const struct topo_port *tp;
	bool changed = false;
	const char *path, *name;
	struct lport *p;
	json_t *v;

	json_object_foreach ((json_t *)records, path, v) {
		tp = port_of(t, path, &name);
		p = name ? ports_find_name(t, name) : NULL;
		if (p && tp && bound_here(t, tp)) {
			changed = move(p, tp) || changed;
		} else if (p) {
			leave(p);
			changed = true;
		}
	}
	json_object_foreach ((json_t *)records, path, v) {
		tp = port_of(t, path, &name);
		if (tp && bound_here(t, tp))
			changed = bring_up(t, tp) || changed;
	}
	floods_sync(t);
	retract_stale(t, records);
	return changed;
}

/* The kernel says: the interface has this index now (0 = gone). */
void ports_iface(struct agent *a, const char *name, uint32_t ifindex)
{
	struct iface *i = get_iface(a, name);
	struct hmap_node *n, *tmp, *m, *mtmp;

	if (!i)
		return;
	i->ifindex = ifindex;
	if (i->port && i->port->ifindex != ifindex) {
		detach(i->port); /* the tenant hears of it */
	}
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		hmap_for_each (m, mtmp, &t->ports) {
			struct lport *p = container_of(m, struct lport, by_name);

			if (ifindex && !p->attached && !strcmp(p->interface, name))
				overlay_changed(p);
		}
	}
	if (!ifindex && !i->port) {
		hmap_remove(&a->ifaces, &i->node);
		free(i);
	}
}

void ports_forget(struct tenant *t)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &t->ports)
		free_port(container_of(n, struct lport, by_name));
	hmap_fini(&t->ports);
	hmap_fini(&t->floods);
}

/* At exit: memory only, the kernel keeps what it has. */
void ports_fini(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->ifaces) {
		hmap_remove(&a->ifaces, n);
		free(container_of(n, struct iface, node));
	}
	keys_fini(a);
	hmap_fini(&a->ifaces);
	hmap_fini(&a->ports);
	hmap_fini(&a->floods);
}
