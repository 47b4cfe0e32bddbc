// SPDX-License-Identifier: Apache-2.0
/* What a request came to when it was not what was wanted, in words that say what to do.  Called by rest.c and rest_stream.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rest_private.h"
#include "util/json.h"

static bool is(const struct rest *r, const char *scheme)
{
	return !strncmp(r->c.api, scheme, strlen(scheme));
}

/* What somebody can do about it. */
static const char *advice(const struct rest *r, CURLcode rc)
{
	switch (rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return r->c.ca ? " (is that its name, and the file of SKEP_CA its certificate's?)" :
				 " (is that its name? if its certificate is one of your own: want SKEP_CA=FILE, or 'skep login' with it)";
	case CURLE_SSL_CONNECT_ERROR:
		return " (does it speak TLS at that port? else http://)";
	case CURLE_GOT_NOTHING:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_RECV_ERROR:
		return is(r, "http:") ? " (does it speak TLS? then https://)" : "";
	case CURLE_COULDNT_CONNECT:
		return is(r, "unix:") ? " (is skep-api running on this host?)" : "";
	default:
		return "";
	}
}

/* libcurl calls sockets a port of localhost. */
static const char *reason(const struct rest *r, CURLcode rc)
{
	long number = 0;

	curl_easy_getinfo(r->curl, CURLINFO_OS_ERRNO, &number);
	if (rc == CURLE_COULDNT_CONNECT && is(r, "unix:") && number)
		return strerror((int)number);
	return *r->why ? r->why : curl_easy_strerror(rc);
}

/* A proxy is somebody else, who may be what does not answer. */
static const char *about_proxy(const struct rest *r)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names) && is(r, "https:"); i++)
		if (getenv(names[i]) && *getenv(names[i]))
			return " (https_proxy or all_proxy is in the environment; no_proxy names those that are not for it)";
	return "";
}

int rest_no_answer(struct rest *r, const char *method, CURLcode rc, struct err *err)
{
	const char *why = reason(r, rc), *hint = advice(r, rc);
	curl_off_t sent_us = 0;

	curl_easy_getinfo(r->curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	if (!*hint)
		hint = about_proxy(r);
	if (sent_us && strcmp(method, "GET"))
		return err_tag(err, -ETIMEDOUT, "unknown_outcome",
			       "'%s' was asked and did not answer: %.200s; the change may be in force (see 'skep diff', 'skep get')", r->c.api, why);
	if (rc == CURLE_SSL_CACERT_BADFILE)
		return err_tag(err, -EINVAL, "cannot_read", "cannot read certificates from '%.200s' (SKEP_CA, or what it was at 'skep login')", r->c.ca ? r->c.ca : "");
	if (rc == CURLE_PEER_FAILED_VERIFICATION)
		return err_tag(err, -EPROTO, "untrusted", "'%s' is not known to be what it says: %.200s%s", r->c.api, why, hint);
	return err_set(err, -ENOTCONN, "'%s' cannot be reached: %.200s%s", r->c.api, why, hint);
}

/* Who is not let in: how to get a token that is. */
static int no_entry(const struct rest *r, const char *detail, struct err *err)
{
	if (r->c.token)
		return err_tag(err, -EPERM, "unauthorized", "'%s': %.200s (it may have expired, or be of another server; 'skep login' takes another one)", r->c.api, detail);
	if (r->kept_token)
		return err_tag(err, -EPERM, "unauthorized", "'%s' wants a token, and SKEP_TOKEN is for the server of SKEP_API: it was not sent (want 'skep login' there)",
			       r->c.api);
	return err_tag(err, -EPERM, "unauthorized", "'%s' wants a token (want 'skep login', or SKEP_TOKEN and SKEP_API in the environment)", r->c.api);
}

int rest_problem(const struct rest *r, long status, struct err *err)
{
	static char slug[64];
	_json_ json_t *body = json_loadb(r->text ? r->text : "", r->len, JSON_DECODE_ANY, NULL);
	const char *type = json_str(body, "type"), *detail = json_str(body, "detail");
	curl_off_t retry_s = 0;
	char later[64] = "";
	int code = status == 404			  ? -ENOENT :
		   status == 409 || status == 412	  ? -EBUSY :
		   status == 401 || status == 403	  ? -EPERM :
		   status == 429			  ? -EDQUOT :
		   status < 500				  ? -EINVAL :
							    -EIO;

	if (!type) /* whoever answers is no skep-api, or stands in front of one */
		return err_tag(err, status == 404 ? -EPROTO : code, "failed", "'%s' answers %ld, and does not say why (is it a skep-api?)", r->c.api, status);
	if (status == 401)
		return no_entry(r, detail ? detail : "the token is refused", err);
	snprintf(slug, sizeof(slug), "%.60s", !strncmp(type, "/problems/", 10) ? type + 10 : "failed");
	curl_easy_getinfo(r->curl, CURLINFO_RETRY_AFTER, &retry_s);
	if (retry_s && (status == 429 || status == 503))
		snprintf(later, sizeof(later), " (try again in %lld s)", (long long)retry_s);
	return err_tag(err, code, slug, "%s%s", detail ? detail : "the API refuses, and does not say why", later);
}
