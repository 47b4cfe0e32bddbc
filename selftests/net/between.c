// SPDX-License-Identifier: Apache-2.0
/*
 * Stands between two hosts and treats the messages of their skepds badly, and nothing else.  Run by selftests/net in the namespace of the
 * wire, where nftables drops these messages, so that what arrives comes by here.
 *
 *   between PORT_A PORT_B HOW...     until SIGTERM; then prints "seen N passed N items N acks N" (items, acks: seen)
 *
 * PORT_A, PORT_B: the bridge's ports.  VXLAN and Geneve without options (UDP), NVGRE (GRE), all over IPv4.  HOW, in this order:
 *   drop=N/M      of M messages of a kind the first N   dropfirst=N   the first N of each size and direction   only=items|acks  what that is for
 *   delay=MS      each so late                     dup=N         each N times more
 *   swap          each behind the next one, or after 20 ms
 *   garble        before each message go: one cut short, one that says it is longer than it is, one with too many items, one whose names are
 *                 longer than they are, one with random bytes, one of 1500 bytes, and one from 10.250.0.99, a host that nobody knows
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

#define FRAME_MAX 2048
#define LATE_MAX  4096
#define IP_AT	  ETH_HLEN
#define SWAP_NS	  (20 * NSEC_PER_MSEC)
#define KEY	  1 /* SKEP_KEY_CONTROL */
#define ITEMS	  1 /* kind of message */
#define ACK	  2

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct frame {
	uint8_t b[FRAME_MAX];
	uint32_t len;
	int out;
	uint64_t at_ns; /* when it goes on */
	bool waits;	/* for the next one */
};

static struct {
	unsigned int drop, of, first, delay_ms, dup, only;
	bool swap, garble;
} how;
static unsigned int seen, passed, items, acks, counted[256];
static struct frame *late;
static unsigned int n_late;
static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "between: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void parse_how(const char *s)
{
	char c;

	if (sscanf(s, "drop=%u/%u%c", &how.drop, &how.of, &c) == 2 && how.of)
		return;
	if (sscanf(s, "dropfirst=%u%c", &how.first, &c) == 1 || sscanf(s, "delay=%u%c", &how.delay_ms, &c) == 1 ||
	    sscanf(s, "dup=%u%c", &how.dup, &c) == 1)
		return;
	if (!strcmp(s, "swap"))
		how.swap = true;
	else if (!strcmp(s, "garble"))
		how.garble = true;
	else if (!strcmp(s, "only=items"))
		how.only = ITEMS;
	else if (!strcmp(s, "only=acks"))
		how.only = ACK;
	else {
		fprintf(stderr, "between: '%s' is not known\n", s);
		exit(2);
	}
}

static int open_on(const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0 || !at.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(interface);
	return fd;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void ip_sum(uint8_t *ip)
{
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += get16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, (uint16_t)~(sum + (sum >> 16)));
}

/* Where the inner IP header begins; 0 = no message of skepds. */
static uint32_t inner_at(const struct frame *f)
{
	uint32_t tunnel;

	if (f->len < 92 || get16(f->b + 12) != ETH_P_IP || f->b[IP_AT] != 0x45)
		return 0;
	if (f->b[IP_AT + 9] == IPPROTO_UDP)
		tunnel = IP_AT + 20 + 8;
	else if (f->b[IP_AT + 9] == IPPROTO_GRE)
		tunnel = IP_AT + 20;
	else
		return 0;
	if ((f->b[tunnel + 4] << 16 | f->b[tunnel + 5] << 8 | f->b[tunnel + 6]) != KEY)
		return 0;
	return tunnel + 8 + ETH_HLEN;
}

/* A new length of the message, in all headers. */
static void set_length(struct frame *f, uint32_t inner, uint32_t message)
{
	f->len = inner + 20 + message;
	put16(f->b + IP_AT + 2, f->len - IP_AT);
	ip_sum(f->b + IP_AT);
	if (f->b[IP_AT + 9] == IPPROTO_UDP)
		put16(f->b + IP_AT + 20 + 4, f->len - IP_AT - 20);
	put16(f->b + inner + 2, 20 + message);
	ip_sum(f->b + inner);
}

static void pass(const struct frame *f)
{
	passed++;
	if (send(f->out, f->b, f->len, 0) < 0 && errno != ENOBUFS && errno != ENETDOWN)
		die("send");
}

