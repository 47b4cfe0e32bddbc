/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on a space while it waits and runs.  space.c runs requests and answers them; write.c makes those that write, and the
 * stash's; reserve.c those of reservations; audit.c and history.c what tells of writes.  Private to them.
 */
#pragma once

#include "statedb/private.h"

struct space {
	struct hmap_node by_name;
	int shard;		       /* -1 = not known yet */
	struct request *first, **last; /* the first one is running */
	char name[];
};

struct request {
	struct request *next;
	struct db *db;
	struct space *space;
	enum request_kind kind;
	uint64_t deadline_ns;
	int argc, n_names;
	bool audited; /* COMMIT: with entries of the audit */
	char **argv;	    /* of the script, behind the keys; first 'n_names' of the stash, which become keys */
	uint64_t rev, crev; /* written; while WAIT is on its way */
	db_done *done;
	void *arg;
	struct err err; /* why it is refused */
};

/* NULL: no memory, 'done' was told. */
struct request *request_new(struct db *db, enum request_kind kind, db_done *done, void *arg);
/* Runs it when its turn comes; with rq->err set, or without a good name, it is answered with that.  'space' NULL: none. */
void request_submit(struct request *rq, const char *space);
/* Puts 'text' (taken) behind the arguments; false if it is NULL. */
bool request_arg(struct request *rq, char *text);

/* --- space.c --- */

op_done request_on_shard, request_on_answer;
/* It does not make the space: of a tenant that is not known there is nothing to be asked. */
static inline bool request_asks_only(const struct request *rq)
{
	switch (rq->kind) {
	case REQUEST_READ:
	case REQUEST_UNSTASH:
	case REQUEST_AUDIT:
	case REQUEST_AUDIT_GET:
	case REQUEST_DROP:
	case REQUEST_SETTLE:
	case REQUEST_HISTORY:
		return true;
	case REQUEST_RESERVE:
		return rq->space->name[0] != '_';
	default:
		return false;
	}
}

/* --- ask.c: NULL: no memory --- */

struct op *ask_shard(struct request *rq);
struct op *ask_tenants(struct request *rq);
struct op *ask_forget(struct request *rq);
struct op *ask_remember(struct request *rq);
struct op *ask_space(struct request *rq);

/* --- reserve.c --- */

json_t *reserve_reply(const redisReply *r, struct err *err); /* NULL: 'err' */

/* --- history.c --- */

json_t *history_reply(const redisReply *r, struct err *err); /* NULL: 'err' */

/* --- audit.c --- */

size_t audit_args_max(const struct db_audit *audit); /* how many arguments the next one adds */
/* Number of entries, and the texts of each; false with rq->err. */
bool audit_args(struct request *rq, const struct db_audit *audit);
json_t *audit_list_reply(const redisReply *r, struct err *err); /* NULL: 'err' */
json_t *audit_get_reply(const redisReply *r, const char *id, struct err *err);
