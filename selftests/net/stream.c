// SPDX-License-Identifier: Apache-2.0
/*
 * Numbered UDP packets and what became of them; single ones of any content.  Run by selftests/net
 * and selftests/fault inside network namespaces.
 *
 *   stream recv PORT TOTAL IDLE_MS    receives until TOTAL different numbers came or none came for
 * IDLE_MS (after the first); prints "received N lost N duplicated N reordered N longest_gap_ms N", and
 * "first_lost N last_lost N" if some are
 *   stream datagram ADDRESS PORT HEX
 *   stream send ADDRESS PORT COUNT RATE [FIFO]  COUNT packets of one flow, RATE a second; FIFO: but
 * 100 a second until somebody writes to it, for the flow to become known
 *   stream flows ADDRESS PORT COUNT RATE [BURST]  COUNT flows (source ports) of BURST packets each,
 * RATE flows a second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

struct numbered {
	uint32_t n, total; /* host order: both ends are this machine */
	char fill[14];	   /* 22 bytes of payload: a 64-byte frame */
};

static void die(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "stream: '%s' is not a number\n", text);
		exit(2);
	}
	return n;
}

static void until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void print_lost(const uint8_t *seen, uint32_t total)
{
	uint32_t first = 0, last = total;

	while (first < total && seen[first])
		first++;
	while (last > first && seen[last - 1])
		last--;
	if (first < total)
		printf(" first_lost %u last_lost %u", first, last - 1);
	printf("\n");
}

static int receive(const char *port, uint32_t total, unsigned long idle_ms)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)number(port)) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), room = 64 << 20;
	uint32_t received = 0, duplicated = 0, reordered = 0, next = 0;
	uint64_t last = 0, gap = 0;
	uint8_t *seen = calloc(total, 1);

	if (fd < 0 || !seen || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("receive");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	printf("ready\n");
	fflush(stdout);
	while (received < total || duplicated == 0) {
		/* when all are here, a little longer: a duplicate may follow */
		int wait = received == total ? 300 : received ? (int)idle_ms : 60000;
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct numbered m;
		uint64_t now;

		if (poll(&p, 1, wait) <= 0)
			break;
		if (recv(fd, &m, sizeof(m), 0) < 8 || m.total != total || m.n >= total)
			continue;
		now = clock_mono_ns();
		if (last && now - last > gap)
			gap = now - last;
		last = now;
		if (seen[m.n]) {
			duplicated++;
			continue;
		}
		seen[m.n] = 1;
		received++;
		if (m.n < next)
			reordered++;
		else
			next = m.n + 1;
	}
	printf("received %u lost %u duplicated %u reordered %u longest_gap_ms %llu", received,
	       total - received, duplicated, reordered, (unsigned long long)(gap / NSEC_PER_MSEC));
	print_lost(seen, total);
	free(seen);
	close(fd);
	return received == total && !duplicated ? 0 : 1;
}

static int open_to(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
			*ai;
	int fd;

	if (getaddrinfo(address, port, &hints, &ai)) {
		fprintf(stderr, "stream: '%s' is not an address\n", address);
		exit(2);
	}
	fd = socket(ai->ai_family, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen))
		die("connect");
	freeaddrinfo(ai);
	return fd;
}

static void send_one(int fd, uint32_t n, uint32_t total)
{
	struct numbered m = { .n = n, .total = total };

	while (send(fd, &m, sizeof(m), 0) < 0) {
		if (errno == ECONNREFUSED || errno == EINTR)
			continue; /* told about an earlier packet */
		die("send");
	}
}

static int send_stream(const char *address, const char *port, uint32_t total, unsigned long rate, const char *fifo)
{
	struct pollfd go = { .fd = fifo ? open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1, .events = POLLIN };
	int fd = open_to(address, port);
	uint32_t held = 0;
	uint64_t start;

	if (fifo && go.fd < 0)
		die(fifo);
	while (fifo && held < total && poll(&go, 1, 10) == 0)
		send_one(fd, held++, total);
	start = clock_mono_ns();
	for (uint32_t n = held; n < total; n++) {
		uint64_t due = start + (n - held) * NSEC_PER_SEC / rate;

		if (clock_mono_ns() < due)
			until(due);
		send_one(fd, n, total);
	}
	printf("sent %u in %llu ms\n", total - held, (unsigned long long)((clock_mono_ns() - start) / NSEC_PER_MSEC));
	close(fd);
	return 0;
}

static int send_flows(const char *address, const char *port, uint32_t flows, unsigned long rate,
		      uint32_t burst)
{
	uint64_t start = clock_mono_ns();
	uint32_t total = flows * burst, n = 0;

	for (uint32_t f = 0; f < flows; f++) {
		uint64_t due = start + f * NSEC_PER_SEC / rate;
		int fd = open_to(address, port); /* a source port of its own */

		if (clock_mono_ns() < due)
			until(due);
		for (uint32_t b = 0; b < burst; b++)
			send_one(fd, n++, total);
		close(fd);
	}
	return 0;
}

static int send_hex(const char *address, const char *port, const char *hex)
{
	static uint8_t bytes[2048];
	int fd = open_to(address, port);
	size_t len = 0;

	for (; hex[0] && hex[1] && len < sizeof(bytes); hex += 2) {
		char pair[3] = { hex[0], hex[1], 0 };

		bytes[len++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	if (send(fd, bytes, len, 0) < 0)
		die("send");
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "recv"))
		return receive(argv[2], (uint32_t)number(argv[3]), number(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "datagram"))
		return send_hex(argv[2], argv[3], argv[4]);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "send"))
		return send_stream(argv[2], argv[3], (uint32_t)number(argv[4]), number(argv[5]), argv[6]);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "flows"))
		return send_flows(argv[2], argv[3], (uint32_t)number(argv[4]), number(argv[5]),
				  argc == 7 ? (uint32_t)number(argv[6]) : 1);
	fprintf(stderr,
		"usage: stream recv PORT TOTAL IDLE_MS | datagram ADDRESS PORT HEX | send ADDRESS PORT COUNT RATE [FIFO] | flows ADDRESS PORT COUNT RATE [BURST]\n");
	return 2;
}
