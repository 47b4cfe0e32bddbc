// SPDX-License-Identifier: Apache-2.0
/* The parser's rules one by one, from bytes written by hand: packet/parse.c. */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Pieces of frames in hexadecimal. */
#define MACS			"020000000002 020000000001 "
#define IP4			"0800 "
#define IP6			"86dd "
#define IP4_H(len, frag, proto) "45 00 " len " 0000 " frag " 40 " proto " 0000 0a000001 0a000002 "
#define IP6_ADDRS		"fd000000000000000000000000000001 fd000000000000000000000000000002 "
#define IP6_H(len, next)	"6000 0000 " len " " next " 40 " IP6_ADDRS
#define TCP_H			"0fa0 0050 00000000 00000000 50 02 ffff 0000 0000 "
#define UDP_H			"0fa0 0050 0008 0000 "
#define ECHO_H			"08 00 0000 1234 0001 "
#define ECHO6_H			"80 00 0000 1234 0001 "
#define SCTP_H			"0fa0 0050 00000000 00000000 "

struct verdict {
	const char *name, *hex;
	enum skep_drop want;
};

static void check_verdicts(const struct verdict *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char line[1024];
		enum skep_drop got;

		snprintf(line, sizeof(line), "hex %s", t[i].hex);
		struct frame f _frame_ = frame_raw(line);
		got = frame_parse(&f);
		if (got != t[i].want)
			fail_msg("%s: want %s, got %s", t[i].name, skep_drop_name(t[i].want),
				 skep_drop_name(got));
	}
}

static void ethernet(void **state)
{
	static const struct verdict t[] = {
		{ "nothing at all", "", SKEP_DROP_TRUNCATED },
		{ "13 bytes", "020000000002 020000000001 88", SKEP_DROP_TRUNCATED },
		{ "unknown type without payload", MACS "88cc", SKEP_DROP_NONE },
		{ "tag cut after two bytes", MACS "8100 0005", SKEP_DROP_TRUNCATED },
		{ "tag cut after three bytes", MACS "8100 0005 88", SKEP_DROP_TRUNCATED },
		{ "tag and nothing behind", MACS "8100 0005 88cc", SKEP_DROP_NONE },
		{ "service tag", MACS "88a8 0005 88cc", SKEP_DROP_NONE },
		{ "second tag is payload, even when cut", MACS "8100 0005 8100 00",
		  SKEP_DROP_NONE },
		{ "802.3 length", MACS "0010 aaaa03", SKEP_DROP_NONE },
		{ "0x05ff is a length", MACS "05ff", SKEP_DROP_NONE },
	};

	check_verdicts(t, ARRAY_SIZE(t));
}

static void ipv4(void **state)
{
	static const struct verdict t[] = {
		{ "19 bytes", MACS IP4 "45 00 0014 0000 0000 40 06 0000 0a000001 0a0000",
		  SKEP_DROP_TRUNCATED },
		{ "version 5", MACS IP4 "55 00 0014 0000 0000 40 fd 0000 0a000001 0a000002",
		  SKEP_DROP_BAD_HEADER },
		{ "ihl 4", MACS IP4 "44 00 0014 0000 0000 40 fd 0000 0a000001 0a000002",
		  SKEP_DROP_BAD_HEADER },
		{ "ihl 6 but 20 bytes",
		  MACS IP4 "46 00 0018 0000 0000 40 fd 0000 0a000001 0a000002",
		  SKEP_DROP_TRUNCATED },
		{ "ihl 6 with its options",
		  MACS IP4 "46 00 0018 0000 0000 40 fd 0000 0a000001 0a000002 01010101",
		  SKEP_DROP_NONE },
		{ "ihl 6, total 20",
		  MACS IP4 "46 00 0014 0000 0000 40 fd 0000 0a000001 0a000002 01010101",
		  SKEP_DROP_BAD_HEADER },
		{ "total length 0", MACS IP4 IP4_H("0000", "0000", "fd"), SKEP_DROP_BAD_HEADER },
		{ "total length 19", MACS IP4 IP4_H("0013", "0000", "fd"), SKEP_DROP_BAD_HEADER },
		{ "total length 21 of 20", MACS IP4 IP4_H("0015", "0000", "fd"),
		  SKEP_DROP_TRUNCATED },
		{ "no payload", MACS IP4 IP4_H("0014", "0000", "fd"), SKEP_DROP_NONE },
		{ "padding behind", MACS IP4 IP4_H("0014", "0000", "fd") "0000", SKEP_DROP_NONE },
		{ "padding is no header", MACS IP4 IP4_H("0014", "0000", "11") UDP_H,
		  SKEP_DROP_TRUNCATED },
		{ "later fragment has no L4", MACS IP4 IP4_H("0014", "0001", "06"),
		  SKEP_DROP_NONE },
		{ "first fragment has", MACS IP4 IP4_H("0014", "2000", "06"), SKEP_DROP_TRUNCATED },
		{ "ICMPv6 in IPv4 is unknown", MACS IP4 IP4_H("0014", "0000", "3a"),
		  SKEP_DROP_NONE },
	};

	check_verdicts(t, ARRAY_SIZE(t));
}

