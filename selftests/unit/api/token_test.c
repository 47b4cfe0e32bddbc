// SPDX-License-Identifier: Apache-2.0
/* api/token.c, api/role.c: tokens as text and records, who may what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "api/role.h"
#include "api/token.h"
#include "util/cleanup.h"

static struct token some(enum token_kind kind, char text[static TOKEN_TEXT])
{
	struct token t = { .kind = kind, .name = "ann", .tenant = "acme", .role = API_ADMIN, .by = "root", .created_s = 1000 };

	assert_true(token_make(&t, text));
	return t;
}

static void there_and_back(void **state)
{
	char text[TOKEN_TEXT], other[TOKEN_TEXT], id[TOKEN_ID], path[TOKEN_PATH];
	uint8_t sha[TOKEN_SHA];

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct token t = some(kind, text), u = some(kind, other), back;
		json_t *rec = token_record(&t);

		assert_int_equal(strlen(text), kind == TOKEN_BEARER ? 86 : 81);
		assert_string_not_equal(text, other);
		assert_true(token_parse(kind, text, id, sha));
		assert_string_equal(id, t.id);
		assert_true(token_matches(&t, sha));
		assert_false(token_matches(&u, sha));
		assert_true(token_of_record(token_path(kind, t.id, path), rec, &back));
		assert_int_equal(back.kind, kind);
		assert_string_equal(back.id, t.id);
		assert_string_equal(back.name, "ann");
		assert_string_equal(back.tenant, "acme");
		assert_int_equal(back.role, API_ADMIN);
		assert_int_equal(back.created_s, 1000);
		assert_int_equal(back.expires_s, 0);
		assert_true(token_matches(&back, sha));
		json_decref(rec);
	}
}

/* Whoever reads the database, or a list of tokens, cannot use one. */
static void the_secret_is_not_kept(void **state)
{
	char text[TOKEN_TEXT];
	struct token t = some(TOKEN_BEARER, text);
	json_t *rec = token_record(&t), *shown = token_public(&t);
	char *kept = json_dumps(rec, 0), *told = json_dumps(shown, 0);

	(void)state;
	assert_null(strstr(kept, text + 22));
	assert_null(strstr(told, text + 22));
	assert_non_null(strstr(kept, "sha256"));
	assert_null(strstr(told, "sha256"));
	free(kept);
	free(told);
	json_decref(rec);
	json_decref(shown);
}

static void not_a_token(void **state)
{
	char text[TOKEN_TEXT], id[TOKEN_ID], bad[TOKEN_TEXT + 1];
	uint8_t sha[TOKEN_SHA];
	struct token t = some(TOKEN_BEARER, text);

	(void)state;
	(void)t;
	assert_false(token_parse(TOKEN_BEARER, "", id, sha));
	assert_false(token_parse(TOKEN_SESSION, text, id, sha));
	assert_false(token_parse(TOKEN_BEARER, text + 5, id, sha));
	assert_true(token_parse(TOKEN_SESSION, text + 5, id, sha));
	for (size_t i = 0; i < strlen(text); i++) {
		memcpy(bad, text, sizeof(text));
		bad[i] = text[i] == '_' ? '-' : i < 5 ? 'x' : 'A'; /* upper case is another text for the same bytes */
		if (token_parse(TOKEN_BEARER, bad, id, sha))
			fail_msg("'%s' is taken", bad);
		bad[i] = 0;
		assert_false(token_parse(TOKEN_BEARER, bad, id, sha));
	}
	snprintf(bad, sizeof(bad), "%s0", text);
	assert_false(token_parse(TOKEN_BEARER, bad, id, sha));
}

