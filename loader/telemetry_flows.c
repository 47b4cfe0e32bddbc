// SPDX-License-Identifier: Apache-2.0
#include "loader/telemetry_flows.h"

#include <stdlib.h>
#include <string.h>

#include "loader/agent.h"
#include "loader/pick.h"
#include "util/hash.h"

#define ID_TEXT 17

/* --- what is wished --- */

struct young {
	json_int_t at;
	struct flow_wish wish;
};

/* Puts it among the youngest, the youngest first. */
static unsigned int put(struct young *list, unsigned int n, const struct young *y)
{
	unsigned int i;

	if (n == FLOW_WISHES_MAX && list[n - 1].at >= y->at)
		return n;
	n += n < FLOW_WISHES_MAX;
	for (i = n - 1; i && list[i - 1].at < y->at; i--)
		list[i] = list[i - 1];
	list[i] = *y;
	return n;
}

void flow_watch_wish(struct flow_watch *v, const json_t *wish)
{
	const json_int_t now = json_integer_value(json_object_get(wish, "at_ms"));
	struct young list[FLOW_WISHES_MAX], y;
	const char *text;
	json_t *at;

	v->n = 0;
	json_object_foreach (json_object_get(wish, FLOW_WISHES), text, at) {
		y.at = json_integer_value(at);
		if (now - y.at < DB_WISH_S * 1000 && flow_wish_parse(text, &y.wish))
			v->n = put(list, v->n, &y);
	}
	for (unsigned int i = 0; i < v->n; i++)
		v->wishes[i] = list[i].wish;
	if (!v->n)
		flow_watch_stop(v);
}

void flow_watch_stop(struct flow_watch *v)
{
	json_decref(TAKE_PTR(v->said));
	v->n = 0;
}

/* --- what is said --- */

struct look {
	const struct agent *a;
	const struct tenant *t;
	const struct flow_wish *wish;
	struct index_flow *chosen;
	struct pick pick;
	unsigned int looked;
	bool more; /* the port has flows that were not looked at */
};

/* The same for the same packets, also when the flow is made anew. */
static uint64_t id_of(const struct index_flow *f)
{
	return f->key.v6 ? hash_bytes(&f->key.k6, sizeof(f->key.k6), 1) : hash_bytes(&f->key.k4, sizeof(f->key.k4), 0);
}

/* The busiest first; of those that rest the youngest. */
static uint64_t score(const struct index_flow *f)
{
	const uint64_t most = (1u << 24) - 1, pps = f->load.pps < most ? f->load.pps : most;

	return pps << 40 | (f->added_ns >> 24 & ((1ULL << 40) - 1));
}

static bool look_at(void *arg, struct index_flow *f)
{
	struct look *l = arg;

	if (l->looked == FLOW_WISH_LOOKED) {
		l->more = true;
		return false;
	}
	l->looked++;
	if (f->answer || f->scope != l->t)
		return true;
	if (l->wish->flow && id_of(f) == l->wish->flow)
		l->chosen = f;
	if (report_meets(l->a, &f->key, l->wish))
		pick_offer(&l->pick, score(f), f);
	return true;
}

/* What the kernel and the index know of the flow, without what is of no use elsewhere; NULL: it is not in the kernel (any more). */
static json_t *flow_json(struct agent *a, const struct index_flow *f)
{
	static const char *const inner[] = { "tenant", "port", "tags", "cookie", "time_ns", "mask", "ttl_dec" };
	char id[ID_TEXT];
	struct skep_flow now;
	json_t *o;

	if (!dp_flow_get(a->dp, &f->key, &now))
		return NULL;
	o = report_flow(a, f, &now);
	for (size_t i = 0; o && i < ARRAY_SIZE(inner); i++)
		(void)json_object_del(o, inner[i]); /* it may have none */
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)id_of(f));
	if (o)
		json_object_set_new(o, "id", json_string(id));
	return o;
}

/* The chosen one, and its way: what became of a packet of it, if that came now. */
static void add_chosen(struct agent *a, const struct index_flow *f, json_t *out)
{
	json_t *o = f ? flow_json(a, f) : NULL, *trace = o ? recheck_trace(a, f) : NULL;

	if (o)
		json_object_set_new(out, "flow", o);
	if (trace)
		json_object_set_new(out, "trace", trace);
}

static json_t *say(struct agent *a, const struct tenant *t, const struct flow_wish *wish, uint64_t unix_ms)
{
	const struct lport *p = ports_find_name(t, wish->port);
	struct look l = { .a = a, .t = t, .wish = wish };
	json_t *out, *list, *o;

	if (!p || pick_init(&l.pick, FLOW_WISH_SHOWN))
		return NULL; /* another host's */
	index_walk_port(a->index, p->key, look_at, &l);
	pick_sort(&l.pick);
	list = json_array();
	for (size_t i = 0; i < l.pick.n; i++)
		if ((o = flow_json(a, l.pick.items[i].item)))
			json_array_append_new(list, o);
	out = json_pack("{s:I, s:I, s:b, s:o}", "at_ms", (json_int_t)unix_ms, "total", (json_int_t)l.pick.offered, "more", l.more, "flows", list);
	if (out && wish->flow)
		add_chosen(a, l.chosen, out);
	pick_fini(&l.pick);
	return out;
}

void flow_watch_look(struct flow_watch *v, const struct tenant *t, uint64_t unix_ms)
{
	char text[FLOW_WISH_TEXT];
	json_t *o;

	json_decref(v->said);
	v->said = json_object();
	for (unsigned int i = 0; v->said && i < v->n; i++)
		if ((o = say(t->agent, t, &v->wishes[i], unix_ms)))
			json_object_set_new(v->said, flow_wish_format(&v->wishes[i], text), o);
}
