// SPDX-License-Identifier: Apache-2.0
/* tenant show, create, delete: a tenant as a whole.  What a tenant's end takes along (tokens, quota, keys) is skep-api's business. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/quota.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "topology/schema.h"
#include "util/json.h"

#define ABOUT "info/tenant" /* what skep-api has written of it */

/* Does it have anything, or is it only that its name was not forgotten? */
static bool is_there(const json_t *info, const json_t *counts)
{
	const char *kind;
	json_t *n;

	if (!json_is_true(json_object_get(info, "deleted")))
		return true;
	json_object_foreach ((json_t *)counts, kind, n)
		if (json_integer_value(n))
			return true;
	return false;
}

/* As skep-api tells it. */
static json_t *show_db(struct cli *cli, const char *tenant, struct err *err)
{
	_json_ json_t *state = cli_db_read_tenant(cli, tenant, err), *use = NULL;
	const json_t *records = json_object_get(state, "records"), *info = json_object_get(records, ABOUT);
	struct quota_use count = { 0 };

	if (!state)
		return NULL;
	quota_count(records, &count);
	use = quota_use_json(&count);
	if (!is_there(info, json_object_get(use, "objects"))) {
		cli_no_tenant(tenant, err);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:O?, s:O}", "name", tenant, "description", json_str(info, "description") ? json_str(info, "description") : "",
			 "revision", json_object_get(state, "crev"), "objects", json_object_get(use, "objects"));
}

static json_t *show_api(struct cli *cli, const char *tenant, struct err *err)
{
	char path[REST_URL_MAX];
	json_t *o = rest_call(cli, "GET", rest_of_tenant(path, tenant, ""), NULL, err);

	if (!o && err->code == -ENOENT)
		cli_no_tenant(tenant, err);
	return o;
}

static void print_tenant(const json_t *o)
{
	static const char *const headings[] = { "KIND", "OBJECTS" };
	_free_ char *description = out_text(json_object_get(o, "description"));
	struct out_table *t;
	const char *kind;
	json_t *n;

	printf("tenant %s%s%s, revision %" JSON_INTEGER_FORMAT "\n", json_str(o, "name"), description && *description ? ": " : "",
	       description ? description : "", json_integer_value(json_object_get(o, "revision")));
	t = out_table_new(headings, ARRAY_SIZE(headings));
	json_object_foreach (json_object_get(o, "objects"), kind, n) {
		if (!json_integer_value(n))
			continue;
		out_cell(t, kind);
		out_cellf(t, "%" JSON_INTEGER_FORMAT, json_integer_value(n));
	}
	out_table_end(t);
}

int cmd_tenant_show(struct cli *cli, struct err *err)
{
	const int rest = rest_wanted(cli, err);
	_json_ json_t *o = rest < 0 ? NULL : rest ? show_api(cli, cli->args[0], err) : show_db(cli, cli->args[0], err);

	if (!o)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(o);
	else
		print_tenant(o);
	return 0;
}

int cmd_tenant_create(struct cli *cli, struct err *err)
{
	const char *tenant = cli->args[0];
	_json_ json_t *body = json_pack("{s:s}", "description", cli->n_args > 1 ? cli->args[1] : ""), *made = NULL;
	char path[REST_URL_MAX];

	if (rest_needed(cli, "in the state DB, 'skep apply' makes a tenant with its first object", err))
		return err->code;
	if (!topo_name_valid(tenant))
		return err_tag(err, -EINVAL, "usage", "'%.80s' is not a name (want 1 to %d letters, digits, '.', '_', '-')", tenant, TOPO_NAME_MAX);
	made = rest_call_if(cli, "If-None-Match: *", "PUT", rest_of_tenant(path, tenant, ""), body, err);
	if (!made) /* whose token is of a tenant is told of no other */
		return err->code == -ENOENT ? err_tag(err, -EPERM, "forbidden", "tenant '%.80s' is for an operator to make", tenant) : err->code;
	if (cli->format == CLI_JSON)
		out_json(made);
	else
		printf("tenant '%s' created\n", tenant);
	return 0;
}

int cmd_tenant_delete(struct cli *cli, struct err *err)
{
	const char *tenant = cli->args[0];
	_json_ json_t *gone = NULL, *root = NULL;
	char path[REST_URL_MAX];

	if (rest_needed(cli, "tokens and quota go with it", err))
		return err->code;
	gone = rest_call(cli, "DELETE", rest_of_tenant(path, tenant, cli_has(cli, CLI_O_RECURSIVE) ? "?recursive=true" : ""), NULL, err);
	if (!gone) {
		if (err->code == -ENOENT)
			return cli_no_tenant(tenant, err);
		return err->code == -EBUSY && !cli_has(cli, CLI_O_RECURSIVE) ? err_tag(err, -EBUSY, err->tag, "tenant '%s' has objects (--recursive deletes them)", tenant) : err->code;
	}
	if (cli->format == CLI_JSON) {
		root = json_pack("{s:s}", "deleted", tenant);
		out_json(root);
	} else {
		printf("tenant '%s' deleted\n", tenant);
	}
	return 0;
}
