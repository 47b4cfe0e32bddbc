/* SPDX-License-Identifier: Apache-2.0 */
/* The database's shape: names of keys, shards, scripts.  Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DB_SHARDS      64
#define DB_KEY	       320	 /* enough for any key's name */
#define DB_NAME_MAX    128	 /* of spaces and leases */
#define DB_SHARD_HOSTS DB_SHARDS /* in place of a shard's number: the space of hosts */

#define KEY_SCHEMA  "skep:{meta}:schema"
#define KEY_TENANTS "skep:{meta}:tenants"
#define KEY_LEASES \
	"skep:{hosts}:leases" /* SET of the names of leases, live ones and some that are over */

enum space_key { SPACE_OBJECTS, SPACE_REV, SPACE_CREV, SPACE_LOG, SPACE_AUDIT, SPACE_AUDIT_KEPT, SPACE_AUDIT_SIZES, SPACE_KEY_MAX };
/* The first ones are all there once something was written, and no script may name keys that may not be: while a slot is being moved it would wait
 * (TRYAGAIN) for the whole of that. */
#define SPACE_READ_KEYS SPACE_AUDIT
#define SPACE_AUDIT_READ_KEYS 2

/* "skep:{s07}:t:<tenant>:o", or "skep:{hosts}:o" for DB_HOSTS. */
const char *schema_space_key(char buf[static DB_KEY], unsigned int shard, const char *space,
			     enum space_key which);
/* "skep:{s07}:t:<tenant>:stash:<name>" */
const char *schema_stash_key(char buf[static DB_KEY], unsigned int shard, const char *space,
			     const char *name);
const char *schema_lease_key(char buf[static DB_KEY], const char *name);
/* The shard that a new tenant gets. */
unsigned int schema_new_shard(const char *space);
/* Names that can stand in a key. */
bool schema_name_ok(const char *name);

enum script_id {
	SCRIPT_SCHEMA,	 /* KEYS schema; ARGV own version -> the database's version */
	SCRIPT_REGISTER, /* KEYS tenants; ARGV tenant, shard -> shard */
	SCRIPT_READ,	 /* KEYS o rev crev log -> [rev, crev, last id, [path, json, ...]] */
	SCRIPT_WRITE,	 /* KEYS o rev crev log, if there are entries audit, audit:kept, audit:sizes, stashes of reservations; ARGV crev or "", id,
			    owner or "", log length, number of audit entries (if any: at most kept, bytes kept, ms kept, traces,
			    meta, objects, changes, whose, ...), path, json or "", ..., of each reservation owner, status,
			    ttl s -> [ok, rev, crev]; ok -1: a reservation is another's */
	SCRIPT_CLAIM,	 /* KEYS o rev crev log; ARGV revision or "0", id, log length, path, json
			    -> [ok, rev, crev] */
	SCRIPT_AUDIT,	 /* KEYS audit, audit:kept; ARGV where to begin, count, texts to look for
			    in objects and in meta or "" -> [where to go on or "", [id, rev, crev,
			    meta, objects], ...] */
	SCRIPT_AUDIT_GET, /* KEYS audit, audit:kept; ARGV id -> [[id, fields]] or [] */
	SCRIPT_STASH,	 /* KEYS stashes; ARGV ttl s, (number of key, field, text or "") ... -> 1 */
	SCRIPT_UNSTASH,	 /* KEYS stash -> [field, text, ...] */
	SCRIPT_DROP,	 /* KEYS stash -> number of those that were there */
	SCRIPT_RESERVE,	 /* KEYS stash, reserved; ARGV name, owner, print, ttl s, ttl s once settled, at most so many -> [1] it is the owner's,
			    [0, [field, text, ...]] another's, [2] there are too many */
	SCRIPT_SETTLE,	 /* KEYS stash, reserved; ARGV name, owner, ttl s, (field, text) ...; none: it is free again -> 0 or 1 */
	SCRIPT_HISTORY,	 /* KEYS o rev crev log; ARGV entries to look at, bytes -> [revision that all changes of configuration behind are told of,
			    [revision, changes], ... newest first] */
	SCRIPT_LEASE,	 /* KEYS lease, leases; ARGV owner, ttl ms, name -> [ok, ms left, owner] */
	SCRIPT_RELEASE,	 /* KEYS lease, leases; ARGV owner, name -> 0 or 1 */
	SCRIPT_LEASES, /* KEYS leases; ARGV lease key prefix, name prefix -> [name, ms left, ...] */
	SCRIPT_MAX
};

const char *script_text(enum script_id id);
