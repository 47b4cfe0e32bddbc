// SPDX-License-Identifier: Apache-2.0
/* Paths of leased source ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/natpath.h"

static void there_and_back(void **state)
{
	static const char *const good[] = { "natblock/r1/192.0.2.1/1024", "natblock/r/fd00::1/0",
					    "natblock/a.b-c/10.0.0.255/65280" };
	char buf[NATPATH_LEN];
	struct natpath p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(natpath_parse(good[i], &p));
		natpath_make(buf, p.router, &p.ip, p.first);
		assert_string_equal(buf, good[i]);
	}
}

static void refused(void **state)
{
	static const char *const bad[] = { "natblock/",
					   "natblock/r1",
					   "natblock/r1/192.0.2.1",
					   "natblock/r1/192.0.2.1/",
					   "natblock//192.0.2.1/1024",
					   "natblock/r1/192.0.2/1024",
					   "natblock/r1/192.0.2.1/1025",
					   "natblock/r1/192.0.2.1/65536",
					   "natblock/r1/192.0.2.1/-256",
					   "natblock/r1/192.0.2.1/ 256",
					   "natblock/r1/192.0.2.1/256x",
					   "natblock/r1/192.0.2.1/256/1",
					   "port/r1/192.0.2.1/256" };
	char long_name[200] = "natblock/";
	struct natpath p;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(natpath_parse(bad[i], &p));
	memset(long_name + 9, 'r', 64);
	memcpy(long_name + 9 + 64, "/192.0.2.1/256", 15);
	assert_false(natpath_parse(long_name, &p));
	memcpy(long_name + 9 + 63, "/192.0.2.1/256", 15);
	assert_true(natpath_parse(long_name, &p));
}

static void next_addresses(void **state)
{
	static const char *const table[][2] = { { "10.0.0.1", "10.0.0.2" },
						{ "10.0.255.255", "10.1.0.0" },
						{ "fd00::ffff:ffff", "fd00::1:0:0" } };
	struct skep_ip ip, want;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(ip_parse(table[i][0], &ip) && ip_parse(table[i][1], &want));
		ip = natpath_next(ip);
		assert_true(ip_eq(&ip, &want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(refused),
		cmocka_unit_test(next_addresses),
	};

	return cmocka_run_group_tests_name("loader/natpath", tests, NULL, NULL);
}
