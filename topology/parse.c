// SPDX-License-Identifier: Apache-2.0
/* Values of rules -> numbers.  Called by value.c to check them and by decode.c to use them. */
#include <ctype.h>
#include <netinet/in.h>
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
