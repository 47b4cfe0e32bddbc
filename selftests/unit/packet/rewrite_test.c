// SPDX-License-Identifier: Apache-2.0
/* Changes of headers in place: packet/rewrite.c. */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define C "02:00:00:00:00:0c"

static void change_ttl(struct pkt_fields *f)
{
	f->ip_ttl--;
}

static void change_tos(struct pkt_fields *f)
{
	f->ip_tos = 0xb8;
}

static void change_macs(struct pkt_fields *f)
{
	f->eth_src = f->eth_dst;
	f->eth_dst.b[5] = 0x0c;
}

static void change_vlan(struct pkt_fields *f)
{
	f->vlan = htons(PKT_VLAN_PRESENT | 3 << 13 | 99);
}

static void push_vlan(struct pkt_fields *f)
{
	f->vlan = htons(PKT_VLAN_PRESENT | 10);
}

static void pop_vlan(struct pkt_fields *f)
{
	f->vlan = 0;
}

static void change_all(struct pkt_fields *f)
{
	bool v6 = f->eth_type == htons(0x86dd);

	change_ttl(f);
	change_tos(f);
	change_macs(f);
	assert_true(ip_parse(v6 ? "2001:db8::7" : "198.51.100.7", &f->ip_src));
	assert_true(ip_parse(v6 ? "2001:db8::9" : "203.0.113.9", &f->ip_dst));
	if (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP) {
		f->l4_src = htons(11000);
		f->l4_dst = htons(8080);
	} else if (f->has_l4) {
		f->l4_dst = htons(0xbeef);
	}
}

static void pop_and_all(struct pkt_fields *f)
{
	change_all(f);
	pop_vlan(f);
}

static void change_addresses(struct pkt_fields *f)
{
	bool v6 = f->eth_type == htons(0x86dd);

	assert_true(ip_parse(v6 ? "2001:db8::7" : "198.51.100.7", &f->ip_src));
	assert_true(ip_parse(v6 ? "2001:db8::9" : "203.0.113.9", &f->ip_dst));
}

static void change_nothing(struct pkt_fields *f)
{
}

#define ALL4 "eth " B ">" C " / ip 198.51.100.7>203.0.113.9 ttl 63 tos 184"
#define ALL6 "eth " B ">" C " / ip 2001:db8::7>2001:db8::9 ttl 63 tos 184"

/* On a copy with the room that a tag may want; false: refused. */
static bool rewrite(struct frame *f, const struct pkt_fields *to)
{
	uint8_t *copy = malloc(f->len + 4);
	int len;

	assert_non_null(copy);
	memcpy(copy, f->b, f->len);
	len = pkt_rewrite(copy, &f->pkt, to);
	if (len >= 0) {
		frame_fini(f);
		*f = frame_bytes(copy, (uint32_t)len);
	}
	free(copy);
	return len >= 0;
}

static void what_can_change(void **state)
{
	static const struct {
		const char *in;
		void (*change)(struct pkt_fields *f);
		const char *want;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 S", change_nothing,
		  ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 S" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 ttl 64 / tcp 4000>80 S", change_ttl,
		  ETH " / ip 10.0.0.1>10.0.0.2 ttl 63 / tcp 4000>80 S" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 7", change_all,
		  ALL4 " / tcp 11000>8080 S / data 7" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 7", change_all,
		  ALL4 " / udp 11000>8080 / data 7" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 nocsum / data 7", change_all,
		  ALL4 " / udp 11000>8080 nocsum / data 7" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 1 seq 2 / data 7", change_all,
		  ALL4 " / icmp echo id 48879 seq 2 / data 7" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp 3/1 / data 28", change_addresses,
		  ETH " / ip 198.51.100.7>203.0.113.9 ttl 64 / icmp 3/1 / data 28" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / sctp 1>2 / data 8", change_addresses,
		  ETH " / ip 198.51.100.7>203.0.113.9 ttl 64 / sctp 1>2 / data 8" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 8", change_addresses,
		  ETH " / ip 198.51.100.7>203.0.113.9 ttl 64 frag later proto 17 / data 8" },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S / data 7", change_all,
		  ALL6 " / tcp 11000>8080 S / data 7" },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 7", change_all,
		  ALL6 " / udp 11000>8080 / data 7" },
		{ ETH " / ip fd00::1>fd00::2 / icmp6 echo id 1 seq 2 / data 7", change_all,
		  ALL6 " / icmp6 echo id 48879 seq 2 / data 7" },
		{ ETH " / ip fd00::1>fd00::2 frag later proto 17 / data 8", change_addresses,
		  ETH " / ip 2001:db8::7>2001:db8::9 ttl 64 frag later proto 17 / data 8" },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", change_macs,
		  "eth " B ">" C " / arp request 10.0.0.1>10.0.0.2 sha " A },
		{ ETH " vlan 5 / ip 10.0.0.1>10.0.0.2 / udp 1>2", change_vlan,
		  ETH " vlan 99 pcp 3 / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 1>2" },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 9", push_vlan,
		  ETH " vlan 10 / ip 10.0.0.1>10.0.0.2 ttl 64 / udp 1>2 / data 9" },
		{ ETH " vlan 5 pcp 3 / ip fd00::1>fd00::2 / tcp 1>2 S / data 9", pop_vlan,
		  ETH " / ip fd00::1>fd00::2 ttl 64 / tcp 1>2 S / data 9" },
		{ ETH " vlan 5 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / data 7", pop_and_all,
		  ALL4 " / tcp 11000>8080 S / data 7" },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", push_vlan,
		  ETH " vlan 10 / arp request 10.0.0.1>10.0.0.2" },
		{ ETH " type 0 / data 46", push_vlan, ETH " vlan 10 type 0x0000 / data 46" },
		{ ETH " type 0x88cc / data 46", change_macs,
		  "eth " B ">" C " type 0x88cc / data 46" },
		/* a wrong checksum is not made right */
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S / badcsum", change_all,
		  ALL4 " / tcp 11000>8080 S / badcsum" },
		{ ETH " / ip fd00::1>fd00::2 / udp 4000>80 / badcsum", change_all,
		  ALL6 " / udp 11000>8080 / badcsum" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].in);
		struct pkt_fields to = f.pkt.f;

		t[i].change(&to);
		if (!rewrite(&f, &to))
			fail_msg("%s: refused", t[i].in);
		assert_frame(t[i].in, f.b, f.len, t[i].want);
		assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
		assert_memory_equal(&f.pkt.f.ip_src, &to.ip_src, 16);
	}
}

