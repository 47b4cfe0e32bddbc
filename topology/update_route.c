// SPDX-License-Identifier: Apache-2.0
/* Changes in place: routes and floating IPs (update.h).  A new one takes its place before the old one gives up its own. */
#include <errno.h>
#include <string.h>

#include "topology/update.h"

/* --- what becomes of them --- */

/* The record that is there now; -EOPNOTSUPP: none that a build would take. */
static int get_record(const struct update *u, enum topo_kind kind, const char *name, json_t **rec)
{
	struct err err = { 0 };

	*rec = strlen(name) > TOPO_NAME_MAX ? NULL : topo_update_get(u, topo_kind_name(kind), name);
	if (!*rec || !topo_check_record(kind, name, *rec, &err))
		return 0;
	json_decref(*rec);
	*rec = NULL;
	return -EOPNOTSUPP;
}

static uint64_t rev_of(const json_t *rec)
{
	return (uint64_t)json_integer_value(json_object_get(rec, "rev"));
}

static bool same_record(const struct topo_object *o, const json_t *rec)
{
	return o && rec && topo_record_sum(rec) == o->sum;
}

int topo_update_route(struct update *u, const char *name)
{
	struct topo_object *o = topo_find(u->snap, TOPO_ROUTE, name);
	struct route_op *op = &u->routes[u->n_routes++];
	struct err err = { 0 };
	json_t *rec;
	int rc = get_record(u, TOPO_ROUTE, name, &rec);

	*op = (struct route_op){ .was = o ? container_of(o, struct topo_route, o) : NULL,
				 .same = same_record(o, rec),
				 .rev = rev_of(rec) };
	if (rec && !op->same) {
		op->now = topo_route_make(u->snap, name, rec, &err);
		rc = op->now ? 0 : -EOPNOTSUPP;
	}
	json_decref(rec);
	return rc;
}

int topo_update_fip(struct update *u, const char *name)
{
	struct topo_object *o = topo_find(u->snap, TOPO_FLOATING_IP, name);
	struct fip_op *op = &u->fips[u->n_fips++];
	struct err err = { 0 };
	json_t *rec;
	int rc = get_record(u, TOPO_FLOATING_IP, name, &rec);

	*op = (struct fip_op){ .was = o ? container_of(o, struct topo_floating_ip, o) : NULL,
			       .same = same_record(o, rec),
			       .rev = rev_of(rec) };
	if (rec && !op->same) {
		op->now = topo_fip_make(u->snap, name, rec, &err);
		rc = op->now ? 0 : -EOPNOTSUPP;
	}
	json_decref(rec);
	return rc;
}

void topo_update_free_new(struct update *u)
{
	for (uint32_t i = 0; i < u->n_routes; i++)
		topo_route_free(u->snap, u->routes[i].now);
	for (uint32_t i = 0; i < u->n_fips; i++)
		topo_fip_free(u->snap, u->fips[i].now);
}

/* --- tables --- */

static int name_it(struct update *u, struct topo_object *o)
{
	return hmap_insert(&u->snap->by_name, &o->by_name, topo_object_hash(o->kind, o->name));
}

static void forget_name(struct update *u, struct topo_object *o)
{
	hmap_remove(&u->snap->by_name, &o->by_name);
}

static void unlink_route(struct update *u, struct topo_route *r)
{
	topo_route_unlink(r);
	forget_name(u, &r->o);
}

static void unlink_fip(struct update *u, struct topo_floating_ip *f)
{
	topo_fip_unlink(f);
	forget_name(u, &f->o);
}

static int link_route(struct update *u, struct topo_route *r)
{
	if (topo_route_link(r))
		return -ENOMEM;
	if (!name_it(u, &r->o))
		return 0;
	topo_route_unlink(r);
	return -ENOMEM;
}

static int link_fip(struct update *u, struct topo_floating_ip *f)
{
	if (topo_fip_room(u->snap, f->router, 1) || name_it(u, &f->o))
		return -ENOMEM;
	topo_fip_link(f);
	return 0;
}

static void unlink_first(struct update *u, uint32_t routes, uint32_t fips)
{
	while (routes--)
		if (u->routes[routes].now)
			unlink_route(u, u->routes[routes].now);
	while (fips--)
		if (u->fips[fips].now)
			unlink_fip(u, u->fips[fips].now);
}

int topo_update_link(struct update *u)
{
	uint32_t routes = 0, fips = 0;

	for (; routes < u->n_routes; routes++)
		if (u->routes[routes].now && link_route(u, u->routes[routes].now))
			break;
	for (; routes == u->n_routes && fips < u->n_fips; fips++)
		if (u->fips[fips].now && link_fip(u, u->fips[fips].now))
			break;
	if (routes == u->n_routes && fips == u->n_fips)
		return 0;
	unlink_first(u, routes, fips);
	return -ENOMEM;
}

void topo_update_unlink_new(struct update *u)
{
	unlink_first(u, u->n_routes, u->n_fips);
}

void topo_update_unlink_old(struct update *u)
{
	for (uint32_t i = 0; i < u->n_routes; i++) {
		struct route_op *op = &u->routes[i];

		if (op->same)
			op->was->o.rev = op->rev;
		else if (op->was)
			unlink_route(u, op->was);
	}
	for (uint32_t i = 0; i < u->n_fips; i++) {
		struct fip_op *op = &u->fips[i];

		if (op->same)
			op->was->o.rev = op->rev;
		else if (op->was)
			unlink_fip(u, op->was);
	}
}

void topo_update_free_old(struct update *u)
{
	for (uint32_t i = 0; i < u->n_routes; i++)
		if (!u->routes[i].same)
			topo_route_free(u->snap, u->routes[i].was);
	for (uint32_t i = 0; i < u->n_fips; i++)
		if (!u->fips[i].same)
			topo_fip_free(u->snap, u->fips[i].was);
}
