/* SPDX-License-Identifier: Apache-2.0 */
/* Problem documents (RFC 9457), and what an error means in HTTP.  Pure. */
#pragma once

#include <jansson.h>

#include "util/err.h"

/*
 * {"type", "title", "status", "detail", "instance", "errors": [{"object": "port/web1", "field", "value", "detail", "allowed"}]}: new reference, or NULL.
 * "errors" is there when the text says of an object or field: "port 'web1': field 'mac': 'zz' is not an Ethernet address (want six octets)".
 */
json_t *problem_body(int status, const char *slug, const char *instance, const struct err *err);
/* The status that an error of topology/ or statedb/ stands for. */
int problem_status(const struct err *err, const char **slug);
const char *problem_title(int status); /* "Not Found" */
