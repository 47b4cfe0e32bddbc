// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of interfaces (RTM_GETSTATS): a dump on a socket of its own.  The kernel makes the next piece of it when the one before is
 * read, so it can be taken in turns: some pieces in each round of the loop, packets in between.
 */
#include "loader/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define STATS_BUF   65536
#define STATS_BATCH 8 /* pieces in one turn: about a thousand interfaces, a millisecond */

struct nl_stats {
	struct mnl_socket *sock;
	struct loop_fd *fd;
	struct nl_stats_ops ops;
	void *arg;
	uint32_t seq;
	bool busy;
	_Alignas(struct nlmsghdr) char buf[STATS_BUF];
};

static void show(struct nl_stats *s, const struct nlmsghdr *nlh)
{
	const struct if_stats_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link_stats64 c;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWSTATS || mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*msg)) {
		/* older kernels have fewer counters at the end: those used here are the first ones */
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != IFLA_STATS_LINK_64)
			continue;
		memset(&c, 0, sizeof(c));
		memcpy(&c, mnl_attr_get_payload(attr), len < sizeof(c) ? len : sizeof(c));
		s->ops.link(s->arg, msg->ifindex,
			    &(struct nl_counters){ .rx_packets = c.rx_packets,
						   .rx_bytes = c.rx_bytes,
						   .tx_packets = c.tx_packets,
						   .tx_bytes = c.tx_bytes,
						   .rx_dropped = c.rx_dropped,
						   .tx_dropped = c.tx_dropped });
	}
}

/* One datagram.  1 = more to come, 0 = that was all, or -errno.  By hand: mnl_cb_run() gives up when an interface comes or goes meanwhile, which
 * does no harm to the counters of the others. */
static int take(struct nl_stats *s, const char *buf, ssize_t n)
{
	int left = (int)n;

	for (const struct nlmsghdr *nlh = (const void *)buf; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_seq != s->seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return mnl_nlmsg_get_payload_len(nlh) < sizeof(*e) ? -EPROTO : e->error;
		show(s, nlh);
	}
	return 1;
}

static void on_readable(void *arg, uint32_t events)
{
	struct nl_stats *s = arg;
	int rc = 1;

	for (int i = 0; i < STATS_BATCH && rc > 0; i++) {
		ssize_t n = mnl_socket_recvfrom(s->sock, s->buf, sizeof(s->buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		rc = n < 0 ? -errno : take(s, s->buf, n);
	}
	if (rc > 0 || !s->busy)
		return;
	s->busy = false;
	s->ops.done(s->arg, rc);
}

struct nl_stats *nl_stats_new(struct loop *loop, const struct nl_stats_ops *ops, void *arg)
{
	struct nl_stats *s = calloc(1, sizeof(*s));
	int saved;

	if (!s)
		return NULL;
	s->ops = *ops;
	s->arg = arg;
	s->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (s->sock && mnl_socket_bind(s->sock, 0, MNL_SOCKET_AUTOPID) == 0)
		s->fd = loop_fd_add(loop, mnl_socket_get_fd(s->sock), EPOLLIN, on_readable, s);
	if (s->fd)
		return s;
	saved = errno;
	nl_stats_free(s);
	errno = saved;
	return NULL;
}

int nl_stats_ask(struct nl_stats *s)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct if_stats_msg *msg;

	if (s->busy)
		return -EALREADY;
	nlh->nlmsg_type = RTM_GETSTATS;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++s->seq;
	msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	msg->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
	if (mnl_socket_sendto(s->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	s->busy = true;
	return 0;
}

void nl_stats_free(struct nl_stats *s)
{
	if (!s)
		return;
	loop_fd_del(s->fd);
	if (s->sock)
		mnl_socket_close(s->sock);
	free(s);
}
