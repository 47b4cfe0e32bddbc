// SPDX-License-Identifier: Apache-2.0
/*
 * Implements heavy.h.  Called by topology.c (documents that are read) and write.c (writes that look at everything).  A child has one thread, the one that forked: of the
 * others of this process, which look up names (statedb/resolve.c, libcurl), it needs nothing, and glibc hands it whole malloc and stdio.
 */
#include "api/heavy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/exchange.h"
#include "api/turns.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK_MS	   100
#define NICE	   5
#define LATE_RETRY "30" /* seconds */
#define MEMORY_PART 2	/* of memory_max: what a child may take beyond what it was born with; and: */
#define MEMORY_MIN  (64u << 20)

struct heavy_job {
	struct heavy_job *next;
	struct heavy *heavy;
	struct api_request *r;
	char account[BUDGET_KEY];
	unsigned int place; /* how many of the account were there before it */
	uint64_t until_ns;  /* for its turn; then for its child; UINT64_MAX = it has one, and no child */
	bool has_turn;
	heavy_turn *turn;
	void *turn_arg;
	struct loop_fd *client; /* NULL: it has gone, or is not watched */
	/* its child; 0 = none */
	pid_t pid;
	int pidfd, memfd;
	struct loop_fd *exit;
	heavy_done *done;
	void *done_arg;
};

struct heavy {
	struct api *api;
	struct heavy_job *jobs, **last; /* as they came */
	struct loop_timer *tick, *soon;
	struct heavy_stats stats;
	bool stopped;
};

/* --- the child --- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text)); /* as well as it can */
	close(fd);
}

/* What a child of hostile input may take of the machine: it is the first that the kernel ends when memory is short. */
static void confine(uint64_t bytes)
{
	struct rlimit limit;
	unsigned long data = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	write_file("/proc/self/oom_score_adj", "1000");
	(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
	if (f && fscanf(f, "%*u %*u %*u %*u %*u %lu", &data) == 1) {
		limit.rlim_cur = limit.rlim_max = data * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
		(void)setrlimit(RLIMIT_DATA, &limit);
	}
	if (f)
		fclose(f);
	limit.rlim_cur = limit.rlim_max = bytes;
	(void)setrlimit(RLIMIT_FSIZE, &limit); /* of the result */
	limit.rlim_cur = limit.rlim_max = 0;
	(void)setrlimit(RLIMIT_CORE, &limit);
}

static _Noreturn void be_child(struct heavy_job *job, pid_t parent, heavy_work *work, void *arg)
{
	const unsigned int kept = 3;
	FILE *out;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || (job->memfd != (int)kept && dup2(job->memfd, (int)kept) < 0) || close_range(kept + 1, ~0U, 0))
		_exit(1);
	confine(MEMORY_MIN + job->heavy->api->config->memory_max / MEMORY_PART);
	out = fdopen((int)kept, "w");
	if (!out)
		_exit(1);
	work(arg, out);
	_exit(fclose(out) ? 1 : 0);
}

/* --- turns --- */

static void on_soon(void *arg);

static void soon(struct heavy *h)
{
	if (!h->soon && !h->stopped)
		h->soon = loop_timer_add(h->api->loop, 0, 0, on_soon, h); /* else at the next tick */
}

static void job_free(struct heavy_job *job)
{
	struct heavy *h = job->heavy;
	struct heavy_job **at = &h->jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (!*at)
		h->last = at;
	loop_fd_del(job->client);
	free(job);
	soon(h);
}

void heavy_end(struct heavy_job *job)
{
	if (job)
		job_free(job);
}

static void no_turn(struct heavy_job *job, const struct err *err)
{
	heavy_turn *turn = job->turn;
	void *arg = job->turn_arg;

	job->heavy->stats.refused++;
	job_free(job);
	turn(arg, NULL, err);
}

static bool is_busy(const struct heavy *h, const char *account)
{
	for (const struct heavy_job *job = h->jobs; job; job = job->next)
		if (job->has_turn && !strcmp(job->account, account))
			return true;
	return false;
}

/* The first one of an account goes before the second one of another. */
static struct heavy_job *next_job(const struct heavy *h)
{
	struct heavy_job *best = NULL;
	unsigned int n = 0;

