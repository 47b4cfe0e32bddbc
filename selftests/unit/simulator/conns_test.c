// SPDX-License-Identifier: Apache-2.0
/* The table of connections: records and their idle times, limits, source ports and who has them, affinity. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "simulator/conns_private.h"

#define S 1000000000ULL

static struct skep_ip ip(const char *text)
{
	struct skep_ip a;

	assert_true(ip_parse(text, &a));
	return a;
}

static struct sim_tuple tuple(uint8_t proto, const char *src, uint16_t sport, const char *dst,
			      uint16_t dport)
{
	return (struct sim_tuple){ .src = ip(src),
				   .dst = ip(dst),
				   .sport = htons(sport),
				   .dport = htons(dport),
				   .proto = proto };
}

/* A connection without translation, from p1 to p2. */
static struct sim_conn plain(uint8_t proto, uint16_t sport, uint8_t seen)
{
	struct sim_conn c = { .tuple = tuple(proto, "10.0.0.1", sport, "10.0.0.2", 80),
			      .port = "p1",
			      .other_port = "p2",
			      .orig_seen = seen };

	sim_tuple_reverse(&c.tuple, &c.other);
	return c;
}

static struct sim_conns *table(uint32_t records, uint32_t records_port)
{
	const struct sim_conns_limits limits = { .records = records,
						 .records_port = records_port,
						 .affinities = 2,
						 .timeouts = SKEP_TIMEOUTS };
	struct sim_conns *c = sim_conns_new(&limits);

	assert_non_null(c);
	return c;
}

static void test_records(void **state)
{
	struct sim_conns *t = table(100, 100);
	struct sim_conn c = plain(IPPROTO_TCP, 5000, SKEP_TCP_SYN), back = c;
	const struct sim_conn *found;

	(void)state;
	assert_true(sizeof(struct conns_record) <= 200);
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	assert_int_equal(sim_conns_put(t, &c, S), 0);
	found = sim_conns_find(t, "p1", &c.tuple, S);
	assert_non_null(found);
	assert_memory_equal(found, &c, sizeof(c));
	assert_null(sim_conns_find(t, "p2", &c.tuple, S));
	assert_null(sim_conns_find(t, "p1", &c.other, S));
	/* the record of the other end is another one */
	back.tuple = c.other;
	back.other = c.tuple;
	memcpy(back.port, "p2", 3);
	memcpy(back.other_port, "p1", 3);
	back.reply = true;
	assert_int_equal(sim_conns_put(t, &back, S), 1);
	assert_int_equal(sim_conns_count(t, NULL), 2);
	assert_int_equal(sim_conns_count(t, "p2"), 1);
	/* flags are or'ed, and a record that was found before is still there to read */
	c.reply_seen = SKEP_TCP_SYN | SKEP_TCP_ACK;
	assert_int_equal(sim_conns_put(t, &c, S), 0);
	assert_int_equal(found->reply_seen, 0);
	assert_int_equal(sim_conns_find(t, "p1", &c.tuple, S)->reply_seen, SKEP_TCP_SYN | SKEP_TCP_ACK);
	/* the same ports, but it leaves elsewhere: it takes the place */
	memcpy(c.other_port, "p3", 3);
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	assert_string_equal(sim_conns_find(t, "p1", &c.tuple, S)->other_port, "p3");
	assert_int_equal(sim_conns_count(t, NULL), 2);
	assert_true(sim_conns_del(t, "p1", &c.tuple));
	assert_false(sim_conns_del(t, "p1", &c.tuple));
	sim_conns_drop_port(t, "p2");
	assert_int_equal(sim_conns_count(t, NULL), 0);
	sim_conns_free(t);
}

