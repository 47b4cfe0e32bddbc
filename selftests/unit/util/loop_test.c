// SPDX-License-Identifier: Apache-2.0
/* The event loop: util/loop.c.  Real descriptors, timers and signals; waiting is bounded by the
 * loop's own timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/loop.h"

#define MS	 NSEC_PER_MSEC
#define DEADLINE (10000 * MS) /* a loop that hangs ends here, and the test's counts are wrong */

struct world {
	struct loop *loop;
	int pipe[2];
	struct loop_fd *f, *g;
	struct loop_timer *t;
	int calls, other;
	int want; /* calls after which to stop */
};

static void give_up(void *arg)
{
	struct world *w = arg;

	w->calls = -1000;
	loop_stop(w->loop);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->loop = loop_new();
	assert_non_null(w->loop);
	assert_int_equal(pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC), 0);
	assert_non_null(loop_timer_add(w->loop, DEADLINE, 0, give_up, w));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	loop_free(w->loop);
	close(w->pipe[0]);
	close(w->pipe[1]);
	free(w);
	return 0;
}

static void read_and_stop(void *arg, uint32_t events)
{
	struct world *w = arg;
	char c;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(w->pipe[0], &c, 1), 1);
	if (++w->calls == w->want)
		loop_stop(w->loop);
}

static void descriptors(void **state)
{
	struct world *w = *state;

	w->want = 3;
	w->f = loop_fd_add(w->loop, w->pipe[0], EPOLLIN, read_and_stop, w);
	assert_non_null(w->f);
	assert_int_equal(write(w->pipe[1], "abc", 3), 3);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->calls, 3);
	/* not interested: nothing comes */
	assert_int_equal(write(w->pipe[1], "d", 1), 1);
	assert_int_equal(loop_fd_events(w->f, 0), 0);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->calls, 3);
	assert_int_equal(loop_fd_events(w->f, EPOLLIN), 0);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->calls, 4);
	assert_null(loop_fd_add(w->loop, -1, EPOLLIN, read_and_stop, w));
	assert_int_equal(errno, EBADF);
	loop_fd_del(NULL);
}

/* Both are ready; whoever comes first removes both.  The other must not be called. */
static void remove_both(void *arg, uint32_t events)
{
	struct world *w = arg;

	w->calls++;
	loop_fd_del(w->f);
	loop_fd_del(w->g);
}

static void removal_in_a_callback(void **state)
{
	struct world *w = *state;

	w->f = loop_fd_add(w->loop, w->pipe[0], EPOLLIN, remove_both, w);
	w->g = loop_fd_add(w->loop, w->pipe[1], EPOLLOUT, remove_both, w);
	assert_int_equal(write(w->pipe[1], "a", 1), 1);
	assert_int_equal(loop_once(w->loop, 1000), 0);
	assert_int_equal(w->calls, 1);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->calls, 1);
}

/* A descriptor number that is closed and comes back in the same round is another descriptor. */
static void replace(void *arg, uint32_t events)
{
	struct world *w = arg;
	int old = w->pipe[0];

	w->calls++;
	loop_fd_del(w->f);
	close(w->pipe[0]);
	close(w->pipe[1]);
	assert_int_equal(pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(w->pipe[0], old);
	w->want = 2;
	w->f = loop_fd_add(w->loop, w->pipe[0], EPOLLIN, read_and_stop, w);
	assert_int_equal(write(w->pipe[1], "x", 1), 1);
}

static void descriptor_numbers_come_back(void **state)
{
	struct world *w = *state;

	w->f = loop_fd_add(w->loop, w->pipe[0], EPOLLIN, replace, w);
	assert_int_equal(write(w->pipe[1], "a", 1), 1);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->calls, 2);
}

static void count(void *arg)
{
	struct world *w = arg;

	if (++w->calls == w->want)
		loop_stop(w->loop);
}

static void count_other(void *arg)
{
	((struct world *)arg)->other++;
}

static void timers(void **state)
{
	struct world *w = *state;
	uint64_t start = clock_mono_ns();

	w->want = 3;
	assert_non_null(loop_timer_add(w->loop, 1 * MS, 0, count_other, w)); /* once */
	w->t = loop_timer_add(w->loop, 10 * MS, 20 * MS, count, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->calls, 3);
	assert_int_equal(w->other, 1);
	assert_true(clock_mono_ns() - start >= 50 * MS); /* 10 + 20 + 20 */
	loop_timer_del(w->t);
	loop_timer_del(NULL);
}

static void delete_self_and_add(void *arg)
{
	struct world *w = arg;

	w->calls++;
	loop_timer_del(w->t);
	w->want = w->calls + 1;
	assert_non_null(loop_timer_add(w->loop, 0, 0, count, w));
}

static void timers_change_timers(void **state)
{
	struct world *w = *state;

	w->t = loop_timer_add(w->loop, 0, 1 * MS, delete_self_and_add, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->calls, 2);
	assert_int_equal(loop_once(w->loop, 5), 0);
	assert_int_equal(w->calls, 2);
}

static void timeouts(void **state)
{
	struct world *w = *state;
	uint64_t start = clock_mono_ns();

	assert_int_equal(loop_once(w->loop, 20), 0);
	assert_true(clock_mono_ns() - start >= 19 * MS);
	start = clock_mono_ns();
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_true(clock_mono_ns() - start < 1000 * MS);
}

/* A callback waits for something by turning the loop itself, and what it removes there is still
 * being looked at outside. */
static void turn_the_loop(void *arg, uint32_t events)
{
	struct world *w = arg;

	w->calls++;
	loop_fd_del(w->f);
	loop_fd_del(w->g);
	loop_timer_del(w->t);
	assert_int_equal(loop_once(w->loop, 0), 0);
}

static void rounds_within_rounds(void **state)
{
	struct world *w = *state;

	w->t = loop_timer_add(w->loop, 0, 1, count_other, w);
	w->f = loop_fd_add(w->loop, w->pipe[0], EPOLLIN, turn_the_loop, w);
	w->g = loop_fd_add(w->loop, w->pipe[1], EPOLLOUT, turn_the_loop, w);
	assert_int_equal(write(w->pipe[1], "a", 1), 1);
	assert_int_equal(loop_once(w->loop, 1000), 0);
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->other, 0);
}

static void on_signal(void *arg, int signo)
{
	struct world *w = arg;

	w->other = signo;
	count(w);
}

static void signals(void **state)
{
	struct world *w = *state;

	w->want = 1;
	assert_int_equal(loop_signal(w->loop, SIGUSR1, on_signal, w), 0);
	assert_int_equal(loop_signal(w->loop, SIGUSR2, on_signal, w), 0);
	assert_int_equal(raise(SIGUSR2), 0); /* blocked: else it would end us */
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->other, SIGUSR2);
	assert_int_equal(w->calls, 1);
}

static void what_is_left_is_freed(void **state)
{
	struct world *w = *state;

	assert_non_null(loop_fd_add(w->loop, w->pipe[0], EPOLLIN, read_and_stop, w));
	assert_non_null(loop_timer_add(w->loop, 1, 1, count, w));
	loop_free(NULL);
	/* tear_down frees the loop; the leak check of the sanitizer is the test */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(descriptors),
		T(removal_in_a_callback),
		T(descriptor_numbers_come_back),
		T(timers),
		T(timers_change_timers),
		T(timeouts),
		T(rounds_within_rounds),
		T(signals),
		T(what_is_left_is_freed),
	};

	return cmocka_run_group_tests_name("util/loop", tests, NULL, NULL);
}
