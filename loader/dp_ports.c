// SPDX-License-Identifier: Apache-2.0
/* Ports of this host: an interface with our program, and the tunnel key that delivers to it.  The
 * maps are the truth at adoption. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "util/hash.h"

struct dp_port_entry *dp_port_find(const struct dp *dp, uint32_t key)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &dp->ports_by_key, hash_u64(key))
	{
		struct dp_port_entry *port = container_of(node, struct dp_port_entry, by_key);

		if (port->key == key)
			return port;
	}
	return NULL;
}

struct dp_port_entry *dp_port_by_ifindex(const struct dp *dp, uint32_t ifindex)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &dp->ports_by_ifindex, hash_u64(ifindex))
	{
		struct dp_port_entry *port = container_of(node, struct dp_port_entry, by_ifindex);

		if (port->ifindex == ifindex)
			return port;
	}
	return NULL;
}

static struct dp_port_entry *port_new(struct dp *dp, uint32_t key, uint32_t ifindex, bool peer)
{
	struct dp_port_entry *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	*port = (struct dp_port_entry){ .key = key, .ifindex = ifindex, .peer = peer };
	if (hmap_insert(&dp->ports_by_key, &port->by_key, hash_u64(key))) {
		free(port);
		return NULL;
	}
	if (hmap_insert(&dp->ports_by_ifindex, &port->by_ifindex, hash_u64(ifindex))) {
		hmap_remove(&dp->ports_by_key, &port->by_key);
		free(port);
		return NULL;
	}
	return port;
}

static void port_free(struct dp *dp, struct dp_port_entry *port)
{
	hmap_remove(&dp->ports_by_key, &port->by_key);
	hmap_remove(&dp->ports_by_ifindex, &port->by_ifindex);
	free(port);
}

static bool is_flood(const struct dp *dp, uint32_t key, struct dp_flood **found)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &dp->floods, hash_u64(key))
	{
		*found = container_of(node, struct dp_flood, node);
		if ((*found)->key == key)
			return true;
	}
	return false;
}

/* BPF may read it at any time: in one piece. */
static void write_slot(struct dp *dp, const struct dp_port_entry *port, uint32_t police)
{
	uint32_t slot = port->ifindex % SKEP_IFACE_SLOTS;
	struct skep_iface_at v = { .ifindex = port->ifindex, .police = (uint16_t)police, .lport = (uint16_t)port->lport };

	if (port->lport && port->lport <= UINT16_MAX)
		(void)bpf_map_update_elem(dp->map_fd[DP_MAP_IFACE_AT], &slot, &v, BPF_ANY);
}

static void clear_slot(struct dp *dp, uint32_t ifindex)
{
	uint32_t slot = ifindex % SKEP_IFACE_SLOTS;
	struct skep_iface_at v;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACE_AT], &slot, &v) || v.ifindex != ifindex)
		return;
	v = (struct skep_iface_at){ 0 };
	(void)bpf_map_update_elem(dp->map_fd[DP_MAP_IFACE_AT], &slot, &v, BPF_ANY);
}

/* Writes skep_ifaces; the counters and the budget's state of an adopted entry stay. */
static int write_iface(struct dp *dp, const struct dp_port_entry *port)
{
	const uint32_t ifindex = port->ifindex, key = port->key;
	struct skep_iface iface = { 0 };
	uint32_t rate = dp->config.upcall_rate;
	uint64_t burst = dp->config.upcall_burst ? dp->config.upcall_burst : 1;

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &ifindex, &iface) || iface.key != key)
		iface = (struct skep_iface){ 0 };
	iface.key = key;
	iface.lport = port->lport;
	iface.upcall_interval_ns = rate ? 1000000000U / rate : 0;
	if (rate && !iface.upcall_interval_ns)
		iface.upcall_interval_ns = 1;
	iface.upcall_burst_ns = burst * iface.upcall_interval_ns;
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_IFACES], &ifindex, &iface, BPF_ANY))
		return -errno;
	write_slot(dp, port, iface.police);
	return 0;
}

static int write_port(struct dp *dp, const struct dp_port_entry *port)
{
	struct skep_port value = { 0 };

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &port->key, &value) ||
	    value.kind != SKEP_PORT_LOCAL || value.ifindex != port->ifindex)
		value = (struct skep_port){ .kind = SKEP_PORT_LOCAL, .ifindex = port->ifindex };
	value.flags = (port->peer ? SKEP_PORT_PEER : 0) | (port->card ? SKEP_PORT_XDP : 0);
	value.set = port->lport;
	return bpf_map_update_elem(dp->map_fd[DP_MAP_PORTS], &port->key, &value, BPF_ANY) ? -errno
											  : 0;
}

static void unwire(struct dp *dp, struct dp_port_entry *port)
{
	dp_card_detach(dp, port);
	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_PORTS], &port->key);
	dp_link_detach(dp, port->ifindex);
	clear_slot(dp, port->ifindex);
	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex);
	dp_conns_leave(dp, port);
	dp_lport_put(dp, port->lport);
}