/* How long a record lives without packets. */
static uint64_t idle_of(struct sim_conns *t, const struct sim_conn *c)
{
	uint64_t lo = 0, hi = 100000;

	while (lo + 1 < hi) {
		uint64_t mid = (lo + hi) / 2;

		if (sim_conns_find(t, c->port, &c->tuple, S + mid * S))
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static void test_timeouts(void **state)
{
	static const struct {
		uint8_t proto, orig, reply;
		uint32_t seconds;
		const char *name;
	} cases[] = {
		{ IPPROTO_TCP, 0x02, 0, 60, "syn_sent" },
		{ IPPROTO_TCP, 0x02, 0x12, 60, "syn_received" },
		{ IPPROTO_TCP, 0x12, 0x12, 7440, "established" },
		{ IPPROTO_TCP, 0x10, 0, 60, "syn_sent" }, /* picked up, nobody answered */
		{ IPPROTO_TCP, 0x10, 0x10, 7440, "established" },
		{ IPPROTO_TCP, 0x13, 0x12, 240, "fin_wait" },
		{ IPPROTO_TCP, 0x12, 0x13, 240, "fin_wait" },
		{ IPPROTO_TCP, 0x13, 0x13, 10, "time_wait" },
		{ IPPROTO_TCP, 0x02, 0x14, 10, "closed" },
		{ IPPROTO_UDP, SIM_SEEN_ANY, 0, 30, "unreplied" },
		{ IPPROTO_UDP, SIM_SEEN_ANY, SIM_SEEN_ANY, 180, "replied" },
		{ IPPROTO_ICMP, SIM_SEEN_ANY, SIM_SEEN_ANY, 30, "replied" },
		{ 47, SIM_SEEN_ANY, 0, 600, "unreplied" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim_conns *t = table(10, 10);
		struct sim_conn c = plain(cases[i].proto, 1, cases[i].orig);

		c.reply_seen = cases[i].reply;
		assert_int_equal(sim_conns_put(t, &c, S), 1);
		assert_int_equal(idle_of(t, &c), cases[i].seconds);
		assert_string_equal(sim_conn_state(&c), cases[i].name);
		sim_conns_free(t);
	}
}

static void test_touch(void **state)
{
	struct sim_conns *t = table(10, 10);
	struct sim_conn c = plain(IPPROTO_TCP, 1, SKEP_TCP_SYN);

	(void)state;
	assert_false(sim_conns_touch(t, "p1", &c.tuple, false, 0x10, S));
	sim_conns_put(t, &c, S);
	assert_false(sim_conns_touch(t, "p1", &c.tuple, true, 0x12, 2 * S));
	assert_true(sim_conns_touch(t, "p1", &c.tuple, false, 0x10, 3 * S)); /* established */
	assert_false(sim_conns_touch(t, "p1", &c.tuple, false, 0x18, 4 * S));
	assert_non_null(sim_conns_find(t, "p1", &c.tuple, 4 * S + 7440 * S));
	assert_null(sim_conns_find(t, "p1", &c.tuple, 4 * S + 7440 * S + 1));
	assert_true(sim_conns_touch(t, "p1", &c.tuple, true, 0x11, 5 * S));
	assert_int_equal(sim_conns_find(t, "p1", &c.tuple, 5 * S)->reply_seen, 0x13);
	/* a SYN behind that is the next one, which knows nothing of the last */
	assert_int_equal(sim_conns_put(t, &c, 6 * S), 1);
	assert_int_equal(sim_conns_find(t, "p1", &c.tuple, 6 * S)->reply_seen, 0);
	sim_conns_free(t);
}

struct over {
	unsigned int n;
	uint16_t sport[16];
};

static void on_over(void *arg, const struct sim_conn *conn)
{
	struct over *o = arg;

	o->sport[o->n++ % 16] = ntohs(conn->tuple.sport);
}

static void delete_odd(void *arg, const struct sim_conn *conn, uint64_t last_ns)
{
	const struct sim_conn copy = *conn;

	assert_int_equal(last_ns, S);
	if (ntohs(copy.tuple.sport) & 1)
		assert_true(sim_conns_del(arg, copy.port, &copy.tuple));
}

static void test_expire(void **state)
{
	struct sim_conns *t = table(10, 10);
	struct over over = { 0 };
	struct sim_conn c;

	(void)state;
	for (uint16_t i = 0; i < 10; i++) {
		c = plain(IPPROTO_UDP, i, SIM_SEEN_ANY);
		assert_int_equal(sim_conns_put(t, &c, S), 1);
	}
	c = plain(IPPROTO_UDP, 99, SIM_SEEN_ANY);
	assert_int_equal(sim_conns_put(t, &c, S), -ENOSPC);
	sim_conns_walk(t, delete_odd, t);
	assert_int_equal(sim_conns_count(t, "p1"), 5);
	c = plain(IPPROTO_UDP, 4, 0);
	sim_conns_touch(t, "p1", &c.tuple, false, SIM_SEEN_ANY, 20 * S);
	/* goes round in small steps */
	for (int i = 0; i < 3; i++)
		sim_conns_expire(t, 40 * S, 2, on_over, &over);
	assert_int_equal(over.n, 4);
	assert_int_equal(sim_conns_count(t, "p1"), 1);
	sim_conns_expire(t, 60 * S, 100, on_over, &over);
	assert_int_equal(over.n, 5);
	assert_int_equal(over.sport[4], 4);
	assert_int_equal(sim_conns_count(t, NULL), 0);
	sim_conns_free(t);
}

static void test_room(void **state)
{
	struct sim_conns *t = table(3, 2);
	struct sim_conn c = plain(IPPROTO_UDP, 1, SIM_SEEN_ANY);

	(void)state;
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	c = plain(IPPROTO_UDP, 2, SIM_SEEN_ANY);
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	assert_false(sim_conns_room(t, "p1"));
	assert_true(sim_conns_room(t, "p2"));
	assert_int_equal(sim_conns_put(t, &c, S), 0); /* is there */
	memcpy(c.other_port, "p9", 3);
	assert_int_equal(sim_conns_put(t, &c, S), 1); /* takes a place, not one more */
	c = plain(IPPROTO_UDP, 3, SIM_SEEN_ANY);
	assert_int_equal(sim_conns_put(t, &c, S), -ENOSPC);
	memcpy(c.port, "p2", 3);
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	assert_false(sim_conns_room(t, "p7"));
	sim_conns_free(t);
}

/* Connections that others begin to a port take none of its own room: one machine cannot close an uplink for all. */
static void test_room_for_others(void **state)
{
	struct sim_conns *t = table(5, 2);
	struct sim_conn c, back;

	(void)state;
	for (uint16_t i = 0; i < 2; i++) {
		c = plain(IPPROTO_UDP, i, SIM_SEEN_ANY);
		assert_int_equal(sim_conns_put(t, &c, S), 1);
		back = c;
		back.tuple = c.other;
		back.other = c.tuple;
		memcpy(back.port, "u", 2);
		memcpy(back.other_port, "p1", 3);
		back.reply = true;
		assert_int_equal(sim_conns_put(t, &back, S), 1);
	}
	assert_false(sim_conns_room(t, "p1"));
	assert_true(sim_conns_room(t, "u"));
	back.tuple.dport = 7;
	assert_int_equal(sim_conns_put(t, &back, S), 1);
	back.tuple.dport = 8;
	assert_int_equal(sim_conns_put(t, &back, S), -ENOSPC); /* all are in use */
	assert_true(sim_conns_del(t, "p1", &c.tuple));
	assert_true(sim_conns_room(t, "p1"));
	sim_conns_free(t);
}

/* --- source ports --- */

static struct sim_snat ask(const struct sim_tuple *t)
{
	return (struct sim_snat){ .router = "r",
				  .addrs = { ip("192.0.2.1"), ip("192.0.2.2") },
				  .ports = { 1024, 65535 },
				  .tuple = *t };
}

/* The translated connection, as records would be made of it. */
static struct sim_conn bound(const struct sim_tuple *t, const struct skep_ip *to, __be16 port)
{
	struct sim_conn c = { .tuple = *t, .port = "p1", .other_port = "u", .orig_seen = SIM_SEEN_ANY,
			      .n_bindings = 1 };
	struct sim_tuple leaves = *t;

	c.bindings[0] = (struct sim_binding){ .router = sim_name_hash("r"),
					      .from = t->src,
					      .to = *to,
					      .from_port = t->sport,
					      .to_port = port };
	leaves.src = *to;
	leaves.sport = port;
	sim_tuple_reverse(&leaves, &c.other);
	return c;
}

static enum sim_alloc take(struct sim_conns *t, const struct sim_tuple *of, struct skep_ip *to,
			   __be16 *port)
{
	const struct sim_snat a = ask(of);
	enum sim_alloc got = sim_conns_snat(t, &a, S, to, port);
	struct sim_conn c;

	if (got != SIM_ALLOC_OK)
		return got;
	c = bound(of, to, *port);
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	return got;
}

static void test_source_ports(void **state)
{
	struct sim_conns *t = table(10000, 10000);
	const struct skep_ip a = ip("192.0.2.1"), b = ip("192.0.2.2");
	struct sim_tuple x = tuple(IPPROTO_TCP, "10.0.0.1", 5000, "8.8.8.8", 80);
	struct sim_tuple y = tuple(IPPROTO_TCP, "10.0.0.2", 5000, "8.8.8.8", 80);
	struct sim_tuple z = tuple(IPPROTO_TCP, "10.0.0.2", 5000, "8.8.4.4", 80);
	struct skep_ip to, again;
	__be16 port, port2;

	(void)state;
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_WAIT);
	assert_int_equal(sim_conns_block_add(t, "other", &a, 4864), 0); /* another router's */
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_WAIT);
	assert_int_equal(sim_conns_block_add(t, "r", &a, 4864), 0);
	assert_int_equal(sim_conns_block_used(t, "r", &a, 4864, 7), 1);
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port), 5000);
	assert_true(ip_eq(&to, &a));
	assert_int_equal(sim_conns_block_used(t, "r", &a, 4864, 7), 7);
	/* the same port is another's towards this destination, and free towards that one */
	assert_int_equal(take(t, &y, &to, &port), SIM_ALLOC_OK);
	assert_int_not_equal(ntohs(port), 5000);
	assert_in_range(ntohs(port), 4864, 4864 + 255);
	assert_int_equal(take(t, &z, &to, &port2), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port2), 5000);
	/* what ended is free again, when it has rested */
	assert_true(sim_conns_del(t, "p1", &x));
	x.src = ip("10.0.0.5");
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_OK);
	assert_int_not_equal(ntohs(port), 5000);
	sim_conns_expire(t, 10 * S, 100, NULL, NULL);
	x.src = ip("10.0.0.6");
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_OK);
	assert_int_not_equal(ntohs(port), 5000);
	sim_conns_expire(t, 11 * S, 100, NULL, NULL);
	x.src = ip("10.0.0.3");
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port), 5000);
	/* the own port, at another address */
	assert_int_equal(sim_conns_block_add(t, "r", &b, 4864), 0);
	x.src = ip("10.0.0.4");
	assert_int_equal(take(t, &x, &again, &port), SIM_ALLOC_OK);
	assert_true(ip_eq(&again, &b));
	assert_int_equal(ntohs(port), 5000);
	sim_conns_free(t);
}

