// SPDX-License-Identifier: Apache-2.0
/*
 * Runs requests on spaces.  A space's requests are answered one behind the other, which keeps their
 * order whatever is repeated or redirected; different spaces run side by side.  A tenant's shard is
 * looked up once and remembered, for it never changes. Implements part of statedb.h, and what
 * write.c needs; uses cluster.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/request.h"
#include "util/hash.h"

static void request_run(struct request *rq);

uint64_t reply_u64(const redisReply *r)
{
	if (r->type == REDIS_REPLY_INTEGER)
		return r->integer < 0 ? 0 : (uint64_t)r->integer;
	return r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
}

json_t *space_records(const char *space, const redisReply *list, struct err *err)
{
	json_t *records = json_object(), *o;
	json_error_t je;

	if (!records || list->type != REDIS_REPLY_ARRAY || list->elements % 2) {
		err_set(err, -EBADMSG, "space '%s': the state DB's answer is malformed", space);
		json_decref(records);
		return NULL;
	}
	for (size_t i = 0; i < list->elements; i += 2) {
		const redisReply *k = list->element[i], *v = list->element[i + 1];

		if (k->type != REDIS_REPLY_STRING || v->type != REDIS_REPLY_STRING) {
			err_set(err, -EBADMSG, "space '%s': the state DB's answer is malformed",
				space);
			json_decref(records);
			return NULL;
		}
		o = json_loadb(v->str, v->len, 0, &je);
		if (!json_is_object(o) || json_object_set(records, k->str, o)) {
			err_set(err, -EBADMSG,
				"space '%s': record '%.100s' is not a JSON object: %.60s", space,
				k->str, o ? "another type" : je.text);
			json_decref(o);
			json_decref(records);
			return NULL;
		}
		json_decref(o);
	}
	return records;
}

/* --- spaces --- */

static struct space *space_get(struct db *db, const char *name)
{
	uint64_t h = hash_str(name, 0);
	struct hmap_node *node;
	struct space *sp;

	hmap_for_each_with_hash(node, &db->spaces, h)
	{
		sp = container_of(node, struct space, by_name);
		if (strcmp(sp->name, name) == 0)
			return sp;
	}
	sp = calloc(1, sizeof(*sp) + strlen(name) + 1);
	if (!sp)
		return NULL;
	memcpy(sp->name, name, strlen(name) + 1);
	sp->shard = strcmp(name, DB_HOSTS) == 0 ? DB_SHARD_HOSTS : -1;
	sp->last = &sp->first;
	if (hmap_insert(&db->spaces, &sp->by_name, h)) {
		free(sp);
		return NULL;
	}
	return sp;
}

/* Runs what is next; forgets a space of which nothing is known or wanted. */
static void space_next(struct db *db, struct space *sp)
{
	if (sp->first) {
		request_run(sp->first);
	} else if (sp->shard < 0) {
		hmap_remove(&db->spaces, &sp->by_name);
		free(sp);
	}
}

/* --- life of a request --- */

static void request_free(struct request *rq)
{
	for (int i = 0; i < rq->argc; i++)
		free(rq->argv[i]);
	free(rq->argv);
	free(rq);
}

/* 'reply' is taken. */
static void request_end(struct request *rq, const struct err *err, json_t *reply)
{
	static const struct err no_memory = { .code = -ENOMEM, .text = "out of memory" };
	struct db *db = rq->db;
	struct space *sp = rq->space;
	uint64_t now = clock_mono_ns(), begun_ns = rq->deadline_ns - db->timeout_ms * NSEC_PER_MSEC;

	if (!err && !reply)
		err = &no_memory;
	histogram_add(&db->took[rq->kind], now - begun_ns);
	db->failed[rq->kind] += err && err->code != -EAGAIN && err->code != -EEXIST;
	if (sp) {
		sp->first = rq->next;
		if (!sp->first)
			sp->last = &sp->first;
	}
	db->n_requests--;
	/* The next one starts first: a request made by the callback lines up behind it. */
	if (sp && !db->closing)
		space_next(db, sp);
	rq->done(rq->arg, err, err ? NULL : reply);
	json_decref(reply);
	request_free(rq);
}

struct request *request_new(struct db *db, enum request_kind kind, db_done *done, void *arg)
{
	struct request *rq = calloc(1, sizeof(*rq));
	static const struct err no_memory = { .code = -ENOMEM, .text = "out of memory" };

