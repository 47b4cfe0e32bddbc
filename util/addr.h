/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as text and as bytes.  struct skep_ip holds IPv6, or IPv4 as ::ffff:a.b.c.d, in network order.  Prefix lengths
 * in this project's structures count within the address's own family: 0..32 for IPv4, 0..128 for IPv6.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "maps/types.h"

#define ADDR_TEXT 64 /* enough for any address, prefix or MAC as text */

static inline bool mac_eq(const struct skep_mac *a, const struct skep_mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool mac_is_multicast(const struct skep_mac *a)
{
	return a->b[0] & 1;
}

bool mac_is_zero(const struct skep_mac *a);
bool mac_is_broadcast(const struct skep_mac *a);
/* "02:00:00:00:00:01"; false and *mac untouched if the text is anything else. */
bool mac_parse(const char *text, struct skep_mac *mac);
const char *mac_format(const struct skep_mac *mac, char buf[static ADDR_TEXT]);

static inline bool ip_eq(const struct skep_ip *a, const struct skep_ip *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct skep_ip ip_from_v4(__be32 v4);
bool ip_is_v4(const struct skep_ip *ip);
static inline __be32 ip_v4(const struct skep_ip *ip)
{
	return ip->w[3];
}
bool ip_is_zero(const struct skep_ip *ip); /* no address at all; 0.0.0.0 is ::ffff:0.0.0.0 and not zero */
bool ip_is_unspecified(const struct skep_ip *ip); /* 0.0.0.0, :: or none */
bool ip_is_multicast(const struct skep_ip *ip);
bool ip_is_broadcast(const struct skep_ip *ip); /* 255.255.255.255 */
bool ip_is_loopback(const struct skep_ip *ip);
bool ip_is_link_local(const struct skep_ip *ip); /* fe80::/10, 169.254/16 */
unsigned int ip_bits(const struct skep_ip *ip);	 /* 32 or 128 */
/* Do the first 'len' bits (family's own count) agree?  False when the families differ. */
bool ip_in_prefix(const struct skep_ip *ip, const struct skep_ip *net, unsigned int len);
/* 'ip' with the bits behind 'len' cleared. */
struct skep_ip ip_mask(const struct skep_ip *ip, unsigned int len);
bool ip_parse(const char *text, struct skep_ip *ip);
const char *ip_format(const struct skep_ip *ip, char buf[static ADDR_TEXT]);
/* "10.0.0.1/24", or a bare address (len = 32 or 128). */
bool prefix_parse(const char *text, struct skep_ip *ip, unsigned int *len);
const char *prefix_format(const struct skep_ip *ip, unsigned int len, char buf[static ADDR_TEXT]);
/* "10.0.0.1:80", "[fd00::1]:80": an address and a port that is not 0, host order. */
bool endpoint_parse(const char *text, struct skep_ip *ip, uint16_t *port);
/* Of an IP protocol: "tcp", "udp", "icmp", "icmp6", "sctp"; others as a number. */
#define PROTO_TEXT 8
const char *proto_format(uint8_t proto, char buf[static PROTO_TEXT]);
