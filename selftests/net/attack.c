// SPDX-License-Identifier: Apache-2.0
/*
 * A machine that floods with new flows, and one that suffers from it.  Run by selftests/fault/attack.sh and bench/attack inside network
 * namespaces.
 *
 *   attack flood INTERFACE MS WHAT ETH_SRC ETH_DST SRC DST   UDP as fast as it goes for MS, or until SIGTERM (0: without end);
 *       prints "sent N ms N".  WHAT says what is random, letters of
 *       p both ports   q the source port, the destination port is 5201   d the last 16 bits of DST   s those of SRC   m the source MAC
 *   attack serve PORT               answers UDP until SIGTERM
 *   attack ask ADDRESS PORT COUNT RATE [SOURCE_PORT]   COUNT flows of one packet, RATE a second at most, one after the other, from
 *       SOURCE_PORT on; "asked N answered N p50_us N p99_us N max_us N"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define BATCH	  64
#define ASK_MAX	  200000
#define ANSWER_MS 1000 /* ATTACK_ANSWER_MS in the environment */
#define FLOOD_PORT 5201

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "attack: '%s' is not a number\n", text);
		exit(2);
	}
	return n;
}

/* --- flood --- */

struct packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp; /* no checksum */
	uint8_t data[18];  /* 64 bytes on the wire */
} __attribute__((packed));

static uint64_t next_random(void) /* xorshift64: each value once */
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static uint16_t header_sum(const void *ip)
{
	uint16_t words[sizeof(struct iphdr) / 2];
	uint32_t sum = 0;

	memcpy(words, ip, sizeof(words));
	words[5] = 0; /* the checksum itself */
	for (size_t i = 0; i < sizeof(words) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static void vary(struct packet *p, const char *what, const struct packet *base)
{
	uint64_t r = next_random();

	*p = *base;
	if (strchr(what, 'p') || strchr(what, 'q'))
		p->udp.source = htons((uint16_t)(r | 1));
	if (strchr(what, 'p'))
		p->udp.dest = htons((uint16_t)(r >> 16 | 1));
	if (strchr(what, 'd'))
		p->ip.daddr = (base->ip.daddr & htonl(0xffff0000)) | htonl((uint32_t)(r >> 32) & 0xffff);
	if (strchr(what, 's'))
		p->ip.saddr = (base->ip.saddr & htonl(0xffff0000)) | htonl((uint32_t)(r >> 48));
	if (strchr(what, 'm')) {
		memcpy(p->eth.h_source, &r, ETH_ALEN);
		p->eth.h_source[0] = 0x0a;
	}
	p->ip.check = header_sum(&p->ip);
}

static int open_on(const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1; /* protocol 0: nothing is received */

	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(interface);
	(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return fd;
}

static bool parse_mac(const char *text, uint8_t m[ETH_ALEN])
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == ETH_ALEN;
}

static void parse(char **argv, struct packet *base)
{

	*base = (struct packet){ .eth.h_proto = htons(ETH_P_IP),
				 .ip = { .version = 4,
					 .ihl = 5,
					 .ttl = 64,
					 .protocol = IPPROTO_UDP,
					 .tot_len = htons(sizeof(*base) - ETH_HLEN) },
				 .udp = { .source = htons(1), .dest = htons(FLOOD_PORT), .len = htons(sizeof(*base) - ETH_HLEN - 20) } };
	if (!parse_mac(argv[0], base->eth.h_source) || !parse_mac(argv[1], base->eth.h_dest) || inet_pton(AF_INET, argv[2], &base->ip.saddr) != 1 ||
	    inet_pton(AF_INET, argv[3], &base->ip.daddr) != 1) {
		fprintf(stderr, "attack: want ETH_SRC ETH_DST SRC DST\n");
		exit(2);
	}
}

static int flood(const char *interface, unsigned long ms, const char *what, char **addresses)
{
	static struct packet packets[BATCH];
	static struct mmsghdr msgs[BATCH];
	static struct iovec iovs[BATCH];
	uint64_t start = clock_mono_ns(), end = ms ? start + ms * NSEC_PER_MSEC : UINT64_MAX;
	int fd = open_on(interface), n;
	struct packet base;
	uint64_t sent = 0;

	parse(addresses, &base);
	for (int i = 0; i < BATCH; i++) {
		iovs[i] = (struct iovec){ &packets[i], sizeof(packets[i]) };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iovs[i], .msg_iovlen = 1 };
	}
	while (!stopped && clock_mono_ns() < end) {
		for (int i = 0; i < BATCH; i++)
			vary(&packets[i], what, &base);
		n = sendmmsg(fd, msgs, BATCH, 0);
		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			die("send");
		sent += n > 0 ? (uint64_t)n : 0;
	}
	printf("sent %llu ms %llu\n", (unsigned long long)sent, (unsigned long long)((clock_mono_ns() - start) / NSEC_PER_MSEC));
	return 0;
}

/* --- the others --- */

static int serve(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048];
	socklen_t len;
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("bind");
	printf("ready\n");
	fflush(stdout);
	while (!stopped) {
		len = sizeof(from);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n >= 0)
			(void)sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	return 0;
}

static int answer_ms = ANSWER_MS;

/* One flow: its first packet and the answer; 0 = none came. */
static uint64_t ask_once(const struct sockaddr_in *to, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t t;
	char c = 0;
	bool ok;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("ask");
	t = clock_mono_ns();
	ok = send(fd, &c, 1, 0) == 1 && poll(&p, 1, answer_ms) == 1 && recv(fd, &c, 1, 0) == 1;
	t = clock_mono_ns() - t;
	close(fd);
	return ok ? t : 0;
}

static int by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int ask(const char *address, const char *port, unsigned long count, unsigned long rate, unsigned long first)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };
	static uint32_t us[ASK_MAX];
	uint64_t start = clock_mono_ns(), ns;
	uint32_t n = 0;

	if (getenv("ATTACK_ANSWER_MS"))
		answer_ms = (int)number(getenv("ATTACK_ANSWER_MS"));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || !rate || count > ASK_MAX)
		die(address);
	for (unsigned long i = 0; i < count && !stopped; i++) {
		until(start + i * NSEC_PER_SEC / rate);
		ns = ask_once(&to, (uint16_t)(first + i));
		if (ns)
			us[n++] = (uint32_t)(ns / 1000);
	}
	qsort(us, n, sizeof(us[0]), by_value);
	printf("asked %lu answered %u p50_us %u p99_us %u max_us %u\n", count, n, n ? us[n / 2] : 0, n ? us[(uint64_t)n * 99 / 100] : 0,
	       n ? us[n - 1] : 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_handler = on_term }; /* no restart: a blocked call ends */

	sigaction(SIGTERM, &sa, NULL);
	if (argc == 9 && !strcmp(argv[1], "flood"))
		return flood(argv[2], number(argv[3]), argv[4], argv + 5);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "ask"))
		return ask(argv[2], argv[3], number(argv[4]), number(argv[5]), argc == 7 ? number(argv[6]) : 20000);
	fprintf(stderr, "usage: attack flood INTERFACE MS WHAT ETH_SRC ETH_DST SRC DST | serve PORT | ask ADDRESS PORT COUNT RATE [PORT]\n");
	return 2;
}
