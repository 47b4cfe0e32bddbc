// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what strangers show and what the state DB or an issuer may say: tokens, records of tokens, JSON Web Tokens, sets of keys, quotas.  Nothing opens a door:
 * claims are signed here with a key that is known, and whoever they let in has a role that is one and a tenant that may be.
 */
#include "selftests/fuzz/fuzz.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "api/jwt.h"
#include "api/quota.h"
#include "api/role.h"
#include "api/token.h"
#include "util/base64.h"

#define NOW 1700000000

static gnutls_privkey_t key;
static struct jwks *keys;
static const struct jwt_rules rules = { "i", "skep", "tenant", "r.role" };

static void url_text(const void *p, size_t n, char *text)
{
	base64_encode(p, n, text);
	for (char *c = text; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	text[strcspn(text, "=")] = 0;
}

static void setup(void)
{
	gnutls_datum_t x = { 0 };
	gnutls_ecc_curve_t curve;
	gnutls_pubkey_t pub;
	char jwk[256], text[64];
	struct err err;
	int n;

	must(!gnutls_privkey_init(&key) && !gnutls_pubkey_init(&pub));
	must(!gnutls_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0));
	must(!gnutls_pubkey_import_privkey(pub, key, 0, 0) && !gnutls_pubkey_export_ecc_raw(pub, &curve, &x, NULL));
	url_text(x.data, x.size, text);
	n = snprintf(jwk, sizeof(jwk), "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}", text);
	keys = jwks_parse(jwk, (size_t)n, &err);
	must(keys);
	gnutls_free(x.data);
	gnutls_pubkey_deinit(pub);
}

static void check_caller(const struct api_caller *c)
{
	must(c->role > API_NOBODY && c->role <= API_OPERATOR);
	must(role_name_ok(c->name) && role_fits_tenant(c->role, c->tenant));
	must(!*c->token && !*c->session && c->expires_s > NOW);
}

static void signed_claims(const uint8_t *data, size_t size)
{
	static const char header[] = "eyJhbGciOiJFZERTQSJ9."; /* {"alg":"EdDSA"} */
	static char token[JWT_MAX * 3];
	size_t n = strlen(header);
	gnutls_datum_t text, sig = { 0 };
	struct api_caller c;
	struct err err;

	if (size > 4096)
		return;
	memcpy(token, header, n + 1);
	url_text(data, size, token + n);
	text = (gnutls_datum_t){ (unsigned char *)token, (unsigned int)strlen(token) };
	must(!gnutls_privkey_sign_data2(key, GNUTLS_SIGN_EDDSA_ED25519, 0, &text, &sig));
	n = strlen(token);
	token[n] = '.';
	url_text(sig.data, sig.size, token + n + 1);
	gnutls_free(sig.data);
	if (jwt_check(keys, &rules, token, NOW, &c, &err) == 0)
		check_caller(&c);
}

static void as_token(const char *text)
{
	uint8_t sha[TOKEN_SHA];
	char id[TOKEN_ID];

	for (int kind = 0; kind < 2; kind++)
		if (token_parse((enum token_kind)kind, text, id, sha)) {
			must(strlen(text) < TOKEN_TEXT && strlen(id) == TOKEN_ID - 1);
			must(strstr(text, id));
		}
	must(!token_csrf_ok("0123456789abcdef_", text)); /* a hash of it would have to be guessed */
}

static void as_json(const char *text, size_t len)
{
	json_t *o = json_loadb(text, len, 0, NULL), *back;
	struct quota q, again;
	struct token t, u;
	struct err err;

	if (!o)
		return;
	if (token_of_record("token/0123456789abcdef", o, &t)) {
		must(role_fits_tenant(t.role, t.tenant));
		back = token_record(&t);
		/* names are texts of JSON, which are UTF-8 */
		must(back && token_of_record("token/0123456789abcdef", back, &u) && !strcmp(t.name, u.name));
		json_decref(back);
	}
	if (!token_of_request(o, NOW, &t, &err))
		must(role_name_ok(t.name) && role_fits_tenant(t.role, t.tenant) && (!t.expires_s || t.expires_s > NOW));
	if (!quota_parse(o, &q, &err)) {
		back = quota_json(&q);
		must(!quota_parse(back, &again, &err) && !memcmp(&q, &again, sizeof(q)));
		json_decref(back);
	}
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct api_caller c;
	struct jwks *own;
	struct err err;

	if (!keys)
		setup();
	must(text);
	memcpy(text, data, size);
	text[size] = 0;
	as_token(text);
	must(jwt_check(keys, &rules, text, NOW, &c, &err)); /* nobody has the key */
	own = jwks_parse(text, size, &err);
	if (own) {
		must(jwks_count(own) > 0 && jwks_count(own) <= JWT_KEYS_MAX);
		must(jwt_check(own, &rules, text, NOW, &c, &err));
	}
	jwks_free(own);
	as_json(text, size);
	signed_claims(data, size);
	free(text);
	return 0;
}
