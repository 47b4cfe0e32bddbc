// SPDX-License-Identifier: Apache-2.0
/* Implements jwt.h: the token's form, its key, its signature, and then what it claims.  Signatures are GnuTLS's business.  Called by oidc.c. */
#include "api/jwt.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/role.h"
#include "util/base64.h"

#define RSA_BITS_MIN 2048
#define RSA_BYTES    1024 /* of a modulus: 8192 bits */
#define EC_BYTES     32

enum jwt_alg { JWT_RS256, JWT_ES256, JWT_EDDSA, JWT_ALG_MAX };

static const struct {
	const char *name, *kty, *crv;
	gnutls_sign_algorithm_t sign;
} algs[JWT_ALG_MAX] = {
	[JWT_RS256] = { "RS256", "RSA", NULL, GNUTLS_SIGN_RSA_SHA256 },
	[JWT_ES256] = { "ES256", "EC", "P-256", GNUTLS_SIGN_ECDSA_SHA256 },
	[JWT_EDDSA] = { "EdDSA", "OKP", "Ed25519", GNUTLS_SIGN_EDDSA_ED25519 },
};

struct jwk {
	char *kid; /* NULL = it has none */
	enum jwt_alg alg;
	gnutls_pubkey_t key;
};

struct jwks {
	struct jwk keys[JWT_KEYS_MAX];
	unsigned int n;
};

/* --- keys --- */

static const char *text_of(const json_t *o, const char *field)
{
	const char *s = json_string_value(json_object_get(o, field));

	return s ? s : "";
}

/* 'len' is the buffer's size, and then the number of bytes; false: not base64url, empty, too long */
static bool bytes_of(const json_t *o, const char *field, uint8_t *buf, size_t *len)
{
	const char *text = text_of(o, field);
	int n = base64url_decode(text, strlen(text), buf, *len);

	if (n <= 0)
		return false;
	*len = (size_t)n;
	return true;
}

static bool import_rsa(gnutls_pubkey_t key, const json_t *jwk)
{
	uint8_t n[RSA_BYTES], e[8];
	size_t n_len = sizeof(n), e_len = sizeof(e);
	unsigned int bits = 0;

	if (!bytes_of(jwk, "n", n, &n_len) || !bytes_of(jwk, "e", e, &e_len))
		return false;
	return gnutls_pubkey_import_rsa_raw(key, &(gnutls_datum_t){ n, (unsigned int)n_len },
					    &(gnutls_datum_t){ e, (unsigned int)e_len }) == 0 &&
	       gnutls_pubkey_get_pk_algorithm(key, &bits) == GNUTLS_PK_RSA && bits >= RSA_BITS_MIN;
}

static bool import_ec(gnutls_pubkey_t key, const json_t *jwk)
{
	uint8_t x[EC_BYTES], y[EC_BYTES];
	size_t x_len = sizeof(x), y_len = sizeof(y);

	if (!bytes_of(jwk, "x", x, &x_len) || !bytes_of(jwk, "y", y, &y_len) || x_len != EC_BYTES ||
	    y_len != EC_BYTES)
		return false;
	return gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_SECP256R1,
					    &(gnutls_datum_t){ x, EC_BYTES },
					    &(gnutls_datum_t){ y, EC_BYTES }) == 0;
}

static bool import_ed(gnutls_pubkey_t key, const json_t *jwk)
{
	uint8_t x[EC_BYTES];
	size_t x_len = sizeof(x);

	return bytes_of(jwk, "x", x, &x_len) && x_len == EC_BYTES &&
	       gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519,
					    &(gnutls_datum_t){ x, EC_BYTES }, NULL) == 0;
}

/* Which algorithm a key is for; -1: for none of ours. */
static int alg_of_key(const json_t *jwk)
{
	const char *use = text_of(jwk, "use"), *alg = text_of(jwk, "alg");

	if (*use && strcmp(use, "sig") != 0)
		return -1;
	for (int i = 0; i < JWT_ALG_MAX; i++)
		if (strcmp(text_of(jwk, "kty"), algs[i].kty) == 0 &&
		    (!algs[i].crv || strcmp(text_of(jwk, "crv"), algs[i].crv) == 0) &&
		    (!*alg || strcmp(alg, algs[i].name) == 0))
			return i;
	return -1;
}

