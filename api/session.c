// SPDX-License-Identifier: Apache-2.0
/* Implements session.h, and /api/v1/session. */
#include "api/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/auth.h"
#include "api/role.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/log.h"

/* --- cookies, and who sends them --- */

static const char *cookie_name(const struct api_request *r)
{
	return api_is_tls(r) ? "__Host-" SESSION_COOKIE : SESSION_COOKIE;
}

/* "a=b; skep_session=VALUE"; the first of the name.  A value of another length is none of ours: cut off, it is not valid either. */
static bool find_cookie(const char *header, const char *own, char cookie[static TOKEN_TEXT])
{
	size_t name = strlen(own);

	while (header && *header) {
		header += strspn(header, " ;");
		if (strncmp(header, own, name) == 0 && header[name] == '=') {
			snprintf(cookie, TOKEN_TEXT, "%.*s", (int)strcspn(header + name + 1, "; "), header + name + 1);
			return true;
		}
		header += strcspn(header, ";");
	}
	return false;
}

bool session_cookie(const struct api_request *r, char cookie[static TOKEN_TEXT])
{
	return find_cookie(api_request_header(r, "Cookie"), cookie_name(r), cookie);
}

/* A page of this server?  Its scheme may differ from ours behind a proxy that does TLS. */
static bool foreign(const struct api_request *r)
{
	const char *origin = api_request_header(r, "Origin"), *site = api_request_header(r, "Sec-Fetch-Site");
	const char *host = api_request_header(r, "Host"), *at;

	if (site && strcmp(site, "same-origin") != 0)
		return true;
	if (!origin)
		return false;
	at = strstr(origin, "://");
	return !at || !host || strcasecmp(at + 3, host) != 0;
}

const char *session_forged(const struct api_request *r, const char *cookie)
{
	if (role_method_safe(api_method(r)))
		return NULL;
	if (foreign(r))
		return "with a cookie, only pages of this server may change something (Origin)";
	if (!token_csrf_ok(cookie, api_request_header(r, "X-CSRF-Token")))
		return "with a cookie, what changes something needs the header X-CSRF-Token (POST or GET /api/v1/session tells it)";
	return NULL;
}

static void set_cookie(struct api_request *r, const char *value, int age_s)
{
	char text[TOKEN_TEXT + 128];

	snprintf(text, sizeof(text), "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s", cookie_name(r), value, age_s,
		 api_is_tls(r) ? "; Secure" : "");
	api_header(r, "Set-Cookie", text);
	api_header(r, "Cache-Control", "no-store");
}

/* --- logging in --- */

struct login {
	struct api_request *r;
	struct token session;
	char text[TOKEN_TEXT];
};

static json_t *answer_of(const struct api_caller *c, const char *cookie)
{
	char csrf[TOKEN_CSRF];

	token_csrf(cookie, csrf);
	return json_pack("{s:s, s:s, s:s, s:b, s:s?, s:o}", "csrf", csrf, "name", c->name, "role", api_role_name(c->role), "read_only", c->read_only,
			 "tenant", *c->tenant ? c->tenant : NULL, "expires", c->expires_s ? json_integer(c->expires_s) : json_null());
}

/* The session, and in place of one that ends first, if its tenant has too many. */
static json_t *make_session(void *arg, const struct store *s, struct err *err)
{
	const struct tokens *all = store_tokens(s);
	struct login *l = arg;
	const struct token *first = NULL;
	struct hmap_node *node, *tmp;
	char path[TOKEN_PATH];
	json_t *changes = json_object();
	unsigned int n = 0;

	if (*l->session.parent && !tokens_find(all, TOKEN_BEARER, l->session.parent)) {
		json_decref(changes);
		err_tag(err, -EPERM, "forbidden", "the token has been revoked");
		return NULL;
	}
	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		if (t->kind != TOKEN_SESSION || strcmp(t->tenant, l->session.tenant) != 0)
			continue;
		n++;
		if (!first || t->expires_s < first->expires_s)
			first = t;
	}
	if (n >= STORE_SESSIONS_MAX)
		token_gone(first, changes);
	json_object_set_new(changes, token_path(TOKEN_SESSION, l->session.id, path), token_record(&l->session));
	return changes;
}

static void on_made(void *arg, const struct err *err, uint64_t rev)
{
	struct login *l = arg;
	struct api_caller c = { .role = l->session.role, .expires_s = l->session.expires_s };

	(void)rev;
	if (err) {
		api_fail(l->r, err);
	} else {
		snprintf(c.name, sizeof(c.name), "%s", l->session.name);
		snprintf(c.tenant, sizeof(c.tenant), "%s", l->session.tenant);
		set_cookie(l->r, l->text, (int)(l->session.expires_s - l->session.created_s));
		log_info("session %s of '%s' (%s) from %s begins", l->session.id, c.name, api_role_name(c.role), api_address(l->r));
		api_answer(l->r, 201, answer_of(&c, l->text));
	}
	explicit_bzero(l, sizeof(*l));
	free(l);
}

