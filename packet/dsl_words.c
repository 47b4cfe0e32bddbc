// SPDX-License-Identifier: Apache-2.0
/* The words of a packet's line: numbers, pairs, addresses, names, letters, raw bytes.  Called by
 * dsl_parse.c, which knows the layers. */
#include "packet/dsl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int dsl_bad_word(struct dsl_reader *r, const char *want)
{
	return err_set(r->err, -EINVAL, "packet: layer '%s': '%s' is not understood (want %s)",
		       r->layer, r->word, want);
}

int dsl_next_word(struct dsl_reader *r)
{
	size_t n;

	r->at += strspn(r->at, " \t\n");
	n = strcspn(r->at, " \t\n");
	if (n >= DSL_WORD) {
		snprintf(r->word, DSL_WORD, "%.20s..", r->at);
		return dsl_bad_word(r, "words of at most 127 characters");
	}
	memcpy(r->word, r->at, n);
	r->word[n] = '\0';
	r->at += n;
	return 0;
}

bool dsl_end_of_layer(const struct dsl_reader *r)
{
	return !r->word[0] || !strcmp(r->word, "/");
}

bool dsl_parse_number(const char *text, uint32_t max, uint32_t *out)
{
	unsigned int base = 10;
	uint64_t v = 0;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int d = *text >= '0' && *text <= '9'	? (unsigned int)(*text - '0')
				 : *text >= 'a' && *text <= 'f' ? (unsigned int)(*text - 'a' + 10)
				 : *text >= 'A' && *text <= 'F' ? (unsigned int)(*text - 'A' + 10)
								: 16;

		if (d >= base)
			return false;
		v = v * base + d;
		if (v > max)
			return false;
	}
	*out = (uint32_t)v;
	return true;
}

int dsl_want_number(struct dsl_reader *r, uint32_t max, uint32_t *out)
{
	char want[64];

	if (dsl_next_word(r))
		return -EINVAL;
	if (dsl_parse_number(r->word, max, out))
		return 0;
	snprintf(want, sizeof(want), "a number from 0 to %u", max);
	return dsl_bad_word(r, want);
}

int dsl_want_pair(struct dsl_reader *r, char *a, char *b)
{
	const char *gt;

	if (dsl_next_word(r))
		return -EINVAL;
	gt = strchr(r->word, '>');
	if (!gt || gt == r->word || !gt[1])
		return dsl_bad_word(r, "FROM>TO, without spaces");
	snprintf(a, DSL_WORD, "%.*s", (int)(gt - r->word), r->word);
	snprintf(b, DSL_WORD, "%s", gt + 1);
	return 0;
}

int dsl_resolve_mac(struct dsl_reader *r, const char *text, struct skep_mac *mac)
{
	if (mac_parse(text, mac) ||
	    (r->names && r->names->mac && r->names->mac(r->names->arg, text, mac)))
		return 0;
	return err_set(
		r->err, -EINVAL,
		"packet: layer '%s': '%s' is not an Ethernet address (want 02:00:00:00:00:01%s)",
		r->layer, text, r->names ? " or a known name" : "");
}

int dsl_resolve_ip(struct dsl_reader *r, const char *text, bool v6, struct skep_ip *ip)
{
	struct skep_ip got;

	if ((ip_parse(text, &got) ||
	     (r->names && r->names->ip && r->names->ip(r->names->arg, text, v6, &got))) &&
	    ip_is_v4(&got) == !v6) {
		*ip = got;
		return 0;
	}
	return err_set(r->err, -EINVAL, "packet: layer '%s': '%s' is not an %s address%s", r->layer,
		       text, v6 ? "IPv6" : "IPv4", r->names ? " or a known name" : "");
}

int dsl_want_mac(struct dsl_reader *r, struct skep_mac *mac)
{
	return dsl_next_word(r) ? -EINVAL : dsl_resolve_mac(r, r->word, mac);
}

bool dsl_parse_letters(const char *text, const char *set, uint32_t first, bool left, uint32_t *out)
{
	uint32_t bits = 0;

	for (; *text; text++) {
		const char *p = strchr(set, *text);
		uint32_t bit;

		if (!p)
			return false;
		bit = left ? first << (p - set) : first >> (p - set);
		if (bits & bit)
			return false;
		bits |= bit;
	}
	*out = bits;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool dsl_is_raw(const char *line, const char **hex)
{
	const char *p = line + strspn(line, " \t\n");

	if (!strncmp(p, "bad ", 4)) {
		p = strstr(p, " / ");
		if (!p)
			return false;
		p += 3;
	}
	if (strncmp(p, "hex", 3) || (p[3] && !strchr(" \t\n", p[3])))
		return false;
	*hex = p + 3;
	return true;
}

int dsl_parse_raw(const char *hex, uint8_t *buf, uint32_t cap, struct err *err)
{
	uint32_t n = 0;

	for (; *hex; hex++) {
		int hi, lo;

		if (strchr(" \t\n", *hex))
			continue;
		hi = hex_value(hex[0]);
		lo = hi < 0 ? -1 : hex_value(hex[1]);
		if (lo < 0)
			return err_set(
				err, -EINVAL,
				"packet: layer 'hex': '%.2s' is not a byte (want two hexadecimal digits)",
				hex);
		if (n == cap || n == PKT_MAX)
			return err_set(err, -EINVAL, "packet: layer 'hex': more than %u bytes", n);
		buf[n++] = (uint8_t)(hi << 4 | lo);
		hex++;
	}
	return (int)n;
}
