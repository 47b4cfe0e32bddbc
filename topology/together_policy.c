// SPDX-License-Identifier: Apache-2.0
/* Whether fields go together: bridges, security groups, QoS, mirrors.  Called by object.c through the tables of schema.c. */
#include <errno.h>
#include <string.h>

#include "topology/together.h"

int topo_together_bridge(const json_t *bridge, struct topo_fault *fault, struct err *err)
{
	const json_t *list = json_object_get(bridge, "static_macs"), *item;
	bool aware = json_is_true(json_object_get(bridge, "vlan_aware"));
	size_t i;

	json_array_foreach(list, i, item)
	{
		const json_t *vlan = json_object_get(item, "vlan");
		bool has = vlan && !json_is_null(vlan);

		if (has == aware)
			continue;
		topo_fault_at(fault, item, has ? "vlan" : NULL);
		return err_set(err, -EINVAL,
			       has ? "field 'static_macs' element %zu: field 'vlan' needs the bridge to be vlan_aware" :
				     "field 'static_macs' element %zu: field 'vlan' is missing (the bridge is vlan_aware)",
			       i + 1);
	}
	return 0;
}

int topo_together_sg_rule(const json_t *rule, struct topo_fault *fault, struct err *err)
{
	static const char *const remotes[] = { "remote", "remote_group", "remote_addresses" };
	const char *first = NULL, *type = topo_str(rule, "ethertype"), *proto = topo_str(rule, "proto");
	enum topo_family remote = topo_field_family(rule, "remote"), family;

	for (size_t i = 0; i < ARRAY_SIZE(remotes); i++) {
		if (!topo_str(rule, remotes[i]))
			continue;
		topo_fault_at(fault, rule, remotes[i]);
		if (first)
			return err_set(err, -EINVAL,
				       "field '%s': '%s' cannot be set beside '%s' (want one of them)",
				       remotes[i], topo_str(rule, remotes[i]), first);
		first = remotes[i];
	}
	family = type ? !strcmp(type, "ipv4") ? TOPO_V4 : TOPO_V6 : remote;
	if (remote && remote != family) {
		topo_fault_at(fault, rule, "remote");
		return err_set(err, -EINVAL,
			       "field 'remote': '%s' does not go with ethertype '%s' (want %s)",
			       topo_str(rule, "remote"), type, topo_family_name(family));
	}
	if (family == TOPO_V4 && proto && !strcmp(proto, "icmp6")) {
		topo_fault_at(fault, rule, "proto");
		return err_set(err, -EINVAL,
			       "field 'proto': 'icmp6' does not go with IPv4 (want icmp)");
	}
	return topo_check_l4(rule, fault, err);
}

/* Rules that would be without effect. */
int topo_together_sg(const json_t *sg, struct topo_fault *fault, struct err *err)
{
	const json_t *list = json_object_get(sg, "rules"), *rule;
	const char *egress = topo_str(sg, "egress");
	size_t i;

	if (egress && !strcmp(egress, "rules"))
		return 0;
	json_array_foreach(list, i, rule)
	{
		if (strcmp(topo_str(rule, "direction"), "egress") != 0)
			continue;
		topo_fault_at(fault, rule, "direction");
		return err_set(err, -EINVAL,
			       "rule %zu: field 'direction': 'egress' needs field 'egress' of the group to be rules, it is any",
			       i + 1);
	}
	return 0;
}

int topo_together_qos(const json_t *qos, struct topo_fault *fault, struct err *err)
{
	static const char *const fields[][2] = { { "burst_in", "rate_in" }, { "burst_out", "rate_out" } };
	char text[80];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const json_t *burst = json_object_get(qos, fields[i][0]);
		const json_t *rate = json_object_get(qos, fields[i][1]);

		if (!burst || json_is_null(burst) || (rate && !json_is_null(rate)))
			continue;
		topo_fault_at(fault, qos, fields[i][0]);
		return err_set(err, -EINVAL, "field '%s': '%s' needs field '%s'", fields[i][0],
			       topo_value_text(burst, text), fields[i][1]);
	}
	return 0;
}

int topo_together_at(const json_t *at, struct topo_fault *fault, struct err *err)
{
	const char *hook = topo_str(at, "hook");
	bool port = topo_str(at, "port"), of_device = !strchr(hook, '_');
	int n = port + !!topo_str(at, "bridge") + !!topo_str(at, "router");

	topo_fault_at(fault, at, NULL);
	if (n != 1)
		return err_set(err, -EINVAL,
			       n ? "it names more than one of 'port', 'bridge' and 'router' (want one of them)" :
				   "field 'port', 'bridge' or 'router' is missing (want one of them)");
	topo_fault_at(fault, at, "hook");
	if (port == of_device)
		return err_set(err, -EINVAL, "field 'hook': '%s' is not one of a %s (want %s)", hook,
			       port ? "port" : "bridge or router",
			       port ? "pre_in, post_in, pre_out or post_out" : "in or out");
	return 0;
}
