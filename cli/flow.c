// SPDX-License-Identifier: Apache-2.0
/* flow list, flow flush: what the datapath of this host does with which packets, as its agent knows. */
#include "cli/flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/top.h"

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* --- in words --- */

const char *flow_packets(const json_t *flow)
{
	const char *match = json_str(flow, "match"), *packet = json_str(flow, "packet");

	return match ? match : packet ? packet : "?";
}

void flow_outcome(const json_t *flow, const char *here, char *buf, size_t size)
{
	const char *action = json_str(flow, "action"), *culprit = json_str(flow, "culprit");
	const json_t *output;
	size_t n = 0, i;

	if (action && !strcmp(action, "drop")) {
		const char *reason = json_str(flow, "reason");

		snprintf(buf, size, "drop: %s%s%s", reason ? reason : "?",
			 culprit && *culprit ? ", " : "", culprit ? culprit : "");
		return;
	}
	snprintf(buf, size, "%s", action ? action : "?");
	json_array_foreach (json_object_get(flow, "output"), i, output) {
		const char *port = json_str(output, "port"), *host = json_str(output, "host");
		bool far = host && *host && (!here || strcmp(host, here) != 0);

		if (n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s%s%s", i ? ", " : "",
					      port ? port : "?", far ? "@" : "", far ? host : "");
	}
}

static const char *age(const json_t *flow, char buf[static 32])
{
	return top_age(number(flow, "age_ms") / 1000, buf);
}

/* Are there flows of more than one tenant? */
static bool several_tenants(const json_t *flows)
{
	const char *first = json_str(json_array_get(flows, 0), "tenant");
	const json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		const char *tenant = json_str(flow, "tenant");

		if (tenant && first && strcmp(tenant, first) != 0)
			return true;
	}
	return false;
}

static void print_flows(const json_t *flows)
{
	static const char *const headings[] = { "TENANT",  "PORT",  "PACKET", "TO",  "PACKETS",
						"BYTES",   "PKT/s", "AGE",    "IDLE" };
	bool tenants = several_tenants(flows);
	struct out_table *t = tenants ? out_table_new(headings, ARRAY_SIZE(headings)) :
					out_table_new(headings + 1, ARRAY_SIZE(headings) - 1);
	const json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		char outcome[512], text[32];

		flow_outcome(flow, NULL, outcome, sizeof(outcome));
		if (tenants)
			out_cell(t, json_str(flow, "tenant"));
		out_cell(t, json_str(flow, "port"));
		out_cell(t, flow_packets(flow));
		out_cell(t, outcome);
		out_cellf(t, "%lld", number(flow, "packets"));
		out_cellf(t, "%lld", number(flow, "bytes"));
		out_cell(t, top_human(real(flow, "pps"), text));
		out_cell(t, age(flow, text));
		out_cellf(t, "%.1fs", (double)number(flow, "idle_ms") / 1000);
	}
	out_table_end(t);
}

/* --verbose: some lines for each. */
static void print_flow(const json_t *flow)
{
	const char *mask = json_str(flow, "mask"), *port = json_str(flow, "port");
	const char *tenant = json_str(flow, "tenant"), *packet = json_str(flow, "packet");
	bool wild = json_object_get(flow, "match");
	const json_t *tag;
	char outcome[512], text[32], bits[16];
	size_t i;

	flow_outcome(flow, NULL, outcome, sizeof(outcome));
	printf("%s%s%s\n", out_style(stdout, OUT_BOLD), flow_packets(flow),
	       out_style(stdout, OUT_PLAIN));
	if (wild)
		printf("  made for %s\n", packet ? packet : "?");
	printf("  from     %s of tenant %s\n", port ? port : "-", tenant ? tenant : "-");
	printf("  to       %s\n", outcome);
	printf("  mask     %s\n", mask ? mask : "exact");
	printf("  carried  %lld packets, %lld bytes; %s packets/s, %s bit/s\n",
	       number(flow, "packets"), number(flow, "bytes"), top_human(real(flow, "pps"), text),
	       top_human(real(flow, "bps"), bits));
	printf("  age      %s, idle %.1fs\n", age(flow, text), (double)number(flow, "idle_ms") / 1000);
	printf("  tags    ");
	json_array_foreach (json_object_get(flow, "tags"), i, tag)
		printf(" %s", json_string_value(tag));
	printf("\n");
}

/* --- list --- */

