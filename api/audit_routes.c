// SPDX-License-Identifier: Apache-2.0
/* /api/v1/tenants/{tenant}/audit, and /api/v1/audit: of tokens and quotas. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/cache.h"
#include "api/change.h"
#include "api/heavy.h"
#include "api/page.h"
#include "api/role.h"
#include "topology/doc.h"
#include "util/cleanup.h"
#include "util/json.h"

/* What is asked, and from where on it is the caller's: what is older is of another tenant, which had the name before.  Operators see all. */
struct question {
	uint64_t since;
	json_t *changes; /* to undo */
};

static void question_free(void *data)
{
	struct question *q = data;

	json_decref(q->changes);
	free(q);
}

/* False: answered. */
static bool ask(struct api_request *r, uint64_t since)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q) {
		q->since = since;
		api_keep(r, q, question_free);
	} else {
		api_problemf(r, 503, "overloaded", "out of memory");
	}
	return q;
}

static bool is_hidden(const struct api_request *r, const json_t *entry)
{
	const struct question *q = api_kept(r);

	return (uint64_t)json_integer_value(json_object_get(entry, "rev")) <= q->since;
}

static void on_listed(void *arg, const struct err *err, const json_t *reply)
{
	json_t *items = json_array(), *entry, *next = json_object_get(reply, "next");
	struct api_request *r = arg;
	size_t i;

	if (err && err->code == -EINVAL)
		api_problemf(r, 400, "malformed", "query parameter 'cursor': '%.60s' is not one that was given", api_query(r, "cursor"));
	else if (err)
		api_fail(r, err);
	if (!err) {
		json_array_foreach(json_object_get(reply, "entries"), i, entry) {
			if (is_hidden(r, entry)) { /* and so are all that are older */
				next = NULL;
				break;
			}
			json_array_append_new(items, audit_view(entry));
		}
		api_answer(r, 200, json_pack("{s:O, s:O?}", "items", items, "next", next));
	}
	json_decref(items);
}

/* ?by= as it stands in the compact text of "meta". */
static bool by_text(struct api_request *r, char *text, size_t size)
{
	const char *by = api_query(r, "by");

	*text = 0;
	if (by && !role_name_ok(by)) {
		api_problemf(r, 400, "malformed", "query parameter 'by': '%.80s' is not a name", by);
		return false;
	}
	if (by)
		snprintf(text, size, "\"by\":\"%s\"", by);
	return true;
}

/* ?object= as the audit has it: "ports/web1", as paths have it, is "port/web1".  False: answered. */
static bool object_of_tenant(struct api_request *r, char path[static TOPO_PATH])
{
	const char *text = api_query(r, "object"), *name = text ? strchr(text, '/') : NULL;
	char kind[32];

	*path = 0;
	if (!text)
		return true;
	if (name && (size_t)(name - text) < sizeof(kind)) {
		snprintf(kind, sizeof(kind), "%.*s", (int)(name - text), text);
		if (topo_kind_find(kind) >= 0 && topo_name_valid(name + 1)) {
			topo_path((enum topo_kind)topo_kind_find(kind), name + 1, path);
			return true;
		}
	}
	api_problemf(r, 400, "malformed", "query parameter 'object': '%.80s' is no object (want KIND/NAME, like port/web1)", text);
	return false;
}

/* The same of /api/v1/audit. */
static bool object_of_access(struct api_request *r)
{
	static const char *const kinds[] = { "token/", "quota/", "tenant/", "about/" };
	const char *text = api_query(r, "object");

	for (size_t i = 0; text && i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(text, kinds[i], strlen(kinds[i])) && role_name_ok(text + strlen(kinds[i])))
			return true;
	if (text)
		api_problemf(r, 400, "malformed", "query parameter 'object': '%.80s' is no object (want token/ID, quota/TENANT, tenant/TENANT or about/TENANT)", text);
	return !text;
}

static void list(struct api_request *r, const char *space, const char *object)
{
	unsigned int limit = page_limit(r);
	char by[TOPO_NAME_MAX + 16];

	if (limit && by_text(r, by, sizeof(by)) && auth_may(r, api_caller_of(r), AUTH_AUDIT))
		db_audit_list(api_of(r)->db, space, api_query(r, "cursor"), limit, object, *by ? by : NULL, on_listed, r);
}

/* A tenant that was deleted has an audit still, for operators; others are asked which one they are of. */
static void of_tenant(struct api_request *r, void (*fn)(struct api_request *r, struct cache_tenant *t))
{
	if (*api_caller_of(r)->tenant)
		api_with_tenant(r, fn);
	else if (role_tenant_ok(api_param(r, "tenant")))
		fn(r, NULL);
	else
		api_problemf(r, 404, "not_found", "tenant '%.63s' does not exist", api_param(r, "tenant"));
}

