// SPDX-License-Identifier: Apache-2.0
#include "api/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "api/cache.h"
#include "api/live_flows.h"
#include "api/request.h"
#include "statedb/telemetry.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/hmap.h"
#include "util/json.h"
#include "util/log.h"

#define FRESH_NS    (NSEC_PER_SEC / 2)
#define STALE_NS    (DB_TELEMETRY_TTL_S * NSEC_PER_SEC) /* a host that says the same for so long says nothing any more */
#define TENANTS_MAX 1024
#define SHOWN_MAX   100 /* drops, events */
#define WISH_GAP_NS NSEC_PER_SEC /* between two wishes of a tenant, however its people change their minds */

struct waiter {
	struct waiter *next;
	struct api_request *r;
	struct cache_tenant *t; /* held */
};

struct live_tenant {
	struct hmap_node node;
	struct live *live;
	uint64_t wished_ns, read_ns, asked_ns;
	bool busy;    /* it is being read */
	json_t *said; /* {host: what it says} */
	json_t *seen; /* {host: [its "at_ms", when that was another one: CLOCK_MONOTONIC, ms]} */
	json_t *leases; /* {"host/NAME": ...} of agents that live; NULL: not known yet */
	json_t *flows; /* live_flows_wish(): what is wished of flows ... */
	bool untold;   /* ... and not all of it is written */
	char trouble[512]; /* why 'said' is older; "" = it is not */
	struct waiter *waiters;
	char name[];
};

struct live {
	struct api *api;
	struct hmap tenants;
};

struct live *live_new(struct api *api)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l)
		l->api = api;
	return l;
}

static void forget(struct live_tenant *lt)
{
	hmap_remove(&lt->live->tenants, &lt->node);
	json_decref(lt->said);
	json_decref(lt->seen);
	json_decref(lt->leases);
	json_decref(lt->flows);
	free(lt);
}

void live_free(struct live *l)
{
	struct hmap_node *n, *tmp;

	if (!l)
		return;
	hmap_for_each (n, tmp, &l->tenants)
		forget(container_of(n, struct live_tenant, node));
	hmap_fini(&l->tenants);
	free(l);
}

/* The one that nobody has asked about for longest. */
static void make_room(struct live *l)
{
	struct live_tenant *oldest = NULL;
	struct hmap_node *n, *tmp;

	if (l->tenants.n < TENANTS_MAX)
		return;
	hmap_for_each (n, tmp, &l->tenants) {
		struct live_tenant *lt = container_of(n, struct live_tenant, node);

		if (!lt->busy && (!oldest || lt->asked_ns < oldest->asked_ns))
			oldest = lt;
	}
	if (oldest)
		forget(oldest);
}

static struct live_tenant *get(struct live *l, const char *name)
{
	const uint64_t hash = hash_str(name, 0);
	struct live_tenant *lt;
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &l->tenants, hash) {
		lt = container_of(n, struct live_tenant, node);
		if (!strcmp(lt->name, name))
			return lt;
	}
	make_room(l);
	lt = calloc(1, sizeof(*lt) + strlen(name) + 1);
	if (!lt)
		return NULL;
	lt->live = l;
	lt->said = json_object();
	lt->seen = json_object();
	lt->flows = json_object();
	memcpy(lt->name, name, strlen(name) + 1);
	if (lt->said && lt->seen && lt->flows && !hmap_insert(&l->tenants, &lt->node, hash))
		return lt;
	json_decref(lt->said);
	json_decref(lt->seen);
	json_decref(lt->flows);
	free(lt);
	return NULL;
}

/* --- the answer --- */

static uint64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC;
}

/* Is the name among those of the query parameter (commas between), if there is one? */
static bool is_asked(const struct api_request *r, const char *what, const char *name)
{
	const size_t len = name ? strlen(name) : 0;
	const char *p = api_query(r, what);

	if (!p)
		return true;
	for (; len && *p; p += *p == ',') {
		const size_t n = strcspn(p, ",");

		if (n == len && !memcmp(p, name, n))
			return true;
		p += n;
	}
	return false;
}

/* What the port's host says of it; NULL: nothing. */
static const json_t *said_of(const struct live_tenant *lt, const char *host, const char *port)
{
	return host ? json_object_get(json_object_get(json_object_get(lt->said, host), "ports"), port) : NULL;
}

