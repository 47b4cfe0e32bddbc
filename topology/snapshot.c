// SPDX-License-Identifier: Apache-2.0
/* A snapshot's life: made from records, shared, found in, freed. */
#include "topology/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/doc.h"
#include "util/hash.h"

struct row {
	const char *name; /* key of 'records', borrowed */
	const json_t *rec;
};
/* The records of one kind, by name: the order must be the same on all hosts. */
struct rows {
	struct row *row;
	uint32_t n;
};

uint64_t topo_object_hash(enum topo_kind kind, const char *name)
{
	return hash_str(name, (uint64_t)kind + 1);
}

struct topo_snapshot *topo_ref(struct topo_snapshot *snap)
{
	__atomic_add_fetch(&snap->refs, 1, __ATOMIC_RELAXED);
	return snap;
}

void topo_unref(struct topo_snapshot *snap)
{
	if (!snap || __atomic_sub_fetch(&snap->refs, 1, __ATOMIC_ACQ_REL))
		return;
	hmap_fini(&snap->by_name);
	hmap_fini(&snap->memory->texts);
	hmap_fini(&snap->memory->mores);
	arena_fini(&snap->memory->arena);
	pool_fini(&snap->memory->pool);
	free(snap->memory);
	free(snap);
}

struct topo_object *topo_find(const struct topo_snapshot *snap, enum topo_kind kind,
			      const char *name)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &snap->by_name, topo_object_hash(kind, name))
	{
		struct topo_object *o = container_of(node, struct topo_object, by_name);

		if (o->kind == kind && !strcmp(o->name, name))
			return o;
	}
	return NULL;
}

struct topo_port *topo_find_port(const struct topo_snapshot *snap, const char *name)
{
	struct topo_object *o = topo_find(snap, TOPO_PORT, name);

	return o ? container_of(o, struct topo_port, o) : NULL;
}

static int by_row_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static int collect(const json_t *records, struct rows rows[TOPO_KIND_MAX], struct arena *scratch)
{
	uint32_t total = 0;
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	json_object_foreach((json_t *)records, path, rec) if (topo_path_parse(path, &kind, &name))
	{
		rows[kind].n++;
		total++;
	}
	if (total > TOPO_OBJECTS_MAX)
		return -E2BIG;
	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		rows[k].row = arena_alloc(scratch, (rows[k].n + 1) * sizeof(struct row));
		if (!rows[k].row)
			return -ENOMEM;
		rows[k].n = 0;
	}
	json_object_foreach((json_t *)records, path, rec) if (topo_path_parse(path, &kind, &name))
		rows[kind]
			.row[rows[kind].n++] = (struct row){ name, rec };
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		qsort(rows[k].row, rows[k].n, sizeof(struct row), by_row_name);
	return 0;
}

int topo_check_record(enum topo_kind kind, const char *name, const json_t *rec, struct err *err)
{
	const char *own;
	char text[80];
	int rc;

	if (!json_is_object(rec))
		rc = err_set(err, -EINVAL, "the record is '%s' and not an object",
			     topo_value_text(rec, text));
	else
		rc = topo_object_check(topo_record_shape(kind), rec, true, true, NULL, NULL,
				       err);
	if (!rc && !json_object_get(rec, "id"))
		rc = err_set(err, -EINVAL, "field 'id' is missing");
	own = rc ? NULL : topo_str(rec, "name");
	if (!rc && strcmp(own, name) != 0)
		rc = err_set(err, -EINVAL, "field 'name': '%s' is not the record's name", own);
	if (rc)
		err_prefix(err, "%s '%.63s'", topo_kind_name(kind), name);
	return rc;
}

static uint64_t json_sum(const json_t *v, uint64_t h)
{
	const char *key;
	json_t *item;
	uint64_t sum = 0;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_OBJECT: /* in no order */
		json_object_foreach((json_t *)v, key, item) sum += json_sum(item, hash_str(key, h));
		return hash_u64(h ^ sum);
	case JSON_ARRAY:
		json_array_foreach(v, i, item) h = json_sum(item, h);
		return hash_u64(h ^ json_array_size(v));
	case JSON_STRING:
		return hash_str(json_string_value(v), h);
	case JSON_INTEGER:
		return hash_u64(h ^ (uint64_t)json_integer_value(v) ^ 0x49);
	default:
		return hash_u64(h ^ (uint64_t)json_typeof(v) << 56);
	}
}

