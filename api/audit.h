/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who changed what, when: an entry for each write, in the state DB in one atomic step with it (statedb.h, db_commit_audited).  Undoing one makes the
 * inverse change, if all that it changed is still as it left it.  Entries of a tenant lie with the tenant, those of tokens and quotas with skep-api.
 */
#pragma once

#include <jansson.h>

#include "api/request.h"
#include "util/err.h"

/* {"by", "source", "uid", "issuer", "subject", "role", "caller_tenant", "token", "session", "request", "method", "path", "address", "traceparent", "tenant"}, as far as known: new reference. */
json_t *audit_meta(const struct api_request *r, const char *tenant /* that it is about; NULL = the space's own */);
/*
 * The entry of a write of configuration: 'before' {path: object} what was there, 'changes' {path: object | null}.  What agents publish is passed
 * over.  New reference; json_null() if nothing remains; NULL: no memory.
 */
json_t *audit_entry(const struct api_request *r, const json_t *before, const json_t *changes);
/* An entry as the state DB has it, as it is told: times as people read them, and "meta" not a level of its own: new reference. */
json_t *audit_view(const json_t *entry);
/*
 * The change that undoes an entry's "changes" {path: [before, after]} on 'records': {path: object | null}, new reference.  NULL: 'err' (-EBUSY: something
 * was changed since; says what).  Pure.
 */
json_t *audit_inverse(const json_t *records, const json_t *changes, struct err *err);
