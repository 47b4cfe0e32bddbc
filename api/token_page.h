/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of tokens and of sessions: what the caller sees, page by page. */
#pragma once

#include "api/request.h"
#include "api/store.h"

/*
 * Answers with those of the kind that the caller 'sees', sorted by id: so that a page begins where the last one ended, whatever was made or has ended
 * meanwhile.  'view': new reference.
 */
typedef bool token_sees(const struct api_request *r, const struct token *t);
void token_page(struct api_request *r, enum token_kind kind, token_sees *sees, json_t *(*view)(const struct token *t));
/* The one of the path's {id}; NULL: answered with 404. */
struct token *token_of_path(struct api_request *r, enum token_kind kind, token_sees *sees);