static void add_key(struct jwks *keys, const json_t *jwk)
{
	static bool (*const import[])(gnutls_pubkey_t, const json_t *) = {
		[JWT_RS256] = import_rsa, [JWT_ES256] = import_ec, [JWT_EDDSA] = import_ed
	};
	struct jwk *k = &keys->keys[keys->n];
	const char *kid = text_of(jwk, "kid");
	int alg = alg_of_key(jwk);

	if (alg < 0 || gnutls_pubkey_init(&k->key) < 0)
		return;
	k->alg = (enum jwt_alg)alg;
	k->kid = *kid ? strdup(kid) : NULL;
	if (!import[alg](k->key, jwk) || (*kid && !k->kid)) {
		gnutls_pubkey_deinit(k->key);
		free(k->kid);
		return;
	}
	keys->n++;
}

struct jwks *jwks_parse(const char *text, size_t len, struct err *err)
{
	json_error_t je;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je), *jwk;
	struct jwks *keys;
	size_t i;

	if (!json_is_array(json_object_get(root, "keys"))) {
		err_set(err, -EINVAL, "not a JSON Web Key Set: %.100s",
			root ? "there is no list 'keys'" : je.text);
		json_decref(root);
		return NULL;
	}
	keys = calloc(1, sizeof(*keys));
	json_array_foreach(json_object_get(root, "keys"), i, jwk)
		if (keys && keys->n < JWT_KEYS_MAX)
			add_key(keys, jwk);
	json_decref(root);
	if (!keys) {
		err_set(err, -ENOMEM, "out of memory");
	} else if (!keys->n) {
		err_set(err, -EINVAL,
			"no key of the set can be used (want RSA of 2048 bits or more, EC P-256 or OKP Ed25519, for signatures)");
		jwks_free(keys);
		keys = NULL;
	}
	return keys;
}

void jwks_free(struct jwks *keys)
{
	if (!keys)
		return;
	for (unsigned int i = 0; i < keys->n; i++) {
		gnutls_pubkey_deinit(keys->keys[i].key);
		free(keys->keys[i].kid);
	}
	free(keys);
}

unsigned int jwks_count(const struct jwks *keys)
{
	return keys ? keys->n : 0;
}

/* --- tokens --- */

static int refuse(struct err *err, const char *why)
{
	return err_tag(err, -EACCES, "invalid_token", "the token is refused: %s", why);
}

