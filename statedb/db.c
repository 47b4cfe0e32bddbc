// SPDX-License-Identifier: Apache-2.0
/*
 * The handle: configuration, the tick, the schema check that every request waits for, status.  The
 * check is repeated whenever a connection came up, for the database behind it may be another one.
 * Owns everything; calls the other files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "statedb/private.h"
#include "statedb/node_tls.h"

#define TIMEOUT_MS	  5000
#define STALL_MIN_MS	  1000
#define SCHEMA_RECHECK_MS 1000

bool db_mode_parse(const char *text, enum db_mode *mode)
{
	static const char *const names[] = { "embedded", "server", "cluster" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum db_mode)i;
			return true;
		}
	return false;
}

/* --- schema --- */

static void schema_refuse(struct db *db, const char *text)
{
	db->schema = SCHEMA_REFUSED;
	snprintf(db->schema_why, sizeof(db->schema_why), "%.250s", text);
}

static void on_schema(void *arg, struct op *op, struct node *n, const redisReply *r,
		      const struct err *err)
{
	struct db *db = arg;
	char text[256], *end;
	long v;

	(void)op;
	(void)n;
	db->schema_at_ns = clock_mono_ns();
	if (err) {
		if (err->code == -EINVAL || err->code == -EACCES || err->code == -EIO)
			schema_refuse(db, err->text);
		else
			db->schema = SCHEMA_UNKNOWN; /* the tick asks again */
		return;
	}
	v = r->type == REDIS_REPLY_STRING ? strtol(r->str, &end, 10) : 0;
	if (r->type != REDIS_REPLY_STRING || end == r->str || *end || v < 1 || v > INT32_MAX) {
		snprintf(text, sizeof(text),
			 "the state DB's schema '%.50s' is not a number: it is not a skep database",
			 r->str ? r->str : "");
		schema_refuse(db, text);
	} else if (v > DB_SCHEMA) {
		snprintf(
			text, sizeof(text),
			"the state DB has schema %ld, this program knows schemas up to %d (upgrade it)",
			v, DB_SCHEMA);
		schema_refuse(db, text);
	} else {
		db->schema = SCHEMA_OK; /* older ones: there are none before 1 */
		db->schema_version = (int)v;
		cluster_kick(db);
	}
}

void db_schema_check(struct db *db)
{
	char own[16];
	const char *argv[] = { KEY_SCHEMA, own };
	struct op_spec spec = { .key = KEY_SCHEMA,
				.script = SCRIPT_SCHEMA,
				.n_keys = 1,
				.argc = 2,
				.argv = argv,
				.ungated = true,
				.done = on_schema,
				.arg = db };

	if (db->schema == SCHEMA_CHECKING)
		return;
	snprintf(own, sizeof(own), "%d", DB_SCHEMA);
	spec.deadline_ns = clock_mono_ns() + db->timeout_ms * NSEC_PER_MSEC;
	if (op_start(db, &spec))
		db->schema = SCHEMA_CHECKING;
}

void db_on_node_state(void *arg, struct node *n, bool up)
{
	struct db *db = arg;

	cluster_refresh(db);
	if (!up)
		return;
	if (db->embedded)
		embedded_connected(db->embedded, n);
	db_schema_check(db);
	cluster_kick(db);
}

/* --- life --- */

static void on_tick(void *arg)
{
	struct db *db = arg;
	uint64_t now = clock_mono_ns();

	if (db->embedded)
		embedded_tick(db->embedded, now);
	if (db->schema == SCHEMA_UNKNOWN ||
	    (db->schema == SCHEMA_REFUSED &&
	     now > db->schema_at_ns + SCHEMA_RECHECK_MS * NSEC_PER_MSEC))
		db_schema_check(db);
	space_tick(db);
	cluster_tick(db, now);
	watch_tick(db, now);
	lease_tick(db, now);
}

