// SPDX-License-Identifier: Apache-2.0
/* Implements budget.h.  Called by trace.c and matrix.c, and turns.c for all else. */
#include "api/budget.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "topology/topology.h"

static struct account {
	char tenant[BUDGET_KEY]; /* "" = nobody's */
	int64_t left_ns;		/* at 'at_ns'; negative: debt */
	uint64_t at_ns;
} accounts[BUDGET_TENANTS];

static void refill(struct account *a, uint64_t now_ns)
{
	uint64_t gained = now_ns > a->at_ns ? (now_ns - a->at_ns) / 100 * BUDGET_SHARE : 0;

	if (gained > (uint64_t)(BUDGET_BURST_NS - a->left_ns))
		a->left_ns = BUDGET_BURST_NS;
	else
		a->left_ns += (int64_t)gained;
	a->at_ns = now_ns;
}

static struct account *find(const char *tenant)
{
	for (struct account *a = accounts; a < accounts + BUDGET_TENANTS && *a->tenant; a++)
		if (!strcmp(a->tenant, tenant))
			return a;
	return NULL;
}

/* In place of the one that has been quiet for the longest: its debt, if it had any, is the oldest. */
static struct account *open_account(const char *tenant, uint64_t now_ns)
{
	struct account *a = accounts;

	for (struct account *b = accounts; b < accounts + BUDGET_TENANTS && *a->tenant; b++)
		if (!*b->tenant || b->at_ns < a->at_ns)
			a = b;
	*a = (struct account){ .left_ns = BUDGET_BURST_NS, .at_ns = now_ns };
	snprintf(a->tenant, sizeof(a->tenant), "%s", tenant);
	return a;
}

uint64_t budget_wait_ns(const char *tenant, uint64_t now_ns)
{
	struct account *a = find(tenant);

	if (!a)
		return 0;
	refill(a, now_ns);
	return a->left_ns > 0 ? 0 : (uint64_t)(1 - a->left_ns) * 100 / BUDGET_SHARE;
}

uint64_t budget_used_ns(const char *tenant, uint64_t now_ns)
{
	struct account *a = find(tenant);

	if (!a)
		return 0;
	refill(a, now_ns);
	return (uint64_t)(BUDGET_BURST_NS - a->left_ns);
}

void budget_spend(const char *tenant, uint64_t spent_ns, uint64_t now_ns)
{
	struct account *a = find(tenant);

	if (!a)
		a = open_account(tenant, now_ns);
	refill(a, now_ns);
	a->left_ns -= (int64_t)spent_ns;
}
