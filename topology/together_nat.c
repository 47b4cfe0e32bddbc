// SPDX-License-Identifier: Apache-2.0
/* Whether fields go together: subnets, NAT, floating IPs.  Called by object.c through the tables of schema.c. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "topology/together.h"

static bool is_set(const json_t *v)
{
	return v && !json_is_null(v);
}

/* --- subnets --- */

int topo_together_option(const json_t *option, struct topo_fault *fault, struct err *err)
{
	bool number = is_set(json_object_get(option, "number"));
	const json_t *size = json_object_get(option, "size");
	int n = !!topo_str(option, "text") + !!topo_str(option, "hex") +
		is_set(json_object_get(option, "addresses")) + number;
	json_int_t bytes = is_set(size) ? json_integer_value(size) : 4;

	topo_fault_at(fault, option, NULL);
	if (n != 1)
		return err_set(err, -EINVAL,
			       n ? "it has more than one of 'text', 'hex', 'addresses' and 'number' (want one of them)" :
				   "field 'text', 'hex', 'addresses' or 'number' is missing (want one of them)");
	topo_fault_at(fault, option, "size");
	if (is_set(size) && !number)
		return err_set(err, -EINVAL, "field 'size' needs field 'number'");
	if (bytes == 3)
		return err_set(err, -EINVAL, "field 'size': 3 is not allowed (want 1, 2 or 4)");
	if (number && json_integer_value(json_object_get(option, "number")) >= 1LL << (8 * bytes))
		return err_set(err, -EINVAL, "field 'number': %lld does not fit into %lld bytes",
			       (long long)json_integer_value(json_object_get(option, "number")),
			       (long long)bytes);
	return 0;
}

/* Options that are the protocol's own business. */
static bool reserved_option(enum topo_family family, json_int_t code)
{
	if (family == TOPO_V6)
		return code <= 9 || code == 13 || code == 14;
	return code == 50 || (code >= 53 && code <= 55) || code == 57 || code == 61 || code == 82 ||
	       code > 254;
}

static int check_options(const json_t *list, enum topo_family family, struct topo_fault *fault,
			 struct err *err)
{
	const json_t *item, *addr;
	json_int_t code;
	size_t i, k;

	json_array_foreach(list, i, item)
	{
		code = json_integer_value(json_object_get(item, "code"));
		topo_fault_at(fault, item, "code");
		if (reserved_option(family, code))
			return err_set(err, -EINVAL,
				       "option %zu: field 'code': %lld is not for people to set (want another, for %s)",
				       i + 1, (long long)code, topo_family_name(family));
		for (k = 0; k < i; k++)
			if (code == json_integer_value(json_object_get(json_array_get(list, k), "code")))
				return err_set(err, -EINVAL,
					       "option %zu: field 'code': %lld appears twice", i + 1,
					       (long long)code);
		topo_fault_at(fault, item, "addresses");
		json_array_foreach(json_object_get(item, "addresses"), k, addr)
		{
			if (topo_family_of(json_string_value(addr)) != family)
				return err_set(err, -EINVAL,
					       "option %zu: field 'addresses': '%s' is not of the family of the subnet (want %s)",
					       i + 1, json_string_value(addr),
					       topo_family_name(family));
		}
	}
	return 0;
}

static int check_servers(const json_t *subnet, enum topo_family family, struct topo_fault *fault,
			 struct err *err)
{
	static const char *const lists[] = { "dns", "ntp" };
	const json_t *item;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		json_array_foreach(json_object_get(subnet, lists[k]), i, item)
		{
			if (topo_family_of(json_string_value(item)) == family)
				continue;
			topo_fault_at(fault, subnet, lists[k]);
			return err_set(err, -EINVAL,
				       "field '%s': '%s' is not of the family of prefix '%s' (want %s)",
				       lists[k], json_string_value(item), topo_str(subnet, "prefix"),
				       topo_family_name(family));
		}
	return 0;
}

static int check_elements(const json_t *subnet, enum topo_family family, struct topo_fault *fault,
			  struct err *err)
{
	static const struct {
		const char *list, *field;
	} fields[] = { { "routes", "dst" }, { "routes", "via" }, { "hosts", "address" } };
	const json_t *item;
	size_t i;

	for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
		json_array_foreach(json_object_get(subnet, fields[k].list), i, item)
		{
			if (topo_check_family(item, fields[k].field, family, "the subnet", fault, err))
				return err_prefix(err, "field '%s' element %zu", fields[k].list, i + 1);
		}
	return 0;
}

static int check_ra(const json_t *subnet, enum topo_family family, unsigned int len,
		    struct topo_fault *fault, struct err *err)
{
	const char *ra = topo_str(subnet, "ra");
	bool dhcp = !json_is_false(json_object_get(subnet, "dhcp"));

	topo_fault_at(fault, subnet, "ra");
	if (family == TOPO_V4 && ra)
		return err_set(err, -EINVAL,
			       "field 'ra': '%s' does not go with prefix '%s' (only IPv6 has router advertisements)",
			       ra, topo_str(subnet, "prefix"));
	if (family == TOPO_V4)
		return 0;
	if (len != 64 && (!ra || !strcmp(ra, "slaac") || !strcmp(ra, "stateless")))
		return err_set(err, -EINVAL,
			       "field 'ra': '%s' needs a prefix of length 64, it is %u (want stateful or none)",
			       ra ? ra : "slaac", len);
	if (ra && !dhcp && strncmp(ra, "state", 5) == 0)
		return err_set(err, -EINVAL, "field 'ra': '%s' needs dhcp: true", ra);
	return 0;
}

