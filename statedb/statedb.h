/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state DB: tenants' records in Redis 7 (embedded, single server or Cluster; one code path).  The only folder that knows a key
 * name.  Asynchronous on util/loop; nothing here blocks, nothing on the packet path waits for it.
 *
 * A space holds records: "path" -> JSON object.  Each tenant is a space; so is DB_HOSTS, the registry of hosts.  All of a space lives in one
 * slot.  Records are of two sorts: configuration (what people write; paths of topology's kinds) and state (what agents publish: "live/",
 * "mac/", "neigh/").  Each write is one atomic script: check, change, append to the space's stream.  The space has two revisions: 'rev' counts
 * every write, 'crev' only writes of configuration, so that a commit of configuration that was validated against 'crev' is never
 * disturbed by state, and never lands on a configuration it was not validated against.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/err.h"
#include "util/loop.h"
#include "util/metrics.h"

#define DB_SCHEMA 1	   /* refused when the database has a newer one; older ones are migrated */
#define DB_HOSTS "_hosts"  /* space: "host/<name>" {address, ...}, "use/<host>/<tenant>" {} = tenant has bindings there */
#define DB_API	  "_api"   /* space of skep-api: tokens, quotas, sessions; spaces that begin with '_' are no tenants */
#define DB_LOG_MAX 100000  /* entries kept of a space's stream (approximately) */

enum db_mode { DB_EMBEDDED, DB_SERVER, DB_CLUSTER };

/* Files, PEM; read at each connection.  Sockets have no TLS. */
struct db_tls {
	const char *ca;		       /* whose certificates are trusted; NULL = no TLS */
	const char *certificate, *key; /* our own, if servers ask for it, NULL = none; EMBEDDED: the server's, required */
	const char *name;	       /* what servers' certificates are for; NULL = the name or address that is connected to */
};

struct db_config {
	enum db_mode mode;
	const char *const *addresses; /* "host:port", "[v6]:port", "unix:/path"; SERVER: one, CLUSTER: seeds.  EMBEDDED: unused */
	unsigned int n_addresses;
	const char *password; /* NULL = none */
	struct db_tls tls;    /* EMBEDDED: of 'listen', and clients must have certificates of 'ca' */
	const char *state_dir, *run_dir; /* EMBEDDED: data in <state_dir>/db, socket <run_dir>/db.sock */
	const char *listen;   /* EMBEDDED: "address:port" for other hosts; NULL = socket only */
	const char *server;   /* EMBEDDED: program; NULL = "redis-server" */
	unsigned int wait_replicas, wait_ms; /* durability asked of each commit; 0 = none.  Fewer reached: a warning, not an error */
	unsigned int timeout_ms; /* of one request, default 5000 */
};

struct db;

/* "embedded", "server", "cluster"; false if none */
bool db_mode_parse(const char *text, enum db_mode *mode);
/* Starts connecting (EMBEDDED: adopts the server that a previous skepd left, or starts it).  NULL: 'err'.  Connection trouble later is not an
 * error here: it is retried for ever with backoff, and shows in db_status() and in the requests' answers. */
struct db *db_new(struct loop *loop, const struct db_config *config, struct err *err);
/* Fails pending requests (-ECANCELED), ends follows and leases (their handles are gone then; leases run out by themselves), and frees.  Not from within
 * a callback of this db; a callback must not repeat a request on -ECANCELED.   'stop_server': EMBEDDED: save and stop redis-server too. */
void db_free(struct db *db, bool stop_server); /* takes NULL */
/* {"mode", "connected", "schema", "nodes": [{"address", "connected", "master"...}], "error": text of the last trouble or null}: new reference */
json_t *db_status(const struct db *db);
/* A server is connected, but has owed an answer for 2.5 s: it hangs, or the way to it is cut.  Asked or not, that is known 3 s after it began.  Not
 * connected, then; who only follows, and is told of no change, cannot know whether there was one. */
bool db_is_silent(const struct db *db);

/* Every request's answer, exactly once.  'err' NULL = success.  'reply' is borrowed, only on success, shape as said at the request. */
typedef void db_done(void *arg, const struct err *err, const json_t *reply);

/* {"records": {path: object}, "rev": N, "crev": N}; a space that does not exist is empty with rev 0. */
void db_read(struct db *db, const char *space, db_done *done, void *arg);
/*
 * Writes configuration: 'changes' {path: object | null}.  Each object's "rev" becomes the new revision.  If the space's crev is not 'crev':
 * -EAGAIN (read again, validate again).  {"rev", "crev", "replicas": reached, "warning": text or null}.  A new tenant is registered (shard fixed).
 */
