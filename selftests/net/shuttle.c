// SPDX-License-Identifier: Apache-2.0
/*
 * A virtual machine's network card without the virtual machine: a tap on the host, a tap in the
 * machine's namespace, and this program copying frames with their virtio header from one to the
 * other, as QEMU without vhost does.
 *
 *   shuttle HOST_NS HOST_TAP MACHINE_NS MACHINE_TAP MTU
 *
 * Prints "ready" when both are up; ends when killed, and the taps with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int die(const char *what)
{
	fprintf(stderr, "shuttle: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_tap(const char *ns, const char *name, int mtu)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int net = open(ns, O_RDONLY | O_CLOEXEC), fd, sock, header = 12;

	if (net < 0 || setns(net, CLONE_NEWNET))
		return die(ns);
	close(net);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &header) ||
	    ioctl(fd, TUNSETOFFLOAD, offloads))
		return die(name);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	ifr.ifr_mtu = mtu;
	if (ioctl(sock, SIOCSIFMTU, &ifr))
		return die("MTU");
	if (ioctl(sock, SIOCGIFFLAGS, &ifr))
		return die("flags");
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		return die("up");
	close(sock);
	return fd;
}

static void copy(int from, int to)
{
	static uint8_t frame[70000];

	for (int i = 0; i < 64; i++) {
		ssize_t n = read(from, frame, sizeof(frame));

		if (n <= 0)
			return;
		if (write(to, frame, (size_t)n) < 0 && errno != EAGAIN && errno != ENOBUFS &&
		    errno != EIO)
			die("write");
	}
}

int main(int argc, char **argv)
{
	struct pollfd p[2];

	if (argc != 6) {
		fprintf(stderr, "usage: shuttle HOST_NS HOST_TAP MACHINE_NS MACHINE_TAP MTU\n");
		return 2;
	}
	for (int i = 0; i < 2; i++) {
		p[i].events = POLLIN;
		p[i].fd =
			open_tap(argv[1 + 2 * i], argv[2 + 2 * i], (int)strtol(argv[5], NULL, 10));
		if (p[i].fd < 0)
			return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return die("poll") < 0;
		if ((p[0].revents | p[1].revents) & (POLLERR | POLLHUP | POLLNVAL))
			return 1; /* a tap has gone */
		copy(p[0].fd, p[1].fd);
		copy(p[1].fd, p[0].fd);
	}
}
