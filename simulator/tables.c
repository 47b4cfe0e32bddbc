// SPDX-License-Identifier: Apache-2.0
/*
 * MAC and neighbour tables of one tenant, and the view of a snapshot through them.  Entries name objects instead of pointing at them, so
 * that they outlive snapshots.  Bounded: a full table refuses, and says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/simulator.h"
#include "util/hash.h"
#include "util/hmap.h"

struct mac_entry {
	struct hmap_node node; /* hash of bridge and MAC */
	struct skep_mac mac;
	uint16_t vlan; /* 0: the bridge is not VLAN-aware */
	bool own;
	uint64_t seen_ns; /* own: last refreshed */
	char *port;
	char bridge[];
};

struct neigh_entry {
	struct hmap_node node; /* hash of port and address */
	struct skep_ip ip;
	struct skep_mac mac; /* zero while it is not known */
	bool own;
	uint64_t seen_ns;
	uint64_t failed_until_ns; /* 0 = it answers */
	char port[];
};

/* How much of a table is one port's doing: nobody fills it for all. */
struct port_share {
	struct hmap_node node; /* hash of the name */
	uint32_t macs, neighs;
	char port[];
};

struct sim_tables {
	struct hmap macs, neighs, shares;
	uint32_t max_macs, max_neighs;
	uint64_t
		seed; /* guests choose what is hashed; where the tables lie in memory is not theirs to know */
};

struct sim_tables *sim_tables_new(uint32_t max_macs, uint32_t max_neighs)
{
	struct sim_tables *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	hmap_init(&t->macs);
	hmap_init(&t->neighs);
	hmap_init(&t->shares);
	t->max_macs = max_macs;
	t->max_neighs = max_neighs;
	t->seed = hash_u64((uintptr_t)t);
	return t;
}

/* --- shares --- */

static struct port_share *find_share(const struct sim_tables *t, const char *port)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &t->shares, hash_str(port, t->seed))
	{
		struct port_share *s = container_of(node, struct port_share, node);

		if (!strcmp(s->port, port))
			return s;
	}
	return NULL;
}

static struct port_share *get_share(struct sim_tables *t, const char *port)
{
	struct port_share *s = find_share(t, port);
	size_t len = strlen(port) + 1;

	if (s)
		return s;
	s = calloc(1, sizeof(*s) + len);
	if (!s)
		return NULL;
	memcpy(s->port, port, len);
	if (hmap_insert(&t->shares, &s->node, hash_str(port, t->seed))) {
		free(s);
		return NULL;
	}
	return s;
}

static void drop_share(struct sim_tables *t, struct port_share *s)
{
	if (s->macs || s->neighs)
		return;
	hmap_remove(&t->shares, &s->node);
	free(s);
}

static void give_back_mac(struct sim_tables *t, const char *port)
{
	struct port_share *s = port ? find_share(t, port) : NULL;

	if (!s)
		return;
	s->macs--;
	drop_share(t, s);
}

/* One more MAC of the port: 0, -ENOSPC, -ENOMEM. */
static int take_mac(struct sim_tables *t, const char *port)
{
	struct port_share *s = get_share(t, port);

	if (!s)
		return -ENOMEM;
	if (s->macs >= SIM_MACS_PORT) {
		drop_share(t, s);
		return -ENOSPC;
	}
	s->macs++;
	return 0;
}

static void remove_mac(struct sim_tables *t, struct mac_entry *e)
{
	hmap_remove(&t->macs, &e->node);
	give_back_mac(t, e->port);
	free(e->port);
	free(e);
}

static void remove_neigh(struct sim_tables *t, struct neigh_entry *e)
{
	struct port_share *s = find_share(t, e->port);

	hmap_remove(&t->neighs, &e->node);
	if (s) {
		s->neighs--;
		drop_share(t, s);
	}
	free(e);
}

