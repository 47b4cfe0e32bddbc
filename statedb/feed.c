// SPDX-License-Identifier: Apache-2.0
/*
 * Following spaces.  A feed is a connection of its own that waits in XREAD BLOCK for the streams of
 * its spaces; a server takes one for all of them, a Cluster one per shard, for a command may not
 * cross slots there.  Every new connection begins with snapshots: asynchronous replication may have
 * rewound history meanwhile.  A snapshot is one script, so it and the stream's position belong
 * together.  Each entry carries the space's revision, and each write adds one to it: an entry that
 * does not continue the revision we have means that the stream was trimmed or rewound, and the
 * space is read again.  So does another replication id, and a slow audit. Called by watch.c; uses
 * cluster.c and node.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statedb/private.h"
#include "util/hash.h"

#define BLOCK_MS     2000
#define READ_COUNT   "256"
#define AUDIT_MS     (10 * 60 * 1000)
#define HISTORY_MS   2000
#define RETRY_MS     500
#define ERROR_MS     100
#define ERROR_MAX_MS 2000

static void feed_step(struct feed *f);

/* --- delivering --- */

static void deliver_snapshot(struct watch *w, const json_t *records)
{
	for (struct db_follow *s = w->follows; s; s = s->next)
		if (!s->dead)
			s->ops.snapshot(s->arg, records, w->rev, w->crev);
}

static void deliver_change(struct watch *w, const json_t *changes)
{
	for (struct db_follow *s = w->follows; s; s = s->next)
		if (!s->dead)
			s->ops.change(s->arg, changes, w->rev, w->crev);
}

static void trouble(struct db *db, const char *text)
{
	snprintf(db->feed_why, sizeof(db->feed_why), "%.380s", text);
}

/* Reads the space again, not before 'delay_ms'. */
void watch_want_snapshot(struct watch *w, unsigned int delay_ms)
{
	w->current = false;
	w->read_at_ns = clock_mono_ns() + delay_ms * NSEC_PER_MSEC;
}

/* --- snapshots --- */

static void on_snapshot(struct watch *w, const redisReply *r)
{
	struct err err = { 0 };
	json_t *records;

	if (r->type != REDIS_REPLY_ARRAY || r->elements != 4 ||
	    r->element[2]->type != REDIS_REPLY_STRING || r->element[2]->len >= sizeof(w->last_id)) {
		trouble(w->db, "the state DB's answer to a snapshot is malformed");
		watch_want_snapshot(w, RETRY_MS);
		return;
	}
	records = space_records(w->space, r->element[3], &err);
	if (!records) { /* followers keep what they have */
		trouble(w->db, err.text);
		watch_want_snapshot(w, RETRY_MS);
		return;
	}
	w->db->feed_why[0] = 0;
	w->feed->error_ms = 0;
	w->rev = reply_u64(r->element[0]);
	w->crev = reply_u64(r->element[1]);
	w->epoch = (uint32_t)hash_str(w->feed->repl_id, 0);
	memcpy(w->last_id, r->element[2]->str, r->element[2]->len + 1);
	w->traces[0] = 0;
	w->current = true;
	w->audit_at_ns = clock_mono_ns() + AUDIT_MS * NSEC_PER_MSEC;
	deliver_snapshot(w, records);
	json_decref(records);
}

static void on_feed_error(struct feed *f, struct node *n, const redisReply *r)
{
	struct reply_class c = reply_classify(r);

	trouble(f->db, r->str);
	if (c.kind == REPLY_MOVED)
		cluster_moved(f->db, &c, node_addr(n));
	else
		cluster_refresh(f->db);
	f->error_ms = f->error_ms ? f->error_ms * 2 : ERROR_MS;
	if (f->error_ms > ERROR_MAX_MS)
		f->error_ms = ERROR_MAX_MS;
	f->not_before_ns = clock_mono_ns() + f->error_ms * NSEC_PER_MSEC;
	node_reset(n, "is not the one to follow any more");
}

