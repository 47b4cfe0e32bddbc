// SPDX-License-Identifier: Apache-2.0
/* Messages between agents as bytes; base64. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/peers.h"

static struct sim_conn a_conn(uint8_t n_bindings)
{
	struct sim_conn c = { .tuple = { .src = ip_from_v4(inet_addr("10.0.0.1")),
					 .dst = ip_from_v4(inet_addr("10.0.0.2")),
					 .sport = htons(4000),
					 .dport = htons(80),
					 .proto = 6 },
			      .other = { .src = ip_from_v4(inet_addr("10.0.0.2")),
					 .dst = ip_from_v4(inet_addr("192.0.2.1")),
					 .sport = htons(80),
					 .dport = htons(5000),
					 .proto = 6 },
			      .port = "vm1",
			      .other_port = "uplink-1.left",
			      .reply = true,
			      .orig_seen = 0x12,
			      .reply_seen = 0x10,
			      .n_bindings = n_bindings };

	for (uint8_t i = 0; i < n_bindings; i++)
		c.bindings[i] = (struct sim_binding){ .router = 0x1122334455667788ULL + i,
						      .member = i,
						      .dst = i % 2,
						      .from = c.tuple.src,
						      .to = c.other.dst,
						      .from_port = htons(4000),
						      .to_port = htons(5000) };
	return c;
}

static void assert_same(const struct sim_conn *a, const struct sim_conn *b)
{
	assert_string_equal(a->port, b->port);
	assert_string_equal(a->other_port, b->other_port);
	assert_memory_equal(&a->tuple.src, &b->tuple.src, 16);
	assert_memory_equal(&a->tuple.dst, &b->tuple.dst, 16);
	assert_int_equal(a->tuple.sport, b->tuple.sport);
	assert_int_equal(a->tuple.dport, b->tuple.dport);
	assert_int_equal(a->tuple.proto, b->tuple.proto);
	assert_memory_equal(&a->other.dst, &b->other.dst, 16);
	assert_int_equal(a->other.dport, b->other.dport);
	assert_int_equal(a->reply, b->reply);
	assert_int_equal(a->orig_seen, b->orig_seen);
	assert_int_equal(a->reply_seen, b->reply_seen);
	assert_int_equal(a->n_bindings, b->n_bindings);
	for (uint8_t i = 0; i < a->n_bindings; i++) {
		assert_true(a->bindings[i].router == b->bindings[i].router);
		assert_true(a->bindings[i].member == b->bindings[i].member);
		assert_int_equal(a->bindings[i].dst, b->bindings[i].dst);
		assert_memory_equal(&a->bindings[i].from, &b->bindings[i].from, 16);
		assert_memory_equal(&a->bindings[i].to, &b->bindings[i].to, 16);
		assert_int_equal(a->bindings[i].from_port, b->bindings[i].from_port);
		assert_int_equal(a->bindings[i].to_port, b->bindings[i].to_port);
	}
}

static const struct peers_head head = { .kind = PEERS_ITEMS,
					.n_items = 2,
					.epoch = 0xdeadbeef,
					.seq = 77,
					.sender = "h1",
					.tenant = "acme" };

static uint32_t write_message(uint8_t *bytes, uint32_t max)
{
	struct peers_buf b = { .p = bytes, .max = max };
	struct peers_item set = { .what = PEERS_SET, .conn = a_conn(SIM_BINDINGS_MAX) };
	struct peers_item end = { .what = PEERS_END, .conn = a_conn(0) };

	assert_true(peers_put_head(&b, &head));
	assert_true(peers_put_item(&b, &set));
	assert_true(peers_put_item(&b, &end));
	return b.n;
}

static void there_and_back(void **state)
{
	uint8_t bytes[1200];
	struct peers_buf b = { .p = bytes, .max = write_message(bytes, sizeof(bytes)) };
	struct sim_conn want = a_conn(SIM_BINDINGS_MAX);
	struct peers_item item;
	struct peers_head h;

	(void)state;
	assert_true(peers_get_head(&b, &h));
	assert_int_equal(h.kind, PEERS_ITEMS);
	assert_int_equal(h.n_items, 2);
	assert_int_equal(h.epoch, 0xdeadbeef);
	assert_int_equal(h.seq, 77);
	assert_string_equal(h.sender, "h1");
	assert_string_equal(h.tenant, "acme");
	assert_true(peers_get_item(&b, &item));
	assert_int_equal(item.what, PEERS_SET);
	assert_same(&item.conn, &want);
	assert_true(peers_get_item(&b, &item));
	assert_int_equal(item.what, PEERS_END);
	assert_string_equal(item.conn.port, "vm1");
	assert_int_equal(item.conn.tuple.sport, htons(4000));
	assert_int_equal(b.n, b.max);
	assert_false(peers_get_item(&b, &item));
}

/* No beginning of a message is taken for the whole of it. */
static void cut_short(void **state)
{
	uint8_t bytes[1200];
	uint32_t whole = write_message(bytes, sizeof(bytes));

	(void)state;
	for (uint32_t len = 0; len < whole; len++) {
		struct peers_buf b = { .p = bytes, .max = len };
		struct peers_item item;
		struct peers_head h;
		unsigned int items = 0;

		if (peers_get_head(&b, &h))
			while (peers_get_item(&b, &item))
				items++;
		assert_true(items < 2);
	}
}

