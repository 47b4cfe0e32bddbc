// SPDX-License-Identifier: Apache-2.0
/* Implements rest.h.  One connection, one request at a time.  Called where the state DB or an agent would be asked otherwise. */
#include "cli/rest.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/contexts.h"
#include "topology/doc.h"
#include "topology/topology.h"
#include "util/json.h"

#define CONNECT_S  10L
#define READ_S	   60L
#define WRITE_S	   600L /* a large document is checked, and written whole */
#define ANSWER_MAX (1u << 30)

struct rest {
	struct context c;
	CURL *curl;
	struct curl_slist *headers;
	char url[600]; /* without path */
	char *text;    /* of the present answer */
	size_t len, cap;
};

/* --- which --- */

/* A token is for the server it was made for: in clear over no wire. */
static bool may_send(const char *api)
{
	const char *host = strncmp(api, "http://", 7) ? NULL : api + 7;
	size_t n;

	if (!host)
		return true;
	if (memchr(host, '@', strcspn(host, "/")))
		return false;
	if (!strncmp(host, "[::1]", 5))
		return host[5] == ':' || host[5] == '/' || !host[5];
	n = strcspn(host, ":/");
	return (n == 9 && !strncmp(host, "localhost", 9)) ||
	       (n >= 7 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == n);
}

static int check_url(struct rest *r, struct err *err)
{
	const char *api = r->c.api;
	size_t n;

	if (strncmp(api, "http://", 7) && strncmp(api, "https://", 8) && strncmp(api, "unix:/", 6))
		return err_tag(err, -EINVAL, "usage", "'%.200s' is no API (want https://HOST:PORT, http://127.0.0.1:PORT or unix:/PATH)", api);
	if (r->c.token && !may_send(api))
		return err_tag(err, -EINVAL, "usage", "a token is not sent to '%.200s' in clear (want https://)", api);
	n = (size_t)snprintf(r->url, sizeof(r->url), "%s", !strncmp(api, "unix:", 5) ? "http://localhost" : api);
	if (n >= sizeof(r->url))
		return err_tag(err, -EINVAL, "usage", "the API's address is too long");
	while (n && r->url[n - 1] == '/')
		r->url[--n] = 0;
	return 0;
}

static int replace(char **to, const char *from, struct err *err)
{
	if (!from || !*from)
		return 0;
	free(*to);
	*to = strdup(from);
	return *to ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* What is named together means two servers. */
static int check_options(const struct cli *cli, struct err *err)
{
	const char *db = cli->value[CLI_O_DB_BIT], *url = cli->value[CLI_O_API_BIT], *name = cli->value[CLI_O_CONTEXT_BIT];

	if (!!db + !!url + !!name > 1)
		return err_tag(err, -EINVAL, "usage", "--%s and --%s are two places (want one of them)", db ? "db" : "api",
			       name ? "context" : "api");
	return 0;
}

/* A token is for one server, and a CA knows one: the environment's go with its SKEP_API or the command line's --api, a context's with that context. */
static int read_settings(struct cli *cli, struct context *c, struct err *err)
{
	const char *url = cli->value[CLI_O_API_BIT], *name = cli->value[CLI_O_CONTEXT_BIT], *db = getenv("SKEP_DB"), *env = getenv("SKEP_API");
	int rc;

	if (check_options(cli, err))
		return err->code;
	if (!url && !name && (cli->value[CLI_O_DB_BIT] || (db && *db)))
		return 1;
	if (!url && !name && env && *env)
		url = env;
	if (!url) {
		rc = context_read(name, c, err);
		if (rc)
			return rc;
	}
	if (name && env && *env)
		return 0;
	return replace(&c->api, url, err) || replace(&c->token, getenv("SKEP_TOKEN"), err) ||
			       replace(&c->ca, getenv("SKEP_CA"), err) ?
		       err->code :
		       0;
}

int rest_wanted(struct cli *cli, struct err *err)
{
	struct context c = { 0 };
	struct rest *r;
	int rc;

	if (cli->rest)
		return 1;
	rc = read_settings(cli, &c, err);
	if (rc) {
		context_fini(&c);
		return rc < 0 ? rc : 0;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		context_fini(&c);
		return err_set(err, -ENOMEM, "out of memory");
	}
	r->c = c;
	cli->rest = r;
	if (!cli->value[CLI_O_TENANT_BIT])
		cli->value[CLI_O_TENANT_BIT] = r->c.tenant;
	return check_url(r, err) ? err->code : 1;
}

const char *rest_api(const struct cli *cli)
{
	return cli->rest->c.api;
}

void rest_close(struct cli *cli)
{
	struct rest *r = cli->rest;

	if (!r)
		return;
	curl_easy_cleanup(r->curl);
	curl_slist_free_all(r->headers);
	context_fini(&r->c);
	free(r->text);
	free(r);
	cli->rest = NULL;
}

/* --- one request --- */

const char *rest_of_tenant(char path[static REST_URL_MAX], const char *tenant, const char *rest)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
	size_t n = (size_t)snprintf(path, REST_URL_MAX, "/api/v1/tenants/");

	for (; *tenant && n < REST_URL_MAX / 2; tenant++)
		n += (size_t)snprintf(path + n, REST_URL_MAX - n, strchr(plain, *tenant) ? "%c" : "%%%02X", (unsigned char)*tenant);
	snprintf(path + n, REST_URL_MAX - n, "%s", rest);
	return path;
}

