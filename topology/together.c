// SPDX-License-Identifier: Apache-2.0
/* Whether the fields of one object, each right by itself, go together: rules, ports, routes.  Called by object.c through the tables of schema.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "topology/together.h"

/* --- do a rule's fields go together? --- */

int topo_check_families(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	enum topo_family src = topo_field_family(rule, "src"), dst = topo_field_family(rule, "dst");
	enum topo_family f = src ? src : dst;
	const json_t *type = json_object_get(rule, "ethertype");
	const json_t *proto = json_object_get(rule, "proto");
	const char *name = json_string_value(proto);
	uint16_t ethertype = 0;
	char text[80];

	if (src && dst && src != dst) {
		topo_fault_at(fault, rule, "dst");
		return err_set(
			err, -EINVAL,
			"field 'dst': '%s' and src '%s' are of different families (want both IPv4 or both IPv6)",
			topo_str(rule, "dst"), topo_str(rule, "src"));
	}
	if (topo_parse_ethertype(type, &ethertype)) {
		enum topo_family e = ethertype == 0x0800 ? TOPO_V4 : ethertype == 0x86dd ? TOPO_V6 : TOPO_ANY;

		topo_fault_at(fault, rule, "ethertype");
		if (f && f != e)
			return err_set(err, -EINVAL,
				       "field 'ethertype': '%s' does not go with %s '%s' (want %s)",
				       topo_value_text(type, text), src ? "src" : "dst",
				       topo_str(rule, src ? "src" : "dst"),
				       f == TOPO_V4 ? "ipv4" : "ipv6");
		if (proto && e == TOPO_ANY)
			return err_set(
				err, -EINVAL,
				"field 'ethertype': '%s' does not go with field 'proto' (want ipv4 or ipv6)",
				topo_value_text(type, text));
		if (!f)
			f = e;
	}
	topo_fault_at(fault, rule, "proto");
	if (name && f == TOPO_V4 && !strcmp(name, "icmp6"))
		return err_set(err, -EINVAL,
			       "field 'proto': 'icmp6' does not go with IPv4 (want icmp)");
	return 0;
}

int topo_check_l4(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	static const char *const ports[] = { "src_ports", "dst_ports" };
	const json_t *proto = json_object_get(rule, "proto");
	uint8_t p = 0;
	char text[80];

	topo_parse_proto(proto, &p);
	for (int i = 0; i < 2; i++)
		if (json_object_get(rule, ports[i]) && p != IPPROTO_TCP && p != IPPROTO_UDP &&
		    p != IPPROTO_SCTP) {
			topo_fault_at(fault, rule, ports[i]);
			return err_set(
				err, -EINVAL,
				"field '%s': '%s' needs field 'proto' to be tcp, udp or sctp",
				ports[i], topo_value_text(json_object_get(rule, ports[i]), text));
		}
	if (json_object_get(rule, "tcp_flags") && p != IPPROTO_TCP) {
		topo_fault_at(fault, rule, "tcp_flags");
		return err_set(err, -EINVAL, "field 'tcp_flags': '%s' needs field 'proto' to be tcp",
			       topo_str(rule, "tcp_flags"));
	}
	if (json_object_get(rule, "icmp_type") && p != IPPROTO_ICMP && p != IPPROTO_ICMPV6) {
		topo_fault_at(fault, rule, "icmp_type");
		return err_set(err, -EINVAL,
			       "field 'icmp_type': '%s' needs field 'proto' to be icmp or icmp6",
			       topo_value_text(json_object_get(rule, "icmp_type"), text));
	}
	if (json_object_get(rule, "icmp_code") && !json_object_get(rule, "icmp_type")) {
		topo_fault_at(fault, rule, "icmp_code");
		return err_set(err, -EINVAL, "field 'icmp_code': '%s' needs field 'icmp_type'",
			       topo_value_text(json_object_get(rule, "icmp_code"), text));
	}
	return 0;
}

