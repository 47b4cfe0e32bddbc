// SPDX-License-Identifier: Apache-2.0
/* What skepd tells about itself, with the names of control.h. */
#include "loader/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "loader/control.h"
#include "packet/packet.h"
#include "util/clock.h"

#define FLOWS_SHOWN 20000

/* --- status --- */

static json_t *ports_json(const struct agent *a)
{
	json_t *list = json_array();
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->ports) {
		const struct lport *p = container_of(n, struct lport, by_key);
		const char *state = p->attached ? "up" : *p->trouble ? "failed" : "waiting";
		json_t *v = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "port", p->name, "tenant",
				      p->tenant->name, "interface", p->interface, "ifindex",
				      (int)p->ifindex, "key", (int)p->key, "state", state);

		if (*p->trouble)
			json_object_set_new(v, "error", json_string(p->trouble));
		json_array_append_new(list, v);
	}
	return list;
}

static json_t *peers_json(const struct agent *a)
{
	json_t *list = json_array();
	struct hmap_node *n, *tmp;
	char buf[ADDR_TEXT];

	hmap_for_each (n, tmp, &a->hosts) {
		const struct host *h = container_of(n, struct host, node);

		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:i}", "host", h->name, "address",
						      ip_format(&h->address, buf), "index",
						      (int)h->peer, "encap",
						      skep_encap_name(h->encap), "mtu",
						      (int)dp_peer_mtu(a->dp, h->peer)));
	}
	return list;
}

static json_t *tenants_json(const struct agent *a)
{
	json_t *list = json_array();
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->tenants) {
		const struct tenant *t = container_of(n, struct tenant, node);
		json_t *v = json_pack("{s:s, s:b, s:I, s:I}", "tenant", t->name, "loaded",
				      t->loaded && t->snap, "rev", (json_int_t)t->rev, "records",
				      (json_int_t)json_object_size(t->records));

		if (*t->trouble)
			json_object_set_new(v, "error", json_string(t->trouble));
		json_array_append_new(list, v);
	}
	return list;
}

