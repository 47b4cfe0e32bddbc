// SPDX-License-Identifier: Apache-2.0
/* Which fragments belong together, which ports they have, and which are refused: loader/frag.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "loader/frag.h"
#include "util/clock.h"

#define PORT 0x101

static struct frags *f;
static uint64_t now;
static bool fresh;

static int setup(void **state)
{
	now = NSEC_PER_SEC;
	f = frags_new(1);
	return f ? 0 : -1;
}

static int teardown(void **state)
{
	frags_free(f);
	return 0;
}

/* A fragment of [from, to) bytes of a UDP packet 10.0.0.1:4000 > 10.0.0.2:53 or fd00::1 > fd00::2, by hand: any length goes. */
static struct pkt fragment(bool v6, uint32_t id, uint32_t from, uint32_t to, bool more)
{
	static uint8_t buf[2048];
	uint32_t head = v6 ? 48 : 20;
	struct pkt p = { .data = buf, .l3_off = 14, .l3_len = head + to - from, .frag_id = id, .frag_off = (uint16_t)from, .frag_more = more };

	memset(buf, 0, sizeof(buf));
	buf[14] = v6 ? 0x60 : 0x45;
	buf[20] = 44; /* IPv6: next header */
	buf[54] = 17;
	ip_parse(v6 ? "fd00::1" : "10.0.0.1", &p.f.ip_src);
	ip_parse(v6 ? "fd00::2" : "10.0.0.2", &p.f.ip_dst);
	p.f.ip_proto = 17;
	p.f.ip_frag = from ? SKEP_FRAG_LATER : SKEP_FRAG_FIRST;
	p.payload_off = (uint16_t)(14 + head);
	if (!from) {
		p.f.has_l4 = 1;
		p.f.l4_src = htons(4000);
		p.f.l4_dst = htons(53);
		p.l4_off = (uint16_t)(14 + head);
		p.payload_off += 8;
	}
	return p;
}

static bool arrives(bool v6, uint32_t id, uint32_t from, uint32_t to, bool more)
{
	struct pkt p = fragment(v6, id, from, to, more);

	return frags_arrived(f, PORT, &p, now, &fresh);
}

static bool has_ports(bool v6, uint32_t id)
{
	struct pkt p = fragment(v6, id, 800, 900, true);
	__be16 src = 0, dst = 0;

	if (!frags_ports(f, PORT, &p, now, &src, &dst))
		return false;
	assert_int_equal(ntohs(src), 4000);
	assert_int_equal(ntohs(dst), 53);
	return true;
}

static void ports_of_the_first(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		assert_true(arrives(v6, 7, 0, 800, true));
		assert_true(fresh);
		assert_true(has_ports(v6, 7));
		assert_false(has_ports(v6, 8));
		assert_true(arrives(v6, 7, 800, 1000, false));
		assert_false(fresh);
		assert_true(has_ports(v6, 7));
	}
	assert_int_equal(frags_count(f), 2);
}

static void any_order(void **state)
{
	assert_true(arrives(false, 7, 800, 1600, true));
	assert_false(fresh);
	assert_false(has_ports(false, 7));
	assert_true(arrives(false, 7, 1600, 1700, false));
	assert_true(arrives(false, 7, 0, 800, true));
	assert_true(fresh);
	assert_true(has_ports(false, 7));
}

