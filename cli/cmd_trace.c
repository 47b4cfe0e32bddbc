// SPDX-License-Identifier: Apache-2.0
/*
 * trace: what the network would do with a packet, computed here from the state DB by the simulator
 * that the agents use.  Needs no agent and sends nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/out.h"
#include "maps/maps.h"
#include "packet/packet.h"
#include "simulator/probe.h"
#include "topology/topology.h"
#include "util/clock.h"

#define TABLES_MAX 1000000

/* --- what the agents have learnt: records "mac/<bridge>/<mac>" {"port"} and "neigh/<port>/<ip>"
 * {"mac"} --- */

static void load_mac(struct sim_tables *tables, const char *rest, const json_t *record,
		     uint64_t now)
{
	const char *slash = strrchr(rest, '/'), *port = json_str(record, "port");
	char bridge[TOPO_NAME_MAX + 1];
	struct skep_mac mac;

	if (!slash || !port || slash - rest > TOPO_NAME_MAX || !mac_parse(slash + 1, &mac))
		return;
	snprintf(bridge, sizeof(bridge), "%.*s", (int)(slash - rest), rest);
	(void)sim_tables_set_mac(tables, bridge, 0, &mac, port, false,
				 now); /* full: traced as unknown */
}

static void load_neigh(struct sim_tables *tables, const char *rest, const json_t *record,
		       uint64_t now)
{
	const char *slash = strchr(rest, '/'), *text = json_str(record, "mac");
	char port[TOPO_NAME_MAX + 1];
	struct skep_mac mac;
	struct skep_ip ip;

	if (!slash || !text || slash - rest > TOPO_NAME_MAX || !ip_parse(slash + 1, &ip) ||
	    !mac_parse(text, &mac))
		return;
	snprintf(port, sizeof(port), "%.*s", (int)(slash - rest), rest);
	(void)sim_tables_set_neigh(tables, port, &ip, &mac, false, now);
}

static struct sim_tables *load_tables(const json_t *records, uint64_t now)
{
	struct sim_tables *tables = sim_tables_new(TABLES_MAX, TABLES_MAX);
	const char *path;
	json_t *record;

	if (!tables)
		return NULL;
	json_object_foreach((json_t *)records, path, record)
	{
		if (!strncmp(path, "mac/", 4))
			load_mac(tables, path + 4, record, now);
		else if (!strncmp(path, "neigh/", 6))
			load_neigh(tables, path + 6, record, now);
	}
	return tables;
}

/* --- the command --- */

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

static int trace_packet(struct cli *cli, const struct topo_snapshot *snap,
			const struct sim_view *view, const struct topo_port *in,
			const uint8_t *frame, uint32_t len, struct err *err)
{
	struct sim_result res;
	enum skep_drop bad;
	struct sim sim;
	struct pkt pkt;
	int rc;

	bad = pkt_parse(frame, len, &pkt);
	if (bad != SKEP_DROP_NONE)
		return err_set(err, -EINVAL, "every host drops this packet at once: %s (%s)",
			       skep_drop_name(bad), skep_drop_help(bad));
	sim_init(&sim);
	rc = sim_run(&sim, snap, view, in, &pkt, clock_mono_ns(), 0, SIM_TRACE, &res, err);
	if (!rc && cli->format == CLI_JSON) {
		_json_ json_t *trace = sim_trace_json(&sim, &pkt, &res);

		out_json(trace);
	} else if (!rc) {
		const char *text = sim_trace_text(&sim, &pkt, &res);

		if (text)
			printf("%s%s", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
		else
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	sim_fini(&sim);
	return rc;
}

int cmd_trace(struct cli *cli, struct err *err)
{
	const char *name = cli->value[CLI_O_PORT_BIT], *tenant;
	_free_ char *line = join_args(cli);
	_free_ uint8_t *frame = malloc(PKT_MAX);
	struct topo_snapshot *snap = NULL;
	struct sim_tables *tables = NULL;
	struct sim_tables_view view;
	const struct topo_port *in;
	_json_ json_t *state = NULL;
	uint64_t now = clock_mono_ns();
	int len;

	if (!name)
		return err_tag(err, -EINVAL, "usage",
			       "where does the packet enter? (want --port PORT)");
	if (!line || !frame)
		return err_set(err, -ENOMEM, "out of memory");
	tenant = cli_tenant(cli, err);
	if (!tenant)
		return err->code;
	state = cli_db_read_tenant(cli, tenant, err);
	if (!state)
		return err->code;
	snap = topo_build(tenant, (uint64_t)json_integer_value(json_object_get(state, "rev")),
			  json_object_get(state, "records"), err);
	if (!snap)
		return err->code;
	in = topo_find_port(snap, name);
	tables = load_tables(json_object_get(state, "records"), now);
	if (!tables) {
		err_set(err, -ENOMEM, "out of memory");
	} else if (!in) {
		err_tag(err, -ENOENT, "no_such_port",
			"tenant '%s' has no port '%s' ('skep port list' shows those it has)",
			tenant, name);
	} else if (in->peer) {
		err_set(err, -EINVAL,
			"port '%s' is linked to port '%s': packets enter by exterior ports", name,
			in->peer->o.name);
	} else {
		sim_tables_view_init(&view, tables, snap, now);
		len = sim_probe(&view.view, in, line, cli->value[CLI_O_ETH_BIT], frame, PKT_MAX,
				err);
		if (len > 0)
			trace_packet(cli, snap, &view.view, in, frame, (uint32_t)len, err);
	}
	sim_tables_free(tables);
	topo_unref(snap);
	return err->code;
}
