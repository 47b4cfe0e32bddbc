// SPDX-License-Identifier: Apache-2.0
/* Implements turns.h.  Called by dispatch.c (requests), write.c (plans) and heavy.c (accounts). */
#include "api/turns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash.h"

/* Requests of one account that wait. */
struct turn {
	struct turn *next;
	char account[BUDGET_KEY];
	struct api_request *first, **last;
};

struct turns {
	struct loop *loop;
	struct loop_timer *timer;
	struct turn *turns, **last; /* the first one is the next */
};

static void on_timer(void *arg);

struct turns *turns_new(struct loop *loop)
{
	struct turns *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->loop = loop;
	t->last = &t->turns;
	return t;
}

void turns_free(struct turns *t)
{
	struct turn *u, *next;

	if (!t)
		return;
	loop_timer_del(t->timer);
	for (u = t->turns; u; u = next) {
		next = u->next;
		free(u);
	}
	free(t);
}

/* No name has a '/': neither a tenant's nor a token's. */
const char *turns_account(const struct api_caller *c, char key[static BUDGET_KEY])
{
	if (*c->tenant)
		snprintf(key, BUDGET_KEY, "turn/%s", c->tenant);
	else if (*c->subject)
		snprintf(key, BUDGET_KEY, "operator/sub/%016" PRIx64, hash_str(c->subject, 0));
	else
		snprintf(key, BUDGET_KEY, "operator/%s", *c->token ? c->token : c->name);
	return key;
}

void turns_spend(struct budget *budget, const struct api_caller *caller, uint64_t spent_ns)
{
	char key[BUDGET_KEY];

	budget_spend(budget, turns_account(caller, key), spent_ns, clock_mono_ns());
}

static struct turn *turn_of(struct turns *t, const char *account)
{
	struct turn *u = t->turns;

	while (u && strcmp(u->account, account) != 0)
		u = u->next;
	return u;
}

bool turns_wait(struct turns *t, struct api_request *r)
{
	char key[BUDGET_KEY];
	struct turn *u;

	if (r->caller.role == API_NOBODY)
		return false;
	u = turn_of(t, turns_account(&r->caller, key));
	if (!u && budget_used_ns(r->api->budget, key, clock_mono_ns()) <= TURNS_FREE_NS)
		return false;
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u)
			return false;
		snprintf(u->account, sizeof(u->account), "%s", key);
		u->last = &u->first;
		*t->last = u;
		t->last = &u->next;
	}
	if (!t->timer)
		t->timer = loop_timer_add(t->loop, 0, 0, on_timer, t);
	if (!t->timer)
		return false; /* no memory: at once, then */
	r->turn = u;
	r->next_turn = NULL;
	*u->last = r;
	u->last = &r->next_turn;
	return true;
}

void turns_forget(struct api_request *r)
{
	struct turn *u = r->turn;

	if (!u)
		return;
	r->turn = NULL;
	if (u->first == r) { /* as always, but when connections are cut */
		u->first = r->next_turn;
		u->last = u->first ? u->last : &u->first;
		return;
	}
	u->last = &u->first;
	for (struct api_request *other = u->first; other; other = other->next_turn) {
		if (other == r)
			continue;
		*u->last = other;
		u->last = &other->next_turn;
	}
	*u->last = NULL;
}

static void on_timer(void *arg)
{
	struct turns *t = arg;
	struct turn *u = t->turns;
	uint64_t until = clock_mono_ns() + TURNS_SLICE_NS;
	struct api_request *r;

	t->timer = NULL;
	while ((r = u->first) && clock_mono_ns() < until) {
		turns_forget(r);
		if (!r->answered)
			dispatch_now(r);
	}
	t->turns = u->next;
	if (!t->turns)
		t->last = &t->turns;
	if (u->first) { /* behind the others */
		u->next = NULL;
		*t->last = u;
		t->last = &u->next;
	} else {
		free(u);
	}
	if (t->turns)
		t->timer = loop_timer_add(t->loop, 0, 0, on_timer, t);
}
