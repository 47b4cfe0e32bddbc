// SPDX-License-Identifier: Apache-2.0
/* Implements auth.h.  Called by authenticate.c (each request) and session.c (logging in). */
#include "api/auth.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/oidc.h"
#include "api/peer.h"
#include "api/rate.h"
#include "util/clock.h"

#define WAIT_MS	     250  /* for a token that is not known: it may be on its way from another instance */
#define WAIT_START_MS 5000 /* for the records as a whole, after the start */
#define WAIT_MAX     4096
#define TENANTS	     65536 /* rates kept */
#define ADDRESSES    65536

/* A question that cannot be answered yet. */
struct auth_wait {
	struct auth_wait *next, **prev;
	struct auth *auth;
	enum token_kind kind;
	char id[TOKEN_ID], address[48];
	uint8_t sha[TOKEN_SHA];
	uint64_t deadline_ns;
	bool is_jwt; /* oidc.c has it */
	auth_done *done;
	void *arg;
};

struct auth {
	struct api *api;
	struct store *store;
	struct oidc *oidc; /* NULL = own tokens only */
	struct rate_table *tenants, *addresses, *checks; /* checks: of signatures, by addresses that fail often */
	struct auth_wait *waits;
	unsigned int n_waits;
	struct loop_timer *tick;
	bool stopped;
};

static int64_t now_s(void)
{
	return (int64_t)time(NULL);
}

/* --- failures --- */

static uint64_t too_often(struct auth *a, const char *address)
{
	char buf[PEER_TEXT];

	return rate_peek(a->addresses, peer_network(address, buf), clock_mono_ns(), AUTH_FAILURES_S, AUTH_FAILURES_BURST);
}

static void slow_down(uint64_t wait_ns, auth_done *done, void *arg)
{
	done(arg, NULL, 429, rate_retry_s(wait_ns), "too many wrong credentials from this address");
}

/* One text for everything that is wrong with a token of ours: nothing is learnt about those that there are. */
static void fail(struct auth *a, const char *address, const char *why, auth_done *done, void *arg)
{
	char buf[PEER_TEXT];
	uint64_t wait = rate_take(a->addresses, peer_network(address, buf), clock_mono_ns(), AUTH_FAILURES_S,
				  AUTH_FAILURES_BURST);

	if (wait)
		slow_down(wait, done, arg);
	else
		done(arg, NULL, 401, 0, why);
}

/* --- own tokens and sessions --- */

static struct api_caller caller_of(const struct token *t)
{
	struct api_caller c = { .role = t->role, .expires_s = t->expires_s, .read_only = t->read_only };

	snprintf(c.name, sizeof(c.name), "%s", t->name);
	snprintf(c.tenant, sizeof(c.tenant), "%s", t->tenant);
	snprintf(c.subject, sizeof(c.subject), "%s", t->subject);
	snprintf(c.token, sizeof(c.token), "%s", t->kind == TOKEN_BEARER ? t->id : t->parent);
	if (t->kind == TOKEN_SESSION)
		snprintf(c.session, sizeof(c.session), "%s", t->id);
	return c;
}

/* False: not known yet, and there is still time. */
static bool settle(struct auth *a, const struct auth_wait *w, bool last)
{
	const struct tokens *all = store_tokens(a->store);
	struct api_caller caller;
	struct token *t;

	if (!store_ready(a->store) && !last)
		return false;
	if (!store_ready(a->store) || !store_fresh(a->store) || a->stopped) {
		w->done(w->arg, NULL, 503, 1, "the state DB does not answer, so nobody can be let in");
		return true;
	}
	if (!last && !tokens_find(all, w->kind, w->id))
		return false;
	t = tokens_check(all, w->kind, w->id, w->sha, now_s());
	if (!t || !store_admits(a->store, t)) {
		fail(a, w->address, w->kind == TOKEN_SESSION ? "the session is over" : "the token is not valid", w->done, w->arg);
		return true;
	}
	store_used(a->store, t, now_s());
	caller = caller_of(t);
	w->done(w->arg, &caller, 0, 0, NULL);
	return true;
}

static void unlink_wait(struct auth_wait *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->auth->n_waits--;
}

