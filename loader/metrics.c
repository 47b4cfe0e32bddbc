// SPDX-License-Identifier: Apache-2.0
/*
 * The metrics of skepd and of its datapath.  All are read when somebody asks; nothing here is on a packet's way.  What would take a walk over a table
 * is told as the agent's own walks found it.
 */
#include "loader/agent.h"

#include <string.h>

#include "util/clock.h"

static void sample(struct metrics *m, const char *name, const char *label, const char *is, uint64_t v)
{
	metrics_sample(m, name);
	metrics_label(m, label, is);
	metrics_value(m, v);
}

/* --- the datapath --- */

/* What the kernel has counted goes on over a restart, what skepd has begins at 0: their sum would go backwards, which Prometheus takes for as many new ones. */
static void write_drops(struct metrics *m, const char *reason, const char *source, uint64_t v)
{
	metrics_sample(m, "skep_drops_total");
	metrics_label(m, "reason", reason);
	metrics_label(m, "source", source);
	metrics_value(m, v);
}

static void write_packets(struct agent *a, struct metrics *m)
{
	uint64_t counters[SKEP_CNT_MAX], drops[SKEP_DROP_MAX], own[SKEP_DROP_MAX];
	char name[64], help[160];

	dp_counters(a->dp, counters);
	dp_drops(a->dp, drops);
	dp_own_drops(a->dp, own);
	for (unsigned int i = 0; i < SKEP_CNT_MAX; i++) {
		snprintf(name, sizeof(name), "skep_datapath_%s_total", skep_counter_name(i));
		snprintf(help, sizeof(help), "The kernel's: %s.", skep_counter_help(i));
		metrics_counter(m, name, help, counters[i]);
	}
	metrics_family(m, "skep_drops_total", "counter", "Packets dropped by the kernel and by skepd (source), by reason (docs/datapath.md).");
	for (unsigned int i = 1; i < SKEP_DROP_MAX; i++) {
		write_drops(m, skep_drop_name(i), "kernel", drops[i] - own[i]);
		write_drops(m, skep_drop_name(i), "agent", own[i]);
	}
}

/* --- skepd --- */

#define COUNT(member, text) { #member, offsetof(struct agent_stats, member), text }
static const struct {
	const char *name;
	size_t at;
	const char *help;
} counts[] = {
	COUNT(upcalls, "Packets that came up to skepd."),
	COUNT(simulations, "Packets walked through the virtual network, flows that were looked at again included."),
	COUNT(installed, "Flows written to the kernel."),
	COUNT(injected, "Packets that skepd sent on."),
	COUNT(answered, "Packets that the network itself sent: ARP, ICMP, DHCP, ..."),
	COUNT(learnt, "MAC addresses and neighbours learnt."),
	COUNT(invalidated, "Flows removed because a change made them wrong."),
	COUNT(expired, "Flows removed because they were idle."),
	COUNT(reconciled, "Flows of an earlier skepd that were looked at."),
	COUNT(revalidated, "Flows looked at again after a change."),
	COUNT(kept, "Of these, those that stayed."),
	COUNT(rechecked, "Connections shown to policy again after a change."),
	COUNT(recheck_ended, "Of these, those that policy ended."),
	COUNT(updates, "Snapshots of a tenant changed in place."),
	COUNT(builds, "Snapshots of a tenant built anew."),
	COUNT(conns_made, "Connections that began."),
	COUNT(conns_over, "Connections that ended because they were idle."),
	COUNT(conns_ended, "Connections that were ended: by policy, or by another host."),
	COUNT(conns_refused, "Connections for which there was no room."),
	COUNT(state_sent, "Messages about connections sent to other hosts."),
	COUNT(state_received, "Messages about connections received from other hosts."),
	COUNT(state_acked, "Messages that other hosts have acknowledged."),
	COUNT(state_resent, "Messages sent again because they were not acknowledged in time."),
	COUNT(state_lost, "Messages given up."),
	COUNT(state_refused, "Messages of other hosts that could not be used."),
	COUNT(held, "Connections whose first packets waited until another host knew of them."),
	COUNT(mirrored, "Records of connections copied to the state DB."),
	COUNT(mirror_lost, "Records of connections that could not be copied to the state DB."),
	COUNT(blocks_leased, "Blocks of source ports for NAT leased."),
	COUNT(blocks_refused, "Blocks of source ports for NAT that could not be had."),
	COUNT(blocks_released, "Blocks of source ports for NAT given back."),
	COUNT(advertised, "Router advertisements sent unasked."),
};

static void write_counts(const struct agent *a, struct metrics *m)
{
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		snprintf(name, sizeof(name), "skep_agent_%s_total", counts[i].name);
		metrics_counter(m, name, counts[i].help, *(const uint64_t *)((const char *)&a->stats + counts[i].at));
	}
	metrics_family(m, "skep_agent_revalidation_seconds_total", "counter", "Time spent on looking at flows again after changes.");
	metrics_sample(m, "skep_agent_revalidation_seconds_total");
	metrics_value_real(m, (double)a->stats.revalidation_us / 1e6);
}

