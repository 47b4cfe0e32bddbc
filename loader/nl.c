// SPDX-License-Identifier: Apache-2.0
/*
 * rtnetlink through libmnl: links, addresses, the vxlan device, and the monitor socket.  Everything
 * is synchronous but the monitor. The kernel's answers are parsed here and nowhere else.
 */
#include "loader/nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/addr.h"

#define NL_BUF	      65536
#define NL_RCVBUF     (4 << 20) /* of the monitor: hundreds of interfaces may come at once */
#define GROUPS \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | \
	 1 << (RTNLGRP_IPV6_RULE - 1))
#define MONITOR_BATCH 64	/* datagrams per loop round */
#define DUMP_TRIES    32	/* while interfaces come and go */

int nl_open(struct nl *nl)
{
	nl->seq = 0;
	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock)
		return -errno;
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int rc = -errno;

		nl_close(nl);
		return rc;
	}
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

/* --- parsing --- */

static void parse_linkinfo(const struct nlattr *info, struct nl_link *link)
{
	const struct nlattr *attr, *data = NULL, *sub;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0)
			snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (!data || strcmp(link->kind, "vxlan") != 0)
		return;
	mnl_attr_for_each_nested(sub, data)
	{
		if (mnl_attr_get_type(sub) == IFLA_VXLAN_COLLECT_METADATA &&
		    mnl_attr_get_payload_len(sub) >= 1)
			link->vxlan_external = mnl_attr_get_u8(sub) != 0;
		else if (mnl_attr_get_type(sub) == IFLA_VXLAN_PORT &&
			 mnl_attr_get_payload_len(sub) >= 2)
			link->vxlan_port = ntohs(mnl_attr_get_u16(sub));
	}
}

static bool parse_link(const struct nlmsghdr *nlh, struct nl_link *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || ifi->ifi_family != AF_UNSPEC)
		return false; /* AF_BRIDGE messages speak of bridge membership, not of the link */
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0)
				snprintf(link->name, sizeof(link->name), "%s",
					 mnl_attr_get_str(attr));
			break;
		case IFLA_MTU:
			link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_TXQLEN:
			link->txqlen = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			link->has_peer_netns = true;
			break;
		case IFLA_LINKINFO:
			parse_linkinfo(attr, link);
			break;
		case IFLA_STATS64:
			if (mnl_attr_get_payload_len(attr) >= sizeof(struct rtnl_link_stats64)) {
				struct rtnl_link_stats64 stats;

				memcpy(&stats, mnl_attr_get_payload(attr), sizeof(stats));
				link->tx_dropped = stats.tx_dropped;
			}
			break;
		}
	}
	if (strcmp(link->kind, "veth") != 0)
		link->has_peer_netns =
			false; /* others carry the attribute for their lower device */
	return link->ifindex != 0;
}

static bool parse_addr(const struct nlmsghdr *nlh, struct nl_addr *addr)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *best = NULL;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa))
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		/* point to point: IFA_ADDRESS is the other end */
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && !best))
			best = attr;
	}
	if (!best)
		return false;
	addr->ifindex = ifa->ifa_index;
	if (ifa->ifa_family == AF_INET && mnl_attr_get_payload_len(best) == 4)
		addr->ip = ip_from_v4(mnl_attr_get_u32(best));
	else if (ifa->ifa_family == AF_INET6 && mnl_attr_get_payload_len(best) == 16)
		memcpy(&addr->ip, mnl_attr_get_payload(best), 16);
	else
		return false;
	return true;
}

/* --- requests --- */

/*
 * One datagram of the answer.  1 = more to come, 0 = that was all, or -errno.  By hand: mnl_cb_run() gives up in the middle of a dump that
 * something changed under, and until the rest of that has been read the kernel begins no other (EBUSY).
 */
static int take(const struct nl *nl, const char *buf, size_t n, mnl_cb_t cb, void *arg, bool *changed)
{
	int left = (int)n;

	for (const struct nlmsghdr *nlh = (const void *)buf; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_seq != nl->seq)
			continue; /* the rest of an answer that an earlier call gave up on */
		*changed = *changed || nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) ? -EPROTO : e->error;
		if (cb)
			(void)cb(nlh, arg);
	}
	return 1;
}

