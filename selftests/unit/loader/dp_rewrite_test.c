// SPDX-License-Identifier: Apache-2.0
/*
 * Rewrites, sets, policers, connections and messages through the real kernel: what BPF_PROG_TEST_RUN cannot show.  Checksums left to the
 * card, super-packets, VLAN tags beside the frame, copies to real interfaces, rates.
 */
#include "loader/tap.h"

#include "selftests/unit/loader/dp_rig.h"

#define MSS	1400
#define PAYLOAD 42000
#define REMOTE	"192.0.2.2"

/* --- frames --- */

struct built {
	uint8_t data[PKT_MAX + 4];
	uint32_t len;
	struct pkt pkt;
	struct virtio_net_hdr vnet;
};
static struct built in, want;

static void build(struct built *b, const char *line)
{
	struct err err = { 0 };
	int len = pkt_dsl_parse(line, NULL, b->data, sizeof(b->data), &err);

	if (len < 0)
		fail_msg("%s: %s", line, err.text);
	b->len = (uint32_t)len;
	b->vnet = (struct virtio_net_hdr){ 0 };
	assert_int_equal(pkt_parse(b->data, b->len, &b->pkt), SKEP_DROP_NONE);
}

/* The checksum is left to the card: the field holds the sum of the pseudo header. */
static void left_to_card(struct built *b)
{
	uint32_t l4 = b->pkt.l4_off, len = b->pkt.l3_len - (l4 - b->pkt.l3_off);
	uint32_t at = b->pkt.f.ip_proto == IPPROTO_TCP ? 16 : 6;
	bool v4 = ip_is_v4(&b->pkt.f.ip_src);
	const uint8_t *addrs = b->data + b->pkt.l3_off + (v4 ? 12 : 8);

	put16(b->data + l4 + at, sum16(addrs, v4 ? 8 : 32, b->pkt.f.ip_proto + len));
	b->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	b->vnet.csum_start = (uint16_t)l4;
	b->vnet.csum_offset = (uint16_t)at;
}

/* A super-packet out of a TCP packet. */
static void make_super(struct built *b)
{
	bool v4 = ip_is_v4(&b->pkt.f.ip_src);

	left_to_card(b);
	b->vnet.gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	b->vnet.gso_size = MSS;
	b->vnet.hdr_len = b->pkt.payload_off;
}

/* The next frame with one of our payload sizes at 'fd', its tag put back; 0 = none came. */
static uint32_t receive(int fd, uint8_t *buf, size_t size, struct virtio_net_hdr *vnet, int ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;

	do {
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		} control;
		struct iovec iov[] = { { vnet, sizeof(*vnet) }, { buf, size - 4 } };
		struct msghdr msg = {
			.msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control)
		};
		ssize_t n = recvmsg(fd, &msg, 0);
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
		uint32_t len = n > 0 ? (uint32_t)(n - (ssize_t)sizeof(*vnet)) : 0;
		struct tpacket_auxdata aux = { 0 };

		if (n <= 0) {
			loop_once(t.loop, 2);
			continue;
		}
		if (buf[0] != 2)
			continue; /* not ours: the kernel's own */
		if (c && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID) {
			memmove(buf + 16, buf + 12, len - 12);
			put16(put16(buf + 12, aux.tp_vlan_tpid), aux.tp_vlan_tci);
			len += 4;
		}
		return len;
	} while (clock_mono_ns() < end);
	return 0;
}

static void see_tags(int fd)
{
	int one = 1;

	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
}

static void install(const struct built *b, const struct skep_flow *flow)
{
	struct dp_flow_key key = key_of(b->data, b->len, KEY1);

	dp_flow_put(t.dp, &key, flow);
	assert_int_equal(dp_flows_flush(t.dp), 0);
}

static uint32_t rewrite_index(const struct skep_rewrite *rw)
{
	uint32_t index = 0;

	assert_int_equal(dp_rewrite_get(t.dp, rw, &index), 0);
	assert_int_not_equal(index, 0);
	return index;
}

/* --- checksums left to the card --- */