static void break_type(struct pkt_fields *f)
{
	f->eth_type = htons(0x88cc);
}

static void break_proto(struct pkt_fields *f)
{
	f->ip_proto++;
}

/* a tag without the "present" bit */
static void break_tag(struct pkt_fields *f)
{
	f->vlan = htons(5);
}

static void break_family(struct pkt_fields *f)
{
	assert_true(ip_parse(ip_is_v4(&f->ip_src) ? "fd00::9" : "10.0.0.9", &f->ip_src));
}

static void break_frag(struct pkt_fields *f)
{
	f->ip_frag = SKEP_FRAG_FIRST;
}

static void break_port(struct pkt_fields *f)
{
	f->l4_src = htons(77);
}

static void break_flags(struct pkt_fields *f)
{
	f->tcp_flags ^= 1;
}

static void what_cannot(void **state)
{
	static const struct {
		const char *in;
		void (*change)(struct pkt_fields *f);
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_type },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_proto },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_tag },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_family },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_frag },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", break_flags },
		{ ETH " vlan 5 / ip fd00::1>fd00::2 / tcp 4000>80 S", break_tag },
		/* what is behind the tag would be taken for one */
		{ "hex 0200000000020200000000018100000581000006080045000000", pop_vlan },
		{ "hex 020000000002020000000001810000058100000688a8", pop_vlan },
		{ ETH " / ip fd00::1>fd00::2 / tcp 4000>80 S", break_family },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / icmp echo id 1", break_port },
		{ ETH " / ip 10.0.0.1>10.0.0.2 / sctp 1>2", break_port },
		{ ETH " / ip 10.0.0.1>10.0.0.2 proto 47", break_port },
		{ ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 6 / data 30", break_port },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", change_addresses },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", change_ttl },
		{ ETH " type 0x88cc", change_tos },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].in);
		struct frame before _frame_ = frame_bytes(f.b, f.len);
		struct pkt_fields to = f.pkt.f;

		t[i].change(&to);
		to.eth_dst.b[5] = 0x77; /* a change that could be made is not made either */
		if (pkt_rewrite(f.b, &f.pkt, &to) != -EINVAL)
			fail_msg("%s: change %zu not refused", t[i].in, i);
		assert_memory_equal(f.b, before.b, f.len);
	}
}

/* The DEI bit is not in the fields, so it survives. */
static void dei_stays(void **state)
{
	struct frame f _frame_ = frame_new(ETH " vlan 5 / ip 10.0.0.1>10.0.0.2 / udp 1>2");
	struct pkt_fields to;

	f.b[14] |= 0x10;
	assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
	to = f.pkt.f;
	to.vlan = htons(PKT_VLAN_PRESENT | 6);
	assert_int_equal(pkt_rewrite(f.b, &f.pkt, &to), (int)f.len);
	assert_int_equal(f.b[14], 0x10);
	assert_int_equal(f.b[15], 6);
}

static uint64_t next_random(uint64_t *s)
{
	*s += 0x9e3779b97f4a7c15ULL;
	uint64_t z = *s;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Any addresses and ports, among them the ones whose sums are 0x0000 and 0xffff. */
static void random_changes(void **state)
{
	static const char *const lines[] = {
		ETH " / ip 0.0.0.0>0.0.0.0 / tcp 0>0",
		ETH " / ip 10.0.0.1>10.0.0.2 / udp 4000>80 / data 3",
		ETH " / ip fd00::1>fd00::2 / udp 4000>80 / data 3",
		ETH " / ip fd00::1>fd00::2 / tcp 4000>80",
	};
	uint64_t seed = 2;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct frame f _frame_ = frame_new(lines[i]);

		for (int k = 0; k < 200000; k++) {
			struct pkt_fields to = f.pkt.f;
			uint64_t r = next_random(&seed);

			to.ip_dst.w[3] = (uint32_t)r;
			to.l4_src = (uint16_t)(r >> 32);
			to.ip_ttl = (uint8_t)(r >> 48);
			if (r >> 63) { /* drive the sum to its two zeros */
				to.ip_dst.w[3] = r >> 62 & 1 ? 0 : 0xffffffff;
				to.l4_src = (uint16_t)k;
			}
			if (pkt_rewrite(f.b, &f.pkt, &to) < 0 || frame_parse(&f))
				fail_msg("%s: round %d", lines[i], k);
			if (!pkt_csum_ok(&f.pkt))
				fail_msg("%s: round %d: wrong checksum", lines[i], k);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_change),
		cmocka_unit_test(what_cannot),
		cmocka_unit_test(dei_stays),
		cmocka_unit_test(random_changes),
	};

	return cmocka_run_group_tests_name("packet/rewrite", tests, NULL, NULL);
}
