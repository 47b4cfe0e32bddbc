// SPDX-License-Identifier: Apache-2.0
/*
 * Numbered UDP packets at a high rate, and exactly which of them were lost: a cheaper stream.c, for machines with few cores.  The
 * sender hands over many at a time; the receiver is a filter on the socket, which notes each number and wakes nobody.
 *
 *   pace recv PORT TOTAL IDLE_MS    until TOTAL numbers came, or none for IDLE_MS (after the first); prints "ready", then
 * "received N lost N duplicated N", and "first_lost N last_lost N" if some are
 *   pace send ADDRESS PORT TOTAL RATE FIFO   by as many processes as there are processors, each with a flow of its own: 100 a second
 * until FIFO is removed, then RATE a second, all together; prints "sent N in N ms, N a second; slowest tenth N a second"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

#define BATCH	   32
#define UDP_HEADER 8

struct numbered {
	uint32_t n;
	char fill[18]; /* a 64-byte frame */
};

static void die(const char *what)
{
	fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > UINT32_MAX) {
		fprintf(stderr, "pace: '%s' is not a number\n", text);
		exit(2);
	}
	return (uint32_t)n;
}

static void until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* --- receive --- */

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int fd = (int)syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	if (fd < 0)
		die("bpf");
	return fd;
}

static uint64_t *counts_new(uint32_t total, int *fd)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = total, .map_flags = BPF_F_MMAPABLE };
	void *p;

	*fd = bpf(BPF_MAP_CREATE, &attr);
	p = mmap(NULL, (size_t)total * 8, PROT_READ, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

#define INSN(c, d, s, o, i) ((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

/* if (n = *(u32 *)(payload), counts[n] is there) counts[n]++; return 0: the packet goes no further */
static int filter_new(int counts)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, UDP_HEADER + (int)offsetof(struct numbered, n)),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 3, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, -8),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes),
		INSN(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 8, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, counts),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	char log[4096] = "";
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				.insn_cnt = sizeof(insns) / sizeof(insns[0]),
				.insns = (uintptr_t)insns,
				.license = (uintptr_t) "GPL",
				.log_buf = (uintptr_t)log,
				.log_size = sizeof(log),
				.log_level = 1 };
	int fd = (int)syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0) {
		fprintf(stderr, "%s", log);
		die("filter");
	}
	return fd;
}

struct seen {
	uint32_t received, duplicated, first_lost, last_lost;
};

static struct seen look(const uint64_t *counts, uint32_t total)
{
	struct seen s = { .first_lost = total };

	for (uint32_t i = 0; i < total; i++) {
		uint64_t n = __atomic_load_n(&counts[i], __ATOMIC_RELAXED);

		s.received += n > 0;
		s.duplicated += n > 1 ? (uint32_t)n - 1 : 0;
		if (n)
			continue;
		if (s.first_lost == total)
			s.first_lost = i;
		s.last_lost = i;
	}
	return s;
}

static int receive(const char *port, uint32_t total, uint32_t idle_ms)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), map, prog;
	uint64_t *counts = counts_new(total, &map), quiet_since = clock_mono_ns();
	struct seen s = { 0 }, now;

	prog = filter_new(map);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("receive");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		until(clock_mono_ns() + 200 * NSEC_PER_MSEC);
		now = look(counts, total);
		if (now.received != s.received || now.duplicated != s.duplicated)
			quiet_since = clock_mono_ns();
		s = now;
		if (clock_mono_ns() - quiet_since > (s.received == total ? 300 : s.received ? idle_ms : 60000) * NSEC_PER_MSEC)
			break;
	}
	printf("received %u lost %u duplicated %u", s.received, total - s.received, s.duplicated);
	if (s.received < total)
		printf(" first_lost %u last_lost %u", s.first_lost, s.last_lost);
	printf("\n");
	return s.received == total && !s.duplicated ? 0 : 1;
}

/* --- send --- */

#define TENTHS	    10
#define SENDERS_MAX 8

