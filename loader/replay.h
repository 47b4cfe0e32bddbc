/* SPDX-License-Identifier: Apache-2.0 */
/* A frame that has a given flow key: what an adopted flow is simulated with, for its packets are
 * not at hand.  Pure. */
#pragma once

#include <stdint.h>

#include "loader/dp.h"

#define REPLAY_MAX 128
#define REPLAY_TTL 64

/* Writes the shortest such frame, TTL 64.  Its length; 0 = the key is of a kind that cannot be
 * built (none that a flow should have). */
uint32_t replay_frame(const struct dp_flow_key *key, uint8_t buf[static REPLAY_MAX]);
/* The same, such that the flow's conditions hold for it: DSCP, TCP flags. */
uint32_t replay_flow(const struct dp_flow_key *key, const struct skep_flow *flow,
		     uint8_t buf[static REPLAY_MAX]);
