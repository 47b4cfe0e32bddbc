// SPDX-License-Identifier: Apache-2.0
/*
 * The view through records as the state DB holds them (probe.h): each question is one look-up by the record's path, so that a view costs nothing,
 * however much was learnt.  Called by skep and skep-api, for questions that no agent is asked.
 */
#include "simulator/probe.h"

#include <stdio.h>
#include <string.h>

#define PATH_LEN (8 + TOPO_NAME_MAX + ADDR_TEXT)

static const char *record_text(const struct sim_records_view *v, const char *path, const char *key)
{
	return json_string_value(json_object_get(json_object_get(v->records, path), key));
}

/* "mac/<bridge>/<mac>", with "@<vlan>" on a bridge that has VLANs: {"port"} */
static const struct topo_port *view_mac(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
					const struct skep_mac *mac)
{
	const struct sim_records_view *v = arg;
	char path[PATH_LEN], text[ADDR_TEXT], at[8] = "";
	const struct topo_port *p;
	const char *name;

	if (vlan)
		snprintf(at, sizeof(at), "@%u", vlan);
	snprintf(path, sizeof(path), "mac/%s/%s%s", bridge->o.name, mac_format(mac, text), at);
	name = record_text(v, path, "port");
	p = name ? topo_find_port(v->snap, name) : NULL;
	return p && p->bridge == bridge ? p : NULL;
}

/* "neigh/<router port>/<address>": {"mac"} */
static enum sim_neigh view_neigh(void *arg, const struct topo_port *router_port,
				 const struct skep_ip *ip, struct skep_mac *mac)
{
	const struct sim_records_view *v = arg;
	char path[PATH_LEN], text[ADDR_TEXT];
	const char *known;

	snprintf(path, sizeof(path), "neigh/%s/%s", router_port->o.name, ip_format(ip, text));
	known = record_text(v, path, "mac");
	return known && mac_parse(known, mac) ? SIM_NEIGH_KNOWN : SIM_NEIGH_UNKNOWN;
}

/* "aff/<vip>/<client>": {"member"} */
static const char *view_affinity(void *arg, const struct topo_vip *vip, const struct skep_ip *client)
{
	const struct sim_records_view *v = arg;
	char path[PATH_LEN], text[ADDR_TEXT];

	snprintf(path, sizeof(path), "aff/%s/%s", vip->o.name, ip_format(client, text));
	return record_text(v, path, "member");
}

void sim_records_view_init(struct sim_records_view *v, const struct topo_snapshot *snap,
			   const json_t *records)
{
	*v = (struct sim_records_view){
		.view = { .mac = view_mac,
			  .neigh = view_neigh,
			  .affinity = view_affinity,
			  .arg = v },
		.snap = snap,
		.records = records,
	};
}
