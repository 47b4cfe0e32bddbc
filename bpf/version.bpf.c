// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which version the programs are of: 'bpftool prog show' says so of each, as metadata. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const char bpf_metadata_version[] SEC(".rodata") = SKEP_VERSION;

char _license[] SEC("license") = "Dual BSD/GPL";
