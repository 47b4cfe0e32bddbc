/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI 3.1 document of this server.  What an object is made of comes from topology/schema.c, what fields mean from docs/topology.md, which
 * operations there are from the tables of routes; api/openapi.yaml says the rest: what operations take and answer.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "api/request.h"
#include "topology/schema.h"

/* The whole document: new reference; NULL with 'err'.  Routes of which api/openapi.yaml says nothing are marked "x-skep-undocumented", what it says of
 * routes that do not exist is named in "x-skep-unrouted". */
json_t *openapi_build(const struct api_route *const *routes, unsigned int n, struct err *err);

/* The document with all routes of this server (routes.h), as people read it: 0, or 1 with a message on stderr. */
int openapi_print(FILE *out);

/* Adds the schemas of a kind of object to 'schemas' (components/schemas): "port" (as it is written), "port_object" (as it is answered),
 * "port_patch", "port_list", and "port_<field>" for elements of lists.  0, or -ENOMEM with 'err'. */
int openapi_add_kind(json_t *schemas, enum topo_kind kind, struct err *err);

extern const struct api_route openapi_routes[]; /* /openapi.json */
extern const unsigned int n_openapi_routes;
