// SPDX-License-Identifier: Apache-2.0
/* Text -> documents, checked for shape.  Called by the CLI, the agent's control socket and the fuzz target. */
#include <errno.h>
#include <string.h>

#include "topology/doc.h"
#include "util/yaml.h"

static const char *object_label(const struct topo_shape *shape, const json_t *obj, size_t index,
				char buf[static 160])
{
	const json_t *name = json_object_get(obj, shape->key);
	char text[80];

	if (json_is_string(name))
		snprintf(buf, 160, "%s '%s'", shape->what, topo_value_text(name, text));
	else
		snprintf(buf, 160, "%s %zu", shape->what, index + 1);
	return buf;
}

/* Naming an object is enough to delete it; what says more than that must be complete. */
static bool only_named(const struct topo_shape *shape, const json_t *obj)
{
	size_t names = !!json_object_get(obj, shape->key) + !!json_object_get(obj, "id");

	return json_object_size(obj) == names;
}

static int check_one(const struct topo_shape *shape, const json_t *obj, size_t index, bool complete,
		     struct topo_fault *fault, struct err *err)
{
	const json_t *key;
	char label[160], text[80];
	int rc;

	if (!json_is_object(obj))
		return err_set(err, -EINVAL, "%s %zu: '%s' is not an object (want {%s: ...})",
			       shape->what, index + 1, topo_value_text(obj, text), shape->key);
	*fault = (struct topo_fault){ obj, NULL };
	key = json_object_get(obj, shape->key);
	if (!key || json_is_null(key))
		rc = err_set(err, -EINVAL, "field '%s' is missing", shape->key);
	else
		rc = topo_object_check(shape, obj, false, complete || !only_named(shape, obj), NULL,
				       fault, err);
	if (rc)
		err_prefix(err, "%s", object_label(shape, obj, index, label));
	return rc;
}

static int unknown_kind(const char *key, struct err *err)
{
	json_t *v = json_string(key);
	char shown[80];

	err_set(err, -EINVAL,
		"kind '%s' is unknown (a document has tenant, bridges, routers, ports, routes, subnets, nats, floating_ips, load_balancers, pools, members, vips, security_groups, chains, address_groups, port_groups, qos_policies, mirrors, bindings)",
		v ? topo_value_text(v, shown) : "?");
	json_decref(v);
	return -EINVAL;
}

static int check_list(enum topo_kind kind, const json_t *list, bool complete,
		      struct topo_fault *fault, struct err *err)
{
	const json_t *obj;
	char text[80];
	size_t i;
	int rc;

	if (json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(
			err, -EINVAL, "'%s' is '%s', which is not a list (want [{%s: ...}, ...])",
			topo_kind_plural(kind), topo_value_text(list, text), topo_shapes[kind].key);
	if (json_array_size(list) > TOPO_OBJECTS_MAX)
		return err_set(err, -EINVAL, "'%s': %zu objects are too many (at most %d)",
			       topo_kind_plural(kind), json_array_size(list), TOPO_OBJECTS_MAX);
	json_array_foreach(list, i, obj)
	{
		*fault = (struct topo_fault){ list, NULL };
		rc = check_one(&topo_shapes[kind], obj, i, complete, fault, err);
		if (rc)
			return rc;
	}
	return 0;
}

int topo_doc_check(const json_t *doc, bool complete, struct topo_fault *fault, struct err *err)
{
	const json_t *tenant, *value;
	const char *key;
	char text[80];
	int rc;

	*fault = (struct topo_fault){ doc, NULL };
	if (!json_is_object(doc))
		return err_set(err, -EINVAL,
			       "'%s' is not a document (want tenant: NAME and lists of objects)",
			       topo_value_text(doc, text));
	tenant = json_object_get(doc, "tenant");
	if (!tenant) {
		/* perhaps it is there, misspelt */
		json_object_foreach((json_t *)doc, key, value)
		{
			fault->key = key;
			if (topo_kind_find(key) < 0)
				return unknown_kind(key, err);
		}
		fault->key = NULL;
		return err_set(err, -EINVAL, "field 'tenant' is missing (want tenant: NAME)");
	}
	if (!json_is_string(tenant) || !topo_name_valid(json_string_value(tenant))) {
		fault->key = "tenant";
		return err_set(
			err, -EINVAL,
			"field 'tenant': '%s' is not a name (want letters, digits, '.', '_', '-', first a letter or digit, at most %d)",
			topo_value_text(tenant, text), TOPO_NAME_MAX);
	}
	json_object_foreach((json_t *)doc, key, value)
	{
		int kind = topo_kind_find(key);

		*fault = (struct topo_fault){ doc, key };
		if (!strcmp(key, "tenant"))
			continue;
		if (kind < 0 || strcmp(key, topo_kind_plural((enum topo_kind)kind)) != 0)
			return unknown_kind(key, err);
		rc = check_list((enum topo_kind)kind, value, complete, fault, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Documents may also come as one list, which is how "skep get -j" prints several. */
static json_t *flatten(json_t *docs)
{
	_json_ json_t *all = json_array();
	json_t *doc, *inner;
	size_t i, k;

	if (!all)
		return NULL;
	json_array_foreach(docs, i, doc)
	{
		if (json_is_null(doc))
			continue;
		if (!json_is_array(doc)) {
			if (json_array_append(all, doc))
				return NULL;
			continue;
		}
		json_array_foreach(doc, k, inner) if (json_array_append(all, inner)) return NULL;
	}
	return TAKE_PTR(all);
}

static unsigned int fault_line(const struct yaml_lines *lines, const struct topo_fault *fault)
{
	unsigned int line = 0;

	if (fault->in && fault->key)
		line = yaml_line_of_key(lines, fault->in, fault->key);
	if (!line && fault->in)
		line = yaml_line_of(lines, fault->in);
	return line;
}

json_t *topo_doc_parse_for(const char *text, size_t len, const char *file, const char *tenant,
			   struct err *err)
{
	struct yaml_lines *lines;
	_json_ json_t *raw = yaml_parse(text, len, file, &lines, err);
	_json_ json_t *docs = NULL;
	struct topo_fault fault;
	unsigned int line;
	json_t *doc;
	size_t i;
	int rc = 0;

	if (!raw)
		return NULL;
	docs = flatten(raw);
	if (!docs)
		rc = err_set(err, -ENOMEM, "%s: out of memory", file);
	else if (!json_array_size(docs))
		rc = err_set(err, -EINVAL,
			     "%s: no document (want tenant: NAME and lists of objects)", file);
	for (i = 0; !rc && i < json_array_size(docs); i++) {
		doc = json_array_get(docs, i);
		if (tenant && json_is_object(doc) && !json_object_get(doc, "tenant") &&
		    json_object_set_new(doc, "tenant", json_string(tenant)))
			rc = err_set(err, -ENOMEM, "out of memory");
		rc = rc ? rc : topo_doc_check(doc, false, &fault, err);
		line = rc ? fault_line(lines, &fault) : 0;
		if (line)
			err_prefix(err, "%s:%u", file, line);
		else if (rc)
			err_prefix(err, "%s", file);
	}
	yaml_lines_free(lines);
	return rc ? NULL : TAKE_PTR(docs);
}

json_t *topo_doc_parse(const char *text, size_t len, const char *file, struct err *err)
{
	return topo_doc_parse_for(text, len, file, NULL, err);
}
