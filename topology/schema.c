// SPDX-License-Identifier: Apache-2.0
/* The tables: which fields each kind has.  docs/topology.md says the same in words; selftests/unit/topology compares the two. */
#include "topology/schema.h"

#include <string.h>

static const char *const route_types[] = { "port", "local", "blackhole", "reject", NULL };
static const char *const actions[] = { "accept", "drop", "reject", "jump", "return", NULL };

#define NAME	    { .name = "name", .type = TOPO_T_NAME, .required = true }
#define DESCRIPTION { .name = "description", .type = TOPO_T_TEXT, .max = 1000 }
#define ID	    { .name = "id", .type = TOPO_T_ID }
#define REV	    { .name = "rev", .type = TOPO_T_REV, .record_only = true }
#define ADMIN_UP    { .name = "admin_up", .type = TOPO_T_BOOL, .def = "true" }
#define CHAINS                                                                                     \
	{ .name = "in_chain", .type = TOPO_T_REF, .ref = TOPO_CHAIN },                             \
	{ .name = "out_chain", .type = TOPO_T_REF, .ref = TOPO_CHAIN }

static const struct topo_field rule_fields[] = {
	{ .name = "name", .type = TOPO_T_NAME },
	{ .name = "action", .type = TOPO_T_WORD, .words = actions, .required = true },
	{ .name = "jump", .type = TOPO_T_REF, .ref = TOPO_CHAIN },
	{ .name = "ethertype", .type = TOPO_T_ETHERTYPE },
	{ .name = "eth_src", .type = TOPO_T_MAC_MASK },
	{ .name = "eth_dst", .type = TOPO_T_MAC_MASK },
	{ .name = "proto", .type = TOPO_T_PROTO },
	{ .name = "src", .type = TOPO_T_PREFIX },
	{ .name = "dst", .type = TOPO_T_PREFIX },
	{ .name = "src_ports", .type = TOPO_T_PORTS },
	{ .name = "dst_ports", .type = TOPO_T_PORTS },
	{ .name = "icmp_type", .type = TOPO_T_INT, .max = 255 },
	{ .name = "icmp_code", .type = TOPO_T_INT, .max = 255 },
	DESCRIPTION,
};
static const struct topo_field chain_fields[] = {
	NAME, DESCRIPTION, { .name = "rules", .type = TOPO_T_RULES, .def = "[]" }, ID, REV,
};
static const struct topo_field bridge_fields[] = {
	NAME, DESCRIPTION, ADMIN_UP, CHAINS, ID, REV,
};
static const struct topo_field router_fields[] = {
	NAME, DESCRIPTION, ADMIN_UP, CHAINS, ID, REV,
};
static const struct topo_field port_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "bridge", .type = TOPO_T_REF, .ref = TOPO_BRIDGE },
	{ .name = "router", .type = TOPO_T_REF, .ref = TOPO_ROUTER },
	{ .name = "peer", .type = TOPO_T_REF, .ref = TOPO_PORT },
	{ .name = "mac", .type = TOPO_T_MAC },
	{ .name = "addresses", .type = TOPO_T_ADDRESSES, .def = "[]" },
	ADMIN_UP,
	{ .name = "port_security", .type = TOPO_T_BOOL, .def = "true" },
	CHAINS,
	ID,
	REV,
};
static const struct topo_field route_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "router", .type = TOPO_T_REF, .ref = TOPO_ROUTER, .required = true },
	{ .name = "dst", .type = TOPO_T_PREFIX, .required = true },
	{ .name = "src", .type = TOPO_T_PREFIX },
	{ .name = "type", .type = TOPO_T_WORD, .words = route_types, .def = "\"port\"" },
	{ .name = "port", .type = TOPO_T_REF, .ref = TOPO_PORT },
	{ .name = "gateway", .type = TOPO_T_IP },
	{ .name = "weight", .type = TOPO_T_INT, .min = 1, .max = 65535, .def = "100" },
	ID,
	REV,
};
#define BINDING                                                                                    \
	{ .name = "host", .type = TOPO_T_NAME, .required = true },                                 \
	{ .name = "interface", .type = TOPO_T_INTERFACE, .required = true }, ID, REV
static const struct topo_field bind_fields[] = {
	{ .name = "port", .type = TOPO_T_REF, .ref = TOPO_PORT, .required = true },
	BINDING,
};
static const struct topo_field bind_record_fields[] = { NAME, BINDING };

const struct topo_shape topo_shapes[TOPO_KIND_MAX] = {
	[TOPO_CHAIN] = { "chain", "name", chain_fields, ARRAY_SIZE(chain_fields) },
	[TOPO_BRIDGE] = { "bridge", "name", bridge_fields, ARRAY_SIZE(bridge_fields) },
	[TOPO_ROUTER] = { "router", "name", router_fields, ARRAY_SIZE(router_fields) },
	[TOPO_PORT] = { "port", "name", port_fields, ARRAY_SIZE(port_fields) },
	[TOPO_ROUTE] = { "route", "name", route_fields, ARRAY_SIZE(route_fields) },
	[TOPO_BIND] = { "bind", "port", bind_fields, ARRAY_SIZE(bind_fields) },
};
const struct topo_shape topo_bind_record = { "bind", "name", bind_record_fields,
					     ARRAY_SIZE(bind_record_fields) };
const struct topo_shape topo_rule_shape = { "rule", "name", rule_fields, ARRAY_SIZE(rule_fields) };

const struct topo_shape *topo_record_shape(enum topo_kind kind)
{
	return kind == TOPO_BIND ? &topo_bind_record : &topo_shapes[kind];
}

const struct topo_field *topo_field_find(const struct topo_shape *shape, const char *name)
{
	for (unsigned int i = 0; i < shape->n; i++)
		if (!strcmp(shape->fields[i].name, name))
			return &shape->fields[i];
	return NULL;
}

json_t *topo_default(const struct topo_field *f)
{
	return f->def ? json_loads(f->def, JSON_DECODE_ANY, NULL) : NULL;
}

int topo_defaults(const struct topo_shape *shape, json_t *obj)
{
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];

		if (f->def && !json_object_get(obj, f->name) &&
		    json_object_set_new(obj, f->name, topo_default(f)))
			return -1;
	}
	return 0;
}