	if (!rq) {
		done(arg, &no_memory, NULL); /* nothing left to answer later with */
		return NULL;
	}
	rq->db = db;
	rq->kind = kind;
	rq->done = done;
	rq->arg = arg;
	rq->deadline_ns = clock_mono_ns() + db->timeout_ms * NSEC_PER_MSEC;
	db->n_requests++;
	return rq;
}

/* Answered with rq->err at the next tick. */
static void request_refuse(struct request *rq)
{
	rq->space = NULL;
	rq->next = rq->db->refused;
	rq->db->refused = rq;
}

void request_submit(struct request *rq, const char *space)
{
	struct db *db = rq->db;

	if (db->closing)
		err_set(&rq->err, -ECANCELED, "the connection to the state DB is being closed");
	else if (db->n_requests > DB_PENDING_MAX)
		err_set(&rq->err, -ENOBUFS, "too many requests wait for the state DB (at most %d)",
			DB_PENDING_MAX);
	else if (space && !schema_name_ok(space))
		err_set(&rq->err, -EINVAL,
			"space '%.130s' is not a name (want 1 to %d characters without blanks)",
			space, DB_NAME_MAX);
	if (!rq->err.code && space) {
		rq->space = space_get(db, space);
		if (!rq->space)
			err_set(&rq->err, -ENOMEM, "out of memory");
	}
	if (rq->err.code) {
		request_refuse(rq);
		return;
	}
	if (!space) {
		request_run(rq);
		return;
	}
	*rq->space->last = rq;
	rq->space->last = &rq->next;
	if (rq->space->first == rq)
		request_run(rq);
}

void space_tick(struct db *db)
{
	struct request *rq;

	while ((rq = db->refused)) {
		db->refused = rq->next;
		rq->next = NULL;
		request_end(rq, &rq->err, NULL);
	}
}

/* When everything is being closed: ops have failed already, what had not begun remains. */
void space_fini(struct db *db)
{
	struct err err = { 0 };
	struct hmap_node *node, *tmp;
	struct space *sp;

	err_set(&err, -ECANCELED, "the connection to the state DB is being closed");
	hmap_for_each (node, tmp, &db->spaces) {
		sp = container_of(node, struct space, by_name);
		while (sp->first)
			request_end(sp->first, &err, NULL);
	}
	space_tick(db);
	hmap_for_each (node, tmp, &db->spaces) {
		hmap_remove(&db->spaces, node);
		free(container_of(node, struct space, by_name));
	}
	hmap_fini(&db->spaces);
}

/* --- answers --- */

static void on_read(struct request *rq, const redisReply *r)
{
	struct err err = { 0 };
	json_t *records;

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 4) {
		err_set(&err, -EBADMSG, "space '%s': the state DB's answer is malformed",
			rq->space->name);
		request_end(rq, &err, NULL);
		return;
	}
	records = space_records(rq->space->name, r->element[3], &err);
	if (!records) {
		request_end(rq, &err, NULL);
		return;
	}
	request_end(rq, NULL,
		    json_pack("{s:o, s:I, s:I}", "records", records, "rev",
			      (json_int_t)reply_u64(r->element[0]), "crev",
			      (json_int_t)reply_u64(r->element[1])));
}

static void end_commit(struct request *rq, unsigned int replicas, const char *warning)
{
	request_end(rq, NULL,
		    json_pack("{s:I, s:I, s:i, s:s?}", "rev", (json_int_t)rq->rev, "crev",
			      (json_int_t)rq->crev, "replicas", (int)replicas, "warning", warning));
}

static void on_waited(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct request *rq = arg;
	char warning[320];
	uint64_t got;

	(void)n;
	if (!r || r->type != REDIS_REPLY_INTEGER) {
		snprintf(warning, sizeof(warning),
			 "written, but whether a replica has it is not known: %.200s",
			 r ? r->str : why);
		end_commit(rq, 0, warning);
		return;
	}
	got = reply_u64(r);
	snprintf(warning, sizeof(warning),
		 "written, but only %" PRIu64 " of %u replicas confirmed it within %u ms", got,
		 rq->db->wait_replicas, rq->db->wait_ms);
	end_commit(rq, (unsigned int)got, got < rq->db->wait_replicas ? warning : NULL);
}

