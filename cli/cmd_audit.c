// SPDX-License-Identifier: Apache-2.0
/* audit list, audit show, undo: who has changed what, and the change back; from the state DB, or by way of the API. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/audit.h"
#include "api/role.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "topology/topology.h"
#include "util/json.h"

#define LIST_DEFAULT 100
#define PAGE	     1000
#define OBJECTS_SHOWN 4

/* What is asked for, and what came. */
struct question {
	struct cli *cli;
	const char *space, *object, *by;
	uint64_t limit;
	int64_t since_ms; /* 0 = from the beginning */
	json_t *list;
};

/* --- what is asked for --- */

/* "90s", "30m", "12h", "7d" */
static int parse_since(const char *text, int64_t *since_ms, struct err *err)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (*text < '0' || *text > '9' || !unit || end[1] || !n || n > 1000000)
		return err_tag(err, -EINVAL, "usage", "option '--since': '%.40s' is no time (want 90s, 30m, 12h or 7d)", text);
	*since_ms = ((int64_t)time(NULL) - (int64_t)n * seconds[unit - units]) * 1000;
	return 0;
}

/* "security-groups/web" as "sg/web": what the audit calls it. */
static int parse_object(const char *text, char *path, size_t size, struct err *err)
{
	const char *slash = strchr(text, '/');
	char kind[40];
	int k;

	if (!slash || !slash[1] || slash - text >= (int)sizeof(kind))
		return err_tag(err, -EINVAL, "usage", "option '--object': '%.80s' is no object (want KIND/NAME, such as port/web1)", text);
	snprintf(kind, sizeof(kind), "%.*s", (int)(slash - text), text);
	k = cli_find_kind(kind, err);
	if (k < 0)
		return k;
	snprintf(path, size, "%s/%.*s", topo_kind_name((enum topo_kind)k), TOPO_NAME_MAX, slash + 1);
	return 0;
}

static bool is_of_access(const struct cli *cli)
{
	return cli_has(cli, CLI_O_ACCESS);
}

/* 'object' is for what has to be put together. */
static int ask(struct cli *cli, struct question *q, char *object, size_t size, struct err *err)
{
	const char *since = cli->value[CLI_O_SINCE_BIT], *wanted = cli->value[CLI_O_OBJECT_BIT], *tenant = cli->value[CLI_O_TENANT_BIT];

	*q = (struct question){ .cli = cli, .by = cli->value[CLI_O_BY_BIT], .limit = cli->limit };
	if (since && parse_since(since, &q->since_ms, err))
		return err->code;
	if (!q->limit)
		q->limit = since ? UINT64_MAX : LIST_DEFAULT;
	if (q->by && !role_name_ok(q->by))
		return err_tag(err, -EINVAL, "usage", "option '--by': '%.80s' is nobody's name", q->by);
	if (is_of_access(cli) && wanted)
		return err_tag(err, -EINVAL, "usage", "either --access or --object, not both");
	if (rest_wanted(cli, err) < 0)
		return err->code;
	if (is_of_access(cli)) {
		q->space = DB_API;
		if (tenant && cli_has(cli, CLI_O_TENANT)) { /* as it was said: not a context's */
			snprintf(object, size, "about/%.*s", TOPO_NAME_MAX, tenant);
			q->object = object;
		}
		return 0;
	}
	if (wanted && parse_object(wanted, object, size, err))
		return err->code;
	q->object = wanted ? object : NULL;
	q->space = cli_tenant(cli, err);
	return q->space ? 0 : err->code;
}

/* --- looking --- */

/* Newest first: behind what is too old, all is.  Nonzero: that is enough. */
static int add(void *arg, json_t *item)
{
	struct question *q = arg;

	if (json_integer_value(json_object_get(item, "time_ms")) < q->since_ms || json_array_size(q->list) >= q->limit)
		return 1;
	return json_array_append(q->list, item);
}

static int list_api(struct question *q, struct err *err)
{
	char *object = q->object ? curl_easy_escape(NULL, q->object, 0) : NULL;
	char base[REST_URL_MAX], path[REST_URL_MAX + 512];

	if (is_of_access(q->cli))
		snprintf(base, sizeof(base), "/api/v1/audit");
	else
		rest_of_tenant(base, q->space, "/audit");
	snprintf(path, sizeof(path), "%s%s%s%s%s%s", base, q->by || object ? "?" : "", q->by ? "by=" : "", q->by ? q->by : "",
		 object ? (q->by ? "&object=" : "object=") : "", object ? object : "");
	curl_free(object);
	return rest_each(q->cli, path, add, q, err);
}