uint64_t topo_record_sum(const json_t *rec)
{
	uint64_t sum = 0;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)rec, key, v) if (strcmp(key, "rev") != 0 &&
						       strcmp(key, "description") != 0)
		sum += json_sum(v, hash_str(key, 1));
	return sum;
}

/* An array of structs whose first member is their struct topo_object, with names, ids and revisions filled in. */
static void *make_objects(struct topo_snapshot *snap, enum topo_kind kind, const struct rows *rows,
			  size_t size, uint32_t *n, struct err *err)
{
	struct arena *arena = &snap->memory->arena;
	char *all = arena_alloc(arena, (rows->n + 1) * size);

	for (uint32_t i = 0; all && i < rows->n; i++) {
		struct topo_object *o = (struct topo_object *)(all + i * size);
		const json_t *rec = rows->row[i].rec;

		if (topo_check_record(kind, rows->row[i].name, rows->row[i].rec, err))
			return NULL;
		o->kind = kind;
		o->name = arena_printf(arena, "%s", rows->row[i].name);
		o->id = arena_printf(arena, "%s", topo_str(rec, "id"));
		o->rev = (uint64_t)json_integer_value(json_object_get(rec, "rev"));
		o->sum = topo_record_sum(rec);
		if (!o->name || !o->id ||
		    hmap_insert(&snap->by_name, &o->by_name, topo_object_hash(kind, o->name)))
			all = NULL;
	}
	if (!all)
		err_set(err, -ENOMEM, "out of memory");
	else
		*n = rows->n;
	return all;
}

static int make_ports(struct topo_snapshot *snap, const struct rows *rows, struct err *err)
{
	topo_ports_init(&snap->ports, &snap->memory->pool, 0);
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->row[i];
		struct topo_port *port;

		if (topo_check_record(TOPO_PORT, row->name, row->rec, err))
			return err->code;
		port = topo_port_new(snap, row->name);
		if (!port || topo_port_object(snap, port, row->rec) ||
		    hmap_insert(&snap->by_name, &port->o.by_name, topo_object_hash(TOPO_PORT, port->o.name)) ||
		    topo_ports_put(&snap->ports, port, NULL))
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int decode_ports(struct topo_snapshot *snap, const struct rows *rows, struct err *err)
{
	struct topo_ports_at at;
	uint32_t i = 0;

	for (struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at))
		if (topo_decode_port(snap, p, rows->row[i++].rec, err))
			return err_prefix(err, "port '%s'", p->o.name);
	return 0;
}

/* All of them: in the scratch arena, in no table yet. */
static int decode_routes(struct topo_snapshot *snap, const struct rows *rows, struct arena *scratch,
			 struct topo_route ***out, struct err *err)
{
	struct topo_route **all = arena_alloc(scratch, (rows->n + 1) * sizeof(*all));

	for (uint32_t i = 0; all && i < rows->n; i++) {
		const struct row *row = &rows->row[i];

		if (topo_check_record(TOPO_ROUTE, row->name, row->rec, err))
			return err->code;
		all[i] = topo_route_make(snap, row->name, row->rec, err);
		if (!all[i])
			return err_prefix(err, "route '%s'", row->name);
		if (hmap_insert(&snap->by_name, &all[i]->o.by_name, topo_object_hash(TOPO_ROUTE, row->name)))
			all = NULL;
	}
	*out = all;
	return all ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int decode_fips(struct topo_snapshot *snap, const struct rows *rows, struct arena *scratch,
		       struct topo_floating_ip ***out, struct err *err)
{
	struct topo_floating_ip **all = arena_alloc(scratch, (rows->n + 1) * sizeof(*all));

