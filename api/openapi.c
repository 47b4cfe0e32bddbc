// SPDX-License-Identifier: Apache-2.0
/*
 * Puts the OpenAPI document together (openapi.h) and serves it.  Each route becomes one operation, or, when its path has {kind}, one for each kind
 * of object.
 */
#include "api/openapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"
#include "util/hash.h"
#include "util/yaml.h"

static const char fixed_text[] =
#include "api/openapi_text.inc"
	;

/* What one operation is made of. */
struct operation {
	const struct api_route *route;
	int kind;		       /* enum topo_kind; -1 = the path has no {kind} */
	const json_t *said;	       /* api/openapi.yaml about this operation */
};

/* --- text with {kind}, {plural}, {a_kind} and {kinds} --- */

/* "qos_policies" -> "QoS policies", "floating_ips" -> "floating IPs". */
static void people_text(const char *plural, char *out, size_t size)
{
	static const char *const said[][2] = { { "qos", "QoS" }, { "ips", "IPs" }, { "vips", "VIPs" }, { "nats", "NAT rules" } };
	size_t n = 0, i;

	for (size_t len; *plural; plural += len + !!plural[len]) {
		len = strcspn(plural, "_");
		for (i = 0; i < ARRAY_SIZE(said) && (strlen(said[i][0]) != len || strncmp(said[i][0], plural, len)); i++)
			;
		n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? " " : "", i < ARRAY_SIZE(said) ? 64 : (int)len,
				      i < ARRAY_SIZE(said) ? said[i][1] : plural);
	}
}

/* "a QoS policy", "an address". */
static void with_article(const char *kinds, char *out, size_t size)
{
	size_t n = strlen(kinds);
	bool y = n > 3 && !strcmp(kinds + n - 3, "ies");

	snprintf(out, size, "%s %.*s%s", strchr("aeiou", *kinds) ? "an" : "a", (int)(n - (y ? 3 : 1)), kinds, y ? "y" : "");
}

static bool replace(char *out, size_t size, size_t *n, const char *word)
{
	*n += (size_t)snprintf(out + *n, size - *n, "%s", word);
	return *n < size;
}

/* 'text' as it reads for the kind; in people's text (a_kind) words have blanks between. */
static json_t *fill_text(const char *text, int kind)
{
	static const char *const marks[] = { "{kind}", "{plural}", "{a_kind}", "{kinds}" };
	const char *name = kind < 0 ? "" : topo_kind_name((enum topo_kind)kind);
	const char *plural = kind < 0 ? "" : topo_kind_plural((enum topo_kind)kind);
	char out[2048], kinds[64] = "", article[80] = "";
	const char *const words[] = { name, plural, article, kinds };
	size_t n = 0;

	people_text(plural, kinds, sizeof(kinds));
	if (*kinds)
		with_article(kinds, article, sizeof(article));

	while (*text && n < sizeof(out) - 1) {
		size_t m = 0;

		while (kind >= 0 && m < ARRAY_SIZE(marks) && strncmp(text, marks[m], strlen(marks[m])))
			m++;
		if (kind < 0 || m == ARRAY_SIZE(marks)) {
			out[n++] = *text++;
		} else {
			if (!replace(out, sizeof(out), &n, words[m]))
				return NULL;
			text += strlen(marks[m]);
		}
	}
	return json_stringn(out, n);
}

static json_t *said_text(const struct operation *op, const char *key)
{
	const char *text = json_string_value(json_object_get(op->said, key));

	return text ? fill_text(text, op->kind) : NULL;
}

static json_t *ref(const char *where, const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", where, name));
}

/* --- parameters --- */

static void add_parameter(json_t *list, const char *name)
{
	json_array_append_new(list, ref("parameters", name));
}

static void add_words(json_t *list, const char *words)
{
	char name[64];

	for (int n; words && sscanf(words, " %63s%n", name, &n) == 1; words += n)
		add_parameter(list, name);
}

/* What stands in braces in the path, but for {kind}, which the document writes out. */
static void add_path_parameters(json_t *list, const char *path)
{
	for (const char *p = strchr(path, '{'); p; p = strchr(p + 1, '{')) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + 1, "}"), p + 1);
		if (strcmp(name, "kind") != 0)
			add_parameter(list, name);
	}
}

/* 'needed': the one of them that has to be given, "needed_port" in openapi.yaml; NULL = none. */
static void add_query(json_t *list, const char *words, const char *needed)
{
	char name[64], other[72];

	for (int n; words && sscanf(words, " %63s%n", name, &n) == 1; words += n) {
		snprintf(other, sizeof(other), "needed_%s", name);
		add_parameter(list, needed && !strcmp(name, needed) ? other : name);
	}
}

