/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time that tenants' questions may take: a question of a network built to be slow costs some 100 ms, and nobody else is served meanwhile.
 * Each tenant has BUDGET_BURST_NS, and gets BUDGET_SHARE percent of the time that passes.  Pure: the time is told.
 */
#pragma once

#include <stdint.h>

#define BUDGET_BURST_NS 1000000000LL
#define BUDGET_SHARE	20
#define BUDGET_KEY     80  /* of a tenant's name, and what is before it */
#define BUDGET_TENANTS 512 /* that are remembered: those who asked last */

/* When the tenant may ask again, in ns from now; 0 = at once. */
uint64_t budget_wait_ns(const char *tenant, uint64_t now_ns);
/* What it has used of its burst; more than that, if it is in debt. */
uint64_t budget_used_ns(const char *tenant, uint64_t now_ns);
/* It has asked, and that took so long: it may go into debt by one question. */
void budget_spend(const char *tenant, uint64_t spent_ns, uint64_t now_ns);
