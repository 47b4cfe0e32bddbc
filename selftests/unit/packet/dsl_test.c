// SPDX-License-Identifier: Apache-2.0
/* The text form: what it accepts, what it refuses and how it says so, and that it is canonical:
 * packet/dsl_*.c, packet/summary.c. */
#include "selftests/unit/packet/frames.h"

#include <errno.h>

/* Lines in canonical form: parse and format give the line again. */
static void canonical(void **state)
{
	static const char *const lines[] = {
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80",
		ETH
		" / ip 10.0.0.1>10.0.0.2 ttl 1 tos 184 df id 7 / tcp 0>65535 FSRPAUEC seq 4294967295 ack 1 / data 1000",
		ETH
		" vlan 4095 pcp 7 / ip 10.0.0.1>10.0.0.2 ttl 0 frag first id 9 / udp 1>2 / data 8",
		ETH " vlan 0 / ip 10.0.0.1>10.0.0.2 ttl 64 frag later id 9 proto 6 / data 8",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 proto 0",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 1>2 nocsum",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / sctp 1>2 / data 4",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / icmp echo",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / icmp reply id 1 seq 2 / data 56",
		ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / icmp 3/4 info 1400 / data 28 / badcsum",
		ETH " / ip fd00::1>fd00::2 ttl 64 frag first / tcp 1>2 S",
		ETH " / ip fd00::1>fd00::2 ttl 64 frag later proto 60 / data 3",
		ETH " / ip fd00::1>fd00::2 ttl 64 / icmp6 128/1 info 5",
		ETH " / ip fd00::1>ff02::1:ff00:2 ttl 255 / ns fd00::2",
		ETH " / ip fd00::1>ff02::1:ff00:2 ttl 255 / ns fd00::2 slla 02:00:00:00:00:09",
		ETH " / ip fd00::1>ff02::1:ff00:2 ttl 255 / ns fd00::2 slla none",
		ETH " / ip ::>ff02::1:ff00:2 ttl 255 / ns fd00::2",
		ETH " / ip fd00::1>fd00::2 ttl 255 / na fd00::1 flags RSO",
		ETH " / ip fd00::1>fd00::2 ttl 255 / na fd00::1 tlla none",
		ETH " / ip fd00::1>fd00::2 ttl 255 / na fd00::1 / badcsum",
		"eth " A ">ff:ff:ff:ff:ff:ff / arp request 10.0.0.1>10.0.0.2",
		ETH " / arp reply 10.0.0.1>10.0.0.2 sha 02:00:00:00:00:09 tha 02:00:00:00:00:0a",
		ETH " vlan 5 / arp 9 10.0.0.1>10.0.0.2",
		ETH " type 0x88cc",
		ETH " type 0x0000 / data 40",
		ETH " vlan 5 type 0x8100 / data 40",
		"bad truncated / hex 001122",
		"bad bad_header / hex 0200000000020200000000010800550000140000000040060000"
		"0a0000010a000002",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct frame f _frame_ = frame_raw(lines[i]);

		assert_frame("line", f.b, f.len, lines[i]);
	}
}