void db_commit(struct db *db, const char *space, uint64_t crev, const json_t *changes, db_done *done,
	       void *arg);
/* Writes state.  'owner' non-NULL: a path in 'changes' whose present record has a different "host" is not deleted (but may be overwritten: last
 * writer wins).  {"rev"}.  Not ordered with other requests of this process unless the same space. */
void db_put(struct db *db, const char *space, const char *owner, const json_t *changes, db_done *done,
	    void *arg);
/*
 * The same, and says so in the space's audit: kept beside the records, sent to nobody who follows them.  In one atomic step with the write: an entry
 * stands for what was written, and nothing is written without its entry.  What is more than may be kept goes, the oldest first; but an entry of who has no
 * more than a 32nd of the place is only put aside then, so that who writes a lot pushes out its own.  Put aside is a quarter as much.  Whose an entry is says
 * "caller_tenant" in its "meta"; those without are operators', who are always put aside.
 */
struct db_audit {
	const json_t *entries;	/* [{"meta": object, "before": {path: object | null}, "after": {path: object | null}}], "before" and "after"
				   with the same paths */
	unsigned int keep;	/* at most so many entries; 0 = DB_AUDIT_KEEP */
	uint64_t keep_bytes;	/* about so many bytes; 0 = DB_AUDIT_BYTES */
	uint64_t keep_ms;	/* 0 = DB_AUDIT_MS */
	/* Reservations (db_reserve) that the write is made for: [{"name", "owner", "status"}].  In the same step they have "status" and "crev", and stay for
	 * 'marks_keep_s'.  -EOWNERDEAD: one of them is another's by now, and nothing was written.  NULL = none */
	const json_t *marks;
	unsigned int marks_keep_s;
	const char *traces;	/* whose change this is, for those who follow the space (db_follow_traces()): traceparents, blanks between; NULL = not told */
};
#define DB_AUDIT_KEEP	   100000
#define DB_AUDIT_BYTES	   (64ULL << 20)
#define DB_AUDIT_MS	   (400ULL * 24 * 3600 * 1000)
#define DB_TRACES_MAX	   224 /* with the end: four of W3C's */
#define DB_AUDIT_ENTRY_MAX (64 << 20) /* bytes of one entry's changes before compression: of larger ones only the names are kept */
void db_commit_audited(struct db *db, const char *space, uint64_t crev, const json_t *changes, const struct db_audit *audit,
		       db_done *done, void *arg);
/*
 * The same in two steps: the texts of a large write take their time, and may be made by a child of the process that writes them ('prepared' is what 'out' was
 * given).  0, or -errno with 'err'.
 */
int db_prepare(const json_t *changes, const struct db_audit *audit, FILE *out, struct err *err);
void db_commit_prepared(struct db *db, const char *space, uint64_t crev, const void *prepared, size_t len, db_done *done, void *arg);
/*
 * What the audit says, newest first: {"entries": [{"id", "ms": of the Unix epoch, "rev", "crev", "meta", "objects": [paths, the first ones]}], "next": where
 * to go on, or null}.  'before': "next" of the previous answer, NULL = from the newest.  'path' and 'meta' NULL, or: only entries that name this
 * object, or whose compact "meta" has this text.  Looks through a bounded number of entries: an answer may be empty and yet have a "next".
 */
void db_audit_list(struct db *db, const char *space, const char *before, unsigned int count, const char *path, const char *meta,
		   db_done *done, void *arg);
/* {"id", "ms", "rev", "crev", "meta", "changes": {path: [before, after]}, or null if there were too many}; -ENOENT */
void db_audit_get(struct db *db, const char *space, const char *id, db_done *done, void *arg);
/*
 * Writes one state record if the present one is the one that the caller knows: of revision 'was', or none if that is 0.  {"rev"}, and
 * "replicas", "warning" as a commit if replicas are waited for; -EEXIST: it is another one by now, nothing was written.  A record that says the same already is no conflict.  To take over what belongs to a host whose lease
 * is over: db_leases(), then claim what was read before that.
 */
void db_claim(struct db *db, const char *space, const char *path, uint64_t was, const json_t *record, db_done *done,
	      void *arg);
/*
 * The stash: texts that agents keep for one another beside a space's records: without revisions, followed by nobody.  'changes' is {name: {field:
 * text | null}}; a name and all its fields are gone when it was not written for 'ttl_s'.  {}
 */