static void on_snapshot_reply(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct watch *w = arg;
	struct feed *f = w->feed;

	(void)why;
	if (!f || f->conn != n || !r)
		return; /* a new connection begins anew */
	f->asked--;
	if (r->type == REDIS_REPLY_ERROR && reply_classify(r).kind == REPLY_NOSCRIPT)
		f->eval = true;
	else if (r->type == REDIS_REPLY_ERROR)
		on_feed_error(f, n, r);
	else
		on_snapshot(w, r);
	feed_step(f);
}

static void ask_snapshot(struct feed *f, struct watch *w)
{
	char keys[SPACE_READ_KEYS][DB_KEY];
	const char *argv[3 + SPACE_READ_KEYS] = { "EVALSHA", f->db->digest[SCRIPT_READ], "4" };

	if (f->eval) {
		argv[0] = "EVAL";
		argv[1] = script_text(SCRIPT_READ);
	}
	for (int i = 0; i < SPACE_READ_KEYS; i++)
		argv[3 + i] = schema_space_key(keys[i], (unsigned int)w->shard, w->space,
					       (enum space_key)i);
	if (node_send(f->conn, 3 + SPACE_READ_KEYS, argv, NULL, 0, on_snapshot_reply, w) == 0) {
		f->asked++;
	}
}

/* --- changes --- */

/* Behind an entry's other fields, when there is something to be told. */
static void take_traces(struct watch *w, const redisReply *fields)
{
	const redisReply *const *f = (const redisReply *const *)fields->element;

	w->traces[0] = 0;
	if (fields->elements >= 10 && f[8]->type == REDIS_REPLY_STRING && f[9]->type == REDIS_REPLY_STRING && !strcmp(f[8]->str, "traces"))
		snprintf(w->traces, sizeof(w->traces), "%s", f[9]->str);
}

/* [id, ["rev", r, "crev", c, "id", i, "changes", json]], perhaps with "traces", t.  False: the space must be read again. */
static bool apply_entry(struct watch *w, const redisReply *e)
{
	const redisReply *f;
	json_t *changes;
	uint64_t rev;

	if (e->type != REDIS_REPLY_ARRAY || e->elements != 2 ||
	    e->element[0]->type != REDIS_REPLY_STRING || e->element[0]->len >= sizeof(w->last_id) ||
	    e->element[1]->type != REDIS_REPLY_ARRAY || e->element[1]->elements < 8)
		return false;
	f = e->element[1];
	for (int i = 0; i < 8; i++)
		if (f->element[i]->type != REDIS_REPLY_STRING)
			return false;
	rev = reply_u64(f->element[1]);
	if (rev != w->rev + 1)
		return false;
	changes = json_loadb(f->element[7]->str, f->element[7]->len, 0, NULL);
	if (!json_is_object(changes)) {
		json_decref(changes);
		return false;
	}
	w->rev = rev;
	w->crev = reply_u64(f->element[3]);
	memcpy(w->last_id, e->element[0]->str, e->element[0]->len + 1);
	take_traces(w, f);
	deliver_change(w, changes);
	json_decref(changes);
	return true;
}

static struct watch *watch_by_key(const struct feed *f, const char *key)
{
	for (struct watch *w = f->watches; w; w = w->next)
		if (strcmp(w->log_key, key) == 0)
			return w;
	return NULL;
}

/* [[key, [entry, ...]], ...] or nil */
static void on_entries(struct feed *f, const redisReply *r)
{
	const redisReply *s;
	struct watch *w;

	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
		s = r->element[i];
		if (s->type != REDIS_REPLY_ARRAY || s->elements != 2 ||
		    s->element[0]->type != REDIS_REPLY_STRING ||
		    s->element[1]->type != REDIS_REPLY_ARRAY)
			continue;
		w = watch_by_key(f, s->element[0]->str);
		for (size_t k = 0; w && w->current && k < s->element[1]->elements; k++)
			if (!apply_entry(w, s->element[1]->element[k]))
				watch_want_snapshot(w, 0);
	}
}

