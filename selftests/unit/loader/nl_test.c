// SPDX-License-Identifier: Apache-2.0
/* Lists of interfaces while some come and go (loader/nl.c), in a network namespace of the test's own. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/nl.h"

#define LINKS 200 /* several datagrams full */
#define ROUNDS 300

static struct nl nl;

/* Adds and deletes one until it is killed. */
static void churn(void)
{
	struct nl own;
	struct nl_link link;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (nl_open(&own))
		_exit(1);
	for (;;)
		if (nl_vxlan_add(&own, "come", 20000) || nl_link_get(&own, 0, "come", &link) || nl_link_del(&own, link.ifindex))
			_exit(1);
}

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) || nl_open(&nl))
		return -1;
	for (int i = 0; i < LINKS; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "stay%d", i);
		if (nl_vxlan_add(&nl, name, (uint16_t)(30000 + i)))
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nl_close(&nl);
	return 0;
}

static void on_link(void *arg, const struct nl_link *link)
{
	unsigned int *seen = arg;

	if (!strncmp(link->name, "stay", 4))
		seen[strtoul(link->name + 4, NULL, 10)]++;
}

static void each_once(void **state)
{
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		churn();
	for (int i = 0; i < ROUNDS; i++) {
		unsigned int seen[LINKS] = { 0 };
		struct nl_link one;
		int rc = nl_link_dump(&nl, on_link, seen);

		if (rc) {
			kill(pid, SIGKILL);
			fail_msg("round %d: %s", i, strerror(-rc));
		}
		for (int k = 0; k < LINKS; k++)
			assert_int_equal(seen[k], 1);
		assert_int_equal(nl_link_get(&nl, 0, "stay7", &one), 0); /* nothing of the dump is left */
		assert_string_equal(one.name, "stay7");
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void of_no_such_link(void **state)
{
	struct nl_link link;

	(void)state;
	assert_int_equal(nl_link_get(&nl, 0, "nobody", &link), -ENODEV);
	assert_int_equal(nl_link_del(&nl, 999999), -ENODEV);
}

/* What XDP would see: no answer is not "nothing is hidden". */
static void of_offloads(void **state)
{
	struct rlimit was, none = { 0 };

	(void)state;
	assert_int_equal(nl_hides_tags("lo"), 0);
	assert_int_equal(nl_hides_tags("nobody"), -ENODEV);
	assert_int_equal(nl_merges("nobody"), -ENODEV);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(nl_hides_tags("lo"), -EMFILE);
	assert_int_equal(nl_merges("lo"), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_once),
		cmocka_unit_test(of_no_such_link),
		cmocka_unit_test(of_offloads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
