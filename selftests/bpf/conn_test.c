// SPDX-License-Identifier: Apache-2.0
/* Records of connections that BPF makes: where one begins, where its first packets are delivered, how they go on, and what is refused. */
#include "selftests/bpf/wild.h"


#define UDP	"udp 4000>53 / data 4"
#define UDP_BACK "udp 53>4000 / data 4"

static uint32_t made; /* records of this test, to be forgotten */
static struct skep_conn_key keys[64];

static struct skep_conn_key conn_key(uint32_t port, const char *src, const char *dst, uint16_t sport, uint16_t dport, uint8_t proto)
{
	struct skep_conn_key k = { .port = port, .sport = htons(sport), .dport = htons(dport), .proto = proto };

	ip_parse(src, &k.src);
	ip_parse(dst, &k.dst);
	assert_true(made < ARRAY_SIZE(keys));
	keys[made++] = k;
	return k;
}

static bool get_conn(const struct skep_conn_key *k, struct skep_conn *c)
{
	return bpfrun_get(run, "skep_conns", k, c) == 0;
}

static void put_conn(const struct skep_conn_key *k, const struct skep_conn *c)
{
	assert_int_equal(bpfrun_put(run, "skep_conns", k, c), 0);
}

static int fresh(void **state)
{
	static const uint8_t none[SKEP_PORT_MASKS];

	(void)state;
	while (made)
		(void)bpfrun_del(run, "skep_conns", &keys[--made]);
	fresh_lports();
	list_masks(false, none, sizeof(none));
	return 0;
}

/* The other port's, towards the first. */
static void put_flows_back(const struct frame *f)
{
	struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = 77, .stat = 9 }, .other_key = BPFRUN_KEY };
	struct skep_lport lp = get_lport(OTHER_LPORT);
	struct frame g = *f;

	(f->v6 ? lp.masks6 : lp.masks4)[0] = 30;
	put("skep_lports", OTHER_LPORT, &lp);
	g.k4.in_key = OTHER_KEY;
	w.flow.flags = SKEP_F_LIVE;
	put_wild(&g, 30, (struct fields){ .ct = true }, SKEP_CT_REPLY, &w);
	put_wild(&g, 30, (struct fields){ .ct = true }, SKEP_CT_ORIG, &w);
	w.flow.flags = SKEP_F_RECORD | SKEP_F_STAY;
	put_wild(&g, 30, (struct fields){ .ct = true }, SKEP_CT_NEW, &w);
}

static void send_one(const char *line)
{
	struct frame f;

	make(&f, line);
	pass(&f);
	(void)bpfrun_del(run, f.v6 ? "skep_flows6" : "skep_flows4", &f.k6);
	f.k4.in_key = OTHER_KEY;
	(void)bpfrun_del(run, f.v6 ? "skep_flows6" : "skep_flows4", &f.k6);
}

static void send_back(const char *line)
{
	enter_by(OTHER_KEY, OTHER_LPORT);
	send_one(line);
	enter_by(BPFRUN_KEY, BPFRUN_LPORT);
}

/* From the peer's port 'mark' (0: unmarked) to ours: the inner frame. */
static void deliver(const char *line, uint16_t mark)
{
	struct skep_flow flow = { .action = SKEP_ACT_ENCAP, .out = BPFRUN_KEY, .peer = PEER, .flags = mark ? SKEP_F_MARK : 0 };
	struct skep_peer peer, back;
	static uint8_t sent[2048];
	uint32_t index = PEER, len;
	struct frame f;

	assert_int_equal(bpfrun_get(run, "skep_peers", &index, &peer), 0);
	back = peer;
	back.local = peer.remote;
	back.remote = peer.local;
	put("skep_peers", PEER, &back); /* what the other host would send */
	enter_by(mark ? mark : OTHER_KEY, BPFRUN_LPORT);
	make(&f, line);
	f.k4.in_key = mark ? mark : OTHER_KEY;
	assert_int_equal(bpfrun_put(run, f.v6 ? "skep_flows6" : "skep_flows4", &f.k6, &flow), 0);
	pass(&f);
	(void)bpfrun_del(run, f.v6 ? "skep_flows6" : "skep_flows4", &f.k6);
	enter_by(BPFRUN_KEY, BPFRUN_LPORT);
	put("skep_peers", PEER, &peer);
	len = res.len;
	memcpy(sent, res.data, len);
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, sent, len, &res), 0);
}

