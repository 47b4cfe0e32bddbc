// SPDX-License-Identifier: Apache-2.0
/* quota show, quota set: how much a tenant may have, and has; skep-api holds it to that. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/quota.h"
#include "api/role.h"
#include "api/token.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "util/json.h"

static void quota_path(const char *tenant, char path[static TOPO_NAME_MAX + 16])
{
	snprintf(path, TOPO_NAME_MAX + 16, "quota/%.*s", TOPO_NAME_MAX, tenant);
}

static json_int_t tokens_of(const json_t *access, const char *tenant)
{
	json_int_t n = 0;
	const char *path;
	json_t *record;
	struct token t;

	json_object_foreach (json_object_get(access, "records"), path, record)
		n += token_of_record(path, record, &t) && t.kind == TOKEN_BEARER && !strcmp(t.tenant, tenant);
	return n;
}

/* {"objects", "bytes", "tokens", "requests_per_s", "rev"} of the record that there is, or is not. */
static json_t *limits_of(const json_t *access, const char *tenant, struct err *err)
{
	char path[TOPO_NAME_MAX + 16];
	const json_t *record;
	struct quota q;
	json_t *o;

	quota_path(tenant, path);
	record = json_object_get(json_object_get(access, "records"), path);
	quota_defaults(&q);
	if (record && quota_parse(record, &q, err))
		return NULL;
	o = quota_json(&q);
	json_object_set_new(o, "rev", json_integer(json_integer_value(json_object_get(record, "rev"))));
	return o;
}

/* As skep-api tells it. */
static json_t *show_db(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *state = cli_db_read_tenant(cli, tenant, err), *access = state ? cli_db_read(cli, DB_API, err) : NULL;
	struct quota_use use = { 0 };
	json_t *o = access ? limits_of(access, tenant, err) : NULL, *used;

	if (!o)
		return NULL;
	quota_count(json_object_get(state, "records"), &use);
	used = quota_use_json(&use);
	json_object_set_new(used, "tokens", json_integer(tokens_of(access, tenant)));
	json_object_set_new(o, "used", used);
	return o;
}

static json_t *show_api(struct cli *cli, const char *tenant, struct err *err)
{
	char path[REST_URL_MAX];
	json_t *o = rest_call(cli, "GET", rest_of_tenant(path, tenant, "/quota"), NULL, err);

	if (!o && err->code == -ENOENT)
		cli_no_tenant(tenant, err);
	return o;
}

static void print_limit(struct out_table *t, const char *what, const json_t *limit, const json_t *used, bool shows_use)
{
	_free_ char *limit_text = out_text(limit), *used_text = out_text(used);

	out_cell(t, what);
	out_cell(t, limit_text);
	if (shows_use)
		out_cell(t, used_text);
}

/* Of kinds those that there are some of, or fewer than usual may be. */
static void print_quota(const json_t *o)
{
	static const char *const headings[] = { "WHAT", "LIMIT", "USED" }, *const others[] = { "bytes", "tokens", "requests_per_s" };
	const json_t *used = json_object_get(o, "used"), *counts = json_object_get(used, "objects");
	struct out_table *t = out_table_new(headings, used ? 3 : 2);
	const char *kind;
	json_t *limit;

	json_object_foreach (json_object_get(o, "objects"), kind, limit)
		if (json_integer_value(json_object_get(counts, kind)) || json_integer_value(limit) != QUOTA_OBJECTS_DEFAULT)
			print_limit(t, kind, limit, json_object_get(counts, kind), used);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		print_limit(t, others[i], json_object_get(o, others[i]), json_object_get(used, others[i]), used);
	out_table_end(t);
}

int cmd_quota_show(struct cli *cli, struct err *err)
{
	const char *tenant = rest_wanted(cli, err) < 0 ? NULL : cli_tenant(cli, err);
	_json_ json_t *o = !tenant ? NULL : cli->rest ? show_api(cli, tenant, err) : show_db(cli, tenant, err);

	if (!o)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(o);
	else
		print_quota(o);
	return 0;
}

