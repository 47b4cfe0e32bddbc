// SPDX-License-Identifier: Apache-2.0
/* From counters to rates (top.h). */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

#include "util/json.h"

static const struct {
	const char *count, *rate;
	int factor;
} port_fields[] = {
	{ "rx_packets", "rx_pps", 1 }, { "rx_bytes", "rx_bps", 8 },
	{ "tx_packets", "tx_pps", 1 }, { "tx_bytes", "tx_bps", 8 },
	{ "drops", "drops_ps", 1 },    { "upcalls", "upcalls_ps", 1 },
}, flow_fields[] = {
	{ "packets", "pps", 1 },
	{ "bytes", "bps", 8 },
};

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* With one decimal: more is noise. */
static void set_rate(json_t *o, const char *name, double rate)
{
	json_object_set_new(o, name, json_real((double)(long long)(rate * 10 + 0.5) / 10));
}

/* What 'name' grew by in a second; 0 when it fell: it began anew. */
static double growth(const json_t *now, const json_t *before, const char *name, double seconds)
{
	double n = number(now, name) - number(before, name);

	return n > 0 && seconds > 0 ? n / seconds : 0;
}

static double between(const json_t *now, const json_t *before, const char *time)
{
	return (number(now, time) - number(before, time)) / 1e9;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	return json_equal(json_object_get(a, key), json_object_get(b, key));
}

/* The object of 'list' that agrees with 'o' in both. */
static const json_t *find(const json_t *list, const json_t *o, const char *key, const char *key2)
{
	const json_t *b;
	size_t i;

	json_array_foreach (list, i, b)
		if (same(o, b, key) && same(o, b, key2))
			return b;
	return NULL;
}

static void rates_of_ports(json_t *now, const json_t *before)
{
	json_t *p;
	size_t i;

	json_array_foreach (json_object_get(now, "top_ports"), i, p) {
		const json_t *b = find(json_object_get(before, "top_ports"), p, "port", "tenant");
		double s = b ? between(p, b, "time_ns") : 0;

		for (size_t k = 0; s > 0 && k < ARRAY_SIZE(port_fields); k++)
			set_rate(p, port_fields[k].rate,
				 growth(p, b, port_fields[k].count, s) * port_fields[k].factor);
	}
}

static void rates_of_flows(json_t *now, const json_t *before)
{
	json_t *f;
	size_t i;

	json_array_foreach (json_object_get(now, "top_flows"), i, f) {
		const json_t *b = find(json_object_get(before, "top_flows"), f, "cookie", "port");
		double s = b ? between(f, b, "time_ns") : 0;

		for (size_t k = 0; s > 0 && k < ARRAY_SIZE(flow_fields); k++)
			set_rate(f, flow_fields[k].rate,
				 growth(f, b, flow_fields[k].count, s) * flow_fields[k].factor);
	}
}

static void rates_of_drops(json_t *now, const json_t *before)
{
	double s = between(now, before, "time_ns");
	json_t *d;
	size_t i;

	json_array_foreach (json_object_get(now, "drops"), i, d) {
		const json_t *b = find(json_object_get(before, "drops"), d, "reason", "help");

		/* none before: the agent names only what has happened */
		set_rate(d, "pps", growth(d, b, "packets", s));
	}
}

static void rates_of_totals(json_t *now, const json_t *before)
{
	const json_t *t = json_object_get(now, "totals"), *b = json_object_get(before, "totals");
	double s = between(now, before, "time_ns"), s_ports = between(now, before, "ports_time_ns");
	json_t *rates = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)t, name, value) {
		bool of_ports = name[1] == 'x' && name[2] == '_'; /* rx_, tx_ */
		bool bytes = of_ports && !strcmp(name + 3, "bytes");

		set_rate(rates, name, growth(t, b, name, of_ports ? s_ports : s) * (bytes ? 8 : 1));
	}
	json_object_set_new(now, "rates", rates);
}

/* --- order --- */

static double port_score(const json_t *p, enum top_sort sort)
{
	switch (sort) {
	case TOP_PACKETS:
		return number(p, "rx_pps") + number(p, "tx_pps");
	case TOP_DROPS:
		return number(p, "drops_ps");
	case TOP_UPCALLS:
		return number(p, "upcalls_ps");
	default:
		return number(p, "rx_bps") + number(p, "tx_bps");
	}
}

static double flow_score(const json_t *f, enum top_sort sort)
{
	return number(f, sort == TOP_BITS ? "bps" : "pps");
}

static double drop_score(const json_t *d, enum top_sort sort)
{
	return number(d, "pps");
}

struct scored {
	json_t *o;
	double score;
	size_t at;
};

static int compare(const void *x, const void *y)
{
	const struct scored *a = x, *b = y;

	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	return a->at < b->at ? -1 : 1;
}

/* By name first, so that who is equally busy stays in place. */
static void order(json_t *list, const char *name, double (*score)(const json_t *, enum top_sort),
		  enum top_sort sort)
{
	size_t n = json_array_size(list), i;
	_free_ struct scored *s = calloc(n ? n : 1, sizeof(*s));
	json_t *o;

	if (!s)
		return; /* in the agent's order */
	out_sort(list, name);
	json_array_foreach (list, i, o)
		s[i] = (struct scored){ json_incref(o), score(o, sort), i };
	qsort(s, n, sizeof(*s), compare);
	for (i = 0; i < n; i++)
		json_array_set_new(list, i, s[i].o);
}

void top_rates(json_t *now, const json_t *before, enum top_sort sort)
{
	rates_of_ports(now, before);
	rates_of_flows(now, before);
	if (before) {
		rates_of_drops(now, before);
		rates_of_totals(now, before);
	}
	order(json_object_get(now, "top_ports"), "port", port_score, sort);
	order(json_object_get(now, "top_flows"), "packet", flow_score, sort);
	order(json_object_get(now, "drops"), "reason", drop_score, sort);
}
