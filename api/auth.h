/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may come in: own tokens, sessions of the panel, tokens of the issuer.  All that is known of them is in memory (store.h, oidc.h), so an answer is
 * there at once; a token that another instance made a moment ago is waited for briefly.  Addresses that fail often are slowed down.
 */
#pragma once

#include "api/api.h"
#include "api/quota.h"
#include "api/request.h"
#include "api/store.h"

#define AUTH_FAILURES_S	    1  /* of one address (IPv6: of a /64), wrong credentials */
#define AUTH_FAILURES_BURST 20
#define AUTH_CHECKS_S	    500 /* of an address that has failed more often: signatures that are verified nevertheless */
#define AUTH_CHECKS_BURST   500

struct auth;

struct auth *auth_new(struct api *api, struct err *err);
/* Those who wait are refused (503); before db_free(), and auth_free() behind it. */
void auth_stop(struct auth *a); /* takes NULL */
void auth_free(struct auth *a); /* takes NULL */

/* Exactly once, at once or later: 'caller'; or NULL, the status (401, 429, 503), after how many seconds to come again (0 = does not help), and why. */
typedef void auth_done(void *arg, const struct api_caller *caller, int status, unsigned int retry_s, const char *why);
/* 'text' behind "Bearer": a token of ours, or a JWT.  'address' as api_address(). */
void auth_token(struct auth *a, const char *address, const char *text, auth_done *done, void *arg);
/* 'text' of the cookie. */
void auth_session(struct auth *a, const char *address, const char *text, auth_done *done, void *arg);
/* One more request of the tenant, or of the monitor: 0, or seconds to wait.  Operators are not counted. */
unsigned int auth_rate(struct auth *a, const struct api_caller *caller);
/*
 * Requests that cost the state DB more than others, or take from what all tenants share: counted apart.  False: answered with 429.
 */
enum auth_costly { AUTH_AUDIT, AUTH_LOGIN, AUTH_TOKENS }; /* reading the audit; beginning sessions; making and revoking tokens */
bool auth_may(struct api_request *r, const struct api_caller *caller, enum auth_costly what);
/* Is what let the caller in still good?  For answers that go on for long. */
bool auth_still(const struct auth *a, const struct api_caller *caller);

/* A tenant is made ('created': whatever is left of one that had the name goes) or described: told of before it is done; 'info' is kept. */
void auth_tenant_made(struct api_request *r, json_t *info, bool created, store_done *done, void *arg);
/* A tenant is deleted: nobody comes in by its tokens and sessions any more, nor has the next one of its name its quota.  'meta' (taken): of the audit. */
void auth_tenant_gone(struct api *api, const char *tenant, json_t *meta, store_done *done, void *arg);

struct store *auth_store(struct auth *a);
/* Limits of a tenant, for write.c (quota_check()). */
const struct quota *auth_quota(const struct auth *a, const char *tenant);
