// SPDX-License-Identifier: Apache-2.0
/* Whether the fields of one object, each right by itself, go together.  Called by object.c through the tables of schema.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "topology/schema.h"

static int fault_at(struct topo_fault *fault, const json_t *in, const char *key)
{
	if (fault)
		*fault = (struct topo_fault){ in, key };
	return -EINVAL;
}

/* --- do a rule's fields go together? --- */

enum family { ANY, V4, V6 };

static enum family prefix_family(const json_t *rule, const char *field)
{
	const char *s = topo_str(rule, field);
	struct skep_ip ip;
	unsigned int len;

	if (!s || !prefix_parse(s, &ip, &len))
		return ANY;
	return ip_is_v4(&ip) ? V4 : V6;
}

static int check_families(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	enum family src = prefix_family(rule, "src"), dst = prefix_family(rule, "dst");
	enum family f = src ? src : dst;
	const json_t *type = json_object_get(rule, "ethertype");
	const json_t *proto = json_object_get(rule, "proto");
	const char *name = json_string_value(proto);
	uint16_t ethertype = 0;
	char text[80];

	if (src && dst && src != dst) {
		fault_at(fault, rule, "dst");
		return err_set(
			err, -EINVAL,
			"field 'dst': '%s' and src '%s' are of different families (want both IPv4 or both IPv6)",
			topo_str(rule, "dst"), topo_str(rule, "src"));
	}
	if (topo_parse_ethertype(type, &ethertype)) {
		enum family e = ethertype == 0x0800 ? V4 : ethertype == 0x86dd ? V6 : ANY;

		fault_at(fault, rule, "ethertype");
		if (f && f != e)
			return err_set(err, -EINVAL,
				       "field 'ethertype': '%s' does not go with %s '%s' (want %s)",
				       topo_value_text(type, text), src ? "src" : "dst",
				       topo_str(rule, src ? "src" : "dst"),
				       f == V4 ? "ipv4" : "ipv6");
		if (proto && e == ANY)
			return err_set(
				err, -EINVAL,
				"field 'ethertype': '%s' does not go with field 'proto' (want ipv4 or ipv6)",
				topo_value_text(type, text));
		if (!f)
			f = e;
	}
	fault_at(fault, rule, "proto");
	if (name && f == V4 && !strcmp(name, "icmp6"))
		return err_set(err, -EINVAL,
			       "field 'proto': 'icmp6' does not go with IPv4 (want icmp)");
	return 0;
}

static int check_l4(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	static const char *const ports[] = { "src_ports", "dst_ports" };
	const json_t *proto = json_object_get(rule, "proto");
	uint8_t p = 0;
	char text[80];

	topo_parse_proto(proto, &p);
	for (int i = 0; i < 2; i++)
		if (json_object_get(rule, ports[i]) && p != IPPROTO_TCP && p != IPPROTO_UDP &&
		    p != IPPROTO_SCTP) {
			fault_at(fault, rule, ports[i]);
			return err_set(
				err, -EINVAL,
				"field '%s': '%s' needs field 'proto' to be tcp, udp or sctp",
				ports[i], topo_value_text(json_object_get(rule, ports[i]), text));
		}
	if (json_object_get(rule, "tcp_flags") && p != IPPROTO_TCP) {
		fault_at(fault, rule, "tcp_flags");
		return err_set(err, -EINVAL, "field 'tcp_flags': '%s' needs field 'proto' to be tcp",
			       topo_str(rule, "tcp_flags"));
	}
	if (json_object_get(rule, "icmp_type") && p != IPPROTO_ICMP && p != IPPROTO_ICMPV6) {
		fault_at(fault, rule, "icmp_type");
		return err_set(err, -EINVAL,
			       "field 'icmp_type': '%s' needs field 'proto' to be icmp or icmp6",
			       topo_value_text(json_object_get(rule, "icmp_type"), text));
	}
	if (json_object_get(rule, "icmp_code") && !json_object_get(rule, "icmp_type")) {
		fault_at(fault, rule, "icmp_code");
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

		fault_at(fault, rule, "not");
		if (!field || !topo_match_bit(field))
			return err_set(err, -EINVAL,
				       "field 'not': '%s' is no condition (want src, dst, proto, ...)",
				       field ? field : "?");
		if (!json_object_get(rule, field))
			return err_set(err, -EINVAL, "field 'not': the rule has no condition '%s'",
				       field);
	}
	return 0;
}

