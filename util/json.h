/* SPDX-License-Identifier: Apache-2.0 */
/* Owning json_t locals: released when they leave scope, unless taken. */
#pragma once

#include <jansson.h>

#include "util/cleanup.h"

static inline void json_decrefpp(json_t **p)
{
	json_decref(*p);
}
#define _json_ __attribute__((cleanup(json_decrefpp)))

static inline const char *json_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}
