// SPDX-License-Identifier: Apache-2.0
/* Fragments: what the parser says of them, what a router makes of a packet that is too big, ports
 * of later ones. */
#include "selftests/unit/packet/frames.h"

#include <arpa/inet.h>
#include <errno.h>

struct cut {
	uint8_t payload[70000]; /* put together again */
	uint32_t n, next;	/* fragments; offset that has to come */
	uint32_t mtu;
	uint32_t header_lens[4];
	bool more;
};

static void take(void *arg, const uint8_t *data, uint32_t len)
{
	struct frame f _frame_ = frame_bytes(data, len);
	struct cut *c = arg;
	uint32_t size;

	assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
	assert_true(f.pkt.l3_len <= c->mtu && f.pkt.l3_off + f.pkt.l3_len == len);
	assert_int_equal(pkt_csum(f.b + f.pkt.l3_off, (f.b[f.pkt.l3_off] & 15) * 4U, 0), 0);
	if (c->n < 4)
		c->header_lens[c->n] = (f.b[f.pkt.l3_off] & 15) * 4U;
	size = f.pkt.l3_len - (f.b[f.pkt.l3_off] & 15) * 4U;
	assert_int_equal(f.pkt.frag_off, c->next);
	memcpy(c->payload + c->next, f.b + len - size, size);
	c->next += size;
	c->more = f.pkt.frag_more;
	c->n++;
}

static int cut(const struct frame *f, uint32_t mtu, struct cut *c)
{
	struct arena arena;
	int rc;

	memset(c, 0, sizeof(*c));
	c->mtu = mtu;
	c->next = f->pkt.frag_off;
	arena_init(&arena, 0);
	rc = pkt_fragment(&f->pkt, mtu, &arena, take, c);
	arena_fini(&arena);
	return rc;
}

static void parsed(void **state)
{
	static const struct {
		const char *line;
		uint32_t id;
		uint16_t off;
		bool more, df;
	} t[] = {
		{ ETH " / ip 10.0.0.1>10.0.0.2 id 7 df / udp 1>2", 7, 0, false, true },
		{ ETH " / ip 10.0.0.1>10.0.0.2 id 65535 frag first / udp 1>2", 65535, 0, true,
		  false },
		{ ETH " vlan 3 / ip 10.0.0.1>10.0.0.2 id 7 frag later proto 17 / data 8", 7, 1480,
		  false, false },
		{ ETH " / ip fd00::1>fd00::2 id 77777 frag first / udp 1>2", 77777, 0, true,
		  false },
		{ ETH " / ip fd00::1>fd00::2 id 77777 frag later proto 17 / data 8", 77777, 1480,
		  false, false },
		{ ETH " / ip fd00::1>fd00::2 / udp 1>2", 0, 0, false, false },
		{ ETH " / arp request 10.0.0.1>10.0.0.2", 0, 0, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame f _frame_ = frame_new(t[i].line);

		assert_int_equal(f.pkt.frag_id, t[i].id);
		assert_int_equal(f.pkt.frag_more, t[i].more);
		assert_int_equal(f.pkt.df, t[i].df);
		if (f.pkt.f.ip_frag == SKEP_FRAG_LATER)
			assert_int_not_equal(f.pkt.frag_off, 0);
		else
			assert_int_equal(f.pkt.frag_off, 0);
	}
}

static void whole_again(void **state)
{
	static struct cut c;
	static const uint32_t mtus[] = { 68, 69, 100, 576, 1280, 1499, 1500 };
	struct frame f _frame_ =
		frame_new(ETH " vlan 4 / ip 10.0.0.1>10.0.0.2 id 9 / udp 4000>53 / data 3001");

	for (uint32_t i = 0; i < 3001; i++)
		f.b[f.pkt.payload_off + i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++) {
		uint32_t per = (mtus[i] - 20) & ~7U;

		assert_int_equal(cut(&f, mtus[i], &c), 0);
		assert_int_equal(c.n, (3009 + per - 1) / per);
		assert_int_equal(c.next, 3009);
		assert_false(c.more);
		assert_memory_equal(c.payload, f.b + f.pkt.l4_off, 3009);
	}
	assert_int_equal(cut(&f, 3029, &c), 0); /* fits */
	assert_int_equal(c.n, 1);
}

/* A fragment is cut again, and only the packet's own last piece is the last. */
static void of_fragments(void **state)
{
	static struct cut c;
	struct frame first _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 id 9 frag first / udp 1>2 / data 1000");
	struct frame later _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 id 9 frag later proto 17 / data 1000");

	assert_int_equal(cut(&first, 576, &c), 0);
	assert_int_equal(c.n, 2);
	assert_true(c.more);
	assert_int_equal(cut(&later, 576, &c), 0);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.next, later.pkt.frag_off + 1000);
	assert_false(c.more);
}

