// SPDX-License-Identifier: Apache-2.0
/*
 * One measurement between two network namespaces: a client child and a server child, each in its own.  Counts work, wall time and
 * the CPU time of both children, which includes the softirq path that runs inline in their system calls.  Prints one JSON object.
 *
 *   load MODE CLIENT_NS SERVER_NS SERVER_ADDRESS SECONDS [PID...]
 *
 * MODE: udp_rr tcp_rr tcp_crr tcp_stream udp_pps first_packet new_flows misses misses/RATE (a second).  PID: processes whose CPU time is reported too (skepd).
 * bench/run calls it.
 *
 *   first_packet   each flow's first round trip less its second one
 *   misses         each packet is a flow of its own: many source addresses of the client's /24, all source ports
 * Before both, a packet of each of many other addresses, so that tables of classes are full if they are small.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define PORT	    5201
#define SMALL	    22 /* UDP payload of a 64-byte frame */
#define STREAM_BUF  (128 << 10)
#define LATENCY_MAX 200000
#define FIRST_PORT  1024 /* new flows have source ports from here on, each once: a repeated one would be no new flow */
#define LAST_PORT   65535
#define FILL_FIRST  3	/* last bytes of source addresses that send before the flood ... */
#define FLOOD_FIRST 128 /* ... and of those that it comes from */
#define FLOOD_LAST  143

struct shared { /* between the two children and their parent */
	volatile int ready, stop;
	volatile uint64_t work, sent; /* received by the server, or completed by the client; sent by the client */
	uint64_t wall_ns;
	uint32_t n_lat;
	uint32_t lat_ns[LATENCY_MAX];
};

struct job {
	const char *mode, *address;
	unsigned int seconds, rate; /* packets a second; 0 = as fast as it goes */
	struct shared *sh;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void enter(const char *ns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

/* Request and response on one CPU: on two, the wake-ups of the virtual CPUs are all one sees. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* a machine with one CPU: as it is */
}

static struct sockaddr_in server_addr(const struct job *job)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, job->address, &sa.sin_addr) != 1)
		die(job->address);
	return sa;
}

static int make_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_STREAM) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	}
	return fd;
}

static int listen_on(int type)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = make_socket(type), size = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 128))
		die("listen");
	return fd;
}

/* 'port': source port, 0 = the kernel's choice */
static int connect_to(const struct job *job, int type, uint16_t port)
{
	struct sockaddr_in sa = server_addr(job), from = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = make_socket(type);

	if (port && bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	return fd;
}

static bool is(const struct job *job, const char *mode)
{
	return strcmp(job->mode, mode) == 0;
}

static bool wait_readable(struct shared *sh, int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)sh;
	return poll(&p, 1, ms) > 0;
}

static void serve(const struct job *job)
{
	static char buf[STREAM_BUF];
	struct shared *sh = job->sh;
	bool tcp = strncmp(job->mode, "tcp", 3) == 0, stream = is(job, "tcp_stream");
	bool answer = !stream && !is(job, "udp_pps") && !is(job, "new_flows") && !is(job, "misses");
	int fd = listen_on(tcp ? SOCK_STREAM : SOCK_DGRAM), c;
	struct sockaddr_in from;
	socklen_t len;
	ssize_t n;

	sh->ready = 1;
	if (is(job, "misses")) { /* to wake us for each packet would cost the one who sends it: we look by ourselves */
		for (bool last = false; !last;) {
			(void)poll(NULL, 0, 1);
			last = sh->stop;
			while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
				sh->work++;
		}
		return;
	}
	if (!tcp) {
		while (!sh->stop) {
			len = sizeof(from);
			n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
			if (n < 0) {
				(void)wait_readable(sh, fd, 100);
				continue;
			}
			if (answer)
				(void)sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
			else
				sh->work++;
		}
		return;
	}
	while (!sh->stop) {
		if (!wait_readable(sh, fd, 100))
			continue;
		c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c < 0)
			die("accept");
		for (;;) {
			if (sh->stop || (n = recv(c, buf, sizeof(buf), 0)) <= 0)
				break;
			if (stream)
				sh->work += (uint64_t)n;
			else if (send(c, buf, 1, MSG_NOSIGNAL) < 0)
				break;
		}
		close(c);
	}
}

