// SPDX-License-Identifier: Apache-2.0
/* Addresses as text and as prefixes: util/addr.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/addr.h"
#include "util/cleanup.h"

#include <arpa/inet.h>

static struct skep_ip ip(const char *text)
{
	struct skep_ip i;

	if (!ip_parse(text, &i))
		fail_msg("'%s' is no address", text);
	return i;
}

static void macs(void **state)
{
	static const char *const good[] = { "00:00:00:00:00:00", "02:00:00:00:00:01",
					    "ff:fe:aa:12:34:56" };
	static const char *const bad[] = {
		"",
		"0",
		"02:00:00:00:00",
		"02:00:00:00:00:",
		"02:00:00:00:00:1",
		"02:00:00:00:00:01:",
		"02:00:00:00:00:01 ",
		" 02:00:00:00:00:01",
		"02-00-00-00-00-01",
		"020000000001",
		"02:00:00:00:00:0g",
		"2:0:0:0:0:1",
		"02:00:00:00:00:01:02",
		":02:00:00:00:00:01",
		"02:00:00:00:00:-1",
	};
	struct skep_mac m, before;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(mac_parse(good[i], &m));
		assert_string_equal(mac_format(&m, text), good[i]);
	}
	assert_true(mac_parse("FF:FE:AA:12:34:56", &before));
	m = before;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (mac_parse(bad[i], &m))
			fail_msg("'%s' accepted", bad[i]);
		assert_true(mac_eq(&m, &before));
	}
}

static void mac_kinds(void **state)
{
	struct skep_mac m;

	assert_true(mac_parse("00:00:00:00:00:00", &m));
	assert_true(mac_is_zero(&m));
	assert_false(mac_is_multicast(&m));
	assert_true(mac_parse("ff:ff:ff:ff:ff:ff", &m));
	assert_true(mac_is_broadcast(&m));
	assert_true(mac_is_multicast(&m));
	assert_true(mac_parse("33:33:00:00:00:01", &m));
	assert_true(mac_is_multicast(&m));
	assert_false(mac_is_broadcast(&m));
	assert_false(mac_is_zero(&m));
}

static void ips(void **state)
{
	static const struct {
		const char *in, *want; /* want NULL = refused */
	} t[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "10.0.0.1", "10.0.0.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "FD00::0:1", "fd00::1" },
		{ "::ffff:10.0.0.1", "10.0.0.1" },
		{ "::ffff:a00:1", "10.0.0.1" },
		{ "::10.0.0.1", "::10.0.0.1" },
		{ "", NULL },
		{ "10.0.0", NULL },
		{ "10.0.0.256", NULL },
		{ "10.0.0.1 ", NULL },
		{ "010.0.0.1", NULL },
		{ "fd00::1::2", NULL },
		{ "fd00::1%eth0", NULL },
		{ "fd00::12345", NULL },
		{ "10.0.0.1/8", NULL },
	};
	char text[ADDR_TEXT];
	struct skep_ip i;

	for (size_t k = 0; k < ARRAY_SIZE(t); k++) {
		bool got = ip_parse(t[k].in, &i);

		if (got != !!t[k].want)
			fail_msg("'%s' %s", t[k].in, got ? "accepted" : "refused");
		if (got)
			assert_string_equal(ip_format(&i, text), t[k].want);
	}
}

static void ip_kinds(void **state)
{
	enum { V4 = 1, UNSPEC = 2, MULTI = 4, BROAD = 8, LOOP = 16, LINK = 32 };
	static const struct {
		const char *text;
		int want;
	} t[] = {
		{ "0.0.0.0", V4 | UNSPEC },
		{ "10.0.0.1", V4 },
		{ "127.0.0.1", V4 | LOOP },
		{ "127.255.0.1", V4 | LOOP },
		{ "128.0.0.1", V4 },
		{ "169.254.0.1", V4 | LINK },
		{ "169.253.0.1", V4 },
		{ "223.255.255.255", V4 },
		{ "224.0.0.1", V4 | MULTI },
		{ "239.255.255.255", V4 | MULTI },
		{ "240.0.0.1", V4 },
		{ "255.255.255.255", V4 | BROAD },
		{ "::", UNSPEC },
		{ "::1", LOOP },
		{ "fd00::1", 0 },
		{ "fe80::1", LINK },
		{ "febf::1", LINK },
		{ "fec0::1", 0 },
		{ "ff02::1", MULTI },
	};

	for (size_t k = 0; k < ARRAY_SIZE(t); k++) {
		struct skep_ip i = ip(t[k].text);
		int got = (ip_is_v4(&i) ? V4 : 0) | (ip_is_unspecified(&i) ? UNSPEC : 0) |
			  (ip_is_multicast(&i) ? MULTI : 0) | (ip_is_broadcast(&i) ? BROAD : 0) |
			  (ip_is_loopback(&i) ? LOOP : 0) | (ip_is_link_local(&i) ? LINK : 0);

		if (got != t[k].want)
			fail_msg("%s: want %#x, got %#x", t[k].text, t[k].want, got);
		assert_int_equal(ip_bits(&i), t[k].want & V4 ? 32 : 128);
	}
}

/* 0.0.0.0 is an address, "none" is not one. */
static void none(void **state)
{
	struct skep_ip zero = { { 0 } }, any = ip("0.0.0.0"), v4 = ip_from_v4(htonl(0x0a000001));

	assert_true(ip_is_zero(&zero));
	assert_false(ip_is_zero(&any));
	assert_int_equal(ip_v4(&v4), htonl(0x0a000001));
	assert_true(ip_is_v4(&v4));
}

