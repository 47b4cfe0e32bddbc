/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form between its two halves; private to packet/.  dsl_parse.c reads a line into a struct dsl_spec, dsl_build.c makes the
 * frame of it.  Every default that depends on another layer is applied in dsl_build.c.
 */
#pragma once

#include "packet/packet.h"

#define DSL_DEFAULT UINT32_MAX /* not given */
#define DSL_TCP_FLAGS "FSRPAUEC" /* from bit 0 */
#define DSL_ND_FLAGS "RSO"	 /* from bit 7 downwards */
#define DSL_LATER_OFFSET 1480	 /* bytes; of "frag later" */

enum dsl_layer {
	DSL_NONE,
	DSL_ETH,
	DSL_IP,
	DSL_ARP,
	DSL_TCP,
	DSL_UDP,
	DSL_SCTP,
	DSL_ICMP,
	DSL_NS,
	DSL_NA,
	DSL_DATA,
	DSL_BADCSUM,
};

enum dsl_lla { DSL_LLA_DEFAULT, DSL_LLA_NONE, DSL_LLA_GIVEN };

struct dsl_spec {
	struct skep_mac eth_src, eth_dst;
	uint32_t vlan, pcp, type; /* host order, as all numbers here; vlan, type: or DSL_DEFAULT */
	enum dsl_layer l3; /* IP, ARP, NONE */
	struct skep_ip src, dst;
	bool v6;
	uint32_t ttl, tos, id, proto; /* ttl, proto: or DSL_DEFAULT */
	enum skep_frag frag;
	bool df;
	uint32_t arp_op;
	bool has_sha, has_tha;
	struct skep_mac sha, tha;
	enum dsl_layer l4; /* NONE: see proto */
	uint32_t sport, dport, seq, ack, flags;
	bool nocsum;
	uint32_t icmp_type, icmp_code, icmp_id, icmp_seq, info;
	struct skep_ip target;
	enum dsl_lla lla_kind;
	struct skep_mac lla;
	uint32_t data; /* bytes */
	bool badcsum;
};

/* The frame.  Its length, or -EINVAL with 'err'. */
int dsl_build(const struct dsl_spec *spec, uint8_t *buf, uint32_t cap, struct err *err);
