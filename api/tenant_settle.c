// SPDX-License-Identifier: Apache-2.0
/*
 * A tenant is made, described, or deleted, in two places: what lets people in, with the audit's entry, lies in the space of skep-api, the tenant itself in its own, which no
 * write reaches together.  So the first says that it is "open" until the second is as it says: whichever instance finds one that is open for longer than a request
 * takes does what is left (its server died, or the state DB went away), and closes it.
 */
#include "api/tenant_settle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/cache.h"
#include "api/tenant_delete.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"

#define LOOK_S	1
#define OPEN_S	5 /* for so long it may be on its way */
#define SPREAD_MS 3000 /* instances do not all do it at once */

struct tenant_settle {
	struct api *api;
	struct loop_timer *timer;
	uint64_t open_ns;
	bool busy;
	char tenant[TOPO_NAME_MAX + 1]; /* busy with */
	uint64_t rev;			/* of the record that is open */
	json_t *record, *ending;	/* the record as it is once it is closed; who deletes it, NULL = nobody */
	struct cache_tenant *t;
};

static void look(void *arg);

static void end(struct tenant_settle *s, const struct err *err)
{
	if (err && err->code != -EEXIST && err->code != -ECANCELED) /* others are faster, or it is over */
		log_warn("tenant '%s': what was begun cannot be brought to its end now: %s", s->tenant, err->text);
	cache_release(s->t);
	json_decref(s->record);
	json_decref(s->ending);
	s->t = NULL;
	s->record = s->ending = NULL;
	s->busy = false;
}

static void on_closed(void *arg, const struct err *err, const json_t *reply)
{
	(void)reply;
	end(arg, err);
	if (!err)
		look(arg); /* there may be many */
}

static void close_it(struct tenant_settle *s)
{
	char path[TOPO_NAME_MAX + 16];

	snprintf(path, sizeof(path), "tenant/%s", s->tenant);
	db_claim(s->api->db, DB_API, path, s->rev, s->record, on_closed, s);
}

static void on_listed(void *arg, const struct err *err, const json_t *reply)
{
	struct tenant_settle *s = arg;

	(void)reply;
	if (err) {
		end(s, err);
		return;
	}
	log_info("tenant '%s' is as the audit says it was made: the server that had begun did not", s->tenant);
	close_it(s);
}

static void on_claimed(void *arg, const struct err *err, const json_t *reply)
{
	struct tenant_settle *s = arg;

	(void)reply;
	if (err)
		end(s, err);
	else
		db_remember(s->api->db, s->tenant, on_listed, s);
}

/* It is closed when that is looked at again. */
static void on_ended(void *arg, const struct err *err)
{
	struct tenant_settle *s = arg;

	if (!err)
		log_info("tenant '%s' is deleted: the server that had begun did not come to the end", s->tenant);
	end(s, err);
}

static void on_tenant(void *arg, struct cache_tenant *t, const struct err *err)
{
	struct tenant_settle *s = arg;
	const json_t *is = err ? NULL : cache_record(t, CACHE_TENANT);
	const char *was = json_str(is, "description"), *description = json_str(s->record, "description");
	_json_ json_t *info = NULL;

	if (err) {
		end(s, err);
		return;
	}
	s->t = cache_hold(t);
	if (tenant_is_closing(t)) {
		info = json_pack("{s:s, s:s}", "by", "skep-api", "tenant", s->tenant);
		tenant_finish(s->api, t, json_incref(s->ending ? s->ending : info), on_ended, s);
		return;
	}
	/* deleted; or it was not, after all; or it is as it should be */
	if (!description || s->ending || (cache_exists(t) && was && !strcmp(was, description))) {
		close_it(s);
		return;
	}
	info = json_pack("{s:s}", "description", description);
	if (cache_since(t))
		json_object_set_new(info, "since", json_integer((json_int_t)cache_since(t)));
	db_claim(s->api->db, s->tenant, CACHE_TENANT, (uint64_t)json_integer_value(json_object_get(is, "rev")), info, on_claimed, s);
}

static bool look_at(void *arg, const char *tenant, const struct store_life *life)
{
	struct tenant_settle *s = arg;

	if (clock_mono_ns() - life->open_ns < s->open_ns)
		return true;
	s->record = life->is_over ? json_pack("{s:O}", "deleted", json_object_get(life->open, "deleted")) :
				    json_pack("{s:s, s:I, s:I}", "description", json_str(life->open, "description"), "born",
					      (json_int_t)life->born_s, "since", (json_int_t)life->since);
	if (!s->record)
		return false;
	s->ending = json_incref(json_object_get(life->open, "ending"));
	snprintf(s->tenant, sizeof(s->tenant), "%s", tenant);
	s->rev = life->rev;
	s->busy = true;
	return false;
}

static void look(void *arg)
{
	struct tenant_settle *s = arg;

	if (s->busy)
		return;
	store_each_open(auth_store(s->api->auth), look_at, s);
	if (s->busy)
		cache_get(s->api->cache, s->tenant, on_tenant, s);
}

struct tenant_settle *tenant_settle_new(struct api *api)
{
	struct tenant_settle *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->api = api;
	s->open_ns = OPEN_S * NSEC_PER_SEC + clock_mono_ns() % SPREAD_MS * NSEC_PER_MSEC;
	s->timer = loop_timer_add(api->loop, LOOK_S * NSEC_PER_SEC, LOOK_S * NSEC_PER_SEC, look, s);
	if (s->timer)
		return s;
	free(s);
	return NULL;
}

void tenant_settle_free(struct tenant_settle *s)
{
	if (!s)
		return;
	loop_timer_del(s->timer);
	free(s);
}
