// SPDX-License-Identifier: Apache-2.0
/* What flows have carried is told in parts that add up: loader/records.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "loader/records_out.h"
#include "util/clock.h"

/* Is a 64-bit counter of this value in the message that is being filled? */
static bool says(const struct records *r, uint64_t n)
{
	const uint64_t be = htobe64(n);

	return memmem(r->ipfix.buf, r->ipfix.len, &be, sizeof(be));
}

static void lost(void **state)
{
	static struct records r = { .udp = 0, .templates_ns = 1, .sample = 1 }; /* nothing is sent before the message is full */
	struct config config = { .records_active_s = 5 };
	struct agent a = { .config = &config, .records = &r };
	struct index_flow f = { .added_ns = 1 };
	struct skep_flow now = { .packets = 1000, .bytes = 70000 };

	(void)state;
	r.a = &a;
	f.key.k4.proto = 17;
	a.walk_at_ns = 20 * NSEC_PER_SEC;
	r.tat_ns = UINT64_MAX; /* too many of others */
	records_flow(&a, &f, &now);
	assert_int_equal(r.stats.lost, 1);
	assert_int_equal(r.ipfix.records, 0);
	r.tat_ns = 0;
	a.walk_at_ns += 5 * NSEC_PER_SEC;
	now.packets = 1003;
	records_flow(&a, &f, &now);
	assert_int_equal(r.ipfix.records, 1);
	assert_true(says(&r, 1003)); /* not the last three only */
	a.walk_at_ns += 5 * NSEC_PER_SEC;
	now.packets = 1010;
	records_flow(&a, &f, &now);
	assert_int_equal(r.ipfix.records, 2);
	assert_true(says(&r, 7));
	free(f.record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
