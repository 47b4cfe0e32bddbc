/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants' records as this process knows them: read once, then followed.  Sorted and indexed, for lists and look-ups that cost the same in a network of any
 * size.  What is not asked for in a while is let go.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "api/api.h"
#include "api/quota.h"
#include "topology/topology.h"

struct cache;
struct cache_tenant;

struct cache *cache_new(struct api *api); /* NULL: no memory */
void cache_free(struct cache *cache); /* takes NULL; those who wait are told -ECANCELED */

struct cache_stats {
	size_t bytes;	   /* memory of records, about */
	uint32_t tenants;
	uint64_t dropped;  /* to make place for others */
	uint64_t refused;  /* there was no place */
};
struct cache_stats cache_stats(const struct cache *cache);

/*
 * The tenant, once its records are here: at once if they are.  'err' instead: -ENOENT, there is no such tenant; -ETIMEDOUT, the state DB does not
 * answer; -ENOMEM, also if it alone is more than may be kept.  It stays valid until the callback returns, or cache_release() if 'cache_hold' is called in it.
 */
typedef void cache_ready(void *arg, struct cache_tenant *t, const struct err *err);
void cache_get(struct cache *cache, const char *tenant, cache_ready *ready, void *arg);
struct cache_tenant *cache_hold(struct cache_tenant *t);
void cache_release(struct cache_tenant *t); /* takes NULL */

struct cache_object {
	const char *name;
	enum topo_kind kind;
	json_t *record;
	struct hmap_node by_id; /* the cache's */
	json_t *values[]; /* fields of the record by their number (row.h); NULL = it has none.  Borrowed */
};

const char *cache_name(const struct cache_tenant *t);
/* What is said of the tenant itself, a record of state: {"description", "since"}, or {"deleted": true}. */
#define CACHE_TENANT "info/tenant"
bool cache_exists(const struct cache_tenant *t); /* false: nothing was ever written, or it was deleted since */
/* What was written up to this revision is of another tenant, which had the name before; 0 = of none. */
uint64_t cache_since(const struct cache_tenant *t);
bool cache_is_current(const struct cache_tenant *t); /* false: the state DB has been away for so long that nobody is told records any more */
uint64_t cache_rev(const struct cache_tenant *t);
uint64_t cache_crev(const struct cache_tenant *t);
const struct quota_use *cache_use(const struct cache_tenant *t); /* how much it has */
const json_t *cache_records(const struct cache_tenant *t); /* {path: record}, all of them: borrowed */
json_t *cache_record(const struct cache_tenant *t, const char *path); /* borrowed; NULL */
/* By name or id; NULL. */
const struct cache_object *cache_find(const struct cache_tenant *t, enum topo_kind kind, const char *key);
/* Sorted by name; valid until the loop goes on. */
const struct cache_object *const *cache_rows(const struct cache_tenant *t, enum topo_kind kind, uint32_t *n);
/* In another order; NULL: no memory. */
struct order_keys;
const struct cache_object *const *cache_ordered(struct cache_tenant *t, enum topo_kind kind, const struct order_keys *keys, uint32_t *n);
/* As the simulator wants it; one reference for the caller.  NULL: 'err'. */
struct topo_snapshot *cache_snapshot(struct cache_tenant *t, struct err *err);

/* What changed, as it does: {path: record | null}; 'reset': everything may have (also 'changes' NULL). */
struct cache_watch;
typedef void cache_changed(void *arg, struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev);
struct cache_watch *cache_watch(struct cache_tenant *t, cache_changed *changed, void *arg); /* NULL: no memory */
void cache_unwatch(struct cache_watch *w); /* takes NULL */

/* What this process has written itself: others' eyes need not wait for the state DB to tell. */
void cache_wrote(struct cache_tenant *t, const json_t *changes, uint64_t rev, uint64_t crev);