static void records_that_open_nothing(void **state)
{
	static const char *const bad[] = {
		"{}", "{'role': 'operator'}", "{'role': 'nobody'}", "{'role': 'god'}", "{'sha256': 'zz'}", "{'sha256': ''}",
		"{'tenant': 5}", "{'role': 'operator', 'tenant': 'acme'}", "{'role': 'tenant-admin', 'tenant': ''}",
		"{'role': 'tenant-admin', 'tenant': '_api'}", "{'name': null}", "{'parent': 'xxxxxxxxxxxxxxxxxxxxxxxxxxx'}",
	};
	char text[TOKEN_TEXT], path[TOKEN_PATH];
	struct token t = some(TOKEN_BEARER, text), back;
	json_t *rec = token_record(&t);

	(void)state;
	token_path(TOKEN_BEARER, t.id, path);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *patch, *wrong = json_deep_copy(rec);
		char json[128];

		for (size_t k = 0; k <= strlen(bad[i]); k++)
			json[k] = bad[i][k] == '\'' ? '"' : bad[i][k];
		patch = json_loads(json, 0, NULL);
		assert_non_null(patch);
		if (i == 0)
			json_object_clear(wrong);
		json_object_update(wrong, patch);
		if (token_of_record(path, wrong, &back))
			fail_msg("%s is taken", bad[i]);
		json_decref(patch);
		json_decref(wrong);
	}
	assert_true(token_of_record(path, rec, &back));
	assert_false(token_of_record("token/", rec, &back));
	assert_false(token_of_record("token/0123456789abcde", rec, &back));
	assert_false(token_of_record("token/0123456789abcdefa", rec, &back));
	assert_false(token_of_record("token/0123456789ABCDEF", rec, &back));
	assert_false(token_of_record("used/0123456789abcdef", rec, &back));
	json_decref(rec);
}

static void what_is_asked_for(void **state)
{
	static const struct {
		const char *body, *err; /* NULL: fine */
	} table[] = {
		{ "{\"name\": \"ci\", \"role\": \"tenant-admin\", \"tenant\": \"acme\"}", NULL },
		{ "{\"name\": \"a@b.c\", \"role\": \"operator\", \"tenant\": null, \"expires_s\": 60, \"read_only\": true}", NULL },
		{ "[]", "want an object" },
		{ "{\"role\": \"operator\"}", "field 'name': 'null'" },
		{ "{\"name\": \"\", \"role\": \"operator\"}", "field 'name'" },
		{ "{\"name\": \"a b\", \"role\": \"operator\"}", "field 'name': 'a b'" },
		{ "{\"name\": \"<script>\", \"role\": \"operator\"}", "field 'name'" },
		{ "{\"name\": 5, \"role\": \"operator\"}", "field 'name'" },
		{ "{\"name\": \"a\"}", "field 'role'" },
		{ "{\"name\": \"a\", \"role\": \"nobody\"}", "field 'role': 'nobody'" },
		{ "{\"name\": \"a\", \"role\": \"root\"}", "want operator, monitor, tenant-admin or tenant-reader" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"tenant\": \"acme\"}", "want none, for an operator" },
		{ "{\"name\": \"a\", \"role\": \"monitor\"}", NULL },
		{ "{\"name\": \"a\", \"role\": \"monitor\", \"tenant\": \"acme\"}", "want none, for a monitor" },
		{ "{\"name\": \"a\", \"role\": \"tenant-admin\"}", "field 'tenant': 'null'" },
		{ "{\"name\": \"a\", \"role\": \"tenant-admin\", \"tenant\": \"_api\"}", "field 'tenant'" },
		{ "{\"name\": \"a\", \"role\": \"tenant-admin\", \"tenant\": \"a/b\"}", "field 'tenant'" },
		{ "{\"name\": \"a\", \"role\": \"tenant-admin\", \"tenant\": [\"acme\"]}", "field 'tenant'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"expires_s\": 0}", "field 'expires_s'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"expires_s\": -1}", "field 'expires_s'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"expires_s\": 1.5}", "field 'expires_s'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"expires_s\": 9223372036854775807}", "field 'expires_s'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"read_only\": 1}", "field 'read_only'" },
		{ "{\"name\": \"a\", \"role\": \"operator\", \"sha256\": \"\"}", "field 'sha256' is not known" },
	};
	struct err err;
	struct token t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		json_t *body = json_loads(table[i].body, 0, NULL);
		int rc;

		err = (struct err){ 0 };
		assert_non_null(body);
		rc = token_of_request(body, 1000, &t, &err);
		if (table[i].err ? rc != -EINVAL || !strstr(err.text, table[i].err) : rc != 0)
			fail_msg("%s: %d '%s'", table[i].body, rc, err.text);
		json_decref(body);
		if (i == 1) {
			assert_int_equal(t.expires_s, 1060);
			assert_true(t.read_only);
			assert_int_equal(t.role, API_OPERATOR);
		}
	}
}

