// SPDX-License-Identifier: Apache-2.0
/* conn list: connections of this host's ports, as its agent knows them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/top.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

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

/* "vm3", "vm3@h2", "" */
static void other_end(const json_t *conn, char *buf, size_t size)
{
	const char *port = json_str(conn, "other_port"), *host = json_str(conn, "other_host");
	const char *here = json_str(conn, "host");
	bool far = host && (!here || strcmp(host, here) != 0);

	snprintf(buf, size, "%s%s%s", port ? port : "", far ? "@" : "", far ? host : "");
}

/* --- columns: those of which nothing is known are left out --- */

static void cell_port(struct out_table *t, const json_t *c)
{
	out_cell(t, json_str(c, "port"));
}

static void cell_tenant(struct out_table *t, const json_t *c)
{
	out_cell(t, json_str(c, "tenant"));
}

static void cell_proto(struct out_table *t, const json_t *c)
{
	out_cell(t, json_str(c, "proto"));
}

static void cell_src(struct out_table *t, const json_t *c)
{
	char text[80];

	endpoint(c, "src", "sport", text, sizeof(text));
	out_cell(t, text);
}

static void cell_dst(struct out_table *t, const json_t *c)
{
	char text[80];

	endpoint(c, "dst", "dport", text, sizeof(text));
	out_cell(t, text);
}

static void cell_state(struct out_table *t, const json_t *c)
{
	out_cell(t, json_str(c, "state"));
}

static void cell_side(struct out_table *t, const json_t *c)
{
	out_cell(t, json_str(c, "direction"));
}

static void cell_other(struct out_table *t, const json_t *c)
{
	char text[300];

	other_end(c, text, sizeof(text));
	out_cell(t, text);
}

static void cell_nat(struct out_table *t, const json_t *c)
{
	char text[512];

	nat_text(c, text, sizeof(text));
	out_cell(t, text);
}

static void cell_packets(struct out_table *t, const json_t *c)
{
	out_cellf(t, "%lld", number(c, "packets"));
}

static void cell_age(struct out_table *t, const json_t *c)
{
	char text[32];

	out_cell(t, top_age(number(c, "age_ms") / 1000, text));
}

static void cell_idle(struct out_table *t, const json_t *c)
{
	out_cellf(t, "%.1fs", (double)number(c, "idle_ms") / 1000);
}

static void cell_left(struct out_table *t, const json_t *c)
{
	char text[32];

	out_cell(t, top_age(number(c, "left_s"), text));
}

static const struct {
	const char *heading;
	void (*cell)(struct out_table *t, const json_t *c);
	const char *needs; /* a field that not all agents tell; NULL = always shown */
} columns[] = {
	{ "TENANT", cell_tenant, "several" },
	{ "PORT", cell_port, NULL },
	{ "PROTO", cell_proto, NULL },
	{ "SOURCE", cell_src, NULL },
	{ "DESTINATION", cell_dst, NULL },
	{ "STATE", cell_state, NULL },
	{ "SIDE", cell_side, NULL },
	{ "OTHER END", cell_other, NULL },
	{ "NAT", cell_nat, NULL },
	{ "PACKETS", cell_packets, "packets" },
	{ "AGE", cell_age, "age_ms" },
	{ "IDLE", cell_idle, NULL },
	{ "LEFT", cell_left, NULL },
};

static bool has(const json_t *conns, const char *field)
{
	const char *tenant = json_str(json_array_get(conns, 0), "tenant");
	const json_t *c;
	size_t i;

	json_array_foreach (conns, i, c) {
		const char *name = json_str(c, "tenant");

		if (strcmp(field, "several") ? json_object_get(c, field) != NULL :
					       tenant && name && strcmp(tenant, name) != 0)
			return true;
	}
	return false;
}

static void print_conns(const json_t *conns)
{
	const char *headings[ARRAY_SIZE(columns)];
	size_t shown[ARRAY_SIZE(columns)], n = 0, i;
	struct out_table *t;
	const json_t *c;

	for (i = 0; i < ARRAY_SIZE(columns); i++)
		if (!columns[i].needs || has(conns, columns[i].needs)) {
			headings[n] = columns[i].heading;
			shown[n++] = i;
		}
	t = out_table_new(headings, (unsigned int)n);
	json_array_foreach (conns, i, c)
		for (size_t k = 0; k < n; k++)
			columns[shown[k]].cell(t, c);
	out_table_end(t);
}

int cmd_conn_list(struct cli *cli, struct err *err)
{
	json_t *request = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*}", "cmd", "conns", "port",
				    cli->value[CLI_O_PORT_BIT], "tenant",
				    cli->value[CLI_O_TENANT_BIT], "state",
				    cli->value[CLI_O_STATE_BIT], "proto",
				    cli->value[CLI_O_PROTO_BIT], "address",
				    cli->value[CLI_O_ADDRESS_BIT]);
	_json_ json_t *result = NULL;

	if (cli->limit)
		json_object_set_new(request, "limit", json_integer((json_int_t)cli->limit));
	result = cli_control_call(cli, request, err);
	if (!result)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(result);
	else
		print_conns(json_object_get(result, "conns"));
	if (json_is_true(json_object_get(result, "truncated")) && !cli->limit)
		fprintf(stderr,
			"skep: there are more connections than are shown (narrow it with --port, --state or --address)\n");
	return 0;
}
