// SPDX-License-Identifier: Apache-2.0
/*
 * Changes of a tenant's configuration as server-sent events.  A tenant that somebody has watched has a hub, which remembers the last changes for those who come back
 * with Last-Event-ID, from whatever instance: what was before it began is read from the state DB, once.  What it does not know either is a "reset": read everything
 * again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache_private.h"
#include "api/event_log.h"
#include "api/events.h"
#include "api/request.h"
#include "util/clock.h"
#include "util/json.h"

#define STREAMS_MAX 1000 /* of one tenant */
#define LOOK_NS	    NSEC_PER_SEC /* at whether followers may still follow */
#define PING_NS	    (15 * NSEC_PER_SEC)
#define AGE_NS	    (900 * NSEC_PER_SEC) /* then clients come back, and show again who they are */
#define AHEAD_NS    (5 * NSEC_PER_SEC) /* what another instance has told is known here by then */

struct follower {
	struct follower *next, **prev;
	struct api_stream *stream;
	struct api_caller caller;
	uint64_t began_ns;
	uint64_t seen;	   /* it knows all up to this revision */
	uint64_t ahead_ns; /* that is more than we do, since; 0 = it is not */
	bool waiting;	   /* for what was before us: nothing is told meanwhile */
	bool ended;
};

struct events {
	struct cache_tenant *t;
	struct auth *auth;
	struct cache_watch *watch;
	struct loop_timer *ping;
	uint64_t pinged_ns;
	struct event_log log;
	uint32_t epoch;	       /* of the history that 'log' is of */
	unsigned int readings; /* of what was before; the last one counts */
	enum { NOT_READ, READING, READ } before;
	struct follower *followers;
	unsigned int n_followers;
};

/* --- telling --- */

static void tell_one(struct follower *f, const char *text, size_t len)
{
	if (!f->ended && api_stream_write(f->stream, text, len))
		f->ended = true; /* it reads too slowly: 'closed' comes */
}

static void tell(struct events *e, uint64_t rev, const char *text, size_t len)
{
	for (struct follower *f = e->followers; f; f = f->next) {
		if (f->waiting || rev <= f->seen)
			continue;
		tell_one(f, text, len);
		f->seen = rev;
		f->ahead_ns = 0;
	}
}

static void reset_one(struct events *e, struct follower *f)
{
	uint64_t rev = cache_rev(e->t);
	char id[EVENT_ID], text[128];
	int n = snprintf(text, sizeof(text), "id: %s\nevent: reset\ndata: {\"rev\":%" PRIu64 "}\n\n", event_id(id, rev, e->epoch), rev);

	f->waiting = false;
	f->seen = rev;
	f->ahead_ns = 0;
	tell_one(f, text, (size_t)n);
}

/* Nothing that was told before continues. */
static void reset(struct events *e, uint64_t rev)
{
	e->epoch = db_follow_epoch(e->t->follow);
	e->before = NOT_READ;
	event_log_forget(&e->log, rev);
	for (struct follower *f = e->followers; f; f = f->next)
		reset_one(e, f);
}

static void on_changed(void *arg, struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev)
{
	struct events *e = arg;
	size_t len = 0;
	char *text;

	(void)before;
	if (!t->follow)
		return;
	text = changes && e->epoch == db_follow_epoch(t->follow) ? event_text(changes, rev, e->epoch, &len) : NULL;
	if (!text) {
		reset(e, rev);
	} else if (len) {
		event_log_add(&e->log, rev, text, len);
		tell(e, rev, text, len);
	}
	free(text);
}

/* --- what was before --- */

struct reading {
	struct events *e;
	struct cache_tenant *t; /* held */
	unsigned int nth;
};

/* From the log, or from the beginning. */
static void catch_up(struct events *e, struct follower *f)
{
	uint64_t now = cache_rev(e->t), last = f->seen;

	f->waiting = false;
	if (last < e->log.from) {
		reset_one(e, f);
		return;
	}
	for (const struct event *event = e->log.first; event && !f->ended; event = event->next) {
		if (event->rev <= last)
			continue;
		tell_one(f, event->text, event->len);
		f->seen = event->rev;
	}
	if (last > now)
		f->ahead_ns = clock_mono_ns();
}

/* Entries are the newest first; what we have begun with is told already. */
static void prepend(struct events *e, const json_t *entries, uint64_t from)
{
	const json_t *entry;
	size_t i, len;

	json_array_foreach (entries, i, entry) {
		uint64_t rev = (uint64_t)json_integer_value(json_array_get(entry, 0));
		char *text;
		bool ok;

		if (rev > e->log.from)
			continue;
		text = event_text(json_array_get(entry, 1), rev, e->epoch, &len);
		ok = text && (!len || event_log_prepend(&e->log, rev, text, len));
		free(text);
		if (!ok) {
			e->log.from = rev;
			return;
		}
	}
	if (from < e->log.from)
		e->log.from = from;
}

static void on_read(void *arg, const struct err *err, const json_t *reply)
{
	struct reading *reading = arg;
	struct events *e = reading->e;

	if (e->before == READING && reading->nth == e->readings) {
		e->before = err ? NOT_READ : READ;
		if (!err)
			prepend(e, json_object_get(reply, "entries"), (uint64_t)json_integer_value(json_object_get(reply, "from")));
		for (struct follower *f = e->followers; f; f = f->next)
			if (f->waiting)
				catch_up(e, f);
	}
	cache_release(reading->t);
	free(reading);
}