static void on_xread(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct feed *f = arg;

	(void)why;
	if (f->conn != n || !r)
		return;
	f->blocked = false;
	if (r->type == REDIS_REPLY_ERROR)
		on_feed_error(f, n, r);
	else
		on_entries(f, r);
	feed_step(f);
}

static void ask_entries(struct feed *f)
{
	static const char *const head[] = {
		"XREAD", "COUNT", READ_COUNT, "BLOCK", "2000", "STREAMS"
	};
	unsigned int n = 0, i = ARRAY_SIZE(head);
	const char **argv;

	_Static_assert(BLOCK_MS == 2000, "as written in the command");
	for (struct watch *w = f->watches; w; w = w->next)
		n += w->current;
	if (!n)
		return;
	argv = malloc((ARRAY_SIZE(head) + 2 * n) * sizeof(*argv));
	if (!argv)
		return; /* the tick tries again */
	memcpy(argv, head, sizeof(head));
	for (struct watch *w = f->watches; w; w = w->next)
		if (w->current) {
			argv[i] = w->log_key;
			argv[i++ + n] = w->last_id;
		}
	f->blocked = node_send(f->conn, (int)(i + n), argv, NULL, BLOCK_MS, on_xread, f) == 0;
	free(argv);
}

/* --- is it still the same history? --- */

static void on_info(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct feed *f = arg;
	char id[sizeof(f->repl_id)];
	const char *p;
	size_t len;

	(void)why;
	if (f->conn != n || !r)
		return;
	f->asked--;
	p = r->type == REDIS_REPLY_STRING ? strstr(r->str, "master_replid:") : NULL;
	if (p) {
		p += strlen("master_replid:");
		len = strcspn(p, "\r\n");
		snprintf(id, sizeof(id), "%.*s", (int)len, p);
		if (f->repl_id[0] && strcmp(id, f->repl_id) != 0)
			for (struct watch *w = f->watches; w; w = w->next)
				watch_want_snapshot(w, 0);
		memcpy(f->repl_id, id, sizeof(id));
	}
	feed_step(f);
}

static void on_rev(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct watch *w = arg;
	struct feed *f = w->feed;

	(void)why;
	if (!f || f->conn != n || !r)
		return;
	f->asked--;
	if (r->type != REDIS_REPLY_ERROR &&
	    reply_u64(r) < w->rev) /* rewound; what is ahead, XREAD brings */
		watch_want_snapshot(w, 0);
	feed_step(f);
}

/* Every 2 s between two XREADs: the revisions and the replication id.  Cheap, and it catches what
 * XREAD cannot show. */
static void ask_history(struct feed *f)
{
	static const char *const info[] = { "INFO", "replication" };
	char key[DB_KEY];
	const char *get[] = { "GET", key };

	if (node_send(f->conn, 2, info, NULL, 0, on_info, f) == 0)
		f->asked++;
	for (struct watch *w = f->watches; w; w = w->next) {
		if (!w->current)
			continue;
		schema_space_key(key, (unsigned int)w->shard, w->space, SPACE_REV);
		if (node_send(f->conn, 2, get, NULL, 0, on_rev, w) == 0)
			f->asked++;
	}
}

/* --- feeds --- */

static void on_client_id(void *arg, struct node *n, const redisReply *r, const char *why)
{
	struct feed *f = arg;

	(void)why;
	if (f->conn != n || !r)
		return;
	f->asked--;
	f->client_id = r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
	feed_step(f);
}

static void on_feed_state(void *arg, struct node *n, bool up)
{
	static const char *const id[] = { "CLIENT", "ID" };
	struct feed *f = arg;

	if (f->conn != n)
		return;
	f->blocked = false;
	f->asked = 0;
	f->client_id = 0;
	f->repl_id[0] = 0;
	f->history_at_ns = 0;
	f->eval = false;
	for (struct watch *w = f->watches; w; w = w->next) {
		watch_want_snapshot(w, 0);
	}
	if (!up) {
		cluster_refresh(f->db);
		return;
	}
	if (node_send(n, 2, id, NULL, 0, on_client_id, f) == 0)
		f->asked++;
	feed_step(f);
}

