// SPDX-License-Identifier: Apache-2.0
/* Implements token.h.  Called by auth.c, token_routes.c, main.c (--make-token). */
#include "api/token.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/role.h"
#include "topology/schema.h"
#include "util/hash.h"

#define ID_BYTES     8
#define SECRET_BYTES 32
#define EXPIRES_MAX  (10LL * 366 * 24 * 3600) /* seconds */

/* --- texts --- */

static void to_hex(const uint8_t *bytes, size_t n, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * n] = 0;
}

static int of_hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower case only: one text for the same bytes. */
static bool of_hex(const char *text, size_t n, uint8_t *bytes)
{
	for (size_t i = 0; i < n; i++) {
		int hi = of_hex_digit(text[2 * i]);
		int lo = hi < 0 ? -1 : of_hex_digit(text[2 * i + 1]);

		if (lo < 0)
			return false;
		bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static void sha_of(const char *text, uint8_t sha[static TOKEN_SHA])
{
	gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), sha);
}

bool token_make(struct token *t, char text[static TOKEN_TEXT])
{
	uint8_t bits[ID_BYTES + SECRET_BYTES];
	char secret[2 * SECRET_BYTES + 1];

	if (gnutls_rnd(GNUTLS_RND_KEY, bits, sizeof(bits)) < 0)
		return false;
	to_hex(bits, ID_BYTES, t->id);
	to_hex(bits + ID_BYTES, SECRET_BYTES, secret);
	snprintf(text, TOKEN_TEXT, "%s%s_%s", t->kind == TOKEN_BEARER ? TOKEN_PREFIX : "", t->id,
		 secret);
	sha_of(text, t->sha);
	return true;
}

bool token_parse(enum token_kind kind, const char *text, char id[static TOKEN_ID],
		 uint8_t sha[static TOKEN_SHA])
{
	size_t prefix = kind == TOKEN_BEARER ? strlen(TOKEN_PREFIX) : 0;
	uint8_t bytes[SECRET_BYTES];
	const char *s = text + prefix;

	if (strlen(text) != prefix + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES ||
	    (prefix && strncmp(text, TOKEN_PREFIX, prefix) != 0) || !of_hex(s, ID_BYTES, bytes) ||
	    s[2 * ID_BYTES] != '_' || !of_hex(s + 2 * ID_BYTES + 1, SECRET_BYTES, bytes))
		return false;
	snprintf(id, TOKEN_ID, "%.*s", 2 * ID_BYTES, s);
	sha_of(text, sha);
	return true;
}

bool token_matches(const struct token *t, const uint8_t sha[static TOKEN_SHA])
{
	return gnutls_memcmp(t->sha, sha, TOKEN_SHA) == 0;
}

void token_csrf(const char *text, char csrf[static TOKEN_CSRF])
{
	uint8_t sha[TOKEN_SHA];
	char salted[TOKEN_TEXT + 8];

	/* not the hash that is kept: that one is in the database, for its readers to see */
	snprintf(salted, sizeof(salted), "csrf:%s", text);
	sha_of(salted, sha);
	to_hex(sha, sizeof(sha), csrf);
}

bool token_csrf_ok(const char *text, const char *shown)
{
	char csrf[TOKEN_CSRF];

	token_csrf(text, csrf);
	return shown && strlen(shown) == TOKEN_CSRF - 1 &&
	       gnutls_memcmp(csrf, shown, TOKEN_CSRF - 1) == 0;
}

/* --- records --- */

static const char *const roots[] = { [TOKEN_BEARER] = "token/", [TOKEN_SESSION] = "session/" };

const char *token_path(enum token_kind kind, const char *id, char buf[static TOKEN_PATH])
{
	snprintf(buf, TOKEN_PATH, "%s%.16s", roots[kind], id);
	return buf;
}

void token_gone(const struct token *t, json_t *changes)
{
	char path[TOKEN_PATH];

	json_object_set_new(changes, token_path(t->kind, t->id, path), json_null());
	snprintf(path, sizeof(path), "used/%.16s", t->id);
	json_object_set_new(changes, path, json_null());
}

static json_t *seconds(int64_t s)
{
	return s ? json_integer(s) : json_null();
}

static json_t *last_used(const struct token *t)
{
	return seconds(t->seen_s > t->used_s ? t->seen_s : t->used_s);
}

json_t *token_record(const struct token *t)
{
	char sha[2 * TOKEN_SHA + 1];

	to_hex(t->sha, TOKEN_SHA, sha);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:o, s:s, s:s*, s:s*, s:s*}", "name", t->name, "role",
			 api_role_name(t->role), "tenant", t->tenant, "sha256", sha, "read_only",
			 t->read_only, "by", t->by, "created", (json_int_t)t->created_s, "expires",
			 seconds(t->expires_s), "parent", t->parent, "subject", *t->subject ? t->subject : NULL,
			 "address", *t->address ? t->address : NULL, "agent", *t->agent ? t->agent : NULL);
}