static void ipv6(void **state)
{
#define MAPPED "00000000000000000000ffff0a000001 "
	static const struct verdict t[] = {
		{ "39 bytes",
		  MACS IP6
		  "6000 0000 0000 3b 40 fd000000000000000000000000000001 fd0000000000000000000000000000",
		  SKEP_DROP_TRUNCATED },
		{ "version 4", MACS IP6 "4000 0000 0000 3b 40 " IP6_ADDRS, SKEP_DROP_BAD_HEADER },
		{ "no payload", MACS IP6 IP6_H("0000", "3b"), SKEP_DROP_NONE },
		{ "payload 1 of 0", MACS IP6 IP6_H("0001", "3b"), SKEP_DROP_TRUNCATED },
		{ "payload length 0 hides UDP", MACS IP6 IP6_H("0000", "11") UDP_H,
		  SKEP_DROP_TRUNCATED },
		{ "mapped source",
		  MACS IP6 "6000 0000 0000 3b 40 " MAPPED "fd000000000000000000000000000002",
		  SKEP_DROP_BAD_HEADER },
		{ "mapped destination",
		  MACS IP6 "6000 0000 0000 3b 40 fd000000000000000000000000000002 " MAPPED,
		  SKEP_DROP_BAD_HEADER },
		{ "hop-by-hop of 7 bytes", MACS IP6 IP6_H("0007", "00") "3b 00 000000 0000",
		  SKEP_DROP_TRUNCATED },
		{ "hop-by-hop of 8 bytes", MACS IP6 IP6_H("0008", "00") "3b 00 000000000000",
		  SKEP_DROP_NONE },
		{ "hop-by-hop says 16 of 8", MACS IP6 IP6_H("0008", "00") "3b 01 000000000000",
		  SKEP_DROP_TRUNCATED },
		{ "AH counts in words",
		  MACS IP6 IP6_H("0010", "33") "3b 02 000000000000 0000000000000000",
		  SKEP_DROP_NONE },
		{ "AH overruns", MACS IP6 IP6_H("0010", "33") "3b 03 000000000000 0000000000000000",
		  SKEP_DROP_TRUNCATED },
		{ "six headers",
		  MACS IP6 IP6_H(
			  "0030",
			  "3c") "3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3b00000000000000",
		  SKEP_DROP_NONE },
		{ "seven headers",
		  MACS IP6 IP6_H(
			  "0038",
			  "3c") "3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 "
				"3b00000000000000",
		  SKEP_DROP_BAD_HEADER },
		{ "a seventh that is not there",
		  MACS IP6 IP6_H(
			  "0030",
			  "3c") "3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000",
		  SKEP_DROP_BAD_HEADER },
		{ "later fragment ends the walk",
		  MACS IP6 IP6_H("0008", "2c") "00 00 0008 00000001", SKEP_DROP_NONE },
		{ "first fragment does not", MACS IP6 IP6_H("0008", "2c") "00 00 0001 00000001",
		  SKEP_DROP_TRUNCATED },
		{ "ICMP in IPv6 is unknown", MACS IP6 IP6_H("0000", "01"), SKEP_DROP_NONE },
	};

	check_verdicts(t, ARRAY_SIZE(t));
}

