// SPDX-License-Identifier: Apache-2.0
#include "api/live_flows.h"

#include <string.h>

#include "api/parse.h"
#include "statedb/telemetry.h"
#include "topology/schema.h"
#include "util/cleanup.h"

SKEP_ASSERT(FLOW_WISH_PORT == TOPO_NAME_MAX);

/* --- the question --- */

static bool take_proto(const char *text, struct flow_wish *w)
{
	_json_ json_t *v = json_string(text);

	w->by_proto = true;
	return topo_parse_proto(v, &w->proto) && w->proto;
}

static bool take_number(const char *text, struct flow_wish *w)
{
	uint64_t n;

	if (!parse_u64(text, &n) || !n || n > 65535)
		return false;
	w->number = (uint16_t)n;
	return true;
}

static bool take_address(const char *text, struct flow_wish *w)
{
	w->by_address = prefix_parse(text, &w->address, &w->len);
	if (w->by_address)
		w->address = ip_mask(&w->address, w->len);
	return w->by_address;
}

static bool take_flow(const char *text, struct flow_wish *w)
{
	char whole[FLOW_WISH_TEXT];
	struct flow_wish parsed;

	if (strlen(text) != 16)
		return false;
	snprintf(whole, sizeof(whole), "x - - - %s", text);
	if (!flow_wish_parse(whole, &parsed))
		return false;
	w->flow = parsed.flow;
	return true;
}

static const struct {
	const char *name, *want;
	bool (*take)(const char *text, struct flow_wish *w);
} params[] = {
	{ "proto", "tcp, udp, icmp, sctp or 1 to 255", take_proto },
	{ "address", "10.0.0.1, 10.0.0.0/24 or fd00::1", take_address },
	{ "number", "1 to 65535", take_number },
	{ "flow", "the id of a flow: 16 hexadecimal digits", take_flow },
};

bool live_flows_asked(struct api_request *r, const struct cache_tenant *t, char text[static FLOW_WISH_TEXT])
{
	const char *port = api_query(r, "port"), *value;
	const struct cache_object *o = port ? cache_find(t, TOPO_PORT, port) : NULL;
	struct flow_wish w = { 0 };

	if (!port) {
		api_problemf(r, 400, "malformed", "query parameter 'port' is missing (want the name of an exterior port)");
		return false;
	}
	if (!o) {
		api_problemf(r, 404, "not_found", "port '%.63s' does not exist", port);
		return false;
	}
	snprintf(w.port, sizeof(w.port), "%s", o->name);
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		value = api_query(r, params[i].name);
		if (value && !params[i].take(value, &w)) {
			api_problemf(r, 400, "malformed", "query parameter '%s': '%.60s' is not allowed (want %s)", params[i].name, value,
				     params[i].want);
			return false;
		}
	}
	flow_wish_format(&w, text);
	return true;
}

/* --- the wish --- */

static void forget_oldest(json_t *wished)
{
	const char *text, *oldest = NULL;
	json_int_t least = 0;
	json_t *at;

	json_object_foreach (wished, text, at)
		if (!oldest || json_integer_value(at) < least) {
			least = json_integer_value(at);
			oldest = text;
		}
	if (oldest)
		(void)json_object_del(wished, oldest);
}

static bool is_wished(const json_t *at, uint64_t now_ms)
{
	return json_is_integer(at) && (json_int_t)now_ms - json_integer_value(at) < DB_WISH_S * 1000;
}

bool live_flows_wish(json_t *wished, const char *text, uint64_t now_ms)
{
	const bool fresh = !is_wished(json_object_get(wished, text), now_ms);

	json_object_set_new(wished, text, json_integer((json_int_t)now_ms));
	if (json_object_size(wished) > FLOW_WISHES_MAX)
		forget_oldest(wished);
	return fresh;
}

json_t *live_flows_record(const json_t *wished, const json_t *record, uint64_t now_ms)
{
	json_t *all = json_object(), *at;
	const char *text;

	json_object_foreach (json_object_get(record, FLOW_WISHES), text, at)
		if (is_wished(at, now_ms) && !json_object_get(wished, text))
			json_object_set(all, text, at);
	json_object_foreach ((json_t *)wished, text, at)
		if (is_wished(at, now_ms))
			json_object_set(all, text, at);
	while (json_object_size(all) > FLOW_WISHES_MAX)
		forget_oldest(all);
	return all;
}

/* --- the answer --- */

void live_flows_answer(json_t *answer, const json_t *said, const char *text, uint64_t host_age_ms)
{
	static const char *const told[] = { "total", "more", "flows", "flow", "trace" };
	const json_t *mine = json_object_get(json_object_get(said, FLOW_WISHES), text);
	const json_int_t before = json_integer_value(json_object_get(said, "at_ms")) - json_integer_value(json_object_get(mine, "at_ms"));

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		json_t *v = json_object_get(mine, told[i]);

		json_object_set_new(answer, told[i], v ? json_incref(v) : json_null());
	}
	json_object_set_new(answer, "age_ms", mine ? json_integer((json_int_t)host_age_ms + (before > 0 ? before : 0)) : json_null());
}