static void write_times(const struct agent *a, struct metrics *m)
{
	static const char upcall[] = "skep_upcall_duration_seconds", in_force[] = "skep_change_in_force_seconds",
			  delivery[] = "skep_change_delivery_seconds";

	metrics_family(m, upcall, "histogram",
		       "From reading a packet to its verdict.  waited: it was parked meanwhile, for a neighbour or until another host knew of it.");
	metrics_histogram(m, upcall, "waited", "no", &a->metrics.upcall[0]);
	metrics_histogram(m, upcall, "waited", "yes", &a->metrics.upcall[1]);
	metrics_family(m, in_force, "histogram",
		       "From the arrival of a change here until the last flow and connection that it concerns has been looked at.");
	metrics_histogram(m, in_force, NULL, NULL, &a->metrics.in_force);
	metrics_family(m, delivery, "histogram",
		       "From writing a change in the state DB, by the DB's clock, to its arrival here, by this host's.");
	metrics_histogram(m, delivery, NULL, NULL, &a->metrics.delivery);
	metrics_gauge(m, "skep_changes_unforced", "Changes that have arrived and are not in force yet.", a->metrics.unforced);
}

/* --- tables --- */

struct table {
	const char *name;
	uint64_t used, max;
};
#define TABLES_MAX 32

static void add(struct table *tables, unsigned int *n, const char *name, uint64_t used, uint64_t max)
{
	if (*n < TABLES_MAX)
		tables[(*n)++] = (struct table){ name, used, max };
}

static void write_tables(struct agent *a, struct metrics *m)
{
	json_t *list = dp_tables(a->dp), *v;
	const struct config *c = a->config;
	struct table t[TABLES_MAX];
	uint32_t exact[2], wilds[2];
	unsigned int n = 0;
	size_t i;

	dp_flows_count(a->dp, exact, wilds);
	add(t, &n, "flow_cache4", exact[0], c->flows_max);
	add(t, &n, "flow_cache6", exact[1], c->flows_max);
	add(t, &n, "wildcards4", wilds[0], c->wilds_max);
	add(t, &n, "wildcards6", wilds[1], c->wilds_max);
	add(t, &n, "flows", index_count(a->index), c->flows_max);
	add(t, &n, "connections", a->conns_walked, c->conns_max);
	add(t, &n, "parked", park_count(a->park), PARK_MAX);
	json_array_foreach (list, i, v)
		add(t, &n, json_string_value(json_object_get(v, "name")), (uint64_t)json_integer_value(json_object_get(v, "used")),
		    (uint64_t)json_integer_value(json_object_get(v, "max")));
	metrics_family(m, "skep_table_entries", "gauge",
		       "Entries of tables; of flow_cache* (promoted flows included) and connections as the last walk found them.");
	for (i = 0; i < n; i++)
		sample(m, "skep_table_entries", "table", t[i].name, t[i].used);
	metrics_family(m, "skep_table_entries_max", "gauge", "How many entries the tables have room for.");
	for (i = 0; i < n; i++)
		sample(m, "skep_table_entries_max", "table", t[i].name, t[i].max);
	json_decref(list);
}

/* --- tenants, hosts, ports --- */

static void write_networks(const struct agent *a, struct metrics *m)
{
	uint64_t up = 0, failed = 0, waiting = 0, trouble = 0, conns = 0, silent = 0;
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->ports) {
		const struct lport *p = container_of(n, struct lport, by_key);

		up += p->attached;
		failed += !p->attached && *p->trouble;
		waiting += !p->attached && !*p->trouble;
	}
	hmap_for_each (n, tmp, &a->tenants) {
		const struct tenant *t = container_of(n, struct tenant, node);

		trouble += *t->trouble != 0;
		conns += sim_conns_count(t->conns, NULL);
	}
	hmap_for_each (n, tmp, &a->hosts)
		silent += container_of(n, struct host, node)->silent;
	metrics_family(m, "skep_ports", "gauge", "Ports bound to this host: up, failed (an error), waiting (no such interface).");
	sample(m, "skep_ports", "state", "up", up);
	sample(m, "skep_ports", "state", "failed", failed);
	sample(m, "skep_ports", "state", "waiting", waiting);
	metrics_gauge(m, "skep_tenants", "Tenants that have ports on this host.", a->tenants.n);
	metrics_gauge(m, "skep_tenants_in_trouble", "Of these, those whose records make no valid network: an older one stays in force.", trouble);
	metrics_gauge(m, "skep_connections", "Records of connections that skepd has, of all tenants.", conns);
	metrics_gauge(m, "skep_peers", "Other hosts.", a->hosts.n);
	metrics_gauge(m, "skep_peers_silent", "Of these, those whose skepd does not acknowledge messages.", silent);
}