/* NEW, ORIG, REPLY, with both ends on one host: UDP, TCP and ping, IPv4 and IPv6. */
static void test_one_host(void **state)
{
	static const struct {
		const char *there, *back, *src, *dst;
		uint8_t proto;
		uint16_t sport, dport;
		uint8_t there_seen, back_seen;
	} cases[] = {
		{ FROM "ip 10.0.0.1>10.0.0.2 / " UDP, BACK "ip 10.0.0.2>10.0.0.1 / " UDP_BACK, "10.0.0.1", "10.0.0.2", 17, 4000, 53, 0x80, 0x80 },
		{ FROM "ip fd00::1>fd00::2 / " UDP, BACK "ip fd00::2>fd00::1 / " UDP_BACK, "fd00::1", "fd00::2", 17, 4000, 53, 0x80, 0x80 },
		{ FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", BACK "ip 10.0.0.2>10.0.0.1 / tcp 80>4000 SA", "10.0.0.1", "10.0.0.2", 6, 4000, 80,
		  0x02, 0x12 },
		{ FROM "ip fd00::1>fd00::2 / tcp 4000>80 S", BACK "ip fd00::2>fd00::1 / tcp 80>4000 SA", "fd00::1", "fd00::2", 6, 4000, 80, 0x02,
		  0x12 },
		{ FROM "ip 10.0.0.1>10.0.0.2 / icmp 8/0 id 77 seq 1", BACK "ip 10.0.0.2>10.0.0.1 / icmp 0/0 id 77 seq 1", "10.0.0.1", "10.0.0.2",
		  1, 77, 0x800, 0x80, 0x80 },
		{ FROM "ip fd00::1>fd00::2 / icmp6 128/0 id 77 seq 1", BACK "ip fd00::2>fd00::1 / icmp6 129/0 id 77 seq 1", "fd00::1", "fd00::2",
		  58, 77, 0x8000, 0x80, 0x80 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct skep_conn_key own, other;
		struct skep_conn c;
		struct frame f;

		fresh(state);
		own = conn_key(BPFRUN_KEY, cases[i].src, cases[i].dst, cases[i].sport, cases[i].dport, cases[i].proto);
		other = conn_key(OTHER_KEY, cases[i].dst, cases[i].src, cases[i].dport, cases[i].sport, cases[i].proto);
		make(&f, cases[i].there);
		put_flows(&f, 0);
		put_flows_back(&f);
		send_one(cases[i].there);
		assert_false(went_up());
		assert_true(get_conn(&own, &c));
		assert_int_equal(c.flags, 0);
		assert_int_equal(c.other_key, OTHER_KEY);
		assert_int_equal(c.other_peer, 0);
		assert_int_equal(c.orig_seen, cases[i].there_seen);
		assert_int_equal(c.reply_seen, 0);
		assert_true(get_conn(&other, &c));
		assert_int_equal(c.flags, SKEP_CONN_REPLY);
		assert_int_equal(c.other_key, BPFRUN_KEY);
		assert_int_equal(c.orig_seen, cases[i].there_seen);
		assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1);
		assert_int_equal(get_lport(BPFRUN_LPORT).replies, 0);
		assert_int_equal(get_lport(OTHER_LPORT).conns, 0);
		assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
		send_back(cases[i].back);
		assert_false(went_up());
		assert_true(get_conn(&own, &c));
		assert_int_equal(c.reply_seen, cases[i].back_seen);
		assert_true(get_conn(&other, &c));
		assert_int_equal(c.reply_seen, cases[i].back_seen);
		send_one(cases[i].there); /* ORIG now: nothing is made again */
		assert_false(went_up());
		assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1);
		assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
	}
}

