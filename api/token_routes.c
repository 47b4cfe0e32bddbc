// SPDX-License-Identifier: Apache-2.0
/* /api/v1/tokens.  An admin of a tenant sees and makes those of the tenant only; what belongs to others is not there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/cache.h"
#include "api/config.h"
#include "api/role.h"
#include "api/token_page.h"
#include "util/cleanup.h"
#include "util/json.h"

static bool sees(const struct api_request *r, const struct token *t)
{
	const char *own = api_caller_of(r)->tenant;

	return !*own || strcmp(own, t->tenant) == 0;
}

static void on_list(struct api_request *r)
{
	token_page(r, TOKEN_BEARER, sees, token_public);
}

static void on_get(struct api_request *r)
{
	const struct token *t = token_of_path(r, TOKEN_BEARER, sees);

	if (t)
		api_answer(r, 200, token_public(t));
}

/* --- making --- */

struct making {
	struct api_request *r;
	struct token token;
	char text[TOKEN_TEXT];
};

static json_t *make(void *arg, const struct store *s, struct err *err)
{
	struct making *m = arg;
	const char *tenant = m->token.tenant;
	const struct store_life *life = store_life(s, tenant);
	int64_t max = store_quota(s, tenant, NULL)->tokens;
	char path[TOKEN_PATH];

	/* who asks may have been shut out since, alone or with its tenant: what it makes would stay */
	if (!auth_still(api_of(m->r)->auth, api_caller_of(m->r))) {
		err_tag(err, -EPERM, "forbidden", "the token that asks is not valid any more");
		return NULL;
	}
	if (life && life->is_over) {
		err_set(err, -EINVAL, "field 'tenant': tenant '%s' was deleted (make it again first: PUT /api/v1/tenants/%s)", tenant, tenant);
		return NULL;
	}
	/* what is counted here is what is committed on: others' tokens make the commit fail, and this is asked again */
	if ((int64_t)tokens_of_tenant(store_tokens(s), tenant) >= max) {
		err_tag(err, -EDQUOT, "quota_exceeded", "the quota of the tenant is %lld tokens (revoke one)", (long long)max);
		return NULL;
	}
	return json_pack("{s:o}", token_path(TOKEN_BEARER, m->token.id, path), token_record(&m->token));
}

static void making_free(struct making *m)
{
	explicit_bzero(m, sizeof(*m));
	free(m);
}

static void on_made(void *arg, const struct err *err, uint64_t rev)
{
	struct making *m = arg;
	char location[64];
	json_t *body;

	(void)rev;
	if (err) {
		api_fail(m->r, err);
	} else {
		snprintf(location, sizeof(location), "/api/v1/tokens/%s", m->token.id);
		api_header(m->r, "Location", location);
		api_header(m->r, "Cache-Control", "no-store");
		body = token_public(&m->token);
		json_object_set_new(body, "token", json_string(m->text));
		api_answer(m->r, 201, body);
	}
	making_free(m);
}

static void submit(struct making *m)
{
	store_write(auth_store(api_of(m->r)->auth), make, audit_meta(m->r, m->token.tenant), on_made, m);
}

/* One for a tenant that is not there would open the next one of the name. */
static void on_tenant(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct making *m = arg;

	if (!err && cache_exists(t)) {
		submit(m);
		return;
	}
	if (err)
		api_fail(m->r, err);
	else
		api_problemf(m->r, 422, "invalid", "field 'tenant': tenant '%s' does not exist (make it first: PUT /api/v1/tenants/%s)",
			     cache_name(t), cache_name(t));
	making_free(m);
}

/* Without a wish it is as long as may be. */
static int limit_age(const struct api_request *r, struct token *t, struct err *err)
{
	const uint32_t days = api_of(r)->config->token_days;
	const int64_t last = t->created_s + (int64_t)days * 24 * 3600;

	if (!days)
		return 0;
	if (t->expires_s > last)
		return err_set(err, -EINVAL, "field 'expires_s': '%lld' is not allowed (want at most %u days: 'limits.token_days')",
			       (long long)(t->expires_s - t->created_s), days);
	if (!t->expires_s)
		t->expires_s = last;
	return 0;
}

