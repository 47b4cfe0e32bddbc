/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the cache share: cache.c (tenants come and go), records.c (what one has). */
#pragma once

#include "api/cache.h"
#include "api/order.h"
#include "util/hmap.h"

#define CACHE_STALE_MS 2000 /* without the state DB, records are not told to anybody any more */

struct wait;
struct events;
struct writer;

struct cache {
	struct api *api;
	struct hmap tenants; /* struct cache_tenant.node by name */
	struct loop_timer *tick;
	uint64_t down_ns; /* the state DB is not connected since; 0 = it is */
	size_t bytes_max;
	struct cache_stats stats;
};

struct rows {
	struct cache_object **v;
	uint32_t n, max;
};

struct cache_tenant {
	struct hmap_node node;
	struct cache *cache; /* NULL: not in the table any more */
	unsigned int refs;   /* one of the table */
	char *name;
	struct db_follow *follow;
	bool is_ready;
	size_t bytes;	/* of 'records', about */
	uint64_t too_large_ns; /* it was refused for want of memory then, and nothing is followed; 0 = it was not */
	uint64_t used_ns, rev, crev;
	json_t *records;
	struct quota_use use; /* how much that is */
	struct rows rows[TOPO_KIND_MAX]; /* sorted by name */
	struct orders orders[TOPO_KIND_MAX]; /* the same, sorted otherwise */
	struct hmap ids;		 /* struct cache_object.by_id */
	struct topo_snapshot *snap;	 /* of 'snap_rev'; made when it is asked for */
	uint64_t snap_rev;
	char *doc; /* topology.c: the document of 'doc_crev' as text; NULL = nobody has asked */
	size_t doc_len;
	uint64_t doc_crev;
	bool doc_yaml;
	struct wait *waits;
	struct cache_watch *watches;
	struct writer *writer; /* write.c; NULL: nothing was written yet */
	struct events *events; /* events.c; NULL: nobody has watched yet */
	bool telling; /* they are being called */
};

struct cache_watch {
	struct cache_watch *next;
	struct cache_tenant *t;
	cache_changed *changed;
	void *arg;
	bool dead;
	bool quiet; /* does not keep the tenant */
};

int cache_load(struct cache_tenant *t, const json_t *records); /* in place of what was there; -ENOMEM: what was there stays */
void cache_unload(struct cache_tenant *t);
void cache_apply(struct cache_tenant *t, const json_t *changes, uint64_t rev, uint64_t crev);
/* cache_size.c: bytes, about */
size_t cache_record_size(const char *path, const json_t *record); /* 'record' may be NULL */
size_t cache_records_size(const json_t *records);
size_t cache_tenant_size(const struct cache_tenant *t);
void cache_tell(struct cache_tenant *t, const json_t *changes, const json_t *before, uint64_t rev);
