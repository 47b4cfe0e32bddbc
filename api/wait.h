/* SPDX-License-Identifier: Apache-2.0 */
/* ?wait=5s: the answer when all live hosts that have ports of the tenant say that they do as this revision says. */
#pragma once

#include "api/cache.h"
#include "api/request.h"

/* Answers 'status' with 'body' (taken) then, or 202 with {"waiting_for": [hosts]} beside it.  400 when the duration is none. */
void wait_answer(struct api_request *r, struct cache_tenant *t, uint64_t crev, int status, json_t *body);