static size_t take(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;
	char *more;

	n *= size;
	if (n > ANSWER_MAX - r->len)
		return 0;
	if (r->len + n + 1 > r->cap) {
		size_t cap = 2 * (r->len + n + 1);

		more = realloc(r->text, cap);
		if (!more)
			return 0;
		r->text = more;
		r->cap = cap;
	}
	memcpy(r->text + r->len, data, n);
	r->len += n;
	return n;
}

static int add_header(struct rest *r, const char *text)
{
	struct curl_slist *more = curl_slist_append(r->headers, text);

	if (more)
		r->headers = more;
	return more ? 0 : -ENOMEM;
}

static int start(struct rest *r, struct err *err)
{
	char text[10100];

	if (r->curl)
		return 0;
	r->curl = curl_easy_init();
	if (!r->curl || add_header(r, "Content-Type: application/json") || add_header(r, "Expect:"))
		return err_set(err, -ENOMEM, "out of memory");
	if (cli_traceparent()) {
		snprintf(text, sizeof(text), "traceparent: %s", cli_traceparent());
		if (add_header(r, text))
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (r->c.token) {
		if (snprintf(text, sizeof(text), "Authorization: Bearer %s", r->c.token) >= (int)sizeof(text) || strpbrk(r->c.token, "\r\n"))
			return err_set(err, -EINVAL, "the token is malformed");
		if (add_header(r, text))
			return err_set(err, -ENOMEM, "out of memory");
	}
	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->curl, CURLOPT_PATH_AS_IS, 1L); /* a tenant may be called '..' */
	curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https"); /* and no redirections: a token is for one server */
	curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "skep/" SKEP_VERSION);
	if (r->c.ca)
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, r->c.ca);
	if (strncmp(r->c.api, "https://", 8)) /* a proxy would read along; the way to https:// is encrypted through it */
		curl_easy_setopt(r->curl, CURLOPT_PROXY, "");
	if (!strncmp(r->c.api, "unix:", 5))
		curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH, r->c.api + 5);
	return 0;
}

