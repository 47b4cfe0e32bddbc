// SPDX-License-Identifier: Apache-2.0
/*
 * Who is asking?  "Authorization: Bearer", or the panel's cookie with what guards against forged requests, or root on the local socket: who may read the
 * database's password may do everything anyway.  A proxy that belongs to root asks for others.
 */
#include "api/authenticate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/config.h"
#include "api/role.h"
#include "api/session.h"

struct question {
	struct api_request *r;
	void (*done)(struct api_request *r, const struct api_caller *caller, int status, const char *why);
};

static void refuse(struct api_request *r, int status, unsigned int retry_s, const char *why,
		   void (*done)(struct api_request *r, const struct api_caller *caller, int status, const char *why))
{
	char s[16];

	if (retry_s) {
		snprintf(s, sizeof(s), "%u", retry_s);
		api_header(r, "Retry-After", s);
	}
	done(r, NULL, status, why);
}

static void on_auth(void *arg, const struct api_caller *caller, int status, unsigned int retry_s, const char *why)
{
	struct question q = *(struct question *)arg;
	unsigned int wait;

	free(arg);
	if (!caller) {
		refuse(q.r, status, retry_s, why, q.done);
		return;
	}
	wait = auth_rate(api_of(q.r)->auth, caller);
	if (wait)
		refuse(q.r, 429, wait, "too many requests of this tenant", q.done);
	else
		q.done(q.r, caller, 0, NULL);
}

static bool is_forwarded(const struct api_request *r)
{
	static const char *const headers[] = { "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via" };

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		if (api_request_header(r, headers[i]))
			return true;
	return false;
}

void api_authenticate(struct api_request *r,
		      void (*done)(struct api_request *r, const struct api_caller *caller, int status, const char *why))
{
	const char *authorization = api_request_header(r, "Authorization"), *why;
	struct api_caller root = { .name = "root", .role = API_OPERATOR };
	struct auth *auth = api_of(r)->auth;
	struct question *q;
	char cookie[TOKEN_TEXT];

	if (!authorization && !session_cookie(r, cookie)) {
		if (api_is_root(r) && api_of(r)->config->local_root && !is_forwarded(r))
			done(r, &root, 0, NULL);
		else
			done(r, NULL, 401, "no credentials (want 'Authorization: Bearer TOKEN')");
		return;
	}
	if (authorization && strncasecmp(authorization, "Bearer ", 7) != 0) {
		done(r, NULL, 401, "these credentials are not known here (want 'Authorization: Bearer TOKEN')");
		return;
	}
	/* the cookie comes along whoever made the browser ask: before anything else */
	why = authorization ? NULL : session_forged(r, cookie);
	if (why) {
		done(r, NULL, 403, why);
		return;
	}
	q = malloc(sizeof(*q));
	if (!q) {
		refuse(r, 503, 1, "out of memory", done);
		return;
	}
	*q = (struct question){ r, done };
	if (authorization)
		auth_token(auth, api_address(r), authorization + 7 + strspn(authorization + 7, " "), on_auth, q);
	else
		auth_session(auth, api_address(r), cookie, on_auth, q);
}