/* Behind its end, a SYN begins the next connection of the same ports; in the middle it does not. */
static void test_successor(void **state)
{
	const char syn[] = FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S";
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 80, 6);
	struct skep_conn_key other = conn_key(OTHER_KEY, "10.0.0.2", "10.0.0.1", 80, 4000, 6);
	static const char *const ends[] = { "FA", "R" };
	struct skep_conn c;
	struct frame f;

	(void)state;
	make(&f, syn);
	put_flows(&f, 0);
	put_flows_back(&f);
	for (unsigned int i = 0; i < ARRAY_SIZE(ends); i++) {
		char line[128];

		send_one(syn);
		send_back(BACK "ip 10.0.0.2>10.0.0.1 / tcp 80>4000 SA");
		send_one(syn); /* again: lost, perhaps */
		assert_true(get_conn(&own, &c));
		assert_int_equal(c.reply_seen, 0x12);
		snprintf(line, sizeof(line), BACK "ip 10.0.0.2>10.0.0.1 / tcp 80>4000 %s", ends[i]);
		send_back(line);
		send_one(syn);
		assert_true(get_conn(&own, &c));
		assert_int_equal(c.orig_seen, 0x02);
		assert_int_equal(c.reply_seen, 0);
		assert_true(get_conn(&other, &c));
		assert_int_equal(c.flags, SKEP_CONN_REPLY);
		assert_int_equal(c.orig_seen, 0x02);
		assert_int_equal(c.reply_seen, 0);
		assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1); /* in the place of the last */
		assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
		send_back(BACK "ip 10.0.0.2>10.0.0.1 / tcp 80>4000 R");
	}
}

/* An idle record is none: it begins anew, from the other side as well, and each is counted as what it is now. */
static void test_over(void **state)
{
	const char there[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP, back[] = BACK "ip 10.0.0.2>10.0.0.1 / " UDP_BACK;
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17);
	struct skep_conn_key other = conn_key(OTHER_KEY, "10.0.0.2", "10.0.0.1", 53, 4000, 17);
	struct skep_conn c;
	struct frame f;

	(void)state;
	make(&f, there);
	put_flows(&f, 0);
	put_flows_back(&f);
	send_one(there);
	assert_true(get_conn(&own, &c));
	c.last_seen -= 31 * 250;
	c.flags |= SKEP_CONN_SKEPD; /* one of skepd's, with details */
	put_conn(&own, &c);
	assert_true(get_conn(&other, &c));
	c.last_seen -= 31 * 250;
	put_conn(&other, &c);
	send_back(back);
	assert_false(went_up());
	assert_true(get_conn(&other, &c));
	assert_int_equal(c.flags, 0);
	assert_true(get_conn(&own, &c));
	assert_int_equal(c.flags, SKEP_CONN_REPLY | SKEP_CONN_STALE);
	assert_int_equal(get_lport(BPFRUN_LPORT).conns, 0);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 1);
	assert_int_equal(get_lport(OTHER_LPORT).conns, 1);
	assert_int_equal(get_lport(OTHER_LPORT).replies, 0);
}

/* Another host has the other end: the packet is marked until somebody answers, and nothing is made for a port that is not here. */
static void test_remote(void **state)
{
	const char there[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP;
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17);
	struct skep_conn c;
	struct frame f;

	(void)state;
	make(&f, there);
	put_flows(&f, PEER);
	for (unsigned int i = 0; i < 2; i++) { /* NEW, then ORIG without an answer */
		send_one(there);
		assert_int_equal(res.drop, 0);
		assert_int_equal(res.len, f.len + SKEP_ENCAP_V4);
		assert_int_not_equal(res.data[42], 0x08);
	}
	assert_true(get_conn(&own, &c));
	assert_int_equal(c.other_peer, PEER);
	assert_int_equal(c.other_key, OTHER_KEY);
	assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1);
	assert_int_equal(get_lport(OTHER_LPORT).replies, 0);
	deliver(BACK "ip 10.0.0.2>10.0.0.1 / " UDP_BACK, 0); /* the answer */
	assert_int_equal(res.drop, 0);
	assert_true(get_conn(&own, &c));
	assert_int_equal(c.reply_seen, 0x80);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 0);
	send_one(there);
	assert_int_equal(res.data[42], 0x08); /* no longer marked */
}

/* From another host: a marked packet makes the record of the replies, another does not, both refresh it. */
static void test_delivered(void **state)
{
	const char line[] = BACK "ip 10.0.0.2>10.0.0.1 / udp 4000>53 / data 4";
	struct skep_conn_key k = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 53, 4000, 17);
	struct skep_conn c;
	uint32_t now;

	(void)state;
	deliver(line, 0);
	assert_int_equal(res.drop, 0);
	assert_false(get_conn(&k, &c));
	deliver(line, 0x345);
	assert_int_equal(res.drop, 0);
	assert_true(get_conn(&k, &c));
	assert_int_equal(c.flags, SKEP_CONN_REPLY);
	assert_int_equal(c.other_key, 0x345);
	assert_int_equal(c.other_peer, PEER);
	assert_int_equal(c.orig_seen, 0x80);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 1);
	now = jiffies();
	c.last_seen = now - 250;
	c.orig_seen = 0;
	put_conn(&k, &c);
	deliver(line, 0);
	assert_true(get_conn(&k, &c));
	assert_true((int32_t)(c.last_seen - now) >= 0);
	assert_int_equal(c.orig_seen, 0x80);
	deliver(line, 0x345);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 1);
}

