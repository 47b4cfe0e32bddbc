// SPDX-License-Identifier: Apache-2.0
/* token create, list, revoke: tokens of the REST API; straight from and to the state DB, for who has its credentials, or by way of the API. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/role.h"
#include "api/token.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "util/cleanup.h"
#include "util/json.h"

static void print_made(const struct cli *cli, const json_t *shown)
{
	if (cli->format == CLI_JSON)
		out_json(shown);
	else
		puts(json_str(shown, "token") ? json_str(shown, "token") : "");
}

/* What is wrong may be that the tenant is not there. */
static int explain_tenant(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *there = NULL;
	char path[REST_URL_MAX];
	struct err why = { 0 };

	there = rest_call(cli, "GET", rest_of_tenant(path, tenant, ""), NULL, &why);
	return !there && why.code == -ENOENT ? cli_no_tenant(tenant, err) : err->code;
}

static bool is_of_tenant(const char *role)
{
	int r = api_role_find(role);

	return r < 0 || role_has_tenant((enum api_role)r);
}

/* A context's tenant is not that of an operator or monitor. */
static int create_over_api(struct cli *cli, json_t *want, struct err *err)
{
	_json_ json_t *shown = NULL;

	if (!json_str(want, "tenant") && is_of_tenant(json_str(want, "role")) && cli->value[CLI_O_TENANT_BIT])
		json_object_set_new(want, "tenant", json_string(cli->value[CLI_O_TENANT_BIT]));
	shown = rest_call(cli, "POST", "/api/v1/tokens", want, err);
	if (!shown)
		return err->code == -EINVAL && json_str(want, "tenant") ? explain_tenant(cli, json_str(want, "tenant"), err) : err->code;
	print_made(cli, shown);
	return 0;
}

static bool tenant_is_there(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *state = cli_db_read_tenant(cli, tenant, err);

	return state;
}

int cmd_token_create(struct cli *cli, struct err *err)
{
	const char *tenant = cli->value[CLI_O_TENANT_BIT], *seconds = cli->n_args > 2 ? cli->args[2] : NULL;
	_json_ json_t *want = json_pack("{s:s, s:s, s:s*, s:b}", "name", cli->args[0], "role", cli->args[1], "tenant", tenant, "read_only",
					cli_has(cli, CLI_O_READ_ONLY));
	const int rest = rest_wanted(cli, err);
	_json_ json_t *changes = NULL, *shown = NULL;
	char text[TOKEN_TEXT], path[TOKEN_PATH], *end;
	struct token t;

	if (seconds) {
		json_object_set_new(want, "expires_s", json_integer(strtoll(seconds, &end, 10)));
		if (*end || !*seconds)
			return err_tag(err, -EINVAL, "usage", "'%.40s' is not a number of seconds", seconds);
	}
	if (rest)
		return rest < 0 ? rest : create_over_api(cli, want, err);
	if (token_of_request(want, (int64_t)time(NULL), &t, err) || (*t.tenant && !tenant_is_there(cli, t.tenant, err)))
		return err->code;
	if (!token_make(&t, text))
		return err_set(err, -EIO, "there are no random bits");
	snprintf(t.by, sizeof(t.by), "skep");
	token_path(TOKEN_BEARER, t.id, path);
	changes = json_pack("{s:o}", path, token_record(&t));
	shown = token_public(&t);
	if (access_commit(cli, changes, &(struct access_entry){ path, NULL, shown, t.tenant }, err))
		return err->code;
	json_object_set_new(shown, "token", json_string(text));
	print_made(cli, shown);
	return 0;
}

