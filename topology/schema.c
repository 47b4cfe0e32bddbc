// SPDX-License-Identifier: Apache-2.0
/* The tables: which fields each kind has.  docs/topology.md says the same in words; selftests/unit/topology compares the two. */
#include "topology/schema.h"

#include <string.h>

static const char *const route_types[] = { "port", "local", "blackhole", "reject", NULL };
static const char *const actions[] = { "accept", "drop",   "reject", "jump",
				       "return", "continue", NULL };
static const char *const fragments[] = { "header", "later", "unfragmented", "any_fragment", NULL };
static const char *const ct_states[] = { "new", "established", "reply", "related", "invalid", NULL };
static const char *const directions[] = { "ingress", "egress", NULL };
static const char *const families[] = { "ipv4", "ipv6", NULL };
static const char *const egresses[] = { "any", "rules", NULL };
static const char *const ra_modes[] = { "none", "slaac", "stateless", "stateful", NULL };
static const char *const nat_types[] = { "snat", "dnat", "no_snat", "no_dnat", NULL };
static const char *const member_states[] = { "up", "draining", "down", NULL };
static const char *const vip_protos[] = { "tcp", "udp", NULL };
static const char *const affinities[] = { "none", "source", NULL };
static const char *const empties[] = { "drop", "reject", NULL };
static const char *const hooks[] = { "pre_in", "post_in", "pre_out", "post_out", "in", "out", NULL };

#define NAME	    { .name = "name", .type = TOPO_T_NAME, .required = true }
#define DESCRIPTION { .name = "description", .type = TOPO_T_TEXT, .max = 1000 }
#define ID	    { .name = "id", .type = TOPO_T_ID }
#define REV	    { .name = "rev", .type = TOPO_T_REV, .record_only = true }
#define ADMIN_UP    { .name = "admin_up", .type = TOPO_T_BOOL, .def = "true" }
#define CHAINS                                                                                     \
	{ .name = "in_chain", .type = TOPO_T_REF, .ref = TOPO_CHAIN },                             \
	{ .name = "out_chain", .type = TOPO_T_REF, .ref = TOPO_CHAIN }
#define REF(field, kind) { .name = field, .type = TOPO_T_REF, .ref = kind }
#define SHAPE(label, fields, check) { label, "name", fields, ARRAY_SIZE(fields), check }

/* --- conditions of rules, and of mirrors --- */

#define CONDITIONS                                                                                 \
	{ .name = "ethertype", .type = TOPO_T_ETHERTYPE },                                         \
	{ .name = "eth_src", .type = TOPO_T_MAC_MASK },                                            \
	{ .name = "eth_dst", .type = TOPO_T_MAC_MASK },                                            \
	{ .name = "vlan", .type = TOPO_T_INT, .max = 4094 },                                       \
	{ .name = "proto", .type = TOPO_T_PROTO },                                                 \
	{ .name = "src", .type = TOPO_T_PREFIX },                                                  \
	{ .name = "dst", .type = TOPO_T_PREFIX },                                                  \
	REF("src_group", TOPO_ADDRESS_GROUP),                                                      \
	REF("dst_group", TOPO_ADDRESS_GROUP),                                                      \
	{ .name = "src_ports", .type = TOPO_T_PORTS },                                             \
	{ .name = "dst_ports", .type = TOPO_T_PORTS },                                             \
	{ .name = "icmp_type", .type = TOPO_T_INT, .max = 255 },                                   \
	{ .name = "icmp_code", .type = TOPO_T_INT, .max = 255 },                                   \
	{ .name = "tcp_flags", .type = TOPO_T_TCP_FLAGS },                                         \
	{ .name = "dscp", .type = TOPO_T_INT, .max = 63 },                                         \
	{ .name = "fragment", .type = TOPO_T_WORD, .words = fragments },                           \
	{ .name = "ct_state", .type = TOPO_T_WORD, .words = ct_states, .list = true, .max = 5 },   \
	{ .name = "in_ports", .type = TOPO_T_REF, .ref = TOPO_PORT, .list = true },                \
	{ .name = "out_ports", .type = TOPO_T_REF, .ref = TOPO_PORT, .list = true },               \
	REF("in_port_group", TOPO_PORT_GROUP),                                                     \
	REF("out_port_group", TOPO_PORT_GROUP),                                                    \
	REF("entry_port_group", TOPO_PORT_GROUP),                                                  \
	{ .name = "traversed", .type = TOPO_T_DEVICE },                                            \
	{ .name = "inner_src", .type = TOPO_T_PREFIX },                                            \
	{ .name = "inner_dst", .type = TOPO_T_PREFIX },                                            \
	{ .name = "dst_rewritten", .type = TOPO_T_BOOL },                                          \
	{ .name = "not", .type = TOPO_T_NAME, .list = true, .max = 32 },                           \
	{ .name = "invert", .type = TOPO_T_BOOL }

