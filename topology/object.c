// SPDX-License-Identifier: Apache-2.0
/*
 * One object on its own: its fields, and whether they go together.  Called for documents (with line numbers), by apply and for
 * records.  What needs other objects is in validate.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "topology/schema.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int unknown_field(const struct topo_shape *shape, const char *key, bool record,
			 struct err *err)
{
	char list[400], shown[80];
	json_t *v = json_string(key);
	size_t n = 0;

	list[0] = '\0';
	for (unsigned int i = 0; i < shape->n && n < sizeof(list); i++)
		if (record || !shape->fields[i].record_only)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
					      shape->fields[i].name);
	err_set(err, -EINVAL, "field '%s' is unknown (%s %s has %s)",
		v ? topo_value_text(v, shown) : "?", strchr("aeiou", shape->what[0]) ? "an" : "a",
		shape->what, list);
	json_decref(v);
	return -EINVAL;
}

static int fault_at(struct topo_fault *fault, const json_t *in, const char *key)
{
	if (fault)
		*fault = (struct topo_fault){ in, key };
	return -EINVAL;
}

/* --- nested objects --- */

static const char *element_label(const struct topo_field *f, const json_t *obj, size_t index,
				 char buf[static 128])
{
	const char *name = topo_str(obj, "name");

	if (name && topo_name_valid(name))
		snprintf(buf, 128, "%s '%s'", f->shape->what, name);
	else if (!strcmp(f->shape->what, "element"))
		snprintf(buf, 128, "field '%s' element %zu", f->name, index + 1);
	else
		snprintf(buf, 128, "%s %zu", f->shape->what, index + 1);
	return buf;
}

/* An address alone stands for {address: ...}. */
static json_t *as_object(const struct topo_field *f, const json_t *item)
{
	if (json_is_string(item) && !strcmp(f->shape->key, "address"))
		return json_pack("{s:O}", "address", item);
	return json_incref((json_t *)item);
}

static int check_objects(const struct topo_field *f, const json_t *list, bool record, json_t **out,
			 struct topo_fault *fault, struct err *err)
{
	_json_ json_t *all = json_array();
	const json_t *item;
	char text[128];
	size_t i;

	if (!all)
		return no_memory(err);
	if (!json_is_array(list))
		return err_set(err, -EINVAL,
			       "field '%s': '%s' is not a list (want [{%s: ...}, ...])", f->name,
			       topo_value_text(list, text), f->shape->fields[0].name);
	if (json_array_size(list) > (size_t)f->max)
		return err_set(err, -EINVAL, "field '%s': %zu %ss are too many (at most %lld)", f->name,
			       json_array_size(list), f->shape->what, (long long)f->max);
	json_array_foreach(list, i, item)
	{
		_json_ json_t *obj = as_object(f, item);
		json_t *v = NULL;
		int rc;

		fault_at(fault, list, NULL);
		if (!json_is_object(obj))
			return err_set(err, -EINVAL,
				       "field '%s': %s %zu: '%s' is not an object (want {%s: ...})",
				       f->name, f->shape->what, i + 1, topo_value_text(item, text),
				       f->shape->fields[0].name);
		rc = topo_object_check(f->shape, obj, record, true, out ? &v : NULL, fault, err);
		if (fault && fault->in == obj)
			fault_at(fault, json_is_object(item) ? item : list,
				 json_is_object(item) ? fault->key : NULL);
		if (rc) {
			err_prefix(err, "%s", element_label(f, obj, i, text));
			return rc;
		}
		if (out && json_array_append_new(all, v))
			return no_memory(err);
	}
	if (out)
		*out = TAKE_PTR(all);
	return 0;
}

static int check_missing(const struct topo_shape *shape, const json_t *obj, struct err *err)
{
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		const json_t *v = json_object_get(obj, f->name);

		if (f->required && (!v || json_is_null(v)))
			return err_set(err, -EINVAL, "field '%s' is missing", f->name);
	}
	return 0;
}

int topo_object_check(const struct topo_shape *shape, const json_t *obj, bool record, bool complete,
		      json_t **out, struct topo_fault *fault, struct err *err)
{
	_json_ json_t *normal = json_object();
	const char *key;
	json_t *value;
	int rc;

	if (!normal)
		return no_memory(err);
	json_object_foreach((json_t *)obj, key, value)
	{
		const struct topo_field *f = topo_field_find(shape, key);

		fault_at(fault, obj, key);
		if (!f || (f->record_only && !record))
			return unknown_field(shape, key, record, err);
	}
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		json_t *v = NULL;

		value = json_object_get(obj, f->name);
		if (!value || json_is_null(value))
			continue;
		fault_at(fault, obj, f->name);
		if (f->type == TOPO_T_OBJECTS)
			rc = check_objects(f, value, record, out ? &v : NULL, fault, err);
		else
			rc = topo_scalar(f, value, out ? &v : NULL, err);
		if (rc)
			return rc;
		if (out && json_object_set_new(normal, f->name, v))
			return no_memory(err);
	}
	fault_at(fault, obj, NULL);
	if (complete) {
		rc = check_missing(shape, obj, err);
		if (rc)
			return rc;
		rc = shape->together ? shape->together(obj, fault, err) : 0;
		if (rc)
			return rc;
	}
	if (out)
		*out = TAKE_PTR(normal);
	return 0;
}