static void on_written(struct request *rq, struct node *n, const redisReply *r)
{
	const char *argv[3] = { "WAIT" };
	char replicas[16], ms[16];
	struct err err = { 0 };

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 3 ||
	    r->element[0]->type != REDIS_REPLY_INTEGER) {
		err_set(&err, -EBADMSG, "space '%s': the state DB's answer is malformed",
			rq->space->name);
		request_end(rq, &err, NULL);
		return;
	}
	rq->rev = reply_u64(r->element[1]);
	rq->crev = reply_u64(r->element[2]);
	if (r->element[0]->integer < 0) {
		err_set(&err, -EOWNERDEAD, "space '%s': the write's reservation is another's by now", rq->space->name);
		request_end(rq, &err, NULL);
	} else if (r->element[0]->integer == 0 && rq->kind == REQUEST_CLAIM) {
		err_set(&err, -EEXIST, "space '%s': record '%.100s' is another one by now",
			rq->space->name, rq->argv[3]);
		request_end(rq, &err, NULL);
	} else if (r->element[0]->integer == 0) {
		err_set(&err, -EAGAIN,
			"space '%s' was changed meanwhile: revision %" PRIu64
			", not the expected %s (read it again)",
			rq->space->name, rq->crev, rq->argv[rq->n_names]);
		request_end(rq, &err, NULL);
	} else if (rq->kind != REQUEST_COMMIT &&
		   (rq->kind != REQUEST_CLAIM || rq->db->wait_replicas == 0)) {
		request_end(rq, NULL, json_pack("{s:I}", "rev", (json_int_t)rq->rev));
	} else if (rq->db->wait_replicas == 0) {
		end_commit(rq, 0, NULL);
	} else {
		snprintf(replicas, sizeof(replicas), "%u", rq->db->wait_replicas);
		snprintf(ms, sizeof(ms), "%u", rq->db->wait_ms);
		argv[1] = replicas;
		argv[2] = ms;
		if (node_send(n, 3, argv, NULL, rq->db->wait_ms, on_waited, rq))
			end_commit(rq, 0,
				   "written, but whether a replica has it could not be asked");
	}
}

static void on_tenants(struct request *rq, const redisReply *r)
{
	json_t *names = json_array();

	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		if (r->element[i]->type == REDIS_REPLY_STRING && r->element[i]->str[0] != '_')
			json_array_append_new(names, json_string(r->element[i]->str));
	request_end(rq, NULL, json_pack("{s:o}", "tenants", names));
}

static void on_unstashed(struct request *rq, const redisReply *r)
{
	json_t *o = json_object();

	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2)
		if (r->element[i]->type == REDIS_REPLY_STRING &&
		    r->element[i + 1]->type == REDIS_REPLY_STRING)
			json_object_set_new(o, r->element[i]->str,
					    json_string(r->element[i + 1]->str));
	request_end(rq, NULL, o);
}

static void on_audit(struct request *rq, const redisReply *r)
{
	struct err err = { 0 };
	json_t *reply = rq->kind == REQUEST_AUDIT ? audit_list_reply(r, &err)
						  : audit_get_reply(r, rq->argv[0], &err);

	if (!reply)
		err_prefix(&err, "space '%s'", rq->space->name);
	request_end(rq, reply ? NULL : &err, reply);
}

static void on_parsed(struct request *rq, const redisReply *r)
{
	struct err err = { 0 };
	json_t *reply = rq->kind == REQUEST_RESERVE ? reserve_reply(r, &err) : history_reply(r, &err);

	if (!reply)
		err_prefix(&err, "space '%s'", rq->space->name);
	request_end(rq, reply ? NULL : &err, reply);
}

void request_on_answer(void *arg, struct op *op, struct node *n, const redisReply *r,
		      const struct err *err)
{
	struct request *rq = arg;

	(void)op;
	if (err)
		request_end(rq, err, NULL);
	else if (rq->kind == REQUEST_TENANTS)
		on_tenants(rq, r);
	else if (rq->kind == REQUEST_READ)
		on_read(rq, r);
	else if (rq->kind == REQUEST_UNSTASH)
		on_unstashed(rq, r);
	else if (rq->kind == REQUEST_STASH || rq->kind == REQUEST_FORGET || rq->kind == REQUEST_DROP ||
		 rq->kind == REQUEST_SETTLE || rq->kind == REQUEST_REMEMBER)
		request_end(rq, NULL, json_object());
	else if (rq->kind == REQUEST_RESERVE || rq->kind == REQUEST_HISTORY)
		on_parsed(rq, r);
	else if (rq->kind == REQUEST_AUDIT || rq->kind == REQUEST_AUDIT_GET)
		on_audit(rq, r);
	else
		on_written(rq, n, r);
}

