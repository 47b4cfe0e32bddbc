// SPDX-License-Identifier: Apache-2.0
/* docs/examples/: each document is taken as it is, gives a snapshot, and comes back from an export unchanged. */
#include <glob.h>

#include "selftests/unit/topology/fixture.h"

static char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t n;

	*len = 0;
	if (!f)
		return NULL;
	do {
		text = realloc(text, *len + 65536);
		assert_non_null(text);
		n = fread(text + *len, 1, 65535, f);
		*len += n;
	} while (n);
	text[*len] = 0;
	fclose(f);
	return text;
}

static void check_example(const char *path)
{
	json_t *none = json_object(), *changes, *records, *doc, *again;
	struct topo_snapshot *snap;
	struct err err = { 0 };
	const char *tenant;
	size_t len;
	char *text = slurp(path, &len);

	if (!text)
		fail_msg("%s: cannot be read", path);
	changes = changes_of(none, text, false, &err);
	if (!changes)
		fail_msg("%s: %s", path, err.text);
	records = topo_records_merge(none, changes);
	snap = topo_build("t", 1, records, &err);
	if (!snap)
		fail_msg("%s: no snapshot: %s", path, err.text);
	doc = topo_doc_export(records, "t", NULL, NULL, &err);
	tenant = json_string_value(json_object_get(doc, "tenant"));
	assert_string_equal(tenant, "t");
	free(text);
	text = json_dumps(doc, 0);
	again = changes_of(records, text, true, &err);
	if (!again || json_object_size(again))
		fail_msg("%s: its export is not the same: %s", path,
			 again ? json_dumps(again, JSON_INDENT(1)) : err.text);
	json_decref(again);
	json_decref(doc);
	free(text);
	topo_unref(snap);
	json_decref(records);
	json_decref(changes);
	json_decref(none);
}

static void test_examples(void **state)
{
	glob_t g;

	(void)state;
	assert_int_equal(glob("docs/examples/*.yaml", 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 3);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_example(g.gl_pathv[i]);
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
