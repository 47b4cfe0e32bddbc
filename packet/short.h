/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets as people write them behind 'skep trace', turned into packet.h's full language:
 *
 *   tcp 10.0.1.5:4000 > 10.0.2.9:80 [syn] [ack] [fin] [rst] [psh]
 *   udp [fd00::1]:53 > [fd00::2]:53
 *   icmp 10.0.1.5 > 10.0.2.9            an echo request; with IPv6 addresses, ICMPv6
 *   arp who-has 10.0.1.1 from 10.0.1.5
 *
 * any of them: ... vlan N; but ARP: ... ttl N
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"
#include "util/err.h"

struct pkt_short {
	enum { PKT_SHORT_TCP, PKT_SHORT_UDP, PKT_SHORT_ICMP, PKT_SHORT_ARP } what;
	struct skep_ip src, dst; /* ARP: sender, target */
	uint16_t sport, dport;	 /* host order */
	char flags[8];		 /* TCP, letters of packet.h */
	unsigned int ttl, vlan;	 /* 0 = not given */
};

/* -EINVAL: 'err' names the word. */
int pkt_short_parse(const char *text, struct pkt_short *p, struct err *err);
/* The same with its Ethernet part, in packet.h's language. */
int pkt_short_dsl(const struct pkt_short *p, const struct skep_mac *src,
		    const struct skep_mac *dst, char *buf, size_t size, struct err *err);
