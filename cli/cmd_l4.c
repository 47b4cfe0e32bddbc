// SPDX-License-Identifier: Apache-2.0
/* rule list, log watch: policy as this host's agent knows it; member up, down: what a health check found. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rest.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/watch.h"
#include "topology/topology.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* --- rules --- */

int cmd_rule_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "TENANT", "KIND", "NAME", "RULE", "PACKETS",
						"BYTES" };
	_json_ json_t *result =
		cli_control_call(cli,
				 json_pack("{s:s, s:s*, s:s*}", "cmd", "rules", "chain",
					   cli->value[CLI_O_CHAIN_BIT], "tenant",
					   cli->value[CLI_O_TENANT_BIT]),
				 err);
	struct out_table *t;
	const json_t *r;
	size_t i;

	if (!result)
		return err->code;
	if (cli->format == CLI_JSON) {
		out_json(result);
		return 0;
	}
	t = out_table_new(headings, ARRAY_SIZE(headings));
	json_array_foreach (json_object_get(result, "rules"), i, r) {
		out_cell(t, json_str(r, "tenant"));
		out_cell(t, json_str(r, "chain") ? "chain" : "security-group");
		out_cell(t, json_str(r, "chain") ?: json_str(r, "security_group"));
		out_cell(t, json_str(r, "rule"));
		out_cellf(t, "%lld", number(r, "packets"));
		out_cellf(t, "%lld", number(r, "bytes"));
	}
	out_table_end(t);
	return 0;
}

/* --- log --- */

#define LOG_ROW "%-8s  %-12s  %-24s  %-8s  %s\n"

static void print_log_heading(void)
{
	printf("%s" LOG_ROW "%s", out_style(stdout, OUT_BOLD), "TIME", "PORT", "RULE", "ACTION",
	       "PACKET", out_style(stdout, OUT_PLAIN));
	fflush(stdout);
}

static void print_log(const json_t *event)
{
	const char *port = json_str(event, "port"), *packet = json_str(event, "packet");
	char clock[16], rule[160];

	watch_clock(event, clock);
	snprintf(rule, sizeof(rule), "%s/%s", json_str(event, "chain"), json_str(event, "rule"));
	printf(LOG_ROW, clock, port && *port ? port : "-", rule, json_str(event, "action"),
	       packet ? packet : "-");
	fflush(stdout);
}

int cmd_log_watch(struct cli *cli, struct err *err)
{
	static const struct watch log = {
		.cmd = "log",
		.key = "rule",
		.what = "matches",
		.heading = print_log_heading,
		.row = print_log,
	};

	return watch_run(cli, &log, err);
}

/* --- members' health --- */

static int set_health(struct cli *cli, bool up, struct err *err)
{
	const char *name = cli->args[0], *tenant = cli_tenant(cli, err);
	char member[TOPO_NAME_MAX + 16], path[TOPO_NAME_MAX + 16];
	_json_ json_t *state = NULL, *changes = NULL, *done = NULL;

	state = tenant ? cli_db_read_kind(cli, tenant, TOPO_MEMBER, name, err) : NULL;
	if (!state)
		return err->code;
	snprintf(member, sizeof(member), "member/%.*s", TOPO_NAME_MAX, name);
	snprintf(path, sizeof(path), "health/%.*s", TOPO_NAME_MAX, name);
	if (!json_object_get(json_object_get(state, "records"), member))
		return err_tag(err, -ENOENT, "no_such_member",
			       "tenant '%s' has no member '%s' ('skep get members' shows those it has)",
			       tenant, name);
	changes = json_pack("{s:{s:b}}", path, "up", up);
	if (changes)
		done = cli->rest ? rest_set_health(cli, tenant, name, up, err) : cli_db_put(cli, tenant, NULL, changes, err);
	if (!done)
		return err->code ? err->code : err_set(err, -ENOMEM, "out of memory");
	if (cli->format == CLI_JSON)
		out_json(changes);
	else
		printf("member/%s %s\n", name, up ? "up" : "down");
	return 0;
}

int cmd_member_up(struct cli *cli, struct err *err)
{
	return set_health(cli, true, err);
}

int cmd_member_down(struct cli *cli, struct err *err)
{
	return set_health(cli, false, err);
}
