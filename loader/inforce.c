// SPDX-License-Identifier: Apache-2.0
#include "loader/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/traceparent.h"

#define TRACES_BYTES 512 /* of what waits together; others are not named */
#define LOG_NS	     (NSEC_PER_SEC / 10) /* traced changes: one line in so long ... */
#define LOG_BURST    20			 /* ... after so many at once; whoever may write, may trace */

static uint64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
}

/* --- whose --- */

static void add_traces(char **all, const char *more)
{
	char *text;

	if (!more || !*more || strlen(more) + (*all ? strlen(*all) : 0) >= TRACES_BYTES)
		return;
	if (asprintf(&text, "%s%s%s", *all ? *all : "", *all ? " " : "", more) < 0)
		return;
	free(*all);
	*all = text;
}

static enum log_level level_of(struct agent *a, const char *trace, uint64_t now_ns)
{
	uint64_t *tat_ns = &a->metrics.trace_tat_ns;

	if (!traceparent_sampled(trace) || *tat_ns > now_ns + LOG_BURST * LOG_NS)
		return LOG_DEBUG_LEVEL;
	*tat_ns = (*tat_ns > now_ns ? *tat_ns : now_ns) + LOG_NS;
	return LOG_INFO_LEVEL;
}

static void say(const struct tenant *t, uint64_t crev, const char *trace, uint64_t took_ns, const char *what, uint64_t now_ns)
{
	char revision[24], ms[32];
	const struct log_field fields[] = { { "tenant", t->name }, { "revision", revision }, { "traceparent", trace }, { "duration_ms", ms } };
	const enum log_level level = level_of(t->agent, trace, now_ns);

	if (!log_wants(level))
		return;
	snprintf(revision, sizeof(revision), "%" PRIu64, crev);
	snprintf(ms, sizeof(ms), "%.3f", (double)took_ns / NSEC_PER_MSEC);
	log_with(level, fields, ARRAY_SIZE(fields), "a change is %s", what);
}

/* One line for each trace, or one for all who have none. */
static void say_all(const struct tenant *t, uint64_t crev, char *traces, uint64_t took_ns, const char *what, uint64_t now_ns)
{
	char *rest = traces, *trace;

	if (!traces)
		say(t, crev, "", took_ns, what, now_ns);
	while ((trace = strsep(&rest, " ")))
		if (traceparent_valid(trace))
			say(t, crev, trace, took_ns, what, now_ns);
}

/* --- what --- */

void inforce_arrived(struct tenant *t, uint64_t written_ms, const char *traces)
{
	const uint64_t now = unix_ms();

	/* clocks differ: what seems to come from the future took no time */
	if (written_ms)
		histogram_add(&t->agent->metrics.delivery, now > written_ms ? (now - written_ms) * NSEC_PER_MSEC : 0);
	if (!t->inforce.arrived_ns)
		t->inforce.arrived_ns = clock_mono_ns();
	add_traces(&t->inforce.traces, traces);
}

void inforce_built(struct tenant *t, bool good)
{
	struct inforce *f = &t->inforce;
	_free_ char *traces = TAKE_PTR(f->traces);
	const uint64_t arrived = f->arrived_ns, now = clock_mono_ns();
	struct inforce_wait *w;

	f->arrived_ns = 0;
	if (!arrived)
		return;
	if (!good) {
		say_all(t, t->crev, traces, now - arrived, "not in force: its records make no valid network", now);
		return;
	}
	if (f->n < INFORCE_WAITS) {
		w = &f->waits[f->n++];
		*w = (struct inforce_wait){ .arrived_ns = arrived };
		t->agent->metrics.unforced++;
	} else {
		w = &f->waits[f->n - 1];
	}
	w->crev = t->crev;
	w->marks = index_marks(t->agent->index);
	w->policy = t->policy_asked;
	add_traces(&w->traces, traces);
}

static void check(struct tenant *t, uint64_t now_ns)
{
	struct agent *a = t->agent;
	struct inforce *f = &t->inforce;
	unsigned int done = 0;

	/* what was asked for later is done later */
	while (done < f->n && index_marks_done(a->index, f->waits[done].marks) && (int32_t)(t->policy_done - f->waits[done].policy) >= 0) {
		struct inforce_wait *w = &f->waits[done++];

		histogram_add(&a->metrics.in_force, now_ns - w->arrived_ns);
		say_all(t, w->crev, w->traces, now_ns - w->arrived_ns, "in force", now_ns);
		free(TAKE_PTR(w->traces));
	}
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

void inforce_fini(struct tenant *t)
{
	struct inforce *f = &t->inforce;

	while (f->n)
		free(f->waits[--f->n].traces);
	free(TAKE_PTR(f->traces));
}
