/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of IPFIX (RFC 7011) with records of flows and connections (loader/records.h), into a buffer.  Pure: no socket, no clock.
 * A message is begun by the first record that is put into it, and has to be sent when it has no room for another one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/records.h"

#define IPFIX_MAX 1352 /* of a message: an MTU of 1400 with IPv6 and UDP in front */

struct ipfix {
	uint32_t domain;   /* observation domain */
	uint32_t sequence; /* data records of all messages before this one */
	uint32_t records;  /* of this one */
	size_t len;	   /* 0 = none has begun */
	size_t set;	   /* where the present set begins; 0 = none */
	uint16_t set_id;
	uint8_t buf[IPFIX_MAX];
};

struct ipfix_sampling { /* told by an options record */
	double probability;
	uint64_t observed, selected, not_sent;
};

/* False: no room; nothing was put. */
bool ipfix_put(struct ipfix *x, const struct flow_record *r);
bool ipfix_put_templates(struct ipfix *x); /* into an empty message only */
bool ipfix_put_sampling(struct ipfix *x, const struct ipfix_sampling *s);
/* The message as it is to be sent, and its length; 0 = there is none.  The next put begins another one. */
size_t ipfix_end(struct ipfix *x, uint32_t unix_s);
