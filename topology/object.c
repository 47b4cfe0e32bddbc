// SPDX-License-Identifier: Apache-2.0
/*
 * One object on its own: its fields, and whether they go together.  Called for documents (with line numbers), by apply and for
 * records.  What needs other objects is in validate.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "topology/schema.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int unknown_field(const struct topo_shape *shape, const char *key, bool record,
			 struct err *err)
{
	char list[320], shown[80];
	json_t *v = json_string(key);
	size_t n = 0;

	list[0] = '\0';
	for (unsigned int i = 0; i < shape->n && n < sizeof(list); i++)
		if (record || !shape->fields[i].record_only)
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
					      shape->fields[i].name);
	err_set(err, -EINVAL, "field '%s' is unknown (a %s has %s)",
		v ? topo_value_text(v, shown) : "?", shape->what, list);
	json_decref(v);
	return -EINVAL;
}

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

static int check_rule(const json_t *rule, struct topo_fault *fault, struct err *err)
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
	rc = check_families(rule, fault, err);
	return rc ? rc : check_l4(rule, fault, err);
}

/* --- do a port's, a route's? --- */

static int check_port(const json_t *port, struct topo_fault *fault, struct err *err)
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

static int check_route(const json_t *route, struct topo_fault *fault, struct err *err)
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

/* --- the object --- */

static const char *rule_label(const json_t *rule, size_t index, char buf[static 96])
{
	const char *name = topo_str(rule, "name");

	if (name && topo_name_valid(name))
		snprintf(buf, 96, "rule '%s'", name);
	else
		snprintf(buf, 96, "rule %zu", index + 1);
	return buf;
}

static int check_rules(const json_t *rules, bool record, json_t **out, struct topo_fault *fault,
		       struct err *err)
{
	_json_ json_t *all = json_array();
	const json_t *rule;
	char text[96];
	size_t i;

	if (!all)
		return no_memory(err);
	if (!json_is_array(rules))
		return err_set(err, -EINVAL,
			       "field 'rules': '%s' is not a list (want [{action: accept}, ...])",
			       topo_value_text(rules, text));
	if (json_array_size(rules) > TOPO_RULES_MAX)
		return err_set(err, -EINVAL, "field 'rules': %zu rules are too many (at most %d)",
			       json_array_size(rules), TOPO_RULES_MAX);
	json_array_foreach(rules, i, rule)
	{
		json_t *v = NULL;
		int rc;

		fault_at(fault, rules, NULL);
		if (!json_is_object(rule))
			return err_set(err, -EINVAL,
				       "rule %zu: '%s' is not an object (want {action: accept})",
				       i + 1, topo_value_text(rule, text));
		rc = topo_object_check(&topo_rule_shape, rule, record, true, out ? &v : NULL, fault,
				       err);
		if (rc) {
			err_prefix(err, "%s", rule_label(rule, i, text));
			return rc;
		}
		if (out && json_array_append_new(all, v))
			return no_memory(err);
	}
	if (out)
		*out = TAKE_PTR(all);
	return 0;
}

static int check_missing(const struct topo_shape *shape, const json_t *obj, struct err *err)
{
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		const json_t *v = json_object_get(obj, f->name);

		if (f->required && (!v || json_is_null(v)))
			return err_set(err, -EINVAL, "field '%s' is missing", f->name);
	}
	return 0;
}

static int check_together(const struct topo_shape *shape, const json_t *obj,
			  struct topo_fault *fault, struct err *err)
{
	if (shape == &topo_rule_shape)
		return check_rule(obj, fault, err);
	if (shape == &topo_shapes[TOPO_PORT])
		return check_port(obj, fault, err);
	if (shape == &topo_shapes[TOPO_ROUTE])
		return check_route(obj, fault, err);
	return 0;
}

int topo_object_check(const struct topo_shape *shape, const json_t *obj, bool record, bool complete,
		      json_t **out, struct topo_fault *fault, struct err *err)
{
	_json_ json_t *normal = json_object();
	const char *key;
	json_t *value;
	int rc;

	if (!normal)
		return no_memory(err);
	json_object_foreach((json_t *)obj, key, value)
	{
		const struct topo_field *f = topo_field_find(shape, key);

		fault_at(fault, obj, key);
		if (!f || (f->record_only && !record))
			return unknown_field(shape, key, record, err);
	}
	for (unsigned int i = 0; i < shape->n; i++) {
		const struct topo_field *f = &shape->fields[i];
		json_t *v = NULL;

		value = json_object_get(obj, f->name);
		if (!value || json_is_null(value))
			continue;
		fault_at(fault, obj, f->name);
		if (f->type == TOPO_T_RULES)
			rc = check_rules(value, record, out ? &v : NULL, fault, err);
		else
			rc = topo_scalar(f, value, out ? &v : NULL, err);
		if (rc)
			return rc;
		if (out && json_object_set_new(normal, f->name, v))
			return no_memory(err);
	}
	fault_at(fault, obj, NULL);
	if (complete) {
		rc = check_missing(shape, obj, err);
		if (rc)
			return rc;
		rc = check_together(shape, obj, fault, err);
		if (rc)
			return rc;
	}
	if (out)
		*out = TAKE_PTR(normal);
	return 0;
}