/* Sends 'nlh' and feeds the answers to 'cb' until the acknowledgement or the end of the dump.  -EINTR: what was dumped changed meanwhile, so
 * some of it may have been left out. */
static int nl_talk(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	bool changed = false;
	int rc = 1;
	char *buf;

	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	buf = malloc(NL_BUF);
	if (!buf)
		return -ENOMEM;
	while (rc > 0) {
		ssize_t n = mnl_socket_recvfrom(nl->sock, buf, NL_BUF);

		if (n >= 0)
			rc = take(nl, buf, (size_t)n, cb, arg, &changed);
		else if (errno != EINTR)
			rc = -errno;
	}
	free(buf);
	return !rc && changed ? -EINTR : rc;
}

/* What a dump found: told when all of it is true at once. */
struct gathered {
	size_t n, max, size;
	char *v;
	bool failed;
};

static void gather(struct gathered *g, const void *item)
{
	if (g->n == g->max) {
		size_t max = g->max ? 2 * g->max : 64;
		char *v = realloc(g->v, max * g->size);

		if (!v) {
			g->failed = true;
			return;
		}
		g->v = v;
		g->max = max;
	}
	memcpy(g->v + g->n++ * g->size, item, g->size);
}

static int dump(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, struct gathered *g)
{
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < DUMP_TRIES; i++) {
		g->n = 0;
		rc = nl_talk(nl, nlh, cb, g);
	}
	return g->failed ? -ENOMEM : rc;
}

static struct nlmsghdr *link_request(void *buf, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

static int on_link_get(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_link *link = arg, got;

	if (nlh->nlmsg_type == RTM_NEWLINK && parse_link(nlh, &got))
		*link = got;
	return MNL_CB_OK;
}

int nl_link_get(struct nl *nl, uint32_t ifindex, const char *name, struct nl_link *link)
{
	_Alignas(struct nlmsghdr) char buf[1024];
	struct nlmsghdr *nlh = link_request(buf, RTM_GETLINK, NLM_F_ACK, name ? 0 : ifindex);
	struct nl_link got = { 0 };
	int rc;

	if (name && (!name[0] || strlen(name) >= IFNAMSIZ))
		return -ENODEV;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	rc = nl_talk(nl, nlh, on_link_get, &got);
	if (rc)
		return rc;
	if (!got.ifindex)
		return -ENODEV;
	*link = got;
	return 0;
}

static int on_link_dump(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_link link;

	if (nlh->nlmsg_type == RTM_NEWLINK && parse_link(nlh, &link))
		gather(arg, &link);
	return MNL_CB_OK;
}

int nl_link_dump(struct nl *nl, void (*cb)(void *arg, const struct nl_link *link), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct gathered g = { .size = sizeof(struct nl_link) };
	int rc = dump(nl, link_request(buf, RTM_GETLINK, NLM_F_DUMP, 0), on_link_dump, &g);

	for (size_t i = 0; !rc && i < g.n; i++)
		cb(arg, (const struct nl_link *)(const void *)g.v + i);
	free(g.v);
	return rc;
}

static int on_addr_dump(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_addr addr;

	if (nlh->nlmsg_type == RTM_NEWADDR && parse_addr(nlh, &addr))
		gather(arg, &addr);
	return MNL_CB_OK;
}

int nl_addr_dump(struct nl *nl, void (*cb)(void *arg, const struct nl_addr *addr), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct gathered g = { .size = sizeof(struct nl_addr) };
	struct ifaddrmsg *ifa;
	int rc;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = AF_UNSPEC;
	rc = dump(nl, nlh, on_addr_dump, &g);
	for (size_t i = 0; !rc && i < g.n; i++)
		cb(arg, (const struct nl_addr *)(const void *)g.v + i);
	free(g.v);
	return rc;
}

int nl_link_setup(struct nl *nl, uint32_t ifindex, uint32_t mtu, uint32_t txqlen)
{
	_Alignas(struct nlmsghdr) char buf[1024];
	struct nlmsghdr *nlh = link_request(buf, RTM_NEWLINK, NLM_F_ACK, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct nlattr *spec, *inet6;

	/* Before it comes up, and apart: kernels without IPv6 refuse it, which is as good. */
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	(void)nl_talk(nl, nlh, NULL, NULL);

	nlh = link_request(buf, RTM_NEWLINK, NLM_F_ACK, ifindex);
	ifi = mnl_nlmsg_get_payload(nlh);
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	if (txqlen)
		mnl_attr_put_u32(nlh, IFLA_TXQLEN, txqlen);
	return nl_talk(nl, nlh, NULL, NULL);
}

int nl_vxlan_add(struct nl *nl, const char *name, uint16_t port)
{
	_Alignas(struct nlmsghdr) char buf[1024];
	struct nlmsghdr *nlh =
		link_request(buf, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(port));
	mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nl_talk(nl, nlh, NULL, NULL);
}

int nl_link_del(struct nl *nl, uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buf[256];

	return nl_talk(nl, link_request(buf, RTM_DELLINK, NLM_F_ACK, ifindex), NULL, NULL);
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
	if (nlh->nlmsg_type == RTM_NEWTFILTER)
		++*(int *)arg;
	return MNL_CB_OK;
}

int nl_filter_count(struct nl *nl, uint32_t ifindex, uint32_t parent)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;
	int n = 0, rc;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = parent;
	rc = nl_talk(nl, nlh, on_filter, &n);
	return rc ? rc : n;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	int *on_link = arg;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return MNL_CB_OK;
	*on_link = rtm->rtm_type == RTN_UNICAST;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_GATEWAY:
		case RTA_VIA:
		case RTA_MULTIPATH:
		case RTA_ENCAP:
			*on_link = 0;
			break;
		}
	}
	return MNL_CB_OK;
}

