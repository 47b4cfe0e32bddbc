// SPDX-License-Identifier: Apache-2.0
#include "api/row.h"

#include <stdlib.h>
#include <string.h>

/* Records have their fields in the order of the shape: the next one is most often the one behind the last. */
static int find(const struct topo_shape *shape, const char *name, unsigned int from)
{
	for (unsigned int i = 0; i < shape->n; i++) {
		unsigned int at = (from + i) % shape->n;

		if (!strcmp(shape->fields[at].name, name))
			return (int)at;
	}
	return -1;
}

int row_field(const struct topo_shape *shape, const char *name)
{
	return find(shape, strcmp(name, "name") ? name : shape->key, 0);
}

struct cache_object *row_new(const struct topo_shape *shape, const char *name, json_t *record)
{
	const size_t len = strlen(name) + 1, values = shape->n * sizeof(json_t *);
	struct cache_object *o = calloc(1, sizeof(*o) + values + len);
	const char *field;
	json_t *v;
	int at = -1;

	if (!o)
		return NULL;
	o->name = memcpy((char *)o->values + values, name, len);
	o->record = json_incref(record);
	json_object_foreach (record, field, v) {
		at = find(shape, strcmp(field, "name") ? field : shape->key, (unsigned int)(at + 1));
		if (at >= 0)
			o->values[at] = v;
	}
	return o;
}

void row_free(struct cache_object *o)
{
	if (o)
		json_decref(o->record);
	free(o);
}

size_t row_size(const struct topo_shape *shape)
{
	return sizeof(struct cache_object) + (shape->n + 2) * sizeof(json_t *); /* and its places in rows and ids */
}
