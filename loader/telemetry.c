// SPDX-License-Identifier: Apache-2.0
#include "loader/agent.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/telemetry_flows.h"
#include "util/clock.h"
#include "util/log.h"

#define EVENTS	   32
#define DROPS	   32
#define PORTS_MAX  4096 /* of a tenant */
#define TEXT_BYTES 128
#define FLOW_TENANTS 4

struct event {
	uint64_t at_ms; /* Unix time */
	char what[16], port[TOPO_NAME_MAX + 1], text[TEXT_BYTES];
};

struct telemetry {
	uint64_t until_ns; /* somebody watches; 0 = nobody */
	unsigned int n_events, n_drops; /* so far */
	struct event events[EVENTS];
	struct top_drop *drops; /* while somebody watches */
	enum skep_drop reasons[DROPS];
	struct flow_watch flows;
};

static uint64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
}

static struct telemetry *get(struct tenant *t)
{
	if (!t->telemetry)
		t->telemetry = calloc(1, sizeof(*t->telemetry));
	return t->telemetry;
}

/* --- what is kept --- */

void telemetry_event(struct tenant *t, const char *what, const char *port, const char *fmt, ...)
{
	struct telemetry *m = get(t);
	struct event *e;
	va_list ap;

	if (!m)
		return;
	e = &m->events[m->n_events++ % EVENTS];
	*e = (struct event){ .at_ms = unix_ms() };
	snprintf(e->what, sizeof(e->what), "%s", what);
	snprintf(e->port, sizeof(e->port), "%s", port);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

void telemetry_dropped(struct tenant *t, enum skep_drop reason, uint64_t time_ns, uint32_t key, const char *culprit, const uint8_t *data,
		       uint32_t have, uint32_t len, const struct skep_ip *remote)
{
	struct telemetry *m = t->telemetry;
	unsigned int i;

	if (!m || !m->drops)
		return;
	i = m->n_drops++ % DROPS;
	m->reasons[i] = reason;
	top_drop_note(&m->drops[i], time_ns, key, culprit, data, have, len, remote);
}

static void stop(struct tenant *t)
{
	struct telemetry *m = t->telemetry;

	if (!m || !m->until_ns)
		return;
	m->until_ns = 0;
	m->n_drops = 0;
	free(TAKE_PTR(m->drops));
	flow_watch_stop(&m->flows);
	t->agent->telemetry.wished--;
}

void telemetry_wish(struct tenant *t, const json_t *wish)
{
	struct telemetry *m = get(t);
	struct agent *a = t->agent;

	if (!m)
		return;
	if (!m->until_ns) {
		a->telemetry.wished++;
		m->drops = calloc(DROPS, sizeof(*m->drops));
	}
	m->until_ns = clock_mono_ns() + DB_WISH_S * NSEC_PER_SEC;
	flow_watch_wish(&m->flows, wish);
	telemetry_tick(a, clock_mono_ns()); /* who has come to look does not like to wait */
}

void telemetry_fini(struct tenant *t)
{
	stop(t);
	free(TAKE_PTR(t->telemetry));
}

/* --- what is said --- */

static void set_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static json_t *port_json(const struct lport *p)
{
	const char *state = p->attached ? "up" : *p->trouble ? "failed" : "waiting";
	json_t *o = json_pack("{s:s, s:s}", "state", state, "interface", p->interface);

	if (*p->trouble)
		json_object_set_new(o, "error", json_string(p->trouble));
	for (int i = 0; p->load.at_ns && i < LOAD_MAX; i++) {
		set_number(o, top_load_name(i, false), p->load.count[i]);
		set_number(o, top_load_name(i, true), p->load.rate[i] * top_load_unit(i));
	}
	report_port_pressure(p, o);
	return o;
}

static json_t *ports_json(const struct tenant *t)
{
	json_t *ports = json_object();
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &t->ports) {
		const struct lport *p = container_of(n, struct lport, by_name);

		if (json_object_size(ports) < PORTS_MAX)
			json_object_set_new(ports, p->name, port_json(p));
	}
	return ports;
}

