/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of statedb/ share.  One tick every 50 ms drives all that depends on time
 * (connecting, retries, deadlines, leases); the rest happens as answers come.  Callbacks to the
 * user come from the tick or from a socket's callback, never from within a request's call.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "statedb/node.h"
#include "statedb/schema.h"
#include "statedb/sha1.h"
#include "statedb/slots.h"
#include "statedb/statedb.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hmap.h"

#define DB_TICK_MS     50
#define DB_SILENT_MS   2500 /* of a server that owes an answer; a commit of 40 000 objects takes a second */
#define DB_PENDING_MAX 65536 /* requests not answered yet */
#define DB_NODES_MAX   512

enum schema_state { SCHEMA_UNKNOWN, SCHEMA_CHECKING, SCHEMA_OK, SCHEMA_REFUSED };

enum request_kind {
	REQUEST_READ,
	REQUEST_COMMIT,
	REQUEST_PUT,
	REQUEST_CLAIM,
	REQUEST_AUDIT,
	REQUEST_AUDIT_GET,
	REQUEST_STASH,
	REQUEST_UNSTASH,
	REQUEST_DROP,
	REQUEST_RESERVE,
	REQUEST_SETTLE,
	REQUEST_HISTORY,
	REQUEST_REMEMBER,
	REQUEST_TENANTS,
	REQUEST_FORGET,
	REQUEST_KINDS
};

struct embedded;

struct db {
	struct loop *loop;
	struct loop_timer *tick;
	enum db_mode mode;
	char *password; /* NULL = none */
	struct db_tls tls; /* owned strings */
	struct db_addr *seeds;
	unsigned int n_seeds;
	unsigned int wait_replicas, wait_ms, timeout_ms;
	uint32_t stall_ms;
	uint64_t write_id, write_seq; /* a write's id is both: unique among processes */
	bool closing;
	char digest[SCRIPT_MAX][SHA1_TEXT]; /* EVALSHA's names of the scripts */
	struct embedded *embedded;

	struct node *nodes[DB_NODES_MAX]; /* command connections; all but CLUSTER: one */
	unsigned int n_nodes;
	struct slot_map *map;	   /* CLUSTER, once known */
	struct slot_map *map_next; /* scratch of the refresh */
	bool refreshing;
	unsigned int refresh_turn;
	uint64_t refresh_at_ns; /* 0 = not wanted */
	uint64_t refreshed_ns;	/* last time it was asked for */
	char cluster_why[256];	/* why there is no usable map */

	struct op *ops, **ops_last; /* finished ones are swept by the tick */
	unsigned int n_ops;
	char retry_why[256]; /* why an op had to be repeated; "" once one succeeded */

	enum schema_state schema;
	uint64_t schema_at_ns; /* of the last check */
	int schema_version;
	char schema_why[256];

	struct hmap spaces;	 /* struct space by name */
	struct request *refused; /* wrong from the start: answered by the tick */
	unsigned int n_requests;

	struct feed *feeds;
	struct watch *orphans; /* watches whose shard is not known yet */
	char feed_why[384];
	struct db_lease *leases;

	struct histogram took[REQUEST_KINDS]; /* by enum request_kind */
	uint64_t failed[REQUEST_KINDS];
};

/* --- cluster.c: an op is one command, routed and repeated until answered or late.  All ops may
 * safely be repeated. --- */

struct op;
/* 'r' NULL: 'err'.  'n' is the connection that answered.  Error replies come as 'err' too. */
typedef void op_done(void *arg, struct op *op, struct node *n, const redisReply *r,
		     const struct err *err);

struct op_spec {
	const char *key;	 /* decides the slot */
	enum script_id script;	 /* SCRIPT_MAX: 'argv' is a whole command */
	int n_keys;		 /* of a script: so many of 'argv' are keys */
	int argc;		 /* SCRIPT_MAX: with the command's name; else keys and arguments */
	const char *const *argv; /* copied */
	uint64_t deadline_ns;
	bool ungated;  /* does not wait for the schema check */
	op_done *done; /* NULL = nobody wants to know */
	void *arg;
};

struct op *
op_start(struct db *db,
	 const struct op_spec *spec); /* NULL: no memory; 'done' is never called from within */
void op_cancel(struct op *op);	      /* takes NULL; 'done' is not called any more */