static void refused(void **state)
{
	static struct cut c;
	struct frame df _frame_ = frame_new(ETH " / ip 10.0.0.1>10.0.0.2 df / udp 1>2 / data 1000");
	struct frame v6 _frame_ = frame_new(ETH " / ip fd00::1>fd00::2 / udp 1>2 / data 1000");
	struct frame arp _frame_ = frame_new(ETH " / arp request 10.0.0.1>10.0.0.2");
	struct frame f _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 1000");

	assert_int_equal(cut(&df, 576, &c), -EINVAL);
	assert_int_equal(cut(&v6, 576, &c), -EINVAL);
	assert_int_equal(cut(&arp, 576, &c), -EINVAL);
	assert_int_equal(cut(&f, 67, &c), -EINVAL);
	f.b[20] = 0x1f; /* offset 65528: it would end beyond the longest packet */
	f.b[21] = 0xff;
	assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
	assert_int_equal(cut(&f, 576, &c), -EINVAL);
	assert_int_equal(c.n, 0);
}

/* RFC 791: options with the copied flag are in all fragments, others in the first; garbage ends the
 * list. */
static void with_options(void **state)
{
	static const struct {
		uint8_t opt[8];
		uint32_t later;
	} t[] = {
		{ { 0x94, 4, 0, 0, 7, 4, 0, 0 }, 24 }, /* router alert, record route */
		{ { 7, 4, 0, 0, 1, 1, 1, 0 }, 20 },	 { { 0x94, 4, 0, 0, 0x94, 4, 0, 0 }, 28 },
		{ { 1, 0x94, 4, 9, 9, 0, 0, 0 }, 24 },	 { { 0x94, 0, 0, 0, 0, 0, 0, 0 }, 20 },
		{ { 0x94, 200, 0, 0, 0, 0, 0, 0 }, 20 }, { { 7, 7, 0, 0, 0, 0, 0, 0x94 }, 20 },
	};
	static struct cut c;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct frame plain _frame_ =
			frame_new(ETH " / ip 10.0.0.1>10.0.0.2 id 9 proto 17 / data 1208");
		struct frame f _frame_ = frame_bytes(plain.b, plain.len);
		uint32_t csum;

		/* 8 bytes of the payload become options */
		f.b[14] = 0x47;
		memcpy(f.b + 34, t[i].opt, 8);
		f.b[24] = f.b[25] = 0;
		csum = pkt_csum(f.b + 14, 28, 0);
		memcpy(f.b + 24, &csum, 2);
		assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
		assert_int_equal(cut(&f, 576, &c), 0);
		assert_int_equal(c.n, 3);
		assert_int_equal(c.header_lens[0], 28);
		assert_int_equal(c.header_lens[1], t[i].later);
		assert_int_equal(c.header_lens[2], t[i].later);
		assert_int_equal(c.next, 1200);
	}
}

/* Ports of the first fragment: in the fields, never in the bytes. */
static void ports(void **state)
{
	struct frame f _frame_ =
		frame_new(ETH " / ip 10.0.0.1>10.0.0.2 frag later proto 17 / data 40");
	struct frame before _frame_ = frame_bytes(f.b, f.len);
	struct pkt_fields to;

	pkt_set_ports(&f.pkt, htons(4000), htons(53));
	assert_true(f.pkt.f.has_l4 && f.pkt.f.l4_src == htons(4000) && f.pkt.f.l4_dst == htons(53));
	assert_int_equal(f.pkt.l4_off, 0);
	to = f.pkt.f;
	to.l4_src = htons(11000);
	to.l4_dst = htons(8080);
	assert_int_equal(pkt_rewrite(f.b, &f.pkt, &to), (int)f.len);
	assert_memory_equal(f.b, before.b, f.len);
	assert_true(ip_parse("203.0.113.9", &to.ip_src));
	assert_int_equal(pkt_rewrite(f.b, &f.pkt, &to), (int)f.len);
	assert_memory_equal(f.b + 34, before.b + 34, f.len - 34);
	assert_int_equal(frame_parse(&f), SKEP_DROP_NONE);
	assert_true(ip_eq(&f.pkt.f.ip_src, &to.ip_src) && pkt_csum_ok(&f.pkt));
	assert_false(pkt_may_icmp_error(&f.pkt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed),	cmocka_unit_test(whole_again),
		cmocka_unit_test(of_fragments), cmocka_unit_test(refused),
		cmocka_unit_test(with_options), cmocka_unit_test(ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
