// SPDX-License-Identifier: Apache-2.0
/* Text forms of a server's address: the configuration's, and the one of MOVED and ASK.  Called by
 * db.c, slots.c and node.c. */
#include "statedb/address.h"

#include <stdio.h>
#include <string.h>

#include "util/addr.h"

static bool parse_port(const char *p, size_t len, uint16_t *port)
{
	unsigned int v = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (unsigned int)(p[i] - '0');
	}
	if (v == 0 || v > 65535)
		return false;
	*port = (uint16_t)v;
	return true;
}

static bool set_host(struct db_addr *a, const char *host, size_t len)
{
	if (len >= sizeof(a->host))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f)
			return false;
	memcpy(a->host, host, len);
	a->host[len] = 0;
	return true;
}

bool db_addr_parse(const char *text, struct db_addr *addr)
{
	struct db_addr a = { 0 };
	const char *colon, *host = text;
	struct skep_ip ip;
	size_t len;

	if (strncmp(text, "unix:", 5) == 0) {
		len = strlen(text + 5);
		if (text[5] != '/' || len >= 108 || !set_host(&a, text + 5, len)) /* sun_path */
			return false;
		a.is_unix = true;
		*addr = a;
		return true;
	}
	colon = strrchr(text, ':');
	if (!colon || !parse_port(colon + 1, strlen(colon + 1), &a.port))
		return false;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		if (len < 3 || text[len - 1] != ']' || !set_host(&a, text + 1, len - 2))
			return false;
		if (!ip_parse(a.host, &ip) || ip_is_v4(&ip))
			return false;
	} else if (len == 0 || memchr(host, ':', len) || !set_host(&a, host, len)) {
		return false;
	}
	*addr = a;
	return true;
}

bool db_addr_parse_redirect(const char *text, size_t len, struct db_addr *addr)
{
	const char *colon = memrchr(text, ':', len);
	struct db_addr a = { 0 };

	if (!colon || !parse_port(colon + 1, len - (size_t)(colon + 1 - text), &a.port) ||
	    !set_host(&a, text, (size_t)(colon - text)))
		return false;
	*addr = a;
	return true;
}

const char *db_addr_format(const struct db_addr *a, char buf[static DB_ADDR_TEXT])
{
	if (a->is_unix)
		snprintf(buf, DB_ADDR_TEXT, "unix:%s", a->host);
	else
		snprintf(buf, DB_ADDR_TEXT, strchr(a->host, ':') ? "[%s]:%u" : "%s:%u", a->host,
			 a->port);
	return buf;
}

bool db_addr_eq(const struct db_addr *a, const struct db_addr *b)
{
	return a->is_unix == b->is_unix && a->port == b->port && strcmp(a->host, b->host) == 0;
}