static int wire(struct dp *dp, struct dp_port_entry *port, const char *ifname,
		struct err *err)
{
	int rc = write_iface(dp, port);

	if (rc)
		return err_set(err, rc, "cannot bind interface '%s': map '%s' is full (%u entries)",
			       ifname, dp_map_name(DP_MAP_IFACES), dp->map_max[DP_MAP_IFACES]);
	rc = dp_link_attach(dp, port->ifindex, ifname, DP_PROG_PORT, err);
	if (rc)
		return rc;
	(void)dp_card_attach(dp, port);
	rc = write_port(dp, port);
	if (rc)
		return err_set(err, rc, "cannot bind interface '%s': map '%s' is full (%u entries)",
			       ifname, dp_map_name(DP_MAP_PORTS), dp->map_max[DP_MAP_PORTS]);
	return 0;
}

static bool is_ours(const struct dp *dp, const struct nl_link *link)
{
	return link->ifindex == dp->tap.ifindex || link->ifindex == dp->under_ifindex ||
	       link->ifindex == dp->tunnel_ifindex;
}

int dp_port_attach(struct dp *dp, uint32_t key, const char *ifname, struct err *err)
{
	struct dp_port_entry *port;
	struct dp_flood *flood;
	struct nl_link link;
	int rc;

	if (key < SKEP_KEY_FIRST || key > SKEP_KEY_MAX)
		return err_set(err, -EINVAL, "tunnel key %u is not one of a port (want %u to %u)",
			       key, SKEP_KEY_FIRST, SKEP_KEY_MAX);
	rc = nl_link_get(&dp->nl, 0, ifname, &link);
	if (rc)
		return err_set(err, rc, "interface '%s' does not exist in this network namespace",
			       ifname);
	if (is_ours(dp, &link))
		return err_set(err, -EINVAL,
			       "interface '%s' is the datapath's own and cannot be a port", ifname);
	if (is_flood(dp, key, &flood))
		return err_set(err, -EEXIST, "tunnel key %u is a flood key", key);
	port = dp_port_find(dp, key);
	if (port && port->ifindex == link.ifindex)
		return 0;
	if (dp_port_by_ifindex(dp, link.ifindex))
		return err_set(err, -EBUSY, "interface '%s' is bound to another port (key %u)",
			       ifname, dp_port_by_ifindex(dp, link.ifindex)->key);
	if (port)
		dp_port_detach(dp, key);
	port = port_new(dp, key, link.ifindex, link.has_peer_netns);
	if (!port)
		return err_set(err, -ENOMEM, "out of memory");
	port->lport = dp_lport_get(dp, key);
	dp_conns_return(dp, port);
	rc = wire(dp, port, ifname, err);
	if (rc) {
		unwire(dp, port);
		port_free(dp, port);
	}
	return rc;
}

void dp_port_detach(struct dp *dp, uint32_t key)
{
	struct dp_port_entry *port = dp_port_find(dp, key);

	if (!port)
		return;
	unwire(dp, port);
	port_free(dp, port);
}

void dp_ports(struct dp *dp, void (*cb)(void *arg, uint32_t key, uint32_t ifindex), void *arg)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->ports_by_key) {
		struct dp_port_entry *port = container_of(node, struct dp_port_entry, by_key);

		cb(arg, port->key, port->ifindex);
	}
}

int dp_port_police(struct dp *dp, uint32_t key, uint32_t in, uint32_t out)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);
	struct skep_iface iface;
	struct skep_port value;

	if (!port)
		return -ENOENT;
	if (in >= SKEP_POLICERS_MAX || out >= SKEP_POLICERS_MAX)
		return -EINVAL;
	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface) ||
	    bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &key, &value))
		return -errno;
	if (iface.police != in) {
		iface.police = in;
		if (bpf_map_update_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface,
					BPF_EXIST))
			return -errno;
		write_slot(dp, port, in);
		dp_card_write(dp, port);
	}
	if (value.police != out) {
		value.police = (uint16_t)out;
		if (bpf_map_update_elem(dp->map_fd[DP_MAP_PORTS], &key, &value, BPF_EXIST))
			return -errno;
	}
	return 0;
}

bool dp_port_upcalls(const struct dp *dp, uint32_t key, uint64_t *upcalls, uint64_t *dropped)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);
	struct skep_iface iface;

	if (!port || bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &port->ifindex, &iface))
		return false;
	*upcalls = iface.upcalls;
	*dropped = iface.upcall_drops;
	return true;
}

bool dp_port_output(const struct dp *dp, uint32_t key, uint32_t *ifindex, bool *peer)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);

	if (!port)
		return false;
	*ifindex = port->ifindex;
	*peer = port->peer;
	return true;
}

