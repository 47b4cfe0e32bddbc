// SPDX-License-Identifier: Apache-2.0
#include "api/problem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/parse.h"
#include "topology/topology.h"
#include "util/cleanup.h"
#include "util/json.h"

const char *problem_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{ 400, "Bad Request" },	     { 401, "Unauthorized" },	   { 403, "Forbidden" },
		{ 404, "Not Found" },	     { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
		{ 409, "Conflict" },	     { 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		{ 501, "Not Implemented" },  { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Internal Server Error";
}

int problem_status(const struct err *err, const char **slug)
{
	*slug = err->tag;
	if (err->tag && !strcmp(err->tag, "malformed"))
		return 400;
	switch (-err->code) {
	case EPERM:
		*slug = err->tag ? err->tag : "forbidden";
		return 403;
	case ESTALE:
		*slug = err->tag ? err->tag : "precondition_failed";
		return 412;
	case EINVAL:
	case E2BIG:
		*slug = err->tag ? err->tag : "invalid";
		return 422;
	case ENOENT:
		*slug = err->tag ? err->tag : "not_found";
		return 404;
	case EBUSY:
		*slug = err->tag ? err->tag : "in_use";
		return 409;
	case EEXIST:
	case EAGAIN:
		*slug = err->tag ? err->tag : "conflict";
		return 409;
	case EDQUOT:
		*slug = err->tag ? err->tag : "forbidden";
		return 403;
	case ECONNRESET: /* nobody reads it */
		*slug = "timeout";
		return 408;
	case ENOMEM:
		*slug = "overloaded";
		return 503;
	default:
		*slug = "unavailable";
		return 503;
	}
}

/* The text in "'...'" behind 'what' that begins at 'p': its end is the last quote in front of 'until'. */
static json_t *part(const char *from, const char *to)
{
	return json_stringn(from, (size_t)(to - from));
}

/* "port 'web1': ..." -> "port/web1", and what follows. */
static const char *take_object(const char *p, json_t *e)
{
	size_t kind = strcspn(p, " "), name;
	char path[128];

	if (!kind || kind > 32 || p[kind] != ' ' || p[kind + 1] != '\'')
		return p;
	name = strcspn(p + kind + 2, "'");
	if (strncmp(p + kind + 2 + name, "': ", 3))
		return p;
	snprintf(path, sizeof(path), "%.*s", (int)kind, p);
	if (topo_kind_find(path) < 0) {
		if (strcmp(path, "rule"))
			return p;
		json_object_set_new(e, "rule", part(p + kind + 2, p + kind + 2 + name));
		return p + kind + 2 + name + 3;
	}
	snprintf(path, sizeof(path), "%s/%.*s", topo_kind_name((enum topo_kind)topo_kind_find(path)), (int)name,
		 p + kind + 2);
	json_object_set_new(e, "object", json_string(path));
	return p + kind + 2 + name + 3;
}

/* "port: field ...": the object of the request, which has no name that is one. */
static const char *take_kind(const char *p)
{
	char kind[32];
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");

	if (!n || n >= sizeof(kind) || strncmp(p + n, ": field '", 9))
		return p;
	snprintf(kind, sizeof(kind), "%.*s", (int)n, p);
	return topo_kind_find(kind) < 0 ? p : p + n + 2;
}

/* "rule 2: ", "element 1: " -> "element": 2; what follows it is of that element. */
static const char *take_element(const char *p, json_t *e)
{
	size_t word = strspn(p, "abcdefghijklmnopqrstuvwxyz_"), digits;

	if (!word || p[word] != ' ')
		return p;
	digits = strspn(p + word + 1, "0123456789");
	if (!digits || digits > 9 || strncmp(p + word + 1 + digits, ": ", 2))
		return p;
	json_object_set_new(e, "element", json_integer(strtol(p + word + 1, NULL, 10)));
	return p + word + 1 + digits + 2;
}

/* ": 'zz' is not ...", behind what it is the value of. */
static const char *take_value(const char *p, json_t *e)
{
	const char *q;

	if (strncmp(p, ": ", 2))
		return p + strspn(p, " ");
	p += 2;
	if (*p != '\'')
		return p;
	/* a value may have quotes of its own; what follows it is "' " and a verb */
	for (q = p + 1; (q = strchr(q, '\'')) && q[1] != ' ' && q[1]; q++)
		;
	if (!q)
		return p;
	json_object_set_new(e, "value", part(p + 1, q));
	return q + 1 + strspn(q + 1, " ");
}

/* "field 'mac': 'zz' is not ...", "field 'hosts' element 1: field 'mac': ..." */
static const char *take_field(const char *p, json_t *e)
{
	const char *end;

	if (strncmp(p, "field '", 7) || !(end = strchr(p + 7, '\'')))
		return p;
	if (json_object_get(e, "field")) {
		if (!json_object_get(e, "element"))
			return p;
		json_object_set(e, "in", json_object_get(e, "field")); /* it was the list that this is in */
	}
	json_object_set_new(e, "field", part(p + 7, end));
	return take_value(end + 1, e);
}

/* "body:3: ", "operation 2: ": where in what was sent. */
static const char *take_place(const char *p, json_t *e)
{
	static const struct {
		const char *text, *member;
	} places[] = { { "body:", "line" }, { "operation ", "operation" } };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		size_t n = strlen(places[i].text), digits;

		if (strncmp(p, places[i].text, n))
			continue;
		digits = strspn(p + n, "0123456789");
		if (digits && digits < 9 && !strncmp(p + n + digits, ": ", 2)) {
			json_object_set_new(e, places[i].member, json_integer(strtol(p + n, NULL, 10)));
			return p + n + digits + 2;
		}
	}
	return p;
}

/* "query parameter 'filter': 'colour' is not ..." */
static const char *take_parameter(const char *p, json_t *e)
{
	static const char begins[] = "query parameter '";
	const char *end = strncmp(p, begins, strlen(begins)) ? NULL : strchr(p + strlen(begins), '\'');

	if (!end)
		return p;
	json_object_set_new(e, "parameter", part(p + strlen(begins), end));
	return take_value(end + 1, e);
}

/* "cannot delete bridge 'b': port 'p' refers to it in field 'bridge'": it is the port that is in the way. */
static const char *take_user(const char *p, json_t *e)
{
	char kind[32], name[TOPO_NAME_MAX + 1], field[64];
	const char *user = strncmp(p, "cannot delete ", 14) ? NULL : strstr(p, "': ");
	int n = 0;

	if (!user || sscanf(user + 3, "%31[a-z_] '%63[^']' %nrefers to it in field '%63[^']'", kind, name, &n, field) != 3)
		return p;
	json_object_set_new(e, "object", json_sprintf("%s/%s", kind, name));
	json_object_set_new(e, "field", json_string(field));
	return user + 3 + n;
}

/* "the quota of the tenant is 5 ports": the quota's field, and what it says. */
static const char *take_quota(const char *p, json_t *e)
{
	char what[32];
	long long n;

	if (sscanf(p, "the quota of the tenant is %lld %31[a-z_]", &n, what) != 2)
		return p;
	json_object_set_new(e, "field", json_sprintf("%s%s", topo_kind_find(what) < 0 ? "" : "objects.", what));
	json_object_set_new(e, "allowed", json_sprintf("at most %lld", n));
	return p;
}

static json_t *details(const char *text)
{
	_json_ json_t *e = json_object();
	const char *p = text, *was, *want;
	size_t len;

	if (!e)
		return NULL;
	p = take_quota(take_user(p, e), e);
	for (;;) {
		was = p;
		p = take_place(p, e);
		p = take_parameter(p, e);
		p = take_object(p, e);
		p = take_kind(p);
		p = take_field(p, e);
		p = take_element(p, e);
		if (p == was)
			break;
	}
	if (!json_object_size(e))
		return NULL;
	want = strstr(p, "(want ");
	len = strlen(p);
	if (want && len && p[len - 1] == ')') {
		json_object_set_new(e, "allowed", part(want + 6, p + len - 1));
		while (want > p && want[-1] == ' ')
			want--;
		len = (size_t)(want - p);
	}
	json_object_set_new(e, "detail", part(p, p + len));
	return TAKE_PTR(e);
}

json_t *problem_body(int status, const char *slug, const char *instance, const struct err *err)
{
	char type[96];
	json_t *body, *e;

	snprintf(type, sizeof(type), "/problems/%s", slug);
	body = json_pack("{s:s, s:s, s:i}", "type", type, "title", problem_title(status), "status", status);
	if (err && err->text[0]) {
		json_t *detail = json_string(err->text);

		/* a shortened text may end within a character */
		json_object_set_new(body, "detail", detail ? detail : json_string("the text of the error is not UTF-8"));
	}
	json_object_set_new(body, "instance", json_string(instance));
	e = err ? details(err->text) : NULL;
	if (e)
		json_object_set_new(body, "errors", json_pack("[o]", e));
	return body;
}
