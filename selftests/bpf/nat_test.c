// SPDX-License-Identifier: Apache-2.0
/* Load balancers in BPF: a new connection's member, its records at both ends, and the translation that rides along to another host. */
#include "selftests/bpf/wild.h"

#define UNKNOWN_NAT 0
#define NAT	    5
#define OTHER_NAT   6
#define MARK_OPTION 8
#define BINDING	    40

static struct skep_nat nat;
static struct skep_conn_key here, there; /* records of the connection of LINE */
#define LINE FROM "ip 10.0.0.1>192.0.2.80 / tcp 4000>80 S"
#define ACK  FROM "ip 10.0.0.1>192.0.2.80 / tcp 4000>80 A"
#define BACK_LINE BACK "ip 10.0.0.7>10.0.0.1 / tcp 8080>4000 SA"

static void forget(void)
{
	struct skep_flow_key4 key;

	(void)bpfrun_del(run, "skep_conns", &here);
	(void)bpfrun_del(run, "skep_conns", &there);
	there.port = BPFRUN_KEY;
	(void)bpfrun_del(run, "skep_conns", &there);
	there.port = OTHER_KEY;
	for (const char *const *l = (const char *const[]){ LINE, BACK_LINE, NULL }; *l; l++) {
		struct frame f;

		make(&f, *l);
		key = f.k4;
		(void)bpfrun_del(run, "skep_flows4", &key);
		key.in_key = OTHER_KEY;
		(void)bpfrun_del(run, "skep_flows4", &key);
	}
}

static void put_peer(enum skep_encap encap, uint16_t mtu)
{
	struct skep_peer peer;
	uint32_t index = PEER;

	assert_int_equal(bpfrun_get(run, "skep_peers", &index, &peer), 0);
	peer.encap = encap;
	peer.dport = htons(encap == SKEP_ENCAP_GENEVE ? 6081 : 4789);
	peer.mtu = mtu;
	put("skep_peers", PEER, &peer);
}

/* A VIP of the port whose table has one member only. */
static void put_vip(uint16_t member)
{
	struct skep_vip_key key = { .port = BPFRUN_KEY, .dst = nat.from, .dport = nat.from_port, .proto = 6 };
	struct skep_vip vip = { .seed = 1, .first = 8, .size = 5 };
	struct skep_maglev_row row;

	for (int i = 0; i < SKEP_MAGLEV_ROW; i++)
		row.nat[i] = member;
	put("skep_maglev", 2, &row);
	put("skep_maglev", 3, &row);
	assert_int_equal(bpfrun_put(run, "skep_vips", &key, &vip), 0);
}

static int fresh(void **state)
{
	struct skep_lport lp;
	uint32_t number = NAT;

	(void)state;
	nat = (struct skep_nat){ .router = 0x1122, .member = 0x3344, .from_port = htons(80), .to_port = htons(8080) };
	ip_parse("192.0.2.80", &nat.from);
	ip_parse("10.0.0.7", &nat.to);
	here = (struct skep_conn_key){ .port = BPFRUN_KEY, .dst = nat.from, .sport = htons(4000), .dport = htons(80), .proto = 6 };
	ip_parse("10.0.0.1", &here.src);
	there = (struct skep_conn_key){ .port = OTHER_KEY, .src = nat.to, .dst = here.src, .sport = htons(8080), .dport = htons(4000), .proto = 6 };
	forget();
	fresh_lports();
	lp = get_lport(BPFRUN_LPORT);
	lp.flags |= SKEP_LPORT_VIP;
	put("skep_lports", BPFRUN_LPORT, &lp);
	put_vip(NAT);
	put("skep_nats", NAT, &nat);
	assert_int_equal(bpfrun_put(run, "skep_nat_ids", &nat, &number), 0);
	put_peer(SKEP_ENCAP_GENEVE, 1500);
	return 0;
}

/* Flows NEW, ORIG of LINE to the member: here, or at the peer. */
static void member_flows(uint32_t peer, uint16_t mtu)
{
	struct skep_rewrite rw = { .what = SKEP_RW_DST | SKEP_RW_DPORT, .dst = nat.to, .dport = nat.to_port };
	struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = OTHER_IF, .stat = 9, .rewrite = 7, .mtu = mtu },
			       .other_key = OTHER_KEY,
			       .other_peer = (uint16_t)peer,
			       .nat = NAT };
	const uint8_t id = 40;
	struct frame f;

	put("skep_rewrites", 7, &rw);
	if (peer) {
		w.flow.action = SKEP_ACT_ENCAP;
		w.flow.out = OTHER_KEY;
		w.flow.peer = (uint16_t)peer;
	}
	make(&f, LINE);
	w.flow.flags = SKEP_F_RECORD | SKEP_F_STAY | (peer ? SKEP_F_MARK : 0);
	f.k4.nat = NAT;
	put_wild(&f, id, (struct fields){ .ct = true, .nat = true }, SKEP_CT_NEW, &w);
	w.flow.flags = SKEP_F_LIVE | (peer ? SKEP_F_MARK : 0);
	put_wild(&f, id, (struct fields){ .ct = true, .nat = true }, SKEP_CT_ORIG, &w);
	list_masks(false, &id, 1);
}