static const struct skep_rewrite nat4 = { .what = SKEP_RW_SRC | SKEP_RW_DST | SKEP_RW_SPORT | SKEP_RW_DPORT },
				 nat6 = { .what = SKEP_RW_SRC | SKEP_RW_DST | SKEP_RW_SPORT | SKEP_RW_DPORT };

static struct skep_rewrite nat(bool v6)
{
	struct skep_rewrite rw = v6 ? nat6 : nat4;

	ip_parse(v6 ? "fd99::77" : "203.0.113.77", &rw.src);
	ip_parse(v6 ? "fd99::88" : "203.0.113.88", &rw.dst);
	rw.sport = htons(1234);
	rw.dport = htons(4321);
	return rw;
}

#define MACS "eth 02:00:00:00:00:01>02:00:00:00:00:02"

static const char *const before[] = {
	MACS " / ip 10.0.0.1>10.0.0.2 ttl 9 / tcp 4000>80 A / data 42000",
	MACS " / ip fd00::1>fd00::2 ttl 9 / tcp 4000>80 A / data 42000",
	MACS " / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 4000>80 / data 900",
	MACS " / ip fd00::1>fd00::2 ttl 9 / udp 4000>80 / data 900",
};
static const char *const after[] = {
	MACS " / ip 203.0.113.77>203.0.113.88 ttl 7 / tcp 1234>4321 A / data 42000",
	MACS " / ip fd99::77>fd99::88 ttl 7 / tcp 1234>4321 A / data 42000",
	MACS " / ip 203.0.113.77>203.0.113.88 ttl 7 / udp 1234>4321 / data 900",
	MACS " / ip fd99::77>fd99::88 ttl 7 / udp 1234>4321 / data 900",
};

static void prepare(unsigned int i, struct built *b, const char *line)
{
	build(b, line);
	if (i < 2)
		make_super(b);
	else
		left_to_card(b);
}

static void assert_arrives(int fd, const struct built *b)
{
	static uint8_t got[PKT_MAX + 64];
	struct virtio_net_hdr vnet;

	assert_int_equal(receive(fd, got, sizeof(got), &vnet, 3000), b->len);
	assert_memory_equal(got, b->data, b->len);
	assert_int_equal(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, b->vnet.flags);
	assert_int_equal(vnet.gso_type, b->vnet.gso_type);
	assert_int_equal(vnet.gso_size, b->vnet.gso_size);
	if (b->vnet.flags)
		assert_int_equal(vnet.csum_start, b->vnet.csum_start);
}

/* From a flow and by a verdict of skepd: addresses are in the sum, ports are not. */
static void test_partial_checksums(void **state)
{
	NEED_ROOT();
	for (unsigned int i = 0; i < ARRAY_SIZE(before); i++) {
		struct skep_rewrite rw = nat(i & 1);
		struct skep_flow flow = to_port(KEY2);

		flow.rewrite = rewrite_index(&rw);
		flow.ttl_dec = 2;
		prepare(i, &in, before[i]);
		prepare(i, &want, after[i]);
		t.answer = &flow;
		t.upcalls = 0;
		send_from(t.sock1, in.data, in.len, &in.vnet);
		assert_arrives(t.sock2, &want);
		assert_int_equal(t.upcalls, 1);
		t.answer = NULL;
		install(&in, &flow);
		send_from(t.sock1, in.data, in.len, &in.vnet);
		assert_arrives(t.sock2, &want);
		assert_int_equal(t.upcalls, 1);
	}
}

