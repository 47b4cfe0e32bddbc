// SPDX-License-Identifier: Apache-2.0
/*
 * Several writes of objects as one: all of them, or none.  They are judged together, by what they leave: two ports may name each other as peers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/change.h"
#include "api/heavy.h"
#include "api/object.h"
#include "api/parse.h"
#include "topology/doc.h"

#define OPERATIONS_MAX 100000

struct batch {
	struct write *w;
	struct writer *wr;
	json_t *records; /* without what is deleted */
	json_t *deleted; /* {path: null} */
	json_t *puts;	 /* {path: object}, the last one of each */
	json_t *doc, *names;
	struct err *err;
};

/* "ports/p1", or "ports" for POST. */
static int parse_path(struct batch *b, const char *text, bool whole, enum topo_kind *kind, char name[static TOPO_NAME_MAX + 1])
{
	size_t n = strcspn(text, "/");
	char plural[32];
	int k = -1;

	if (n < sizeof(plural)) {
		snprintf(plural, sizeof(plural), "%.*s", (int)n, text);
		k = topo_kind_find(plural);
	}
	name[0] = 0;
	if (k < 0 || strcmp(topo_kind_plural((enum topo_kind)k), plural) || (whole ? text[n] != '/' : text[n] != 0))
		return err_set(b->err, -EINVAL, "field 'path': '%.80s' is not a path (want KIND%s, like ports%s)", text,
			       whole ? "/NAME" : "", whole ? "/p1" : "");
	*kind = (enum topo_kind)k;
	if (whole) {
		const char *found = write_find(b->wr, *kind, text + n + 1);

		if (!topo_name_valid(text + n + 1))
			return err_set(b->err, -EINVAL, "field 'path': '%.80s' is not a path (want KIND/NAME)", text);
		snprintf(name, TOPO_NAME_MAX + 1, "%s", found ? found : text + n + 1);
	}
	return 0;
}

/* What the operations so far leave of an object: a document's object, a record, or NULL. */
static const json_t *present(const struct batch *b, const char *path, bool *is_record)
{
	const json_t *put = json_object_get(b->puts, path);

	*is_record = !put;
	if (put)
		return put;
	return json_object_get(b->deleted, path) ? NULL : json_object_get(write_records(b->wr), path);
}

static int check_match(const struct batch *b, const json_t *op, const char *path)
{
	const json_t *match = json_object_get(op, "if_match");
	const json_t *rec = json_object_get(write_records(b->wr), path);
	json_int_t rev = rec && !write_is_pending(b->wr, path) ? json_integer_value(json_object_get(rec, "rev")) : -1;

	if (!match)
		return 0;
	if (!json_is_integer(match))
		return err_set(b->err, -EINVAL, "field 'if_match' is not a whole number (want the object's rev; 0: it is not there)");
	if (json_integer_value(match) == (rec ? rev : 0))
		return 0;
	return err_tag(b->err, -ESTALE, "precondition_failed", "'%.80s' is not the one of if_match any more (get it again)", path);
}

static int put(struct batch *b, enum topo_kind kind, const char *path, json_t *object)
{
	(void)kind;
	(void)json_object_del(b->deleted, path);
	return json_object_set(b->puts, path, object) ? err_set(b->err, -ENOMEM, "out of memory") : 0;
}

static int run_delete(struct batch *b, const char *path)
{
	bool is_record;

	if (!present(b, path, &is_record))
		return err_tag(b->err, -ENOENT, "not_found", "'%.80s' does not exist", path);
	(void)json_object_del(b->puts, path);
	if (!json_object_get(write_records(b->wr), path))
		return 0; /* made by this batch */
	return json_object_set_new(b->deleted, path, json_null()) ? err_set(b->err, -ENOMEM, "out of memory") : 0;
}

static int run_patch(struct batch *b, enum topo_kind kind, const char *name, const char *path, const json_t *body)
{
	_json_ json_t *object = NULL;
	const json_t *now;
	bool is_record;

	now = present(b, path, &is_record);
	if (!now)
		return err_tag(b->err, -ENOENT, "not_found", "'%.80s' does not exist", path);
	object = change_patch(kind, name, now, body, b->err);
	return object ? put(b, kind, path, object) : b->err->code;
}

static int run_one(struct batch *b, const json_t *op)
{
	const char *method = json_str(op, "method"), *text = json_str(op, "path"), *key;
	_json_ json_t *body = json_is_object(json_object_get(op, "body")) ? json_copy(json_object_get(op, "body")) : NULL;
	char name[TOPO_NAME_MAX + 1], path[TOPO_PATH];
	enum topo_kind kind = TOPO_PORT;
	bool is_record, post = method && !strcmp(method, "POST");
	json_t *unused;
	int rc;

	json_object_foreach ((json_t *)op, key, unused)
		if (strcmp(key, "method") && strcmp(key, "path") && strcmp(key, "body") && strcmp(key, "if_match"))
			return err_set(b->err, -EINVAL, "field '%.40s' is not known here (want method, path, body, if_match)", key);
	if (!method || (strcmp(method, "PUT") && strcmp(method, "PATCH") && strcmp(method, "DELETE") && !post))
		return err_set(b->err, -EINVAL, "field 'method': '%.20s' is not allowed (want PUT, PATCH, DELETE or POST)",
			       method ? method : "");
	if (!text)
		return err_set(b->err, -EINVAL, "field 'path' is missing (want KIND/NAME, or KIND for POST)");
	if (strcmp(method, "DELETE") && !body)
		return err_set(b->err, -EINVAL, "field 'body' is missing (want an object)");
	rc = parse_path(b, text, !post, &kind, name);
	if (rc)
		return rc;
	if (post) {
		const char *own = NULL;

		if (change_normalize(kind, body, NULL, b->err))
			return b->err->code;
		own = json_str(body, topo_shapes[kind].key);
		if (!own || !topo_name_valid(own))
			return err_set(b->err, -EINVAL, "field '%s' is missing, or not a name", topo_shapes[kind].key);
		snprintf(name, sizeof(name), "%s", own);
	}
	topo_path(kind, name, path);
	if (check_match(b, op, path))
		return b->err->code;
	if (!strcmp(method, "DELETE"))
		return run_delete(b, path);
	if (!strcmp(method, "PATCH"))
		return run_patch(b, kind, name, path, body);
	if (post && present(b, path, &is_record))
		return err_tag(b->err, -EEXIST, "exists", "'%.80s' exists already", path);
	if (!post && change_normalize(kind, body, name, b->err))
		return b->err->code;
	return put(b, kind, path, body);
}

