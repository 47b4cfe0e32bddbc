// SPDX-License-Identifier: Apache-2.0
/* apply, diff, delete, get: the configuration of tenants, straight from and to the state DB. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rest.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/suggest.h"
#include "topology/schema.h"
#include "topology/topology.h"

#define COLUMNS_MAX 32

/* --- reports of changes --- */

static enum out_style op_style(const char *op)
{
	return !strcmp(op, "created") ? OUT_GREEN : !strcmp(op, "deleted") ? OUT_RED : OUT_YELLOW;
}

/* What agents publish, such as neighbours, goes with its port; nobody wrote it, so nobody is told
 * (but in JSON). */
static bool is_agents(const json_t *change)
{
	char kind[16];

	snprintf(kind, sizeof(kind), "%s", json_str(change, "path"));
	kind[strcspn(kind, "/")] = 0;
	return topo_kind_find(kind) < 0;
}

static void print_summary(const json_t *report, bool dry_run)
{
	const json_t *change;
	size_t i;

	json_array_foreach (json_object_get(report, "changes"), i, change) {
		const char *op = json_str(change, "op");

		if (is_agents(change))
			continue;
		printf("%s %s%s%s%s\n", json_str(change, "path"), out_style(stdout, op_style(op)),
		       dry_run ? "would be " : "", op, out_style(stdout, OUT_PLAIN));
	}
	if (!json_array_size(json_object_get(report, "changes")))
		printf("tenant %s: nothing to change\n", json_str(report, "tenant"));
}

static void print_field(char sign, const char *key, const json_t *value)
{
	_free_ char *text = out_text(value);

	printf("%s    %c %s: %s%s\n", out_style(stdout, sign == '+' ? OUT_GREEN : OUT_RED), sign,
	       key, text ? text : "?", out_style(stdout, OUT_PLAIN));
}

/* What people do not write, and so do not want to see changed. */
static bool is_bookkeeping(const char *key, const json_t *value)
{
	return !strcmp(key, "rev") || !strcmp(key, "id") || !strcmp(key, "name") ||
	       (json_is_array(value) && !json_array_size(value));
}

void change_print_diff(const json_t *report)
{
	const json_t *change;
	size_t i;

	json_array_foreach (json_object_get(report, "changes"), i, change) {
		json_t *before = json_object_get(change, "before"),
		       *after = json_object_get(change, "after");
		const char *op = json_str(change, "op"), *key;
		json_t *value;

		if (is_agents(change))
			continue;
		printf("%s%c %s%s\n", out_style(stdout, op_style(op)),
		       *op == 'c' && op[1] == 'r' ? '+'
		       : *op == 'd'		  ? '-'
						  : '~',
		       json_str(change, "path"), out_style(stdout, OUT_PLAIN));
		json_object_foreach (before, key, value)
			if (!is_bookkeeping(key, value) &&
			    !json_equal(value, json_object_get(after, key)) &&
			    json_is_object(after))
				print_field('-', key, value);
		json_object_foreach (after, key, value)
			if (!is_bookkeeping(key, value) &&
			    !json_equal(value, json_object_get(before, key)))
				print_field('+', key, value);
	}
	if (!json_array_size(json_object_get(report, "changes")))
		printf("tenant %s: no difference\n", json_str(report, "tenant"));
}

static void print_warning(const json_t *report)
{
	const char *warning = json_str(report, "warning");

	if (warning)
		fprintf(stderr, "%sskep: warning:%s %s\n", out_style(stderr, OUT_YELLOW),
			out_style(stderr, OUT_PLAIN), warning);
}

void change_print(const struct cli *cli, const json_t *report, bool dry_run)
{
	_json_ json_t *root = NULL;

	if (cli->format == CLI_JSON) {
		root = json_pack("{s:[O], s:b}", "tenants", report, "dry_run", dry_run);
		out_json(root);
		return;
	}
	print_summary(report, dry_run);
	print_warning(report);
}

enum report { REPORT_SUMMARY, REPORT_DIFF };

static int run_docs(struct cli *cli, const json_t *docs, enum change_how how, bool dry_run,
		    enum report style, struct err *err)
{
	_json_ json_t *reports = json_array();
	const json_t *doc;
	int rc = 0;
	size_t i;

	json_array_foreach (docs, i, doc) {
		const char *tenant = json_str(doc, "tenant");
		json_t *report =
			change_run(cli, tenant, doc, how, cli_has(cli, CLI_O_PRUNE), dry_run, err);

		if (!report) {
			rc = json_array_size(docs) > 1 ? err_prefix(err, "tenant '%s'", tenant)
						       : err->code;
			break; /* what was done for tenants before this one is told below */
		}
		json_array_append_new(reports, report);
		if (cli->format == CLI_JSON)
			continue;
		if (style == REPORT_DIFF)
			change_print_diff(report);
		else
			print_summary(report, dry_run);
		print_warning(report);
	}
	if (cli->format == CLI_JSON && (!rc || json_array_size(reports))) {
		_json_ json_t *root =
			json_pack("{s:O, s:b}", "tenants", reports, "dry_run", dry_run);

		out_json(root);
	}
	return rc;
}