static int list_db(struct question *q, struct err *err)
{
	_free_ char *before = NULL;
	char by[TOPO_NAME_MAX + 16];
	bool enough = false;

	if (q->by)
		snprintf(by, sizeof(by), "\"by\":\"%.*s\"", TOPO_NAME_MAX, q->by);
	while (!enough) {
		_json_ json_t *page = cli_db_audit_list(q->cli, q->space, before, PAGE, q->object, q->by ? by : NULL, err);
		const char *next = json_str(page, "next");
		json_t *entry;
		size_t i;

		if (!page)
			return err->code;
		json_array_foreach (json_object_get(page, "entries"), i, entry) {
			_json_ json_t *item = audit_view(entry);

			enough = enough || add(q, item);
		}
		free(before);
		before = next ? strdup(next) : NULL;
		enough = enough || !before;
	}
	return 0;
}

/* A tenant that was deleted has an audit still; one that never was has none. */
static int look(struct question *q, struct err *err)
{
	_json_ json_t *state = NULL;
	char path[REST_URL_MAX];

	if (q->cli->rest) {
		if (!list_api(q, err) && !json_array_size(q->list) && !is_of_access(q->cli))
			state = rest_call(q->cli, "GET", rest_of_tenant(path, q->space, ""), NULL, err);
		return err->code == -ENOENT ? cli_no_tenant(q->space, err) : err->code;
	}
	if (!is_of_access(q->cli) && !(state = cli_db_read_tenant(q->cli, q->space, err)))
		return err->code;
	return list_db(q, err);
}

/* --- showing --- */

static const char *when(const json_t *entry, char out[static 32])
{
	const time_t t = (time_t)(json_integer_value(json_object_get(entry, "time_ms")) / 1000);
	struct tm tm;

	*out = 0;
	if (gmtime_r(&t, &tm))
		strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

static const json_t *how(const json_t *entry)
{
	const json_t *source = json_object_get(entry, "source");

	return source ? source : json_object_get(entry, "tool");
}

/* The first ones. */
static char *objects_of(const json_t *entry)
{
	const json_t *all = json_object_get(entry, "objects");
	_json_ json_t *some = json_array();
	_free_ char *text = NULL;
	char *line = NULL;

	for (size_t i = 0; i < json_array_size(all) && i < OBJECTS_SHOWN; i++)
		json_array_append(some, json_array_get(all, i));
	text = out_text(some);
	if (asprintf(&line, "%s%s", text ? text : "", json_array_size(all) > OBJECTS_SHOWN ? ",..." : "") < 0)
		return NULL;
	return line;
}

static void print_list(const json_t *list)
{
	static const char *const headings[] = { "ID", "TIME (UTC)", "BY", "WITH", "OBJECTS" };
	struct out_table *t = out_table_new(headings, ARRAY_SIZE(headings));
	char text[32];
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		_free_ char *objects = objects_of(entry);

		out_cell(t, json_str(entry, "id"));
		out_cell(t, when(entry, text));
		out_cell(t, json_str(entry, "by"));
		out_cell(t, json_string_value(how(entry)));
		out_cell(t, objects);
	}
	out_table_end(t);
}

int cmd_audit_list(struct cli *cli, struct err *err)
{
	_json_ json_t *list = json_array(), *root = NULL;
	char object[2 * TOPO_NAME_MAX];
	struct question q;

	if (ask(cli, &q, object, sizeof(object), err))
		return err->code;
	q.list = list;
	if (look(&q, err))
		return err->code;
	if (cli->format == CLI_JSON) {
		root = json_pack("{s:O}", "entries", list);
		out_json(root);
	} else {
		print_list(list);
	}
	return 0;
}

/* --- one of them --- */

static bool is_id(const char *id)
{
	const size_t n = strspn(id, "0123456789");

	return n && id[n] == '-' && id[n + 1] && !id[n + 1 + strspn(id + n + 1, "0123456789")] && strlen(id) < 50;
}

