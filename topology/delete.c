// SPDX-License-Identifier: Apache-2.0
/* Deletes what a document names, unless something that stays refers to it.  State records, and a port's binding, go with it. */
#include <errno.h>
#include <string.h>

#include "topology/doc.h"
#include "util/uuid.h"

/* The record that a document's object names: by name, or by id.  Borrowed; NULL = there is none.  'name' points into 'records'. */
static const json_t *find(const json_t *records, enum topo_kind kind, const char *key,
			  const char **name)
{
	enum topo_kind k;
	char path[TOPO_PATH];
	const char *p;
	json_t *rec;

	rec = json_object_get(records, topo_path(kind, key, path));
	*name = key;
	if (rec || !uuid_valid(key))
		return rec;
	json_object_foreach((json_t *)records, p,
			    rec) if (topo_path_parse(p, &k, name) && k == kind &&
				     topo_str(rec, "id") &&
				     !strcmp(topo_str(rec, "id"), key)) return rec;
	return NULL;
}

static int mark(const json_t *records, enum topo_kind kind, const json_t *obj, json_t *changes,
		struct err *err)
{
	const char *key = topo_str(obj, topo_shapes[kind].key), *name;
	char path[TOPO_PATH];

	if (!find(records, kind, key, &name))
		return err_tag(err, -ENOENT, "no_such_object",
			       "cannot delete %s '%s': it does not exist", topo_kind_name(kind),
			       key);
	if (json_object_set_new(changes, topo_path(kind, name, path), json_null()))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

struct scan {
	const json_t *changes;
	const char *user_path, *user_name;
	enum topo_kind user_kind;
	struct err *err;
};

static int check_ref(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in,
		     const char *field, int at, const char *name)
{
	const struct scan *s = arg;
	char path[TOPO_PATH];

	if (!topo_name_valid(name) ||
	    !json_is_null(json_object_get(s->changes, topo_path(kind, name, path))))
		return 0;
	return err_tag(
		s->err, -EBUSY, "in_use",
		"cannot delete %s '%s': %s '%.63s' refers to it in field '%s' (delete or change that first, or both together)",
		topo_kind_name(kind), name, topo_kind_name(s->user_kind), s->user_name, field);
}

static int check_users(const json_t *records, const json_t *changes, struct err *err)
{
	struct scan s = { .changes = changes, .err = err };
	json_t *rec;
	int rc;

	json_object_foreach((json_t *)records, s.user_path, rec)
	{
		if (!topo_path_parse(s.user_path, &s.user_kind, &s.user_name) ||
		    json_object_get(changes, s.user_path))
			continue;
		rc = topo_each_ref(topo_record_shape(s.user_kind), rec, check_ref, &s);
		if (rc)
			return rc;
	}
	return 0;
}

json_t *topo_doc_delete(const json_t *records, const json_t *doc, struct err *err)
{
	_json_ json_t *changes = json_object();
	struct topo_fault fault;
	int rc = topo_doc_check(doc, false, &fault, err);

	if (!changes)
		rc = err_set(err, -ENOMEM, "out of memory");
	for (int k = 0; !rc && k < TOPO_KIND_MAX; k++) {
		const json_t *list = json_object_get(doc, topo_kind_plural((enum topo_kind)k));

		for (size_t i = 0; !rc && i < json_array_size(list); i++)
			rc = mark(records, (enum topo_kind)k, json_array_get(list, i), changes,
				  err);
	}
	if (!rc && topo_cascade(records, changes))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = check_users(records, changes, err);
	return rc ? NULL : TAKE_PTR(changes);
}
