// SPDX-License-Identifier: Apache-2.0
/* Whom a change of a device, port or policy may be at odds with.  Called by step.c. */
#include "topology/around.h"

#include <stdlib.h>
#include <string.h>

#include "topology/snapshot.h"

void around_init(struct around *a, struct step_index *x)
{
	*a = (struct around){ .x = x };
	a->last = &a->list;
}

void around_fini(struct around *a)
{
	struct around_pick *p;
	struct step_entry *e;

	while ((e = a->list)) {
		a->list = e->next;
		e->next = NULL;
		e->level = 0;
		e->done = false;
	}
	while ((p = a->picks)) {
		a->picks = p->next;
		free(p);
	}
}

void around_add(struct around *a, struct step_entry *e, enum around_level level)
{
	if (!e || !e->rec)
		return;
	if (!e->level) {
		*a->last = e;
		a->last = &e->next;
	}
	if (e->level >= level)
		return;
	e->level = (uint8_t)level;
	e->done = false;
}

void around_users(struct around *a, const struct step_entry *e, enum topo_kind kind, enum around_level level)
{
	for (const struct step_use *u = e->users[STEP_OTHERS]; u; u = u->next)
		if (u->by->kind == kind)
			around_add(a, u->by, level);
}

static bool same_field(const json_t *a, const json_t *b, const char *field)
{
	const json_t *x = json_object_get(a, field), *y = json_object_get(b, field);

	return x && y ? json_equal(x, y) : !x && !y;
}

static bool same_fields(const json_t *a, const json_t *b, const char *const *fields, size_t n)
{
	if (!a || !b)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same_field(a, b, fields[i]))
			return false;
	return true;
}

/* --- addresses and MACs --- */

/* Of a long list only what was found. */
static void pick(struct around *a, struct step_entry *e, uint32_t index)
{
	struct around_pick *p = calloc(1, sizeof(*p));

	a->failed = a->failed || !p;
	if (!p)
		return;
	*p = (struct around_pick){ a->picks, e, index };
	a->picks = p;
}

static void found(void *arg, const struct step_mark *m)
{
	const bool part = m->by->kind == TOPO_SUBNET || m->by->kind == TOPO_BRIDGE;
	struct around *a = arg;

	a->found++;
	around_add(a, m->by, part ? AROUND_PART : AROUND_ALL);
	if (part)
		pick(a, m->by, m->index);
}

void around_addresses(struct around *a, const struct step_entry *scope, const struct topo_ip_range *range)
{
	step_each_mark(scope, range, found, a);
}

struct step_entry *around_peer(const struct around *a, const json_t *port)
{
	struct step_entry *peer = step_ref(a->x, port, "peer", TOPO_PORT);

	return peer && peer->rec ? peer : NULL;
}

struct step_entry *around_behind(const struct around *a, const json_t *port, enum topo_kind kind)
{
	const struct step_entry *peer = around_peer(a, port);

	return peer ? step_ref(a->x, peer->rec, topo_kind_name(kind), kind) : NULL;
}

void around_on_bridge(struct around *a, const struct step_entry *bridge, const struct topo_ip_range *range)
{
	around_addresses(a, bridge, range);
	for (const struct step_use *u = bridge->users[STEP_LINKS]; u; u = u->next) {
		const struct step_entry *router = around_behind(a, u->by->rec, TOPO_ROUTER);
		const uint32_t before = a->found;

		if (!router)
			continue;
		around_addresses(a, router, range);
		for (const struct step_wide *w = router->wide; w; w = w->next) {
			if (!step_overlap(&w->range, range))
				continue;
			/* of a range, the first that is somebody's is the one that counts */
			around_add(a, w->by, AROUND_ALL);
			around_addresses(a, bridge, &w->range);
			around_addresses(a, router, &w->range);
			a->found++;
		}
		if (a->found != before)
			around_add(a, u->by, AROUND_ALL);
	}
}

