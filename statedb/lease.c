// SPDX-License-Identifier: Apache-2.0
/*
 * Leases: a key with a time to live and its owner's name.  The owner trusts its own clock more than
 * the database: the lease counts from before the request was sent, in CLOCK_BOOTTIME, so that a
 * process that was stopped or a machine that slept notices that it is over. Implements part of
 * statedb.h; uses cluster.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/private.h"

struct db_lease {
	struct db_lease *next;
	struct db *db;
	char *name, *owner;
	unsigned int ttl_ms;
	db_done *taken; /* NULL once called */
	void (*lost)(void *arg, const char *why);
	void *arg;
	bool held;
	struct err err; /* code != 0: refused without asking, told by the tick */
	uint64_t valid_until_ns, renew_at_ns; /* CLOCK_BOOTTIME */
	struct op *op;
	char why[256]; /* last trouble with renewing */
};

static void lose(struct db_lease *l, const char *why)
{
	op_cancel(TAKE_PTR(l->op));
	l->held = false;
	l->lost(l->arg, why);
}

static void on_answer(void *arg, struct op *op, struct node *n, const redisReply *r,
		      const struct err *err)
{
	struct db_lease *l = arg;
	db_done *taken = TAKE_PTR(l->taken);
	struct err bad = { 0 };
	char why[256];

	(void)n;
	l->op = NULL;
	if (!err && (r->type != REDIS_REPLY_ARRAY || r->elements != 3 ||
		     r->element[0]->type != REDIS_REPLY_INTEGER ||
		     r->element[2]->type != REDIS_REPLY_STRING)) {
		err_set(&bad, -EBADMSG, "lease '%s': the state DB's answer is malformed", l->name);
		err = &bad;
	}
	if (err) {
		snprintf(l->why, sizeof(l->why), "%.250s", err->text);
		if (taken)
			taken(l->arg, err, NULL);
		return; /* renewing: the tick tries again while there is time */
	}
	if (r->element[0]->integer == 0) {
		err_set(&bad, -EBUSY, "lease '%s' is held by '%.100s' for another %" PRIu64 " ms",
			l->name, r->element[2]->str, reply_u64(r->element[1]));
		if (taken) {
			taken(l->arg, &bad, NULL);
		} else {
			snprintf(why, sizeof(why), "%.250s", bad.text);
			lose(l, why);
		}
		return;
	}
	l->held = true;
	l->valid_until_ns = op_sent_boot_ns(op) + l->ttl_ms * NSEC_PER_MSEC;
	l->renew_at_ns = op_sent_boot_ns(op) + l->ttl_ms * NSEC_PER_MSEC / 3;
	if (taken)
		taken(l->arg, NULL, json_null());
}

static struct op *ask(struct db_lease *l, uint64_t for_ms)
{
	char key[DB_KEY], ttl[16];
	const char *argv[] = { schema_lease_key(key, l->name), KEY_LEASES, l->owner, ttl, l->name };
	struct op_spec spec = { .key = KEY_LEASES,
				.script = SCRIPT_LEASE,
				.n_keys = 2,
				.argc = 5,
				.argv = argv,
				.done = on_answer,
				.arg = l };

	snprintf(ttl, sizeof(ttl), "%u", l->ttl_ms);
	spec.deadline_ns = clock_mono_ns() + for_ms * NSEC_PER_MSEC;
	return op_start(l->db, &spec);
}

struct db_lease *db_lease(struct db *db, const char *name, const char *owner, unsigned int ttl_ms,
			  db_done *taken, void (*lost)(void *arg, const char *why), void *arg)
{
	struct db_lease *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct db_lease){ .db = db,
				.name = strdup(name),
				.owner = strdup(owner),
				.ttl_ms = ttl_ms,
				.taken = taken,
				.lost = lost,
				.arg = arg };
	if (!l->name || !l->owner) {
		free(l->name);
		free(l->owner);
		free(l);
		return NULL;
	}
	l->next = db->leases;
	db->leases = l;
	if (!schema_name_ok(name) || !schema_name_ok(owner))
		err_set(&l->err, -EINVAL,
			"lease '%.130s' of '%.130s': not a name (want 1 to %d characters without blanks)",
			name, owner, DB_NAME_MAX);
	else if (ttl_ms < 3 * DB_TICK_MS)
		err_set(&l->err, -EINVAL, "lease '%s': %u ms are too short (want at least %d)",
			name, ttl_ms, 3 * DB_TICK_MS);
	else if (!(l->op = ask(l, db->timeout_ms)))
		err_set(&l->err, -ENOMEM, "out of memory");
	return l;
}

