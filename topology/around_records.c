// SPDX-License-Identifier: Apache-2.0
/* Those that were added, as records; and what topo_validate() wants to see of others to understand them. */
#include <stdlib.h>
#include <string.h>

#include "topology/around.h"

/* --- what they rely on --- */

static int named(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in, const char *field, int at,
		 const char *name)
{
	struct around *a = arg;

	(void)f;
	(void)in;
	(void)field;
	(void)at;
	if (topo_name_valid(name))
		around_add(a, step_find(a->x, kind, name), AROUND_NAMED);
	return 0;
}

static void own_address(void *arg, const struct step_mark *m)
{
	if (m->by->kind == TOPO_PORT)
		around_add(arg, m->by, AROUND_NAMED);
}

/* A port's own address is nobody else's business, also when it is translated to. */
static void with_own(struct around *a, const struct step_entry *e)
{
	const struct step_entry *router = step_router(a->x, e->kind, e->rec);
	struct topo_ip_range range;

	if (!router)
		return;
	if (e->kind != TOPO_NAT && around_text(topo_str(e->rec, "address"), &range))
		step_each_mark(router, &range, own_address, a);
	if (e->kind != TOPO_NAT)
		return;
	if (step_nat_dst(e->rec, &range.lo)) {
		range.hi = range.lo;
		step_each_mark(router, &range, own_address, a);
	}
	if (step_nat_to(e->rec, &range) && ip_eq(&range.lo, &range.hi))
		step_each_mark(router, &range, own_address, a);
}

/* Its gateway is the first router's. */
static void with_links(struct around *a, const struct step_entry *e)
{
	const struct step_entry *bridge = step_ref(a->x, e->rec, "bridge", TOPO_BRIDGE);

	for (const struct step_use *u = bridge ? bridge->users[STEP_LINKS] : NULL; u; u = u->next)
		around_add(a, u->by, AROUND_ALL);
}

static void complete_one(struct around *a, struct step_entry *e)
{
	switch (e->kind) {
	case TOPO_PORT:
		around_add(a, around_peer(a, e->rec), AROUND_ALL);
		break;
	case TOPO_ROUTE:
	case TOPO_FLOATING_IP:
		around_add(a, step_ref(a->x, e->rec, "port", TOPO_PORT), AROUND_ALL);
		break;
	case TOPO_BIND:
		around_add(a, step_find(a->x, TOPO_PORT, step_name(e)), AROUND_ALL);
		break;
	case TOPO_SUBNET:
		with_links(a, e);
		break;
	default:
		break;
	}
	if (e->kind == TOPO_NAT || e->kind == TOPO_FLOATING_IP || e->kind == TOPO_VIP)
		with_own(a, e);
}

/* --- as records --- */

static int keep(json_t *out, const json_t *rec, const char *const *fields)
{
	for (; *fields; fields++) {
		json_t *v = json_object_get(rec, *fields);

		if (v && json_object_set(out, *fields, v))
			return -1;
	}
	return 0;
}

static json_t *only_jumps(const json_t *rec)
{
	json_t *out = json_array(), *rule, *jump;
	char unnamed[32];
	size_t i;

	json_array_foreach(json_object_get(rec, "rules"), i, rule)
	{
		const char *name = topo_str(rule, "name");

		if (!topo_str(rule, "jump"))
			continue;
		snprintf(unnamed, sizeof(unnamed), "rule%zu", i + 1);
		jump = json_pack("{s:s, s:s, s:s}", "name", name ? name : unnamed, "action", "jump", "jump",
				 topo_str(rule, "jump"));
		if (json_array_append_new(out, jump)) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* The elements of 'field' that were picked. */
static json_t *picked(const struct around *a, const struct step_entry *e, const char *field)
{
	const json_t *list = json_object_get(e->rec, field);
	json_t *out = json_array(), *item, *seen = json_object();
	char key[16];

	for (const struct around_pick *p = a->picks; p && out; p = p->next) {
		item = p->e == e ? json_array_get(list, p->index) : NULL;
		snprintf(key, sizeof(key), "%u", p->index);
		if (!item || json_object_get(seen, key))
			continue;
		if (json_object_set_new(seen, key, json_true()) || json_array_append(out, item)) {
			json_decref(out);
			out = NULL;
		}
	}
	json_decref(seen);
	return out;
}

static json_t *record(const struct around *a, struct step_entry *e)
{
	static const char *const of_all[] = { "name", "id", "rev", "admin_up", "bridge", "router", NULL };
	static const char *const of_port[] = { "vlan", "trunk", NULL };
	static const char *const of_subnet[] = { "prefix", "gateway", "server", NULL };
	static const char *const of_bridge[] = { "vlan_aware", NULL };
	static const char *const chains[] = { "in_chain", "out_chain", NULL };
	static const char *const addresses[] = { "addresses", NULL };
	json_t *out;
	int rc;

	if (e->level == AROUND_ALL)
		return json_incref(e->rec);
	out = json_object();
	rc = keep(out, e->rec, of_all);
	if (e->kind == TOPO_PORT)
		rc = rc || keep(out, e->rec, of_port) || (topo_str(e->rec, "router") && keep(out, e->rec, addresses));
	if (e->kind == TOPO_BRIDGE)
		rc = rc || keep(out, e->rec, of_bridge);
	if (e->kind == TOPO_BRIDGE && e->level == AROUND_PART)
		rc = rc || keep(out, e->rec, chains);
	if (e->kind == TOPO_SUBNET)
		rc = rc || keep(out, e->rec, of_subnet) || json_object_set_new(out, "hosts", picked(a, e, "hosts"));
	if (e->kind == TOPO_BRIDGE && e->level == AROUND_PART)
		rc = rc || json_object_set_new(out, "neighbours", picked(a, e, "neighbours"));
	if (e->kind == TOPO_CHAIN && e->level == AROUND_PART)
		rc = rc || json_object_set_new(out, "rules", only_jumps(e->rec));
	if (!rc)
		return out;
	json_decref(out);
	return NULL;
}

/* --- */

json_t *around_records(struct around *a)
{
	json_t *all = json_object();
	bool more = true;

	/* one that is completed may make more of one before it */
	while (more) {
		more = false;
		for (struct step_entry *e = a->list; e; e = e->next) {
			if (e->done)
				continue;
			e->done = more = true;
			if (e->level == AROUND_ALL || (e->level == AROUND_PART && e->kind == TOPO_SUBNET))
				complete_one(a, e);
		}
	}
	for (struct step_entry *e = a->list; e && all; e = e->next) {
		_json_ json_t *rec = record(a, e);

		(void)topo_each_ref(topo_record_shape(e->kind), rec, named, a);
		if (!rec || a->failed || json_object_set(all, e->path, rec)) {
			json_decref(all);
			all = NULL;
		}
	}
	return all;
}
