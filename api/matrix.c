// SPDX-License-Identifier: Apache-2.0
/*
 * The policy matrix (trace.h): may each of some ports connect to each?  Up to 40 000 questions, so it is answered in slices between other
 * requests: what a slice needs is kept here, with its own hold on the topology, which may change meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/budget.h"
#include "api/cache.h"
#include "api/trace.h"
#include "maps/maps.h"
#include "simulator/probe.h"
#include "topology/schema.h"
#include "util/clock.h"

#define SEED 0 /* as trace.c's */

static const struct topo_field matrix_fields[] = {
	{ .name = "ports", .type = TOPO_T_REF, .ref = TOPO_PORT, .list = true, .max = MATRIX_PORTS_MAX },
	{ .name = "proto", .type = TOPO_T_TEXT, .max = 16, .required = true },
};
static const struct topo_shape matrix_shape = { "policy_matrix", "proto", matrix_fields,
						ARRAY_SIZE(matrix_fields), NULL };

struct matrix {
	struct api_request *r; /* whose answer is waited for */
	struct matrix *next;
	struct loop_timer *timer; /* of its next slice */
	struct topo_snapshot *snap;
	json_t *records;
	struct sim_records_view view;
	struct sim sim;
	uint64_t now_ns; /* one time for all questions */
	const struct topo_port *ports[MATRIX_PORTS_MAX];
	unsigned int n, done; /* questions that are answered: n * n in all */
	const char *proto;	/* of the request's body */
	json_t *cells, *row;
};

static struct matrix *running; /* at most MATRIX_RUNNING, one of a tenant */

static void matrix_free(struct matrix *m)
{
	for (struct matrix **p = &running; *p; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	json_decref(m->cells);
	json_decref(m->records);
	topo_unref(m->snap);
	sim_fini(&m->sim);
	free(m);
}

/* --- which ports --- */

static int named_ports(struct matrix *m, const json_t *list, struct err *err)
{
	const json_t *name;
	size_t i;

	if (!json_array_size(list))
		return err_set(err, -EINVAL,
			       "field 'ports': '[]' is empty (want 1 to %d ports, or none named for all)",
			       MATRIX_PORTS_MAX);
	json_array_foreach(list, i, name)
	{
		const struct topo_port *p =
			trace_port(m->snap, "ports", json_string_value(name), err);

		if (!p)
			return err->code;
		m->ports[m->n++] = p;
	}
	return 0;
}

/* The machines: exterior ports of bridges, with an address to ask for. */
static int all_ports(struct matrix *m, struct err *err)
{
	struct topo_ports_at at;
	unsigned int n = 0;

	for (const struct topo_port *p = topo_ports_first(&m->snap->ports, &at); p;
	     p = topo_ports_next(&at)) {
		if (p->peer || !p->bridge || !p->n_addrs)
			continue;
		if (n < MATRIX_PORTS_MAX)
			m->ports[n] = p;
		n++;
	}
	if (n > MATRIX_PORTS_MAX)
		return err_set(err, -EINVAL,
			       "field 'ports' is missing, and tenant '%s' has %u machines (want at most %d of them)",
			       m->snap->tenant, n, MATRIX_PORTS_MAX);
	m->n = n;
	return 0;
}

/* --- cells --- */

static json_t *cell(struct matrix *m, const struct topo_port *from, const struct topo_port *to)
{
	static const char *const verdicts[] = { [SIM_WHY_YES] = "allow",
						[SIM_WHY_NO] = "deny",
						[SIM_WHY_UNKNOWN] = "unknown" };
	struct err err = { 0 };
	struct sim_why why;
	const char *verdict;
	json_t *c;

	if (from == to)
		return json_pack("{s:s}", "verdict", "self");
	if (sim_reaches(&m->sim, m->snap, &m->view.view, from->o.name, to->o.name, m->proto,
			m->now_ns, SEED, &why, &err))
		return err.code == -ENOMEM ? NULL :
					     json_pack("{s:s, s:s}", "verdict", "unknown", "text", err.text);
	verdict = why.reason == SKEP_DROP_NOT_LIVE ? "down" : verdicts[why.reachable];
	c = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "verdict", verdict, "reason",
		      why.reason != SKEP_DROP_NONE ? skep_drop_name(why.reason) : NULL, "rule",
		      *why.rule ? why.rule : NULL, "at", *why.culprit && !*why.rule ? why.culprit : NULL, "text",
		      why.reachable == SIM_WHY_YES ? NULL : why.text);
	sim_why_fini(&why);
	return c;
}