void db_lease_release(struct db_lease *l)
{
	char key[DB_KEY];
	struct op_spec spec = {
		.key = KEY_LEASES, .script = SCRIPT_RELEASE, .n_keys = 2, .argc = 4, .done = NULL
	};
	struct db_lease **p;

	if (!l)
		return;
	op_cancel(l->op);
	for (p = &l->db->leases; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	if (!l->err.code && !l->db->closing) {
		const char *argv[] = { schema_lease_key(key, l->name), KEY_LEASES, l->owner,
				       l->name };

		spec.argv = argv;
		spec.deadline_ns = clock_mono_ns() + l->ttl_ms * NSEC_PER_MSEC;
		(void)op_start(l->db, &spec); /* else it runs out by itself */
	}
	free(l->name);
	free(l->owner);
	free(l);
}

void lease_tick(struct db *db, uint64_t mono_ns)
{
	uint64_t now = clock_boot_ns();
	struct db_lease *l, *next;
	db_done *taken;
	char why[512];

	(void)mono_ns;
	for (l = db->leases; l; l = next) {
		next = l->next;
		if (l->err.code && l->taken) {
			taken = TAKE_PTR(l->taken);
			taken(l->arg, &l->err, NULL);
			next = db->leases; /* the callback may have released any */
		} else if (l->held && now >= l->valid_until_ns) {
			snprintf(why, sizeof(why), "lease '%s' could not be renewed in time%s%s",
				 l->name, l->why[0] ? ": " : "", l->why);
			lose(l, why);
			next = db->leases;
		} else if (l->held && now >= l->renew_at_ns && !l->op) {
			l->renew_at_ns = now + l->ttl_ms * NSEC_PER_MSEC / 6; /* if this fails */
			l->op = ask(l, (l->valid_until_ns - now) / NSEC_PER_MSEC + 1);
		}
	}
}

void lease_fini(struct db *db)
{
	struct err err = { 0 };
	struct db_lease *l;
	db_done *taken;

	err_set(&err, -ECANCELED, "the connection to the state DB is being closed");
	while ((l = db->leases)) {
		db->leases = l->next;
		op_cancel(l->op);
		taken = TAKE_PTR(l->taken);
		if (taken)
			taken(l->arg, &err, NULL);
		free(l->name);
		free(l->owner);
		free(l);
	}
}

/* --- who holds leases --- */

struct question {
	struct db *db;
	db_done *done;
	void *arg;
};

static void on_leases(void *arg, struct op *op, struct node *n, const redisReply *r,
		      const struct err *err)
{
	struct question *q = arg;
	json_t *out = err ? NULL : json_object();

	(void)op;
	(void)n;
	for (size_t i = 0; out && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2)
		if (r->element[i]->type == REDIS_REPLY_STRING)
			json_object_set_new(out, r->element[i]->str,
					    json_integer((json_int_t)reply_u64(r->element[i + 1])));
	q->done(q->arg, err, out);
	json_decref(out);
	free(q);
}

void db_leases(struct db *db, const char *prefix, db_done *done, void *arg)
{
	static const struct err no_memory = { .code = -ENOMEM, .text = "out of memory" };
	struct question *q = malloc(sizeof(*q));
	char key[DB_KEY];
	const char *argv[] = { KEY_LEASES, schema_lease_key(key, ""), prefix };
	struct op_spec spec = { .key = KEY_LEASES,
				.script = SCRIPT_LEASES,
				.n_keys = 1,
				.argc = 3,
				.argv = argv,
				.done = on_leases,
				.arg = q };

	if (q)
		*q = (struct question){ .db = db, .done = done, .arg = arg };
	spec.deadline_ns = clock_mono_ns() + db->timeout_ms * NSEC_PER_MSEC;
	if (!q || !op_start(db, &spec)) {
		free(q);
		done(arg, &no_memory, NULL);
	}
}