/* Records that wildcard flows are not for: translated, or of another port at the other end. */
static void test_not_for_it(void **state)
{
	const char there[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP;
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17);
	const struct skep_conn good = { .last_seen = jiffies(), .other_key = OTHER_KEY, .orig_seen = 0x80, .reply_seen = 0x80 };
	struct skep_conn bad[] = { good, good, good };
	struct frame f;

	(void)state;
	bad[0].flags = SKEP_CONN_NAT | SKEP_CONN_SKEPD;
	bad[1].other_key = 0x999;
	bad[2].other_peer = PEER;
	make(&f, there);
	put_flows(&f, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		put_conn(&own, &bad[i]);
		send_one(there);
		assert_up(SKEP_UP_MISS);
	}
	put_conn(&own, &good);
	send_one(there);
	assert_false(went_up());
}

static void test_limits(void **state)
{
	const char first[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP, second[] = FROM "ip 10.0.0.1>10.0.0.2 / udp 4001>53 / data 4";
	struct skep_conn_key k2 = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4001, 53, 17);
	struct skep_conn_key r = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 53, 4001, 17);
	struct skep_lport lp;
	struct skep_conn c;
	struct frame f;

	(void)state;
	conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17);
	conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 53, 4000, 17);
	make(&f, first);
	put_flows(&f, PEER);
	lp = get_lport(BPFRUN_LPORT);
	lp.conns_max = lp.replies_max = 1;
	put("skep_lports", BPFRUN_LPORT, &lp);
	send_one(first);
	assert_int_equal(res.drop, 0);
	for (unsigned int i = 1; i < 4; i++) {
		send_one(second);
		assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
		lp = get_lport(BPFRUN_LPORT);
		assert_int_equal(lp.conns, 1);
		assert_int_equal(lp.refused, i);
	}
	assert_false(get_conn(&k2, &c));
	send_one(first); /* the one that is there goes on */
	assert_int_equal(res.drop, 0);
	deliver(BACK "ip 10.0.0.2>10.0.0.1 / udp 4000>53", 0x345);
	assert_int_equal(res.drop, 0);
	deliver(BACK "ip 10.0.0.2>10.0.0.1 / udp 4001>53", 0x345);
	assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
	assert_false(get_conn(&r, &c));
	lp = get_lport(BPFRUN_LPORT);
	assert_int_equal(lp.replies, 1);
	assert_int_equal(lp.refused, 4);
}

/* The port at the other end, on this host, has no room: no packet passes before it has, the second as little as the first. */
static void test_no_room_there(void **state)
{
	const char line[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP;
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17);
	struct skep_conn_key other = conn_key(OTHER_KEY, "10.0.0.2", "10.0.0.1", 53, 4000, 17);
	struct skep_lport lp;
	struct skep_conn c;
	struct frame f;

	(void)state;
	make(&f, line);
	put_flows(&f, 0);
	lp = get_lport(OTHER_LPORT);
	lp.replies_max = 0;
	put("skep_lports", OTHER_LPORT, &lp);
	for (unsigned int i = 1; i < 4; i++) {
		send_one(line);
		assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
		assert_false(get_conn(&other, &c));
		assert_int_equal(get_lport(OTHER_LPORT).refused, i);
		assert_int_equal(get_lport(OTHER_LPORT).replies, 0);
		assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1); /* it has begun, and waits */
	}
	lp = get_lport(OTHER_LPORT);
	lp.replies_max = 1;
	put("skep_lports", OTHER_LPORT, &lp);
	send_one(line);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	assert_true(get_conn(&own, &c));
	assert_true(get_conn(&other, &c));
	assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
}

