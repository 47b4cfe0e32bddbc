// SPDX-License-Identifier: Apache-2.0
/* api/jwt.c: tokens of an issuer, made here with GnuTLS's private keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "api/jwt.h"
#include "util/base64.h"
#include "util/cleanup.h"

enum { RSA, EC, ED, RSA_OTHER, RSA_SMALL, N_KEYS };
static gnutls_privkey_t keys[N_KEYS];
static json_t *jwks_json;
static struct jwks *jwks;
static const struct jwt_rules rules = {
	.issuer = "https://id.example", .audience = "skep", .tenant_claim = "tenant", .role_claim = "role"
};
#define NOW 1700000000

static char *b64(const void *p, size_t n)
{
	char *text = malloc(BASE64_LEN(n));

	base64_encode(p, n, text);
	for (char *c = text; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	text[strcspn(text, "=")] = 0;
	return text;
}

static json_t *number(const gnutls_datum_t *d, size_t len)
{
	uint8_t buf[1024] = { 0 };
	const uint8_t *p = d->data;
	size_t n = d->size;
	json_t *v;
	char *text;

	while (n > 1 && !*p)
		p++, n--;
	len = len ? len : n;
	memcpy(buf + len - n, p, n);
	text = b64(buf, len);
	v = json_string(text);
	free(text);
	return v;
}

static json_t *jwk(int key, const char *kid)
{
	gnutls_datum_t a = { 0 }, b = { 0 };
	gnutls_ecc_curve_t curve;
	gnutls_pubkey_t pub;
	json_t *o;

	gnutls_pubkey_init(&pub);
	assert_int_equal(gnutls_pubkey_import_privkey(pub, keys[key], 0, 0), 0);
	if (key == EC || key == ED) {
		gnutls_pubkey_export_ecc_raw(pub, &curve, &a, &b);
		o = json_pack("{s:s, s:s, s:s, s:o}", "kty", key == EC ? "EC" : "OKP", "crv", key == EC ? "P-256" : "Ed25519", "kid",
			      kid, "x", number(&a, 32));
		if (key == EC)
			json_object_set_new(o, "y", number(&b, 32));
	} else {
		gnutls_pubkey_export_rsa_raw(pub, &a, &b);
		o = json_pack("{s:s, s:s, s:o, s:o}", "kty", "RSA", "kid", kid, "n", number(&a, 0), "e", number(&b, 0));
	}
	gnutls_free(a.data);
	gnutls_free(b.data);
	gnutls_pubkey_deinit(pub);
	return o;
}

static struct jwks *parse(const json_t *root, struct err *err)
{
	char *text = json_dumps(root, 0);
	struct jwks *k = jwks_parse(text, strlen(text), err);

	free(text);
	return k;
}

/* "alg" of the header decides what is put in; 'key' signs. */
static char *sign(const char *header, const char *claims, int key)
{
	static const gnutls_sign_algorithm_t how[] = { GNUTLS_SIGN_RSA_SHA256, GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_SIGN_EDDSA_ED25519,
						       GNUTLS_SIGN_RSA_SHA256, GNUTLS_SIGN_RSA_SHA256 };
	char *h = b64(header, strlen(header)), *c = b64(claims, strlen(claims)), *s, *out;
	gnutls_datum_t data, sig = { 0 }, r = { 0 }, t = { 0 };
	uint8_t raw[64] = { 0 };

	assert_true(asprintf(&out, "%s.%s", h, c) > 0);
	data = (gnutls_datum_t){ (unsigned char *)out, (unsigned int)strlen(out) };
	assert_int_equal(gnutls_privkey_sign_data2(keys[key], how[key], 0, &data, &sig), 0);
	if (key == EC) {
		const uint8_t *p;
		size_t n;

		assert_int_equal(gnutls_decode_rs_value(&sig, &r, &t), 0);
		for (p = r.data, n = r.size; n > 32; n--)
			p++;
		memcpy(raw + 32 - n, p, n);
		for (p = t.data, n = t.size; n > 32; n--)
			p++;
		memcpy(raw + 64 - n, p, n);
		s = b64(raw, 64);
	} else {
		s = b64(sig.data, sig.size);
	}
	free(out);
	assert_true(asprintf(&out, "%s.%s.%s", h, c, s) > 0);
	gnutls_free(sig.data);
	gnutls_free(r.data);
	gnutls_free(t.data);
	free(h);
	free(c);
	free(s);
	return out;
}

#define GOOD \
	"{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"tenant\":\"acme\",\"role\":\"tenant-admin\"}"

