/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as the API shows them: the document's fields, and "id", "name", "rev". */
#pragma once

#include "api/cache.h"
#include "api/request.h"

enum topo_kind object_kind(const struct api_request *r); /* of the path's {kind} */
json_t *object_view(enum topo_kind kind, const struct cache_object *o); /* new reference; not to be changed */
uint64_t object_rev(const struct cache_object *o);
/* Does If-Match ('strong': W/"7" is not the same) or If-None-Match name the revision? */
bool object_matches(const char *header, uint64_t rev, bool strong);
/* Is it an asterisk, or a list of tags as RFC 9110 has them? */
bool object_tags_ok(const char *header);
