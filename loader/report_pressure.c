// SPDX-License-Identifier: Apache-2.0
/* Which tables are full, or nearly so, and which ports have come to their limits.  What is done then: docs/datapath.md. */
#include "loader/agent.h"

#define PRESSURE_PERCENT 90

static void add(json_t *list, const char *what, uint64_t used, uint64_t max)
{
	if (max && used * 100 >= max * PRESSURE_PERCENT)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "what", what, "used", (json_int_t)used, "max",
						      (json_int_t)max));
}

static void add_map(json_t *list, const json_t *maps, const char *name)
{
	const json_t *m = json_object_get(maps, name);

	add(list, name, (uint64_t)json_integer_value(json_object_get(m, "entries")),
	    (uint64_t)json_integer_value(json_object_get(m, "max")));
}

static void add_tables(json_t *list, const struct agent *a)
{
	json_t *tables = dp_tables(a->dp), *t;
	size_t i;

	json_array_foreach (tables, i, t)
		add(list, json_string_value(json_object_get(t, "name")),
		    (uint64_t)json_integer_value(json_object_get(t, "used")),
		    (uint64_t)json_integer_value(json_object_get(t, "max")));
	json_decref(tables);
}

/* 'datapath': dp_status() */
json_t *report_pressure(const struct agent *a, const json_t *datapath)
{
	static const char *const maps[] = { "skep_flows4", "skep_flows6", "skep_wilds4", "skep_wilds6", "skep_conns", "skep_details" };
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		add_map(list, json_object_get(datapath, "maps"), maps[i]);
	add_tables(list, a);
	add(list, "flows", index_count(a->index), a->config->flows_max);
	add(list, "parked", park_count(a->park), PARK_MAX);
	add(list, "state_unacked", state_unacked(a), STATE_PENDING_MAX);
	return list;
}

void report_port_pressure(const struct lport *p, json_t *out)
{
	const struct dp *dp = p->tenant->agent->dp;
	uint64_t upcalls, dropped, refused;
	uint32_t conns, replies;

	if (!dp_port_upcalls(dp, p->key, &upcalls, &dropped) || !dp_port_conns(dp, p->key, &conns, &replies, &refused))
		return;
	json_object_set_new(out, "upcalls", json_integer((json_int_t)upcalls));
	json_object_set_new(out, "upcall_drops", json_integer((json_int_t)dropped));
	json_object_set_new(out, "conns", json_integer((json_int_t)conns + replies));
	json_object_set_new(out, "conns_refused", json_integer((json_int_t)refused));
}
