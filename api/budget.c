// SPDX-License-Identifier: Apache-2.0
/* Implements budget.h.  Called by trace.c and matrix.c, and turns.c for all else. */
#include "api/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account {
	char name[BUDGET_KEY]; /* "" = nobody's */
	int64_t left_ns;       /* at 'at_ns'; negative: debt */
	uint64_t at_ns;
};

struct budget {
	struct account accounts[BUDGET_ACCOUNTS];
};

struct budget *budget_new(void)
{
	return calloc(1, sizeof(struct budget));
}

void budget_free(struct budget *b)
{
	free(b);
}

static void refill(struct account *a, uint64_t now_ns)
{
	uint64_t gained = now_ns > a->at_ns ? (now_ns - a->at_ns) / 100 * BUDGET_SHARE : 0;

	if (gained > (uint64_t)(BUDGET_BURST_NS - a->left_ns))
		a->left_ns = BUDGET_BURST_NS;
	else
		a->left_ns += (int64_t)gained;
	a->at_ns = now_ns;
}

static struct account *find(struct budget *b, const char *name)
{
	for (struct account *a = b->accounts; a < b->accounts + BUDGET_ACCOUNTS && *a->name; a++)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

/* In place of the one that has been quiet for the longest: its debt, if it had any, is the oldest. */
static struct account *open_account(struct budget *b, const char *name, uint64_t now_ns)
{
	struct account *a = b->accounts;

	for (struct account *other = a; other < b->accounts + BUDGET_ACCOUNTS && *a->name; other++)
		if (!*other->name || other->at_ns < a->at_ns)
			a = other;
	*a = (struct account){ .left_ns = BUDGET_BURST_NS, .at_ns = now_ns };
	snprintf(a->name, sizeof(a->name), "%s", name);
	return a;
}

uint64_t budget_wait_ns(struct budget *b, const char *account, uint64_t now_ns)
{
	struct account *a = find(b, account);

	if (!a)
		return 0;
	refill(a, now_ns);
	return a->left_ns > 0 ? 0 : (uint64_t)(1 - a->left_ns) * 100 / BUDGET_SHARE;
}

uint64_t budget_used_ns(struct budget *b, const char *account, uint64_t now_ns)
{
	struct account *a = find(b, account);

	if (!a)
		return 0;
	refill(a, now_ns);
	return (uint64_t)(BUDGET_BURST_NS - a->left_ns);
}

void budget_spend(struct budget *b, const char *account, uint64_t spent_ns, uint64_t now_ns)
{
	struct account *a = find(b, account);

	if (!a)
		a = open_account(b, account, now_ns);
	refill(a, now_ns);
	a->left_ns -= (int64_t)spent_ns;
}
