// SPDX-License-Identifier: Apache-2.0
/*
 * The index that writes are judged by (topology/step.h), before somebody waits for it: of a network that was just judged as a whole it is made bit by bit, when there
 * is nothing else to do.
 */
#include "api/cache_private.h"
#include "api/writer.h"
#include "util/log.h"

#define RECORDS 1000 /* in one go: a few milliseconds */

static void stop(struct writer *wr)
{
	loop_timer_del(wr->making_timer);
	wr->making_timer = NULL;
	topo_step_free(wr->making);
	wr->making = NULL;
}

static void more(struct writer *wr, size_t n)
{
	const int rc = topo_step_more(wr->making, n);

	if (rc > 0)
		return;
	if (!rc) {
		wr->step = wr->making;
		wr->making = NULL;
	}
	stop(wr);
}

static void on_timer(void *arg)
{
	struct writer *wr = arg;

	wr->making_timer = NULL;
	more(wr, RECORDS);
	if (wr->making)
		wr->making_timer = loop_timer_add(wr->api->loop, 0, 0, on_timer, wr); /* NULL: whoever needs it makes the rest */
}

void writer_prepare(struct writer *wr)
{
	if (wr->step || wr->making || wr->dirty || !wr->whole)
		return;
	wr->making = topo_step_begin(wr->records);
	if (wr->making)
		wr->making_timer = loop_timer_add(wr->api->loop, 0, 0, on_timer, wr);
}

bool writer_has_step(struct writer *wr)
{
	struct err err = { 0 };

	if (wr->step)
		return true;
	if (wr->whole && !wr->making)
		wr->making = topo_step_begin(wr->records);
	if (wr->making) {
		more(wr, SIZE_MAX);
		return wr->step;
	}
	wr->step = topo_step_new(wr->records, &err);
	wr->whole = wr->step;
	if (!wr->step)
		log_debug("tenant '%s': %s", cache_name(wr->t), err.text);
	return wr->step;
}

void writer_no_step(struct writer *wr)
{
	stop(wr);
	topo_step_free(wr->step);
	wr->step = NULL;
}
