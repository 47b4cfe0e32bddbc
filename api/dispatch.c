// SPDX-License-Identifier: Apache-2.0
/* From bytes to a handler: the path's parts, the query, the body; everything that is refused before a handler sees it. */
#include "api/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/idempotency.h"
#include "api/object.h"
#include "api/parse.h"
#include "api/role.h"
#include "api/problem.h"
#include "api/routes.h"
#include "api/turns.h"
#include "util/clock.h"
#include "util/yaml.h"

#define OPEN_BODY_MAX (16u << 10) /* of who is not known */
#define BODY_MAX      (1u << 20)
#define DIFF_BODY_MAX (4u << 20) /* of tenants: it is parsed, applied and thrown away */

/* --- headers --- */

struct framing {
	unsigned int lengths, encodings, hosts;
	const char *length, *encoding;
	bool strange;
};

/* What a name is made of (RFC 9110, 5.6.2). */
#define NAME_CHARS "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static enum MHD_Result see_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value, size_t value_len)
{
	struct framing *f = arg;

	(void)kind;
	if (!name_len || strspn(name, NAME_CHARS) != name_len || (value && strlen(value) != value_len))
		f->strange = true;
	f->hosts += !strcasecmp(name, "Host");
	if (!strcasecmp(name, "Content-Length")) {
		f->lengths++;
		f->length = value;
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		f->encodings++;
		f->encoding = value;
	}
	return MHD_YES;
}

/* Two servers must never see two different requests in the same bytes. */
static void check_framing(struct api_request *r)
{
	struct framing f = { 0 };
	uint64_t len = 0;

	(void)MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, see_header, &f);
	r->has_body = f.lengths || f.encodings || f.strange;
	if (f.strange || f.hosts > 1) {
		api_header(r, "Connection", "close");
		api_problemf(r, 400, "malformed", f.strange ? "a header that is none (want name: value)" : "several Host headers (want one)");
	} else if ((f.lengths && f.encodings) || f.lengths > 1 || f.encodings > 1) {
		api_header(r, "Connection", "close");
		api_problemf(r, 400, "malformed",
			     "several Content-Length or Transfer-Encoding headers (want one of one of them)");
	} else if (f.encoding && strcasecmp(f.encoding, "chunked")) {
		api_header(r, "Connection", "close");
		api_problemf(r, 400, "malformed", "Transfer-Encoding: '%.40s' is not known (want chunked)", f.encoding);
	} else if (f.length && !parse_u64(f.length, &len)) {
		api_header(r, "Connection", "close");
		api_problemf(r, 400, "malformed", "Content-Length: '%.40s' is not a number", f.length);
	}
	r->length = len;
}

uint64_t dispatch_body_max(const struct api_request *r)
{
	const uint64_t most = r->api->config->body;

	if (!strcmp(r->route->method, "GET"))
		return 0;
	if (r->route->flags & API_OPEN)
		return OPEN_BODY_MAX;
	if (!(r->route->flags & API_LARGE))
		return most < BODY_MAX ? most : BODY_MAX;
	/* who may only read asks what would be */
	if (r->route->least == API_READER && *r->caller.tenant && most > DIFF_BODY_MAX)
		return DIFF_BODY_MAX;
	return most;
}

static void too_large(struct api_request *r)
{
	if (!dispatch_body_max(r))
		api_problemf(r, 400, "malformed", "a GET has no body");
	else
		api_problemf(r, 413, "too_large", "the body is too long (at most %llu bytes)",
			     (unsigned long long)dispatch_body_max(r));
}

static void check_length(struct api_request *r)
{
	if (r->length <= dispatch_body_max(r))
		return;
	api_header(r, "Connection", "close");
	too_large(r);
}

/* --- path and query --- */

