// SPDX-License-Identifier: Apache-2.0
/* What records cost in memory, about: by what jansson and malloc() make of them. */
#include <string.h>

#include "api/cache_private.h"
#include "api/row.h"
#include "topology/doc.h"

#define OBJECT	 224 /* an empty one */
#define MEMBER	 112 /* beside key and value */
#define ARRAY	 128
#define STRING	 80
#define NUMBER	 32

static size_t value_size(const json_t *v)
{
	size_t n = 0, i;
	const char *key;
	json_t *m;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		json_object_foreach ((json_t *)v, key, m)
			n += MEMBER + strlen(key) + value_size(m);
		return OBJECT + n;
	case JSON_ARRAY:
		json_array_foreach (v, i, m)
			n += sizeof(m) + value_size(m);
		return ARRAY + n;
	case JSON_STRING:
		return STRING + json_string_length(v);
	case JSON_INTEGER:
	case JSON_REAL:
		return NUMBER;
	default:
		return 0; /* there is one of each */
	}
}

size_t cache_record_size(const char *path, const json_t *record)
{
	enum topo_kind kind;
	const char *name;
	size_t row = record && topo_path_parse(path, &kind, &name) ? row_size(&topo_shapes[kind]) + strlen(name) : 0;

	return record ? MEMBER + row + strlen(path) + value_size(record) : 0;
}

size_t cache_records_size(const json_t *records)
{
	size_t n = 0;
	const char *path;
	json_t *record;

	json_object_foreach ((json_t *)records, path, record)
		n += cache_record_size(path, record);
	return n;
}

/* Who writes has records of its own; so has a simulation. */
size_t cache_tenant_size(const struct cache_tenant *t)
{
	return t->bytes * (1 + !!t->writer + !!t->snap);
}
