// SPDX-License-Identifier: Apache-2.0
/* Where records name other objects, by the tables of schema.c: in members, in lists, in nested objects.  Called by apply.c and delete.c. */
#include "topology/schema.h"

static int member_ref(const struct topo_field *f, json_t *in, topo_ref_cb *cb, void *arg)
{
	const char *text = topo_str(in, f->name), *name;
	enum topo_kind kind;

	if (!text)
		return 0;
	if (f->type == TOPO_T_REF)
		return cb(arg, f, f->ref, in, f->name, -1, text);
	return topo_parse_device(text, &kind, &name) ? cb(arg, f, kind, in, f->name, -1, name) : 0;
}

static int list_refs(const struct topo_field *f, json_t *in, topo_ref_cb *cb, void *arg)
{
	json_t *list = json_object_get(in, f->name), *item;
	size_t i;
	int rc;

	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			continue;
		rc = cb(arg, f, f->ref, list, f->name, (int)i, json_string_value(item));
		if (rc)
			return rc;
	}
	return 0;
}

int topo_each_ref(const struct topo_shape *shape, json_t *rec, topo_ref_cb *cb, void *arg)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		json_t *list, *item;
		size_t k;

		if (f->type == TOPO_T_REF && f->list)
			rc = list_refs(f, rec, cb, arg);
		else if (f->type == TOPO_T_REF || f->type == TOPO_T_DEVICE)
			rc = member_ref(f, rec, cb, arg);
		if (f->type != TOPO_T_OBJECTS)
			continue;
		list = json_object_get(rec, f->name);
		json_array_foreach(list, k, item)
		{
			rc = rc ? rc : topo_each_ref(f->shape, item, cb, arg);
		}
	}
	return rc;
}
