// SPDX-License-Identifier: Apache-2.0
/*
 * trace and why: what the network would do with a packet.  The agent of this host is asked first: it has the tenant's network in memory,
 * and its connections.  Where there is none, or it does not know the tenant, the simulator that the agents use runs here, on what
 * the state DB has.  Nothing is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/json.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "cli/world.h"
#include "maps/maps.h"
#include "packet/packet.h"
#include "packet/short.h"
#include "simulator/probe.h"
#include "util/clock.h"

/* The words behind the options, as one line. */
static char *join_args(const struct cli *cli)
{
	char *line = NULL;
	size_t size;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		return NULL;
	for (int i = 0; i < cli->n_args; i++)
		fprintf(f, "%s%s", i ? " " : "", cli->args[i]);
	if (fclose(f))
		return NULL;
	return line;
}

static void print_text(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n)
		printf("%s%s", text, text[n - 1] == '\n' ? "" : "\n");
}

/* --- asking the agent --- */

static bool names_a_db(const struct cli *cli)
{
	const char *db = getenv("SKEP_DB"), *socket = getenv("SKEP_SOCKET");

	if (cli->value[CLI_O_SOCKET_BIT] || (socket && *socket))
		return false;
	return cli->value[CLI_O_DB_BIT] || (db && *db);
}

/* The agent's answer; NULL without 'err': it cannot tell. */
static json_t *ask_agent(struct cli *cli, json_t *request, struct err *err)
{
	const char *name;
	json_t *answer;
	int rest = rest_wanted(cli, err);

	if (rest) {
		answer = rest < 0 || cli_has(cli, CLI_O_DIFF) ? NULL : rest_ask(cli, request, err);
		json_decref(request);
		return answer;
	}
	if (names_a_db(cli)) {
		json_decref(request);
		return NULL;
	}
	if (cli_control_open(cli, err)) {
		json_decref(request);
		if (!cli->value[CLI_O_SOCKET_BIT])
			*err = (struct err){ 0 };
		return NULL;
	}
	answer = cli_control_call(cli, request, err);
	if (answer)
		return answer;
	name = err_name(err);
	if (cli_has(cli, CLI_O_DIFF)) /* nobody else can tell */
		return NULL;
	if (!strcmp(name, "no_such_tenant") || !strcmp(name, "not_ready") ||
	    !strcmp(name, "no_such_command"))
		*err = (struct err){ 0 };
	return NULL;
}

/* --- trace --- */

static int trace_packet(struct cli *cli, const struct world *world, const struct topo_port *in,
			const uint8_t *frame, uint32_t len, struct err *err)
{
	struct sim_result res;
	struct sim sim;
	struct pkt pkt;
	int rc;

	sim_init(&sim);
	rc = sim_trace(&sim, world->snap, &world->view.view, in, frame, len, clock_mono_ns(), 0,
		       &pkt, &res, err);
	if (!rc && cli->format == CLI_JSON) {
		_json_ json_t *trace = sim_trace_json(&sim, &pkt, &res);

		out_json(trace);
	} else if (!rc) {
		print_text(sim_trace_text(&sim, &pkt, &res));
	}
	sim_fini(&sim);
	return rc;
}

static int trace_here(struct cli *cli, const char *name, const char *line, struct err *err)
{
	_free_ uint8_t *frame = malloc(PKT_MAX);
	const struct topo_port *in;
	struct world world;
	int len;

	if (!frame)
		return err_set(err, -ENOMEM, "out of memory");
	if (world_read(cli, &world, err))
		return err->code;
	in = topo_find_port(world.snap, name);
	if (!in) {
		err_tag(err, -ENOENT, "no_such_port",
			"tenant '%s' has no port '%s' ('skep port list' shows those it has)",
			world.snap->tenant, name);
	} else if (in->peer) {
		err_set(err, -EINVAL,
			"port '%s' is linked to port '%s': packets enter by exterior ports", name,
			in->peer->o.name);
	} else {
		len = sim_probe(&world.view.view, in, line, cli->value[CLI_O_ETH_BIT], frame, PKT_MAX,
				err);
		if (len > 0)
			trace_packet(cli, &world, in, frame, (uint32_t)len, err);
	}
	world_fini(&world);
	return err->code;
}

