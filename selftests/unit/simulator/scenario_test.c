// SPDX-License-Identifier: Apache-2.0
/* Runs every file below selftests/sim through the simulator: one test per scenario.  The paths are relative to the repository. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/scenario.h"

#define TESTS_MAX 1024

struct one {
	const struct scenario_file *file;
	unsigned int i;
};

static void test_scenario(void **state)
{
	const struct one *one = *state;
	struct err err;

	if (scenario_run(one->file, one->i, NULL, NULL, &err))
		fail_msg("%s", err.text);
}

/* Arguments: files in place of all. */
int main(int argc, char **argv)
{
	static struct CMUnitTest tests[TESTS_MAX];
	static struct one ones[TESTS_MAX];
	static struct scenario_file *files[64];
	unsigned int n = 0, n_files = 0;
	struct err err = { 0 };
	glob_t paths = { 0 };
	int r;

	if (argc > 1) {
		paths.gl_pathv = argv + 1;
		paths.gl_pathc = (size_t)argc - 1;
	} else if (glob("selftests/sim/*.sim", 0, NULL, &paths)) {
		fprintf(stderr, "no scenarios below selftests/sim (run it in the repository)\n");
		return 1;
	}
	for (size_t i = 0; i < paths.gl_pathc && n_files < 64; i++) {
		files[n_files] = scenario_load(paths.gl_pathv[i], &err);
		if (!files[n_files]) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		for (unsigned int j = 0; j < scenario_count(files[n_files]) && n < TESTS_MAX; j++) {
			ones[n] = (struct one){ .file = files[n_files], .i = j };
			tests[n] = (struct CMUnitTest){ .name = scenario_name(files[n_files], j),
							.test_func = test_scenario,
							.initial_state = &ones[n] };
			n++;
		}
		n_files++;
	}
	r = _cmocka_run_group_tests("scenarios", tests, n, NULL, NULL);
	for (unsigned int i = 0; i < n_files; i++)
		scenario_free(files[i]);
	if (argc <= 1)
		globfree(&paths);
	return r;
}
