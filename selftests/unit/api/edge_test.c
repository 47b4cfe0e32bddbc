// SPDX-License-Identifier: Apache-2.0
/* The parts of skep-api that are functions of what comes in: escapes, JSON, merge patches, cursors, problems, settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "api/config.h"
#include "api/cursor.h"
#include "api/parse.h"
#include "api/patch.h"
#include "api/problem.h"
#include "api/static.h"
#include "util/cleanup.h"
#include "util/json.h"

static void escapes(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} cases[] = {
		{ "plain", "plain" }, { "a%20b", "a b" }, { "%41%7a", "Az" }, { "%c3%A9", "\xc3\xa9" }, { "", "" },
		{ "%2f", "/" }, { "%", NULL }, { "%4", NULL }, { "%zz", NULL }, { "a%00b", NULL }, { "%ff", NULL },
		{ "%c0%af", NULL }, { "%ed%a0%80", NULL }, { "%f4%90%80%80", NULL }, { "%e2%82", NULL },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int rc;

		snprintf(text, sizeof(text), "%s", cases[i].in);
		rc = parse_unescape(text);
		if (!rc != !!cases[i].want || (!rc && strcmp(text, cases[i].want)))
			fail_msg("'%s': got '%s' (%d), want '%s'", cases[i].in, text, rc, cases[i].want ? cases[i].want : "refused");
	}
}

static void json_texts(void **state)
{
	static const struct {
		const char *in;
		bool good;
	} cases[] = {
		{ "{}", true }, { "[1, \"[[[[[\", {\"a\": []}]", true }, { "[[[[]]]]", true }, { "[[[[[]]]]]", false },
		{ "{\"a\": 1, \"a\": 2}", false }, { "{} x", false }, { "", false }, { "[1,]", false }, { "[\"\\u0000\"]", false },
		{ "[\"\xff\"]", false }, { "NaN", false }, { "7", true }, { "[\"\\\"[[[[[[[\"]", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		_json_ json_t *v = parse_json(cases[i].in, strlen(cases[i].in), 4, &err);

		if (!v != !cases[i].good || (!v && !err.text[0]))
			fail_msg("'%s': %s", cases[i].in, v ? "taken" : err.text);
	}
}

/* {"f0":0,"f1":0,...} */
static char *object_of(unsigned int n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "%s\"f%u\":0", i ? "," : "{", i);
	fprintf(f, "}");
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Of fields an object may have so many, of elements a list any number. */
static void many_fields(void **state)
{
	_free_ char *most = object_of(1000), *more = object_of(1001), *two = NULL;
	struct err err = { 0 };
	json_t *v;

	(void)state;
	v = parse_json(most, strlen(most), 4, &err);
	assert_non_null(v);
	json_decref(v);
	assert_null(parse_json(more, strlen(more), 4, &err));
	assert_non_null(strstr(err.text, "1000 fields"));
	assert_true(asprintf(&two, "[%s,%s]", most, most) > 0);
	v = parse_json(two, strlen(two), 4, &err);
	assert_non_null(v);
	json_decref(v);
}

/* What is told of a text is never less than what its values take, as this process counts them. */
static size_t taken, most_taken;

static void *count(size_t size)
{
	size_t *p = malloc(size + sizeof(max_align_t));

	if (!p)
		return NULL;
	*p = size + 16; /* malloc()'s own */
	taken += *p;
	most_taken = taken > most_taken ? taken : most_taken;
	return (char *)p + sizeof(max_align_t);
}

static void uncount(void *p)
{
	size_t *at = p ? (size_t *)(void *)((char *)p - sizeof(max_align_t)) : NULL;

	taken -= at ? *at : 0;
	free(at);
}

static void costs(void **state)
{
	static const char *const units[] = { "[]", "{}", "1", "\"\"", "\"abcdefgh\"", "{\"a\":1}", "{\"name\":\"b\",\"x\":[1,2]}", "[[[[1]]]]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		_free_ char *text = NULL;
		struct err err = { 0 };
		size_t len;
		FILE *f = open_memstream(&text, &len);
		uint64_t cost;
		json_t *v;

		for (unsigned int k = 0; k < 1000; k++)
			fprintf(f, "%s%s", k ? "," : "[", units[i]);
		fputs("]", f);
		fclose(f);
		taken = most_taken = 0;
		cost = parse_cost(text, len, true);
		json_set_alloc_funcs(count, uncount);
		v = parse_json(text, len, 8, &err);
		json_decref(v);
		json_set_alloc_funcs(malloc, free);
		assert_non_null(v);
		if (most_taken > cost || cost > 4 * most_taken)
			fail_msg("%s: told %llu, took %zu", units[i], (unsigned long long)cost, most_taken);
	}
}

/* RFC 7396, appendix A */
static void patches(void **state)
{
	static const struct {
		const char *target, *patch, *want;
	} cases[] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "null", "null" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_json_ json_t *target = json_loads(cases[i].target, JSON_DECODE_ANY, NULL);
		_json_ json_t *patch = json_loads(cases[i].patch, JSON_DECODE_ANY, NULL);
		_json_ json_t *want = json_loads(cases[i].want, JSON_DECODE_ANY, NULL), *got = patch_merge(target, patch);
		_json_ json_t *before = json_loads(cases[i].target, JSON_DECODE_ANY, NULL);

		if (!json_equal(got, want))
			fail_msg("%s + %s: not %s", cases[i].target, cases[i].patch, cases[i].want);
		assert_true(json_equal(target, before)); /* nothing was changed in place */
	}
}

