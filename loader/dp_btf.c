// SPDX-License-Identifier: Apache-2.0
/*
 * The type information of the maps, for people: bpftool prints an integer in the host's order, so an address or a port would be a number
 * that means nothing.  In the BTF that goes into the kernel __be32 and __be16 are arrays of octets, as on the wire: 10.0.1.11 reads
 * [10,0,1,11].  Sizes and offsets are the same, and the programs' code does not depend on it.
 */
#include "loader/dp_private.h"

#include <bpf/btf.h>
#include <errno.h>

static int octets(struct btf *btf, const char *name, __u32 n)
{
	__s32 number = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	__s32 octet = btf__find_by_name_kind(btf, "__u8", BTF_KIND_TYPEDEF);
	__s32 index = btf__find_by_name_kind(btf, "unsigned int", BTF_KIND_INT);
	int array;

	if (number < 0 || octet < 0 || index < 0)
		return -ENOENT;
	array = btf__add_array(btf, index, octet, n);
	if (array < 0)
		return array;
	((struct btf_type *)btf__type_by_id(btf, (__u32)number))->type = (__u32)array;
	return 0;
}

int dp_btf_octets(struct btf *btf)
{
	int rc = octets(btf, "__be16", 2);

	return rc ? rc : octets(btf, "__be32", 4);
}
