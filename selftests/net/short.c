// SPDX-License-Identifier: Apache-2.0
/*
 * Many short TCP connections: each says a word to an echo server, hears it, and is over.  Run by selftests/net inside network namespaces.
 *
 *   short ADDRESS PORT COUNT RATE
 *
 * Prints "<answered> answered, <retransmissions> retransmissions": of segments that got lost, on either way, at the client's side.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPEN_MAX_FDS 400
#define PATIENCE_MS  10000 /* of one connection */
#define WORD	     "ping\n"

struct client {
	int fd; /* -1: free */
	long long since_ms;
	int said;
	size_t heard_end; /* the last bytes heard that are those of WORD */
};

static unsigned int answered, retransmissions, lost;

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void finish(struct client *c, int heard)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		retransmissions += info.tcpi_total_retrans;
	answered += heard != 0;
	lost += heard == 0;
	close(c->fd);
	c->fd = -1;
}

static void begin(struct client *c, const struct sockaddr_in *to)
{
	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .since_ms = now_ms() };
	if (c->fd < 0 || (connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS)) {
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		lost++;
	}
}

/* The server tells who asked, and then repeats the word. */
static void go_on(struct client *c, short events)
{
	char buf[256];
	ssize_t n;

	if (!c->said && (events & POLLOUT)) {
		c->said = send(c->fd, WORD, sizeof(WORD) - 1, MSG_NOSIGNAL) > 0;
		if (!c->said)
			finish(c, 0);
		return;
	}
	if (!(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	n = recv(c->fd, buf, sizeof(buf), 0);
	if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
		finish(c, 0);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == WORD[c->heard_end])
			c->heard_end++;
		else
			c->heard_end = buf[i] == WORD[0];
	if (c->heard_end == sizeof(WORD) - 1)
		finish(c, 1);
}

int main(int argc, char **argv)
{
	static struct client clients[OPEN_MAX_FDS];
	static struct pollfd fds[OPEN_MAX_FDS];
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned int count, rate, begun = 0;
	long long start = now_ms();

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: short ADDRESS PORT COUNT RATE\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	count = (unsigned int)strtoul(argv[3], NULL, 10);
	rate = (unsigned int)strtoul(argv[4], NULL, 10);
	for (unsigned int i = 0; i < OPEN_MAX_FDS; i++)
		clients[i].fd = -1;
	while (answered + lost < count) {
		long long now = now_ms(), due = (now - start) * rate / 1000;

		for (unsigned int i = 0; i < OPEN_MAX_FDS; i++) {
			if (clients[i].fd < 0 && begun < count && begun <= due) {
				begin(&clients[i], &to);
				begun++;
			} else if (clients[i].fd >= 0 && now - clients[i].since_ms > PATIENCE_MS) {
				finish(&clients[i], 0);
			}
			fds[i] = (struct pollfd){ .fd = clients[i].fd,
						  .events = clients[i].said ? POLLIN : POLLOUT };
		}
		if (poll(fds, OPEN_MAX_FDS, 5) < 0 && errno != EINTR)
			return 1;
		for (unsigned int i = 0; i < OPEN_MAX_FDS; i++)
			if (fds[i].fd >= 0 && fds[i].revents && clients[i].fd == fds[i].fd)
				go_on(&clients[i], fds[i].revents);
	}
	printf("%u answered, %u retransmissions\n", answered, retransmissions);
	return 0;
}
