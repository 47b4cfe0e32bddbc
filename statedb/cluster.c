// SPDX-License-Identifier: Apache-2.0
/*
 * Ops: routed by slot, repeated with backoff until a deadline, whatever happens to connections and
 * masters meanwhile.  The table of slots is refreshed when something hints that it is old.  With
 * one server every slot is its.  Called by db.c, space.c, watch.c, lease.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/private.h"

#define RETRY_MIN_MS	50
#define RETRY_MAX_MS	400
#define REDIRECTS_FAST	6 /* redirections followed at once; more wait between */
#define REFRESH_GAP_MS	100
#define REFRESH_AWAY_MS 250
#define REFRESH_IDLE_MS 15000

enum op_state { OP_WAITING, OP_SENT, OP_FINISHED };

struct op {
	struct op *next;
	struct db *db;
	enum op_state state;
	unsigned int replies; /* outstanding: the op stays until they came */
	bool ungated, eval, asking;
	struct db_addr ask; /* when asking */
	uint16_t slot;
	enum script_id script;
	int argc;
	char **argv; /* for a script [0..2] are EVALSHA, its digest, the number of keys */
	size_t *lens;
	uint64_t deadline_ns, retry_at_ns;
	uint64_t sent_boot_ns; /* the last time it was sent, CLOCK_BOOTTIME */
	uint32_t backoff_ms;
	unsigned int redirects;
	op_done *done;
	void *arg;
	char why[256];
};

static void op_try(struct op *op);

/* --- making and ending --- */

static void op_free_args(struct op *op)
{
	for (int i = 0; op->argv && i < op->argc; i++)
		free(op->argv[i]);
	free(TAKE_PTR(op->argv));
	free(TAKE_PTR(op->lens));
}

static bool op_fill(struct op *op, const struct op_spec *spec)
{
	int head = spec->script == SCRIPT_MAX ? 0 : 3;
	char n_keys[16] = "";
	const char *s;

	op->argc = spec->argc + head;
	op->argv = calloc((size_t)op->argc, sizeof(*op->argv));
	op->lens = calloc((size_t)op->argc, sizeof(*op->lens));
	if (!op->argv || !op->lens)
		return false;
	if (head)
		snprintf(n_keys, sizeof(n_keys), "%d", spec->n_keys);
	for (int i = 0; i < op->argc; i++) {
		s = i >= head ? spec->argv[i - head]
		    : i == 0  ? "EVALSHA"
		    : i == 1  ? op->db->digest[op->script]
			      : n_keys;
		op->argv[i] = strdup(s);
		if (!op->argv[i])
			return false;
		op->lens[i] = strlen(s);
	}
	return true;
}

struct op *op_start(struct db *db, const struct op_spec *spec)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->db = db;
	op->script = spec->script;
	if (!op_fill(op, spec)) {
		op_free_args(op);
		free(op);
		return NULL;
	}
	op->ungated = spec->ungated;
	op->slot = slot_of_key(spec->key, strlen(spec->key));
	op->deadline_ns = spec->deadline_ns;
	op->done = spec->done;
	op->arg = spec->arg;
	*db->ops_last = op;
	db->ops_last = &op->next;
	db->n_ops++;
	op_try(op);
	return op;
}

void op_cancel(struct op *op)
{
	if (!op || op->state == OP_FINISHED)
		return;
	op->state = OP_FINISHED;
	op_free_args(op);
}

uint64_t op_sent_boot_ns(const struct op *op)
{
	return op->sent_boot_ns;
}

static void op_finish(struct op *op, struct node *n, const redisReply *r, const struct err *err)
{
	if (op->state == OP_FINISHED)
		return;
	op_cancel(op);
	if (op->done)
		op->done(op->arg, op, n, r, err);
}

static void op_fail(struct op *op, int code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	op_finish(op, NULL, NULL, &err);
}

/* --- sending --- */

static void op_wait(struct op *op, const char *why)
{
	op->state = OP_WAITING;
	op->backoff_ms = op->backoff_ms ? op->backoff_ms * 2 : RETRY_MIN_MS;
	if (op->backoff_ms > RETRY_MAX_MS)
		op->backoff_ms = RETRY_MAX_MS;
	op->retry_at_ns = clock_mono_ns() + op->backoff_ms * NSEC_PER_MSEC;
	if (why && *why) {
		snprintf(op->why, sizeof(op->why), "%s", why);
		snprintf(op->db->retry_why, sizeof(op->db->retry_why), "%s", why);
	}
}

