// SPDX-License-Identifier: Apache-2.0
/* skep top: rates from two answers of the agent, and the screen of a size, as text: cli/top_rates.c, top_screen.c, top_text.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/top.h"
#include "util/cleanup.h"

/* --- two answers: two seconds between them --- */

static json_t *port(const char *name, const char *tenant, json_int_t time_ns, json_int_t packets,
		    json_int_t drops)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i}",
			 "port", name, "tenant", tenant, "interface", "tap0", "time_ns", time_ns,
			 "rx_packets", packets, "rx_bytes", packets * 100, "tx_packets",
			 packets / 2, "tx_bytes", packets * 50, "drops", drops, "upcalls",
			 packets / 1000, "rx_pps", 11, "rx_bps", 12, "tx_pps", 13, "tx_bps", 14,
			 "drops_ps", 15, "upcalls_ps", 16);
}

static json_t *flow(int cookie, const char *packet, json_int_t time_ns, json_int_t packets)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s}], s:I, s:I, s:i, s:i, s:I, s:i}", "port",
			 "web1", "tenant", "blue", "packet", packet, "action", "encap", "output",
			 "port", "db1", "host", "h2", "packets", packets, "bytes", packets * 100,
			 "pps", 21, "bps", 22, "time_ns", time_ns, "cookie", cookie);
}

static json_t *dropped(json_int_t packets)
{
	return json_pack("{s:s, s:s, s:I, s:{s:s, s:s, s:s}}", "reason", "policy", "help",
			 "a rule drops it", "packets", packets, "last", "culprit",
			 "rule 'no-telnet' of chain 'fw'", "port", "web1", "packet",
			 "tcp 10.0.1.5:4000 > 10.0.2.9:23 syn");
}

static json_t *tables(int flows)
{
	return json_pack("[{s:s, s:i, s:i}, {s:s, s:i, s:i}, {s:s, s:i, s:i}]", "name", "flows", "used",
			 flows, "max", 65536, "name", "conns", "used", 50000, "max", 65536, "name",
			 "ports", "used", 12, "max", 4096);
}

static json_t *answer(json_int_t s, json_int_t packets)
{
	json_int_t ns = s * 1000000000;

	return json_pack("{s:I, s:I, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:[s, s], s:o, s:o, s:o, s:o, "
			 "s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}",
			 "time_ns", ns, "ports_time_ns", ns, "host", "h1", "uptime_s", 273730, "flows",
			 1234, "conns", 120, "ports", 13, "ports_up", 12, "peers", 3, "tenants", "blue",
			 "red", "tables", tables(63000), "top_ports",
			 json_pack("[o, o, o]", port("idle", "blue", ns, 5, 0),
				   port("web1", "blue", ns, packets, packets / 10),
				   port("a-port-with-a-rather-long-name", "red", ns, packets * 2, 0)),
			 "top_flows",
			 json_pack("[o, o]", flow(1, "tcp 10.0.1.5:4000 > 10.0.2.9:80", ns, packets),
				   flow(2, "tcp [fd00:1234:5678::5]:4000 > [fd00:1234:5678:9abc::9]:80", ns,
					packets * 2)),
			 "drops", json_pack("[o]", dropped(packets)), "totals", "rx_packets", packets,
			 "rx_bytes", packets * 100, "tx_packets", packets, "tx_bytes", packets * 100,
			 "from_hosts", packets, "to_hosts", packets, "upcalls", packets / 100,
			 "simulations", packets / 100, "drops", packets);
}

static json_t *now, *before;

static int set_up(void **state)
{
	before = answer(100, 1000);
	now = answer(102, 25600);
	return before && now ? 0 : -1;
}

static int tear_down(void **state)
{
	json_decref(before);
	json_decref(now);
	return 0;
}

/* --- rates --- */

static const json_t *named(const char *list, const char *key, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(now, list), i, o)
		if (!strcmp(json_string_value(json_object_get(o, key)), name))
			return o;
	fail_msg("no '%s' in '%s'", name, list);
	return NULL;
}

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		fail_msg("'%s' is no number", key);
	return json_number_value(v);
}

static const char *at(const char *list, size_t i, const char *key)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(now, list), i), key));
}

static void rates(void **state)
{
	top_rates(now, before, TOP_BITS);
	assert_float_equal(number(named("top_ports", "port", "web1"), "rx_pps"), 12300, 0.01);
	assert_float_equal(number(named("top_ports", "port", "web1"), "rx_bps"), 9840000, 0.01);
	assert_float_equal(number(named("top_ports", "port", "web1"), "drops_ps"), 1230, 0.01);
	assert_float_equal(number(named("top_ports", "port", "web1"), "upcalls_ps"), 12, 0.01);
	assert_float_equal(number(named("top_ports", "port", "idle"), "rx_pps"), 0, 0);
	assert_float_equal(number(json_array_get(json_object_get(now, "top_flows"), 0), "pps"), 24600,
			   0.01);
	assert_float_equal(number(named("drops", "reason", "policy"), "pps"), 12300, 0.01);
	assert_float_equal(number(json_object_get(now, "rates"), "rx_packets"), 12300, 0.01);
	assert_float_equal(number(json_object_get(now, "rates"), "rx_bytes"), 9840000, 0.01);
	assert_float_equal(number(json_object_get(now, "rates"), "upcalls"), 123, 0.01);
}

