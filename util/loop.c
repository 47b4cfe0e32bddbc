// SPDX-License-Identifier: Apache-2.0
/* Timers are a plain list: there are a dozen of them.  Removed items are freed at the end of the round, for callbacks' sake. */
#include "util/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "util/clock.h"

#define MAX_SIGNALS 8

struct loop_fd {
	struct loop *loop;
	struct loop_fd *next;
	int fd;
	bool dead;
	void (*cb)(void *arg, uint32_t events);
	void *arg;
};

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next;
	uint64_t at_ns, period_ns;
	bool dead;
	void (*cb)(void *arg);
	void *arg;
};

struct loop_sig {
	struct loop_fd *f;
	int fd, signo;
	void (*cb)(void *arg, int signo);
	void *arg;
};

struct loop {
	int epfd;
	bool stop, has_dead;
	unsigned int depth; /* of loop_once() within callbacks */
	uint64_t now_ns;
	struct loop_fd *fds;
	struct loop_timer *timers;
	struct loop_sig sigs[MAX_SIGNALS];
	int n_sigs;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0) {
		free(l);
		return NULL;
	}
	l->now_ns = clock_mono_ns();
	return l;
}

static void sweep(struct loop *l)
{
	struct loop_fd **f, *df;
	struct loop_timer **t, *dt;

	for (f = &l->fds; *f;)
		if ((*f)->dead) {
			df = *f;
			*f = df->next;
			free(df);
		} else {
			f = &(*f)->next;
		}
	for (t = &l->timers; *t;)
		if ((*t)->dead) {
			dt = *t;
			*t = dt->next;
			free(dt);
		} else {
			t = &(*t)->next;
		}
	l->has_dead = false;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (int i = 0; i < l->n_sigs; i++) {
		loop_fd_del(l->sigs[i].f);
		close(l->sigs[i].fd);
	}
	for (struct loop_fd *f = l->fds; f; f = f->next)
		f->dead = true;
	for (struct loop_timer *t = l->timers; t; t = t->next)
		t->dead = true;
	sweep(l);
	close(l->epfd);
	free(l);
}

static int next_timeout_ms(const struct loop *l, int timeout_ms)
{
	uint64_t at = UINT64_MAX, ms;

	for (const struct loop_timer *t = l->timers; t; t = t->next)
		if (!t->dead && t->at_ns < at)
			at = t->at_ns;
	if (at == UINT64_MAX)
		return timeout_ms;
	ms = at <= l->now_ns ? 0 : (at - l->now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	if (timeout_ms >= 0 && (uint64_t)timeout_ms < ms)
		return timeout_ms;
	return ms > 60000 ? 60000 : (int)ms;
}

static void run_timers(struct loop *l)
{
	for (struct loop_timer *t = l->timers; t; t = t->next) {
		if (t->dead || t->at_ns > l->now_ns)
			continue;
		if (t->period_ns) {
			t->at_ns = l->now_ns + t->period_ns;
		} else {
			t->dead = true;
			l->has_dead = true;
		}
		t->cb(t->arg);
	}
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[64];
	int n;

	l->now_ns = clock_mono_ns();
	n = epoll_wait(l->epfd, ev, 64, next_timeout_ms(l, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ns = clock_mono_ns();
	l->depth++;
	for (int i = 0; i < n; i++) {
		struct loop_fd *f = ev[i].data.ptr;

		if (!f->dead)
			f->cb(f->arg, ev[i].events);
	}
	run_timers(l);
	if (--l->depth == 0 && l->has_dead) /* an outer round may still look at what is dead */
		sweep(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int rc;

	l->stop = false;
	while (!l->stop) {
		rc = loop_once(l, -1);
		if (rc)
			return rc;
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

struct loop_fd *loop_fd_add(struct loop *l, int fd, uint32_t events,
			    void (*cb)(void *arg, uint32_t events), void *arg)
{
	struct loop_fd *f = calloc(1, sizeof(*f));
	struct epoll_event ev = { .events = events, .data.ptr = f };

	if (!f)
		return NULL;
	*f = (struct loop_fd){ .loop = l, .next = l->fds, .fd = fd, .cb = cb, .arg = arg };
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev)) {
		free(f);
		return NULL;
	}
	l->fds = f;
	return f;
}

int loop_fd_events(struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = f };

	return epoll_ctl(f->loop->epfd, EPOLL_CTL_MOD, f->fd, &ev) ? -errno : 0;
}

void loop_fd_del(struct loop_fd *f)
{
	if (!f || f->dead)
		return;
	(void)epoll_ctl(f->loop->epfd, EPOLL_CTL_DEL, f->fd, NULL); /* the descriptor may be gone already */
	f->dead = true;
	f->loop->has_dead = true;
}

struct loop_timer *loop_timer_add(struct loop *l, uint64_t delay_ns, uint64_t period_ns,
				  void (*cb)(void *arg), void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct loop_timer){ .loop = l, .next = l->timers, .at_ns = clock_mono_ns() + delay_ns,
				  .period_ns = period_ns, .cb = cb, .arg = arg };
	l->timers = t;
	return t;
}

void loop_timer_del(struct loop_timer *t)
{
	if (!t)
		return;
	t->dead = true;
	t->loop->has_dead = true;
}

static void on_signal(void *arg, uint32_t events)
{
	struct loop_sig *s = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == sizeof(si))
		s->cb(s->arg, s->signo);
}

int loop_signal(struct loop *l, int signo, void (*cb)(void *arg, int signo), void *arg)
{
	struct loop_sig *s = &l->sigs[l->n_sigs];
	sigset_t set;

	if (l->n_sigs == MAX_SIGNALS)
		return -ENOSPC;
	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	*s = (struct loop_sig){ .signo = signo, .cb = cb, .arg = arg };
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->f = loop_fd_add(l, s->fd, EPOLLIN, on_signal, s);
	if (!s->f) {
		close(s->fd);
		return -errno;
	}
	l->n_sigs++;
	return 0;
}