static void note_latency(struct shared *sh, uint64_t ns)
{
	if (sh->n_lat < LATENCY_MAX)
		sh->lat_ns[sh->n_lat++] = (uint32_t)ns;
}

/* One request and its answer: nanoseconds, 0 if none came within a second. */
static uint64_t ask(const struct job *job, int fd)
{
	struct timeval tv = { .tv_sec = 1 };
	char b[SMALL] = { 0 };
	uint64_t t;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	t = clock_mono_ns();
	if (send(fd, b, strncmp(job->mode, "tcp", 3) ? sizeof(b) : 1, MSG_NOSIGNAL) < 0 ||
	    recv(fd, b, sizeof(b), 0) <= 0)
		return 0;
	job->sh->work++;
	return clock_mono_ns() - t;
}

static void round_trip(const struct job *job, int fd)
{
	uint64_t first = ask(job, fd), second;

	if (!first)
		return;
	if (is(job, "first_packet")) {
		second = ask(job, fd);
		first = first > second ? first - second : 0;
	}
	note_latency(job->sh, first);
}

struct datagram {
	struct iphdr ip;
	struct udphdr udp; /* no checksum */
	uint8_t data[SMALL];
} __attribute__((packed));

static void send_from(int fd, struct datagram *d, uint8_t host, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = d->ip.daddr };

	d->ip.saddr = (d->ip.saddr & htonl(0xffffff00)) | htonl(host);
	d->udp.source = htons(port);
	(void)sendto(fd, d, sizeof(*d), 0, (struct sockaddr *)&to, sizeof(to));
}

/* The client's address towards the server. */
static in_addr_t own_addr(const struct sockaddr_in *to)
{
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) || getsockname(fd, (struct sockaddr *)&own, &len))
		die("own address");
	close(fd);
	return own.sin_addr.s_addr;
}

static int raw_socket(const struct job *job, struct datagram *d)
{
	struct sockaddr_in to = server_addr(job);
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		die("socket");
	*d = (struct datagram){ .ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = own_addr(&to), .daddr = to.sin_addr.s_addr },
				.udp = { .dest = to.sin_port, .len = htons(sizeof(*d) - sizeof(d->ip)) } };
	return fd;
}

/* A class of packets for each of many addresses. */
static void fill(const struct job *job)
{
	struct datagram d;
	int fd = raw_socket(job, &d);

	for (uint8_t host = FILL_FIRST; host < FLOOD_FIRST; host++)
		send_from(fd, &d, host, FIRST_PORT);
	close(fd);
	(void)poll(NULL, 0, 50);
}

/* Begins at a port of its own, so that rounds that follow each other have other flows. */
static void flood(const struct job *job)
{
	const uint64_t start = clock_mono_ns(), end = start + job->seconds * NSEC_PER_SEC;
	const uint32_t hosts = FLOOD_LAST - FLOOD_FIRST + 1, ports = LAST_PORT - FIRST_PORT + 1;
	uint32_t first = (uint32_t)(start / 1000 % ports);
	struct datagram d;
	int fd = raw_socket(job, &d);

	for (uint32_t i = 0; i % 64 || clock_mono_ns() < end; i++, job->sh->sent++) {
		send_from(fd, &d, (uint8_t)(FLOOD_FIRST + i % hosts), (uint16_t)(FIRST_PORT + (first + i / hosts) % ports));
		while (job->rate && clock_mono_ns() < start + i * NSEC_PER_SEC / job->rate)
			(void)poll(NULL, 0, 1);
	}
	close(fd);
}

