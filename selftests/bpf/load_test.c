// SPDX-License-Identifier: Apache-2.0
/*
 * Every program passes the running kernel's verifier, and costs it little: a program that is near what one kernel bears is over it on the
 * next.  Each is loaded alone, so that a refusal has a name; the verifier's log is on stderr.  'make check-kernels' reads the "# insns" lines.
 * The stack is added up as kernel 6.1 does it, whatever kernel runs: newer ones round less up, and take more.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/skep.skel.h"

#define INSNS_MAX    100000 /* verified, not written: paths through loops and branches count each time */
#define PROGRAMS_MAX 32
#define STACK_MAX    512 /* of a function and those that it calls, each rounded up to STACK_UNIT */
#define STACK_UNIT   32
#define FUNCTIONS_MAX 64
#define LOG_STATS    4 /* BPF_LOG_STATS */

struct functions { /* of one program as the kernel has it, without those that nobody calls: so the verifier lists their stacks */
	struct bpf_insn *insns;
	unsigned int n, start[FUNCTIONS_MAX + 1], stack[FUNCTIONS_MAX];
};

/* Which function is called there; -1: none.  In a loaded program the numbers of functions are in the place of distances. */
static long callee(const struct functions *f, unsigned int at)
{
	const struct bpf_insn *i = &f->insns[at];
	bool call = i->code == (BPF_JMP | BPF_CALL) && i->src_reg == BPF_PSEUDO_CALL;
	bool callback = i->code == (BPF_LD | BPF_IMM | BPF_DW) && i->src_reg == BPF_PSEUDO_FUNC;

	return call ? i->imm : callback ? i[1].imm : -1;
}

static void find_functions(struct functions *f, int fd)
{
	struct bpf_prog_info info = { 0 }, again = { 0 };
	__u32 len = sizeof(info);
	uint8_t *funcs;

	*f = (struct functions){ 0 };
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_in_range(info.nr_func_info, 1, FUNCTIONS_MAX);
	funcs = calloc(info.nr_func_info, info.func_info_rec_size);
	f->insns = calloc(1, info.xlated_prog_len);
	assert_true(funcs && f->insns);
	again.func_info_rec_size = info.func_info_rec_size;
	again.nr_func_info = info.nr_func_info;
	again.func_info = (uintptr_t)funcs;
	again.xlated_prog_len = info.xlated_prog_len;
	again.xlated_prog_insns = (uintptr_t)f->insns;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &again, &len), 0);
	for (f->n = 0; f->n < info.nr_func_info; f->n++)
		f->start[f->n] = ((struct bpf_func_info *)(void *)(funcs + f->n * info.func_info_rec_size))->insn_off;
	f->start[f->n] = info.xlated_prog_len / (unsigned int)sizeof(*f->insns);
	free(funcs);
}

/* "stack depth 368+0+96" */
static void read_stacks(struct functions *f, const char *log)
{
	const char *line = strstr(log, "stack depth ");
	char *end = line ? (char *)line + strlen("stack depth") : NULL;
	unsigned int n = 0;

	assert_non_null(line);
	do {
		assert_true(n < f->n);
		f->stack[n++] = (unsigned int)strtoul(end + 1, &end, 10);
	} while (*end == '+');
	assert_int_equal(n, f->n);
}

/* The deepest way down from a function; the verifier has refused recursion. */
static unsigned int deepest(const struct functions *f, unsigned int which)
{
	unsigned int own = f->stack[which] ? f->stack[which] : 1, below = 0;

	for (unsigned int i = f->start[which]; i < f->start[which + 1]; i++) {
		long to = callee(f, i);
		unsigned int depth;

		if (to < 0)
			continue;
		assert_in_range(to, 1, f->n - 1);
		depth = deepest(f, (unsigned int)to);
		if (depth > below)
			below = depth;
	}
	return (own + STACK_UNIT - 1) / STACK_UNIT * STACK_UNIT + below;
}

/* Loads that program alone.  With 'log', the verifier's statistics go there; else what it says of a refusal goes to stderr. */
static int load_alone(struct skep_bpf **skel, const char *name, char *log, size_t size)
{
	struct bpf_program *prog;

	*skel = skep_bpf__open();
	assert_non_null(*skel);
	bpf_object__for_each_program(prog, (*skel)->obj)
		assert_int_equal(bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name)), 0);
	prog = bpf_object__find_program_by_name((*skel)->obj, name);
	if (log) {
		log[0] = '\0';
		assert_int_equal(bpf_program__set_log_buf(prog, log, size), 0);
		assert_int_equal(bpf_program__set_log_level(prog, LOG_STATS), 0);
	}
	return skep_bpf__load(*skel);
}

static void test_program(void **state)
{
	const char *name = *state;
	struct bpf_prog_info info = { 0 };
	static char log[1 << 16];
	__u32 len = sizeof(info);
	struct bpf_program *prog;
	struct skep_bpf *skel;
	struct functions f;
	unsigned int stack;

	if (load_alone(&skel, name, log, sizeof(log))) {
		skep_bpf__destroy(skel);
		(void)load_alone(&skel, name, NULL, 0);
		skep_bpf__destroy(skel);
		fail();
	}
	prog = bpf_object__find_program_by_name(skel->obj, name);
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	find_functions(&f, bpf_program__fd(prog));
	read_stacks(&f, log);
	stack = deepest(&f, 0);
	free(f.insns);
	skep_bpf__destroy(skel);
	print_message("# insns %s %u\n", name, info.verified_insns);
	print_message("# stack %s %u of %u bytes\n", name, stack, STACK_MAX);
	assert_in_range(info.verified_insns, 1, INSNS_MAX);
	assert_in_range(stack, 1, STACK_MAX);
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
