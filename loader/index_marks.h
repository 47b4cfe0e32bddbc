/* SPDX-License-Identifier: Apache-2.0 */
/* Flows to be looked at again, in the order in which they were marked.  Part of index.c. */
#pragma once

#include "loader/index.h"

struct index_marks {
	struct index_flow *first, *last;
	uint32_t n, no; /* marked now; so far */
};

void index_marks_put(struct index_marks *m, struct index_flow *f);  /* no-op if it is marked */
void index_marks_take(struct index_marks *m, struct index_flow *f); /* no-op if it is not */
