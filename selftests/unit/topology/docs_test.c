// SPDX-License-Identifier: Apache-2.0
/* docs/topology.md lists exactly the fields of the schema, with their defaults; its example is a document. */
#include "selftests/unit/topology/fixture.h"
#include "topology/schema.h"

static char *text;

static int read_docs(void **state)
{
	FILE *f = fopen("docs/topology.md", "r"); /* tests run at the top of the tree */
	size_t n;

	if (!f)
		return -1;
	text = calloc(1, 65536);
	n = text ? fread(text, 1, 65535, f) : 0;
	fclose(f);
	return n ? 0 : -1;
}

static int free_docs(void **state)
{
	free(text);
	return 0;
}

/* The table below a heading; its rows are "| `field` | type | default | meaning |". */
static const char *section(const char *heading)
{
	const char *p = strstr(text, heading);

	if (!p)
		fail_msg("no section '%s'", heading);
	return strstr(p, "|---|");
}

static unsigned int count_rows(const char *table)
{
	unsigned int n = 0;

	for (table = strchr(table, '\n') + 1; !strncmp(table, "| `", 3); table = strchr(table, '\n') + 1)
		n++;
	return n;
}

static void cell(const char *row, int i, char *out, size_t size)
{
	const char *end;

	while (i--)
		row = strchr(row, '|') + 1;
	end = strchr(row, '|');
	snprintf(out, size, "%.*s", (int)(end - row), row);
}

static void check_table(const char *heading, const struct topo_shape *shape)
{
	const char *table = section(heading), *end = strstr(table, "\n\n");
	unsigned int want = 0;
	char key[96], def[96], quoted[96];

	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		const char *row;

		if (f->record_only)
			continue;
		want++;
		snprintf(key, sizeof(key), "\n| `%s` |", f->name);
		row = strstr(table, key);
		if (!row || row > end)
			fail_msg("%s: field '%s' is not documented", heading, f->name);
		cell(row, 3, def, sizeof(def));
		if (f->required && strcmp(def, " required ") != 0)
			fail_msg("%s: field '%s': default '%s', want required", heading, f->name, def);
		if (!f->def)
			continue;
		snprintf(quoted, sizeof(quoted), " `%.*s` ", (int)strcspn(f->def + (f->def[0] == '"'), "\""),
			 f->def + (f->def[0] == '"'));
		if (strcmp(def, quoted) != 0)
			fail_msg("%s: field '%s': default '%s', want '%s'", heading, f->name, def, quoted);
	}
	if (count_rows(table) != want)
		fail_msg("%s: %u rows, want %u", heading, count_rows(table), want);
}

static void test_tables(void **state)
{
	static const struct {
		const char *heading;
		enum topo_kind kind;
		const char *field;
	} nested[] = {
		{ "\n### static_macs\n", TOPO_BRIDGE, "static_macs" },
		{ "\n### allowed_addresses\n", TOPO_PORT, "allowed_addresses" },
		{ "\n### rules of security groups\n", TOPO_SECURITY_GROUP, "rules" },
		{ "\n### options\n", TOPO_SUBNET, "options" },
		{ "\n### at\n", TOPO_MIRROR, "at" },
	};
	char heading[32];

	for (int k = 0; k < TOPO_KIND_MAX; k++) {
		snprintf(heading, sizeof(heading), "\n## %s\n", topo_kind_plural((enum topo_kind)k));
		check_table(heading, &topo_shapes[k]);
	}
	check_table("\n### rules\n", &topo_rule_shape);
	for (size_t i = 0; i < ARRAY_SIZE(nested); i++)
		check_table(nested[i].heading,
			    topo_field_find(&topo_shapes[nested[i].kind], nested[i].field)->shape);
}

static void test_example(void **state)
{
	const char *begin = strstr(text, "```yaml\n") + 8, *end = strstr(begin, "```");
	char yaml[4096];
	json_t *records;

	snprintf(yaml, sizeof(yaml), "%.*s", (int)(end - begin), begin);
	records = applied(NULL, yaml);
	assert_int_equal(json_object_size(records), 9);
	json_decref(records);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_tables), cmocka_unit_test(test_example) };

	return cmocka_run_group_tests_name("docs", tests, read_docs, free_docs);
}