static void op_redirect(struct op *op)
{
	if (++op->redirects > REDIRECTS_FAST)
		op_wait(op, "the cluster redirects in circles");
	else
		op_try(op);
}

static void on_error_reply(struct op *op, struct node *n, const redisReply *r)
{
	struct reply_class c = reply_classify(r);
	struct err err;

	if ((c.kind == REPLY_MOVED || c.kind == REPLY_ASK) && op->db->mode != DB_CLUSTER) {
		op_fail(op, -EINVAL,
			"the state DB is a node of a Redis Cluster (want mode 'cluster')");
		return;
	}
	switch (c.kind) {
	case REPLY_MOVED:
		cluster_moved(op->db, &c, node_addr(n));
		op_redirect(op);
		return;
	case REPLY_ASK:
		op->ask = c.addr;
		if (!op->ask.host[0])
			memcpy(op->ask.host, node_addr(n)->host, sizeof(op->ask.host));
		op->asking = true;
		op_redirect(op);
		return;
	case REPLY_NOSCRIPT:
		op->eval = true;
		op_redirect(op);
		return;
	case REPLY_LATER:
	case REPLY_READONLY:
		cluster_refresh(op->db);
		op_wait(op, r->str);
		return;
	case REPLY_NOAUTH:
		err_set(&err, -EACCES, "the state DB refuses access: %.200s", r->str);
		break;
	default:
		err_set(&err, -EIO, "the state DB refused a request: %.200s", r->str);
		break;
	}
	op_finish(op, NULL, NULL, &err);
}

static void on_reply(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct op *op = arg;

	op->replies--;
	if (op->state == OP_FINISHED)
		return;
	if (!r) {
		cluster_refresh(op->db);
		op_wait(op, why);
	} else if (r->type == REDIS_REPLY_ERROR) {
		on_error_reply(op, n, r);
	} else {
		op->db->retry_why[0] = 0;
		op_finish(op, n, r, NULL);
	}
}

static void on_asking(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct op *op = arg;

	(void)n;
	(void)r;
	(void)why;
	op->replies--; /* if ASKING was refused, so is the command behind it */
}

static int op_send(struct op *op, struct node *n)
{
	static const char *const asking[] = { "ASKING" };
	const char *argv[3] = { 0 };
	size_t lens[3] = { 0 };
	int rc = 0;

	if (op->asking) {
		rc = node_send(n, 1, asking, NULL, 0, on_asking, op);
		if (rc)
			return rc;
		op->replies++;
		op->asking = false;
	}
	if (op->eval) { /* EVAL and the text, in place of EVALSHA and the digest */
		memcpy(argv, op->argv, 2 * sizeof(*argv));
		memcpy(lens, op->lens, 2 * sizeof(*lens));
		op->argv[0] = (char *)"EVAL";
		op->lens[0] = 4;
		op->argv[1] = (char *)script_text(op->script);
		op->lens[1] = strlen(op->argv[1]);
	}
	rc = node_send(n, op->argc, (const char *const *)op->argv, op->lens, op->db->wait_ms,
		       on_reply, op);
	if (op->eval) {
		memcpy(op->argv, argv, 2 * sizeof(*argv));
		memcpy(op->lens, lens, 2 * sizeof(*lens));
		op->eval = false;
	}
	if (!rc)
		op->replies++;
	return rc;
}

/* Sends if it can be sent, else lets it wait.  Calls nobody back. */
static void op_try(struct op *op)
{
	struct db *db = op->db;
	struct node *n;
	int rc;

	if (!op->ungated && db->schema != SCHEMA_OK) {
		op_wait(op, NULL);
		return;
	}
	n = op->asking ? cluster_node(db, &op->ask) : cluster_node_of_slot(db, op->slot);
	if (!n) {
		op_wait(op, db->cluster_why[0] ? db->cluster_why
					       : "no server serves this part of the data");
		cluster_refresh(db);
		return;
	}
	if (!node_is_up(n)) {
		op_wait(op, node_why(n));
		if (*node_why(n))
			op->asking = false; /* it cannot be reached: ask the slot's owner again */
		cluster_refresh(db);
		return;
	}
	op->state = OP_SENT;
	op->sent_boot_ns = clock_boot_ns();
	rc = op_send(op, n);
	if (rc)
		op_wait(op, strerror(-rc));
}

