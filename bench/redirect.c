// SPDX-License-Identifier: Apache-2.0
/*
 * The smallest forwarding program there is: all that enters FROM leaves by TO.  The "no_overlay" variant of the benchmarks, to
 * see what skep adds to the same hops.  Attached like skep's own (tcx where there is, else clsact), and stays until the interface goes.
 *
 *   redirect FROM TO [peer PIN]     'peer': into the other end of the veth TO, as skep delivers
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCX_INGRESS 46 /* enum bpf_attach_type, kernel 6.6; the headers of Debian 12 are older */

int main(int argc, char **argv)
{
	bool peer = argc > 3 && strcmp(argv[3], "peer") == 0;
	unsigned int from = argc > 2 ? if_nametoindex(argv[1]) : 0, to = argc > 2 ? if_nametoindex(argv[2]) : 0;
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = (int)to },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = peer ? BPF_FUNC_redirect_peer : BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)from, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	int prog, link;

	if (!from || !to) {
		fprintf(stderr, "usage: redirect FROM TO [peer|- [PIN]]\n");
		return 2;
	}
	prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bench_redirect", "GPL", insns, 4, NULL);
	if (prog < 0) {
		fprintf(stderr, "redirect: load: %s\n", strerror(errno));
		return 1;
	}
	link = bpf_link_create(prog, (int)from, TCX_INGRESS, NULL);
	if (link >= 0 && argc > 4 && bpf_obj_pin(link, argv[4]) == 0)
		return 0;
	(void)bpf_tc_hook_create(&hook); /* -EEXIST is fine */
	opts.prog_fd = prog;
	if (bpf_tc_attach(&hook, &opts)) {
		fprintf(stderr, "redirect: attach to '%s': %s\n", argv[1], strerror(errno));
		return 1;
	}
	return 0;
}
