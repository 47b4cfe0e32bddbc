// SPDX-License-Identifier: Apache-2.0
/* Lines for a file whose reader does not read, comes late, or never: loader/records_file.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/records_file.h"
#include "util/clock.h"

#define WAIT_NS	 (10 * NSEC_PER_SEC)
#define LINES	 100000 /* more than all buffers have room for */
#define LINE_LEN 100

static char dir[] = "/tmp/skep-records.XXXXXX", path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/lines", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static bool put(struct records_file *f, unsigned int i)
{
	char line[LINE_LEN + 1];

	snprintf(line, sizeof(line), "%0*u\n", LINE_LEN - 1, i);
	return records_file_put(f, line, LINE_LEN);
}

/* The next line of 'fd'; the wait for it has an end. */
static unsigned int take(int fd)
{
	const uint64_t until = clock_mono_ns() + WAIT_NS;
	char line[LINE_LEN + 1] = "";
	size_t n = 0;

	while (n < LINE_LEN && clock_mono_ns() < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got = poll(&p, 1, 100) > 0 ? read(fd, line + n, LINE_LEN - n) : 0;

		if (got > 0)
			n += (size_t)got;
	}
	assert_int_equal(n, LINE_LEN);
	return (unsigned int)strtoul(line, NULL, 10);
}

static void a_reader_that_does_not_read_is_not_waited_for(void **state)
{
	unsigned int taken[LINES / 2], n = 0, lost = 0;
	struct records_file *f;
	uint64_t begun, longest = 0;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	f = records_file_new(path);
	assert_non_null(f);
	for (unsigned int i = 0; i < LINES; i++) {
		begun = clock_mono_ns();
		if (!put(f, i))
			lost++;
		else if (n < LINES / 2)
			taken[n++] = i;
		if (i % 100 == 0)
			records_file_flush(f);
		if (clock_mono_ns() - begun > longest)
			longest = clock_mono_ns() - begun;
	}
	print_message("%u of %d lines taken, the longest wait took %llu us\n", n, LINES, (unsigned long long)(longest / 1000));
	assert_true(lost > 0);
	assert_true(n > 5000); /* a burst has room */
	assert_true(n < LINES / 2); /* and not more than the buffers */
	assert_true(longest < NSEC_PER_SEC / 2);

	/* he reads: all that was taken comes, in order and whole */
	for (unsigned int i = 0; i < n; i++) {
		records_file_flush(f);
		assert_int_equal(take(fd), taken[i]);
	}
	assert_true(put(f, 4711));
	records_file_flush(f);
	assert_int_equal(take(fd), 4711);
	records_file_free(f);
	close(fd);
}

static void the_end_is_not_put_off_by_him(void **state)
{
	struct records_file *f;
	uint64_t begun;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	f = records_file_new(path);
	assert_non_null(f);
	for (unsigned int i = 0; i < 10000; i++)
		(void)put(f, i);
	begun = clock_mono_ns();
	records_file_free(f);
	assert_true(clock_mono_ns() - begun < 5 * NSEC_PER_SEC);
	close(fd);
}

static void what_was_put_is_there_in_the_end(void **state)
{
	struct records_file *f = records_file_new(path);
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(f);
	for (unsigned int i = 0; i < 1000; i++)
		assert_true(put(f, i));
	records_file_free(f);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_size, 1000 * LINE_LEN);
	fd = open(path, O_RDONLY);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(take(fd), i);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reader_that_does_not_read_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_is_not_put_off_by_him, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_put_is_there_in_the_end, setup, teardown),
	};

	umask(022);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