int topo_together_match(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	int rc = check_families(rule, fault, err);

	rc = rc ? rc : check_l4(rule, fault, err);
	return rc ? rc : check_not(rule, fault, err);
}

int topo_together_rule(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	const char *action = topo_str(rule, "action"), *jump = topo_str(rule, "jump");
	int rc;

	if (!strcmp(action, "jump") && !jump) {
		fault_at(fault, rule, "action");
		return err_set(err, -EINVAL,
			       "field 'jump' is missing (action 'jump' needs the name of a chain)");
	}
	if (strcmp(action, "jump") != 0 && jump) {
		fault_at(fault, rule, "jump");
		return err_set(err, -EINVAL,
			       "field 'jump': '%s' needs field 'action' to be jump, it is '%s'",
			       jump, action);
	}
	rc = topo_together_match(rule, fault, err);
	return rc;
}

/* --- do a port's, a route's? --- */

int topo_together_port(const json_t *port, struct topo_fault *fault, struct err *err)
{
	const char *bridge = topo_str(port, "bridge"), *router = topo_str(port, "router");
	const char *peer = topo_str(port, "peer");

	if (!bridge && !router) {
		fault_at(fault, port, NULL);
		return err_set(
			err, -EINVAL,
			"field 'bridge' or 'router' is missing (a port is part of one of them)");
	}
	if (bridge && router) {
		fault_at(fault, port, "router");
		return err_set(
			err, -EINVAL,
			"field 'router': '%s' cannot be set beside bridge '%s' (want one of them)",
			router, bridge);
	}
	if (router && json_object_get(port, "trunk")) {
		fault_at(fault, port, "trunk");
		return err_set(err, -EINVAL, "field 'trunk' is for ports of bridges");
	}
	if (router && json_object_get(port, "vlan")) {
		fault_at(fault, port, "vlan");
		return err_set(err, -EINVAL, "field 'vlan' is for ports of bridges");
	}
	if (bridge && json_object_get(port, "mtu")) {
		fault_at(fault, port, "mtu");
		return err_set(err, -EINVAL, "field 'mtu' is for ports of routers");
	}
	if (peer && topo_str(port, "name") && !strcmp(peer, topo_str(port, "name"))) {
		fault_at(fault, port, "peer");
		return err_set(err, -EINVAL,
			       "field 'peer': '%s' is the port itself (want another port)", peer);
	}
	return 0;
}

static int same_family(const json_t *route, const char *field, struct topo_fault *fault,
		       struct err *err)
{
	enum family dst = prefix_family(route, "dst"), other = prefix_family(route, field);

	if (!other || !dst || other == dst)
		return 0;
	fault_at(fault, route, field);
	return err_set(err, -EINVAL,
		       "field '%s': '%s' and dst '%s' are of different families (want %s)", field,
		       topo_str(route, field), topo_str(route, "dst"), dst == V4 ? "IPv4" : "IPv6");
}