/* Without an earlier answer, and for what was not in it, the agent's own rates stand. */
static void agents_rates(void **state)
{
	json_t *one = json_array_get(json_object_get(before, "top_ports"), 1);

	top_rates(now, NULL, TOP_BITS);
	assert_null(json_object_get(now, "rates"));
	assert_float_equal(number(named("top_ports", "port", "web1"), "rx_pps"), 11, 0);
	json_object_set_new(one, "tenant", json_string("green")); /* a port of the same name */
	top_rates(now, before, TOP_BITS);
	assert_float_equal(number(named("top_ports", "port", "web1"), "rx_pps"), 11, 0);
	assert_float_equal(number(named("top_flows", "packet", "tcp 10.0.1.5:4000 > 10.0.2.9:80"),
				  "pps"),
			   12300, 0.01);
}

/* Counters that fell belong to something new; the same answer twice has no rates. */
static void backwards(void **state)
{
	json_t *again = json_deep_copy(now);

	top_rates(again, now, TOP_BITS);
	assert_float_equal(json_number_value(json_object_get(json_object_get(again, "rates"), "drops")),
			   0, 0);
	json_decref(again);
	json_object_set_new(json_object_get(before, "totals"), "drops", json_integer(1 << 30));
	top_rates(now, before, TOP_BITS);
	assert_float_equal(number(json_object_get(now, "rates"), "drops"), 0, 0);
}

static void order(void **state)
{
	top_rates(now, before, TOP_BITS);
	assert_string_equal(at("top_ports", 0, "port"), "a-port-with-a-rather-long-name");
	assert_string_equal(at("top_ports", 2, "port"), "idle");
	top_rates(now, before, TOP_DROPS);
	assert_string_equal(at("top_ports", 0, "port"), "web1");
	/* two that drop nothing: by name */
	assert_string_equal(at("top_ports", 1, "port"), "a-port-with-a-rather-long-name");
}

/* --- text --- */

static void humans(void **state)
{
	static const struct {
		double n;
		const char *text;
	} cases[] = {
		{ 0, "0" },	     { 0.04, "0" },	  { 0.5, "0.5" },     { 7, "7" },
		{ 9.94, "9.9" },     { 9.96, "10" },	  { 42.4, "42" },     { 999.4, "999" },
		{ 999.6, "1.0k" },   { 1234, "1.2k" },	  { 99940, "99.9k" }, { 99960, "100k" },
		{ 999499, "999k" },  { 999501, "1.0M" },  { 1e9, "1.0G" },    { 98.76e9, "98.8G" },
		{ 1.5e12, "1.5T" }, { 2.5e16, "25.0P" },
	};
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(top_human(cases[i].n, buf), cases[i].text);
		assert_true(strlen(buf) <= 5);
	}
}

static void ages(void **state)
{
	char buf[32];

	assert_string_equal(top_age(0, buf), "0s");
	assert_string_equal(top_age(59, buf), "59s");
	assert_string_equal(top_age(61, buf), "1m01s");
	assert_string_equal(top_age(3 * 3600 + 61, buf), "3h01m");
	assert_string_equal(top_age(273730, buf), "3d04h");
}

/* --- the screen --- */

static char *screen(int width, int height, enum top_part part, bool utf8)
{
	struct top_view v = { .now = now,
			      .part = part,
			      .clock = "12:04:31",
			      .interval_s = 0.5,
			      .width = width,
			      .height = height,
			      .utf8 = utf8 };
	char *text, *to;

	text = top_screen(&v);
	assert_non_null(text);
	to = text;
	for (const char *p = text; *p; p++) /* styles are not for this test */
		if (*p < TOP_MARK(OUT_PLAIN) || *p > TOP_MARK_MAX)
			*to++ = *p;
	*to = 0;
	return text;
}

static void golden(int width, int height, enum top_part part, bool utf8, const char *want)
{
	_free_ char *got = screen(width, height, part, utf8);

	if (strcmp(got, want) != 0) {
		fprintf(stderr, "the screen is\n%s\nand should be\n%s", got, want);
		fail();
	}
}

