// SPDX-License-Identifier: Apache-2.0
/*
 * Two machines that are nothing but taps, as QEMU with several queues opens them: one sends a super-packet with its checksum left to others, the
 * other one puts together what arrives, and checks every byte and every checksum.
 *
 *   super KIND FROM_NS FROM_TAP TO_NS TO_TAP QUEUES SIZE   KIND: tcp4 tcp6 udp4 udp6 (USO); the machines' addresses are those of net.sh's vm1, vm2
 *
 * Each queue of the sender sends one.  Prints "received BYTES in FRAMES frames, largest BYTES, by QUEUES queues".  77: the kernel cannot.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define QUEUES_MAX 8
#define WAIT_MS	   5000
#define MSS	   1400
#define USO4	   0x20 /* TUN_F_USO4, _USO6, VIRTIO_NET_HDR_GSO_UDP_L4: kernel 6.2 */
#define USO6	   0x40
#define GSO_UDP_L4 5
#define VNET	   12

static bool v6, udp;

static int die(const char *what)
{
	fprintf(stderr, "super: %s: %s\n", what, strerror(errno));
	return 1;
}

static int set_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	rc = ioctl(sock, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	rc = rc ? rc : ioctl(sock, SIOCSIFFLAGS, &ifr);
	close(sock);
	return rc;
}

/* All queues of a tap; 0, 1, or 77. */
static int open_tap(const char *ns, const char *name, int queues, int fds[])
{
	unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | (udp ? USO4 | USO6 : 0);
	int net = open(ns, O_RDONLY | O_CLOEXEC), header = VNET;

	if (net < 0 || setns(net, CLONE_NEWNET))
		return die(ns);
	close(net);
	for (int i = 0; i < queues; i++) {
		struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
		fds[i] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fds[i] < 0 || ioctl(fds[i], TUNSETIFF, &ifr) || ioctl(fds[i], TUNSETVNETHDRSZ, &header))
			return die(name);
		if (ioctl(fds[i], TUNSETOFFLOAD, offloads))
			return errno == EINVAL && udp ? 77 : die("offloads");
	}
	return set_up(name) ? die("up") : 0;
}

/* --- bytes --- */

static uint8_t payload_at(uint32_t n)
{
	return (uint8_t)(n * 2654435761U >> 24); /* no two stretches are alike */
}

static uint32_t sum(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++)
		s += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static size_t l4_at(void)
{
	return ETH_HLEN + (v6 ? 40 : 20);
}

static size_t l4_size(void)
{
	return udp ? 8 : 20;
}

static size_t csum_at(void)
{
	return udp ? 6 : 16;
}