	for (uint32_t i = 0; all && i < rows->n; i++) {
		const struct row *row = &rows->row[i];

		if (topo_check_record(TOPO_FLOATING_IP, row->name, row->rec, err))
			return err->code;
		all[i] = topo_fip_make(snap, row->name, row->rec, err);
		if (!all[i])
			return err_prefix(err, "floating_ip '%s'", row->name);
		if (hmap_insert(&snap->by_name, &all[i]->o.by_name,
				topo_object_hash(TOPO_FLOATING_IP, row->name)))
			all = NULL;
	}
	*out = all;
	return all ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int decode_bindings(struct topo_snapshot *snap, const struct rows *rows, struct err *err)
{
	for (uint32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->row[i];
		struct topo_port *port = topo_find_port(snap, row->name);

		if (topo_check_record(TOPO_BIND, row->name, row->rec, err))
			return err->code;
		if (!port)
			err_tag(err, -EINVAL, "no_such_object", "field 'port': port '%s' does not exist",
				row->name);
		if (!port || topo_decode_bind(snap, port, row->rec, err))
			return err_prefix(err, "bind '%s'", row->name);
	}
	return 0;
}

static int decode_all(struct topo_snapshot *snap, const struct rows rows[TOPO_KIND_MAX],
		      struct err *err)
{
	int rc = 0;

#define EACH(KIND, array, fn)                                                                    \
	for (uint32_t i = 0; !rc && i < rows[KIND].n; i++) {                                     \
		rc = fn(snap, &snap->array[i], rows[KIND].row[i].rec, err);                      \
		if (rc)                                                                          \
			err_prefix(err, "%s '%s'", topo_kind_name(KIND), snap->array[i].o.name); \
	}
	EACH(TOPO_ADDRESS_GROUP, address_groups, topo_decode_address_group)
	EACH(TOPO_PORT_GROUP, port_groups, topo_decode_port_group)
	EACH(TOPO_QOS, qos_policies, topo_decode_qos)
	EACH(TOPO_CHAIN, chains, topo_decode_chain)
	EACH(TOPO_SECURITY_GROUP, security_groups, topo_decode_security_group)
	EACH(TOPO_BRIDGE, bridges, topo_decode_bridge)
	EACH(TOPO_ROUTER, routers, topo_decode_router)
	rc = rc ? rc : decode_ports(snap, &rows[TOPO_PORT], err);
	EACH(TOPO_SUBNET, subnets, topo_decode_subnet)
	EACH(TOPO_NAT, nats, topo_decode_nat)
	EACH(TOPO_LOAD_BALANCER, load_balancers, topo_decode_load_balancer)
	EACH(TOPO_POOL, pools, topo_decode_pool)
	EACH(TOPO_MEMBER, members, topo_decode_member)
	EACH(TOPO_VIP, vips, topo_decode_vip)
	EACH(TOPO_MIRROR, mirrors, topo_decode_mirror)
#undef EACH
	return rc ? rc : decode_bindings(snap, &rows[TOPO_BIND], err);
}

static int decode_live(struct topo_snapshot *snap, const json_t *records)
{
	const char *path;
	json_t *rec;

	json_object_foreach((json_t *)records, path, rec)
	{
		struct topo_port *port = strncmp(path, "live/", 5) ? NULL : topo_find_port(snap, path + 5);

		if (port && topo_decode_live(snap, port, rec))
			return -ENOMEM;
		if (!strncmp(path, "health/", 7) && topo_decode_health(snap, path + 7, rec))
			return -ENOMEM;
	}
	return 0;
}

/* The ports of each bridge and router, in order of names. */
static int list_ports(struct topo_snapshot *snap, struct arena *arena)
{
	struct topo_ports_at at;

	for (uint32_t i = 0; i < snap->n_bridges; i++)
		topo_ports_init(&snap->bridges[i].ports, &snap->memory->pool, 0);
	for (struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at)) {
		if (p->bridge && topo_ports_put(&p->bridge->ports, p, NULL))
			return -ENOMEM;
		if (p->bridge)
			p->bridge->n_links += !!p->peer;
		else
			p->router->n_ports++;
	}
	for (uint32_t i = 0; i < snap->n_bridges; i++) {
		struct topo_bridge *b = &snap->bridges[i];

		b->links = arena_alloc(arena, (b->n_links + 1) * sizeof(struct topo_port *));
		b->n_links = 0;
	}
	for (uint32_t i = 0; i < snap->n_routers; i++) {
		struct topo_router *r = &snap->routers[i];

		r->ports = arena_alloc(arena, (r->n_ports + 1) * sizeof(struct topo_port *));
		r->n_ports = 0;
	}
	if (arena_failed(arena))
		return -ENOMEM;
	for (struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at)) {
		if (p->router)
			p->router->ports[p->router->n_ports++] = p;
		else if (p->peer)
			p->bridge->links[p->bridge->n_links++] = p;
	}
	return 0;
}