void sim_tables_free(struct sim_tables *t)
{
	struct hmap_node *node, *tmp;

	if (!t)
		return;
	hmap_for_each (node, tmp, &t->macs)
		remove_mac(t, container_of(node, struct mac_entry, node));
	hmap_for_each (node, tmp, &t->neighs)
		remove_neigh(t, container_of(node, struct neigh_entry, node));
	hmap_fini(&t->macs);
	hmap_fini(&t->neighs);
	hmap_fini(&t->shares);
	free(t);
}

static uint64_t hash_mac(const struct sim_tables *t, const char *bridge, uint16_t vlan,
			 const struct skep_mac *mac)
{
	return hash_bytes(mac, sizeof(*mac), hash_str(bridge, t->seed ^ vlan));
}

static uint64_t hash_neigh(const struct sim_tables *t, const char *port, const struct skep_ip *ip)
{
	return hash_bytes(ip, sizeof(*ip), hash_str(port, t->seed));
}

static struct mac_entry *find_mac(const struct sim_tables *t, const char *bridge, uint16_t vlan,
				  const struct skep_mac *mac)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &t->macs, hash_mac(t, bridge, vlan, mac))
	{
		struct mac_entry *e = container_of(node, struct mac_entry, node);

		if (mac_eq(&e->mac, mac) && e->vlan == vlan && !strcmp(e->bridge, bridge))
			return e;
	}
	return NULL;
}

static struct neigh_entry *find_neigh(const struct sim_tables *t, const char *port,
				      const struct skep_ip *ip)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &t->neighs, hash_neigh(t, port, ip))
	{
		struct neigh_entry *e = container_of(node, struct neigh_entry, node);

		if (ip_eq(&e->ip, ip) && !strcmp(e->port, port))
			return e;
	}
	return NULL;
}

static int add_mac(struct sim_tables *t, const char *bridge, uint16_t vlan,
		   const struct skep_mac *mac, struct mac_entry **ret)
{
	struct mac_entry *e;
	size_t len = strlen(bridge) + 1;

	if (t->macs.n >= t->max_macs)
		return -ENOSPC;
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		return -ENOMEM;
	e->mac = *mac;
	e->vlan = vlan;
	memcpy(e->bridge, bridge, len);
	if (hmap_insert(&t->macs, &e->node, hash_mac(t, bridge, vlan, mac))) {
		free(e);
		return -ENOMEM;
	}
	*ret = e;
	return 0;
}

static int add_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
		     struct neigh_entry **ret)
{
	struct port_share *s = t->neighs.n < t->max_neighs ? get_share(t, port) : NULL;
	struct neigh_entry *e;
	size_t len = strlen(port) + 1;

	if (t->neighs.n >= t->max_neighs || (s && s->neighs >= SIM_NEIGHS_PORT))
		return -ENOSPC;
	e = s ? calloc(1, sizeof(*e) + len) : NULL;
	if (!e) {
		if (s)
			drop_share(t, s);
		return -ENOMEM;
	}
	e->ip = *ip;
	memcpy(e->port, port, len);
	if (hmap_insert(&t->neighs, &e->node, hash_neigh(t, port, ip))) {
		free(e);
		drop_share(t, s);
		return -ENOMEM;
	}
	s->neighs++;
	*ret = e;
	return 0;
}

/*
 * The state DB tells a host also what that host wrote itself: an entry of ours that says the same stays ours.  What we learn of an
 * entry that another host published is a change even when the port is the same: it is now ours to publish.
 */
int sim_tables_set_mac(struct sim_tables *t, const char *bridge, uint16_t vlan,
		       const struct skep_mac *mac, const char *port, bool own, uint64_t now_ns)
{
	struct mac_entry *e = find_mac(t, bridge, vlan, mac);
	bool same = e && !strcmp(e->port, port);
	char *name;
	int r;

	if (same && (e->own || !own)) {
		if (own)
			e->seen_ns = now_ns;
		return 0;
	}
	r = take_mac(t, port);
	if (r)
		return r;
	name = strdup(port);
	r = !name ? -ENOMEM : e ? 0 : add_mac(t, bridge, vlan, mac, &e);
	if (r) {
		free(name);
		give_back_mac(t, port);
		return r;
	}
	give_back_mac(t, e->port);
	free(e->port);
	e->port = name;
	e->own = own;
	e->seen_ns = now_ns;
	return 1;
}

