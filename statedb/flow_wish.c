// SPDX-License-Identifier: Apache-2.0
#include "statedb/flow_wish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 5

/* Five words in 'copy', cut off there; false: not so many, or more. */
static bool split(char *copy, const char *words[static WORDS])
{
	for (int i = 0; i < WORDS; i++) {
		size_t n = strcspn(copy, " ");

		if (!n || (i < WORDS - 1) != !!copy[n])
			return false;
		words[i] = copy;
		copy += n + !!copy[n];
		copy[-(i < WORDS - 1)] = 0;
	}
	return true;
}

static bool given(const char *word)
{
	return strcmp(word, "-") != 0;
}

/* Digits alone, of the base, up to 'max', not 0. */
static bool take_number(const char *word, int base, uint64_t max, uint64_t *out)
{
	char *end;

	*out = 0;
	if (!given(word))
		return true;
	if (word[strspn(word, base == 16 ? "0123456789abcdef" : "0123456789")])
		return false;
	errno = 0;
	*out = strtoull(word, &end, base);
	return !errno && !*end && *out && *out <= max;
}

bool flow_wish_parse(const char *text, struct flow_wish *w)
{
	const char *words[WORDS];
	uint64_t proto, number;
	char copy[FLOW_WISH_TEXT];

	*w = (struct flow_wish){ 0 };
	if (strlen(text) >= sizeof(copy))
		return false;
	memcpy(copy, text, strlen(text) + 1);
	if (!split(copy, words) || !given(words[0]) || strlen(words[0]) > FLOW_WISH_PORT)
		return false;
	memcpy(w->port, words[0], strlen(words[0]) + 1);
	w->by_proto = given(words[1]);
	w->by_address = given(words[2]);
	if (!take_number(words[1], 10, 255, &proto) || (w->by_address && !prefix_parse(words[2], &w->address, &w->len)) ||
	    !take_number(words[3], 10, 65535, &number) || !take_number(words[4], 16, UINT64_MAX, &w->flow))
		return false;
	w->proto = (uint8_t)proto;
	w->number = (uint16_t)number;
	return true;
}

const char *flow_wish_format(const struct flow_wish *w, char buf[static FLOW_WISH_TEXT])
{
	char proto[8] = "-", address[ADDR_TEXT] = "-", number[8] = "-", flow[20] = "-";

	if (w->by_proto)
		snprintf(proto, sizeof(proto), "%u", w->proto);
	if (w->by_address)
		prefix_format(&w->address, w->len, address);
	if (w->number)
		snprintf(number, sizeof(number), "%u", w->number);
	if (w->flow)
		snprintf(flow, sizeof(flow), "%016llx", (unsigned long long)w->flow);
	snprintf(buf, FLOW_WISH_TEXT, "%s %s %s %s %s", w->port, proto, address, number, flow);
	return buf;
}