static int run_file(struct cli *cli, enum change_how how, bool dry_run, enum report style,
		    struct err *err)
{
	_json_ json_t *docs = NULL;

	if (!cli->value[CLI_O_FILE_BIT])
		return err_tag(err, -EINVAL, "usage",
			       "which document? (want -f FILE, or -f - for standard input)");
	docs = change_read_file(cli, err);
	if (!docs)
		return err->code;
	return run_docs(cli, docs, how, dry_run, style, err);
}

int cmd_apply(struct cli *cli, struct err *err)
{
	return run_file(cli, CHANGE_APPLY, cli_has(cli, CLI_O_DRY_RUN), REPORT_SUMMARY, err);
}

int cmd_diff(struct cli *cli, struct err *err)
{
	return run_file(cli, CHANGE_APPLY, true, REPORT_DIFF, err);
}

/* --- delete --- */

int cli_find_kind(const char *text, struct err *err)
{
	struct suggest near = suggest_for(text, strlen(text));
	int kind = topo_kind_find(text);
	char all[256] = "", meant[SUGGEST_TEXT];

	if (kind >= 0)
		return kind;
	for (int i = 0; i < TOPO_KIND_MAX; i++) {
		size_t n = strlen(all);

		suggest_try(&near, topo_kind_name((enum topo_kind)i));
		suggest_try(&near, topo_kind_plural((enum topo_kind)i));
		snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "",
			 topo_kind_name((enum topo_kind)i));
	}
	return err_tag(err, -EINVAL, "usage", "'%.80s' is not a kind of object (%swant %s)", text, suggest_text(&near, "", meant), all);
}

int cmd_delete(struct cli *cli, struct err *err)
{
	_json_ json_t *docs = NULL, *state = NULL;
	bool dry_run = cli_has(cli, CLI_O_DRY_RUN);
	const char *tenant, *key;
	char path[TOPO_NAME_MAX + 16];
	int kind;

	if (cli->value[CLI_O_FILE_BIT]) {
		if (cli->n_args)
			return err_tag(err, -EINVAL, "usage",
				       "either -f FILE or KIND NAME, not both");
		return run_file(cli, CHANGE_DELETE, dry_run, REPORT_SUMMARY, err);
	}
	if (cli->n_args != 2)
		return err_tag(err, -EINVAL, "usage", "usage: skep delete -f FILE | KIND NAME");
	kind = cli_find_kind(cli->args[0], err);
	if (kind < 0)
		return kind;
	tenant = cli_tenant(cli, err);
	if (!tenant)
		return err->code;
	state = cli_db_read_kind(cli, tenant, kind, cli->args[1], err);
	if (!state)
		return err->code;
	snprintf(path, sizeof(path), "%s/%s", topo_kind_name((enum topo_kind)kind), cli->args[1]);
	if (!json_object_get(json_object_get(state, "records"), path))
		return err_set(err, -ENOENT, "tenant '%s' has no %s '%s'", tenant,
			       topo_kind_name((enum topo_kind)kind), cli->args[1]);
	key = kind == TOPO_BIND ? "port" : "name";
	docs = json_pack("[{s:s, s:[{s:s}]}]", "tenant", tenant,
			 topo_kind_plural((enum topo_kind)kind), key, cli->args[1]);
	return run_docs(cli, docs, CHANGE_DELETE, dry_run, REPORT_SUMMARY, err);
}

/* --- get --- */

int cmd_tenant_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "TENANT" };
	_json_ json_t *names = cli_db_tenants(cli, err);
	struct out_table *t;
	const json_t *name;
	size_t i;

	if (!names)
		return err->code;
	if (cli->format != CLI_TABLE) {
		_json_ json_t *root = json_pack("{s:O}", "tenants", names);

		if (cli->format == CLI_YAML)
			return out_yaml(root, err);
		out_json(root);
		return 0;
	}
	t = out_table_new(headings, 1);
	json_array_foreach (names, i, name)
		out_cell(t, json_string_value(name));
	out_table_end(t);
	return 0;
}

/* The rules of one chain or security group, numbered. */
static void print_rules(const json_t *chain, const char *what)
{
	const char *const headings[] = { "#", "RULE", *what == 'd' ? "DIRECTION" : "ACTION", "MATCH" };
	struct out_table *t = out_table_new(headings, ARRAY_SIZE(headings));
	json_t *rule, *value;
	const char *key;
	size_t i;

	json_array_foreach (json_object_get(chain, "rules"), i, rule) {
		char match[512] = "";

		json_object_foreach (rule, key, value) {
			_free_ char *text = out_text(value);
			size_t n = strlen(match);

			if (strcmp(key, "name") && strcmp(key, what) && n < sizeof(match))
				snprintf(match + n, sizeof(match) - n, "%s%s %s", n ? ", " : "",
					 key, text ? text : "?");
		}
		out_cellf(t, "%zu", i + 1);
		out_cell(t, json_str(rule, "name"));
		out_cell(t, json_str(rule, what));
		out_cell(t, match);
	}
	out_table_end(t);
}