static json_t *parameters(const struct operation *op)
{
	const struct api_route *route = op->route;
	bool get = !strcmp(route->method, "GET");
	json_t *list = json_array();

	add_path_parameters(list, route->path);
	if (route->flags & API_LISTS)
		add_words(list, "limit cursor sort filter fields");
	if (route->flags & API_WRITES)
		add_words(list, "dry_run wait idempotency_key");
	add_query(list, route->query, json_string_value(json_object_get(op->said, "needs")));
	add_words(list, json_string_value(json_object_get(op->said, "parameters")));
	if (op->kind >= 0 && get)
		add_parameter(list, "if_none_match");
	else if (route->flags & API_MATCHES && get)
		add_parameter(list, "if_none_match");
	else if (route->flags & API_MATCHES)
		add_words(list, "if_match if_none_match");
	return list;
}

/* --- bodies --- */

/* "port_object|changes": one of them. */
static json_t *one_of(const char *names)
{
	json_t *all = json_array();
	char name[96];

	if (!strchr(names, '|')) {
		json_decref(all);
		return ref("schemas", names);
	}
	for (size_t n; *names; names += n + !!names[n]) {
		n = strcspn(names, "|");
		snprintf(name, sizeof(name), "%.*s", (int)n, names);
		json_array_append_new(all, ref("schemas", name));
	}
	return json_pack("{s:o}", "anyOf", all);
}

/* {"application/json": {"schema": ..}, ..}; 'types' NULL: JSON only. */
static json_t *content(const json_t *types, const char *schema)
{
	json_t *all = json_object();
	const json_t *type;
	size_t i;

	if (!types)
		json_object_set_new(all, "application/json",
				    json_pack("{s:o}", "schema", one_of(schema)));
	json_array_foreach(types, i, type)
	{
		const char *name = json_string_value(type);
		bool is_json = strstr(name, "json");

		json_object_set_new(all, name,
				    json_pack("{s:o}", "schema",
					      is_json ? one_of(schema) :
							json_pack("{s:s}", "type", "string")));
	}
	return all;
}

static json_t *request_body(const struct operation *op)
{
	json_t *schema = said_text(op, "body"), *body;

	if (!schema)
		return NULL;
	body = json_pack("{s:b, s:o}", "required", !json_is_true(json_object_get(op->said, "optional")),
			 "content",
			 content(json_object_get(op->said, "types"), json_string_value(schema)));
	json_decref(schema);
	return body;
}

/* --- answers --- */