/* What is to be done next on a connection with nothing under way. */
static void feed_step(struct feed *f)
{
	uint64_t now = clock_mono_ns();

	if (!f->conn || !node_is_up(f->conn) || f->blocked || f->asked || now < f->not_before_ns ||
	    f->db->closing || f->db->schema != SCHEMA_OK)
		return;
	if (now >= f->history_at_ns) {
		f->history_at_ns = now + HISTORY_MS * NSEC_PER_MSEC;
		ask_history(f);
		return;
	}
	for (struct watch *w = f->watches; w; w = w->next) {
		if (w->current && now > w->audit_at_ns)
			w->current = false;
		if (!w->current && w->follows && now >= w->read_at_ns)
			ask_snapshot(f, w);
	}
	if (!f->asked)
		ask_entries(f);
}

static void on_unblocked(void *arg, struct node *n, const redisReply *r, const char *why)
{
	(void)arg; /* whether it worked shows at the feed */
	(void)n;
	(void)r;
	(void)why;
}

/* A space that is to be read waits behind a blocking XREAD: end that one. */
static void unblock(struct feed *f)
{
	struct node *n = cluster_node(f->db, node_addr(f->conn));
	char id[24];
	const char *argv[] = { "CLIENT", "UNBLOCK", id };

	if (!n || f->client_id <= 0)
		return;
	snprintf(id, sizeof(id), "%lld", f->client_id);
	(void)node_send(n, 3, argv, NULL, 0, on_unblocked, NULL); /* else XREAD ends by itself */
}

struct feed *feed_get(struct db *db, int shard)
{
	int key = db->mode == DB_CLUSTER ? shard : -1;
	char text[DB_KEY];
	struct feed *f;

	for (f = db->feeds; f; f = f->next)
		if (f->key == key)
			return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->db = db;
	f->key = key;
	schema_space_key(text, (unsigned int)shard, "", SPACE_LOG);
	f->slot = slot_of_key(text, strlen(text));
	f->next = db->feeds;
	db->feeds = f;
	return f;
}

/* Connects to who serves the shard now. */
static void feed_connect(struct feed *f)
{
	struct node *serving = cluster_node_of_slot(f->db, f->slot), *old = f->conn;
	struct node_config c = { .loop = f->db->loop,
				 .password = f->db->password,
				 .tls = &f->db->tls,
				 .stall_ms = f->db->stall_ms,
				 .on_state = on_feed_state,
				 .arg = f };

	if (!serving || (old && db_addr_eq(node_addr(old), node_addr(serving))))
		return;
	c.addr = *node_addr(serving);
	f->conn = NULL;
	node_free(old);
	f->blocked = false;
	f->asked = 0;
	f->conn = node_new(&c);
}

void feed_free(struct feed *f)
{
	node_free(TAKE_PTR(f->conn));
	free(f);
}

void feed_forget_answers(struct feed *f)
{
	if (f->asked && f->conn)
		node_reset(f->conn, "is asked anew");
}

void feed_hurry(struct feed *f)
{
	if (!f->conn)
		feed_connect(f);
	if (f->conn && !node_is_up(f->conn))
		node_tick(f->conn, clock_mono_ns());
	if (f->blocked)
		unblock(f);
}

void feed_tick(struct feed *f, uint64_t now)
{
	bool waiting = false;

	feed_connect(f);
	if (f->conn)
		node_tick(f->conn, now);
	for (struct watch *w = f->watches; w; w = w->next)
		waiting = waiting || (!w->current && w->follows && now >= w->read_at_ns);
	if (f->blocked && waiting)
		unblock(f);
	feed_step(f);
}