static void prefixes(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "10.0.0.1/24", "10.0.0.1/24" },
		{ "10.0.0.1", "10.0.0.1/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "10.0.0.1/32", "10.0.0.1/32" },
		{ "fd00::1/64", "fd00::1/64" },
		{ "fd00::1", "fd00::1/128" },
		{ "::/0", "::/0" },
		{ "10.0.0.1/33", NULL },
		{ "fd00::1/129", NULL },
		{ "10.0.0.1/", NULL },
		{ "10.0.0.1/-1", NULL },
		{ "10.0.0.1/ 8", NULL },
		{ "10.0.0.1/+8", NULL },
		{ "10.0.0.1/8x", NULL },
		{ "10.0.0.1/8/8", NULL },
		{ "/8", NULL },
		{ "10.0.0.1/4294967297", NULL },
		{ "10.0.0.1/99999999999999999999", NULL },
		{ "00000000000000000000000000000000000000000000000000000000000000000000000000000/8",
		  NULL },
	};
	char text[ADDR_TEXT];

	for (size_t k = 0; k < ARRAY_SIZE(t); k++) {
		struct skep_ip i = { { 7, 7, 7, 7 } };
		unsigned int len = 99;
		bool got = prefix_parse(t[k].in, &i, &len);

		if (got != !!t[k].want)
			fail_msg("'%s' %s", t[k].in, got ? "accepted" : "refused");
		if (got)
			assert_string_equal(prefix_format(&i, len, text), t[k].want);
		else
			assert_true(i.w[0] == 7 && len == 99);
	}
}

static void masks(void **state)
{
	static const struct {
		const char *ip;
		unsigned int len;
		const char *want;
	} t[] = {
		{ "10.1.2.3", 0, "0.0.0.0" },
		{ "10.1.2.3", 8, "10.0.0.0" },
		{ "10.1.2.3", 15, "10.0.0.0" },
		{ "10.1.2.3", 16, "10.1.0.0" },
		{ "10.1.2.255", 31, "10.1.2.254" },
		{ "10.1.2.3", 32, "10.1.2.3" },
		{ "fd00:1:2:3::ff", 0, "::" },
		{ "fd00:1:2:3::ff", 63, "fd00:1:2:2::" },
		{ "fd00:1:2:3::ff", 64, "fd00:1:2:3::" },
		{ "fd00::ff", 127, "fd00::fe" },
		{ "fd00::ff", 128, "fd00::ff" },
	};
	char text[ADDR_TEXT];

	for (size_t k = 0; k < ARRAY_SIZE(t); k++) {
		struct skep_ip i = ip(t[k].ip), m = ip_mask(&i, t[k].len);

		assert_string_equal(ip_format(&m, text), t[k].want);
		assert_true(ip_in_prefix(&i, &m, t[k].len));
	}
}

static void in_prefix(void **state)
{
	static const struct {
		const char *ip, *net;
		unsigned int len;
		bool want;
	} t[] = {
		{ "10.0.1.5", "10.0.1.0", 24, true },
		{ "10.0.2.5", "10.0.1.0", 24, false },
		{ "10.0.1.5", "10.0.1.9", 24, true },
		{ "10.0.1.5", "10.0.1.4", 32, false },
		{ "1.2.3.4", "0.0.0.0", 0, true },
		{ "fd00::1", "fd00::", 64, true },
		{ "fd00:0:0:1::1", "fd00::", 64, false },
		{ "fd00::1", "::", 0, true },
		{ "1.2.3.4", "::", 0, false },
		{ "fd00::1", "0.0.0.0", 0, false }, /* families never mix */
	};

	for (size_t k = 0; k < ARRAY_SIZE(t); k++) {
		struct skep_ip i = ip(t[k].ip), net = ip(t[k].net);

		if (ip_in_prefix(&i, &net, t[k].len) != t[k].want)
			fail_msg("%s in %s/%u", t[k].ip, t[k].net, t[k].len);
	}
}

static void endpoints(void **state)
{
	static const struct {
		const char *text, *ip; /* NULL: none */
		uint16_t port;
	} cases[] = {
		{ "127.0.0.1:9460", "127.0.0.1", 9460 }, { "[::1]:1", "::1", 1 },     { "0.0.0.0:65535", "0.0.0.0", 65535 },
		{ "[10.0.0.1]:80", NULL, 0 },		 { "::1:80", NULL, 0 },	      { "10.0.0.1", NULL, 0 },
		{ "10.0.0.1:", NULL, 0 },		 { "10.0.0.1:0", NULL, 0 },   { "10.0.0.1:65536", NULL, 0 },
		{ "10.0.0.1:-1", NULL, 0 },		 { "10.0.0.1:80x", NULL, 0 }, { ":80", NULL, 0 },
		{ "[]:80", NULL, 0 },			 { "[:80", NULL, 0 },	      { "[::1:80", NULL, 0 },
		{ "localhost:80", NULL, 0 },		 { "", NULL, 0 },	      { ":", NULL, 0 },
		{ "]:1", NULL, 0 },			 { "[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]:1", NULL, 0 },
	};
	struct skep_ip ip, want;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = endpoint_parse(cases[i].text, &ip, &port);

		if (ok != (cases[i].ip != NULL))
			fail_msg("'%s': %s", cases[i].text, ok ? "parsed" : "refused");
		if (ok && (!ip_parse(cases[i].ip, &want) || !ip_eq(&ip, &want) || port != cases[i].port))
			fail_msg("'%s': another address or port", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs),	    cmocka_unit_test(mac_kinds), cmocka_unit_test(ips),
		cmocka_unit_test(ip_kinds), cmocka_unit_test(none),	 cmocka_unit_test(prefixes),
		cmocka_unit_test(masks),    cmocka_unit_test(in_prefix),   cmocka_unit_test(endpoints),
	};

	return cmocka_run_group_tests_name("util/addr", tests, NULL, NULL);
}