/* Conditions that are named as inverted must be there. */
static int check_not(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	const json_t *list = json_object_get(rule, "not"), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *field = json_string_value(item);

		topo_fault_at(fault, rule, "not");
		if (!field || !topo_match_bit(field))
			return err_set(err, -EINVAL,
				       "field 'not': '%s' is not a condition (want names of fields of the rule, like src)",
				       field ? field : "?");
		if (!json_object_get(rule, field))
			return err_set(err, -EINVAL,
				       "field 'not': '%s' is not set in the rule (want it set, to be inverted)",
				       field);
	}
	return 0;
}

/* Conditions on what only IP packets have, beside an ethertype that is not IP's; quoted addresses. */
static int check_ip_only(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	static const char *const fields[] = { "src_group", "dst_group",	 "dscp",	  "fragment",
					      "ct_state",  "inner_src", "inner_dst", "dst_rewritten" };
	const json_t *type = json_object_get(rule, "ethertype");
	enum topo_family src = topo_field_family(rule, "inner_src"), dst = topo_field_family(rule, "inner_dst");
	uint16_t ethertype;
	char text[80];

	for (size_t i = 0; i < ARRAY_SIZE(fields) && topo_parse_ethertype(type, &ethertype); i++) {
		if (!json_object_get(rule, fields[i]) || ethertype == 0x0800 || ethertype == 0x86dd)
			continue;
		topo_fault_at(fault, rule, fields[i]);
		return err_set(err, -EINVAL,
			       "field '%s' does not go with ethertype '%s' (want ipv4, ipv6 or none)",
			       fields[i], topo_value_text(type, text));
	}
	if (!src || !dst || src == dst)
		return 0;
	topo_fault_at(fault, rule, "inner_dst");
	return err_set(err, -EINVAL,
		       "field 'inner_dst': '%s' and inner_src '%s' are of different families (want %s)",
		       topo_str(rule, "inner_dst"), topo_str(rule, "inner_src"), topo_family_name(src));
}

int topo_together_match(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	int rc = topo_check_families(rule, fault, err);

	rc = rc ? rc : topo_check_l4(rule, fault, err);
	rc = rc ? rc : check_ip_only(rule, fault, err);
	return rc ? rc : check_not(rule, fault, err);
}

int topo_together_rule(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	const char *action = topo_str(rule, "action"), *jump = topo_str(rule, "jump");

	if (!strcmp(action, "jump") && !jump) {
		topo_fault_at(fault, rule, "action");
		return err_set(err, -EINVAL,
			       "field 'jump' is missing (action 'jump' needs the name of a chain)");
	}
	if (strcmp(action, "jump") != 0 && jump) {
		topo_fault_at(fault, rule, "jump");
		return err_set(err, -EINVAL,
			       "field 'jump': '%s' needs field 'action' to be jump, it is '%s'",
			       jump, action);
	}
	return topo_together_match(rule, fault, err);
}

/* --- do a port's, a route's? --- */

static bool is_set(const json_t *v)
{
	return v && !json_is_null(v) && !json_is_false(v) && !(json_is_array(v) && !json_array_size(v));
}

/* Fields that only ports of bridges, or of routers, or ports without a peer have. */
static int check_port_fields(const json_t *port, struct topo_fault *fault, struct err *err)
{
	static const char *const bridge[] = { "vlan",	 "trunk",	      "hairpin",
					      "hostname", "allowed_addresses", "security_groups" };
	static const char *const exterior[] = { "qos", "hostname", "allowed_addresses",
						"security_groups" };
	bool v6 = false, of_router = topo_str(port, "router"), linked = topo_str(port, "peer");
	const json_t *mtu = json_object_get(port, "mtu"), *addr;
	size_t i;

	for (i = 0; of_router && i < ARRAY_SIZE(bridge); i++)
		if (is_set(json_object_get(port, bridge[i]))) {
			topo_fault_at(fault, port, bridge[i]);
			return err_set(err, -EINVAL, "field '%s' does not go with 'router' (only ports of bridges have it)",
				       bridge[i]);
		}
	for (i = 0; linked && i < ARRAY_SIZE(exterior); i++)
		if (is_set(json_object_get(port, exterior[i]))) {
			topo_fault_at(fault, port, exterior[i]);
			return err_set(err, -EINVAL, "field '%s' does not go with 'peer' (only ports without a peer have it)",
				       exterior[i]);
		}
	topo_fault_at(fault, port, "mtu");
	if (is_set(mtu) && !of_router)
		return err_set(err, -EINVAL, "field 'mtu' does not go with 'bridge' (only ports of routers have it)");
	json_array_foreach(json_object_get(port, "addresses"), i, addr) v6 =
		v6 || topo_family_of(json_string_value(addr)) == TOPO_V6;
	if (is_set(mtu) && v6 && json_integer_value(mtu) < 1280)
		return err_set(err, -EINVAL,
			       "field 'mtu': %lld is too small for IPv6 (want 1280 or more, or no IPv6 addresses)",
			       (long long)json_integer_value(mtu));
	return 0;
}

