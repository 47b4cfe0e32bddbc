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
#define TURN_NS	   NSEC_PER_MSEC
#define FLOW_TENANTS 4

struct event {
	uint64_t at_ms; /* Unix time */
	char what[16], port[TOPO_NAME_MAX + 1], text[TEXT_BYTES];
};

struct telemetry {
	uint64_t until_ns; /* somebody watches; 0 = nobody */
	bool is_due;	   /* to be said in this round */
	unsigned int n_events, n_drops; /* so far */
	struct event events[EVENTS];
	struct top_drop *drops; /* while somebody watches */
	enum skep_drop reasons[DROPS];
	struct flow_watch flows;
};

/* What is being said: a host may have thousands of ports, so it is put together in turns, between packets. */
struct telemetry_say {
	struct tenant *t;
	FILE *f; /* on 'text' */
	char *text;
	size_t len;
	bool some_ports;
	unsigned int n, at;
	uint32_t keys[]; /* of the ports that there were at the beginning */
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

static void say_free(struct telemetry_say *say)
{
	if (!say)
		return;
	fclose(say->f);
	free(say->text);
	free(say);
}

static void stop(struct tenant *t)
{
	struct telemetry_round *r = &t->agent->telemetry;
	struct telemetry *m = t->telemetry;

	if (r->say && r->say->t == t)
		say_free(TAKE_PTR(r->say));
	if (!m || !m->until_ns)
		return;
	m->until_ns = 0;
	m->is_due = false;
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

static void begin(struct tenant *t)
{
	struct agent *a = t->agent;
	const size_t max = t->ports.n < PORTS_MAX ? t->ports.n : PORTS_MAX;
	struct telemetry_say *say = calloc(1, sizeof(*say) + max * sizeof(say->keys[0]));
	struct hmap_node *n, *tmp;

	if (!say)
		return;
	say->t = t;
	say->f = open_memstream(&say->text, &say->len);
	if (!say->f) {
		free(say);
		return;
	}
	hmap_for_each (n, tmp, &t->ports)
		if (say->n < max)
			say->keys[say->n++] = container_of(n, struct lport, by_name)->key;
	fprintf(say->f, "{\"host\":\"%s\",\"at_ms\":%llu,\"every_ms\":%d,\"ports_here\":%zu,\"ports\":{", a->config->host,
		(unsigned long long)unix_ms(), DB_TELEMETRY_S * 1000, (size_t)t->ports.n);
	a->telemetry.say = say;
}

/* The next port that is still there; false: there are no more. */
static bool say_port(struct telemetry_say *say)
{
	while (say->at < say->n) {
		const struct lport *p = ports_find(say->t->agent, say->keys[say->at++]);
		json_t *o;

		if (!p || p->tenant != say->t)
			continue;
		o = port_json(p);
		fprintf(say->f, "%s\"%s\":", say->some_ports ? "," : "", p->name);
		if (json_dumpf(o, say->f, JSON_COMPACT))
			fputs("null", say->f);
		say->some_ports = true;
		json_decref(o);
		return true;
	}
	return false;
}

static void put_list(FILE *f, const char *name, json_t *list)
{
	fprintf(f, ",\"%s\":", name);
	if (json_dumpf(list, f, JSON_COMPACT))
		fputs("[]", f);
	json_decref(list);
}

static void finish(struct telemetry_say *say)
{
	fputc('}', say->f);
	put_list(say->f, "drops", drops_json(say->t));
	put_list(say->f, "events", events_json(say->t));
	if (say->t->telemetry->flows.said)
		put_list(say->f, FLOW_WISHES, json_incref(say->t->telemetry->flows.said));
	fputc('}', say->f);
	if (!fflush(say->f) && !ferror(say->f))
		stash(say->t, say->text);
	say_free(say);
}

static struct tenant *next_due(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->telemetry && t->telemetry->is_due)
			return t;
	}
	return NULL;
}

static void on_turn(void *arg)
{
	struct agent *a = arg;
	struct telemetry_round *r = &a->telemetry;
	const uint64_t until_ns = clock_mono_ns() + TURN_NS;

	r->turn = NULL;
	do {
		if (!r->say) {
			struct tenant *t = next_due(a);

			if (!t)
				return;
			t->telemetry->is_due = false;
			begin(t);
		} else if (!say_port(r->say)) {
			finish(TAKE_PTR(r->say));
		}
	} while (clock_mono_ns() < until_ns);
	r->turn = loop_timer_add(a->loop, 0, 0, on_turn, a);
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
	struct telemetry_round *r = &a->telemetry;
	struct hmap_node *n, *tmp;

	if (!r->due)
		return;
	r->due = false;
	look_at_flows(a);
	hmap_for_each (n, tmp, &a->tenants) {
		struct tenant *t = container_of(n, struct tenant, node);

		if (t->telemetry && t->telemetry->until_ns)
			t->telemetry->is_due = true;
	}
	if (!r->turn)
		r->turn = loop_timer_add(a->loop, 0, 0, on_turn, a);
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
	if (!a->leased || r->due || r->turn || r->under_way || now_ns - r->at_ns < DB_TELEMETRY_S * NSEC_PER_SEC - NSEC_PER_SEC / 10)
		return;
	r->at_ns = now_ns;
	r->due = true;
	top_ask(a);
}