	for (struct heavy_job *job = h->jobs; job; job = job->next)
		n += job->has_turn;
	for (struct heavy_job *job = n < HEAVY_RUNNING ? h->jobs : NULL; job; job = job->next)
		if (!job->has_turn && (!best || job->place < best->place) && !is_busy(h, job->account))
			best = job;
	return best;
}

static void give_turns(struct heavy *h)
{
	struct heavy_job *job;

	while (!h->stopped && (job = next_job(h))) {
		job->has_turn = true;
		job->until_ns = UINT64_MAX;
		job->turn(job->turn_arg, job, NULL);
	}
}

static void on_soon(void *arg)
{
	struct heavy *h = arg;

	h->soon = NULL;
	give_turns(h);
}

/* --- the end of a child --- */

static void reap(struct heavy_job *job, int *status)
{
	struct rusage used = { 0 };

	while (wait4(job->pid, status, 0, &used) < 0 && errno == EINTR)
		;
	job->heavy->stats.cpu_ns += ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * NSEC_PER_SEC +
				    ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
	loop_fd_del(job->exit);
	close(job->pidfd);
	job->exit = NULL;
	job->pid = 0;
	job->until_ns = UINT64_MAX;
}

static void tell(struct heavy_job *job, const void *result, size_t len, const struct err *err)
{
	heavy_done *done = job->done;
	int fd = job->memfd;

	job->memfd = -1;
	done(job->done_arg, result, len, err); /* 'job' may be gone, or have another child */
	close(fd);
}

static void kill_child(struct heavy_job *job, const struct err *err)
{
	int status;

	(void)kill(job->pid, SIGKILL); /* it is not reaped yet, so it is this one */
	reap(job, &status);
	tell(job, NULL, 0, err);
}

static void on_exit_of_child(void *arg, uint32_t events)
{
	struct heavy_job *job = arg;
	struct heavy_stats *stats = &job->heavy->stats;
	struct err err = { 0 };
	void *result = MAP_FAILED;
	int status = 0;
	off_t len;

	(void)events;
	reap(job, &status);
	len = lseek(job->memfd, 0, SEEK_END);
	if (WIFEXITED(status) && !WEXITSTATUS(status) && len > 0)
		result = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, job->memfd, 0);
	if (result != MAP_FAILED) {
		stats->done++;
		tell(job, result, (size_t)len, NULL);
		(void)munmap(result, (size_t)len);
		return;
	}
	stats->died++;
	log_warn("a request's process has died (%s %d): request '%s', %s %s", WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), job->r->id, job->r->method, job->r->path);
	err_tag(&err, -EIO, "unavailable", "the process that worked on this request has died, and nothing was done (again, or with less)");
	tell(job, NULL, 0, &err);
}

/* Nobody waits for the answer. */
static void on_client(void *arg, uint32_t events)
{
	struct heavy_job *job = arg;
	struct err err = { 0 };

	(void)events;
	loop_fd_del(job->client);
	job->client = NULL;
	err_set(&err, -ECONNRESET, "the client has gone");
	if (job->pid) {
		job->heavy->stats.left++;
		kill_child(job, &err);
	} else if (!job->has_turn) {
		no_turn(job, &err);
	}
}

static void late(struct heavy_job *job)
{
	struct heavy *h = job->heavy;
	struct err err = { 0 };

	api_header(job->r, "Retry-After", LATE_RETRY);
	if (job->pid) {
		h->stats.late++;
		err_tag(&err, -ETIMEDOUT, "unavailable", "the request takes longer than %u s ('limits.heavy_s'), and nothing was done (ask for less at once)",
			h->api->config->heavy_s);
		kill_child(job, &err);
	} else {
		err_tag(&err, -ETIMEDOUT, "unavailable", "others were at work for %d s, and nothing was done (again later)", HEAVY_WAIT_S);
		no_turn(job, &err);
	}
}

/* Who is told may end others. */
static struct heavy_job *find_late(const struct heavy *h, uint64_t now)
{
	struct heavy_job *job = h->jobs;

	while (job && job->until_ns > now)
		job = job->next;
	return job;
}

static void on_tick(void *arg)
{
	struct heavy *h = arg;
	const uint64_t now = clock_mono_ns();
	struct heavy_job *job;

	while ((job = find_late(h, now)))
		late(job);
	give_turns(h);
}

/* --- asking --- */

static unsigned int count(const struct heavy *h, const char *account)
{
	unsigned int n = 0;

	for (const struct heavy_job *job = h->jobs; job; job = job->next)
		n += !strcmp(job->account, account);
	return n;
}