static void run_client(const struct job *job)
{
	static char buf[STREAM_BUF];
	struct shared *sh = job->sh;
	uint64_t end, start;
	bool each_new = is(job, "tcp_crr") || is(job, "first_packet"), rr = strstr(job->mode, "_rr");
	bool numbered = is(job, "first_packet") || is(job, "new_flows");
	uint32_t port = FIRST_PORT;
	int type = strncmp(job->mode, "tcp", 3) ? SOCK_DGRAM : SOCK_STREAM, fd = -1;
	struct linger lo = { .l_onoff = 1 };

	while (!sh->ready)
		sched_yield();
	if (is(job, "misses") || is(job, "first_packet"))
		fill(job);
	start = clock_mono_ns();
	end = start + job->seconds * NSEC_PER_SEC;
	if (is(job, "misses")) {
		flood(job);
		sh->wall_ns = clock_mono_ns() - start;
		return;
	}
	if (!each_new && !is(job, "new_flows"))
		fd = connect_to(job, type, 0);
	while (clock_mono_ns() < end && port <= LAST_PORT) {
		if (each_new || is(job, "new_flows"))
			fd = connect_to(job, type, numbered ? (uint16_t)port++ : 0);
		if (each_new || rr) {
			round_trip(job, fd);
		} else if (is(job, "tcp_stream")) {
			if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) < 0)
				die("send");
		} else if (send(fd, buf, SMALL, 0) > 0) {
			sh->sent++;
		}
		if (each_new && type == SOCK_STREAM) /* no TIME_WAIT: ports would run out */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &lo, sizeof(lo));
		if (each_new || is(job, "new_flows"))
			close(fd);
	}
	sh->wall_ns = clock_mono_ns() - start;
}

static double cpu_of(const struct rusage *ru)
{
	return (double)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) +
	       (double)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e6;
}

/* Seconds that all threads of a running process have run. */
static double cpu_of_pid(const char *pid)
{
	unsigned long long ns, sum = 0;
	char path[300];
	struct dirent *e;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/task/%.16s/schedstat", pid, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return (double)sum / 1e9;
}

static double cpu_of_pids(char *const *pids)
{
	double sum = 0;

	while (*pids)
		sum += cpu_of_pid(*pids++);
	return sum;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double reap(pid_t pid)
{
	struct rusage ru;
	int status;

	if (wait4(pid, &status, 0, &ru) != pid || status)
		exit(1);
	return cpu_of(&ru);
}

int main(int argc, char **argv)
{
	char *slash;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double cpu_c, cpu_s, cpu_p;
	struct job job;
	pid_t c, s;

	if (argc < 6) {
		fprintf(stderr, "usage: load MODE CLIENT_NS SERVER_NS SERVER_ADDRESS SECONDS [PID...]\n");
		return 2;
	}
	if (sh == MAP_FAILED)
		die("mmap");
	slash = strchr(argv[1], '/');
	if (slash)
		*slash++ = 0;
	job = (struct job){ .mode = argv[1], .rate = slash ? (unsigned int)strtoul(slash, NULL, 10) : 0, .address = argv[4], .seconds = (unsigned int)strtoul(argv[5], NULL, 10), .sh = sh };
	cpu_p = -cpu_of_pids(argv + 6);
	s = fork();
	if (!s) {
		enter(argv[3]);
		pin(strstr(argv[1], "rr") ? 0 : 1);
		serve(&job);
		_exit(0);
	}
	c = fork();
	if (!c) {
		enter(argv[2]);
		pin(0);
		run_client(&job);
		_exit(0);
	}
	if (s < 0 || c < 0)
		die("fork");
	cpu_c = reap(c);
	sh->stop = 1;
	cpu_s = reap(s);
	cpu_p += cpu_of_pids(argv + 6);
	qsort(sh->lat_ns, sh->n_lat, sizeof(sh->lat_ns[0]), by_value);
	printf("{\"mode\":\"%s\",\"work\":%llu,\"sent\":%llu,\"wall_s\":%.3f,\"cpu_s\":%.4f,\"agent_cpu_s\":%.4f,"
	       "\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
	       argv[1], (unsigned long long)sh->work, (unsigned long long)sh->sent, (double)sh->wall_ns / 1e9, cpu_c + cpu_s, cpu_p,
	       sh->n_lat ? sh->lat_ns[sh->n_lat / 2] / 1e3 : 0.0,
	       sh->n_lat ? sh->lat_ns[(uint64_t)sh->n_lat * 99 / 100] / 1e3 : 0.0);
	return 0;
}