static void read_before(struct events *e)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading)
		return;
	*reading = (struct reading){ e, cache_hold(e->t), ++e->readings };
	e->before = READING;
	db_history(e->t->cache->api->db, cache_name(e->t), on_read, reading);
}

/* --- hubs --- */

static void on_ping(void *arg)
{
	struct events *e = arg;
	uint64_t now = clock_mono_ns();
	/* who cannot be told of changes is not to take silence for none: it comes back, and hears why */
	const bool over = !cache_is_current(e->t) || !cache_exists(e->t);

	for (struct follower *f = e->followers; f && e->pinged_ns + PING_NS <= now; f = f->next)
		tell_one(f, ": ping\n\n", 8);
	if (e->pinged_ns + PING_NS <= now)
		e->pinged_ns = now;
	for (struct follower *f = e->followers; f; f = f->next)
		if (f->ahead_ns && f->seen <= cache_rev(e->t))
			f->ahead_ns = 0;
		else if (f->ahead_ns && f->ahead_ns + AHEAD_NS < now)
			reset_one(e, f); /* nobody has ever told that */
	/* a token that is revoked ends what it began */
	for (struct follower *f = e->followers; f; f = f->next)
		if (!f->ended && (over || f->began_ns + AGE_NS < now || !auth_still(e->auth, &f->caller))) {
			f->ended = true;
			api_stream_end(f->stream);
		}
}

static struct events *hub(struct cache_tenant *t)
{
	struct events *e = t->events;

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->t = t;
	e->auth = t->cache->api->auth;
	e->epoch = db_follow_epoch(t->follow);
	event_log_init(&e->log, cache_rev(t));
	e->watch = cache_watch(t, on_changed, e);
	e->ping = loop_timer_add(t->cache->api->loop, LOOK_NS, LOOK_NS, on_ping, e);
	if (!e->watch || !e->ping) {
		cache_unwatch(e->watch);
		loop_timer_del(e->ping);
		free(e);
		return NULL;
	}
	e->watch->quiet = true;
	t->events = e;
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	event_log_forget(&e->log, 0);
	loop_timer_del(e->ping);
	free(e); /* the watch is the tenant's, and ends with it */
}

/* --- followers --- */

struct closing {
	struct follower *f;
	struct events *e;
};

static void on_closed(void *arg)
{
	struct closing *c = arg;
	struct cache_tenant *t = c->e->t;

	*c->f->prev = c->f->next;
	if (c->f->next)
		c->f->next->prev = c->f->prev;
	c->e->n_followers--;
	free(c->f);
	free(c);
	cache_release(t);
}

static void begin(struct events *e, struct follower *f, const char *seen)
{
	char id[EVENT_ID], text[96];
	uint32_t epoch;
	int n;

	f->seen = cache_rev(e->t);
	if (!*seen) { /* an id alone is remembered by the client, and is no event */
		n = snprintf(text, sizeof(text), "retry: 2000\nid: %s\n\n", event_id(id, f->seen, e->epoch));
		tell_one(f, text, (size_t)n); /* the first words of it */
		return;
	}
	if (!event_id_parse(seen, &f->seen, &epoch) || epoch != e->epoch || f->seen < cache_since(e->t)) {
		reset_one(e, f);
		return;
	}
	if (f->seen < e->log.from && e->before == NOT_READ)
		read_before(e);
	f->waiting = f->seen < e->log.from && e->before == READING;
	if (!f->waiting)
		catch_up(e, f);
	/* what is sent later begins with something now: who waits sees that it is connected */
	tell_one(f, ": connected\n\n", 13);
}

static void follow(struct api_request *r, struct cache_tenant *t)
{
	static const struct api_stream_ops ops = { on_closed };
	const char *seen = api_request_header(r, "Last-Event-ID");
	struct events *e = hub(t);
	struct follower *f = calloc(1, sizeof(*f));
	struct closing *c = calloc(1, sizeof(*c));
	const struct api_caller caller = *api_caller_of(r);
	char last[EVENT_ID] = "";

	if (!e || !f || !c || e->n_followers >= STREAMS_MAX) {
		free(f);
		free(c);
		api_problemf(r, 503, "overloaded", e && e->n_followers >= STREAMS_MAX ? "too many streams" : "out of memory");
		return;
	}
	/* it may be gone with the headers; one that is too long is none of ours */
	snprintf(last, sizeof(last), "%s", !seen ? "" : *seen && strlen(seen) < sizeof(last) ? seen : "-");
	*c = (struct closing){ f, e };
	api_header(r, "Cache-Control", "no-cache, no-store");
	f->stream = api_stream(r, 200, "text/event-stream", &ops, c);
	if (!f->stream) {
		free(f);
		free(c);
		return;
	}
	cache_hold(t);
	f->caller = caller;
	f->began_ns = clock_mono_ns();
	f->next = e->followers;
	f->prev = &e->followers;
	if (f->next)
		f->next->prev = &f->next;
	e->followers = f;
	e->n_followers++;
	if (e->epoch != db_follow_epoch(t->follow)) /* read again, and the same: but what was told has other ids */
		reset(e, cache_rev(t));
	begin(e, f, last);
}

static void on_events(struct api_request *r)
{
	api_with_tenant(r, follow);
}

const struct api_route events_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/events", on_events, API_READER, 0, NULL, "changes, as they come (server-sent events)" },
};
const unsigned int n_events_routes = ARRAY_SIZE(events_routes);
