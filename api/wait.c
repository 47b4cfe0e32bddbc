// SPDX-License-Identifier: Apache-2.0
/*
 * Agents tell in the tenant's stash "seen" up to which revision they are ("<host>": "<crev>", loader/seen.c).  It is looked at again and again while somebody waits,
 * once for all who wait for the same tenant; hosts without a lease are down, and are not waited for.
 */
#include "api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/parse.h"
#include "util/clock.h"
#include "util/json.h"

#define LOOK_MS	    20
#define LEASES_MS   1000 /* hosts are asked for again, while somebody waits */
#define WAIT_MAX_MS 60000

struct waiting {
	struct waiting *next;
	struct api_request *r;
	uint64_t crev, until_ns;
	int status;
	char *text; /* the answer's, JSON; NULL = none */
	size_t len;
	json_t *hosts; /* {host: true}: those that have not told yet */
};

/* A tenant that somebody waits for. */
struct looking {
	struct looking *next;
	struct api *api;
	struct cache_tenant *t;
	struct waiting *waits;
	struct loop_timer *timer; /* until the next look; NULL: one is on its way */
	json_t *leases;		  /* of 'leases_ns' */
	uint64_t leases_ns;
};

static struct looking *lookings;
static bool stopped;

bool wait_parse(struct api_request *r, uint32_t *ms)
{
	const char *text = api_query(r, "wait");

	*ms = 0;
	if (!text || (parse_duration_ms(text, ms) && *ms <= WAIT_MAX_MS))
		return true;
	api_problemf(r, 400, "malformed", "query parameter 'wait': '%.40s' is not a duration of at most %d s (want 5s, 500ms)", text,
		     WAIT_MAX_MS / 1000);
	return false;
}

/* {"waiting_for": [hosts], "result": what is told later otherwise} */
static void answer_waiting(struct waiting *w)
{
	_json_ json_t *names = json_array();
	_free_ char *list = NULL;
	char *text = NULL;
	json_t *unused;
	const char *host;
	int n;

	json_object_foreach (w->hosts, host, unused)
		json_array_append_new(names, json_string(host));
	list = json_dumps(names, JSON_COMPACT);
	n = list ? asprintf(&text, "{\"waiting_for\":%s%s%s}", list, w->text ? ",\"result\":" : "", w->text ? w->text : "") : -1;
	free(w->text);
	if (n < 0)
		api_problemf(w->r, 503, "overloaded", "out of memory");
	else
		api_answer_text(w->r, 202, "application/json", text, (size_t)n);
}

static void end(struct waiting *w)
{
	if (json_object_size(w->hosts)) {
		answer_waiting(w);
	} else {
		api_header(w->r, "Skep-In-Force", "true");
		api_answer_text(w->r, w->status, w->text ? "application/json" : NULL, w->text, w->len);
	}
	json_decref(w->hosts);
	free(w);
}

static void end_all(struct looking *l)
{
	struct waiting *w;

	while ((w = l->waits)) {
		l->waits = w->next;
		end(w);
	}
}

static void looking_free(struct looking *l)
{
	struct looking **p = &lookings;

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	loop_timer_del(l->timer);
	json_decref(l->leases);
	cache_release(l->t);
	free(l);
}

static void look(void *arg);

/* Those who know enough, or have no time left, are answered; the others go on. */
static void settle(struct looking *l)
{
	const uint64_t now = clock_mono_ns();
	struct waiting **p = &l->waits, *w;

	while ((w = *p)) {
		if (json_object_size(w->hosts) && now < w->until_ns) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		end(w);
	}
	l->timer = l->waits ? loop_timer_add(l->api->loop, LOOK_MS * NSEC_PER_MSEC, 0, look, l) : NULL;
	if (l->timer)
		return;
	end_all(l);
	looking_free(l);
}

/* Its state DB does not say: it is written; who has it is not known. */
static void give_up(struct looking *l)
{
	end_all(l);
	looking_free(l);
}

static bool has_lease(const struct looking *l, const char *host)
{
	char lease[TOPO_NAME_MAX + 8];

	snprintf(lease, sizeof(lease), "host/%s", host);
	return json_object_get(l->leases, lease);
}

static void on_seen(void *arg, const struct err *err, const json_t *reply)
{
	struct looking *l = arg;
	const char *host;
	json_t *unused;
	void *tmp;

	if (err) {
		give_up(l);
		return;
	}
	for (struct waiting *w = l->waits; w; w = w->next)
		json_object_foreach_safe (w->hosts, tmp, host, unused) {
			const char *text = json_str(reply, host);
			uint64_t crev;

			if (!has_lease(l, host) || (text && parse_u64(text, &crev) && crev >= w->crev))
				(void)json_object_del(w->hosts, host);
		}
	settle(l);
}

static void on_leases(void *arg, const struct err *err, const json_t *reply)
{
	struct looking *l = arg;

	if (err) {
		give_up(l);
		return;
	}
	json_decref(l->leases);
	l->leases = json_incref((json_t *)reply);
	l->leases_ns = clock_mono_ns();
	db_unstash(l->api->db, cache_name(l->t), "seen", on_seen, l);
}

static void look(void *arg)
{
	struct looking *l = arg;

	l->timer = NULL;
	if (!l->leases || clock_mono_ns() - l->leases_ns >= LEASES_MS * NSEC_PER_MSEC)
		db_leases(l->api->db, "host/", on_leases, l);
	else
		db_unstash(l->api->db, cache_name(l->t), "seen", on_seen, l);
}

/* With the others of its tenant; false: no memory. */
static bool join(struct waiting *w, struct cache_tenant *t)
{
	struct looking *l = lookings;

	while (l && l->t != t)
		l = l->next;
	if (l) {
		w->next = l->waits;
		l->waits = w;
		return true;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return false;
	*l = (struct looking){ .next = lookings, .api = api_of(w->r), .t = cache_hold(t), .waits = w };
	lookings = l;
	look(l);
	return true;
}

void wait_answer(struct api_request *r, struct cache_tenant *t, uint64_t crev, int status, char *text, size_t len)
{
	struct waiting *w = calloc(1, sizeof(*w));
	const struct cache_object *const *rows;
	uint32_t n, ms;

	if (!w || !wait_parse(r, &ms)) {
		free(w);
		api_answer_text(r, status, text ? "application/json" : NULL, text, len); /* nothing, if it was answered */
		return;
	}
	api_waits(r);
	rows = cache_rows(t, TOPO_BIND, &n);
	*w = (struct waiting){ .r = r, .crev = crev, .status = status, .text = text, .len = len, .until_ns = clock_mono_ns() + ms * NSEC_PER_MSEC,
			       .hosts = json_object() };
	for (uint32_t i = 0; i < n; i++) {
		const char *host = json_str(rows[i]->record, "host");

		if (host)
			json_object_set_new(w->hosts, host, json_true());
	}
	if (stopped || !json_object_size(w->hosts) || !join(w, t))
		end(w);
}

void wait_stop(void)
{
	stopped = true;
	for (struct looking *l = lookings, *next; l; l = next) {
		next = l->next;
		end_all(l);
		if (l->timer)
			looking_free(l); /* else by what it has asked for, at the latest by db_free() */
	}
}
