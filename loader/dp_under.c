// SPDX-License-Identifier: Apache-2.0
/*
 * What happens to the interfaces of this namespace: reports them to the agent, keeps ports, the
 * underlay interface and the tunnel device in order when one comes, changes or goes.  Called from
 * the loop by the netlink monitor.
 */
#include "loader/dp_private.h"

#include <errno.h>
#include <net/if.h>

#include "util/addr.h"
#include "util/hash.h"

#define TUNNEL_MTU 65485 /* the largest of a vxlan device over IPv4; it only receives */

int dp_device_name(const struct dp_config *config, const char *suffix, char name[static IFNAMSIZ],
		   struct err *err)
{
	const char *prefix =
		config->device_prefix && config->device_prefix[0] ? config->device_prefix : "skep-";

	if (strlen(prefix) > 8 || strchr(prefix, '/') || strchr(prefix, ' '))
		return err_set(err, -EINVAL,
			       "device prefix '%s' is not usable (want at most 8 characters)",
			       prefix);
	snprintf(name, IFNAMSIZ, "%s%s", prefix, suffix);
	return 0;
}

static bool link_up(const struct nl_link *link)
{
	return (link->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

/* --- tunnel device --- */

int dp_tunnel_open(struct dp *dp, struct err *err)
{
	char name[IFNAMSIZ];
	struct nl_link link;
	int rc = dp_device_name(&dp->config, "vx", name, err);

	if (rc)
		return rc;
	dp->tunnel_ifindex = 0;
	rc = nl_link_get(&dp->nl, 0, name, &link);
	if (rc == 0 && strcmp(link.kind, "vxlan") != 0)
		return err_set(
			err, -EEXIST,
			"device '%s' exists and is no vxlan device (choose another device prefix)",
			name);
	if (rc == 0 && (!link.vxlan_external || link.vxlan_port != dp->config.tunnel_port)) {
		rc = nl_link_del(&dp->nl, link.ifindex);
		if (rc)
			return err_set(err, rc, "cannot remove device '%s': %s", name,
				       strerror(-rc));
		rc = -ENODEV;
	}
	if (rc == -ENODEV) {
		rc = nl_vxlan_add(&dp->nl, name, dp->config.tunnel_port);
		if (rc == -EOPNOTSUPP) {
			dp_warn(dp,
				"the kernel has no vxlan device: tunnelled TCP will be slower, and tunnelled IPv6 needs kernel 6.3");
			return 0;
		}
		if (rc == 0)
			rc = nl_link_get(&dp->nl, 0, name, &link);
	}
	if (rc)
		return err_set(err, rc, "cannot make vxlan device '%s': %s%s", name, strerror(-rc),
			       rc == -EEXIST ? " (another vxlan device has this UDP port)" : "");
	rc = nl_link_setup(&dp->nl, link.ifindex, TUNNEL_MTU, 0);
	if (rc == -EINVAL)
		rc = nl_link_setup(&dp->nl, link.ifindex, 0, 0);
	if (rc == 0)
		rc = dp_link_attach(dp, link.ifindex, name, DP_PROG_TUNNEL, err);
	else
		err_set(err, rc, "cannot bring up vxlan device '%s': %s%s", name, strerror(-rc),
			rc == -EADDRINUSE || rc == -EEXIST
				? " (UDP port in use by another device or program)"
				: "");
	if (rc) {
		(void)nl_link_del(&dp->nl, link.ifindex);
		return rc;
	}
	dp->tunnel_ifindex = link.ifindex;
	return 0;
}

/* --- underlay --- */

static int under_attach(struct dp *dp, const struct nl_link *link, struct err *err)
{
	int rc;

	dp->under_ifindex = link->ifindex;
	dp->under_mtu = link->mtu;
	rc = dp_link_attach(dp, link->ifindex, link->name, DP_PROG_UNDER, err);
	if (rc)
		return rc;
	rc = dp_xdp_attach(dp, link, err);
	if (!rc)
		dp_cards_underlay(dp, link);
	return rc;
}

static void find_local(void *arg, const struct nl_addr *addr)
{
	struct dp *dp = arg;

	if (ip_eq(&addr->ip, &dp->config.local))
		dp->has_local = true;
}

static void look_for_local(struct dp *dp)
{
	dp->has_local = false;
	(void)nl_addr_dump(&dp->nl, find_local, dp);
}

static void report_under(struct dp *dp, bool up, uint32_t mtu)
{
	bool usable = up && dp->has_local;
	bool news = !dp->under_reported || usable != dp->under_up || mtu != dp->under_mtu;

	if (mtu != dp->under_mtu) {
		dp->under_mtu = mtu;
		dp_peers_refresh(dp);
	}
	dp->under_up = usable;
	dp->under_reported = true;
	if (news && dp->ops.underlay)
		dp->ops.underlay(dp->arg, usable, mtu);
}

static void under_changed(struct dp *dp, const struct nl_link *link)
{
	struct err err = { 0 };

	if (link->ifindex != dp->under_ifindex) { /* it came back */
		if (under_attach(dp, link, &err))
			dp_warn(dp, "%s", err.text);
		dp_config_write(dp);
		dp_peers_refresh(dp);
		dp->under_reported = false;
	} else {
		dp_xdp_again(dp, link);
	}
	report_under(dp, link_up(link), link->mtu);
}

static void under_gone(struct dp *dp)
{
	dp_link_detach(dp, dp->under_ifindex);
	dp_xdp_detach(dp, dp->under_ifindex);
	dp->under_ifindex = 0;
	dp_config_write(dp);
	dp_peers_refresh(dp);
	report_under(dp, false, dp->under_mtu);
}

/* --- interfaces --- */

static struct dp_iface *iface_find(const struct dp *dp, uint32_t ifindex)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &dp->ifaces, hash_u64(ifindex))
	{
		struct dp_iface *iface = container_of(node, struct dp_iface, node);

		if (iface->link.ifindex == ifindex)
			return iface;
	}
	return NULL;
}