static void other_spellings(void **state)
{
	static const struct {
		const char *line, *want;
	} t[] = {
		{ "  eth\t" A ">" B "  / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 AS\n",
		  ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 SA" },
		{ ETH " / ip id 0x10 10.0.0.1>10.0.0.2", NULL },
		{ ETH " / ip 10.0.0.1>10.0.0.2 id 0x10 df ttl 0x3F / udp 1>0xffff",
		  ETH " / ip 10.0.0.1>10.0.0.2 ttl 63 df id 16 / udp 1>65535" },
		{ ETH " / ip6 fd00::1>fd00::2", ETH " / ip fd00::1>fd00::2 ttl 64 proto 59" },
		{ ETH " / ip 10.0.0.1>10.0.0.2", ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 proto 59" },
		{ ETH " / arp request 10.0.0.1>10.0.0.2 sha " A,
		  ETH " / arp request 10.0.0.1>10.0.0.2" },
		{ "hex 00 11\t22", "bad truncated / hex 001122" },
	};
	struct err err;
	uint8_t buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int n = pkt_dsl_parse(t[i].line, NULL, buf, sizeof(buf), &err);

		if (!t[i].want) {
			assert_int_equal(n, -EINVAL);
			continue;
		}
		if (n < 0)
			fail_msg("%s: %s", t[i].line, err.text);
		assert_frame(t[i].line, buf, (uint32_t)n, t[i].want);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *line, *says; /* part of the message */
	} t[] = {
		{ "", "'' is not a layer" },
		{ "frame", "'frame' is not a layer" },
		{ "ip 1.1.1.1>2.2.2.2", "layer 'ip' cannot come first; want 'eth'" },
		{ ETH " /", "'' is not a layer" },
		{ ETH " / tcp 1>2", "layer 'tcp' cannot follow layer 'eth'" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / tcp 1>2 / udp 1>2",
		  "layer 'udp' cannot follow layer 'tcp'" },
		{ "eth " A " " B, "'" A "' is not understood (want FROM>TO" },
		{ "eth " A ">", "is not understood (want FROM>TO" },
		{ "eth x>" B, "layer 'eth': 'x' is not an Ethernet address" },
		{ ETH " vlan 4096", "'4096' is not understood (want a number from 0 to 4095)" },
		{ ETH " vlan", "'' is not understood (want a number" },
		{ ETH " vlan -1", "'-1' is not understood" },
		{ ETH " vlan 0x", "'0x' is not understood" },
		{ ETH " pcp 3", "'pcp' needs 'vlan'" },
		{ ETH " type 0x8100", "a tag is written as 'vlan N'" },
		{ ETH " type 99", "type 0x0063 is a length" },
		{ ETH " type 0x0800 / ip 1.1.1.1>2.2.2.2", "'type' goes without" },
		{ ETH " / data 1536", "at most 1535 bytes" },
		{ ETH " / ip 1.1.1.1>2.2.2", "layer 'ip': '2.2.2' is not an IPv4 address" },
		{ ETH " / ip 1.1.1.1>fd00::1", "'fd00::1' is not an IPv4 address" },
		{ ETH " / ip6 1.1.1.1>2.2.2.2", "'1.1.1.1' is not an IPv6 address" },
		{ ETH " / arp request fd00::1>fd00::2",
		  "layer 'arp': 'fd00::1' is not an IPv4 address" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 ttl 256", "a number from 0 to 255" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 frag middle", "want first or later" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 id 65536", "id 65536: want 0 to 65535" },
		{ ETH " / ip fd00::1>fd00::2 df", "'df' exists in IPv4 only" },
		{ ETH " / ip fd00::1>fd00::2 id 1", "'id' in IPv6 needs 'frag'" },
		{ ETH " / ip fd00::1>fd00::2 proto 9 / badcsum", "has no checksum" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 proto 6 / tcp 1>2", "'proto' goes without" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 frag later / tcp 1>2", "a later fragment has no L4" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / tcp 1>65536", "two ports from 0 to 65535" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / tcp 1>2 SS",
		  "'SS' is not understood (want flags of FSRPAUEC" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / tcp 1>2 X", "'X' is not understood" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / udp 1>2 S", "'S' is not understood (want nocsum)" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / icmp ping", "want echo, reply or TYPE/CODE" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / icmp 256/0", "want echo, reply or TYPE/CODE" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / ns fd00::1", "'1.1.1.1' is not an IPv6 address" },
		{ ETH " / ip fd00::1>fd00::2 / na fd00::1 flags SX", "'SX' is not understood" },
		{ ETH " / ip fd00::1>fd00::2 / na fd00::1 slla " A, "'slla' is not understood" },
		{ ETH " / arp maybe 1.1.1.1>2.2.2.2", "want request, reply or a number" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / udp 1>2 / data 65508", "longer than 65535" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / udp 1>2 / data 70000", "a number from 0 to 65700" },
		{ ETH " / ip 1.1.1.1>2.2.2.2 / udp 1>2 / data 1000",
		  "1042 bytes, more than the buffer's 512" },
		{ "hex 0", "is not a byte" },
		{ "hex 0g", "'0g' is not a byte" },
		{ "bad frame hex 00", "'bad' is not a layer" },
	};
	struct err err;
	uint8_t buf[512];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&err, 0, sizeof(err));
		if (pkt_dsl_parse(t[i].line, NULL, buf, sizeof(buf), &err) != -EINVAL)
			fail_msg("%s: accepted", t[i].line);
		if (!strstr(err.text, t[i].says))
			fail_msg("%s: says '%s', want '%s'", t[i].line, err.text, t[i].says);
		assert_int_equal(err.code, -EINVAL);
	}
}

static void long_words(void **state)
{
	char line[600];
	uint8_t buf[64];
	struct err err;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (size_t n = 100; n < sizeof(line); n++) {
		line[n - 1] = '\0';
		assert_int_equal(pkt_dsl_parse(line, NULL, buf, sizeof(buf), &err), -EINVAL);
		line[n - 1] = 'x';
	}
}

static bool find_mac(void *arg, const char *name, struct skep_mac *mac)
{
	(void)arg;
	return !strcmp(name, "vm1") ? mac_parse(A, mac)
				    : !strcmp(name, "r1.web") && mac_parse(B, mac);
}

static bool find_ip(void *arg, const char *name, bool want_v6, struct skep_ip *ip)
{
	(*(int *)arg)++;
	if (!strcmp(name, "vm1"))
		return ip_parse(want_v6 ? "fd00::1" : "10.0.0.1", ip);
	return !strcmp(name, "only4") && ip_parse("10.0.0.4", ip);
}

static void names(void **state)
{
	static const struct {
		const char *line, *want;
	} t[] = {
		{ "eth vm1>r1.web / ip vm1>10.0.0.2 / udp 1>2",
		  ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 1>2" },
		{ "eth vm1>r1.web / ip vm1>vm1 / udp 1>2",
		  ETH " / ip 10.0.0.1>10.0.0.1 ttl 64 / udp 1>2" },
		{ "eth vm1>r1.web / ip6 vm1>vm1 / udp 1>2",
		  ETH " / ip fd00::1>fd00::1 ttl 64 / udp 1>2" },
		{ "eth vm1>r1.web / ip vm1>fd00::2 / udp 1>2",
		  ETH " / ip fd00::1>fd00::2 ttl 64 / udp 1>2" },
		{ "eth vm1>r1.web / ip vm1>vm1 / icmp6 echo",
		  ETH " / ip fd00::1>fd00::1 ttl 64 / icmp6 echo" },
		{ "eth vm1>r1.web / ip vm1>ff02::1 / ns vm1",
		  ETH " / ip fd00::1>ff02::1 ttl 255 / ns fd00::1" },
		{ "eth vm1>r1.web / arp request vm1>only4",
		  ETH " / arp request 10.0.0.1>10.0.0.4" },
	};
	int calls = 0;
	struct pkt_names table = { find_mac, find_ip, &calls };
	uint8_t buf[128];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		int n = pkt_dsl_parse(t[i].line, &table, buf, sizeof(buf), &err);

		if (n < 0)
			fail_msg("%s: %s", t[i].line, err.text);
		assert_frame(t[i].line, buf, (uint32_t)n, t[i].want);
	}
	assert_true(calls > 0);
	assert_int_equal(
		pkt_dsl_parse("eth vm1>nobody / ip vm1>vm1", &table, buf, sizeof(buf), &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "'nobody' is not an Ethernet address"));
	assert_int_equal(
		pkt_dsl_parse("eth vm1>vm1 / ip6 vm1>only4", &table, buf, sizeof(buf), &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "'only4' is not an IPv6 address or a known name"));
}

static void summaries(void **state)
{
	static const struct {
		const char *line, *want;
	} t[] = {
		{ ETH " / ip 10.0.1.5>10.0.2.9 / tcp 4000>80 S",
		  "tcp 10.0.1.5:4000 > 10.0.2.9:80 syn" },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 SA",
		  "tcp [fd00::1]:4000 > [fd00::2]:80 syn,ack" },
		{ ETH " vlan 7 / ip 10.0.1.5>10.0.2.9 frag first / udp 1>2",
		  "vlan 7 udp 10.0.1.5:1 > 10.0.2.9:2 (first fragment)" },
		{ ETH " / ip 10.0.1.5>10.0.2.9 frag later proto 17",
		  "ip 10.0.1.5 > 10.0.2.9 proto 17 (later fragment)" },
		{ ETH " / ip 10.0.1.5>10.0.2.9 / sctp 1>2", "sctp 10.0.1.5:1 > 10.0.2.9:2" },
		{ ETH " / ip 10.0.1.5>10.0.2.9 / icmp echo id 7",
		  "icmp 10.0.1.5 > 10.0.2.9 echo id 7" },
		{ ETH " / ip 10.0.1.5>10.0.2.9 / icmp 3/1",
		  "icmp 10.0.1.5 > 10.0.2.9 type 3 code 1" },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 reply id 7",
		  "icmp6 fd00::1 > fd00::2 reply id 7" },
		{ ETH " / ip fd00::1>ff02::1 / ns fd00::2",
		  "icmp6 fd00::1 > ff02::1 who-has fd00::2" },
		{ ETH " / ip fd00::1>fd00::2 / na fd00::1",
		  "icmp6 fd00::1 > fd00::2 fd00::1 advertised" },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", "arp who-has 10.0.0.2 tell 10.0.0.1" },
		{ ETH " / arp reply 10.0.0.1>10.0.0.2", "arp 10.0.0.1 is-at " A },
		{ ETH " type 0x88cc", "ethertype 0x88cc " A " > " B },
	};
	struct arena arena;

	arena_init(&arena, 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].line);

		assert_string_equal(pkt_summary(&f.pkt, &arena), t[i].want);
	}
	arena_fini(&arena);
}

static void arena_full(void **state)
{
	struct frame f _frame_ = frame_new(ETH " / ip 10.0.1.5>10.0.2.9 / tcp 4000>80 S");
	struct arena arena;

	arena_init(&arena, 16);
	assert_null(pkt_dsl_format(f.b, f.len, &arena));
	assert_null(pkt_summary(&f.pkt, &arena));
	assert_true(arena_failed(&arena));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical),  cmocka_unit_test(other_spellings),
		cmocka_unit_test(refused),    cmocka_unit_test(long_words),
		cmocka_unit_test(names),      cmocka_unit_test(summaries),
		cmocka_unit_test(arena_full),
	};

	return cmocka_run_group_tests_name("packet/dsl", tests, NULL, NULL);
}
