// SPDX-License-Identifier: Apache-2.0
/* Creating, replacing, patching and deleting one object. */
#include "api/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/object.h"
#include "api/patch.h"
#include "api/role.h"
#include "topology/doc.h"

bool change_body(struct api_request *r, json_t **body)
{
	*body = api_body(r);
	if (json_is_object(*body))
		return true;
	api_problemf(r, *body ? 422 : 400, *body ? "invalid" : "malformed", "the body is %s (want a JSON object)",
		     *body ? "not an object" : "missing");
	return false;
}

int change_normalize(enum topo_kind kind, json_t *object, const char *name, struct err *err)
{
	const char *key = topo_shapes[kind].key, *says = json_str(object, key), *also = json_str(object, "name");

	(void)json_object_del(object, "rev"); /* a precondition says If-Match */
	if (strcmp(key, "name") && also) {    /* a binding's name is its port's */
		if (!says)
			json_object_set_new(object, key, json_string(also));
		else if (strcmp(says, also))
			return err_set(err, -EINVAL, "%s '%s': field 'name': '%s' is not its port", topo_kind_name(kind), says,
				       also);
		(void)json_object_del(object, "name");
		says = json_str(object, key);
	}
	if (name && says && strcmp(says, name))
		return err_set(err, -EINVAL, "%s '%s': field '%s': '%s' is not the name in the path (want '%s', or leave it out)",
			       topo_kind_name(kind), name, key, says, name);
	if (name && !json_object_get(object, key))
		json_object_set_new(object, key, json_string(name));
	return 0;
}

json_t *change_view(enum topo_kind kind, const char *name, const json_t *record)
{
	const struct topo_shape *shape = &topo_shapes[kind];
	json_t *view = json_object();

	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		json_t *v = json_object_get(record, f->name);

		if (v && f->type != TOPO_T_REV && f->type != TOPO_T_ID)
			json_object_set(view, f->name, v);
	}
	json_object_set_new(view, shape->key, json_string(name));
	return view;
}

json_t *change_patch(enum topo_kind kind, const char *name, const json_t *record, const json_t *patch, struct err *err)
{
	_json_ json_t *view = change_view(kind, name, record);
	json_t *object;

	json_object_set(view, "id", json_object_get(record, "id"));
	object = patch_merge(view, patch);
	if (!object) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	/* a link is one thing with two ends: without the word, it stays */
	if (kind == TOPO_PORT && json_is_null(json_object_get(patch, "peer")))
		json_object_set_new(object, "peer", json_null());
	if (!change_normalize(kind, object, name, err))
		return object;
	json_decref(object);
	return NULL;
}

int change_allowed(const struct api_request *r, const json_t *changes, struct err *err)
{
	return role_check_changes(api_caller_of(r), changes, err);
}

/* --- plans --- */

static json_t *checked(const struct write *w, json_t *changes, struct err *err)
{
	if (changes && change_allowed(w->r, changes, err)) {
		json_decref(changes);
		return NULL;
	}
	return changes;
}

static void keep_name(struct write *w, const char *name)
{
	snprintf(w->name_buf, sizeof(w->name_buf), "%s", name);
	w->name = w->name_buf;
}

static bool exists(const struct writer *wr, enum topo_kind kind, const char *name)
{
	char path[TOPO_PATH];

	return topo_name_valid(name) && json_object_get(write_records(wr), topo_path(kind, name, path));
}

static json_t *plan_create(struct write *w, struct writer *wr, struct err *err)
{
	const char *name = json_str(w->body, topo_shapes[w->kind].key), *port = NULL;

	if (name && w->kind == TOPO_BIND) /* called by its port, which may be told by id */
		port = write_find(wr, TOPO_PORT, name);
	if (port)
		name = port;
	if (name && exists(wr, w->kind, name)) {
		err_tag(err, -EEXIST, "exists", "%s '%s': it exists already (PUT replaces, PATCH changes it)",
			topo_kind_name(w->kind), name);
		return NULL;
	}
	if (name)
		keep_name(w, name);
	return checked(w, write_put(wr, w->kind, w->body, err), err);
}

/* The object that the path names: by name, or an id that is there. */
static const char *path_name(struct write *w, struct writer *wr)
{
	const char *key = api_param(w->r, "name"), *name = write_find(wr, w->kind, key);

	keep_name(w, name ? name : key);
	return name;
}

static json_t *plan_replace(struct write *w, struct writer *wr, struct err *err)
{
	const char *name = path_name(w, wr);
	_json_ json_t *object = json_copy(w->body);

	w->created = !name;
	if (!name && !topo_name_valid(api_param(w->r, "name"))) { /* all of it: w->name is cut */
		err_set(err, -EINVAL, "%s: field 'name': '%.80s' is not a name (want 1 to %d letters, digits, '.', '_', '-')",
			topo_kind_name(w->kind), api_param(w->r, "name"), TOPO_NAME_MAX);
		return NULL;
	}
	if (!object || write_precondition(wr, w, w->kind, name, err) || change_normalize(w->kind, object, w->name, err))
		return NULL;
	return checked(w, write_put(wr, w->kind, object, err), err);
}