/* What a browser sends is for people's eyes: a line of them. */
static void take_agent(const char *header, char agent[static TOKEN_AGENT])
{
	size_t n = 0;

	for (; header && header[n] && n < TOKEN_AGENT - 1; n++)
		agent[n] = header[n] >= ' ' && header[n] <= '~' ? header[n] : '?';
	agent[n] = 0;
}

static void on_token(void *arg, const struct api_caller *c, int status, unsigned int retry_s, const char *why)
{
	struct api_request *r = arg;
	int64_t now = (int64_t)time(NULL);
	unsigned int wait = c ? auth_rate(api_of(r)->auth, c) : 0;
	struct login *l;
	char s[16];

	if (wait) {
		status = 429;
		retry_s = wait;
		why = "too many requests of this tenant";
	}
	if (!c || wait) {
		snprintf(s, sizeof(s), "%u", retry_s);
		if (retry_s)
			api_header(r, "Retry-After", s);
		if (status == 401)
			api_header(r, "WWW-Authenticate", "Bearer");
		api_problemf(r, status, status == 429 ? "too_many_requests" : status == 503 ? "unavailable" : "unauthorized", "%s", why);
		return;
	}
	if (c->role == API_MONITOR) {
		api_problemf(r, 403, "forbidden", "the panel has nothing for a monitor");
		return;
	}
	if (!auth_may(r, c, AUTH_LOGIN))
		return;
	l = calloc(1, sizeof(*l));
	if (!l) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	l->r = r;
	l->session = (struct token){ .kind = TOKEN_SESSION, .role = c->role, .read_only = c->read_only, .created_s = now };
	l->session.expires_s = now + SESSION_S;
	if (c->expires_s && c->expires_s < l->session.expires_s)
		l->session.expires_s = c->expires_s;
	snprintf(l->session.name, sizeof(l->session.name), "%s", c->name);
	snprintf(l->session.tenant, sizeof(l->session.tenant), "%s", c->tenant);
	snprintf(l->session.subject, sizeof(l->session.subject), "%s", c->subject);
	snprintf(l->session.parent, sizeof(l->session.parent), "%.16s", c->token);
	snprintf(l->session.address, sizeof(l->session.address), "%s", api_address(r));
	take_agent(api_request_header(r, "User-Agent"), l->session.agent);
	if (token_make(&l->session, l->text)) {
		store_write(auth_store(api_of(r)->auth), make_session, NULL, on_made, l);
		return;
	}
	free(l);
	api_problemf(r, 503, "unavailable", "there are no random bits");
}

static void on_login(struct api_request *r)
{
	const json_t *body = api_body(r), *token = json_object_get(body, "token");

	if (foreign(r)) {
		api_problemf(r, 403, "forbidden", "only pages of this server may log in (Origin)");
		return;
	}
	if (!json_is_string(token) || json_object_size(body) != 1) {
		api_problemf(r, 422, "invalid", "want {\"token\": \"skep_...\"}");
		return;
	}
	auth_token(api_of(r)->auth, api_address(r), json_string_value(token), on_token, r);
}

static void on_session(struct api_request *r)
{
	const struct api_caller *c = api_caller_of(r);
	char cookie[TOKEN_TEXT];

	if (!*c->session || !session_cookie(r, cookie)) {
		api_problemf(r, 404, "not_found", "there is no session");
		return;
	}
	api_header(r, "Cache-Control", "no-store");
	api_answer(r, 200, answer_of(c, cookie));
}

static json_t *end_session(void *arg, const struct store *s, struct err *err)
{
	const struct token *own = tokens_find(store_tokens(s), TOKEN_SESSION, api_caller_of(arg)->session);
	json_t *changes = json_object();

	(void)err;
	if (own)
		token_gone(own, changes);
	return changes;
}

static void on_ended(void *arg, const struct err *err, uint64_t rev)
{
	struct api_request *r = arg;

	(void)rev;
	if (err) {
		api_fail(r, err);
		return;
	}
	log_info("session %s of '%s' ends", api_caller_of(r)->session, api_caller_of(r)->name);
	set_cookie(r, "", 0);
	api_answer(r, 204, NULL);
}

static void on_logout(struct api_request *r)
{
	if (!*api_caller_of(r)->session)
		api_problemf(r, 404, "not_found", "there is no session");
	else
		store_write(auth_store(api_of(r)->auth), end_session, NULL, on_ended, r);
}

const struct api_route session_routes[] = {
	{ "POST", "/api/v1/session", on_login, API_NOBODY, API_OPEN, NULL, "log in: a cookie for the panel" },
	{ "GET", "/api/v1/session", on_session, API_READER, 0, NULL, "the session, and the token against forged requests" },
	{ "DELETE", "/api/v1/session", on_logout, API_READER, 0, NULL, "log out" },
};
const unsigned int n_session_routes = ARRAY_SIZE(session_routes);
