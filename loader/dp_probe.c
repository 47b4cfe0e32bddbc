// SPDX-License-Identifier: Apache-2.0
/* Features of the kernel that load everywhere and work only on some: found out by running. */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#define ADJ_ROOM_DECAP_L3_IPV6 (1 << 8) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV6, kernel 6.3 */

/* Does bpf_skb_adjust_room() know the DECAP_L3 flags?  Older kernels accept the program and refuse
 * each call. */
bool dp_probe_decap_l3(void)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = -20 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = BPF_ADJ_ROOM_MAC },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = 4,
		  .imm = ADJ_ROOM_DECAP_L3_IPV6 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_adjust_room },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* Ethernet, IPv4 without payload of interest: long enough to lose 20 bytes and stay an IPv6
	 * header's length */
	__u8 in[14 + 20 + 80] = { [12] = 0x08, [14] = 0x45, [17] = 100, [22] = 64, [23] = 4 },
			  out[256];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = sizeof(in),
		    .data_out = out, .data_size_out = sizeof(out));
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "skep_probe", "Dual BSD/GPL", code,
			       ARRAY_SIZE(code), NULL);
	bool ok;

	if (fd < 0)
		return false;
	ok = bpf_prog_test_run_opts(fd, &run) == 0 && run.retval == 0;
	close(fd);
	return ok;
}