static void check(const char *what, char *token, int code, const char *text)
{
	struct api_caller c = { .name = "untouched" };
	struct err err = { 0 };
	int rc = jwt_check(jwks, &rules, token, NOW, &c, &err);

	if (rc != code || (text && !strstr(err.text, text)))
		fail_msg("%s: %d '%s', want %d '%s'", what, rc, err.text, code, text ? text : "");
	if (rc)
		assert_string_equal(c.name, "untouched");
	free(token);
}

static void each_algorithm(void **state)
{
	static const char *const headers[] = { "{\"alg\":\"RS256\",\"kid\":\"r\"}", "{\"alg\":\"ES256\",\"kid\":\"e\"}",
					       "{\"alg\":\"EdDSA\",\"kid\":\"d\"}" };
	struct api_caller c;
	struct err err;

	(void)state;
	for (int i = 0; i < 3; i++)
		for (int n = 0; n < 20; n++) { /* ECDSA: numbers of fewer bytes occur */
			char *token = sign(headers[i], GOOD, i);

			assert_int_equal(jwt_check(jwks, &rules, token, NOW, &c, &err), 0);
			assert_string_equal(c.name, "ann");
			assert_string_equal(c.tenant, "acme");
			assert_int_equal(c.role, API_ADMIN);
			assert_int_equal(c.expires_s, 1700000160);
			free(token);
		}
}

static void other_algorithms(void **state)
{
	static const char *const bad[] = { "none", "None", "", "HS256", "HS384", "RS384", "RS512", "PS256", "ES384", "ES256K", "rs256", "RSA-OAEP" };
	char header[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"r\"}", bad[i]);
		check(bad[i], sign(header, GOOD, RSA), -EACCES, "algorithm");
	}
	check("no alg", sign("{\"kid\":\"r\"}", GOOD, RSA), -EACCES, "algorithm");
	check("alg is no text", sign("{\"alg\":5,\"kid\":\"r\"}", GOOD, RSA), -EACCES, "algorithm");
	check("alg twice", sign("{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"r\"}", GOOD, RSA), -EACCES, "header");
	check("crit", sign("{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"exp\"]}", GOOD, RSA), -EACCES, "extensions");
	check("b64", sign("{\"alg\":\"RS256\",\"kid\":\"r\",\"b64\":false}", GOOD, RSA), -EACCES, "extensions");
	/* a public key as the secret of an HMAC is the classic: no HMAC is known here at all */
}

static void other_keys(void **state)
{
	(void)state;
	check("another's key", sign("{\"alg\":\"RS256\",\"kid\":\"r\"}", GOOD, RSA_OTHER), -EACCES, "signature");
	check("unknown kid", sign("{\"alg\":\"RS256\",\"kid\":\"new\"}", GOOD, RSA_OTHER), -ENOKEY, "no such key");
	check("kid is no text", sign("{\"alg\":\"RS256\",\"kid\":{}}", GOOD, RSA), -EACCES, "header");
	check("no kid, one such key", sign("{\"alg\":\"ES256\"}", GOOD, EC), 0, NULL);
	check("no kid, two such keys", sign("{\"alg\":\"RS256\"}", GOOD, RSA), -EACCES, "which key");
	check("key of another algorithm", sign("{\"alg\":\"RS256\",\"kid\":\"e\"}", GOOD, RSA), -ENOKEY, "no such key");
	check("algorithm of another key", sign("{\"alg\":\"ES256\",\"kid\":\"e\"}", GOOD, RSA), -EACCES, "signature");
	check("a jwk in the header is not listened to",
	      sign("{\"alg\":\"RS256\",\"jwk\":{},\"jku\":\"http://evil.example\",\"kid\":\"evil\"}", GOOD, RSA_OTHER), -ENOKEY, "no such key");
}