static void garble(const struct frame *f, uint32_t inner)
{
	const uint32_t msg = inner + 20, len = f->len - msg;
	struct frame x = *f;

	set_length(&x, inner, len / 2); /* cut short */
	pass(&x);
	x = *f;
	put16(x.b + inner + 2, 20 + len + 400); /* longer than it is */
	ip_sum(x.b + inner);
	pass(&x);
	x = *f;
	put16(x.b + msg + 2, 0xffff); /* items */
	pass(&x);
	x = *f;
	x.b[msg + 12] = 0xff; /* length of the sender's name */
	pass(&x);
	x = *f;
	for (uint32_t i = 0; i < len; i++)
		x.b[msg + i] = (uint8_t)(i * 167 + x.b[msg + 7] * 31); /* another one each time: its number is in it */
	pass(&x);
	x = *f;
	memset(x.b + f->len, 0x41, sizeof(x.b) - f->len);
	set_length(&x, inner, 1500); /* more than any skepd sends */
	pass(&x);
	x = *f;
	x.b[IP_AT + 15] = 99; /* a stranger */
	ip_sum(x.b + IP_AT);
	pass(&x);
}

static void go_on(void)
{
	uint64_t now = clock_mono_ns();

	for (unsigned int i = 0; i < n_late;) {
		if (now < late[i].at_ns) {
			i++;
			continue;
		}
		pass(&late[i]);
		memmove(&late[i], &late[i + 1], (--n_late - i) * sizeof(late[0]));
	}
}

static void later(const struct frame *f, uint64_t ns, bool waits)
{
	if (n_late == LATE_MAX)
		return; /* lost */
	late[n_late] = *f;
	late[n_late].waits = waits;
	late[n_late++].at_ns = clock_mono_ns() + ns;
}

/* The first ones of a size and direction: those of a kind of connection. */
static bool is_first(const struct frame *f)
{
	static struct {
		uint32_t len;
		int out;
		unsigned int n;
	} kinds[64];

	for (unsigned int i = 0; i < 64; i++) {
		if (!kinds[i].len) {
			kinds[i].len = f->len;
			kinds[i].out = f->out;
		}
		if (kinds[i].len == f->len && kinds[i].out == f->out)
			return kinds[i].n++ < how.first;
	}
	return false;
}

static bool is_dropped(const struct frame *f, uint8_t kind)
{
	if (how.first && is_first(f))
		return true;
	return how.of && counted[kind]++ % how.of < how.drop;
}

static void take(struct frame *f)
{
	uint32_t inner = inner_at(f);
	uint8_t kind;

	if (!inner)
		return;
	kind = f->b[inner + 20 + 1];
	seen++;
	items += kind == ITEMS;
	acks += kind == ACK;
	if (how.only && kind != how.only) {
		pass(f);
		return;
	}
	if (is_dropped(f, kind))
		return;
	if (how.garble)
		garble(f, inner);
	for (unsigned int i = 0; i < n_late; i++)
		if (late[i].waits)
			late[i].at_ns = 0; /* behind this one */
	if (how.swap && !(n_late && late[n_late - 1].waits)) {
		later(f, SWAP_NS, true);
		return;
	}
	for (unsigned int i = 0; i <= how.dup; i++) {
		if (how.delay_ms)
			later(f, (uint64_t)how.delay_ms * NSEC_PER_MSEC, false);
		else
			pass(f);
	}
}

static void take_all(int in, int out)
{
	static struct frame f;
	ssize_t n;

	while ((n = recv(in, f.b, sizeof(f.b), 0)) > 0) {
		f.len = (uint32_t)n;
		f.out = out;
		take(&f);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_handler = on_term };
	struct pollfd p[2];

	if (argc < 3) {
		fprintf(stderr, "usage: between PORT_A PORT_B HOW...\n");
		return 2;
	}
	sigaction(SIGTERM, &sa, NULL);
	for (int i = 3; i < argc; i++)
		parse_how(argv[i]);
	late = calloc(LATE_MAX, sizeof(*late));
	if (!late)
		die("memory");
	for (int i = 0; i < 2; i++)
		p[i] = (struct pollfd){ .fd = open_on(argv[1 + i]), .events = POLLIN };
	printf("ready\n");
	fflush(stdout);
	while (!stopped) {
		(void)poll(p, 2, n_late ? 1 : -1);
		take_all(p[0].fd, p[1].fd);
		take_all(p[1].fd, p[0].fd);
		go_on();
	}
	printf("seen %u passed %u items %u acks %u\n", seen, passed, items, acks);
	free(late);
	return 0;
}