/* {path: object} -> {"tenant", plural: [object]} */
static json_t *document(const char *tenant, const json_t *objects, bool keys_only)
{
	json_t *doc = json_pack("{s:s}", "tenant", tenant), *object, *list;
	enum topo_kind kind;
	const char *path, *name;

	json_object_foreach ((json_t *)objects, path, object) {
		if (!topo_path_parse(path, &kind, &name))
			continue;
		list = json_object_get(doc, topo_kind_plural(kind));
		if (!list) {
			list = json_array();
			json_object_set_new(doc, topo_kind_plural(kind), list);
		}
		if (keys_only)
			json_array_append_new(list, json_pack("{s:s}", topo_shapes[kind].key, name));
		else
			json_array_append(list, object);
	}
	return doc;
}

/* Deleting and putting together: who refers to what is gone is told by what is left. */
static json_t *changes_of(struct batch *b)
{
	const char *tenant = json_str(b->w->body, "tenant");
	_json_ json_t *doc = document(tenant, b->puts, false), *dels = document(tenant, b->deleted, true), *left = NULL;
	json_t *changes;
	const char *path;
	json_t *unused;

	if (!json_object_size(b->deleted))
		return json_object_size(b->puts) ? write_apply(b->wr, write_records(b->wr), doc, false, b->err) : json_object();
	if (!json_object_size(b->puts))
		return topo_doc_delete(write_records(b->wr), dels, b->err);
	if (topo_cascade(write_records(b->wr), b->deleted))
		return NULL;
	left = topo_records_merge(write_records(b->wr), b->deleted);
	changes = left ? write_apply(b->wr, left, doc, false, b->err) : NULL;
	json_object_foreach (b->deleted, path, unused)
		if (changes && !json_object_get(changes, path))
			json_object_set_new(changes, path, json_null());
	return changes;
}

static json_t *plan(struct write *w, struct writer *wr, struct err *err)
{
	struct batch b = { .w = w, .wr = wr, .deleted = json_object(), .puts = json_object(), .err = err };
	json_t *ops = json_object_get(w->body, "operations"), *op, *changes = NULL;
	size_t i;
	int rc = write_precondition_all(wr, w, err);

	json_array_foreach (ops, i, op) {
		if (rc)
			break;
		rc = json_is_object(op) ? run_one(&b, op) : err_set(err, -EINVAL, "not an object");
		if (rc) {
			err_prefix(err, "operation %zu", i + 1);
			break;
		}
	}
	if (!rc)
		changes = changes_of(&b);
	if (changes && change_allowed(w->r, changes, err)) {
		json_decref(changes);
		changes = NULL;
	}
	json_decref(b.deleted);
	json_decref(b.puts);
	return changes;
}

/* Many objects, or any that go, are judged by all there is. */
static bool is_heavy(const struct cache_tenant *t, const json_t *ops)
{
	bool deletes = false;
	const json_t *op;
	size_t i;

	json_array_foreach (ops, i, op) {
		const char *method = json_str(op, "method");

		deletes = deletes || (method && !strcmp(method, "DELETE"));
	}
	return (deletes || json_array_size(ops) > WRITE_STEP) && json_object_size(cache_records(t)) + json_array_size(ops) > HEAVY_RECORDS;
}

static void submit(struct api_request *r, struct cache_tenant *t)
{
	json_t *body = NULL, *ops, *unused;
	struct write *w;
	const char *key;

	if (!change_body(r, &body))
		return;
	ops = json_object_get(body, "operations");
	json_object_foreach (body, key, unused) {
		if (strcmp(key, "operations")) {
			api_problemf(r, 422, "invalid", "field '%.40s' is not known here (want operations)", key);
			return;
		}
	}
	if (!json_is_array(ops) || json_array_size(ops) > OPERATIONS_MAX) {
		api_problemf(r, 422, "invalid", "field 'operations' is not a list of at most %d (want [{\"method\", \"path\", ...}])",
			     OPERATIONS_MAX);
		return;
	}
	w = write_new(r, plan, write_done_report);
	if (!w)
		return;
	w->body = json_pack("{s:s, s:O}", "tenant", cache_name(t), "operations", ops);
	w->apart = is_heavy(t, ops);
	write_submit(t, w);
}

static void on_batch(struct api_request *r)
{
	api_with_tenant(r, submit);
}

const struct api_route batch_routes[] = {
	{ "POST", "/api/v1/tenants/{tenant}/batch", on_batch, API_ADMIN, API_WRITES | API_LARGE | API_MATCHES, NULL, "several writes as one" },
};
const unsigned int n_batch_routes = ARRAY_SIZE(batch_routes);
