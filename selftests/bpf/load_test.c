// SPDX-License-Identifier: Apache-2.0
/*
 * Every program passes the running kernel's verifier, and costs it little: a program that is near what one kernel bears is over it on the
 * next.  Each is loaded alone, so that a refusal has a name; the verifier's log is on stderr.  'make check-kernels' reads the "# insns" lines.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/skep.skel.h"

#define INSNS_MAX    100000 /* verified, not written: paths through loops and branches count each time */
#define PROGRAMS_MAX 32

static void test_program(void **state)
{
	const char *name = *state;
	struct skep_bpf *skel = skep_bpf__open();
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	struct bpf_program *prog;
	int rc;

	assert_non_null(skel);
	bpf_object__for_each_program(prog, skel->obj)
		assert_int_equal(bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name)), 0);
	rc = skep_bpf__load(skel);
	if (!rc)
		rc = bpf_obj_get_info_by_fd(bpf_program__fd(bpf_object__find_program_by_name(skel->obj, name)), &info, &len);
	skep_bpf__destroy(skel);
	assert_int_equal(rc, 0);
	print_message("# insns %s %u\n", name, info.verified_insns);
	assert_in_range(info.verified_insns, 1, INSNS_MAX);
}

int main(void)
{
	struct CMUnitTest tests[PROGRAMS_MAX] = { 0 };
	struct skep_bpf *skel = skep_bpf__open();
	struct bpf_program *prog;
	unsigned int n = 0;
	int rc;

	if (!skel)
		return 1;
	bpf_object__for_each_program(prog, skel->obj) {
		const char *name = bpf_program__name(prog);

		if (n == PROGRAMS_MAX)
			return 1;
		tests[n++] = (struct CMUnitTest){ .name = name, .test_func = test_program, .initial_state = (void *)name };
	}
	rc = _cmocka_run_group_tests("load", tests, n, NULL, NULL);
	skep_bpf__destroy(skel);
	return rc;
}