static void test_source_is_held_by_the_last_record(void **state)
{
	struct sim_conns *t = table(100, 100);
	const struct skep_ip a = ip("192.0.2.1");
	struct sim_tuple x = tuple(IPPROTO_UDP, "10.0.0.1", 5000, "8.8.8.8", 53), y = x;
	struct sim_conn c, back;
	struct skep_ip to;
	__be16 port;

	(void)state;
	y.src = ip("10.0.0.2");
	c = bound(&x, &a, htons(5000));
	back = c;
	back.tuple = c.other;
	back.other = c.tuple;
	memcpy(back.port, "u", 2);
	back.reply = true;
	/* the records came before the block: after a restart */
	assert_int_equal(sim_conns_put(t, &c, S), 1);
	assert_int_equal(sim_conns_put(t, &back, S), 1);
	assert_int_equal(sim_conns_block_add(t, "r", &a, 4864), 0);
	assert_int_equal(sim_conns_block_used(t, "r", &a, 4864, 7), 7);
	assert_true(sim_conns_del(t, "p1", &c.tuple));
	assert_int_equal(take(t, &y, &to, &port), SIM_ALLOC_OK);
	assert_int_not_equal(ntohs(port), 5000);
	assert_true(sim_conns_del(t, "p1", &y));
	sim_conns_expire(t, 100 * S, 100, NULL, NULL);
	assert_int_equal(sim_conns_count(t, NULL), 0);
	assert_int_equal(sim_conns_block_used(t, "r", &a, 4864, 200 * S), 100 * S);
	sim_conns_expire(t, 110 * S, 100, NULL, NULL);
	assert_int_equal(take(t, &y, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port), 5000);
	sim_conns_block_del(t, "r", &a, 4864);
	assert_int_equal(sim_conns_block_used(t, "r", &a, 4864, 7), 0);
	sim_conns_free(t);
}

