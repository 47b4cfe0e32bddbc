// SPDX-License-Identifier: Apache-2.0
/*
 * Agents tell in the tenant's stash "seen" up to which revision they are ("<host>": "<crev>", loader/seen.c).  It is looked at again and again while somebody waits;
 * hosts without a lease are down, and are not waited for.
 */
#include "api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/parse.h"
#include "util/clock.h"
#include "util/json.h"

#define LOOK_MS 20
#define WAIT_MAX_MS 60000

struct waiting {
	struct api_request *r;
	struct cache_tenant *t;
	uint64_t crev, until_ns;
	int status;
	json_t *body;
	json_t *hosts; /* {host: true}: those that have not told yet */
};

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

static void end(struct waiting *w)
{
	json_t *names = json_array(), *unused;
	const char *host;

	json_object_foreach (w->hosts, host, unused)
		json_array_append_new(names, json_string(host));
	if (json_array_size(names)) {
		api_answer(w->r, 202, json_pack("{s:o, s:o?}", "waiting_for", names, "result", w->body));
	} else {
		api_header(w->r, "Skep-In-Force", "true");
		json_decref(names);
		api_answer(w->r, w->status, w->body);
	}
	json_decref(w->hosts);
	cache_release(w->t);
	free(w);
}

static void look(void *arg);

static void again(struct waiting *w)
{
	uint64_t now = clock_mono_ns();

	if (!json_object_size(w->hosts) || now >= w->until_ns ||
	    !loop_timer_add(api_of(w->r)->loop, LOOK_MS * NSEC_PER_MSEC, 0, look, w))
		end(w);
}

static void on_seen(void *arg, const struct err *err, const json_t *reply)
{
	struct waiting *w = arg;
	const char *host;
	json_t *text;
	uint64_t crev;

	if (err) {
		end(w); /* it is written; who has it is not known */
		return;
	}
	json_object_foreach ((json_t *)reply, host, text)
		if (parse_u64(json_string_value(text) ? json_string_value(text) : "", &crev) && crev >= w->crev)
			(void)json_object_del(w->hosts, host); /* or nobody waits for it */
	again(w);
}

static void look(void *arg)
{
	struct waiting *w = arg;

	db_unstash(api_of(w->r)->db, cache_name(w->t), "seen", on_seen, w);
}

static void on_leases(void *arg, const struct err *err, const json_t *reply)
{
	struct waiting *w = arg;
	json_t *unused;
	const char *host;
	void *tmp;

	json_object_foreach_safe (w->hosts, tmp, host, unused) {
		char lease[TOPO_NAME_MAX + 8];

		snprintf(lease, sizeof(lease), "host/%s", host);
		if (!err && !json_object_get(reply, lease))
			(void)json_object_del(w->hosts, host);
	}
	if (err)
		end(w);
	else
		look(w);
}

void wait_answer(struct api_request *r, struct cache_tenant *t, uint64_t crev, int status, json_t *body)
{
	struct waiting *w = calloc(1, sizeof(*w));
	const struct cache_object *const *rows;
	uint32_t n, ms;

	if (!w || !wait_parse(r, &ms)) {
		free(w);
		api_answer(r, status, body); /* nothing, if it was answered */
		return;
	}
	api_waits(r);
	rows = cache_rows(t, TOPO_BIND, &n);
	*w = (struct waiting){ .r = r, .t = cache_hold(t), .crev = crev, .status = status, .body = body,
			       .until_ns = clock_mono_ns() + ms * NSEC_PER_MSEC, .hosts = json_object() };
	for (uint32_t i = 0; i < n; i++) {
		const char *host = json_str(rows[i]->record, "host");

		if (host)
			json_object_set_new(w->hosts, host, json_true());
	}
	if (json_object_size(w->hosts))
		db_leases(api_of(r)->db, "host/", on_leases, w);
	else
		end(w);
}
