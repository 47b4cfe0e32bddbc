// SPDX-License-Identifier: Apache-2.0
/*
 * Numbered UDP packets at a high rate from one network namespace to another, and exactly which of them were lost: a cheaper stream.c, for machines
 * with few cores.  The senders, one for each processor and each with a flow of its own, hand over many at a time; the receiver is a filter on its
 * socket, which notes each number and wakes nobody.
 *
 *   pace RECEIVER SENDER ADDRESS PORT RATE SECONDS FILE    namespaces by their paths.  Prints "ready"; sends 100 a second until FILE is removed,
 * then RATE a second, all together, until FILE is there again, at most for SECONDS; prints "sent N in N ms, N a second; slowest tenth N a second" and
 * "received N lost N duplicated N", with "first_lost N last_lost N" if some are
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
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

#define BATCH	    32
#define SENDERS_MAX 8
#define SLICES_MAX  1024
#define SLICE_NS    (500 * NSEC_PER_MSEC)
#define QUIET_NS    (500 * NSEC_PER_MSEC)
#define UDP_HEADER  8

struct numbered {
	uint32_t n;
	char fill[18]; /* a 64-byte frame */
};

struct sender {
	uint32_t which, step; /* it sends which, which + step, ... */
	uint32_t next, held;  /* 'held' of them before the start */
	uint64_t began, ended;
	uint32_t slices, sent[SLICES_MAX]; /* until the end of each slice of time */
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
	uint32_t received, lost, duplicated, first_lost, last_lost;
};

/* Of the senders' numbers: sender i has sent i, i + step, ... */
static struct seen look(const uint64_t *counts, const struct sender *senders, uint32_t step)
{
	struct seen s = { .first_lost = UINT32_MAX };

	for (uint32_t i = 0; i < step; i++)
		for (uint32_t k = 0; k < senders[i].next; k++) {
			uint32_t at = i + k * step;
			uint64_t n = __atomic_load_n(&counts[at], __ATOMIC_RELAXED);

			s.received += n > 0;
			s.duplicated += n > 1 ? (uint32_t)n - 1 : 0;
			if (n)
				continue;
			s.lost++;
			s.first_lost = at < s.first_lost ? at : s.first_lost;
			s.last_lost = at > s.last_lost ? at : s.last_lost;
		}
	return s;
}

static uint64_t *receive(uint16_t port, uint32_t room)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), map, prog;
	uint64_t *counts = counts_new(room, &map);

	prog = filter_new(map);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("receive");
	return counts;
}

/* Behind the senders: those under way arrive. */
static int print_received(const uint64_t *counts, const struct sender *senders, uint32_t n)
{
	struct seen s = look(counts, senders, n), before;

	do {
		before = s;
		until(clock_mono_ns() + QUIET_NS);
		s = look(counts, senders, n);
	} while (s.received != before.received);
	printf("received %u lost %u duplicated %u", s.received, s.lost, s.duplicated);
	if (s.lost)
		printf(" first_lost %u last_lost %u", s.first_lost, s.last_lost);
	printf("\n");
	return s.lost || s.duplicated;
}

/* --- send --- */

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

/* 'rate', 'most': of this one. */
static void send_paced(struct sender *s, int fd, uint32_t most, uint32_t rate, const char *file)
{
	uint64_t now;

	while (s->next < most && access(file, F_OK) == 0) {
		send_some(fd, s, 1);
		s->next++;
		until(clock_mono_ns() + 10 * NSEC_PER_MSEC);
	}
	s->held = s->next;
	s->began = now = clock_mono_ns();
	while (s->next + BATCH <= most) {
		uint64_t due = s->began + (uint64_t)(s->next + BATCH - s->held) * NSEC_PER_SEC / rate;

		if (now < due)
			until(due);
		send_some(fd, s, BATCH);
		s->next += BATCH;
		now = clock_mono_ns();
		if (now - s->began < (s->slices + 1) * SLICE_NS)
			continue;
		if (s->slices < SLICES_MAX)
			s->sent[s->slices++] = s->next;
		if (access(file, F_OK) == 0)
			break;
	}
	s->ended = now;
}

static void print_sent(const struct sender *s, uint32_t n)
{
	uint32_t sent = 0, slowest = UINT32_MAX, slices = SLICES_MAX;
	uint64_t began = UINT64_MAX, end = 0;

	for (uint32_t i = 0; i < n; i++) {
		sent += s[i].next - s[i].held;
		began = s[i].began < began ? s[i].began : began;
		end = s[i].ended > end ? s[i].ended : end;
		slices = s[i].slices < slices ? s[i].slices : slices;
	}
	for (uint32_t k = slices / 10 ? slices / 10 : 1; k <= slices; k++) { /* a tenth at a time */
		uint32_t tenth = slices / 10 ? slices / 10 : 1, some = 0;

		for (uint32_t i = 0; i < n; i++)
			some += s[i].sent[k - 1] - (k > tenth ? s[i].sent[k - tenth - 1] : s[i].held);
		some = (uint32_t)(some * NSEC_PER_SEC / (tenth * SLICE_NS));
		slowest = some < slowest ? some : slowest;
	}
	printf("sent %u in %llu ms, %llu a second; slowest tenth %u a second\n", sent, (unsigned long long)((end - began) / NSEC_PER_MSEC),
	       (unsigned long long)(sent * NSEC_PER_SEC / (end - began + 1)), slowest);
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static int run(char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = cpus < 1 ? 1 : cpus > SENDERS_MAX ? SENDERS_MAX : (uint32_t)cpus, rate = number(argv[5]), room = rate * number(argv[6]);
	struct sender *s = mmap(NULL, n * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t *counts;
	int status, rc = 0;

	if (s == MAP_FAILED)
		die("mmap");
	enter(argv[1]);
	counts = receive((uint16_t)number(argv[4]), room);
	enter(argv[2]);
	printf("ready\n");
	fflush(stdout);
	for (uint32_t i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			s[i].which = i;
			s[i].step = n;
			send_paced(&s[i], open_to(argv[3], argv[4]), room / n, rate / n, argv[7]);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		rc |= !WIFEXITED(status) || WEXITSTATUS(status);
	if (rc)
		return 1;
	print_sent(s, n);
	return print_received(counts, s, n);
}

int main(int argc, char **argv)
{
	if (argc == 8)
		return run(argv);
	fprintf(stderr, "usage: pace RECEIVER SENDER ADDRESS PORT RATE SECONDS FILE\n");
	return 2;
}