/* Every port of an address serves one destination, then there is no more, and each of them but once. */
static void test_all_ports(void **state)
{
	struct sim_conns *t = table(200000, 200000);
	const struct skep_ip a = ip("192.0.2.1"), b = ip("192.0.2.2");
	static uint8_t seen[65536];
	struct sim_tuple x = tuple(IPPROTO_TCP, "10.0.0.1", 0, "8.8.8.8", 80);
	struct skep_ip to;
	__be16 port;
	uint32_t n = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint32_t first = 1024; first < 65536; first += SIM_BLOCK_PORTS)
		assert_int_equal(sim_conns_block_add(t, "r", &a, (uint16_t)first), 0);
	for (;; n++) {
		x.src.w[3] = htonl(0x0a000000 + n / 5);
		x.sport = htons((uint16_t)(2000 + n % 5));
		if (take(t, &x, &to, &port) != SIM_ALLOC_OK)
			break;
		assert_false(seen[ntohs(port)]++);
	}
	assert_int_equal(n, 65536 - 1024);
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_WAIT);
	sim_conns_block_full(t, "r", &a, 2 * S);
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_WAIT); /* the other address */
	sim_conns_block_full(t, "r", &b, 2 * S);
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_FULL);
	sim_conns_block_full(t, "r", &b, S); /* over */
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_WAIT);
	x.dst = ip("8.8.4.4");
	assert_int_equal(take(t, &x, &to, &port), SIM_ALLOC_OK);
	sim_conns_free(t);
}

