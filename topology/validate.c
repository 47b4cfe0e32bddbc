// SPDX-License-Identifier: Apache-2.0
/*
 * What must hold between objects: one owner per address, MAC, interface; subnets apart; gateways within reach.  Runs over a decoded
 * snapshot, so shapes and references are good already.  Called through topo_validate() by whoever is about to write.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/doc.h"
#include "topology/validate.h"
#include "util/hash.h"

struct claim {
	struct hmap_node node;
	const void *scope;
	struct skep_ip key;
	const char *text;
	const void *owner;
};

const void *topo_claim(struct claims *c, const void *scope, const struct skep_ip *key, const char *text,
		       const void *owner, bool *failed)
{
	uint64_t h = hash_str(text, hash_bytes(key, sizeof(*key), (uint64_t)(uintptr_t)scope));
	struct hmap_node *node;
	struct claim *own;

	hmap_for_each_with_hash(node, &c->map, h)
	{
		const struct claim *other = container_of(node, struct claim, node);

		if (other->scope == scope && ip_eq(&other->key, key) && !strcmp(other->text, text))
			return other->owner;
	}
	own = arena_alloc(c->arena, sizeof(*own));
	if (!own || hmap_insert(&c->map, &own->node, h)) {
		*failed = true;
		return NULL;
	}
	own->scope = scope;
	own->key = *key;
	own->text = text;
	own->owner = owner;
	return NULL;
}

static struct skep_ip mac_key(const struct skep_mac *mac)
{
	struct skep_ip key = { 0 };

	memcpy(&key, mac, sizeof(*mac));
	return key;
}

/* The bridge that a port's frames appear on. */
static const struct topo_bridge *segment(const struct topo_port *p)
{
	if (p->bridge)
		return p->bridge;
	return p->peer ? p->peer->bridge : NULL;
}

