// SPDX-License-Identifier: Apache-2.0
/* Entries of the audit as they were read: how they are told, and what undoes them.  Pure.  Implements audit.h, with audit.c.  Called by audit_routes.c, and by skep. */
#include <errno.h>
#include <string.h>

#include "api/audit.h"
#include "topology/doc.h"
#include "util/cleanup.h"

/* Entries of tokens and quotas name the tenant among their objects, to be found by it. */
static bool is_about(const char *path)
{
	return strncmp(path, "about/", 6) == 0;
}

json_t *audit_view(const json_t *entry)
{
	const json_t *changes = json_object_get(entry, "changes");
	json_t *o = json_object(), *list, *pair;
	const char *path;
	size_t i;

	json_object_set(o, "id", json_object_get(entry, "id"));
	json_object_set(o, "time_ms", json_object_get(entry, "ms"));
	json_object_set(o, "rev", json_object_get(entry, "rev"));
	json_object_set(o, "crev", json_object_get(entry, "crev"));
	json_object_set(o, "revision", json_object_get(entry, "crev")); /* as others call it */
	if (json_is_object(json_object_get(entry, "meta")))
		json_object_update_missing(o, json_object_get(entry, "meta"));
	if (!changes) {
		list = json_array();
		json_array_foreach(json_object_get(entry, "objects"), i, pair)
			if (!is_about(json_string_value(pair)))
				json_array_append(list, pair);
		json_object_set_new(o, "objects", list);
		return o;
	}
	list = json_is_null(changes) ? json_null() : json_array();
	json_object_foreach((json_t *)changes, path, pair)
	{
		json_t *before = json_array_get(pair, 0), *after = json_array_get(pair, 1);

		if (!is_about(path))
			json_array_append_new(list, json_pack("{s:s, s:s, s:O, s:O}", "path", path, "op",
							      json_is_null(after)    ? "deleted"
							      : json_is_null(before) ? "created"
										     : "changed",
							      "before", before, "after", after));
	}
	json_object_set_new(o, "changes", list);
	return o;
}

/* Revisions aside: those are given by the state DB. */
static bool same_record(const json_t *a, const json_t *b)
{
	_json_ json_t *x = NULL, *y = NULL;

	if (!json_is_object(a) || !json_is_object(b))
		return (!a || json_is_null(a)) && (!b || json_is_null(b));
	x = topo_json_copy(a);
	y = topo_json_copy(b);
	if (!x || !y)
		return false;
	json_object_del(x, "rev");
	json_object_del(y, "rev");
	return json_equal(x, y);
}

json_t *audit_inverse(const json_t *records, const json_t *changes, struct err *err)
{
	_json_ json_t *inverse = json_object();
	const char *path;
	json_t *pair;

	json_object_foreach((json_t *)changes, path, pair)
	{
		const json_t *before = json_array_get(pair, 0), *after = json_array_get(pair, 1);
		const json_t *now = json_object_get(records, path);
		json_t *record;

		if (!same_record(now, after)) {
			err_tag(err, -EBUSY, "changed_since", "'%.100s' %s, so this cannot be undone", path,
				!now ? "was deleted since" : json_is_null(after) ? "was created again since" : "was changed since");
			return NULL;
		}
		record = json_is_object(before) ? topo_json_copy(before) : json_null();
		if (json_is_object(record))
			json_object_del(record, "rev");
		if (!record || json_object_set_new(inverse, path, record)) {
			err_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
	}
	return TAKE_PTR(inverse);
}