static bool agent_lives(const struct live_tenant *lt, const char *host)
{
	char lease[TOPO_NAME_MAX + 8];

	snprintf(lease, sizeof(lease), "host/%s", host ? host : "");
	return !host || !lt->leases || json_object_get(lt->leases, lease);
}

/* 'live': its record, or NULL.  An agent that was killed leaves such records behind: they count as long as it has its lease. */
static json_t *port_json(const struct live_tenant *lt, const char *name, const char *host, const json_t *live)
{
	const bool lives = agent_lives(lt, host);
	json_t *o = json_pack("{s:s?, s:b}", "host", host, "up", live && lives), *v;
	const json_t *said = lives ? said_of(lt, host, name) : NULL;
	const char *key;

	if (!lives)
		json_object_set_new(o, "state", json_string("no agent"));
	if (!lives && live)
		json_object_set_new(o, "was_up", json_true());
	json_object_foreach ((json_t *)said, key, v)
		json_object_set(o, key, v);
	return o;
}

/* Ports that are live, and those that should be. */
static json_t *ports_json(const struct api_request *r, const struct live_tenant *lt, const struct cache_tenant *t)
{
	json_t *ports = json_object(), *v;
	const char *path;

	json_object_foreach ((json_t *)cache_records(t), path, v) {
		const bool live = !strncmp(path, "live/", 5);
		const char *name = path + 5, *host = json_string_value(json_object_get(v, "host"));

		if (!live && (strncmp(path, "bind/", 5) != 0 || json_object_get(ports, name)))
			continue;
		if (is_asked(r, "port", name) && is_asked(r, "host", host))
			json_object_set_new(ports, name, port_json(lt, name, host, live ? v : NULL));
	}
	return ports;
}

/* What health checks have found of these members (commas between). */
static json_t *members_json(const struct cache_tenant *t, const char *names)
{
	json_t *members = json_object();
	char path[TOPO_NAME_MAX + 8];
	const json_t *found;

	for (size_t n; names && *names; names += n + (names[n] == ',')) {
		n = strcspn(names, ",");
		snprintf(path, sizeof(path), "health/%.*s", (int)(n > TOPO_NAME_MAX ? 0 : n), names);
		found = cache_record(t, path);
		if (found)
			json_object_set_new(members, path + 7, json_pack("{s:O, s:O*}", "up", json_object_get(found, "up"), "host", json_object_get(found, "host")));
	}
	return members;
}

/* How long ago it said what is known of it. */
static uint64_t age_ms(const struct live_tenant *lt, const char *host)
{
	const uint64_t now_ms = clock_mono_ns() / NSEC_PER_MSEC;
	const uint64_t since = (uint64_t)json_integer_value(json_array_get(json_object_get(lt->seen, host), 1));

	return now_ms > since ? now_ms - since : 0;
}

static json_t *hosts_json(const struct api_request *r, const struct live_tenant *lt)
{
	json_t *hosts = json_object(), *v;
	const char *host;

	json_object_foreach (lt->said, host, v)
		if (is_asked(r, "host", host))
			json_object_set_new(hosts, host,
					    json_pack("{s:O, s:I, s:O}", "at_ms", json_object_get(v, "at_ms"), "age_ms",
						      (json_int_t)age_ms(lt, host), "ports_here", json_object_get(v, "ports_here")));
	return hosts;
}

static int by_time(const void *a, const void *b)
{
	const json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "at_ms")),
			 y = json_integer_value(json_object_get(*(json_t *const *)b, "at_ms"));

	return x < y ? 1 : -(x > y);
}

/* "drops" or "events" of all hosts, the newest first, each with its host. */
static json_t *newest(const struct api_request *r, const struct live_tenant *lt, const char *what)
{
	json_t *list = json_array(), *v, *one, **items;
	size_t i, n = 0, max = 0;
	const char *host;

	json_object_foreach (lt->said, host, v)
		max += json_array_size(json_object_get(v, what));
	items = calloc(max + 1, sizeof(*items));
	json_object_foreach (lt->said, host, v)
		json_array_foreach (json_object_get(v, what), i, one) {
			const char *port = json_string_value(json_object_get(one, "port"));

			if (!items || !json_is_object(one) || !is_asked(r, "host", host) || !is_asked(r, "port", port))
				continue;
			json_object_set_new(one, "host", json_string(host));
			items[n++] = one;
		}
	if (n)
		qsort(items, n, sizeof(*items), by_time);
	for (i = 0; i < n && i < SHOWN_MAX; i++)
		json_array_append(list, items[i]);
	free(items);
	return list;
}

