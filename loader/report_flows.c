// SPDX-License-Identifier: Apache-2.0
/*
 * Flows: chosen from the index by what the walks have seen, then read from the kernel.  Called for 'flows' and 'flush' (control.h); report_top.c
 * shows flows in the same way.
 */
#include "loader/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/pick.h"
#include "packet/packet.h"
#include "util/clock.h"

#define FLOWS_SHOWN 1000  /* if nobody says how many: 25 ms of our time, in turns */
#define FLOWS_MAX   20000 /* whoever asks */

static const char *const actions[] = { "none", "drop", "local", "encap", "set", "agent" };

static const char *action_name(uint8_t action)
{
	return action < ARRAY_SIZE(actions) ? actions[action] : "?";
}

/* --- one flow --- */

static void set_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static void fields_of(const struct dp_flow_key *k, struct pkt *pkt)
{
	struct pkt_fields *f = &pkt->f;

	*pkt = (struct pkt){ 0 };
	if (k->v6) {
		*f = (struct pkt_fields){ .eth_dst = k->k6.eth_dst,
					  .eth_src = k->k6.eth_src,
					  .eth_type = k->k6.eth_type,
					  .vlan = k->k6.vlan,
					  .ip_src = k->k6.src,
					  .ip_dst = k->k6.dst,
					  .ip_proto = k->k6.proto,
					  .ip_frag = k->k6.frag,
					  .l4_src = k->k6.sport,
					  .l4_dst = k->k6.dport };
	} else {
		*f = (struct pkt_fields){ .eth_dst = k->k4.eth_dst,
					  .eth_src = k->k4.eth_src,
					  .eth_type = k->k4.eth_type,
					  .vlan = k->k4.vlan,
					  .ip_src = ip_from_v4(k->k4.src),
					  .ip_dst = ip_from_v4(k->k4.dst),
					  .ip_proto = k->k4.proto,
					  .ip_frag = k->k4.frag,
					  .l4_src = k->k4.sport,
					  .l4_dst = k->k4.dport };
	}
	f->has_l4 = f->ip_frag != SKEP_FRAG_LATER && (f->l4_src || f->l4_dst);
}

static json_t *key_json(const struct pkt_fields *f, uint32_t in_key)
{
	char a[ADDR_TEXT], b[ADDR_TEXT], c[ADDR_TEXT], d[ADDR_TEXT];
	json_t *o = json_pack("{s:i, s:s, s:s, s:i}", "in_key", (int)in_key, "eth_dst",
			      mac_format(&f->eth_dst, a), "eth_src", mac_format(&f->eth_src, b),
			      "eth_type", (int)ntohs(f->eth_type));

	if (f->vlan)
		json_object_set_new(o, "vlan", json_integer(ntohs(f->vlan) & 0xfff));
	if (!ip_is_unspecified(&f->ip_src) || !ip_is_unspecified(&f->ip_dst)) {
		json_object_set_new(o, "src", json_string(ip_format(&f->ip_src, c)));
		json_object_set_new(o, "dst", json_string(ip_format(&f->ip_dst, d)));
		json_object_set_new(o, "proto", json_integer(f->ip_proto));
		json_object_set_new(o, "sport", json_integer(ntohs(f->l4_src)));
		json_object_set_new(o, "dport", json_integer(ntohs(f->l4_dst)));
	}
	if (f->ip_frag)
		json_object_set_new(o, "frag",
				    json_string(f->ip_frag == SKEP_FRAG_FIRST ? "first" : "later"));
	return o;
}

static json_t *outputs_json(const struct index_flow *f)
{
	json_t *list = json_array();

	for (const char *p = f->outputs; p && *p;) {
		const char *host = p + strlen(p) + 1;

		json_array_append_new(list, json_pack("{s:s, s:s}", "port", p, "host", host));
		p = host + strlen(host) + 1;
	}
	return list;
}

static json_t *tags_json(const struct index_flow *f)
{
	json_t *list = json_array();
	char buf[256];

	for (uint32_t i = 0; i < f->n_refs; i++) {
		const struct topo_tag *tag = index_ref_tag(&f->refs[i]);

		if (tag->kind == INDEX_TAG_HOST)
			snprintf(buf, sizeof(buf), "host:%s", tag->name);
		else
			topo_tag_format(tag, buf, sizeof(buf));
		json_array_append_new(list, json_string(buf));
	}
	return list;
}