int cmd_trace(struct cli *cli, struct err *err)
{
	const char *name = cli->value[CLI_O_PORT_BIT];
	bool want_diff = cli_has(cli, CLI_O_DIFF);
	_json_ json_t *answer = NULL;
	const json_t *diff;
	_free_ char *line = join_args(cli);
	struct pkt_short parsed;

	if (!name)
		return err_tag(err, -EINVAL, "usage",
			       "where does the packet enter? (want --port PORT)");
	if (!line)
		return err_set(err, -ENOMEM, "out of memory");
	if (strncmp(line, "eth ", 4) && pkt_short_parse(line, &parsed, err))
		return err->code;
	answer = ask_agent(cli,
			   json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:b}", "cmd", "trace", "port", name,
				     "packet", line, "tenant", cli->value[CLI_O_TENANT_BIT], "eth",
				     cli->value[CLI_O_ETH_BIT], "diff", want_diff),
			   err);
	if (!answer && err->code)
		return err->code;
	if (!answer && want_diff)
		return err_set(err, -ENOTCONN,
			       "--diff compares with the datapath of a host: ask its skepd there (--socket PATH)");
	if (!answer)
		return trace_here(cli, name, line, err);
	diff = json_object_get(answer, "diff");
	if (diff && !strcmp(json_str(diff, "flow"), "differs"))
		cli->status = CLI_FAILED;
	if (cli->format == CLI_JSON) {
		json_t *trace = json_object_get(answer, "trace");

		if (diff)
			json_object_set(trace, "diff", (json_t *)diff);
		out_json(trace);
		return 0;
	}
	print_text(json_str(answer, "text"));
	if (diff)
		printf("datapath of %s: %s\n", json_str(answer, "host"), json_str(diff, "text"));
	return 0;
}

/* --- why --- */

static json_t *why_here(struct cli *cli, struct err *err)
{
	json_t *answer = NULL;
	struct sim_why why;
	struct world world;
	struct sim sim;

	if (world_read(cli, &world, err))
		return NULL;
	sim_init(&sim);
	if (!sim_why(&sim, world.snap, &world.view.view, cli->args[0], cli->args[1], cli->args[2],
		     clock_mono_ns(), 0, &why, err)) {
		answer = sim_why_json(&why, world.snap->tenant);
		sim_why_fini(&why);
		if (!answer)
			err_set(err, -ENOMEM, "out of memory");
	}
	sim_fini(&sim);
	world_fini(&world);
	return answer;
}

/* One direction; what flows depend on, and tags, are for those who ask for them. */
static void print_direction(const struct cli *cli, const char *name, const char *text)
{
	printf("%s%s%s\n", out_style(stdout, OUT_BOLD), name, out_style(stdout, OUT_PLAIN));
	for (size_t n; *text; text += n) {
		n = strcspn(text, "\n");
		if (cli_has(cli, CLI_O_VERBOSE) ||
		    (strncmp(text, "flow depends on:", 16) && strncmp(text, "tags:", 5)))
			printf("%.*s\n", (int)n, text);
		n += text[n] == '\n';
	}
	printf("\n");
}

/* Both directions, and last of all the sentence. */
static void print_why(const struct cli *cli, const json_t *answer)
{
	const json_t *yes = json_object_get(answer, "reachable");

	if (json_str(answer, "forward_text"))
		print_direction(cli, "request", json_str(answer, "forward_text"));
	if (json_str(answer, "reply_text"))
		print_direction(cli, "answer", json_str(answer, "reply_text"));
	printf("%s%s%s\n",
	       out_style(stdout, json_is_true(yes)  ? OUT_GREEN :
				 json_is_false(yes) ? OUT_RED :
						      OUT_YELLOW),
	       json_str(answer, "text"), out_style(stdout, OUT_PLAIN));
}

int cmd_why(struct cli *cli, struct err *err)
{
	_json_ json_t *answer = NULL;

	if (sim_service_check(cli->args[2], err))
		return err->code;
	answer = ask_agent(cli,
			   json_pack("{s:s, s:s, s:s, s:s, s:s*}", "cmd", "why", "from", cli->args[0],
				     "to", cli->args[1], "service", cli->args[2], "tenant",
				     cli->value[CLI_O_TENANT_BIT]),
			   err);
	if (!answer && !err->code)
		answer = why_here(cli, err);
	if (!answer)
		return err->code;
	if (cli->format == CLI_JSON) {
		json_object_del(answer, "forward_text");
		json_object_del(answer, "reply_text");
		out_json(answer);
	} else {
		print_why(cli, answer);
	}
	if (!json_is_true(json_object_get(answer, "reachable")))
		cli->status = CLI_FAILED;
	return 0;
}
