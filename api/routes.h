/* SPDX-License-Identifier: Apache-2.0 */
/* Which path and method is whose. */
#pragma once

#include "api/request.h"

/* All routes, of all modules: the i-th, or NULL. */
const struct api_route *routes_at(unsigned int i);

#define ROUTE_PARTS_MAX 12
struct route_match {
	const struct api_route *route; /* NULL: none for this method, or this path */
	struct {
		const char *name, *value; /* "tenant" without braces, not terminated: name_len; value points into 'parts' */
		unsigned int name_len;
	} params[ROUTE_PARTS_MAX];
	unsigned int n_params;
	char allow[64]; /* methods that the path has: "GET, PUT"; "" = no such path */
};
/* 'parts': the decoded parts of the path.  A part that is spelled out is stronger than "{name}". */
void routes_match(const char *method, const char *const *parts, unsigned int n, struct route_match *m);

/* Does the route take a query parameter of the name? */
bool route_takes(const struct api_route *route, const char *query);
/* All that it takes: "limit, cursor", or "none". */
void route_query(const struct api_route *route, char *list, size_t size);
/* How many of the parts are those of a path that there is, and what could be next: "bridges, ports", or the one that was meant; "": nothing. */
unsigned int routes_next(const char *const *parts, unsigned int n, char *list, size_t size);