/* --- nodes --- */

struct node *cluster_node(struct db *db, const struct db_addr *addr)
{
	struct node_config c = { .loop = db->loop,
				 .addr = *addr,
				 .password = db->password,
				 .tls = &db->tls,
				 .stall_ms = db->stall_ms,
				 .on_state = db_on_node_state,
				 .arg = db };

	for (unsigned int i = 0; i < db->n_nodes; i++)
		if (db_addr_eq(node_addr(db->nodes[i]), addr))
			return db->nodes[i];
	if (db->n_nodes == DB_NODES_MAX)
		return NULL;
	db->nodes[db->n_nodes] = node_new(&c);
	return db->nodes[db->n_nodes] ? db->nodes[db->n_nodes++] : NULL;
}

struct node *cluster_node_of_slot(struct db *db, uint16_t slot)
{
	if (db->mode != DB_CLUSTER)
		return db->n_nodes ? db->nodes[0] : NULL;
	if (!db->map || db->map->owner[slot] == DB_SLOT_NOBODY)
		return NULL;
	return cluster_node(db, &db->map->masters[db->map->owner[slot]]);
}

bool cluster_is_master(const struct db *db, const struct node *n)
{
	if (db->mode != DB_CLUSTER)
		return true;
	for (unsigned int i = 0; db->map && i < db->map->n_masters; i++)
		if (db_addr_eq(&db->map->masters[i], node_addr(n)))
			return true;
	return false;
}

static bool node_wanted(const struct db *db, const struct node *n)
{
	for (unsigned int i = 0; i < db->n_seeds; i++)
		if (db_addr_eq(node_addr(n), &db->seeds[i]))
			return true;
	return cluster_is_master(db, n) || node_pending(n) > 0;
}

/* Connects to all masters, forgets who is none any more. */
static void adopt_map(struct db *db)
{
	for (unsigned int i = 0; i < db->map->n_masters; i++)
		(void)cluster_node(db, &db->map->masters[i]); /* NULL shows when it is needed */
	for (unsigned int i = 0; i < db->n_nodes; i++)
		if (!node_wanted(db, db->nodes[i])) {
			node_free(db->nodes[i]);
			db->nodes[i--] = db->nodes[--db->n_nodes];
		}
}

void cluster_moved(struct db *db, const struct reply_class *c, const struct db_addr *from)
{
	struct db_addr addr = c->addr;
	unsigned int i;

	cluster_refresh(db);
	if (!db->map)
		return;
	if (!addr.host[0])
		memcpy(addr.host, from->host, sizeof(addr.host));
	for (i = 0; i < db->map->n_masters; i++)
		if (db_addr_eq(&db->map->masters[i], &addr))
			break;
	if (i == DB_SLOT_NODES)
		return;
	if (i == db->map->n_masters)
		db->map->masters[db->map->n_masters++] = addr;
	db->map->owner[c->slot] = (uint16_t)i;
}

/* --- the table of slots --- */

void cluster_refresh(struct db *db)
{
	uint64_t now = clock_mono_ns(), next = db->refreshed_ns + REFRESH_GAP_MS * NSEC_PER_MSEC;

	if (db->mode == DB_CLUSTER && !db->refresh_at_ns)
		db->refresh_at_ns = now > next ? now : next;
}

static void on_slots(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct db *db = arg;
	struct slot_map *map = db->map_next;
	struct err err;

	(void)why;
	db->refreshing = false;
	if (db->closing)
		return;
	if (!r) {
		cluster_refresh(db);
		return;
	}
	if (r->type == REDIS_REPLY_ERROR && strstr(r->str, "cluster support disabled")) {
		snprintf(db->cluster_why, sizeof(db->cluster_why),
			 "the state DB is not a Redis Cluster (want mode 'server')");
		return;
	}
	if (slot_map_parse(r, node_addr(n), map, &err)) {
		snprintf(db->cluster_why, sizeof(db->cluster_why), "%.250s", err.text);
		return;
	}
	if (map->n_masters == 0) {
		snprintf(db->cluster_why, sizeof(db->cluster_why),
			 "the cluster has no slots assigned yet");
		cluster_refresh(db);
		return;
	}
	db->cluster_why[0] = 0;
	db->map_next = db->map;
	db->map = map;
	if (!db->map_next)
		db->map_next = calloc(1, sizeof(*db->map_next));
	adopt_map(db);
	cluster_kick(db);
}

