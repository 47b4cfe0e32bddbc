// SPDX-License-Identifier: Apache-2.0
/*
 * Document + records -> changes.  An object in a document is the whole object: fields that it does not set get their defaults.  Called
 * by skepd and skep; the answer is committed by statedb against the revision that 'records' had.
 */
#include <errno.h>
#include <string.h>

#include "topology/doc.h"
#include "topology/step.h"
#include "topology/validate.h"
#include "util/uuid.h"

struct apply {
	const json_t *records;
	json_t *merged;	  /* records as they will be */
	json_t *touched;  /* path -> true: named by the document, or changed because of it */
	json_t *unlinked; /* port name -> true: the document says peer: null */
	json_t *ids;	  /* "kind/id" -> name; made when first needed */
	const char *(*by_id)(void *arg, enum topo_kind kind, const char *id); /* of those that 'records' does not have; NULL = it has all */
	void (*uuid)(void *arg, char out[static 37]);
	void *arg;
	struct err *err;
};

static int no_memory(struct apply *a)
{
	return err_set(a->err, -ENOMEM, "out of memory");
}

/* --- references by id --- */

static int add_id(struct apply *a, enum topo_kind kind, const json_t *rec, const char *name)
{
	const char *id = topo_str(rec, "id");
	char path[TOPO_PATH];

	if (!id || !a->ids || !uuid_valid(id))
		return 0;
	return json_object_set_new(a->ids, topo_path(kind, id, path), json_string(name));
}

static int make_ids(struct apply *a)
{
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	if (a->ids)
		return 0;
	a->ids = json_object();
	if (!a->ids)
		return -1;
	json_object_foreach(a->merged, path, rec) if (topo_path_parse(path, &kind, &name) &&
						      add_id(a, kind, rec, name)) return -1;
	return 0;
}

/* The name that a name or an id stands for: borrowed; 'ref' itself if it stands for nothing (validation will say so). */
static const char *resolve(struct apply *a, enum topo_kind kind, const char *ref)
{
	char path[TOPO_PATH];
	const char *name;

	if (json_object_get(a->merged, topo_path(kind, ref, path)) || !uuid_valid(ref))
		return ref;
	if (make_ids(a))
		return ref;
	name = topo_str(a->ids, path);
	if (!name && a->by_id)
		name = a->by_id(a->arg, kind, ref);
	return name ? name : ref;
}

static int resolve_ref(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in,
		       const char *field, int at, const char *ref)
{
	struct apply *a = arg;
	const char *name = resolve(a, kind, ref);

	if (name == ref)
		return 0;
	if (at >= 0)
		return json_array_set_new(in, (size_t)at, json_string(name));
	if (f->type == TOPO_T_DEVICE)
		return json_object_set_new(in, field,
					   json_sprintf("%s/%s", topo_kind_name(kind), name));
	return json_object_set_new(in, field, json_string(name));
}

static int resolve_all(struct apply *a, json_t *rec, const struct topo_shape *shape)
{
	return topo_each_ref(shape, rec, resolve_ref, a) ? no_memory(a) : 0;
}

/* --- one object --- */

static int set_identity(struct apply *a, enum topo_kind kind, json_t *rec, const char *name,
			const json_t *old)
{
	const char *id = topo_str(rec, "id"), *old_id = topo_str(old, "id");
	char fresh[UUID_TEXT];

	if (id && old_id && strcmp(id, old_id) != 0)
		return err_set(
			a->err, -EINVAL,
			"%s '%s': field 'id': '%s' is not the id of the present one (want %s, or leave it out)",
			topo_kind_name(kind), name, id, old_id);
	if (!id && !old_id) {
		a->uuid(a->arg, fresh);
		id = fresh;
	}
	if (json_object_set_new(rec, "id", json_string(old_id ? old_id : id)))
		return no_memory(a);
	if (json_object_set_new(rec, "rev",
				json_integer(json_integer_value(json_object_get(old, "rev")))))
		return no_memory(a);
	return 0;
}

/* Bindings are named by their port, which may be given by id. */
static int name_binding(struct apply *a, json_t *rec)
{
	const char *port = resolve(a, TOPO_PORT, topo_str(rec, "port"));

	if (json_object_set_new(rec, "name", json_string(port)) || json_object_del(rec, "port"))
		return no_memory(a);
	return 0;
}

/* It may be the name that is wrong with it. */
static int prefix_object(struct err *err, const struct topo_shape *shape, const json_t *obj)
{
	const char *name = topo_str(obj, shape->key);

	return name ? err_prefix(err, "%s '%s'", shape->what, name) : err_prefix(err, "%s", shape->what);
}