static json_t *trouble_json(const struct live_tenant *lt)
{
	return *lt->trouble ? json_string(lt->trouble) : json_null();
}

static json_t *all_json(const struct api_request *r, const struct live_tenant *lt, const struct cache_tenant *t)
{
	const char *members = api_query(r, "member");

	/* who asks about members alone is not told of all ports */
	return json_pack("{s:s, s:I, s:o, s:o*, s:o, s:o, s:o, s:o}", "tenant", cache_name(t), "at_ms", (json_int_t)unix_ms(), "ports",
			      members && !api_query(r, "port") ? json_object() : ports_json(r, lt, t), "members",
			      members ? members_json(t, members) : NULL, "hosts", hosts_json(r, lt), "drops", newest(r, lt, "drops"), "events",
			      newest(r, lt, "events"), "telemetry_error", trouble_json(lt));
}

/* What the host of the port says of the flows; 'text': the wish. */
static json_t *flows_json(const struct api_request *r, const struct live_tenant *lt, const struct cache_tenant *t, const char *text)
{
	char path[TOPO_NAME_MAX + 8];
	struct flow_wish w;
	const char *host;
	json_t *o;

	flow_wish_parse(text, &w);
	snprintf(path, sizeof(path), "live/%s", w.port);
	host = json_string_value(json_object_get(cache_record(t, path), "host"));
	o = json_pack("{s:s, s:I, s:s, s:s?, s:o, s:o}", "tenant", cache_name(t), "at_ms", (json_int_t)unix_ms(), "port", w.port, "host", host, "drops",
		      newest(r, lt, "drops"), "telemetry_error", trouble_json(lt));
	if (o)
		live_flows_answer(o, host ? json_object_get(lt->said, host) : NULL, text, host ? age_ms(lt, host) : 0);
	return o;
}

/* A request that has kept a wish is about flows. */
static void answer(struct api_request *r, const struct live_tenant *lt, const struct cache_tenant *t)
{
	const char *flows = api_kept(r);

	api_header(r, "Cache-Control", "private, no-store");
	api_answer(r, 200, flows ? flows_json(r, lt, t, flows) : all_json(r, lt, t));
}

/* --- reading --- */

/* What a host says, if it is an object, and another one than long ago. */
static void take(struct live_tenant *lt, json_t *said, const char *host, const char *text)
{
	const uint64_t now_ms = clock_mono_ns() / NSEC_PER_MSEC;
	json_t *o = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL, *seen = json_object_get(lt->seen, host);
	const json_int_t at = json_integer_value(json_object_get(o, "at_ms"));

	if (!json_is_object(o)) {
		json_decref(o);
		return;
	}
	if (!seen || json_integer_value(json_array_get(seen, 0)) != at)
		json_object_set_new(lt->seen, host, json_pack("[I, I]", at, (json_int_t)now_ms));
	else if (now_ms - (uint64_t)json_integer_value(json_array_get(seen, 1)) > STALE_NS / NSEC_PER_MSEC) {
		json_decref(o);
		return;
	}
	json_object_set_new(said, host, o);
}

static void take_all(struct live_tenant *lt, const json_t *reply)
{
	json_t *said = json_object(), *v;
	const char *host;
	void *tmp;

	json_object_foreach ((json_t *)reply, host, v)
		take(lt, said, host, json_string_value(v));
	json_object_foreach_safe (lt->seen, tmp, host, v)
		if (!json_object_get(reply, host))
			(void)json_object_del(lt->seen, host);
	json_decref(lt->said);
	lt->said = said;
	lt->read_ns = clock_mono_ns();
}

static void done(struct live_tenant *lt, const struct err *err)
{
	struct waiter *w;

	lt->busy = false;
	if (err)
		log_debug("telemetry of '%s': %s", lt->name, err->text);
	snprintf(lt->trouble, sizeof(lt->trouble), "%s", err ? "the state DB does not answer" : "");
	while ((w = lt->waiters)) {
		lt->waiters = w->next;
		if (err && err->code == -ECANCELED) /* the end: the cache has gone */
			api_fail(w->r, err);
		else
			answer(w->r, lt, w->t);
		cache_release(w->t);
		free(w);
	}
}