static const struct topo_field rule_fields[] = {
	{ .name = "name", .type = TOPO_T_NAME },
	{ .name = "action", .type = TOPO_T_WORD, .words = actions, .required = true },
	REF("jump", TOPO_CHAIN),
	CONDITIONS,
	{ .name = "log", .type = TOPO_T_BOOL },
	DESCRIPTION,
};
const struct topo_shape topo_rule_shape = SHAPE("rule", rule_fields, topo_together_rule);
static const struct topo_field match_fields[] = { CONDITIONS };
static const struct topo_shape match_shape = SHAPE("condition", match_fields, topo_together_match);

static const struct topo_field chain_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "rules",
	  .type = TOPO_T_OBJECTS,
	  .shape = &topo_rule_shape,
	  .max = TOPO_RULES_MAX,
	  .def = "[]" },
	ID,
	REV,
};

/* --- groups --- */

static const struct topo_field address_group_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "addresses", .type = TOPO_T_PREFIX, .list = true, .max = TOPO_GROUP_MAX, .def = "[]" },
	ID,
	REV,
};
static const struct topo_field port_group_fields[] = {
	NAME, DESCRIPTION, { .name = "stateful", .type = TOPO_T_BOOL, .def = "false" }, ID, REV,
};
static const struct topo_field sg_rule_fields[] = {
	{ .name = "name", .type = TOPO_T_NAME },
	{ .name = "direction", .type = TOPO_T_WORD, .words = directions, .required = true },
	{ .name = "ethertype", .type = TOPO_T_WORD, .words = families },
	{ .name = "proto", .type = TOPO_T_PROTO },
	{ .name = "src_ports", .type = TOPO_T_PORTS },
	{ .name = "dst_ports", .type = TOPO_T_PORTS },
	{ .name = "icmp_type", .type = TOPO_T_INT, .max = 255 },
	{ .name = "icmp_code", .type = TOPO_T_INT, .max = 255 },
	{ .name = "remote", .type = TOPO_T_PREFIX },
	REF("remote_group", TOPO_SECURITY_GROUP),
	REF("remote_addresses", TOPO_ADDRESS_GROUP),
	DESCRIPTION,
};
static const struct topo_shape sg_rule_shape = SHAPE("rule", sg_rule_fields, topo_together_sg_rule);
static const struct topo_field security_group_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "stateful", .type = TOPO_T_BOOL, .def = "true" },
	{ .name = "egress", .type = TOPO_T_WORD, .words = egresses, .def = "\"any\"" },
	{ .name = "rules", .type = TOPO_T_OBJECTS, .shape = &sg_rule_shape, .max = 1000, .def = "[]" },
	ID,
	REV,
};
static const struct topo_field qos_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "rate_in", .type = TOPO_T_RATE },
	{ .name = "rate_out", .type = TOPO_T_RATE },
	{ .name = "burst_in", .type = TOPO_T_BYTES },
	{ .name = "burst_out", .type = TOPO_T_BYTES },
	{ .name = "dscp", .type = TOPO_T_INT, .max = 63 },
	ID,
	REV,
};

/* --- devices and ports --- */

