/* SPDX-License-Identifier: Apache-2.0 */
/* Does a change touch a flow?  By brute force over its tags, as the agent's index must find it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "topology/tag.h"

/* Copies of tags whose names need not outlive a snapshot. */
struct tags_kept {
	struct topo_tag *tags;
	uint32_t n;
};

void tags_keep(struct tags_kept *k, const struct topo_tag *tags, uint32_t n);
void tags_add(struct tags_kept *k, const struct topo_tag *tag);
void tags_forget(struct tags_kept *k);

/* A flow's tag and a change's: of one thing, or the flow's address in the change's prefix. */
bool tags_touch(const struct topo_tag *flow, const struct topo_tag *change);
