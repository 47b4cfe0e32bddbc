/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: limit, cursor, sort, filter, fields. */
#pragma once

#include "api/cache.h"
#include "api/request.h"

void list_answer(struct api_request *r, struct cache_tenant *t, enum topo_kind kind);