int topo_together_route(const json_t *route, struct topo_fault *fault, struct err *err)
{
	const char *type = topo_str(route, "type");
	bool to_port = !type || !strcmp(type, "port") || !strcmp(type, "local");

	if (to_port && !topo_str(route, "port")) {
		fault_at(fault, route, NULL);
		return err_set(
			err, -EINVAL,
			"field 'port' is missing (a route of type '%s' needs a port of its router)",
			type ? type : "port");
	}
	if (!to_port && topo_str(route, "port")) {
		fault_at(fault, route, "port");
		return err_set(err, -EINVAL,
			       "field 'port': '%s' does not go with type '%s' (want no port)",
			       topo_str(route, "port"), type);
	}
	if (topo_str(route, "gateway") && type && strcmp(type, "port") != 0) {
		fault_at(fault, route, "gateway");
		return err_set(err, -EINVAL,
			       "field 'gateway': '%s' does not go with type '%s' (want no gateway)",
			       topo_str(route, "gateway"), type);
	}
	if (same_family(route, "src", fault, err))
		return -EINVAL;
	return same_family(route, "gateway", fault, err);
}

/* --- the others --- */

static enum family ip_family(const json_t *obj, const char *field)
{
	const char *s = topo_str(obj, field);
	struct skep_ip ip;

	if (!s || !ip_parse(s, &ip))
		return ANY;
	return ip_is_v4(&ip) ? V4 : V6;
}

static int mixed(const json_t *obj, const char *field, const char *with, struct topo_fault *fault,
		 struct err *err)
{
	fault_at(fault, obj, field);
	return err_set(err, -EINVAL, "field '%s': '%s' and %s '%s' are of different families", field,
		       topo_str(obj, field), with, topo_str(obj, with));
}

int topo_together_bridge(const json_t *bridge, struct topo_fault *fault, struct err *err)
{
	const json_t *list = json_object_get(bridge, "static_macs"), *item;
	bool aware = json_is_true(json_object_get(bridge, "vlan_aware"));
	size_t i;

	json_array_foreach(list, i, item)
		if (json_object_get(item, "vlan") && !aware) {
			fault_at(fault, item, "vlan");
			return err_set(err, -EINVAL,
				       "field 'static_macs' element %zu: field 'vlan' needs vlan_aware: true",
				       i + 1);
		}
	return 0;
}

int topo_together_sg_rule(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	static const char *const remotes[] = { "remote", "remote_group", "remote_addresses" };
	const char *first = NULL, *type = topo_str(rule, "ethertype");
	enum family remote = prefix_family(rule, "remote");

	for (size_t i = 0; i < ARRAY_SIZE(remotes); i++) {
		if (!json_object_get(rule, remotes[i]))
			continue;
		fault_at(fault, rule, remotes[i]);
		if (first)
			return err_set(err, -EINVAL,
				       "field '%s' cannot be set beside '%s' (want one of them)",
				       remotes[i], first);
		first = remotes[i];
	}
	if (type && remote && (remote == V4) != !strcmp(type, "ipv4")) {
		fault_at(fault, rule, "remote");
		return err_set(err, -EINVAL, "field 'remote': '%s' does not go with ethertype '%s'",
			       topo_str(rule, "remote"), type);
	}
	return check_l4(rule, fault, err);
}

int topo_together_option(const json_t *option, struct topo_fault *fault, struct err *err)
{
	int n = !!json_object_get(option, "text") + !!json_object_get(option, "hex") +
		!!json_object_get(option, "addresses");

	if (n == 1)
		return 0;
	fault_at(fault, option, NULL);
	return err_set(err, -EINVAL, "an option has one of 'text', 'hex' and 'addresses'");
}

int topo_together_subnet(const json_t *subnet, struct topo_fault *fault, struct err *err)
{
	enum family f = prefix_family(subnet, "prefix");
	static const char *const same[] = { "gateway", "server" };
	const char *s = topo_str(subnet, "prefix");
	struct skep_ip net, ip;
	unsigned int len;

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (ip_family(subnet, same[i]) && ip_family(subnet, same[i]) != f)
			return mixed(subnet, same[i], "prefix", fault, err);
	if (f == V4 && json_object_get(subnet, "ra") && strcmp(topo_str(subnet, "ra"), "none") != 0) {
		fault_at(fault, subnet, "ra");
		return err_set(err, -EINVAL, "field 'ra': '%s' is for IPv6 (prefix is '%s')",
			       topo_str(subnet, "ra"), s);
	}
	if (topo_str(subnet, "gateway") && prefix_parse(s, &net, &len) &&
	    ip_parse(topo_str(subnet, "gateway"), &ip) && !ip_in_prefix(&ip, &net, len) &&
	    !(f == V6 && ip_is_link_local(&ip))) {
		fault_at(fault, subnet, "gateway");
		return err_set(err, -EINVAL, "field 'gateway': '%s' is not in prefix '%s'",
			       topo_str(subnet, "gateway"), s);
	}
	return 0;
}

