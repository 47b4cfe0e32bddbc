// SPDX-License-Identifier: Apache-2.0
/*
 * Other hosts: outer headers in skep_peers, who may send to us in skep_remotes.  An address keeps
 * its index for as long as it is known, across restarts too, because flows quote it.
 */
#include "loader/dp_private.h"

#define PATH_FOR_NS   (600 * NSEC_PER_SEC) /* RFC 1191, 8201: try larger packets after ten minutes */
#define PATH_LEAST4   552 /* less is not believed; the kernel's own limit */
#define PATH_LEAST6   1280

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>

#include "util/addr.h"
#include "util/clock.h"
#include "util/hash.h"

static uint64_t ip_hash(const struct skep_ip *ip)
{
	return hash_bytes(ip, sizeof(*ip), 0);
}

static struct dp_peer_entry *find(const struct dp *dp, const struct skep_ip *remote)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &dp->peers, ip_hash(remote))
	{
		struct dp_peer_entry *peer = container_of(node, struct dp_peer_entry, node);

		if (ip_eq(&peer->remote, remote))
			return peer;
	}
	return NULL;
}

static struct dp_peer_entry *peer_new(struct dp *dp, const struct skep_ip *remote, uint32_t index)
{
	struct dp_peer_entry *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->remote = *remote;
	peer->index = index;
	if (hmap_insert(&dp->peers, &peer->node, ip_hash(remote))) {
		free(peer);
		return NULL;
	}
	dp->peer_at[index] = peer;
	return peer;
}

static void peer_free(struct dp *dp, struct dp_peer_entry *peer)
{
	dp->peer_at[peer->index] = NULL;
	hmap_remove(&dp->peers, &peer->node);
	free(peer);
}

/* What a tunnel packet may measure from its IP header on. */
static uint32_t outer_mtu(const struct dp *dp, const struct dp_peer_entry *peer)
{
	uint32_t mtu = dp->under_mtu > UINT16_MAX ? UINT16_MAX : dp->under_mtu;

	return peer->path_mtu && peer->path_mtu < mtu ? peer->path_mtu : mtu;
}

/* The outer header first, then the permission: a packet never meets half a peer. */
static int write_peer(struct dp *dp, const struct dp_peer_entry *peer)
{
	struct skep_peer value = {
		.local = dp->config.local,
		.remote = peer->remote,
		.ifindex = dp->under_ifindex,
		.family = ip_is_v4(&peer->remote) ? 4 : 6,
		.tos = dp->config.dscp < DP_DSCP_COPY ? (uint8_t)(dp->config.dscp << 2) : 0,
		.ttl = SKEP_TTL_OUTER,
		.encap = (uint8_t)peer->encap,
		.dport = htons(peer->encap == SKEP_ENCAP_VXLAN ? dp->config.tunnel_port : SKEP_GENEVE_PORT),
		.flags = (peer->marks ? SKEP_PEER_MARKS : 0) |
			 (dp->config.dscp == DP_DSCP_COPY ? SKEP_PEER_DSCP_COPY : 0),
		.mtu = (uint16_t)outer_mtu(dp, peer),
	};
	uint32_t index = peer->index;

	if (value.ifindex && nl_route_on_link(&dp->nl, value.ifindex, &peer->remote))
		value.flags |= SKEP_PEER_ON_LINK;
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_PEERS], &index, &value, BPF_ANY) ||
	    bpf_map_update_elem(dp->map_fd[DP_MAP_REMOTES], &peer->remote, &index, BPF_ANY))
		return -errno;
	return 0;
}

static void erase_peer(struct dp *dp, const struct skep_ip *remote, uint32_t index)
{
	struct skep_peer none = { 0 };

	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_REMOTES], remote);
	(void)bpf_map_update_elem(dp->map_fd[DP_MAP_PEERS], &index, &none, BPF_ANY);
}

int dp_peer_add(struct dp *dp, const struct skep_ip *remote, uint32_t *index, struct err *err)
{
	struct dp_peer_entry *peer = find(dp, remote);
	char text[ADDR_TEXT];
	uint32_t i;
	int rc;

	if (peer) {
		peer->adopted = false;
		*index = peer->index;
		return 0;
	}
	ip_format(remote, text);
	if (ip_is_unspecified(remote) || ip_is_multicast(remote) ||
	    ip_is_v4(remote) != ip_is_v4(&dp->config.local))
		return err_set(
			err, -EINVAL,
			"'%s' cannot be a host's tunnel address (want a unicast %s address, as ours)",
			text, ip_is_v4(&dp->config.local) ? "IPv4" : "IPv6");
	if (ip_eq(remote, &dp->config.local))
		return err_set(err, -EINVAL, "'%s' is this host's own tunnel address", text);
	for (i = 1; i < dp->map_max[DP_MAP_PEERS] && i < SKEP_PEERS_MAX && dp->peer_at[i]; i++)
		;
	if (i >= dp->map_max[DP_MAP_PEERS] || i >= SKEP_PEERS_MAX)
		return err_set(err, -ENOSPC, "host '%s': the table of hosts is full (%u)", text,
			       i - 1);
	peer = peer_new(dp, remote, i);
	if (!peer)
		return err_set(err, -ENOMEM, "out of memory");
	rc = write_peer(dp, peer);
	if (rc) {
		erase_peer(dp, remote, i);
		peer_free(dp, peer);
		return err_set(err, rc, "host '%s': cannot write the table of hosts: %s", text,
			       strerror(-rc));
	}
	*index = i;
	return 0;
}

