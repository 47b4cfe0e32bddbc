/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7515, 7517, 7518, 7519, 8037) of one issuer, signed with RS256, ES256 or EdDSA (Ed25519).  Nothing else is taken: not "none", not
 * HS256, no encryption, no critical extensions.  It is the key that says which algorithm is used, never the token alone.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "api/request.h"
#include "util/err.h"

#define JWT_MAX	     8192 /* characters */
#define JWT_KEYS_MAX 64	  /* of one set */
#define JWT_LEEWAY_S 60	  /* clocks differ by so much */

struct jwks; /* the issuer's public keys */

struct jwt_rules {
	const char *issuer, *audience;
	const char *tenant_claim, *role_claim; /* "role", or "realm_access.roles": an object's member; a text, or a list of texts */
};

/* From a JSON Web Key Set.  Keys that cannot be used for signatures of ours are passed over; NULL with 'err' if none remains. */
struct jwks *jwks_parse(const char *text, size_t len, struct err *err);
void jwks_free(struct jwks *keys); /* takes NULL */
unsigned int jwks_count(const struct jwks *keys);

/*
 * Whom the token stands for.  0, or with 'err': -ENOKEY, no such key is known (they may have been changed); -EACCES, refused.  'keys' NULL: none is
 * known.  '*caller' is untouched then.
 */
int jwt_check(const struct jwks *keys, const struct jwt_rules *rules, const char *token, int64_t now_s, struct api_caller *caller,
	      struct err *err);
