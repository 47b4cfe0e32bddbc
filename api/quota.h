/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a tenant may have.  A limit holds when a write is validated against the configuration that it will be committed on, so that writes side by side
 * cannot pass it together: the later one is validated again.  A write that makes nothing more is never refused, also where a limit was lowered below what
 * there is.  Pure.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "topology/topology.h"
#include "util/err.h"

#define QUOTA_OBJECTS_DEFAULT  100000 /* of each kind */
#define QUOTA_BYTES_DEFAULT    (256LL << 20) /* of all records as JSON */
#define QUOTA_TOKENS_DEFAULT   1000
#define QUOTA_REQUESTS_MAX     1000000 /* a second */

struct quota {
	int64_t objects[TOPO_KIND_MAX];
	int64_t bytes, tokens;
	uint32_t requests_per_s; /* 0 = what the server's configuration says */
};

/* What a tenant has. */
struct quota_use {
	int64_t objects[TOPO_KIND_MAX];
	int64_t bytes;
};

void quota_defaults(struct quota *q);
/* {"objects": {"ports": 1000}, "bytes", "tokens", "requests_per_s"}: what is left out is the default.  0 or -EINVAL with 'err', '*q' untouched. */
int quota_parse(const json_t *o, struct quota *q, struct err *err);
/* All limits, defaults included. */
json_t *quota_json(const struct quota *q);
json_t *quota_use_json(const struct quota_use *use);

/* Of records {path: object}; those that are not configuration do not count. */
void quota_count(const json_t *records, struct quota_use *use);
/* One record changes: 'was' and 'is' NULL or null where there is none. */
void quota_count_change(struct quota_use *use, const char *path, const json_t *was, const json_t *is);
/* 0, or -EDQUOT with 'err' (tag "quota_exceeded"). */
int quota_check(const struct quota *q, const struct quota_use *before, const struct quota_use *after, struct err *err);