/* The table is full: refused, and not counted. */
static void test_table_full(void **state)
{
	const char line[] = FROM "ip 10.0.0.1>10.0.0.2 / " UDP;
	struct skep_conn_key k = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 53, 17), filler = { .port = 0x6666 };
	const struct skep_conn c = { 0 };
	struct skep_lport lp;
	struct skep_conn got;
	struct frame f;

	(void)state;
	make(&f, line);
	put_flows(&f, PEER);
	while (!bpfrun_put(run, "skep_conns", &filler, &c))
		filler.src.w[0]++;
	send_one(line);
	assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
	assert_false(get_conn(&k, &got));
	lp = get_lport(BPFRUN_LPORT);
	assert_int_equal(lp.conns, 0);
	assert_int_equal(lp.refused, 1);
	while (filler.src.w[0]) {
		filler.src.w[0]--;
		(void)bpfrun_del(run, "skep_conns", &filler);
	}
	send_one(line);
	assert_int_equal(res.drop, 0);
	assert_int_equal(get_lport(BPFRUN_LPORT).conns, 1);
}

/* Of fragments and ICMP errors nothing can be said: no flow that asks is for them, one that does not ask is. */
static void test_none(void **state)
{
	static const char *const lines[] = { FROM "ip 10.0.0.1>10.0.0.2 frag first / udp 4000>53 / data 8",
					     FROM "ip 10.0.0.1>10.0.0.2 proto 17 frag later / data 8", FROM "ip 10.0.0.1>10.0.0.2 / icmp 3/1" };
	const struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = OTHER_IF } };
	const uint8_t ids[] = { 30, 31 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		struct frame f;

		make(&f, lines[i]);
		put_flows(&f, 0);
		send_one(lines[i]);
		assert_up(SKEP_UP_MISS);
		put_wild(&f, 31, (struct fields){ .proto = true }, SKEP_CT_NONE, &w);
		list_masks(false, ids, 2);
		send_one(lines[i]);
		assert_false(went_up());
	}
	assert_int_equal(get_lport(BPFRUN_LPORT).conns, 0);
}

/* A promoted flow has its record refreshed: at most a second late, at once for new flags; without the record it does not hold. */
static void test_promoted_lives(void **state)
{
	const char syn[] = FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S", ack[] = FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 A",
		   fin[] = FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 FA";
	struct skep_conn_key own = conn_key(BPFRUN_KEY, "10.0.0.1", "10.0.0.2", 4000, 80, 6);
	struct skep_flow flow;
	struct skep_conn c;
	uint64_t hits;
	uint32_t now;
	struct frame f, a, e;

	(void)state;
	conn_key(OTHER_KEY, "10.0.0.2", "10.0.0.1", 80, 4000, 6);
	make(&f, syn);
	make(&a, ack);
	make(&e, fin);
	put_flows(&f, 0);
	put_flows_back(&f);
	send_one(syn);
	send_back(BACK "ip 10.0.0.2>10.0.0.1 / tcp 80>4000 SA");
	pass(&a);
	assert_true(get_exact(&f, &flow));
	hits = bpfrun_counter(run, SKEP_CNT_FLOW_HIT);
	pass(&a);
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_FLOW_HIT), hits + 1);
	pass(&e);
	assert_true(get_conn(&own, &c));
	assert_int_equal(c.orig_seen, 0x13); /* at once */
	now = jiffies();
	assert_true(get_exact(&f, &flow));
	flow.last_seen = now - 250;
	assert_int_equal(bpfrun_put(run, "skep_flows4", &f.k4, &flow), 0);
	c.last_seen = now - 250;
	put_conn(&own, &c);
	pass(&a);
	assert_true(get_conn(&own, &c));
	assert_true((int32_t)(c.last_seen - now) >= 0);
	assert_true(get_exact(&f, &flow));
	flow.last_seen = now - 250;
	assert_int_equal(bpfrun_put(run, "skep_flows4", &f.k4, &flow), 0);
	(void)bpfrun_del(run, "skep_conns", &own);
	pass(&a); /* by the flow of new ones now: picked up */
	assert_true(get_conn(&own, &c));
	assert_int_equal(c.orig_seen, 0x10);
	del_exact(&f);
}

#define TEST(fn) cmocka_unit_test_setup(fn, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_host),	TEST(test_successor), TEST(test_over),	     TEST(test_remote), TEST(test_delivered),
		TEST(test_not_for_it),	TEST(test_limits),    TEST(test_no_room_there),    TEST(test_table_full), TEST(test_none),	TEST(test_promoted_lives),
	};

	return cmocka_run_group_tests(tests, open_run, close_run);
}
