// SPDX-License-Identifier: Apache-2.0
/* How many leading bits decide (util/near.h): what shares them gives the same answer, and with one bit less something would not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "util/near.h"

#define ROUNDS 20000

static uint64_t seed = 4711;

/* --- ports: all of them --- */

static uint32_t yes_before[65537]; /* how many values below this one are in the range */

/* Of the values that share 'bits' with 'x', do some fare otherwise? */
static bool mixed16(uint16_t x, unsigned int bits)
{
	const uint32_t size = 65536u >> bits, first = x & ~(size - 1);
	const uint32_t yes = yes_before[first + size] - yes_before[first];

	return yes && yes != size;
}

static void check_range(uint16_t lo, uint16_t hi)
{
	for (uint32_t v = 0; v < 65536; v++)
		yes_before[v + 1] = yes_before[v] + (v >= lo && v <= hi);
	for (uint32_t v = 0; v < 65536; v++) {
		const unsigned int bits = near16_range((uint16_t)v, lo, hi);

		assert_true(bits <= 16);
		if (mixed16((uint16_t)v, bits))
			fail_msg("%u of %u-%u: %u bits are too few", v, lo, hi, bits);
		if (bits && !mixed16((uint16_t)v, bits - 1))
			fail_msg("%u of %u-%u: %u bits are too many", v, lo, hi, bits);
	}
}

static void ports(void **state)
{
	static const uint16_t ranges[][2] = {
		{ 0, 0 },	  { 0, 1 },	    { 0, 65535 },     { 1, 65535 },
		{ 65535, 65535 }, { 0, 32767 },	    { 32768, 65535 }, { 22, 22 },
		{ 80, 443 },	  { 1024, 65535 },  { 0, 1023 },      { 32767, 32768 },
		{ 30000, 32767 }, { 8080, 8080 },   { 1, 1 },	      { 40001, 40002 },
		{ 5000, 60000 },  { 65534, 65534 }, { 0x0800, 0x08ff } /* an ICMP type */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		check_range(ranges[i][0], ranges[i][1]);
	for (int i = 0; i < 50; i++) {
		const uint16_t a = (uint16_t)simtest_random(&seed), b = (uint16_t)simtest_random(&seed);

		check_range(a < b ? a : b, a < b ? b : a);
	}
}

/* --- addresses --- */

static near_u128 block_first(near_u128 x, unsigned int bits)
{
	return bits ? x >> (128 - bits) << (128 - bits) : 0;
}

static near_u128 block_last(near_u128 x, unsigned int bits)
{
	return block_first(x, bits) | (bits >= 128 ? 0 : ~(near_u128)0 >> bits);
}

/* Numbers of 128 bits, those of IPv4 behind their 96. */
static bool mixed(near_u128 x, unsigned int bits, near_u128 lo, near_u128 hi)
{
	const near_u128 first = block_first(x, bits), last = block_last(x, bits);
	const bool none = last < lo || first > hi, all = first >= lo && last <= hi;

	return !none && !all;
}

static struct skep_ip address(near_u128 n)
{
	struct skep_ip ip;

	for (int i = 3; i >= 0; i--, n >>= 32)
		ip.w[i] = htonl((uint32_t)n);
	return ip;
}

/* Of which the lower bits differ, so that they are near each other. */
static near_u128 random_number(near_u128 base, unsigned int width)
{
	const unsigned int low = 1 + simtest_below(&seed, width);
	const near_u128 n = (near_u128)simtest_random(&seed) << 64 | simtest_random(&seed);

	return base ^ (n & (low == 128 ? ~(near_u128)0 : ((near_u128)1 << low) - 1));
}

static void exact(near_u128 x, unsigned int bits, bool v4, near_u128 lo, near_u128 hi)
{
	const unsigned int base = v4 ? 96 : 0;

	assert_true(bits + base <= 128);
	assert_false(mixed(x, bits + base, lo, hi));
	assert_true(!bits || mixed(x, bits + base - 1, lo, hi));
}

static void addresses(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const bool v4 = i & 1;
		const unsigned int width = v4 ? 32 : 128, len = simtest_below(&seed, width + 1);
		const near_u128 base = v4 ? (near_u128)0xffff0a000000ULL : (near_u128)0xfd << 120;
		near_u128 x = random_number(base, width), lo = random_number(base, width);
		near_u128 hi = random_number(base, width), swap, net, last;
		struct skep_ip ip, a, b;

		if (lo > hi) {
			swap = lo;
			lo = hi;
			hi = swap;
		}
		ip = address(x);
		a = address(lo);
		b = address(hi);
		exact(x, near_range(&ip, &a, &b), v4, lo, hi);
		if (x != lo)
			exact(x, near_ip(&ip, &a, v4), v4, lo, lo);
		net = block_first(lo, len + 128 - width);
		last = block_last(lo, len + 128 - width);
		a = address(net);
		exact(x, near_prefix(&ip, &a, len, v4), v4, net, last);
		if (lo > base && v4)
			exact(x, near32_less((uint32_t)x, (uint32_t)lo), v4, (near_u128)0xffff00000000ULL, lo - 1);
		if (lo && !v4)
			exact(x, near128_less(x, lo), v4, 0, lo - 1);
	}
}

/* --- MACs --- */

static struct skep_mac mac_of(uint64_t n)
{
	struct skep_mac m;

	for (int i = 5; i >= 0; i--, n >>= 8)
		m.b[i] = (uint8_t)n;
	return m;
}

static void macs(void **state)
{
	const uint64_t all = 0xffffffffffffULL;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t x = simtest_random(&seed) & all, near = simtest_random(&seed) & (all >> simtest_below(&seed, 49));
		const uint64_t mask = simtest_below(&seed, 2) ? all : simtest_random(&seed) & all;
		const struct skep_mac mac = mac_of(x), want = mac_of(x ^ near);
		const unsigned int bits = near_mac(&mac, &want, mask);
		const bool agrees = !(near & mask);

		assert_int_equal(near_mac_number(&mac), x);
		assert_true(bits <= 48);
		for (int k = 0; k < 8; k++) { /* what is behind is of no matter */
			const uint64_t other = x ^ (simtest_random(&seed) & (bits == 48 ? 0 : all >> bits));

			assert_int_equal(!((other ^ x ^ near) & mask), agrees);
		}
		/* the last bit is one that is asked for, and makes the difference */
		if (bits)
			assert_true(mask >> (48 - bits) & 1);
		if (bits && !agrees)
			assert_true((near & mask) >> (48 - bits) == 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports),
		cmocka_unit_test(addresses),
		cmocka_unit_test(macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