static void claimed(struct around *a, uint64_t hash)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &a->x->claims, hash)
		around_add(a, container_of(node, struct step_claim, node)->by, AROUND_ALL);
}

void around_macs(struct around *a, const struct step_entry *bridge, const struct skep_mac *mac)
{
	claimed(a, step_mac_hash(bridge, mac));
	for (const struct step_use *u = bridge->users[STEP_LINKS]; u; u = u->next) {
		const struct step_entry *router = around_behind(a, u->by->rec, TOPO_ROUTER);

		if (router)
			claimed(a, step_mac_hash(router, mac));
	}
}

/* --- ports --- */

/* What is behind a bridge's port: a machine, or a router's port. */
static void on_bridge(struct around *a, const struct step_entry *bridge, const json_t *owner)
{
	struct topo_ip_range range;
	struct skep_mac mac;
	const json_t *item;
	size_t i;

	if (step_mac(owner, &mac))
		around_macs(a, bridge, &mac);
	json_array_foreach(json_object_get(owner, "addresses"), i, item)
		if (around_text(json_string_value(item), &range))
			around_on_bridge(a, bridge, &range);
}

static void linked(struct around *a, struct step_entry *router, const struct step_entry *bridge, const json_t *of_router)
{
	if (!router || !bridge)
		return;
	on_bridge(a, bridge, of_router);
	around_users(a, bridge, TOPO_SUBNET, AROUND_ALL);
	around_link(a, router, bridge);
}

static void list_ports(struct around *a, const struct step_entry *device)
{
	for (int i = STEP_PORTS; i <= STEP_LINKS; i++)
		for (const struct step_use *u = device->users[i]; u; u = u->next)
			around_add(a, u->by, AROUND_NAMED);
}

static void of_router(struct around *a, struct step_entry *router, const json_t *rec)
{
	struct topo_ip_range range;
	const json_t *item;
	size_t i;

	list_ports(a, router); /* subnets apart */
	json_array_foreach(json_object_get(rec, "addresses"), i, item)
		if (around_text(json_string_value(item), &range))
			around_router_address(a, router, &range);
}

static void place(struct around *a, const json_t *rec)
{
	struct step_entry *bridge = step_ref(a->x, rec, "bridge", TOPO_BRIDGE);
	struct step_entry *router = step_ref(a->x, rec, "router", TOPO_ROUTER), *peer = around_peer(a, rec);

	if (router)
		of_router(a, router, rec);
	if (bridge && !topo_str(rec, "peer"))
		on_bridge(a, bridge, rec);
	if (!peer)
		return;
	linked(a, router, around_behind(a, rec, TOPO_BRIDGE), rec);
	linked(a, around_behind(a, rec, TOPO_ROUTER), bridge, peer->rec);
}