/* The rule's range ends within blocks. */
static void test_port_range(void **state)
{
	struct sim_conns *t = table(2000, 2000);
	const struct skep_ip a = ip("192.0.2.1");
	struct sim_tuple x = tuple(IPPROTO_UDP, "10.0.0.1", 11000, "8.8.8.8", 80);
	struct sim_snat want;
	struct skep_ip to;
	unsigned int n = 0;
	__be16 port;

	(void)state;
	assert_int_equal(sim_conns_block_add(t, "r", &a, 10752), 0);
	assert_int_equal(sim_conns_block_add(t, "r", &a, 10752), 0); /* once is enough */
	assert_int_equal(sim_conns_block_add(t, "r", &a, 11264), 0); /* 11008 is another host's */
	for (;; n++) {
		struct sim_conn c;

		x.src.w[3] = htonl(0x0a000000 + n);
		want = ask(&x);
		want.ports[0] = 10850;
		want.ports[1] = 11300;
		if (sim_conns_snat(t, &want, S, &to, &port) != SIM_ALLOC_OK)
			break;
		assert_in_range(ntohs(port), 10850, 11300);
		c = bound(&x, &to, port);
		assert_int_equal(sim_conns_put(t, &c, S), 1);
	}
	assert_int_equal(n, 11300 - 10850 + 1 - (11264 - 11008));
	sim_conns_free(t);
}

