// SPDX-License-Identifier: Apache-2.0
/*
 * bpf_jiffies64() as seen from here.  User space cannot read jiffies: a program stores them, and
 * the time, into a packet by PROG_TEST_RUN.  In between, the time that passed is counted in ticks;
 * a new sample each second corrects the drift.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "util/clock.h"

#define SAMPLE_NS NSEC_PER_SEC

static bool sample(struct dp *dp)
{
	uint8_t in[64] = { 0 }, out[64];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = sizeof(in),
		    .data_out = out, .data_size_out = sizeof(out));

	if (bpf_prog_test_run_opts(dp->prog_fd[DP_PROG_CLOCK], &run) || run.data_size_out < 16)
		return false;
	memcpy(&dp->clock_jiffies, out, 8);
	memcpy(&dp->clock_ns, out + 8, 8);
	return true;
}

/* The coarse clocks advance once a tick, and their resolution says how long that is. */
static uint32_t kernel_hz(void)
{
	static const uint32_t known[] = { 100, 250, 300, 1000 };
	struct timespec res = { 0 };
	uint32_t hz, best = known[0];

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &res) || res.tv_sec || res.tv_nsec <= 0)
		return 250;
	hz = (uint32_t)((NSEC_PER_SEC + (uint64_t)res.tv_nsec / 2) / (uint64_t)res.tv_nsec);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (abs((int)hz - (int)known[i]) < abs((int)hz - (int)best))
			best = known[i];
	/* alpha's 1024 and the like are taken as they are */
	return abs((int)hz - (int)best) <= (int)best / 100 ? best : hz;
}

int dp_clock_init(struct dp *dp, struct err *err)
{
	dp->hz = kernel_hz();
	if (!sample(dp))
		return err_set(err, -EIO, "program '%s' does not run: %s",
			       dp_prog_name(DP_PROG_CLOCK), strerror(errno));
	return 0;
}

uint64_t dp_jiffies(struct dp *dp)
{
	uint64_t now = clock_mono_ns(), ticks;

	if (now - dp->clock_ns >= SAMPLE_NS && sample(dp))
		now = clock_mono_ns();
	ticks = dp->clock_jiffies;
	if (now > dp->clock_ns)
		ticks += (now - dp->clock_ns) * dp->hz / NSEC_PER_SEC;
	if (ticks > dp->clock_last)
		dp->clock_last = ticks;
	return dp->clock_last;
}

uint32_t dp_hz(const struct dp *dp)
{
	return dp->hz;
}
