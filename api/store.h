/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The space of skep-api in the state DB: tokens, sessions, quotas.  Followed by each instance, so that what one writes the others know within
 * milliseconds; nothing is asked of the state DB while a request waits.  Records: "token/<id>", "quota/<tenant>", "tenant/<tenant>" (configuration, with audit);
 * "session/<id>", "used/<id of either>" (state).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/quota.h"
#include "api/token.h"
#include "statedb/statedb.h"
#include "util/loop.h"

#define STORE_STALE_S	    60 /* cut off from the state DB for longer: nobody is let in by what may be revoked by now */
#define STORE_SESSIONS_MAX  500 /* of one tenant; the one that ends first makes room */
#define STORE_KEEP_EXPIRED_S (30 * 24 * 3600) /* tokens that have expired are still shown for so long */

struct store;

struct store *store_new(struct loop *loop, struct db *db); /* NULL: no memory */
/* Ends following; writes that wait fail.  Before db_free(); store_free() behind it. */
void store_stop(struct store *s); /* takes NULL */
void store_free(struct store *s); /* takes NULL */

bool store_ready(const struct store *s); /* the records are here */
bool store_fresh(const struct store *s); /* and not too old */
const struct tokens *store_tokens(const struct store *s);
/* Of the tenant, or the defaults; valid until the loop goes on.  'rev': of the record, 0 = there is none; may be NULL. */
const struct quota *store_quota(const struct store *s, const char *tenant, uint64_t *rev);
/*
 * What is known of a tenant's life; NULL: nothing, it was never made here.  Tokens and sessions that were written up to revision 'since' are those of
 * another one, which had the name before; valid until the loop goes on.
 */
struct store_life {
	bool is_over;	 /* deleted: nobody has tokens of it */
	int64_t born_s;	 /* UNIX time; 0 = not known */
	uint64_t since;
	json_t *open;	 /* the record, if the tenant itself may not be as it says yet (tenant_settle.c); NULL */
	uint64_t rev;	 /* of the record */
	uint64_t open_ns; /* when that was seen, clock_mono_ns() */
};
/* Those that are open, until 'fn' says false. */
void store_each_open(const struct store *s, bool (*fn)(void *arg, const char *tenant, const struct store_life *life), void *arg);
const struct store_life *store_life(const struct store *s, const char *tenant);
bool store_admits(const struct store *s, const struct token *t); /* one of 'store_tokens' */
/* 'changed' is called behind each change of the records; one only. */
void store_watch(struct store *s, void (*changed)(void *arg), void *arg);
void store_used(struct store *s, struct token *t, int64_t now_s); /* a token of 'store_tokens' was used */

/*
 * A write.  'make' gives {path: object | null}, and may look at what there is; it is called again when another instance was faster.  NULL with 'err':
 * refused.  'meta' (taken): the audit's; NULL: a write of state ("session/"), not told of.  Then 'done', exactly once, with the revision written.
 */
typedef json_t *store_make(void *arg, const struct store *s, struct err *err);
typedef void store_done(void *arg, const struct err *err, uint64_t rev);
void store_write(struct store *s, store_make *make, json_t *meta, store_done *done, void *arg);
