// SPDX-License-Identifier: Apache-2.0
/* Values of rules -> numbers.  Called by value.c to check them and by decode.c to use them. */
#include <ctype.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/schema.h"

static const struct {
	const char *name;
	uint8_t value;
} protos[] = { { "tcp", IPPROTO_TCP },
	       { "udp", IPPROTO_UDP },
	       { "icmp", IPPROTO_ICMP },
	       { "icmp6", IPPROTO_ICMPV6 },
	       { "sctp", IPPROTO_SCTP } };

static const struct {
	const char *name;
	uint16_t value;
} ethertypes[] = { { "ipv4", 0x0800 }, { "ipv6", 0x86dd }, { "arp", 0x0806 } };

static bool parse_uint(const char *s, unsigned long max, unsigned long *out)
{
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 10)
		return false;
	*out = strtoul(s, &end, 10);
	return !*end && *out <= max;
}

bool topo_parse_mac_mask(const char *text, struct skep_mac *mac, struct skep_mac *mask)
{
	char left[18];

	memset(mask, 0xff, sizeof(*mask));
	if (!strchr(text, '/'))
		return mac_parse(text, mac);
	if (strlen(text) != 35 || text[17] != '/')
		return false;
	memcpy(left, text, 17);
	left[17] = '\0';
	return mac_parse(left, mac) && mac_parse(text + 18, mask);
}

bool topo_parse_ports(const json_t *v, uint16_t range[2])
{
	const char *s = json_string_value(v), *dash;
	unsigned long lo, hi;
	char left[8];

	if (json_is_integer(v)) {
		if (json_integer_value(v) < 0 || json_integer_value(v) > 65535)
			return false;
		range[0] = range[1] = (uint16_t)json_integer_value(v);
		return true;
	}
	if (!s)
		return false;
	dash = strchr(s, '-');
	if (!dash) {
		if (!parse_uint(s, 65535, &lo))
			return false;
		hi = lo;
	} else {
		if (dash - s >= (long)sizeof(left))
			return false;
		memcpy(left, s, (size_t)(dash - s));
		left[dash - s] = '\0';
		if (!parse_uint(left, 65535, &lo) || !parse_uint(dash + 1, 65535, &hi))
			return false;
	}
	range[0] = (uint16_t)lo;
	range[1] = (uint16_t)hi;
	return true;
}

bool topo_parse_proto(const json_t *v, uint8_t *proto)
{
	const char *s = json_string_value(v);
	unsigned long n;

	if (json_is_integer(v)) {
		*proto = (uint8_t)json_integer_value(v);
		return json_integer_value(v) >= 0 && json_integer_value(v) <= 255;
	}
	for (size_t i = 0; s && i < ARRAY_SIZE(protos); i++)
		if (!strcmp(s, protos[i].name)) {
			*proto = protos[i].value;
			return true;
		}
	if (!s || !parse_uint(s, 255, &n))
		return false;
	*proto = (uint8_t)n;
	return true;
}

bool topo_parse_ethertype(const json_t *v, uint16_t *type)
{
	const char *s = json_string_value(v);
	unsigned long n;
	char *end;

	if (json_is_integer(v)) {
		*type = (uint16_t)json_integer_value(v);
		return json_integer_value(v) >= 0x600 && json_integer_value(v) <= 0xffff;
	}
	for (size_t i = 0; s && i < ARRAY_SIZE(ethertypes); i++)
		if (!strcmp(s, ethertypes[i].name)) {
			*type = ethertypes[i].value;
			return true;
		}
	if (!s || strncmp(s, "0x", 2) != 0 || strlen(s) > 6 || !isxdigit((unsigned char)s[2]))
		return false;
	n = strtoul(s + 2, &end, 16);
	*type = (uint16_t)n;
	return !*end && n >= 0x600 && n <= 0xffff;
}

const char *topo_ethertype_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(ethertypes); i++)
		if (ethertypes[i].value == type)
			return ethertypes[i].name;
	return NULL;
}

bool topo_parse_range(const char *text, struct topo_ip_range *range)
{
	const char *dash = strchr(text, '-');
	char lo[ADDR_TEXT];

	if (!dash) {
		if (!ip_parse(text, &range->lo))
			return false;
		range->hi = range->lo;
		return true;
	}
	if (dash - text >= (long)sizeof(lo))
		return false;
	snprintf(lo, sizeof(lo), "%.*s", (int)(dash - text), text);
	return ip_parse(lo, &range->lo) && ip_parse(dash + 1, &range->hi) &&
	       ip_is_v4(&range->lo) == ip_is_v4(&range->hi) &&
	       memcmp(&range->lo, &range->hi, sizeof(range->lo)) <= 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* "10Mbit", "1.5" is not a number here; plain integers count as they are. */
static bool parse_units(const json_t *v, const struct unit *units, size_t n, uint64_t max,
			uint64_t *out)
{
	const char *s = json_string_value(v);
	unsigned long long number;
	char *end;

	if (json_is_integer(v)) {
		*out = (uint64_t)json_integer_value(v);
		return json_integer_value(v) > 0 && *out <= max;
	}
	if (!s || *s < '0' || *s > '9' || strlen(s) > 20)
		return false;
	number = strtoull(s, &end, 10);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(end, units[i].name)) {
			*out = number * units[i].factor;
			return number && number <= max / units[i].factor;
		}
	return false;
}

