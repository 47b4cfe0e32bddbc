// SPDX-License-Identifier: Apache-2.0
/* Reads a tenant's network from the state DB (world.h).  Called by trace and why. */
#include "cli/world.h"

#include "util/json.h"

int world_read(struct cli *cli, struct world *world, struct err *err)
{
	const char *tenant = cli_tenant(cli, err);
	const json_t *records;

	*world = (struct world){ 0 };
	world->state = tenant ? cli_db_read_tenant(cli, tenant, err) : NULL;
	if (!world->state)
		return err->code;
	records = json_object_get(world->state, "records");
	world->snap = topo_build(tenant, (uint64_t)json_integer_value(json_object_get(world->state, "rev")),
				 records, err);
	if (!world->snap) {
		world_fini(world);
		return err->code;
	}
	sim_records_view_init(&world->view, world->snap, records);
	return 0;
}

void world_fini(struct world *world)
{
	topo_unref(world->snap);
	json_decref(world->state);
	*world = (struct world){ 0 };
}