int topo_together_port(const json_t *port, struct topo_fault *fault, struct err *err)
{
	const char *bridge = topo_str(port, "bridge"), *router = topo_str(port, "router");
	const char *peer = topo_str(port, "peer");

	if (!bridge && !router) {
		topo_fault_at(fault, port, NULL);
		return err_set(
			err, -EINVAL,
			"field 'bridge' or 'router' is missing (a port is part of one of them)");
	}
	if (bridge && router) {
		topo_fault_at(fault, port, "router");
		return err_set(
			err, -EINVAL,
			"field 'router': '%s' cannot be set beside bridge '%s' (want one of them)",
			router, bridge);
	}
	if (check_port_fields(port, fault, err))
		return -EINVAL;
	if (peer && topo_str(port, "name") && !strcmp(peer, topo_str(port, "name"))) {
		topo_fault_at(fault, port, "peer");
		return err_set(err, -EINVAL,
			       "field 'peer': '%s' is the port itself (want another port)", peer);
	}
	return 0;
}

int topo_check_family(const json_t *obj, const char *field, enum topo_family family,
		      const char *with, struct topo_fault *fault, struct err *err)
{
	enum topo_family f = topo_field_family(obj, field);

	if (!f || !family || f == family)
		return 0;
	topo_fault_at(fault, obj, field);
	return err_set(err, -EINVAL, "field '%s': '%s' is not of the family of %s (want %s)", field,
		       topo_str(obj, field), with, topo_family_name(family));
}

static int same_family(const json_t *route, const char *field, struct topo_fault *fault,
		       struct err *err)
{
	enum topo_family dst = topo_field_family(route, "dst"), other = topo_field_family(route, field);

	if (!other || !dst || other == dst)
		return 0;
	topo_fault_at(fault, route, field);
	return err_set(err, -EINVAL,
		       "field '%s': '%s' and dst '%s' are of different families (want %s)", field,
		       topo_str(route, field), topo_str(route, "dst"), dst == TOPO_V4 ? "IPv4" : "IPv6");
}

int topo_together_route(const json_t *route, struct topo_fault *fault, struct err *err)
{
	const char *type = topo_str(route, "type");
	bool to_port = !type || !strcmp(type, "port") || !strcmp(type, "local");

	if (to_port && !topo_str(route, "port")) {
		topo_fault_at(fault, route, NULL);
		return err_set(
			err, -EINVAL,
			"field 'port' is missing (a route of type '%s' needs a port of its router)",
			type ? type : "port");
	}
	if (!to_port && topo_str(route, "port")) {
		topo_fault_at(fault, route, "port");
		return err_set(err, -EINVAL,
			       "field 'port': '%s' does not go with type '%s' (want no port)",
			       topo_str(route, "port"), type);
	}
	if (topo_str(route, "gateway") && type && strcmp(type, "port") != 0) {
		topo_fault_at(fault, route, "gateway");
		return err_set(err, -EINVAL,
			       "field 'gateway': '%s' does not go with type '%s' (want no gateway)",
			       topo_str(route, "gateway"), type);
	}
	if (same_family(route, "src", fault, err))
		return -EINVAL;
	return same_family(route, "gateway", fault, err);
}
