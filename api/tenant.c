// SPDX-License-Identifier: Apache-2.0
/* Requests about a tenant. */
#include <errno.h>

#include "api/cache.h"
#include "api/exchange.h"
#include "topology/schema.h"

static void on_ready(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct api_request *r = arg;

	if (err)
		api_fail(r, err);
	else if (!cache_exists(t))
		api_problemf(r, 404, "not_found", "tenant '%s' does not exist", cache_name(t));
	else
		r->with_tenant(r, t);
}

void api_with_tenant(struct api_request *r, void (*fn)(struct api_request *r, struct cache_tenant *t))
{
	const char *tenant = api_param(r, "tenant");

	if (!topo_name_valid(tenant)) {
		api_problemf(r, 404, "not_found", "tenant '%.63s' does not exist", tenant);
		return;
	}
	r->with_tenant = fn;
	cache_get(r->api->cache, tenant, on_ready, r);
}