/* A part between dots, as JSON object; NULL: it is none. */
static json_t *part_json(const char *text, size_t len)
{
	uint8_t bytes[JWT_MAX];
	int n = base64url_decode(text, len, bytes, sizeof(bytes));
	json_t *o = n > 0 ? json_loadb((const char *)bytes, (size_t)n, JSON_REJECT_DUPLICATES, NULL)
			  : NULL;

	if (!json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* The key that the header names; without a name, the only one of its algorithm. */
static int find_key(const struct jwks *keys, const json_t *header, const struct jwk **key,
		    struct err *err)
{
	const json_t *kid = json_object_get(header, "kid");
	const char *alg = text_of(header, "alg");
	unsigned int n = 0;
	bool known = false;

	for (unsigned int i = 0; i < JWT_ALG_MAX; i++)
		known |= strcmp(alg, algs[i].name) == 0;
	if (!known)
		return refuse(err, "its algorithm is not allowed (want RS256, ES256 or EdDSA)");
	if (json_object_get(header, "crit") || json_object_get(header, "b64"))
		return refuse(err, "it wants extensions that are not known here");
	if (kid && !json_is_string(kid))
		return refuse(err, "its header is malformed");
	for (unsigned int i = 0; keys && i < keys->n; i++) {
		const struct jwk *k = &keys->keys[i];

		if (strcmp(alg, algs[k->alg].name) != 0 ||
		    (kid && (!k->kid || strcmp(k->kid, json_string_value(kid)) != 0)))
			continue;
		*key = k;
		n++;
	}
	if (n == 1)
		return 0;
	if (n == 0)
		return err_tag(err, -ENOKEY, "invalid_token",
			       "the token is refused: the issuer has no such key");
	return refuse(err, "it does not say which key it is signed with");
}

static int verify(const struct jwk *k, const char *text, size_t len, const char *sig_text,
		  struct err *err)
{
	uint8_t sig[RSA_BYTES];
	int n = base64url_decode(sig_text, strlen(sig_text), sig, sizeof(sig));
	gnutls_datum_t signature = { sig, n > 0 ? (unsigned int)n : 0 }, der = { 0 };
	const gnutls_datum_t data = { (unsigned char *)text, (unsigned int)len };
	int rc;

	if (n <= 0)
		return refuse(err, "its signature is wrong");
	if (k->alg == JWT_ES256) { /* two numbers side by side, which GnuTLS wants as DER */
		const gnutls_datum_t r = { sig, EC_BYTES }, s = { sig + EC_BYTES, EC_BYTES };

		if (n != 2 * EC_BYTES || gnutls_encode_rs_value(&der, &r, &s) < 0)
			return refuse(err, "its signature is wrong");
		signature = der;
	}
	rc = gnutls_pubkey_verify_data2(k->key, algs[k->alg].sign, 0, &data, &signature);
	gnutls_free(der.data);
	return rc < 0 ? refuse(err, "its signature is wrong") : 0;
}

/* "a.b.c": a member of that very name, or else one of objects in objects. */
static const json_t *claim(const json_t *claims, const char *name)
{
	const json_t *v = json_object_get(claims, name);
	const char *dot;
	char first[64];

	while (!v && (dot = strchr(name, '.')) && (size_t)(dot - name) < sizeof(first)) {
		memcpy(first, name, (size_t)(dot - name));
		first[dot - name] = 0;
		claims = json_object_get(claims, first);
		name = dot + 1;
		v = json_object_get(claims, name);
	}
	return v;
}

static bool has_text(const json_t *v, const char *text)
{
	const json_t *each;
	size_t i;

	if (json_is_string(v))
		return strcmp(json_string_value(v), text) == 0;
	json_array_foreach((json_t *)v, i, each)
		if (json_is_string(each) && strcmp(json_string_value(each), text) == 0)
			return true;
	return false;
}

/* "exp" and "nbf" may have fractions; what is beyond all reason is no time. */
static bool time_of(const json_t *v, int64_t *s)
{
	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1e12)
		return false;
	*s = (int64_t)json_number_value(v);
	return true;
}

static int check_time(const json_t *claims, int64_t now_s, int64_t *expires_s, struct err *err)
{
	const json_t *nbf = json_object_get(claims, "nbf");
	int64_t begins;

	if (!time_of(json_object_get(claims, "exp"), expires_s))
		return refuse(err, "it does not say when it expires");
	if (now_s >= *expires_s + JWT_LEEWAY_S)
		return refuse(err, "it has expired");
	if (nbf && !time_of(nbf, &begins))
		return refuse(err, "its 'nbf' is not a time");
	if (nbf && now_s < begins - JWT_LEEWAY_S)
		return refuse(err, "it is not valid yet");
	return 0;
}

static bool is_taken(const char *name)
{
	return !strcmp(name, "root") || !strcmp(name, "skep-api");
}

/* Names may be anything: what is not a letter of ours becomes '_'.  One that is changed, or that others have here, ends in 64 bits of its hash: two are not one. */
static void set_name(const char *sub, struct api_caller *caller)
{
	uint8_t sha[32];
	size_t n = 0, max = sizeof(caller->name) - 18;

	for (; sub[n] && n < sizeof(caller->name) - 1; n++) {
		char one[2] = { sub[n], 0 };

		caller->name[n] = role_name_ok(one) ? sub[n] : '_';
	}
	caller->name[n] = 0;
	if (!strcmp(caller->name, sub) && !is_taken(sub))
		return;
	gnutls_hash_fast(GNUTLS_DIG_SHA256, sub, strlen(sub), sha);
	n = n < max ? n : max;
	n += (size_t)snprintf(caller->name + n, sizeof(caller->name) - n, "-");
	for (size_t i = 0; i < 8; i++)
		n += (size_t)snprintf(caller->name + n, sizeof(caller->name) - n, "%02x", sha[i]);
}

/* The strongest that is known. */
static void set_role(const json_t *claim, struct api_caller *c)
{
	/* a token of ours says "read_only" beside its role */
	if (!has_text(claim, api_role_name(API_OPERATOR)) && has_text(claim, "operator-reader")) {
		c->role = API_OPERATOR;
		c->read_only = true;
	}
	for (int r = API_OPERATOR; r > API_NOBODY && c->role == API_NOBODY; r--)
		if (has_text(claim, api_role_name((enum api_role)r)))
			c->role = (enum api_role)r;
}

static int check_claims(const struct jwt_rules *rules, const json_t *claims, int64_t now_s,
			struct api_caller *caller, struct err *err)
{
	const json_t *role = claim(claims, rules->role_claim);
	const char *tenant = json_string_value(claim(claims, rules->tenant_claim));
	struct api_caller c = { .role = API_NOBODY };
	const char *sub;
	int rc;

	if (!json_is_string(json_object_get(claims, "iss")) ||
	    strcmp(text_of(claims, "iss"), rules->issuer) != 0)
		return refuse(err, "it is of another issuer");
	if (!has_text(json_object_get(claims, "aud"), rules->audience))
		return refuse(err, "it is for another audience");
	rc = check_time(claims, now_s, &c.expires_s, err);
	if (rc)
		return rc;
	c.expires_s += JWT_LEEWAY_S;
	if (!time_of(json_object_get(claims, "iat"), &c.issued_s))
		c.issued_s = 0;
	sub = text_of(claims, "sub");
	if (!*sub || strlen(sub) >= sizeof(c.subject))
		return refuse(err, "it does not say whom it is for ('sub')");
	snprintf(c.subject, sizeof(c.subject), "%s", sub);
	set_name(sub, &c);
	set_role(role, &c);
	if (c.role == API_NOBODY)
		return refuse(err, "it has no role that is known here");
	if (role_has_tenant(c.role)) {
		if (!tenant || !role_tenant_ok(tenant))
			return refuse(err, "it names no tenant");
		memcpy(c.tenant, tenant, strlen(tenant) + 1);
	}
	*caller = c;
	return 0;
}

int jwt_check(const struct jwks *keys, const struct jwt_rules *rules, const char *token,
	      int64_t now_s, struct api_caller *caller, struct err *err)
{
	const char *dot1 = strchr(token, '.'), *dot2 = dot1 ? strchr(dot1 + 1, '.') : NULL;
	const struct jwk *key = NULL;
	json_t *header = NULL, *claims = NULL;
	int rc;

	if (!dot2 || strchr(dot2 + 1, '.') || strlen(token) > JWT_MAX)
		return refuse(err, "it is not a JSON Web Token");
	header = part_json(token, (size_t)(dot1 - token));
	if (!header)
		return refuse(err, "its header is malformed");
	rc = find_key(keys, header, &key, err);
	json_decref(header);
	if (rc)
		return rc;
	rc = verify(key, token, (size_t)(dot2 - token), dot2 + 1, err);
	if (rc)
		return rc;
	claims = part_json(dot1 + 1, (size_t)(dot2 - dot1 - 1)); /* not read before the signature is right */
	if (!claims)
		return refuse(err, "its claims are malformed");
	rc = check_claims(rules, claims, now_s, caller, err);
	json_decref(claims);
	return rc;
}
