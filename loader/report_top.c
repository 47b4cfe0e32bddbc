// SPDX-License-Identifier: Apache-2.0
/*
 * The answer to 'top' (control.h): totals, and the busiest ports and flows, chosen by the rates that top.c keeps.  Counters only grow; who watches
 * takes differences.  One walk over the index and one over the ports; the kernel is asked about the flows that are shown only.
 */
#include "loader/agent.h"

#include <errno.h>
#include <string.h>

#include "loader/pick.h"
#include "util/clock.h"

#define SHOWN_DEFAULT 20
#define SHOWN_MAX     200
#define TENANTS_SHOWN 256

static void set_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static const struct {
	const char *name, *rate;
} loads[LOAD_MAX] = {
	[LOAD_RX_PACKETS] = { "rx_packets", "rx_pps" },
	[LOAD_RX_BYTES] = { "rx_bytes", "rx_bps" },
	[LOAD_TX_PACKETS] = { "tx_packets", "tx_pps" },
	[LOAD_TX_BYTES] = { "tx_bytes", "tx_bps" },
	[LOAD_DROPS] = { "drops", "drops_ps" },
	[LOAD_UPCALLS] = { "upcalls", "upcalls_ps" },
};

static bool is_bytes(int what)
{
	return what == LOAD_RX_BYTES || what == LOAD_TX_BYTES;
}

/* --- who is shown --- */

enum by { BY_BITS, BY_PACKETS, BY_DROPS, BY_UPCALLS, BY_MAX };
static const char *const by_names[] = { "bits", "packets", "drops", "upcalls" };

struct busy {
	const struct tenant *tenant; /* NULL = all */
	enum by by;
	struct pick pick;
	uint32_t wilds; /* of all flows that were looked at */
};

static uint64_t port_score(const struct lport *p, enum by by)
{
	const uint64_t *r = p->load.rate;

	switch (by) {
	case BY_PACKETS:
		return r[LOAD_RX_PACKETS] + r[LOAD_TX_PACKETS];
	case BY_DROPS:
		return r[LOAD_DROPS];
	case BY_UPCALLS:
		return r[LOAD_UPCALLS];
	default:
		return r[LOAD_RX_BYTES] + r[LOAD_TX_BYTES];
	}
}

static void offer_flow(void *arg, struct index_flow *x)
{
	struct busy *b = arg;

	b->wilds += dp_flow_mask(&x->key) != 0;
	if (x->answer)
		return;
	if (b->tenant && x->scope != b->tenant)
		return;
	if (b->by == BY_DROPS && x->verdict.action != SKEP_ACT_DROP)
		return;
	if (b->by == BY_UPCALLS && x->verdict.action != SKEP_ACT_AGENT)
		return;
	pick_offer(&b->pick, b->by == BY_BITS ? x->load.bps : x->load.pps, x);
}

/* --- ports --- */

static json_t *port_json(const struct lport *p)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "port", p->name, "tenant", p->tenant->name,
			      "interface", p->interface);

	set_number(o, "time_ns", p->load.at_ns);
	for (int i = 0; i < LOAD_MAX; i++)
		set_number(o, loads[i].name, p->load.count[i]);
	for (int i = 0; i < LOAD_MAX; i++)
		set_number(o, loads[i].rate, p->load.rate[i] * (is_bytes(i) ? 8 : 1));
	return o;
}

static json_t *ports_json(struct agent *a, struct busy *b, uint32_t *up)
{
	json_t *list = json_array();
	struct hmap_node *n, *tmp;

	*up = 0;
	hmap_for_each (n, tmp, &a->ports) {
		struct lport *p = container_of(n, struct lport, by_key);

		*up += p->attached;
		if (p->attached && (!b->tenant || p->tenant == b->tenant))
			pick_offer(&b->pick, port_score(p, b->by), p);
	}
	pick_sort(&b->pick);
	for (size_t i = 0; i < b->pick.n; i++)
		json_array_append_new(list, port_json(b->pick.items[i].item));
	return list;
}

static json_t *flows_json(struct agent *a, struct busy *b)
{
	json_t *list = json_array();
	struct skep_flow now;

	index_walk(a->index, NULL, offer_flow, b);
	pick_sort(&b->pick);
	for (size_t i = 0; i < b->pick.n; i++) {
		const struct index_flow *x = b->pick.items[i].item;

		if (dp_flow_get(a->dp, &x->key, &now)) /* else: evicted */
			json_array_append_new(list, report_flow(a, x, &now));
	}
	return list;
}

/* --- totals --- */