static int check_nat_target(const json_t *nat, bool plain, struct topo_fault *fault, struct err *err)
{
	struct topo_ip_range to;
	enum family f, dst = prefix_family(nat, "dst"), src = prefix_family(nat, "src");

	fault_at(fault, nat, NULL);
	if (plain && (topo_str(nat, "to") || json_object_get(nat, "to_ports")))
		return err_set(err, -EINVAL, "field '%s' does not go with type '%s'",
			       topo_str(nat, "to") ? "to" : "to_ports", topo_str(nat, "type"));
	if (plain)
		return 0;
	if (!topo_str(nat, "to"))
		return err_set(err, -EINVAL, "field 'to' is missing (type '%s' needs an address)",
			       topo_str(nat, "type"));
	if (!topo_parse_range(topo_str(nat, "to"), &to))
		return 0;
	f = ip_is_v4(&to.lo) ? V4 : V6;
	if (src && src != f)
		return mixed(nat, "to", "src", fault, err);
	if (dst && dst != f)
		return mixed(nat, "to", "dst", fault, err);
	return 0;
}

int topo_together_nat(const json_t *nat, struct topo_fault *fault, struct err *err)
{
	const char *type = topo_str(nat, "type");
	uint16_t from[2], to[2];
	int rc;

	rc = check_nat_target(nat, type[0] == 'n', fault, err);
	rc = rc ? rc : check_families(nat, fault, err);
	rc = rc ? rc : check_l4(nat, fault, err);
	if (rc || strcmp(type, "dnat") != 0)
		return rc;
	if (!topo_parse_ports(json_object_get(nat, "to_ports"), to))
		return 0;
	fault_at(fault, nat, "to_ports");
	if (!json_object_get(nat, "proto"))
		return err_set(err, -EINVAL, "field 'to_ports' needs field 'proto' to be tcp or udp");
	if (topo_parse_ports(json_object_get(nat, "dst_ports"), from) && to[0] != to[1] &&
	    to[1] - to[0] != from[1] - from[0])
		return err_set(err, -EINVAL,
			       "field 'to_ports': the range must be as long as 'dst_ports', or one port");
	return 0;
}

int topo_together_fip(const json_t *fip, struct topo_fault *fault, struct err *err)
{
	if (!topo_str(fip, "port") && !topo_str(fip, "fixed")) {
		fault_at(fault, fip, NULL);
		return err_set(err, -EINVAL,
			       "field 'port' or 'fixed' is missing (whose address is it?)");
	}
	if (ip_family(fip, "fixed") && ip_family(fip, "fixed") != ip_family(fip, "address"))
		return mixed(fip, "fixed", "address", fault, err);
	return 0;
}

int topo_together_at(const json_t *at, struct topo_fault *fault, struct err *err)
{
	const char *hook = topo_str(at, "hook");
	bool port = topo_str(at, "port"), device_hook = !strchr(hook, '_');
	int n = port + !!topo_str(at, "bridge") + !!topo_str(at, "router");

	fault_at(fault, at, NULL);
	if (n != 1)
		return err_set(err, -EINVAL, "one of 'port', 'bridge' and 'router' is wanted");
	fault_at(fault, at, "hook");
	if (port == device_hook)
		return err_set(err, -EINVAL, "field 'hook': '%s' is not one of a %s (want %s)", hook,
			       port ? "port" : "bridge or router",
			       port ? "pre_in, post_in, pre_out or post_out" : "in or out");
	return 0;
}
