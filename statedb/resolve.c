// SPDX-License-Identifier: Apache-2.0
/* getaddrinfo() waits for name servers, so it runs in a thread; the job is shared by both and freed
 * by whoever is last.  Called by node.c. */
#include "statedb/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct resolve {
	atomic_int refs; /* loop's side, thread's side */
	int efd;	 /* the thread writes it when the rest is filled */
	char host[256], port[8];
	unsigned int turn;
	int rc; /* EAI_* */
	struct sockaddr_storage sa;
	socklen_t sa_len;
	/* the loop's side only */
	struct loop_fd *f;
	resolve_done *done;
	void *arg;
};

static void unref(struct resolve *r)
{
	if (atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	close(r->efd);
	free(r);
}

static int lookup(struct resolve *r, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV },
			*all, *ai;
	int rc = getaddrinfo(r->host, r->port, &hints, &all);
	unsigned int n = 0;

	if (rc)
		return rc;
	for (ai = all; ai; ai = ai->ai_next)
		n++;
	ai = all;
	for (unsigned int i = r->turn % n; i > 0; i--)
		ai = ai->ai_next;
	memcpy(&r->sa, ai->ai_addr, ai->ai_addrlen);
	r->sa_len = ai->ai_addrlen;
	freeaddrinfo(all);
	return 0;
}

static void *worker(void *arg)
{
	struct resolve *r = arg;
	uint64_t one = 1;

	r->rc = lookup(r, AI_ADDRCONFIG);
	if (write(r->efd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes one always */
	unref(r);
	return NULL;
}

static void on_ready(void *arg, uint32_t events)
{
	struct resolve *r = arg;
	resolve_done *done = r->done;
	void *done_arg = r->arg;

	(void)events;
	loop_fd_del(r->f);
	done(done_arg, &r->sa, r->sa_len, r->rc ? gai_strerror(r->rc) : NULL);
	unref(r);
}

static int start_thread(struct resolve *r)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t t;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t, &attr, worker, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

struct resolve *resolve_start(struct loop *loop, const char *host, uint16_t port, unsigned int turn,
			      resolve_done *done, void *arg)
{
	struct resolve *r = calloc(1, sizeof(*r));

	if (!r) {
		done(arg, NULL, 0, "out of memory");
		return NULL;
	}
	r->efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_store(&r->refs, 1);
	r->done = done;
	r->arg = arg;
	r->turn = turn;
	snprintf(r->host, sizeof(r->host), "%s", host);
	snprintf(r->port, sizeof(r->port), "%u", port);
	if (lookup(r, AI_NUMERICHOST) == 0) {
		done(arg, &r->sa, r->sa_len, NULL);
		unref(r);
		return NULL;
	}
	r->f = r->efd < 0 ? NULL : loop_fd_add(loop, r->efd, EPOLLIN, on_ready, r);
	if (!r->f) {
		done(arg, NULL, 0, "no descriptor for resolving it");
		unref(r);
		return NULL;
	}
	atomic_store(&r->refs, 2);
	if (start_thread(r)) {
		loop_fd_del(r->f);
		done(arg, NULL, 0, "no thread for resolving it");
		unref(r);
		unref(r);
		return NULL;
	}
	return r;
}

void resolve_cancel(struct resolve *r)
{
	if (!r)
		return;
	loop_fd_del(r->f);
	unref(r);
}
