// SPDX-License-Identifier: Apache-2.0
/*
 * Two buffers: one that lines are put into, one that is being written; the thread exchanges them when it has written its own.  The lock is held for copying
 * a line, or two pointers, never while the file is waited for.
 */
#include "loader/records_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define BUF_SIZE (1u << 20)
#define HURRY	 (BUF_SIZE / 4) /* with so much, the next flush is not waited for */
#define LOOK_NS	 (5 * NSEC_PER_SEC)
#define STOP_S	 1

struct records_file {
	char *path;
	pthread_t thread;
	bool is_running;

	pthread_mutex_t lock; /* of what stands up to the next blank line */
	pthread_cond_t wanted;
	bool flush, stop, has_failed;
	bool is_over, is_left; /* the thread has nothing to do any more; nobody waits for it, and all this is its own */
	size_t len; /* of 'in' */
	char *in;

	int fd;		    /* -1 = cannot be opened now */
	uint64_t looked_ns; /* when the file was last looked for at its path; 0 = never */
	size_t off, out_len;
	char *out;
};

/* --- the thread's --- */

static void open_file(struct records_file *f)
{
	const bool was = f->fd >= 0;

	if (was)
		close(f->fd);
	/* a FIFO without a reader is not waited for; with one, writing waits */
	f->fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
	if (f->fd >= 0)
		(void)fcntl(f->fd, F_SETFL, O_APPEND);
	else if (was || !f->looked_ns)
		log_error("flow records: cannot write '%s': %s (tried again)", f->path, strerror(errno));
}

/* Is it still the one that has this name? */
static bool is_there(const struct records_file *f)
{
	struct stat a, b;

	return f->fd >= 0 && !fstat(f->fd, &a) && !stat(f->path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void look(struct records_file *f)
{
	const uint64_t now = clock_mono_ns();

	if (f->looked_ns && now < f->looked_ns + LOOK_NS)
		return;
	if (!is_there(f))
		open_file(f);
	f->looked_ns = now;
}

static bool write_out(struct records_file *f)
{
	while (f->fd >= 0 && f->off < f->out_len) {
		ssize_t n = write(f->fd, f->out + f->off, f->out_len - f->off);

		if (n > 0)
			f->off += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return f->fd >= 0;
}

/* Waits until something is to be done; false: nothing will be any more. */
static bool next(struct records_file *f)
{
	bool more;

	pthread_mutex_lock(&f->lock);
	while (!f->flush && !f->stop)
		pthread_cond_wait(&f->wanted, &f->lock);
	f->flush = false;
	if (f->off == f->out_len) {
		char *empty = f->out;

		f->out = f->in;
		f->out_len = f->len;
		f->off = 0;
		f->in = empty;
		f->len = 0;
	}
	more = !f->stop || f->off < f->out_len;
	pthread_mutex_unlock(&f->lock);
	return more;
}

/* False: it is not to be tried again. */
static bool note(struct records_file *f, bool good)
{
	bool more;

	if (!good && !f->has_failed && f->fd >= 0)
		log_error("flow records: cannot write '%s': %s (tried again)", f->path, strerror(errno));
	pthread_mutex_lock(&f->lock);
	f->has_failed = !good;
	more = good || !f->stop;
	pthread_mutex_unlock(&f->lock);
	return more;
}

static void free_file(struct records_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f->in);
	free(f->out);
	free(f);
}

static void *run(void *arg)
{
	struct records_file *f = arg;
	bool is_left;

	while (next(f)) {
		look(f);
		if (!note(f, write_out(f)))
			break;
	}
	pthread_mutex_lock(&f->lock);
	f->is_over = true;
	is_left = f->is_left;
	pthread_mutex_unlock(&f->lock);
	if (is_left)
		free_file(f);
	return NULL;
}

/* --- the program's --- */

/* Signals are the loop's. */
static bool start(struct records_file *f)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	f->is_running = !pthread_create(&f->thread, NULL, run, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return f->is_running;
}

struct records_file *records_file_new(const char *path)
{
	struct records_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = -1;
	f->path = strdup(path);
	f->in = malloc(BUF_SIZE);
	f->out = malloc(BUF_SIZE);
	pthread_mutex_init(&f->lock, NULL); /* neither can fail */
	pthread_cond_init(&f->wanted, NULL);
	if (f->path && f->in && f->out)
		return f;
	free_file(f);
	return NULL;
}

static void want(struct records_file *f)
{
	f->flush = true;
	pthread_cond_signal(&f->wanted);
}

bool records_file_put(struct records_file *f, const char *line, size_t len)
{
	bool fits;

	pthread_mutex_lock(&f->lock);
	fits = len <= BUF_SIZE - f->len;
	if (fits) {
		memcpy(f->in + f->len, line, len);
		f->len += len;
	}
	if (f->len >= HURRY && !f->has_failed)
		want(f);
	pthread_mutex_unlock(&f->lock);
	return fits;
}

void records_file_flush(struct records_file *f)
{
	if (!f->is_running && !start(f))
		return; /* tried again */
	pthread_mutex_lock(&f->lock);
	want(f);
	pthread_mutex_unlock(&f->lock);
}

/* False: it still waits for the file, and frees all this when that is over. */
static bool end_thread(struct records_file *f)
{
	struct timespec until;
	bool is_over;

	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wanted);
	pthread_mutex_unlock(&f->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_S;
	if (!pthread_clockjoin_np(f->thread, NULL, CLOCK_MONOTONIC, &until))
		return true;
	log_warn("flow records: '%s' takes too long; what has not been written is lost", f->path);
	pthread_mutex_lock(&f->lock);
	is_over = f->is_over;
	f->is_left = !is_over;
	if (f->is_left)
		pthread_detach(f->thread);
	pthread_mutex_unlock(&f->lock);
	return is_over && !pthread_join(f->thread, NULL);
}

void records_file_free(struct records_file *f)
{
	if (!f)
		return;
	records_file_flush(f);
	if (!f->is_running || end_thread(f))
		free_file(f);
}