static void l4(void **state)
{
	static const struct verdict t[] = {
		{ "TCP", MACS IP4 IP4_H("0028", "0000", "06") TCP_H, SKEP_DROP_NONE },
		{ "TCP of 19 bytes", MACS IP4 IP4_H("0027", "0000", "06") TCP_H,
		  SKEP_DROP_TRUNCATED },
		{ "TCP data offset 4",
		  MACS IP4 IP4_H("0028", "0000",
				 "06") "0fa00050 00000000 00000000 40 02 ffff 0000 0000",
		  SKEP_DROP_BAD_HEADER },
		{ "TCP data offset 6 of 5",
		  MACS IP4 IP4_H("0028", "0000",
				 "06") "0fa00050 00000000 00000000 60 02 ffff 0000 0000",
		  SKEP_DROP_TRUNCATED },
		{ "UDP", MACS IP4 IP4_H("001c", "0000", "11") UDP_H, SKEP_DROP_NONE },
		{ "UDP of 7 bytes", MACS IP4 IP4_H("001b", "0000", "11") UDP_H,
		  SKEP_DROP_TRUNCATED },
		{ "UDP length lies, and nobody looks",
		  MACS IP4 IP4_H("001c", "0000", "11") "0fa0 0050 ffff 0000", SKEP_DROP_NONE },
		{ "SCTP", MACS IP4 IP4_H("0020", "0000", "84") SCTP_H, SKEP_DROP_NONE },
		{ "SCTP of 11 bytes", MACS IP4 IP4_H("001f", "0000", "84") SCTP_H,
		  SKEP_DROP_TRUNCATED },
		{ "ICMP", MACS IP4 IP4_H("001c", "0000", "01") ECHO_H, SKEP_DROP_NONE },
		{ "ICMP of 7 bytes", MACS IP4 IP4_H("001b", "0000", "01") ECHO_H,
		  SKEP_DROP_TRUNCATED },
		{ "ICMPv6", MACS IP6 IP6_H("0008", "3a") ECHO6_H, SKEP_DROP_NONE },
		{ "ICMPv6 of 7 bytes", MACS IP6 IP6_H("0007", "3a") ECHO6_H, SKEP_DROP_TRUNCATED },
		{ "UDP behind two headers",
		  MACS IP6 IP6_H("0018", "00") "3c00000000000000 1100000000000000" UDP_H,
		  SKEP_DROP_NONE },
		{ "UDP cut behind a header", MACS IP6 IP6_H("000f", "00") "1100000000000000" UDP_H,
		  SKEP_DROP_TRUNCATED },
	};

	check_verdicts(t, ARRAY_SIZE(t));
}

static void arp(void **state)
{
#define ARP_REST "0001 020000000001 0a000001 000000000000 0a000002"
	static const struct verdict t[] = {
		{ "27 bytes",
		  MACS "0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a0000",
		  SKEP_DROP_TRUNCATED },
		{ "complete", MACS "0806 0001 0800 06 04 " ARP_REST, SKEP_DROP_NONE },
	};
	static const char *const others[] = {
		MACS "0806 0006 0800 06 04 " ARP_REST,
		MACS "0806 0001 86dd 06 04 " ARP_REST,
		MACS "0806 0001 0800 08 04 " ARP_REST,
		MACS "0806 0001 0800 06 10 " ARP_REST,
	};

	check_verdicts(t, ARRAY_SIZE(t));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		char line[256];

		snprintf(line, sizeof(line), "hex %s", others[i]);
		struct frame f _frame_ = frame_new(line);
		assert_int_equal(f.pkt.f.ip_proto, 0);
		assert_true(ip_is_zero(&f.pkt.f.ip_src));
		assert_true(ip_is_zero(&f.pkt.f.ip_dst));
		assert_int_equal(f.pkt.l3_len, 28);
	}
}