static void who_shows_it(void **state)
{
	char text[TOKEN_TEXT], cookie[TOKEN_TEXT], id[TOKEN_ID];
	struct token t = some(TOKEN_BEARER, text), s = some(TOKEN_SESSION, cookie);
	uint8_t sha[TOKEN_SHA], sha2[TOKEN_SHA];
	struct tokens all;

	(void)state;
	tokens_init(&all);
	t.expires_s = 2000;
	s.expires_s = 1500;
	memcpy(s.parent, t.id, TOKEN_ID);
	assert_int_equal(tokens_put(&all, &t), 0);
	assert_int_equal(tokens_put(&all, &s), 0);
	assert_int_equal(tokens_put(&all, &t), 0); /* again: still one */
	assert_int_equal(all.n[TOKEN_BEARER], 1);
	assert_int_equal(tokens_of_tenant(&all, "acme"), 1);
	assert_int_equal(tokens_of_tenant(&all, ""), 0);
	assert_true(token_parse(TOKEN_BEARER, text, id, sha));
	assert_true(token_parse(TOKEN_SESSION, cookie, id, sha2));
	assert_non_null(tokens_check(&all, TOKEN_BEARER, t.id, sha, 1999));
	assert_null(tokens_check(&all, TOKEN_BEARER, t.id, sha, 2000));
	assert_null(tokens_check(&all, TOKEN_BEARER, t.id, sha2, 1000));
	assert_null(tokens_check(&all, TOKEN_SESSION, t.id, sha, 1000)); /* one is not the other */
	assert_null(tokens_check(&all, TOKEN_BEARER, s.id, sha2, 1000));
	assert_non_null(tokens_check(&all, TOKEN_SESSION, s.id, sha2, 1499));
	assert_null(tokens_check(&all, TOKEN_SESSION, s.id, sha2, 1500));
	t.expires_s = 1200; /* the session ends with its token */
	assert_int_equal(tokens_put(&all, &t), 0);
	assert_null(tokens_check(&all, TOKEN_SESSION, s.id, sha2, 1300));
	tokens_remove(&all, TOKEN_BEARER, t.id);
	tokens_remove(&all, TOKEN_BEARER, t.id);
	assert_null(tokens_check(&all, TOKEN_SESSION, s.id, sha2, 1000));
	assert_int_equal(all.n[TOKEN_BEARER], 0);
	tokens_fini(&all);
}

static void csrf(void **state)
{
	char cookie[TOKEN_TEXT], other[TOKEN_TEXT], shown[TOKEN_CSRF];
	struct token s = some(TOKEN_SESSION, cookie), s2 = some(TOKEN_SESSION, other);
	json_t *rec = token_record(&s);
	char *kept = json_dumps(rec, 0);

	(void)state;
	(void)s2;
	token_csrf(cookie, shown);
	assert_true(token_csrf_ok(cookie, shown));
	assert_false(token_csrf_ok(other, shown));
	assert_false(token_csrf_ok(cookie, NULL));
	assert_false(token_csrf_ok(cookie, ""));
	assert_null(strstr(kept, shown));
	shown[63] ^= 1;
	assert_false(token_csrf_ok(cookie, shown));
	free(kept);
	json_decref(rec);
}

/* --- roles --- */