static const char *status_text(const char *status)
{
	static const char *const texts[][2] = {
		{ "200", "as asked" },
		{ "201", "made" },
		{ "202", "written, but not all hosts apply it yet" },
		{ "204", "done" },
		{ "304", "not changed" },
		{ "400", "the request is malformed" },
		{ "401", "no credentials, or not valid ones" },
		{ "403", "the role may not, or the quota is used up" },
		{ "404", "there is no such thing, for this caller" },
		{ "409", "others still refer to it, or it is otherwise in the way" },
		{ "412", "it has changed in between, or exists already" },
		{ "413", "the body is too large" },
		{ "415", "the body is of another media type" },
		{ "422", "what is asked for is not allowed: 'errors' says where and why" },
		{ "429", "too many requests: Retry-After says when to try again" },
		{ "503", "the state DB cannot be reached, or the server is busy: Retry-After" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(texts[i][0], status))
			return texts[i][1];
	return "problem";
}

static void add_problem(json_t *answers, const char *status)
{
	if (!json_object_get(answers, status))
		json_object_set_new(answers, status, ref("responses", status));
}

/* What follows from the route: who may, whether there are things in the path, a body, conditions. */
static void add_problems(const struct operation *op, json_t *answers)
{
	const struct api_route *route = op->route;
	bool open = route->flags & API_OPEN, body = json_object_get(op->said, "body");
	const json_t *more;
	size_t i;

	add_problem(answers, "400");
	if (!open)
		add_problem(answers, "401");
	if (!open || body)
		add_problem(answers, "429");
	if (route->least > API_READER || body)
		add_problem(answers, "403");
	if (strchr(route->path, '{'))
		add_problem(answers, "404");
	if (body || route->flags & API_WRITES)
		for (i = 0; i < 3; i++)
			add_problem(answers, (const char *const[]){ "413", "415", "422" }[i]);
	if (route->flags & API_WRITES)
		add_problem(answers, "409");
	if (route->flags & (API_WRITES | API_MATCHES) || op->kind >= 0)
		add_problem(answers, "412");
	if (!open)
		add_problem(answers, "503");
	json_array_foreach(json_object_get(op->said, "problems"), i, more)
	{
		char status[8];

		snprintf(status, sizeof(status), "%lld", (long long)json_integer_value(more));
		add_problem(answers, status);
	}
}

static json_t *answers(const struct operation *op)
{
	const json_t *types = json_object_get(op->said, "produces");
	json_t *all = json_object();
	const char *status;
	json_t *schema;

	json_object_foreach(json_object_get(op->said, "answers"), status, schema)
	{
		json_t *name = fill_text(json_string_value(schema), op->kind);
		json_t *answer = json_pack("{s:s}", "description", status_text(status));

		if (*json_string_value(name))
			json_object_set_new(answer, "content", content(types, json_string_value(name)));
		json_object_set_new(all, status, answer);
		json_decref(name);
	}
	add_problems(op, all);
	return all;
}

/* --- operations --- */

static json_t *security(const struct api_route *route)
{
	return route->flags & API_OPEN ? json_array() :
					 json_pack("[{s:[]}, {s:[]}]", "token", "session");
}

static json_t *operation(const struct operation *op)
{
	json_t *o = json_object(), *params = parameters(op), *body = request_body(op);
	json_t *id = said_text(op, "id"), *about = said_text(op, "about"), *summary = said_text(op, "summary");

	json_object_set_new(o, "operationId", id);
	if (!summary)
		summary = json_string(op->route->summary ? op->route->summary : "");
	json_object_set_new(o, "summary", summary);
	json_object_set_new(o, "description", about ? about : json_incref(summary));
	json_object_set_new(o, "tags", json_pack("[o]", said_text(op, "tag")));
	json_object_set_new(o, "x-skep-role",
			    json_string(op->route->flags & API_OPEN ? "none" : api_role_name(op->route->least)));
	if (op->route->flags & API_MONITORS)
		json_object_set_new(o, "x-skep-monitors", json_true());
	json_object_set_new(o, "security", security(op->route));
	json_object_set_new(o, "parameters", params);
	if (body)
		json_object_set_new(o, "requestBody", body);
	json_object_set_new(o, "responses", answers(op));
	if (json_object_get(op->said, "undocumented"))
		json_object_set_new(o, "x-skep-undocumented", json_true());
	return o;
}

/* The path as it reads for the kind. */
static void path_of(const struct operation *op, char *path, size_t size)
{
	const char *at = op->kind < 0 ? NULL : strstr(op->route->path, "{kind}");

	if (at)
		snprintf(path, size, "%.*s%s%s", (int)(at - op->route->path), op->route->path,
			 topo_kind_plural((enum topo_kind)op->kind), at + strlen("{kind}"));
	else
		snprintf(path, size, "%s", op->route->path);
}

static int add_operation(json_t *paths, struct operation *op, struct err *err)
{
	char path[256], method[16];
	json_t *item;

	path_of(op, path, sizeof(path));
	item = json_object_get(paths, path);
	if (!item) {
		item = json_object();
		json_object_set_new(paths, path, item);
	}
	snprintf(method, sizeof(method), "%s", op->route->method);
	for (char *p = method; *p; p++)
		*p = (char)(*p | 0x20);
	if (json_object_set_new(item, method, operation(op)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* A route of which api/openapi.yaml says nothing is there all the same, and marked: a test complains. */
static json_t *nothing_said(const struct api_route *route)
{
	char id[256];

	snprintf(id, sizeof(id), "%s%s", route->method, route->path);
	for (char *p = id; *p; p++)
		*p = strchr("/{}.-", *p) ? '_' : *p;
	return json_pack("{s:s, s:s, s:{s:s}, s:b}", "id", id, "tag", "server", "answers", "200", "",
			 "undocumented", true);
}

static int add_route(json_t *paths, const json_t *operations, const struct api_route *route,
		     json_t *unsaid, struct err *err)
{
	struct operation op = { .route = route, .kind = -1 };
	json_t *said;
	char name[256];
	int rc = 0;

	snprintf(name, sizeof(name), "%s %s", route->method, route->path);
	said = json_incref(json_object_get(operations, name));
	if (!said)
		said = nothing_said(route);
	(void)json_object_del(unsaid, name);
	op.said = said;
	if (json_is_true(json_object_get(said, "hidden")))
		rc = 0;
	else if (!strstr(route->path, "{kind}"))
		rc = add_operation(paths, &op, err);
	else
		for (op.kind = 0; op.kind < TOPO_KIND_MAX && !rc; op.kind++)
			rc = add_operation(paths, &op, err);
	json_decref(said);
	return rc;
}

/* '*unrouted': names of operations that api/openapi.yaml has and this server has not. */
static json_t *make_paths(const json_t *operations, const struct api_route *const *routes,
			  unsigned int n, json_t **unrouted, struct err *err)
{
	json_t *unsaid = json_copy((json_t *)operations), *paths = json_object(), *said;
	const char *name;
	int rc = 0;

	*unrouted = json_array();
	for (unsigned int i = 0; i < n && !rc; i++)
		rc = add_route(paths, operations, routes[i], unsaid, err);
	json_object_foreach(unsaid, name, said)
		json_array_append_new(*unrouted, json_string(name));
	json_decref(unsaid);
	if (!rc)
		return paths;
	json_decref(paths);
	return NULL;
}

/* --- components --- */

static json_t *problem_responses(void)
{
	static const char *const all[] = { "400", "401", "403", "404", "409", "412",
					   "413", "415", "422", "429", "503" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		json_object_set_new(o, all[i],
				    json_pack("{s:s, s:{s:{s:o}}}", "description", status_text(all[i]),
					      "content", "application/problem+json", "schema",
					      ref("schemas", "problem")));
	return o;
}

/* A document: {tenant, <plural>: [..]} */
static json_t *document_schema(void)
{
	json_t *properties = json_pack("{s:o}", "tenant", ref("schemas", "name"));

	for (int k = 0; k < TOPO_KIND_MAX; k++)
		json_object_set_new(properties, topo_kind_plural((enum topo_kind)k),
				    json_pack("{s:s, s:o, s:i}", "type", "array", "items",
					      ref("schemas", topo_kind_name((enum topo_kind)k)),
					      "maxItems", TOPO_OBJECTS_MAX));
	return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
			 "additionalProperties", false);
}

static json_t *plural_schema(void)
{
	json_t *all = json_array();

	for (int k = 0; k < TOPO_KIND_MAX; k++)
		json_array_append_new(all, json_string(topo_kind_plural((enum topo_kind)k)));
	return json_pack("{s:s, s:s, s:o}", "type", "string", "description",
			 "a kind of objects, as paths have it", "enum", all);
}

/* Examples of kinds, for people, and for tests. */
static void add_examples(json_t *schemas, const json_t *fixed)
{
	const char *kind;
	json_t *example;

	json_object_foreach(json_object_get(fixed, "examples"), kind, example)
		json_object_set(json_object_get(schemas, kind), "examples", example);
}

static json_t *components(const json_t *fixed, struct err *err)
{
	json_t *schemas = json_copy(json_object_get(fixed, "schemas"));

	for (int k = 0; k < TOPO_KIND_MAX; k++)
		if (openapi_add_kind(schemas, (enum topo_kind)k, err)) {
			json_decref(schemas);
			return NULL;
		}
	json_object_set_new(schemas, "document", document_schema());
	json_object_set_new(schemas, "plural", plural_schema());
	add_examples(schemas, fixed);
	return json_pack("{s:O, s:o, s:O, s:o}", "parameters", json_object_get(fixed, "parameters"),
			 "schemas", schemas, "securitySchemes",
			 json_object_get(fixed, "securitySchemes"), "responses", problem_responses());
}

json_t *openapi_build(const struct api_route *const *routes, unsigned int n, struct err *err)
{
	json_t *list = yaml_parse(fixed_text, strlen(fixed_text), "api/openapi.yaml", NULL, err);
	const json_t *fixed = json_array_get(list, 0);
	json_t *unrouted = NULL, *doc = NULL;
	json_t *paths = fixed ? make_paths(json_object_get(fixed, "operations"), routes, n, &unrouted, err) : NULL;
	json_t *parts = paths ? components(fixed, err) : NULL;

	if (parts) {
		json_t *info = json_copy(json_object_get(fixed, "info"));

		json_object_set_new(info, "version", json_string(SKEP_VERSION));
		doc = json_pack("{s:s, s:o, s:[{s:s, s:s}], s:O, s:o, s:o}", "openapi", "3.1.0", "info",
				info, "servers", "url", "/", "description", "this server", "tags",
				json_object_get(fixed, "tags"), "paths", paths, "components", parts);
		if (!doc)
			err_set(err, -ENOMEM, "out of memory");
		else if (json_array_size(unrouted))
			json_object_set(doc, "x-skep-unrouted", unrouted);
	} else {
		json_decref(paths);
	}
	json_decref(unrouted);
	json_decref(list);
	return doc;
}
