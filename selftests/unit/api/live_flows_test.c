// SPDX-License-Identifier: Apache-2.0
/* What is wished of flows stays small and young, also beside other servers, and what a host says comes with its age: api/live_flows.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/live_flows.h"
#include "statedb/telemetry.h"
#include "util/json.h"

#define T 1700000000000ULL

static const char *text(char buf[static FLOW_WISH_TEXT], int n)
{
	snprintf(buf, FLOW_WISH_TEXT, "vm1 - - %d -", n);
	return buf;
}

static void a_new_one_is_told_once(void **state)
{
	_json_ json_t *wished = json_object();

	assert_true(live_flows_wish(wished, "vm1 - - - -", T));
	assert_false(live_flows_wish(wished, "vm1 - - - -", T + 2000));
	assert_false(live_flows_wish(wished, "vm1 - - - -", T + 4000));
	assert_true(live_flows_wish(wished, "vm1 - - - -", T + 4000 + DB_WISH_S * 1000));
}

static void the_oldest_go(void **state)
{
	_json_ json_t *wished = json_object();
	char buf[FLOW_WISH_TEXT];

	for (int i = 1; i <= 500; i++) {
		live_flows_wish(wished, text(buf, i), T + (uint64_t)i);
		assert_true(json_object_size(wished) <= FLOW_WISHES_MAX);
	}
	for (int i = 501 - FLOW_WISHES_MAX; i <= 500; i++)
		assert_non_null(json_object_get(wished, text(buf, i)));
}

static void other_servers_wishes_stay(void **state)
{
	_json_ json_t *wished = json_object(), *all = NULL, *full = NULL;
	_json_ json_t *record = json_pack("{s:I, s:{s:I, s:I, s:I, s:s}}", "at_ms", (json_int_t)T, FLOW_WISHES, "theirs", (json_int_t)T - 1000, "old",
					  (json_int_t)T - DB_WISH_S * 1000, "ours", (json_int_t)T - 5000, "none", "x");
	char buf[FLOW_WISH_TEXT];

	live_flows_wish(wished, "ours", T);
	all = live_flows_record(wished, record, T + 1);
	assert_int_equal(json_object_size(all), 2);
	assert_int_equal(json_integer_value(json_object_get(all, "theirs")), T - 1000);
	assert_int_equal(json_integer_value(json_object_get(all, "ours")), T);
	for (int i = 0; i < FLOW_WISHES_MAX; i++)
		live_flows_wish(wished, text(buf, i + 1), T + 1);
	full = live_flows_record(wished, record, T + 2);
	assert_int_equal(json_object_size(full), FLOW_WISHES_MAX);
	assert_null(json_object_get(full, "theirs")); /* the oldest */
}

static void nothing_is_there_yet(void **state)
{
	_json_ json_t *wished = json_object(), *all = live_flows_record(wished, NULL, T);

	assert_int_equal(json_object_size(all), 0);
}

static void the_answer(void **state)
{
	_json_ json_t *said = json_pack("{s:I, s:{s:{s:I, s:i, s:b, s:[{s:s}], s:s}}}", "at_ms", (json_int_t)T, FLOW_WISHES, "w", "at_ms", (json_int_t)T - 4000,
					"total", 7, "more", 0, "flows", "id", "1", "secret", "x");
	_json_ json_t *o = json_object(), *nothing = json_object();

	live_flows_answer(o, said, "w", 300);
	assert_int_equal(json_integer_value(json_object_get(o, "age_ms")), 4300); /* the host says again what it has said before */
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 7);
	assert_int_equal(json_array_size(json_object_get(o, "flows")), 1);
	assert_true(json_is_null(json_object_get(o, "trace")));
	assert_null(json_object_get(o, "secret"));
	live_flows_answer(nothing, NULL, "w", 300);
	assert_true(json_is_null(json_object_get(nothing, "flows")));
	assert_true(json_is_null(json_object_get(nothing, "age_ms")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_one_is_told_once), cmocka_unit_test(the_oldest_go), cmocka_unit_test(other_servers_wishes_stay),
		cmocka_unit_test(nothing_is_there_yet),	  cmocka_unit_test(the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
