// SPDX-License-Identifier: Apache-2.0
/* /api/v1/sessions: the panel's sessions that there are, and ending them.  Each sees its own, an admin those of the tenant, operators all. */
#include <errno.h>
#include <string.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/token_page.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Begun with the same token, or by the same person of the issuer. */
static bool is_own(const struct api_caller *c, const struct token *t)
{
	if (strcmp(c->tenant, t->tenant) != 0)
		return false;
	if (*c->token)
		return strcmp(c->token, t->parent) == 0;
	return *c->subject && !*t->parent && strcmp(c->subject, t->subject) == 0;
}

static bool sees(const struct api_request *r, const struct token *t)
{
	const struct api_caller *c = api_caller_of(r);

	if (!store_admits(auth_store(api_of(r)->auth), t))
		return false;
	return is_own(c, t) || c->role == API_OPERATOR || (c->role == API_ADMIN && strcmp(c->tenant, t->tenant) == 0);
}

static void on_list(struct api_request *r)
{
	token_page(r, TOKEN_SESSION, sees, session_public);
}

static void on_get(struct api_request *r)
{
	const struct token *t = token_of_path(r, TOKEN_SESSION, sees);

	if (t)
		api_answer(r, 200, session_public(t));
}

/* --- ending one --- */

static json_t *end(void *arg, const struct store *s, struct err *err)
{
	const char *id = api_param(arg, "id");
	const struct token *t = tokens_find(store_tokens(s), TOKEN_SESSION, id);
	json_t *changes;

	if (!t) {
		err_tag(err, -ENOENT, "not_found", "session '%.63s' does not exist", id);
		return NULL;
	}
	changes = json_object();
	token_gone(t, changes);
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
	log_info("session %.16s is ended by '%s' from %s", api_param(r, "id"), api_caller_of(r)->name, api_address(r));
	api_answer(r, 204, NULL);
}

/* Of one's own nobody needs to be told; another's is what the audit is for. */
static void on_end(struct api_request *r)
{
	const struct token *t = token_of_path(r, TOKEN_SESSION, sees);
	const struct api_caller *c = api_caller_of(r);

	if (!t)
		return;
	if (is_own(c, t))
		store_write(auth_store(api_of(r)->auth), end, NULL, on_ended, r);
	else if (c->read_only)
		api_problemf(r, 403, "forbidden", "the token of '%s' is for reading only", c->name);
	else if (auth_may(r, c, AUTH_TOKENS))
		store_write(auth_store(api_of(r)->auth), end, audit_meta(r, t->tenant), on_ended, r);
}

const struct api_route sessions_routes[] = {
	{ "GET", "/api/v1/sessions", on_list, API_READER, 0, "limit cursor", "sessions of the panel" },
	{ "GET", "/api/v1/sessions/{id}", on_get, API_READER, 0, NULL, "one session" },
	{ "DELETE", "/api/v1/sessions/{id}", on_end, API_READER, 0, NULL, "end a session" },
};
const unsigned int n_sessions_routes = ARRAY_SIZE(sessions_routes);
