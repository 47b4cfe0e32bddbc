/* SPDX-License-Identifier: Apache-2.0 */
/* Mask soundness: a packet that differs only in what a cacheable decision did not read must meet the same decision, and keep what it has of its own. */
#pragma once

#include "simulator/simulator.h"

/* Fields as a parser gives them: no ports where there are none. */
void mask_settle(struct pkt_fields *f);
/* Gives the fields, and bits of fields, that are not in the result's mask other values; aborts if fields and lengths do not agree. */
void mask_vary(uint64_t *random, const struct sim_result *res, struct pkt_fields *f);
/* What is not alike: 'a' was decided for 'in', 'b' for 'in2', which mask_vary() made of it.  NULL: nothing. */
const char *mask_difference(const struct pkt_fields *in, const struct sim_result *a, const struct pkt_fields *in2,
			    const struct sim_result *b);
/* The same, and what is counted. */
const char *mask_unsound(const struct pkt_fields *in, const struct sim_result *a,
			 const struct pkt_fields *in2, const struct sim_result *b);
