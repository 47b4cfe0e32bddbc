/* SPDX-License-Identifier: Apache-2.0 */
/* JSON merge patch (RFC 7396).  Pure. */
#pragma once

#include <jansson.h>

/* New reference; 'target' may be NULL, nothing is changed in place.  NULL: no memory. */
json_t *patch_merge(const json_t *target, const json_t *patch);
