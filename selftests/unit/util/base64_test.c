// SPDX-License-Identifier: Apache-2.0
/* util/base64.c: RFC 4648, both alphabets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/base64.h"
#include "util/cleanup.h"

static void there_and_back(void **state)
{
	static const struct {
		const char *bytes, *text; /* RFC 4648 section 10 */
	} table[] = { { "", "" },	    { "f", "Zg==" },	   { "fo", "Zm8=" },
		      { "foo", "Zm9v" },    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		      { "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Z\ng=", "Zm=v" };
	uint8_t out[16];
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = strlen(table[i].bytes);

		base64_encode((const uint8_t *)table[i].bytes, n, text);
		assert_string_equal(text, table[i].text);
		assert_int_equal(base64_decode(table[i].text, out, sizeof(out)), n);
		assert_memory_equal(out, table[i].bytes, n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(bad[i], out, sizeof(out)), -1);
	assert_int_equal(base64_decode("Zm9vYmFy", out, 5), -1);
}

static void for_urls(void **state)
{
	static const struct {
		const char *bytes, *text;
	} table[] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "\xfb\xef\xff", "--__" } };
	/* padding, the other alphabet, one character too many, bits that belong to no byte */
	static const char *const bad[] = { "Zg==", "++//", "Zm9vY", "Zh", "Zm9", "Z g", "Zg\n" };
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = strlen(table[i].bytes);

		assert_int_equal(base64url_decode(table[i].text, strlen(table[i].text), out, sizeof(out)), n);
		assert_memory_equal(out, table[i].bytes, n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (base64url_decode(bad[i], strlen(bad[i]), out, sizeof(out)) >= 0)
			fail_msg("'%s' accepted", bad[i]);
	assert_int_equal(base64url_decode("Zm9v", 4, out, 2), -1);
	assert_int_equal(base64url_decode("Zm9vxx", 4, out, 3), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(for_urls),
	};

	return cmocka_run_group_tests_name("util/base64", tests, NULL, NULL);
}