static void what_overlaps_is_refused(void **state)
{
	static const struct {
		uint32_t from, to;
		bool more, ok;
	} cases[] = {
		{ 0, 800, true, true },	     { 0, 800, true, false }, /* again */
		{ 8, 16, true, false }, /* over the flags of TCP */
		{ 792, 1600, true, false },  { 1600, 2400, true, true },
		{ 800, 1608, true, false },  { 800, 2408, true, false }, { 1000, 1008, true, true },
		{ 1008, 1600, true, true },  { 2000, 2100, false, false },
		{ 2400, 2500, false, true }, { 2504, 2512, true, false }, /* behind the end */
		{ 2600, 2700, false, false },				  /* another end */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (arrives(false, 7, cases[i].from, cases[i].to, cases[i].more) != cases[i].ok)
			fail_msg("case %zu", i);
}

static void an_end_before_bytes_that_came(void **state)
{
	assert_true(arrives(false, 7, 0, 800, true));
	assert_true(arrives(false, 7, 1600, 2400, true));
	assert_false(arrives(false, 7, 800, 900, false));
	assert_true(arrives(false, 7, 2400, 2500, false));
	assert_false(arrives(false, 7, 2500, 2500, true)); /* nothing */
}

/* Identifications come again: behind a whole packet at once, behind a part of one after a while. */
static void the_same_identification_again(void **state)
{
	assert_true(arrives(false, 7, 0, 800, true));
	assert_true(arrives(false, 7, 800, 900, false));
	assert_true(arrives(false, 7, 0, 800, true));
	assert_true(fresh);
	now += FRAG_AGAIN_NS - 1;
	assert_false(arrives(false, 7, 0, 800, true)); /* and this is a sign of life */
	now += FRAG_AGAIN_NS;
	assert_true(arrives(false, 7, 0, 800, true));
	assert_true(fresh);
	assert_int_equal(frags_count(f), 1);
}

static void forgotten_in_time(void **state)
{
	assert_true(arrives(false, 7, 0, 800, true));
	now += FRAG_LIFE_NS - 1;
	assert_true(has_ports(false, 7));
	now++;
	assert_false(has_ports(false, 7));
	assert_true(arrives(false, 8, 0, 800, true));
	assert_int_equal(frags_count(f), 1);
}

static void told_apart(void **state)
{
	struct pkt p;
	__be16 src, dst;
	char a[FRAG_NAME], b[FRAG_NAME];

	assert_true(arrives(false, 7, 0, 800, true));
	p = fragment(false, 7, 800, 900, true);
	assert_true(frags_ports(f, PORT, &p, now, &src, &dst));
	assert_false(frags_ports(f, PORT + 1, &p, now, &src, &dst));
	assert_string_equal(frags_name(&p, a), frags_name(&p, b));
	p.f.ip_proto = 6;
	assert_false(frags_ports(f, PORT, &p, now, &src, &dst));
	assert_string_not_equal(frags_name(&p, b), a);
	p = fragment(false, 7, 800, 900, true);
	p.f.ip_src.w[3]++;
	assert_false(frags_ports(f, PORT, &p, now, &src, &dst));
	assert_string_not_equal(frags_name(&p, b), a);
	p = fragment(false, 8, 800, 900, true);
	assert_string_not_equal(frags_name(&p, b), a);
}

/* One port's packets do not push out another's; runs of bytes are bounded. */
static void bounded(void **state)
{
	struct pkt other = fragment(false, 1, 0, 800, true);

	assert_true(frags_arrived(f, PORT + 1, &other, now, &fresh));
	for (uint32_t i = 0; i < 2 * FRAG_PORT_MAX; i++)
		assert_true(arrives(false, i, 0, 800, true));
	assert_int_equal(frags_count(f), FRAG_PORT_MAX + 1);
	assert_false(has_ports(false, 0));
	assert_true(has_ports(false, 2 * FRAG_PORT_MAX - 1));
	for (uint32_t port = 2; port < 2 + 2 * FRAG_MAX / FRAG_PORT_MAX; port++)
		for (uint32_t i = 0; i < FRAG_PORT_MAX; i++) {
			other.frag_id = i;
			assert_true(frags_arrived(f, PORT + port, &other, now, &fresh));
		}
	assert_int_equal(frags_count(f), FRAG_MAX);
	for (uint32_t i = 0; i < FRAG_HOLES; i++)
		assert_true(arrives(false, 9999, 16 * i, 16 * i + 8, true));
	assert_false(arrives(false, 9999, 16 * FRAG_HOLES, 16 * FRAG_HOLES + 8, true));
	assert_true(arrives(false, 9999, 8, 16, true)); /* fills a hole */
	assert_true(arrives(false, 9999, 16 * FRAG_HOLES, 16 * FRAG_HOLES + 8, true));
}

/* IPv6: what is cut into fragments begins behind the fragment header, which other headers may follow. */
static void headers_behind_the_fragment_header(void **state)
{
	struct pkt p = fragment(true, 7, 0, 64, true);
	uint8_t *ip = (uint8_t *)p.data + 14;

	ip[6] = 0; /* hop-by-hop, fragment, destination options */
	ip[40] = 44;
	ip[48] = 60;
	ip[56] = 17;
	p.l3_len = 40 + 8 + 8 + 64;
	p.l4_off = 14 + 64;
	assert_true(frags_arrived(f, PORT, &p, now, &fresh));
	assert_false(arrives(true, 7, 56, 120, true)); /* over its last bytes */
	assert_true(arrives(true, 7, 64, 128, true));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_of_the_first),
		T(any_order),
		T(what_overlaps_is_refused),
		T(an_end_before_bytes_that_came),
		T(the_same_identification_again),
		T(forgotten_in_time),
		T(told_apart),
		T(bounded),
		T(headers_behind_the_fragment_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
