// SPDX-License-Identifier: Apache-2.0
/* context list, use, remove, and logout: what 'skep login' has remembered. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/contexts.h"
#include "cli/out.h"
#include "util/json.h"

int cmd_context_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "CURRENT", "NAME", "API", "TENANT", "TOKEN" };
	_json_ json_t *list = context_list(err);
	struct out_table *t;
	const json_t *c;
	size_t i;

	if (!list)
		return err->code;
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:O}", "contexts", list);

		out_json(root);
		return 0;
	}
	t = out_table_new(headings, ARRAY_SIZE(headings));
	json_array_foreach (list, i, c) {
		out_cell(t, json_is_true(json_object_get(c, "current")) ? "*" : NULL);
		out_cell(t, json_str(c, "name"));
		out_cell(t, json_str(c, "api"));
		out_cell(t, json_str(c, "tenant"));
		out_cell(t, json_is_true(json_object_get(c, "token")) ? "yes" : "no");
	}
	out_table_end(t);
	return 0;
}

static int told(const struct cli *cli, const char *what, const char *name)
{
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:s?}", what, name);

		out_json(root);
	} else {
		printf("context%s%s%s %s\n", name ? " '" : "", name ? name : "", name ? "'" : "", what);
	}
	return 0;
}

int cmd_context_use(struct cli *cli, struct err *err)
{
	return context_use(cli->args[0], err) ? err->code : told(cli, "used", cli->args[0]);
}

int cmd_context_remove(struct cli *cli, struct err *err)
{
	return context_remove(cli->args[0], err) ? err->code : told(cli, "removed", cli->args[0]);
}

int cmd_logout(struct cli *cli, struct err *err)
{
	const char *name = cli->n_args ? cli->args[0] : NULL;

	return context_remove(name, err) ? err->code : told(cli, "removed", name);
}
