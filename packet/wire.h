/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header layouts by offset, and unaligned loads and stores; private to packet/.  Fields are read
 * and written by bytes, so that any alignment and any frame will do.
 */
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "packet/packet.h"

#define ETH_SIZE      14
#define VLAN_SIZE     4
#define ARP_SIZE      28
#define IP4_SIZE      20
#define IP6_SIZE      40
#define TCP_SIZE      20
#define UDP_SIZE      8
#define SCTP_SIZE     12
#define ICMP_SIZE     8
#define ND_SIZE	      24 /* NS and NA without options */
#define IP6_FRAG_SIZE 8

#define IP4_DF	   0x4000
#define IP4_MF	   0x2000
#define IP4_OFFSET 0x1fff
#define IP6_MF	   0x0001
#define IP6_OFFSET 0xfff8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

enum { ICMP4_REPLY = 0, ICMP4_ECHO = 8 };
enum { ICMP6_ECHO_REQUEST = 128, ICMP6_REPLY = 129, ICMP6_REDIRECT = 137 };
enum { ND_RS = 133, ND_RA = 134, ND_NS = 135, ND_NA = 136 };

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* The same without a change of byte order. */
static inline __be16 load_be16(const void *p)
{
	__be16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store_be16(void *p, __be16 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline struct skep_ip load_v4(const uint8_t *p)
{
	__be32 v;

	memcpy(&v, p, sizeof(v));
	return ip_from_v4(v);
}

static inline void store_v4(uint8_t *p, const struct skep_ip *ip)
{
	memcpy(p, &ip->w[3], 4);
}

static inline bool is_ipv4(const struct pkt_fields *f)
{
	return f->eth_type == htons(ETH_P_IP);
}

static inline bool is_ipv6(const struct pkt_fields *f)
{
	return f->eth_type == htons(ETH_P_IPV6);
}

static inline bool is_ip(const struct pkt_fields *f)
{
	return is_ipv4(f) || is_ipv6(f);
}

/* ICMP within IPv4 or ICMPv6 within IPv6, header readable */
static inline bool is_icmp(const struct pkt_fields *f)
{
	return f->has_l4 && f->ip_proto == (is_ipv6(f) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static inline uint8_t icmp_type(const struct pkt_fields *f)
{
	return (uint8_t)(ntohs(f->l4_src) >> 8);
}

static inline bool icmp_is_echo(bool v6, uint8_t type)
{
	return v6 ? type == ICMP6_ECHO_REQUEST || type == ICMP6_REPLY
		  : type == ICMP4_ECHO || type == ICMP4_REPLY;
}

/* Header length in bytes from the IPv4 header. */
static inline uint32_t ip4_header_len(const uint8_t *ip)
{
	return (uint32_t)(ip[0] & 0x0f) * 4;
}

/* Partial sum of the pseudo-header of 'f' for 'len' bytes of protocol 'proto'. */
uint32_t pkt_pseudo_sum(const struct pkt_fields *f, uint8_t proto, uint32_t len);

/* The checksum at 'csum' (as stored) after 'len' bytes, even in number and in place, changed from
 * 'old' to 'new_' (RFC 1624, eqn. 3). */
void pkt_csum_replace(uint8_t *csum, const void *old, const void *new_, size_t len);

/* Walks IPv6 extension headers.  *off: in, behind the IPv6 header; out, where the upper layer
 * begins, whose protocol is in f.ip_proto. */
enum skep_drop pkt_walk_extensions(struct pkt *pkt, uint8_t next, uint32_t *off, uint32_t end);

/* Offset of the L4 checksum within its header; 0 = the protocol has none that covers addresses or
 * that we write. */
static inline uint32_t l4_csum_off(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}