static void no_path(struct api_request *r, const char *const *parts, unsigned int n)
{
	struct route_match m = { 0 };
	char next[400];
	unsigned int at;

	if (n > 1 && !*parts[n - 1])
		routes_match(r->method, parts, n - 1, &m);
	at = routes_next(parts, n, next, sizeof(next));
	if (m.route || m.allow[0])
		api_problemf(r, 404, "not_found", "there is nothing at this path (want it without the '/' at its end)");
	else if (*next && at < n && *parts[at])
		api_problemf(r, 404, "not_found", "there is nothing at this path: '%.40s' is not known here (want %s)", parts[at], next);
	else if (*next)
		api_problemf(r, 404, "not_found", "there is nothing at this path (want one that goes on with %s)", next);
	else
		api_problemf(r, 404, "not_found", "there is nothing at this path");
}

static void take_path(struct api_request *r, const char *url)
{
	char *copy = arena_dup(&r->arena, url, strlen(url) + 1), *parts[ROUTE_PARTS_MAX];
	struct route_match m;
	unsigned int n = 0;

	for (char *p = copy, *part; p && (part = strsep(&p, "/"));) {
		if (!*part && (part == copy || (!n && !p)))
			continue; /* before the first slash; "/" */
		if (n == ROUTE_PARTS_MAX || parse_unescape(part) || strchr(part, '/')) {
			api_problemf(r, n == ROUTE_PARTS_MAX ? 404 : 400, n == ROUTE_PARTS_MAX ? "not_found" : "malformed",
				     "the path is not valid");
			return;
		}
		parts[n++] = part;
	}
	routes_match(r->method, (const char *const *)parts, n, &m);
	r->route = m.route;
	for (unsigned int i = 0; i < m.n_params && i < API_PARAMS_MAX; i++) {
		r->params[i].name = arena_printf(&r->arena, "%.*s", (int)m.params[i].name_len, m.params[i].name);
		r->params[i].value = m.params[i].value;
		r->n_params++;
	}
	if (arena_failed(&r->arena)) {
		api_problemf(r, 503, "overloaded", "out of memory");
	} else if (!m.route && m.allow[0]) {
		api_header(r, "Allow", m.allow);
		if (!strcmp(r->method, "OPTIONS"))
			api_answer(r, 204, NULL);
		else
			api_problemf(r, 405, "method_not_allowed", "'%.20s' is not allowed here (want %s)", r->method, m.allow);
	} else if (!m.route) {
		no_path(r, (const char *const *)parts, n);
	}
}

static enum MHD_Result see_query(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct api_request *r = arg;
	char *n = arena_printf(&r->arena, "%s", name), *v = arena_printf(&r->arena, "%s", value ? value : ""), known[200];

	(void)kind;
	route_query(r->route, known, sizeof(known));
	if (!n || !v || parse_unescape(n) || parse_unescape(v))
		api_problemf(r, 400, "malformed", "the query is not valid");
	else if (r->n_query == API_QUERY_MAX)
		api_problemf(r, 400, "malformed", "more than %d query parameters", API_QUERY_MAX);
	else if (!route_takes(r->route, n))
		api_problemf(r, 400, "unknown_parameter", "query parameter '%.40s' is not known here (want %s)", n, known);
	else if (strcmp(n, "filter") && api_query(r, n))
		api_problemf(r, 400, "malformed", "query parameter '%.40s' appears twice", n);
	else
		r->query[r->n_query++] = (struct api_pair){ n, v };
	return r->answered ? MHD_NO : MHD_YES;
}

void dispatch_begin(struct api_request *r, const char *url)
{
	check_framing(r);
	if (!r->answered)
		take_path(r, url);
	if (!r->answered)
		(void)MHD_get_connection_values(r->mhd, MHD_GET_ARGUMENT_KIND, see_query, r);
	if (!r->answered)
		check_length(r);
}

/* --- body --- */

static bool is_type(const char *type, const char *want)
{
	size_t n = strlen(want);

	return type && !strncasecmp(type, want, n) && (!type[n] || strchr("; \t", type[n]));
}

bool dispatch_reserve(struct api_request *r, uint64_t tree)
{
	if (exchange_reserve(r, tree)) {
		r->tree += tree;
		return true;
	}
	if (tree > exchange_share(r))
		api_problemf(r, 413, "too_large", "the body holds too many values");
	else
		api_problemf(r, 503, "overloaded", "too many large bodies are on their way");
	return false;
}

