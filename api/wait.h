/* SPDX-License-Identifier: Apache-2.0 */
/* ?wait=5s: the answer when all live hosts that have ports of the tenant say that they do as this revision says. */
#pragma once

#include "api/cache.h"
#include "api/request.h"

/* The query's "wait", 0 without one; false: it is none, and answered. */
bool wait_parse(struct api_request *r, uint32_t *ms);
/* Answers 'status' with 'text' (JSON, malloc()ed, taken; NULL = nothing) then, with Skep-In-Force; or 202 with {"waiting_for": [hosts], "result": body} when the time is over. */
void wait_answer(struct api_request *r, struct cache_tenant *t, uint64_t crev, int status, char *text, size_t len);
/* The end: who waits is answered now, 202; who comes later does not wait. */
void wait_stop(void);