static int set_addresses(struct db *db, const struct db_config *c, struct err *err)
{
	if (c->mode == DB_SERVER && c->n_addresses != 1)
		return err_set(err, -EINVAL, "state DB: mode 'server' wants one address, not %u",
			       c->n_addresses);
	if (c->mode == DB_CLUSTER && c->n_addresses == 0)
		return err_set(err, -EINVAL, "state DB: mode 'cluster' wants at least one address");
	if (c->n_addresses > DB_SLOT_NODES)
		return err_set(err, -E2BIG, "state DB: %u addresses (at most %d)", c->n_addresses,
			       DB_SLOT_NODES);
	db->seeds = calloc(c->n_addresses, sizeof(*db->seeds));
	if (!db->seeds)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < c->n_addresses; i++) {
		if (!db_addr_parse(c->addresses[i], &db->seeds[i]) ||
		    (c->mode == DB_CLUSTER && db->seeds[i].is_unix))
			return err_set(
				err, -EINVAL,
				"state DB: address '%.200s' is not valid (want host:port or [v6]:port%s)",
				c->addresses[i], c->mode == DB_CLUSTER ? "" : " or unix:/path");
		db->n_seeds++;
	}
	return 0;
}

static int set_socket(struct db *db, const struct db_config *c, struct err *err)
{
	char text[DB_ADDR_TEXT];

	if (!c->state_dir || !c->run_dir)
		return err_set(
			err, -EINVAL,
			"state DB: mode 'embedded' wants a state directory and a run directory");
	db->seeds = calloc(1, sizeof(*db->seeds));
	if (!db->seeds)
		return err_set(err, -ENOMEM, "out of memory");
	snprintf(text, sizeof(text), "unix:%s/db.sock", c->run_dir);
	if (!db_addr_parse(text, &db->seeds[0]))
		return err_set(
			err, -EINVAL,
			"state DB: socket '%.200s' is not valid (want an absolute path of at most 107 characters)",
			text + 5);
	db->n_seeds = 1;
	return 0;
}