void heavy_ask(struct api_request *r, heavy_turn *turn, void *arg)
{
	struct heavy *h = r->api->heavy;
	struct heavy_job *job = calloc(1, sizeof(*job));
	struct err err = { 0 };

	if (job)
		turns_account(&r->caller, job->account);
	if (!job || h->stopped || count(h, job->account) > HEAVY_WAITING) {
		if (!job)
			err_set(&err, -ENOMEM, "out of memory");
		else if (h->stopped)
			err_tag(&err, -ECANCELED, "unavailable", "the server stops");
		else
			err_tag(&err, -ENOBUFS, "unavailable", "%d requests like this one wait already (again later)", HEAVY_WAITING);
		h->stats.refused++;
		free(job);
		turn(arg, NULL, &err);
		return;
	}
	job->heavy = h;
	job->r = r;
	job->place = count(h, job->account);
	job->turn = turn;
	job->turn_arg = arg;
	job->memfd = -1;
	job->until_ns = clock_mono_ns() + HEAVY_WAIT_S * NSEC_PER_SEC;
	if (r->mhd) /* MHD does not look at a connection that waits for its answer */
		job->client = loop_fd_add(h->api->loop, r->conn->fd, EPOLLRDHUP, on_client, job);
	*h->last = job;
	h->last = &job->next;
	soon(h);
}

int heavy_run(struct heavy_job *job, heavy_work *work, heavy_done *done, void *arg, struct err *err)
{
	struct heavy *h = job->heavy;
	const pid_t parent = getpid();

	job->memfd = memfd_create("skep-api", MFD_CLOEXEC);
	job->pid = job->memfd < 0 ? -1 : fork();
	if (!job->pid)
		be_child(job, parent, work, arg);
	job->pidfd = job->pid > 0 ? pidfd_open(job->pid, 0) : -1;
	job->exit = job->pidfd < 0 ? NULL : loop_fd_add(h->api->loop, job->pidfd, EPOLLIN, on_exit_of_child, job);
	if (job->exit) {
		job->done = done;
		job->done_arg = arg;
		job->until_ns = clock_mono_ns() + h->api->config->heavy_s * NSEC_PER_SEC;
		return 0;
	}
	err_tag(err, -ENOBUFS, "unavailable", "no process can be made for this request (again later)");
	log_warn("no process can be made for a request: %s", strerror(errno));
	if (job->pid > 0) {
		(void)kill(job->pid, SIGKILL);
		(void)waitpid(job->pid, NULL, 0);
	}
	if (job->pidfd >= 0)
		close(job->pidfd);
	if (job->memfd >= 0)
		close(job->memfd);
	job->memfd = -1;
	job->pid = 0;
	return err->code;
}

/* --- life --- */

struct heavy *heavy_new(struct api *api)
{
	struct heavy *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->api = api;
	h->last = &h->jobs;
	h->tick = loop_timer_add(api->loop, TICK_MS * NSEC_PER_MSEC, TICK_MS * NSEC_PER_MSEC, on_tick, h);
	if (h->tick)
		return h;
	free(h);
	return NULL;
}

/* Those that have a turn and no child end with what they wait for. */
static struct heavy_job *find_unfinished(const struct heavy *h)
{
	struct heavy_job *job = h->jobs;

	while (job && job->has_turn && !job->pid)
		job = job->next;
	return job;
}

void heavy_stop(struct heavy *h)
{
	struct err err = { 0 };
	struct heavy_job *job;

	if (!h)
		return;
	h->stopped = true;
	err_tag(&err, -ECANCELED, "unavailable", "the server stops");
	while ((job = find_unfinished(h))) {
		if (job->pid)
			kill_child(job, &err);
		else
			no_turn(job, &err);
	}
}

void heavy_free(struct heavy *h)
{
	if (!h)
		return;
	while (h->jobs)
		job_free(h->jobs);
	loop_timer_del(h->tick);
	loop_timer_del(h->soon);
	free(h);
}

struct heavy_stats heavy_stats(const struct heavy *h)
{
	struct heavy_stats stats = h->stats;

	for (const struct heavy_job *job = h->jobs; job; job = job->next) {
		stats.running += job->pid != 0;
		stats.waiting += !job->has_turn;
	}
	return stats;
}
