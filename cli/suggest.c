// SPDX-License-Identifier: Apache-2.0
/* Implements suggest.h: the fewest letters that are wrong, missing, too many, or in each other's place.  Called by main.c and cmd_topo.c. */
#include "cli/suggest.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 40

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* One row for each letter of 'a': what it costs to make of its beginning the beginnings of 'b'. */
static unsigned int distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *row = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], earlier[j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

struct suggest suggest_for(const char *word, size_t len)
{
	return (struct suggest){ .word = word, .len = len, .distance = (unsigned int)len / 3 + 2 };
}

void suggest_try(struct suggest *s, const char *candidate)
{
	const size_t m = strlen(candidate);
	unsigned int d;

	if (!s->len || s->len > WORD_MAX || m > WORD_MAX)
		return;
	d = distance(s->word, s->len, candidate, m);
	if (d >= s->distance || d >= m)
		return;
	s->distance = d;
	s->best = candidate;
}

const char *suggest_text(const struct suggest *s, const char *before, char text[static SUGGEST_TEXT])
{
	*text = 0;
	if (s->best)
		snprintf(text, SUGGEST_TEXT, "did you mean '%s%s'? ", before, s->best);
	return text;
}
