// SPDX-License-Identifier: Apache-2.0
/* Reads a tenant's network from the state DB (world.h).  Called by trace and why. */
#include "cli/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/clock.h"

#define TABLES_MAX 1000000

/* --- what the agents have learnt: records "mac/<bridge>/<mac>[@<vlan>]" {"port"} and "neigh/<port>/<ip>"
 * {"mac"} --- */

static void load_mac(struct sim_tables *tables, const char *rest, const json_t *record,
		     uint64_t now)
{
	const char *slash = strrchr(rest, '/'), *port = json_str(record, "port");
	char bridge[TOPO_NAME_MAX + 1], text[ADDR_TEXT];
	unsigned int vlan = 0;
	struct skep_mac mac;
	char *at;

	if (!slash || !port || slash - rest > TOPO_NAME_MAX)
		return;
	snprintf(bridge, sizeof(bridge), "%.*s", (int)(slash - rest), rest);
	snprintf(text, sizeof(text), "%s", slash + 1);
	at = strchr(text, '@');
	if (at) {
		*at = 0;
		vlan = (unsigned int)strtoul(at + 1, NULL, 10);
	}
	if (mac_parse(text, &mac) && vlan < 4096) /* full: traced as unknown */
		(void)sim_tables_set_mac(tables, bridge, (uint16_t)vlan, &mac, port, false, now);
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

int world_read(struct cli *cli, struct world *world, struct err *err)
{
	const char *tenant = cli_tenant(cli, err);
	uint64_t now = clock_mono_ns();
	_json_ json_t *state = NULL;
	const json_t *records;

	*world = (struct world){ 0 };
	state = tenant ? cli_db_read_tenant(cli, tenant, err) : NULL;
	if (!state)
		return err->code;
	records = json_object_get(state, "records");
	world->snap = topo_build(tenant, (uint64_t)json_integer_value(json_object_get(state, "rev")),
				 records, err);
	if (!world->snap)
		return err->code;
	world->tables = load_tables(records, now);
	if (!world->tables) {
		world_fini(world);
		return err_set(err, -ENOMEM, "out of memory");
	}
	sim_tables_view_init(&world->view, world->tables, world->snap, now);
	return 0;
}

void world_fini(struct world *world)
{
	sim_tables_free(world->tables);
	topo_unref(world->snap);
	*world = (struct world){ 0 };
}