json_t *token_public(const struct token *t)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:b, s:s, s:I, s:o, s:o}", "id", t->id, "name",
			 t->name, "role", api_role_name(t->role), "tenant",
			 *t->tenant ? t->tenant : NULL, "read_only", t->read_only, "created_by",
			 t->by, "created", (json_int_t)t->created_s, "expires",
			 seconds(t->expires_s), "last_used", last_used(t));
}

json_t *session_public(const struct token *t)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:b, s:s?, s:I, s:o, s:o, s:s?, s:s?}", "id", t->id, "name", t->name, "role", api_role_name(t->role), "tenant",
			 *t->tenant ? t->tenant : NULL, "read_only", t->read_only, "token", *t->parent ? t->parent : NULL, "created",
			 (json_int_t)t->created_s, "expires", seconds(t->expires_s), "last_used", last_used(t), "address",
			 *t->address ? t->address : NULL, "user_agent", *t->agent ? t->agent : NULL);
}

static bool copy_text(const json_t *record, const char *field, char *to, size_t size)
{
	const char *s = json_string_value(json_object_get(record, field));

	if (!s || strlen(s) >= size)
		return false;
	memcpy(to, s, strlen(s) + 1);
	return true;
}

static bool copy_known(const json_t *record, const char *field, char *to, size_t size)
{
	return !json_object_get(record, field) || copy_text(record, field, to, size);
}

bool token_of_record(const char *path, const json_t *record, struct token *t)
{
	const char *role = json_string_value(json_object_get(record, "role"));
	const char *sha = json_string_value(json_object_get(record, "sha256"));
	uint8_t unused[ID_BYTES];
	const char *id;

	*t = (struct token){ .kind = TOKEN_BEARER };
	if (strncmp(path, roots[TOKEN_SESSION], strlen(roots[TOKEN_SESSION])) == 0)
		t->kind = TOKEN_SESSION;
	else if (strncmp(path, roots[TOKEN_BEARER], strlen(roots[TOKEN_BEARER])) != 0)
		return false;
	id = path + strlen(roots[t->kind]);
	if (strlen(id) != TOKEN_ID - 1 || !of_hex(id, ID_BYTES, unused) || !role ||
	    api_role_find(role) <= API_NOBODY || !sha || strlen(sha) != 2 * TOKEN_SHA ||
	    !of_hex(sha, TOKEN_SHA, t->sha) ||
	    !copy_text(record, "name", t->name, sizeof(t->name)) ||
	    !copy_text(record, "tenant", t->tenant, sizeof(t->tenant)) ||
	    !copy_text(record, "by", t->by, sizeof(t->by)) ||
	    !copy_text(record, "parent", t->parent, sizeof(t->parent)))
		return false;
	memcpy(t->id, id, TOKEN_ID);
	t->role = (enum api_role)api_role_find(role);
	t->read_only = json_is_true(json_object_get(record, "read_only"));
	t->created_s = json_integer_value(json_object_get(record, "created"));
	t->expires_s = json_integer_value(json_object_get(record, "expires"));
	if (!copy_known(record, "subject", t->subject, sizeof(t->subject)) || !copy_known(record, "address", t->address, sizeof(t->address)) ||
	    !copy_known(record, "agent", t->agent, sizeof(t->agent)))
		return false;
	t->rev = (uint64_t)json_integer_value(json_object_get(record, "rev"));
	/* one that belongs to no tenant is an operator's; a record that says otherwise opens nothing */
	return role_fits_tenant(t->role, t->tenant);
}

static int bad_field(struct err *err, const char *field, const json_t *value, const char *want)
{
	char text[80];

	return err_set(err, -EINVAL, "field '%s': '%s' is not allowed (want %s)", field,
		       topo_value_text(value, text), want);
}