/* The kernel cuts a rewritten super-packet into segments, and finishes their checksums: the machine's end has no offloads. */
static void test_segments_have_right_checksums(void **state)
{
	static uint8_t got[PKT_MAX + 64];
	struct virtio_net_hdr vnet;

	NEED_ROOT();
	enter(t.vm_ns);
	assert_int_equal(sh("ethtool -K e2 rx off >/dev/null 2>&1; ethtool -K e2 gro off >/dev/null 2>&1; true"), 0);
	enter(t.host_ns);
	if (sh("ethtool -K p2 tx off tso off gso off >/dev/null 2>&1"))
		skip();
	for (unsigned int i = 0; i < ARRAY_SIZE(before); i++) {
		struct skep_rewrite rw = nat(i & 1);
		struct skep_flow flow = to_port(KEY2);
		uint32_t segments = 0, len;
		struct pkt pkt;

		flow.flags = 0; /* through the interface's queue */
		flow.rewrite = rewrite_index(&rw);
		flow.ttl_dec = 2;
		prepare(i, &in, before[i]);
		prepare(i, &want, after[i]);
		install(&in, &flow);
		send_from(t.sock1, in.data, in.len, &in.vnet);
		do {
			len = receive(t.sock2, got, sizeof(got), &vnet, segments ? 200 : 3000);
			if (!len)
				break;
			segments++;
			assert_int_equal(pkt_parse(got, len, &pkt), SKEP_DROP_NONE);
			assert_true(ip_eq(&pkt.f.ip_src, &want.pkt.f.ip_src));
			assert_true(ip_eq(&pkt.f.ip_dst, &want.pkt.f.ip_dst));
			assert_int_equal(pkt.f.l4_dst, want.pkt.f.l4_dst);
			assert_int_equal(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
			assert_true(pkt_csum_ok(&pkt));
		} while (i < 2);
		assert_int_equal(segments, i < 2 ? PAYLOAD / MSS : 1);
	}
	assert_int_equal(sh("ethtool -K p2 tx on tso on gso on >/dev/null 2>&1"), 0);
}

/* --- tags: the kernel holds them beside the frame --- */

static void test_tags(void **state)
{
	static const struct {
		const char *in, *out;
		struct skep_rewrite rw;
	} cases[] = {
		{ MACS " / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 20",
		  MACS " vlan 7 pcp 3 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 20",
		  { .what = SKEP_RW_VLAN_PUSH, .vlan = 0x0760 } },
		{ MACS " vlan 7 / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 20",
		  MACS " / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 20",
		  { .what = SKEP_RW_VLAN_POP } },
		{ MACS " vlan 7 / ip fd00::1>fd00::2 / udp 1>2 / data 20",
		  MACS " vlan 8 / ip fd00::1>fd00::2 / udp 1>2 / data 20",
		  { .what = SKEP_RW_VLAN_SET, .vlan = 0x0800 } },
		{ MACS " vlan 7 / arp request 10.0.0.1>10.0.0.2", MACS " vlan 8 / arp request 10.0.0.1>10.0.0.2",
		  { .what = SKEP_RW_VLAN_SET, .vlan = 0x0800 } },
	};

	NEED_ROOT();
	see_tags(t.sock2);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct skep_flow flow = to_port(KEY2);

		flow.rewrite = rewrite_index(&cases[i].rw);
		build(&in, cases[i].in);
		build(&want, cases[i].out);
		t.answer = &flow;
		t.upcalls = 0;
		send_from(t.sock1, in.data, in.len, NULL);
		assert_arrives(t.sock2, &want);
		if (strstr(cases[i].in, "arp"))
			continue; /* never decided by a flow */
		t.answer = NULL;
		install(&in, &flow);
		send_from(t.sock1, in.data, in.len, NULL);
		assert_arrives(t.sock2, &want);
		assert_int_equal(t.upcalls, 1);
	}
}

/* --- copies --- */

static int under_socket(void)
{
	int fd = packet_socket("u1");

	drain(fd);
	return fd;
}

static uint32_t add_peer(void)
{
	struct skep_ip remote = ip_from_v4(inet_addr(REMOTE));
	struct err err = { 0 };
	uint32_t index = 0;

	assert_int_equal(sh("ip neigh replace " REMOTE " lladdr 02:09:00:00:00:02 dev u0 nud permanent"), 0);
	if (dp_peer_add(t.dp, &remote, &index, &err))
		fail_msg("dp_peer_add: %s", err.text);
	return index;
}