static struct auth_wait *wait_new(struct auth *a, const struct auth_wait *like)
{
	struct auth_wait *w = a->n_waits < WAIT_MAX && !a->stopped ? malloc(sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	*w = *like;
	w->auth = a;
	w->next = a->waits;
	w->prev = &a->waits;
	if (w->next)
		w->next->prev = &w->next;
	a->waits = w;
	a->n_waits++;
	return w;
}

/* Something is known that was not: a callback may make or end others. */
static void settle_all(struct auth *a)
{
	struct auth_wait *w, *next, *all = a->waits;

	a->waits = NULL;
	if (all)
		all->prev = &all;
	for (w = all; w; w = next) {
		next = w->next;
		if (w->is_jwt || !settle(a, w, a->stopped || clock_mono_ns() >= w->deadline_ns)) {
			w->next = a->waits;
			w->prev = &a->waits;
			if (w->next)
				w->next->prev = &w->next;
			a->waits = w;
			continue;
		}
		a->n_waits--;
		free(w);
	}
}

static void on_change(void *arg)
{
	settle_all(arg);
}

static void on_tick(void *arg)
{
	struct auth *a = arg;

	if (a->waits)
		settle_all(a);
}

static void own(struct auth *a, enum token_kind kind, const char *address, const char *text, auth_done *done, void *arg)
{
	struct auth_wait w = { .kind = kind, .done = done, .arg = arg };
	bool starting;

	snprintf(w.address, sizeof(w.address), "%s", address);
	if (!token_parse(kind, text, w.id, w.sha)) {
		fail(a, address, kind == TOKEN_SESSION ? "the session is over" : "the token is not valid", done, arg);
		return;
	}
	if (settle(a, &w, false))
		return;
	/* one that is not known at all: who fails often is not waited for */
	starting = !store_ready(a->store);
	if (!starting && too_often(a, address)) {
		slow_down(too_often(a, address), done, arg);
		return;
	}
	w.deadline_ns = clock_mono_ns() + (starting ? WAIT_START_MS : WAIT_MS) * NSEC_PER_MSEC;
	if (!wait_new(a, &w))
		(void)settle(a, &w, true);
}

void auth_session(struct auth *a, const char *address, const char *text, auth_done *done, void *arg)
{
	own(a, TOKEN_SESSION, address, text, done, arg);
}

/* --- tokens of the issuer --- */

/* One that was issued to the customers of another tenant, which had the name before, is theirs. */
static const char *outlived(const struct auth *a, const struct api_caller *caller)
{
	const struct store_life *life = *caller->tenant ? store_life(a->store, caller->tenant) : NULL;

	return life && life->born_s && caller->issued_s && caller->issued_s < life->born_s ?
		       "the token is not valid: it was issued before its tenant was made" :
		       NULL;
}

static void on_jwt(void *arg, const struct api_caller *caller, const struct err *err)
{
	struct auth_wait *w = arg, own_w = *w;

	unlink_wait(w);
	free(w);
	if (caller && !outlived(own_w.auth, caller))
		own_w.done(own_w.arg, caller, 0, 0, NULL);
	else if (caller)
		fail(own_w.auth, own_w.address, outlived(own_w.auth, caller), own_w.done, own_w.arg);
	else if (err->code == -EAGAIN)
		own_w.done(own_w.arg, NULL, 503, 10, err->text);
	else
		fail(own_w.auth, own_w.address, err->text, own_w.done, own_w.arg);
}

static void jwt(struct auth *a, const char *address, const char *text, auth_done *done, void *arg)
{
	struct auth_wait like = { .is_jwt = true, .done = done, .arg = arg }, *w;
	struct api_caller caller;
	char buf[PEER_TEXT];
	uint64_t wait;

	if (oidc_known(a->oidc, text, now_s(), &caller) && !outlived(a, &caller)) {
		done(arg, &caller, 0, 0, NULL);
		return;
	}
	/* a signature costs something, also a good one; who has shown many wrong ones still has some to show */
	wait = too_often(a, address) ? rate_take(a->checks, peer_network(address, buf), clock_mono_ns(), AUTH_CHECKS_S, AUTH_CHECKS_BURST) : 0;
	if (wait) {
		slow_down(wait, done, arg);
		return;
	}
	snprintf(like.address, sizeof(like.address), "%s", address);
	w = wait_new(a, &like);
	if (w)
		oidc_check(a->oidc, text, on_jwt, w);
	else
		done(arg, NULL, 503, 1, "too many wait to be let in");
}

void auth_token(struct auth *a, const char *address, const char *text, auth_done *done, void *arg)
{
	if (strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0)
		own(a, TOKEN_BEARER, address, text, done, arg);
	else if (a->oidc && strchr(text, '.'))
		jwt(a, address, text, done, arg);
	else
		fail(a, address, "the token is not valid", done, arg);
}

/* --- what else is known here --- */

unsigned int auth_rate(struct auth *a, const struct api_caller *caller)
{
	const struct api_config *c = a->api->config;
	uint32_t rate = c->rate, burst = c->burst;
	const struct quota *q;
	char key[TOPO_NAME_MAX + 16];

	if (caller->role == API_MONITOR) { /* each token by itself: no tenant has a '/' in its name */
		snprintf(key, sizeof(key), "monitor/%.63s", *caller->token ? caller->token : caller->name);
		return rate_retry_s(rate_take(a->tenants, key, clock_mono_ns(), rate, burst));
	}
	if (!*caller->tenant)
		return 0;
	q = store_quota(a->store, caller->tenant, NULL);
	if (q->requests_per_s) { /* with as many seconds' worth at once as others have */
		burst = (uint32_t)((uint64_t)q->requests_per_s * burst / rate);
		rate = q->requests_per_s;
	}
	return rate_retry_s(rate_take(a->tenants, caller->tenant, clock_mono_ns(), rate, burst));
}

bool auth_may(struct api_request *r, const struct api_caller *caller, enum auth_costly what)
{
	static const struct {
		const char *name;
		uint32_t per_s, burst;
	} limits[] = {
		[AUTH_AUDIT] = { "audit", 10, 50 },
		[AUTH_LOGIN] = { "login", 5, 50 },
		[AUTH_TOKENS] = { "tokens", 1, 100 },
	};
	char key[TOPO_NAME_MAX + 16], s[16];
	uint64_t wait;

	if (!*caller->tenant)
		return true;
	snprintf(key, sizeof(key), "%s/%s", limits[what].name, caller->tenant); /* no tenant has a '/' in its name */
	wait = rate_take(api_of(r)->auth->tenants, key, clock_mono_ns(), limits[what].per_s, limits[what].burst);
	if (!wait)
		return true;
	snprintf(s, sizeof(s), "%u", rate_retry_s(wait));
	api_header(r, "Retry-After", s);
	api_problemf(r, 429, "too_many_requests", "too many requests of this tenant about %s (%u a second)", limits[what].name,
		     limits[what].per_s);
	return false;
}

bool auth_still(const struct auth *a, const struct api_caller *caller)
{
	const struct tokens *all = store_tokens(a->store);

	if (caller->expires_s && now_s() >= caller->expires_s)
		return false;
	return (!*caller->token || tokens_find(all, TOKEN_BEARER, caller->token)) &&
	       (!*caller->session || tokens_find(all, TOKEN_SESSION, caller->session));
}

struct store *auth_store(struct auth *a)
{
	return a->store;
}

const struct quota *auth_quota(const struct auth *a, const char *tenant)
{
	return store_quota(a->store, tenant, NULL);
}

/* --- life --- */

struct auth *auth_new(struct api *api, struct err *err)
{
	struct auth *a = calloc(1, sizeof(*a));
	uint64_t seed = 0;