static const struct topo_field static_mac_fields[] = {
	{ .name = "mac", .type = TOPO_T_MAC, .required = true },
	{ .name = "port", .type = TOPO_T_REF, .ref = TOPO_PORT, .required = true },
	{ .name = "vlan", .type = TOPO_T_INT, .min = 1, .max = 4094 },
};
static const struct topo_shape static_mac_shape = SHAPE("element", static_mac_fields, NULL);
static const struct topo_field neighbour_fields[] = {
	{ .name = "address", .type = TOPO_T_IP, .required = true },
	{ .name = "mac", .type = TOPO_T_MAC, .required = true },
};
static const struct topo_shape neighbour_shape = SHAPE("element", neighbour_fields, NULL);
static const struct topo_field bridge_fields[] = {
	NAME,
	DESCRIPTION,
	ADMIN_UP,
	{ .name = "vlan_aware", .type = TOPO_T_BOOL, .def = "false" },
	{ .name = "static_macs", .type = TOPO_T_OBJECTS, .shape = &static_mac_shape, .max = 10000 },
	{ .name = "neighbours", .type = TOPO_T_OBJECTS, .shape = &neighbour_shape, .max = 10000 },
	CHAINS,
	ID,
	REV,
};
static const struct topo_field router_fields[] = {
	NAME, DESCRIPTION, ADMIN_UP, CHAINS, ID, REV,
};
static const struct topo_field allowed_fields[] = {
	{ .name = "address", .type = TOPO_T_PREFIX, .required = true },
	{ .name = "mac", .type = TOPO_T_MAC },
};
static const struct topo_shape allowed_shape = { "element", "address", allowed_fields,
						 ARRAY_SIZE(allowed_fields), NULL };
static const struct topo_field port_fields[] = {
	NAME,
	DESCRIPTION,
	REF("bridge", TOPO_BRIDGE),
	REF("router", TOPO_ROUTER),
	REF("peer", TOPO_PORT),
	{ .name = "mac", .type = TOPO_T_MAC },
	{ .name = "addresses", .type = TOPO_T_ADDRESSES, .list = true, .def = "[]" },
	ADMIN_UP,
	{ .name = "port_security", .type = TOPO_T_BOOL, .def = "true" },
	{ .name = "allowed_addresses", .type = TOPO_T_OBJECTS, .shape = &allowed_shape, .max = 64 },
	{ .name = "security_groups",
	  .type = TOPO_T_REF,
	  .ref = TOPO_SECURITY_GROUP,
	  .list = true,
	  .max = 32 },
	{ .name = "port_groups", .type = TOPO_T_REF, .ref = TOPO_PORT_GROUP, .list = true, .max = 32 },
	REF("qos", TOPO_QOS),
	{ .name = "vlan", .type = TOPO_T_INT, .min = 1, .max = 4094 },
	{ .name = "trunk", .type = TOPO_T_VLANS },
	{ .name = "hairpin", .type = TOPO_T_BOOL, .def = "false" },
	{ .name = "mtu", .type = TOPO_T_INT, .min = 576, .max = 65535 },
	{ .name = "hostname", .type = TOPO_T_NAME },
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
	REF("port", TOPO_PORT),
	{ .name = "gateway", .type = TOPO_T_IP },
	{ .name = "weight", .type = TOPO_T_INT, .min = 1, .max = 65535, .def = "100" },
	ID,
	REV,
};

/* --- addresses for machines --- */

static const struct topo_field subnet_route_fields[] = {
	{ .name = "dst", .type = TOPO_T_PREFIX, .required = true },
	{ .name = "via", .type = TOPO_T_IP, .required = true },
};
static const struct topo_shape subnet_route_shape = SHAPE("element", subnet_route_fields, NULL);
static const struct topo_field option_fields[] = {
	{ .name = "code", .type = TOPO_T_INT, .min = 1, .max = 65535, .required = true },
	{ .name = "text", .type = TOPO_T_TEXT, .max = 255 },
	{ .name = "hex", .type = TOPO_T_HEX },
	{ .name = "addresses", .type = TOPO_T_IP, .list = true, .max = 15 },
	{ .name = "number", .type = TOPO_T_INT, .max = 0xffffffff },
	{ .name = "size", .type = TOPO_T_INT, .min = 1, .max = 4 },
};
static const struct topo_shape option_shape = { "option", "code", option_fields,
						ARRAY_SIZE(option_fields), topo_together_option };
