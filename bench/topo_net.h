/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of any size as records, without the detour over a document.  For topo_bench.c. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "topology/topology.h"
#include "util/addr.h"

#define TOPO_NET_PER_BRIDGE 1000 /* the usual; networks of one bridge are the hard case for tables */

static inline uint32_t topo_net_random(uint32_t below)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)((x >> 32) * below >> 32);
}

/* Takes 'record'; gives it a name, an id and a revision. */
static inline void topo_net_add(json_t *records, const char *kind, const char *name, json_t *record)
{
	static uint64_t next;
	char id[40], path[96];

	next++;
	snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012llx", (unsigned int)next,
		 (unsigned long long)next);
	snprintf(path, sizeof(path), "%s/%s", kind, name);
	if (!record || json_object_set_new(record, "name", json_string(name)) ||
	    json_object_set_new(record, "id", json_string(id)) ||
	    json_object_set_new(record, "rev", json_integer(1)) ||
	    json_object_set_new(records, path, record))
		abort();
}

/* A machine's port: MAC, an address; 'group': in security group "g". */
static inline json_t *topo_net_port(uint32_t i, uint32_t address, uint32_t per_bridge, bool group)
{
	char bridge[24], mac[24], ip[24];

	snprintf(bridge, sizeof(bridge), "b%u", i / per_bridge);
	snprintf(mac, sizeof(mac), "02:00:%02x:%02x:%02x:%02x", i >> 24, i >> 16 & 255, i >> 8 & 255,
		 i & 255);
	snprintf(ip, sizeof(ip), "10.%u.%u.%u", address >> 16 & 255, address >> 8 & 255, address & 255);
	return json_pack("{s:s, s:s, s:[s], s:o*}", "bridge", bridge, "mac", mac, "addresses", ip,
			 "security_groups", group ? json_pack("[s]", "g") : NULL);
}

/* Bound and live. */
static inline json_t *topo_net_ports(uint32_t n, uint32_t per_bridge, bool group)
{
	json_t *records = json_object();
	char name[24], path[48], host[24];

	for (uint32_t i = 0; i < (n + per_bridge - 1) / per_bridge; i++) {
		snprintf(name, sizeof(name), "b%u", i);
		topo_net_add(records, "bridge", name, json_object());
	}
	if (group)
		topo_net_add(records, "security_group", "g", json_object());
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		snprintf(host, sizeof(host), "host%u", i / 100);
		topo_net_add(records, "port", name, topo_net_port(i, i, per_bridge, group));
		topo_net_add(records, "bind", name,
			     json_pack("{s:s, s:s}", "host", host, "interface", "tap0"));
		snprintf(path, sizeof(path), "live/%s", name);
		json_object_set_new(records, path,
				    json_pack("{s:s, s:i, s:i}", "host", host, "key", (int)i + 1,
					      "flood", 1));
	}
	return records;
}

/* A router with 'n' routes of many lengths, most of them /24. */
static inline json_t *topo_net_routes(uint32_t n)
{
	static const uint8_t lens[] = { 19, 20, 20, 21, 21, 22, 22, 22, 23, 23, 24, 24, 24, 24, 24, 24 };
	json_t *records = json_object();
	char name[24], dst[ADDR_TEXT], gateway[24];

	topo_net_add(records, "router", "r", json_object());
	topo_net_add(records, "port", "p",
		     json_pack("{s:s, s:[s]}", "router", "r", "addresses", "192.168.0.1/16"));
	json_object_set_new(records, "live/p", json_pack("{s:s, s:i}", "host", "h", "key", 1));
	for (uint32_t i = 0; i < n; i++) {
		unsigned int len = i % 1000 ? lens[topo_net_random(sizeof(lens))] : i % 100000 ? 16 : 8;
		struct skep_ip ip = ip_from_v4(topo_net_random(UINT32_MAX));

		ip = ip_mask(&ip, len);
		prefix_format(&ip, len, dst);
		snprintf(gateway, sizeof(gateway), "192.168.%u.%u", i >> 8 & 127, (i & 255) | 2);
		snprintf(name, sizeof(name), "r%u", i);
		topo_net_add(records, "route", name,
			     json_pack("{s:s, s:s, s:s, s:s}", "router", "r", "dst", dst, "port",
				       "p", "gateway", gateway));
	}
	return records;
}
