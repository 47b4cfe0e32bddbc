// SPDX-License-Identifier: Apache-2.0
/* status, drop watch: what only the host's own agent can tell, through its control socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/watch.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* --- drops --- */

#define DROP_ROW "%-8s  %s%-12s%s  %-10s  %-44s  %s\n"

static void print_drop_heading(void)
{
	printf("%s" DROP_ROW "%s", out_style(stdout, OUT_BOLD), "TIME", "", "REASON", "", "PORT",
	       "BECAUSE OF", "PACKET", out_style(stdout, OUT_PLAIN));
	fflush(stdout);
}

static void print_drop(const json_t *drop)
{
	const char *port = json_str(drop, "port"), *culprit = json_str(drop, "culprit");
	const char *packet = json_str(drop, "packet"), *help = json_str(drop, "help");
	char clock[16];

	watch_clock(drop, clock);
	if (!culprit || !*culprit)
		culprit = help ? help : "-";
	printf(DROP_ROW, clock, out_style(stdout, OUT_RED), json_str(drop, "reason"),
	       out_style(stdout, OUT_PLAIN), port && *port ? port : "-", culprit,
	       packet ? packet : "-");
	fflush(stdout);
}

int cmd_drop_watch(struct cli *cli, struct err *err)
{
	static const struct watch drops = {
		.cmd = "drops",
		.key = "reason",
		.what = "drops",
		.heading = print_drop_heading,
		.row = print_drop,
	};

	return watch_run(cli, &drops, err);
}

/* --- status --- */

static void print_ports(const json_t *ports)
{
	static const char *const headings[] = { "PORT", "TENANT", "INTERFACE", "KEY", "STATE" };
	struct out_table *t = out_table_new(headings, ARRAY_SIZE(headings));
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		out_cell(t, json_str(port, "port"));
		out_cell(t, json_str(port, "tenant"));
		out_cell(t, json_str(port, "interface"));
		out_cellf(t, "%lld", number(port, "key"));
		out_cell(t, json_str(port, "state"));
	}
	out_table_end(t);
}

static void print_peers(const json_t *peers)
{
	static const char *const headings[] = { "PEER", "ADDRESS" };
	struct out_table *t = out_table_new(headings, ARRAY_SIZE(headings));
	const json_t *peer;
	size_t i;

	json_array_foreach (peers, i, peer) {
		out_cell(t, json_str(peer, "host"));
		out_cell(t, json_str(peer, "address"));
	}
	out_table_end(t);
}

/* "policy 3, ttl 1": what is not zero. */
static void print_counts(const char *title, const json_t *counts)
{
	const char *name;
	json_t *value;
	bool first = true;

	json_object_foreach ((json_t *)counts, name, value) {
		if (!json_integer_value(value))
			continue;
		printf("%s%s %" JSON_INTEGER_FORMAT, first ? title : ", ", name,
		       json_integer_value(value));
		first = false;
	}
	if (!first)
		putchar('\n');
}

static void print_pressure(const json_t *list)
{
	const json_t *p;
	size_t i;

	json_array_foreach (list, i, p)
		printf("%spressure%s    %s %lld of %lld\n", out_style(stdout, OUT_YELLOW), out_style(stdout, OUT_PLAIN),
		       json_str(p, "what"), number(p, "used"), number(p, "max"));
}

int cmd_status(struct cli *cli, struct err *err)
{
	_json_ json_t *s = cli_control_call(cli, json_pack("{s:s}", "cmd", "status"), err);
	const json_t *db, *dp, *warning;
	const char *trouble;
	bool connected;
	size_t i;

	if (!s)
		return err->code;
	if (cli->format == CLI_JSON) {
		out_json(s);
		return 0;
	}
	db = json_object_get(s, "db");
	dp = json_object_get(s, "datapath");
	connected = json_is_true(json_object_get(db, "connected"));
	trouble = json_str(db, "error");
	printf("host        %s%s%s, skepd %s, pid %lld, up %lld s\n", out_style(stdout, OUT_BOLD),
	       json_str(s, "host"), out_style(stdout, OUT_PLAIN), json_str(s, "version"),
	       number(s, "pid"), number(s, "uptime_s"));
	printf("state DB    %s, %s%s%s%s%s\n", json_str(db, "mode"),
	       out_style(stdout, connected ? OUT_GREEN : OUT_RED),
	       connected ? "connected" : "not connected", out_style(stdout, OUT_PLAIN),
	       trouble && !connected ? ": " : "", trouble && !connected ? trouble : "");
	if (dp) {
		const char *device = json_str(dp, "tunnel_device");

		printf("datapath    %s, hook %s, xdp %s, tunnel device %s\n", json_str(dp, "version"), json_str(dp, "hook"),
		       json_str(dp, "xdp"), device ? device : "none");
	}
	json_array_foreach (json_object_get(dp, "warnings"), i, warning)
		printf("%swarning%s     %s\n", out_style(stdout, OUT_YELLOW),
		       out_style(stdout, OUT_PLAIN), json_string_value(warning));
	printf("flows       %lld, simulations %lld, answers %lld\n", number(s, "flows"),
	       number(s, "simulations"), number(s, "answers"));
	print_pressure(json_object_get(s, "pressure"));
	print_counts("packets     ", json_object_get(s, "counters"));
	print_counts("drops       ", json_object_get(s, "drops"));
	if (json_array_size(json_object_get(s, "ports"))) {
		putchar('\n');
		print_ports(json_object_get(s, "ports"));
	}
	if (json_array_size(json_object_get(s, "peers"))) {
		putchar('\n');
		print_peers(json_object_get(s, "peers"));
	}
	return 0;
}