static const struct topo_field host_fields[] = {
	{ .name = "mac", .type = TOPO_T_MAC, .required = true },
	{ .name = "address", .type = TOPO_T_IP, .required = true },
	{ .name = "hostname", .type = TOPO_T_NAME },
};
static const struct topo_shape host_shape = { "host", "mac", host_fields, ARRAY_SIZE(host_fields),
					      NULL };
static const struct topo_field subnet_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "bridge", .type = TOPO_T_REF, .ref = TOPO_BRIDGE, .required = true },
	{ .name = "prefix", .type = TOPO_T_PREFIX, .required = true },
	{ .name = "gateway", .type = TOPO_T_IP },
	{ .name = "server", .type = TOPO_T_IP },
	{ .name = "dhcp", .type = TOPO_T_BOOL, .def = "true" },
	{ .name = "ra", .type = TOPO_T_WORD, .words = ra_modes },
	{ .name = "dns", .type = TOPO_T_IP, .list = true, .max = 8 },
	{ .name = "ntp", .type = TOPO_T_IP, .list = true, .max = 8 },
	{ .name = "domain", .type = TOPO_T_TEXT, .max = 200 },
	{ .name = "mtu", .type = TOPO_T_INT, .min = 576, .max = 65535 },
	{ .name = "lease", .type = TOPO_T_INT, .min = 60, .max = 0x7fffffff, .def = "86400" },
	{ .name = "routes", .type = TOPO_T_OBJECTS, .shape = &subnet_route_shape, .max = 32 },
	{ .name = "options", .type = TOPO_T_OBJECTS, .shape = &option_shape, .max = 32 },
	{ .name = "hosts", .type = TOPO_T_OBJECTS, .shape = &host_shape, .max = 10000 },
	ID,
	REV,
};

/* --- NAT and load balancing --- */

static const struct topo_field nat_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "router", .type = TOPO_T_REF, .ref = TOPO_ROUTER, .required = true },
	{ .name = "type", .type = TOPO_T_WORD, .words = nat_types, .required = true },
	{ .name = "position", .type = TOPO_T_INT, .max = 1000000, .def = "100" },
	REF("port", TOPO_PORT),
	{ .name = "proto", .type = TOPO_T_PROTO },
	{ .name = "src", .type = TOPO_T_PREFIX },
	{ .name = "dst", .type = TOPO_T_PREFIX },
	{ .name = "src_ports", .type = TOPO_T_PORTS },
	{ .name = "dst_ports", .type = TOPO_T_PORTS },
	{ .name = "to", .type = TOPO_T_RANGE },
	{ .name = "to_ports", .type = TOPO_T_PORTS },
	ID,
	REV,
};
static const struct topo_field floating_ip_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "router", .type = TOPO_T_REF, .ref = TOPO_ROUTER, .required = true },
	{ .name = "address", .type = TOPO_T_IP, .required = true },
	REF("port", TOPO_PORT),
	{ .name = "fixed", .type = TOPO_T_IP },
	REF("uplink", TOPO_PORT),
	ID,
	REV,
};
static const struct topo_field load_balancer_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "router", .type = TOPO_T_REF, .ref = TOPO_ROUTER, .required = true },
	ADMIN_UP,
	ID,
	REV,
};
static const struct topo_field pool_fields[] = { NAME, DESCRIPTION, ID, REV };
static const struct topo_field member_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "pool", .type = TOPO_T_REF, .ref = TOPO_POOL, .required = true },
	{ .name = "address", .type = TOPO_T_IP, .required = true },
	{ .name = "port", .type = TOPO_T_INT, .max = 65535, .def = "0" },
	{ .name = "weight", .type = TOPO_T_INT, .max = 1000, .def = "1" },
	{ .name = "state", .type = TOPO_T_WORD, .words = member_states, .def = "\"up\"" },
	ID,
	REV,
};
static const struct topo_field vip_fields[] = {
	NAME,
	DESCRIPTION,
	{ .name = "load_balancer", .type = TOPO_T_REF, .ref = TOPO_LOAD_BALANCER, .required = true },
	ADMIN_UP,
	{ .name = "address", .type = TOPO_T_IP, .required = true },
	{ .name = "proto", .type = TOPO_T_WORD, .words = vip_protos, .required = true },
	{ .name = "port", .type = TOPO_T_INT, .max = 65535, .required = true },
	{ .name = "pool", .type = TOPO_T_REF, .ref = TOPO_POOL, .required = true },
	{ .name = "affinity", .type = TOPO_T_WORD, .words = affinities, .def = "\"none\"" },
	{ .name = "affinity_timeout", .type = TOPO_T_INT, .min = 1, .max = 604800, .def = "10800" },
	{ .name = "on_empty", .type = TOPO_T_WORD, .words = empties, .def = "\"drop\"" },
	ID,
	REV,
};

