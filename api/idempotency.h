/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: a write that is sent again is answered as it was the first time, and not done again.  A key is reserved in the tenant's stash before the
 * request is worked on, is marked in the same step as the write, and has the answer for a day: so any server knows, and none does it twice.
 */
#pragma once

#include "api/exchange.h"

#define IDEMPOTENCY_KEEP_S 86400

/* True: the request is taken over; the handler is called later, or never. */
bool idempotency_begin(struct api_request *r);
/* The request's write is about to be committed to 'space': what is to be marked with it goes to 'marks' (db_audit).  -ENOMEM. */
int idempotency_mark(const struct api_request *r, const char *space, bool created, json_t *marks);
/* An answer is about to be sent ('text' taken, if true): it is kept first, and api_answer_text() called again. */
bool idempotency_keep(struct api_request *r, int status, const char *type, char *text, size_t len);
void idempotency_free(struct idempotency *i); /* takes NULL */
