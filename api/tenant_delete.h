/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a tenant: tenant_delete.c. */
#pragma once

#include "api/cache.h"
#include "api/request.h"

api_handler tenant_delete;
bool tenant_is_closing(const struct cache_tenant *t); /* it has no configuration any more, the rest is on its way */