/* The next tunnel packet at the underlay's other end, without its outer header. */
static uint32_t receive_tunnelled(int fd, uint8_t *buf, size_t size, uint32_t *key, int ms)
{
	uint64_t end = clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;

	do {
		struct virtio_net_hdr vnet;
		uint32_t len = receive(fd, buf, size, &vnet, 20);

		if (len < 64 || buf[23] != IPPROTO_UDP || buf[36] != 4789 >> 8 || buf[37] != (4789 & 0xff))
			continue;
		*key = (uint32_t)buf[46] << 16 | (uint32_t)buf[47] << 8 | buf[48];
		memmove(buf, buf + 50, len - 50);
		return len - 50;
	} while (clock_mono_ns() < end);
	return 0;
}

static void assert_tunnelled(int fd, uint32_t key, const char *line)
{
	static uint8_t got[4096];
	uint32_t got_key = 0;

	build(&want, line);
	assert_int_equal(receive_tunnelled(fd, got, sizeof(got), &got_key, 3000), want.len);
	assert_int_equal(got_key, key);
	assert_memory_equal(got, want.data, want.len);
}

/*
 * Each copy with its own headers: a mirror's, untouched, the routed and translated packet, tagged and untagged members; on this host and on
 * another.  As a flow and as a verdict, of IPv4 and IPv6, of tagged and untagged packets.
 */
static void copies(const char *line, const char *const local[2], const char *const remote[2], const struct skep_rewrite rw[4])
{
	struct skep_out outs[5] = { 0 };
	struct skep_flow flow = { .action = SKEP_ACT_SET, .ttl_dec = 1 };
	uint64_t drops[2][SKEP_DROP_MAX];
	uint32_t peer = add_peer(), set = 0;
	int under = under_socket();
	bool veth;

	for (int i = 0; i < 2; i++) {
		outs[i].action = SKEP_ACT_LOCAL;
		assert_true(dp_port_output(t.dp, KEY2, &outs[i].out, &veth));
		outs[i].rewrite = rewrite_index(&rw[i]);
	}
	outs[2] = (struct skep_out){ .action = SKEP_ACT_DROP, .out = SKEP_DROP_POLICY };
	for (uint32_t i = 3; i < 5; i++)
		outs[i] = (struct skep_out){
			.action = SKEP_ACT_ENCAP, .out = 0x500 + i, .peer = peer, .rewrite = rewrite_index(&rw[i - 1])
		};
	assert_int_equal(dp_set_put(t.dp, outs, 5, &set), 0);
	flow.out = set;
	dp_drops(t.dp, drops[0]);
	for (int by_flow = 0; by_flow < 2; by_flow++) {
		build(&in, line);
		t.answer = by_flow ? NULL : &flow;
		if (by_flow)
			install(&in, &flow);
		send_from(t.sock1, in.data, in.len, NULL);
		for (int i = 0; i < 2; i++) {
			build(&want, local[i]);
			assert_arrives(t.sock2, &want);
		}
		for (uint32_t i = 0; i < 2; i++)
			assert_tunnelled(under, 0x503 + i, remote[i]);
	}
	dp_drops(t.dp, drops[1]);
	assert_int_equal(drops[1][SKEP_DROP_POLICY], drops[0][SKEP_DROP_POLICY] + 2);
	assert_int_equal(drops[1][SKEP_DROP_REWRITE], drops[0][SKEP_DROP_REWRITE]);
	close(under);
}

