// SPDX-License-Identifier: Apache-2.0
/* What ICMP errors quote, and its translation: packet/quote.c.  Errors are built by packet/icmp.c
 * about packets of the packet language. */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct skep_ip ip(const char *text)
{
	struct skep_ip v;

	assert_true(ip_parse(text, &v));
	return v;
}

/* The error that a router sends about the line's packet, as a frame of its own. */
static struct frame error_about(const char *line, uint8_t type, uint8_t code)
{
	struct frame f _frame_ = frame_new(line);
	struct skep_mac mac = { { 2, 0, 0, 0, 0, 9 } };
	bool v6 = f.pkt.f.eth_type == htons(0x86dd);
	struct skep_ip src = ip(v6 ? "fd00::fe" : "10.0.0.254");
	uint8_t buf[1600];
	uint32_t n = pkt_build_icmp_error(buf, sizeof(buf), &f.pkt, type, code, 1400, &mac, &src);
	struct frame e = frame_bytes(buf, n);

	assert_int_not_equal(n, 0);
	assert_int_equal(frame_parse(&e), SKEP_DROP_NONE);
	return e;
}

/* Makes the quote that many bytes long, with right lengths and checksum. */
static void cut(struct frame *e, uint32_t quote)
{
	uint8_t *icmp = e->b + e->pkt.l4_off, *l3 = e->b + e->pkt.l3_off;
	uint32_t len = 8 + quote;
	struct frame now;

	assert_true(e->pkt.payload_off + quote <= e->len);
	assert_int_equal(l3[0], 0x45); /* IPv4: no pseudo header */
	l3[2] = 0;
	l3[3] = (uint8_t)(20 + len);
	l3[10] = l3[11] = icmp[2] = icmp[3] = 0;
	*(uint16_t *)(void *)(l3 + 10) = pkt_csum(l3, 20, 0);
	*(uint16_t *)(void *)(icmp + 2) = pkt_csum(icmp, len, 0);
	now = frame_bytes(e->b, e->pkt.payload_off + quote);
	frame_fini(e);
	*e = now;
	assert_int_equal(frame_parse(e), SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&e->pkt));
}

static void what_is_quoted(void **state)
{
	static const struct {
		const char *line;
		uint8_t type;
		uint8_t proto, frag;
		uint16_t src, dst; /* host order */
		bool has_l4;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 20", 3, 6, SKEP_FRAG_NONE,
		  4000, 80, true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>53", 11, 17, SKEP_FRAG_NONE, 4000, 53,
		  true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / sctp 4>5", 12, 132, SKEP_FRAG_NONE, 4, 5, true },
		{ ETH " vlan 9 / ip 10.0.0.1>10.0.0.2 / icmp echo id 7 seq 3", 3, 1, SKEP_FRAG_NONE,
		  8 << 8, 7, true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 proto 47 / data 8", 3, 47, SKEP_FRAG_NONE, 0, 0,
		  false },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag first / udp 4000>53 / data 8", 3, 17,
		  SKEP_FRAG_FIRST, 4000, 53, true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 16", 3, 17,
		  SKEP_FRAG_LATER, 0, 0, false },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S", 1, 6, SKEP_FRAG_NONE, 4000, 80,
		  true },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 1300", 2, 17, SKEP_FRAG_NONE,
		  4000, 80, true },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 7", 4, 58, SKEP_FRAG_NONE, 128 << 8, 7,
		  true },
		{ ETH " / ip fd00::1>fd00::2 frag first id 5 / udp 1>2 / data 8", 3, 17,
		  SKEP_FRAG_FIRST, 1, 2, true },
		{ ETH " / ip fd00::1>fd00::2 frag later id 5 proto 17 / data 8", 3, 17,
		  SKEP_FRAG_LATER, 0, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame e _frame_ = error_about(t[i].line, t[i].type, 0);
		bool v6 = e.pkt.f.eth_type == htons(0x86dd);
		struct skep_ip src = ip(v6 ? "fd00::1" : "10.0.0.1"),
			       dst = ip(v6 ? "fd00::2" : "10.0.0.2");
		struct pkt_quote q;

		if (!pkt_quoted(&e.pkt, &q))
			fail_msg("%s: not quoted", t[i].line);
		assert_true(ip_eq(&q.f.ip_src, &src) && ip_eq(&q.f.ip_dst, &dst));
		assert_int_equal(q.f.ip_proto, t[i].proto);
		assert_int_equal(q.f.ip_frag, t[i].frag);
		assert_int_equal(ntohs(q.f.l4_src), t[i].src);
		assert_int_equal(ntohs(q.f.l4_dst), t[i].dst);
		assert_int_equal(q.f.has_l4, t[i].has_l4);
		assert_int_equal(q.l3_off, e.pkt.payload_off);
		assert_int_equal(!q.l4_off, !t[i].has_l4);
	}
}

static void what_is_none(void **state)
{
	static const char *const lines[] = {
		ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 1 / data 28",
		ETH
		" / ip 10.0.0.1>10.0.0.2 / icmp 5/0 / data 28", /* a redirect belongs to nobody */
		ETH " / ip 10.0.0.1>10.0.0.2 / icmp 3/1 / data 28", /* version 0 */
		ETH " / ip 10.0.0.1>10.0.0.2 / icmp 3/1",
		ETH " / ip fd00::1>fd00::2 / icmp6 1/0 / data 48",
		ETH " / ip fd00::1>fd00::2 / icmp6 128/0 / data 48",
		ETH " / ip 10.0.0.1>10.0.0.2 / udp 3>4 / data 48",
		ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 1 / data 48",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct frame f _frame_ = frame_new(lines[i]);
		struct pkt_quote q;

		if (pkt_quoted(&f.pkt, &q))
			fail_msg("%s: quoted", lines[i]);
		/* a later fragment that was told its ports has no header all the same */
		pkt_set_ports(&f.pkt, htons(3 << 8), 0);
		if (f.pkt.f.ip_frag == SKEP_FRAG_LATER)
			assert_false(pkt_quoted(&f.pkt, &q));
	}
}

