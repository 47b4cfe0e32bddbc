/* SPDX-License-Identifier: Apache-2.0 */
/* How TC strips a tunnel's header: on kernels that can be told what is inside, 6.3 and newer, and on those that cannot. */
#pragma once

#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loader/dp_private.h"
#include "selftests/lib/bpfrun.h"

/* As skepd would set them on this kernel. */
static inline uint16_t strip_flags(void)
{
	return dp_probe_decap_l3() ? SKEP_CFG_DECAP_L3_FLAGS : 0;
}

static inline void strip_configure(struct bpfrun *run, uint16_t flags)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	cfg.flags = flags;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
}

/* 'packet' has 'inner' inside, and has been through TC.  Without the flags it is refused if the kernel would have to be told, and what is no
 * IP may come out padded: the kernel wants the room of an IPv6 header. */
static inline void strip_assert(const struct bpfrun_result *res, const uint8_t *packet, const uint8_t *inner, uint32_t len, uint16_t flags)
{
	static const uint8_t zeros[64];
	bool v6 = packet[12] == 0x86, in6 = inner[12] == 0x86, in4 = inner[12] == 8 && inner[13] == 0;
	uint32_t least = v6 && !flags ? 54 : 0, want = len < least ? least : len;

	if (!flags && (in6 || (v6 && in4))) {
		assert_int_equal(res->drop, SKEP_DROP_REWRITE);
		assert_int_equal(res->action, TC_ACT_SHOT);
		return;
	}
	assert_int_equal(res->drop, SKEP_DROP_NONE);
	assert_int_equal(res->action, TC_ACT_REDIRECT);
	assert_int_equal(res->len, want);
	assert_memory_equal(res->data, inner, len);
	assert_memory_equal(res->data + len, zeros, want - len);
}
