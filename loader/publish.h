/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host says in one space of the state DB: "live/", "mac/", "neigh/" of a tenant, or its
 * own record in the hosts' registry.  Keeps the wanted value of each path and writes until the DB
 * agrees: coalesced, one write under way at a time, again after errors and after the DB's history
 * was rewound.  While 'enabled' is false (no lease) nothing is written.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "statedb/statedb.h"
#include "util/hmap.h"
#include "util/loop.h"

#define PUBLISH_BATCH	 256	/* paths in one write */
#define PUBLISH_MAX	 131072 /* paths of one space */
#define PUBLISH_RETRY_NS 1000000000ULL

struct publisher;

/* 'owner' is the host's name; the records must carry it as "host". */
struct publisher *publisher_new(struct loop *loop, struct db *db, const char *space,
				const char *owner, const bool *enabled);
void publisher_free(struct publisher *p); /* takes NULL; writes nothing */
/* Takes 'value' (NULL = allocation failed: -ENOMEM).  0, -ENOSPC. */
int publish_set(struct publisher *p, const char *path, json_t *value);
/* The same for a value that the DB has already: nothing is written.  Takes 'value'. */
int publish_adopt(struct publisher *p, const char *path, json_t *value);
void publish_del(struct publisher *p, const char *path);
/* No opinion any more: another host's record stands. */
void publish_forget(struct publisher *p, const char *path);
/* The value that we want there (borrowed); NULL = none or deleted. */
const json_t *publish_wanted(const struct publisher *p, const char *path);
/* The DB says: the path holds 'record' (NULL = nothing). */
void publish_seen(struct publisher *p, const char *path, const json_t *record);
/* The DB says: these are all records. */
void publish_snapshot(struct publisher *p, const json_t *records);
/* Once a second, and when 'enabled' turned true. */
void publish_tick(struct publisher *p, uint64_t now_ns);
/* Are writes waiting or under way? */
bool publish_pending(const struct publisher *p);
void publish_all_del(struct publisher *p);