static void no_right(struct api_request *r)
{
	const struct api_caller *c = api_caller_of(r);

	api_problemf(r, 403, "forbidden", "'%s' (%s) cannot make a token for others, or with more rights", c->name, api_role_name(c->role));
}

static void on_create(struct api_request *r)
{
	const struct api_caller *c = api_caller_of(r);
	_json_ json_t *body = json_copy(api_body(r));
	const char *role = json_str(body, "role");
	struct making *m;
	struct err err = { 0 };

	if (!auth_may(r, c, AUTH_TOKENS))
		return;
	/* first of all: what else is wrong with a token that one may not make does not matter */
	if (role && api_role_find(role) > (int)c->role) {
		no_right(r);
		return;
	}
	m = calloc(1, sizeof(*m));

	/* an admin need not say for which tenant, for there is one */
	if (*c->tenant && json_is_object(body) && !json_object_get(body, "tenant"))
		json_object_set_new(body, "tenant", json_string(c->tenant));
	if (!m) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	if (token_of_request(body, (int64_t)time(NULL), &m->token, &err) || limit_age(r, &m->token, &err)) {
		api_fail(r, &err);
	} else if (m->token.role > c->role || (*c->tenant && strcmp(c->tenant, m->token.tenant) != 0)) {
		no_right(r);
	} else if (!token_make(&m->token, m->text)) {
		api_problemf(r, 503, "unavailable", "there are no random bits");
	} else {
		m->r = r;
		snprintf(m->token.by, sizeof(m->token.by), "%s", c->name);
		if (*m->token.tenant)
			cache_get(api_of(r)->cache, m->token.tenant, on_tenant, m);
		else
			submit(m);
		return;
	}
	free(m);
}

/* --- revoking --- */

/* Its sessions end with it anyway; their records go too. */
static json_t *take_back(void *arg, const struct store *s, struct err *err)
{
	const struct tokens *all = store_tokens(s);
	const char *id = api_param(arg, "id");
	struct hmap_node *node, *tmp;
	json_t *changes;

	if (!tokens_find(all, TOKEN_BEARER, id)) {
		err_tag(err, -ENOENT, "not_found", "token '%.63s' does not exist", id);
		return NULL;
	}
	changes = json_object();
	token_gone(tokens_find(all, TOKEN_BEARER, id), changes);
	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		if (t->kind == TOKEN_SESSION && strcmp(t->parent, id) == 0)
			token_gone(t, changes);
	}
	return changes;
}

static void on_revoked(void *arg, const struct err *err, uint64_t rev)
{
	(void)rev;
	if (err)
		api_fail(arg, err);
	else
		api_answer(arg, 204, NULL);
}

static void on_revoke(struct api_request *r)
{
	const struct token *t = token_of_path(r, TOKEN_BEARER, sees);

	if (t && auth_may(r, api_caller_of(r), AUTH_TOKENS))
		store_write(auth_store(api_of(r)->auth), take_back, audit_meta(r, t->tenant), on_revoked, r);
}

const struct api_route token_routes[] = {
	{ "GET", "/api/v1/tokens", on_list, API_ADMIN, 0, "limit cursor", "list tokens" },
	{ "POST", "/api/v1/tokens", on_create, API_ADMIN, 0, NULL, "make a token: its secret is told once" },
	{ "GET", "/api/v1/tokens/{id}", on_get, API_ADMIN, 0, NULL, "one token, without its secret" },
	{ "DELETE", "/api/v1/tokens/{id}", on_revoke, API_ADMIN, 0, NULL, "revoke a token" },
};
const unsigned int n_token_routes = ARRAY_SIZE(token_routes);
