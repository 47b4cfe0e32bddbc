// SPDX-License-Identifier: Apache-2.0
/*
 * Long answers of the control socket: made a few rows at a time, in turns of a millisecond between packets, and no faster than the client
 * reads.  Clients take turns.
 */
#include "loader/control_private.h"

#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

#define ROWS_MAX (256u << 10) /* bytes that wait for the client before more are made */
#define TURN_NS	 NSEC_PER_MSEC

static bool queue_text(struct client *c, const char *text)
{
	return text && control_queue_bytes(c, text, strlen(text), CONTROL_OUT_MAX);
}

/* One step's rows; false: no memory. */
static bool queue_rows(struct client *c, const json_t *list)
{
	const json_t *row;
	size_t i;

	json_array_foreach (list, i, row) {
		_free_ char *text = json_dumps(row, JSON_COMPACT);

		if ((c->some_rows && !queue_text(c, ",")) || !queue_text(c, text))
			return false;
		c->some_rows = true;
	}
	return true;
}

/* The list's end, what stands behind it, and the line's end. */
static bool end_rows(struct client *c)
{
	json_t *rest = c->rows->rest(c->rows);
	_free_ char *text = rest ? json_dumps(rest, JSON_COMPACT) : NULL;

	json_decref(rest);
	c->rows->free(TAKE_PTR(c->rows));
	return text && queue_text(c, "],") && queue_text(c, text + 1) && control_queue(c, "}", 1, CONTROL_OUT_MAX);
}

void control_rows_begin(struct client *c, struct report_rows *rows)
{
	char head[64];

	c->rows = rows;
	c->some_rows = false;
	snprintf(head, sizeof(head), "{\"result\":{\"%s\":[", rows->name);
	if (queue_text(c, head))
		control_rows_soon(c->server);
	else
		control_kill(c);
}

static bool has_room(const struct client *c)
{
	return !c->dead && c->rows && c->out_len - c->out_off < ROWS_MAX;
}

static void make_rows(struct client *c, uint64_t until_ns)
{
	bool more = true, good = true;

	while (more && good && has_room(c) && clock_mono_ns() < until_ns) {
		json_t *list = json_array();

		more = c->rows->some(c->rows, list);
		good = queue_rows(c, list);
		json_decref(list);
	}
	if (good && !more)
		good = end_rows(c);
	if (!good)
		control_kill(c);
	else
		control_push(c);
	if (!c->dead && !c->rows)
		control_requests(c); /* those that came meanwhile */
}

/* Each client's turn in turn: it goes to the end of the list. */
static void on_rows(void *arg)
{
	struct control_server *s = arg;
	struct client **at = &s->clients, *c;

	s->rows_timer = NULL;
	while (*at && !has_room(*at))
		at = &(*at)->next;
	c = *at;
	if (!c)
		return;
	while (*at) { /* the last one's 'next' */
		if (*at == c)
			*at = c->next;
		else
			at = &(*at)->next;
	}
	c->next = NULL;
	*at = c;
	make_rows(c, clock_mono_ns() + TURN_NS);
	control_rows_soon(s);
	control_sweep(s);
}

void control_rows_soon(struct control_server *s)
{
	struct client *c = s->clients;

	while (c && !has_room(c))
		c = c->next;
	if (c && !s->rows_timer)
		s->rows_timer = loop_timer_add(s->a->loop, 0, 0, on_rows, s);
}