/* --- set --- */

/* "ports=1000", "tokens=default": into the limits. */
static int take_word(json_t *limits, const char *word, struct err *err)
{
	const char *equals = strchr(word, '='), *value = equals ? equals + 1 : "";
	json_t *objects = json_object_get(limits, "objects"), *in = limits;
	char what[40], *end;
	long long n = strtoll(value, &end, 10);
	const bool fallback = !strcmp(value, "default");
	int kind;

	if (!equals || equals - word >= (int)sizeof(what) || (!fallback && (*end || *value < '0' || *value > '9')))
		return err_tag(err, -EINVAL, "usage", "'%.80s' is no limit (want ports=1000, bytes=..., tokens=..., requests_per_s=...; or ...=default)", word);
	snprintf(what, sizeof(what), "%.*s", (int)(equals - word), word);
	if (strcmp(what, "bytes") && strcmp(what, "tokens") && strcmp(what, "requests_per_s")) {
		kind = cli_find_kind(what, err);
		if (kind < 0)
			return kind;
		snprintf(what, sizeof(what), "%s", topo_kind_plural((enum topo_kind)kind));
		in = objects;
	}
	if (fallback)
		(void)json_object_del(in, what);
	else
		json_object_set_new(in, what, json_integer(n));
	return 0;
}

/* Limits may come before the tenant. */
static json_t *present(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *access = NULL;
	char path[REST_URL_MAX];
	json_t *o;

	if (!cli->rest) {
		access = cli_db_read(cli, DB_API, err);
		return access ? limits_of(access, tenant, err) : NULL;
	}
	o = rest_call(cli, "GET", rest_of_tenant(path, tenant, "/quota"), NULL, err);
	if (o || err->code != -ENOENT)
		return o;
	*err = (struct err){ 0 };
	return json_pack("{s:{}}", "objects");
}

/* If it is as it was read. */
static json_t *put_api(struct cli *cli, const char *tenant, const json_t *limits, struct err *err)
{
	const json_t *rev = json_object_get(limits, "rev");
	char path[REST_URL_MAX], condition[64];

	snprintf(condition, sizeof(condition), "If-Match: \"%" JSON_INTEGER_FORMAT "\"", json_integer_value(rev));
	return rest_call_if(cli, rev ? condition : NULL, "PUT", rest_of_tenant(path, tenant, "/quota"), limits, err);
}

static json_t *put_db(struct cli *cli, const char *tenant, const json_t *limits, const json_t *before, struct err *err)
{
	_json_ json_t *changes = NULL, *after = NULL, *access = NULL;
	char path[TOPO_NAME_MAX + 16];
	struct quota q;

	if (quota_parse(limits, &q, err))
		return NULL;
	quota_path(tenant, path);
	after = quota_json(&q);
	changes = json_pack("{s:O}", path, after);
	if (access_commit(cli, changes, &(struct access_entry){ path, before, after, tenant }, err))
		return NULL;
	access = cli_db_read(cli, DB_API, err);
	return access ? limits_of(access, tenant, err) : NULL;
}

int cmd_quota_set(struct cli *cli, struct err *err)
{
	const char *tenant = rest_wanted(cli, err) < 0 ? NULL : cli_tenant(cli, err);
	_json_ json_t *limits = NULL, *before = NULL, *done = NULL;

	if (!tenant)
		return err->code;
	if (!role_tenant_ok(tenant))
		return cli_no_tenant(tenant, err);
	limits = present(cli, tenant, err);
	if (!limits)
		return err->code;
	before = json_deep_copy(limits);
	for (int i = 0; i < cli->n_args; i++)
		if (take_word(limits, cli->args[i], err))
			return err->code;
	done = cli->rest ? put_api(cli, tenant, limits, err) : put_db(cli, tenant, limits, before, err);
	if (!done)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(done);
	else
		print_quota(done);
	return 0;
}
