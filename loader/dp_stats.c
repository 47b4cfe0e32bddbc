// SPDX-License-Identifier: Apache-2.0
/* What ports carry: the kernel's counters of their interfaces, and BPF's of what goes past them.  And how full our tables are. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

static void on_link(void *arg, uint32_t ifindex, const struct nl_counters *c)
{
	struct dp *dp = arg;
	const struct dp_port_entry *port = dp_port_by_ifindex(dp, ifindex);
	struct skep_iface iface = { 0 };
	struct skep_port value = { 0 };
	struct dp_port_stats s;

	if (!port)
		return;
	s = (struct dp_port_stats){ .rx_packets = c->rx_packets,
				    .rx_bytes = c->rx_bytes,
				    .tx_packets = c->tx_packets,
				    .tx_bytes = c->tx_bytes,
				    .drops = c->tx_dropped };
	if (!bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface)) {
		s.upcalls = iface.upcalls;
		s.drops += iface.upcall_drops + dp_policer_drops(dp, iface.police);
	}
	if (!bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &port->key, &value)) {
		s.drops += dp_policer_drops(dp, value.police);
		if (port->peer) { /* from tunnels straight to the other end of the veth: this end does not count them */
			s.tx_packets += value.rx_packets;
			s.tx_bytes += value.rx_bytes;
		}
	}
	dp->stats_cb(dp->stats_arg, port->key, &s);
}

static void on_done(void *arg, int rc)
{
	struct dp *dp = arg;

	dp->stats_done(dp->stats_arg, rc);
}

int dp_port_stats(struct dp *dp, void (*cb)(void *arg, uint32_t key, const struct dp_port_stats *s),
		  void (*done)(void *arg, int rc), void *arg)
{
	static const struct nl_stats_ops ops = { .link = on_link, .done = on_done };

	if (!dp->stats)
		dp->stats = nl_stats_new(dp->loop, &ops, dp);
	if (!dp->stats)
		return -errno;
	dp->stats_cb = cb;
	dp->stats_done = done;
	dp->stats_arg = arg;
	return nl_stats_ask(dp->stats);
}

void dp_stats_close(struct dp *dp)
{
	nl_stats_free(TAKE_PTR(dp->stats));
}

uint32_t dp_port_key(const struct dp *dp, uint32_t ifindex)
{
	const struct dp_port_entry *port = dp_port_by_ifindex(dp, ifindex);

	return port ? port->key : 0;
}

json_t *dp_tables(const struct dp *dp)
{
	json_t *list = json_array();
	int sets = 0;
	const struct {
		const char *name;
		size_t used;
		uint32_t max;
	} tables[] = {
		{ "ports", dp->ports_by_key.n, dp->map_max[DP_MAP_IFACES] },
		{ "rewrites", dp->rewrites_by_content.n, dp->map_max[DP_MAP_REWRITES] },
		{ "peers", dp->peers.n, dp->map_max[DP_MAP_PEERS] },
	};

	for (size_t i = 0; i < ARRAY_SIZE(dp->set_state); i++)
		sets += dp->set_state[i] != DP_SET_FREE;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:I, s:I}", "name", tables[i].name, "used",
						(json_int_t)tables[i].used, "max",
						(json_int_t)tables[i].max));
	json_array_append_new(list, json_pack("{s:s, s:i, s:I}", "name", "sets", "used", sets, "max",
					      (json_int_t)dp->map_max[DP_MAP_SETS]));
	return list;
}
