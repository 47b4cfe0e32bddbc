/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of topology: from YAML text to documents, record sets and snapshots in one call each. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "topology/topology.h"
#include "util/uuid.h"

/* Runs rows of a table as tests of their own: 'tests' must have room for 'n'. */
#define RUN_ROWS(rows, fn)                                                                         \
	({                                                                                         \
		struct CMUnitTest _t[ARRAY_SIZE(rows)];                                            \
		for (size_t _i = 0; _i < ARRAY_SIZE(rows); _i++)                                   \
			_t[_i] = (struct CMUnitTest){ (rows)[_i].name, fn, NULL, NULL,             \
						      (void *)&(rows)[_i] };                       \
		_cmocka_run_group_tests(#rows, _t, ARRAY_SIZE(rows), NULL, NULL);                  \
	})

static inline void next_uuid(void *arg, char out[static 37])
{
	uint64_t *n = arg;
	uint8_t random[10] = { 0 };

	++*n;
	for (int i = 0; i < 8; i++)
		random[9 - i] = (uint8_t)(*n >> (8 * i));
	uuid_v7(1700000000000ULL, random, out);
}

/* The only document of 'yaml': new reference; NULL and 'err' if it is refused. */
static inline json_t *doc_of(const char *yaml, struct err *err)
{
	json_t *docs = topo_doc_parse(yaml, strlen(yaml), "test.yaml", err);
	json_t *doc = json_incref(json_array_get(docs, 0));

	if (docs)
		assert_int_equal(json_array_size(docs), 1);
	json_decref(docs);
	return doc;
}

/* Changes that 'yaml' makes to 'records': new reference; NULL and 'err' if it is refused. */
static inline json_t *changes_of(const json_t *records, const char *yaml, bool prune, struct err *err)
{
	uint64_t n = json_object_size(records) * 1000;
	json_t *doc = doc_of(yaml, err), *changes;

	if (!doc)
		return NULL;
	changes = topo_doc_apply(records, doc, prune, next_uuid, &n, err);
	json_decref(doc);
	return changes;
}

/* The record set after 'yaml'; the test fails if it is refused.  Takes 'records' (NULL = empty). */
static inline json_t *applied(json_t *records, const char *yaml)
{
	struct err err = { 0 };
	json_t *changes, *merged;

	if (!records)
		records = json_object();
	changes = changes_of(records, yaml, false, &err);
	if (!changes)
		fail_msg("refused: %s", err.text);
	merged = topo_records_merge(records, changes);
	json_decref(changes);
	json_decref(records);
	return merged;
}

static inline void put_live(json_t *records, const char *port, const char *host, int key, int flood)
{
	char path[80];

	snprintf(path, sizeof(path), "live/%s", port);
	json_object_set_new(records, path,
			    json_pack("{s:s, s:i, s:i}", "host", host, "key", key, "flood", flood));
}

static inline struct topo_snapshot *built(const json_t *records)
{
	struct err err = { 0 };
	struct topo_snapshot *snap = topo_build("acme", 1, records, &err);

	if (!snap)
		fail_msg("not built: %s", err.text);
	return snap;
}