static void every_claim(void **state)
{
#define C(s) "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"tenant\":\"acme\",\"role\":\"tenant-admin\"" s "}"
	static const struct {
		const char *what, *claims;
		int code;
		const char *text;
	} table[] = {
		{ "not JSON", "nonsense", -EACCES, "claims are malformed" },
		{ "not an object", "[]", -EACCES, "claims are malformed" },
		{ "twice", C(",\"role\":\"operator\""), -EACCES, "claims are malformed" },
		{ "nothing", "{}", -EACCES, "another issuer" },
		{ "no issuer", "{\"aud\":\"skep\"}", -EACCES, "another issuer" },
		{ "issuer, longer", "{\"iss\":\"https://id.example.evil\",\"aud\":\"skep\"}", -EACCES, "another issuer" },
		{ "no audience", "{\"iss\":\"https://id.example\"}", -EACCES, "another audience" },
		{ "other audience", "{\"iss\":\"https://id.example\",\"aud\":\"skepp\"}", -EACCES, "another audience" },
		{ "other audiences", "{\"iss\":\"https://id.example\",\"aud\":[\"a\",5]}", -EACCES, "another audience" },
		{ "no exp", "{\"iss\":\"https://id.example\",\"aud\":\"skep\"}", -EACCES, "when it expires" },
		{ "exp text", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"exp\":\"1700000100\"}", -EACCES, "when it expires" },
		{ "exp beyond", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"exp\":1e300}", -EACCES, "when it expires" },
		{ "exp long ago", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"exp\":1699999940}", -EACCES, "has expired" },
		{ "nbf later", C(",\"nbf\":1700000061"), -EACCES, "not valid yet" },
		{ "nbf text", C(",\"nbf\":\"now\""), -EACCES, "'nbf'" },
		{ "nbf in the leeway", C(",\"nbf\":1700000060"), 0, NULL },
		{ "exp in the leeway",
		  "{\"iss\":\"https://id.example\",\"aud\":[\"x\",\"skep\"],\"sub\":\"ann\",\"exp\":1699999941,\"role\":\"operator\"}", 0, NULL },
		{ "no sub", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"exp\":1700000100,\"role\":\"operator\"}", -EACCES, "'sub'" },
		{ "no role", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100}", -EACCES, "no role" },
		{ "role nobody", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"role\":\"nobody\"}", -EACCES,
		  "no role" },
		{ "no tenant", "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"role\":\"tenant-reader\"}",
		  -EACCES, "names no tenant" },
		{ "a space for a tenant",
		  "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"role\":\"tenant-admin\",\"tenant\":\"_api\"}",
		  -EACCES, "names no tenant" },
		{ "an empty tenant",
		  "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"role\":\"tenant-admin\",\"tenant\":\"\"}",
		  -EACCES, "names no tenant" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		check(table[i].what, sign("{\"alg\":\"EdDSA\",\"kid\":\"d\"}", table[i].claims, ED), table[i].code, table[i].text);
}

static void claims_elsewhere(void **state)
{
	static const struct {
		const char *claim;
		enum api_role role;
		bool read_only;
	} none[] = {
		{ "\"monitor\"", API_MONITOR, false },
		{ "\"operator-reader\"", API_OPERATOR, true },
		{ "[\"tenant-admin\",\"operator-reader\"]", API_OPERATOR, true },
		{ "[\"operator-reader\",\"operator\"]", API_OPERATOR, false },
		{ "[\"monitor\",\"tenant-admin\"]", API_ADMIN, false },
	};
	struct jwt_rules deep = rules;
	struct api_caller c;
	struct err err;
	char *token = sign("{\"alg\":\"ES256\"}",
			   "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"f:1/ann \\u00e9<>\",\"exp\":1700000100,"
			   "\"realm_access\":{\"roles\":[\"offline\",\"tenant-reader\",\"tenant-admin\"]},\"https://skep/tenant\":\"acme\"}",
			   EC);

	(void)state;
	deep.role_claim = "realm_access.roles";
	deep.tenant_claim = "https://skep/tenant";
	assert_int_equal(jwt_check(jwks, &deep, token, NOW, &c, &err), 0);
	assert_int_equal(c.role, API_ADMIN); /* the strongest */
	assert_string_equal(c.tenant, "acme");
	assert_string_equal(c.subject, "f:1/ann \u00e9<>");
	assert_memory_equal(c.name, "f_1_ann_____-", 13);
	assert_int_equal(strlen(c.name), 13 + 16);
	free(token);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) { /* those of no tenant */
		char claims[256];

		snprintf(claims, sizeof(claims), "{\"iss\":\"https://id.example\",\"aud\":\"skep\",\"sub\":\"ann\",\"exp\":1700000100,\"role\":%s,\"tenant\":\"acme\"}",
			 none[i].claim);
		token = sign("{\"alg\":\"ES256\"}", claims, EC);
		assert_int_equal(jwt_check(jwks, &rules, token, NOW, &c, &err), 0);
		assert_int_equal(c.role, none[i].role);
		assert_int_equal(c.read_only, none[i].read_only);
		assert_string_equal(c.tenant, none[i].role == API_ADMIN ? "acme" : "");
		free(token);
	}
	token = sign("{\"alg\":\"ES256\"}", GOOD, EC);
	deep.role_claim = "realm_access.roles.x.y";
	assert_int_equal(jwt_check(jwks, &deep, token, NOW, &c, &err), -EACCES);
	free(token);
}

/* Each character of a good one changed, and cut at each. */
static void damaged(void **state)
{
	char *token = sign("{\"alg\":\"EdDSA\",\"kid\":\"d\"}", GOOD, ED);
	size_t len = strlen(token), taken = 0;
	struct api_caller c;
	struct err err;

	(void)state;
	assert_int_equal(jwt_check(jwks, &rules, token, NOW, &c, &err), 0);
	for (size_t i = 0; i < len; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		taken += jwt_check(jwks, &rules, token, NOW, &c, &err) == 0;
		token[i] = '.';
		taken += was != '.' && jwt_check(jwks, &rules, token, NOW, &c, &err) == 0;
		token[i] = '=';
		taken += jwt_check(jwks, &rules, token, NOW, &c, &err) == 0;
		token[i] = 0;
		taken += jwt_check(jwks, &rules, token, NOW, &c, &err) == 0;
		token[i] = was;
	}
	assert_int_equal(taken, 0);
	assert_int_equal(jwt_check(jwks, &rules, "", NOW, &c, &err), -EACCES);
	assert_int_equal(jwt_check(jwks, &rules, "..", NOW, &c, &err), -EACCES);
	assert_int_equal(jwt_check(NULL, &rules, token, NOW, &c, &err), -ENOKEY);
	token = realloc(token, 100000);
	memset(token + len, 'A', 100000 - len - 1);
	token[99999] = 0;
	assert_int_equal(jwt_check(jwks, &rules, token, NOW, &c, &err), -EACCES);
	free(token);
}

static void sets_of_keys(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[5,null,[],{}]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}]}", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AQAB\"}]}",
	};
	json_t *one, *root;
	struct jwks *k;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (jwks_parse(bad[i], strlen(bad[i]), &err))
			fail_msg("%s is taken", bad[i]);
	/* too small, for something else, of another algorithm */
	root = json_pack("{s:[o]}", "keys", jwk(RSA_SMALL, "small"));
	assert_null(parse(root, &err));
	json_decref(root);
	one = jwk(RSA, "r");
	root = json_pack("{s:[O]}", "keys", one);
	json_object_set_new(one, "use", json_string("enc"));
	assert_null(parse(root, &err));
	json_object_set_new(one, "use", json_string("sig"));
	json_object_set_new(one, "alg", json_string("RS512"));
	assert_null(parse(root, &err));
	json_object_set_new(one, "alg", json_string("RS256"));
	k = parse(root, &err);
	assert_int_equal(jwks_count(k), 1);
	jwks_free(k);
	json_decref(one);
	json_decref(root);
	/* a point that is not on the curve verifies nothing */
	one = jwk(EC, "e");
	json_object_set(one, "y", json_object_get(one, "x"));
	root = json_pack("{s:[o]}", "keys", one);
	k = parse(root, &err);
	if (k) {
		char *token = sign("{\"alg\":\"ES256\",\"kid\":\"e\"}", GOOD, EC);
		struct api_caller c;

		assert_int_equal(jwt_check(k, &rules, token, NOW, &c, &err), -EACCES);
		free(token);
	}
	jwks_free(k);
	json_decref(root);
	root = json_pack("{s:[]}", "keys");
	for (int i = 0; i < 100; i++)
		json_array_append_new(json_object_get(root, "keys"), jwk(ED, "d"));
	k = parse(root, &err);
	assert_int_equal(jwks_count(k), JWT_KEYS_MAX);
	jwks_free(k);
	json_decref(root);
}

