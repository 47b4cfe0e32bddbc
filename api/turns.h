/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn is it?  What requests of an account took is measured; one that has had more than others may have meanwhile waits: its requests run one behind the
 * other, for a slice of time, then another one's, then whatever else the loop has to do.  A tenant is one account; so is each token of an operator, so that a
 * script that asks a lot stands behind a person who asks once.  Nothing is refused, and nothing is lost when nobody else asks.
 */
#pragma once

#include <stdint.h>

#include "api/budget.h"
#include "api/exchange.h"

#define TURNS_FREE_NS  (100 * 1000000ULL) /* so much an account may take before it waits; it comes back as budget.h says */
#define TURNS_SLICE_NS (10 * 1000000ULL)

struct turns;

struct turns *turns_new(struct loop *loop); /* NULL: no memory */
void turns_free(struct turns *t);	    /* takes NULL */
/* True: dispatch_now() will be called, soon. */
bool turns_wait(struct turns *t, struct api_request *r);
void turns_forget(struct api_request *r); /* it is over, and may have waited */
/* A part of what the request, of 'caller', asks for took so long. */
void turns_spend(struct budget *budget, const struct api_caller *caller, uint64_t spent_ns);
/* Whose it is; returns 'key'. */
const char *turns_account(const struct api_caller *caller, char key[static BUDGET_KEY]);
