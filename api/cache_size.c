// SPDX-License-Identifier: Apache-2.0
/* What records cost in memory, about: by what jansson and malloc() make of them. */
#include <string.h>

#include "api/cache_private.h"

#define OBJECT	 224 /* an empty one */
#define MEMBER	 112 /* beside key and value */
#define ARRAY	 128
#define STRING	 80
#define NUMBER	 32
#define ROW	 192 /* struct cache_object, its place in rows and ids */

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
	return record ? MEMBER + ROW + strlen(path) + value_size(record) : 0;
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