static void list_of_tenant(struct api_request *r, struct cache_tenant *t)
{
	char object[TOPO_PATH];

	if (object_of_tenant(r, object) && ask(r, t ? cache_since(t) : 0))
		list(r, api_param(r, "tenant"), *object ? object : NULL);
}

static void on_list(struct api_request *r)
{
	of_tenant(r, list_of_tenant);
}

static void on_got(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;

	if ((err && err->code == -ENOENT) || (!err && is_hidden(r, reply)))
		api_problemf(r, 404, "not_found", "audit entry '%.63s' does not exist", api_param(r, "id"));
	else if (err)
		api_fail(r, err);
	else
		api_answer(r, 200, audit_view(reply));
}

static void get(struct api_request *r, struct cache_tenant *t)
{
	if (ask(r, t ? cache_since(t) : 0) && auth_may(r, api_caller_of(r), AUTH_AUDIT))
		db_audit_get(api_of(r)->db, api_param(r, "tenant"), api_param(r, "id"), on_got, r);
}

static void on_get(struct api_request *r)
{
	of_tenant(r, get);
}

/* Of tokens and quotas; an admin of a tenant sees those that are about it. */
static void on_list_all(struct api_request *r)
{
	const char *tenant = api_caller_of(r)->tenant;
	const struct store_life *life = store_life(auth_store(api_of(r)->auth), tenant);
	char object[TOPO_NAME_MAX + 16];

	snprintf(object, sizeof(object), "about/%s", tenant);
	if (*tenant && api_query(r, "object"))
		api_problemf(r, 403, "forbidden", "query parameter 'object' is for operators");
	else if (object_of_access(r) && ask(r, life && life->since ? life->since - 1 : 0)) /* that it was made is told */
		list(r, DB_API, *tenant ? object : api_query(r, "object"));
}

/* --- undo --- */

static json_t *plan_undo(struct write *w, struct writer *wr, struct err *err)
{
	_json_ json_t *inverse = write_precondition_all(wr, w, err) ? NULL : audit_inverse(write_records(wr), w->body, err), *merged = NULL;
	struct err why = { 0 };
	const char *path, *name;
	enum topo_kind kind;
	json_t *unused;

	if (!inverse || change_allowed(w->r, inverse, err))
		return NULL;
	json_object_foreach (inverse, path, unused) {
		if (topo_path_parse(path, &kind, &name))
			continue;
		err_tag(err, -EBUSY, "conflict", "'%.80s' is no object that could be changed back", path);
		return NULL;
	}
	merged = topo_records_merge(write_records(wr), inverse);
	if (!merged) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (topo_validate(merged, &why)) {
		err_tag(err, -EBUSY, "conflict", "this cannot be undone any more: %s", why.text);
		return NULL;
	}
	return TAKE_PTR(inverse);
}

static void undo(struct api_request *r, struct cache_tenant *t)
{
	struct write *w = write_new(r, plan_undo, write_done_report);

	if (!w)
		return;
	w->body = json_incref(((struct question *)api_kept(r))->changes);
	w->apart = json_object_size(cache_records(t)) > HEAVY_RECORDS; /* what remains is judged as a whole */
	write_submit(t, w);
}

static void on_read(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	json_t *changes = json_object_get(reply, "changes");
	struct question *q = api_kept(r);

	if (err || is_hidden(r, reply)) {
		on_got(r, err, reply);
	} else if (!json_is_object(changes)) {
		api_problemf(r, 409, "conflict", "this cannot be undone: it was too large for its changes to be kept");
	} else {
		q->changes = json_incref(changes);
		api_with_tenant(r, undo);
	}
}

static void read_undo(struct api_request *r, struct cache_tenant *t)
{
	if (ask(r, t ? cache_since(t) : 0) && auth_may(r, api_caller_of(r), AUTH_AUDIT))
		db_audit_get(api_of(r)->db, api_param(r, "tenant"), api_param(r, "id"), on_read, r);
}

static void on_undo(struct api_request *r)
{
	of_tenant(r, read_undo);
}

const struct api_route audit_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/audit", on_list, API_READER, 0, "limit cursor object by", "who changed what, newest first" },
	{ "GET", "/api/v1/tenants/{tenant}/audit/{id}", on_get, API_READER, 0, NULL, "one change, with before and after" },
	{ "POST", "/api/v1/tenants/{tenant}/audit/{id}/undo", on_undo, API_ADMIN, API_WRITES | API_MATCHES, NULL, "make the inverse change" },
	{ "GET", "/api/v1/audit", on_list_all, API_ADMIN, 0, "limit cursor object by", "who changed tokens and quotas, newest first" },
};
const unsigned int n_audit_routes = ARRAY_SIZE(audit_routes);