bool topo_parse_rate(const json_t *v, uint64_t *bits)
{
	static const struct unit units[] = { { "", 1 },
					     { "bit", 1 },
					     { "kbit", 1000 },
					     { "Mbit", 1000000 },
					     { "Gbit", 1000000000 } };

	return parse_units(v, units, ARRAY_SIZE(units), 1000000000000ULL, bits) && *bits >= 1000;
}

bool topo_parse_bytes(const json_t *v, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "B", 1 }, { "kB", 1000 }, { "MB", 1000000 }
	};

	return parse_units(v, units, ARRAY_SIZE(units), 1000000000ULL, bytes) && *bytes >= 1514;
}

bool topo_parse_tcp_flags(const char *text, uint8_t *mask, uint8_t *value)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr" };

	*mask = *value = 0;
	for (const char *p = text; *p;) {
		bool no = *p == '!';
		size_t n, i;

		p += no;
		n = strcspn(p, ",");
		for (i = 0; i < 8; i++)
			if (n == 3 && !memcmp(p, names[i], 3))
				break;
		if (i == 8 || (*mask & 1u << i))
			return false;
		*mask |= (uint8_t)(1u << i);
		if (!no)
			*value |= (uint8_t)(1u << i);
		p += n;
		if (*p == ',' && !*++p)
			return false;
	}
	return *mask;
}

bool topo_parse_vlan_range(const json_t *v, uint16_t range[2])
{
	return topo_parse_ports(v, range) && range[0] >= 1 && range[1] <= 4094 && range[0] <= range[1];
}

bool topo_parse_device(const char *text, enum topo_kind *kind, const char **name)
{
	*kind = !strncmp(text, "bridge/", 7) ? TOPO_BRIDGE : TOPO_ROUTER;
	if (strncmp(text, "bridge/", 7) != 0 && strncmp(text, "router/", 7) != 0)
		return false;
	*name = text + 7;
	return topo_name_valid(*name);
}

int topo_parse_hex(const char *text, uint8_t *buf, size_t cap)
{
	size_t n = strlen(text);

	if (n % 2 || n / 2 > cap || !n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int c = text[i], d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
				     c >= 'A' && c <= 'F' ? c - 'A' + 10 :
							    -1;

		if (d < 0)
			return -1;
		if (buf)
			buf[i / 2] = (uint8_t)(i % 2 ? buf[i / 2] | d : d << 4);
	}
	return (int)(n / 2);
}

uint32_t topo_match_bit(const char *field)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} bits[] = {
		{ "ethertype", TOPO_M_ETH_TYPE },    { "eth_src", TOPO_M_ETH_SRC },
		{ "eth_dst", TOPO_M_ETH_DST },	     { "vlan", TOPO_M_VLAN },
		{ "proto", TOPO_M_PROTO },	     { "src", TOPO_M_IP_SRC },
		{ "dst", TOPO_M_IP_DST },	     { "src_group", TOPO_M_SRC_GROUP },
		{ "dst_group", TOPO_M_DST_GROUP },   { "src_ports", TOPO_M_L4_SRC },
		{ "dst_ports", TOPO_M_L4_DST },	     { "icmp_type", TOPO_M_ICMP_TYPE },
		{ "icmp_code", TOPO_M_ICMP_CODE },   { "tcp_flags", TOPO_M_TCP_FLAGS },
		{ "dscp", TOPO_M_DSCP },	     { "fragment", TOPO_M_FRAGMENT },
		{ "ct_state", TOPO_M_CT },	     { "in_ports", TOPO_M_IN_PORTS },
		{ "out_ports", TOPO_M_OUT_PORTS },   { "in_port_group", TOPO_M_IN_GROUP },
		{ "out_port_group", TOPO_M_OUT_GROUP }, { "entry_port_group", TOPO_M_ENTRY_GROUP },
		{ "traversed", TOPO_M_TRAVERSED },   { "inner_src", TOPO_M_INNER_SRC },
		{ "inner_dst", TOPO_M_INNER_DST },   { "dst_rewritten", TOPO_M_DST_REWRITTEN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!strcmp(field, bits[i].name))
			return bits[i].bit;
	return 0;
}
