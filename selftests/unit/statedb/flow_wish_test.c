// SPDX-License-Identifier: Apache-2.0
/* Wishes to be told of flows, as text: statedb/flow_wish.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "statedb/flow_wish.h"
#include "util/cleanup.h"

#define LONGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void as_they_came(void **state)
{
	static const char *const texts[] = {
		"vm1 - - - -",
		"vm1 6 - - -",
		"vm1 - 10.0.2.0/24 - -",
		"vm1 - 10.0.2.12/32 443 -",
		"vm1 255 fd00:2::/64 65535 ffffffffffffffff",
		"a-b_c.d 17 - 53 0000000000000001",
		LONGEST " 132 1111:2222:3333:4444:5555:6666:7777:8888/128 65535 fedcba9876543210",
	};
	char again[FLOW_WISH_TEXT];
	struct flow_wish w;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!flow_wish_parse(texts[i], &w))
			fail_msg("'%s' is refused", texts[i]);
		assert_string_equal(flow_wish_format(&w, again), texts[i]);
	}
}

static void what_it_says(void **state)
{
	struct flow_wish w;

	assert_true(flow_wish_parse("vm1 6 10.0.2.0/24 443 9f03b6c5d1e2a487", &w));
	assert_string_equal(w.port, "vm1");
	assert_true(w.by_proto && w.proto == 6);
	assert_true(w.by_address && ip_is_v4(&w.address) && w.len == 24);
	assert_int_equal(w.number, 443);
	assert_true(w.flow == 0x9f03b6c5d1e2a487);
	assert_true(flow_wish_parse("vm1 - - - -", &w));
	assert_false(w.by_proto || w.by_address || w.number || w.flow);
}

static void no_wishes(void **state)
{
	static const char *const texts[] = {
		"", " ", "vm1", "vm1 - - -", "vm1 - - - - -", "vm1 - - - - ", " vm1 - - - -", "vm1  - - - -", "- - - - -", "- - - - -x",
		LONGEST "a - - - -", "vm1 0 - - -", "vm1 256 - - -", "vm1 tcp - - -", "vm1 +6 - - -", "vm1 - 10.0.2 - -", "vm1 - 10.0.2.0/33 - -",
		"vm1 - - 0 -", "vm1 - - 65536 -", "vm1 - - -1 -", "vm1 - - - 0000000000000000", "vm1 - - - 10000000000000000", "vm1 - - - FF", "vm1 - - - x",
		"vm1 6 - 99999999999999999999999999 -",
	};
	struct flow_wish w;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (flow_wish_parse(texts[i], &w))
			fail_msg("'%s' is taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_they_came),
		cmocka_unit_test(what_it_says),
		cmocka_unit_test(no_wishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
