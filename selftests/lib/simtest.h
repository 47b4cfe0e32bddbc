/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers of the simulator's unit tests and benches: a snapshot from text, packets from text, repeatable random numbers. */
#pragma once

#include <stdint.h>

#include "simulator/simulator.h"

/* A document without tenant, and every exterior port live on host "h1" with keys from 0x100.  Aborts with a message when it is wrong. */
struct topo_snapshot *simtest_snapshot(const char *yaml);
/* Parses a line of the packet language into 'buf' (PKT_MAX) and 'pkt'.  Aborts when it is wrong. */
void simtest_packet(const char *line, uint8_t *buf, struct pkt *pkt);

/* xorshift64*: the same numbers everywhere. */
static inline uint64_t simtest_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static inline uint32_t simtest_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(simtest_random(state) >> 33) % n;
}