static void send_line(const char *line)
{
	struct frame f;

	make(&f, line);
	pass(&f);
}

static void get(const struct skep_conn_key *k, struct skep_conn *c)
{
	assert_int_equal(bpfrun_get(run, "skep_conns", k, c), 0);
}

static bool is_there(const struct skep_conn_key *k)
{
	struct skep_conn c;

	return bpfrun_get(run, "skep_conns", k, &c) == 0;
}

/* Both ends here: the packet is translated, and the member's record is of the translated tuple. */
static void test_one_host(void **state)
{
	struct skep_conn c;
	struct pkt pkt;

	(void)state;
	member_flows(0, 0);
	send_line(LINE);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
	assert_true(ip_eq(&pkt.f.ip_dst, &nat.to));
	assert_int_equal(ntohs(pkt.f.l4_dst), 8080);
	get(&here, &c);
	assert_int_equal(c.flags, SKEP_CONN_NAT);
	assert_int_equal(c.nat, NAT);
	get(&there, &c);
	assert_int_equal(c.flags, SKEP_CONN_NAT | SKEP_CONN_REPLY);
	assert_int_equal(c.nat, NAT);
	assert_int_equal(c.other_key, BPFRUN_KEY);
	assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
	send_line(ACK); /* goes on: by the record's number, whatever the table says now */
	put_vip(OTHER_NAT);
	send_line(ACK);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	get(&there, &c);
	assert_int_equal(c.orig_seen, SKEP_TCP_SYN | SKEP_TCP_ACK);
	assert_int_equal(get_lport(OTHER_LPORT).replies, 1);
}

/* The reply: translated back, it refreshes the record of who began. */
static void test_reply(void **state)
{
	struct skep_rewrite rw = { .what = SKEP_RW_SRC | SKEP_RW_SPORT, .src = nat.from, .sport = nat.from_port };
	struct skep_wild w = { .flow = { .action = SKEP_ACT_LOCAL, .out = 77, .stat = 9, .rewrite = 8, .flags = SKEP_F_LIVE },
			       .other_key = BPFRUN_KEY,
			       .nat = NAT };
	struct skep_lport lp;
	struct skep_conn c;
	struct frame f;
	struct pkt pkt;

	(void)state;
	member_flows(0, 0);
	send_line(LINE);
	put("skep_rewrites", 8, &rw);
	make(&f, BACK_LINE);
	f.k4.in_key = OTHER_KEY;
	f.k4.nat = NAT;
	put_wild(&f, 41, (struct fields){ .ct = true, .nat = true }, SKEP_CT_REPLY, &w);
	lp = get_lport(OTHER_LPORT);
	lp.masks4[0] = 41;
	put("skep_lports", OTHER_LPORT, &lp);
	enter_by(OTHER_KEY, OTHER_LPORT);
	send_line(BACK_LINE);
	enter_by(BPFRUN_KEY, BPFRUN_LPORT);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	assert_int_equal(pkt_parse(res.data, res.len, &pkt), SKEP_DROP_NONE);
	assert_true(ip_eq(&pkt.f.ip_src, &nat.from));
	assert_int_equal(ntohs(pkt.f.l4_src), 80);
	get(&here, &c);
	assert_int_equal(c.reply_seen, SKEP_TCP_SYN | SKEP_TCP_ACK);
}

/* Another member than that of the flows, a VIP of which the kernel has no table, a record whose translation has no number: all go up. */
static void test_goes_up(void **state)
{
	struct skep_conn c = { .other_key = OTHER_KEY, .flags = SKEP_CONN_NAT, .orig_seen = SKEP_TCP_SYN };
	struct skep_vip_key key = { .port = BPFRUN_KEY, .dst = nat.from, .dport = nat.from_port, .proto = 6 };

	(void)state;
	member_flows(0, 0);
	put_vip(OTHER_NAT);
	send_line(LINE);
	assert_up(SKEP_UP_MISS);
	assert_int_equal(bpfrun_del(run, "skep_vips", &key), 0);
	send_line(LINE);
	assert_up(SKEP_UP_MISS);
	assert_false(is_there(&here));
	put_vip(NAT);
	c.last_seen = jiffies();
	assert_int_equal(bpfrun_put(run, "skep_conns", &here, &c), 0);
	send_line(ACK);
	assert_up(SKEP_UP_MISS);
}

