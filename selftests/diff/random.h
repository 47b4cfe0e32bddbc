/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks, and random packets in each: what the comparisons of random_test.c and class_test.c are fed with. */
#pragma once

#include <stdlib.h>

#include "selftests/diff/compare.h"
#include "selftests/lib/random_topo.h"

static inline unsigned int random_number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

/* 'one' compares what is made of a packet; not 0 with 'err' if it is not the same.  DIFF_SEED and DIFF_ROUNDS of the environment come first. */
static inline void random_networks(unsigned int seed, unsigned int networks, unsigned int packets,
				   int (*one)(struct random_topo *t, const struct topo_port *in, const struct pkt *pkt, struct err *err))
{
	unsigned int rounds = random_number("DIFF_ROUNDS", networks);

	seed = random_number("DIFF_SEED", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		struct random_topo t;

		random_topo_init(&t, seed + i);
		for (unsigned int k = 0; k < packets; k++) {
			char line[RANDOM_LINE];
			const struct topo_port *in = random_topo_packet(&t, line);
			static uint8_t frame[PKT_MAX];
			struct err err = { 0 };
			struct pkt pkt;
			int n = pkt_dsl_parse(line, NULL, frame, sizeof(frame), &err);

			if (n < 0 || pkt_parse(frame, (uint32_t)n, &pkt) != SKEP_DROP_NONE)
				fail_msg("%s: %s", line, err.text);
			if (in->live_host && one(&t, in, &pkt, &err))
				fail_msg("network %u: in %s %s: %s", seed + i, in->o.name, line, err.text);
			if (k % 10 == 9)
				topo_unref(random_topo_change(&t));
		}
		random_topo_fini(&t);
	}
}