int token_of_request(const json_t *body, int64_t now_s, struct token *t, struct err *err)
{
	const json_t *name = json_object_get(body, "name"), *role = json_object_get(body, "role"),
		     *tenant = json_object_get(body, "tenant"),
		     *expires = json_object_get(body, "expires_s"),
		     *read_only = json_object_get(body, "read_only");
	static const char *const known[] = { "name", "role", "tenant", "expires_s", "read_only" };
	const char *key;
	json_t *v;

	*t = (struct token){ .kind = TOKEN_BEARER, .created_s = now_s };
	if (!json_is_object(body))
		return err_set(err, -EINVAL, "want an object with 'name' and 'role'");
	json_object_foreach((json_t *)body, key, v)
	{
		size_t i = 0;

		while (i < ARRAY_SIZE(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == ARRAY_SIZE(known))
			return err_set(
				err, -EINVAL,
				"field '%.60s' is not known (want name, role, tenant, expires_s, read_only)",
				key);
	}
	if (!json_is_string(name) || !role_name_ok(json_string_value(name)))
		return bad_field(err, "name", name ? name : json_null(),
				 "1 to 63 letters, digits and ._@-");
	if (!json_is_string(role) || api_role_find(json_string_value(role)) <= API_NOBODY)
		return bad_field(err, "role", role ? role : json_null(),
				 "operator, monitor, tenant-admin or tenant-reader");
	t->role = (enum api_role)api_role_find(json_string_value(role));
	if (tenant && !json_is_null(tenant) &&
	    (!json_is_string(tenant) || !role_tenant_ok(json_string_value(tenant))))
		return bad_field(err, "tenant", tenant, "a tenant's name");
	snprintf(t->tenant, sizeof(t->tenant), "%s",
		 json_is_string(tenant) ? json_string_value(tenant) : "");
	if (!role_fits_tenant(t->role, t->tenant))
		return bad_field(err, "tenant", tenant ? tenant : json_null(),
				 role_has_tenant(t->role)   ? "the tenant that the token is for"
				 : t->role == API_OPERATOR ? "none, for an operator"
							   : "none, for a monitor");
	if (expires && !json_is_null(expires) &&
	    (!json_is_integer(expires) || json_integer_value(expires) < 1 ||
	     json_integer_value(expires) > EXPIRES_MAX))
		return bad_field(err, "expires_s", expires, "1 to 316224000 seconds, or null for never");
	if (*t->tenant && (!strcmp(json_string_value(name), "root") || !strcmp(json_string_value(name), "skep-api")))
		return bad_field(err, "name", name, "another one: this stands for others in the audit");
	if (read_only && !json_is_boolean(read_only))
		return bad_field(err, "read_only", read_only, "true or false");
	t->expires_s = json_is_integer(expires) ? now_s + json_integer_value(expires) : 0;
	t->read_only = json_is_true(read_only);
	snprintf(t->name, sizeof(t->name), "%s", json_string_value(name));
	return 0;
}

/* --- those that there are --- */

static uint64_t id_hash(enum token_kind kind, const char *id)
{
	return hash_str(id, (uint64_t)kind); /* ids are ours, drawn at random */
}

void tokens_init(struct tokens *all)
{
	*all = (struct tokens){ 0 };
	hmap_init(&all->by_id);
}

void tokens_fini(struct tokens *all)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &all->by_id) {
		hmap_remove(&all->by_id, node);
		free(container_of(node, struct token, by_id));
	}
	hmap_fini(&all->by_id);
}

struct token *tokens_find(const struct tokens *all, enum token_kind kind, const char *id)
{
	struct hmap_node *node;

	hmap_for_each_with_hash (node, &all->by_id, id_hash(kind, id)) {
		struct token *t = container_of(node, struct token, by_id);

		if (t->kind == kind && strcmp(t->id, id) == 0)
			return t;
	}
	return NULL;
}

int tokens_put(struct tokens *all, const struct token *t)
{
	struct token *own = tokens_find(all, t->kind, t->id);
	struct hmap_node node;

	if (own) {
		int64_t used = own->used_s, seen = own->seen_s;

		node = own->by_id;
		*own = *t;
		own->by_id = node;
		own->used_s = used > t->used_s ? used : t->used_s;
		own->seen_s = seen;
		return 0;
	}
	own = malloc(sizeof(*own));
	if (!own)
		return -ENOMEM;
	*own = *t;
	if (hmap_insert(&all->by_id, &own->by_id, id_hash(t->kind, t->id))) {
		free(own);
		return -ENOMEM;
	}
	all->n[t->kind]++;
	return 0;
}

void tokens_remove(struct tokens *all, enum token_kind kind, const char *id)
{
	struct token *t = tokens_find(all, kind, id);

	if (!t)
		return;
	hmap_remove(&all->by_id, &t->by_id);
	all->n[kind]--;
	free(t);
}

size_t tokens_of_tenant(const struct tokens *all, const char *tenant)
{
	struct hmap_node *node, *tmp;
	size_t n = 0;

	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		n += t->kind == TOKEN_BEARER && strcmp(t->tenant, tenant) == 0;
	}
	return n;
}

struct token *tokens_check(const struct tokens *all, enum token_kind kind, const char *id,
			   const uint8_t sha[static TOKEN_SHA], int64_t now_s)
{
	struct token *t = tokens_find(all, kind, id);
	const struct token *parent;

	if (!t || !token_matches(t, sha) || token_expired(t, now_s))
		return NULL;
	if (kind == TOKEN_SESSION && *t->parent) {
		parent = tokens_find(all, TOKEN_BEARER, t->parent);
		if (!parent || token_expired(parent, now_s))
			return NULL;
	}
	return t;
}
