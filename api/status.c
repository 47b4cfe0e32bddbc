// SPDX-License-Identifier: Apache-2.0
/* Is this server alive, can it serve, who am I, how is it. */
#include "api/api.h"
#include "api/cache.h"
#include "api/http.h"
#include "api/request.h"
#include "util/cleanup.h"
#include "util/json.h"

static void on_health(struct api_request *r)
{
	api_answer(r, 200, json_pack("{s:s}", "status", "ok"));
}

static void on_ready(struct api_request *r)
{
	_json_ json_t *db = db_status(api_of(r)->db);

	/* why is for those who may ask /api/v1/status, and in the log */
	if (json_is_true(json_object_get(db, "connected")))
		api_answer(r, 200, json_pack("{s:s}", "status", "ready"));
	else
		api_problemf(r, 503, "unavailable", "the state DB is not connected");
}

static void on_whoami(struct api_request *r)
{
	const struct api_caller *c = api_caller_of(r);

	api_answer(r, 200, json_pack("{s:s, s:s, s:o, s:o}", "name", c->name, "role", api_role_name(c->role), "tenant",
				     c->tenant[0] ? json_string(c->tenant) : json_null(), "expires",
				     c->expires_s ? json_integer(c->expires_s) : json_null()));
}

static void on_status(struct api_request *r)
{
	const struct http_stats *s = http_stats(api_of(r)->http);

	api_answer(r, 200,
		   json_pack("{s:s, s:o, s:{s:I, s:I, s:I, s:i, s:i, s:i}}", "version", SKEP_VERSION, "db",
			     db_status(api_of(r)->db), "http", "requests", (json_int_t)s->requests, "connections",
			     (json_int_t)s->connections, "refused", (json_int_t)s->refused, "open", (int)s->open, "streams",
			     (int)s->streams, "pending", (int)s->pending));
}

const struct api_route status_routes[] = {
	{ "GET", "/healthz", on_health, API_NOBODY, API_OPEN, NULL, "is the server alive?" },
	{ "GET", "/readyz", on_ready, API_NOBODY, API_OPEN, NULL, "can it serve, is the state DB there?" },
	{ "GET", "/api/v1/whoami", on_whoami, API_READER, API_MONITORS, NULL, "who the caller is" },
	{ "GET", "/api/v1/status", on_status, API_OPERATOR, API_MONITORS, NULL, "how the server is" },
};
const unsigned int n_status_routes = ARRAY_SIZE(status_routes);