static int copy(const char *text, const char **copied, struct err *err)
{
	*copied = text && *text ? strdup(text) : NULL;
	return text && *text && !*copied ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int set_tls(struct db *db, const struct db_config *c, struct err *err)
{
	const struct db_tls *tls = &c->tls;
	int rc;

	if (!tls->certificate != !tls->key)
		return err_set(err, -EINVAL, "state DB: 'db.tls': want both 'certificate' and 'key', or neither");
	if (!tls->ca)
		return tls->certificate || tls->name ? err_set(err, -EINVAL, "state DB: 'db.tls': want 'ca', whose certificates are trusted") : 0;
	if (c->mode == DB_EMBEDDED && (!tls->certificate || !c->listen))
		return err_set(err, -EINVAL, "state DB: 'db.tls' of an embedded database wants 'certificate', 'key' and 'db.listen'");
	rc = copy(tls->ca, &db->tls.ca, err);
	rc = rc ? rc : copy(tls->certificate, &db->tls.certificate, err);
	rc = rc ? rc : copy(tls->key, &db->tls.key, err);
	rc = rc ? rc : copy(tls->name, &db->tls.name, err);
	return rc ? rc : node_tls_check(&db->tls, err);
}

static int configure(struct db *db, const struct db_config *c, struct err *err)
{
	int rc = set_tls(db, c, err);

	if (rc)
		return rc;
	if (c->password && *c->password) {
		db->password = strdup(c->password);
		if (!db->password)
			return err_set(err, -ENOMEM, "out of memory");
	}
	rc = c->mode == DB_EMBEDDED ? set_socket(db, c, err) : set_addresses(db, c, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < db->n_seeds; i++)
		if (!cluster_node(db, &db->seeds[i]))
			return err_set(err, -ENOMEM, "out of memory");
	if (c->mode == DB_EMBEDDED) {
		db->embedded = embedded_new(db, c, err);
		if (!db->embedded)
			return err ? err->code : -EIO;
	}
	return 0;
}

struct db *db_new(struct loop *loop, const struct db_config *c, struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	db->loop = loop;
	db->mode = c->mode;
	db->ops_last = &db->ops;
	hmap_init(&db->spaces);
	db->timeout_ms = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS;
	db->wait_replicas = c->wait_replicas;
	db->wait_ms = c->wait_replicas ? c->wait_ms : 0;
	db->stall_ms = db->timeout_ms / 2 < STALL_MIN_MS ? STALL_MIN_MS : db->timeout_ms / 2;
	for (int i = 0; i < SCRIPT_MAX; i++)
		sha1_text(script_text((enum script_id)i), strlen(script_text((enum script_id)i)),
			  db->digest[i]);
	if (getrandom(&db->write_id, sizeof(db->write_id), 0) != sizeof(db->write_id)) {
		err_set(err, -EIO, "no random number for naming writes");
		db_free(db, false);
		return NULL;
	}
	cluster_refresh(db);
	if (configure(db, c, err)) {
		db_free(db, false);
		return NULL;
	}
	db->tick = loop_timer_add(loop, 0, DB_TICK_MS * NSEC_PER_MSEC, on_tick, db);
	if (!db->tick) {
		err_set(err, -ENOMEM, "out of memory");
		db_free(db, false);
		return NULL;
	}
	return db;
}

void db_free(struct db *db, bool stop_server)
{
	if (!db)
		return;
	db->closing = true;
	loop_timer_del(db->tick);
	lease_fini(db);
	watch_fini(db);
	cluster_fini(db);
	space_fini(db);
	embedded_free(db->embedded, stop_server);
	free(db->password);
	free((char *)db->tls.ca);
	free((char *)db->tls.certificate);
	free((char *)db->tls.key);
	free((char *)db->tls.name);
	free(db->seeds);
	free(db);
}

int db_await(struct db *db, const bool *done, unsigned int timeout_ms, struct err *err)
{
	uint64_t until = clock_mono_ns() + timeout_ms * NSEC_PER_MSEC;
	json_t *status, *text;
	int rc;

	while (!*done) {
		if (clock_mono_ns() >= until) {
			status = db_status(db);
			text = json_object_get(status, "error");
			rc = err_set(err, -ETIMEDOUT,
				     "the state DB did not answer within %u ms: %s", timeout_ms,
				     json_is_string(text) ? json_string_value(text)
							  : "no trouble is known");
			json_decref(status);
			return rc;
		}
		rc = loop_once(db->loop, DB_TICK_MS);
		if (rc)
			return err_set(err, rc, "event loop: %s", strerror(-rc));
	}
	return 0;
}

/* --- status --- */

static bool is_silent(const struct node *n)
{
	return node_quiet_ns(n) > DB_SILENT_MS * NSEC_PER_MSEC;
}

bool db_is_silent(const struct db *db)
{
	for (unsigned int i = 0; i < db->n_nodes; i++)
		if (is_silent(db->nodes[i]) && cluster_is_master(db, db->nodes[i]))
			return true;
	return false;
}

const char *db_trouble(const struct db *db)
{
	if (db->schema == SCHEMA_REFUSED)
		return db->schema_why;
	if (db->embedded && *embedded_why(db->embedded))
		return embedded_why(db->embedded);
	if (db->cluster_why[0])
		return db->cluster_why;
	for (unsigned int i = 0; i < db->n_nodes; i++)
		if (!node_is_up(db->nodes[i]) && *node_why(db->nodes[i]))
			return node_why(db->nodes[i]);
	if (db_is_silent(db))
		return "the state DB does not answer (it hangs, or the way to it is cut)";
	if (db->retry_why[0])
		return db->retry_why;
	return db->feed_why[0] ? db->feed_why : NULL;
}

json_t *db_status(const struct db *db)
{
	static const char *const modes[] = { "embedded", "server", "cluster" };
	json_t *nodes = json_array();
	char addr[DB_ADDR_TEXT];
	bool all = db->n_nodes > 0;

	for (unsigned int i = 0; i < db->n_nodes; i++) {
		const struct node *n = db->nodes[i];
		bool up = node_is_up(n) && !is_silent(n), master = cluster_is_master(db, n);

		all = all && (up || !master);
		json_array_append_new(nodes, json_pack("{s:s, s:b, s:b, s:s?}", "address",
						       db_addr_format(node_addr(n), addr),
						       "connected", up, "master", master, "error",
						       up ? NULL : node_why(n)));
	}
	return json_pack("{s:s, s:b, s:o?, s:o, s:s?}", "mode", modes[db->mode], "connected",
			 all && db->schema == SCHEMA_OK, "schema",
			 db->schema_version ? json_integer(db->schema_version) : NULL, "nodes",
			 nodes, "error", db_trouble(db));
}
