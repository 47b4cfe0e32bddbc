// SPDX-License-Identifier: Apache-2.0
#include "loader/natpath.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/conns.h"

bool natpath_is(const char *path)
{
	return !strncmp(path, NATPATH_PREFIX, sizeof(NATPATH_PREFIX) - 1);
}

void natpath_make(char buf[static NATPATH_LEN], const char *router, const struct skep_ip *ip,
		  uint16_t first)
{
	char text[ADDR_TEXT];

	snprintf(buf, NATPATH_LEN, NATPATH_PREFIX "%s/%s/%u", router, ip_format(ip, text), first);
}

bool natpath_parse(const char *path, struct natpath *out)
{
	const char *router, *ip, *port;
	char text[ADDR_TEXT], *end;
	unsigned long first;

	if (!natpath_is(path) || strlen(path) >= NATPATH_LEN)
		return false;
	router = path + sizeof(NATPATH_PREFIX) - 1;
	ip = strchr(router, '/');
	port = ip ? strchr(ip + 1, '/') : NULL;
	if (!port || ip == router || (size_t)(ip - router) > TOPO_NAME_MAX ||
	    (size_t)(port - ip - 1) >= sizeof(text) || !isdigit((unsigned char)port[1]))
		return false;
	first = strtoul(port + 1, &end, 10);
	memset(out, 0, sizeof(*out));
	memcpy(out->router, router, (size_t)(ip - router));
	memcpy(text, ip + 1, (size_t)(port - ip - 1));
	text[port - ip - 1] = 0;
	out->first = (uint16_t)first;
	return ip_parse(text, &out->ip) && !*end && first <= 65535 && first % SIM_BLOCK_PORTS == 0;
}

struct skep_ip natpath_next(struct skep_ip ip)
{
	for (int i = 3; i >= 0; i--) {
		uint32_t v = ntohl(ip.w[i]) + 1;

		ip.w[i] = htonl(v);
		if (v)
			break;
	}
	return ip;
}