int sim_tables_set_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			 const struct skep_mac *mac, bool own, uint64_t now_ns)
{
	struct neigh_entry *e = find_neigh(t, port, ip);
	bool same = e && !e->failed_until_ns && mac_eq(&e->mac, mac);
	int r;

	if (same && (e->own || !own)) {
		if (own)
			e->seen_ns = now_ns;
		return 0;
	}
	if (!e) {
		r = add_neigh(t, port, ip, &e);
		if (r)
			return r;
	}
	e->mac = *mac;
	e->own = own;
	e->seen_ns = now_ns;
	e->failed_until_ns = 0;
	return 1;
}

int sim_tables_fail_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			  uint64_t until_ns)
{
	struct neigh_entry *e = find_neigh(t, port, ip);
	bool was_failed = e && e->failed_until_ns;
	int r;

	if (!e) {
		r = add_neigh(t, port, ip, &e);
		if (r)
			return r;
	}
	e->mac = (struct skep_mac){ 0 };
	e->own = false;
	e->failed_until_ns = until_ns ? until_ns : 1;
	return was_failed ? 0 : 1;
}

bool sim_tables_del_mac(struct sim_tables *t, const char *bridge, uint16_t vlan,
			const struct skep_mac *mac)
{
	struct mac_entry *e = find_mac(t, bridge, vlan, mac);

	if (e)
		remove_mac(t, e);
	return e;
}

bool sim_tables_del_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip)
{
	struct neigh_entry *e = find_neigh(t, port, ip);

	if (e)
		remove_neigh(t, e);
	return e;
}

/* Failures that are over before 'older_ns' are forgotten on the way: they say nothing, and take room. */
void sim_tables_aged(struct sim_tables *t, uint64_t older_ns,
		     void (*mac)(void *arg, const char *bridge, uint16_t vlan, const struct skep_mac *mac,
				 const char *port),
		     void (*neigh)(void *arg, const char *port, const struct skep_ip *ip),
		     void *arg)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &t->macs) {
		struct mac_entry *e = container_of(node, struct mac_entry, node);

		if (mac && e->own && e->seen_ns < older_ns)
			mac(arg, e->bridge, e->vlan, &e->mac, e->port);
	}
	hmap_for_each (node, tmp, &t->neighs) {
		struct neigh_entry *e = container_of(node, struct neigh_entry, node);

		if (e->failed_until_ns) {
			if (e->failed_until_ns < older_ns)
				remove_neigh(t, e);
		} else if (neigh && e->own && e->seen_ns < older_ns) {
			neigh(arg, e->port, &e->ip);
		}
	}
}

static const struct topo_port *view_mac(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
					const struct skep_mac *mac)
{
	const struct sim_tables_view *v = arg;
	const struct mac_entry *e = find_mac(v->tables, bridge->o.name, vlan, mac);
	const struct topo_port *p = e ? topo_find_port(v->snap, e->port) : NULL;

	return p && p->bridge == bridge ? p : NULL;
}

static enum sim_neigh view_neigh(void *arg, const struct topo_port *router_port,
				 const struct skep_ip *ip, struct skep_mac *mac)
{
	const struct sim_tables_view *v = arg;
	const struct neigh_entry *e = find_neigh(v->tables, router_port->o.name, ip);

	if (!e)
		return SIM_NEIGH_UNKNOWN;
	if (e->failed_until_ns)
		return e->failed_until_ns > v->now_ns ? SIM_NEIGH_FAILED : SIM_NEIGH_UNKNOWN;
	*mac = e->mac;
	return SIM_NEIGH_KNOWN;
}

void sim_tables_view_init(struct sim_tables_view *v, struct sim_tables *t,
			  const struct topo_snapshot *snap, uint64_t now_ns)
{
	*v = (struct sim_tables_view){
		.view = { .mac = view_mac, .neigh = view_neigh, .arg = v },
		.tables = t,
		.snap = snap,
		.now_ns = now_ns,
	};
}
