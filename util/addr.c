// SPDX-License-Identifier: Apache-2.0
#include "util/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t v4_head[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool mac_is_zero(const struct skep_mac *a)
{
	static const struct skep_mac zero;

	return mac_eq(a, &zero);
}

bool mac_is_broadcast(const struct skep_mac *a)
{
	static const struct skep_mac ones = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

	return mac_eq(a, &ones);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, struct skep_mac *mac)
{
	struct skep_mac m;

	for (int i = 0; i < 6; i++, text += 3) {
		int hi = hex_digit(text[0]), lo = hi < 0 ? -1 : hex_digit(text[1]);

		if (lo < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		m.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*mac = m;
	return true;
}

const char *mac_format(const struct skep_mac *mac, char buf[static ADDR_TEXT])
{
	const uint8_t *b = mac->b;

	snprintf(buf, ADDR_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return buf;
}

struct skep_ip ip_from_v4(__be32 v4)
{
	struct skep_ip ip;

	memcpy(&ip, v4_head, 12);
	ip.w[3] = v4;
	return ip;
}

bool ip_is_v4(const struct skep_ip *ip)
{
	return memcmp(ip, v4_head, 12) == 0;
}

bool ip_is_zero(const struct skep_ip *ip)
{
	return !(ip->w[0] | ip->w[1] | ip->w[2] | ip->w[3]);
}

bool ip_is_unspecified(const struct skep_ip *ip)
{
	return ip_is_zero(ip) || (ip_is_v4(ip) && !ip->w[3]);
}

static const uint8_t *bytes(const struct skep_ip *ip)
{
	return (const uint8_t *)ip;
}

bool ip_is_multicast(const struct skep_ip *ip)
{
	return ip_is_v4(ip) ? (bytes(ip)[12] & 0xf0) == 0xe0 : bytes(ip)[0] == 0xff;
}

bool ip_is_broadcast(const struct skep_ip *ip)
{
	return ip_is_v4(ip) && ip->w[3] == 0xffffffff;
}

bool ip_is_loopback(const struct skep_ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip_is_v4(ip) ? bytes(ip)[12] == 127 : memcmp(ip, one, 16) == 0;
}

bool ip_is_link_local(const struct skep_ip *ip)
{
	if (ip_is_v4(ip))
		return bytes(ip)[12] == 169 && bytes(ip)[13] == 254;
	return bytes(ip)[0] == 0xfe && (bytes(ip)[1] & 0xc0) == 0x80;
}

unsigned int ip_bits(const struct skep_ip *ip)
{
	return ip_is_v4(ip) ? 32 : 128;
}

struct skep_ip ip_mask(const struct skep_ip *ip, unsigned int len)
{
	struct skep_ip out = *ip;
	uint8_t *b = (uint8_t *)&out;
	unsigned int bits = ip_is_v4(ip) ? len + 96 : len;

	for (unsigned int i = 0; i < 16; i++)
		if (bits < 8 * (i + 1))
			b[i] &= bits <= 8 * i ? 0 : (uint8_t)(0xff00 >> (bits - 8 * i));
	return out;
}

bool ip_in_prefix(const struct skep_ip *ip, const struct skep_ip *net, unsigned int len)
{
	struct skep_ip a, b;

	if (ip_is_v4(ip) != ip_is_v4(net))
		return false;
	a = ip_mask(ip, len);
	b = ip_mask(net, len);
	return ip_eq(&a, &b);
}

bool ip_parse(const char *text, struct skep_ip *ip)
{
	struct skep_ip v6;
	__be32 v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		*ip = ip_from_v4(v4);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		*ip = v6;
	else
		return false;
	return true;
}

const char *ip_format(const struct skep_ip *ip, char buf[static ADDR_TEXT])
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->w[3], buf, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, ip, buf, ADDR_TEXT);
	return buf;
}

bool prefix_parse(const char *text, struct skep_ip *ip, unsigned int *len)
{
	const char *slash = strchr(text, '/');
	char addr[ADDR_TEXT], *end;
	struct skep_ip parsed;
	unsigned long n;

	if (!slash) {
		if (!ip_parse(text, ip))
			return false;
		*len = ip_bits(ip);
		return true;
	}
	if ((size_t)(slash - text) >= sizeof(addr))
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!ip_parse(addr, &parsed) || slash[1] < '0' || slash[1] > '9')
		return false;
	n = strtoul(slash + 1, &end, 10);
	if (*end || n > ip_bits(&parsed))
		return false;
	*ip = parsed;
	*len = (unsigned int)n;
	return true;
}

const char *prefix_format(const struct skep_ip *ip, unsigned int len, char buf[static ADDR_TEXT])
{
	size_t n;

	ip_format(ip, buf);
	n = strlen(buf);
	snprintf(buf + n, ADDR_TEXT - n, "/%u", len);
	return buf;
}

bool endpoint_parse(const char *text, struct skep_ip *ip, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	const bool v6 = text[0] == '[';
	struct skep_ip parsed;
	char addr[ADDR_TEXT];
	unsigned long n;
	size_t len;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9' || (v6 && colon[-1] != ']'))
		return false;
	len = (size_t)(colon - text) - (v6 ? 2 : 0);
	if (len >= sizeof(addr))
		return false;
	memcpy(addr, text + v6, len);
	addr[len] = '\0';
	n = strtoul(colon + 1, &end, 10);
	if (!ip_parse(addr, &parsed) || ip_is_v4(&parsed) == v6 || *end || !n || n > 65535)
		return false;
	*ip = parsed;
	*port = (uint16_t)n;
	return true;
}

const char *proto_format(uint8_t proto, char buf[static PROTO_TEXT])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	case IPPROTO_SCTP:
		return "sctp";
	default:
		snprintf(buf, PROTO_TEXT, "%u", proto);
		return buf;
	}
}