static void refresh_now(struct db *db, uint64_t now_ns)
{
	static const char *const argv[] = { "CLUSTER", "SLOTS" };
	struct node *n;

	if (!db->map_next)
		db->map_next = calloc(1, sizeof(*db->map_next));
	for (unsigned int i = 0; db->map_next && i < db->n_nodes; i++) {
		n = db->nodes[db->refresh_turn++ % db->n_nodes];
		if (node_is_up(n) && node_send(n, 2, argv, NULL, 0, on_slots, db) == 0) {
			db->refreshing = true;
			break;
		}
	}
	db->refreshed_ns = now_ns;
	/* Without any connection, again when the gap is over. */
	db->refresh_at_ns = db->refreshing ? 0 : now_ns + REFRESH_GAP_MS * NSEC_PER_MSEC;
}

/* Nobody tells when a master is replaced: it is asked for while one is away, and now and then
 * besides. */
static void watch_masters(struct db *db, uint64_t now_ns)
{
	uint64_t age_ms = (now_ns - db->refreshed_ns) / NSEC_PER_MSEC;
	bool away = !db->map;

	for (unsigned int i = 0; i < db->n_nodes && !away; i++)
		away = !node_is_up(db->nodes[i]) && cluster_is_master(db, db->nodes[i]);
	if (age_ms > (away ? REFRESH_AWAY_MS : REFRESH_IDLE_MS))
		cluster_refresh(db);
}

/* --- time --- */

static void ops_sweep(struct db *db)
{
	struct op **p, *op;

	for (p = &db->ops; *p;) {
		op = *p;
		if (op->state != OP_FINISHED || op->replies) {
			p = &op->next;
			continue;
		}
		*p = op->next;
		db->n_ops--;
		free(op);
	}
	db->ops_last = p;
}

void cluster_kick(struct db *db)
{
	for (struct op *op = db->ops; op; op = op->next)
		if (op->state == OP_WAITING) {
			op->backoff_ms = 0;
			op_try(op);
		}
}

static void op_late(struct op *op)
{
	struct db *db = op->db;
	struct err err;
	const char *why = op->why;

	if (!*why)
		why = db_trouble(db);
	if (op->state == OP_SENT)
		err_set(&err, -ETIMEDOUT, "the state DB did not answer in time");
	else
		err_set(&err, -ETIMEDOUT, "the state DB is unavailable: %s",
			why ? why : "no connection yet");
	op_finish(op, NULL, NULL, &err);
}

void cluster_tick(struct db *db, uint64_t now_ns)
{
	for (unsigned int i = 0; i < db->n_nodes; i++)
		node_tick(db->nodes[i], now_ns);
	if (db->mode == DB_CLUSTER)
		watch_masters(db, now_ns);
	if (db->refresh_at_ns && now_ns >= db->refresh_at_ns && !db->refreshing)
		refresh_now(db, now_ns);
	for (struct op *op = db->ops; op; op = op->next) {
		if (op->state == OP_FINISHED)
			continue;
		if (!op->ungated && op->state == OP_WAITING && db->schema == SCHEMA_REFUSED)
			op_fail(op, -EPROTONOSUPPORT, db->schema_why);
		else if (now_ns >= op->deadline_ns)
			op_late(op);
		else if (op->state == OP_WAITING && now_ns >= op->retry_at_ns)
			op_try(op);
	}
	ops_sweep(db);
}

void cluster_fini(struct db *db)
{
	for (struct op *op = db->ops; op; op = op->next)
		op_fail(op, -ECANCELED, "the connection to the state DB is being closed");
	while (db->n_nodes)
		node_free(db->nodes[--db->n_nodes]);
	ops_sweep(db);
	free(TAKE_PTR(db->map));
	free(TAKE_PTR(db->map_next));
}