void db_stash(struct db *db, const char *space, const json_t *changes, unsigned int ttl_s, db_done *done, void *arg);
/* {field: text}; empty when there is nothing of that name. */
void db_unstash(struct db *db, const char *space, const char *name, db_done *done, void *arg);
/* Names of the stash go.  {} */
void db_unstash_all(struct db *db, const char *space, const char *const *names, unsigned int n, db_done *done, void *arg);
/*
 * A reservation: a name of the stash that is given to one who asks, so that of several that are told to do the same one does it, and all know what became
 * of it.  {"fields": {field: text}}: it is another's, and that is what is known of it, "print" and, once it was settled, what that said; no "fields": it is
 * the owner's.  -ENOSPC: the space has 'max' of them; -ENOENT: there is no such space.  One that is neither settled nor marked by a write lapses.
 */
struct db_reservation {
	const char *name, *owner; /* the owner is unique: one request */
	const char *print;
	unsigned int pending_s, keep_s; /* how long it is known: at first, and when it is settled or marked */
	unsigned int max;		/* of a space at a time */
};
#define DB_RESERVED "reserved" /* name in the stash: which there are.  Without it none of them is known any more */
void db_reserve(struct db *db, const char *space, const struct db_reservation *what, db_done *done, void *arg);
/* What became of it: {field: text}; NULL: nothing, it is free again.  {}; also if it is another's by now, which leaves it as it is. */
void db_settle(struct db *db, const char *space, const struct db_reservation *what, const json_t *fields, db_done *done, void *arg);
/*
 * Changes of configuration, newest first: {"from": REV, "entries": [[rev, {path: object | null}], ...]}: all behind revision 'from'.  Looks at a bounded number
 * of writes and bytes.
 */
void db_history(struct db *db, const char *space, db_done *done, void *arg);
/* Takes a tenant off the list, not what its space holds: the next write of a process that does not know it puts it back.  {} */
void db_forget(struct db *db, const char *space, db_done *done, void *arg);
/* Puts it back, whatever this process knows.  {} */
void db_remember(struct db *db, const char *space, db_done *done, void *arg);
/* {"tenants": [names]}, without spaces that are none */
void db_tenants(struct db *db, db_done *done, void *arg);

/*
 * Follows a space: first 'snapshot' (all records, borrowed), then 'change' ({path: object | null}, borrowed) in order, and 'snapshot' again after
 * every reconnect, move or trimmed position: apply the difference, for history may have been rewound.  'rev' never needs checking.
 */
struct db_follow;
struct db_follow_ops {
	void (*snapshot)(void *arg, const json_t *records, uint64_t rev, uint64_t crev);
	void (*change)(void *arg, const json_t *changes, uint64_t rev, uint64_t crev);
};
struct db_follow *db_follow(struct db *db, const char *space, const struct db_follow_ops *ops, void *arg);
/* When the database took the change that was shown last: by its clock, Unix time in ms; 0 = not known. */
uint64_t db_follow_ms(const struct db_follow *f);
/* Which history the revisions are of: another number when some of it may have been taken back, the same at every process.  Known with the first snapshot. */
uint32_t db_follow_epoch(const struct db_follow *f);
/* Of this change: db_audit.traces; "" = none, or not known. */
const char *db_follow_traces(const struct db_follow *f);
void db_unfollow(struct db_follow *f); /* takes NULL; no callback comes after it */

/*
 * Lease "host/<name>": one process at a time.  Taken at once or refused (-EBUSY: held by another process; text says for how long), renewed every third of
 * 'ttl_ms'.  'lost' is called when renewal found another owner or the lease ran out by our own clock before it could be renewed.
 */
struct db_lease;
struct db_lease *db_lease(struct db *db, const char *name, const char *owner, unsigned int ttl_ms,
			  db_done *taken, void (*lost)(void *arg, const char *why), void *arg);
void db_lease_release(struct db_lease *l); /* takes NULL; gives it back if the connection is up */
/* {"name": remaining ms, ...} of live leases whose name begins with 'prefix' */
void db_leases(struct db *db, const char *prefix, db_done *done, void *arg);

/* How long requests took, from the call to the answer: the 'nth' sort of them; false: there are no more.  'failed': answered with an error, but for those
 * that say that others were faster (-EAGAIN, -EEXIST). */
struct db_took {
	const char *request;
	const struct histogram *took; /* valid as long as 'db' is */
	uint64_t failed;
};
bool db_took(const struct db *db, unsigned int nth, struct db_took *out);

/* For programs that do one thing: turns the loop until *done or 'timeout_ms'.  0 or -ETIMEDOUT with 'err' saying what the connection's trouble is. */
int db_await(struct db *db, const bool *done, unsigned int timeout_ms, struct err *err);