static int fill(struct topo_snapshot *snap, const json_t *records, struct arena *scratch,
		struct err *err)
{
	struct rows rows[TOPO_KIND_MAX] = { 0 };
	struct topo_floating_ip **fips;
	struct topo_route **routes;
	int rc;

	rc = collect(records, rows, scratch);
	if (rc == -E2BIG)
		return err_set(err, rc, "more than %d objects in one tenant", TOPO_OBJECTS_MAX);
	if (rc)
		return err_set(err, rc, "out of memory");
#define MAKE(KIND, array)                                                         \
	snap->array = make_objects(snap, KIND, &rows[KIND], sizeof(*snap->array), \
				   &snap->n_##array, err);                        \
	if (!snap->array)                                                         \
		return -EINVAL;
	MAKE(TOPO_ADDRESS_GROUP, address_groups)
	MAKE(TOPO_PORT_GROUP, port_groups)
	MAKE(TOPO_SECURITY_GROUP, security_groups)
	MAKE(TOPO_QOS, qos_policies)
	MAKE(TOPO_SUBNET, subnets)
	MAKE(TOPO_NAT, nats)
	MAKE(TOPO_LOAD_BALANCER, load_balancers)
	MAKE(TOPO_POOL, pools)
	MAKE(TOPO_MEMBER, members)
	MAKE(TOPO_VIP, vips)
	MAKE(TOPO_MIRROR, mirrors)
	MAKE(TOPO_CHAIN, chains)
	MAKE(TOPO_BRIDGE, bridges)
	MAKE(TOPO_ROUTER, routers)
#undef MAKE
	rc = make_ports(snap, &rows[TOPO_PORT], err);
	rc = rc ? rc : decode_all(snap, rows, err);
	rc = rc ? rc : decode_fips(snap, &rows[TOPO_FLOATING_IP], scratch, &fips, err);
	rc = rc ? rc : decode_routes(snap, &rows[TOPO_ROUTE], scratch, &routes, err);
	if (rc)
		return rc;
	if (decode_live(snap, records) || list_ports(snap, &snap->memory->arena))
		return err_set(err, -ENOMEM, "out of memory");
	rc = topo_check_structure(snap, err);
	rc = rc ? rc : topo_derive_members(snap, err);
	rc = rc ? rc : topo_derive_nats(snap, fips, rows[TOPO_FLOATING_IP].n, err);
	if (!rc && topo_derive_known(snap))
		rc = err_set(err, -ENOMEM, "out of memory");
	return rc ? rc : topo_derive_routes(snap, routes, rows[TOPO_ROUTE].n, err);
}

struct topo_snapshot *topo_decode(const char *tenant, uint64_t rev, const json_t *records,
				  struct err *err)
{
	struct topo_snapshot *snap = calloc(1, sizeof(*snap));
	struct topo_memory *memory = calloc(1, sizeof(*memory));
	struct arena scratch;
	int rc;

	if (!snap || !memory) {
		free(snap);
		free(memory);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	arena_init(&memory->arena, 0);
	pool_init(&memory->pool);
	hmap_init(&memory->texts);
	hmap_init(&memory->mores);
	arena_init(&scratch, 0);
	hmap_init(&snap->by_name);
	snap->refs = 1;
	snap->rev = rev;
	snap->memory = memory;
	snap->tenant = arena_printf(&memory->arena, "%s", tenant);
	rc = fill(snap, records, &scratch, err);
	arena_fini(&scratch);
	if (!rc && arena_failed(&memory->arena))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc) {
		topo_unref(snap);
		return NULL;
	}
	return snap;
}

struct topo_snapshot *topo_build(const char *tenant, uint64_t rev, const json_t *records,
				 struct err *err)
{
	return topo_decode(tenant, rev, records, err);
}
