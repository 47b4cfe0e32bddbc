// SPDX-License-Identifier: Apache-2.0
/* Checksums against worked examples from elsewhere and against a second, naive sum: packet/csum.c.
 */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>

/* RFC 1071 as it is written, byte by byte; network order. */
static uint16_t naive(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void rfc1071_example(void **state)
{
	static const uint8_t b[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	assert_int_equal(ntohs(pkt_csum(b, sizeof(b), 0)), (uint16_t)~0xddf2);
}

static void known_headers(void **state)
{
	static const uint8_t ip[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
				      0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };

	assert_int_equal(ntohs(pkt_csum(ip, sizeof(ip), 0)), 0xb861);
}

static void any_length(void **state)
{
	uint8_t b[257];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 73 + 11);
	for (size_t len = 0; len < sizeof(b); len++)
		if (ntohs(pkt_csum(b, len, 0)) != naive(b, len))
			fail_msg("%zu bytes: %04x", len, ntohs(pkt_csum(b, len, 0)));
	memset(b, 0xff, sizeof(b)); /* carries everywhere */
	for (size_t len = 0; len < sizeof(b); len++)
		if (ntohs(pkt_csum(b, len, 0)) != naive(b, len))
			fail_msg("%zu bytes of ones: %04x", len, ntohs(pkt_csum(b, len, 0)));
}

static void in_parts(void **state)
{
	uint8_t b[64];
	uint32_t sum;

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(255 - i);
	sum = pkt_csum_add(b, 20, 0);
	sum = pkt_csum_add(b + 20, 24, sum);
	assert_int_equal(pkt_csum(b + 44, 20, sum), pkt_csum(b, 64, 0));
}

/* Every byte under a checksum counts: spoil each bit's byte and look. */
static void each_byte_counts(void **state)
{
	static const struct {
		const char *line;
		uint32_t from; /* first byte that some checksum covers */
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 7", 14 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 7", 14 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 3 / data 7", 14 },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S / data 7", 22 },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>53 / data 7", 22 },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 3 / data 7", 22 },
		{ ETH " / ip fd00::1>ff02::1:ff00:2 / ns fd00::2", 22 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].line);

		if (!pkt_csum_ok(&f.pkt))
			fail_msg("%s: built wrong", t[i].line);
		for (uint32_t at = t[i].from; at < f.len; at++) {
			f.b[at] ^= 0x10;
			if (frame_parse(&f) == SKEP_DROP_NONE && f.pkt.f.has_l4 &&
			    pkt_csum_ok(&f.pkt))
				fail_msg("%s: byte %u does not count", t[i].line, at);
			f.b[at] ^= 0x10;
		}
	}
}

static void udp_without(void **state)
{
	struct frame v4 _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>53 nocsum");
	struct frame v6 _frame_ = frame_new(ETH " / ip fd00::1>fd00::2 / udp 4000>53 nocsum");

	assert_true(pkt_csum_ok(&v4.pkt));
	assert_false(pkt_csum_ok(&v6.pkt));
}

static void fragments_by_header_only(void **state)
{
	struct frame f _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 frag first / udp 4000>53 / data 8");

	f.b[f.len - 1] ^= 1;
	assert_true(pkt_csum_ok(&f.pkt));
	f.b[14 + 8] ^= 1;
	assert_false(pkt_csum_ok(&f.pkt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc1071_example),
		cmocka_unit_test(known_headers),
		cmocka_unit_test(any_length),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(each_byte_counts),
		cmocka_unit_test(udp_without),
		cmocka_unit_test(fragments_by_header_only),
	};

	return cmocka_run_group_tests_name("packet/csum", tests, NULL, NULL);
}