static int no_such_entry(const char *tenant, const char *id, struct err *err)
{
	return err_tag(err, -ENOENT, "no_such_entry", "tenant '%s' has no audit entry '%.60s' ('skep audit list' shows ids)", tenant, id);
}

/* As it is told: audit_view(). */
static json_t *read_entry(struct cli *cli, const char *tenant, const char *id, struct err *err)
{
	_json_ json_t *entry = NULL, *there = NULL;
	char path[REST_URL_MAX], rest[80];

	if (!is_id(id)) {
		no_such_entry(tenant, id, err);
		return NULL;
	}
	snprintf(rest, sizeof(rest), "/audit/%s", id);
	entry = cli->rest ? rest_call(cli, "GET", rest_of_tenant(path, tenant, rest), NULL, err) : cli_db_audit_get(cli, tenant, id, err);
	if (!entry && err->code == -ENOENT) {
		*err = (struct err){ 0 };
		there = cli->rest ? rest_call(cli, "GET", rest_of_tenant(path, tenant, ""), NULL, err) : cli_db_read_tenant(cli, tenant, err);
		if (there)
			no_such_entry(tenant, id, err);
		else if (err->code == -ENOENT)
			cli_no_tenant(tenant, err);
	}
	if (!entry)
		return NULL;
	return cli->rest ? TAKE_PTR(entry) : audit_view(entry);
}

static void print_entry(const json_t *entry)
{
	static const char *const keys[] = { "role", "token", "session", "issuer", "subject", "address", "method", "path", "request", "traceparent" };
	_free_ char *by = out_text(json_object_get(entry, "by")), *with = out_text(how(entry));
	char text[32];

	printf("%s  %s  by %s, with %s\n", json_str(entry, "id"), when(entry, text), by && *by ? by : "-", with && *with ? with : "-");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_free_ char *value = out_text(json_object_get(entry, keys[i]));

		if (value && *value)
			printf("    %s: %s\n", keys[i], value);
	}
	if (json_is_array(json_object_get(entry, "changes")))
		change_print_diff(entry);
	else
		printf("what was changed is not kept: it was too large\n");
}

int cmd_audit_show(struct cli *cli, struct err *err)
{
	const char *tenant = rest_wanted(cli, err) < 0 ? NULL : cli_tenant(cli, err);
	_json_ json_t *entry = tenant ? read_entry(cli, tenant, cli->args[0], err) : NULL;

	if (!entry)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(entry);
	else
		print_entry(entry);
	return 0;
}

/* --- undo --- */

static json_t *undo_api(struct cli *cli, const char *tenant, const char *id, bool dry_run, struct err *err)
{
	_json_ json_t *done = NULL;
	char path[REST_URL_MAX], rest[100];

	snprintf(rest, sizeof(rest), "/audit/%s/undo%s", id, dry_run ? "?dry_run=true" : "");
	done = rest_call(cli, "POST", rest_of_tenant(path, tenant, rest), NULL, err);
	return done ? json_pack("{s:s, s:O?, s:n}", "tenant", tenant, "changes", json_object_get(done, "changes"), "warning") : NULL;
}

static json_t *undo_db(struct cli *cli, const char *tenant, const char *id, bool dry_run, struct err *err)
{
	_json_ json_t *entry = cli_db_audit_get(cli, tenant, id, err);
	const json_t *changes = json_object_get(entry, "changes");

	if (entry && !json_is_object(changes))
		err_tag(err, -EBUSY, "conflict", "this cannot be undone: it was too large for its changes to be kept");
	return json_is_object(changes) ? change_undo(cli, tenant, changes, dry_run, err) : NULL;
}

int cmd_undo(struct cli *cli, struct err *err)
{
	const bool dry_run = cli_has(cli, CLI_O_DRY_RUN);
	const char *tenant = rest_wanted(cli, err) < 0 ? NULL : cli_tenant(cli, err), *id = cli->args[0];
	_json_ json_t *entry = tenant ? read_entry(cli, tenant, id, err) : NULL, *report = NULL; /* whatever is wrong with its name is said as by 'audit show' */

	if (!entry)
		return err->code;
	report = cli->rest ? undo_api(cli, tenant, id, dry_run, err) : undo_db(cli, tenant, id, dry_run, err);
	if (!report)
		return err->code;
	change_print(cli, report, dry_run);
	return 0;
}