static int setup(void **state)
{
	static const struct {
		gnutls_pk_algorithm_t pk;
		unsigned int bits;
	} what[N_KEYS] = { { GNUTLS_PK_RSA, 2048 },
			   { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
			   { GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519) },
			   { GNUTLS_PK_RSA, 2048 },
			   { GNUTLS_PK_RSA, 1024 } };
	struct err err;

	(void)state;
	for (int i = 0; i < N_KEYS; i++)
		if (gnutls_privkey_init(&keys[i]) || gnutls_privkey_generate(keys[i], what[i].pk, what[i].bits, 0))
			return -1;
	/* "other" is known too, so that RSA tokens must say which */
	jwks_json = json_pack("{s:[o, o, o, o]}", "keys", jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "d"), jwk(RSA_OTHER, "other"));
	jwks = parse(jwks_json, &err);
	return jwks ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < N_KEYS; i++)
		gnutls_privkey_deinit(keys[i]);
	json_decref(jwks_json);
	jwks_free(jwks);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm), cmocka_unit_test(other_algorithms), cmocka_unit_test(other_keys),
		cmocka_unit_test(every_claim),	  cmocka_unit_test(claims_elsewhere), cmocka_unit_test(damaged),
		cmocka_unit_test(sets_of_keys),
	};

	return cmocka_run_group_tests_name("api/jwt", tests, setup, teardown);
}