static void take_json(struct api_request *r)
{
	struct err err = { 0 };

	if (!dispatch_reserve(r, parse_cost(r->data, r->len, true)))
		return;
	r->body = parse_json(r->data, r->len, API_DEPTH_MAX, &err);
	if (!r->body)
		api_problem(r, err.code == -ENOMEM ? 503 : 400, err.code == -ENOMEM ? "overloaded" : "malformed", &err);
}

static void take_body(struct api_request *r)
{
	const char *type = api_request_header(r, "Content-Type");

	if (!r->len || (r->route->flags & API_RAW))
		return;
	if ((r->route->flags & API_YAML) &&
		 (is_type(type, "application/yaml") || is_type(type, "text/yaml") || is_type(type, "application/json")))
		return; /* the handler parses it */
	else if (is_type(type, "application/json") ||
		 ((r->route->flags & API_MERGE_PATCH) && is_type(type, "application/merge-patch+json")))
		take_json(r);
	else
		api_problemf(r, 415, "unsupported_type", "Content-Type: '%.60s' is not known here (want application/json%s)",
			     type ? type : "",
			     r->route->flags & API_YAML	      ? " or application/yaml" :
			     r->route->flags & API_MERGE_PATCH ? " or application/merge-patch+json" :
								 "");
}

/* May this caller do that?  What belongs to others is not there. */
static void check_caller(struct api_request *r)
{
	/* what asks only, by POST because it needs a body, is for readers */
	bool changes = !role_method_safe(r->method) && r->route->least > API_READER;
	struct err err = { 0 };
	int status;

	if (r->auth == AUTH_REFUSED) {
		if (r->auth_status == 401)
			api_header(r, "WWW-Authenticate", "Bearer");
		api_problemf(r, r->auth_status, parse_status_slug(r->auth_status), "%s", r->auth_why ? r->auth_why : "refused");
		return;
	}
	if (r->route->flags & API_OPEN)
		return;
	status = role_check(&r->caller, r->route->least, r->route->flags & API_MONITORS, changes, api_param(r, "tenant"), &err);
	if (status)
		api_problem(r, status, err.tag, &err);
}

/* One that is none would guard nothing, or refuse everything; a GET is only a cache's question. */
static void check_condition(struct api_request *r, const char *name, const char *value)
{
	if (!r->answered && value && !role_method_safe(r->method) && !object_tags_ok(value))
		api_problemf(r, 400, "malformed", "%s: '%.60s' is not a list of entity tags (want the revision in quotes, like \"5\", or *)", name, value);
}

void dispatch(struct api_request *r)
{
	if (r->auth == AUTH_PENDING)
		return; /* comes again */
	r->dispatched = true;
	check_caller(r);
	if (r->answered)
		return;
	if (r->too_long) {
		if (r->auth_status == 503)
			api_problemf(r, 503, "overloaded", "too many large bodies are on their way");
		else
			too_large(r);
		return;
	}
	if (!role_method_safe(r->method) && !(r->route->flags & API_MATCHES) && (r->if_match || r->if_none_match)) {
		api_problemf(r, 400, "malformed", "%s is not looked at here, and would not guard anything", r->if_match ? "If-Match" : "If-None-Match");
		return;
	}
	check_condition(r, "If-Match", r->if_match);
	check_condition(r, "If-None-Match", r->if_none_match);
	if (!r->answered && !turns_wait(r->http->turns, r))
		dispatch_now(r);
}

void dispatch_now(struct api_request *r)
{
	const struct api_caller caller = r->caller;
	struct budget *budget = r->api->budget;
	uint64_t began_ns = clock_mono_ns();

	take_body(r);
	if (!r->answered && !idempotency_begin(r))
		r->route->handler(r);
	if (caller.role != API_NOBODY)
		turns_spend(budget, &caller, clock_mono_ns() - began_ns); /* 'r' may be gone */
}
