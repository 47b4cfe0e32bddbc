/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the words that there are somebody may have meant who wrote another one. */
#pragma once

#include <stddef.h>

struct suggest {
	const char *word;
	size_t len; /* of 'word' that counts */
	const char *best; /* NULL = none is near */
	unsigned int distance;
};

struct suggest suggest_for(const char *word, size_t len);
void suggest_try(struct suggest *s, const char *candidate);
/* "did you mean 'X'? " in 'text', to stand in front of a hint; or "". */
#define SUGGEST_TEXT 80
const char *suggest_text(const struct suggest *s, const char *before, char text[static SUGGEST_TEXT]);