uint64_t
op_sent_boot_ns(const struct op *op); /* before the attempt that was answered; CLOCK_BOOTTIME */

/* Goes on while the machine sleeps: what leases are measured by. */
static inline uint64_t clock_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void cluster_tick(struct db *db, uint64_t now_ns);
void cluster_kick(
	struct db *db); /* repeats at once what waits for a connection, a map or the schema */
void cluster_refresh(struct db *db); /* soon */
void cluster_moved(struct db *db, const struct reply_class *c, const struct db_addr *from);
void cluster_fini(struct db *db);
/* Who serves the slot: its command connection; NULL if nobody is known. */
struct node *cluster_node_of_slot(struct db *db, uint16_t slot);
struct node *
cluster_node(struct db *db,
	     const struct db_addr *addr); /* made if missing; NULL: no memory, too many */

bool cluster_is_master(const struct db *db, const struct node *n); /* all but CLUSTER: always */

/* --- db.c --- */
void db_schema_check(struct db *db);
const char *db_trouble(const struct db *db); /* the last trouble that is not over, or NULL */
void db_on_node_state(void *arg, struct node *n, bool up);

/* --- space.c --- */
void space_tick(struct db *db);
void space_fini(struct db *db);
/* {path: object} from HGETALL's list; NULL and 'err' if one is not a JSON object. */
json_t *space_records(const char *space, const redisReply *list, struct err *err);
uint64_t reply_u64(const redisReply *r);

/* --- feed.c: a connection that waits for changes, and the watches it serves; watch.c: which spaces
 * are followed, by whom --- */
struct db_follow {
	struct db_follow *next;
	struct watch *watch;
	struct db_follow_ops ops;
	void *arg;
	bool dead; /* freed by the next tick */
};

struct watch {
	struct watch *next;
	struct db *db;
	struct feed *feed; /* NULL while the shard is not known */
	struct db_follow *follows;
	int shard;    /* -1 = not known */
	bool assumed; /* the tenant is not registered: 'shard' is the one it will get */
	struct op *lookup;
	uint64_t lookup_at_ns;
	bool current;	     /* followers have the snapshot and all changes up to 'rev' */
	uint64_t read_at_ns; /* if not current: it is read, but not before */
	uint64_t audit_at_ns;
	uint64_t rev, crev;
	uint32_t epoch;	  /* of the history that the snapshot is from */
	char last_id[48]; /* of the stream */
	char traces[DB_TRACES_MAX]; /* of the change that is being shown */
	char log_key[DB_KEY];
	char space[];
};

struct feed {
	struct feed *next;
	struct db *db;
	int key; /* shard in a Cluster, -1 else */
	uint16_t slot;
	struct node *conn;
	struct watch *watches;
	unsigned int asked;	/* answers outstanding, XREAD's aside */
	bool blocked;		/* XREAD is on its way */
	bool eval;		/* the server does not know the snapshot script yet */
	uint64_t history_at_ns; /* next look at the history */
	uint64_t not_before_ns; /* after errors */
	uint32_t error_ms;
	long long client_id; /* 0 = not known */
	char repl_id[48];
};

struct feed *feed_get(struct db *db, int shard); /* made if missing; NULL: no memory */
void feed_tick(struct feed *f, uint64_t now_ns);
void feed_hurry(struct feed *f); /* a watch wants to be read: connects, or ends a blocking XREAD */
void feed_forget_answers(struct feed *f); /* those on their way; the connection begins anew */
void feed_free(struct feed *f);		  /* its watches still live */
void watch_want_snapshot(struct watch *w, unsigned int delay_ms);

void watch_tick(struct db *db, uint64_t now_ns);
void watch_fini(struct db *db);

/* --- lease.c --- */
void lease_tick(struct db *db, uint64_t now_ns);
void lease_fini(struct db *db);

/* --- embedded.c --- */
struct embedded *embedded_new(struct db *db, const struct db_config *config, struct err *err);
void embedded_tick(struct embedded *e, uint64_t now_ns);
void embedded_connected(struct embedded *e,
			struct node *n);	    /* learns the server's pid from the socket */
const char *embedded_why(const struct embedded *e); /* "" if all is well */
void embedded_free(struct embedded *e, bool stop);  /* takes NULL */
