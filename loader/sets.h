/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output sets shared by the flows that need the same copies: content-addressed and
 * reference-counted.  A set outlives its last reference for a while, for copies of a frame may
 * still be under way through it.
 */
#pragma once

#include <stdint.h>

#include "loader/dp.h"
#include "util/hmap.h"

#define SETS_LINGER_NS 2000000000ULL

struct set {
	struct hmap_node node;
	uint32_t refs;
	uint32_t index;	  /* in skep_sets */
	uint64_t idle_ns; /* when the last reference went */
	uint32_t n;
	struct skep_out outs[];
};

struct sets {
	struct dp *dp;
	struct hmap by_content;
};

void sets_init(struct sets *s, struct dp *dp);
/* Frees the memory; what is in the kernel stays. */
void sets_fini(struct sets *s);
/* A set with exactly these outputs and one reference for the caller.  The references to rewrites
 * that 'outs' come with are taken, on failure too.  NULL: the kernel's table is full, or no memory. */
struct set *sets_get(struct sets *s, const struct skep_out *outs, uint32_t n);
void sets_put(struct set *set, uint64_t now_ns); /* takes NULL */
/* Frees sets without references for long enough. */
void sets_gc(struct sets *s, uint64_t now_ns);