	if (!a) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	gnutls_rnd(GNUTLS_RND_NONCE, &seed, sizeof(seed));
	a->api = api;
	a->tenants = rate_table_new(TENANTS, seed);
	a->addresses = rate_table_new(ADDRESSES, seed);
	a->checks = rate_table_new(ADDRESSES, seed);
	a->store = store_new(api->loop, api->db);
	a->tick = loop_timer_add(api->loop, 50 * NSEC_PER_MSEC, 50 * NSEC_PER_MSEC, on_tick, a);
	if (!a->tenants || !a->addresses || !a->checks || !a->store || !a->tick)
		err_set(err, -ENOMEM, "out of memory");
	else if (!api->config->oidc_issuer || (a->oidc = oidc_new(api->loop, api->config, err))) {
		store_watch(a->store, on_change, a);
		return a;
	}
	auth_stop(a);
	auth_free(a);
	return NULL;
}

void auth_stop(struct auth *a)
{
	if (!a || a->stopped)
		return;
	a->stopped = true;
	loop_timer_del(a->tick);
	oidc_free(a->oidc);
	a->oidc = NULL;
	settle_all(a);
	store_stop(a->store);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	store_free(a->store);
	rate_table_free(a->tenants);
	rate_table_free(a->addresses);
	rate_table_free(a->checks);
	free(a);
}
