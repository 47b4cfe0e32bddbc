// SPDX-License-Identifier: Apache-2.0
/*
 * What an interface's driver does for XDP (generic netlink, family "netdev", kernel 6.3), and whether it takes VLAN tags out of frames before
 * XDP sees them (ethtool's ioctl).  Asked when a card is bound and when it changes, so each question has a socket of its own.
 */
#include "loader/nl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* linux/netdev.h, which kernel headers before 6.3 lack */
#define FAMILY		  "netdev"
#define CMD_DEV_GET	  1
#define A_DEV_IFINDEX	  1
#define A_DEV_FEATURES	  3
#define FEATURES_NDO_XMIT (1 << 2)

static struct nlmsghdr *generic(void *buf, uint16_t family, uint8_t cmd)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = 1;
	return nlh;
}

struct want { /* one attribute of the answer */
	uint16_t type;
	size_t size;
	uint64_t value;
	bool found;
};

static int on_answer(const struct nlmsghdr *nlh, void *arg)
{
	struct want *w = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != w->type || mnl_attr_get_payload_len(attr) < w->size)
			continue;
		memcpy(&w->value, mnl_attr_get_payload(attr), w->size);
		w->found = true;
	}
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *sock, struct nlmsghdr *nlh, struct want *w)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	ssize_t n;
	int rc = 1;

	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (rc > 0) {
		n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 1, 0, on_answer, w);
	}
	if (rc < 0)
		return -errno;
	return w->found ? 0 : -ENODATA;
}

int nl_xdp_sends(uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct want family = { .type = CTRL_ATTR_FAMILY_ID, .size = 2 }, features = { .type = A_DEV_FEATURES, .size = 8 };
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct nlmsghdr *nlh;
	int rc = -errno;

	if (!sock)
		return rc;
	nlh = generic(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, FAMILY);
	rc = mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) ? -errno : ask(sock, nlh, &family);
	if (!rc) {
		nlh = generic(buf, (uint16_t)family.value, CMD_DEV_GET);
		mnl_attr_put_u32(nlh, A_DEV_IFINDEX, ifindex);
		rc = ask(sock, nlh, &features);
	} else {
		rc = -EOPNOTSUPP; /* kernel before 6.3 */
	}
	(void)mnl_socket_close(sock); /* nothing to be done about it */
	return rc ? rc : !!(features.value & FEATURES_NDO_XMIT);
}

/*
 * The core answers for every driver, so an error means that nothing is known, and callers take it for the worst: a tag that XDP does not see makes
 * a frame of another network one of ours.  But where no ethtool is (-EOPNOTSUPP) there is no offload either that could be on.
 */
static int value_of(const char *name, uint32_t cmd, uint32_t *value)
{
	struct ethtool_value v = { .cmd = cmd };
	struct ifreq ifr = { .ifr_data = (void *)&v };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (sock < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(sock, SIOCETHTOOL, &ifr))
		rc = -errno;
	close(sock);
	*value = rc ? 0 : v.data;
	return rc == -EOPNOTSUPP ? 0 : rc;
}

int nl_hides_tags(const char *name)
{
	uint32_t flags;
	int rc = value_of(name, ETHTOOL_GFLAGS, &flags);

	return rc ? rc : !!(flags & ETH_FLAG_RXVLAN);
}

int nl_merges(const char *name)
{
	uint32_t on;
	int rc = value_of(name, ETHTOOL_GGRO, &on);

	return rc ? rc : !!on;
}
