// SPDX-License-Identifier: Apache-2.0
/* Implements quota.h.  Called by write.c (limits, counts) and quota_routes.c. */
#include "api/quota.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "topology/schema.h"

#define LIMIT_MAX (1LL << 50)

void quota_defaults(struct quota *q)
{
	*q = (struct quota){ .bytes = QUOTA_BYTES_DEFAULT, .tokens = QUOTA_TOKENS_DEFAULT };
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		q->objects[k] = QUOTA_OBJECTS_DEFAULT;
}

static int limit_of(const char *field, const json_t *v, int64_t min, int64_t max, int64_t *limit,
		    struct err *err)
{
	char text[80];

	if (json_is_integer(v) && json_integer_value(v) >= min && json_integer_value(v) <= max) {
		*limit = json_integer_value(v);
		return 0;
	}
	return err_set(err, -EINVAL,
		       "field '%.60s': '%.60s' is not allowed (want a number, %" PRId64
		       " to %" PRId64 ")",
		       field, topo_value_text(v, text), min, max);
}

static int objects_parse(const json_t *o, struct quota *q, struct err *err)
{
	const char *name;
	json_t *v;

	if (!json_is_object(o))
		return err_set(err, -EINVAL,
			       "field 'objects' is not an object (want {\"ports\": 1000})");
	json_object_foreach((json_t *)o, name, v)
	{
		int kind = topo_kind_find(name), rc;

		if (kind < 0 || strcmp(name, topo_kind_plural((enum topo_kind)kind)) != 0)
			return err_set(
				err, -EINVAL,
				"field 'objects': '%.60s' is not a kind of object (want ports, bridges, ...)",
				name);
		rc = limit_of(name, v, 0, TOPO_OBJECTS_MAX, &q->objects[kind], err);
		if (rc)
			return rc;
	}
	return 0;
}

int quota_parse(const json_t *o, struct quota *q, struct err *err)
{
	struct quota own;
	int64_t requests = 0;
	const char *key;
	int rc = 0;
	json_t *v;

	if (!json_is_object(o))
		return err_set(err, -EINVAL, "want an object");
	quota_defaults(&own);
	json_object_foreach((json_t *)o, key, v)
	{
		if (strcmp(key, "objects") == 0)
			rc = objects_parse(v, &own, err);
		else if (strcmp(key, "bytes") == 0)
			rc = limit_of(key, v, 0, LIMIT_MAX, &own.bytes, err);
		else if (strcmp(key, "tokens") == 0)
			rc = limit_of(key, v, 0, LIMIT_MAX, &own.tokens, err);
		else if (strcmp(key, "requests_per_s") == 0 && json_is_null(v))
			requests = 0;
		else if (strcmp(key, "requests_per_s") == 0)
			rc = limit_of(key, v, 1, QUOTA_REQUESTS_MAX, &requests, err);
		else if (strcmp(key, "rev") != 0 && strcmp(key, "used") != 0) /* as GET shows it */
			rc = err_set(
				err, -EINVAL,
				"field '%.60s' is not known (want objects, bytes, tokens, requests_per_s)",
				key);
		if (rc)
			return rc;
	}
	own.requests_per_s = (uint32_t)requests;
	*q = own;
	return 0;
}

static json_t *objects_json(const int64_t n[TOPO_KIND_MAX])
{
	json_t *o = json_object();

	for (int k = 0; k < TOPO_KIND_MAX; k++)
		json_object_set_new(o, topo_kind_plural((enum topo_kind)k), json_integer(n[k]));
	return o;
}

json_t *quota_json(const struct quota *q)
{
	return json_pack("{s:o, s:I, s:I, s:o}", "objects", objects_json(q->objects), "bytes",
			 (json_int_t)q->bytes, "tokens", (json_int_t)q->tokens, "requests_per_s",
			 q->requests_per_s ? json_integer(q->requests_per_s) : json_null());
}

json_t *quota_use_json(const struct quota_use *use)
{
	return json_pack("{s:o, s:I}", "objects", objects_json(use->objects), "bytes",
			 (json_int_t)use->bytes);
}

/* --- counting --- */

static int kind_of(const char *path)
{
	const char *slash = strchr(path, '/');
	char kind[32];

	if (!slash || (size_t)(slash - path) >= sizeof(kind))
		return -1;
	memcpy(kind, path, (size_t)(slash - path));
	kind[slash - path] = 0;
	return topo_kind_find(kind);
}

static size_t string_size(const char *s, size_t len)
{
	size_t n = len + strlen("\"\"");

	for (size_t i = 0; i < len; i++)
		if (s[i] == '"' || s[i] == '\\' || strchr("\b\f\n\r\t", s[i]))
			n += s[i] ? 1 : strlen("\\u0000") - 1;
		else if ((unsigned char)s[i] < ' ')
			n += strlen("\\u0000") - 1;
	return n;
}

/* As json_dumpb() with JSON_COMPACT has it, which takes ten times as long: each record is counted whenever it is read or written. */
static size_t json_size(const json_t *v)
{
	size_t n = strlen("{}"), i;
	const char *key;
	json_t *m;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		json_object_foreach ((json_t *)v, key, m)
			n += string_size(key, strlen(key)) + strlen(":,") + json_size(m);
		return n - !!json_object_size(v);
	case JSON_ARRAY:
		json_array_foreach (v, i, m)
			n += json_size(m) + strlen(",");
		return n - !!json_array_size(v);
	case JSON_STRING:
		return string_size(json_string_value(v), json_string_length(v));
	default:
		return json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	}
}

/* Of the record as it is kept, and its path; without its revision, which a new one does not have yet. */
static int64_t size_of(const char *path, const json_t *record)
{
	const json_t *rev = json_object_get(record, "rev");
	size_t n = json_size(record);

	if (rev)
		n -= json_size(rev) + strlen("\"rev\":,");
	return (int64_t)(n + strlen(path));
}

static void count(struct quota_use *use, int kind, const char *path, const json_t *record, int sign)
{
	if (!json_is_object(record))
		return;
	use->objects[kind] += sign;
	use->bytes += sign * size_of(path, record);
}

void quota_count_change(struct quota_use *use, const char *path, const json_t *was,
			const json_t *is)
{
	int kind = kind_of(path);

	if (kind < 0)
		return;
	count(use, kind, path, was, -1);
	count(use, kind, path, is, 1);
}

void quota_count(const json_t *records, struct quota_use *use)
{
	const char *path;
	json_t *record;

	*use = (struct quota_use){ 0 };
	json_object_foreach((json_t *)records, path, record)
		quota_count_change(use, path, NULL, record);
}

int quota_check(const struct quota *q, const struct quota_use *before,
		const struct quota_use *after, struct err *err)
{
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		if (after->objects[k] > q->objects[k] && after->objects[k] > before->objects[k])
			return err_tag(err, -EDQUOT, "quota_exceeded",
				       "the quota of the tenant is %" PRId64
				       " %s; it has %" PRId64 ", this would make %" PRId64 " (delete some, or ask an operator for more)",
				       q->objects[k], topo_kind_plural((enum topo_kind)k),
				       before->objects[k], after->objects[k]);
	if (after->bytes > q->bytes && after->bytes > before->bytes)
		return err_tag(err, -EDQUOT, "quota_exceeded",
			       "the quota of the tenant is %" PRId64 " bytes of configuration; it has %"
			       PRId64 ", this would make %" PRId64 " (delete some, or ask an operator for more)",
			       q->bytes, before->bytes, after->bytes);
	return 0;
}