static void set_number(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

#define STAT(member) { #member, offsetof(struct agent_stats, member) }
static const struct {
	const char *name;
	size_t at;
} stats[] = {
	STAT(updates),	     STAT(builds),
	STAT(revalidated),   STAT(kept),	  STAT(revalidation_us), STAT(rechecked),	STAT(recheck_ended),
	STAT(conns_made),    STAT(conns_over),	  STAT(conns_ended),	STAT(conns_refused),
	STAT(state_sent),    STAT(state_received), STAT(state_acked),	STAT(state_resent),
	STAT(state_lost),    STAT(state_refused), STAT(mirrored),	STAT(mirror_lost),
	STAT(blocks_leased), STAT(blocks_refused), STAT(blocks_released), STAT(advertised),
};

json_t *report_status(const struct agent *a)
{
	uint64_t counters[SKEP_CNT_MAX], drops[SKEP_DROP_MAX];
	json_t *o = json_object(), *c = json_object(), *d = json_object();
	char addr[ADDR_TEXT];

	dp_counters(a->dp, counters);
	dp_drops(a->dp, drops);
	for (int i = 0; i < SKEP_CNT_MAX; i++)
		set_number(c, skep_counter_name(i), counters[i]);
	for (int i = 1; i < SKEP_DROP_MAX; i++)
		if (drops[i])
			set_number(d, skep_drop_name(i), drops[i]);
	json_object_set_new(o, "host", json_string(a->config->host));
	json_object_set_new(o, "version", json_string(SKEP_VERSION));
	set_number(o, "pid", (uint64_t)getpid());
	json_object_set_new(o, "instance", json_string(a->config->instance));
	set_number(o, "uptime_s", (clock_mono_ns() - a->started_ns) / NSEC_PER_SEC);
	json_object_set_new(o, "lease", json_boolean(a->leased));
	json_object_set_new(o, "underlay",
			    json_pack("{s:s, s:s, s:b, s:i}", "interface",
				      a->config->underlay_interface, "address",
				      ip_format(&a->address, addr), "up", a->underlay_up, "mtu",
				      (int)a->mtu));
	json_object_set_new(o, "db", db_status(a->db));
	json_object_set_new(o, "datapath", dp_status(a->dp));
	json_object_set_new(o, "tenants", tenants_json(a));
	json_object_set_new(o, "ports", ports_json(a));
	json_object_set_new(o, "peers", peers_json(a));
	set_number(o, "flows", index_count(a->index));
	json_object_set_new(o, "counters", c);
	json_object_set_new(o, "drops", d);
	set_number(o, "upcalls", a->stats.upcalls);
	set_number(o, "simulations", a->stats.simulations);
	set_number(o, "installed", a->stats.installed);
	set_number(o, "injected", a->stats.injected);
	set_number(o, "answered", a->stats.answered);
	set_number(o, "learnt", a->stats.learnt);
	set_number(o, "invalidated", a->stats.invalidated);
	set_number(o, "expired", a->stats.expired);
	set_number(o, "reconciled", a->stats.reconciled);
	set_number(o, "parked", park_count(a->park));
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		set_number(o, stats[i].name, *(const uint64_t *)((const char *)&a->stats + stats[i].at));
	return o;
}

/* --- flows --- */

struct filter {
	struct agent *a;
	const struct tenant *tenant; /* NULL = any */
	bool any_key;
	uint32_t key;
	json_t *list;
	bool truncated;
	unsigned int n;
	uint64_t jiffies;
};

/* Which flows are meant; false with 'err'. */
static bool make_filter(struct agent *a, const char *tenant, const char *port, struct filter *f,
			struct err *err)
{
	struct hmap_node *n, *tmp;
	struct lport *found = NULL;

	*f = (struct filter){ .a = a, .any_key = !port, .jiffies = dp_jiffies(a->dp) };
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
	return (!f->tenant || flow->scope == f->tenant) &&
	       (f->any_key || index_in_key(flow) == f->key);
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

static const char *action_name(uint8_t action)
{
	static const char *const names[] = { "none", "drop", "local", "encap", "set", "agent" };

	return action < ARRAY_SIZE(names) ? names[action] : "?";
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

static void show_flow(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow)
{
	struct filter *f = arg;
	struct agent *a = f->a;
	const struct index_flow *x = index_find(a->index, key);
	const struct lport *p;
	struct pkt pkt;
	json_t *o;
	uint64_t idle;

	if (!x || !passes(f, x))
		return;
	if (json_array_size(f->list) >= FLOWS_SHOWN) {
		f->truncated = true;
		return;
	}
	p = ports_find(a, index_in_key(x));
	fields_of(key, &pkt);
	idle = (int32_t)((uint32_t)f->jiffies - flow->last_seen) > 0 ? (uint32_t)f->jiffies - flow->last_seen : 0;
	arena_reset(&a->arena);
	o = json_pack("{s:s?, s:s?, s:s?, s:o, s:s, s:o, s:I, s:I, s:I, s:i, s:i, s:o}", "port",
		      p ? p->name : NULL, "tenant", p ? p->tenant->name : NULL, "packet",
		      pkt_summary(&pkt, &a->arena), "key", key_json(&pkt.f, index_in_key(x)),
		      "action", action_name(flow->action), "output", outputs_json(x), "packets",
		      (json_int_t)flow->packets, "bytes", (json_int_t)flow->bytes, "idle_ms",
		      (json_int_t)(idle * 1000 / dp_hz(a->dp)), "ttl_dec", (int)flow->ttl_dec,
		      "cookie", (int)flow->cookie, "tags", tags_json(x));
	if (flow->action == SKEP_ACT_DROP) {
		json_object_set_new(o, "reason", json_string(skep_drop_name(flow->out)));
		json_object_set_new(o, "culprit", json_string(x->culprit ?: ""));
	}
	json_array_append_new(f->list, o);
}

json_t *report_flows(struct agent *a, const char *tenant, const char *port, struct err *err)
{
	struct filter f;
	int rc;

	if (!make_filter(a, tenant, port, &f, err))
		return NULL;
	f.list = json_array();
	upcall_flush(a);
	rc = dp_flows_walk(a->dp, show_flow, &f);
	if (rc) {
		json_decref(f.list);
		err_set(err, rc, "cannot read the flow table: %s", strerror(-rc));
		return NULL;
	}
	return json_pack("{s:o, s:b}", "flows", f.list, "truncated", f.truncated);
}

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

/* --- drops --- */

json_t *report_drop(struct agent *a, uint64_t time_ns, enum skep_drop reason, uint32_t key,
		    const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		    const struct skep_ip *remote)
{
	struct lport *p = ports_find(a, key);
	struct arena arena; /* not the agent's: a packet's work may be under way in that */
	char text[ADDR_TEXT], note[160];
	struct pkt pkt;
	json_t *o;

	arena_init(&arena, 65536);
	o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "time_ns", (json_int_t)time_ns,
		      "reason", skep_drop_name(reason), "help", skep_drop_help(reason), "tenant",
		      p ? p->tenant->name : "", "port", p ? p->name : "", "culprit",
		      culprit ? culprit : "", "length", (json_int_t)len);
	/* a sample is cut short: what its lengths promise is not there, but its fields are */
	if (pkt_parse(data, have, &pkt) == SKEP_DROP_NONE || pkt.f.eth_type)
		json_object_set_new(o, "packet", json_string(pkt_summary(&pkt, &arena) ?: ""));
	else
		json_object_set_new(o, "packet", json_string(""));
	if (remote && !ip_is_zero(remote)) {
		json_object_set_new(o, "remote", json_string(ip_format(remote, text)));
		if (!p) {
			snprintf(note, sizeof(note), "tunnel packet from %s, key 0x%06x", text,
				 key);
			json_object_set_new(o, "culprit", json_string(note));
		}
	}
	arena_fini(&arena);
	return o;
}
