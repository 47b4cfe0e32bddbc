// SPDX-License-Identifier: Apache-2.0
/* /api/v1/tenants/{tenant}/quota: limits, and how much of them is used. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit.h"
#include "api/auth.h"
#include "api/cache.h"
#include "api/exchange.h"
#include "api/object.h"
#include "api/role.h"
#include "util/cleanup.h"
#include "util/json.h"

static json_t *view(const struct api_request *r, const char *tenant)
{
	struct store *s = auth_store(api_of(r)->auth);
	uint64_t rev;
	json_t *o = quota_json(store_quota(s, tenant, &rev));

	json_object_set_new(o, "rev", json_integer((json_int_t)rev));
	return o;
}

static void tag(struct api_request *r, const char *tenant)
{
	char text[32];
	uint64_t rev;

	(void)store_quota(auth_store(api_of(r)->auth), tenant, &rev);
	snprintf(text, sizeof(text), "\"%" PRIu64 "\"", rev);
	api_header(r, "ETag", text);
}

static void get(struct api_request *r, struct cache_tenant *t)
{
	json_t *o = view(r, cache_name(t)), *used = quota_use_json(cache_use(t));

	json_object_set_new(used, "tokens",
			    json_integer((json_int_t)tokens_of_tenant(store_tokens(auth_store(api_of(r)->auth)), cache_name(t))));
	json_object_set_new(o, "used", used);
	tag(r, cache_name(t));
	api_answer(r, 200, o);
}

static void on_get(struct api_request *r)
{
	api_with_tenant(r, get);
}

static json_t *make(void *arg, const struct store *s, struct err *err)
{
	struct api_request *r = arg;
	const char *tenant = api_param(r, "tenant");
	char path[TOPO_NAME_MAX + 16];
	struct quota q;
	uint64_t rev;

	(void)store_quota(s, tenant, &rev);
	if ((r->if_match && !object_matches(r->if_match, rev, true)) || (r->if_none_match && object_matches(r->if_none_match, rev, false))) {
		err_tag(err, -ESTALE, "precondition_failed", "the quota is not the one of If-Match any more (get it again)");
		return NULL;
	}
	snprintf(path, sizeof(path), "quota/%s", tenant);
	if (strcmp(api_method(r), "DELETE") == 0)
		return json_pack("{s:n}", path);
	if (quota_parse(api_body(r), &q, err))
		return NULL;
	return json_pack("{s:o}", path, quota_json(&q));
}

static void on_made(void *arg, const struct err *err, uint64_t rev)
{
	struct api_request *r = arg;
	char text[32];
	struct quota q;
	struct err unused;
	json_t *o;

	if (err && err->code == -ESTALE) {
		api_problem(r, 412, err->tag, err);
	} else if (err) {
		api_fail(r, err);
	} else if (strcmp(api_method(r), "DELETE") == 0) {
		api_answer(r, 204, NULL);
	} else {
		(void)quota_parse(api_body(r), &q, &unused); /* it was written: it is right */
		o = quota_json(&q);
		json_object_set_new(o, "rev", json_integer((json_int_t)rev));
		snprintf(text, sizeof(text), "\"%" PRIu64 "\"", rev);
		api_header(r, "ETag", text);
		api_answer(r, 200, o);
	}
}

/* Of a tenant that need not exist yet: limits may come before the tenant. */
static void on_put(struct api_request *r)
{
	const char *tenant = api_param(r, "tenant");

	if (!role_tenant_ok(tenant))
		api_problemf(r, 404, "not_found", "tenant '%.63s' does not exist", tenant);
	else
		store_write(auth_store(api_of(r)->auth), make, audit_meta(r, tenant), on_made, r);
}

#define PATH "/api/v1/tenants/{tenant}/quota"
const struct api_route quota_routes[] = {
	{ "GET", PATH, on_get, API_READER, 0, NULL, "limits of the tenant, and what it has" },
	{ "PUT", PATH, on_put, API_OPERATOR, API_MATCHES, NULL, "set limits; what is left out is the default" },
	{ "DELETE", PATH, on_put, API_OPERATOR, API_MATCHES, NULL, "back to the default limits" },
};
const unsigned int n_quota_routes = ARRAY_SIZE(quota_routes);
