/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ordered tree of addresses in which "any address below this prefix" is found in O(log n): how
 * the index finds the flows that a changed route concerns.  A treap with intrusive nodes; one tree
 * holds addresses of one family.
 */
#pragma once

#include <stdint.h>

#include "maps/types.h"

struct dst_node {
	struct dst_node *left, *right;
	uint64_t priority;
	struct skep_ip ip;
};

/* 'ip' must not be in the tree yet; 'priority' should be random to those who choose addresses. */
void dst_insert(struct dst_node **root, struct dst_node *node, const struct skep_ip *ip,
		uint64_t priority);
void dst_remove(struct dst_node **root, struct dst_node *node);
/* Any node whose address is in the prefix; NULL if there is none. */
struct dst_node *dst_find(struct dst_node *root, const struct skep_ip *net, unsigned int len);
/* Calls back for all of them, in order; the tree must not change. */
void dst_walk(struct dst_node *root, const struct skep_ip *net, unsigned int len,
	      void (*cb)(void *arg, struct dst_node *node), void *arg);