static const uint8_t *options(uint32_t *len)
{
	const uint8_t *gnv = res.data + 14 + 20 + 8;

	*len = (gnv[0] & 0x3fu) * 4;
	return gnv + 8;
}

/* Towards another host: mark and translation in front of each packet until somebody answers, and no exact flow that would not know. */
static void test_rides_along(void **state)
{
	const uint8_t *opt;
	struct skep_conn c;
	struct frame f;
	uint32_t len;

	(void)state;
	member_flows(PEER, 0);
	make(&f, LINE);
	for (int i = 0; i < 3; i++) {
		send_line(LINE);
		assert_int_equal(res.drop, 0);
		assert_int_equal(res.len, f.len + SKEP_ENCAP_V4 + MARK_OPTION + BINDING);
		opt = options(&len);
		assert_int_equal(len, MARK_OPTION + BINDING);
		assert_memory_equal(opt, "\xff\x73\x01\x01", 4);
		assert_memory_equal(opt + MARK_OPTION, "\xff\x73\x82\x09", 4);
		assert_true(res.data[14 + 20 + 8 + 1] & 0x40); /* one of the options is critical */
		assert_memory_equal(opt + MARK_OPTION + 4, &nat, SKEP_NAT_WIRE);
	}
	get(&here, &c);
	assert_int_equal(c.other_peer, PEER);
	assert_false(is_there(&there));
	c.reply_seen = SKEP_TCP_SYN | SKEP_TCP_ACK;
	assert_int_equal(bpfrun_put(run, "skep_conns", &here, &c), 0);
	send_line(ACK);
	assert_int_equal(res.len, f.len + SKEP_ENCAP_V4);
	send_line(ACK);
	assert_int_equal(res.len, f.len + SKEP_ENCAP_V4);
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_FLOW_HIT) > 0, 1);
}

/* A packet that fits without the translation only is skepd's; one for a host that cannot be told is not sent. */
static void test_no_room(void **state)
{
	struct frame f;

	(void)state;
	make(&f, LINE);
	member_flows(PEER, (uint16_t)(f.len - 14 + BINDING - 1));
	send_line(LINE);
	assert_up(SKEP_UP_FIELD);
	assert_false(is_there(&here));
	member_flows(PEER, (uint16_t)(f.len - 14 + BINDING));
	send_line(LINE);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	put_peer(SKEP_ENCAP_VXLAN, 1500);
	send_line(LINE);
	assert_int_equal(res.drop, SKEP_DROP_REWRITE);
	put_peer(SKEP_ENCAP_GENEVE, 60);
	send_line(LINE);
	assert_int_equal(res.drop, SKEP_DROP_TOO_BIG);
}

/* skepd has told the other host by a message: nothing rides along. A tag leaves no room for what does. */
static void test_told(void **state)
{
	struct skep_conn c;
	struct skep_rewrite rw;
	struct frame f;
	uint32_t seven = 7;

	(void)state;
	make(&f, LINE);
	member_flows(PEER, (uint16_t)(f.len - 14));
	c = (struct skep_conn){ .last_seen = jiffies(), .other_key = OTHER_KEY, .other_peer = PEER, .flags = SKEP_CONN_NAT | SKEP_CONN_SKEPD, .nat = NAT };
	assert_int_equal(bpfrun_put(run, "skep_conns", &here, &c), 0);
	send_line(ACK);
	assert_int_equal(res.drop, 0);
	assert_false(went_up());
	assert_int_equal(res.len, f.len + SKEP_ENCAP_V4);
	forget();
	member_flows(PEER, 0);
	assert_int_equal(bpfrun_get(run, "skep_rewrites", &seven, &rw), 0);
	rw.what |= SKEP_RW_VLAN_PUSH;
	rw.vlan = htons(100);
	put("skep_rewrites", 7, &rw);
	send_line(LINE);
	assert_int_equal(res.drop, SKEP_DROP_REWRITE);
}

/* Another VIP, or the member itself, from the same port of the same client: its replies could not be told apart. */
static void test_collision(void **state)
{
	struct skep_conn c = { .other_key = BPFRUN_KEY, .flags = SKEP_CONN_NAT | SKEP_CONN_REPLY, .nat = OTHER_NAT, .orig_seen = SKEP_TCP_SYN };

	(void)state;
	member_flows(0, 0);
	c.last_seen = jiffies();
	assert_int_equal(bpfrun_put(run, "skep_conns", &there, &c), 0);
	send_line(LINE);
	assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
	c.flags = SKEP_CONN_REPLY;
	c.nat = 0;
	assert_int_equal(bpfrun_put(run, "skep_conns", &there, &c), 0);
	send_line(LINE);
	assert_int_equal(res.drop, SKEP_DROP_CONN_LIMIT);
	c.flags = SKEP_CONN_REPLY | SKEP_CONN_NAT;
	c.nat = NAT;
	assert_int_equal(bpfrun_put(run, "skep_conns", &there, &c), 0);
	send_line(LINE);
	assert_int_equal(res.drop, 0);
}