static void cell_time(struct out_table *table, const json_t *token, const char *key, const char *none)
{
	char text[32] = "";
	struct tm tm;
	time_t t = (time_t)json_integer_value(json_object_get(token, key));

	if (t && gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	out_cell(table, t ? text : none);
}

/* As token_public() shows them. */
static json_t *tokens_of_db(struct cli *cli, struct err *err)
{
	_json_ json_t *state = cli_db_read(cli, DB_API, err), *list = json_array();
	const json_t *records = json_object_get(state, "records");
	const char *path;
	char used[TOKEN_PATH];
	json_t *record;
	struct token t;

	if (!state)
		return NULL;
	json_object_foreach ((json_t *)records, path, record) {
		if (!token_of_record(path, record, &t) || t.kind != TOKEN_BEARER)
			continue;
		snprintf(used, sizeof(used), "used/%s", t.id);
		t.used_s = json_integer_value(json_object_get(json_object_get(records, used), "at"));
		json_array_append_new(list, token_public(&t));
	}
	return TAKE_PTR(list);
}

static json_t *tokens_of_tenant_only(const json_t *all, const char *tenant)
{
	json_t *list = json_array(), *t;
	size_t i;

	json_array_foreach (all, i, t)
		if (!tenant || (json_str(t, "tenant") && !strcmp(json_str(t, "tenant"), tenant)))
			json_array_append(list, t);
	return list;
}

int cmd_token_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "ID", "NAME", "ROLE", "TENANT", "READ ONLY", "CREATED BY", "CREATED", "EXPIRES",
						"LAST USED" };
	const char *tenant = cli->value[CLI_O_TENANT_BIT]; /* as it was said: not a context's */
	const int rest = rest_wanted(cli, err);
	_json_ json_t *all = rest < 0 ? NULL : rest ? rest_tokens(cli, err) : tokens_of_db(cli, err), *list = NULL;
	struct out_table *table;
	const json_t *t;
	size_t i;

	if (!all)
		return err->code;
	list = tokens_of_tenant_only(all, tenant);
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:O}", "tokens", list);

		out_json(root);
		return 0;
	}
	table = out_table_new(headings, ARRAY_SIZE(headings));
	json_array_foreach (list, i, t) {
		out_cell(table, json_str(t, "id"));
		out_cell(table, json_str(t, "name"));
		out_cell(table, json_str(t, "role"));
		out_cell(table, json_str(t, "tenant"));
		out_cell(table, json_is_true(json_object_get(t, "read_only")) ? "yes" : "no");
		out_cell(table, json_str(t, "created_by"));
		cell_time(table, t, "created", "-");
		cell_time(table, t, "expires", "never");
		cell_time(table, t, "last_used", "-");
	}
	out_table_end(table);
	return 0;
}

static int revoke_over_api(struct cli *cli, const char *id, struct err *err)
{
	_json_ json_t *done = NULL;
	char path[TOKEN_ID + 32];

	if (strlen(id) != TOKEN_ID - 1 || id[strspn(id, "0123456789abcdef")])
		return err_set(err, -ENOENT, "there is no token '%.40s' (skep token list shows ids)", id);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s", id);
	done = rest_call(cli, "DELETE", path, NULL, err);
	return done ? 0 : err->code;
}

static void print_revoked(const struct cli *cli, const char *id)
{
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:s}", "revoked", id);

		out_json(root);
	} else {
		printf("token %s revoked\n", id);
	}
}

static int revoke_in_db(struct cli *cli, const char *id, struct err *err)
{
	_json_ json_t *state = cli_db_read(cli, DB_API, err), *changes = NULL, *shown = NULL;
	const json_t *records = json_object_get(state, "records");
	const char *path;
	char own[TOKEN_PATH], used[TOKEN_PATH];
	json_t *record;
	struct token t;

	if (!state)
		return err->code;
	token_path(TOKEN_BEARER, id, own);
	record = json_object_get(records, own);
	if (strlen(id) != TOKEN_ID - 1 || !record)
		return err_set(err, -ENOENT, "there is no token '%.40s' (skep token list shows ids)", id);
	if (token_of_record(own, record, &t))
		shown = token_public(&t);
	snprintf(used, sizeof(used), "used/%s", id);
	changes = json_pack("{s:n, s:n}", own, used);
	json_object_foreach ((json_t *)records, path, record)
		if (strncmp(path, "session/", 8) == 0 && json_str(record, "parent") && strcmp(json_str(record, "parent"), id) == 0)
			json_object_set_new(changes, path, json_null());
	return access_commit(cli, changes, &(struct access_entry){ own, shown, NULL, shown ? t.tenant : "" }, err);
}

int cmd_token_revoke(struct cli *cli, struct err *err)
{
	const char *id = cli->args[0];
	int rc = rest_wanted(cli, err);

	if (rc >= 0)
		rc = rc ? revoke_over_api(cli, id, err) : revoke_in_db(cli, id, err);
	if (!rc)
		print_revoked(cli, id);
	return rc;
}
