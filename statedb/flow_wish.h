/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a port's flows somebody watches.  Part of the tenant's record DB_WISH (telemetry.h): {"flows": {text: Unix time in ms when it was wished last}}, of
 * which FLOW_WISHES_MAX count, the youngest.  Written by skep-api, read by the agent of the port's host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/addr.h"

#define FLOW_WISHES	  "flows"
#define FLOW_WISHES_MAX	  8  /* of a tenant, at a time */
#define FLOW_WISH_SHOWN	  16 /* flows that are told of each */
#define FLOW_WISH_LOOKED  2048 /* flows of the port, the youngest, that are looked at for them */
#define FLOW_WISH_PORT	  63 /* bytes of a port's name: TOPO_NAME_MAX */
#define FLOW_WISH_TEXT	  (FLOW_WISH_PORT + ADDR_TEXT + 32)

struct flow_wish {
	char port[FLOW_WISH_PORT + 1]; /* whether there is such a port is not known here */
	bool by_proto, by_address;
	uint8_t proto; /* ICMP: of either family */
	struct skep_ip address; /* of either end */
	unsigned int len;
	uint16_t number; /* port number of either end; 0 = any */
	uint64_t flow;	 /* the one whose way is told; 0 = none */
};

/* "vm1 6 10.0.2.0/24 443 9f03b6c5d1e2a487": words, one blank between; "-" for what is not given.  False: it is none. */
bool flow_wish_parse(const char *text, struct flow_wish *w);
const char *flow_wish_format(const struct flow_wish *w, char buf[static FLOW_WISH_TEXT]);