/* A change that has been sent may be in force, whatever became of the answer. */
static int no_answer(struct rest *r, const char *method, CURLcode rc, struct err *err)
{
	curl_off_t sent_us = 0;

	curl_easy_getinfo(r->curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	if (sent_us && strcmp(method, "GET"))
		return err_tag(err, -ETIMEDOUT, "unknown_outcome",
			       "'%s' was asked and did not answer: %s; the change may be in force (see 'skep diff', 'skep get')", r->c.api,
			       curl_easy_strerror(rc));
	return err_set(err, -ENOTCONN, "'%s' cannot be reached: %s", r->c.api, curl_easy_strerror(rc));
}

/* The problem document as an error: its slug is the tag. */
static int problem(const json_t *body, long status, struct err *err)
{
	static char slug[64];
	const char *type = json_str(body, "type"), *detail = json_str(body, "detail");
	int code = status == 404	       ? -ENOENT :
		   status == 409 || status == 412 ? -EBUSY :
		   status == 401 || status == 403 ? -EPERM :
		   status < 500		       ? -EINVAL :
						 -EIO;

	snprintf(slug, sizeof(slug), "%.60s", type && !strncmp(type, "/problems/", 10) ? type + 10 : "failed");
	return err_tag(err, code, slug, "%s", detail ? detail : "the API refuses, and does not say why");
}

/* One request; its answer is in r->text then.  The status, below 400; or negative, with 'err'. */
static long perform(struct cli *cli, const char *method, const char *path, const char *body, struct err *err)
{
	struct rest *r = cli->rest;
	_free_ char *url = NULL;
	long status = 0;
	CURLcode rc;

	if (start(r, err))
		return err->code;
	if (asprintf(&url, "%s%s", r->url, path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	r->len = 0;
	curl_easy_setopt(r->curl, CURLOPT_URL, url);
	curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
	if (body)
		curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	else
		curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, strcmp(method, "GET") ? WRITE_S : READ_S);
	rc = curl_easy_perform(r->curl);
	if (rc != CURLE_OK) {
		no_answer(r, method, rc, err);
		return err->code;
	}
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 400) {
		_json_ json_t *why = json_loadb(r->text ? r->text : "", r->len, JSON_DECODE_ANY, NULL);

		return problem(why, status, err);
	}
	return status < 300 ? status : err_set(err, -EPROTO, "'%s' is no skep-api (status %ld)", r->c.api, status);
}

json_t *rest_call(struct cli *cli, const char *method, const char *path, const json_t *body, struct err *err)
{
	struct rest *r = cli->rest;
	_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_t *answer;
	long status;

	if (body && !text) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	status = perform(cli, method, path, text, err);
	if (status < 0)
		return NULL;
	answer = r->len ? json_loadb(r->text, r->len, JSON_DECODE_ANY, NULL) : json_object();
	if (!answer)
		err_set(err, -EPROTO, "'%s' is no skep-api (status %ld)", r->c.api, status);
	return answer;
}

const char *rest_text(struct cli *cli, const char *method, const char *path, const char *body, size_t *len, struct err *err)
{
	struct rest *r = cli->rest;

	if (perform(cli, method, path, body, err) < 0)
		return NULL;
	*len = r->len;
	return r->len ? r->text : "";
}

/* --- changes --- */

/* {"operations": [{DELETE, "ports/web1"}, ...]} of the objects that the document names. */
static json_t *deletions(const json_t *doc)
{
	json_t *operations = json_array(), *list, *object;
	const char *plural;
	size_t i;

	json_object_foreach((json_t *)doc, plural, list) {
		int kind = json_is_array(list) ? topo_kind_find(plural) : -1;

		if (kind < 0)
			continue;
		json_array_foreach(list, i, object) {
			const char *name = json_str(object, kind == TOPO_BIND ? "port" : "name");

			name = name ? name : json_str(object, "id");
			json_array_append_new(operations,
					      json_pack("{s:s, s:o}", "method", "DELETE", "path",
							json_sprintf("%s/%s", topo_kind_plural((enum topo_kind)kind), name ? name : "")));
		}
	}
	return json_pack("{s:o}", "operations", operations);
}

/* Who may, makes the tenant by applying its first document. */
static int make_tenant(struct cli *cli, const char *tenant, bool dry_run, struct err *err)
{
	_json_ json_t *none = json_object(), *answer = NULL;
	struct err why = *err;
	char path[REST_URL_MAX];

	answer = rest_call(cli, "PUT", rest_of_tenant(path, tenant, dry_run ? "?dry_run=true" : ""), none, err);
	*err = answer ? (struct err){ 0 } : why; /* that there is no such tenant */
	return err->code;
}

/* What is not there, as it is said without the API. */
static void explain_deletion(struct cli *cli, const char *tenant, const json_t *doc, struct err *err)
{
	struct err unread = { 0 }, why = { 0 };
	_json_ json_t *state = rest_read(cli, tenant, &unread), *none = json_object(), *changes = NULL;

	if (!state && unread.code != -ENOENT)
		return;
	changes = topo_doc_delete(state ? json_object_get(state, "records") : none, doc, &why);
	if (!changes)
		*err = why;
}

json_t *rest_change(struct cli *cli, const char *tenant, const json_t *doc, enum change_how how, bool prune,
		    bool dry_run, struct err *err)
{
	_json_ json_t *batch = how == CHANGE_DELETE ? deletions(doc) : NULL;
	_json_ json_t *report = NULL;
	char path[REST_URL_MAX], rest[64];

	snprintf(rest, sizeof(rest), "/%s?dry_run=%s%s", batch ? "batch" : "topology", dry_run ? "true" : "false",
		 prune && !batch ? "&prune=true" : "");
	rest_of_tenant(path, tenant, rest);
	report = rest_call(cli, batch ? "POST" : "PUT", path, batch ? batch : doc, err);
	if (!report && err->code == -ENOENT && !batch && !make_tenant(cli, tenant, dry_run, err))
		report = dry_run ? change_of_none(tenant, doc, err) : rest_call(cli, "PUT", path, doc, err);
	if (!report && err->code == -ENOENT && batch)
		explain_deletion(cli, tenant, doc, err);
	if (!report)
		return NULL;
	return json_pack("{s:s, s:O, s:n}", "tenant", tenant, "changes", json_object_get(report, "changes"), "warning");
}

/* --- questions --- */

json_t *rest_ask(struct cli *cli, const json_t *request, struct err *err)
{
	const char *tenant = cli_tenant(cli, err);
	bool trace = !strcmp(json_str(request, "cmd"), "trace");
	_json_ json_t *body = NULL;
	json_t *answer, *text;
	char path[REST_URL_MAX];

	if (!tenant)
		return NULL;
	rest_of_tenant(path, tenant, trace ? "/trace" : "/reachability");
	if (trace)
		body = json_pack("{s:s, s:s, s:s*}", "port", json_str(request, "port"), "packet", json_str(request, "packet"),
				 "eth", json_str(request, "eth"));
	else
		body = json_pack("{s:s, s:s, s:s}", "from", json_str(request, "from"), "to", json_str(request, "to"), "proto",
				 json_str(request, "service"));
	answer = rest_call(cli, "POST", path, body, err);
	if (!answer && (!strcmp(err_name(err), "invalid") || !strcmp(err_name(err), "not_found")))
		*err = (struct err){ 0 }; /* what is wrong is said as without the API */
	if (!answer || !trace)
		return answer;
	text = json_incref(json_object_get(answer, "text"));
	(void)json_object_del(answer, "text");
	return json_pack("{s:o, s:o?}", "trace", answer, "text", text);
}