static void on_leases(void *arg, const struct err *err, const json_t *reply)
{
	struct live_tenant *lt = arg;

	if (!err) {
		json_decref(lt->leases);
		lt->leases = json_incref((json_t *)reply);
	}
	done(lt, err);
}

static void on_said(void *arg, const struct err *err, const json_t *reply)
{
	struct live_tenant *lt = arg;

	if (err) {
		done(lt, err);
		return;
	}
	take_all(lt, reply);
	db_leases(lt->live->api->db, "host/", on_leases, lt);
}

static void on_wished(void *arg, const struct err *err, const json_t *reply)
{
	(void)arg; /* whoever looks again wishes again */
	(void)err;
	(void)reply;
}

/* 'flows': the wish of the one who looks now; NULL = none. */
static void wish(struct live_tenant *lt, const struct cache_tenant *t, uint64_t now_ns, const char *flows)
{
	const uint64_t now_ms = unix_ms();
	json_t *o;

	if (flows && live_flows_wish(lt->flows, flows, now_ms))
		lt->untold = true;
	if (lt->wished_ns && now_ns - lt->wished_ns < (lt->untold ? WISH_GAP_NS : DB_WISH_RENEW_S * NSEC_PER_SEC))
		return;
	o = json_pack("{s:{s:I, s:o}}", DB_WISH, "at_ms", (json_int_t)now_ms, FLOW_WISHES,
		      live_flows_record(lt->flows, cache_record(t, DB_WISH), now_ms));
	if (!o)
		return;
	lt->wished_ns = now_ns;
	lt->untold = false;
	db_put(lt->live->api->db, lt->name, NULL, o, on_wished, NULL);
	json_decref(o);
}

static void look(struct api_request *r, struct cache_tenant *t)
{
	struct live_tenant *lt = get(api_of(r)->live, cache_name(t));
	const uint64_t now = clock_mono_ns();
	struct waiter *w = lt ? calloc(1, sizeof(*w)) : NULL;

	if (!w) {
		api_problemf(r, 503, "unavailable", "out of memory");
		return;
	}
	lt->asked_ns = now;
	wish(lt, t, now, api_kept(r));
	if (!lt->busy && lt->read_ns && now - lt->read_ns < FRESH_NS) {
		free(w);
		answer(r, lt, t);
		return;
	}
	*w = (struct waiter){ .next = lt->waiters, .r = r, .t = cache_hold(t) };
	lt->waiters = w;
	if (!lt->busy) {
		lt->busy = true;
		db_unstash(lt->live->api->db, lt->name, DB_TELEMETRY, on_said, lt);
	}
}

/* As it stands in the records, and which agents live: they need not be asked. */
static void on_places(void *arg, const struct err *err, const json_t *reply)
{
	const struct live_tenant nothing = { .leases = (json_t *)reply };
	struct waiter *w = arg;

	if (err)
		api_fail(w->r, err);
	else
		answer(w->r, &nothing, w->t);
	cache_release(w->t);
	free(w);
}

static void get_places(struct api_request *r, struct cache_tenant *t)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		api_problemf(r, 503, "unavailable", "out of memory");
		return;
	}
	*w = (struct waiter){ .r = r, .t = cache_hold(t) };
	db_leases(api_of(r)->db, "host/", on_places, w);
}

static void on_live(struct api_request *r)
{
	const int places = api_query_bool(r, "places");

	if (places >= 0)
		api_with_tenant(r, places ? get_places : look);
}

static void look_at_flows(struct api_request *r, struct cache_tenant *t)
{
	_free_ char *text = malloc(FLOW_WISH_TEXT);

	if (!text) {
		api_problemf(r, 503, "unavailable", "out of memory");
	} else if (live_flows_asked(r, t, text)) {
		api_keep(r, TAKE_PTR(text), free);
		look(r, t);
	}
}

static void on_flows(struct api_request *r)
{
	api_with_tenant(r, look_at_flows);
}

const struct api_route live_routes[] = {
	{ "GET", "/api/v1/tenants/{tenant}/live", on_live, API_READER, 0, "port host member places",
	  "where ports are, what they carry, what was dropped and what happened" },
	{ "GET", "/api/v1/tenants/{tenant}/live/flows", on_flows, API_READER, 0, "port proto address number flow",
	  "the flows of a port as its host has them now, and the way of one" },
};
const unsigned int n_live_routes = ARRAY_SIZE(live_routes);