/* --- mirrors --- */

static const struct topo_field at_fields[] = {
	REF("port", TOPO_PORT),
	REF("bridge", TOPO_BRIDGE),
	REF("router", TOPO_ROUTER),
	{ .name = "hook", .type = TOPO_T_WORD, .words = hooks, .required = true },
};
static const struct topo_shape at_shape = SHAPE("element", at_fields, topo_together_at);
static const struct topo_field mirror_fields[] = {
	NAME,
	DESCRIPTION,
	ADMIN_UP,
	{ .name = "to", .type = TOPO_T_REF, .ref = TOPO_PORT, .required = true },
	{ .name = "at", .type = TOPO_T_OBJECTS, .shape = &at_shape, .max = 256, .def = "[]" },
	{ .name = "match", .type = TOPO_T_OBJECTS, .shape = &match_shape, .max = 64, .def = "[]" },
	ID,
	REV,
};

/* --- bindings --- */

#define BINDING                                                                                    \
	{ .name = "host", .type = TOPO_T_NAME, .required = true },                                 \
	{ .name = "interface", .type = TOPO_T_INTERFACE, .required = true }, ID, REV
static const struct topo_field bind_fields[] = {
	{ .name = "port", .type = TOPO_T_REF, .ref = TOPO_PORT, .required = true },
	BINDING,
};
static const struct topo_field bind_record_fields[] = { NAME, BINDING };

const struct topo_shape topo_shapes[TOPO_KIND_MAX] = {
	[TOPO_ADDRESS_GROUP] = SHAPE("address_group", address_group_fields, NULL),
	[TOPO_PORT_GROUP] = SHAPE("port_group", port_group_fields, NULL),
	[TOPO_SECURITY_GROUP] = SHAPE("security_group", security_group_fields, topo_together_sg),
	[TOPO_CHAIN] = SHAPE("chain", chain_fields, NULL),
	[TOPO_QOS] = SHAPE("qos", qos_fields, topo_together_qos),
	[TOPO_BRIDGE] = SHAPE("bridge", bridge_fields, topo_together_bridge),
	[TOPO_ROUTER] = SHAPE("router", router_fields, NULL),
	[TOPO_PORT] = SHAPE("port", port_fields, topo_together_port),
	[TOPO_ROUTE] = SHAPE("route", route_fields, topo_together_route),
	[TOPO_SUBNET] = SHAPE("subnet", subnet_fields, topo_together_subnet),
	[TOPO_NAT] = SHAPE("nat", nat_fields, topo_together_nat),
	[TOPO_FLOATING_IP] = SHAPE("floating_ip", floating_ip_fields, topo_together_fip),
	[TOPO_LOAD_BALANCER] = SHAPE("load_balancer", load_balancer_fields, NULL),
	[TOPO_POOL] = SHAPE("pool", pool_fields, NULL),
	[TOPO_MEMBER] = SHAPE("member", member_fields, NULL),
	[TOPO_VIP] = SHAPE("vip", vip_fields, NULL),
	[TOPO_MIRROR] = SHAPE("mirror", mirror_fields, NULL),
	[TOPO_BIND] = { "bind", "port", bind_fields, ARRAY_SIZE(bind_fields), NULL },
};
const struct topo_shape topo_bind_record = SHAPE("bind", bind_record_fields, NULL);

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