/* What was appended before is whole when there is no room for more. */
static void no_room(void **state)
{
	struct peers_item set = { .what = PEERS_SET, .conn = a_conn(2) };
	uint8_t bytes[1200];

	(void)state;
	for (uint32_t max = 64; max < 400; max++) {
		struct peers_buf b = { .p = bytes, .max = max }, r = { .p = bytes };
		struct peers_item item;
		struct peers_head h;
		uint16_t n = 0;

		assert_true(peers_put_head(&b, &head));
		while (peers_put_item(&b, &set))
			n++;
		assert_true(b.n <= max);
		r.max = b.n;
		assert_true(peers_get_head(&r, &h));
		for (uint16_t i = 0; i < n; i++)
			assert_true(peers_get_item(&r, &item));
		assert_int_equal(r.n, b.n);
	}
}

static void change(uint32_t at, uint8_t to, bool head_ok, bool item_ok)
{
	uint8_t bytes[1200];
	struct peers_buf b = { .p = bytes, .max = write_message(bytes, sizeof(bytes)) };
	struct peers_item item;
	struct peers_head h;

	bytes[at] = to;
	assert_int_equal(peers_get_head(&b, &h), head_ok);
	if (head_ok)
		assert_int_equal(peers_get_item(&b, &item), item_ok);
}

static void refused(void **state)
{
	/* header: version 0, kind 1, items 2-3, epoch, seq, sender 12.., tenant 15..; item: what 20, port 21.., proto 25 */
	(void)state;
	change(0, 2, false, false);   /* another version */
	change(1, 3, false, false);   /* another kind */
	change(3, 0, false, false);   /* no items */
	change(3, 65, false, false);  /* too many */
	change(13, '/', false, false); /* not a name */
	change(13, 0, false, false);
	change(15, 64, false, false); /* longer than a name may be */
	change(20, 9, true, false);   /* neither set nor end */
	change(22, ' ', true, false); /* not a name */
	change(36, 0, true, false);   /* an IPv4 and an IPv6 address */
	change(62, 2, true, false);   /* not a bool */
	change(65, SIM_BINDINGS_MAX + 1, true, false);
}

static void acknowledgement(void **state)
{
	struct peers_head ack = { .kind = PEERS_ACK, .epoch = 1, .seq = 2, .sender = "h2" }, h;
	uint8_t bytes[64];
	struct peers_buf b = { .p = bytes, .max = sizeof(bytes) };

	(void)state;
	assert_true(peers_put_head(&b, &ack));
	b.max = b.n;
	b.n = 0;
	assert_true(peers_get_head(&b, &h));
	assert_int_equal(h.kind, PEERS_ACK);
	assert_int_equal(h.seq, 2);
	ack.tenant[0] = 'x';
	b = (struct peers_buf){ .p = bytes, .max = sizeof(bytes) };
	assert_true(peers_put_head(&b, &ack));
	b.n = 0;
	assert_false(peers_get_head(&b, &h));
}

static void reversed(void **state)
{
	struct sim_conn c = a_conn(1), r, back;

	(void)state;
	peers_reverse(&c, &r);
	assert_string_equal(r.port, "uplink-1.left");
	assert_string_equal(r.other_port, "vm1");
	assert_false(r.reply);
	assert_int_equal(r.tuple.dport, htons(5000));
	assert_int_equal(r.orig_seen, c.orig_seen);
	peers_reverse(&r, &back);
	assert_same(&c, &back);
	peers_reverse(&r, &r);
	assert_same(&c, &r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(cut_short),
		cmocka_unit_test(no_room),	  cmocka_unit_test(refused),
		cmocka_unit_test(acknowledgement), cmocka_unit_test(reversed),
	};

	return cmocka_run_group_tests_name("loader/peers", tests, NULL, NULL);
}