void dp_peer_how(struct dp *dp, const struct skep_ip *remote, enum skep_encap encap, bool marks, bool binds)
{
	struct dp_peer_entry *peer = find(dp, remote);

	if (!peer)
		return;
	peer->binds = binds;
	if (peer->encap == encap && peer->marks == marks)
		return;
	peer->encap = encap;
	peer->marks = marks;
	(void)write_peer(dp, peer); /* an element of an array that was written before */
}

uint32_t dp_peer_mtu(const struct dp *dp, uint32_t index)
{
	const struct dp_peer_entry *peer = index < SKEP_PEERS_MAX ? dp->peer_at[index] : NULL;
	uint32_t size = peer ? skep_encap_size(peer->encap, !ip_is_v4(&peer->remote)) : 0;

	return peer && outer_mtu(dp, peer) > size ? outer_mtu(dp, peer) - size : 0;
}

uint32_t dp_peer_mark_max(const struct dp *dp, uint32_t index)
{
	const struct dp_peer_entry *peer = index < SKEP_PEERS_MAX ? dp->peer_at[index] : NULL;

	if (!peer || !peer->marks || peer->encap == SKEP_ENCAP_NVGRE)
		return 0;
	return peer->encap == SKEP_ENCAP_GENEVE ? SKEP_KEY_MAX : UINT16_MAX;
}

bool dp_peer_binds(const struct dp *dp, uint32_t index)
{
	const struct dp_peer_entry *peer = index < SKEP_PEERS_MAX ? dp->peer_at[index] : NULL;

	return peer && peer->marks && peer->binds && peer->encap == SKEP_ENCAP_GENEVE;
}

void dp_peer_del(struct dp *dp, const struct skep_ip *remote)
{
	struct dp_peer_entry *peer = find(dp, remote);

	if (!peer)
		return;
	erase_peer(dp, &peer->remote, peer->index);
	peer_free(dp, peer);
}

int dp_peers_adopt(struct dp *dp, struct err *err)
{
	struct skep_ip remote, prev, *from = NULL;

	for (uint32_t i = 1; i < dp->map_max[DP_MAP_PEERS] && i < SKEP_PEERS_MAX; i++) {
		struct dp_peer_entry *peer;
		struct skep_peer value;

		if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_PEERS], &i, &value) || !value.family)
			continue;
		if (find(dp, &value.remote) ||
		    ip_is_v4(&value.remote) != ip_is_v4(&dp->config.local)) {
			erase_peer(dp, &value.remote, i);
			continue;
		}
		peer = peer_new(dp, &value.remote, i);
		if (!peer)
			return err_set(err, -ENOMEM, "out of memory");
		peer->adopted = true;
		peer->encap = value.encap < SKEP_ENCAPS ? (enum skep_encap)value.encap : SKEP_ENCAP_VXLAN;
		peer->marks = value.flags & SKEP_PEER_MARKS;
		(void)write_peer(dp, peer); /* the underlay may have changed meanwhile */
	}
	/* permissions without a peer: left by a process that died between the two writes */
	for (uint32_t left = dp->map_max[DP_MAP_REMOTES]; left; left--) {
		if (bpf_map_get_next_key(dp->map_fd[DP_MAP_REMOTES], from, &remote))
			break;
		if (find(dp, &remote)) {
			prev = remote;
			from = &prev;
		} else if (bpf_map_delete_elem(dp->map_fd[DP_MAP_REMOTES], &remote)) {
			break;
		}
	}
	return 0;
}

void dp_peers_refresh(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->peers)
		(void)write_peer(dp, container_of(node, struct dp_peer_entry, node));
}

static void path_changed(struct dp *dp, struct dp_peer_entry *peer)
{
	(void)write_peer(dp, peer);
	if (dp->ops.path)
		dp->ops.path(dp->arg, peer->index);
}

void dp_peer_too_big(struct dp *dp, const struct skep_event *event)
{
	struct dp_peer_entry *peer = find(dp, &event->remote);
	uint32_t least = ip_is_v4(&event->remote) ? PATH_LEAST4 : PATH_LEAST6,
		 mtu = event->len > least ? event->len : least;

	if (!peer || mtu > outer_mtu(dp, peer))
		return;
	peer->path_until_ns = clock_mono_ns() + PATH_FOR_NS;
	if (mtu == outer_mtu(dp, peer))
		return;
	peer->path_mtu = mtu;
	path_changed(dp, peer);
}

void dp_peers_age(struct dp *dp, uint64_t now_ns)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->peers) {
		struct dp_peer_entry *peer = container_of(node, struct dp_peer_entry, node);

		if (!peer->path_mtu || now_ns < peer->path_until_ns)
			continue;
		peer->path_mtu = 0;
		path_changed(dp, peer);
	}
}

void dp_peers_sweep(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->peers) {
		struct dp_peer_entry *peer = container_of(node, struct dp_peer_entry, node);

		if (peer->adopted)
			dp_peer_del(dp, &peer->remote);
	}
}

void dp_peers_close(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &dp->peers)
		peer_free(dp, container_of(node, struct dp_peer_entry, node));
	hmap_fini(&dp->peers);
}
