// SPDX-License-Identifier: Apache-2.0
/* Reservations: a name of the stash that is one owner's.  Their scripts' arguments and answers; space.c runs them.  Implements part of statedb.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/request.h"

static bool number(struct request *rq, unsigned int v)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", v);
	return request_arg(rq, strdup(text));
}

/* The keys' names, and what both scripts want first. */
static bool begin(struct request *rq, const struct db_reservation *what, size_t more)
{
	if (!schema_name_ok(what->name))
		return !err_set(&rq->err, -EINVAL, "reservation: '%.130s' is not a name", what->name);
	rq->argv = calloc(4 + more, sizeof(*rq->argv));
	if (!rq->argv || !request_arg(rq, strdup(what->name)) || !request_arg(rq, strdup(DB_RESERVED)))
		return false;
	rq->n_names = rq->argc;
	return request_arg(rq, strdup(what->name)) && request_arg(rq, strdup(what->owner));
}

static void submit(struct request *rq, const char *space, bool ok)
{
	if (!ok && !rq->err.code)
		err_set(&rq->err, -ENOMEM, "out of memory");
	request_submit(rq, space);
}

void db_reserve(struct db *db, const char *space, const struct db_reservation *what, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_RESERVE, done, arg);

	if (rq)
		submit(rq, space, begin(rq, what, 4) && request_arg(rq, strdup(what->print)) && number(rq, what->pending_s) &&
				  number(rq, what->keep_s) && number(rq, what->max));
}

void db_settle(struct db *db, const char *space, const struct db_reservation *what, const json_t *fields, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_SETTLE, done, arg);
	const char *field;
	json_t *v;
	bool ok;

	if (!rq)
		return;
	ok = begin(rq, what, 1 + 2 * json_object_size(fields)) && number(rq, what->keep_s);
	json_object_foreach((json_t *)fields, field, v)
		ok = ok && request_arg(rq, strdup(field)) && request_arg(rq, strdup(json_is_string(v) ? json_string_value(v) : ""));
	submit(rq, space, ok);
}

static json_t *fields_of(const redisReply *list)
{
	json_t *fields = json_object();

	for (size_t i = 0; list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2)
		if (list->element[i]->type == REDIS_REPLY_STRING && list->element[i + 1]->type == REDIS_REPLY_STRING)
			json_object_set_new(fields, list->element[i]->str, json_string(list->element[i + 1]->str));
	return fields;
}

json_t *reserve_reply(const redisReply *r, struct err *err)
{
	long long what = r->type == REDIS_REPLY_ARRAY && r->elements && r->element[0]->type == REDIS_REPLY_INTEGER ?
				 r->element[0]->integer : -1;

	if (what == 1)
		return json_object();
	if (what == 0 && r->elements == 2)
		return json_pack("{s:o}", "fields", fields_of(r->element[1]));
	if (what == 2)
		err_set(err, -ENOSPC, "there are too many reservations");
	else
		err_set(err, -EBADMSG, "the state DB's answer about a reservation is malformed");
	return NULL;
}