static void report_iface(struct dp *dp, const char *name, uint32_t ifindex, bool up)
{
	if (dp->ops.iface)
		dp->ops.iface(dp->arg, name, ifindex, up);
}

static void own_device_gone(struct dp *dp, uint32_t ifindex)
{
	struct err err = { 0 };

	dp_link_detach(dp, ifindex); /* its pin is of no use any more */
	if (ifindex == dp->tap.ifindex) {
		dp_warn(dp, "the upcall tap was removed by somebody: made again");
		dp_tap_stop(dp);
		if (dp_tap_start(dp, &err))
			dp_warn(dp, "%s", err.text);
	} else {
		dp_warn(dp, "the vxlan device was removed by somebody: made again");
		if (dp_tunnel_open(dp, &err))
			dp_warn(dp, "%s", err.text);
	}
	dp_config_write(dp);
}

static void iface_gone(struct dp *dp, struct dp_iface *iface)
{
	struct nl_link link = iface->link;

	hmap_remove(&dp->ifaces, &iface->node);
	free(iface);
	dp_ports_link_changed(dp, &link, true);
	if (link.ifindex == dp->under_ifindex)
		under_gone(dp);
	report_iface(dp, link.name, 0, false);
}

static void on_link(void *arg, const struct nl_link *link, bool gone)
{
	struct dp *dp = arg;
	struct dp_iface *iface = iface_find(dp, link->ifindex);
	struct nl_link before = { 0 };
	bool is_new = !iface;

	if (link->ifindex == dp->tap.ifindex ||
	    (dp->tunnel_ifindex && link->ifindex == dp->tunnel_ifindex)) {
		if (gone)
			own_device_gone(dp, link->ifindex);
		return;
	}
	if (gone) {
		if (iface)
			iface_gone(dp, iface);
		return;
	}
	if (is_new) {
		iface = calloc(1, sizeof(*iface));
		if (!iface || hmap_insert(&dp->ifaces, &iface->node, hash_u64(link->ifindex))) {
			free(iface);
			dp_warn(dp, "out of memory: interface '%s' is not seen", link->name);
			return;
		}
	} else {
		before = iface->link;
	}
	iface->link = *link;
	iface->seen = true;
	dp_ports_link_changed(dp, link, false);
	if (strcmp(link->name, dp->config.underlay) == 0)
		under_changed(dp, link);
	if (!is_new && strcmp(before.name, link->name) != 0) {
		report_iface(dp, before.name, 0, false);
		is_new = true;
	}
	if (is_new || link_up(&before) != link_up(link) ||
	    before.has_peer_netns != link->has_peer_netns || before.mtu != link->mtu)
		report_iface(dp, link->name, link->ifindex, link_up(link));
}

