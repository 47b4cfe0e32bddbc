// SPDX-License-Identifier: Apache-2.0
/*
 * Changes of a tenant's configuration as server-sent events.  A tenant that somebody has watched has a hub, which remembers the last changes for those who come back
 * with Last-Event-ID; what it does not remember is a "reset": read everything again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache_private.h"
#include "api/events.h"
#include "api/parse.h"
#include "api/request.h"
#include "topology/doc.h"
#include "util/clock.h"
#include "util/json.h"

#define HISTORY_MAX   4096
#define HISTORY_BYTES (8u << 20)
#define COMMIT_MAX    1000 /* changes of one commit that are told one by one */
#define STREAMS_MAX   1000 /* of one tenant */
#define LOOK_NS	      NSEC_PER_SEC /* at whether followers may still follow */
#define PING_NS	      (15 * NSEC_PER_SEC)
#define AGE_NS	      (900 * NSEC_PER_SEC) /* then clients come back, and show again who they are */

struct entry {
	struct entry *next;
	uint64_t rev;
	size_t len;
	char text[];
};

struct follower {
	struct follower *next, **prev;
	struct api_stream *stream;
	struct api_caller caller;
	uint64_t began_ns;
	bool ended;
};

struct events {
	struct cache_tenant *t;
	struct auth *auth;
	struct cache_watch *watch;
	struct loop_timer *ping;
	uint64_t pinged_ns;
	struct entry *first, **last;
	uint64_t from; /* all changes behind this revision are remembered */
	uint64_t rev;  /* of the last one */
	size_t n, bytes;
	struct follower *followers;
	unsigned int n_followers;
};

/* --- history --- */

static void forget_first(struct events *e)
{
	struct entry *old = e->first;

	e->first = old->next;
	if (!e->first)
		e->last = &e->first;
	e->from = old->rev;
	e->n--;
	e->bytes -= old->len;
	free(old);
}

static void forget(struct events *e)
{
	while (e->first)
		forget_first(e);
}

static void tell(struct events *e, const char *text, size_t len)
{
	for (struct follower *f = e->followers; f; f = f->next)
		if (!f->ended && api_stream_write(f->stream, text, len))
			f->ended = true; /* it reads too slowly: 'closed' comes */
}

/* 'text' is told now, and to those who come back. */
static void add(struct events *e, uint64_t rev, const char *text, size_t len)
{
	struct entry *entry = malloc(sizeof(*entry) + len);

	tell(e, text, len);
	e->rev = rev;
	if (!entry) {
		forget(e);
		e->from = rev;
		return;
	}
	*entry = (struct entry){ .rev = rev, .len = len };
	memcpy(entry->text, text, len);
	*e->last = entry;
	e->last = &entry->next;
	e->n++;
	e->bytes += len;
	while (e->n > HISTORY_MAX || (e->bytes > HISTORY_BYTES && e->n > 1))
		forget_first(e);
}

static void reset(struct events *e, uint64_t rev)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "id: %" PRIu64 "\nevent: reset\ndata: {\"rev\":%" PRIu64 "}\n\n", rev, rev);

	forget(e);
	e->from = e->rev = rev;
	tell(e, text, (size_t)n);
}

/* The revision is the id of a commit's last change: who has not seen that one has not seen the commit. */
static bool format(FILE *f, const char *path, json_t *record, uint64_t rev, bool is_last)
{
	_json_ json_t *data = NULL;
	enum topo_kind kind;
	const char *name;

	if (!topo_path_parse(path, &kind, &name))
		return false;
	if (is_last)
		fprintf(f, "id: %" PRIu64 "\n", rev);
	fprintf(f, "event: %s\ndata: ", json_is_null(record) ? "delete" : "put");
	data = json_pack("{s:s, s:s, s:I, s:O}", "kind", topo_kind_plural(kind), "name", name, "rev", (json_int_t)rev, "object",
			 record);
	if (data)
		json_dumpf(data, f, JSON_COMPACT);
	fputs("\n\n", f);
	return true;
}

static void on_changed(void *arg, struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev)
{
	struct events *e = arg;
	enum topo_kind kind;
	const char *path, *name;
	size_t n = 0, i = 0, len = 0;
	char *text = NULL;
	json_t *record;
	FILE *f;

	(void)t;
	(void)before;
	json_object_foreach ((json_t *)changes, path, record)
		n += topo_path_parse(path, &kind, &name);
	if (changes && !n)
		return;
	f = changes && n <= COMMIT_MAX ? open_memstream(&text, &len) : NULL;
	if (!f) {
		reset(e, rev);
		return;
	}
	json_object_foreach ((json_t *)changes, path, record)
		if (topo_path_parse(path, &kind, &name))
			format(f, path, record, rev, ++i == n);
	if (fclose(f))
		reset(e, rev);
	else
		add(e, rev, text, len);
	free(text);
}

/* --- hubs --- */

static void on_ping(void *arg)
{
	struct events *e = arg;
	uint64_t now = clock_mono_ns();

	if (e->pinged_ns + PING_NS <= now) {
		tell(e, ": ping\n\n", 8);
		e->pinged_ns = now;
	}
	/* a token that is revoked ends what it began */
	for (struct follower *f = e->followers; f; f = f->next)
		if (!f->ended && (f->began_ns + AGE_NS < now || !auth_still(e->auth, &f->caller))) {
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
	e->last = &e->first;
	e->from = e->rev = cache_rev(t);
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
	forget(e);
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

static void replay(struct events *e, struct follower *f, const char *seen)
{
	uint64_t rev = e->rev, last = 0;
	char text[96];
	int n;

	if (seen && parse_u64(seen, &last) && last >= e->from && last <= e->rev) {
		for (const struct entry *entry = e->first; entry; entry = entry->next)
			if (entry->rev > last && api_stream_write(f->stream, entry->text, entry->len))
				return;
		return;
	}
	/* an id alone is remembered by the client, and is no event */
	n = seen ? snprintf(text, sizeof(text), "id: %" PRIu64 "\nevent: reset\ndata: {\"rev\":%" PRIu64 "}\n\n", rev, rev) :
		   snprintf(text, sizeof(text), "retry: 2000\nid: %" PRIu64 "\n\n", rev);
	(void)api_stream_write(f->stream, text, (size_t)n); /* the first words of it */
}

static void follow(struct api_request *r, struct cache_tenant *t)
{
	static const struct api_stream_ops ops = { on_closed };
	const char *seen = api_request_header(r, "Last-Event-ID");
	struct events *e = hub(t);
	struct follower *f = calloc(1, sizeof(*f));
	struct closing *c = calloc(1, sizeof(*c));
	const struct api_caller caller = *api_caller_of(r);
	char last[32] = "";

	if (!e || !f || !c || e->n_followers >= STREAMS_MAX) {
		free(f);
		free(c);
		api_problemf(r, 503, "overloaded", e && e->n_followers >= STREAMS_MAX ? "too many streams" : "out of memory");
		return;
	}
	snprintf(last, sizeof(last), "%s", seen ? seen : "");
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
	replay(e, f, seen ? last : NULL);
}

static void on_events(struct api_request *r)
{
	api_with_tenant(r, follow);
}

const struct api_route events_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/events", on_events, API_READER, 0, NULL, "changes, as they come (server-sent events)" },
};
const unsigned int n_events_routes = ARRAY_SIZE(events_routes);
