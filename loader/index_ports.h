/* SPDX-License-Identifier: Apache-2.0 */
/* The flows of each ingress port, oldest first, so that one that floods makes room itself.  Used by index.c. */
#pragma once

#include "loader/index.h"

struct index_ports {
	struct hmap by_key;
};

bool index_ports_join(struct index_ports *x, struct index_flow *f); /* false: no memory */
void index_ports_leave(struct index_ports *x, struct index_flow *f);
/* The part of 'max' flows that each port has, the port 'key' among them. */
uint32_t index_ports_part(const struct index_ports *x, uint32_t key, uint32_t max);
/* The oldest flow of the port if it has its part; else NULL. */
struct index_flow *index_ports_excess(const struct index_ports *x, uint32_t key, uint32_t part);
uint32_t index_ports_has(const struct index_flow *f); /* flows of its port */
void index_ports_fini(struct index_ports *x); /* all have left */
