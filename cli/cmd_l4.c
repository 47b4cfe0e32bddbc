// SPDX-License-Identifier: Apache-2.0
/* conn list, rule list, log watch: connections and policy as this host's agent knows them; member up, down: what a health check found. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/out.h"
#include "cli/watch.h"
#include "topology/topology.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* --- connections --- */

#define ECHO_4 (8 << 8) /* where an echo's other end has its id: simulator/simulator.h */
#define ECHO_6 (128 << 8)

/* "10.0.0.1:80", "[fd00::1]:80", "10.0.0.1", "10.0.0.1 id 7" */
static void endpoint(const json_t *conn, const char *address, const char *port, char *buf, size_t size)
{
	const char *a = json_str(conn, address);
	const char *proto = json_str(conn, "proto");
	bool v6 = a && strchr(a, ':'), icmp = proto && !strncmp(proto, "icmp", 4);
	long long n = number(conn, port);

	if (icmp && (n == ECHO_4 || n == ECHO_6))
		snprintf(buf, size, "%s", a ? a : "?");
	else if (icmp)
		snprintf(buf, size, "%s id %lld", a ? a : "?", n);
	else if (json_object_get(conn, port))
		snprintf(buf, size, "%s%s%s:%lld", v6 ? "[" : "", a ? a : "?", v6 ? "]" : "", n);
	else
		snprintf(buf, size, "%s", a ? a : "?");
}

/* "dst 203.0.113.9:80 > 10.0.0.5:8080 (web1)", for each binding. */
static void nat_text(const json_t *conn, char *buf, size_t size)
{
	const json_t *b;
	size_t n = 0, i;

	buf[0] = 0;
	json_array_foreach (json_object_get(conn, "nat"), i, b) {
		const char *member = json_str(b, "member");

		if (n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s %s > %s%s%s%s", i ? ", " : "",
					      json_str(b, "end"), json_str(b, "from"), json_str(b, "to"),
					      member ? " (" : "", member ? member : "",
					      member ? ")" : "");
	}
}

static void print_conns(const json_t *conns)
{
	static const char *const headings[] = { "PORT", "PROTO", "SOURCE", "DESTINATION",
						"STATE", "SIDE",  "NAT",    "IDLE" };
	struct out_table *t = out_table_new(headings, ARRAY_SIZE(headings));
	const json_t *c;
	size_t i;

	json_array_foreach (conns, i, c) {
		char src[80], dst[80], nat[512];

		endpoint(c, "src", "sport", src, sizeof(src));
		endpoint(c, "dst", "dport", dst, sizeof(dst));
		nat_text(c, nat, sizeof(nat));
		out_cell(t, json_str(c, "port"));
		out_cell(t, json_str(c, "proto"));
		out_cell(t, src);
		out_cell(t, dst);
		out_cell(t, json_str(c, "state"));
		out_cell(t, json_str(c, "direction"));
		out_cell(t, *nat ? nat : NULL);
		out_cellf(t, "%.1fs", (double)number(c, "idle_ms") / 1000);
	}
	out_table_end(t);
}

int cmd_conn_list(struct cli *cli, struct err *err)
{
	_json_ json_t *result =
		cli_control_call(cli,
				 json_pack("{s:s, s:s*, s:s*}", "cmd", "conns", "port",
					   cli->value[CLI_O_PORT_BIT], "tenant",
					   cli->value[CLI_O_TENANT_BIT]),
				 err);

	if (!result)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(result);
	else
		print_conns(json_object_get(result, "conns"));
	if (json_is_true(json_object_get(result, "truncated")))
		fprintf(stderr,
			"skep: there are more connections than are shown (narrow it with --port)\n");
	return 0;
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

	state = tenant ? cli_db_read_tenant(cli, tenant, err) : NULL;
	if (!state)
		return err->code;
	snprintf(member, sizeof(member), "member/%.*s", TOPO_NAME_MAX, name);
	snprintf(path, sizeof(path), "health/%.*s", TOPO_NAME_MAX, name);
	if (!json_object_get(json_object_get(state, "records"), member))
		return err_tag(err, -ENOENT, "no_such_member",
			       "tenant '%s' has no member '%s' ('skep get members' shows those it has)",
			       tenant, name);
	changes = json_pack("{s:{s:b}}", path, "up", up);
	done = changes ? cli_db_put(cli, tenant, changes, err) : NULL;
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
