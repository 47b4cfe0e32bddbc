// SPDX-License-Identifier: Apache-2.0
/* Messages as text and as JSON: util/log.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

static char said[4096];

/* What a call writes to stderr. */
#define SAID(call)                                      \
	do {                                            \
		int saved = dup(2), p[2];               \
		ssize_t n;                              \
		assert_int_equal(pipe(p), 0);           \
		dup2(p[1], 2);                          \
		call;                                   \
		fflush(stderr);                         \
		dup2(saved, 2);                         \
		close(saved);                           \
		close(p[1]);                            \
		n = read(p[0], said, sizeof(said) - 1); \
		close(p[0]);                            \
		said[n > 0 ? n : 0] = 0;                \
	} while (0)

static const struct log_field fields[] = { { "request_id", "r1" }, { "empty", "" }, { "none", NULL }, { "odd", "a\"b\n\xff" } };

static void text(void **state)
{
	(void)state;
	log_init("prog", LOG_INFO_LEVEL);
	log_format(LOG_TEXT);
	SAID(log_warn("port '%s'", "p"));
	assert_string_equal(said, "prog: warning: port 'p'\n");
	SAID(log_with(LOG_INFO_LEVEL, fields, 3, "done"));
	assert_string_equal(said, "prog: done (request_id=r1)\n");
	SAID(log_debug("no"));
	assert_string_equal(said, "");
}

/* Who chooses a name does not write lines of the log, nor their priorities, nor on a terminal. */
static void one_line(void **state)
{
	(void)state;
	log_init("prog", LOG_INFO_LEVEL);
	SAID(log_info("GET %s", "/t\nprog: FAKE\r\x1b[2J\x7f\t\xc3\xa9"));
	assert_string_equal(said, "prog: GET /t\\x0aprog: FAKE\\x0d\\x1b[2J\\x7f\\x09\xc3\xa9\n");
	SAID(log_with(LOG_INFO_LEVEL, fields, 4, "done"));
	assert_string_equal(said, "prog: done (request_id=r1, odd=a\"b\\x0a\xff)\n");
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init("prog", LOG_INFO_LEVEL);
	SAID(log_info("GET %s", "/t\n<2>FAKE"));
	assert_string_equal(said, "<6>GET /t\\x0a<2>FAKE\n");
	unsetenv("JOURNAL_STREAM");
	log_init("prog", LOG_INFO_LEVEL);
}

static void json(void **state)
{
	json_t *o;

	(void)state;
	log_init("prog", LOG_INFO_LEVEL);
	log_format(LOG_JSON);
	SAID(log_with(LOG_ERROR_LEVEL, fields, 4, "line one\nline two \xc3"));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
	o = json_loads(said, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "level")), "error");
	assert_string_equal(json_string_value(json_object_get(o, "program")), "prog");
	assert_string_equal(json_string_value(json_object_get(o, "message")), "line one\nline two ?");
	assert_string_equal(json_string_value(json_object_get(o, "request_id")), "r1");
	assert_string_equal(json_string_value(json_object_get(o, "odd")), "a\"b\n?");
	assert_null(json_object_get(o, "empty"));
	assert_null(json_object_get(o, "none"));
	assert_int_equal(strlen(json_string_value(json_object_get(o, "time"))), strlen("2026-11-21T20:00:00.123Z"));
	json_decref(o);
	log_format(LOG_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(one_line),
		cmocka_unit_test(json),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