int nl_route_on_link(struct nl *nl, uint32_t ifindex, const struct skep_ip *ip)
{
	bool v4 = ip_is_v4(ip);
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int on_link = 0;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = v4 ? 32 : 128;
	mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, v4 ? (const void *)&ip->w[3] : ip);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	return nl_talk(nl, nlh, on_route, &on_link) == 0 && on_link;
}

/* --- monitor --- */

struct nl_monitor {
	struct mnl_socket *sock;
	struct loop_fd *fd;
	struct nl_monitor_ops ops;
	void *arg;
	bool routes; /* some have changed */
	_Alignas(struct nlmsghdr) char buf[NL_BUF];
};

static int on_change(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_monitor *mon = arg;
	struct nl_link link;
	struct nl_addr addr;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (parse_link(nlh, &link))
			mon->ops.link(mon->arg, &link, nlh->nlmsg_type == RTM_DELLINK);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (parse_addr(nlh, &addr))
			mon->ops.addr(mon->arg, &addr, nlh->nlmsg_type == RTM_DELADDR);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
		mon->routes = true;
		break;
	}
	return MNL_CB_OK;
}

static void on_readable(void *arg, uint32_t events)
{
	struct nl_monitor *mon = arg;
	int i;

	for (i = 0; i < MONITOR_BATCH; i++) {
		ssize_t n = mnl_socket_recvfrom(mon->sock, mon->buf, sizeof(mon->buf));

		if (n > 0) {
			mnl_cb_run(mon->buf, (size_t)n, 0, 0, on_change, mon);
		} else if (n < 0 && errno == ENOBUFS) {
			mon->ops.overrun(mon->arg);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			break;
		}
	}
	if (mon->routes) /* once for all that have come */
		mon->ops.route(mon->arg);
	mon->routes = false;
}

struct nl_monitor *nl_monitor_new(struct loop *loop, const struct nl_monitor_ops *ops, void *arg)
{
	struct nl_monitor *mon = calloc(1, sizeof(*mon));
	int size = NL_RCVBUF, saved;

	if (!mon)
		return NULL;
	mon->ops = *ops;
	mon->arg = arg;
	mon->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!mon->sock)
		goto fail;
	(void)setsockopt(mnl_socket_get_fd(mon->sock), SOL_SOCKET, SO_RCVBUFFORCE, &size,
			 sizeof(size));
	if (mnl_socket_bind(mon->sock, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	mon->fd = loop_fd_add(loop, mnl_socket_get_fd(mon->sock), EPOLLIN, on_readable, mon);
	if (!mon->fd)
		goto fail;
	return mon;
fail:
	saved = errno;
	nl_monitor_free(mon);
	errno = saved;
	return NULL;
}

void nl_monitor_free(struct nl_monitor *mon)
{
	if (!mon)
		return;
	loop_fd_del(mon->fd);
	if (mon->sock)
		mnl_socket_close(mon->sock);
	free(mon);
}