json_t *report_flow(struct agent *a, const struct index_flow *x, const struct skep_flow *flow)
{
	const struct lport *p = ports_find(a, index_in_key(x));
	uint64_t now = clock_mono_ns();
	char mask[256], match[256];
	bool wild = report_mask(a, &x->key, mask, match, sizeof(mask));
	int32_t idle = (int32_t)((uint32_t)dp_jiffies(a->dp) - flow->last_seen);
	struct pkt pkt;
	json_t *o;

	fields_of(wild ? &x->sample : &x->key, &pkt);
	arena_reset(&a->arena);
	o = json_pack("{s:s?, s:s?, s:s?, s:o, s:s*, s:s*, s:s, s:o}", "port", p ? p->name : NULL,
		      "tenant", p ? p->tenant->name : NULL, "packet", pkt_summary(&pkt, &a->arena),
		      "key", key_json(&pkt.f, index_in_key(x)), "match", wild ? match : NULL, "mask",
		      wild ? mask : NULL, "action",
		      action_name(flow->action), "output", outputs_json(x));
	if (flow->action == SKEP_ACT_DROP) {
		json_object_set_new(o, "reason", json_string(skep_drop_name(flow->out)));
		json_object_set_new(o, "culprit", json_string(x->culprit ?: ""));
	}
	set_number(o, "packets", flow->packets);
	set_number(o, "bytes", flow->bytes);
	set_number(o, "pps", x->load.pps);
	set_number(o, "bps", x->load.bps);
	set_number(o, "age_ms", (now - x->added_ns) / NSEC_PER_MSEC);
	set_number(o, "idle_ms", (uint64_t)(idle > 0 ? idle : 0) * 1000 / dp_hz(a->dp));
	set_number(o, "time_ns", now);
	set_number(o, "ttl_dec", flow->ttl_dec);
	set_number(o, "cookie", flow->cookie);
	json_object_set_new(o, "tags", tags_json(x));
	return o;
}

/* --- which flows --- */

enum sort { SORT_AGE, SORT_RATE, SORT_BITS, SORT_PACKETS, SORT_BYTES };
static const char *const sorts[] = { "age", "rate", "bits", "packets", "bytes" };

struct filter {
	struct agent *a;
	const struct tenant *tenant; /* NULL = any */
	bool any_key;
	uint32_t key;
	int action; /* -1 = any */
	enum sort sort;
	struct pick pick;
	unsigned int n;
};

/* Which flows are meant; false with 'err'. */
static bool make_filter(struct agent *a, const char *tenant, const char *port, struct filter *f,
			struct err *err)
{
	struct hmap_node *n, *tmp;
	struct lport *found = NULL;

	*f = (struct filter){ .a = a, .any_key = !port, .action = -1 };
	if (tenant) {
		f->tenant = tenant_find(a, tenant);
		if (!f->tenant) {
			err_tag(err, -ENOENT, "no_such_tenant",
				"tenant '%.80s' has no port on this host", tenant);
			return false;
		}
	}
	hmap_for_each (n, tmp, &a->ports) {
		struct lport *p = container_of(n, struct lport, by_key);

		if (!port || strcmp(p->name, port) || (f->tenant && p->tenant != f->tenant))
			continue;
		if (found) {
			err_tag(err, -EINVAL, "usage",
				"port '%s' exists in the tenants '%s' and '%s': say which with --tenant",
				p->name, found->tenant->name, p->tenant->name);
			return false;
		}
		found = p;
	}
	if (port && !found) {
		err_tag(err, -ENOENT, "no_such_port", "port '%.80s' is not bound to this host",
			port);
		return false;
	}
	if (found)
		f->key = found->key;
	return true;
}

static bool passes(const struct filter *f, const struct index_flow *flow)
{
	return !flow->answer && (!f->tenant || flow->scope == f->tenant) &&
	       (f->any_key || index_in_key(flow) == f->key) &&
	       (f->action < 0 || flow->verdict.action == f->action);
}

/* Index of 'word', -1 = not given, -2 with 'err'. */
static int one_of(const char *what, const char *word, const char *const *words, size_t n,
		  struct err *err)
{
	char list[128] = "";

	if (!word)
		return -1;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(list);

		if (!strcmp(words[i], word))
			return (int)i;
		snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i]);
	}
	err_tag(err, -EINVAL, "usage", "%s '%.40s' is not known (want %s)", what, word, list);
	return -2;
}

