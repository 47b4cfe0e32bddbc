// SPDX-License-Identifier: Apache-2.0
/* What skepd tells about itself, and of dropped packets, with the names of control.h. */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "packet/packet.h"
#include "util/clock.h"

#define WHOLE_MAX (1u << 17)

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
		report_port_pressure(p, v);
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
	STAT(state_lost),    STAT(state_refused), STAT(held),	STAT(mirrored),	STAT(mirror_lost),
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
	json_object_set_new(o, "pressure", report_pressure(a, json_object_get(o, "datapath")));
	json_object_set_new(o, "tenants", tenants_json(a));
	json_object_set_new(o, "ports", ports_json(a));
	json_object_set_new(o, "peers", peers_json(a));
	set_number(o, "flows", index_count(a->index) - a->n_answers);
	set_number(o, "answers", a->n_answers);
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
	set_number(o, "state_unacked", state_unacked(a));
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		set_number(o, stats[i].name, *(const uint64_t *)((const char *)&a->stats + stats[i].at));
	return o;
}

/* --- drops --- */

/* A sample is cut short: with zeros for the rest what its lengths promise is there, and its fields can be read.  NULL: no memory, or no packet's length. */
static uint8_t *whole(const uint8_t *data, uint32_t have, uint32_t len)
{
	uint8_t *copy = len <= WHOLE_MAX ? calloc(1, (have > len ? have : len) + 1) : NULL;

	return copy ? memcpy(copy, data, have) : NULL;
}

json_t *report_drop(struct agent *a, uint64_t time_ns, enum skep_drop reason, uint32_t key,
		    const char *culprit, const uint8_t *data, uint32_t have, uint32_t len,
		    const struct skep_ip *remote)
{
	struct lport *p = ports_find(a, key);
	struct arena arena; /* not the agent's: a packet's work may be under way in that */
	_free_ uint8_t *frame = whole(data, have, len);
	char text[ADDR_TEXT], note[160];
	struct pkt pkt;
	json_t *o;

	arena_init(&arena, 65536);
	o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "time_ns", (json_int_t)time_ns,
		      "reason", skep_drop_name(reason), "help", skep_drop_help(reason), "tenant",
		      p ? p->tenant->name : "", "port", p ? p->name : "", "culprit",
		      culprit ? culprit : "", "length", (json_int_t)len);
	if (pkt_parse(frame ?: data, !frame || have > len ? have : len, &pkt) == SKEP_DROP_NONE || pkt.f.eth_type)
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