static json_t *list(struct cli *cli, struct err *err)
{
	json_t *request = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "cmd", "flows", "port",
				    cli->value[CLI_O_PORT_BIT], "tenant",
				    cli->value[CLI_O_TENANT_BIT], "action",
				    cli->value[CLI_O_ACTION_BIT], "sort",
				    cli->value[CLI_O_SORT_BIT]);

	if (cli->limit)
		json_object_set_new(request, "limit", json_integer((json_int_t)cli->limit));
	return cli_control_call(cli, request, err);
}

static void wait_s(double s)
{
	struct timespec ts = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

static int by_cookie(const void *a, const void *b)
{
	long long x = number(*(const json_t *const *)a, "cookie");
	long long y = number(*(const json_t *const *)b, "cookie");

	return x < y ? -1 : x > y;
}

static void measure(json_t *now, const json_t *before)
{
	double s = (real(now, "time_ns") - real(before, "time_ns")) / 1e9;

	if (s <= 0)
		return;
	json_object_set_new(now, "pps",
			    json_real((real(now, "packets") - real(before, "packets")) / s));
	json_object_set_new(now, "bps",
			    json_real(8 * (real(now, "bytes") - real(before, "bytes")) / s));
}

/* Rates between two lists; of flows that are new in the second the agent's stay. */
static int measure_all(json_t *flows, const json_t *before, struct err *err)
{
	size_t n = json_array_size(before), i;
	_free_ const json_t **sorted = calloc(n ? n : 1, sizeof(*sorted));
	json_t *flow;

	if (!sorted)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; i < n; i++)
		sorted[i] = json_array_get(before, i);
	qsort(sorted, n, sizeof(*sorted), by_cookie);
	json_array_foreach (flows, i, flow) {
		const json_t *key = flow;
		const json_t **found = bsearch(&key, sorted, n, sizeof(*sorted), by_cookie);

		if (found)
			measure(flow, *found);
	}
	return 0;
}

static int faster_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	double d = real(x, "pps") - real(y, "pps");

	return d > 0 ? -1 : d < 0;
}

static void sort_by_rate(json_t *flows)
{
	size_t n = json_array_size(flows), i;
	_free_ json_t **list = calloc(n ? n : 1, sizeof(*list));

	if (!list)
		return; /* in the agent's order */
	for (i = 0; i < n; i++)
		list[i] = json_incref(json_array_get(flows, i));
	qsort(list, n, sizeof(*list), faster_first);
	for (i = 0; i < n; i++)
		json_array_set_new(flows, i, list[i]);
}

static json_t *list_twice(struct cli *cli, struct err *err)
{
	const char *sort = cli->value[CLI_O_SORT_BIT];
	_json_ json_t *before = list(cli, err), *now = NULL;
	json_t *flows;

	if (!before)
		return NULL;
	wait_s(cli->rate_s);
	now = list(cli, err);
	flows = json_object_get(now, "flows");
	if (!now || measure_all(flows, json_object_get(before, "flows"), err))
		return NULL;
	if (sort && !strcmp(sort, "rate"))
		sort_by_rate(flows);
	return TAKE_PTR(now);
}

int cmd_flow_list(struct cli *cli, struct err *err)
{
	_json_ json_t *result = cli->rate_s > 0 ? list_twice(cli, err) : list(cli, err);
	const json_t *flows = json_object_get(result, "flows"), *flow;
	size_t i;

	if (!result)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(result);
	else if (!cli_has(cli, CLI_O_VERBOSE))
		print_flows(flows);
	else
		json_array_foreach (flows, i, flow)
			print_flow(flow);
	if (json_is_true(json_object_get(result, "truncated")))
		fprintf(stderr,
			"skep: %zu of %lld flows are shown (narrow it with --tenant, --port or --action, or say --limit)\n",
			json_array_size(flows), number(result, "total"));
	return 0;
}

/* --- flush --- */

int cmd_flow_flush(struct cli *cli, struct err *err)
{
	_json_ json_t *result = cli_control_call(
		cli,
		json_pack("{s:s, s:s*, s:s*}", "cmd", "flush", "port", cli->value[CLI_O_PORT_BIT],
			  "tenant", cli->value[CLI_O_TENANT_BIT]),
		err);

	if (!result)
		return err->code;
	if (cli->format == CLI_JSON)
		out_json(result);
	else
		printf("%lld flows flushed\n", number(result, "flushed"));
	return 0;
}