struct sender {
	uint32_t which, step; /* it sends which, which + step, ... */
	uint32_t next, held;  /* 'held' were sent before the start */
	uint64_t began, at[TENTHS + 1]; /* when each tenth of the rest was done */
};

static void send_some(int fd, const struct sender *s, uint32_t n)
{
	struct numbered m[BATCH] = { 0 };
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint32_t done = 0;

	for (uint32_t i = 0; i < n; i++) {
		m[i].n = s->which + (s->next + i) * s->step;
		iov[i] = (struct iovec){ &m[i], sizeof(m[i]) };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	while (done < n) {
		int rc = sendmmsg(fd, msgs + done, n - done, 0);

		if (rc > 0)
			done += (uint32_t)rc;
		else if (errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) /* told about an earlier packet */
			die("sendmmsg");
	}
}

static int open_to(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	return fd;
}

/* 'rate': of this one. */
static void send_paced(struct sender *s, int fd, uint32_t total, uint32_t rate, const char *held_by)
{
	uint32_t mine = total / s->step + (s->which < total % s->step), rest, tenth = 0;

	while (s->next < mine && access(held_by, F_OK) == 0) {
		send_some(fd, s, 1);
		s->next++;
		until(clock_mono_ns() + 10 * NSEC_PER_MSEC);
	}
	s->held = s->next;
	rest = mine - s->held;
	s->began = s->at[0] = clock_mono_ns();
	while (s->next < mine) {
		uint32_t done = s->next - s->held, some = rest - done < BATCH ? rest - done : BATCH;
		uint64_t due = s->began + (uint64_t)(done + some) * NSEC_PER_SEC / rate;

		if (clock_mono_ns() < due)
			until(due);
		send_some(fd, s, some);
		s->next += some;
		for (done += some; tenth < TENTHS && done >= (uint64_t)rest * (tenth + 1) / TENTHS; tenth++)
			s->at[tenth + 1] = clock_mono_ns();
	}
}

static void print_sent(const struct sender *s, uint32_t n, uint32_t total)
{
	uint32_t sent = total, slowest = UINT32_MAX;
	uint64_t began = UINT64_MAX, end = 0;

	for (uint32_t i = 0; i < n; i++) {
		sent -= s[i].held;
		began = s[i].began < began ? s[i].began : began;
		end = s[i].at[TENTHS] > end ? s[i].at[TENTHS] : end;
	}
	for (unsigned int tenth = 0; tenth < TENTHS; tenth++) {
		uint64_t rate = 0;

		for (uint32_t i = 0; i < n; i++)
			rate += (uint64_t)(s[i].next - s[i].held) / TENTHS * NSEC_PER_SEC / (s[i].at[tenth + 1] - s[i].at[tenth] + 1);
		slowest = rate < slowest ? (uint32_t)rate : slowest;
	}
	printf("sent %u in %llu ms, %llu a second; slowest tenth %u a second\n", sent, (unsigned long long)((end - began) / NSEC_PER_MSEC),
	       (unsigned long long)(sent * NSEC_PER_SEC / (end - began + 1)), slowest);
}

static int send_all(const char *address, const char *port, uint32_t total, uint32_t rate, const char *held_by)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = cpus < 1 ? 1 : cpus > SENDERS_MAX ? SENDERS_MAX : (uint32_t)cpus;
	struct sender *s = mmap(NULL, n * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, rc = 0;

	if (s == MAP_FAILED)
		die("mmap");
	for (uint32_t i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			s[i].which = i;
			s[i].step = n;
			send_paced(&s[i], open_to(address, port), total, rate / n, held_by);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		rc |= !WIFEXITED(status) || WEXITSTATUS(status);
	if (!rc)
		print_sent(s, n, total);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "recv"))
		return receive(argv[2], number(argv[3]), number(argv[4]));
	if (argc == 7 && !strcmp(argv[1], "send"))
		return send_all(argv[2], argv[3], number(argv[4]), number(argv[5]), argv[6]);
	fprintf(stderr, "usage: pace recv PORT TOTAL IDLE_MS | send ADDRESS PORT TOTAL RATE FIFO\n");
	return 2;
}
