// SPDX-License-Identifier: Apache-2.0
/* api/audit.c: the change that undoes another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "api/audit.h"
#include "util/cleanup.h"

/* In the table, ' stands for ". */
static json_t *load(const char *text)
{
	char json[512];
	json_t *o;

	for (size_t i = 0; i <= strlen(text); i++)
		json[i] = text[i] == '\'' ? '"' : text[i];
	o = json_loads(json, 0, NULL);
	if (!o)
		fail_msg("'%s' is no JSON", text);
	return o;
}

static void undone(void **state)
{
	static const struct {
		const char *what, *records, *changes, *want, *err;
	} table[] = {
		{ "created", "{'b/1': {'rev': 5, 'x': 1}}", "{'b/1': [null, {'x': 1}]}", "{'b/1': null}", NULL },
		{ "deleted", "{}", "{'b/1': [{'rev': 3, 'x': 1}, null]}", "{'b/1': {'x': 1}}", NULL },
		{ "changed", "{'b/1': {'rev': 5, 'x': 2}}", "{'b/1': [{'rev': 3, 'x': 1}, {'rev': 3, 'x': 2}]}", "{'b/1': {'x': 1}}", NULL },
		{ "changed and changed back", "{'b/1': {'rev': 9, 'x': 2}}", "{'b/1': [{'rev': 3, 'x': 1}, {'rev': 3, 'x': 2}]}",
		  "{'b/1': {'x': 1}}", NULL },
		{ "changed since", "{'b/1': {'rev': 9, 'x': 3}}", "{'b/1': [{'x': 1}, {'x': 2}]}", NULL, "'b/1' was changed since" },
		{ "a field more since", "{'b/1': {'rev': 9, 'x': 2, 'y': 1}}", "{'b/1': [{'x': 1}, {'x': 2}]}", NULL, "'b/1' was changed since" },
		{ "deleted since", "{}", "{'b/1': [{'x': 1}, {'x': 2}]}", NULL, "'b/1' was deleted since" },
		{ "created again", "{'b/1': {'x': 1}}", "{'b/1': [{'x': 1}, null]}", NULL, "'b/1' was created again since" },
		{ "one of two changed since", "{'b/1': {'x': 1}, 'b/2': {'x': 9}}", "{'b/1': [null, {'x': 1}], 'b/2': [null, {'x': 1}]}", NULL,
		  "'b/2' was changed since" },
		{ "two", "{'b/1': {'x': 1}, 'b/3': {}}", "{'b/1': [null, {'x': 1}], 'b/2': [{'x': 1}, null]}", "{'b/1': null, 'b/2': {'x': 1}}", NULL },
		{ "nothing", "{'b/1': {'x': 1}}", "{}", "{}", NULL },
		/* what an entry may be that nobody wrote by skep-api */
		{ "no pair", "{'b/1': {'x': 1}}", "{'b/1': 5}", NULL, "'b/1' was changed since" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		json_t *records = load(table[i].records), *changes = load(table[i].changes), *before = json_deep_copy(records);
		struct err err = { 0 };
		json_t *got = audit_inverse(records, changes, &err), *want = table[i].want ? load(table[i].want) : NULL;

		if (want ? !json_equal(got, want) : got || err.code != -EBUSY || !strstr(err.text, table[i].err))
			fail_msg("%s: %s", table[i].what, err.text);
		assert_true(json_equal(records, before));
		json_decref(before);
		json_decref(records);
		json_decref(changes);
		json_decref(got);
		json_decref(want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undone),
	};

	return cmocka_run_group_tests_name("api/audit", tests, NULL, NULL);
}
