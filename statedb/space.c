// SPDX-License-Identifier: Apache-2.0
/*
 * Requests on spaces: read, commit, put.  A space's requests are answered one behind the other,
 * which keeps their order whatever is repeated or redirected; different spaces run side by side.  A
 * tenant's shard is looked up once and remembered, for it never changes. Implements part of
 * statedb.h; uses cluster.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/private.h"
#include "util/hash.h"

#define CHANGES_MAX 200000 /* paths in one write */

enum request_kind { REQUEST_READ, REQUEST_COMMIT, REQUEST_PUT, REQUEST_TENANTS };

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
	int argc;
	char **argv;	    /* of the write script, behind the keys */
	uint64_t rev, crev; /* written; while WAIT is on its way */
	db_done *done;
	void *arg;
	struct err err; /* why it is refused */
};

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

	if (!err && !reply)
		err = &no_memory;
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

static struct request *request_new(struct db *db, enum request_kind kind, db_done *done, void *arg)
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

static void request_submit(struct request *rq, const char *space)
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
	if (r->element[0]->integer == 0) {
		err_set(&err, -EAGAIN,
			"space '%s' was changed meanwhile: revision %" PRIu64
			", not the expected %s (read it again)",
			rq->space->name, rq->crev, rq->argv[0]);
		request_end(rq, &err, NULL);
	} else if (rq->kind == REQUEST_PUT) {
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
		if (r->element[i]->type == REDIS_REPLY_STRING)
			json_array_append_new(names, json_string(r->element[i]->str));
	request_end(rq, NULL, json_pack("{s:o}", "tenants", names));
}

static void on_answer(void *arg, struct op *op, struct node *n, const redisReply *r,
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
	else
		on_written(rq, n, r);
}

static void on_shard(void *arg, struct op *op, struct node *n, const redisReply *r,
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

/* --- questions --- */

static struct op *ask_shard(struct request *rq)
{
	char shard[16];
	const char *get[] = { "HGET", KEY_TENANTS, rq->space->name };
	const char *reg[] = { KEY_TENANTS, rq->space->name, shard };
	struct op_spec spec = {
		.key = KEY_TENANTS, .deadline_ns = rq->deadline_ns, .done = on_shard, .arg = rq
	};

	spec.argc = 3;
	if (rq->kind == REQUEST_READ) {
		spec.script = SCRIPT_MAX;
		spec.argv = get;
	} else {
		snprintf(shard, sizeof(shard), "%u", schema_new_shard(rq->space->name));
		spec.script = SCRIPT_REGISTER;
		spec.n_keys = 1;
		spec.argv = reg;
	}
	return op_start(rq->db, &spec);
}

static struct op *ask_tenants(struct request *rq)
{
	const char *argv[] = { "HKEYS", KEY_TENANTS };
	struct op_spec spec = { .key = KEY_TENANTS,
				.script = SCRIPT_MAX,
				.argc = 2,
				.argv = argv,
				.deadline_ns = rq->deadline_ns,
				.done = on_answer,
				.arg = rq };

	return op_start(rq->db, &spec);
}

static struct op *ask_space(struct request *rq)
{
	char keys[SPACE_KEY_MAX][DB_KEY];
	struct op_spec spec = { .n_keys = SPACE_KEY_MAX,
				.deadline_ns = rq->deadline_ns,
				.done = on_answer,
				.arg = rq };
	const char **argv = calloc((size_t)rq->argc + SPACE_KEY_MAX, sizeof(*argv));
	struct op *op;

	if (!argv)
		return NULL;
	for (int i = 0; i < SPACE_KEY_MAX; i++)
		argv[i] = schema_space_key(keys[i], (unsigned int)rq->space->shard, rq->space->name,
					   (enum space_key)i);
	for (int i = 0; i < rq->argc; i++)
		argv[SPACE_KEY_MAX + i] = rq->argv[i];
	spec.key = argv[0];
	spec.script = rq->kind == REQUEST_READ ? SCRIPT_READ : SCRIPT_WRITE;
	spec.argc = SPACE_KEY_MAX + rq->argc;
	spec.argv = argv;
	op = op_start(rq->db, &spec);
	free(argv);
	return op;
}

static void request_run(struct request *rq)
{
	struct space *sp;
	struct op *op;

	if (rq->kind == REQUEST_TENANTS)
		op = ask_tenants(rq);
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

/* The record as text without its "rev", which the script puts in front. */
static char *record_text(const json_t *record)
{
	json_t *o;
	char *text;

	if (!json_object_get(record, "rev"))
		return json_dumps(record, JSON_COMPACT);
	o = json_copy((json_t *)record);
	if (!o)
		return NULL;
	json_object_del(o, "rev");
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static bool add_arg(struct request *rq, char *text)
{
	if (!text)
		return false;
	rq->argv[rq->argc++] = text;
	return true;
}

/* Fills argv with what the write script wants; rq->err otherwise. */
static void write_args(struct request *rq, const char *crev, const char *owner,
		       const json_t *changes)
{
	struct db *db = rq->db;
	const char *path;
	char id[64], max[16];
	json_t *v;
	bool ok;

	if (!json_is_object(changes)) {
		err_set(&rq->err, -EINVAL, "changes must be an object {path: object or null}");
		return;
	}
	if (json_object_size(changes) > CHANGES_MAX) {
		err_set(&rq->err, -E2BIG, "a write changes %zu records (at most %d)",
			json_object_size(changes), CHANGES_MAX);
		return;
	}
	rq->argv = calloc(4 + 2 * json_object_size(changes), sizeof(*rq->argv));
	snprintf(id, sizeof(id), "%016" PRIx64 ".%" PRIu64, db->write_id, ++db->write_seq);
	snprintf(max, sizeof(max), "%d", DB_LOG_MAX);
	ok = rq->argv && add_arg(rq, strdup(crev)) && add_arg(rq, strdup(id)) &&
	     add_arg(rq, strdup(owner ? owner : "")) && add_arg(rq, strdup(max));
	json_object_foreach((json_t *)changes, path, v)
	{
		if (!json_is_object(v) && !json_is_null(v)) {
			err_set(&rq->err, -EINVAL,
				"record '%.100s' must be an object, or null to delete it", path);
			return;
		}
		ok = ok && add_arg(rq, strdup(path)) &&
		     add_arg(rq, json_is_null(v) ? strdup("") : record_text(v));
	}
	if (!ok)
		err_set(&rq->err, -ENOMEM, "out of memory");
}

void db_commit(struct db *db, const char *space, uint64_t crev, const json_t *changes,
	       db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_COMMIT, done, arg);
	char text[24];

	if (!rq)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, crev);
	write_args(rq, text, NULL, changes);
	request_submit(rq, space);
}

void db_put(struct db *db, const char *space, const char *owner, const json_t *changes,
	    db_done *done, void *arg)
{
	struct request *rq = request_new(db, REQUEST_PUT, done, arg);

	if (!rq)
		return;
	write_args(rq, "", owner, changes);
	request_submit(rq, space);
}
