// SPDX-License-Identifier: Apache-2.0
/* Error texts, UUIDs and traceparents: util/err.c, util/uuid.c, util/traceparent.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "util/cleanup.h"
#include "util/err.h"
#include "util/traceparent.h"
#include "util/uuid.h"

static void err_keeps_code_and_text(void **state)
{
	struct err err = { 0 };

	assert_int_equal(err_set(&err, -EINVAL, "port '%s': %d", "web1", 7), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, "port 'web1': 7");
	assert_string_equal(err_name(&err), "invalid");
	assert_int_equal(err_tag(&err, -ENOENT, "no_such_port", "gone"), -ENOENT);
	assert_string_equal(err_name(&err), "no_such_port");
	assert_int_equal(err_set(&err, -EIO, "x"), -EIO); /* the tag of before does not stick */
	assert_string_equal(err_name(&err), "failed");
}

static void err_may_be_null(void **state)
{
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_tag(NULL, -ENOENT, "t", "x"), -ENOENT);
	assert_int_equal(err_prefix(NULL, "x"), -EIO);
}

static void err_prefixes(void **state)
{
	struct err err;

	err_tag(&err, -EEXIST, "taken", "is taken");
	assert_int_equal(err_prefix(&err, "address %s", "10.0.0.1"), -EEXIST);
	assert_int_equal(err_prefix(&err, "port 'p'"), -EEXIST);
	assert_string_equal(err.text, "port 'p': address 10.0.0.1: is taken");
	assert_string_equal(err_name(&err), "taken");
}

static void err_cuts_long_texts(void **state)
{
	struct err err;
	char x[2000];

	memset(x, 'x', sizeof(x) - 1);
	x[sizeof(x) - 1] = '\0';
	assert_int_equal(err_set(&err, -EINVAL, "%s", x), -EINVAL);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(err_prefix(&err, "%s", i ? x : "p"), -EINVAL);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void uuids(void **state)
{
	static const uint8_t ones[10] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	static const uint8_t zeros[10];
	char a[UUID_TEXT], b[UUID_TEXT];

	/* RFC 9562 A.6: 2022-02-22 19:22:22 UTC is 017f22e2-79b0 */
	uuid_v7(0x017f22e279b0ULL, zeros, a);
	assert_string_equal(a, "017f22e2-79b0-7000-8000-000000000000");
	uuid_v7(0x017f22e279b0ULL, ones, b);
	assert_string_equal(b, "017f22e2-79b0-7fff-bfff-ffffffffffff");
	assert_true(uuid_valid(a) && uuid_valid(b));
	uuid_v7(0x017f22e279b1ULL, zeros, a);
	assert_true(strcmp(a, b) > 0);
}

static void uuids_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"017f22e2",
		"017f22e2-79b0-7000-8000-00000000000",
		"017f22e2-79b0-7000-8000-0000000000000",
		"017F22E2-79B0-7000-8000-000000000000",
		"017f22e279b0-7000-8000-0000-00000000",
		"017f22e2-79b0-7000-8000-00000000000g",
		"{17f22e2-79b0-7000-8000-000000000000",
		"017f22e2 79b0 7000 8000 000000000000",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (uuid_valid(bad[i]))
			fail_msg("'%s' accepted", bad[i]);
}

static void traceparents_are_known(void **state)
{
	static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	static const char *const bad[] = {
		"", "00", "00-", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
		"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	};

	assert_int_equal(strlen(good), TRACEPARENT_LEN);
	assert_true(traceparent_valid(good));
	assert_true(traceparent_sampled(good));
	assert_true(traceparent_sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"));
	assert_false(traceparent_sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
	assert_false(traceparent_sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-10"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(traceparent_valid(bad[i]));
		assert_false(traceparent_sampled(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparents_are_known),
		cmocka_unit_test(err_keeps_code_and_text),
		cmocka_unit_test(err_may_be_null),
		cmocka_unit_test(err_prefixes),
		cmocka_unit_test(err_cuts_long_texts),
		cmocka_unit_test(uuids),
		cmocka_unit_test(uuids_refused),
	};

	return cmocka_run_group_tests_name("util/text", tests, NULL, NULL);
}