static void test_copies(void **state)
{
	struct skep_rewrite rw[4] = {
		{ .what = SKEP_RW_VLAN_PUSH, .vlan = htons(7), .ttl_dec = 255 }, /* as it came, but tagged */
		{ .what = SKEP_RW_DST | SKEP_RW_DPORT | SKEP_RW_ETH_SRC | SKEP_RW_DSCP | SKEP_RW_VLAN_POP,
		  .dport = htons(99),
		  .dscp = 10,
		  .ttl_dec = 1,
		  .eth_src = { { 2, 0, 0, 0, 0, 9 } } },
		{ .what = SKEP_RW_VLAN_PUSH, .vlan = htons(9) },
		{ .what = SKEP_RW_DPORT, .dport = htons(53), .ttl_dec = 255 },
	};

	NEED_ROOT();
	see_tags(t.sock2);
	ip_parse("10.0.0.9", &rw[1].dst);
	copies("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 1>2 / data 20",
	       (const char *const[]){
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip 10.0.0.1>10.0.0.2 ttl 9 / udp 1>2 / data 20",
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.9 ttl 8 tos 40 / udp 1>99 / data 20" },
	       (const char *const[]){
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 vlan 9 / ip 10.0.0.1>10.0.0.9 ttl 8 tos 40 / udp 1>99 / data 20",
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.9 ttl 9 tos 40 / udp 1>53 / data 20" },
	       rw);
	ip_parse("fd00::9", &rw[1].dst);
	copies("eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 9 / tcp 1>2 A",
	       (const char *const[]){
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip fd00::1>fd00::2 ttl 9 / tcp 1>2 A",
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 / ip fd00::1>fd00::9 ttl 8 tos 40 / tcp 1>99 A" },
	       (const char *const[]){
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 vlan 9 / ip fd00::1>fd00::9 ttl 8 tos 40 / tcp 1>99 A",
		       "eth 02:00:00:00:00:09>02:00:00:00:00:02 / ip fd00::1>fd00::9 ttl 9 tos 40 / tcp 1>53 A" },
	       rw);
	/* a tagged packet: the tag goes, comes and changes */
	rw[0] = (struct skep_rewrite){ .what = SKEP_RW_VLAN_SET, .vlan = htons(8), .ttl_dec = 255 };
	rw[1] = (struct skep_rewrite){ .what = SKEP_RW_VLAN_SET, .vlan = htons(7), .ttl_dec = 1 };
	rw[2] = (struct skep_rewrite){ .what = SKEP_RW_VLAN_POP };
	rw[3] = (struct skep_rewrite){ .what = SKEP_RW_VLAN_SET, .vlan = htons(9) };
	copies("eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip fd00::1>fd00::2 ttl 9 / tcp 1>2 A",
	       (const char *const[]){
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 8 / ip fd00::1>fd00::2 ttl 9 / tcp 1>2 A",
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 7 / ip fd00::1>fd00::2 ttl 8 / tcp 1>2 A" },
	       (const char *const[]){
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip fd00::1>fd00::2 ttl 8 / tcp 1>2 A",
		       "eth 02:00:00:00:00:01>02:00:00:00:00:02 vlan 9 / ip fd00::1>fd00::2 ttl 8 / tcp 1>2 A" },
	       rw);
}

/* --- rates --- */

static unsigned int delivered(int fd)
{
	struct virtio_net_hdr vnet;
	uint8_t buf[2048];
	unsigned int n = 0;

	while (receive(fd, buf, sizeof(buf), &vnet, 30))
		n++;
	return n;
}

/* 1000 bytes go at once, then next to nothing: by what the port sends, by a flow, by an output of a set. */
static void test_policers(void **state)
{
	uint64_t drops[2][SKEP_DROP_MAX];

	NEED_ROOT();
	for (int where = 0; where < 3; where++) {
		struct skep_out out = { .action = SKEP_ACT_LOCAL };
		struct skep_flow flow = to_port(KEY2);
		uint32_t police = 0, set = 0;
		unsigned int n;

		build(&in, MACS " / ip 10.0.0.1>10.0.0.2 / udp 1>2 / data 58"); /* 100 bytes */
		assert_int_equal(dp_policer_set(t.dp, 8, 1000, &police), 0);
		assert_int_not_equal(police, 0);
		if (where == 0) {
			assert_int_equal(dp_port_police(t.dp, KEY1, police, 0), 0);
		} else if (where == 1) {
			flow.police = (uint16_t)police;
		} else {
			out.out = flow.out;
			out.police = (uint16_t)police;
			assert_int_equal(dp_set_put(t.dp, &out, 1, &set), 0);
			flow = (struct skep_flow){ .action = SKEP_ACT_SET, .out = set };
		}
		install(&in, &flow);
		dp_drops(t.dp, drops[0]);
		for (int i = 0; i < 30; i++)
			send_from(t.sock1, in.data, in.len, NULL);
		n = delivered(t.sock2);
		assert_in_range(n, 10, 12);
		dp_drops(t.dp, drops[1]);
		assert_int_equal(drops[1][SKEP_DROP_POLICED] - drops[0][SKEP_DROP_POLICED], 30 - n);
		assert_int_equal(dp_policer_drops(t.dp, police), 30 - n);
		/* a rate that is large enough is none */
		assert_int_equal(dp_policer_set(t.dp, 10000000000ULL, 100000, &police), 0);
		assert_true(WAIT(({
			send_from(t.sock1, in.data, in.len, NULL);
			delivered(t.sock2) == 1;
		})));
		assert_int_equal(dp_port_police(t.dp, KEY1, 0, 0), 0);
		assert_int_equal(dp_policer_set(t.dp, 0, 0, &police), 0);
		assert_int_equal(police, 0);
	}
	assert_int_equal(dp_port_police(t.dp, 0x999, 0, 0), -ENOENT);
}

/* --- what a flow holds for --- */

static void test_other_cases_come_up(void **state)
{
	static const struct {
		const char *line;
		bool up;
	} cases[] = {
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 A / data 100", false },
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 42 / tcp 1>2 A / data 160", false }, /* ECN; 200 bytes */
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 A / data 161", true },
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 44 / tcp 1>2 A", true },
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 PA", true }, /* tcp_mask: PSH */
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 FA", false },
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 SA", false },
		{ MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 S", true }, /* behind a FIN */
	};
	struct skep_flow flow, seen;
	struct virtio_net_hdr vnet;
	uint8_t buf[2048];
	struct dp_flow_key key;

	NEED_ROOT();
	flow = to_port(KEY2);
	flow.flags |= SKEP_F_TOS | SKEP_F_TCP | SKEP_F_CONN;
	flow.tos = 40;
	flow.tcp_mask = 0x08;
	flow.mtu = 200;
	build(&in, cases[0].line);
	install(&in, &flow);
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		t.upcalls = 0;
		build(&in, cases[i].line);
		send_from(t.sock1, in.data, in.len, NULL);
		if (cases[i].up) {
			assert_true(WAIT(t.upcalls == 1));
			assert_int_equal(t.why, SKEP_UP_FIELD);
		} else {
			assert_int_equal(receive(t.sock2, buf, sizeof(buf), &vnet, 3000), in.len);
			assert_int_equal(t.upcalls, 0);
		}
	}
	key = key_of(in.data, in.len, KEY1);
	assert_true(dp_flow_get(t.dp, &key, &seen));
	assert_int_equal(seen.tcp_seen, 0x13); /* ACK, FIN, SYN of SYN+ACK */
	/* segments count, not the super-packet */
	build(&in, MACS " / ip 10.0.0.1>10.0.0.2 tos 40 / tcp 1>2 A / data 14000");
	make_super(&in);
	in.vnet.gso_size = 160;
	t.upcalls = 0;
	send_from(t.sock1, in.data, in.len, &in.vnet);
	assert_arrives(t.sock2, &in);
	in.vnet.gso_size = 161;
	send_from(t.sock1, in.data, in.len, &in.vnet);
	assert_true(WAIT(t.upcalls == 1));
	assert_int_equal(t.why, SKEP_UP_FIELD);
	assert_int_equal(dp_frame_seg_len(&t.frame, in.pkt.l3_off, in.pkt.payload_off), 201);
	build(&in, cases[0].line);
	memset(t.frame.vnet, 0, sizeof(t.frame.vnet));
	assert_int_equal(dp_frame_seg_len(&t.frame, in.pkt.l3_off, in.pkt.payload_off), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_partial_checksums), TEST(test_segments_have_right_checksums),
		TEST(test_tags),	      TEST(test_copies),
		TEST(test_policers),	      TEST(test_other_cases_come_up),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
