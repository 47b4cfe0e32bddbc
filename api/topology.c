// SPDX-License-Identifier: Apache-2.0
/* A tenant's whole network as one document; what a document would change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache_private.h"
#include "api/change.h"
#include "api/exchange.h"
#include "api/heavy.h"
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

/* The document, malloc()ed; NULL: 'err'. */
static char *make_text(const struct cache_tenant *t, bool yaml, size_t *len, struct err *err)
{
	_json_ json_t *doc = topo_doc_export(cache_records(t), cache_name(t), NULL, NULL, err);
	char *text;

	if (!doc)
		return NULL;
	text = yaml ? yaml_text(doc, len) : json_dumps(doc, JSON_COMPACT);
	if (!text)
		err_set(err, -ENOMEM, "out of memory");
	else if (!yaml)
		*len = strlen(text);
	return text;
}

/* Who reads the document. */
struct reading {
	struct api_request *r;
	struct cache_tenant *t;
	struct heavy_job *job;
	uint64_t since; /* whose network it was when it asked */
	uint64_t crev;	/* that is being read */
	bool yaml;
};

static bool is_kept(const struct reading *x)
{
	return x->t->doc && x->t->doc_crev == cache_crev(x->t) && x->t->doc_yaml == x->yaml;
}

/* For those who ask again: the last one that was asked for, until something changes. */
static void keep_text(const struct reading *x, char *text, size_t len)
{
	free(x->t->doc);
	x->t->doc = text;
	x->t->doc_len = len;
	x->t->doc_crev = x->crev;
	x->t->doc_yaml = x->yaml;
}

static void reading_end(struct reading *x)
{
	heavy_end(x->job);
	cache_release(x->t);
	free(x);
}

/* 'text' is copied. */
static void answer_doc(const struct reading *x, const char *text, size_t len)
{
	char tag[40], *copy = malloc(len + 1);

	if (!copy) {
		api_problemf(x->r, 503, "overloaded", "out of memory");
		return;
	}
	/* of the network, in whatever form it is told: the one tag that If-Match is compared with */
	snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)x->crev);
	api_header(x->r, "ETag", tag);
	memcpy(copy, text, len);
	copy[len] = 0;
	api_answer_text(x->r, 200, x->yaml ? "application/yaml" : "application/json", copy, len);
}

/* In the child. */
static void write_text(void *arg, FILE *out)
{
	const struct reading *x = arg;
	struct err err = { 0 };
	size_t len;
	char *text = make_text(x->t, x->yaml, &len, &err);

	if (text)
		fwrite(text, len, 1, out);
}

static void on_text(void *arg, const void *result, size_t len, const struct err *err)
{
	struct reading *x = arg;
	char *text = err ? NULL : malloc(len);

	if (err) {
		api_fail(x->r, err);
	} else {
		if (text)
			keep_text(x, memcpy(text, result, len), len);
		answer_doc(x, result, len);
	}
	reading_end(x);
}

/* Is all as it was when it asked? */
static int may_read(const struct reading *x, struct err *err)
{
	if (!auth_still(api_of(x->r)->auth, api_caller_of(x->r)))
		return err_tag(err, -EPERM, "forbidden", "the token that asks is not valid any more");
	if (!cache_exists(x->t) || cache_since(x->t) != x->since)
		return err_set(err, -ENOENT, "tenant '%s' does not exist", cache_name(x->t));
	if (!x->t->is_ready || !cache_is_current(x->t))
		return err_tag(err, -ETIMEDOUT, "unavailable", "the state DB does not answer");
	return 0;
}

/* It may have been read meanwhile, by another request. */
static void on_turn(void *arg, struct heavy_job *job, const struct err *err)
{
	struct reading *x = arg;
	struct err failed = { 0 };

	x->job = job;
	x->crev = cache_crev(x->t);
	if (err)
		api_fail(x->r, err);
	else if (may_read(x, &failed))
		api_fail(x->r, &failed);
	else if (is_kept(x))
		answer_doc(x, x->t->doc, x->t->doc_len);
	else if (heavy_run(job, write_text, on_text, x, &failed))
		api_fail(x->r, &failed);
	else
		return;
	reading_end(x);
}

static void read_now(struct reading *x)
{
	struct err err = { 0 };
	size_t len;
	char *text = is_kept(x) ? NULL : make_text(x->t, x->yaml, &len, &err);

	if (err.code) {
		api_fail(x->r, &err);
	} else {
		if (text)
			keep_text(x, text, len);
		answer_doc(x, x->t->doc, x->t->doc_len);
	}
	reading_end(x);
}

static void get(struct api_request *r, struct cache_tenant *t)
{
	const char *seen = api_request_header(r, "If-None-Match");
	struct reading *x;
	char tag[40];

	api_header(r, "Vary", "Accept");
	api_header(r, "Cache-Control", "private, no-cache");
	if (seen && object_matches(seen, cache_crev(t), false)) {
		snprintf(tag, sizeof(tag), "\"%llu\"", (unsigned long long)cache_crev(t));
		api_header(r, "ETag", tag);
		api_answer(r, 304, NULL);
		return;
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	*x = (struct reading){ .r = r, .t = cache_hold(t), .since = cache_since(t), .crev = cache_crev(t), .yaml = wants_yaml(r) };
	if (json_object_size(cache_records(t)) > HEAVY_RECORDS && !is_kept(x))
		heavy_ask(r, on_turn, x);
	else
		read_now(x);
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

	if (!is_json(r)) {
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

static json_t *plan(struct write *w, struct writer *wr, struct err *err)
{
	json_t *changes;

	if (!w->body && (!(w->body = parse(w->r, cache_name(w->t), err)) || count(w->r, w->t, w->body, err)))
		return NULL;
	if (write_precondition_all(wr, w, err))
		return NULL;
	changes = write_apply(wr, write_records(wr), w->body, w->prune, err);
	if (changes && change_allowed(w->r, changes, err)) {
		json_decref(changes);
		return NULL;
	}
	return changes;
}

/* To read it takes long, or to look at all that there is, which a few objects do not need. */
static bool is_heavy(const struct cache_tenant *t, size_t len, const json_t *doc, bool prune)
{
	return len > HEAVY_BODY || ((prune || write_objects(doc) > WRITE_STEP) && json_object_size(cache_records(t)) > HEAVY_RECORDS);
}

static void submit(struct api_request *r, struct cache_tenant *t, bool diff)
{
	struct err err = { 0 };
	size_t len;
	const char *text = api_body_text(r, &len);
	const int prune = api_query_bool(r, "prune");
	_json_ json_t *doc = NULL;
	struct write *w;

	if (prune < 0 || !dispatch_reserve(r, parse_cost(text, len, is_json(r))))
		return;
	if (len <= HEAVY_BODY && (!(doc = parse(r, cache_name(t), &err)) || count(r, t, doc, &err))) {
		api_fail(r, &err);
		return;
	}
	w = write_new(r, plan, write_done_report);
	if (!w)
		return;
	w->prune = prune;
	w->dry_run = w->dry_run || diff;
	w->apart = is_heavy(t, len, doc, prune);
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
