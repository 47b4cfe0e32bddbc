/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: a write that is sent again is answered as it was the first time, and not done again.  Answers are kept in the tenant's stash for a day, so
 * that any server knows them.
 */
#pragma once

#include "api/exchange.h"

/* True: the request is taken over; the handler is called later, or never. */
bool idempotency_begin(struct api_request *r);
/* An answer is about to be sent ('text' taken, if true): it is kept first, and api_answer_text() called again. */
bool idempotency_keep(struct api_request *r, int status, const char *type, char *text, size_t len);
void idempotency_free(struct idempotency *i); /* takes NULL */
