// SPDX-License-Identifier: Apache-2.0
/* Requests to skep-api, one at a time on one connection.  Implements part of rest.h.  Called where the state DB or an agent would be asked otherwise. */
#include "cli/rest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/rest_private.h"
#include "util/json.h"

#define CONNECT_S  10L
#define READ_S	   60L
#define WRITE_S	   600L /* a large document is checked, and written whole */
#define PATIENCE_S 30	/* for all of one request, while the server says 'later' */
#define SYSTEM_CA  "/etc/ssl/certs/ca-certificates.crt"
#define ANSWER_MAX (1u << 30)

const char *rest_of_tenant(char path[static REST_URL_MAX], const char *tenant, const char *rest)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
	size_t n = (size_t)snprintf(path, REST_URL_MAX, "/api/v1/tenants/");

	for (; *tenant && n < REST_URL_MAX / 2; tenant++)
		n += (size_t)snprintf(path + n, REST_URL_MAX - n, strchr(plain, *tenant) ? "%c" : "%%%02X", (unsigned char)*tenant);
	snprintf(path + n, REST_URL_MAX - n, "%s", rest);
	return path;
}

size_t rest_take(char *data, size_t size, size_t n, void *arg)
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

int rest_add_header(struct rest *r, const char *text)
{
	struct curl_slist *more = curl_slist_append(r->headers, text);

	if (more)
		r->headers = more;
	return more ? 0 : -ENOMEM;
}

int rest_start(struct rest *r, struct err *err)
{
	char text[10100];

	if (r->curl)
		return 0;
	r->curl = curl_easy_init();
	if (!r->curl || rest_add_header(r, "Content-Type: application/json") || rest_add_header(r, "Expect:"))
		return err_set(err, -ENOMEM, "out of memory");
	if (cli_traceparent()) {
		snprintf(text, sizeof(text), "traceparent: %s", cli_traceparent());
		if (rest_add_header(r, text))
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (r->c.token) {
		if (snprintf(text, sizeof(text), "Authorization: Bearer %s", r->c.token) >= (int)sizeof(text) || strpbrk(r->c.token, "\r\n"))
			return err_set(err, -EINVAL, "the token is malformed");
		if (rest_add_header(r, text))
			return err_set(err, -ENOMEM, "out of memory");
	}
	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, rest_take);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->why);
	curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->curl, CURLOPT_PATH_AS_IS, 1L); /* a tenant may be called '..' */
	curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https"); /* and no redirections: a token is for one server */
	curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "skep/" SKEP_VERSION);
	if (!r->c.ca && !access(SYSTEM_CA, R_OK)) { /* the same as in that folder, read four times as fast */
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, SYSTEM_CA);
		curl_easy_setopt(r->curl, CURLOPT_CAPATH, NULL);
	}
	if (r->c.ca) { /* instead of the system's, which libcurl would read, and believe, as well */
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, r->c.ca);
		curl_easy_setopt(r->curl, CURLOPT_CAPATH, NULL);
	}
	if (strncmp(r->c.api, "https://", 8)) /* a proxy would read along; the way to https:// is encrypted through it */
		curl_easy_setopt(r->curl, CURLOPT_PROXY, "");
	if (!strncmp(r->c.api, "unix:", 5))
		curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH, r->c.api + 5);
	return 0;
}

/* One attempt: the status, or 0 with 'err'. */
static long ask(struct rest *r, const char *method, struct err *err)
{
	long status = 0;
	CURLcode rc;

	r->len = 0;
	r->why[0] = 0;
	rc = curl_easy_perform(r->curl);
	if (rc != CURLE_OK)
		rest_no_answer(r, method, rc, err);
	else
		curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* In how many seconds the same may be asked again; 0 = it may not.  Who has asked too much was refused unheard, so changes may be asked again as well. */
static unsigned int later(const struct rest *r, const char *method, long status, unsigned int patience_s)
{
	curl_off_t retry_s = 0;

	if (status != 429 && !(status == 503 && !strcmp(method, "GET")))
		return 0;
	curl_easy_getinfo(r->curl, CURLINFO_RETRY_AFTER, &retry_s);
	return retry_s > 0 && retry_s <= patience_s ? (unsigned int)retry_s : 0;
}

static void wait_s(const struct rest *r, unsigned int seconds)
{
	struct timespec left = { .tv_sec = seconds };

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "skep: '%s' says: later; asking again in %u s\n", r->c.api, seconds);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

/* One request; its answer is in r->text then.  The status, below 400; or negative, with 'err'. */
static long perform(struct cli *cli, const char *condition, const char *method, const char *path, const char *body, struct err *err)
{
	unsigned int patience_s = PATIENCE_S, s;
	struct curl_slist conditional;
	struct rest *r = cli->rest;
	_free_ char *url = NULL;
	long status;

	if (rest_start(r, err))
		return err->code;
	if (asprintf(&url, "%s%s", r->url, path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	conditional = (struct curl_slist){ (char *)condition, r->headers };
	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, condition ? &conditional : r->headers);
	curl_easy_setopt(r->curl, CURLOPT_URL, url);
	curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
	if (body)
		curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	else
		curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, strcmp(method, "GET") ? WRITE_S : READ_S);
	while ((status = ask(r, method, err)) && (s = later(r, method, status, patience_s))) {
		patience_s -= s;
		wait_s(r, s);
	}
	if (!status)
		return err->code;
	if (status >= 400)
		return rest_problem(r, status, err);
	return status < 300 ? status : err_set(err, -EPROTO, "'%s' is no skep-api (status %ld)", r->c.api, status);
}

json_t *rest_call_if(struct cli *cli, const char *condition, const char *method, const char *path, const json_t *body, struct err *err)
{
	struct rest *r = cli->rest;
	_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_t *answer;
	long status;

	if (body && !text) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	status = perform(cli, condition, method, path, text, err);
	if (status < 0)
		return NULL;
	answer = r->len ? json_loadb(r->text, r->len, JSON_DECODE_ANY, NULL) : json_object();
	if (!answer)
		err_set(err, -EPROTO, "'%s' is no skep-api (status %ld)", r->c.api, status);
	return answer;
}

json_t *rest_call(struct cli *cli, const char *method, const char *path, const json_t *body, struct err *err)
{
	return rest_call_if(cli, NULL, method, path, body, err);
}

const char *rest_text(struct cli *cli, const char *method, const char *path, const char *body, size_t *len, struct err *err)
{
	struct rest *r = cli->rest;

	if (perform(cli, NULL, method, path, body, err) < 0)
		return NULL;
	*len = r->len;
	return r->len ? r->text : "";
}