int dp_flood_key(struct dp *dp, uint32_t key, uint32_t set)
{
	struct skep_port value = { .kind = SKEP_PORT_FLOOD, .set = set };
	struct dp_flood *flood = NULL;
	bool known = is_flood(dp, key, &flood);

	if (dp_port_find(dp, key) || key < SKEP_KEY_FIRST || key > SKEP_KEY_MAX)
		return -EINVAL;
	if (set == 0) {
		if (known) {
			(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_PORTS], &key);
			hmap_remove(&dp->floods, &flood->node);
			free(flood);
		}
		return 0;
	}
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_PORTS], &key, &value, BPF_ANY))
		return -errno;
	if (!known) {
		flood = calloc(1, sizeof(*flood));
		if (!flood || hmap_insert(&dp->floods, &flood->node, hash_u64(key))) {
			free(flood);
			(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_PORTS], &key);
			return -ENOMEM;
		}
		flood->key = key;
	}
	flood->adopted = false;
	return 0;
}

/* --- adoption and change --- */

static int adopt_flood(struct dp *dp, uint32_t key)
{
	struct dp_flood *flood = calloc(1, sizeof(*flood));

	if (!flood || hmap_insert(&dp->floods, &flood->node, hash_u64(key))) {
		free(flood);
		return -ENOMEM;
	}
	flood->key = key;
	flood->adopted = true;
	return 0;
}

/* One entry of skep_ports that an earlier process left. */
static int adopt_port(struct dp *dp, uint32_t key, const struct skep_port *value, struct err *err)
{
	struct dp_port_entry *port;
	struct skep_iface iface;
	struct nl_link link;

	if (value->kind == SKEP_PORT_AGENT)
		return 0;
	if (value->kind == SKEP_PORT_FLOOD)
		return adopt_flood(dp, key) ? err_set(err, -ENOMEM, "out of memory") : 0;
	if (value->kind != SKEP_PORT_LOCAL || nl_link_get(&dp->nl, value->ifindex, NULL, &link) ||
	    bpf_map_lookup_elem(dp->map_fd[DP_MAP_IFACES], &value->ifindex, &iface) ||
	    iface.key != key) {
		(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_PORTS],
					  &key); /* its interface went while nobody looked */
		return 0;
	}
	port = port_new(dp, key, value->ifindex, link.has_peer_netns);
	if (!port)
		return err_set(err, -ENOMEM, "out of memory");
	if (iface.lport && iface.lport < dp->map_max[DP_MAP_LPORTS] && dp->lports[iface.lport].key == key)
		port->lport = iface.lport;
	else
		port->lport = dp_lport_get(dp, key);
	return wire(dp, port, link.name, err);
}

int dp_ports_adopt(struct dp *dp, struct err *err)
{
	uint32_t key, ifindex, *prev = NULL, *keys, n = 0, max = dp->map_max[DP_MAP_PORTS];
	struct skep_port value;
	int rc = 0;

	dp_cards_clear(dp);
	keys = calloc(max, sizeof(*keys));
	if (!keys)
		return err_set(err, -ENOMEM, "out of memory");
	while (n < max && bpf_map_get_next_key(dp->map_fd[DP_MAP_PORTS], prev, &key) == 0) {
		keys[n] = key;
		prev = &keys[n++];
	}
	for (uint32_t i = 0; i < n && rc == 0; i++)
		if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_PORTS], &keys[i], &value) == 0)
			rc = adopt_port(dp, keys[i], &value, err);
	free(keys);

	/* interfaces without a port */
	prev = NULL;
	for (uint32_t left = dp->map_max[DP_MAP_IFACES]; rc == 0 && left > 0; left--) {
		if (bpf_map_get_next_key(dp->map_fd[DP_MAP_IFACES], prev, &ifindex))
			break;
		if (dp_port_by_ifindex(dp, ifindex)) {
			key = ifindex;
			prev = &key;
			continue;
		}
		clear_slot(dp, ifindex);
		if (bpf_map_delete_elem(dp->map_fd[DP_MAP_IFACES], &ifindex))
			break;
	}
	return rc;
}

bool dp_port_wants(struct dp *dp, uint32_t ifindex)
{
	return dp_port_by_ifindex(dp, ifindex) != NULL;
}

void dp_ports_link_changed(struct dp *dp, const struct nl_link *link, bool gone)
{
	struct dp_port_entry *port = dp_port_by_ifindex(dp, link->ifindex);
	bool again;

	if (!port)
		return;
	if (gone) {
		dp_port_detach(dp, port->key);
		return;
	}
	again = dp_card_again(dp, port, link);
	if (port->peer != link->has_peer_netns || again) { /* the other end moved between namespaces */
		port->peer = link->has_peer_netns;
		(void)write_port(dp, port);
	}
}

void dp_ports_sweep(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->floods) {
		struct dp_flood *flood = container_of(node, struct dp_flood, node);

		if (flood->adopted)
			(void)dp_flood_key(dp, flood->key, 0);
	}
}

void dp_ports_close(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->ports_by_key)
		port_free(dp, container_of(node, struct dp_port_entry, by_key));
	hmap_for_each (node, tmp, &dp->floods) {
		hmap_remove(&dp->floods, node);
		free(container_of(node, struct dp_flood, node));
	}
	hmap_fini(&dp->ports_by_key);
	hmap_fini(&dp->ports_by_ifindex);
	hmap_fini(&dp->floods);
}
