// SPDX-License-Identifier: Apache-2.0
/* host list, host remove (in the state DB), and host leave (asked of the local agent). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rest.h"
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
		state = cli->rest ? rest_bindings(cli, tenant, err) : cli_db_read(cli, tenant, err);
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
	_json_ json_t *space = NULL, *leases = NULL, *counts = json_object(), *list = json_array();
	const int rest = rest_wanted(cli, err);
	json_t *records, *record;
	struct out_table *t;
	const char *path;
	size_t i;

	if (rest >= 0)
		space = rest ? rest_registry(cli, err) : cli_db_read(cli, DB_HOSTS, err);
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
					"lease_ms", rest ? NULL : ms));
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

/* --- a host that is gone for good --- */

/* What its agent has published of the tenant -> null; the number of ports that are still bound to it. */
static unsigned int withdraw(const json_t *records, const char *host, json_t *changes)
{
	static const char *const published[] = { "live/", "mac/", "neigh/", "aff/", "natblock/" };
	unsigned int bound = 0;
	const char *path;
	json_t *record;

	json_object_foreach((json_t *)records, path, record) {
		const char *of = json_str(record, "host");

		if (!of || strcmp(of, host))
			continue;
		bound += !strncmp(path, "bind/", 5);
		for (size_t i = 0; i < ARRAY_SIZE(published); i++)
			if (!strncmp(path, published[i], strlen(published[i])))
				json_object_set_new(changes, path, json_null());
	}
	return bound;
}

static int remove_from_tenant(struct cli *cli, const char *tenant, const char *host, unsigned int *bound, struct err *err)
{
	_json_ json_t *changes = json_object(), *done = NULL, *state = cli_db_read(cli, tenant, err);

	if (!state)
		return err->code;
	*bound = withdraw(json_object_get(state, "records"), host, changes);
	if (!json_object_size(changes))
		return 0;
	done = cli_db_put(cli, tenant, host, changes, err);
	return done ? 0 : err->code;
}

/* The tenants that have had ports there; those that still have keep their entry, by which an agent of that name would know of them. */
static int remove_from_tenants(struct cli *cli, const json_t *registry, const char *host, json_t *gone, json_t *left, struct err *err)
{
	const size_t n = strlen(host);
	const char *path;
	json_t *record;

	json_object_foreach((json_t *)registry, path, record) {
		const char *tenant = path + 4 + n + 1;
		unsigned int bound = 0;

		if (strncmp(path, "use/", 4) || strncmp(path + 4, host, n) || path[4 + n] != '/')
			continue;
		if (remove_from_tenant(cli, tenant, host, &bound, err))
			return err->code;
		if (bound)
			json_object_set_new(left, tenant, json_integer(bound));
		else
			json_object_set_new(gone, path, json_null());
	}
	return 0;
}

static void report_removed(const struct cli *cli, const char *host, const json_t *left)
{
	const char *tenant;
	json_t *n;

	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:s, s:O}", "removed", host, "still_bound", left);

		out_json(root);
		return;
	}
	printf("host '%s' is removed\n", host);
	json_object_foreach((json_t *)left, tenant, n)
		printf("tenant '%s' still has ports bound to it: %" JSON_INTEGER_FORMAT " (skep -t %s port list)\n", tenant,
		       json_integer_value(n), tenant);
}

int cmd_host_remove(struct cli *cli, struct err *err)
{
	_json_ json_t *space = cli_db_read(cli, DB_HOSTS, err), *leases = NULL, *done = NULL;
	_json_ json_t *gone = json_object(), *left = json_object();
	char path[TOPO_NAME_MAX + 8];
	const json_t *registry;
	const char *host = cli->args[0];

	if (!space)
		return err->code;
	registry = json_object_get(space, "records");
	leases = cli_db_leases(cli, "host/", err);
	if (!leases)
		return err->code;
	snprintf(path, sizeof(path), "host/%s", host);
	if (!json_object_get(registry, path))
		return err_tag(err, -ENOENT, "no_such_host", "there is no host '%s' ('skep host list' shows those that there are)", host);
	if (json_object_get(leases, path))
		return err_tag(err, -EBUSY, "host_alive", "host '%s' is alive: say 'skep host leave' there, or stop its skepd", host);
	json_object_set_new(gone, path, json_null());
	if (remove_from_tenants(cli, registry, host, gone, left, err))
		return err->code;
	done = cli_db_put(cli, DB_HOSTS, NULL, gone, err);
	if (!done)
		return err->code;
	report_removed(cli, host, left);
	return 0;
}
