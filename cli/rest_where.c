// SPDX-License-Identifier: Apache-2.0
/*
 * Which skep-api is asked, and with whose token.  A token is for one server, and a CA knows one: those of the environment are for its SKEP_API, those of a context for
 * that context.  Implements part of rest.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/rest_private.h"
#include "util/cleanup.h"

static const char *env_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* In clear over no wire. */
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

/* --- is it the same server? --- */

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x = NULL, *y = NULL;
	bool same = !curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) && !curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) &&
		    !(part == CURLUPART_PATH ? strcmp(x, y) : strcasecmp(x, y));

	curl_free(x);
	curl_free(y);
	return same;
}

/* Without the slashes at its end, which mean nothing. */
static CURLU *parse(const char *url)
{
	_free_ char *text = strdup(url);
	CURLU *u = text ? curl_url() : NULL;

	for (size_t n = text ? strlen(text) : 0; n && text[n - 1] == '/'; n--)
		text[n - 1] = 0;
	if (u && !curl_url_set(u, CURLUPART_URL, text, 0))
		return u;
	curl_url_cleanup(u);
	return NULL;
}

static bool same_server(const char *one, const char *other)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT, CURLUPART_PATH };
	CURLU *a, *b;
	bool same;

	if (!strcmp(one, other))
		return true;
	if (!strncmp(one, "unix:", 5) || !strncmp(other, "unix:", 5))
		return false;
	a = parse(one);
	b = parse(other);
	same = a && b;
	for (size_t i = 0; same && i < ARRAY_SIZE(parts); i++)
		same = same_part(a, b, parts[i]);
	curl_url_cleanup(a);
	curl_url_cleanup(b);
	return same;
}

/* --- the settings --- */

static int replace(char **to, const char *from, struct err *err)
{
	if (!from)
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

static int take_env(struct context *c, struct err *err)
{
	return replace(&c->token, env_of("SKEP_TOKEN"), err) || replace(&c->ca, env_of("SKEP_CA"), err) ? err->code : 0;
}

bool rest_env_is_for(const char *url)
{
	const char *own = env_of("SKEP_API");

	return !own || same_server(url, own);
}

/* Of --api, which is not sent what is there for another server. */
static int read_url(struct cli *cli, struct rest *r, const char *url, struct err *err)
{
	const bool env = rest_env_is_for(url);

	if (replace(&r->c.api, url, err))
		return err->code;
	if (env && replace(&r->c.ca, env_of("SKEP_CA"), err))
		return err->code;
	if (env || cli->token)
		return replace(&r->c.token, cli->token ? cli->token : env_of("SKEP_TOKEN"), err);
	r->kept_token = env_of("SKEP_TOKEN");
	return 0;
}

/* 1: it is the state DB. */
static int read_settings(struct cli *cli, struct rest *r, struct err *err)
{
	const char *url = cli->value[CLI_O_API_BIT], *name = cli->value[CLI_O_CONTEXT_BIT], *env = env_of("SKEP_API");
	int rc;

	if (check_options(cli, err))
		return err->code;
	if (!url && !name && (cli->value[CLI_O_DB_BIT] || env_of("SKEP_DB")))
		return 1;
	if (url)
		return read_url(cli, r, url, err);
	if (!name && env)
		return replace(&r->c.api, env, err) || take_env(&r->c, err) ? err->code : 0;
	rc = context_read(name, &r->c, err);
	return rc || env ? rc : take_env(&r->c, err);
}

int rest_wanted(struct cli *cli, struct err *err)
{
	struct rest *r;
	int rc;

	if (cli->rest)
		return 1;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	rc = read_settings(cli, r, err);
	if (rc) {
		context_fini(&r->c);
		free(r);
		return rc < 0 ? rc : 0;
	}
	cli->rest = r;
	if (!cli->value[CLI_O_TENANT_BIT])
		cli->value[CLI_O_TENANT_BIT] = r->c.tenant;
	return check_url(r, err) ? err->code : 1;
}

const char *rest_api(const struct cli *cli)
{
	return cli->rest->c.api;
}

const char *rest_ca(const struct cli *cli)
{
	return cli->rest->c.ca;
}

int rest_needed(struct cli *cli, const char *instead, struct err *err)
{
	const int rc = rest_wanted(cli, err);

	if (rc)
		return rc < 0 ? rc : 0;
	return err_tag(err, -EOPNOTSUPP, "only_over_api", "this is done by skep-api only (want --api URL, or 'skep login')%s%s", instead ? "; " : "",
		       instead ? instead : "");
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
