/* SPDX-License-Identifier: Apache-2.0 */
/* Event loop on epoll: descriptors, timers, signals.  One thread.  Callbacks may add and remove anything, themselves included. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_fd;
struct loop_timer;

struct loop *loop_new(void); /* NULL: errno */
void loop_free(struct loop *loop); /* takes NULL; frees what is still registered */
int loop_run(struct loop *loop);   /* until loop_stop(); 0 or -errno */
/* One round: waits at most 'timeout_ms' (-1 = for ever) for something to happen.  0 or -errno.  Also from within a callback. */
int loop_once(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);

/* 'events' are EPOLLIN, EPOLLOUT, ...  The descriptor stays the caller's.  NULL: errno. */
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events,
			    void (*cb)(void *arg, uint32_t events), void *arg);
int loop_fd_events(struct loop_fd *f, uint32_t events);
void loop_fd_del(struct loop_fd *f); /* takes NULL; before the descriptor is closed */

/* First call after 'delay_ns', then every 'period_ns' (0 = once; a one-shot timer is freed behind its callback). */
struct loop_timer *loop_timer_add(struct loop *loop, uint64_t delay_ns, uint64_t period_ns,
				  void (*cb)(void *arg), void *arg);
void loop_timer_del(struct loop_timer *t); /* takes NULL; not on a one-shot timer that has fired */

/* Blocks 'signo' for the process and calls back from the loop instead. */
int loop_signal(struct loop *loop, int signo, void (*cb)(void *arg, int signo), void *arg);
