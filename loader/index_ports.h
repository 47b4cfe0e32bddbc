/* SPDX-License-Identifier: Apache-2.0 */
/* The flows of each ingress port, oldest first, so that one that floods makes room itself.  Used by index.c. */
#pragma once

#include "loader/index.h"

#define INDEX_LOOKS 64 /* at flows, to find one to be deleted */

struct index_ports {
	struct hmap by_key;
};

bool index_ports_join(struct index_ports *x, struct index_flow *f); /* false: no memory */
void index_ports_leave(struct index_ports *x, struct index_flow *f);
/* The part of 'max' flows that each port has, the port 'key' among them. */
uint32_t index_ports_part(const struct index_ports *x, uint32_t key, uint32_t max);
/* The oldest flow of the port, no wildcard one if that can be, if it has its part; else NULL. */
struct index_flow *index_ports_excess(const struct index_ports *x, uint32_t key, uint32_t part);
uint32_t index_ports_has(const struct index_flow *f); /* flows of its port */
/* Calls back for the port's flows, the youngest first and wildcard ones among them, until it says false; it must not change the index. */
void index_ports_walk(const struct index_ports *x, uint32_t key, bool (*cb)(void *arg, struct index_flow *f), void *arg);
void index_ports_fini(struct index_ports *x); /* all have left */
