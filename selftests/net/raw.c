// SPDX-License-Identifier: Apache-2.0
/*
 * Frames as they are, on one interface.  Run by selftests/net inside network namespaces.
 *
 *   raw send INTERFACE < HEX         one frame a line
 *   raw count INTERFACE TEXT N MS    counts received frames that contain the bytes of TEXT, until
 * MS passed or more than N came; prints "ready", then the number
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

static int die(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	return 1;
}

static int open_on(const char *interface, struct sockaddr_ll *to)
{
	int fd;

	*to = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex(interface) };
	if (!to->sll_ifindex)
		return -1;
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (fd >= 0 && bind(fd, (struct sockaddr *)to, sizeof(*to))) {
		close(fd);
		return -1;
	}
	return fd;
}

static size_t unhex(const char *line, uint8_t *frame, size_t cap)
{
	size_t len = 0;
	char pair[3] = "";

	for (; *line && *line != '\n' && len < cap; line++) {
		if (!isxdigit((unsigned char)*line))
			continue;
		pair[0] = line[0];
		pair[1] = line[1];
		if (!isxdigit((unsigned char)pair[1]))
			return 0;
		frame[len++] = (uint8_t)strtoul(pair, NULL, 16);
		line++;
	}
	return len;
}

static int send_frames(const char *interface)
{
	struct sockaddr_ll to;
	int fd = open_on(interface, &to);
	static uint8_t frame[65536];
	char *line = NULL;
	size_t size = 0;

	if (fd < 0)
		return die(interface);
	while (getline(&line, &size, stdin) > 0) {
		size_t len = unhex(line, frame, sizeof(frame));

		if (len && sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return die("send");
	}
	free(line);
	close(fd);
	return 0;
}

static int count_frames(const char *interface, const char *text, unsigned long max,
			unsigned long ms)
{
	uint64_t end = clock_mono_ns() + ms * NSEC_PER_MSEC;
	struct sockaddr_ll at;
	int fd = open_on(interface, &at);
	static uint8_t frame[65536];
	unsigned long n = 0;

	if (fd < 0)
		return die(interface);
	printf("ready\n");
	fflush(stdout);
	while (n <= max) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct sockaddr_ll from;
		socklen_t from_len = sizeof(from);
		uint64_t now = clock_mono_ns();
		ssize_t len;

		if (now >= end || poll(&p, 1, (int)((end - now) / NSEC_PER_MSEC) + 1) <= 0)
			break;
		len = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);
		if (len > 0 && from.sll_pkttype != PACKET_OUTGOING &&
		    memmem(frame, (size_t)len, text, strlen(text)))
			n++;
	}
	printf("%lu\n", n);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "send"))
		return send_frames(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "count"))
		return count_frames(argv[2], argv[3], strtoul(argv[4], NULL, 10),
				    strtoul(argv[5], NULL, 10));
	fprintf(stderr, "usage: raw send INTERFACE < HEX | count INTERFACE TEXT N MS\n");
	return 2;
}