/* The VLAN in which they appear there, as text; "" when the bridge is not VLAN-aware. */
static const char *segment_vlan(const struct topo_port *p, struct arena *arena)
{
	const struct topo_port *q = p->bridge ? p : p->peer;

	if (!q || !q->bridge || !q->bridge->vlan_aware)
		return "";
	return arena_printf(arena, "%u", q->more->vlan);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int check_mac(struct claims *macs, const struct topo_port *p, struct err *err)
{
	const struct topo_bridge *b = segment(p);
	const struct topo_port *other;
	struct skep_ip key = mac_key(&p->mac);
	const char *vlan;
	bool failed = false;
	char text[ADDR_TEXT];

	/* a bridge's port towards a router, or another bridge, has no MAC of a machine: the router port's counts */
	if (!p->has_mac || !b || (p->bridge && p->peer))
		return 0;
	vlan = segment_vlan(p, macs->arena);
	other = vlan ? topo_claim(macs, b, &key, vlan, p, &failed) : NULL;
	if (!vlan || failed)
		return no_memory(err);
	if (other)
		return err_set(
			err, -EINVAL,
			"field 'mac': '%s' is also that of port '%s' on the same bridge '%s'%s%s (want one of its own)",
			mac_format(&p->mac, text), other->o.name, b->o.name, *vlan ? ", VLAN " : "",
			vlan);
	return 0;
}

const char *topo_useless(const struct skep_ip *ip, unsigned int len)
{
	struct skep_ip net = ip_mask(ip, len), last = *ip;
	unsigned int bits = ip_bits(ip);

	if (ip_is_unspecified(ip))
		return "the unspecified address";
	if (ip_is_multicast(ip))
		return "a multicast address";
	if (ip_is_broadcast(ip))
		return "the broadcast address";
	if (ip_is_loopback(ip))
		return "a loopback address";
	if (len >= bits - 1) /* RFC 3021, RFC 6164: both addresses of a /31 or /127 are hosts' */
		return NULL;
	if (ip_eq(ip, &net))
		return bits == 32 ? "its subnet's network address"
				  : "its subnet's router anycast address";
	if (bits == 128)
		return NULL;
	last.w[3] |= htobe32(0xffffffffu >> len);
	return ip_eq(ip, &last) ? "its subnet's broadcast address" : NULL;
}

static const char *address_text(const struct topo_port *p, const struct topo_addr *a,
				char buf[static ADDR_TEXT])
{
	return p->router ? prefix_format(&a->ip, a->len, buf) : ip_format(&a->ip, buf);
}

static int check_address(struct claims *ips, const struct topo_port *p, const struct topo_addr *a,
			 struct err *err)
{
	const struct topo_bridge *b = segment(p);
	const char *vlan = segment_vlan(p, ips->arena);
	const struct topo_port *other = NULL;
	bool failed = false, on_router = false;
	char text[ADDR_TEXT];

	if (p->router)
		other = topo_claim(ips, p->router, &a->ip, "", p, &failed);
	on_router = other;
	if (b && vlan && !other && !(p->bridge && p->peer))
		other = topo_claim(ips, b, &a->ip, vlan, p, &failed);
	if (!vlan || failed)
		return no_memory(err);
	if (other == p)
		return err_set(err, -EINVAL, "field 'addresses': '%s' appears twice",
			       address_text(p, a, text));
	if (other)
		return err_set(
			err, -EINVAL,
			"field 'addresses': '%s' is also that of port '%s' of %s '%s' (want one of its own)",
			address_text(p, a, text), other->o.name,
			other->router ? "router" : "bridge",
			on_router || other->router ? other->router->o.name : b->o.name);
	return 0;
}

static int check_addresses(struct claims *ips, const struct topo_port *p, struct err *err)
{
	const char *why;
	char text[ADDR_TEXT];

	for (uint32_t i = 0; i < p->n_addrs; i++) {
		why = topo_useless(&p->addrs[i].ip, p->addrs[i].len);
		if (why)
			return err_set(
				err, -EINVAL,
				"field 'addresses': '%s' is %s (want the address of a machine)",
				address_text(p, &p->addrs[i], text), why);
		if (check_address(ips, p, &p->addrs[i], err))
			return err->code;
	}
	return 0;
}

/* --- subnets of a router: sorted by their first address, only neighbours can overlap --- */

struct subnet {
	struct skep_ip net;
	const struct topo_port *port;
	const struct topo_addr *addr;
};

static int by_net(const void *a, const void *b)
{
	const struct subnet *x = a, *y = b;
	int v4 = ip_is_v4(&y->net) - ip_is_v4(&x->net),
	    c = memcmp(&x->net, &y->net, sizeof(x->net));

	c = v4 ? v4 : c ? c : (int)x->addr->len - (int)y->addr->len;
	c = c ? c : x->port->o.changed - y->port->o.changed;
	return c ? c : strcmp(x->port->o.name, y->port->o.name);
}

static int overlap(const struct subnet *outer, const struct subnet *inner, const struct topo_router *r, struct err *err)
{
	const bool first = topo_blames_first(&outer->port->o, &inner->port->o);
	const struct subnet *a = first ? outer : inner, *b = first ? inner : outer;
	char text[ADDR_TEXT], other[ADDR_TEXT];

	return err_set(err, -EINVAL,
		       "port '%s': field 'addresses': subnet of '%s' overlaps that of '%s' on port '%s' of the same router '%s' (want subnets apart)",
		       a->port->o.name, prefix_format(&a->addr->ip, a->addr->len, text),
		       prefix_format(&b->addr->ip, b->addr->len, other), b->port->o.name, r->o.name);
}

static int check_subnets(const struct topo_router *r, struct arena *arena, struct err *err)
{
	const struct subnet *outer = NULL;
	struct subnet *all;
	size_t n = 0;

	for (uint32_t i = 0; i < r->n_ports; i++)
		n += r->ports[i]->n_addrs;
	all = arena_alloc(arena, (n + 1) * sizeof(*all));
	if (!all)
		return no_memory(err);
	n = 0;
	for (uint32_t i = 0; i < r->n_ports; i++)
		for (uint32_t k = 0; k < r->ports[i]->n_addrs; k++) {
			const struct topo_addr *a = &r->ports[i]->addrs[k];

			all[n++] = (struct subnet){ ip_mask(&a->ip, a->len), r->ports[i], a };
		}
	qsort(all, n, sizeof(*all), by_net);
	for (size_t i = 0; i < n; i++) {
		if (outer && ip_in_prefix(&all[i].net, &outer->net, outer->addr->len)) {
			if (all[i].port != outer->port)
				return overlap(outer, &all[i], r, err);
			continue; /* the wider one goes on to count */
		}
		outer = &all[i];
	}
	return 0;
}

/* --- bindings, routes --- */

static int check_binding(struct claims *interfaces, const struct topo_port *p, struct err *err)
{
	static const struct skep_ip none;
	const struct topo_port *other;
	bool failed = false;
	char *text;

	if (!p->host)
		return 0;
	if (p->peer)
		return err_set(
			err, -EINVAL,
			"field 'port': '%s' is linked to its peer '%s' (only a port without peer can be bound)",
			p->o.name, p->peer->o.name);
	text = arena_printf(interfaces->arena, "%s/%s", p->host, p->interface);
	other = text ? topo_claim(interfaces, interfaces, &none, text, p, &failed) : NULL;
	if (!text || failed)
		return no_memory(err);
	if (other)
		return err_set(
			err, -EINVAL,
			"field 'interface': '%s' of host '%s' is also bound to port '%s' (want one of its own)",
			p->interface, p->host, other->o.name);
	return 0;
}

int topo_validate_route(const struct topo_route *r, struct err *err)
{
	char text[ADDR_TEXT];
	bool within = false;

	if (ip_is_zero(&r->gateway))
		return 0;
	ip_format(&r->gateway, text);
	if (ip_is_unspecified(&r->gateway) || ip_is_multicast(&r->gateway) ||
	    ip_is_broadcast(&r->gateway) || ip_is_loopback(&r->gateway))
		return err_set(
			err, -EINVAL,
			"field 'gateway': '%s' is not the address of a machine (want a unicast address)",
			text);
	for (uint32_t i = 0; i < r->port->n_addrs; i++) {
		const struct topo_addr *a = &r->port->addrs[i];

		if (ip_eq(&a->ip, &r->gateway))
			return err_set(
				err, -EINVAL,
				"field 'gateway': '%s' is the address of port '%s' itself (want the next router's)",
				text, r->port->o.name);
		within = within || ip_in_prefix(&r->gateway, &a->ip, a->len);
	}
	if (!within && !(ip_is_link_local(&r->gateway) && !ip_is_v4(&r->gateway)))
		return err_set(
			err, -EINVAL,
			"field 'gateway': '%s' is in no subnet of port '%s' (want an address that the port reaches directly)",
			text, r->port->o.name);
	return 0;
}

static int check_routes(const struct topo_router *router, struct err *err)
{
	struct topo_routes_at at;

	for (const struct topo_route *r = topo_routes_first(router, &at); r; r = topo_routes_next(&at))
		if (topo_validate_route(r, err))
			return err_prefix(err, "route '%s'", r->o.name);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct topo_object *x = *(const struct topo_object *const *)a, *y = *(const struct topo_object *const *)b;
	int c = strcmp(x->id, y->id);

	c = c ? c : x->changed - y->changed;
	return c ? c : x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

static int check_ids(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	const struct topo_object **all = arena_alloc(arena, (snap->by_name.n + 1) * sizeof(*all));
	struct hmap_node *node, *tmp;
	char first[96], second[96];
	size_t n = 0;

	if (!all)
		return no_memory(err);
	hmap_for_each(node, tmp, &snap->by_name)
		all[n++] = container_of(node, struct topo_object, by_name);
	qsort(all, n, sizeof(*all), by_id);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(all[i - 1]->id, all[i]->id))
			return err_set(
				err, -EINVAL,
				"%s: field 'id': '%s' is the id of %s already (want one of its own)",
				topo_object_text(all[i], second), all[i]->id,
				topo_object_text(all[i - 1], first));
	return 0;
}

static int check_port(struct claims *macs, struct claims *ips, struct claims *interfaces, const struct topo_port *p, struct err *err)
{
	if (check_mac(macs, p, err) || check_addresses(ips, p, err))
		return err_prefix(err, "port '%s'", p->o.name);
	if (check_binding(interfaces, p, err))
		return err_prefix(err, "bind '%s'", p->o.name);
	return 0;
}

/* Those that were there are first: what they have is theirs. */
static int check_ports(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	struct claims macs = { .arena = arena }, ips = { .arena = arena },
		      interfaces = { .arena = arena };
	struct topo_ports_at at;
	int rc = 0;

	for (int changed = 0; changed < 2; changed++)
		for (const struct topo_port *p = topo_ports_first(&snap->ports, &at); p && !rc; p = topo_ports_next(&at))
			if (p->o.changed == changed)
				rc = check_port(&macs, &ips, &interfaces, p, err);
	hmap_fini(&macs.map);
	hmap_fini(&ips.map);
	hmap_fini(&interfaces.map);
	return rc;
}

static int check_all(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	int rc = check_ids(snap, arena, err);

	rc = rc ? rc : topo_validate_policy(snap, arena, err);
	rc = rc ? rc : check_ports(snap, arena, err);
	rc = rc ? rc : topo_validate_bridges(snap, arena, err);
	for (uint32_t i = 0; !rc && i < snap->n_routers; i++)
		rc = check_subnets(&snap->routers[i], arena, err);
	for (uint32_t i = 0; !rc && i < snap->n_routers; i++)
		rc = check_routes(&snap->routers[i], err);
	rc = rc ? rc : topo_validate_subnets(snap, arena, err);
	rc = rc ? rc : topo_validate_nats(snap, arena, err);
	return rc ? rc : topo_validate_lbs(snap, arena, err);
}

static void mark(struct topo_snapshot *snap, const json_t *changes)
{
	struct topo_object *o;
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	json_object_foreach((json_t *)changes, path, rec)
	{
		if (!topo_path_parse(path, &kind, &name))
			continue;
		o = topo_find(snap, kind == TOPO_BIND ? TOPO_PORT : kind, name);
		if (o)
			o->changed = true;
	}
}

int topo_validate(const json_t *records, struct err *err)
{
	return topo_validate_changes(records, NULL, err);
}

int topo_validate_changes(const json_t *records, const json_t *changes, struct err *err)
{
	struct topo_snapshot *snap = topo_decode("", 0, records, err);
	struct arena arena;
	int rc;

	if (!snap)
		return -EINVAL;
	mark(snap, changes);
	arena_init(&arena, 0);
	rc = check_all(snap, &arena, err);
	arena_fini(&arena);
	topo_unref(snap);
	return rc;
}
