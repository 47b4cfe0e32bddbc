/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the records of leased source ports: "natblock/<router>/<ip>/<first port>".  Pure. */
#pragma once

#include <stdbool.h>

#include "topology/topology.h"

#define NATPATH_PREFIX "natblock/"
#define NATPATH_LEN    (sizeof(NATPATH_PREFIX) + TOPO_NAME_MAX + ADDR_TEXT + 8)

struct natpath {
	struct skep_ip ip;
	uint16_t first;
	char router[TOPO_NAME_MAX + 1];
};

void natpath_make(char buf[static NATPATH_LEN], const char *router, const struct skep_ip *ip,
		  uint16_t first);
bool natpath_is(const char *path);
bool natpath_parse(const char *path, struct natpath *out);
/* The address behind 'ip'. */
struct skep_ip natpath_next(struct skep_ip ip);