/* --- list --- */

static uint64_t score(const struct filter *f, const struct index_flow *x)
{
	switch (f->sort) {
	case SORT_RATE:
		return x->load.pps;
	case SORT_BITS:
		return x->load.bps;
	case SORT_PACKETS:
		return x->packets;
	case SORT_BYTES:
		return x->bytes;
	default:
		return x->added_ns; /* the youngest first */
	}
}

static void offer_flow(void *arg, struct index_flow *x)
{
	struct filter *f = arg;

	if (passes(f, x))
		pick_offer(&f->pick, score(f, x), x);
}

/* The flows that were chosen, by their numbers: some may go before it is their turn. */
struct flow_list {
	struct report_rows rows;
	struct agent *a;
	size_t at, n, total;
	bool truncated;
	uint32_t cookies[];
};

#define STEP 8

static bool some_flows(struct report_rows *r, json_t *list)
{
	struct flow_list *l = container_of(r, struct flow_list, rows);
	struct skep_flow now;

	for (size_t end = l->at + STEP; l->at < l->n && l->at < end; l->at++) {
		const struct index_flow *x = index_find_cookie(l->a->index, l->cookies[l->at]);

		if (x && dp_flow_get(l->a->dp, &x->key, &now)) /* else: evicted */
			json_array_append_new(list, report_flow(l->a, x, &now));
	}
	return l->at < l->n;
}

static json_t *behind_flows(struct report_rows *r)
{
	const struct flow_list *l = container_of(r, struct flow_list, rows);

	return json_pack("{s:I, s:b}", "total", (json_int_t)l->total, "truncated", l->truncated);
}

static void free_flows(struct report_rows *r)
{
	free(container_of(r, struct flow_list, rows));
}

/* Takes what was chosen. */
static struct report_rows *list_of(struct filter *f, struct err *err)
{
	struct flow_list *l = calloc(1, sizeof(*l) + f->pick.n * sizeof(l->cookies[0]));

	if (!l) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	pick_sort(&f->pick);
	l->rows = (struct report_rows){ "flows", some_flows, behind_flows, free_flows };
	l->a = f->a;
	for (size_t i = 0; i < f->pick.n; i++) {
		const struct index_flow *x = f->pick.items[i].item;

		l->cookies[l->n++] = x->verdict.cookie;
	}
	l->total = f->pick.offered;
	return &l->rows;
}

struct report_rows *report_flows(struct agent *a, const json_t *request, struct err *err)
{
	const char *tenant = json_string_value(json_object_get(request, "tenant"));
	const char *port = json_string_value(json_object_get(request, "port"));
	const char *action = json_string_value(json_object_get(request, "action"));
	const char *sort = json_string_value(json_object_get(request, "sort"));
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));
	struct report_rows *list;
	struct filter f;
	size_t most = (size_t)limit;
	int n;

	if (!make_filter(a, tenant, port, &f, err))
		return NULL;
	f.action = one_of("action", action, actions, ARRAY_SIZE(actions), err);
	n = one_of("sort", sort, sorts, ARRAY_SIZE(sorts), err);
	if (f.action == -2 || n == -2)
		return NULL;
	f.sort = n < 0 ? SORT_AGE : (enum sort)n;
	if (limit <= 0 || limit > FLOWS_MAX)
		most = limit <= 0 ? FLOWS_SHOWN : FLOWS_MAX;
	if (pick_init(&f.pick, most)) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	upcall_flush(a);
	index_walk(a->index, NULL, offer_flow, &f);
	list = list_of(&f, err);
	if (list)
		container_of(list, struct flow_list, rows)->truncated =
			f.pick.offered > f.pick.max && limit != (json_int_t)most;
	pick_fini(&f.pick);
	return list;
}

/* --- flush --- */

static void flush_flow(void *arg, struct index_flow *flow)
{
	struct filter *f = arg;

	if (!passes(f, flow))
		return;
	index_del(f->a->index, flow);
	f->n++;
}

json_t *report_flush(struct agent *a, const char *tenant, const char *port, struct err *err)
{
	struct filter f;

	if (!make_filter(a, tenant, port, &f, err))
		return NULL;
	upcall_flush(a);
	index_walk(a->index, NULL, flush_flow, &f);
	return json_pack("{s:i}", "flushed", (int)f.n);
}
