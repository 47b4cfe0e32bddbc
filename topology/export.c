// SPDX-License-Identifier: Apache-2.0
/* Records -> a document that apply would take: sorted by name, fields in the schema's order, without ids and revisions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/doc.h"

struct row {
	const char *name;
	const json_t *rec;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static bool shown(const struct topo_field *f)
{
	return f->type != TOPO_T_ID && f->type != TOPO_T_REV;
}

static json_t *export_object(enum topo_kind kind, const char *name, const json_t *rec)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	_json_ json_t *obj = json_object();

	if (!obj)
		return NULL;
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		json_t *v = json_object_get(rec, f->name);
		bool is_key = !strcmp(f->name, shape->key);

		if (is_key ? json_object_set_new(obj, f->name, json_string(name))
			   : v && shown(f) && json_object_set(obj, f->name, v))
			return NULL;
	}
	return TAKE_PTR(obj);
}

/* The objects of one kind, or those of 'name' (name or id; NULL = all).  NULL: no memory. */
static json_t *export_kind(const json_t *records, enum topo_kind kind, const char *only)
{
	_json_ json_t *list = json_array();
	_free_ struct row *rows = NULL;
	enum topo_kind k;
	const char *path, *name;
	json_t *rec;
	size_t n = 0;

	rows = calloc(json_object_size(records) + 1, sizeof(*rows));
	if (!list || !rows)
		return NULL;
	json_object_foreach((json_t *)records, path, rec)
	{
		const char *id = topo_str(rec, "id");

		if (!topo_path_parse(path, &k, &name) || k != kind)
			continue;
		if (!only || !strcmp(name, only) || (id && !strcmp(id, only)))
			rows[n++] = (struct row){ name, rec };
	}
	qsort(rows, n, sizeof(*rows), by_name);
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, export_object(kind, rows[i].name, rows[i].rec)))
			return NULL;
	return TAKE_PTR(list);
}

json_t *topo_doc_export(const json_t *records, const char *tenant, const char *kind,
			const char *name, struct err *err)
{
	/* people read bridges before the ports on them, and policy last but for what is bound where */
	static const enum topo_kind order[] = {
		TOPO_BRIDGE,	    TOPO_ROUTER,	 TOPO_PORT,   TOPO_ROUTE,  TOPO_SUBNET,
		TOPO_NAT,	    TOPO_FLOATING_IP,	 TOPO_LOAD_BALANCER, TOPO_POOL, TOPO_MEMBER,
		TOPO_VIP,	    TOPO_SECURITY_GROUP, TOPO_CHAIN,  TOPO_ADDRESS_GROUP, TOPO_PORT_GROUP,
		TOPO_QOS,	    TOPO_MIRROR,	 TOPO_BIND,
	};
	_json_ json_t *doc = json_object();
	int only = kind ? topo_kind_find(kind) : -1;
	size_t n = 0;

	if (kind && only < 0) {
		err_set(err, -EINVAL,
			"'%.63s' is not a kind of object (want bridge, router, port, route, subnet, nat, floating_ip, load_balancer, pool, member, vip, security_group, chain, address_group, port_group, qos, mirror or bind)",
			kind);
		return NULL;
	}
	if (!doc || json_object_set_new(doc, "tenant", json_string(tenant)))
		goto no_memory;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		json_t *list;

		if (only >= 0 && order[i] != (enum topo_kind)only)
			continue;
		list = export_kind(records, order[i], name);
		n += json_array_size(list);
		if (list && !json_array_size(list))
			json_decref(list);
		else if (!list || json_object_set_new(doc, topo_kind_plural(order[i]), list))
			goto no_memory;
	}
	if (name && !n) {
		err_tag(err, -ENOENT, "no_such_object",
			"%s '%.63s' does not exist in tenant '%.63s'",
			kind ? topo_kind_name((enum topo_kind)only) : "object", name, tenant);
		return NULL;
	}
	return TAKE_PTR(doc);
no_memory:
	err_set(err, -ENOMEM, "out of memory");
	return NULL;
}