/* Of a segment with so many bytes from its L4 header on. */
static uint16_t pseudo(const uint8_t *frame, size_t l4_len)
{
	size_t addrs = v6 ? ETH_HLEN + 8 : ETH_HLEN + 12;

	return fold(sum(frame + addrs, v6 ? 32 : 8) + (udp ? 17 : 6) + (uint32_t)l4_len);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* One super-packet of 'size' bytes of payload, of which the first is number 'first'. */
static size_t build(uint8_t *buf, uint32_t first, size_t size, uint16_t port)
{
	static const uint8_t macs[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	struct virtio_net_hdr *vnet = (void *)buf;
	uint8_t *frame = buf + VNET, *l4 = frame + l4_at();
	size_t l4_len = l4_size() + size;
	uint32_t seq = htonl(first);

	memset(buf, 0, VNET + l4_at() + l4_size());
	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->gso_type = udp ? GSO_UDP_L4 : v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	vnet->hdr_len = (uint16_t)(l4_at() + l4_size());
	vnet->gso_size = MSS;
	vnet->csum_start = (uint16_t)l4_at();
	vnet->csum_offset = (uint16_t)csum_at();
	memcpy(frame, macs, sizeof(macs));
	put16(frame + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (v6) {
		frame[14] = 0x60;
		put16(frame + 18, (uint32_t)l4_len);
		frame[20] = udp ? 17 : 6;
		frame[21] = 64;
		(void)inet_pton(AF_INET6, "fd00:1::11", frame + 22);
		(void)inet_pton(AF_INET6, "fd00:1::12", frame + 38);
	} else {
		frame[14] = 0x45;
		put16(frame + 16, (uint32_t)(20 + l4_len));
		frame[22] = 64;
		frame[23] = udp ? 17 : 6;
		(void)inet_pton(AF_INET, "10.0.1.11", frame + 26);
		(void)inet_pton(AF_INET, "10.0.1.12", frame + 30);
		put16(frame + 24, (uint16_t)~sum(frame + 14, 20));
	}
	put16(l4, port);
	put16(l4 + 2, 5001);
	if (udp) {
		put16(l4 + 4, (uint32_t)l4_len);
	} else {
		memcpy(l4 + 4, &seq, 4);
		l4[12] = 5 << 4;
		l4[13] = 0x10;
		put16(l4 + 14, 0xffff);
	}
	put16(l4 + csum_at(), pseudo(frame, l4_len));
	for (size_t i = 0; i < size; i++)
		l4[l4_size() + i] = payload_at(first + (uint32_t)i);
	return VNET + l4_at() + l4_len;
}

/* --- what arrives --- */

struct got {
	size_t bytes, frames, largest, size;
	uint32_t queues;
	uint8_t *seen; /* one for each byte; UDP, whose segments have no numbers, is counted only, and looked up by its first bytes */
};

static int bad(const char *what)
{
	fprintf(stderr, "super: %s\n", what);
	return -1;
}

/* Where in the stream a UDP segment begins: the place whose bytes are these. */
static uint32_t find(const struct got *g, const uint8_t *data, size_t len)
{
	for (uint32_t at = 0; at + len <= g->size; at++) {
		size_t i = 0;

		if (g->seen[at])
			continue;
		while (i < len && data[i] == payload_at(at + (uint32_t)i))
			i++;
		if (i == len)
			return at;
	}
	return UINT32_MAX;
}

static int take(struct got *g, const uint8_t *buf, size_t n, int queue)
{
	const struct virtio_net_hdr *vnet = (const void *)buf;
	const uint8_t *frame = buf + VNET, *l4 = frame + l4_at();
	size_t l4_len, len;
	uint32_t at;

	if (n < VNET + l4_at() + l4_size() || get16(frame + 12) != (v6 ? ETH_P_IPV6 : ETH_P_IP) || frame[v6 ? 20 : 23] != (udp ? 17 : 6) ||
	    get16(l4 + 2) != 5001)
		return 0; /* the kernel's own */
	l4_len = v6 ? get16(frame + 18) : get16(frame + 16) - 20;
	if (n < VNET + l4_at() + l4_len)
		return bad("cut short");
	len = l4_len - l4_size();
	if (!v6 && fold(sum(frame + 14, 20)) != 0xffff)
		return bad("the IPv4 checksum is wrong");
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (vnet->csum_start != l4_at() || vnet->csum_offset != csum_at() || get16(l4 + csum_at()) != pseudo(frame, l4_len))
			return bad("the partial checksum is wrong");
	} else if (fold(pseudo(frame, l4_len) + sum(l4, l4_len)) != 0xffff) {
		return bad("the checksum is wrong");
	}
	memcpy(&at, l4 + 4, 4);
	at = udp ? find(g, l4 + 8, len) : ntohl(at);
	if (at == UINT32_MAX || at + len > g->size)
		return bad("payload that nobody sent");
	for (size_t i = 0; i < len; i++) {
		if (l4[l4_size() + i] != payload_at(at + (uint32_t)i) || g->seen[at + i]++)
			return bad("the payload differs");
	}
	g->bytes += len;
	g->frames++;
	g->queues |= 1U << queue;
	if (len > g->largest)
		g->largest = len;
	return 0;
}

static int receive(struct got *g, int fds[], int queues)
{
	static uint8_t buf[VNET + 70000];
	uint64_t end = clock_mono_ns() + WAIT_MS * NSEC_PER_MSEC;
	struct pollfd p[QUEUES_MAX];

	for (int i = 0; i < queues; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	while (g->bytes < g->size && clock_mono_ns() < end) {
		if (poll(p, (nfds_t)queues, 100) < 0)
			return die("poll");
		for (int i = 0; i < queues; i++) {
			ssize_t n = read(fds[i], buf, sizeof(buf));

			if (n > 0 && take(g, buf, (size_t)n, i))
				return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static uint8_t buf[VNET + 70000], seen[QUEUES_MAX * 64000];
	int from[QUEUES_MAX], to[QUEUES_MAX], queues, rc;
	struct got g = { .seen = seen };
	size_t size;

	if (argc != 8 || (queues = (int)strtol(argv[6], NULL, 10)) < 1 || queues > QUEUES_MAX || (size = strtoul(argv[7], NULL, 10)) > 64000) {
		fprintf(stderr, "usage: super KIND FROM_NS FROM_TAP TO_NS TO_TAP QUEUES SIZE\n");
		return 2;
	}
	udp = argv[1][0] == 'u';
	v6 = argv[1][3] == '6';
	rc = open_tap(argv[2], argv[3], queues, from);
	if (!rc)
		rc = open_tap(argv[4], argv[5], queues, to);
	if (rc)
		return rc;
	g.size = size * (size_t)queues;
	printf("ready\n"); /* the ports may come up */
	fflush(stdout);
	if (read(STDIN_FILENO, buf, 1) < 0)
		return die("standard input");
	for (int i = 0; i < queues; i++) {
		size_t n = build(buf, (uint32_t)(size * (size_t)i), size, (uint16_t)(4000 + i));

		if (write(from[i], buf, n) != (ssize_t)n)
			return die("write");
	}
	rc = receive(&g, to, queues);
	printf("received %zu of %zu in %zu frames, largest %zu, by %d queues\n", g.bytes, g.size, g.frames, g.largest, __builtin_popcount(g.queues));
	return rc || g.bytes < g.size;
}
