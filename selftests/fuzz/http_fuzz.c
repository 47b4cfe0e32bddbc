// SPDX-License-Identifier: Apache-2.0
/*
 * What strangers send to skep-api: parts of paths and queries, JSON, merge patches, cursors; and the texts of errors, which have their words in them.
 */
#include "selftests/fuzz/fuzz.h"

#include <jansson.h>

#include "api/cursor.h"
#include "api/parse.h"
#include "api/patch.h"
#include "api/problem.h"

static void unescape(char *text)
{
	size_t len = strlen(text);
	json_t *s;

	if (parse_unescape(text))
		return;
	must(strlen(text) <= len);
	s = json_string(text); /* refuses what is no UTF-8 */
	must(s);
	json_decref(s);
}

static void numbers(const char *text)
{
	uint64_t n;
	uint32_t ms;

	if (parse_u64(text, &n))
		must(text[0] >= '0' && text[0] <= '9');
	if (parse_duration_ms(text, &ms))
		must(ms <= 1000000);
}

static void json(const char *text, size_t len)
{
	struct err err = { 0 };
	json_t *v = parse_json(text, len, 32, &err), *merged, *again;

	if (!v) {
		must(err.code < 0 && err.text[0]);
		return;
	}
	/* a patch on itself; done twice it changes nothing more */
	merged = patch_merge(v, v);
	must(merged);
	again = patch_merge(merged, v);
	must(again && json_equal(merged, again));
	json_decref(again);
	json_decref(merged);
	json_decref(v);
}

static void cursor(const char *text, size_t len)
{
	char *coded = cursor_encode(text, len), *back;
	size_t n;

	must(coded);
	back = cursor_decode(coded, &n);
	must(back && n == len && !memcmp(back, text, n));
	free(back);
	free(coded);
	free(cursor_decode(text, &n));
}

static void problem(const char *text)
{
	struct err err = { .code = -22 };
	const char *slug;
	json_t *body;
	char *out;
	int status = problem_status(&err, &slug);

	must(status >= 400 && status < 600 && slug && problem_title(status));
	snprintf(err.text, sizeof(err.text), "%s", text);
	body = problem_body(status, slug, "1", &err);
	must(body);
	out = json_dumps(body, JSON_COMPACT);
	must(out);
	free(out);
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text);
	memcpy(text, data, size);
	text[size] = 0;
	json(text, size);
	cursor(text, size);
	numbers(text);
	problem(text);
	unescape(text);
	free(text);
	return 0;
}