static void test_without_ports(void **state)
{
	struct sim_conns *t = table(100, 100);
	const struct skep_ip a = ip("192.0.2.1");
	struct sim_tuple gre = tuple(47, "10.0.0.1", 0, "8.8.8.8", 0);
	struct sim_tuple echo = tuple(IPPROTO_ICMP, "10.0.0.1", 5001, "8.8.8.8", 8 << 8);
	struct sim_tuple sctp = tuple(IPPROTO_SCTP, "10.0.0.1", 7000, "8.8.8.8", 80);
	struct skep_ip to;
	__be16 port;

	(void)state;
	sim_conns_block_add(t, "r", &a, 4864);
	assert_int_equal(take(t, &gre, &to, &port), SIM_ALLOC_WAIT); /* a block of ports will not do */
	assert_int_equal(take(t, &echo, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port), 5001);
	sim_conns_block_add(t, "r", &a, 0);
	assert_int_equal(take(t, &gre, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(port, 0);
	gre.src = ip("10.0.0.2");
	assert_int_equal(take(t, &gre, &to, &port), SIM_ALLOC_WAIT);
	/* SCTP keeps its ports: many of one machine, and of others as long as they differ */
	assert_int_equal(take(t, &sctp, &to, &port), SIM_ALLOC_OK);
	assert_int_equal(ntohs(port), 7000);
	sctp.src = ip("10.0.0.2");
	assert_int_equal(take(t, &sctp, &to, &port), SIM_ALLOC_WAIT);
	sctp.sport = htons(7001);
	assert_int_equal(take(t, &sctp, &to, &port), SIM_ALLOC_OK);
	sim_conns_free(t);
}

/* Random beginnings and ends: no source serves two connections to one destination, and at the end all are free. */
static void test_random_sources(void **state)
{
	enum { N = 600 };
	static struct sim_conn live[N];
	static bool is_live[N];
	struct sim_conns *t = table(10000, 10000);
	const struct skep_ip a = ip("192.0.2.1"), b = ip("192.0.2.2");
	uint64_t seed = 42;

	(void)state;
	memset(is_live, 0, sizeof(is_live));
	sim_conns_block_add(t, "r", &a, 1024);
	sim_conns_block_add(t, "r", &b, 2048);
	for (int turn = 0; turn < 20000; turn++) {
		uint32_t i = simtest_below(&seed, N);
		struct sim_tuple x = tuple(i & 1 ? IPPROTO_TCP : IPPROTO_UDP, "10.0.0.1",
					   (uint16_t)(1024 + i % 7), "8.8.8.8", 80);
		struct skep_ip to;
		__be16 port;

		if (turn % 16 == 0) /* those that rest are free */
			sim_conns_expire(t, 20 * S, 0, NULL, NULL);
		if (is_live[i]) {
			assert_true(sim_conns_del(t, "p1", &live[i].tuple));
			is_live[i] = false;
			continue;
		}
		x.src.w[3] = htonl(0x0a000000 + i);
		x.dst.w[3] = htonl(0x08080808 + i % 3);
		if (take(t, &x, &to, &port) != SIM_ALLOC_OK)
			continue;
		live[i] = bound(&x, &to, port);
		for (int k = 0; k < N; k++)
			assert_false(is_live[k] && sim_tuple_eq(&live[k].other, &live[i].other));
		is_live[i] = true;
	}
	for (int i = 0; i < N; i++)
		if (is_live[i])
			assert_true(sim_conns_del(t, "p1", &live[i].tuple));
	assert_int_equal(t->counts.n, 0);
	sim_conns_expire(t, 20 * S, 0, NULL, NULL);
	assert_int_equal(t->n_rest, 0);
	assert_int_equal(t->dests.n, 0);
	assert_int_equal(t->uses.n, 0);
	assert_int_equal(t->names.n, 0);
	assert_int_equal(t->counts.n, 0);
	sim_conns_free(t);
}

/* --- affinity --- */

static void test_affinity(void **state)
{
	struct sim_conns *t = table(10, 10);
	const struct skep_ip a = ip("10.0.0.1"), b = ip("fd00::1"), c = ip("10.0.0.3");

	(void)state;
	assert_null(sim_conns_affinity(t, "v", &a, S));
	assert_int_equal(sim_conns_set_affinity(t, "v", &a, "m1", 10 * S, S), 1);
	assert_int_equal(sim_conns_set_affinity(t, "v", &a, "m1", 10 * S, 2 * S), 0);
	assert_int_equal(sim_conns_set_affinity(t, "v", &b, "m2", 100 * S, S), 1);
	assert_int_equal(sim_conns_set_affinity(t, "v", &c, "m2", 100 * S, S), -ENOSPC);
	assert_string_equal(sim_conns_affinity(t, "v", &a, 12 * S), "m1");
	assert_null(sim_conns_affinity(t, "v", &a, 12 * S + 1));
	assert_null(sim_conns_affinity(t, "w", &a, S));
	assert_int_equal(sim_conns_set_affinity(t, "v", &a, "m3", 10 * S, 5 * S), 1);
	assert_string_equal(sim_conns_affinity(t, "v", &a, 6 * S), "m3");
	sim_conns_affinity_aged(t, 50 * S, NULL, NULL);
	assert_int_equal(sim_conns_set_affinity(t, "v", &c, "m2", 100 * S, S), 1);
	assert_string_equal(sim_conns_affinity(t, "v", &b, 50 * S), "m2");
	sim_conns_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_room_for_others),
		cmocka_unit_test(test_source_ports),
		cmocka_unit_test(test_source_is_held_by_the_last_record),
		cmocka_unit_test(test_all_ports),
		cmocka_unit_test(test_port_range),
		cmocka_unit_test(test_without_ports),
		cmocka_unit_test(test_random_sources),
		cmocka_unit_test(test_affinity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