int topo_together_subnet(const json_t *subnet, struct topo_fault *fault, struct err *err)
{
	const char *s = topo_str(subnet, "prefix"), *gateway = topo_str(subnet, "gateway");
	const json_t *mtu = json_object_get(subnet, "mtu");
	enum topo_family family = topo_family_of(s);
	struct skep_ip net, ip;
	unsigned int len = 0;

	(void)prefix_parse(s, &net, &len); /* checked: it parses */
	if (topo_check_family(subnet, "gateway", family, "the prefix", fault, err) ||
	    topo_check_family(subnet, "server", family, "the prefix", fault, err) ||
	    check_ra(subnet, family, len, fault, err) || check_servers(subnet, family, fault, err) ||
	    check_elements(subnet, family, fault, err) ||
	    check_options(json_object_get(subnet, "options"), family, fault, err))
		return -EINVAL;
	topo_fault_at(fault, subnet, "prefix");
	if (ip_is_multicast(&net) || ip_is_loopback(&net) || !len)
		return err_set(err, -EINVAL,
			       "field 'prefix': '%s' is not a subnet of machines (want a unicast prefix)", s);
	topo_fault_at(fault, subnet, "mtu");
	if (is_set(mtu) && family == TOPO_V6 && json_integer_value(mtu) < 1280)
		return err_set(err, -EINVAL,
			       "field 'mtu': %lld is too small for IPv6 (want 1280 or more)",
			       (long long)json_integer_value(mtu));
	topo_fault_at(fault, subnet, "gateway");
	if (gateway && ip_parse(gateway, &ip) && !ip_in_prefix(&ip, &net, len) &&
	    !(family == TOPO_V6 && ip_is_link_local(&ip)))
		return err_set(err, -EINVAL,
			       "field 'gateway': '%s' is not in prefix '%s' (want an address in it)",
			       gateway, s);
	return 0;
}

/* --- NAT --- */

static int check_to(const json_t *nat, struct topo_fault *fault, struct err *err)
{
	const char *type = topo_str(nat, "type"), *to = topo_str(nat, "to");
	bool plain = type[0] == 'n', ports = is_set(json_object_get(nat, "to_ports"));
	enum topo_family family;
	struct topo_ip_range range;

	topo_fault_at(fault, nat, to ? "to" : NULL);
	if (plain && (to || ports))
		return err_set(err, -EINVAL, "field '%s' does not go with type '%s' (nothing is rewritten)",
			       to ? "to" : "to_ports", type);
	if (plain)
		return 0;
	if (!to)
		return err_set(err, -EINVAL,
			       "field 'to' is missing (type '%s' needs an address or a range)", type);
	if (!topo_parse_range(to, &range))
		return 0; /* said already */
	family = ip_is_v4(&range.lo) ? TOPO_V4 : TOPO_V6;
	if (topo_check_family(nat, "src", family, "'to'", fault, err))
		return -EINVAL;
	return topo_check_family(nat, "dst", family, "'to'", fault, err);
}

static int check_to_ports(const json_t *nat, struct topo_fault *fault, struct err *err)
{
	const json_t *proto = json_object_get(nat, "proto");
	bool dnat = !strcmp(topo_str(nat, "type"), "dnat");
	uint16_t from[2], to[2];
	uint8_t p = 0;
	bool known = topo_parse_proto(proto, &p);

	topo_fault_at(fault, nat, "to_ports");
	if (!topo_parse_ports(json_object_get(nat, "to_ports"), to))
		return 0;
	if (!to[0])
		return err_set(err, -EINVAL, "field 'to_ports': port 0 cannot be used (want 1..65535)");
	if (known ? p != IPPROTO_TCP && p != IPPROTO_UDP && (dnat || p != IPPROTO_ICMP) && (dnat || p != IPPROTO_ICMPV6) :
		    dnat)
		return err_set(err, -EINVAL,
			       "field 'to_ports': '%u' needs field 'proto' to be tcp or udp", to[0]);
	if (!dnat || to[0] == to[1])
		return 0;
	if (!topo_parse_ports(json_object_get(nat, "dst_ports"), from) ||
	    to[1] - to[0] != from[1] - from[0])
		return err_set(err, -EINVAL,
			       "field 'to_ports': '%u-%u' is not as long as field 'dst_ports' (want one port, or as many)",
			       to[0], to[1]);
	return 0;
}

int topo_together_nat(const json_t *nat, struct topo_fault *fault, struct err *err)
{
	int rc = check_to(nat, fault, err);

	rc = rc ? rc : topo_check_families(nat, fault, err);
	rc = rc ? rc : topo_check_l4(nat, fault, err);
	return rc ? rc : check_to_ports(nat, fault, err);
}

int topo_together_fip(const json_t *fip, struct topo_fault *fault, struct err *err)
{
	topo_fault_at(fault, fip, NULL);
	if (!topo_str(fip, "port") && !topo_str(fip, "fixed"))
		return err_set(err, -EINVAL,
			       "field 'port' or 'fixed' is missing (a floating IP is that of a machine)");
	return topo_check_family(fip, "fixed", topo_field_family(fip, "address"), "'address'", fault, err);
}
