/* SPDX-License-Identifier: Apache-2.0 */
/* Flows in words.  Used by 'flow list' and 'top'. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* The packets that it is for: of one kind, or those that a wildcard matches. */
const char *flow_packets(const json_t *flow);
/* "web2", "web2@h2", "web2, db1@h3"; a drop: the reason and who is to blame.  Ports of 'here' (may be NULL) are named without a host. */
void flow_outcome(const json_t *flow, const char *here, char *buf, size_t size);
