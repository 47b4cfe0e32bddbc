// SPDX-License-Identifier: Apache-2.0
/* What was changed lately, from the space's stream: for those who come back and want to go on where they were.  Implements part of statedb.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/request.h"

#define ENTRIES "4096" /* of the stream, writes of state among them */
#define BYTES	"4194304"

void db_history(struct db *db, const char *space, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_HISTORY, done, arg);

	if (!rq)
		return;
	rq->argv = calloc(2, sizeof(*rq->argv));
	if (!rq->argv || !request_arg(rq, strdup(ENTRIES)) || !request_arg(rq, strdup(BYTES)))
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

static json_t *entry_of(const redisReply *e)
{
	json_t *changes;

	if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 || e->element[1]->type != REDIS_REPLY_STRING)
		return NULL;
	changes = json_loadb(e->element[1]->str, e->element[1]->len, 0, NULL);
	return changes ? json_pack("[I, o]", (json_int_t)reply_u64(e->element[0]), changes) : NULL;
}

json_t *history_reply(const redisReply *r, struct err *err)
{
	const redisReply *list = r->type == REDIS_REPLY_ARRAY && r->elements == 2 ? r->element[1] : NULL;
	json_t *entries = json_array(), *entry;

	for (size_t i = 0; list && list->type == REDIS_REPLY_ARRAY && i < list->elements; i++) {
		entry = entry_of(list->element[i]);
		if (!entry || json_array_append_new(entries, entry))
			list = NULL;
	}
	if (list && list->type == REDIS_REPLY_ARRAY)
		return json_pack("{s:I, s:o}", "from", (json_int_t)reply_u64(r->element[0]), "entries", entries);
	json_decref(entries);
	err_set(err, -EBADMSG, "the state DB's answer about what was changed is malformed");
	return NULL;
}
