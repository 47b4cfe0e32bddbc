// SPDX-License-Identifier: Apache-2.0
/* Answers of trace and reachability (trace.h): one packet, or two, at once.  matrix.c asks for many. */
#include "api/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/budget.h"
#include "api/cache.h"
#include "packet/packet.h"
#include "packet/short.h"
#include "simulator/probe.h"
#include "topology/schema.h"
#include "util/clock.h"

#define SEED 0 /* of the simulation's hashes: the agents' */

static const struct topo_field trace_fields[] = {
	{ .name = "port", .type = TOPO_T_REF, .ref = TOPO_PORT, .required = true },
	{ .name = "packet", .type = TOPO_T_TEXT, .max = 1000 },
	{ .name = "hex", .type = TOPO_T_TEXT, .max = 19000 },
	{ .name = "eth", .type = TOPO_T_TEXT, .max = 35 },
};
static const struct topo_shape trace_shape = { "trace", "port", trace_fields,
					       ARRAY_SIZE(trace_fields), NULL };
static const struct topo_field reach_fields[] = {
	{ .name = "from", .type = TOPO_T_TEXT, .max = 130, .required = true },
	{ .name = "to", .type = TOPO_T_TEXT, .max = 130, .required = true },
	{ .name = "proto", .type = TOPO_T_TEXT, .max = 16, .required = true },
};
static const struct topo_shape reach_shape = { "reachability", "from", reach_fields,
					       ARRAY_SIZE(reach_fields), NULL };

int trace_check(struct api_request *r, const struct topo_shape *shape, struct err *err)
{
	const json_t *body = api_body(r);

	if (!json_is_object(body))
		return err_set(err, -EINVAL, "the body is not an object (want {\"%s\": ...})",
			       shape->fields[0].name);
	return topo_object_check(shape, body, false, true, NULL, NULL, err);
}

const struct topo_port *trace_port(const struct topo_snapshot *snap, const char *field,
				   const char *name, struct err *err)
{
	const struct topo_port *p = topo_find_port(snap, name);

	if (!p)
		err_set(err, -EINVAL, "field '%s': '%s' is no port of tenant '%s' (want the name of an exterior port)",
			field, name, snap->tenant);
	else if (p->peer)
		err_set(err, -EINVAL,
			"field '%s': '%s' is linked to port '%s' (want an exterior port: packets enter by those)",
			field, name, p->peer->o.name);
	else
		return p;
	return NULL;
}

/* What is wrong with a packet is said of the field that has it. */
static int of_field(struct err *err, const char *field)
{
	return err_prefix(err, "field '%s'", field);
}

/* "02:00:00:00:00:01>02:00:00:00:00:02" */
static bool is_eth_pair(const char *text)
{
	struct skep_mac mac;
	char left[18];

	if (strlen(text) != 35 || text[17] != '>')
		return false;
	memcpy(left, text, 17);
	left[17] = 0;
	return mac_parse(left, &mac) && mac_parse(text + 18, &mac);
}

static int make_frame(const json_t *body, const struct sim_view *view, const struct topo_port *in,
		      uint8_t *frame, struct err *err)
{
	const char *text = topo_str(body, "packet"), *hex = topo_str(body, "hex");
	const char *eth = topo_str(body, "eth");
	struct pkt_short parsed;
	int len;

	if (eth && !is_eth_pair(eth))
		return err_set(err, -EINVAL,
			       "field 'eth': '%s' is not two Ethernet addresses (want 02:00:00:00:00:01>02:00:00:00:00:02)",
			       eth);
	if (!text == !hex)
		return err_set(err, -EINVAL, "field 'packet' is %s (want one of packet and hex)",
			       text ? "given together with 'hex'" : "missing");
	if (hex) {
		len = topo_parse_hex(hex, frame, PKT_MAX);
		return len > 0 ? len :
				 err_set(err, -EINVAL,
					 "field 'hex': '%.40s' is not a frame (want an even number of hexadecimal digits, at most %d)",
					 hex, 2 * PKT_MAX);
	}
	if (strncmp(text, "eth ", 4) && pkt_short_parse(text, &parsed, err))
		return of_field(err, "packet");
	len = sim_probe(view, in, text, eth, frame, PKT_MAX, err);
	return len > 0 ? len : of_field(err, "packet");
}

static json_t *run_trace(const json_t *body, const struct topo_snapshot *snap, const json_t *records,
			 uint8_t *frame, struct err *err)
{
	const struct topo_port *in = trace_port(snap, "port", topo_str(body, "port"), err);
	struct sim_records_view view;
	struct sim_result res;
	json_t *answer = NULL;
	const char *text;
	struct sim sim;
	struct pkt pkt;
	int len;

	if (!in)
		return NULL;
	sim_records_view_init(&view, snap, records);
	len = make_frame(body, &view.view, in, frame, err);
	if (len <= 0)
		return NULL;
	sim_init(&sim);
	if (!sim_trace(&sim, snap, &view.view, in, frame, (uint32_t)len, clock_mono_ns(), SEED, &pkt,
		       &res, err)) {
		answer = sim_trace_json(&sim, &pkt, &res);
		text = sim_trace_text(&sim, &pkt, &res);
		if (answer)
			json_object_set_new(answer, "text", json_string(text ? text : ""));
		else
			err_set(err, -ENOMEM, "out of memory");
	}
	sim_fini(&sim);
	return answer;
}

