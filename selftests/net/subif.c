// SPDX-License-Identifier: Apache-2.0
/*
 * A VLAN interface of a machine ("ip link add NAME link PARENT type vlan id VLAN") for kernels
 * without them: a tap, and this program copying its frames to the parent with the tag, and frames
 * of that VLAN from there, with their offloads.  Run by selftests/net/vlan.sh inside a machine.
 *
 *   subif PARENT VLAN NAME
 *
 * Prints "ready" when NAME exists, with the parent's MAC and MTU; ends when killed, and NAME with
 * it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER sizeof(struct virtio_net_hdr)
#define MACS 12 /* bytes before the tag */

static uint8_t buffer[HEADER + 70000];

static int die(const char *what)
{
	fprintf(stderr, "subif: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_parent(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), one = 1;

	if (fd < 0 || !at.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return die(name);
	return fd;
}

/* The parent's address and MTU, asked and set through the socket on the parent. */
static int like_parent(int sock, const char *parent, const char *name)
{
	static const unsigned long get[] = { SIOCGIFHWADDR, SIOCGIFMTU };
	static const unsigned long set[] = { SIOCSIFHWADDR, SIOCSIFMTU };
	struct ifreq ifr;

	for (int i = 0; i < 2; i++) {
		memset(&ifr, 0, sizeof(ifr));
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", parent);
		if (ioctl(sock, get[i], &ifr))
			return die(parent);
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
		if (ioctl(sock, set[i], &ifr))
			return die(name);
	}
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return die(name);
	ifr.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &ifr) ? die(name) : 0;
}

static int open_tap(int sock, const char *parent, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), header = HEADER;

	if (fd < 0)
		return die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &header) ||
	    ioctl(fd, TUNSETOFFLOAD, offloads))
		return die(name);
	return like_parent(sock, parent, name) ? -1 : fd;
}

static void give(int fd, const struct iovec *parts, int n)
{
	if (writev(fd, parts, n) < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EIO)
		die("write");
}

static void to_parent(int tap, int sock, uint16_t vlan)
{
	for (int i = 0; i < 64; i++) {
		ssize_t n = read(tap, buffer, sizeof(buffer));
		struct virtio_net_hdr *header = (void *)buffer;
		uint16_t tag[2] = { htons(ETH_P_8021Q), htons(vlan) };
		struct iovec parts[] = {
			{ buffer, HEADER + MACS },
			{ tag, sizeof(tag) },
			{ buffer + HEADER + MACS, (size_t)n - HEADER - MACS },
		};

		if (n < (ssize_t)HEADER + ETH_HLEN)
			return;
		if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			header->csum_start += sizeof(tag);
		if (header->hdr_len)
			header->hdr_len += sizeof(tag);
		give(sock, parts, 3);
	}
}

/* The tag, which the kernel keeps beside the frame; 0 without one. */
static uint16_t tag_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci & 0xfff : 0;
	}
	return 0;
}

static void from_parent(int sock, int tap, uint16_t vlan)
{
	for (int i = 0; i < 64; i++) {
		uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct sockaddr_ll from;
		struct iovec frame = { buffer, sizeof(buffer) };
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &frame,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(sock, &m, 0);

		if (n < (ssize_t)HEADER + ETH_HLEN)
			return;
		if (from.sll_pkttype == PACKET_OUTGOING || tag_of(&m) != vlan)
			continue;
		frame.iov_len = (size_t)n;
		give(tap, &frame, 1);
	}
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	uint16_t vlan;

	if (argc != 4) {
		fprintf(stderr, "usage: subif PARENT VLAN NAME\n");
		return 2;
	}
	vlan = (uint16_t)strtoul(argv[2], NULL, 10);
	p[0].fd = open_parent(argv[1]);
	p[1].fd = p[0].fd < 0 ? -1 : open_tap(p[0].fd, argv[1], argv[3]);
	if (p[1].fd < 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return die("poll") < 0;
		if ((p[0].revents | p[1].revents) & (POLLERR | POLLHUP | POLLNVAL))
			return 1; /* an interface has gone */
		from_parent(p[0].fd, p[1].fd, vlan);
		to_parent(p[1].fd, p[0].fd, vlan);
	}
}
