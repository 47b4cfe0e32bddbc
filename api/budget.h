/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time that questions may take: a question of a network built to be slow costs some 100 ms, and nobody else is served meanwhile.
 * Each account (a tenant's, mostly) has BUDGET_BURST_NS, and gets BUDGET_SHARE percent of the time that passes.  Pure: the time is told.
 */
#pragma once

#include <stdint.h>

#define BUDGET_BURST_NS 1000000000LL
#define BUDGET_SHARE	20
#define BUDGET_KEY	80  /* of an account's name, with its end */
#define BUDGET_ACCOUNTS 512 /* that are remembered: those who asked last */

struct budget;

struct budget *budget_new(void); /* NULL: no memory */
void budget_free(struct budget *b); /* takes NULL */

/* When the account may ask again, in ns from now; 0 = at once. */
uint64_t budget_wait_ns(struct budget *b, const char *account, uint64_t now_ns);
/* What it has used of its burst; more than that, if it is in debt. */
uint64_t budget_used_ns(struct budget *b, const char *account, uint64_t now_ns);
/* It has asked, and that took so long: it may go into debt by one question. */
void budget_spend(struct budget *b, const char *account, uint64_t spent_ns, uint64_t now_ns);
