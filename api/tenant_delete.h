/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a tenant: tenant_delete.c. */
#pragma once

#include "api/cache.h"
#include "api/request.h"

api_handler tenant_delete;
/* One that is closing, to its end; 'meta' (taken) is the audit's: who has begun that.  Then 'ended', exactly once. */
typedef void tenant_ended(void *arg, const struct err *err);
void tenant_finish(struct api *api, struct cache_tenant *t, json_t *meta, tenant_ended *ended, void *arg);
bool tenant_is_closing(const struct cache_tenant *t); /* it has no configuration any more, the rest is on its way */