static void small(void **state)
{
	top_rates(now, before, TOP_BITS);
	golden(80, 24, TOP_ALL, false,
	       "h1  up 3d04h  ports 12 of 13 up, peers 3, flows 1234, connections 120   12:04:31\n"
	       "sent 12.3k packets/s 9.8M bit/s   received 12.3k packets/s 9.8M bit/s\n"
	       "drops 12.3k/s   upcalls 123/s, simulated 123/s   to hosts 12.3k/s, from 12.3k/s\n"
	       "flows     #########  96%  conns     #######..  76%  ports     .........   0%\n"
	       "\n"
	       "PORT                TENANT  INTERFACE  SENT/s  bit/s RECV/s  bit/s DROP/s MISS/s\n"
	       "a-port-with-a-rath~ red     tap0        24.6k  19.7M  12.3k   9.8M      0     24\n"
	       "web1                blue    tap0        12.3k   9.8M   6.2k   4.9M   1.2k     12\n"
	       "idle                blue    tap0            0      0      0      0      0      0\n"
	       "\n"
	       " PKT/s  bit/s  TENANT  FLOW                                   TO\n"
	       " 24.6k  19.7M  blue    tcp [fd00:1234:5678::5]:4000 > [fd00:~ db1@h2\n"
	       " 12.3k   9.8M  blue    tcp 10.0.1.5:4000 > 10.0.2.9:80        db1@h2\n"
	       "\n"
	       "DROP/s  TOTAL  REASON          LAST\n"
	       " 12.3k  25.6k  policy          rule 'no-telnet' of chain 'fw' (web1: tcp 10.0.1~\n"
	       "\n"
	       "\n"
	       "\n"
	       "\n"
	       "\n"
	       "\n"
	       "\n"
	       "q quit  s sort bits  t tenant all  v view all  p pause  + - every 0.5 s  h help\n");
}

static void plain(void **state)
{
	top_rates(now, before, TOP_BITS);
	golden(130, 0, TOP_ALL, true,
	       "h1  up 3d04h  ports 12 of 13 up, peers 3, flows 1234, connections 120                                                     12:04:31\n"
	       "sent 12.3k packets/s 9.8M bit/s   received 12.3k packets/s 9.8M bit/s\n"
	       "drops 12.3k/s   upcalls 123/s, simulated 123/s   to hosts 12.3k/s, from 12.3k/s\n"
	       "flows     ███▉  96%  conns     ███·  76%  ports     ▏···   0%\n"
	       "\n"
	       "PORT                           TENANT  INTERFACE  SENT/s  bit/s RECV/s  bit/s DROP/s MISS/s\n"
	       "a-port-with-a-rather-long-name red     tap0        24.6k  19.7M  12.3k   9.8M      0     24\n"
	       "web1                           blue    tap0        12.3k   9.8M   6.2k   4.9M   1.2k     12\n"
	       "idle                           blue    tap0            0      0      0      0      0      0\n"
	       "\n"
	       " PKT/s  bit/s  TENANT  FLOW                                                       TO\n"
	       " 24.6k  19.7M  blue    tcp [fd00:1234:5678::5]:4000 > [fd00:1234:5678:9abc::9]:80 db1@h2\n"
	       " 12.3k   9.8M  blue    tcp 10.0.1.5:4000 > 10.0.2.9:80                            db1@h2\n"
	       "\n"
	       "DROP/s  TOTAL  REASON          LAST\n"
	       " 12.3k  25.6k  policy          rule 'no-telnet' of chain 'fw' (web1: tcp 10.0.1.5:4000 > 10.0.2.9:23 syn)\n");
}

static void only_drops(void **state)
{
	top_rates(now, NULL, TOP_BITS);
	golden(60, 10, TOP_LOST, false,
	       "h1  up 3d04h  ports 12 of 13 up, peers 3, flows 1234, conne~\n"
	       "sent - packets/s - bit/s   received - packets/s - bit/s\n"
	       "drops -/s   upcalls -/s, simulated -/s   to hosts -/s, from \n"
	       "\n"
	       "DROP/s  TOTAL  REASON          LAST\n"
	       "     0  25.6k  policy          rule 'no-telnet' of chain 'f~\n"
	       "\n"
	       "\n"
	       "\n"
	       "q quit  s sort bits  t tenant all  v view drops  p pause  +~\n");
}

/* Whatever the size: as many lines as asked for, none wider. */
static void sizes(void **state)
{
	static const int widths[] = { 1, 20, 40, 60, 79, 80, 119, 120, 200, 500 };

	top_rates(now, before, TOP_BITS);
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		for (int height = 8; height <= 60; height++) {
			_free_ char *text = screen(widths[i], height, TOP_ALL, true);
			int lines = 0, columns = 0;

			for (const char *p = text; *p; p++) {
				columns = *p == '\n' ? 0 : columns + (((unsigned char)*p & 0xc0) != 0x80);
				lines += *p == '\n';
				if (columns > widths[i])
					fail_msg("%dx%d: a line is too long", widths[i], height);
			}
			if (lines != height)
				fail_msg("%dx%d: %d lines", widths[i], height, lines);
		}
	}
}

/* Names come from others: no escape sequence gets through, and UTF-8 only where it is spoken. */
static void hostile(void **state)
{
	json_t *p = json_array_get(json_object_get(now, "top_ports"), 1);
	_free_ char *text = NULL;

	json_object_set_new(p, "port", json_string("\033[2Jbad\x11\xc3\xa9"));
	text = screen(120, 0, TOP_ALL, false);
	assert_non_null(strstr(text, "?[2Jbad???"));
	assert_null(strchr(text, '\033'));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(agents_rates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(backwards, set_up, tear_down),
		cmocka_unit_test_setup_teardown(order, set_up, tear_down),
		cmocka_unit_test(humans),
		cmocka_unit_test(ages),
		cmocka_unit_test_setup_teardown(small, set_up, tear_down),
		cmocka_unit_test_setup_teardown(plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_drops, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
