// SPDX-License-Identifier: Apache-2.0
/* A tenant's whole network as one document; what a document would change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache_private.h"
#include "api/change.h"
#include "api/exchange.h"
#include "api/object.h"
#include "api/parse.h"
#include "topology/doc.h"
#include "util/yaml.h"

/* --- reading --- */

static bool wants_yaml(const struct api_request *r)
{
	const char *accept = api_request_header(r, "Accept");

	return accept && (strstr(accept, "application/yaml") || strstr(accept, "text/yaml"));
}

/* The document as it is kept for those who ask again: the last one that was asked for, until something changes. */
static bool make_text(struct cache_tenant *t, bool yaml, struct err *err)
{
	_json_ json_t *doc = NULL;

	if (t->doc && t->doc_crev == cache_crev(t) && t->doc_yaml == yaml)
		return true;
	free(t->doc);
	t->doc = NULL;
	doc = topo_doc_export(cache_records(t), cache_name(t), NULL, NULL, err);
	if (!doc)
		return false;
	t->doc = yaml ? yaml_text(doc, &t->doc_len) : json_dumps(doc, JSON_COMPACT);
	if (!t->doc) {
		err_set(err, -ENOMEM, "out of memory");
		return false;
	}
	t->doc_len = yaml ? t->doc_len : strlen(t->doc);
	t->doc_crev = cache_crev(t);
	t->doc_yaml = yaml;
	return true;
}

static void get(struct api_request *r, struct cache_tenant *t)
{
	const char *seen = api_request_header(r, "If-None-Match");
	const bool yaml = wants_yaml(r);
	struct err err = { 0 };
	char tag[40], *text;

	/* of the network, in whatever form it is told: the one tag that If-Match is compared with */
	snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)cache_crev(t));
	api_header(r, "ETag", tag);
	api_header(r, "Vary", "Accept");
	api_header(r, "Cache-Control", "private, no-cache");
	if (seen && object_matches(seen, cache_crev(t), false)) {
		api_answer(r, 304, NULL);
		return;
	}
	if (!make_text(t, yaml, &err)) {
		api_fail(r, &err);
		return;
	}
	text = malloc(t->doc_len + 1);
	if (text)
		api_answer_text(r, 200, yaml ? "application/yaml" : "application/json", memcpy(text, t->doc, t->doc_len + 1), t->doc_len);
	else
		api_problemf(r, 503, "overloaded", "out of memory");
}

/* --- writing --- */

/* One document of this tenant: what several say of it is one. */
static json_t *merge(json_t *docs, const char *tenant, struct err *err)
{
	_json_ json_t *all = json_pack("{s:s}", "tenant", tenant);
	json_t *doc, *list;
	const char *key;
	size_t i;

	json_array_foreach (docs, i, doc) {
		const char *says = json_str(doc, "tenant");

		if (says && strcmp(says, tenant)) {
			err_set(err, -EINVAL, "field 'tenant': '%.63s' is not the tenant of the path (want '%s', or leave it out)",
				says, tenant);
			return NULL;
		}
		json_object_foreach (doc, key, list) {
			json_t *have = json_object_get(all, key);

			if (!json_is_array(list))
				continue;
			if (have ? json_array_extend(have, list) : json_object_set_new(all, key, json_copy(list))) {
				err_set(err, -ENOMEM, "out of memory");
				return NULL;
			}
		}
	}
	return TAKE_PTR(all);
}

static json_t *plan(struct write *w, struct writer *wr, struct err *err)
{
	json_t *changes;

	if (write_precondition_all(wr, w, err))
		return NULL;
	changes = write_apply(wr, write_records(wr), w->body, w->prune, err);
	if (changes && change_allowed(w->r, changes, err)) {
		json_decref(changes);
		return NULL;
	}
	return changes;
}

static bool is_json(const struct api_request *r)
{
	const char *type = api_request_header(r, "Content-Type");

	return type && !strncmp(type, "application/json", 16);
}

/* A JSON document takes the shorter way: its shape is checked when it is applied. */
static json_t *parse(struct api_request *r, const char *tenant, struct err *err)
{
	size_t len;
	const char *text = api_body_text(r, &len), *says;
	_json_ json_t *docs = NULL, *doc = NULL;

	if (!dispatch_reserve(r, parse_cost(text, len, is_json(r)))) {
		return NULL;
	} else if (!is_json(r)) {
		docs = topo_doc_parse_for(text, len, "body", tenant, err);
		return docs ? merge(docs, tenant, err) : NULL;
	}
	doc = parse_json(text, len, API_DEPTH_MAX, err);
	if (!doc) {
		err->tag = "malformed";
		return NULL;
	}
	says = json_str(doc, "tenant");
	if (!json_is_object(doc))
		err_set(err, -EINVAL, "the body is not a document (want an object: {\"bridges\": [...], ...})");
	else if (says && strcmp(says, tenant))
		err_set(err, -EINVAL, "field 'tenant': '%.63s' is not the tenant of the path (want '%s', or leave it out)", says,
			tenant);
	else if (!says && !json_object_get(doc, "tenant"))
		json_object_set_new(doc, "tenant", json_string(tenant));
	return err->code ? NULL : TAKE_PTR(doc);
}

/* More of a kind than the quota and than there is will not be taken, whatever they are: said before they are looked at. */
static int count(const struct api_request *r, const struct cache_tenant *t, const json_t *doc, struct err *err)
{
	const struct quota *q = auth_quota(api_of(r)->auth, cache_name(t));
	struct quota_use would = *cache_use(t);

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		int64_t n = (int64_t)json_array_size(json_object_get(doc, topo_kind_plural((enum topo_kind)k)));

		would.objects[k] = n > would.objects[k] ? n : would.objects[k];
	}
	return quota_check(q, cache_use(t), &would, err);
}

static void submit(struct api_request *r, struct cache_tenant *t, bool diff)
{
	struct err err = { 0 };
	_json_ json_t *doc = parse(r, cache_name(t), &err);
	struct write *w;
	int prune;

	if (!doc || count(r, t, doc, &err)) {
		if (!r->answered)
			api_fail(r, &err);
		return;
	}
	prune = api_query_bool(r, "prune");
	w = prune < 0 ? NULL : write_new(r, plan, write_done_report);
	if (!w)
		return;
	w->prune = prune;
	w->dry_run = w->dry_run || diff;
	w->body = TAKE_PTR(doc);
	write_submit(t, w);
}

static void put(struct api_request *r, struct cache_tenant *t)
{
	submit(r, t, false);
}

static void diff(struct api_request *r, struct cache_tenant *t)
{
	submit(r, t, true);
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, get);
}

static void on_put(struct api_request *r)
{
	api_with_tenant(r, put);
}

static void on_diff(struct api_request *r)
{
	api_with_tenant(r, diff);
}

#define TOPOLOGY "/api/v1/tenants/{tenant}/topology"
const struct api_route topology_routes[] = {
	{ "GET", TOPOLOGY, on_get, API_READER, API_MATCHES, NULL, "the whole network as a document" },
	{ "PUT", TOPOLOGY, on_put, API_ADMIN, API_WRITES | API_YAML | API_LARGE | API_MATCHES, "prune", "apply a document" },
	{ "POST", TOPOLOGY "/diff", on_diff, API_READER, API_YAML | API_LARGE | API_MATCHES, "prune", "what a document would change" },
};
const unsigned int n_topology_routes = ARRAY_SIZE(topology_routes);
