// SPDX-License-Identifier: Apache-2.0
/* util/yaml and util/uuid: what text becomes, and what is refused where. */
#include "selftests/unit/topology/fixture.h"
#include "util/yaml.h"

struct row {
	const char *name, *in;
	const char *want;  /* JSON, one array of documents; NULL = refused */
	const char *error; /* part of the message */
};

static const struct row rows[] = {
	{ "nothing is no document", "", "[]", NULL },
	{ "a comment is no document", "# hello\n", "[]", NULL },
	{ "an empty document is null", "---\n", "[null]", NULL },
	{ "two documents", "a: 1\n---\nb: 2\n", "[{\"a\":1},{\"b\":2}]", NULL },
	{ "null in all its ways", "[null, Null, NULL, ~, ]", "[[null,null,null,null]]", NULL },
	{ "null as a missing value", "a:\nb: ~\n", "[{\"a\":null,\"b\":null}]", NULL },
	{ "truth", "[true, True, TRUE, false, False, FALSE]", "[[true,true,true,false,false,false]]", NULL },
	{ "no, off and yes are text", "[no, off, yes, on, y, n, NO]", "[[\"no\",\"off\",\"yes\",\"on\",\"y\",\"n\",\"NO\"]]", NULL },
	{ "integers", "[0, 12, -3, +4, 0x1f, 0o17, 007]", "[[0,12,-3,4,31,15,7]]", NULL },
	{ "what only resembles integers is text", "[1_000, 1.5, 1e3, 0x, 0o8, 12a, -, +, 0b1]",
	  "[[\"1_000\",\"1.5\",\"1e3\",\"0x\",\"0o8\",\"12a\",\"-\",\"+\",\"0b1\"]]", NULL },
	{ "a number too large is text", "[99999999999999999999]", "[[\"99999999999999999999\"]]", NULL },
	{ "quoted is text", "[\"1\", '2', \"true\", 'null', \"\"]", "[[\"1\",\"2\",\"true\",\"null\",\"\"]]", NULL },
	{ "addresses are text", "[02:00:00:00:00:01, 10:20, 10.0.0.1, \"fd00::1\"]",
	  "[[\"02:00:00:00:00:01\",\"10:20\",\"10.0.0.1\",\"fd00::1\"]]", NULL },
	{ "a date is text", "[2024-01-02]", "[[\"2024-01-02\"]]", NULL },
	{ "block text", "a: |\n  x\n  y\n", "[{\"a\":\"x\\ny\\n\"}]", NULL },
	{ "JSON", "{\"a\": [1, true, null, \"x\\ty\\u00e9\\/\"], \"b\": {}}\n", "[{\"a\":[1,true,null,\"x\\ty\xc3\xa9/\"],\"b\":{}}]", NULL },
	{ "JSON with tabs", "{\n\t\"a\": [\n\t\t1\n\t]\n}\n", "[{\"a\":[1]}]", NULL },
	{ "keys are text", "{1: a, true: b, null: c}", "[{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}]", NULL },
	{ "sixteen levels", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", NULL },
	{ "seventeen levels", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", NULL, "f.yaml:1: nested deeper than 16" },
	{ "anchor on a scalar", "a: &x 1\n", NULL, "f.yaml:1: anchors are not allowed" },
	{ "anchor on a list", "a: 1\nb: &x [1]\n", NULL, "f.yaml:2: anchors are not allowed" },
	{ "anchor on an object", "- &x {a: 1}\n", NULL, "f.yaml:1: anchors are not allowed" },
	{ "alias", "a: 1\nb: *a\n", NULL, "f.yaml:2: aliases are not allowed" },
	{ "tag on a scalar", "a: !!str 1\n", NULL, "f.yaml:1: tags are not allowed" },
	{ "tag on a list", "a: !mine [1]\n", NULL, "f.yaml:1: tags are not allowed" },
	{ "tag on an object", "--- !<x> {a: 1}\n", NULL, "f.yaml:1: tags are not allowed" },
	{ "duplicate key", "a: 1\nb: 2\na: 3\n", NULL, "f.yaml:3: key 'a' appears twice (first in line 1)" },
	{ "duplicate key, differently written", "{\"a\": 1, a: 2}", NULL, "key 'a' appears twice" },
	{ "a list as key", "[1]: 2\n", NULL, "f.yaml:1: a key must be a plain text" },
	{ "NUL in a text", "a: \"x\\0y\"\n", NULL, "f.yaml:1: a text has a NUL byte" },
	{ "bad indentation", "a: 1\n  b: 2\n", NULL, "f.yaml:2: not YAML: " },
	{ "unclosed list", "a: [1,\n", NULL, "f.yaml:2: not YAML: " },
	{ "tab as indentation", "a:\n\tb: 1\n", NULL, "f.yaml:2: not YAML: " },
	{ "not UTF-8", "a: \xff\xfe\n", NULL, "f.yaml: byte 3: " },
	{ "control character", "a: \x01\n", NULL, "f.yaml: byte 3: " },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	struct err err = { 0 };
	json_t *got = yaml_parse(row->in, strlen(row->in), "f.yaml", NULL, &err), *want;

	if (!row->want) {
		if (got)
			fail_msg("%s: accepted: %s", row->in, json_dumps(got, 0));
		if (!strstr(err.text, row->error))
			fail_msg("%s: got '%s', want '%s'", row->in, err.text, row->error);
		return;
	}
	if (!got)
		fail_msg("%s: %s", row->in, err.text);
	want = json_loads(row->want, 0, NULL);
	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("%s: got %s, want %s", row->in, json_dumps(got, JSON_COMPACT), row->want);
	json_decref(want);
	json_decref(got);
}

static void test_lines(void **state)
{
	static const char text[] = "a: 1\nb:\n  - x\n  - {c: true,\n     d: true}\n";
	struct yaml_lines *lines;
	json_t *docs = yaml_parse(text, strlen(text), "f", &lines, NULL);
	json_t *doc = json_array_get(docs, 0), *b = json_object_get(doc, "b");

	assert_non_null(docs);
	assert_int_equal(yaml_line_of(lines, doc), 1);
	assert_int_equal(yaml_line_of_key(lines, doc, "a"), 1);
	assert_int_equal(yaml_line_of_item(lines, b, 0), 3);
	assert_int_equal(yaml_line_of_item(lines, b, 1), 4);
	assert_int_equal(yaml_line_of_key(lines, json_array_get(b, 1), "c"), 4);
	assert_int_equal(yaml_line_of_key(lines, json_array_get(b, 1), "d"), 5);
	assert_int_equal(yaml_line_of_key(lines, doc, "nope"), 0);
	assert_int_equal(yaml_line_of_key(NULL, doc, "a"), 0);
	yaml_lines_free(lines);
	json_decref(docs);
}

static void test_many_lines(void **state)
{
	size_t size = 200000;
	char *text = test_malloc(size);
	struct yaml_lines *lines;
	json_t *docs;
	size_t n = 0;

	for (int i = 0; i < 5000; i++)
		n += (size_t)snprintf(text + n, size - n, "key%d: {v: %d}\n", i, i);
	docs = yaml_parse(text, n, "f", &lines, NULL);
	assert_non_null(docs);
	for (int i = 0; i < 5000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%d", i);
		assert_int_equal(yaml_line_of_key(lines, json_array_get(docs, 0), key), i + 1);
	}
	yaml_lines_free(lines);
	json_decref(docs);
	test_free(text);
}

static void test_too_long(void **state)
{
	struct err err = { 0 };

	assert_null(yaml_parse("", YAML_SIZE_MAX + 1u, "f", NULL, &err)); /* the length alone decides */
	assert_int_equal(err.code, -E2BIG);
}

static void test_uuid_v7(void **state)
{
	/* RFC 9562 A.6: 2022-02-22T19:22:22.00Z, rand_a 0xcc3, rand_b 0x18c4dc0c0c07398f */
	static const uint8_t random[10] = { 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f };
	char text[UUID_TEXT];

	uuid_v7(0x017f22e279b0, random, text);
	assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	assert_true(uuid_valid(text));
}

static void test_uuid_valid(void **state)
{
	assert_false(uuid_valid(""));
	assert_false(uuid_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398"));
	assert_false(uuid_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f0"));
	assert_false(uuid_valid("017F22E2-79b0-7cc3-98c4-dc0c0c07398f"));
	assert_false(uuid_valid("017f22e2079b0-7cc3-98c4-dc0c0c07398f"));
	assert_false(uuid_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398g"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	  cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_too_long),  cmocka_unit_test(test_uuid_v7),
		cmocka_unit_test(test_uuid_valid),
	};
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