/* Newest first. */
static json_t *drops_json(const struct tenant *t)
{
	const uint64_t now_ms = unix_ms(), now_ns = clock_mono_ns();
	const struct telemetry *m = t->telemetry;
	json_t *list = json_array(), *o;

	for (unsigned int i = 0; m->drops && i < DROPS && i < m->n_drops; i++) {
		const unsigned int at = (m->n_drops - 1 - i) % DROPS;
		const struct top_drop *d = &m->drops[at];

		o = report_drop(t->agent, d->time_ns, m->reasons[at], d->key, d->culprit, d->head, d->have, d->len, &d->remote);
		json_object_del(o, "time_ns");
		json_object_del(o, "tenant");
		set_number(o, "at_ms", now_ns > d->time_ns ? now_ms - (now_ns - d->time_ns) / NSEC_PER_MSEC : now_ms);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *events_json(const struct tenant *t)
{
	const struct telemetry *m = t->telemetry;
	json_t *list = json_array();

	for (unsigned int i = 0; i < EVENTS && i < m->n_events; i++) {
		const struct event *e = &m->events[(m->n_events - 1 - i) % EVENTS];

		json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s}", "at_ms", (json_int_t)e->at_ms, "event", e->what, "port", e->port,
						      "text", e->text));
	}
	return list;
}

static void on_stashed(void *arg, const struct err *err, const json_t *reply)
{
	struct agent *a = arg;

	(void)reply;
	a->telemetry.under_way--;
	if (err)
		log_debug("telemetry: %s", err->text);
}

/* 'text': NULL = nothing any more. */
static void stash(struct tenant *t, const char *text)
{
	struct agent *a = t->agent;
	json_t *changes = json_pack("{s:{s:s?}}", DB_TELEMETRY, a->config->host, text);

	if (!changes) /* no memory, or not UTF-8: culprits quote what was sent */
		return;
	a->telemetry.under_way++;
	db_stash(a->db, t->name, changes, DB_TELEMETRY_TTL_S, on_stashed, a);
	json_decref(changes);
}

static void say(struct tenant *t)
{
	_free_ char *text = NULL;
	json_t *o = json_pack("{s:s, s:I, s:i, s:i, s:o, s:o, s:o}", "host", t->agent->config->host, "at_ms", (json_int_t)unix_ms(), "every_ms",
			      DB_TELEMETRY_S * 1000, "ports_here", (int)t->ports.n, "ports", ports_json(t), "drops", drops_json(t), "events",
			      events_json(t));
	if (t->telemetry->flows.said)
		json_object_set(o, FLOW_WISHES, t->telemetry->flows.said);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (text)
		stash(t, text);
}

/* Flows are looked at for FLOW_TENANTS tenants in a round: with more, tenants take turns, and what was said of theirs before is said again with its time. */
static void look_at_flows(struct agent *a)
{
	struct hmap_node *n, *tmp;
	unsigned int tenants = 0, i = 0, turns;

	hmap_for_each (n, tmp, &a->tenants) {
		const struct tenant *t = container_of(n, struct tenant, node);

		tenants += t->telemetry && t->telemetry->flows.n;
	}
	turns = (tenants + FLOW_TENANTS - 1) / FLOW_TENANTS;
	a->telemetry.round++;
	if (turns)
		upcall_flush(a);
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->telemetry && t->telemetry->flows.n && (i++ + a->telemetry.round) % turns == 0)
			flow_watch_look(&t->telemetry->flows, t, unix_ms());
	}
}

void telemetry_topped(struct agent *a)
{
	struct hmap_node *n, *tmp;

	if (!a->telemetry.due)
		return;
	a->telemetry.due = false;
	look_at_flows(a);
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->telemetry && t->telemetry->until_ns)
			say(t);
	}
}

static void end_wishes(struct agent *a, uint64_t now_ns)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (!t->telemetry || !t->telemetry->until_ns || now_ns < t->telemetry->until_ns)
			continue;
		stop(t);
		if (a->leased)
			stash(t, NULL);
	}
}

void telemetry_tick(struct agent *a, uint64_t now_ns)
{
	struct telemetry_round *r = &a->telemetry;

	if (!r->wished)
		return;
	end_wishes(a, now_ns);
	/* ticks are not exact */
	if (!a->leased || r->due || r->under_way || now_ns - r->at_ns < DB_TELEMETRY_S * NSEC_PER_SEC - NSEC_PER_SEC / 10)
		return;
	r->at_ns = now_ns;
	r->due = true;
	top_ask(a);
}