static void problems(void **state)
{
	static const struct {
		const char *text, *object, *field, *value, *allowed;
	} cases[] = {
		{ "port 'web1': field 'mac': 'zz' is not an Ethernet address (want six octets)", "port/web1", "mac", "zz", "six octets" },
		{ "bind 'p': field 'interface': 'tap0' of host 'h1' is also bound to port 'q' (want one of its own)", "bind/p", "interface",
		  "tap0", "one of its own" },
		{ "port 'p': field 'bridge': bridge 'nosuch' does not exist", "port/p", "bridge", NULL, NULL },
		{ "operation 3: port 'p': field 'mtu': '7' is out of range (want 68 to 65535)", "port/p", "mtu", "7", "68 to 65535" },
		{ "chain 'c': rule 'r1': field 'proto': 'x'y' is not a protocol (want tcp)", "chain/c", "proto", "x'y", "tcp" },
		{ "the state DB does not answer", NULL, NULL, NULL, NULL },
		{ "port 'p", NULL, NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { .code = -22 };
		_json_ json_t *body = NULL;
		const json_t *e;
		const struct {
			const char *member, *want;
		} members[] = { { "object", cases[i].object }, { "field", cases[i].field }, { "value", cases[i].value },
				{ "allowed", cases[i].allowed } };

		snprintf(err.text, sizeof(err.text), "%s", cases[i].text);
		body = problem_body(422, "invalid", "id", &err);
		e = json_array_get(json_object_get(body, "errors"), 0);
		assert_string_equal(json_str(body, "detail"), cases[i].text);
		for (size_t k = 0; k < ARRAY_SIZE(members); k++) {
			const char *got = json_str(e, members[k].member);

			if (!got != !members[k].want || (got && strcmp(got, members[k].want)))
				fail_msg("%s: %s is '%s', want '%s'", cases[i].text, members[k].member, got ? got : "none",
					 members[k].want ? members[k].want : "none");
		}
	}
}

static void cursors(void **state)
{
	uint8_t data[64];

	(void)state;
	for (size_t len = 0; len < sizeof(data); len++) {
		_free_ char *text = NULL, *back = NULL;
		size_t n;

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 37 + len * 101);
		text = cursor_encode(data, len);
		assert_null(strpbrk(text, "+/="));
		back = cursor_decode(text, &n);
		assert_int_equal(n, len);
		assert_memory_equal(back, data, len);
	}
	assert_null(cursor_decode("a", &(size_t){ 0 }));
	assert_null(cursor_decode("ab=c", &(size_t){ 0 }));
}

static void files(void **state)
{
	static const char *const bad[] = { "", "../x", "a/../x", "a/./x", "/etc/passwd", "a//b", ".git", "a/.b", "a/", "a\\b", "a\nb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (static_path_ok(bad[i]))
			fail_msg("'%s' is taken", bad[i]);
	assert_true(static_path_ok("index.html") && static_path_ok("assets/a.b-c.js"));
	assert_string_equal(static_type("x.js"), "text/javascript; charset=utf-8");
	assert_string_equal(static_type("x.nosuch"), "application/octet-stream");
}

static void settings(void **state)
{
	static const struct {
		const char *set, *want; /* NULL: taken */
	} cases[] = {
		{ "limits.body=2MB", NULL }, { "memory_max=1GB", NULL }, { "listen=127.0.0.1:0", NULL },
		{ "limits.body=2000GB", "'2000GB' is not allowed (want a size" }, { "limits.body=x", "not allowed" },
		{ "db.mode=embedded", "not allowed" }, { "nosuch=1", "unknown key" }, { "tls.key=/x", "both 'certificate' and 'key'" },
		{ "oidc.issuer=https://x", "'oidc.jwks' is not set" }, { "limits.idle_s=0", "1 to 86400" }, { "panel=relative", "absolute" },
		{ "listen=192.0.2.1:8460", "without TLS" }, { "listen=127.0.0.1:0,[2001:db8::1]:0", "without TLS" }, { "listen=[::1]:0", NULL },
		{ "listen=unix:relative", "not allowed" }, { "listen=unix:/run/x", NULL }, { "listen=localhost:1", "not allowed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char address[] = "db.addresses=127.0.0.1:1", *set[] = { address, (char *)cases[i].set };
		struct api_config c;
		struct err err = { 0 };
		int rc = api_config_load(&c, "/dev/null", NULL, set, 2, &err);

		if (!rc != !cases[i].want || (rc && !strstr(err.text, cases[i].want)))
			fail_msg("%s: %s", cases[i].set, rc ? err.text : "taken");
		if (!rc)
			api_config_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),  cmocka_unit_test(json_texts),
		cmocka_unit_test(many_fields), cmocka_unit_test(costs), cmocka_unit_test(patches), cmocka_unit_test(problems),
		cmocka_unit_test(cursors), cmocka_unit_test(files),	  cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests_name("edge", tests, NULL, NULL);
}