static const struct {
	const char *name, *help;
} loads[LOAD_MAX] = {
	[LOAD_RX_PACKETS] = { "skep_port_receive_packets_total", "Packets that the port's machine has sent." },
	[LOAD_RX_BYTES] = { "skep_port_receive_bytes_total", "Bytes that the port's machine has sent." },
	[LOAD_TX_PACKETS] = { "skep_port_transmit_packets_total", "Packets that the port's machine was sent." },
	[LOAD_TX_BYTES] = { "skep_port_transmit_bytes_total", "Bytes that the port's machine was sent." },
	[LOAD_DROPS] = { "skep_port_drops_total", "Dropped packets that the port's machine has sent, or was to be sent." },
	[LOAD_UPCALLS] = { "skep_port_upcalls_total", "Packets of the port that came up to skepd." },
};

static void write_port(struct metrics *m, int what, const char *tenant, const char *port, uint64_t v)
{
	metrics_sample(m, loads[what].name);
	metrics_label(m, "tenant", tenant);
	metrics_label(m, "port", port);
	metrics_value(m, v);
}

/* Those that got a name first keep it as long as they are there; what others carry is one sum. */
static void write_ports(const struct agent *a, struct metrics *m)
{
	struct hmap_node *n, *tmp;

	if (!a->config->metrics_ports)
		return;
	for (int i = 0; i < LOAD_MAX; i++) {
		metrics_family(m, loads[i].name, "counter", loads[i].help);
		hmap_for_each (n, tmp, &a->ports) {
			const struct lport *p = container_of(n, struct lport, by_key);

			if (p->load.named && p->load.at_ns)
				write_port(m, i, p->tenant->name, p->name, p->load.carried[i]);
		}
		write_port(m, i, "", "(others)", a->top.others[i]);
	}
}

static void write_records(const struct agent *a, struct metrics *m)
{
	static const struct records_stats none;
	const struct records_stats *s = a->records ? records_stats(a->records) : &none;

	metrics_counter(m, "skep_flow_records_total", "Records of flows and connections for collectors.", s->told);
	metrics_counter(m, "skep_flow_records_lost_total", "Records that were not made, because there were too many.", s->lost);
	metrics_counter(m, "skep_flow_records_failed_total", "Records that could not be sent, or not be written.", s->failed);
}

/* --- the state DB --- */

static void write_db(const struct agent *a, struct metrics *m)
{
	static const char took[] = "skep_db_request_duration_seconds", failed[] = "skep_db_request_errors_total";
	json_t *status = db_status(a->db);
	struct db_took t;

	metrics_gauge(m, "skep_db_connected", "1: all of the state DB that can be written is connected.",
		      json_is_true(json_object_get(status, "connected")));
	json_decref(status);
	metrics_gauge(m, "skep_lease_held", "1: this host has the lease of its name, and may publish.", a->leased);
	metrics_family(m, took, "histogram", "From a request to the state DB to its answer.");
	for (unsigned int i = 0; db_took(a->db, i, &t); i++)
		metrics_histogram(m, took, "request", t.request, t.took);
	metrics_family(m, failed, "counter", "Requests to the state DB that were answered with an error, or not in time.");
	for (unsigned int i = 0; db_took(a->db, i, &t); i++)
		sample(m, failed, "request", t.request, t.failed);
}

static void write_process(const struct agent *a, struct metrics *m)
{
	metrics_process(m, "skepd");
	metrics_family(m, "skep_build_info", "gauge", "1; which skepd this is, and which built the programs in the kernel.");
	metrics_sample(m, "skep_build_info");
	metrics_label(m, "version", SKEP_VERSION);
	metrics_label(m, "host", a->config->host);
	metrics_value(m, 1);
	metrics_gauge(m, "skep_agent_uptime_seconds", "How long skepd has been running.", (clock_mono_ns() - a->started_ns) / NSEC_PER_SEC);
	metrics_gauge(m, "skep_underlay_up", "1: the underlay interface is up and has the tunnel address.", a->underlay_up);
	metrics_gauge(m, "skep_underlay_mtu_bytes", "MTU of the underlay interface.", a->mtu);
	metrics_counter(m, "skep_agent_scrapes_total", "How often these metrics were asked for.", a->metrics.scrapes);
}

void metrics_write(struct agent *a, struct metrics *m)
{
	a->metrics.scrapes++;
	write_process(a, m);
	write_db(a, m);
	write_networks(a, m);
	write_tables(a, m);
	write_packets(a, m);
	write_counts(a, m);
	write_times(a, m);
	write_ports(a, m);
	write_records(a, m);
}
