// SPDX-License-Identifier: Apache-2.0
/* Messages of IPFIX: sizes, sets, numbers.  What others read in them: net/records.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "loader/ipfix.h"
#include "util/addr.h"

static unsigned int get16(const struct ipfix *x, size_t at)
{
	return (unsigned int)x->buf[at] << 8 | x->buf[at + 1];
}

static uint32_t get32(const struct ipfix *x, size_t at)
{
	return get16(x, at) << 16 | get16(x, at + 2);
}

/* Sets fill the message, as the header says; their number. */
static unsigned int sets(const struct ipfix *x, size_t len)
{
	unsigned int n = 0;
	size_t at = 16;

	assert_true(len + 8 + 40 <= 1400); /* UDP, IPv6 */
	assert_int_equal(get16(x, 0), 10);
	assert_int_equal(get16(x, 2), len);
	for (; at < len; n++) {
		assert_true(get16(x, at + 2) >= 4 && at + get16(x, at + 2) <= len);
		at += get16(x, at + 2);
	}
	assert_int_equal(at, len);
	return n;
}

static struct flow_record record(bool v6, bool conn)
{
	static const char name[] = "a23456789012345678901234567890123456789012345678901234567890123";
	struct flow_record r = { .v6 = v6, .conn = conn, .proto = 6, .tenant = name, .port = name, .out_port = name };

	r.out_host = r.reason = r.culprit = r.match = "";
	(void)ip_parse(v6 ? "fd00::1" : "10.0.0.1", &r.src);
	r.dst = r.post_src = r.post_dst = r.src;
	return r;
}

/* Whatever comes in whatever order: no message is too long, and each is numbered by what was sent before it. */
static void fills(void **state)
{
	struct ipfix x = { .domain = 7 };
	uint32_t sent = 0, in_message = 0;
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		const struct flow_record r = record(i % 3 == 0, i % 7 == 0);

		if (!ipfix_put(&x, &r)) {
			len = ipfix_end(&x, 1234);
			assert_true(sets(&x, len) >= 1);
			assert_int_equal(get32(&x, 4), 1234);
			assert_int_equal(get32(&x, 8), sent);
			assert_int_equal(get32(&x, 12), 7);
			assert_true(in_message >= 3);
			sent += in_message;
			in_message = 0;
			assert_true(ipfix_put(&x, &r));
		}
		in_message++;
	}
	assert_int_equal(x.sequence + x.records, 1000);
}

static void templates(void **state)
{
	struct ipfix x = { .domain = 7 };
	const struct ipfix_sampling s = { .probability = 0.1 };
	const struct flow_record r = record(false, false);

	(void)state;
	assert_int_equal(ipfix_end(&x, 1), 0);
	assert_true(ipfix_put_templates(&x));
	assert_false(ipfix_put_templates(&x)); /* not an empty message */
	assert_true(ipfix_put_sampling(&x, &s));
	assert_int_equal(sets(&x, ipfix_end(&x, 1)), 3);
	assert_int_equal(x.sequence, 1); /* templates are not counted, options are */
	assert_true(ipfix_put(&x, &r));
	assert_true(ipfix_put(&x, &r)); /* the same set */
	assert_int_equal(sets(&x, ipfix_end(&x, 1)), 1);
	assert_int_equal(ipfix_end(&x, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills),
		cmocka_unit_test(templates),
	};

	return cmocka_run_group_tests_name("ipfix", tests, NULL, NULL);
}