static void tcp_fields(void **state)
{
	struct frame f _frame_ =
		frame_new("hex " MACS "8100 b00a " IP4
			  "46 b8 002f 0000 0000 3f 06 0000 0a000001 0a000002 01010101"
			  "0fa0 0050 00000001 00000002 50 12 ffff 0000 0000 616263 0000");
	const struct pkt_fields *p = &f.pkt.f;
	char text[ADDR_TEXT];

	assert_string_equal(mac_format(&p->eth_dst, text), B);
	assert_string_equal(mac_format(&p->eth_src, text), A);
	assert_int_equal(p->vlan,
			 htons(0xb00a)); /* priority 5, DEI, 10: "present" stands where DEI was */
	assert_int_equal(p->eth_type, htons(0x0800));
	assert_string_equal(ip_format(&p->ip_src, text), "10.0.0.1");
	assert_string_equal(ip_format(&p->ip_dst, text), "10.0.0.2");
	assert_int_equal(p->ip_proto, IPPROTO_TCP);
	assert_int_equal(p->ip_ttl, 63);
	assert_int_equal(p->ip_tos, 0xb8);
	assert_int_equal(p->ip_frag, SKEP_FRAG_NONE);
	assert_int_equal(p->l4_src, htons(4000));
	assert_int_equal(p->l4_dst, htons(80));
	assert_int_equal(p->tcp_flags, 0x12);
	assert_true(p->has_l4);
	assert_int_equal(f.pkt.l3_off, 18);
	assert_int_equal(f.pkt.l3_len, 47);
	assert_int_equal(f.pkt.l4_off, 42);
	assert_int_equal(f.pkt.payload_off, 62);
}

static void ipv6_fields(void **state)
{
	struct frame f _frame_ = frame_new("hex " MACS IP6 "6ab0 0001 0018 00 40 " IP6_ADDRS
					   "2c00000000000000 3a00 0000 00000009" ECHO6_H);
	const struct pkt_fields *p = &f.pkt.f;

	assert_int_equal(p->ip_tos, 0xab);
	assert_int_equal(p->ip_proto, IPPROTO_ICMPV6);
	assert_int_equal(p->ip_frag, SKEP_FRAG_NONE); /* a fragment header for the whole packet */
	assert_int_equal(p->l4_src, htons(0x8000));
	assert_int_equal(p->l4_dst, htons(0x1234));
	assert_int_equal(f.pkt.l4_off, 14 + 40 + 16);
}

static void fragments(void **state)
{
	struct frame first _frame_ = frame_new("hex " MACS IP4 IP4_H("001c", "2000", "11") UDP_H);
	struct frame later _frame_ = frame_new("hex " MACS IP4 IP4_H("001c", "2003", "11") UDP_H);
	struct frame both6 _frame_ = frame_new(
		"hex " MACS IP6 IP6_H("0018", "2c") "2c00 0001 00000001 1100 0000 00000001" UDP_H);
	struct frame later6 _frame_ = frame_new(
		"hex " MACS IP6 IP6_H("0010", "2c") "3c00 0009 00000001 1100000000000000");

	assert_int_equal(first.pkt.f.ip_frag, SKEP_FRAG_FIRST);
	assert_int_equal(first.pkt.f.l4_dst, htons(80));
	assert_int_equal(later.pkt.f.ip_frag, SKEP_FRAG_LATER);
	assert_int_equal(later.pkt.f.ip_proto, IPPROTO_UDP);
	assert_int_equal(later.pkt.f.l4_dst, 0);
	assert_int_equal(later.pkt.l4_off, 0);
	assert_false(later.pkt.f.has_l4);
	assert_int_equal(both6.pkt.f.ip_frag,
			 SKEP_FRAG_FIRST); /* a later, empty one does not undo it */
	assert_int_equal(later6.pkt.f.ip_frag, SKEP_FRAG_LATER);
	assert_int_equal(later6.pkt.f.ip_proto,
			 60); /* as the fragment header says, though it is an extension */
}

static void icmp_ids(void **state)
{
	static const struct {
		const char *line;
		uint16_t src, dst;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 7 seq 9", 0x0800, 7 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp reply id 7", 0x0000, 7 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 8/3 info 0x70009", 0x0803, 7 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 13/0 info 0x70009", 0x0d00, 0 },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 128/0 info 0x70009", 0x8000, 0 },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 7", 0x8000, 7 },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 reply id 7", 0x8100, 7 },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 8/0 info 0x70009", 0x0800, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].line);

		if (ntohs(f.pkt.f.l4_src) != t[i].src || ntohs(f.pkt.f.l4_dst) != t[i].dst)
			fail_msg("%s: got %04x %u", t[i].line, ntohs(f.pkt.f.l4_src),
				 ntohs(f.pkt.f.l4_dst));
	}
}

