// SPDX-License-Identifier: Apache-2.0
/* host list (from the state DB) and host leave (asked of the local agent). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "util/json.h"
#include "cli/out.h"
#include "topology/topology.h"

/* Adds to counts {host: n} the bindings of every tenant that the registry names. */
static int count_bindings(struct cli *cli, const json_t *registry, json_t *counts, struct err *err)
{
	_json_ json_t *seen = json_object();
	const char *path, *name;
	json_t *record;

	json_object_foreach((json_t *)registry, path, record)
	{
		_json_ json_t *state = NULL;
		const char *tenant;

		if (strncmp(path, "use/", 4) || !(tenant = strchr(path + 4, '/')) ||
		    json_object_get(seen, ++tenant))
			continue;
		json_object_set_new(seen, tenant, json_true());
		state = cli_db_read(cli, tenant, err);
		if (!state)
			return err->code;
		json_object_foreach(json_object_get(state, "records"), name, record)
		{
			const char *host = json_str(record, "host");

			if (!strncmp(name, "bind/", 5) && host)
				json_object_set_new(counts, host,
						    json_integer(json_integer_value(json_object_get(
									 counts, host)) +
								 1));
		}
	}
	return 0;
}

int cmd_host_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "HOST", "ADDRESS", "STATE", "PORTS" };
	_json_ json_t *space = cli_db_read(cli, DB_HOSTS, err), *leases = NULL,
		      *counts = json_object(), *list = json_array();
	json_t *records, *record;
	struct out_table *t;
	const char *path;
	size_t i;

	if (!space)
		return err->code;
	records = json_object_get(space, "records");
	leases = cli_db_leases(cli, "host/", err);
	if (!leases || count_bindings(cli, records, counts, err))
		return err->code;
	json_object_foreach(records, path, record)
	{
		json_t *ms = json_object_get(leases, path);

		if (strncmp(path, "host/", 5))
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:O*, s:s, s:I, s:O*}", "name", path + 5, "address",
					json_object_get(record, "address"), "state",
					ms ? "alive" : "dead", "ports",
					json_integer_value(json_object_get(counts, path + 5)),
					"lease_ms", ms));
	}
	out_sort(list, "name");
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:O}", "hosts", list);

		out_json(root);
		return 0;
	}
	t = out_table_new(headings, ARRAY_SIZE(headings));
	json_array_foreach(list, i, record)
	{
		out_cell(t, json_str(record, "name"));
		out_cell(t, json_str(record, "address"));
		out_cell(t, json_str(record, "state"));
		out_cellf(t, "%" JSON_INTEGER_FORMAT,
			  json_integer_value(json_object_get(record, "ports")));
	}
	out_table_end(t);
	return 0;
}

int cmd_host_leave(struct cli *cli, struct err *err)
{
	_json_ json_t *result = cli_control_call(cli, json_pack("{s:s}", "cmd", "leave"), err);

	if (!result)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(result);
	else
		printf("the host has left; skepd removes its datapath and exits\n");
	return 0;
}