static void on_addr(void *arg, const struct nl_addr *addr, bool gone)
{
	struct dp *dp = arg;
	const struct dp_iface *under = iface_find(dp, dp->under_ifindex);

	if (!ip_eq(&addr->ip, &dp->config.local))
		return;
	look_for_local(dp); /* another interface may have it still */
	report_under(dp, under && link_up(&under->link), dp->under_mtu);
}

struct dump {
	struct nl_link *links;
	size_t n, room;
	bool failed;
};

static void collect(void *arg, const struct nl_link *link)
{
	struct dump *d = arg;

	if (d->n == d->room) {
		size_t room = d->room ? d->room * 2 : 64;
		struct nl_link *grown = realloc(d->links, room * sizeof(*grown));

		if (!grown) {
			d->failed = true;
			return;
		}
		d->links = grown;
		d->room = room;
	}
	d->links[d->n++] = *link;
}

/* All interfaces, compared with what we know.  Collected first: the agent makes requests from
 * within its callbacks. */
static void look_at_all(struct dp *dp)
{
	struct hmap_node *node, *tmp;
	struct dump d = { 0 };

	if (nl_link_dump(&dp->nl, collect, &d) || d.failed) {
		dp_warn(dp, "cannot list the interfaces");
		free(d.links);
		return;
	}
	hmap_for_each (node, tmp, &dp->ifaces)
		container_of(node, struct dp_iface, node)->seen = false;
	for (size_t i = 0; i < d.n; i++)
		on_link(dp, &d.links[i], false);
	free(d.links);
	hmap_for_each (node, tmp, &dp->ifaces) {
		struct dp_iface *iface = container_of(node, struct dp_iface, node);

		if (!iface->seen)
			iface_gone(dp, iface);
	}
}

static void on_route(void *arg)
{
	dp_peers_refresh(arg);
}

static void on_overrun(void *arg)
{
	struct dp *dp = arg;

	dp_peers_refresh(dp);
	look_for_local(dp);
	look_at_all(dp);
}

static void on_first(void *arg)
{
	struct dp *dp = arg;

	dp->first = NULL;
	look_at_all(dp);
}

int dp_under_open(struct dp *dp, struct err *err)
{
	static const struct nl_monitor_ops ops = { on_link, on_addr, on_route, on_overrun };
	char text[ADDR_TEXT];
	struct nl_link link;
	int rc;

	dp->mon = nl_monitor_new(dp->loop, &ops, dp);
	if (!dp->mon)
		return err_set(err, -errno, "cannot watch the interfaces: %s", strerror(errno));
	rc = nl_link_get(&dp->nl, 0, dp->config.underlay, &link);
	if (rc)
		return err_set(err, rc,
			       "underlay interface '%s' does not exist in this network namespace",
			       dp->config.underlay);
	look_for_local(dp);
	if (!dp->has_local)
		dp_warn(dp, "tunnel address '%s' is on no interface yet",
			ip_format(&dp->config.local, text));
	rc = under_attach(dp, &link, err);
	if (rc)
		return rc;
	dp->first = loop_timer_add(dp->loop, 0, 0, on_first, dp);
	return dp->first ? 0 : err_set(err, -errno, "out of memory");
}

void dp_under_close(struct dp *dp)
{
	struct hmap_node *node, *tmp;

	if (dp->first)
		loop_timer_del(dp->first);
	dp->first = NULL;
	nl_monitor_free(dp->mon);
	dp->mon = NULL;
	hmap_for_each (node, tmp, &dp->ifaces) {
		hmap_remove(&dp->ifaces, node);
		free(container_of(node, struct dp_iface, node));
	}
	hmap_fini(&dp->ifaces);
}