static int no_object(struct write *w, struct err *err)
{
	return err_tag(err, -ENOENT, "not_found", "%s '%.63s' does not exist", topo_kind_name(w->kind), w->name);
}

static json_t *plan_patch(struct write *w, struct writer *wr, struct err *err)
{
	const char *name = path_name(w, wr);
	_json_ json_t *object = NULL;
	char path[TOPO_PATH];

	if (write_precondition(wr, w, w->kind, name, err) || (!name && no_object(w, err)))
		return NULL;
	object = change_patch(w->kind, name, json_object_get(write_records(wr), topo_path(w->kind, name, path)), w->body,
			      err);
	return object ? checked(w, write_put(wr, w->kind, object, err), err) : NULL;
}

static json_t *plan_delete(struct write *w, struct writer *wr, struct err *err)
{
	const char *name = path_name(w, wr);

	if (write_precondition(wr, w, w->kind, name, err) || (!name && no_object(w, err)))
		return NULL;
	return checked(w, write_delete(wr, w->kind, w->name, err), err);
}

/* --- answers --- */

static void answer_object(struct write *w, struct cache_tenant *t, const struct err *err)
{
	const struct cache_object *o = err || w->dry_run ? NULL : cache_find(t, w->kind, w->name);
	char text[200];

	if (err || w->dry_run || !o) {
		write_done_report(w, t, err);
		return;
	}
	snprintf(text, sizeof(text), "\"%llu\"", (unsigned long long)object_rev(o));
	api_header(w->r, "ETag", text);
	if (w->created) {
		snprintf(text, sizeof(text), "/api/v1/tenants/%s/%s/%s", cache_name(t), topo_kind_plural(w->kind), o->name);
		api_header(w->r, "Location", text);
	}
	write_answer(w, t, w->created ? 201 : 200, object_view(w->kind, o));
}

static void answer_delete(struct write *w, struct cache_tenant *t, const struct err *err)
{
	if (err || w->dry_run)
		write_done_report(w, t, err);
	else
		write_answer(w, t, 204, NULL);
}

/* --- requests --- */

static void submit(struct api_request *r, struct cache_tenant *t, write_plan *plan, write_done *done, json_t *body)
{
	struct write *w = write_new(r, plan, done);

	if (!w)
		return;
	w->kind = object_kind(r);
	w->body = json_incref(body);
	w->created = plan == plan_create;
	write_submit(t, w);
}

static void create(struct api_request *r, struct cache_tenant *t)
{
	struct err err = { 0 };
	json_t *body;

	if (!change_body(r, &body))
		return;
	if (change_normalize(object_kind(r), body, NULL, &err))
		api_fail(r, &err);
	else
		submit(r, t, plan_create, answer_object, body);
}

static void replace(struct api_request *r, struct cache_tenant *t)
{
	json_t *body;

	if (change_body(r, &body))
		submit(r, t, plan_replace, answer_object, body);
}

static void patch(struct api_request *r, struct cache_tenant *t)
{
	json_t *body;

	if (change_body(r, &body))
		submit(r, t, plan_patch, answer_object, body);
}

static void delete(struct api_request *r, struct cache_tenant *t)
{
	submit(r, t, plan_delete, answer_delete, NULL);
}

static void on_create(struct api_request *r)
{
	api_with_tenant(r, create);
}

static void on_replace(struct api_request *r)
{
	api_with_tenant(r, replace);
}

static void on_patch(struct api_request *r)
{
	api_with_tenant(r, patch);
}

static void on_delete(struct api_request *r)
{
	api_with_tenant(r, delete);
}

#define LIST   "/api/v1/tenants/{tenant}/{kind}"
#define OBJECT "/api/v1/tenants/{tenant}/{kind}/{name}"
const struct api_route change_routes[] = {
	{ "POST", LIST, on_create, API_ADMIN, API_WRITES | API_LARGE, NULL, "create an object" },
	{ "PUT", OBJECT, on_replace, API_ADMIN, API_WRITES | API_MATCHES | API_LARGE, NULL, "replace an object, or create it" },
	{ "PATCH", OBJECT, on_patch, API_ADMIN, API_WRITES | API_MERGE_PATCH | API_MATCHES | API_LARGE, NULL, "change some fields of an object" },
	{ "DELETE", OBJECT, on_delete, API_ADMIN, API_WRITES | API_MATCHES, NULL, "delete an object" },
};
const unsigned int n_change_routes = ARRAY_SIZE(change_routes);