static void who_may(void **state)
{
	static const struct {
		enum api_role role;
		const char *own;
		bool read_only;
		enum api_role least;
		bool changes;
		const char *tenant;
		int want;
		bool monitors;
	} table[] = {
		{ API_OPERATOR, "", false, API_OPERATOR, true, "acme", 0, false },
		{ API_OPERATOR, "", true, API_OPERATOR, false, "acme", 0, false },
		{ API_OPERATOR, "", true, API_ADMIN, true, "acme", 403, false },
		{ API_ADMIN, "acme", false, API_ADMIN, true, "acme", 0, false },
		{ API_ADMIN, "acme", false, API_OPERATOR, true, "acme", 403, false },
		{ API_ADMIN, "acme", false, API_ADMIN, true, "other", 404, false },
		{ API_ADMIN, "acme", false, API_OPERATOR, true, "other", 404, false }, /* not 403 */
		{ API_ADMIN, "acme", true, API_ADMIN, true, "other", 404, false },
		{ API_ADMIN, "acme", false, API_READER, false, "acm", 404, false },
		{ API_ADMIN, "acme", false, API_READER, false, "acmee", 404, false },
		{ API_ADMIN, "acme", false, API_READER, false, "ACME", 404, false },
		{ API_ADMIN, "acme", false, API_READER, false, "", 404, false },
		{ API_ADMIN, "acme", false, API_OPERATOR, false, NULL, 403, false },
		{ API_READER, "acme", false, API_READER, false, "acme", 0, false },
		{ API_READER, "acme", false, API_ADMIN, true, "acme", 403, false },
		{ API_READER, "acme", true, API_READER, false, "acme", 0, false },
		{ API_READER, "acme", false, API_OPERATOR, false, NULL, 403, true },
		{ API_ADMIN, "acme", false, API_OPERATOR, false, NULL, 403, true },
		{ API_MONITOR, "", false, API_OPERATOR, false, NULL, 0, true },
		{ API_MONITOR, "", false, API_OPERATOR, true, NULL, 403, true },
		{ API_MONITOR, "", false, API_OPERATOR, false, NULL, 403, false },
		{ API_MONITOR, "", false, API_READER, false, NULL, 403, false },
		{ API_MONITOR, "", false, API_READER, false, "acme", 403, false },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct api_caller c = { .name = "x", .role = table[i].role, .read_only = table[i].read_only };
		int got;

		snprintf(c.tenant, sizeof(c.tenant), "%s", table[i].own);
		got = role_check(&c, table[i].least, table[i].monitors, table[i].changes, table[i].tenant, &err);
		if (got != table[i].want)
			fail_msg("case %zu: %d, want %d", i, got, table[i].want);
	}
}

static void bindings_are_for_operators(void **state)
{
	static const struct {
		const char *changes;
		bool ok;
	} table[] = {
		{ "{\"port/p1\": {}}", true },
		{ "{\"bind/p1\": {}}", false },
		{ "{\"port/p1\": {}, \"bind/p1\": {}}", false },
		{ "{\"port/p1\": null, \"bind/p1\": null}", true },
		{ "{\"bind/p1\": null}", false },
		{ "{\"port/p2\": null, \"bind/p1\": null}", false },
		{ "{\"port/p1\": {}, \"bind/p1\": null}", false },
		{ "{\"bind/p3\": {}}", false },
	};
	struct api_caller admin = { .name = "a", .role = API_ADMIN, .tenant = "acme" }, op = { .name = "o", .role = API_OPERATOR };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		json_t *changes = json_loads(table[i].changes, 0, NULL);

		assert_non_null(changes);
		assert_int_equal(role_check_changes(&op, changes, &err), 0);
		if (role_check_changes(&admin, changes, &err) != (table[i].ok ? 0 : -EPERM))
			fail_msg("%s", table[i].changes);
		json_decref(changes);
	}
}

static void names(void **state)
{
	static const char *const bad[] = { "", "a b", "a/b", "a\n", "\xc3\xa9", "a\"b",
		"a123456789012345678901234567890123456789012345678901234567890123" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(role_name_ok(bad[i]));
		assert_false(role_tenant_ok(bad[i]));
	}
	assert_true(role_name_ok("a@b.c"));
	assert_true(role_tenant_ok("a-b_c.d"));
	assert_false(role_tenant_ok("_api"));
	assert_false(role_tenant_ok("_hosts"));
	assert_false(role_tenant_ok("-a"));
	for (int r = API_NOBODY; r <= API_OPERATOR; r++)
		assert_int_equal(api_role_find(api_role_name((enum api_role)r)), r);
	assert_int_equal(api_role_find("Operator"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_secret_is_not_kept),
		cmocka_unit_test(not_a_token),
		cmocka_unit_test(records_that_open_nothing),
		cmocka_unit_test(what_is_asked_for),
		cmocka_unit_test(who_shows_it),
		cmocka_unit_test(csrf),
		cmocka_unit_test(who_may),
		cmocka_unit_test(bindings_are_for_operators),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("api/token", tests, NULL, NULL);
}