static void change_port(struct around *a, struct step_entry *e, const json_t *was)
{
	static const char *const fields[] = { "bridge", "router", "peer", "mac", "addresses", "vlan", "trunk",
					      "allowed_addresses" };
	/* ports: whoever has it as peer */
	static const enum topo_kind users[] = { TOPO_PORT, TOPO_ROUTE, TOPO_NAT, TOPO_MIRROR, TOPO_FLOATING_IP };

	if (same_fields(was, e->rec, fields, ARRAY_SIZE(fields)))
		return;
	if (was)
		place(a, was);
	place(a, e->rec);
	around_add(a, step_find(a->x, TOPO_BIND, step_name(e)), AROUND_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		around_users(a, e, users[i], AROUND_ALL);
	for (const struct step_use *u = e->users[STEP_OTHERS]; u; u = u->next)
		if (u->by->kind == TOPO_FLOATING_IP)
			around_fip(a, u->by->rec);
	if (!same_field(was, e->rec, "bridge") || !same_field(was, e->rec, "vlan") || !same_field(was, e->rec, "trunk"))
		around_users(a, e, TOPO_BRIDGE, AROUND_ALL);
}

/* --- bridges, subnets --- */

static void change_bridge(struct around *a, struct step_entry *e, const json_t *was)
{
	static const char *const fields[] = { "static_macs", "neighbours", "vlan_aware" };
	struct topo_ip_range range;
	const json_t *item;
	struct skep_mac mac;
	size_t i;

	if (same_fields(was, e->rec, fields, ARRAY_SIZE(fields))) {
		around_add(a, e, AROUND_PART);
		return;
	}
	around_add(a, e, AROUND_ALL);
	if (was && !same_field(was, e->rec, "vlan_aware") && (e->users[STEP_PORTS] || e->users[STEP_LINKS]))
		a->unknown = true;
	json_array_foreach(json_object_get(e->rec, "static_macs"), i, item)
		if (mac_parse(topo_str(item, "mac"), &mac))
			around_macs(a, e, &mac);
	json_array_foreach(json_object_get(e->rec, "neighbours"), i, item)
		if (around_text(topo_str(item, "address"), &range))
			around_on_bridge(a, e, &range);
}

static void change_subnet(struct around *a, const json_t *rec)
{
	const struct step_entry *bridge = step_ref(a->x, rec, "bridge", TOPO_BRIDGE);
	struct topo_ip_range range;
	const json_t *item;
	size_t i;

	if (!bridge)
		return;
	around_users(a, bridge, TOPO_SUBNET, AROUND_PART);
	json_array_foreach(json_object_get(rec, "hosts"), i, item)
		if (around_text(topo_str(item, "address"), &range))
			around_on_bridge(a, bridge, &range);
}

/* --- chains --- */

/* Those that lead to it by jumps, and all that they lead to. */
static void change_chain(struct around *a, struct step_entry *e)
{
	struct step_entry *up, *down;
	const json_t *rule;
	bool jumps = false;
	size_t i;

	json_array_foreach(json_object_get(e->rec, "rules"), i, rule)
		jumps = jumps || topo_str(rule, "jump");
	if (!jumps)
		return;
	for (up = a->list; up; up = up->next) /* with those that are added meanwhile */
		if (up->kind == TOPO_CHAIN)
			around_users(a, up, TOPO_CHAIN, AROUND_PART);
	for (down = a->list; down; down = down->next)
		json_array_foreach(down->kind == TOPO_CHAIN ? json_object_get(down->rec, "rules") : NULL, i, rule)
			around_add(a, step_ref(a->x, rule, "jump", TOPO_CHAIN), AROUND_PART);
}

/* --- any --- */

void around_change(struct around *a, struct step_entry *e, const json_t *was)
{
	const char *id = topo_str(e->rec, "id");

	if (e->kind != TOPO_BRIDGE)
		around_add(a, e, AROUND_ALL);
	if (id && (!was || !same_field(was, e->rec, "id")))
		claimed(a, step_id_hash(id));
	switch (e->kind) {
	case TOPO_CHAIN:
		change_chain(a, e);
		break;
	case TOPO_BRIDGE:
		change_bridge(a, e, was);
		break;
	case TOPO_PORT:
		change_port(a, e, was);
		break;
	case TOPO_SUBNET:
		change_subnet(a, e->rec);
		break;
	case TOPO_NAT:
	case TOPO_FLOATING_IP:
	case TOPO_VIP:
		if (was) /* what is let go of may have hidden something */
			e->kind == TOPO_NAT ? around_nat(a, was) : e->kind == TOPO_VIP ? around_vip(a, was) : around_fip(a, was);
		e->kind == TOPO_NAT ? around_nat(a, e->rec) : e->kind == TOPO_VIP ? around_vip(a, e->rec) : around_fip(a, e->rec);
		break;
	case TOPO_LOAD_BALANCER:
		around_balancer(a, e, was);
		break;
	case TOPO_MEMBER:
		around_member(a, e->rec);
		break;
	case TOPO_MIRROR:
		around_add(a, step_ref(a->x, e->rec, "to", TOPO_PORT), AROUND_ALL);
		break;
	case TOPO_BIND:
		claimed(a, step_bind_hash(e->rec));
		break;
	default:
		break;
	}
}
