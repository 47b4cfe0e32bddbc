/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets as people write them behind 'skep trace', and as 'flow list' and 'conn list' print them, turned into packet.h's full language:
 *
 *   tcp 10.0.1.5:4000 > 10.0.2.9:80 [syn,ack]   udp [fd00::1]:53 > [fd00::2]:53   sctp 10.0.1.5:4000>10.0.2.9:80
 *   icmp 10.0.1.5 > 10.0.2.9 [echo|reply] [id N] [type N [code N]]    an echo request unless said; icmp6: the same
 *   ip 10.0.1.5 > 10.0.2.9 proto 47              proto 47 10.0.1.5 > 10.0.2.9: the same
 *   arp who-has 10.0.1.1 from|tell 10.0.1.5
 *
 * TCP, UDP and SCTP without a port of the source have SHORT_SPORT.  Any of them: [vlan N]; but ARP: [ttl N] [size N] (bytes of IP) [df].
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/types.h"
#include "util/err.h"

#define SHORT_SPORT 40000

struct pkt_short {
	enum {
		PKT_SHORT_TCP,
		PKT_SHORT_UDP,
		PKT_SHORT_SCTP,
		PKT_SHORT_ICMP,
		PKT_SHORT_IP,
		PKT_SHORT_ARP
	} what;
	struct skep_ip src, dst; /* ARP: sender, target */
	uint16_t sport, dport;	 /* host order */
	char flags[8];		 /* TCP, letters of packet.h */
	unsigned int ttl, vlan;	 /* 0 = not given */
	unsigned int proto;	 /* IP */
	unsigned int size;	 /* bytes from the IP header on; 0 = as small as it gets */
	bool df;
	bool has_id, reply, has_type; /* ICMP */
	unsigned int id, type, code;
};

/* -EINVAL: 'err' names the word. */
int pkt_short_parse(const char *text, struct pkt_short *p, struct err *err);
/* The same with its Ethernet part, in packet.h's language. */
int pkt_short_dsl(const struct pkt_short *p, const struct skep_mac *src,
		    const struct skep_mac *dst, char *buf, size_t size, struct err *err);