/* Neighbour discovery that RFC 4861 tells us to ignore leaves nothing behind. */
static void nd_validity(void **state)
{
#define ND(len, ttl, body) MACS IP6 "6000 0000 " len " 3a " ttl " " IP6_ADDRS body
#define TARGET		   "fd000000000000000000000000000003 "
	static const struct {
		const char *name, *hex;
		bool target, lla;
	} t[] = {
		{ "NS with option",
		  ND("0020", "ff", "87 00 0000 00000000 " TARGET "01 01 020000000009"), true,
		  true },
		{ "NS without", ND("0018", "ff", "87 00 0000 00000000 " TARGET), true, false },
		{ "NS with a target option",
		  ND("0020", "ff", "87 00 0000 00000000 " TARGET "02 01 020000000009"), true,
		  false },
		{ "NA with option",
		  ND("0020", "ff", "88 00 0000 60000000 " TARGET "02 01 020000000009"), true,
		  true },
		{ "RS with option", ND("0010", "ff", "85 00 0000 00000000 01 01 020000000009"),
		  false, true },
		{ "RA with option",
		  ND("0018", "ff", "86 00 0000 00000000 00000000 00000000 01 01 020000000009"),
		  false, true },
		{ "option behind another",
		  ND("0028", "ff",
		     "87 00 0000 00000000 " TARGET "0e 01 000000000000 01 01 020000000009"),
		  true, true },
		{ "the first of two",
		  ND("0028", "ff",
		     "87 00 0000 00000000 " TARGET "01 01 000000000000 01 01 020000000009"),
		  true, false },
		{ "hop limit 254",
		  ND("0020", "fe", "87 00 0000 00000000 " TARGET "01 01 020000000009"), false,
		  false },
		{ "code 1", ND("0020", "ff", "87 01 0000 00000000 " TARGET "01 01 020000000009"),
		  false, false },
		{ "23 bytes", ND("0017", "ff", "87 00 0000 00000000 " TARGET), false, false },
		{ "option of length 0",
		  ND("0020", "ff", "87 00 0000 00000000 " TARGET "01 00 020000000009"), false,
		  false },
		{ "option overruns",
		  ND("0020", "ff", "87 00 0000 00000000 " TARGET "01 02 020000000009"), false,
		  false },
		{ "half an option", ND("001c", "ff", "87 00 0000 00000000 " TARGET "01 01 0200"),
		  false, false },
		{ "multicast target",
		  ND("0018", "ff", "87 00 0000 00000000 ff020000000000000000000000000001"), false,
		  false },
		{ "mapped target",
		  ND("0018", "ff", "87 00 0000 00000000 00000000000000000000ffff0a000001"), false,
		  false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char line[512];

		snprintf(line, sizeof(line), "hex %s", t[i].hex);
		struct frame f _frame_ = frame_new(line);
		if (t[i].target == ip_is_zero(&f.pkt.f.nd_target) ||
		    t[i].lla == mac_is_zero(&f.pkt.f.nd_lla))
			fail_msg("%s: target or option %s", t[i].name,
				 t[i].target ? "missing" : "believed");
	}
}

/* Cuts good frames at every length: each answer is TRUNCATED until the last header is complete. */
static void every_length(void **state)
{
	static const char *const lines[] = {
		ETH " vlan 7 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 5",
		ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>53 / data 5",
		ETH " / ip fd00::1>fd00::2 frag first id 9 / tcp 4000>80 S / data 5",
		ETH " / ip fd00::1>fd00::2 / icmp6 echo id 1 / data 5",
		ETH " / ip fd00::1>ff02::1:ff00:2 / ns fd00::2",
		ETH " / arp request 10.0.0.1>10.0.0.2",
		ETH " type 0x88cc / data 5",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct frame whole _frame_ = frame_new(lines[i]);

		for (uint32_t len = 0; len < whole.len; len++) {
			struct frame cut _frame_ = frame_bytes(whole.b, len);
			bool unknown = !strcmp(lines[i], lines[6]) && len >= 14;

			if (frame_parse(&cut) != (unknown ? SKEP_DROP_NONE : SKEP_DROP_TRUNCATED))
				fail_msg("%s: cut to %u bytes", lines[i], len);
		}
	}
}

static void flow_keys(void **state)
{
	struct frame f4 _frame_ =
		frame_new(ETH " vlan 5 / ip 10.0.0.1>10.0.0.2 ttl 9 tos 8 / udp 7>8");
	struct frame f6 _frame_ = frame_new(ETH " / ip fd00::1>fd00::2 frag first / udp 7>8");
	struct frame arp_ _frame_ = frame_new(ETH " / arp reply 10.0.0.1>10.0.0.2");
	struct frame other _frame_ = frame_new(ETH " type 0x88cc / data 64");
	struct skep_flow_key4 want4, k4;
	struct skep_flow_key6 want6, k6;

	memset(&want4, 0, sizeof(want4));
	want4.in_key = 0x1234;
	want4.eth_dst.b[0] = want4.eth_src.b[0] = 2;
	want4.eth_dst.b[5] = 2;
	want4.eth_src.b[5] = 1;
	memset(&want6, 0, sizeof(want6));
	want6.in_key = 0x1234;
	want6.eth_dst = want4.eth_dst;
	want6.eth_src = want4.eth_src;

	want4.eth_type = htons(0x88cc);
	memset(&k4, 0xff, sizeof(k4));
	assert_false(pkt_flow_key(&other.pkt.f, 0x1234, &k4, &k6));
	assert_memory_equal(&k4, &want4, sizeof(k4));

	want4.eth_type = htons(0x0806);
	want4.src = htonl(0x0a000001);
	want4.dst = htonl(0x0a000002);
	want4.proto = 2;
	memset(&k4, 0xff, sizeof(k4));
	assert_false(pkt_flow_key(&arp_.pkt.f, 0x1234, &k4, &k6));
	assert_memory_equal(&k4, &want4, sizeof(k4));

	want4.eth_type = htons(0x0800);
	want4.vlan = htons(0x1005);
	want4.proto = IPPROTO_UDP;
	want4.sport = htons(7);
	want4.dport = htons(8);
	memset(&k4, 0xff, sizeof(k4));
	assert_false(pkt_flow_key(&f4.pkt.f, 0x1234, &k4, &k6));
	assert_memory_equal(&k4, &want4, sizeof(k4));

	want6.eth_type = htons(0x86dd);
	assert_true(ip_parse("fd00::1", &want6.src));
	assert_true(ip_parse("fd00::2", &want6.dst));
	want6.proto = IPPROTO_UDP;
	want6.frag = SKEP_FRAG_FIRST;
	want6.sport = htons(7);
	want6.dport = htons(8);
	memset(&k6, 0xff, sizeof(k6));
	assert_true(pkt_flow_key(&f6.pkt.f, 0x1234, &k4, &k6));
	assert_memory_equal(&k6, &want6, sizeof(k6));
}

static void hashes(void **state)
{
	struct frame a _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 / udp 7>8");
	struct frame port _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 / udp 7>9");
	struct frame ttl _frame_ = frame_new(ETH " vlan 3 / ip 10.0.0.1>10.0.0.2 ttl 3 / udp 7>8");
	struct frame first _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 frag first / udp 7>8");
	struct frame later _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 8");
	struct frame x _frame_ = frame_new(ETH " type 0x88cc");
	struct frame y _frame_ = frame_new("eth " B ">" A " type 0x88cc");

	assert_true(pkt_hash(&a.pkt.f) != pkt_hash(&port.pkt.f));
	assert_true(pkt_hash(&a.pkt.f) == pkt_hash(&ttl.pkt.f));
	assert_true(pkt_hash(&first.pkt.f) == pkt_hash(&later.pkt.f));
	assert_true(pkt_hash(&x.pkt.f) != pkt_hash(&y.pkt.f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet),	cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),		cmocka_unit_test(l4),
		cmocka_unit_test(arp),		cmocka_unit_test(tcp_fields),
		cmocka_unit_test(ipv6_fields),	cmocka_unit_test(fragments),
		cmocka_unit_test(icmp_ids),	cmocka_unit_test(nd_validity),
		cmocka_unit_test(every_length), cmocka_unit_test(flow_keys),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests_name("packet/parse", tests, NULL, NULL);
}