static int put_object(struct apply *a, enum topo_kind kind, const json_t *obj)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	_json_ json_t *rec = NULL;
	const char *name;
	const json_t *old;
	char path[TOPO_PATH];
	int rc;

	rc = topo_object_check(shape, obj, false, true, &rec, NULL, a->err);
	if (rc)
		return prefix_object(a->err, shape, obj);
	if (topo_defaults(shape, rec) || (kind == TOPO_BIND && name_binding(a, rec)))
		return no_memory(a);
	name = topo_str(rec, "name");
	topo_path(kind, name, path);
	if (json_object_get(a->touched, path))
		return err_set(a->err, -EINVAL, "%s '%s': appears twice in the document",
			       shape->what, name);
	old = json_object_get(a->records, path);
	rc = set_identity(a, kind, rec, name, old);
	if (rc)
		return rc;
	if (kind == TOPO_PORT && json_is_null(json_object_get(obj, "peer")) &&
	    json_object_set_new(a->unlinked, name, json_true()))
		return no_memory(a);
	if (add_id(a, kind, rec, name) || json_object_set_new(a->touched, path, json_true()) ||
	    json_object_set(a->merged, path, rec))
		return no_memory(a);
	return 0;
}

static int put_objects(struct apply *a, const json_t *doc)
{
	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		const json_t *list = json_object_get(doc, topo_kind_plural((enum topo_kind)k)),
			     *obj;
		size_t i;
		int rc;

		json_array_foreach(list, i, obj)
		{
			rc = put_object(a, (enum topo_kind)k, obj);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int resolve_references(struct apply *a)
{
	enum topo_kind kind;
	const char *path, *name;
	json_t *unused;
	int rc;

	json_object_foreach(a->touched, path, unused)
	{
		(void)topo_path_parse(path, &kind, &name); /* it is one of ours */
		rc = resolve_all(a, json_object_get(a->merged, path), topo_record_shape(kind));
		if (rc)
			return rc;
	}
	return 0;
}

/* --- peers: a link is one thing with two ends, the document may speak of it at one --- */

/* A port's record that may be changed: a copy takes the place of one that belongs to 'records'. */
static json_t *own_port(struct apply *a, const char *name)
{
	char path[TOPO_PATH];
	json_t *rec = json_object_get(a->merged, topo_path(TOPO_PORT, name, path));

	if (!rec || json_object_get(a->touched, path))
		return rec;
	rec = topo_json_copy(rec); /* only a member of its own will change */
	if (!rec || json_object_set_new(a->merged, path, rec) ||
	    json_object_set_new(a->touched, path, json_true()))
		return NULL;
	return rec;
}

static const json_t *port_of(const json_t *records, const char *name)
{
	char path[TOPO_PATH];

	return json_object_get(records, topo_path(TOPO_PORT, name, path));
}

static bool same_text(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* Lets go of the old peer of a port whose link the document changes, unless it says something about that end as well. */
static int release_peer(struct apply *a, const json_t *doc_port)
{
	const char *name = topo_str(doc_port, "name");
	const char *was = topo_str(port_of(a->records, name), "peer");
	const char *is = topo_str(port_of(a->merged, name), "peer");
	const json_t *other = was ? port_of(a->merged, was) : NULL;
	char path[TOPO_PATH];
	json_t *own;

	if (!json_object_get(doc_port, "peer") || !other || same_text(was, is) ||
	    !same_text(topo_str(other, "peer"), name) ||
	    json_object_get(a->touched, topo_path(TOPO_PORT, was, path)))
		return 0;
	own = own_port(a, was);
	if (!own)
		return no_memory(a);
	(void)json_object_del(own, "peer"); /* it is there */
	return 0;
}

static int fill_peer(struct apply *a, const char *name, const char *peer)
{
	const json_t *other = port_of(a->merged, peer);
	json_t *own;

	if (!other || topo_str(other, "peer") || json_object_get(a->unlinked, peer) ||
	    same_text(name, peer))
		return 0;
	own = own_port(a, peer);
	if (!own || json_object_set_new(own, "peer", json_string(name)))
		return no_memory(a);
	return 0;
}

static int link_peers(struct apply *a, const json_t *doc)
{
	const json_t *ports = json_object_get(doc, "ports"), *port;
	const char *name, *peer;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < json_array_size(ports); i++)
		rc = release_peer(a, json_array_get(ports, i));
	json_array_foreach(ports, i, port)
	{
		/* what the document says of this end, else what the records say of the other one */
		name = topo_str(port, "name");
		peer = topo_str(port_of(a->merged, name), "peer");
		if (!rc && peer)
			rc = fill_peer(a, name, peer);
		if (rc || peer)
			continue;
		peer = topo_str(port_of(a->records, name), "peer");
		if (peer && same_text(topo_str(port_of(a->merged, peer), "peer"), name))
			rc = fill_peer(a, peer, name);
	}
	return rc;
}

/* --- the difference --- */

static int prune_rest(struct apply *a)
{
	_json_ json_t *deleted = json_object();
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	if (!deleted)
		return no_memory(a);
	json_object_foreach(
		(json_t *)a->records, path,
		rec) if (topo_path_parse(path, &kind, &name) &&
			 !json_object_get(a->touched, path) &&
			 json_object_set_new(deleted, path, json_null())) return no_memory(a);
	if (topo_cascade(a->records, deleted))
		return no_memory(a);
	json_object_foreach(deleted, path, rec) if (!json_object_get(a->touched, path))(void)
		json_object_del(a->merged, path); /* was there */
	return 0;
}

static json_t *difference(struct apply *a)
{
	_json_ json_t *changes = json_object();
	const char *path;
	json_t *rec;

	if (!changes)
		return NULL;
	json_object_foreach((json_t *)a->records, path,
			    rec) if (!json_object_get(a->merged, path) &&
				     json_object_set_new(changes, path, json_null())) return NULL;
	json_object_foreach(a->touched, path, rec)
	{
		json_t *now = json_object_get(a->merged, path);

		/* revisions are equal: the new record has taken over the old one's */
		if (now && !json_equal(now, json_object_get(a->records, path)) &&
		    json_object_set(changes, path, now))
			return NULL;
	}
	return TAKE_PTR(changes);
}

static json_t *run(struct apply *a, const json_t *doc, bool prune)
{
	json_t *changes;

	if (put_objects(a, doc) || resolve_references(a))
		return NULL;
	if (prune && prune_rest(a))
		return NULL;
	if (link_peers(a, doc))
		return NULL;
	changes = difference(a);
	if (!changes) {
		no_memory(a);
	} else if (topo_validate_changes(a->merged, changes, a->err)) {
		json_decref(changes);
		return NULL;
	}
	return changes;
}

static void fini(struct apply *a)
{
	json_decref(a->merged);
	json_decref(a->touched);
	json_decref(a->unlinked);
	json_decref(a->ids);
}

json_t *topo_doc_apply(const json_t *records, const json_t *doc, bool prune,
		       void (*uuid)(void *arg, char out[static 37]), void *arg, struct err *err)
{
	struct apply a = { .records = records, .uuid = uuid, .arg = arg, .err = err };
	struct topo_fault fault;
	json_t *changes = NULL;

	if (topo_doc_check(doc, true, &fault, err))
		return NULL;
	a.merged = topo_json_copy(records);
	a.touched = json_object();
	a.unlinked = json_object();
	if (a.merged && a.touched && a.unlinked)
		changes = run(&a, doc, prune);
	else
		no_memory(&a);
	fini(&a);
	return changes;
}

/* --- without looking at all records --- */

static int keep(json_t *few, const json_t *records, enum topo_kind kind, const char *name)
{
	char path[TOPO_PATH];
	json_t *rec = name ? json_object_get(records, topo_path(kind, name, path)) : NULL;

	return rec ? json_object_set(few, path, rec) : 0;
}

/* The name that a port's name or id stands for; NULL: none. */
static const char *port_name(const struct apply *a, const json_t *records, const char *ref)
{
	char path[TOPO_PATH];

	if (!ref || json_object_get(records, topo_path(TOPO_PORT, ref, path)) || !uuid_valid(ref))
		return ref;
	return a->by_id(a->arg, TOPO_PORT, ref);
}

/* Of all records those that an object may change: itself, and who was or will be its peer. */
static int keep_for(const struct apply *a, json_t *few, const json_t *records, enum topo_kind kind, const json_t *obj)
{
	const char *name = topo_str(obj, topo_shapes[kind].key);
	char path[TOPO_PATH];
	int rc;

	if (kind == TOPO_BIND)
		name = port_name(a, records, name);
	rc = keep(few, records, kind, name);
	if (kind != TOPO_PORT)
		return rc;
	rc = rc ? rc : keep(few, records, kind, topo_str(json_object_get(records, topo_path(kind, name, path)), "peer"));
	return rc ? rc : keep(few, records, kind, port_name(a, records, topo_str(obj, "peer")));
}

static json_t *records_of(const struct apply *a, const json_t *records, const json_t *doc)
{
	json_t *few = json_object();
	int rc = few ? 0 : -1;

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		const json_t *list = json_object_get(doc, topo_kind_plural((enum topo_kind)k));

		for (size_t i = 0; !rc && i < json_array_size(list); i++)
			rc = keep_for(a, few, records, (enum topo_kind)k, json_array_get(list, i));
	}
	if (!rc)
		return few;
	json_decref(few);
	return NULL;
}

json_t *topo_doc_changes(const json_t *records, const json_t *doc,
			 const char *(*by_id)(void *arg, enum topo_kind kind, const char *id),
			 void (*uuid)(void *arg, char out[static 37]), void *arg, struct err *err)
{
	struct apply a = { .by_id = by_id, .uuid = uuid, .arg = arg, .err = err };
	_json_ json_t *few = NULL;
	struct topo_fault fault;
	json_t *changes = NULL;

	if (topo_doc_check(doc, true, &fault, err))
		return NULL;
	few = records_of(&a, records, doc);
	a.records = few;
	a.merged = few ? topo_json_copy(few) : NULL;
	a.touched = json_object();
	a.unlinked = json_object();
	if (!a.merged || !a.touched || !a.unlinked) {
		no_memory(&a);
	} else if (!put_objects(&a, doc) && !resolve_references(&a) && !link_peers(&a, doc)) {
		changes = difference(&a);
		if (!changes)
			no_memory(&a);
	}
	fini(&a);
	return changes;
}
