// SPDX-License-Identifier: Apache-2.0
/*
 * A server that says who asked, and repeats what it is told.  Run by selftests/net inside network namespaces.
 *
 *   echo tcp PORT NAME   each connection is told "<address of the client> NAME", then gets its own bytes back
 *   echo udp PORT NAME   each datagram is answered with "<address of the client> " and itself
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 200

static int die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	return 1;
}

/* IPv4 as IPv4, though the socket is of both families. */
static const char *address(const struct sockaddr_in6 *from, char buf[static INET6_ADDRSTRLEN])
{
	const uint8_t *a = from->sin6_addr.s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr))
		return inet_ntop(AF_INET, a + 12, buf, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, a, buf, INET6_ADDRSTRLEN);
}

static int listen_on(int type, const char *port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET6, type, 0), one = 1, zero = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    (type == SOCK_STREAM && listen(fd, 128)))
		return -1;
	return fd;
}

static void udp(int fd)
{
	char text[INET6_ADDRSTRLEN], in[1500], out[1600];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from, &len);
		int head;

		if (n < 0)
			continue; /* an ICMP error of an earlier answer */
		head = snprintf(out, sizeof(out), "%s ", address(&from, text));
		memcpy(out + head, in, (size_t)n);
		(void)sendto(fd, out, (size_t)(head + n), 0, (struct sockaddr *)&from, len);
	}
}

static int greet(int fd, const char *name)
{
	char text[INET6_ADDRSTRLEN], line[128];
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	int client = accept(fd, (struct sockaddr *)&from, &len), n;

	if (client < 0)
		return -1;
	n = snprintf(line, sizeof(line), "%s %s\n", address(&from, text), name);
	(void)send(client, line, (size_t)n, MSG_NOSIGNAL);
	return client;
}

static int tcp(int fd, const char *name)
{
	struct pollfd p[CLIENTS + 1] = { { .fd = fd, .events = POLLIN } };
	char buf[4096];

	for (int i = 1; i <= CLIENTS; i++)
		p[i].fd = -1;
	for (;;) {
		if (poll(p, CLIENTS + 1, -1) < 0)
			return die("poll");
		for (int i = 1; i <= CLIENTS; i++) {
			ssize_t n;

			if (p[i].fd < 0 && p[0].revents) {
				p[i] = (struct pollfd){ .fd = greet(fd, name), .events = POLLIN };
				p[0].revents = 0;
				continue;
			}
			if (p[i].fd < 0 || !p[i].revents)
				continue;
			n = recv(p[i].fd, buf, sizeof(buf), 0);
			if (n > 0 && send(p[i].fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
				continue;
			close(p[i].fd);
			p[i].fd = -1;
		}
	}
}

int main(int argc, char **argv)
{
	int type = argc == 4 && !strcmp(argv[1], "udp") ? SOCK_DGRAM : SOCK_STREAM;
	int fd = argc == 4 ? listen_on(type, argv[2]) : -1;

	if (argc != 4) {
		fprintf(stderr, "usage: echo tcp|udp PORT NAME\n");
		return 2;
	}
	if (fd < 0)
		return die("cannot listen");
	if (type == SOCK_DGRAM)
		udp(fd);
	return tcp(fd, argv[3]);
}
