/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET .../live/flows: what the agent of a port's host has in its kernel for packets that the port's machine sends, and the way of one such flow.  As pure
 * functions of the question and of what hosts say; live.c reads, and writes the wish (statedb/flow_wish.h).
 */
#pragma once

#include "api/cache.h"
#include "api/request.h"
#include "statedb/flow_wish.h"

/* The question as a wish's text; false: it has answered what is wrong with it. */
bool live_flows_asked(struct api_request *r, const struct cache_tenant *t, char text[static FLOW_WISH_TEXT]);
/* Adds it to {text: when it was wished last}, which stays small; true: it was not there. */
bool live_flows_wish(json_t *wished, const char *text, uint64_t now_ms);
/* The same with what other servers have wished, as the record DB_WISH says (NULL: it is not there): what is to be written. */
json_t *live_flows_record(const json_t *wished, const json_t *record, uint64_t now_ms);
/* Puts what the port's host says (NULL: nothing) into the answer. */
void live_flows_answer(json_t *answer, const json_t *said, const char *text, uint64_t host_age_ms);