/* Every length of quote: found from 28 bytes on, and then translated with a good checksum. */
static void cut_quotes(void **state)
{
	const char *line = ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 40";

	for (uint32_t n = 0; n <= 80; n++) {
		struct frame e _frame_ = error_about(line, 3, 1);
		struct pkt_fields to;
		struct pkt_quote q;

		cut(&e, n);
		assert_int_equal(pkt_quoted(&e.pkt, &q), n >= 28);
		if (n < 28)
			continue;
		to = q.f;
		to.ip_src = ip("203.0.113.9");
		to.ip_dst = ip("198.51.100.77");
		to.l4_src = htons(11000);
		to.l4_dst = htons(8080);
		pkt_rewrite_quote(e.b, &e.pkt, &q, &to);
		assert_int_equal(frame_parse(&e), SKEP_DROP_NONE);
		assert_true(pkt_csum_ok(&e.pkt));
		assert_true(pkt_quoted(&e.pkt, &q));
		assert_true(ip_eq(&q.f.ip_src, &to.ip_src) && ip_eq(&q.f.ip_dst, &to.ip_dst));
		assert_int_equal(ntohs(q.f.l4_src), 11000);
		assert_int_equal(ntohs(q.f.l4_dst), 8080);
		assert_int_equal(pkt_csum(e.b + q.l3_off, 20, 0), 0);
	}
}

/* The quote is afterwards the packet as it would have been: with all of its checksums. */
static void translated(void **state)
{
	static const struct {
		const char *was, *is;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 20",
		  ETH " / ip 203.0.113.9>198.51.100.7 / tcp 11000>8080 S / data 20" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 3",
		  ETH " / ip 203.0.113.9>198.51.100.7 / udp 11000>8080 / data 3" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 nocsum / data 3",
		  ETH " / ip 203.0.113.9>198.51.100.7 / udp 11000>8080 nocsum / data 3" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 7 seq 1",
		  ETH " / ip 203.0.113.9>198.51.100.7 / icmp echo id 99 seq 1" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / sctp 4000>80 / data 3",
		  ETH " / ip 203.0.113.9>198.51.100.7 / sctp 4000>80 / data 3" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 16",
		  ETH " / ip 203.0.113.9>198.51.100.7 frag later proto 17 / data 16" },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S / data 20",
		  ETH " / ip 2001:db8::9>2001:db8::7 / tcp 11000>8080 S / data 20" },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 5",
		  ETH " / ip 2001:db8::9>2001:db8::7 / udp 11000>8080 / data 5" },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 7",
		  ETH " / ip 2001:db8::9>2001:db8::7 / icmp6 echo id 99" },
		{ ETH " / ip fd00::1>fd00::2 frag first id 5 / udp 4000>80 / data 8",
		  ETH " / ip 2001:db8::9>2001:db8::7 frag first id 5 / udp 11000>8080 / data 8" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame e _frame_ = error_about(t[i].was, 3, 1),
			       want _frame_ = frame_new(t[i].is);
		bool v6 = e.pkt.f.eth_type == htons(0x86dd), sctp;
		struct pkt_fields to;
		struct pkt_quote q;

		assert_true(pkt_quoted(&e.pkt, &q));
		to = q.f;
		to.ip_src = want.pkt.f.ip_src;
		to.ip_dst = want.pkt.f.ip_dst;
		to.l4_src = want.pkt.f.l4_src;
		to.l4_dst = want.pkt.f.l4_dst;
		sctp = to.ip_proto == IPPROTO_SCTP;
		pkt_rewrite_quote(e.b, &e.pkt, &q, &to);
		assert_int_equal(frame_parse(&e), SKEP_DROP_NONE);
		if (!pkt_csum_ok(&e.pkt))
			fail_msg("%s: the error's checksum", t[i].was);
		if (!sctp && memcmp(e.b + q.l3_off, want.b + want.pkt.l3_off, want.pkt.l3_len))
			fail_msg("%s: the quote is not %s", t[i].was, t[i].is);
		assert_true(v6 || pkt_csum(e.b + q.l3_off, 20, 0) == 0);
	}
}

/* An IPv6 quote that lies about its extension headers. */
static void garbage_extensions(void **state)
{
	struct frame e _frame_ = error_about(ETH " / ip fd00::1>fd00::2 / udp 1>2 / data 40", 1, 0);
	uint8_t *inner = e.b + e.pkt.payload_off;
	struct pkt_quote q;

	assert_true(pkt_quoted(&e.pkt, &q));
	inner[6] = 0; /* hop-by-hop, of 2048 bytes */
	inner[41] = 255;
	assert_false(pkt_quoted(&e.pkt, &q));
	inner[41] = 0; /* of 8, and one more of itself, and so on */
	for (uint32_t i = 40; i < 88; i++)
		inner[i] = 0;
	assert_false(pkt_quoted(&e.pkt, &q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_quoted),     cmocka_unit_test(what_is_none),
		cmocka_unit_test(cut_quotes),	      cmocka_unit_test(translated),
		cmocka_unit_test(garbage_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