static json_t *drops_json(struct agent *a, uint64_t *sum)
{
	uint64_t drops[SKEP_DROP_MAX];
	json_t *list = json_array();

	*sum = 0;
	dp_drops(a->dp, drops);
	for (int i = 1; i < SKEP_DROP_MAX; i++) {
		const struct top_drop *d = &a->top.drops[i];
		json_t *o;

		if (!drops[i])
			continue;
		*sum += drops[i];
		o = json_pack("{s:s, s:s}", "reason", skep_drop_name(i), "help", skep_drop_help(i));
		set_number(o, "packets", drops[i]);
		if (d->time_ns)
			json_object_set_new(o, "last",
					    report_drop(a, d->time_ns, i, d->key, d->culprit,
							d->head, d->have, d->len, &d->remote));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *totals_json(const struct agent *a, uint64_t drops)
{
	uint64_t counters[SKEP_CNT_MAX];
	json_t *o = json_object();

	dp_counters(a->dp, counters);
	for (int i = 0; i < LOAD_DROPS; i++)
		set_number(o, loads[i].name, a->top.total[i]);
	set_number(o, "from_ports", counters[SKEP_CNT_RX_PORT]);
	set_number(o, "from_hosts", counters[SKEP_CNT_RX_TUNNEL]);
	set_number(o, "to_hosts", counters[SKEP_CNT_TX_TUNNEL]);
	set_number(o, "flow_hits", counters[SKEP_CNT_FLOW_HIT]);
	set_number(o, "upcalls", counters[SKEP_CNT_UPCALL]);
	set_number(o, "simulations", a->stats.simulations);
	set_number(o, "drops", drops);
	return o;
}

static json_t *tables_json(const struct agent *a, uint64_t conns, uint32_t wilds)
{
	json_t *list = json_array(), *more = dp_tables(a->dp);

	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", "flows", "used",
					      (json_int_t)index_count(a->index), "max",
					      (json_int_t)a->config->flows_max));
	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", "wildcards", "used",
					      (json_int_t)wilds, "max",
					      (json_int_t)a->config->wilds_max));
	json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", "conns", "used",
					      (json_int_t)conns, "max",
					      (json_int_t)a->config->conns_max));
	json_array_extend(list, more);
	json_decref(more);
	return list;
}

static json_t *tenants_json(const struct agent *a, uint64_t *conns)
{
	json_t *list = json_array();
	struct hmap_node *n, *tmp;

	*conns = 0;
	hmap_for_each (n, tmp, &a->tenants) {
		const struct tenant *t = container_of(n, struct tenant, node);

		*conns += sim_conns_count(t->conns, NULL);
		if (json_array_size(list) < TENANTS_SHOWN)
			json_array_append_new(list, json_string(t->name));
	}
	return list;
}

/* --- the request --- */

static size_t number_of(const json_t *request, const char *field)
{
	const json_t *v = json_object_get(request, field);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : SHOWN_DEFAULT;

	return n < 0 ? 0 : n > SHOWN_MAX ? SHOWN_MAX : (size_t)n;
}

static bool understand(struct agent *a, const json_t *request, struct busy *b, struct err *err)
{
	const char *by = json_string_value(json_object_get(request, "sort"));
	const char *tenant = json_string_value(json_object_get(request, "tenant"));

	*b = (struct busy){ .tenant = tenant ? tenant_find(a, tenant) : NULL };
	while (by && b->by < BY_MAX && strcmp(by, by_names[b->by]) != 0)
		b->by++;
	if (b->by == BY_MAX)
		err_tag(err, -EINVAL, "usage",
			"sort '%.40s' is not known (want bits, packets, drops or upcalls)", by);
	else if (tenant && !b->tenant)
		err_tag(err, -ENOENT, "no_such_tenant", "tenant '%.80s' has no port on this host",
			tenant);
	else
		return true;
	return false;
}

json_t *report_top(struct agent *a, const json_t *request, struct err *err)
{
	json_t *o = json_object(), *ports, *flows, *drops, *tenants;
	uint64_t conns, lost;
	struct busy b, c;
	uint32_t up;

	if (!understand(a, request, &b, err)) {
		json_decref(o);
		return NULL;
	}
	c = b;
	if (pick_init(&b.pick, number_of(request, "ports")) ||
	    pick_init(&c.pick, number_of(request, "flows"))) {
		pick_fini(&b.pick);
		json_decref(o);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	upcall_flush(a);
	ports = ports_json(a, &b, &up);
	flows = flows_json(a, &c);
	drops = drops_json(a, &lost);
	tenants = tenants_json(a, &conns);
	pick_fini(&b.pick);
	pick_fini(&c.pick);
	set_number(o, "time_ns", clock_mono_ns());
	set_number(o, "ports_time_ns", a->top.at_ns);
	json_object_set_new(o, "host", json_string(a->config->host));
	json_object_set_new(o, "version", json_string(SKEP_VERSION));
	set_number(o, "uptime_s", (clock_mono_ns() - a->started_ns) / NSEC_PER_SEC);
	json_object_set_new(o, "totals", totals_json(a, lost));
	set_number(o, "flows", index_count(a->index) - a->n_answers);
	set_number(o, "conns", conns);
	set_number(o, "ports", a->ports.n);
	set_number(o, "ports_up", up);
	set_number(o, "peers", a->hosts.n);
	json_object_set_new(o, "tables", tables_json(a, conns, c.wilds));
	json_object_set_new(o, "tenants", tenants);
	json_object_set_new(o, "top_ports", ports);
	json_object_set_new(o, "top_flows", flows);
	json_object_set_new(o, "drops", drops);
	return o;
}
