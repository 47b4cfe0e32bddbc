// SPDX-License-Identifier: Apache-2.0
/* Histograms and the text that Prometheus reads: util/metrics.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/metrics.h"

/* A bucket holds what took as long as its bound, or less. */
static void histogram_bounds(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned int bucket;
	} cases[] = { { 0, 0 },	     { 1, 0 },		{ 1000, 0 },	   { 1001, 1 },
		      { 2000, 1 },   { 2001, 2 },	{ 4000, 2 },	   { 5000, 3 },
		      { 1024000, 10 }, { 1024001, 11 }, { 8388608000ULL, 23 }, { 8388608001ULL, 24 },
		      { UINT64_MAX / 2, 24 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct histogram h = { 0 };

		histogram_add(&h, cases[i].ns);
		if (h.count[cases[i].bucket] != 1 || h.sum_ns != cases[i].ns)
			fail_msg("%llu ns is not in bucket %u", (unsigned long long)cases[i].ns, cases[i].bucket);
	}
}

static void text(void **state)
{
	struct histogram h = { 0 };
	struct metrics m = { 0 };

	(void)state;
	metrics_counter(&m, "skep_a_total", "with \\ and\nnewline", 18446744073709551615ULL);
	metrics_family(&m, "skep_b", "gauge", "b");
	metrics_sample(&m, "skep_b");
	metrics_label(&m, "x", "quote \" back \\ line \n");
	metrics_label(&m, "y", "");
	metrics_value_real(&m, 0.25);
	assert_string_equal(m.text, "# HELP skep_a_total with \\\\ and\\nnewline\n# TYPE skep_a_total counter\nskep_a_total 18446744073709551615\n"
				    "# HELP skep_b b\n# TYPE skep_b gauge\nskep_b{x=\"quote \\\" back \\\\ line \\n\",y=\"\"} 0.25\n");
	assert_int_equal(m.len, strlen(m.text));
	metrics_fini(&m);

	histogram_add(&h, 3000);
	histogram_add(&h, 1500);
	histogram_add(&h, 20 * NSEC_PER_SEC);
	metrics_histogram(&m, "skep_c_seconds", "k", "v", &h);
	assert_non_null(strstr(m.text, "skep_c_seconds_bucket{k=\"v\",le=\"1e-06\"} 0\n"));
	assert_non_null(strstr(m.text, "skep_c_seconds_bucket{k=\"v\",le=\"2e-06\"} 1\n"));
	assert_non_null(strstr(m.text, "skep_c_seconds_bucket{k=\"v\",le=\"4e-06\"} 2\n"));
	assert_non_null(strstr(m.text, "skep_c_seconds_bucket{k=\"v\",le=\"8.388608\"} 2\n"));
	assert_non_null(strstr(m.text, "skep_c_seconds_bucket{k=\"v\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(m.text, "skep_c_seconds_sum{k=\"v\"} 20.0000045\nskep_c_seconds_count{k=\"v\"} 3\n"));
	metrics_fini(&m);
	metrics_histogram(&m, "d", NULL, NULL, &h);
	assert_non_null(strstr(m.text, "d_bucket{le=\"+Inf\"} 3\nd_sum 20.0000045\nd_count 3\n"));
	metrics_fini(&m);
	assert_null(m.text);
}

static void grows(void **state)
{
	struct metrics m = { 0 };
	char name[64];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		metrics_counter(&m, name, "h", (uint64_t)i);
	}
	assert_false(m.failed);
	assert_non_null(strstr(m.text, "\nn9999 9999\n"));
	metrics_fini(&m);
}

static double sample(const struct metrics *m, const char *name)
{
	char start[80];
	const char *at;

	snprintf(start, sizeof(start), "\n%s ", name);
	at = strstr(m->text, start);
	if (!at)
		fail_msg("no %s", name);
	return strtod(at + strlen(start), NULL);
}

static void process(void **state)
{
	struct metrics before = { 0 }, m = { 0 };
	const double now = (double)time(NULL);
	int fd;

	(void)state;
	metrics_process(&before, "this");
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	metrics_process(&m, "this");
	close(fd);
	if (sample(&m, "process_start_time_seconds") > now + 1 || sample(&m, "process_start_time_seconds") < now - 600)
		fail_msg("started at %f, and now it is %f", sample(&m, "process_start_time_seconds"), now);
	assert_true(sample(&m, "process_start_time_seconds") - sample(&before, "process_start_time_seconds") < 1);
	assert_int_equal((int)sample(&m, "process_open_fds"), (int)sample(&before, "process_open_fds") + 1);
	assert_true(sample(&m, "process_max_fds") >= sample(&m, "process_open_fds"));
	assert_true(sample(&m, "process_resident_memory_bytes") > 100000);
	assert_true(sample(&m, "process_cpu_seconds_total") < 600);
	metrics_fini(&before);
	metrics_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_bounds),
		cmocka_unit_test(text),
		cmocka_unit_test(grows),
		cmocka_unit_test(process),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