static int one_cell(struct matrix *m)
{
	const struct topo_port *from = m->ports[m->done / m->n], *to = m->ports[m->done % m->n];

	if (m->done % m->n == 0) {
		m->row = json_array();
		if (json_array_append_new(m->cells, m->row))
			return -ENOMEM;
	}
	m->done++;
	return json_array_append_new(m->row, cell(m, from, to));
}

static void finish(struct matrix *m)
{
	json_t *names = json_array(), *answer;

	for (unsigned int i = 0; i < m->n; i++)
		json_array_append_new(names, json_string(m->ports[i]->o.name));
	answer = json_pack("{s:o, s:s, s:O}", "ports", names, "proto", m->proto, "cells", m->cells);
	if (answer)
		api_answer(m->r, 200, answer);
	else
		api_problemf(m->r, 503, "overloaded", "out of memory");
	matrix_free(m);
}

static void give_up(struct matrix *m, const char *why)
{
	api_header(m->r, "Retry-After", "10");
	api_problemf(m->r, 503, "overloaded", "%s", why);
	matrix_free(m);
}

void matrix_stop(void)
{
	while (running) {
		loop_timer_del(running->timer);
		give_up(running, "the server stops");
	}
}

/* Some questions, as long as a slice lasts.  0, or -ENOMEM. */
static int ask_some(struct matrix *m, uint64_t began_ns)
{
	while (m->done < m->n * m->n) {
		if (one_cell(m))
			return -ENOMEM;
		if (clock_mono_ns() - began_ns >= MATRIX_SLICE_NS)
			break;
	}
	return 0;
}

/* The next slice is due when the tenant has time again. */
static void slice(void *arg)
{
	struct matrix *m = arg;
	uint64_t began_ns = clock_mono_ns(), now_ns, wait_ns = budget_wait_ns(api_of(m->r)->budget, m->snap->tenant, began_ns);

	m->timer = NULL;
	if (!wait_ns) {
		if (ask_some(m, began_ns)) {
			give_up(m, "out of memory");
			return;
		}
		now_ns = clock_mono_ns();
		budget_spend(api_of(m->r)->budget, m->snap->tenant, now_ns - began_ns, now_ns);
	}
	if (m->done == m->n * m->n)
		finish(m);
	else if (began_ns - m->now_ns > MATRIX_TIME_NS)
		give_up(m, "the matrix takes too long (ask for fewer ports)");
	else if (!(m->timer = loop_timer_add(api_of(m->r)->loop, wait_ns + 1, 0, slice, m)))
		give_up(m, "out of memory");
}

/* --- begin --- */

static bool may_run(struct api_request *r, const char *tenant)
{
	unsigned int n = 0;

	for (const struct matrix *m = running; m; m = m->next) {
		if (!strcmp(m->snap->tenant, tenant))
			n = MATRIX_RUNNING;
		n++;
	}
	if (n < MATRIX_RUNNING)
		return true;
	api_header(r, "Retry-After", "1");
	api_problemf(r, 429, "busy", "policy matrices are being made already: at most %d at a time, one of a tenant",
		     MATRIX_RUNNING);
	return false;
}

static int begin(struct matrix *m, const json_t *body, struct err *err)
{
	const json_t *ports = json_object_get(body, "ports");

	m->proto = topo_str(body, "proto");
	if (sim_service_check(m->proto, err))
		return err_prefix(err, "field 'proto'");
	if (ports && !json_is_null(ports) ? named_ports(m, ports, err) : all_ports(m, err))
		return err->code;
	m->cells = json_array();
	sim_records_view_init(&m->view, m->snap, m->records);
	return m->cells ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static void matrix_now(struct api_request *r, struct cache_tenant *t)
{
	struct err err = { 0 };
	struct matrix *m;

	if (trace_check(r, &matrix_shape, &err)) {
		trace_fail(r, &err);
		return;
	}
	if (!may_run(r, cache_name(t)))
		return;
	m = calloc(1, sizeof(*m));
	if (!m) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	m->r = r;
	m->now_ns = clock_mono_ns();
	m->snap = cache_snapshot(t, &err);
	m->records = json_incref((json_t *)cache_records(t));
	sim_init(&m->sim);
	m->next = running;
	running = m;
	if (!m->snap || begin(m, api_body(r), &err)) {
		matrix_free(m);
		trace_fail(r, &err);
		return;
	}
	slice(m);
}

void matrix_handle(struct api_request *r)
{
	api_with_tenant(r, matrix_now);
}