/* Everything that can be wrong with a question is the asker's, but for lack of memory. */
void trace_fail(struct api_request *r, const struct err *err)
{
	if (err->code == -ENOMEM)
		api_fail(r, err);
	else
		api_problem(r, 422, "invalid", err);
}

/* false: it has answered that the tenant has used up its time. */
static bool may_ask(struct api_request *r, const char *tenant)
{
	uint64_t wait_ns = budget_wait_ns(api_of(r)->budget, tenant, clock_mono_ns());
	char seconds[24];

	if (!wait_ns)
		return true;
	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)(wait_ns / NSEC_PER_SEC + 1));
	api_header(r, "Retry-After", seconds);
	api_problemf(r, 429, "too_many_requests",
		     "tenant '%s' has used up its time for questions (again in %s s)", tenant, seconds);
	return false;
}

/* The answer, or the error; what it took is the tenant's. */
static void answer(struct api_request *r, const char *tenant, uint64_t began_ns, json_t *body,
		   const struct err *err)
{
	uint64_t now_ns = clock_mono_ns();

	budget_spend(api_of(r)->budget, tenant, now_ns - began_ns, now_ns);
	if (body)
		api_answer(r, 200, body);
	else
		trace_fail(r, err);
}

static void trace_now(struct api_request *r, struct cache_tenant *t)
{
	uint64_t began_ns = clock_mono_ns();
	_free_ uint8_t *frame = malloc(PKT_MAX);
	struct topo_snapshot *snap = NULL;
	struct err err = { 0 };
	json_t *body = NULL;

	if (!may_ask(r, cache_name(t)))
		return;
	if (!frame)
		err_set(&err, -ENOMEM, "out of memory");
	else if (!trace_check(r, &trace_shape, &err) && (snap = cache_snapshot(t, &err)))
		body = run_trace(api_body(r), snap, cache_records(t), frame, &err);
	topo_unref(snap);
	answer(r, cache_name(t), began_ns, body, &err);
}

static void handle_trace(struct api_request *r)
{
	api_with_tenant(r, trace_now);
}

static json_t *run_why(const json_t *body, const struct topo_snapshot *snap, const json_t *records,
		       struct err *err)
{
	struct sim_records_view view;
	json_t *answer = NULL;
	struct sim_why why;
	struct sim sim;

	if (sim_check_from(snap, topo_str(body, "from"), err)) {
		of_field(err, "from");
		return NULL;
	}
	sim_records_view_init(&view, snap, records);
	sim_init(&sim);
	if (!sim_why(&sim, snap, &view.view, topo_str(body, "from"), topo_str(body, "to"),
		     topo_str(body, "proto"), clock_mono_ns(), SEED, &why, err)) {
		answer = sim_why_json(&why, snap->tenant);
		sim_why_fini(&why);
		if (!answer)
			err_set(err, -ENOMEM, "out of memory");
	} else {
		of_field(err, "to");
	}
	sim_fini(&sim);
	return answer;
}

static void reach_now(struct api_request *r, struct cache_tenant *t)
{
	uint64_t began_ns = clock_mono_ns();
	const json_t *asked = api_body(r);
	struct topo_snapshot *snap = NULL;
	struct err err = { 0 };
	json_t *body = NULL;

	if (!may_ask(r, cache_name(t)))
		return;
	if (!trace_check(r, &reach_shape, &err)) {
		if (sim_service_check(topo_str(asked, "proto"), &err))
			of_field(&err, "proto");
		else if ((snap = cache_snapshot(t, &err)))
			body = run_why(asked, snap, cache_records(t), &err);
	}
	topo_unref(snap);
	answer(r, cache_name(t), began_ns, body, &err);
}

static void handle_reachability(struct api_request *r)
{
	api_with_tenant(r, reach_now);
}

const struct api_route trace_routes[] = {
	{ "POST", "/api/v1/tenants/{tenant}/trace", handle_trace, API_READER, 0, NULL,
	  "What would happen to a packet, step by step" },
	{ "POST", "/api/v1/tenants/{tenant}/reachability", handle_reachability, API_READER, 0, NULL,
	  "Whether one end can connect to another, and if not, why" },
	{ "POST", "/api/v1/tenants/{tenant}/policy_matrix", matrix_handle, API_READER, 0, NULL,
	  "Who may connect to whom, and what decides it" },
};
const unsigned int n_trace_routes = ARRAY_SIZE(trace_routes);
