// SPDX-License-Identifier: Apache-2.0
#include "loader/agent.h"

#include <time.h>

#include "util/clock.h"

static uint64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
}

void inforce_arrived(struct tenant *t, uint64_t written_ms)
{
	const uint64_t now = unix_ms();

	/* clocks differ: what seems to come from the future took no time */
	if (written_ms)
		histogram_add(&t->agent->metrics.delivery, now > written_ms ? (now - written_ms) * NSEC_PER_MSEC : 0);
	if (!t->inforce.arrived_ns)
		t->inforce.arrived_ns = clock_mono_ns();
}

void inforce_built(struct tenant *t, bool good)
{
	struct inforce *f = &t->inforce;
	const uint64_t arrived = f->arrived_ns;
	struct inforce_wait *w;

	f->arrived_ns = 0;
	if (!arrived || !good)
		return;
	if (f->n < INFORCE_WAITS) {
		w = &f->waits[f->n++];
		w->arrived_ns = arrived;
		t->agent->metrics.unforced++;
	} else {
		w = &f->waits[f->n - 1];
	}
	w->marks = index_marks(t->agent->index);
	w->policy = t->policy_asked;
}

static void check(struct tenant *t, uint64_t now_ns)
{
	struct agent *a = t->agent;
	struct inforce *f = &t->inforce;
	unsigned int done = 0;

	/* what was asked for later is done later */
	while (done < f->n && index_marks_done(a->index, f->waits[done].marks) && (int32_t)(t->policy_done - f->waits[done].policy) >= 0)
		histogram_add(&a->metrics.in_force, now_ns - f->waits[done++].arrived_ns);
	if (!done)
		return;
	f->n -= done;
	a->metrics.unforced -= done;
	memmove(f->waits, f->waits + done, f->n * sizeof(f->waits[0]));
}

void inforce_check(struct agent *a)
{
	const uint64_t now = clock_mono_ns();
	struct hmap_node *n, *tmp;

	if (!a->metrics.unforced)
		return;
	hmap_for_each (n, tmp, &a->tenants)
		check(container_of(n, struct tenant, node), now);
}