static bool any_has(const json_t *list, const char *key)
{
	json_t *object;
	size_t i;

	json_array_foreach (list, i, object)
		if (json_object_get(object, key))
			return true;
	return false;
}

/* The fields that any object has, in the schema's order; behind them health, which is no field. */
static unsigned int columns_of(const char *plural, const json_t *list, const char *keys[static COLUMNS_MAX])
{
	const struct topo_shape *shape = &topo_shapes[topo_kind_find(plural)];
	unsigned int n = 0;

	for (unsigned int i = 0; i < shape->n && n < COLUMNS_MAX - 1; i++)
		if (any_has(list, shape->fields[i].name))
			keys[n++] = shape->fields[i].name;
	if (any_has(list, "health"))
		keys[n++] = "health";
	return n;
}

/* One kind's objects: a column for each field that any of them has. */
static void print_kind(const char *plural, const json_t *list)
{
	const char *headings[COLUMNS_MAX], *keys[COLUMNS_MAX];
	const unsigned int n = columns_of(plural, list, keys);
	char upper[COLUMNS_MAX][32];
	json_t *object, *value;
	struct out_table *t;
	size_t i;

	if (!n)
		return;
	for (unsigned int c = 0; c < n; c++) {
		snprintf(upper[c], sizeof(upper[c]), "%s", keys[c]);
		for (char *p = upper[c]; *p; p++)
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		headings[c] = upper[c];
	}
	printf("%s%s%s\n", out_style(stdout, OUT_DIM), plural, out_style(stdout, OUT_PLAIN));
	t = out_table_new(headings, n);
	json_array_foreach (list, i, object) {
		for (unsigned int c = 0; c < n; c++) {
			_free_ char *text = NULL;

			value = json_object_get(object, keys[c]);
			if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
				out_cellf(t, "%zu", json_array_size(value));
				continue;
			}
			text = out_text(value);
			out_cell(t, text);
		}
	}
	out_table_end(t);
}

/* What "member up" and "member down" have said, for people only: it is no part of documents. */
static void add_health(const json_t *records, json_t *members)
{
	json_t *member;
	size_t i;

	json_array_foreach (members, i, member) {
		char path[TOPO_NAME_MAX + 16];
		const json_t *health;

		snprintf(path, sizeof(path), "health/%s", json_str(member, "name") ?: "");
		health = json_object_get(records, path);
		json_object_set_new(member, "health", json_string(!health ? "-" :
							      json_is_true(json_object_get(health, "up")) ?
								    "up" :
								    "down"));
	}
}

static void print_doc(const json_t *doc, bool one)
{
	const char *plural;
	json_t *list;
	bool first = true;

	json_object_foreach ((json_t *)doc, plural, list) {
		if (!json_is_array(list) || !json_array_size(list))
			continue;
		if (!first)
			putchar('\n');
		first = false;
		print_kind(plural, list);
		if (one && !strcmp(plural, "chains")) {
			putchar('\n');
			print_rules(json_array_get(list, 0), "action");
		}
		if (one && !strcmp(plural, "security_groups")) {
			putchar('\n');
			print_rules(json_array_get(list, 0), "direction");
		}
	}
}

int cmd_get(struct cli *cli, struct err *err)
{
	_json_ json_t *state = NULL, *doc = NULL;
	const char *kind_name = NULL, *tenant;
	int kind = -1;

	if (cli->n_args && (!strcmp(cli->args[0], "tenants") || !strcmp(cli->args[0], "tenant")))
		return cmd_tenant_list(cli, err);
	if (cli->n_args) {
		kind = cli_find_kind(cli->args[0], err);
		if (kind < 0)
			return kind;
		kind_name = topo_kind_name((enum topo_kind)kind);
	}
	tenant = cli_tenant(cli, err);
	if (!tenant)
		return err->code;
	state = cli_db_read_kind(cli, tenant, kind, cli->n_args == 2 ? cli->args[1] : NULL, err);
	if (!state)
		return err->code;
	if (cli->n_args == 2) {
		char path[TOPO_NAME_MAX + 16];

		snprintf(path, sizeof(path), "%s/%s", kind_name, cli->args[1]);
		if (!json_object_get(json_object_get(state, "records"), path))
			return err_set(err, -ENOENT, "tenant '%s' has no %s '%s'", tenant,
				       kind_name, cli->args[1]);
	}
	doc = topo_doc_export(json_object_get(state, "records"), tenant, kind_name,
			      cli->n_args == 2 ? cli->args[1] : NULL, err);
	if (!doc)
		return err->code;
	if (cli->format == CLI_YAML)
		return out_yaml(doc, err);
	if (cli->format == CLI_JSON)
		out_json(doc);
	else {
		if (cli->rest && json_object_get(doc, "members") && rest_add_health(cli, tenant, json_object_get(state, "records"), err))
			return err->code;
		add_health(json_object_get(state, "records"), json_object_get(doc, "members"));
		print_doc(doc, cli->n_args == 2);
	}
	return 0;
}