void request_on_shard(void *arg, struct op *op, struct node *n, const redisReply *r,
		     const struct err *err)
{
	struct request *rq = arg;
	struct err bad = { 0 };
	uint64_t shard;

	(void)op;
	(void)n;
	if (err) {
		request_end(rq, err, NULL);
		return;
	}
	if (r->type == REDIS_REPLY_NIL && (rq->kind == REQUEST_UNSTASH || rq->kind == REQUEST_DROP || rq->kind == REQUEST_SETTLE)) {
		request_end(rq, NULL, json_object());
		return;
	}
	if (r->type == REDIS_REPLY_NIL && (rq->kind == REQUEST_RESERVE || rq->kind == REQUEST_HISTORY)) {
		err_set(&bad, -ENOENT, "space '%s' does not exist", rq->space->name);
		request_end(rq, &bad, NULL);
		return;
	}
	if (r->type == REDIS_REPLY_NIL && rq->kind == REQUEST_AUDIT) {
		request_end(rq, NULL, json_pack("{s:[], s:n}", "entries", "next"));
		return;
	}
	if (r->type == REDIS_REPLY_NIL && rq->kind == REQUEST_AUDIT_GET) {
		err_set(&bad, -ENOENT, "space '%s': no audit entry '%.60s'", rq->space->name,
			rq->argv[0]);
		request_end(rq, &bad, NULL);
		return;
	}
	if (r->type == REDIS_REPLY_NIL && rq->kind == REQUEST_READ) {
		request_end(rq, NULL,
			    json_pack("{s:{}, s:i, s:i}", "records", "rev", 0, "crev", 0));
		return;
	}
	shard = reply_u64(r);
	if (r->type != REDIS_REPLY_STRING || r->len == 0 || shard >= DB_SHARDS) {
		err_set(&bad, -EBADMSG, "tenant '%s': the state DB names no valid shard for it",
			rq->space->name);
		request_end(rq, &bad, NULL);
		return;
	}
	rq->space->shard = (int)shard;
	request_run(rq);
}

static void request_run(struct request *rq)
{
	struct space *sp;
	struct op *op;

	if (rq->kind == REQUEST_TENANTS)
		op = ask_tenants(rq);
	else if (rq->kind == REQUEST_FORGET)
		op = ask_forget(rq);
	else if (rq->kind == REQUEST_REMEMBER)
		op = ask_remember(rq);
	else
		op = rq->space->shard < 0 ? ask_shard(rq) : ask_space(rq);
	if (op)
		return;
	if (rq->space) {
		rq->space->first = rq->next;
		if (!rq->space->first)
			rq->space->last = &rq->space->first;
	}
	err_set(&rq->err, -ENOMEM, "out of memory");
	sp = rq->space;
	request_refuse(rq);
	if (sp)
		space_next(rq->db, sp);
}

/* --- the public requests --- */

bool db_took(const struct db *db, unsigned int nth, struct db_took *out)
{
	static const char *const names[REQUEST_KINDS] = { "read", "commit", "put", "claim", "audit", "audit_get", "stash", "unstash",
		"drop", "reserve", "settle", "history", "remember", "tenants", "forget" };

	if (nth >= REQUEST_KINDS)
		return false;
	*out = (struct db_took){ .request = names[nth], .took = &db->took[nth], .failed = db->failed[nth] };
	return true;
}

void db_read(struct db *db, const char *space, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_READ, done, arg);

	if (rq)
		request_submit(rq, space);
}

void db_tenants(struct db *db, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_TENANTS, done, arg);

	if (rq)
		request_submit(rq, NULL);
}

void db_forget(struct db *db, const char *space, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_FORGET, done, arg);

	if (rq)
		request_submit(rq, space);
}

void db_remember(struct db *db, const char *space, db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_REMEMBER, done, arg);

	if (rq)
		request_submit(rq, space);
}