/* What the peer's first packet arrives as at the member's host. */
static uint32_t from_peer(uint8_t *sent)
{
	struct skep_peer peer, back;
	uint32_t index = PEER, len;

	assert_int_equal(bpfrun_get(run, "skep_peers", &index, &peer), 0);
	back = peer;
	back.local = peer.remote;
	back.remote = peer.local;
	put("skep_peers", PEER, &back);
	member_flows(PEER, 0);
	send_line(LINE);
	put("skep_peers", PEER, &peer);
	assert_int_equal(res.drop, 0);
	len = res.len;
	memcpy(sent, res.data, len);
	sent[14 + 20 + 8 + 4] = BPFRUN_KEY >> 16; /* to the only port that lo stands for */
	sent[14 + 20 + 8 + 5] = BPFRUN_KEY >> 8 & 0xff;
	sent[14 + 20 + 8 + 6] = BPFRUN_KEY & 0xff;
	there.port = BPFRUN_KEY;
	return len;
}

static void arrive(const uint8_t *sent, uint32_t len)
{
	assert_int_equal(bpfrun_run(run, BPFRUN_UNDER_TC, sent, len, &res), 0);
}

/* At the member's host: the record has this host's number of the translation; without one, skepd is told. */
static void test_delivered(void **state)
{
	static uint8_t sent[2048];
	const uint32_t len = from_peer(sent);
	struct skep_conn c;

	(void)state;
	arrive(sent, len);
	assert_int_equal(res.drop, 0);
	get(&there, &c);
	assert_int_equal(c.flags, SKEP_CONN_NAT | SKEP_CONN_REPLY);
	assert_int_equal(c.nat, NAT);
	assert_int_equal(c.other_key, BPFRUN_KEY);
	assert_int_equal(c.other_peer, PEER);
	assert_int_equal(bpfrun_del(run, "skep_conns", &there), 0);
	assert_int_equal(bpfrun_del(run, "skep_nat_ids", &nat), 0);
	arrive(sent, len);
	assert_int_equal(res.drop, 0);
	get(&there, &c);
	assert_int_equal(c.flags, SKEP_CONN_NAT | SKEP_CONN_REPLY);
	assert_int_equal(c.nat, UNKNOWN_NAT);
	arrive(sent, len); /* its duplicate */
	assert_int_equal(res.drop, 0);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 2); /* the first was taken away behind BPF's back */
}

/* XDP has no room for it in front of the frame: TC does both. */
static void test_xdp_passes(void **state)
{
	static uint8_t sent[2048];
	const uint32_t len = from_peer(sent);

	(void)state;
	assert_int_equal(bpfrun_run(run, BPFRUN_XDP, sent, len, &res), 0);
	assert_int_equal(res.action, 2 /* XDP_PASS */);
	assert_int_equal(res.len, len);
	assert_memory_equal(res.data, sent, len);
}

/* Options that say something else: cut, longer, of a type that nobody knows. */
static void test_bad_options(void **state)
{
	static uint8_t sent[2048];
	const uint32_t len = from_peer(sent), at = 14 + 20 + 8 + 8 + MARK_OPTION;

	(void)state;
	sent[at + 3] = 0x0a; /* beyond the options' end */
	arrive(sent, len);
	assert_int_equal(res.drop, SKEP_DROP_BAD_TUNNEL);
	sent[at + 3] = 0x08; /* another length: not ours, and critical */
	arrive(sent, len);
	assert_int_equal(res.drop, SKEP_DROP_BAD_TUNNEL);
	sent[at + 3] = 0x09;
	sent[at + 2] = 0x83;
	arrive(sent, len);
	assert_int_equal(res.drop, SKEP_DROP_BAD_TUNNEL);
	sent[at + 2] = 0x82;
	sent[at - MARK_OPTION + 2] = 0x05; /* without a mark it means nothing */
	arrive(sent, len);
	assert_int_equal(res.drop, 0);
	assert_false(is_there(&there));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_host, fresh),	 cmocka_unit_test_setup(test_reply, fresh),
		cmocka_unit_test_setup(test_goes_up, fresh),	 cmocka_unit_test_setup(test_rides_along, fresh),
		cmocka_unit_test_setup(test_no_room, fresh),	 cmocka_unit_test_setup(test_delivered, fresh),
		cmocka_unit_test_setup(test_told, fresh), cmocka_unit_test_setup(test_collision, fresh),
		cmocka_unit_test_setup(test_xdp_passes, fresh), cmocka_unit_test_setup(test_bad_options, fresh),
	};

	return cmocka_run_group_tests(tests, open_run, close_run);
}
