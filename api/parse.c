// SPDX-License-Identifier: Apache-2.0
#include "api/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define DEPTH_MOST  64
#define MEMBERS_MAX 1000 /* of an object; lists may have any number of elements */

bool parse_u64(const char *text, uint64_t *value)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno)
		return false;
	*value = n;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Length of the UTF-8 sequence at 's'; 0 = none. */
static size_t utf8(const unsigned char *s)
{
	unsigned int c = s[0], n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
	    (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

int parse_unescape(char *text)
{
	char *out = text;

	for (const char *p = text; *p; p++) {
		if (*p == '%') {
			int hi = hex(p[1]), lo = hi < 0 ? -1 : hex(p[2]);

			if (lo < 0 || !(hi | lo))
				return -EINVAL;
			*out++ = (char)(hi << 4 | lo);
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = 0;
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		size_t n = utf8(s);

		if (!n)
			return -EINVAL;
		s += n;
	}
	return 0;
}

/*
 * The parser has limits of its own, but trees are also walked by others, whose stack and time are not theirs alone: each field of an object is looked
 * for by name, and told of if nobody knows it.  0: it may be parsed.
 */
static int check_size(const char *text, size_t len, unsigned int max, struct err *err)
{
	unsigned int members[DEPTH_MOST + 1] = { 0 }, depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = false;
		} else if (text[i] == '"') {
			quoted = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > max || depth > DEPTH_MOST)
				return err_set(err, -EINVAL, "the body is not valid: more than %u containers in one another", max);
			members[depth] = 0;
		} else if ((text[i] == '}' || text[i] == ']') && depth) {
			depth--;
		} else if (text[i] == ':' && ++members[depth] > MEMBERS_MAX) {
			return err_set(err, -EINVAL, "the body is not valid: an object of more than %d fields", MEMBERS_MAX);
		}
	}
	return 0;
}

json_t *parse_json(const char *text, size_t len, unsigned int depth, struct err *err)
{
	json_error_t je;
	json_t *v;

	if (check_size(text, len, depth, err))
		return NULL;
	v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	if (!v && json_error_code(&je) == json_error_out_of_memory)
		err_set(err, -ENOMEM, "out of memory");
	else if (!v)
		err_set(err, -EINVAL, "the body is not valid JSON: line %d, column %d: %.140s", je.line, je.column, je.text);
	return v;
}

uint64_t parse_cost(const char *text, size_t len, bool is_json)
{
	uint64_t cost = len;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		const char c = text[i];

		if (is_json && quoted && c == '\\')
			i++;
		else if (is_json && c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '{')
			cost += 300;
		else if (c == '[')
			cost += 140;
		else if (c == ',' || (c == '\n' && !is_json))
			cost += 80;
		else if (c == ':' && (is_json || i + 1 == len || text[i + 1] <= ' '))
			cost += 90;
		else if (c == '-' && !is_json && i + 1 < len && text[i + 1] <= ' ')
			cost += 300; /* of an object in a list, mostly */
	}
	return cost;
}

const char *parse_status_slug(int status)
{
	static const struct {
		int status;
		const char *slug;
	} slugs[] = {
		{ 400, "malformed" },	      { 401, "unauthorized" },	 { 403, "forbidden" },	{ 404, "not_found" },
		{ 405, "method_not_allowed" }, { 408, "timeout" },	 { 409, "conflict" },	{ 412, "precondition_failed" },
		{ 413, "too_large" },	      { 415, "unsupported_type" }, { 422, "invalid" },	{ 429, "too_many_requests" },
		{ 501, "not_implemented" },   { 503, "unavailable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(slugs); i++)
		if (slugs[i].status == status)
			return slugs[i].slug;
	return "failed";
}

bool parse_duration_ms(const char *text, uint32_t *ms)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno || n > 1000000)
		return false;
	if (!strcmp(end, "s") || !*end)
		n *= 1000;
	else if (strcmp(end, "ms"))
		return false;
	*ms = (uint32_t)n;
	return n <= 1000000;
}
